"""What Postgres knows of acknowledged sequences: how far each life of a bridge is, and which are not in the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
from dataflow_mesh.postgres import Connection, Pool

from dataflow_validator.statements import statements

MAX_OPEN: Final = 100_000
"""Open sequences that one survey looks at; a ring that holds more is behind, and none of them is called missing yet."""

MAX_WINDOW: Final = 200_000
"""Sequences of one life of a bridge that one survey looks through; the standing check goes on from there."""

_MAX_GAPS: Final = 20_000


class BatchKey(NamedTuple):
    """One batch, as its bridge counts them."""

    bridge_id: str
    boot_id: UUID
    sequence: int


@dataclass(frozen=True, slots=True)
class Boot:
    """One life of a bridge.

    Attributes:
        bridge_id: The bridge.
        boot_id: Its life.
        complete_through: Up to here nobody needs to look again.
        acknowledged_through: The highest sequence of which somebody knows that it was acknowledged.
        last_sequence: The highest one in the ledger.
    """

    bridge_id: str
    boot_id: UUID
    complete_through: int
    acknowledged_through: int
    last_sequence: int


@dataclass(frozen=True, slots=True)
class Known:
    """What was written down of an open sequence."""

    state: str
    since: datetime


@dataclass(slots=True)
class Survey:
    """What one look found.

    Attributes:
        boots: All lives of bridges.
        open: Acknowledged and not in the ledger.
        unseen: Acknowledged, and beyond `MAX_OPEN` or `MAX_WINDOW`: not in `open`, though perhaps not in the ledger.
        looked_through: Up to which sequence of a life this survey went; none for those that it left out.
        known: Those that were written down before, still open or not.
        settled: Those of `known` that are in the ledger by now.
    """

    boots: list[Boot] = field(default_factory=list)
    open: set[BatchKey] = field(default_factory=set)
    unseen: int = 0
    looked_through: dict[tuple[str, UUID], int] = field(default_factory=dict)
    known: dict[BatchKey, Known] = field(default_factory=dict)
    settled: set[BatchKey] = field(default_factory=set)

    def advanced(self, written: Collection[BatchKey]) -> list[tuple[Boot, int]]:
        """Returns the lives of bridges of which more is complete than before, and up to where.

        Args:
            written: Open sequences that are about to be written down: nobody needs to look for them in the ledger.
        """
        first_gap: dict[tuple[str, UUID], int] = {}
        for key in self.open:
            if key not in self.known and key not in written:
                life = key.bridge_id, key.boot_id
                first_gap[life] = min(key.sequence, first_gap.get(life, key.sequence))
        found = []
        for boot in self.boots:
            life = boot.bridge_id, boot.boot_id
            gap = first_gap.get(life)
            complete = self.looked_through.get(life, 0) if gap is None else gap - 1
            if complete > boot.complete_through:
                found.append((boot, complete))
        return found


async def survey(pool: Pool, *, bridge_id: str = "", boot_id: UUID | None = None) -> Survey:
    """Looks once. What the bridges say is read first, so that what is acknowledged while we look opens no gap.

    Args:
        pool: Connections.
        bridge_id: Only this bridge; empty for all.
        boot_id: Only this life.

    Raises:
        asyncpg.PostgresError, OSError: Postgres failed.
    """
    sql = statements("ledger")
    async with pool.acquire() as connection:
        instances = await _instances(connection)
        records = await connection.fetch(
            sql["boots"],
            [record["bridge_id"] for record in instances],
            [record["boot_id"] for record in instances],
            [record["acknowledged_through"] for record in instances],
            bridge_id,
            boot_id,
        )
        found = Survey(boots=[Boot(*record) for record in records])
        for record in await connection.fetch(sql["still_open"], bridge_id, boot_id):
            key = BatchKey(record["bridge_id"], record["boot_id"], record["sequence"])
            found.known[key] = Known(record["state"], record["since"])
            if record["committed"]:
                found.settled.add(key)
            else:
                found.open.add(key)
        behind = [boot for boot in found.boots if boot.acknowledged_through > boot.complete_through]
        if behind:
            through = [min(boot.acknowledged_through, boot.complete_through + MAX_WINDOW) for boot in behind]
            gaps = await connection.fetch(
                sql["gaps"],
                [boot.bridge_id for boot in behind],
                [boot.boot_id for boot in behind],
                [boot.complete_through for boot in behind],
                through,
                _MAX_GAPS + 1,
            )
            _open(found, gaps)
            if not found.unseen:  # else it is not known where the gaps end that were not looked at
                found.looked_through = {
                    (boot.bridge_id, boot.boot_id): number for boot, number in zip(behind, through, strict=True)
                }
            found.unseen += sum(
                boot.acknowledged_through - number for boot, number in zip(behind, through, strict=True)
            )
    return found


def _open(found: Survey, gaps: Sequence[asyncpg.Record]) -> None:
    if len(gaps) > _MAX_GAPS:
        found.unseen += 1
    for gap in gaps[:_MAX_GAPS]:
        room = max(0, MAX_OPEN - len(found.open))
        length = gap["last"] - gap["first"] + 1
        found.unseen += max(0, length - room)
        found.open |= {
            BatchKey(gap["bridge_id"], gap["boot_id"], number)
            for number in range(gap["first"], gap["first"] + min(length, room))
        }


async def _instances(connection: Connection) -> Sequence[asyncpg.Record]:
    try:
        return await connection.fetch(statements("ledger")["instances"])
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return []  # no bridge has started yet


async def parked_among(pool: Pool, keys: Iterable[BatchKey]) -> set[BatchKey]:
    """Returns those of the sequences whose batches are parked."""
    wanted = {(key.boot_id, key.sequence): key for key in keys}
    records = await pool.fetch(
        statements("ledger")["parked_sequences"], [boot for boot, _ in wanted], [number for _, number in wanted]
    )
    return {wanted[record["boot_id"], record["sequence"]] for record in records}
