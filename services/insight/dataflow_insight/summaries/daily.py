"""How the day goes: which hours are high and low, and whether values step up or down at one of them. Pure.

Hours differ regularly when their variance between hours is more than that within them (F test of an analysis of variance
with days as blocks; NIST/SEMATECH e-Handbook, 7.4.3). A step is the split of the day that leaves the least squares (the
first split of a regression tree: Breiman et al. 1984, "Classification and Regression Trees", chapter 8).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dataflow_insight.summaries.movement import LEAST_DIFFERENCE, Movement

LEAST_HOURS: Final = 12
"""With values in fewer hours of the day nothing is said of its course."""

LEAST_DAYS: Final = 2
"""Only what is seen on more than one day is regular."""

REGULAR: Final = 4.0
"""F of at least so much is regular: beyond chance at 0.1 % for two days and more."""

STEP_SHARE: Final = 0.7
"""A step explains at least this part of how the hours differ, and more than a line."""

STEP_HOURS: Final = 3
"""Hours on either side of a step, at least."""

SLIGHT_STEP: Final = 1.0
"""A step of less than so many standard deviations of the values is slight."""


@dataclass(frozen=True, slots=True)
class Hour:
    """The values of one hour of the day, as the database has them.

    Attributes:
        hour: 0 to 23.
        mean: Mean of the means of this hour on each day.
        days: On how many days it has values.
        deviation: Mean of what these means are above the mean of their day.
        squares: Sum of the squares of what each is above that mean.
    """

    hour: int
    mean: float
    days: int
    deviation: float
    squares: float


@dataclass(frozen=True, slots=True)
class Daily:
    """What may be said of the course of the day.

    Attributes:
        regular: The hours differ by more than chance.
        high: Index of the hour with the highest mean; `None` where that is not regular.
        low: Index of the one with the lowest.
        step: Index of the hour at which values are at another level than before; `None` without a step.
        movement: Where they went then.
    """

    regular: bool = False
    high: int | None = None
    low: int | None = None
    step: int | None = None
    movement: Movement = Movement.UNKNOWN


def judge_day(hours: Sequence[Hour], deviation: float | None) -> Daily:
    """Returns what may be said.

    Args:
        hours: Those with values, by hour.
        deviation: Standard deviation of the values; `None` for fewer than two.
    """
    if len(hours) < LEAST_HOURS:
        return Daily()
    regular = _is_regular(hours)
    step, movement = _step(hours, deviation)
    if not regular:
        return Daily(step=step, movement=movement)
    indices = range(len(hours))
    return Daily(
        regular=True,
        high=max(indices, key=lambda index: hours[index].mean),
        low=min(indices, key=lambda index: hours[index].mean),
        step=step,
        movement=movement,
    )


def _is_regular(hours: Sequence[Hour]) -> bool:
    days = max(hour.days for hour in hours)
    values = sum(hour.days for hour in hours)
    freedom = values - len(hours) - days + 1
    if days < LEAST_DAYS or freedom < 1:
        return False
    centre = sum(hour.days * hour.deviation for hour in hours) / values
    between = sum(hour.days * (hour.deviation - centre) ** 2 for hour in hours) / (len(hours) - 1)
    within = sum(hour.squares for hour in hours) / freedom
    # Compared as products: exactly repeated days leave nothing within.
    return between > 0 and between >= REGULAR * within and between > 1e-18 * max(hour.mean**2 for hour in hours)


def _step(hours: Sequence[Hour], deviation: float | None) -> tuple[int | None, Movement]:
    """Returns the index of the best split, and the movement there, if it explains enough."""
    means = [hour.mean for hour in hours]
    centre = sum(means) / len(means)
    total = sum((mean - centre) ** 2 for mean in means)
    if total <= 1e-18 * centre**2 * len(means) or total == 0 or deviation is None:
        return None, Movement.UNKNOWN
    best, explained, difference = 0, 0.0, 0.0
    for index in range(STEP_HOURS, len(means) - STEP_HOURS + 1):
        before, after = sum(means[:index]) / index, sum(means[index:]) / (len(means) - index)
        share = index * (len(means) - index) / len(means) * (after - before) ** 2 / total
        if share > explained:
            best, explained, difference = index, share, after - before
    if explained < STEP_SHARE or explained <= _line_share(hours, means, centre, total):
        return None, Movement.UNKNOWN
    size = abs(difference) / deviation if deviation > 0 else SLIGHT_STEP
    if size < LEAST_DIFFERENCE:
        return None, Movement.UNKNOWN
    slight = size < SLIGHT_STEP
    if difference > 0:
        return best, Movement.ROSE_SLIGHTLY if slight else Movement.ROSE
    return best, Movement.FELL_SLIGHTLY if slight else Movement.FELL


def _line_share(hours: Sequence[Hour], means: Sequence[float], centre: float, total: float) -> float:
    middle = sum(hour.hour for hour in hours) / len(hours)
    spread = sum((hour.hour - middle) ** 2 for hour in hours)
    product = sum((hour.hour - middle) * (mean - centre) for hour, mean in zip(hours, means, strict=True))
    return float(product**2 / (spread * total))
