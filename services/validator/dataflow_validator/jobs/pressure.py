"""How much a worker rests, so that live data keeps its latency: pure, from what the parent says about live data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_EASY_SECONDS: Final = 0.25
_HARD_SECONDS: Final = 2.0
_LEAST_SHARE: Final = 0.05
_MAX_REST_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Pressure:
    """What live data suffers.

    Attributes:
        lag_seconds: Age of the oldest message that waits for this validator.
        queue_share: How full its queue is, 0 to 1.
    """

    lag_seconds: float = 0.0
    queue_share: float = 0.0

    @property
    def work_share(self) -> float:
        """The share of time in which a worker may work: all of it while live data does not wait, never quite none."""
        lag = (self.lag_seconds - _EASY_SECONDS) / (_HARD_SECONDS - _EASY_SECONDS)
        strain = min(1.0, max(0.0, lag, (self.queue_share - 0.25) / 0.75))
        return 1.0 - strain * (1.0 - _LEAST_SHARE)

    def rest_after(self, worked_seconds: float) -> float:
        """Returns how long to rest after some work, in seconds."""
        share = self.work_share
        return min(_MAX_REST_SECONDS, worked_seconds * (1.0 - share) / share)


def rest_for_rate(items: int, rate: float | None, took_seconds: float) -> float:
    """Returns how long to rest after a step of some items, so that there are not more than `rate` of them a second."""
    return 0.0 if rate is None else max(0.0, items / rate - took_seconds)
