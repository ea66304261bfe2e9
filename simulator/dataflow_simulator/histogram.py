"""Latencies in buckets that grow by one percent: constant memory, one addition for any number of equal values."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

_SMALLEST_SECONDS: Final = 10e-6
_LARGEST_SECONDS: Final = 3600.0
_GROWTH: Final = 1.01


def _bounds() -> tuple[float, ...]:
    bounds = [_SMALLEST_SECONDS]
    while bounds[-1] < _LARGEST_SECONDS:
        bounds.append(bounds[-1] * _GROWTH)
    return tuple(bounds)


_BOUNDS: Final = _bounds()


class Histogram:
    """Counts seconds from 10 microseconds to an hour; what is outside counts at the edge.

    A quantile is the upper bound of its bucket: at most 1 % too high, never too low.
    """

    __slots__ = ("_counts", "total")

    def __init__(self) -> None:
        """Makes an empty histogram."""
        self._counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0

    def record(self, seconds: float, count: int = 1) -> None:
        """Adds `count` values of `seconds`."""
        self._counts[bisect_left(_BOUNDS, seconds)] += count
        self.total += count

    def quantile(self, fraction: float) -> float | None:
        """Returns the seconds below or at which this fraction of the values is; None when there are none."""
        if not self.total:
            return None
        wanted = fraction * self.total
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return _BOUNDS[min(index, len(_BOUNDS) - 1)]
        return _BOUNDS[-1]


def quantile_of_buckets(buckets: Mapping[int, int], fraction: float) -> int | None:
    """Returns the bucket in which this fraction of all counted values is reached; None when there are none."""
    wanted = fraction * sum(buckets.values())
    seen = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= wanted:
            return bucket
    return None
