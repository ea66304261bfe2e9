"""The leader's work on the ring: ends drains, lets nodes go that were away for too long, says how many copies are missing.

Every write is in a transaction that checks the epoch of the lease, so that a leader that was frozen or cut off writes
nothing any more. Nothing here touches a node.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from dataflow_mesh.lease import Lease, LeaseLostError
from dataflow_mesh.postgres import Connection, Limits, Pool, connect_pool, translate
from dataflow_ring.append import Appender
from dataflow_ring.nodes import Health

from dataflow_bridge.ring import drains
from dataflow_bridge.ring.drains import Seen
from dataflow_bridge.ring.membership import Membership
from dataflow_bridge.ring.recopier import Recopier
from dataflow_bridge.ring.status import under_replicated
from dataflow_bridge.settings import BridgeSettings

logger = logging.getLogger(__name__)

LEASE: Final = "ring"
_EVERY_SECONDS: Final = 1.0
_FORGET_EVERY_SECONDS: Final = 600.0
_NOTE_EVERY_SECONDS: Final = 3.0
_ANSWER_SECONDS: Final = 3.0
_NOTICE_SECONDS: Final = 3.0
"""A drain lasts at least so long: until all bridges have read of it, and what they had begun is there."""
_LEFT_SECONDS: Final = 30 * 86_400.0
"""How long is remembered that a bridge lived."""

_END_DRAINS: Final = """
UPDATE bridge.node SET state = 'DRAINED', state_time = now()
WHERE name = ANY($1::text[]) AND state = 'DRAINING' AND state_time < now() - make_interval(secs => $2)
RETURNING name
"""
_DRAIN_AGAIN: Final = """
UPDATE bridge.node SET state = 'DRAINING', state_time = now() WHERE name = ANY($1::text[]) AND state = 'DRAINED' RETURNING name
"""
_NOTE_DOWN: Final = """
UPDATE bridge.node SET down_since = CASE WHEN name = ANY($1::text[]) THEN now() END
WHERE state <> 'REMOVED' AND name = ANY($2::text[]) AND (down_since IS NULL) = (name = ANY($1::text[]))
"""
_LET_GO: Final = """
UPDATE bridge.node SET state = 'REMOVED', state_time = now()
WHERE name = ANY($1::text[]) AND state <> 'REMOVED' AND down_since < now() - make_interval(secs => $2)
RETURNING name
"""
_NOTE_COPIES: Final = """
INSERT INTO bridge.replication (epoch, under_replicated) VALUES ($1, $2)
ON CONFLICT (single) DO UPDATE SET epoch = excluded.epoch, under_replicated = excluded.under_replicated,
    observe_time = now()
"""
_FORGET_INSTANCES: Final = "DELETE FROM bridge.instance WHERE seen_time < now() - make_interval(secs => $1)"
_FORGET_OBSERVATIONS: Final = "DELETE FROM bridge.observation WHERE observe_time < now() - interval '1 day'"


class Leader:
    """Does the leader's work while this bridge leads.

    Args:
        pool: Postgres.
        lease: This bridge's claim to the leadership; somebody else renews it.
        membership: The nodes, and what other bridges say of them.
        appender: What this bridge sees of them.
        recopier: Knows how many copies are missing.
        batch_horizon_seconds: A node that was away for longer is let go.
    """

    def __init__(
        self,
        pool: Pool,
        lease: Lease,
        membership: Membership,
        appender: Appender,
        recopier: Recopier,
        batch_horizon_seconds: float,
    ) -> None:
        self._pool = pool
        self._lease = lease
        self._membership = membership
        self._appender = appender
        self._recopier = recopier
        self._batch_horizon_seconds = batch_horizon_seconds
        self._forgot_at = time.monotonic()
        self._noted: int | None = None
        self._noted_at = 0.0

    async def run(self) -> None:
        """Work for ever; Postgres may be away in between."""
        while True:
            epoch = await self._lease.gained()
            try:
                await self.work()
            except LeaseLostError:
                logger.info("leadership lost", extra={"action": "leader.lost", "epoch": epoch})
            except Exception as error:
                if translate(error) is None and not isinstance(error, asyncpg.PostgresError):
                    raise
                logger.info("leader's work not done", extra={"action": "leader.failed", "detail": str(error)[:200]})
            await asyncio.sleep(_EVERY_SECONDS)

    async def work(self) -> None:
        """Do all of it once.

        Raises:
            LeaseLostError: Another bridge leads; nothing was written.
        """
        nodes = self._seen()
        others = {
            name: [Health(record["health"]) for record in records if record["observer"] != self._membership.observer]
            for name, records in self._membership.observations.items()
        }
        away = drains.down(nodes, others)
        async with (
            self._pool.acquire(timeout=_ANSWER_SECONDS) as connection,
            self._lease.leading(connection) as epoch,
        ):
            await self._say(
                connection, "ring node drained", "leader.drained", _END_DRAINS, drains.drained(nodes), _NOTICE_SECONDS
            )
            await self._say(
                connection, "ring node holds batches again", "leader.refilled", _DRAIN_AGAIN, drains.refilled(nodes)
            )
            await connection.execute(_NOTE_DOWN, away, [node.name for node in nodes])
            if away and drains.expendable(nodes, self._appender.copies):
                await self._say(
                    connection,
                    "ring node let go: it was away for too long",
                    "leader.let_go",
                    _LET_GO,
                    away,
                    self._batch_horizon_seconds,
                )
            missing = self._recopier.under_replicated
            due = time.monotonic() - self._noted_at >= _NOTE_EVERY_SECONDS
            if missing is not None and (due or missing != self._noted):
                await connection.execute(_NOTE_COPIES, epoch, missing)
                self._noted, self._noted_at = missing, time.monotonic()
            if time.monotonic() - self._forgot_at >= _FORGET_EVERY_SECONDS:
                await connection.execute(_FORGET_INSTANCES, _LEFT_SECONDS)
                await connection.execute(_FORGET_OBSERVATIONS)
                self._forgot_at = time.monotonic()

    def _seen(self) -> list[Seen]:
        return [
            Seen(
                appender.node.name,
                appender.node.state,
                appender.health,
                appender.fill.batches + appender.fill.copies + appender.fill.returned
                if appender.readable and appender.fill is not None
                else None,
            )
            for appender in self._appender.nodes
        ]

    @staticmethod
    async def _say(
        connection: Connection, message: str, action: str, statement: str, names: Sequence[str], *rest: float
    ) -> None:
        if names:
            for record in await connection.fetch(statement, names, *rest):
                logger.warning(message, extra={"action": action, "node": record["name"]})


class Leadership:
    """The parts of a bridge that lead, or would.

    Args:
        lease: The claim to the leadership.
        membership: Says when there is a table to claim it in.
        recopier: Keeps batches on enough nodes.
        leader: Does the rest.
    """

    def __init__(self, lease: Lease, membership: Membership, recopier: Recopier, leader: Leader) -> None:
        self.recopier = recopier
        self.lease = lease
        self._membership = membership
        self._leader = leader
        self._claiming: asyncio.Task[None] | None = None

    def tasks(self) -> list[tuple[str, Coroutine[object, object, object]]]:
        """Return what runs for the life of the bridge, by name."""
        return [("lease", self._claim()), ("recopier", self.recopier.run()), ("leader", self._leader.run())]

    def figures(self) -> tuple[bool, int | None]:
        """Return whether this bridge leads, and how many batches are on too few nodes, for telemetry."""
        return self.lease.epoch is not None, under_replicated(self._membership, self.recopier)

    async def end(self) -> None:
        """Give the leadership back, so that no other bridge has to wait until it expires."""
        if self._claiming is not None:
            self._claiming.cancel()
            await asyncio.wait([self._claiming])

    async def _claim(self) -> None:
        await self._membership.migrated.wait()
        self._claiming = asyncio.create_task(self.lease.run(), name="lease-claims")
        try:
            await asyncio.wait([self._claiming])
            if not self._claiming.cancelled():
                self._claiming.result()
        finally:
            self._claiming.cancel()


@asynccontextmanager
async def leading(
    settings: BridgeSettings, boot_id: bytes, membership: Membership, appender: Appender
) -> AsyncIterator[Leadership]:
    """Make what leads, with connections of its own, so that nobody else's work lets the leadership lapse."""
    holder = f"{settings.bridge_id}/{boot_id.hex()[:12]}"
    async with await connect_pool(
        settings.postgres_dsn,
        application_name=f"{settings.bridge_id} leader",
        min_size=0,
        max_size=2,
        # A leader that freezes within a transaction would keep the row that its successor needs.
        limits=Limits(lock_ms=1_000, idle_in_transaction_ms=500, connect_seconds=2.0),
        command_seconds=_ANSWER_SECONDS,
    ) as pool:
        lease = Lease(pool, "bridge", LEASE, holder)
        recopier = Recopier(appender, holder, lambda: lease.epoch is not None, lambda: membership.stale)
        horizon = settings.batch_horizon_hours * 3_600
        leader = Leader(pool, lease, membership, appender, recopier, horizon)
        leadership = Leadership(lease, membership, recopier, leader)
        try:
            yield leadership
        finally:
            await leadership.end()
