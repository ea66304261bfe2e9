"""All times of a question: which stretches of event time, which parts of every day and days of every week."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dataflow_insight.english.clock import Clock
from dataflow_insight.english.dates import Dates, Form
from dataflow_insight.english.hours import RecurringForm, clock_forms, part_forms, refuse_unnamed, week_forms
from dataflow_insight.english.joining import Joiner
from dataflow_insight.english.moments import Board, Moment, Recurring, TimeError
from dataflow_insight.english.months import Months
from dataflow_insight.english.periods import Periods
from dataflow_insight.english.relative import Relative
from dataflow_insight.english.sheet import MOMENT, RECURRING, RECURRING_BASE, Sheet, index_of
from dataflow_insight.english.spans import Ranges, together
from dataflow_insight.plans.plan import DayTime, TimeRange


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a question.

    Attributes:
        ranges: What the marks of moments on the sheet (`MOMENT`) point to, in the order of the question.
        recurring: What the marks of recurring times (`RECURRING`) point to.
        moments: The single times that the ranges were made of, in no order.
    """

    ranges: tuple[TimeRange, ...] = ()
    recurring: tuple[Recurring, ...] = ()
    moments: tuple[Moment, ...] = ()

    @property
    def given(self) -> bool:
        """Whether the question names any time."""
        return bool(self.ranges or self.recurring)


def read_times(sheet: Sheet, clock: Clock, assumptions: list[str]) -> Times:
    """Marks all times of a question and returns what the marks point to.

    Args:
        sheet: With fields and devices marked.
        clock: The present and the data, in the zone of the question.
        assumptions: Gets what was decided.

    Raises:
        TimeError: A time cannot be read for sure.
    """
    board = Board(sheet)
    refuse_unnamed(board)
    sheet.take_all(r"^good\s+(?:morning|afternoon|evening)\b")
    try:
        ranges = _ranges(board, clock)
    except OverflowError as error:
        raise TimeError("That lies outside the time that can be stored.") from error
    sheet.take_all(rf"\b(?:(?:over\s+)?the\s+course\s+of|(?:in|during)\s+the\s+hours?)\s+(?=(?:{MOMENT}|{RECURRING}))")
    assumptions += board.notes
    return Times(tuple(ranges), tuple(board.recurring), tuple(board.moments))


def _ranges(board: Board, clock: Clock) -> list[TimeRange]:
    months = Months(board, clock)
    dates = Dates(board, clock, months)
    _mark(board, dates.days())
    _mark(board, Periods(months, clock).forms())
    _mark(board, dates.months())
    _mark(board, week_forms(board))
    _mark(board, Relative(board, clock).forms())
    _mark(board, clock_forms(board))
    _mark(board, part_forms())
    day = Joiner(board, clock).join()
    return Ranges(board, clock, day).read()


def scope_times(sheet: Sheet, times: Times) -> tuple[tuple[TimeRange, ...], tuple[DayTime, ...], tuple[int, ...]]:
    """Covers the marks that are left and returns what of them makes a scope: stretches, parts of the day, weekdays.

    Raises:
        TimeError: Stretches that are not in a list have nothing in common.
    """
    day_times: list[DayTime] = []
    weekdays: set[int] = set()
    for found in sheet.take_all(RECURRING):
        part = times.recurring[index_of(RECURRING_BASE, found[1])]
        if part.day_time is not None:
            day_times.append(part.day_time)
        weekdays |= set(part.weekdays)
    return together(sheet, times.ranges), tuple(dict.fromkeys(day_times)), tuple(sorted(weekdays))


def _mark(board: Board, forms: "Iterable[Form | RecurringForm]") -> None:
    for pattern, make in forms:
        while (found := board.sheet.find(pattern)) is not None:
            moment = make(found)
            if moment is None:
                break
            kept = "keep" in re.compile(pattern).groupindex
            board.put(*(found.span("keep") if kept else found.span()), moment)
