"""What may be said of a movement: whether it is more than the noise, and whether it is slight. Pure.

A slope counts when it is further from 0 than chance explains (99 %, two-sided). The hours of a sensor depend on each other,
so that they count for fewer than they are: effective sample size and standard error after Santer et al. (2000), "Statistical
significance of trends and trend differences in layer-average atmospheric temperature time series", J. Geophys. Res. 105,
7337-7356, equations 4 to 6. Differences of two means are held against the pooled standard deviation (Cohen 1988,
"Statistical Power Analysis for the Behavioral Sciences", chapter 2: 0.2 is small, 0.8 is large).
"""

import math
from enum import IntEnum
from typing import Final

from dataflow.insight.v1 import summary_pb2

SLIGHT_CHANGE: Final = 2.0
"""A trend's change of less than so many times the noise is slight."""

LEAST_CHANGE: Final = 0.5
"""One of less than so many times the noise is none."""

SLIGHT_DIFFERENCE: Final = 0.8
"""A difference of two means of less than so many pooled standard deviations is slight."""

LEAST_DIFFERENCE: Final = 0.2
"""One of less than so many is none."""

LEAST_HOURS: Final = 3
"""A line through fewer hours says nothing."""

_EXACT: Final = 1e-9
"""What is less than this part of the level is the rounding of doubles."""

_QUANTILES: Final = (
    (1, 63.657),
    (2, 9.925),
    (3, 5.841),
    (4, 4.604),
    (5, 4.032),
    (6, 3.707),
    (8, 3.355),
    (10, 3.169),
    (15, 2.947),
    (20, 2.845),
    (30, 2.75),
    (60, 2.66),
)
"""Degrees of freedom and Student's t at 0.995 (NIST/SEMATECH e-Handbook, 1.3.6.7.2)."""


class Movement(IntEnum):
    """Where values went; values are those of the proto."""

    UNKNOWN = summary_pb2.MOVEMENT_UNSPECIFIED
    STABLE = summary_pb2.MOVEMENT_STABLE
    ROSE_SLIGHTLY = summary_pb2.MOVEMENT_ROSE_SLIGHTLY
    ROSE = summary_pb2.MOVEMENT_ROSE
    FELL_SLIGHTLY = summary_pb2.MOVEMENT_FELL_SLIGHTLY
    FELL = summary_pb2.MOVEMENT_FELL

    @property
    def proto(self) -> summary_pb2.Movement.ValueType:
        """The proto's value."""
        return summary_pb2.Movement.ValueType(int(self))

    @property
    def moved(self) -> bool:
        """Whether values rose or fell."""
        return self not in {Movement.UNKNOWN, Movement.STABLE}

    @property
    def words(self) -> str:
        """As a sentence says it: "rose slightly"."""
        return "remained stable" if self is Movement.STABLE else self.name.lower().replace("_", " ")


def of_trend(
    hours: int, change: float, noise: float, significance: float | None, freedom: float | None, level: float
) -> Movement:
    """Returns what may be said of a line through the means of hours.

    Args:
        hours: How many have values.
        change: From the first to the last on the line.
        noise: Standard deviation around it.
        significance: The slope in standard errors; `None` where these are 0 or unknown.
        freedom: Effective number of hours less two.
        level: The mean, for what counts as nothing.
    """
    if hours < LEAST_HOURS:
        return Movement.UNKNOWN
    if abs(change) <= _EXACT * max(abs(level), abs(change), noise, 1e-300) or change == 0:
        return Movement.STABLE
    if noise <= _EXACT * abs(change):
        return _moved(change, slight=False)
    size = abs(change) / noise
    if significance is None or freedom is None or abs(significance) < critical(freedom):
        # A day that goes up and half down again has no trend, and is not stable either.
        return Movement.STABLE if size < SLIGHT_CHANGE else Movement.UNKNOWN
    return Movement.STABLE if size < LEAST_CHANGE else _moved(change, slight=size < SLIGHT_CHANGE)


def of_difference(difference: float, deviation: float | None, level: float) -> Movement:
    """Returns what may be said of the difference of two means.

    Args:
        difference: Now less then.
        deviation: Pooled standard deviation of the values; `None` for fewer than two.
        level: The mean now, for what counts as nothing.
    """
    if deviation is None:
        return Movement.UNKNOWN
    if abs(difference) <= _EXACT * abs(level) or difference == 0:
        return Movement.STABLE
    size = abs(difference) / deviation if deviation > 0 else math.inf
    return Movement.STABLE if size < LEAST_DIFFERENCE else _moved(difference, slight=size < SLIGHT_DIFFERENCE)


def critical(freedom: float) -> float:
    """Returns how many standard errors a slope must be away from 0, for so many degrees of freedom."""
    if freedom < 1:
        return math.inf
    return next(quantile for least, quantile in reversed(_QUANTILES) if freedom >= least)


def _moved(difference: float, *, slight: bool) -> Movement:
    if difference > 0:
        return Movement.ROSE_SLIGHTLY if slight else Movement.ROSE
    return Movement.FELL_SLIGHTLY if slight else Movement.FELL
