"""The quarantine rows of one transaction: what is there already, or is a row already, is a duplicate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import asyncpg
import orjson
from dataflow_mesh.postgres import Connection

from dataflow_validator.contracts.identity import IdKind
from dataflow_validator.failure import Failure, failure_of, of_lane
from dataflow_validator.judged import QuarantineRow
from dataflow_validator.readings.rows import readings_table
from dataflow_validator.statements import statements
from dataflow_validator.tally import Outcome, Tally

_SQL: Final = statements("store")


async def quarantine(
    connection: Connection,
    rows: list[tuple[QuarantineRow, int]],
    tallies: Sequence[Tally],
    *,
    isolate: bool,
    stopped: Mapping[str, str],
) -> None:
    """Put items into quarantine; those that are there already, or are a row already, count as duplicates."""
    if not rows:
        return
    rows = await _not_stored(connection, rows, tallies, stopped)
    # In key order, against deadlocks.
    rows.sort(key=lambda pair: (pair[0].contract, pair[0].message_id, pair[0].element, pair[0].content_hash))
    new = await _insert_quarantine(connection, rows, isolate=isolate)
    for row, batch in rows:
        key = (row.contract, row.message_id, row.element, row.content_hash)
        outcome = Outcome.DUPLICATE
        if key in new:
            new.discard(key)
            outcome = Outcome.CONFLICT if row.kind == "CONFLICT" else Outcome.QUARANTINED
        tallies[batch].add(row.contract, row.device_id, outcome)


async def _not_stored(
    connection: Connection,
    rows: list[tuple[QuarantineRow, int]],
    tallies: Sequence[Tally],
    stopped: Mapping[str, str],
) -> list[tuple[QuarantineRow, int]]:
    """Leave out what is a row already: an item that an earlier revision accepted, sent again."""
    left: list[tuple[QuarantineRow, int]] = []
    by_contract: dict[str, list[tuple[QuarantineRow, int]]] = {}
    for pair in rows:
        row = pair[0]
        recognisable = row.event_time is not None and row.id_kind is not IdKind.BRIDGE
        if row.kind == "REFUSED" and recognisable and row.contract not in stopped:
            by_contract.setdefault(row.contract, []).append(pair)
        else:
            left.append(pair)
    for contract, pairs in sorted(by_contract.items()):
        records = await of_lane(
            contract,
            connection.fetch(
                f"""SELECT r.message_id, r.content_hash
                FROM unnest($1::text[], $2::timestamptz[], $3::uuid[]) AS k (device_id, event_time, message_id)
                JOIN {readings_table(contract)} r
                  ON r.device_id = k.device_id AND r.event_time = k.event_time AND r.message_id = k.message_id""",  # noqa: S608 - as above
                [row.device_id for row, _ in pairs],
                [row.event_time for row, _ in pairs],
                [row.message_id for row, _ in pairs],
            ),
        )
        known = {(record["message_id"], record["content_hash"]) for record in records}
        for row, batch in pairs:
            if (row.message_id, row.content_hash) in known:
                tallies[batch].add(row.contract, row.device_id, Outcome.DUPLICATE)
            else:
                left.append((row, batch))
    return left


async def _insert_quarantine(
    connection: Connection, rows: Sequence[tuple[QuarantineRow, int]], *, isolate: bool
) -> set[tuple[str, UUID, int, int]]:
    if not rows:
        return set()
    try:
        # A savepoint only where a culprit is looked for: each costs two round trips.
        if isolate:
            async with connection.transaction():
                return await _insert_quarantine_rows(connection, rows)
        return await _insert_quarantine_rows(connection, rows)
    except asyncpg.PostgresError as error:
        if not isolate or failure_of(error) is not Failure.CULPRIT:
            raise
    if len(rows) > 1:
        middle = len(rows) // 2
        return await _insert_quarantine(connection, rows[:middle], isolate=True) | await _insert_quarantine(
            connection, rows[middle:], isolate=True
        )
    # Its own description cannot be stored: the bytes and the kind still can.
    (row, batch), *_ = rows
    bare = row._replace(device_id="", topic="", reasons=(), source_device_id=None, sender_id=None)
    return await _insert_quarantine_rows(connection, [(bare, batch)])


async def _insert_quarantine_rows(
    connection: Connection, rows: Sequence[tuple[QuarantineRow, int]]
) -> set[tuple[str, UUID, int, int]]:
    columns: list[list[object]] = quarantine_columns([row for row, _ in rows])
    by_arrival = sorted(range(len(rows)), key=[arrival_key(row, batch) for row, batch in rows].__getitem__)
    places = [0] * len(rows)
    for place, index in enumerate(by_arrival, start=1):
        places[index] = place
    records = await connection.fetch(_SQL["insert_quarantine"], *columns, places)
    return {(r["contract"], r["message_id"], r["element"], r["content_hash"]) for r in records}


def arrival_key(row: QuarantineRow, batch: int) -> int:
    """Return what items of one transaction are sorted by into the order in which they arrived.

    Args:
        row: The item.
        batch: Index of its batch in the transaction's group.
    """
    return (batch << 64) | (row.position << 32) | row.element


def quarantine_columns(rows: Sequence[QuarantineRow]) -> list[list[object]]:
    """Return the columns of quarantine rows, as the statements take them."""
    columns: list[list[object]] = [list(column) for column in zip(*rows, strict=True)]
    columns[7] = [orjson.dumps([reason._asdict() for reason in row.reasons]).decode() for row in rows]
    columns[11] = [row.id_kind.value.encode() for row in rows]
    return columns
