"""How much of something happens each second, over the last minute."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

_SLOT_SECONDS: Final = 5.0


class Rate:
    """Counts into slots of five seconds and forgets what is older than the window.

    Args:
        window_seconds: Over how long it looks back.
        clock: Seconds that never go back; another one in tests.
    """

    def __init__(self, window_seconds: float = 60.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_seconds = window_seconds
        self._clock = clock
        self._slots: deque[list[float]] = deque()
        self._began = clock()

    def add(self, amount: float) -> None:
        """Count so much now."""
        now = self._clock()
        if self._slots and now - self._slots[-1][0] < _SLOT_SECONDS:
            self._slots[-1][1] += amount
        else:
            self._slots.append([now, amount])
            self._forget(now)

    def per_second(self) -> float:
        """Return the mean of the window, or of the time since the start where that is shorter (a second at least)."""
        now = self._clock()
        self._forget(now)
        seconds = max(1.0, min(self._window_seconds, now - self._began))
        return sum(amount for _, amount in self._slots) / seconds

    def _forget(self, now: float) -> None:
        while self._slots and now - self._slots[0][0] > self._window_seconds:
            self._slots.popleft()
