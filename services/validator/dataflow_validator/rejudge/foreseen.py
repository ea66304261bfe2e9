"""What a dry run would have done so far: kept beside the tables, so that its later steps see what its earlier ones did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final
from uuid import UUID

from dataflow_mesh.postgres import Connection

from dataflow_validator.rejudge.cases import Case, QuarantineKey, RowKey
from dataflow_validator.rejudge.deciding import Changes, Found, RowState, SeenKey, SentKey
from dataflow_validator.statements import statements

_SQL: Final = statements("rejudge")
_FORGOTTEN_AT_ONCE: Final = 20_000


def _row_digest(key: RowKey) -> UUID:
    return _digest("row", key[0], key[1], key[2].isoformat(), key[3].hex)


def _seen_digest(key: SeenKey) -> UUID:
    return _digest("seen", key[0], key[1], key[2].hex)


def _item_digest(key: QuarantineKey) -> UUID:
    return _digest("item", key[0], key[1].hex, str(key[2]), str(key[3]))


def _sent_digest(key: SentKey) -> UUID:
    return _digest("sent", key[0], key[1].hex, str(key[2]))


def _digest(*parts: str) -> UUID:
    # Neither names nor device ids hold NUL.
    return UUID(bytes=blake2b("\0".join(parts).encode(), digest_size=16).digest())


async def overlay(connection: Connection, job_id: UUID, cases: Sequence[Case], found: Found) -> None:
    """Changes what was found in the tables into what the real run would have found at this step."""
    rows = {_row_digest(key): key for case in cases for key in case.row_keys}
    seen: dict[UUID, SeenKey] = {}
    for case in cases:
        if case.is_remembered:
            for key in case.row_keys:
                seen[_seen_digest((key[0], key[1], key[3]))] = (key[0], key[1], key[3])
    items = {_item_digest(key): key for key in map(_item_key, cases)}
    sent = {_sent_digest((key[0], key[1], key[3])): (key[0], key[1], key[3]) for key in items.values()}
    records = await connection.fetch(_SQL["foreseen"], job_id, [*rows, *seen, *items, *sent])
    for record in records:
        digest, content_hash = record["key"], record["content_hash"]
        if (row := rows.get(digest)) is not None:
            if content_hash is None:
                found.rows.pop(row, None)
            else:
                found.rows[row] = RowState(content_hash, record["revision"], "")
        elif (remembered := seen.get(digest)) is not None:
            if content_hash is None:
                found.seen.pop(remembered, None)
            else:
                found.seen[remembered] = content_hash
        elif (item := items.get(digest)) is not None:
            found.take(item)
        elif (same := sent.get(digest)) is not None:
            found.sent.add(same)


async def remember(connection: Connection, job_id: UUID, changes: Changes) -> None:
    """Writes down what the real run would have written."""
    written: dict[UUID, tuple[int | None, int]] = {}
    for lanes in (changes.inserts, changes.updates):
        for (name, revision), lane in lanes.items():
            for row in lane.rows:
                written[_row_digest((name, row[0], row[1], row[3]))] = row[4], revision
    for key in changes.deletes:
        written[_row_digest(key)] = None, 0
    for seen, content_hash in changes.seen.items():
        written[_seen_digest(seen)] = content_hash, 0
    for seen in changes.unseen:
        written.setdefault(_seen_digest(seen), (None, 0))
    rows: Iterable[QuarantineKey] = (
        (row.contract, row.message_id, row.element, row.content_hash)
        for row in [*(row for _, row in changes.changed.values()), *changes.new]
    )
    for item in rows:
        written[_item_digest(item)] = item[3], 0
        written[_sent_digest((item[0], item[1], item[3]))] = item[3], 0
    if written:
        hashes, revisions = zip(*written.values(), strict=True)
        await connection.execute(_SQL["foresee"], job_id, list(written), hashes, revisions)


def _item_key(case: Case) -> QuarantineKey:
    return case.contract.spec.name, case.message_id, case.outcome.element, case.content_hash


async def forget(connection: Connection, job_id: UUID) -> bool:
    """Removes some of what was written down; returns whether nothing is left."""
    status = await connection.execute(_SQL["forget_foreseen"], job_id, _FORGOTTEN_AT_ONCE)
    return int(status.rpartition(" ")[2]) < _FORGOTTEN_AT_ONCE
