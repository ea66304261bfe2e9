"""The one byte budget of a bridge process: what bounds its memory at any offered load."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Budget:
    """Bytes of messages that the bridge may hold between receiving them and finishing their batch.

    Not thread-safe: it belongs to the event loop of its process.
    """

    __slots__ = ("_waiters", "_wake_planned", "limit_bytes", "taken_bytes")

    def __init__(self, limit_bytes: int) -> None:
        """Make an unused budget of `limit_bytes`.

        Raises:
            ValueError: The limit is not positive.
        """
        if limit_bytes <= 0:
            message = f"memory_budget_bytes must be positive, got {limit_bytes!r}"
            raise ValueError(message)
        self.limit_bytes = limit_bytes
        self.taken_bytes = 0
        self._waiters: dict[Callable[[], None], None] = {}
        self._wake_planned = False

    @property
    def available_bytes(self) -> int:
        """Bytes that can still be taken; negative after `take` went over the limit."""
        return self.limit_bytes - self.taken_bytes

    def try_take(self, size: int) -> bool:
        """Take `size` bytes if they fit; a message larger than the whole budget fits when nothing else is held."""
        if self.taken_bytes and self.taken_bytes + size > self.limit_bytes:
            return False
        self.taken_bytes += size
        return True

    def take(self, size: int) -> None:
        """Take `size` bytes without asking: for bytes that are in memory already."""
        self.taken_bytes += size

    def release(self, size: int) -> None:
        """Give `size` bytes back and plan to wake those who wait. Calls no waiter before returning."""
        self.taken_bytes -= size
        if self._waiters and not self._wake_planned and self.taken_bytes < self.limit_bytes:
            self._wake_planned = True
            asyncio.get_running_loop().call_soon(self._wake)

    def wait(self, waiter: Callable[[], None]) -> None:
        """Call `waiter` once, on the event loop, when there is room again: first come, first served.

        The waiter must try again; if it fails it has to wait again. Waiting twice is waiting once.
        """
        self._waiters[waiter] = None

    def forget(self, waiter: Callable[[], None]) -> None:
        """Do not call this waiter. Harmless when it does not wait."""
        self._waiters.pop(waiter, None)

    def _wake(self) -> None:
        """Call as many waiters as find room, each at most once in this round."""
        self._wake_planned = False
        for waiter in list(self._waiters):
            if self.taken_bytes >= self.limit_bytes:
                return
            if waiter in self._waiters:
                del self._waiters[waiter]
                waiter()
