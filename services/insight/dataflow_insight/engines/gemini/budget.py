"""Tokens of this process: counted, limited by minute and by day, and not asked for while the provider wants us to wait."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dataflow_insight.engines.engine import EngineError, Fallback
from dataflow_insight.engines.gemini.messages import Tokens

_log = logging.getLogger(__name__)

_MINUTE: Final = 60
_DAY: Final = 86_400


@dataclass(slots=True)
class _Window:
    """Tokens of one stretch of the clock."""

    seconds: int
    limit: int
    number: int = 0
    used: int = 0

    def add(self, now: float, tokens: int) -> None:
        number = int(now // self.seconds)
        if number != self.number:
            self.number, self.used = number, 0
        self.used += tokens

    def is_used_up(self, now: float) -> bool:
        self.add(now, 0)
        return 0 < self.limit <= self.used


class Budget:
    """Says whether another call may be made. A call that has begun is counted when it ends, so one may go over.

    Args:
        per_minute: Most tokens in a minute of the clock, all kinds together; 0: no limit.
        per_day: The same in a day, UTC.
        clock: Seconds since the epoch; a parameter for tests.
    """

    def __init__(self, *, per_minute: int = 0, per_day: int = 0, clock: Callable[[], float] = time.time) -> None:
        self._windows = (_Window(_MINUTE, per_minute), _Window(_DAY, per_day))
        self._clock = clock
        self._wait_until = 0.0

    def check(self) -> None:
        """Returns where a call may be made.

        Raises:
            EngineError: RATE_LIMITED, or LIMIT where it is our own.
        """
        now = self._clock()
        if now < self._wait_until:
            raise EngineError(
                Fallback.RATE_LIMITED, f"the provider asked to wait for another {self._wait_until - now:.0f} s"
            )
        for window in self._windows:
            if window.is_used_up(now):
                name = "minute" if window.seconds == _MINUTE else "day"
                raise EngineError(Fallback.LIMIT, f"the {window.limit} tokens of this {name} are used up")

    def spend(self, tokens: Tokens) -> None:
        """Counts what a call took."""
        now = self._clock()
        for window in self._windows:
            window.add(now, tokens.prompt + tokens.written + tokens.thoughts)

    def wait(self, seconds: float) -> None:
        """Makes no call for so long: the provider asked for it, and more calls would only prolong it."""
        self._wait_until = max(self._wait_until, self._clock() + seconds)
