"""Straight lines through samples: how fast something grows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

Sample = tuple[float, float]
"""A time in seconds, and a value at that time."""


def slope(samples: Sequence[Sample]) -> float:
    """Returns the growth per second of the least-squares line; 0 for fewer than two different times."""
    count = len(samples)
    if count < 2:
        return 0.0
    mean_time = sum(time for time, _ in samples) / count
    mean_value = sum(value for _, value in samples) / count
    spread = sum((time - mean_time) ** 2 for time, _ in samples)
    if not spread:
        return 0.0
    return sum((time - mean_time) * (value - mean_value) for time, value in samples) / spread


def between(samples: Sequence[Sample], start: float, end: float) -> list[Sample]:
    """Returns the samples of a time span, both ends included."""
    return [sample for sample in samples if start <= sample[0] <= end]


def value_at(samples: Sequence[Sample], time: float) -> float:
    """Returns the value at a time between two samples, by the line between them; outside, the nearest sample's.

    Raises:
        ValueError: There is no sample.
    """
    if not samples:
        raise ValueError("no samples")
    position = bisect_right(samples, time, key=lambda sample: sample[0])
    if position == 0:
        return samples[0][1]
    if position == len(samples):
        return samples[-1][1]
    (before, low), (after, high) = samples[position - 1], samples[position]
    return low + (high - low) * (time - before) / (after - before)


def difference(samples: Sequence[Sample], minus: Sequence[Sample]) -> list[Sample]:
    """Returns the first series less the second, at the times of the second."""
    return [(time, value_at(samples, time) - value) for time, value in minus]
