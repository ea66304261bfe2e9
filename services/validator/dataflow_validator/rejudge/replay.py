"""The kind REPLAY_QUARANTINED: quarantined items judged again by what their topics lead to now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from dataflow.validator.v1 import quarantine_pb2
from google.protobuf import json_format

from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.kind import Json, Part, Plan
from dataflow_validator.pages import Row
from dataflow_validator.quarantine.filters import Wanted, id_range, wanted_of
from dataflow_validator.quarantine.queries import count_query, quarantine_query
from dataflow_validator.rejudge.contested import STAGE, contested_step
from dataflow_validator.rejudge.judging import ITEM_COLUMNS, judge_page, rules_of
from dataflow_validator.rejudge.page import Page
from dataflow_validator.rejudge.results import combined
from dataflow_validator.rejudge.settling import StaleError, settle
from dataflow_validator.statements import statements

_SQL: Final = statements("rejudge")

_FENCE_SECONDS: Final = 10.0
_MOST_BYTES: Final = 8 * 1024 * 1024


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
        """Judges one page of items and settles them; behind the last one, asks the log who came first."""
        if part.checkpoint.get("stage") == STAGE:
            await contested_step(context, part)
            return
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
        wanted, limit, low=checkpoint["next"], high=checkpoint["high"], oldest_first=True, columns=ITEM_COLUMNS
    )
    began = time.monotonic()
    records = _within(await context.pool.fetch(query.sql, *query.arguments))
    if not records:
        async with context.transaction(part) as connection:
            await context.save(connection, part, checkpoint={"stage": STAGE}, done=0)
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


def _within(records: list[Row]) -> list[Row]:
    """Cut a page where its payloads become many bytes."""
    size = 0
    for index, record in enumerate(records):
        size += len(record["payload"])
        if size > _MOST_BYTES and index:
            return records[:index]
    return records
