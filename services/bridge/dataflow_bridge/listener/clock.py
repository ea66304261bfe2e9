"""The real clock: the system's time and the timers of the running event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflow_bridge.listener.seams import TimerHandle


class SystemClock:
    """A `Clock` that tells the time of the machine."""

    __slots__ = ()

    def wall_us(self) -> int:
        """Return microseconds since the epoch, UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> TimerHandle:
        """Call `callback` on the running event loop after the delay."""
        return asyncio.get_running_loop().call_later(delay_seconds, callback)
