"""The one byte budget of a bridge process: what bounds its memory at any offered load."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Budget:
    """Bytes that the bridge may hold between receiving messages and finishing their batches.

    Three quarters are for messages (`try_take`, `take`, `release`), one quarter for large packets that are still
    arriving (`try_hold`, `unhold`): were they one account, half-received packets could fill it and nobody would ever
    finish. Not thread-safe: it belongs to the event loop of its process.
    """

    __slots__ = ("_waiters", "_wake_planned", "held_bytes", "hold_limit_bytes", "limit_bytes", "taken_bytes")

    def __init__(self, memory_budget_bytes: int) -> None:
        """Make an unused budget.

        Raises:
            ValueError: The budget is not at least four bytes.
        """
        if memory_budget_bytes < 4:
            message = f"memory_budget_bytes must be at least 4, got {memory_budget_bytes!r}"
            raise ValueError(message)
        self.hold_limit_bytes = memory_budget_bytes // 4
        self.limit_bytes = memory_budget_bytes - self.hold_limit_bytes
        """For messages."""
        self.taken_bytes = 0
        self.held_bytes = 0
        self._waiters: dict[Callable[[], None], None] = {}
        self._wake_planned = False

    @property
    def available_bytes(self) -> int:
        """Bytes that messages can still take; negative after `take` went over the limit."""
        return self.limit_bytes - self.taken_bytes

    def try_take(self, size: int) -> bool:
        """Take `size` bytes if they fit; a message larger than the whole budget fits when nothing else is taken."""
        if self.taken_bytes and self.taken_bytes + size > self.limit_bytes:
            return False
        self.taken_bytes += size
        return True

    def take(self, size: int) -> None:
        """Take `size` bytes without asking: for messages that are handed over already, and for the bridge's own."""
        self.taken_bytes += size

    def release(self, size: int) -> None:
        """Give `size` bytes of finished messages back. Wakes those who wait, but not before returning."""
        self.taken_bytes -= size
        self._plan_wake()

    def try_hold(self, size: int) -> bool:
        """Hold `size` bytes for a packet that is arriving, if they fit; one packet always fits when none is held."""
        if self.held_bytes and self.held_bytes + size > self.hold_limit_bytes:
            return False
        self.held_bytes += size
        return True

    def unhold(self, size: int) -> None:
        """Give `size` held bytes back. Wakes those who wait, but not before returning."""
        self.held_bytes -= size
        self._plan_wake()

    def wait(self, waiter: Callable[[], None]) -> None:
        """Call `waiter` once, on the event loop, when there may be room again: first come, first served.

        The waiter must try again; if it fails it has to wait again. Waiting twice is waiting once.
        """
        self._waiters[waiter] = None

    def forget(self, waiter: Callable[[], None]) -> None:
        """Do not call this waiter. Harmless when it does not wait."""
        self._waiters.pop(waiter, None)

    def _plan_wake(self) -> None:
        """Wake the waiters from the event loop, so that no caller is entered again from its own call."""
        if self._waiters and not self._wake_planned and self.taken_bytes < self.limit_bytes:
            self._wake_planned = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        """Call as many waiters as find room, each at most once in this round."""
        self._wake_planned = False
        for waiter in list(self._waiters):
            if self.taken_bytes >= self.limit_bytes:
                return
            if waiter in self._waiters:
                del self._waiters[waiter]
                waiter()
