"""Dates, months and years that a question writes out, in every usual spelling."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from dataflow_insight.english.clock import Clock
from dataflow_insight.english.moments import (
    MONTHS,
    WEEKDAYS,
    Board,
    Moment,
    Precision,
    TimeError,
    VagueTimeError,
    word_pattern,
)
from dataflow_insight.english.months import DAY_NUMBER, IN_YEAR, MONTH, MONTH_NAMES, SUFFIX, YEAR, Months
from dataflow_insight.english.sheet import MOMENT

Form = tuple[str, Callable[[re.Match[str]], Moment | None]]
"""A pattern and what makes its moment; None ends the search for it. Only a group "keep" is covered, if there is one."""

_DAY: Final = rf"(?P<day>{DAY_NUMBER}){SUFFIX}"
_OTHER_DAY: Final = rf"(?P<other>{DAY_NUMBER}){SUFFIX}(?![:.]\d)"
_TO: Final = r"\s*(?:-|\bto\b|\bthrough\b|\bthru\b|\buntil\b|\btill\b|\bup\s+to\b)\s*(?:and\s+including\s+)?(?:the\s+)?"
_WEEKDAY: Final = rf"(?P<weekday>{word_pattern(WEEKDAYS)}|mon|tues?|wed|thur?s?|fri|sat|sun)"
_MARKED: Final = MOMENT.replace("(", "(?P<date>")
_ORDINALS: Final = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
)  # fmt: skip
_HOLIDAYS: Final = {
    "new year's day": (1, 1), "new years day": (1, 1), "new year's eve": (12, 31), "new years eve": (12, 31),
    "valentine's day": (2, 14), "christmas eve": (12, 24), "christmas day": (12, 25), "boxing day": (12, 26),
    "christmas": (12, 25), "new year's": (1, 1), "new year": (1, 1),
}  # fmt: skip


class Dates:
    """Reads absolute times of the calendar.

    Args:
        board: Gets the notes.
        clock: Knows the data and the zone.
        months: Finds the year and month of incomplete dates.
    """

    def __init__(self, board: Board, clock: Clock, months: Months) -> None:
        self._board = board
        self._clock = clock
        self._months = months

    def days(self) -> Iterable[Form]:
        """Returns the forms of days and of ranges within a month, the longest first."""
        yield from self._numeric_forms()
        yield from self._day_forms()

    def months(self) -> Iterable[Form]:
        """Returns the forms of months and years, and of what stands with a date; parts of months must have been read."""
        yield from self._month_forms()

    def _numeric_forms(self) -> tuple[Form, ...]:
        return (
            (
                (
                    r"\b(?P<date>(?:19|20)\d\d[-/]\d\d?[-/]\d\d?)(?:t|,?\s+|,?\s+at\s+)(?P<hour>\d\d?):(?P<minute>\d\d)"
                    r"(?::(?P<second>\d\d)(?:\.\d{1,9})?)?(?!\s*[ap]\.?m\b)\s*(?P<zone>z|[+-]\d\d:?\d\d)?(?![\w:])"
                ),
                self._instant,
            ),
            (r"\b(?P<year>(?:19|20)\d\d)([-/.])(?P<month>\d\d?)\2(?P<day>\d\d?)\b(?![\d:])", self._named_day),
            (r"\b(?P<year>(?:19|20)\d\d)\s*年\s*(?P<month>\d\d?)\s*月\s*(?P<day>\d\d?)\s*日", self._named_day),
            (r"\b(?P<year>(?:19|20)\d\d)\s*年\s*(?P<month>\d\d?)\s*月", self._named_month),
            (r"\b(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])\b", self._named_day),
            (r"\b(?P<left>\d\d?)([./-])\s?(?P<right>\d\d?)\2\s?(?P<year>(?:19|20)\d\d)\b", self._numeric_day),
            (r"\b(?P<day>0?[1-9]|[12]\d|3[01])\.\s?(?P<month>0[1-9]|1[0-2])\.(?!\d)", self._named_day),
        )

    def _day_forms(self) -> tuple[Form, ...]:
        year = IN_YEAR
        rest_of_list = rf"(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*|\s+or\s+)(?:on\s+)?(?:the\s+)?{DAY_NUMBER}{SUFFIX}"
        return (
            (rf"\b(?:between|from)\s+(?:the\s+)?{_DAY}(?:{_TO}|\s+and\s+(?:the\s+)?){_OTHER_DAY}(?:\s+of)?\s+{MONTH}{year}", self._days),
            (rf"\b(?:the\s+)?{_DAY}{_TO}{_OTHER_DAY}(?:\s+of)?\s+{MONTH}{year}", self._days),
            (rf"\bbetween\s+{MONTH}\s+(?:the\s+)?{_DAY}(?:{_TO}|\s+and\s+(?:the\s+)?){_OTHER_DAY}(?!\s*(?:of\s+)?(?:{MONTH_NAMES})\b){year}", self._days),
            (rf"\b{MONTH}\s+(?:the\s+)?{_DAY}{_TO}{_OTHER_DAY}(?!\s*(?:of\s+)?(?:{MONTH_NAMES})\b)(?!\s*(?:[ap]\.?m\b|o'clock\b)){year}", self._days),
            # "3, 5 and 7 January": each day but the last, which is left to stand with its month.
            (rf"\b(?P<keep>{_DAY})(?=(?:{rest_of_list})+\s+(?:of\s+)?{MONTH}{year})", self._named_day),
            # "January 3, 5 and 7": the last day takes the month's place.
            (rf"\b(?P<keep>{MONTH}\s+(?:the\s+)?{_DAY})(?=(?:{rest_of_list}(?![:.]\d|\s*(?:[ap]\.?m\b|o'clock\b|h\b)|\s+(?:of\s+)?(?:{MONTH_NAMES})\b))+{year})", self._first_of_list(year)),
            (rf"\b{_DAY}-{MONTH}-{YEAR}", self._named_day),
            (rf"\b(?:the\s+)?{_DAY}\.?(?:\s+of\s+|\s+(?:in\s+)?|(?<=\.)){MONTH}{year}", self._named_day),
            (rf"\b{MONTH}\s*(?:the\s+)?{_DAY}(?![:.]\d)(?!\s*(?:[ap]\.?m\b|o'clock\b|h\b)){year}", self._named_day),
            (rf"\b(?:the\s+)?(?P<ordinal>{'|'.join(_ORDINALS)})(?:\s+day)?\s+of\s+{MONTH}{year}", self._ordinal_day),
            (rf"\b{MONTH}\s+(?:the\s+)?(?P<ordinal>{'|'.join(_ORDINALS)})\b{year}(?!\s+(?:week|half|day|hour))", self._ordinal_day),
            (rf"\b(?P<holiday>{'|'.join(_HOLIDAYS)})\b(?:,?\s*(?:of\s+|in\s+)?{YEAR})?", self._holiday),
        )  # fmt: skip

    def _month_forms(self) -> tuple[Form, ...]:
        lead = r"\b(?:of|from|on|in|during|for|since|until|till|after|before|by|through|throughout|between|than|and|or|to|vs\.?|versus)\s+(?:the\s+)?"
        certain = "|".join(
            name
            for name in MONTHS
            if (len(name) > 3 and name not in {"march", "sept"}) or name in {"jan", "feb", "nov"}
        )
        numbered = rf"\bthe\s+(?P<day>{DAY_NUMBER})(?:st|nd|rd|th)\b"
        not_a_rank = r"(?!\s+(?:highest|lowest|largest|smallest|most|least|best|worst|percentile|quantile|station|device|sensor|reading|value))"
        return (
            (rf"\b{MONTH},?\s+(?:of\s+)?{YEAR}", self._named_month),
            (rf"\b{MONTH}\s*['/-]\s*{YEAR}", self._named_month),
            (r"\b(?P<year>(?:19|20)\d\d)[-/](?P<month>0[1-9]|1[0-2])\b(?![-/]?\d)", self._named_month),
            (rf"{lead}(?:month\s+of\s+|whole\s+|entire\s+)*(?P<keep>{MONTH})", self._named_month),
            (rf"\b(?P<month>{certain})\b", self._named_month),
            (rf"\b(?:between|from)\s+the\s+{_DAY}(?:{_TO}|\s+and\s+(?:the\s+)?){_OTHER_DAY}", self._days),
            (rf"{numbered}{_TO}{_OTHER_DAY}", self._days),
            (numbered + not_a_rank, self._named_day),
            (
                rf"{_MARKED}\s*(?:,|\band\b|&|/)\s*(?:the\s+)?(?P<keep>(?P<day>{DAY_NUMBER})(?:st|nd|rd|th))\b{not_a_rank}",
                self._next_in_list,
            ),
            (
                rf"\b(?:in|during|of|for|since|before|after|until|till|through|throughout|year|from|to|than|and)\s+(?:the\s+year\s+|year\s+)?(?P<keep>{YEAR})(?!\s*[\w%°µ.:])",
                self._named_year,
            ),
            (rf"(?<=\s){YEAR}(?=\s*[?!.]*$)", self._named_year),
            (rf"\b{_WEEKDAY}\.?,?\s+(?:the\s+)?{_MARKED}", self._beside_date),
            (rf"{_MARKED}\s*(?:,\s*|\(\s*)(?:a\s+)?{_WEEKDAY}\b\)?(?!s)", self._beside_date),
            (r"\b(?:the\s+)?week\s+(?:of|from|starting(?:\s+on)?|beginning(?:\s+on)?|around|containing)\s+(?:the\s+)?" + _MARKED, self._week_of),
            (r"\b(?:the\s+)?weekend\s+of\s+(?:the\s+)?" + _MARKED, self._weekend_of),
        )  # fmt: skip

    def _instant(self, found: re.Match[str]) -> Moment:
        year, month, day = (int(part) for part in re.split("[-/]", found["date"]))
        start = self._clock.at(year, month, day, int(found["hour"]), int(found["minute"]), int(found["second"] or 0))
        if zone := found["zone"]:
            start = start.replace(tzinfo=UTC)
            if zone[0] in "+-":
                shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
                start += -shift if zone[0] == "+" else shift
        length = timedelta(seconds=1) if found["second"] else timedelta(minutes=1)
        return Moment(start, start + length, Precision.INSTANT)

    def _numeric_day(self, found: re.Match[str]) -> Moment:
        left, right, year = int(found["left"]), int(found["right"]), int(found["year"])
        dotted = "." in found.group()
        if not dotted and left <= 12 and right <= 12 and left != right:
            return self._only_covered(found, self._clock.at(year, right, left), self._clock.at(year, left, right))
        day, month = (right, left) if not dotted and right > 12 else (left, right)
        return self._clock.day(self._clock.at(year, month, day))

    def _only_covered(self, found: re.Match[str], *readings: datetime) -> Moment:
        """Returns the day of a date with two readings, of which the data cover one."""
        first, last = self._clock.first_day, self._clock.last_day
        covered = [day for day in readings if first is not None and last is not None and first <= day.date() <= last]
        if len(covered) != 1:
            raise VagueTimeError(
                "The date can be read as day and month or as month and day; please write year-month-day."
            )
        return self._months.noted(found, self._clock.day(covered[0]))

    def _named_day(self, found: re.Match[str]) -> Moment:
        year, month = self._months.of(found, int(found["day"]))
        return self._clock.day(self._clock.at(year, month, int(found["day"])))

    def _first_of_list(self, year: str) -> Callable[[re.Match[str]], Moment | None]:
        """The days that follow ("January 3, 5 and 7") get their marks here, since their month is covered with the first."""

        def make(found: re.Match[str]) -> Moment | None:
            sheet = self._board.sheet
            tail = re.match(
                rf"(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*|\s+or\s+)(?:on\s+)?(?:the\s+)?{DAY_NUMBER}{SUFFIX}(?![:.]\d|\s*(?:[ap]\.?m\b|o'clock\b|h\b)))+{year}",
                sheet.visible[found.end("keep") :],
            )
            assert tail is not None
            written = int(tail["year"]) if tail["year"] else None
            month = MONTHS[found["month"]]
            body = tail.group()[: tail.start("year")] if written else tail.group()
            base = found.end("keep")
            for item in list(re.finditer(rf"\b{DAY_NUMBER}{SUFFIX}", body)):
                day = int(re.sub(r"\D", "", item.group()))
                of_year = written or self._months.year_of(month, day, found.group())
                moment = self._clock.day(self._clock.at(of_year, month, day))
                self._board.put(base + item.start(), base + item.end(), moment)
            if written:
                sheet.cover(base + tail.start("year"), base + tail.end("year"))
            day = int(found["day"])
            of_year = written or self._months.year_of(month, day, found.group())
            return self._clock.day(self._clock.at(of_year, month, day))

        return make

    def _days(self, found: re.Match[str]) -> Moment:
        first, last = int(found["day"]), int(found["other"])
        year, month = self._months.of(found, first)
        start = self._clock.at(year, month, first)
        end = self._clock.at(year, month, last) + timedelta(days=1)
        if end <= start:
            raise TimeError("The time range ends before it starts.")
        return Moment(start, end)

    def _named_month(self, found: re.Match[str]) -> Moment:
        return self._clock.month(*self._months.of(found, 1))

    def _ordinal_day(self, found: re.Match[str]) -> Moment:
        """Reads "the first of January", in words."""
        day = _ORDINALS.index(found["ordinal"]) + 1
        year, month = self._months.of(found, day)
        return self._clock.day(self._clock.at(year, month, day))

    def _next_in_list(self, found: re.Match[str]) -> Moment | None:
        """Gives the second day in "the 15th and 16th" the month of the first."""
        first = self._board.moment(found["date"])
        if not first.is_day:
            return None
        return self._clock.day(self._clock.at(first.start.year, first.start.month, int(found["day"])))

    def _named_year(self, found: re.Match[str]) -> Moment:
        return self._clock.year(int(found["year"]))

    def _holiday(self, found: re.Match[str]) -> Moment:
        month, day = _HOLIDAYS[found["holiday"]]
        year = int(found["year"]) if found["year"] else self._months.year_of(month, day, found.group())
        moment = self._clock.day(self._clock.at(year, month, day))
        return self._months.noted(found, moment)

    def _beside_date(self, found: re.Match[str]) -> Moment:
        """A weekday before a date adds nothing, if it is the right one."""
        moment = self._board.moment(found["date"])
        if not moment.start.strftime("%A").lower().startswith(found["weekday"]):
            raise TimeError("The weekday and the date do not belong together.")
        return moment

    def _week_of(self, found: re.Match[str]) -> Moment | None:
        day = self._board.moment(found["date"])
        if day.end - day.start > timedelta(days=1):
            return None  # "in which week of January"
        monday = day.start - timedelta(days=day.start.weekday())
        return self._months.noted(found, Moment(monday, monday + timedelta(days=7)))

    def _weekend_of(self, found: re.Match[str]) -> Moment:
        moment = self._board.moment(found["date"])
        if moment.start.weekday() < 5:
            raise TimeError("That day is not part of a weekend.")
        saturday = moment.start - timedelta(days=moment.start.weekday() - 5)
        return self._months.noted(found, Moment(saturday, saturday + timedelta(days=2)))
