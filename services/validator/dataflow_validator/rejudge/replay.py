"""The kind REPLAY_QUARANTINED: quarantined items judged again by what their topics lead to now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from dataflow.validator.v1 import quarantine_pb2
from google.protobuf import json_format

from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.outcome import Arrival
from dataflow_validator.failure import ContractBrokenError
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.kind import DONE, Json, Part, Plan
from dataflow_validator.pages import Row
from dataflow_validator.quarantine.filters import Wanted, id_range, wanted_of
from dataflow_validator.quarantine.queries import count_query, quarantine_query
from dataflow_validator.rejudge import foreseen
from dataflow_validator.rejudge.cases import ENTRY_COLUMNS, Case, Entry, judge_again
from dataflow_validator.rejudge.page import Page
from dataflow_validator.rejudge.results import combined
from dataflow_validator.rejudge.settling import StaleError, settle
from dataflow_validator.statements import statements

_SQL: Final = statements("rejudge")

_COLUMNS: Final = f"{ENTRY_COLUMNS}, q.topic, q.payload, q.receive_time, q.source_device_id, q.sender_id, q.maybe_duplicate, q.message_sha1, q.quarantine_time"
_FENCE_SECONDS: Final = 10.0
_MOST_BYTES: Final = 8 * 1024 * 1024
_RULES: Final = "rules"


class Judged(NamedTuple):
    """A page, judged.

    Attributes:
        cases: Items that something is said of, in the order in which they came.
        left: Items that nothing is said of: no route takes their topic, or its contract does not compile here.
    """

    cases: list[Case]
    left: int


class ReplayQuarantined:
    """Makes rows of what is good by now, and gives what is not the reasons of now."""

    name = "REPLAY_QUARANTINED"

    async def plan(self, context: JobContext) -> Plan:
        """Takes all items of the filter that are there, those included whose transactions are about to commit."""
        wanted = _wanted(context.request)
        if wanted is None:
            return Plan([], 0)
        await until_writers_are_done(context)
        async with context.pool.acquire() as connection:
            low, _ = await id_range(connection, wanted)
            high = await connection.fetchval(_SQL["newest_entry"])
            query = count_query(wanted)
            total = await connection.fetchval(query.sql, *query.arguments)
        return Plan([{"next": low, "high": high}], total)

    async def step(self, context: JobContext, part: Part) -> None:
        """Judges one page of items and settles them."""
        wanted = _wanted(context.request)
        assert wanted is not None, "else there were no parts"
        await replay_page(context, part, wanted, part.checkpoint)

    def combine(self, request: Json, results: Sequence[Json]) -> Json:  # noqa: ARG002 - as the protocol has it
        """Gives the counts of the one part."""
        return combined(results)


def _wanted(request: Json) -> Wanted | None:
    return wanted_of(json_format.ParseDict(request.get("filter", {}), quarantine_pb2.QuarantineFilter()))


async def until_writers_are_done(context: JobContext) -> None:
    """Waits for the transactions that are under way: they may have judged by what was so before.

    Not for longer than some seconds: who writes for longer than that is no store transaction.
    """
    fence = await context.pool.fetchval(_SQL["fence"])
    until = time.monotonic() + _FENCE_SECONDS
    while not await context.pool.fetchval(_SQL["oldest"], fence) and time.monotonic() < until:  # noqa: ASYNC110 - Postgres tells nobody
        await asyncio.sleep(0.02)


async def replay_page(
    context: JobContext,
    part: Part,
    wanted: Wanted,
    checkpoint: Json,
    *,
    concerns: Callable[[Row], bool] | None = None,
) -> None:
    """Replays the next page of a filter's items, oldest first, and saves the part.

    Args:
        context: The job.
        part: Its part.
        wanted: The filter.
        checkpoint: With `next` and `high`, the ids between which to go on; further members are kept.
        concerns: Says which of them; `None` for all.
    """
    page = Page.of(context)
    limit = context.items_of_step(page.items)
    query = quarantine_query(
        wanted, limit, low=checkpoint["next"], high=checkpoint["high"], oldest_first=True, columns=_COLUMNS
    )
    began = time.monotonic()
    records = _within(await context.pool.fetch(query.sql, *query.arguments))
    if not records:
        await finish(context, part)
        return
    rules = rules_of(context)
    chosen = records if concerns is None else [record for record in records if concerns(record)]
    judged = judge_page(chosen, rules)
    try:
        await settle(
            context,
            part,
            judged.cases,
            catalog_version=rules.version,
            checkpoint={**checkpoint, "next": records[-1]["quarantine_id"] + 1},
            done=len(chosen),
            counts={"items": len(chosen), "left": judged.left},
        )
    except StaleError:
        return  # the next step reads again; the registry is refreshed before it
    page.adapt(limit, len(records), time.monotonic() - began)


async def finish(context: JobContext, part: Part) -> None:
    """Ends the part; a dry run forgets first what it kept, some of it at each step."""
    async with context.transaction(part) as connection:
        if context.dry_run and not await foreseen.forget(connection, context.job_id):
            await context.save(connection, part, checkpoint=part.checkpoint, done=0)
        else:
            await context.save(connection, part, checkpoint=DONE, done=0)


def judge_page(records: Sequence[Row], rules: Rules) -> Judged:
    """Judge items by what their topics lead to.

    Args:
        records: With the columns of `_COLUMNS`.
        rules: Of now.
    """
    cases: list[Case] = []
    left = 0
    width = len(Entry._fields)
    for record in records:
        values = tuple(record)
        entry = Entry(*values[:width])
        topic, payload, receive_time, source_device_id, sender_id, maybe_duplicate, message_sha1, _ = values[width:]
        try:
            resolved = rules.resolve(topic)
        except ContractBrokenError:
            resolved = None
        if resolved is None:
            left += 1
            continue
        arrival = Arrival(
            topic,
            source_device_id,
            payload,
            receive_time,
            sender_id,
            maybe_duplicate,
            entry.batch_id.bytes,
            entry.position,
            message_sha1,
        )
        cases += judge_again(*resolved, arrival, entry, entry.batch_id)
    return Judged(cases, left)


def rules_of(context: JobContext) -> Rules:
    """Give the rules of now; what they know of topics is kept between steps."""
    rules = context.memory.get(_RULES)
    if not isinstance(rules, Rules) or rules.version != context.registry.current.version:
        rules = context.memory[_RULES] = Rules(context.registry.current)
    return rules


def _within(records: list[Row]) -> list[Row]:
    """Cut a page where its payloads become many bytes."""
    size = 0
    for index, record in enumerate(records):
        size += len(record["payload"])
        if size > _MOST_BYTES and index:
            return records[:index]
    return records
