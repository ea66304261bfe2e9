"""Writes down that this bridge lives and how far it is: the ledger needs it, and what other bridges say of the ring's room."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Final
from uuid import UUID

import asyncpg
from dataflow_mesh.postgres import Pool, translate
from dataflow_ring.append import Appender

from dataflow_bridge.batcher import Batcher

logger = logging.getLogger(__name__)

_EVERY_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 3.0
_LIVE_SECONDS: Final = 10.0
"""A bridge that has not written for so long appends nothing more."""

_WRITE: Final = """
INSERT INTO bridge.instance (boot_id, bridge_id, sequence, acknowledged_through, append_rate, ended)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (boot_id) DO UPDATE SET seen_time = now(), sequence = excluded.sequence,
    acknowledged_through = excluded.acknowledged_through, append_rate = excluded.append_rate, ended = excluded.ended
"""
_OTHERS: Final = """
SELECT coalesce(sum(append_rate), 0) FROM bridge.instance
WHERE boot_id <> $1 AND NOT ended AND seen_time > now() - make_interval(secs => $2)
"""


class Instance:
    """This life of a bridge, as the others see it.

    Args:
        pool: Postgres.
        batcher: Knows how far it is.
        bridge_id: Name of the bridge, the same after a restart.
        appender: Knows what this bridge appends, and is told what the others do.
    """

    def __init__(self, pool: Pool, batcher: Batcher, bridge_id: str, appender: Appender) -> None:
        self._pool = pool
        self._batcher = batcher
        self._bridge_id = bridge_id
        self._appender = appender
        self._boot_id = UUID(bytes=batcher.boot_id)
        self._writing = asyncio.Lock()
        self._ended = False

    async def follow(self) -> None:
        """Write about once a second until the end is written; Postgres may be away in between."""
        while not self._ended:
            began = time.monotonic()
            await self._attempt(ended=False)
            await asyncio.sleep(max(0.1, _EVERY_SECONDS - (time.monotonic() - began)))

    async def end(self) -> None:
        """Write for the last time: all that is on its way is acknowledged, or never will be."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._attempt(ended=True)

    async def write(self, *, ended: bool = False) -> None:
        """Write once.

        Raises:
            Exception: What the driver raises when Postgres is away.
        """
        batcher = self._batcher
        async with self._writing, self._pool.acquire(timeout=_ANSWER_SECONDS) as connection:
            await connection.execute(
                _WRITE,
                self._boot_id,
                self._bridge_id,
                batcher.sequence,
                batcher.acknowledged_through,
                self._appender.appended_bytes.per_second(),
                ended,
                timeout=_ANSWER_SECONDS,
            )
            self._appender.others_bytes_per_second = float(
                await connection.fetchval(_OTHERS, self._boot_id, _LIVE_SECONDS, timeout=_ANSWER_SECONDS)
            )

    async def _attempt(self, *, ended: bool) -> None:
        self._ended = self._ended or ended
        try:
            await self.write(ended=self._ended)
        except Exception as error:
            if translate(error) is None and not isinstance(error, asyncpg.PostgresError):
                raise
            logger.debug("instance not written", extra={"action": "instance.unwritten", "detail": str(error)[:200]})
