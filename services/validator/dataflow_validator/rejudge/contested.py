"""Who came first: good items whose key was taken while they were refused get it back from what came later.

A replay knows of a row neither its bytes nor its place in the log. So where an item that was refused turns out good and
finds its key taken by other content, it stays in quarantine as a CONFLICT first; when all else is done, the raw log tells
which of the two came first, and has the bytes of the one that goes into quarantine instead.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from dataflow_mesh.postgres import Connection
from dataflow_ring.batch import BatchUnreadableError, unpack

from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.outcome import Accepted
from dataflow_validator.failure import ContractBrokenError, of_lane
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.kind import DONE, Json, Part
from dataflow_validator.readings.rows import readings_table
from dataflow_validator.rejudge import foreseen
from dataflow_validator.rejudge.cases import ENTRY_COLUMNS, Case, Entry, RowKey
from dataflow_validator.rejudge.deciding import Changes, Lane
from dataflow_validator.rejudge.judging import ITEM_COLUMNS, judge_page, rules_of
from dataflow_validator.rejudge.logged import Choice, judge_logged
from dataflow_validator.rejudge.page import Page
from dataflow_validator.rejudge.tables import RaceError, find, write
from dataflow_validator.statements import statements

_SQL: Final = statements("rejudge")
_CLOCKS_DIFFER: Final = timedelta(seconds=60)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NIL: Final = UUID(int=0)
_MOST_BATCHES: Final = 256
_MEMORY: Final = "contested"

_RESENDS: Final = f"""SELECT {ENTRY_COLUMNS} FROM validator.quarantine q
    JOIN unnest($1::text[], $2::uuid[], $3::bigint[]) AS k (contract, message_id, content_hash)
      ON q.contract = k.contract AND q.message_id = k.message_id AND q.content_hash = k.content_hash
    ORDER BY q.quarantine_id FOR UPDATE OF q"""  # noqa: S608 - constants

STAGE: Final = "contested"
"""The checkpoint's `stage`."""


class Winner(NamedTuple):
    """A row that has the key of an item which may have come before it."""

    key: RowKey
    content_hash: int
    receive_time: datetime


@dataclass(slots=True)
class Contested:
    """What is left to look into.

    Attributes:
        losers: Ids of the items in quarantine, by the row that has their key.
        moments: When those rows' messages were received, in microseconds: few messages of the log have such a time.
    """

    losers: dict[Winner, list[int]]
    moments: frozenset[int]


async def contest(connection: Connection, job_id: UUID, changes: Changes) -> None:
    """Remembers the items of a step that are good by now and find their key taken."""
    found = [
        (entry.quarantine_id, row.contract)
        for entry, row in changes.changed.values()
        if row.kind == "CONFLICT" and entry.kind != "CONFLICT"
    ]
    if found:
        await connection.execute(_SQL["contest"], job_id, *zip(*found, strict=True))


async def contested_step(context: JobContext, part: Part) -> None:
    """Looks through the next batches of the log, or ends the part when nothing is left to look for."""
    contested = None if context.dry_run else await _contested(context)
    if contested is None or not contested.losers:
        await _finish(context, part)
        return
    checkpoint = part.checkpoint
    first = min(winner.receive_time for winner in contested.losers) - _CLOCKS_DIFFER
    after = max(first, datetime.fromisoformat(checkpoint.get("after", _EPOCH.isoformat())))
    until = datetime.fromisoformat(checkpoint["until"]) if "until" in checkpoint else datetime.now(UTC) + _CLOCKS_DIFFER
    page = Page.of(context, first=16, most=_MOST_BATCHES)
    limit, began = min(page.items, _MOST_BATCHES), time.monotonic()
    records = await context.pool.fetch(
        _SQL["logged_batches"], after, UUID(checkpoint.get("batch", str(_NIL))), until, limit
    )
    if not records:
        await _finish(context, part)
        return
    rules = rules_of(context)
    met: dict[Winner, Case] = {}
    for record in records:
        for case in _cases(record["bytes"], contested, rules):
            winner = Winner(*_winner_of(case))
            if winner in contested.losers:
                met.setdefault(winner, case)
    last = records[-1]
    following: Json = {
        "stage": STAGE,
        "after": last["commit_time"].isoformat(),
        "batch": str(last["batch_id"]),
        "until": until.isoformat(),
    }
    try:
        async with context.transaction(part) as connection:
            await connection.execute(_SQL["turn"])
            swapped = 0
            if met:
                if await connection.fetchval(_SQL["catalog_version"]) != rules.version:
                    return  # nothing was saved: the next step judges by the contracts of now
                swapped = await _swap(connection, context, met, contested, rules)
            result = {**part.result, "swapped": part.result.get("swapped", 0) + swapped}
            await context.save(connection, part, checkpoint=following, done=0, result=result)
    except RaceError:
        return  # the next step looks again
    for winner in met:
        contested.losers.pop(winner)
    page.adapt(limit, len(records), time.monotonic() - began)


async def _contested(context: JobContext) -> Contested:
    known = context.memory.get(_MEMORY)
    if isinstance(known, Contested):
        return known
    losers: dict[Winner, list[int]] = defaultdict(list)
    async with context.pool.acquire() as connection:
        for record in await connection.fetch(_SQL["contested_contracts"], context.job_id):
            name = record["contract"]
            contract = context.registry.current.contracts.get(name)
            if contract is None:
                continue
            join = "r.event_time = q.event_time"
            if contract.spec.event_time is None:
                window = contract.spec.dedupe_window.total_seconds()
                join = f"r.event_time BETWEEN q.event_time AND q.event_time + make_interval(secs => {window})"
            for row in await of_lane(
                name,
                connection.fetch(
                    f"""SELECT q.quarantine_id, r.device_id, r.event_time, r.message_id, r.content_hash, r.receive_time
                        FROM validator.rejudge_contested c
                        JOIN validator.quarantine q USING (quarantine_id)
                        JOIN {readings_table(name)} r
                          ON r.device_id = q.device_id AND {join} AND r.message_id = q.message_id
                        WHERE c.job_id = $1 AND c.contract = $2 AND r.receive_time >= q.receive_time
                          AND r.content_hash <> q.content_hash
                        ORDER BY q.quarantine_id""",  # noqa: S608 - a contract's name is an identifier
                    context.job_id,
                    name,
                ),
            ):
                key = (name, row["device_id"], row["event_time"], row["message_id"])
                losers[Winner(key, row["content_hash"], row["receive_time"])].append(row["quarantine_id"])
    moments = frozenset((winner.receive_time - _EPOCH) // timedelta(microseconds=1) for winner in losers)
    found = context.memory[_MEMORY] = Contested(dict(losers), moments)
    return found


def _cases(data: bytes, contested: Contested, rules: Rules) -> Sequence[Case]:
    """Judge those messages of a batch that were received when one of the rows was."""
    try:
        batch = unpack(data)
    except BatchUnreadableError:
        return []
    wanted = {message.receive_time_us for message in batch.messages} & contested.moments
    if not wanted:
        return []
    found: list[Case] = []
    for moment in wanted:
        start = _EPOCH + timedelta(microseconds=moment)
        choice = Choice(start, start + timedelta(microseconds=1))
        found += judge_logged(batch, lambda topic: _resolve(rules, topic), {}, choice)
    return [case for case in found if isinstance(case.outcome, Accepted)]


def _resolve(rules: Rules, topic: str) -> Any:
    try:
        return rules.resolve(topic)
    except ContractBrokenError:
        return None


def _winner_of(case: Case) -> tuple[RowKey, int, datetime]:
    key = case.row_key
    assert key is not None
    return key, case.content_hash, case.arrival.receive_time


async def _swap(
    connection: Connection,
    context: JobContext,
    met: Mapping[Winner, Case],
    contested: Contested,
    rules: Rules,
) -> int:
    """Give the keys back to the items that came first; returns how many got one."""
    ids = sorted({number for winner in met for number in contested.losers[winner]})
    await connection.fetch(_SQL["lock_entries"], ids)
    records = await connection.fetch(
        f"SELECT {ITEM_COLUMNS} FROM validator.quarantine q WHERE q.quarantine_id = ANY ($1::bigint[])",  # noqa: S608 - constants
        ids,
    )
    losers = {case.entry.quarantine_id: case for case in judge_page(records, rules).cases if case.entry is not None}
    found = await find(connection, list(met.values()), lock=True)
    changes = Changes()
    for winner, case in met.items():
        rivals = [losers[number] for number in contested.losers[winner] if number in losers]
        rivals = [rival for rival in rivals if isinstance(rival.outcome, Accepted) and _place(rival) < _place(case)]
        state = found.rows.get(winner.key)
        if not rivals or state is None or state.content_hash != winner.content_hash:
            continue
        _take_back(changes, min(rivals, key=_place), winner, state.stored_xid)
        later = case.conflict()
        if (later.contract, later.message_id, later.element, later.content_hash) not in found.taken:
            changes.new.append(later)
    await _drop_resends(connection, changes)
    await write(connection, changes)
    await connection.execute(_SQL["settle_contested"], context.job_id, ids)
    return len(changes.deletes)


async def _drop_resends(connection: Connection, changes: Changes) -> None:
    """Take along what has the id and the content of an item that becomes the row: the same, sent once more."""
    keys = {(name, row[3], row[4]) for (name, _), lane in changes.inserts.items() for row in lane.rows}
    if keys:
        for record in await connection.fetch(_RESENDS, *zip(*keys, strict=True)):
            entry = Entry(*record)
            changes.gone.setdefault(entry.quarantine_id, entry)


def _take_back(changes: Changes, first: Case, winner: Winner, xid: str) -> None:
    assert isinstance(first.outcome, Accepted)
    assert first.entry is not None
    name = winner.key[0]
    changes.deletes.append(winner.key)
    changes.counted[name, xid] += 1
    lane = changes.inserts.setdefault((name, first.contract.revision), Lane(first.contract))
    lane.rows.append(first.outcome.row)
    changes.gone[first.entry.quarantine_id] = first.entry
    if first.is_remembered:
        changes.seen[name, winner.key[1], winner.key[3]] = first.content_hash


def _place(case: Case) -> tuple[datetime, int, int, int]:
    """Give the place of an item in the order of arrival."""
    return case.arrival.receive_time, case.batch_id.int, case.arrival.position, case.outcome.element


async def _finish(context: JobContext, part: Part) -> None:
    """Ends the part; a dry run forgets first what it kept, some of it at each step."""
    async with context.transaction(part) as connection:
        if context.dry_run and not await foreseen.forget(connection, context.job_id):
            await context.save(connection, part, checkpoint=part.checkpoint, done=0)
            return
        await connection.execute(_SQL["forget_contested"], context.job_id)
        await context.save(connection, part, checkpoint=DONE, done=0)
