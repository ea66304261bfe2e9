"""Time expressions: each becomes an interval and leaves a mark in the sheet."""

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from dataflow_insight.english.lexicon import NUMBER_WORDS
from dataflow_insight.english.sheet import MOMENT_BASE, Sheet, index_of, mark_of

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
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_MONTH: Final = r"(?P<month>" + "|".join(sorted(MONTHS, key=len, reverse=True)) + r")\b\.?"
_YEAR: Final = r"(?P<year>(?:19|20)\d\d)\b"
_DAY: Final = r"(?P<day>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?\b"
_OTHER_DAY: Final = r"(?P<other>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?\b(?![:.]\d)"
_TO: Final = r"\s*(?:-|to|through|thru|until|till|and)\s*(?:the\s+)?"
_UNIT: Final = r"(?P<unit>minute|min|hour|hr|h|day|week|month|year)s?\b"
_COUNT: Final = r"(?P<count>\d{1,5}|" + "|".join(NUMBER_WORDS) + r"|a|an|couple of)"
_DAY_PARTS: Final = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (0, 6)}


class Precision(StrEnum):
    """How much time an expression names."""

    INSTANT = "instant"
    CLOCK = "clock"
    SPAN = "span"


@dataclass(frozen=True, slots=True)
class Moment:
    """A named stretch of time, end exclusive.

    Attributes:
        start: UTC.
        end: UTC.
        precision: CLOCK means a time of day whose date is still to be found.
        day: For "12:00 on …": the day that "before" and "after" stay within.
    """

    start: datetime
    end: datetime
    precision: Precision = Precision.SPAN
    day: datetime | None = None


class TimeError(Exception):
    """A time expression has two readings, or none; the text says which, without digits."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What relative and incomplete expressions lean on.

    Attributes:
        now: The present, UTC.
        first: First event time of the data, if known.
        last: Last event time of the data, if known.
    """

    now: datetime
    first: datetime | None
    last: datetime | None

    def year_of(self, month: int, day: int) -> int | None:
        """Returns the year that a date without one means: the only one in the data, else the latest that is past."""
        if self.first is not None and self.last is not None:
            fitting = [
                year
                for year in range(self.first.year, self.last.year + 1)
                if _valid(year, month, day)
                and self.first.date() <= date(year, month, day)
                and date(year, month, day) <= self.last.date()
            ]
            if len(fitting) == 1:
                return fitting[0]
            if self.first.year == self.last.year and _valid(self.first.year, month, day):
                return self.first.year
        for year in range(self.now.year, self.now.year - 8, -1):
            if _valid(year, month, day) and date(year, month, day) <= self.now.date():
                return year
        return None

    def month_of_data(self) -> tuple[int, int] | None:
        """Returns year and month when all data lie in one."""
        if self.first is None or self.last is None:
            return None
        month = (self.first.year, self.first.month)
        return month if month == (self.last.year, self.last.month) else None


class MomentReader:
    """Finds time expressions in a sheet, longest forms first, and marks them.

    Attributes:
        moments: What was found; a mark's index points here.
        assumptions: What incomplete expressions were taken for.
    """

    def __init__(self, sheet: Sheet, clock: Clock) -> None:
        self._sheet = sheet
        self._clock = clock
        self.moments: list[Moment] = []
        self.assumptions: list[str] = []

    def read(self) -> list[Moment]:
        """Returns all moments of the sheet, marked in it.

        Raises:
            TimeError: One of them cannot be read for sure.
        """
        for pattern, make in self._forms():
            while (found := self._sheet.find(pattern)) is not None:
                moment = make(found)
                if moment is None:
                    break
                self._sheet.cover(found.start(), found.end(), mark_of(MOMENT_BASE, len(self.moments)))
                self.moments.append(moment)
        return self.moments

    def _beside_date(self, found: re.Match[str]) -> Moment:
        """A weekday before a date adds nothing, if it is the right one."""
        moment = self.moments[index_of(MOMENT_BASE, found["date"])]
        if moment.start.weekday() != WEEKDAYS.index(found["weekday"]):
            raise TimeError("The weekday and the date do not belong together.")
        return moment

    def _forms(self) -> tuple[tuple[str, Callable[[re.Match[str]], Moment | None]], ...]:
        lead = r"\b(?:of|from|on|in|during|for|since|until|till|after|before|by|through)\s+(?:the\s+)?"
        return (
            (
                (
                    r"\b(?P<date>(?:19|20)\d\d-\d\d?-\d\d?)(?:t|\s+|\s+at\s+)(?P<hour>\d\d?):(?P<minute>\d\d)"
                    r"(?::(?P<second>\d\d)(?:\.\d{1,9})?)?\s*(?P<zone>z|utc|gmt|[+-]\d\d:?\d\d)?(?![\w:])"
                ),
                self._iso_instant,
            ),
            (r"\b(?:19|20)\d\d([-/.])(?P<month>\d\d?)\1(?P<day>\d\d?)\b(?![\d:])", self._iso_day),
            (r"\b(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])\b", self._named_day),
            (r"\b(?P<left>\d\d?)([./-])(?P<right>\d\d?)\2(?P<year>(?:19|20)\d\d)\b", self._numeric_day),
            (
                rf"\b(?:between\s+|from\s+)?(?:the\s+)?{_DAY}{_TO}{_OTHER_DAY}(?:\s+of)?\s+{_MONTH}(?:,?\s*{_YEAR})?",
                self._days_of_month,
            ),
            (
                rf"\b(?:between\s+|from\s+)?{_MONTH}\s+(?:the\s+)?{_DAY}{_TO}{_OTHER_DAY}(?!\s*(?:of\s+)?[a-z]*(?:uary|arch|pril|ay|une|uly|gust|mber|ober)\b)(?:,?\s*{_YEAR})?",
                self._days_of_month,
            ),
            (
                rf"\b(?P<which>first|last)\s+(?:(?P<count>\d{{1,2}}|{'|'.join(NUMBER_WORDS)})\s+)?(?P<unit>hour|day|week)s?\s+(?:of|in)\s+(?:the\s+month\s+of\s+)?{_MONTH}(?:,?\s*(?:of\s+)?{_YEAR})?",
                self._edge_of_month,
            ),
            (
                rf"\b(?P<which>first|last)\s+(?:(?P<count>\d{{1,3}}|{'|'.join(NUMBER_WORDS)})\s+)?(?P<unit>hour|day|week)s?\s+(?:of|in)\s+(?:the\s+|all\s+)?(?:data|data\s?set|period|recordings?|records?)\b",
                self._edge_of_data,
            ),
            (rf"\b(?:the\s+)?{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s*(?:of\s+)?{_YEAR})?", self._named_day),
            (rf"\b{_MONTH}\s+(?:the\s+)?{_DAY}(?![:.]\d)(?:,?\s*{_YEAR})?", self._named_day),
            (rf"\b{_MONTH},?\s+(?:of\s+)?{_YEAR}", self._named_month),
            (r"\b(?P<year>(?:19|20)\d\d)-(?P<number>0[1-9]|1[0-2])\b(?!-?\d)", self._named_month),
            (rf"{lead}(?:month\s+of\s+|whole\s+|entire\s+)*(?P<keep>{_MONTH})", self._led_month),
            (
                rf"\b(?P<month>{'|'.join(name for name in MONTHS if len(name) > 3 and name not in {'march', 'sept'})})\b",
                self._named_month,
            ),
            (rf"\bbetween\s+the\s+{_DAY}{_TO}{_OTHER_DAY}", self._days_of_data),
            (rf"\bfrom\s+the\s+{_DAY}{_TO}{_OTHER_DAY}", self._days_of_data),
            (
                r"\bthe\s+(?P<day>[1-9]|[12]\d|3[01])(?:st|nd|rd|th)\b(?!\s+(?:highest|lowest|largest|smallest|percentile|station|device|sensor))",
                self._day_of_data,
            ),
            (
                rf"\b(?:in|during|of|for|since|before|after|until|till|through|throughout|year|from|to)\s+(?:the\s+year\s+|year\s+)?(?P<keep>{_YEAR})(?!\s*[\w%°µ.:])",
                self._led_year,
            ),
            (rf"(?<=\s){_YEAR}(?=\s*[?!.]*$)", self._led_year),
            (
                rf"\b(?P<weekday>{'|'.join(WEEKDAYS)}),?\s+(?:the\s+)?(?P<date>[\ue000-\ue0ff])\uf8ff*",
                self._beside_date,
            ),
            (rf"\b(?:the\s+|these\s+)?(?:last|past|previous)\s+{_COUNT}\s+{_UNIT}", self._rolling),
            (r"\b(?:the\s+|this\s+)?past\s+(?P<unit>minute|hour|day|week|month|year)\b", self._rolling),
            (r"\b(?:the\s+)?(?:last|previous)\s+(?P<unit>minute|hour)\b", self._rolling),
            (rf"\b{_COUNT}\s+{_UNIT}\s+ago\b", self._ago),
            (r"\b(?:the\s+)?(?:last|previous)\s+(?P<unit>week|month|year)\b", self._calendar(-1)),
            (r"\b(?:this|the\s+current)\s+(?P<unit>week|month|year)\b", self._calendar(0)),
            (r"\b(?:the\s+)?day\s+before\s+yesterday\b", self._day_offset(2)),
            (r"\byesterday\s+(?P<part>morning|afternoon|evening|night)\b", self._part_of_day(1)),
            (r"\bthis\s+(?P<part>morning|afternoon|evening)\b", self._part_of_day(0)),
            (r"\b(?:yesterday(?:'s)?|last\s+day)\b", self._day_offset(1)),
            (r"\btoday(?:'s)?\b", self._day_offset(0)),
            (r"\b(?:last\s+night|overnight)\b", self._last_night),
            (r"\btonight\b", self._tonight),
            (rf"\b(?:on\s+|last\s+|this\s+past\s+|past\s+)?(?P<weekday>{'|'.join(WEEKDAYS)})\b(?!s)", self._weekday),
            (
                r"\b(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?:\s*(?P<half>am|pm|a\.m\.|p\.m\.))?(?:\s*(?:o'clock|utc|z|h)\b)?(?![\d:])",
                self._clock_time,
            ),
            (r"\b(?P<hour>1[0-2]|0?[1-9])\s*(?P<half>am|pm|a\.m\.|p\.m\.)(?!\w)", self._clock_time),
            (r"\b(?P<hour>[01]?\d|2[0-3])\s+o'clock\b", self._clock_time),
            (r"\b(?P<name>noon|midday|midnight)\b", self._clock_time),
        )

    def _iso_instant(self, found: re.Match[str]) -> Moment:
        year, month, day = (int(part) for part in found["date"].split("-"))
        start = self._at(year, month, day, int(found["hour"]), int(found["minute"]), int(found["second"] or 0))
        zone = found["zone"] or ""
        if zone[:1] in {"+", "-"}:
            shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
            start += -shift if zone[0] == "+" else shift
        length = timedelta(seconds=1) if found["second"] else timedelta(minutes=1)
        return Moment(start, start + length, Precision.INSTANT)

    def _iso_day(self, found: re.Match[str]) -> Moment:
        return self._day(int(found.group()[:4]), int(found["month"]), int(found["day"]))

    def _numeric_day(self, found: re.Match[str]) -> Moment:
        left, right, year = int(found["left"]), int(found["right"]), int(found["year"])
        dotted = "." in found.group()
        if not dotted and left <= 12 and right <= 12 and left != right:
            raise TimeError("The date can be read as day and month or as month and day; please write year-month-day.")
        day, month = (right, left) if not dotted and right > 12 else (left, right)
        return self._day(year, month, day)

    def _named_day(self, found: re.Match[str]) -> Moment:
        month, day = self._month(found), int(found["day"])
        return self._day(self._year(found, month, day), month, day)

    def _days_of_month(self, found: re.Match[str]) -> Moment | None:
        if " and " in found.group() and "between" not in found.group():
            raise TimeError("Two separate days cannot be computed together yet; please ask for one stretch of time.")
        month, day = self._month(found), int(found["day"])
        return self._days(self._year(found, month, day), month, day, int(found["other"]))

    def _days_of_data(self, found: re.Match[str]) -> Moment:
        year, month = self._month_of_data()
        return self._days(year, month, int(found["day"]), int(found["other"]))

    def _day_of_data(self, found: re.Match[str]) -> Moment:
        year, month = self._month_of_data()
        return self._day(year, month, int(found["day"]))

    def _edge_of_month(self, found: re.Match[str]) -> Moment:
        month = self._month(found)
        whole = self._whole_month(self._year(found, month, 1), month)
        return self._edge(whole, found)

    def _edge_of_data(self, found: re.Match[str]) -> Moment:
        first, last = self._clock.first, self._clock.last
        if first is None or last is None:
            raise TimeError("It is not known yet which time the data cover.")
        if found["unit"] == "hour":
            first = first.replace(minute=0, second=0, microsecond=0)
            end = last.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        else:
            first, end = _midnight(first), _midnight(last) + timedelta(days=1)
        return self._edge(Moment(first, end), found)

    def _edge(self, whole: Moment, found: re.Match[str]) -> Moment:
        length = _number(found["count"] or "1") * {"hour": 1, "day": 24, "week": 168}[found["unit"]]
        span = timedelta(hours=length)
        moment = (
            Moment(whole.start, whole.start + span)
            if found["which"] == "first"
            else Moment(whole.end - span, whole.end)
        )
        self.assumptions.append(
            f'"{found.group()}" is from {moment.start:%Y-%m-%d %H:%M} to before {moment.end:%Y-%m-%d %H:%M}'
        )
        return moment

    def _named_month(self, found: re.Match[str]) -> Moment:
        groups = found.groupdict()
        month = int(groups["number"]) if groups.get("number") else self._month(found)
        return self._whole_month(self._year(found, month, 1), month)

    def _led_month(self, found: re.Match[str]) -> Moment | None:
        return self._led(found, self._named_month)

    def _led_year(self, found: re.Match[str]) -> Moment | None:
        def year(match: re.Match[str]) -> Moment:
            number = int(match["year"])
            return Moment(datetime(number, 1, 1, tzinfo=UTC), datetime(number + 1, 1, 1, tzinfo=UTC))

        return self._led(found, year) if "keep" in found.groupdict() else year(found)

    def _led(self, found: re.Match[str], make: Callable[[re.Match[str]], Moment]) -> Moment | None:
        """Marks only the expression, and leaves the preposition for the connectives to read."""
        moment = make(found)
        self._sheet.cover(found.start("keep"), found.end("keep"), mark_of(MOMENT_BASE, len(self.moments)))
        self.moments.append(moment)
        pattern = found.re.pattern
        again = self._sheet.find(pattern)
        return self._led(again, make) if again is not None else None

    def _rolling(self, found: re.Match[str]) -> Moment:
        count = _number(found.groupdict().get("count") or "1")
        now = self._clock.now
        start = _back(now, count, found["unit"])
        self.assumptions.append(f'"{found.group()}" is counted back from now, {now:%Y-%m-%d %H:%M} UTC')
        return Moment(start, now)

    def _ago(self, found: re.Match[str]) -> Moment:
        count, unit = _number(found["count"]), found["unit"]
        start = _back(self._clock.now, count, unit)
        if unit in {"day", "week", "month", "year"}:
            return self._whole_day(start)
        start = start.replace(second=0, microsecond=0)
        return Moment(start, start + timedelta(minutes=1), Precision.INSTANT)

    def _calendar(self, offset: int) -> Callable[[re.Match[str]], Moment]:
        def make(found: re.Match[str]) -> Moment:
            today = _midnight(self._clock.now)
            match found["unit"]:
                case "week":
                    start = today - timedelta(days=today.weekday()) + timedelta(days=7 * offset)
                    moment = Moment(start, start + timedelta(days=7))
                case "month":
                    year, month = divmod(today.year * 12 + today.month - 1 + offset, 12)
                    moment = self._whole_month(year, month + 1)
                case _:
                    year = today.year + offset
                    moment = Moment(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC))
            last = moment.end - timedelta(days=1)
            self.assumptions.append(f'"{found.group()}" is {moment.start:%Y-%m-%d} to {last:%Y-%m-%d} (UTC)')
            return moment

        return make

    def _day_offset(self, days: int) -> Callable[[re.Match[str]], Moment]:
        def make(found: re.Match[str]) -> Moment:
            moment = self._whole_day(self._clock.now - timedelta(days=days))
            self.assumptions.append(f'"{found.group()}" is {moment.start:%Y-%m-%d} (UTC)')
            return moment

        return make

    def _part_of_day(self, days: int) -> Callable[[re.Match[str]], Moment]:
        def make(found: re.Match[str]) -> Moment:
            day = _midnight(self._clock.now - timedelta(days=days))
            first, last = _DAY_PARTS[found["part"]] if found["part"] != "night" else (18, 30)
            return self._hours(found.group(), day, first, last)

        return make

    def _last_night(self, found: re.Match[str]) -> Moment:
        return self._hours(found.group(), _midnight(self._clock.now) - timedelta(days=1), 18, 30)

    def _tonight(self, found: re.Match[str]) -> Moment:
        return self._hours(found.group(), _midnight(self._clock.now), 18, 30)

    def _hours(self, text: str, day: datetime, first: int, last: int) -> Moment:
        moment = Moment(day + timedelta(hours=first), day + timedelta(hours=last))
        self.assumptions.append(
            f'"{text}" is from {moment.start:%Y-%m-%d %H:%M} to before {moment.end:%Y-%m-%d %H:%M} (UTC)'
        )
        return moment

    def _weekday(self, found: re.Match[str]) -> Moment:
        today = _midnight(self._clock.now)
        back = (today.weekday() - WEEKDAYS.index(found["weekday"])) % 7
        if back == 0 and "last" in found.group():
            back = 7
        moment = self._whole_day(today - timedelta(days=back))
        self.assumptions.append(f'"{found["weekday"]}" is {moment.start:%Y-%m-%d}, the latest one')
        return moment

    def _clock_time(self, found: re.Match[str]) -> Moment:
        groups = found.groupdict()
        hour, minute, second = (
            int(groups.get("hour") or 0),
            int(groups.get("minute") or 0),
            int(groups.get("second") or 0),
        )
        if groups.get("name"):
            hour = 0 if groups["name"] == "midnight" else 12
        half = (groups.get("half") or "").replace(".", "")
        if half and not 1 <= hour <= 12:
            raise TimeError("The time of day is not a valid one.")
        if half:
            hour = hour % 12 + (12 if half == "pm" else 0)
        start = datetime.combine(date(1, 1, 2), time(hour, minute, second), tzinfo=UTC)
        return Moment(start, start + timedelta(seconds=1 if groups.get("second") else 60), Precision.CLOCK)

    def _month(self, found: re.Match[str]) -> int:
        text = found["month"]
        return int(text) if text.isdigit() else MONTHS[text]

    def _year(self, found: re.Match[str], month: int, day: int) -> int:
        if written := found.groupdict().get("year"):
            return int(written)
        year = self._clock.year_of(month, day)
        if year is None:
            raise TimeError("That date does not exist.")
        self.assumptions.append(f'"{found.group().strip()}" is in {year}')
        return year

    def _month_of_data(self) -> tuple[int, int]:
        month = self._clock.month_of_data()
        if month is None:
            raise TimeError("The day has no month; please write the whole date.")
        self.assumptions.append(f"the day is in {month[0]}-{month[1]:02d}, the month that the data cover")
        return month

    def _days(self, year: int, month: int, first: int, last: int) -> Moment:
        start, end = self._day(year, month, first).start, self._day(year, month, last).end
        if end <= start:
            raise TimeError("The time range ends before it starts.")
        return Moment(start, end)

    def _day(self, year: int, month: int, day: int) -> Moment:
        return self._whole_day(self._at(year, month, day))

    def _whole_day(self, moment: datetime) -> Moment:
        start = _midnight(moment)
        return Moment(start, start + timedelta(days=1))

    def _whole_month(self, year: int, month: int) -> Moment:
        start = self._at(year, month, 1)
        return Moment(start, start + timedelta(days=monthrange(year, month)[1]))

    def _at(self, year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
        try:
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError as error:
            raise TimeError("That date does not exist.") from error


def part_of_day(name: str) -> tuple[int, int]:
    """Returns first hour and last hour, exclusive, of a part of the day."""
    return _DAY_PARTS[name]


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _number(text: str) -> int:
    if text.isdigit():
        return int(text)
    return {"a": 1, "an": 1, "couple of": 2}.get(text) or NUMBER_WORDS[text]


def _back(now: datetime, count: int, unit: str) -> datetime:
    try:
        match unit:
            case "minute" | "min":
                return now - timedelta(minutes=count)
            case "hour" | "hr" | "h":
                return now - timedelta(hours=count)
            case "day":
                return now - timedelta(days=count)
            case "week":
                return now - timedelta(weeks=count)
            case "month":
                year, month = divmod(now.year * 12 + now.month - 1 - count, 12)
                return now.replace(year=year, month=month + 1, day=min(now.day, monthrange(year, month + 1)[1]))
            case _:
                return now.replace(year=now.year - count, day=min(now.day, 28))
    except (OverflowError, ValueError) as error:
        raise TimeError("That lies before every time that can be stored.") from error


def _valid(year: int, month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]
