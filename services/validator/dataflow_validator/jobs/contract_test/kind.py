"""TEST_CONTRACT: plans pieces of the raw log and of the quarantine, which several workers judge at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from dataflow_mesh.postgres import Connection
from dataflow_ring.batch import BatchUnreadableError, unpack

from dataflow_validator.failure import DATABASE_ERRORS, ContractBrokenError, of_lane
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.contract_test.candidate import Candidate, load_candidate
from dataflow_validator.jobs.contract_test.counts import Counts
from dataflow_validator.jobs.contract_test.logged import LoggedItems
from dataflow_validator.jobs.contract_test.quarantined import count_quarantined, quarantine_stages, step_quarantine
from dataflow_validator.jobs.contract_test.request import TestRequest
from dataflow_validator.jobs.contract_test.transactions import Group, full_xid, rows_of
from dataflow_validator.jobs.kind import DONE, JobFailedError, Json, Part, Plan
from dataflow_validator.readings.rows import readings_table
from dataflow_validator.statements import statements

NAME: Final = "TEST_CONTRACT"

_STEP_SECONDS: Final = 0.7
_PAGE_MESSAGES: Final = 12_000
_FIRST_PAGE_BATCHES: Final = 8
_BATCHES_PER_PART: Final = 64
_MAX_PARTS: Final = 64
_CLOCKS: Final = timedelta(minutes=5)
"""How much later than its receipt a message may seem to be committed: clocks differ, and a bridge waits."""
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Loaded:
    digest: bytes
    candidate: Candidate


class ContractTestJob:
    """Judges what was logged by a candidate."""

    name = NAME

    def __init__(self) -> None:
        self._loaded: _Loaded | None = None

    async def plan(self, context: JobContext) -> Plan:
        """Cuts the raw log at commit times; counts the rows there are; adds the quarantine."""
        request = TestRequest.from_json(context.request)
        await self._candidate(context, request)
        sql = statements("contract_test")
        since = _LONG_AGO if request.start is None else request.start - _CLOCKS
        async with context.pool.acquire() as connection:
            await _summarise(connection, request.contract)
            first = await connection.fetchval(sql["log_start"], since)
            # Counted by the batches' own table, which remembers them for longer than the raw log.
            size = await connection.fetchrow(sql["log_size"], first or datetime.now(UTC))
            assert size is not None
            pieces = max(1, min(_MAX_PARTS, size["batches"] // _BATCHES_PER_PART))
            bounds = await connection.fetchval(sql["log_bounds"], since, pieces) or []
            # What is stored from now on is not judged, and not missed.
            before_xid = await connection.fetchval(sql["oldest_transaction"])
            stages = quarantine_stages(request, context.registry.current)
            high = await connection.fetchval(sql["newest_item"])
            quarantined = await count_quarantined(connection, stages)
        raw_start = None if first is None else first.isoformat()
        parts: list[Json] = [
            {
                "source": "quarantine",
                "stages": [stage.to_json() for stage in stages],
                "stage": 0,
                "next": 0,
                "high": high,
            },
            {"source": "rows", "raw_start": raw_start, "before_xid": before_xid},
        ]
        after = since - timedelta(microseconds=1)
        for bound in bounds:
            span = {"after": after.isoformat(), "until": bound.isoformat()}
            parts.append({"source": "log", **span, "before_xid": before_xid})
            after = bound
        return Plan(parts, size["messages"] + quarantined)

    async def step(self, context: JobContext, part: Part) -> None:
        """Does one step of one source."""
        request = TestRequest.from_json(context.request)
        counts = Counts(request.max_samples, part.result)
        match part.checkpoint["source"]:
            case "rows":
                counts.raw_start = part.checkpoint.get("raw_start")
                async with context.pool.acquire() as connection:
                    counts.numbers["rows"] = await _count_rows(connection, request, part.checkpoint["before_xid"])
                async with context.transaction(part) as connection:
                    await context.save(connection, part, checkpoint=DONE, done=0, result=counts.to_json())
            case "quarantine":
                await step_quarantine(context, part, request, await self._candidate(context, request), counts)
            case "log":
                await self._step_log(context, part, request, counts)
            case source:
                raise JobFailedError("INTERNAL", f"a checkpoint of an unknown source {source!r}")

    async def _step_log(self, context: JobContext, part: Part, request: TestRequest, counts: Counts) -> None:
        candidate = await self._candidate(context, request)
        sql = statements("contract_test")
        until = datetime.fromisoformat(part.checkpoint["until"])
        after = datetime.fromisoformat(part.checkpoint["after"])
        began = time.monotonic()
        done = 0
        most = context.items_of_step(10**9)
        async with context.pool.acquire() as connection:
            items = LoggedItems(
                candidate,
                request,
                lambda number: context.registry.compiled(connection, request.contract, number),
                counts,
            )
            while after < until and done < most and time.monotonic() - began < _STEP_SECONDS:
                batches = int(str(context.memory.get("page", _FIRST_PAGE_BATCHES)))
                records = await connection.fetch(sql["log_page"], after, until, batches)
                if not records:
                    after = until
                    break
                read = _groups(records)
                messages = sum(group.messages for group in read)
                groups = [
                    group for group in read if group.xid < part.checkpoint["before_xid"] and group.may_hold(request)
                ]
                rows = await rows_of(connection, request.contract, [group.xid for group in groups])
                await items.judge(connection, groups, rows)
                counts.numbers["messages"] += messages
                done += messages
                after = records[-1]["commit_time"]
                context.memory["page"] = (
                    max(1, batches * context.items_of_step(_PAGE_MESSAGES) // max(1, messages)) if messages else batches
                )
        async with context.transaction(part) as connection:
            await context.save(
                connection,
                part,
                checkpoint=DONE if after >= until else {**part.checkpoint, "after": after.isoformat()},
                done=done,
                result=counts.to_json(),
            )

    async def _candidate(self, context: JobContext, request: TestRequest) -> Candidate:
        """Returns the candidate of this job; compiled once for all parts and steps of one catalogue."""
        digest = hashlib.sha256(json.dumps(context.request, sort_keys=True).encode()).digest()
        loaded = self._loaded
        if loaded is None or loaded.digest != digest or loaded.candidate.version != context.registry.current.version:
            try:
                candidate = await load_candidate(context.pool, context.registry, request)
            except ContractBrokenError as error:
                raise JobFailedError("CONTRACT_INVALID", str(error), {"contract": request.contract}) from error
            loaded = self._loaded = _Loaded(digest, candidate)
        return loaded.candidate

    def combine(self, request: Json, results: Sequence[Json]) -> Json:
        """Adds up the parts."""
        asked = TestRequest.from_json(request)
        total = Counts(asked.max_samples, {})
        for result in results:
            total.add(result)
        return total.result(asked)


def _groups(records: Sequence[Any]) -> list[Group]:
    """Puts the batches of a page together by their transactions; what cannot be read judges nothing."""
    by_xid: dict[int, list[Any]] = {}
    for record in records:
        with contextlib.suppress(BatchUnreadableError):
            by_xid.setdefault(full_xid(record["xid"], record["now_xid"]), []).append(unpack(record["bytes"]))
    return [Group(xid, batches) for xid, batches in by_xid.items()]


async def _summarise(connection: Connection, contract: str) -> None:
    """Has the index by which rows of a transaction are found cover the newest rows, too, as vacuum does now and then."""
    with contextlib.suppress(*DATABASE_ERRORS):
        await connection.execute(
            "SELECT brin_summarize_new_values(i.indexrelid::regclass)"
            " FROM pg_partition_tree($1::text::regclass) t JOIN pg_index i ON i.indrelid = t.relid"
            " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam"
            " WHERE t.isleaf AND a.amname = 'brin'",
            readings_table(contract),
        )


async def _count_rows(connection: Connection, request: TestRequest, before_xid: int) -> int:
    """Counts the rows that a complete raw log would give."""
    conditions = ["stored_xid < $1::text::xid8"]
    arguments: list[object] = [str(before_xid)]
    if request.start is not None:
        arguments.append(request.start)
        conditions.append(f"receive_time >= ${len(arguments)}")
    if request.end is not None:
        arguments.append(request.end)
        conditions.append(f"receive_time < ${len(arguments)}")
    if request.device_ids:
        arguments.append(sorted(request.device_ids))
        conditions.append(f"device_id = ANY (${len(arguments)}::text[])")
    counted: int = await of_lane(
        request.contract,
        connection.fetchval(
            f"SELECT count(*) FROM {readings_table(request.contract)} WHERE {' AND '.join(conditions)}",  # noqa: S608 - names and constants
            *arguments,
        ),
    )
    return counted
