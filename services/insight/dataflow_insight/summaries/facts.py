"""What a summary knows: cells, and what may be said of them."""

from dataclasses import dataclass, field
from datetime import timedelta

from dataflow_insight.catalogue.catalogue import Field
from dataflow_insight.engines.engine import Computed
from dataflow_insight.queries.query import Role
from dataflow_insight.summaries.cells import Cell, Line
from dataflow_insight.summaries.daily import Daily
from dataflow_insight.summaries.movement import Movement
from dataflow_insight.summaries.scope import Scope


@dataclass(frozen=True, slots=True)
class Trend:
    """The line through the means of the hours.

    Attributes:
        line: Its numbers.
        movement: What may be said of it.
    """

    line: Line
    movement: Movement


@dataclass(frozen=True, slots=True)
class Course:
    """The course of the day.

    Attributes:
        hours: One line for each hour of the day that has values.
        daily: What may be said of it; its indices are those of `hours`.
        step: The hour of the step and what it steps by; `None` without one.
    """

    hours: tuple[Line, ...]
    daily: Daily
    step: Line | None = None


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """A number field.

    Attributes:
        field: Which.
        filled: How many values it has and has not.
        level: The mean; and where there are values in the time before, their mean and the difference.
        middle: The median.
        low: The 5th percentile.
        high: The 95th.
        lowest: The lowest value, where and when.
        highest: The highest.
        trend: `None` where no value has an hour.
        change: What may be said of the time before; `None` where there are no values, or far fewer.
        course: The course of the day.
        counter: For a counter: what it rose by, and its restarts.
    """

    field: Field
    filled: Line
    level: Line
    middle: Line
    low: Line
    high: Line
    lowest: Line
    highest: Line
    trend: Trend | None
    change: Movement | None
    course: Course
    counter: Line | None


@dataclass(frozen=True, slots=True)
class WordFacts:
    """A field of texts or of yes and no.

    Attributes:
        field: Which.
        filled: How many values it has and has not.
        line: The most frequent value.
    """

    field: Field
    filled: Line
    line: Line


@dataclass(frozen=True, slots=True)
class Refusals:
    """What was refused.

    Attributes:
        line: The whole result.
        count: Items.
        percent: Of items and stored readings; `None` where the count is that of all times, null without either.
        items: Both together; `None` likewise.
    """

    line: Line
    count: Cell
    percent: Cell | None = None
    items: Cell | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """A whole summary.

    Attributes:
        scope: Which readings.
        readings: How many readings there are.
        devices: How many devices sent them.
        numbers: Number fields, those with most values first.
        words: Other fields, likewise.
        left_out: Names of fields that are in neither: too many, without a value, or of a kind that says nothing.
        gaps: The longest, longest first.
        usual_step: How far apart readings usually are.
        silent: Devices that sent before and not now.
        refusals: `None` for DataFlow's own contracts.
        told: Names of the fields that the text tells of.
        others: How many other fields there are; `None` for none.
        results: Everything that was computed.
    """

    scope: Scope
    readings: Line
    devices: Line
    numbers: tuple[NumberFacts, ...] = ()
    words: tuple[WordFacts, ...] = ()
    left_out: tuple[str, ...] = ()
    gaps: tuple[Line, ...] = ()
    usual_step: timedelta | None = None
    silent: tuple[Line, ...] = ()
    refusals: Refusals | None = None
    told: frozenset[str] = frozenset()
    others: Line | None = None
    results: tuple[Computed, ...] = field(default=(), repr=False)

    @property
    def count(self) -> int:
        """How many readings there are."""
        return self.readings.of(Role.VALUE).whole
