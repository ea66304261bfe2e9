"""Quarantined items of no known device that today's routes find to be one device's: they waited for their route."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from dataflow.ring.v1.batch_pb2 import Batch, Message
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog.rules import Rules
from dataflow_validator.devices.logged import may_name
from dataflow_validator.devices.owned import owned_by
from dataflow_validator.pages import Row
from dataflow_validator.quarantine.lines import LINE_COLUMNS
from dataflow_validator.statements import statements

_SQL: Final = statements("devices")
_PAGE: Final = 200
"""Items in one read: one may hold a message of 1 MiB, though hardly any does."""
_STEP_SECONDS: Final = 0.5
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_BATCH: Final = bytes(16)


@dataclass(slots=True)
class Waiting:
    """What one step saw.

    Attributes:
        rows: Items of the device, as `quarantine.lines` reads them.
        after: Go on behind this id; None when all was seen.
    """

    after: int | None
    rows: list[Row] = field(default_factory=list)


async def walk_unknown(pool: Pool, device_id: str, rules: Rules, after: int) -> Waiting:
    """Looks at the next items without a device, for about half a second.

    Raises:
        asyncpg.PostgresError, OSError: Postgres failed.
    """
    found = Waiting(after)
    deadline = time.monotonic() + _STEP_SECONDS
    while found.after is not None and time.monotonic() < deadline:
        rows = await pool.fetch(_SQL["unknown_after"].format(columns=LINE_COLUMNS), found.after, _PAGE)
        found.rows += [row for row in rows if _is_of(device_id, row, rules)]
        found.after = rows[-1]["quarantine_id"] if len(rows) == _PAGE else None
    return found


def _is_of(device_id: str, row: Row, rules: Rules) -> bool:
    sender = row["source_device_id"] or ""
    if not may_name(device_id, b"\0".join((row["topic"].encode(), sender.encode(), row["payload"]))):
        return False
    message = Message(
        topic=row["topic"],
        payload=row["payload"],
        device_id=sender,
        message_id=row["sender_id"] or "",
        receive_time_us=(row["receive_time"] - _EPOCH) // timedelta(microseconds=1),
    )
    # An array that several share is one item here; it goes as a whole, since nothing of it is stored yet.
    return bool(owned_by(device_id, Batch(batch_id=_NO_BATCH, messages=[message]), rules))
