"""Bytes of one connection that were received and are no whole packet yet, or may not be read yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dataflow_bridge.listener.budget import Budget
    from dataflow_bridge.listener.seams import Clock

HELD_PACKET_BYTES: Final = 64 * 1024
"""A packet longer than this is only collected while the budget holds room for it."""


class Inbox:
    """The rest of the stream, kept in the pieces in which it came until enough is there."""

    __slots__ = ("_budget", "_clock", "_held_bytes", "_pieces", "_size", "need", "since")

    def __init__(self, budget: Budget, clock: Clock) -> None:
        """Start empty."""
        self._budget = budget
        self._clock = clock
        self._pieces: list[bytes] = []
        self._size = 0
        self._held_bytes = 0
        self.need = 0
        """Bytes that the first packet takes; 0 while that is unknown."""
        self.since: float | None = None
        """Since when the first packet has been incomplete, on the monotonic clock."""

    def __bool__(self) -> bool:
        """Tell whether anything is kept."""
        return bool(self._pieces)

    def add(self, data: bytes) -> bool:
        """Keep a chunk behind the others; tell whether the first packet may be whole now."""
        self._pieces.append(data)
        self._size += len(data)
        return self._size >= self.need

    def take(self) -> bytes:
        """Return all that is kept, to be read; `keep` follows."""
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        return data

    def keep(self, data: bytes, start: int) -> None:
        """Keep what was not read of `data`; give the room for a large packet back once it was read."""
        self._size = len(data) - start
        if self._size:
            self._pieces.append(data[start:] if start else data)
            if start or self.since is None:
                self.since = self._clock.monotonic()
        else:
            self.since = None
        if self._held_bytes and (start or not self._size):
            self._unhold()

    def clear(self) -> None:
        """Let go of everything."""
        self._pieces.clear()
        self._size = 0
        self.since = None
        self._unhold()

    def hold(self) -> bool:
        """Ask the budget for the room that a large packet needs before it is collected; tell whether it is there."""
        if self._pieces and self.need > HELD_PACKET_BYTES and not self._held_bytes:
            if not self._budget.try_hold(self.need):
                return False
            self._held_bytes = self.need
        return True

    def note_below(self, size: int) -> None:
        """Note how many bytes of an incomplete frame wait below: they count as an incomplete packet."""
        if size and self.since is None:
            self.since = self._clock.monotonic()
        elif not size and not self._pieces:
            self.since = None

    def _unhold(self) -> None:
        """Give the room back."""
        if self._held_bytes:
            self._budget.unhold(self._held_bytes)
            self._held_bytes = 0
