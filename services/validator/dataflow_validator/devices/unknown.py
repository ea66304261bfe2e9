"""Quarantined items of no known device that today's routes find to be one device's: they waited for their route."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from dataflow.ring.v1.batch_pb2 import Batch, Message
from dataflow_mesh.postgres import Pool
from dataflow_ring.batch import is_erased

from dataflow_validator.catalog.rules import Rules
from dataflow_validator.devices.logged import may_name
from dataflow_validator.devices.owned import erase, owned_by
from dataflow_validator.elements import SplitMessage
from dataflow_validator.pages import Row
from dataflow_validator.quarantine.lines import LINE_COLUMNS
from dataflow_validator.statements import statements

_SQL: Final = statements("devices")
_PAGE: Final = 200
"""Items in one read: one may hold a message of 1 MiB, though hardly any does."""
_STEP_SECONDS: Final = 0.5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_BATCH: Final = bytes(16)


@dataclass(frozen=True, slots=True)
class WaitingItem:
    """An item that is the device's, or has elements that are.

    Attributes:
        row: As `quarantine.lines` reads it.
        own: The payload, or an array of the elements that are the device's.
        left: The payload without them; None where nothing is left.
        payload_sha1: SHA-1 of the payload as it arrived, where something is left: the ids of that are made from it.
    """

    row: Row
    own: bytes
    left: bytes | None
    payload_sha1: bytes


@dataclass(slots=True)
class Waiting:
    """What one step saw.

    Attributes:
        items: What is the device's.
        after: Go on behind this id; None when all was seen.
    """

    after: int | None
    items: list[WaitingItem] = field(default_factory=list)


async def walk_unknown(pool: Pool, device_id: str, rules: Rules, after: int) -> Waiting:
    """Looks at the next items without a device, for about half a second.

    Raises:
        asyncpg.PostgresError, OSError: Postgres failed.
    """
    found = Waiting(after)
    deadline = time.monotonic() + _STEP_SECONDS
    while found.after is not None and time.monotonic() < deadline:
        rows = await pool.fetch(_SQL["unknown_after"].format(columns=LINE_COLUMNS), found.after, _PAGE)
        found.items += [item for row in rows if (item := _item_of(device_id, row, rules)) is not None]
        found.after = rows[-1]["quarantine_id"] if len(rows) == _PAGE else None
    return found


def _item_of(device_id: str, row: Row, rules: Rules) -> WaitingItem | None:
    sender, payload = row["source_device_id"] or "", row["payload"]
    if not may_name(device_id, b"\0".join((row["topic"].encode(), sender.encode(), payload))):
        return None
    message = Message(
        topic=row["topic"],
        payload=payload,
        device_id=sender,
        message_id=row["sender_id"] or "",
        receive_time_us=(row["receive_time"] - _EPOCH) // timedelta(microseconds=1),
    )
    if row["message_sha1"] is not None:
        message.erasure.payload_sha1 = row["message_sha1"]
    batch = Batch(batch_id=_NO_BATCH, messages=[message])
    owned = owned_by(device_id, batch, rules)
    if not owned:
        return None
    erase(batch, owned)
    if is_erased(batch.messages[0]):
        return WaitingItem(row, payload, None, b"")
    split = SplitMessage(payload)
    own = b"[" + b",".join(split.element(element) or b"null" for element in owned[0].elements) + b"]"
    left = batch.messages[0]
    return WaitingItem(row, own, left.payload, left.erasure.payload_sha1)
