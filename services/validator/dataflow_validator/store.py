"""The one transaction that stores a group of batches: claim, rows, quarantine, raw log, ledger.

A batch that is claimed by another transaction contributes nothing. Whatever is counted here is true only after COMMIT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import orjson
from dataflow_mesh.postgres import Connection

from dataflow_validator.failure import of_lane
from dataflow_validator.judged import JudgedBatch, LaneKey, QuarantineRow, unstorable_row
from dataflow_validator.quarantine.rows import quarantine
from dataflow_validator.readings.rows import ReadingRows
from dataflow_validator.rollups.marks import Hours, hours_of, mark_hours
from dataflow_validator.statements import statements
from dataflow_validator.tally import Outcome, Tally

_SQL: Final = statements("store")


class CatalogChangedError(Exception):
    """The catalogue that judged is not the current one any more: judge again."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What one transaction did."""

    batches: int
    """Claimed by it; the others were stored before."""
    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    quarantined: int = 0


async def store(
    connection: Connection,
    group: Sequence[JudgedBatch],
    *,
    isolate: bool = False,
    stopped: Mapping[str, str] = MappingProxyType({}),
    unpark: bool = False,
) -> Stored:
    """Store a group of judged batches in one transaction.

    Args:
        connection: Idle, in no transaction.
        group: Distinct batches. Unless all were judged by the catalogue that the claim sees, nothing is stored.
        isolate: Find the items that SQL does not take, by savepoints and bisection, and quarantine them. Slower; used
            after a transaction failed because of its data.
        stopped: Contracts whose table does not work, and what is wrong: their items go to quarantine as UNSTORABLE, so
            that a table holds up nobody whose items travel in the same batches.
        unpark: The batches are parked; those that are stored (now, or long ago) are so no longer.

    Raises:
        CatalogChangedError: Nothing was stored; judge again.
        LaneError: Nothing was stored; the table of one contract does not work.
        asyncpg.PostgresError, OSError: Nothing was stored, or (connection lost during COMMIT) unknown: the claim tells
            when it is tried again.
    """
    async with connection.transaction():
        claimed = await _claim(connection, group)
        unparked = await _unpark(connection, group) if unpark else {}
        if not claimed:
            await _log_unparked(connection, group, unparked)
            return Stored(0)
        tallies = [Tally() for _ in claimed]
        unstored: list[tuple[QuarantineRow, int]] = [
            (row, index) for index, judged in enumerate(claimed) for row in judged.refused
        ]
        for key in sorted({key for judged in claimed for key in judged.lanes}):
            name, _ = key
            if name in stopped:
                unstored += _held_back(key, claimed, stopped[name])
                continue
            lane = ReadingRows(connection, key, claimed, tallies, isolate=isolate)
            unstored += await of_lane(name, lane.store())
        await quarantine(connection, unstored, tallies, isolate=isolate, stopped=stopped)
        await mark_hours(connection, _touched(claimed, tallies))
        await _log(connection, claimed, tallies, unparked)
    return Stored(
        len(claimed),
        sum(tally.totals[Outcome.STORED] for tally in tallies),
        sum(tally.totals[Outcome.DUPLICATE] for tally in tallies),
        sum(tally.totals[Outcome.CONFLICT] for tally in tallies),
        sum(tally.totals[Outcome.QUARANTINED] for tally in tallies),
    )


def _touched(claimed: Sequence[JudgedBatch], tallies: Sequence[Tally]) -> dict[str, Hours]:
    """Return the hours of the items of each contract that got new rows."""
    stored = {name for tally in tallies for name, counts in tally.counts.items() if Outcome.STORED.value in counts}
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in stored}
    for judged in claimed:
        for lane in judged.lanes.values():
            if lane.contract.spec.name in stored:
                rows[lane.contract.spec.name] += lane.rows
    return {name: hours_of(of_contract) for name, of_contract in rows.items()}


def _held_back(key: LaneKey, claimed: Sequence[JudgedBatch], problem: str) -> list[tuple[QuarantineRow, int]]:
    """Return the quarantine rows of all items of a contract whose table does not work."""
    return [
        (unstorable_row(lane.contract, judged, row, origin, problem), index)
        for index, judged in enumerate(claimed)
        if (lane := judged.lanes.get(key)) is not None
        for row, origin in zip(lane.rows, lane.origins, strict=True)
    ]


async def prepare_connection(connection: Connection) -> None:
    """Have the driver look up the array types of all our statements now, not within the first transaction."""
    types = ("uuid", "text", "bigint", "integer", "timestamptz", "bytea", "jsonb", '"char"', "double precision", "boolean", "numeric")  # fmt: skip
    await connection.prepare("SELECT " + ", ".join(f"${index}::{name}[]" for index, name in enumerate(types, start=1)))


async def _claim(connection: Connection, group: Sequence[JudgedBatch]) -> list[JudgedBatch]:
    ordered = sorted(group, key=lambda judged: judged.batch.batch_id)
    batches = [judged.batch for judged in ordered]
    records = await connection.fetch(
        _SQL["claim_batches"],
        [judged.batch_id for judged in ordered],
        [batch.bridge_id for batch in batches],
        [UUID(bytes=batch.boot_id) for batch in batches],
        [batch.sequence for batch in batches],
        [batch.message_count for batch in batches],
        [judged.entry.data for judged in ordered],
    )
    if not records:
        return []
    version = records[0]["catalog_version"]
    if any(judged.catalog_version != version for judged in group):
        raise CatalogChangedError
    mine = {record["batch_id"] for record in records}
    return [judged for judged in ordered if judged.batch_id in mine]


async def _unpark(connection: Connection, group: Sequence[JudgedBatch]) -> dict[UUID, int]:
    """Return how many messages each of the batches brings back from the parked ones."""
    records = await connection.fetch(_SQL["unpark_batches"], [judged.batch_id for judged in group])
    return {record["batch_id"]: record["messages"] or 0 for record in records}


async def _log_unparked(connection: Connection, group: Sequence[JudgedBatch], unparked: Mapping[UUID, int]) -> None:
    """Balance the ledger for batches that were parked though they had been stored."""
    stored_before = [judged for judged in group if judged.batch_id in unparked]
    if stored_before:
        await _log(connection, stored_before, [Tally() for _ in stored_before], unparked, items=False)


async def _log(
    connection: Connection,
    claimed: Sequence[JudgedBatch],
    tallies: Sequence[Tally],
    unparked: Mapping[UUID, int],
    *,
    items: bool = True,
) -> None:
    batches = [judged.batch for judged in claimed]
    ids = [judged.batch_id for judged in claimed]
    await connection.execute(
        _SQL["append_ledger"],
        ids,
        [batch.bridge_id for batch in batches],
        [UUID(bytes=batch.boot_id) for batch in batches],
        [batch.sequence for batch in batches],
        [batch.acknowledged_through for batch in batches],
        [judged.entry.node for judged in claimed],
        # On each row: the sum of its outcomes. What was counted as parked before is taken back here.
        [(judged.items if items else 0) - unparked.get(judged.batch_id, 0) for judged in claimed],
        [tally.totals[Outcome.STORED] for tally in tallies],
        [tally.totals[Outcome.DUPLICATE] for tally in tallies],
        [tally.totals[Outcome.CONFLICT] for tally in tallies],
        [tally.totals[Outcome.QUARANTINED] for tally in tallies],
        [-unparked.get(batch_id, 0) for batch_id in ids],
        [orjson.dumps(tally.counts).decode() for tally in tallies],
    )
