"""What time expressions become: stretches of time, times of day, and what comes again every day or every week."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from dataflow_insight.english.lexicon import NUMBER_WORDS
from dataflow_insight.english.sheet import MOMENT_BASE, RECURRING_BASE, Sheet, index_of, mark_of
from dataflow_insight.plans.plan import DayTime

MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"), ("february", "feb"), ("march", "mar"), ("april", "apr"), ("may",), ("june", "jun"),
            ("july", "jul"), ("august", "aug"), ("september", "sept", "sep"), ("october", "oct"), ("november", "nov"),
            ("december", "dec"),
        ),
        1,
    )
    for name in names
}  # fmt: skip
"""Months by name."""

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""Days of the week, in order."""

BASE_DAY: Final = datetime(1, 1, 2, tzinfo=UTC)
"""The day that times of day without a date are kept on."""

COUNT: Final = r"(?P<count>\d{1,5}|" + "|".join(NUMBER_WORDS) + r"|a|an|couple\s+of|few)"
"""Pattern of a number in a time expression."""


class Precision(StrEnum):
    """How much time an expression names."""

    INSTANT = "instant"
    CLOCK = "clock"
    SPAN = "span"


@dataclass(frozen=True, slots=True)
class Moment:
    """A named stretch of time, end exclusive.

    Attributes:
        start: In the asker's zone or UTC.
        end: The same.
        precision: CLOCK means a time of day whose date is still to be found; it is kept on `BASE_DAY`.
        day: For "12:00 on …": the beginning of the day that "before" and "after" stay within.
        relative: It leans on the present, which it does not reach beyond.
    """

    start: datetime
    end: datetime
    precision: Precision = Precision.SPAN
    day: datetime | None = None
    relative: bool = False

    @property
    def is_day(self) -> bool:
        """Whether it is one whole day."""
        return (
            self.precision is Precision.SPAN
            and self.end - self.start == timedelta(days=1)
            and self.start == self.start.replace(hour=0, minute=0, second=0, microsecond=0)
        )

    @property
    def whole_days(self) -> int:
        """Number of whole days; 0 where it does not begin and end at midnight."""
        days, rest = divmod(self.end - self.start, timedelta(days=1))
        at_midnight = self.start == self.start.replace(hour=0, minute=0, second=0, microsecond=0)
        return days if self.precision is Precision.SPAN and not rest and at_midnight else 0


@dataclass(frozen=True, slots=True)
class Recurring:
    """A part of every day, or days of every week.

    Attributes:
        day_time: The part of the day; None for whole days.
        weekdays: 1 (Monday) to 7; empty for all.
        name: What the question calls a part of the day ("morning"); empty where it gives the hours itself.
    """

    day_time: DayTime | None = None
    weekdays: tuple[int, ...] = ()
    name: str = ""


class TimeError(Exception):
    """A time expression has two readings, or none; the text says which, without digits."""


class VagueTimeError(TimeError):
    """A time expression is understood, but which hours or days it means only the asker knows."""


@dataclass(slots=True)
class Board:
    """Time expressions that were found on a sheet, each under its mark.

    Attributes:
        sheet: The question.
        moments: What marks of moments point to.
        recurring: What marks of recurring times point to.
        notes: What was decided, for the asker.
    """

    sheet: Sheet
    moments: list[Moment] = field(default_factory=list)
    recurring: list[Recurring] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def put(self, start: int, end: int, found: Moment | Recurring) -> None:
        """Covers a span of the sheet with the mark of what it means."""
        if isinstance(found, Moment):
            self.sheet.cover(start, end, mark_of(MOMENT_BASE, len(self.moments)))
            self.moments.append(found)
        else:
            self.sheet.cover(start, end, mark_of(RECURRING_BASE, len(self.recurring)))
            self.recurring.append(found)

    def moment(self, mark: str) -> Moment:
        """Returns what a mark points to."""
        return self.moments[index_of(MOMENT_BASE, mark)]

    def recurrence(self, mark: str) -> Recurring:
        """Returns what a mark points to."""
        return self.recurring[index_of(RECURRING_BASE, mark)]


def number(text: str) -> int:
    """Returns a number in digits or words; "a couple of" is two.

    Raises:
        VagueTimeError: "A few" is no number.
    """
    if text.isdigit():
        return int(text)
    if text == "few":
        raise VagueTimeError("It is not clear how long that is; please give a number.")
    return {"a": 1, "an": 1}.get(text) or (2 if text.startswith("couple") else NUMBER_WORDS[text])


def word_pattern(names: tuple[str, ...] | dict[str, int]) -> str:
    """Returns a pattern of any of these words, the longest first."""
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
