"""Which facts a summary's text tells: those that are more than quiet. Pure."""

from collections.abc import Sequence
from typing import Final

from dataflow_insight.queries.query import Role
from dataflow_insight.summaries.cells import Line
from dataflow_insight.summaries.facts import NumberFacts, WordFacts
from dataflow_insight.summaries.movement import Movement

MAX_NUMBERS: Final = 5
"""Most number fields that the text tells of."""

MAX_WORDS: Final = 2
"""Most other fields."""

STABLE_WITHIN: Final = 0.1
"""Nine of ten values of a field that is called stable are within this part of its mean."""

STABLE_PERCENT: Final = 5.0
"""The line through its hours changes by at most so many per cent."""

STANDS_OUT: Final = 1.0
"""An extreme stands out that is as far from the usual values as these are apart from each other."""

MANY_MISSING: Final = 0.1
"""Missing values are told from this part of the readings on."""


def told(numbers: Sequence[NumberFacts], words: Sequence[WordFacts]) -> frozenset[str]:
    """Returns the names of the fields that the text tells of: the most telling ones, of equals the fullest."""
    most = sorted(numbers, key=lambda item: -_weight(item))[:MAX_NUMBERS]
    return frozenset([*(item.field.name for item in most), *(item.field.name for item in words[:MAX_WORDS])])


def movement_of(facts: NumberFacts) -> Movement:
    """Returns what the text says of a field's trend: stable is only what has no trend, no step, and stays near its mean."""
    if facts.trend is None or facts.trend.movement is not Movement.STABLE:
        return facts.trend.movement if facts.trend is not None else Movement.UNKNOWN
    level = _value(facts.level)
    near = all(abs(_value(line) - level) <= STABLE_WITHIN * abs(level) for line in (facts.low, facts.high))
    percent = facts.trend.line.of(Role.PERCENT).number
    steady = percent is not None and abs(percent) <= STABLE_PERCENT
    return Movement.STABLE if near and steady and facts.course.daily.step is None else Movement.UNKNOWN


def extreme_of(facts: NumberFacts) -> tuple[Line, str] | None:
    """Returns the extreme that stands out, and its word; of both the one that is farther out, `None` for neither."""
    low, high = _value(facts.low), _value(facts.high)
    found = (
        (low - _value(facts.lowest), facts.lowest, "lowest"),
        (_value(facts.highest) - high, facts.highest, "highest"),
    )
    far, line, word = max(found, key=lambda item: item[0])
    return (line, word) if far > 0 and far >= STANDS_OUT * (high - low) else None


def swing_of(facts: NumberFacts) -> tuple[Line, Line] | None:
    """Returns the highest and lowest hour of the day, `None` where there is none to tell.

    A step says more, and neighbours are no course of the day: what drifts has its ends on either side of midnight.
    """
    daily, hours = facts.course.daily, facts.course.hours
    if facts.course.step is not None or daily.high is None or daily.low is None:
        return None
    high, low = hours[daily.high], hours[daily.low]
    apart = abs(high.named("hour").whole - low.named("hour").whole)
    return (high, low) if 1 < apart < 23 else None


def misses_many(facts: NumberFacts) -> bool:
    """Returns whether so many readings have no value of the field that the text says it."""
    present, missing = facts.filled.named("present").whole, facts.filled.named("missing").whole
    return missing >= MANY_MISSING * (present + missing) and missing > 0


def _weight(facts: NumberFacts) -> int:
    """Returns how telling a field is: what moved more than what is as always, what never varies least."""
    if facts.counter is not None:
        return 3
    if facts.lowest.of(Role.VALUE).value == facts.highest.of(Role.VALUE).value:
        return 0
    moved = facts.trend is not None and facts.trend.movement.moved
    changed = facts.change is not None and facts.change.moved
    return (
        1
        + 3 * moved
        + 2 * (facts.course.step is not None)
        + 2 * changed
        + facts.course.daily.regular
        + (extreme_of(facts) is not None)
    )


def _value(line: Line) -> float:
    return line.of(Role.VALUE).number or 0.0
