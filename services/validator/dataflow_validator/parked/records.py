"""Parked batches in Postgres: what they are, and whose sequences they account for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from dataflow_mesh.postgres import Pool
from dataflow_ring.header import Header, peek_header

from dataflow_validator.pages import Row
from dataflow_validator.statements import statements

UNREADABLE: Final = -1
"""The message count of a batch whose header nobody can read."""

_IDENTIFIED_AT_ONCE: Final = 20

Identity = tuple[str | None, UUID | None, int | None, int, int]
"""Bridge, boot, sequence, message count and acknowledged_through, as the columns have them."""


@dataclass(frozen=True, slots=True)
class Parked:
    """One parked batch.

    Attributes:
        batch_id: Its key: the batch's own id; made up where its bytes cannot be read.
        node: The ring node that held it.
        reason: Why it is parked, or why it still is after a retry.
        park_time: Since when.
        bridge_id: Who made it; empty where it cannot be read.
        boot_id: In which life.
        sequence: Its number there; 0 where it cannot be read.
        message_count: Messages in it; None where it cannot be read.
        retries: How often a retry failed.
        retry_time: When one failed last.
        size: Length of its bytes.
        data: Its bytes as they were on the ring; empty in a list.
    """

    batch_id: UUID
    node: str
    reason: str
    park_time: datetime
    bridge_id: str
    boot_id: UUID | None
    sequence: int
    message_count: int | None
    retries: int
    retry_time: datetime | None
    size: int
    data: bytes = b""


def parked_of(record: Row) -> Parked:
    """Reads a row of `sql/parked.sql`."""
    count = record["message_count"]
    return Parked(
        batch_id=record["batch_id"],
        node=record["node"],
        reason=record["reason"],
        park_time=record["park_time"],
        bridge_id=record["bridge_id"] or "",
        boot_id=record["boot_id"],
        sequence=record["sequence"] or 0,
        message_count=None if count is None or count == UNREADABLE else count,
        retries=record["retries"],
        retry_time=record["retry_time"],
        size=record["size"],
        data=record.get("bytes", b""),
    )


def parked_identity(data: bytes) -> Identity:
    """Reads whose sequence a batch accounts for, without unpacking it: it may be what kills its readers."""
    header = peek_header(data)
    if header is None or not _is_storable(header):
        return None, None, None, UNREADABLE, 0
    return (
        header.bridge_id,
        UUID(bytes=header.boot_id),
        header.sequence,
        header.message_count,
        header.acknowledged_through,
    )


def _is_storable(header: Header) -> bool:
    """What Postgres refuses would be tried for ever: no bridge made it."""
    fits = max(header.sequence, header.acknowledged_through) < 2**63 and header.message_count < 2**31
    return fits and "\0" not in header.bridge_id


async def identify_parked(pool: Pool) -> int:
    """Looks at batches that an older version parked, some at a time; returns at how many.

    Raises:
        asyncpg.PostgresError: Postgres failed.
    """
    sql = statements("parked")
    records = await pool.fetch(sql["unidentified"], _IDENTIFIED_AT_ONCE)
    for record in records:
        await pool.execute(sql["identify"], record["batch_id"], *parked_identity(record["bytes"]))
    return len(records)
