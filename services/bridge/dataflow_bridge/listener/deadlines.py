"""The deadlines of one connection: its CONNECT, its keep-alive, and the end of a packet that has begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow_bridge.listener.reason import Reason

if TYPE_CHECKING:
    from dataflow_bridge.listener.connection import Connection
    from dataflow_bridge.listener.context import ListenerContext
    from dataflow_bridge.listener.seams import TimerHandle


class Deadlines:
    """One timer at a time, which looks when the client was last heard instead of being set for each packet."""

    __slots__ = ("_connection", "_context", "_silence_seconds", "_timer")

    def __init__(self, connection: Connection, context: ListenerContext) -> None:
        """Start without a timer."""
        self._connection = connection
        self._context = context
        self._silence_seconds: float | None = None
        self._timer: TimerHandle | None = None

    def expect_connect(self) -> None:
        """Give the client its time to connect."""
        self._timer = self._context.clock.call_later(
            self._context.settings.connect_timeout_seconds, self._not_connected
        )

    def connected(self, keep_alive_seconds: int) -> None:
        """Begin to watch the keep-alive: one and a half of it may pass without a packet [MQTT-3.1.2-22]."""
        self.stop()
        self._silence_seconds = keep_alive_seconds * 1.5 if keep_alive_seconds else None
        self._watch()

    def stop(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _not_connected(self) -> None:
        """Close a connection that never said who it is."""
        self._context.counters.refusals["connect_timeout"] += 1
        self._connection.cut("connect_timeout")

    def _watch(self) -> None:
        """End the connection if a deadline has passed, else look again when the next one may."""
        settings = self._context.settings
        now = self._context.clock.monotonic()
        connection = self._connection
        waits = [settings.packet_timeout_seconds]
        if not connection.paused:
            if connection.inbox.since is not None:
                waits.append(connection.inbox.since + settings.packet_timeout_seconds - now)
            if self._silence_seconds is not None:
                waits.append(connection.heard + self._silence_seconds - now)
        wait = min(waits)
        if wait > 0:
            self._timer = self._context.clock.call_later(wait, self._watch)
        elif self._silence_seconds is not None and connection.heard + self._silence_seconds <= now:
            connection.end(Reason.KEEP_ALIVE_TIMEOUT, "no packet within one and a half keep-alives")
        else:
            connection.end(Reason.KEEP_ALIVE_TIMEOUT, "a packet took too long to arrive")
