"""Judges the quarantined items again, as ReplayQuarantined would if the candidate were the active revision.

One part, in the order of arrival: of two items with one key the first one becomes the row. What earlier steps would have
done is kept beside the tables for later ones, as in any dry run of a replay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from dataflow_mesh.postgres import Connection

from dataflow_validator.catalog.registry import Catalog
from dataflow_validator.catalog.routes import matches
from dataflow_validator.contracts.outcome import Accepted, Arrival, Refused
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.contract_test.candidate import Candidate
from dataflow_validator.jobs.contract_test.counts import (
    QUARANTINED_ACCEPTED,
    QUARANTINED_CONFLICT,
    QUARANTINED_DUPLICATE,
    QUARANTINED_REFUSED,
    Counts,
)
from dataflow_validator.jobs.contract_test.request import TestRequest
from dataflow_validator.jobs.kind import DONE, Done, Json, Part
from dataflow_validator.quarantine.filters import Wanted
from dataflow_validator.quarantine.queries import count_query, quarantine_query
from dataflow_validator.rejudge import foreseen
from dataflow_validator.rejudge.cases import ENTRY_COLUMNS, Case, Entry, judge_again
from dataflow_validator.rejudge.deciding import Became, Decider
from dataflow_validator.rejudge.tables import find

_COLUMNS: Final = (
    f"{ENTRY_COLUMNS}, q.topic, q.payload, q.receive_time, q.source_device_id, q.sender_id, q.maybe_duplicate,"
    " q.message_sha1"
)
_PAGE: Final = 2_000
_PIECE: Final = 500
_OUTCOMES: Final[Mapping[Became, str]] = {
    Became.STORED: QUARANTINED_ACCEPTED,
    Became.UPDATED: QUARANTINED_ACCEPTED,
    Became.DUPLICATE: QUARANTINED_DUPLICATE,
    Became.CONFLICT: QUARANTINED_CONFLICT,
    Became.REFUSED: QUARANTINED_REFUSED,
    Became.WITHDRAWN: QUARANTINED_REFUSED,
    Became.ABSENT: QUARANTINED_REFUSED,
}


@dataclass(frozen=True, slots=True)
class Stage:
    """Some of the quarantine: the items of the contract, or unrouted ones that a route of today would lead to it.

    Attributes:
        contract: The contract; "" for unrouted items.
        topic_filter: Of unrouted items.
        start: Received from this time on.
        end: Received before this time.
    """

    contract: str
    topic_filter: str
    start: datetime | None
    end: datetime | None

    @property
    def wanted(self) -> Wanted:
        """The filter."""
        kinds = () if self.contract else ("UNROUTED",)
        return Wanted(self.contract, kinds, start=self.start, end=self.end, topic_filter=self.topic_filter)

    def to_json(self) -> Json:
        """Writes it as `from_json` reads it."""
        return {
            "contract": self.contract,
            "topic_filter": self.topic_filter,
            "start": None if self.start is None else self.start.isoformat(),
            "end": None if self.end is None else self.end.isoformat(),
        }

    @classmethod
    def from_json(cls, written: Json) -> Self:
        """Reads what `to_json` wrote."""
        start, end = written["start"], written["end"]
        return cls(
            written["contract"],
            written["topic_filter"],
            None if start is None else datetime.fromisoformat(start),
            None if end is None else datetime.fromisoformat(end),
        )


def quarantine_stages(request: TestRequest, catalog: Catalog) -> list[Stage]:
    """Returns what of the quarantine is judged; no item is in two of them that a route leads to the contract."""
    stages = [Stage(request.contract, "", request.start, request.end)]
    filters = [route.topic_filter for route in catalog.routes.routes if route.contract == request.contract]
    if request.route is not None:
        filters.append(request.route.topic_filter)
    return [*stages, *(Stage("", topic_filter, request.start, request.end) for topic_filter in filters)]


async def count_quarantined(connection: Connection, stages: Sequence[Stage]) -> int:
    """Counts the items of all stages, for the progress."""
    total = 0
    for stage in stages:
        query = count_query(stage.wanted)
        total += await connection.fetchval(query.sql, *query.arguments)
    return total


async def step_quarantine(
    context: JobContext, part: Part, request: TestRequest, candidate: Candidate, counts: Counts
) -> None:
    """Judges one page of one stage and saves the part."""
    checkpoint = part.checkpoint
    stages = [Stage.from_json(stage) for stage in checkpoint["stages"]]
    if checkpoint["stage"] >= len(stages):
        async with context.transaction(part) as connection:
            forgotten = await foreseen.forget(connection, context.job_id)
            await context.save(connection, part, checkpoint=DONE if forgotten else checkpoint, done=0)
        return
    stage = stages[checkpoint["stage"]]
    limit = context.items_of_step(_PAGE)
    query = quarantine_query(
        stage.wanted, limit, low=checkpoint["next"], high=checkpoint["high"], oldest_first=True, columns=_COLUMNS
    )
    records = await context.pool.fetch(query.sql, *query.arguments)
    cases: list[Case] = []
    for start in range(0, len(records), _PIECE):
        cases += _of_stage(stages, checkpoint["stage"], records[start : start + _PIECE], candidate)
        await asyncio.sleep(0)
    where: Json | Done = {**checkpoint, "stage": checkpoint["stage"] + 1, "next": 0}
    if records:
        where = {**checkpoint, "next": records[-1]["quarantine_id"] + 1}
    async with context.transaction(part) as connection:
        if cases:
            found = await find(connection, cases, lock=False)
            await foreseen.overlay(connection, context.job_id, cases, found)
            decider = Decider(found)
            for case in cases:
                _count(counts, request, case, _decided(decider, case))
            await foreseen.remember(connection, context.job_id, decider.changes)
        await context.save(connection, part, checkpoint=where, done=len(records), result=counts.to_json())


def _of_stage(stages: Sequence[Stage], number: int, records: Sequence[Any], candidate: Candidate) -> list[Case]:
    """Judges what no earlier stage has: an unrouted topic may match several filters."""
    earlier = [stage.topic_filter for stage in stages[1:number]]
    mine = [record for record in records if not any(matches(topic_filter, record["topic"]) for topic_filter in earlier)]
    cases: list[Case] = []
    for record in mine:
        resolved = candidate.resolve(record["topic"])
        if resolved is not None:
            entry = Entry(*tuple(record)[: len(Entry._fields)])
            cases += judge_again(*resolved, _arrival(record, entry), entry, entry.batch_id)
    return cases


def _arrival(record: Any, entry: Entry) -> Arrival:
    return Arrival(
        record["topic"],
        record["source_device_id"],
        record["payload"],
        record["receive_time"],
        record["sender_id"],
        record["maybe_duplicate"],
        entry.batch_id.bytes,
        entry.position,
        record["message_sha1"],
    )


def _decided(decider: Decider, case: Case) -> Became:
    was = dict(decider.changes.counts.get(case.contract.spec.name) or {})
    after = decider.decide([case]).counts[case.contract.spec.name]
    return next(became for became, items in after.items() if items != was.get(became, 0))


def _count(counts: Counts, request: TestRequest, case: Case, became: Became) -> None:
    outcome, arrival = case.outcome, case.arrival
    device_id = str(outcome.row[0]) if isinstance(outcome, Accepted) else outcome.device_id
    if not request.wants(device_id, arrival.receive_time):
        return
    reasons = outcome.reasons if isinstance(outcome, Refused) else ()
    if isinstance(outcome, Refused):
        counts.refused(outcome.kind.value, reasons)
    else:
        counts.numbers["accepted"] += 1
    name = _OUTCOMES[became]
    counts.numbers[name.lower()] += 1
    if counts.wants_sample(name):
        payload = arrival.payload if case.split is None else case.split.element(outcome.element) or arrival.payload
        entry = case.entry or next(iter(case.replaced), None)
        counts.sample(
            name, arrival, payload, device_id, reasons, quarantine_id=0 if entry is None else entry.quarantine_id
        )
