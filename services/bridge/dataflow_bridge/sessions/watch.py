"""Hears from Postgres that another bridge has taken a session over, or that there is something for a device.

A bridge that missed word of it, since its connection was cut or the process frozen, looks at all its sessions again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final

import asyncpg
from dataflow_mesh.postgres import connect, translate

from dataflow_bridge.sessions.store import SessionStoreAwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from dataflow_mesh.postgres import Connection

    from dataflow_bridge.sessions.memory import Sessions

logger = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.25
_FROZEN_SECONDS: Final = 1.5
"""A pause of this process after which others may have given it up."""
_PROBE_SECONDS: Final = 5.0
_RECHECK_SECONDS: Final = 30.0
LOOK: Final = "look"
"""Payload on a bridge's own channel: the leader has taken it for dead, so it claims again who is still connected."""
_RETRY_SECONDS: Final = 0.5
_ANSWER_SECONDS: Final = 3.0


class SessionWatch:
    """Keeps the sessions of this bridge true.

    Args:
        dsn: Postgres; the watch has a connection of its own.
        application_name: Shown in pg_stat_activity.
        boot_id: Under which this bridge is told about take-overs.
        sessions: Told about sessions that were lost.
        channels: Further channels, with what to call with each payload; called with an empty one when word may have
            been missed.
    """

    def __init__(
        self,
        dsn: str,
        application_name: str,
        boot_id: UUID,
        sessions: Sessions,
        channels: Mapping[str, Callable[[str], None]],
    ) -> None:
        self._dsn = dsn
        self._application_name = application_name
        self._own_channel = f"dataflow_bridge_{boot_id.hex}"
        self._sessions = sessions
        self._channels = channels
        self._wake = asyncio.Event()
        self._look = False

    async def watch(self) -> None:
        """Listen for ever; Postgres may be away in between."""
        while True:
            try:
                await self._listen()
            except Exception as error:
                if translate(error) is None and not isinstance(error, (SessionStoreAwayError, asyncpg.PostgresError)):
                    raise
                logger.info("session watch was cut", extra={"action": "sessions.cut", "detail": str(error)[:200]})
            await asyncio.sleep(_RETRY_SECONDS)

    async def notice_freezes(self) -> None:
        """Doubt all Wills from the moment in which this process runs again after a pause."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            if now - before > _LOOK_SECONDS + _FROZEN_SECONDS:
                logger.warning(
                    "this process did not run", extra={"action": "sessions.frozen", "seconds": round(now - before, 1)}
                )
                self._sessions.doubt()
                with contextlib.suppress(SessionStoreAwayError):  # else the watch's next connection looks
                    await self._sessions.recheck()
            before = now

    async def _listen(self) -> None:
        connection = await connect(self._dsn, application_name=self._application_name)
        try:
            connection.add_termination_listener(lambda _: self._wake.set())
            await connection.add_listener(self._own_channel, self._on_own_news)
            for channel in self._channels:
                await connection.add_listener(channel, self._on_news)
            # After the LISTEN, so that nothing falls in between.
            self._look = True
            for heard in self._channels.values():
                heard("")
            looked_at = 0.0
            while not connection.is_closed():
                if self._look or time.monotonic() - looked_at > _RECHECK_SECONDS:
                    self._look, looked_at = False, time.monotonic()
                    await self._sessions.recheck()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PROBE_SECONDS):
                        await self._wake.wait()
                self._wake.clear()
                # One that went into a black hole would never say so by itself.
                await connection.fetchval("SELECT 1", timeout=_ANSWER_SECONDS)
        finally:
            connection.terminate()

    def _on_own_news(self, connection: Connection, pid: int, channel: str, payload: object) -> None:
        del connection, pid, channel
        if payload == LOOK:
            self._look = True
            self._wake.set()
        else:
            self._sessions.lost(int(str(payload)))

    def _on_news(self, connection: Connection, pid: int, channel: str, payload: object) -> None:
        del connection, pid
        self._channels[channel](str(payload))
