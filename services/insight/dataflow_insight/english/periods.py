"""Parts of months, quarters and numbered weeks: "the first week of January", "Q1", "the last ten days of the data"."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from dataflow_insight.english.clock import Clock
from dataflow_insight.english.dates import Form
from dataflow_insight.english.moments import COUNT, WEEKDAYS, Moment, TimeError, VagueTimeError, number, word_pattern
from dataflow_insight.english.months import DAY_NUMBER, IN_YEAR, MONTH, YEAR, Months

_PLACES: Final = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}


class Periods:
    """Reads parts of longer stretches of the calendar.

    Args:
        months: Finds the month that is meant.
        clock: Knows the data and the zone.
    """

    def __init__(self, months: Months, clock: Clock) -> None:
        self._months = months
        self._clock = clock

    def forms(self) -> tuple[Form, ...]:
        """Returns all forms, the longest first."""
        of_month = rf"\s+(?:of|in)\s+(?:the\s+month\s+of\s+)?{MONTH}{IN_YEAR}"
        of_data = r"\s+(?:of|in)\s+(?:the\s+|all\s+)?(?:data|data\s?set|period|recordings?|records?)\b"
        of_the_month = r"\s+(?:of|in)\s+(?:the|this)\s+month\b"
        edge = rf"\b(?:the\s+)?(?P<which>first|last|final)\s+(?:{COUNT}\s+)?(?P<unit>hour|day|week)s?"
        half = r"\b(?:the\s+)?(?P<which>first|second|last|1st|2nd)\s+half"
        week = r"\b(?:the\s+)?(?P<which>second|third|fourth|2nd|3rd|4th)\s+week"
        quarter = r"(?P<which>first|second|third|fourth|1st|2nd|3rd|4th|last)\s+quarter"
        return (
            (edge + of_month, self._edge(self._month_of)),
            (edge + of_the_month, self._edge(self._month_of_data)),
            (edge + of_data, self._edge(self._all_data)),
            (
                rf"\b(?:the\s+)?(?P<which>first|second|third|fourth|last|1st|2nd|3rd|4th)\s+(?P<weekday>{word_pattern(WEEKDAYS)}){of_month}",
                self._weekday,
            ),
            (half + of_month, self._half(self._month_of)),
            (half + of_the_month, self._half(self._month_of_data)),
            (rf"\b(?:the\s+)?(?P<which>first|second|last)\s+half\s+of\s+(?:the\s+year\s+)?{YEAR}", self._half_year),
            (week + of_month, self._week(self._month_of)),
            (week + r"(?:\s+(?:of|in)\s+(?:the|this)\s+month)?(?!\s+(?:of|in)\b)\b", self._week(self._month_of_data)),
            (r"\b(?P<which>first)\s+week(?=\W.*\bweek\b|\W*$)", self._week(self._month_of_data)),
            (rf"\b(?:the\s+)?{quarter}\s+(?:of\s+)?(?:the\s+year\s+)?{YEAR}", self._quarter),
            (rf"\bq(?P<which>[1-4])(?:\s+(?:of\s+)?|/|-)?{YEAR}", self._quarter),
            (rf"\b{YEAR}[\s/-]*q(?P<which>[1-4])\b", self._quarter),
            (r"\bq(?P<which>[1-4])\b", self._quarter),
            (rf"\b(?:calendar\s+|iso\s+)?week\s+(?P<week>[1-9]|[1-4]\d|5[0-3]),?\s+(?:of\s+)?{YEAR}", self._iso_week),
            (rf"\b(?:since|from|after)\s+(?P<keep>(?:the\s+)?(?:start|beginning){of_month})", self._month_of),
            (rf"\b(?:until|till|to|through|by|up\s+to|before)\s+(?P<keep>(?:the\s+)?end{of_month})", self._month_of),
            (rf"\b(?:since|from)\s+(?P<keep>(?:the\s+)?(?:start|beginning){of_the_month})", self._month_of_data),
            (rf"\b(?:the\s+)?(?P<vague>beginning|start|end|middle|early|late|mid)(?:\s+of|\s+in|-)?\s+{MONTH}(?!\s+{DAY_NUMBER}\b)", self._vague),
        )  # fmt: skip

    def _iso_week(self, found: re.Match[str]) -> Moment:
        fourth = self._clock.at(int(found["year"]), 1, 4)
        monday = fourth + timedelta(days=7 * (int(found["week"]) - 1) - fourth.weekday())
        return self._months.noted(found, Moment(monday, monday + timedelta(days=7)))

    def _vague(self, found: re.Match[str]) -> Moment:
        del found
        raise VagueTimeError("The time is not exact; please give a start and an end.")

    def _month_of(self, found: re.Match[str]) -> Moment:
        return self._clock.month(*self._months.of(found, 1))

    def _month_of_data(self, found: re.Match[str]) -> Moment:
        del found
        return self._clock.month(*self._months.of_data())

    def _all_data(self, found: re.Match[str]) -> Moment:
        first, last = self._clock.first, self._clock.last
        if first is None or last is None:
            raise TimeError("It is not known yet which time the data cover.")
        if found["unit"] == "hour":
            hour = {"minute": 0, "second": 0, "microsecond": 0}
            return Moment(first.replace(**hour), last.replace(**hour) + timedelta(hours=1))  # type: ignore[arg-type]
        return Moment(self._clock.midnight(first), self._clock.midnight(last) + timedelta(days=1))

    def _edge(self, whole_of: Callable[[re.Match[str]], Moment]) -> Callable[[re.Match[str]], Moment]:
        def make(found: re.Match[str]) -> Moment:
            whole = whole_of(found)
            length = timedelta(hours=number(found["count"] or "1") * {"hour": 1, "day": 24, "week": 168}[found["unit"]])
            first = found["which"] == "first"
            moment = Moment(whole.start, whole.start + length) if first else Moment(whole.end - length, whole.end)
            return self._months.noted(found, moment)

        return make

    def _half(self, whole_of: Callable[[re.Match[str]], Moment]) -> Callable[[re.Match[str]], Moment]:
        def make(found: re.Match[str]) -> Moment:
            whole = whole_of(found)
            middle = whole.start.replace(day=16)
            first = found["which"] in {"first", "1st"}
            return self._months.noted(found, Moment(whole.start, middle) if first else Moment(middle, whole.end))

        return make

    def _half_year(self, found: re.Match[str]) -> Moment:
        month = 1 if found["which"] == "first" else 7
        return self._months.noted(found, self._clock.month(int(found["year"]), month, 6))

    def _week(self, whole_of: Callable[[re.Match[str]], Moment]) -> Callable[[re.Match[str]], Moment]:
        def make(found: re.Match[str]) -> Moment:
            whole = whole_of(found)
            if found["which"] == "last":
                return self._months.noted(found, Moment(whole.end - timedelta(days=7), whole.end))
            start = whole.start + timedelta(days=7 * (_PLACES[found["which"]] - 1))
            return self._months.noted(found, Moment(start, start + timedelta(days=7)))

        return make

    def _quarter(self, found: re.Match[str]) -> Moment:
        which = found["which"]
        place = 4 if which == "last" else int(which) if which.isdigit() else _PLACES[which]
        written = found.groupdict().get("year")
        month = 3 * place - 2
        year = int(written) if written else self._months.year_of(month, 1, found.group())
        return self._months.noted(found, self._clock.month(year, month, 3))

    def _weekday(self, found: re.Match[str]) -> Moment:
        month = self._month_of(found)
        first = month.start + timedelta(days=(WEEKDAYS.index(found["weekday"]) - month.start.weekday()) % 7)
        if found["which"] == "last":
            day = first + timedelta(days=7 * ((month.end - first - timedelta(days=1)).days // 7))
        else:
            day = first + timedelta(days=7 * (_PLACES[found["which"]] - 1))
        return self._months.noted(found, Moment(day, day + timedelta(days=1)))
