"""Which bridge reads which session: slots leased in Postgres by the database's clock.

A bridge that is killed or frozen does not renew, and after `EXPIRE_SECONDS` the others take its slots. One that wakes up
finds its connection taken over by the broker and its lease gone, and connects no more. While Postgres is away nobody
takes anything, so whoever holds a slot goes on reading.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

from dataflow_mesh.postgres import Connection

from dataflow_bridge.sources.records import source_of
from dataflow_bridge.sources.source import Source

RENEW_SECONDS: Final = 0.7
EXPIRE_SECONDS: Final = 3.0

SlotKey: TypeAlias = tuple[str, int]
"""Name of the source and number of the slot."""

_READER: Final = """
    INSERT INTO bridge.source_reader (boot_id, bridge_id, expires_at)
    VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
    ON CONFLICT (boot_id) DO UPDATE SET expires_at = excluded.expires_at"""
_LEAVE: Final = """
    DELETE FROM bridge.source_reader WHERE boot_id = $1 OR expires_at < clock_timestamp() - interval '1 hour'"""
_RENEW: Final = """
    UPDATE bridge.source_slot AS s SET
        expires_at = clock_timestamp() + make_interval(secs => $2),
        since = CASE WHEN s.connected = u.connected THEN s.since ELSE now() END,
        connected = u.connected, received = s.received + u.received, acknowledged = s.acknowledged + u.acknowledged,
        redelivered = s.redelivered + u.redelivered, last_error = u.last_error,
        warnings = array_remove(string_to_array(u.warnings, E'\\n'), ''),
        subscribed = CASE WHEN u.subscribed = '' THEN s.subscribed ELSE string_to_array(u.subscribed, E'\\n') END
    FROM unnest($3::text[], $4::int[], $5::boolean[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::text[],
                $11::text[])
        AS u (source, slot, connected, received, acknowledged, redelivered, last_error, warnings, subscribed)
    WHERE s.source = u.source AND s.slot = u.slot AND s.holder_boot = $1"""
_CLAIM: Final = """
    WITH share AS (
        SELECT ceil((SELECT count(*) FROM bridge.source_slot)::numeric
                    / greatest(1, (SELECT count(*) FROM bridge.source_reader WHERE expires_at > clock_timestamp())))
               - (SELECT count(*) FROM bridge.source_slot WHERE holder_boot = $1) AS room
    ), free AS (
        SELECT source, slot FROM bridge.source_slot
        WHERE expires_at <= clock_timestamp() AND holder_boot IS DISTINCT FROM $1
        ORDER BY source, slot LIMIT greatest(0, (SELECT room FROM share)) FOR UPDATE SKIP LOCKED
    )
    UPDATE bridge.source_slot AS s SET holder_boot = $1, holder = $2, connected = false, last_error = '', since = now(),
        expires_at = clock_timestamp() + make_interval(secs => $3)
    FROM free WHERE s.source = free.source AND s.slot = free.slot"""
_HELD: Final = """
    SELECT s.slot, s.state AS slot_state, s.subscribed, source.*,
        (SELECT room FROM (SELECT ceil((SELECT count(*) FROM bridge.source_slot)::numeric
            / greatest(1, (SELECT count(*) FROM bridge.source_reader WHERE expires_at > clock_timestamp()))) AS room) r
        )::int AS share
    FROM bridge.source_slot AS s JOIN bridge.source ON source.name = s.source
    WHERE s.holder_boot = $1 ORDER BY s.source, s.slot"""
_RELEASE: Final = """
    UPDATE bridge.source_slot AS s SET expires_at = clock_timestamp(), holder_boot = NULL, holder = '', connected = false,
        since = now()
    FROM unnest($2::text[], $3::int[]) AS u (source, slot)
    WHERE s.source = u.source AND s.slot = u.slot AND s.holder_boot = $1"""
_DRAINED: Final = """
    DELETE FROM bridge.source_slot WHERE source = $2 AND slot = $3 AND holder_boot = $1 AND state = 'DRAINING'"""
_ENDED: Final = """
    DELETE FROM bridge.source WHERE name = $1 AND state = 'DELETING'
        AND NOT EXISTS (SELECT FROM bridge.source_slot WHERE source = $1)"""


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """A slot that this bridge holds."""

    source: Source
    slot: int
    draining: bool
    subscribed: tuple[str, ...]
    """What the session was subscribed to by whoever read it last."""

    @property
    def key(self) -> SlotKey:
        """Tells slots apart."""
        return self.source.name, self.slot

    @property
    def client_id(self) -> str:
        """The session's name."""
        return self.source.client_id(self.slot)


@dataclass(frozen=True, slots=True)
class SlotReport:
    """What a bridge writes of a slot that it holds; counts since the report before."""

    source: str
    slot: int
    connected: bool
    received: int
    acknowledged: int
    redelivered: int
    last_error: str
    warnings: tuple[str, ...]
    subscribed: tuple[str, ...] | None
    """None: not known yet."""


class SlotLeases:
    """This bridge's claim to slots.

    Args:
        bridge_id: Shown as the holder.
        boot_id: This life of the process, which the leases belong to: after a restart they have to expire first.
    """

    def __init__(self, bridge_id: str, boot_id: bytes) -> None:
        self._bridge_id = bridge_id
        self._boot_id = UUID(bytes=boot_id)
        self._valid_until = 0.0
        self.share = 0
        """How many slots this bridge should hold at most."""

    @property
    def valid(self) -> bool:
        """Whether the leases certainly stand; False also while Postgres is away, when probably they do."""
        return time.monotonic() < self._valid_until

    async def renew(self, connection: Connection, reports: Sequence[SlotReport]) -> list[HeldSlot]:
        """Write the reports, renew, take what is free, and return the slots that this bridge holds now."""
        asked_at = time.monotonic()
        any_slots = await connection.fetchval("SELECT EXISTS (SELECT FROM bridge.source_slot)")
        if not any_slots:  # the usual case costs one look
            self._valid_until = asked_at + EXPIRE_SECONDS
            return []
        async with connection.transaction():
            await connection.execute(_READER, self._boot_id, self._bridge_id, EXPIRE_SECONDS)
            await self._write(connection, reports)
            await connection.execute(_CLAIM, self._boot_id, self._bridge_id, EXPIRE_SECONDS)
            rows = await connection.fetch(_HELD, self._boot_id)
        self._valid_until = asked_at + EXPIRE_SECONDS
        self.share = rows[0]["share"] if rows else 0
        return [
            HeldSlot(source_of(row), row["slot"], row["slot_state"] == "DRAINING", tuple(row["subscribed"]))
            for row in rows
        ]

    async def release(self, connection: Connection, slots: Sequence[SlotKey]) -> None:
        """Give slots back, so that nobody waits for their expiry."""
        await connection.execute(_RELEASE, self._boot_id, [name for name, _ in slots], [slot for _, slot in slots])

    async def drained(self, connection: Connection, key: SlotKey) -> None:
        """Remove a slot whose session is empty and gone, and its source if it was the last one."""
        async with connection.transaction():
            await connection.execute(_DRAINED, self._boot_id, *key)
            await connection.execute(_ENDED, key[0])

    async def leave(self, connection: Connection, reports: Sequence[SlotReport]) -> None:
        """Write the last reports, give all slots back, and take none any more."""
        await self._write(connection, reports)
        await self.release(connection, [(report.source, report.slot) for report in reports])
        await connection.execute(_LEAVE, self._boot_id)

    async def _write(self, connection: Connection, reports: Sequence[SlotReport]) -> None:
        if not reports:
            return
        await connection.execute(
            _RENEW,
            self._boot_id,
            EXPIRE_SECONDS,
            [report.source for report in reports],
            [report.slot for report in reports],
            [report.connected for report in reports],
            [report.received for report in reports],
            [report.acknowledged for report in reports],
            [report.redelivered for report in reports],
            [report.last_error for report in reports],
            ["\n".join(report.warnings) for report in reports],
            ["\n".join(report.subscribed or ()) for report in reports],
        )
