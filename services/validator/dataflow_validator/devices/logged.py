"""Walks the raw log and the parked batches for what is one device's.

Whose a message is, today's routes say: what no route took when it came may be a row of the device by now. Batches that do
not have the device's name in their bytes are passed over without being parsed. The ledger knows of each batch how much of
the device was in it when it was stored, whatever the routes were then: where today's find less, whatever names the device
in that batch is taken as its own.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_mesh.postgres import Pool
from dataflow_ring.batch import BatchUnreadableError, decompress, unpack

from dataflow_validator.catalog.rules import Rules
from dataflow_validator.devices.owned import Owned, owned_by
from dataflow_validator.pages import Row
from dataflow_validator.statements import statements

FIRST: Final = UUID(int=0)
"""Below every batch id."""

_PAGE: Final = 32
"""Batches in one read: each may have some MiB."""
_PARKED_PAGE: Final = 20
_STEP_SECONDS: Final = 0.5
_SQL: Final = statements("devices")


@dataclass(frozen=True, slots=True)
class Found:
    """A batch with something of the device.

    Attributes:
        batch_id: Its id; for a parked one its key.
        commit_time: When it was stored; None for a parked one.
        data: Its bytes as they are now.
        batch: The same, unpacked.
        owned: What is the device's in it.
    """

    batch_id: UUID
    commit_time: datetime | None
    data: bytes
    batch: Batch
    owned: Sequence[Owned]


@dataclass(slots=True)
class Walk:
    """What one step saw.

    Attributes:
        found: Batches with something of the device.
        after: Go on behind this id; None when all was seen.
        batches: Batches that were looked at.
        unreadable: Batches that nobody can read.
        unfound: Items that the ledger counted as the device's and that were not found.
    """

    found: list[Found]
    after: UUID | None
    batches: int = 0
    unreadable: int = 0
    unfound: int = 0


async def walk_log(pool: Pool, device_id: str, rules: Rules, after: UUID, until: UUID) -> Walk:
    """Looks at the next batches of the raw log, for about half a second.

    Raises:
        asyncpg.PostgresError, OSError: Postgres failed.
    """
    walk = Walk([], after)
    deadline = time.monotonic() + _STEP_SECONDS
    while walk.after is not None and time.monotonic() < deadline:
        rows = await pool.fetch(_SQL["logged_batches"], walk.after, until, _PAGE, device_id)
        for row in rows:
            _look(walk, device_id, rules, row)
        walk.batches += len(rows)
        walk.after = rows[-1]["batch_id"] if len(rows) == _PAGE else None
    return walk


def _look(walk: Walk, device_id: str, rules: Rules, row: Row) -> None:
    """Looks at one batch of the raw log."""
    try:
        raw = decompress(row["bytes"])
        if not row["items"] and not may_name(device_id, raw):
            return
        batch = unpack(row["bytes"])
    except BatchUnreadableError:
        walk.unreadable += 1
        return
    owned = owned_by(device_id, batch, rules)
    # Of several jobs for one device the first may have erased it already.
    counted = (row["items"] or 0) - _erased_items(batch)
    if counted > sum(one.items for one in owned):
        owned = owned_by(device_id, batch, rules, named=True)
        walk.unfound += max(0, counted - sum(one.items for one in owned))
    if owned:
        walk.found.append(Found(row["batch_id"], row["commit_time"], row["bytes"], batch, owned))


def may_name(device_id: str, raw: bytes) -> bool:
    """Says whether a device can be named in a batch; false for most batches, without parsing them.

    Args:
        device_id: The device.
        raw: The bytes of the batch, decompressed: topics, ids and payloads stand in it as they were sent.
    """
    if device_id.encode() in raw or device_id.isdigit():
        return True  # a number has many spellings
    # JSON may write any character as \\uXXXX, and these in a shorter form as well.
    escaped = b"\\" if any(character in '"\\/' or character < " " for character in device_id) else b"\\u"
    return escaped in raw


async def walk_parked(pool: Pool, device_id: str, rules: Rules, after: UUID) -> Walk:
    """Looks at the next parked batches.

    Raises:
        asyncpg.PostgresError, OSError: Postgres failed.
    """
    rows = await pool.fetch(_SQL["parked_batches"], after, _PARKED_PAGE)
    walk = Walk([], rows[-1]["batch_id"] if len(rows) == _PARKED_PAGE else None, batches=len(rows))
    for row in rows:
        try:
            batch = unpack(row["bytes"])
        except BatchUnreadableError:
            walk.unreadable += 1
            continue
        if owned := owned_by(device_id, batch, rules):
            walk.found.append(Found(row["batch_id"], None, row["bytes"], batch, owned))
    return walk


def _erased_items(batch: Batch) -> int:
    return sum(
        len(message.erasure.elements) or int(message.erasure.whole)
        for message in batch.messages
        if message.HasField("erasure")
    )
