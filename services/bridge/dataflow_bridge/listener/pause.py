"""When a connection is not read: a pause with its reasons, its end and its limit (design §5, overload)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from dataflow_bridge.listener.reason import Reason

if TYPE_CHECKING:
    from dataflow_bridge.listener.connection import Connection
    from dataflow_bridge.listener.context import ListenerContext
    from dataflow_bridge.listener.seams import TimerHandle


class PauseKind(enum.IntEnum):
    """Why a connection is not read; several may hold at once."""

    ROOM = 1
    """The budget has no room for what it sends."""
    RATE = 2
    """Its device sends more messages than it may."""
    ANSWERS = 4
    """It does not read its answers."""
    SESSION = 8
    """Its session is being claimed; that takes a moment at most, and is no overload."""


_FAREWELLS: Final = {
    PauseKind.ROOM: (Reason.QUOTA_EXCEEDED, "the bridge has no room, send again later"),
    PauseKind.RATE: (Reason.MESSAGE_RATE_TOO_HIGH, "the device sends more messages than it may"),
}


class Pause:
    """The pause of one connection. It ends the connection when it lasts too long."""

    __slots__ = ("_connection", "_context", "_limit_timer", "_rate_timer", "kinds", "limit_seconds")

    def __init__(self, connection: Connection, context: ListenerContext) -> None:
        """Start without a pause."""
        self._connection = connection
        self._context = context
        self._limit_timer: TimerHandle | None = None
        self._rate_timer: TimerHandle | None = None
        self.limit_seconds = context.settings.max_pause_seconds
        """How long it may last."""
        self.kinds = 0
        """The reasons that hold now; 0 when the connection may be read."""

    def note_keep_alive(self, keep_alive_seconds: int) -> None:
        """Bound the pause by half the keep-alive, so that the client does not give up first."""
        if keep_alive_seconds:
            self.limit_seconds = min(self.limit_seconds, keep_alive_seconds / 2)

    def begin(self, kind: PauseKind, seconds: float = 0.0) -> None:
        """Stop reading for a reason; `seconds` is how long a rate needs."""
        if kind == PauseKind.SESSION:
            self._connection.halt_reading()
        elif not self._limit_timer:
            self._context.counters.pauses += 1
            self._connection.halt_reading()
            self._limit_timer = self._context.clock.call_later(self.limit_seconds, self._expire)
        self.kinds |= kind
        if kind == PauseKind.ROOM:
            self._context.budget.wait(self._room)
        elif kind == PauseKind.RATE:
            if self._rate_timer is not None:
                self._rate_timer.cancel()
            self._rate_timer = self._context.clock.call_later(seconds, self._rate_kept)

    def end(self, kind: PauseKind) -> bool:
        """Take one reason away; tell whether it was the last one, so that the connection can go on."""
        held = self.kinds & kind
        self.kinds &= ~kind
        return bool(held) and not self.kinds

    def over(self) -> None:
        """Stop all clocks: the connection is read again, or is gone."""
        self.kinds = 0
        self._context.budget.forget(self._room)
        for timer in (self._limit_timer, self._rate_timer):
            if timer is not None:
                timer.cancel()
        self._limit_timer = self._rate_timer = None

    def _room(self) -> None:
        """Try again: the budget has room."""
        if self.end(PauseKind.ROOM):
            self._connection.go_on()

    def _rate_kept(self) -> None:
        """Go on: the device has waited long enough."""
        if self.end(PauseKind.RATE):
            self._connection.go_on()

    def _expire(self) -> None:
        """End the connection: its client keeps what was not acknowledged."""
        self._context.counters.pauses_expired += 1
        if self.kinds & PauseKind.ANSWERS:
            self._connection.cut("answers_not_read")
            return
        kind = PauseKind.ROOM if self.kinds & PauseKind.ROOM else PauseKind.RATE
        self._connection.end(*_FAREWELLS[kind])
