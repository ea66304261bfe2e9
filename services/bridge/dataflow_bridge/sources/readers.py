"""Keeps this bridge reading the slots that it holds: follows the table of sources while data flows."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import asyncpg
from dataflow_mesh.postgres import Connection, Pool, translate

from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.seams import Intake
from dataflow_bridge.sources.metrics import SourceMetrics
from dataflow_bridge.sources.slot_reader import SlotReader
from dataflow_bridge.sources.slots import RENEW_SECONDS, HeldSlot, SlotKey, SlotLeases

logger = logging.getLogger(__name__)

_POSTGRES_SECONDS: Final = 2.0


class SourceReaders:
    """All slots that this bridge reads.

    Args:
        pool: Postgres.
        intake: The batcher.
        budget: The bridge's memory.
        bridge_id: Shown as the holder of slots.
        boot_id: This life of the process.
    """

    def __init__(self, pool: Pool, intake: Intake, budget: Budget, bridge_id: str, boot_id: bytes) -> None:
        self.readers: dict[SlotKey, SlotReader] = {}
        self.stale = True
        """Postgres did not answer the last time: who holds what is not certain."""
        self._pool = pool
        self._intake = intake
        self._budget = budget
        self._leases = SlotLeases(bridge_id, boot_id)
        self._tasks: dict[SlotKey, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._known: set[SlotKey] = set()
        self._metrics = SourceMetrics()

    async def run(self) -> None:
        """Hold and read slots until `stop`."""
        try:
            async with asyncio.TaskGroup() as group:
                while not self._stopping.is_set():
                    await self._round(group)
                    try:
                        async with asyncio.timeout(RENEW_SECONDS):
                            await self._stopping.wait()
                    except TimeoutError:
                        continue
                for reader in self.readers.values():
                    reader.stop()
        finally:
            await asyncio.shield(self._leave())
            self._ended.set()

    async def stop(self, seconds: float) -> None:
        """Receive nothing more, acknowledge what is on the ring in time, and give the slots back."""
        self._stopping.set()
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            logger.warning("sources did not end in time", extra={"action": "source.stop_timeout"})

    async def _round(self, group: asyncio.TaskGroup) -> None:
        self._metrics.note(self.readers.values())
        reports = [reader.report() for reader in self.readers.values()]
        try:
            async with asyncio.timeout(_POSTGRES_SECONDS), self._pool.acquire(timeout=_POSTGRES_SECONDS) as connection:
                await self._end_readers(connection)
                held = await self._leases.renew(connection, [report for report, _ in reports])
        except Exception as error:
            if not _is_away(error):
                raise
            if not self.stale:
                logger.warning(
                    "sources cannot be followed", extra={"action": "source.stale", "detail": str(error)[:200]}
                )
            self.stale = True
            return
        self.stale = False
        for _, written in reports:
            written()
        self._follow(held, group)

    async def _end_readers(self, connection: Connection) -> None:
        """Give back, or remove, the slots of readers that have ended."""
        for key, task in list(self._tasks.items()):
            if not task.done():
                continue
            reader = self.readers.pop(key)
            self._metrics.ended(reader)
            del self._tasks[key]
            if reader.drained:
                await self._leases.drained(connection, key)
                logger.info("session drained", extra={"action": "source.drained", "source": key[0], "slot": key[1]})
            elif key in self._known:
                await self._leases.release(connection, [key])

    def _follow(self, held: list[HeldSlot], group: asyncio.TaskGroup) -> None:
        self._known = {slot.key for slot in held}
        for key, reader in self.readers.items():
            if key not in self._known:
                reader.stop()  # somebody else has it, or it is gone
        for slot in held:
            running = self.readers.get(slot.key)
            if running is None:
                new = self.readers[slot.key] = SlotReader(slot, self._intake, self._budget, self._leases)
                self._tasks[slot.key] = group.create_task(new.run(), name=f"source-{slot.client_id}")
            else:
                running.change(slot)
        surplus = len(held) - self._leases.share
        for slot in reversed(held):
            if surplus <= 0:
                break
            if not slot.draining:
                self.readers[slot.key].stop()
                surplus -= 1

    async def _leave(self) -> None:
        """Write the last counts, give all slots back, and be counted no more."""
        reports = [reader.report()[0] for reader in self.readers.values()]
        try:
            async with asyncio.timeout(_POSTGRES_SECONDS), self._pool.acquire(timeout=_POSTGRES_SECONDS) as connection:
                await self._leases.leave(connection, reports)
        except Exception as error:
            if not _is_away(error):
                raise


def _is_away(error: Exception) -> bool:
    """Tell whether the table cannot be followed now; it may also not be there yet, or its rows be locked."""
    return isinstance(error, asyncpg.PostgresError | TimeoutError) or translate(error) is not None
