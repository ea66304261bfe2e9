"""The kind BACKFILL: the raw log judged again by one revision, as if that revision had been there from the start."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from dataflow_mesh.postgres import Connection
from dataflow_ring.batch import BatchUnreadableError, unpack

from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.judge import CompiledContract
from dataflow_validator.errors import ContractNotFoundError
from dataflow_validator.failure import ContractBrokenError
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.kind import Json, Part, Plan
from dataflow_validator.pages import Row
from dataflow_validator.quarantine.filters import Wanted
from dataflow_validator.readings.rows import readings_table
from dataflow_validator.rejudge.cases import ENTRY_COLUMNS, Case, Entry
from dataflow_validator.rejudge.contested import STAGE, contested_step
from dataflow_validator.rejudge.deciding import Outdated
from dataflow_validator.rejudge.judging import rules_of
from dataflow_validator.rejudge.logged import Choice, Resolve, judge_logged
from dataflow_validator.rejudge.page import Page
from dataflow_validator.rejudge.replay import replay_page, until_writers_are_done
from dataflow_validator.rejudge.results import combined
from dataflow_validator.rejudge.settling import StaleError, settle
from dataflow_validator.statements import statements

_SQL: Final = statements("rejudge")

_CLOCKS_DIFFER: Final = timedelta(seconds=60)
"""A bridge whose clock differs by more from Postgres does not start."""

_MOST_BATCHES: Final = 256
_MOST_BYTES: Final = 8 * 1024 * 1024
_NIL: Final = UUID(int=0)
_COUNT_MS: Final = 5_000


class Backfill:
    """Gives rows and quarantine of a contract the state that a revision would have brought about.

    The request has `contract`, `revision` (0: whatever the routes say now, pinned or active), `start`, `end` (receive
    times) and `device_ids`.
    """

    name = "BACKFILL"

    async def plan(self, context: JobContext) -> Plan:
        """Takes what was committed before now, in commit order."""
        name, revision = context.request["contract"], context.request.get("revision", 0)
        async with context.pool.acquire() as connection:
            await context.registry.refresh(connection)
            if revision:
                await context.registry.compiled(connection, name, revision)
            elif name not in context.registry.current.active:
                raise ContractNotFoundError(f"contract {name!r} has no active revision", metadata={"contract": name})
            until = await connection.fetchval("SELECT now()")
        await until_writers_are_done(context)
        choice = _choice(context.request)
        start = datetime(1970, 1, 1, tzinfo=UTC) if choice.start is None else choice.start - _CLOCKS_DIFFER
        async with context.pool.acquire() as connection:
            first = await connection.fetchval(_SQL["first_logged"])
            total = await connection.fetchval(_SQL["count_logged"], start, until)
            older = await self._older(context, connection, first or until)
        checkpoint = {
            "after": start.isoformat(),
            "batch": str(_NIL),
            "until": until.isoformat(),
            "logged_from": (first or until).isoformat(),
            "older": older,
        }
        return Plan([checkpoint], total)

    async def step(self, context: JobContext, part: Part) -> None:
        """Judges some batches of the log; behind the last one, conflicts from before the log whose winner went away."""
        if part.checkpoint.get("stage") == STAGE:
            await contested_step(context, part)
        elif "high" in part.checkpoint:
            await self._conflicts(context, part)
        else:
            await self._logged(context, part)

    async def _logged(self, context: JobContext, part: Part) -> None:
        checkpoint = part.checkpoint
        after, until = (datetime.fromisoformat(checkpoint[name]) for name in ("after", "until"))
        page = Page.of(context, first=8, most=_MOST_BATCHES)
        began = time.monotonic()
        limit = page.items
        records = _within(
            await context.pool.fetch(_SQL["logged_batches"], after, UUID(checkpoint["batch"]), until, limit)
        )
        if not records:
            async with context.transaction(part) as connection:
                high = await connection.fetchval(_SQL["newest_entry"])
                result = {"items": 0, "left": 0, **checkpoint["older"], **part.result}
                await context.save(
                    connection, part, checkpoint={**checkpoint, "next": 0, "high": high}, done=0, result=result
                )
            return
        async with context.pool.acquire() as connection:
            resolve, outdated = await self._rules(context, connection)
            entries: dict[tuple[UUID, int], list[Entry]] = {}
            for record in await connection.fetch(_SQL_ENTRIES, [record["batch_id"] for record in records]):
                entry = Entry(*record)
                entries.setdefault((entry.batch_id, entry.position), []).append(entry)
        version = context.registry.current.version
        cases: list[Case] = []
        messages = unreadable = 0
        choice = _choice(context.request)
        for record in records:
            try:
                batch = unpack(record["bytes"])
            except BatchUnreadableError:
                unreadable += 1
                continue
            messages += len(batch.messages)
            cases += judge_logged(batch, resolve, entries, choice)
        last = records[-1]
        try:
            await settle(
                context,
                part,
                cases,
                catalog_version=version,
                outdated=outdated,
                checkpoint={**checkpoint, "after": last["commit_time"].isoformat(), "batch": str(last["batch_id"])},
                done=messages,
                counts={"items": len(cases), "messages": messages, "unreadable": unreadable},
            )
        except StaleError:
            return
        page.adapt(limit, len(records), time.monotonic() - began)

    async def _conflicts(self, context: JobContext, part: Part) -> None:
        choice = _choice(context.request)
        logged_from = datetime.fromisoformat(part.checkpoint["logged_from"])

        def elsewhere(record: Row) -> bool:
            """Whether the log, or the part of it that was asked for, does not have the item."""
            return record["quarantine_time"] < logged_from or not choice.holds(record["receive_time"])

        wanted = Wanted(contract=context.request["contract"], kinds=["CONFLICT"])
        await replay_page(context, part, wanted, part.checkpoint, concerns=elsewhere)

    async def _rules(self, context: JobContext, connection: Connection) -> tuple[Resolve, Outdated]:
        """Say what judges a topic, and which rows it may change."""
        name, revision = context.request["contract"], context.request.get("revision", 0)
        catalog, rules = context.registry.current, rules_of(context)
        if not revision:

            def by_routes(topic: str) -> tuple[CompiledContract, DeviceRule] | None:
                try:
                    resolved = rules.resolve(topic)
                except ContractBrokenError:
                    return None
                return resolved if resolved is not None and resolved[0].spec.name == name else None

            return by_routes, _another
        compiled = await context.registry.compiled(connection, name, revision)
        known: dict[str, tuple[CompiledContract, DeviceRule] | None] = {}

        def by_revision(topic: str) -> tuple[CompiledContract, DeviceRule] | None:
            if topic not in known:
                route = catalog.routes.resolve(topic)
                known[topic] = (compiled, route.device_rule) if route is not None and route.contract == name else None
            return known[topic]

        return by_revision, _another if catalog.active.get(name) == revision else _older_than

    async def _older(self, context: JobContext, connection: Connection, first: datetime) -> Json:
        """Count the rows from before the log that another revision judged: nobody can judge them again."""
        choice = _choice(context.request)
        if choice.start is not None and choice.start >= first:
            return {"older_rows": 0}
        name = context.request["contract"]
        revision = context.request.get("revision") or context.registry.current.active.get(name, 0)
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL statement_timeout = {_COUNT_MS}")
                rows = await connection.fetchval(
                    f"""SELECT count(*) FROM {readings_table(name)}
                        WHERE revision <> $1 AND receive_time < $2 AND ($3::timestamptz IS NULL OR receive_time >= $3)
                          AND ($4::text[] IS NULL OR device_id = ANY ($4))""",  # noqa: S608 - a contract's name is an identifier
                    revision,
                    first - _CLOCKS_DIFFER,
                    choice.start,
                    None if choice.device_ids is None else list(choice.device_ids),
                )
        except asyncpg.QueryCanceledError:
            return {"older_rows_unknown": True}
        return {"older_rows": rows}

    def combine(self, request: Json, results: Sequence[Json]) -> Json:  # noqa: ARG002 - as the protocol has it
        """Gives the counts of the one part."""
        return combined(results)


_SQL_ENTRIES: Final = f"SELECT {ENTRY_COLUMNS} FROM validator.quarantine q WHERE q.batch_id = ANY ($1::uuid[])"  # noqa: S608 - constants


def _another(contract: CompiledContract, revision: int) -> bool:
    """The revision that is active, or pinned, is what all rows shall have: also after one went back to it."""
    return revision != contract.revision


def _older_than(contract: CompiledContract, revision: int) -> bool:
    return revision < contract.revision


def _choice(request: Json) -> Choice:
    start, end = request.get("start"), request.get("end")
    devices = request.get("device_ids")
    return Choice(
        None if start is None else datetime.fromisoformat(start),
        None if end is None else datetime.fromisoformat(end),
        frozenset(devices) if devices else None,
    )


def _within(records: list[Row]) -> list[Row]:
    """Cut a page where its batches become many bytes."""
    size = 0
    for index, record in enumerate(records):
        size += len(record["bytes"])
        if size > _MOST_BYTES and index:
            return records[:index]
    return records
