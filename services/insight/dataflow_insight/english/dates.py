"""Dates, months and years that a question writes out, in every usual spelling."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from dataflow_insight.english.clock import Clock
from dataflow_insight.english.moments import (
    COUNT,
    MONTHS,
    WEEKDAYS,
    Board,
    Moment,
    Precision,
    TimeError,
    VagueTimeError,
    number,
    word_pattern,
)
from dataflow_insight.english.sheet import MOMENT

Form = tuple[str, Callable[[re.Match[str]], Moment | None]]
"""A pattern and what makes its moment; None ends the search for it. Only a group "keep" is covered, if there is one."""

_MONTH_NAMES: Final = word_pattern(MONTHS)
_MONTH: Final = rf"(?P<month>{_MONTH_NAMES})\b\.?"
_YEAR: Final = r"(?P<year>(?:19|20)\d\d)\b(?!-\d)"
_IN_YEAR: Final = rf"(?:(?:,?\s*(?:of\s+|in\s+)?|\s*/\s*){_YEAR})?"
_DAY_NUMBER: Final = r"(?:0?[1-9]|[12]\d|3[01])"
_SUFFIX: Final = r"(?:st|nd|rd|th|\.(?=\s))?\b"
_DAY: Final = rf"(?P<day>{_DAY_NUMBER}){_SUFFIX}"
_OTHER_DAY: Final = rf"(?P<other>{_DAY_NUMBER}){_SUFFIX}(?![:.]\d)"
_TO: Final = r"\s*(?:-|\bto\b|\bthrough\b|\bthru\b|\buntil\b|\btill\b|\bup\s+to\b)\s*(?:and\s+including\s+)?(?:the\s+)?"
_WEEKDAY: Final = rf"(?P<weekday>{word_pattern(WEEKDAYS)}|mon|tues?|wed|thur?s?|fri|sat|sun)"
_HOLIDAYS: Final = {
    "new year's day": (1, 1), "new years day": (1, 1), "new year's eve": (12, 31), "new years eve": (12, 31),
    "valentine's day": (2, 14), "christmas eve": (12, 24), "christmas day": (12, 25), "boxing day": (12, 26),
    "christmas": (12, 25), "new year's": (1, 1), "new year": (1, 1),
}  # fmt: skip
_PLACES: Final = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}


class Dates:
    """Reads absolute times of the calendar.

    Args:
        board: Gets the notes.
        clock: Gives dates without a year theirs.
    """

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        years = re.findall(
            rf"(?:{_MONTH_NAMES})\b\.?(?:\s+{_DAY_NUMBER}{_SUFFIX})?,?\s*(?:of\s+)?((?:19|20)\d\d)\b(?![\w%])",
            board.sheet.low,
        )
        self._written_year = int(years[0]) if len(set(years)) == 1 else None

    def forms(self) -> Iterable[Form]:
        """Returns all forms, the longest first."""
        yield from self._numeric_forms()
        yield from self._day_forms()
        yield from self._part_forms()
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
        )

    def _day_forms(self) -> tuple[Form, ...]:
        year = _IN_YEAR
        rest_of_list = rf"(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*|\s+or\s+)(?:on\s+)?(?:the\s+)?{_DAY_NUMBER}{_SUFFIX}"
        return (
            (rf"\b(?:between|from)\s+(?:the\s+)?{_DAY}(?:{_TO}|\s+and\s+(?:the\s+)?){_OTHER_DAY}(?:\s+of)?\s+{_MONTH}{year}", self._days),
            (rf"\b(?:the\s+)?{_DAY}{_TO}{_OTHER_DAY}(?:\s+of)?\s+{_MONTH}{year}", self._days),
            (rf"\bbetween\s+{_MONTH}\s+(?:the\s+)?{_DAY}(?:{_TO}|\s+and\s+(?:the\s+)?){_OTHER_DAY}(?!\s*(?:of\s+)?(?:{_MONTH_NAMES})\b){year}", self._days),
            (rf"\b{_MONTH}\s+(?:the\s+)?{_DAY}{_TO}{_OTHER_DAY}(?!\s*(?:of\s+)?(?:{_MONTH_NAMES})\b)(?!\s*(?:am|pm|a\.m|p\.m)){year}", self._days),
            # "3, 5 and 7 January": each day but the last, which is left to stand with its month.
            (rf"\b(?P<keep>{_DAY})(?=(?:{rest_of_list})+\s+(?:of\s+)?{_MONTH}{year})", self._named_day),
            # "January 3, 5 and 7": the last day takes the month's place.
            (rf"\b(?P<keep>{_MONTH}\s+(?:the\s+)?{_DAY})(?=(?:{rest_of_list}(?![:.]\d|\s*(?:am|pm|o'clock)\b|\s+(?:of\s+)?(?:{_MONTH_NAMES})\b))+{year})", self._first_of_list(year)),
            (rf"\b{_DAY}-{_MONTH}-{_YEAR}", self._named_day),
            (rf"\b(?:the\s+)?{_DAY}(?:\s+of\s+|\s+(?:in\s+)?|(?<=\.)){_MONTH}{year}", self._named_day),
            (rf"\b{_MONTH}\s*(?:the\s+)?{_DAY}(?![:.]\d)(?!\s*(?:am|pm|o'clock)\b){year}", self._named_day),
            (rf"\b(?P<holiday>{'|'.join(_HOLIDAYS)})\b(?:,?\s*(?:of\s+|in\s+)?{_YEAR})?", self._holiday),
        )  # fmt: skip

    def _part_forms(self) -> tuple[Form, ...]:
        of_month = rf"\s+(?:of|in)\s+(?:the\s+month\s+of\s+)?{_MONTH}{_IN_YEAR}"
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
            (half + of_month, self._half(self._month_of)),
            (half + of_the_month, self._half(self._month_of_data)),
            (rf"\b(?:the\s+)?(?P<which>first|second|last)\s+half\s+of\s+(?:the\s+year\s+)?{_YEAR}", self._half_year),
            (week + of_month, self._week(self._month_of)),
            (week + r"(?:\s+(?:of|in)\s+(?:the|this)\s+month)?(?!\s+(?:of|in)\b)\b", self._week(self._month_of_data)),
            (r"\b(?P<which>first)\s+week(?=\W.*\bweek\b|\W*$)", self._week(self._month_of_data)),
            (rf"\b(?:the\s+)?{quarter}\s+(?:of\s+)?(?:the\s+year\s+)?{_YEAR}", self._quarter),
            (rf"\bq(?P<which>[1-4])(?:\s+(?:of\s+)?|/|-)?{_YEAR}", self._quarter),
            (rf"\b{_YEAR}[\s/-]*q(?P<which>[1-4])\b", self._quarter),
            (r"\bq(?P<which>[1-4])\b", self._quarter),
            (rf"\b(?:calendar\s+|iso\s+)?week\s+(?P<week>[1-9]|[1-4]\d|5[0-3]),?\s+(?:of\s+)?{_YEAR}", self._iso_week),
            (rf"\b(?:the\s+)?(?P<vague>beginning|start|end|middle|early|late|mid)(?:\s+of|\s+in|-)?\s+{_MONTH}(?!\s+{_DAY_NUMBER}\b)", self._vague),
        )  # fmt: skip

    def _month_forms(self) -> tuple[Form, ...]:
        lead = r"\b(?:of|from|on|in|during|for|since|until|till|after|before|by|through|throughout|between|than|and|or|to|vs\.?|versus)\s+(?:the\s+)?"
        certain = "|".join(
            name
            for name in MONTHS
            if (len(name) > 3 and name not in {"march", "sept"}) or name in {"jan", "feb", "nov"}
        )
        numbered = rf"\bthe\s+(?P<day>{_DAY_NUMBER})(?:st|nd|rd|th)\b"
        not_a_rank = r"(?!\s+(?:highest|lowest|largest|smallest|most|least|best|worst|percentile|quantile|station|device|sensor|reading|value))"
        return (
            (rf"\b{_MONTH},?\s+(?:of\s+)?{_YEAR}", self._named_month),
            (rf"\b{_MONTH}\s*['/-]\s*{_YEAR}", self._named_month),
            (r"\b(?P<year>(?:19|20)\d\d)[-/](?P<month>0[1-9]|1[0-2])\b(?![-/]?\d)", self._named_month),
            (rf"{lead}(?:month\s+of\s+|whole\s+|entire\s+)*(?P<keep>{_MONTH})", self._named_month),
            (rf"\b(?P<month>{certain})\b", self._named_month),
            (rf"\b(?:between|from)\s+the\s+{_DAY}(?:{_TO}|\s+and\s+(?:the\s+)?){_OTHER_DAY}", self._days),
            (rf"{numbered}{_TO}{_OTHER_DAY}", self._days),
            (numbered + not_a_rank, self._named_day),
            (
                rf"\b(?:in|during|of|for|since|before|after|until|till|through|throughout|year|from|to|than|and)\s+(?:the\s+year\s+|year\s+)?(?P<keep>{_YEAR})(?!\s*[\w%°µ.:])",
                self._named_year,
            ),
            (rf"(?<=\s){_YEAR}(?=\s*[?!.]*$)", self._named_year),
            (rf"\b{_WEEKDAY}\.?,?\s+(?:the\s+)?{MOMENT.replace('(', '(?P<date>')}", self._beside_date),
            (rf"{MOMENT.replace('(', '(?P<date>')}\s*(?:,\s*|\(\s*)(?:a\s+)?{_WEEKDAY}\b\)?(?!s)", self._beside_date),
            (r"\b(?:the\s+)?week\s+(?:of|from|starting(?:\s+on)?|beginning(?:\s+on)?|around|containing)\s+(?:the\s+)?" + MOMENT.replace("(", "(?P<date>"), self._week_of),
            (r"\b(?:the\s+)?weekend\s+of\s+(?:the\s+)?" + MOMENT.replace("(", "(?P<date>"), self._weekend_of),
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
        return self._noted(found, self._clock.day(covered[0]))

    def _named_day(self, found: re.Match[str]) -> Moment:
        year, month = self._year_and_month(found, int(found["day"]))
        return self._clock.day(self._clock.at(year, month, int(found["day"])))

    def _first_of_list(self, year: str) -> Callable[[re.Match[str]], Moment | None]:
        """The days that follow ("January 3, 5 and 7") get their marks here, since their month is covered with the first."""

        def make(found: re.Match[str]) -> Moment | None:
            sheet = self._board.sheet
            tail = re.match(
                rf"(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*|\s+or\s+)(?:on\s+)?(?:the\s+)?{_DAY_NUMBER}{_SUFFIX}(?![:.]\d|\s*(?:am|pm|o'clock)\b))+{year}",
                sheet.visible[found.end("keep") :],
            )
            assert tail is not None
            written = int(tail["year"]) if tail["year"] else None
            month = MONTHS[found["month"]]
            body = tail.group()[: tail.start("year")] if written else tail.group()
            base = found.end("keep")
            for item in list(re.finditer(rf"\b{_DAY_NUMBER}{_SUFFIX}", body)):
                day = int(re.sub(r"\D", "", item.group()))
                of_year = written or self._year_of(month, day, found.group())
                moment = self._clock.day(self._clock.at(of_year, month, day))
                self._board.put(base + item.start(), base + item.end(), moment)
            if written:
                sheet.cover(base + tail.start("year"), base + tail.end("year"))
            day = int(found["day"])
            of_year = written or self._year_of(month, day, found.group())
            return self._clock.day(self._clock.at(of_year, month, day))

        return make

    def _days(self, found: re.Match[str]) -> Moment:
        first, last = int(found["day"]), int(found["other"])
        year, month = self._year_and_month(found, first)
        start = self._clock.at(year, month, first)
        end = self._clock.at(year, month, last) + timedelta(days=1)
        if end <= start:
            raise TimeError("The time range ends before it starts.")
        return Moment(start, end)

    def _named_month(self, found: re.Match[str]) -> Moment:
        return self._clock.month(*self._year_and_month(found, 1))

    def _named_year(self, found: re.Match[str]) -> Moment:
        return self._clock.year(int(found["year"]))

    def _holiday(self, found: re.Match[str]) -> Moment:
        month, day = _HOLIDAYS[found["holiday"]]
        year = int(found["year"]) if found["year"] else self._year_of(month, day, found.group())
        moment = self._clock.day(self._clock.at(year, month, day))
        self._note(found, moment)
        return moment

    def _beside_date(self, found: re.Match[str]) -> Moment:
        """A weekday before a date adds nothing, if it is the right one."""
        moment = self._board.moment(found["date"])
        if not moment.start.strftime("%A").lower().startswith(found["weekday"]):
            raise TimeError("The weekday and the date do not belong together.")
        return moment

    def _week_of(self, found: re.Match[str]) -> Moment:
        day = self._board.moment(found["date"])
        monday = day.start - timedelta(days=day.start.weekday())
        return self._noted(found, Moment(monday, monday + timedelta(days=7)))

    def _weekend_of(self, found: re.Match[str]) -> Moment:
        moment = self._board.moment(found["date"])
        if moment.start.weekday() < 5:
            raise TimeError("That day is not part of a weekend.")
        saturday = moment.start - timedelta(days=moment.start.weekday() - 5)
        return self._noted(found, Moment(saturday, saturday + timedelta(days=2)))

    def _iso_week(self, found: re.Match[str]) -> Moment:
        fourth = self._clock.at(int(found["year"]), 1, 4)
        monday = fourth + timedelta(days=7 * (int(found["week"]) - 1) - fourth.weekday())
        return self._noted(found, Moment(monday, monday + timedelta(days=7)))

    def _vague(self, found: re.Match[str]) -> Moment:
        del found
        raise VagueTimeError("The time is not exact; please give a start and an end.")

    def _month_of(self, found: re.Match[str]) -> Moment:
        return self._clock.month(*self._year_and_month(found, 1))

    def _month_of_data(self, found: re.Match[str]) -> Moment:
        del found
        return self._clock.month(*self._only_month())

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
            return self._noted(found, moment)

        return make

    def _half(self, whole_of: Callable[[re.Match[str]], Moment]) -> Callable[[re.Match[str]], Moment]:
        def make(found: re.Match[str]) -> Moment:
            whole = whole_of(found)
            middle = whole.start.replace(day=16)
            first = found["which"] in {"first", "1st"}
            return self._noted(found, Moment(whole.start, middle) if first else Moment(middle, whole.end))

        return make

    def _half_year(self, found: re.Match[str]) -> Moment:
        month = 1 if found["which"] == "first" else 7
        return self._noted(found, self._clock.month(int(found["year"]), month, 6))

    def _week(self, whole_of: Callable[[re.Match[str]], Moment]) -> Callable[[re.Match[str]], Moment]:
        def make(found: re.Match[str]) -> Moment:
            whole = whole_of(found)
            if found["which"] == "last":
                return self._noted(found, Moment(whole.end - timedelta(days=7), whole.end))
            start = whole.start + timedelta(days=7 * (_PLACES[found["which"]] - 1))
            return self._noted(found, Moment(start, start + timedelta(days=7)))

        return make

    def _quarter(self, found: re.Match[str]) -> Moment:
        which = found["which"]
        place = 4 if which == "last" else int(which) if which.isdigit() else _PLACES[which]
        written = found.groupdict().get("year")
        month = 3 * place - 2
        year = int(written) if written else self._year_of(month, 1, found.group())
        return self._noted(found, self._clock.month(year, month, 3))

    def _year_and_month(self, found: re.Match[str], day: int) -> tuple[int, int]:
        groups = found.groupdict()
        written, name = groups.get("year"), groups.get("month")
        if name is None:
            return self._only_month()
        month = int(name) if name.isdigit() else MONTHS[name]
        if not 1 <= month <= 12:
            raise TimeError("That date does not exist.")
        return (int(written) if written else self._year_of(month, day, found.group())), month

    def _year_of(self, month: int, day: int, text: str) -> int:
        year = self._written_year or self._clock.year_of(month, day)
        if year is None:
            raise TimeError("That date does not exist.")
        note = f'"{" ".join(text.split())}" is in {year}'
        if not self._written_year and note not in self._board.notes:
            self._board.notes.append(note)
        return year

    def _only_month(self) -> tuple[int, int]:
        month = self._clock.month_of_data()
        if month is None:
            raise TimeError("The day has no month; please write the whole date.")
        self._board.notes.append(f"the day is in {month[0]}-{month[1]:02d}, the month that the data cover")
        return month

    def _noted(self, found: re.Match[str], moment: Moment) -> Moment:
        self._note(found, moment)
        return moment

    def _note(self, found: re.Match[str], moment: Moment) -> None:
        text = self._board.sheet.case[found.start() : found.end()].strip()
        self._board.notes.append(
            f'"{text}" is from {moment.start:%Y-%m-%d %H:%M} to before {moment.end:%Y-%m-%d %H:%M}'
        )
