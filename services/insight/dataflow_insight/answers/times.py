"""Finds the dates, times of day, weekdays and months of a sentence, in the spellings that people use."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

_MONTHS: Final = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTH: Final = "(?P<month>" + "|".join(rf"{name}|{name[:3]}\.?" for name in _MONTHS) + r"|sept\.?)(?![\w])"
_DAY: Final = r"(?<![\w.:/-])(?P<day>0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?(?![\w/]|[:.,]\d)"
_YEAR: Final = r"(?P<year>(?:19|20)\d\d)(?![\w/]|[:.,]\d)"
_OFFSET: Final = r"(?:\s?(?P<offset>Z|UTC|GMT|[+-](?:0\d|1[0-4]):?[0-5]\d)(?!\w|:\d))?"
_CLOCK: Final = (
    r"(?<![\w:.,/+-])(?:(?P<hour>[01]?\d|2[0-4]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?P<fraction>\.\d{1,9})?)?(?:\s?(?P<half>[ap])\.?m\b\.?)?"
    r"|(?P<lone>1[0-2]|0?\d)\s?(?P<lonehalf>[ap])\.?m\b\.?|(?P<hour24>[01]?\d|2[0-4])\s?(?:o'clock|uhr)\b|(?P<word>noon|midday|midnight)\b)"
    rf"(?!\w|[:.]\d){_OFFSET}"
)
_PATTERNS: Final = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("iso", r"(?<![\w.,/-])(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?:(?:T|\s)(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?" + _OFFSET + r")?(?![\w/]|[-:.]\d)"),
        ("numeric", r"(?<![\w.,/-])(?P<a>\d{1,4})(?P<mark>[/.])(?P<b>\d{1,2})(?P=mark)(?P<c>\d{4}|\d{1,2})(?![\w/]|[:.]\d)"),
        ("monthiso", r"(?<![\w.,/-])(?P<year>(?:19|20)\d\d)-(?P<month>0[1-9]|1[0-2])(?![\w/]|[-:.]\d)"),
        ("daymonth", rf"{_DAY}(?:\s+of)?[\s-]+{_MONTH}(?:(?:,?\s+|-){_YEAR})?"),
        ("monthday", rf"(?<!\w){_MONTH}\s+(?:the\s+)?{_DAY}(?:,?\s+{_YEAR})?"),
        ("monthyear", rf"(?<!\w){_MONTH}(?:,?\s+|\s+of\s+){_YEAR}"),
        ("clock", _CLOCK),
        ("weekday", r"(?<!\w)(?P<weekday>mon|tues?|wed(?:nes)?|thur?s?|fri|sat(?:ur)?|sun)(?P<rest>day)?(?P<plural>s)?\b"),
        ("weekend", r"(?<!\w)(?:weekends?|weekdays|working\s+days?|workdays?)\b"),
        ("relative", r"(?<!\w)(?:yesterday|today|tomorrow|day\s+before\s+yesterday|(?:last|this|next)\s+(?:night|morning|afternoon|evening|week|month|year)|tonight)\b"),
        ("monthname", rf"(?<!\w){_MONTH}"),
        ("year", rf"(?<=\bin\s){_YEAR}|(?<=\bof\s){_YEAR.replace('year', 'year2')}|(?<=\bduring\s){_YEAR.replace('year', 'year3')}|(?<=\bsince\s){_YEAR.replace('year', 'year4')}"),
    )
)  # fmt: skip
_JOIN: Final = re.compile(r"\s*(?:,\s*)?(?:(?:at|T|@|on|the)\s+){0,2}\(?", re.IGNORECASE)
_RELATIVE_DAYS: Final = {"today": 0, "yesterday": -1, "tomorrow": 1, "day before yesterday": -2}


@dataclass(frozen=True, slots=True)
class When:
    """A time of a sentence: what it says of year, month, day and so on; `None` for what it leaves open.

    Attributes:
        start: Where it begins in the sentence.
        end: Where it ends, exclusive.
        offset: The zone it names itself.
        weekdays: Days of the week, 1 for Monday.
        words: "yesterday", "last night": what cannot be put into numbers here.
        every: "Mondays", "weekends": more than one day.
    """

    start: int
    end: int
    year: int | None = None
    month: int | None = None
    day: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None
    microsecond: int | None = None
    offset: timezone | None = None
    weekdays: tuple[int, ...] = ()
    words: str = ""
    every: bool = False

    @property
    def has_date(self) -> bool:
        """Whether it says a year, month or day."""
        return self.year is not None or self.month is not None or self.day is not None

    @property
    def is_clock(self) -> bool:
        """Whether it is a time of day alone."""
        return self.hour is not None and not self.has_date and not self.weekdays

    @property
    def kind(self) -> str:
        """What it says: "date" (with or without an hour), "clock", "weekday" or "weekdays"."""
        if self.has_date or self.words:
            return "date"
        if self.hour is not None and not self.weekdays:
            return "clock"
        return "weekdays" if self.every else "weekday"

    def fits(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Returns whether a moment is what it says, in its own zone or else in the asker's; seconds may be left out."""
        if self.words:
            return False
        local = moment.astimezone(self.offset or zone)
        hour = 0 if self.hour == 24 else self.hour
        if self.hour == 24:
            local -= timedelta(days=1)
            if local.time() != local.time().replace(hour=0, minute=0, second=0, microsecond=0):
                return False
        given = (
            (self.year, local.year), (self.month, local.month), (self.day, local.day), (hour, local.hour),
            (self.minute, local.minute), (self.second, local.second), (self.microsecond, local.microsecond),
        )  # fmt: skip
        if any(said is not None and said != is_ for said, is_ in given):
            return False
        return not self.weekdays or (len(self.weekdays) == 1 and local.isoweekday() == self.weekdays[0])


def find_times(text: str, now: datetime, zone: ZoneInfo) -> list[When]:
    """Returns the times of a text in `plain` spelling, in order; a date and a time of day that belong together are one.

    Args:
        text: A sentence; what is known to be something else is masked.
        now: The present: "yesterday" is the date of the day before.
        zone: Whose days.
    """
    found: list[When] = []
    for name, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if any(match.start() < item.end and item.start < match.end() for item in found):
                continue
            when = _read(name, match, text, now, zone)
            if when is not None:
                found.append(when)
    found.sort(key=lambda item: item.start)
    return _joined(found, text)


def _joined(found: list[When], text: str) -> list[When]:
    joined: list[When] = []
    for item in found:
        last = joined[-1] if joined else None
        if last is not None and _JOIN.fullmatch(text, last.end, item.start) and _complement(last, item):
            parts = {
                name: getattr(item, name)
                for name in ("year", "month", "day", "hour", "minute", "second", "microsecond", "offset", "weekdays")
                if getattr(item, name) not in {None, ()}
            }
            joined[-1] = replace(last, end=item.end, **parts)
        else:
            joined.append(item)
    return joined


def _complement(a: When, b: When) -> bool:
    """Returns whether two times say different parts of one: a date and a clock, a weekday and a date."""
    if a.words or b.words or a.every or b.every:
        return False
    if a.is_clock and b.weekdays and not b.has_date:
        return False
    kinds = [
        {name for name, has in (("date", item.has_date), ("clock", item.hour is not None), ("weekday", bool(item.weekdays))) if has}
        for item in (a, b)
    ]  # fmt: skip
    return not kinds[0] & kinds[1]


def _read(name: str, match: re.Match[str], text: str, now: datetime, zone: ZoneInfo) -> When | None:
    span = match.span()
    parts = {key: value for key, value in match.groupdict().items() if value is not None}
    match name:
        case "numeric":
            return _numeric(span, parts["a"], parts["b"], parts["c"])
        case "weekday":
            return _weekday(match)
        case "weekend":
            ends = match.group().lower().startswith("weekend")
            return When(*span, weekdays=(6, 7) if ends else (1, 2, 3, 4, 5), every=True)
        case "relative":
            words = " ".join(match.group().lower().split())
            if words not in _RELATIVE_DAYS:
                return When(*span, words=words)
            day = now.astimezone(zone).date() + timedelta(days=_RELATIVE_DAYS[words])
            return When(*span, day.year, day.month, day.day)
        case "monthname":
            # "may" and "march" are words, too; "Mar" at the beginning of a name is not a month.
            if not match.group()[0].isupper() or (
                match.group() in {"May", "March"} and not re.search(r"\b(?:in|of|during|since|for|until|by)\s+$", text[: match.start()])
            ):  # fmt: skip
                return None
            return When(*span, month=_month(parts["month"]))
        case "year":
            return When(*span, int(next(iter(parts.values()))))
        case _:
            return _calendar(span, parts)


def _calendar(span: tuple[int, int], parts: dict[str, str]) -> When:
    hour = parts.get("hour") or parts.get("lone") or parts.get("hour24")
    hours, minutes = (int(hour) if hour is not None else None), parts.get("minute")
    half = (parts.get("half") or parts.get("lonehalf") or "").lower()
    if half and hours is not None:
        hours = (hours % 12 if hours <= 12 else hours) + (12 if half == "p" else 0)
    if "word" in parts:
        hours, minutes = (0 if parts["word"].lower() == "midnight" else 12), "0"
    if "lone" in parts or "hour24" in parts:
        minutes = "0"
    fraction = parts.get("fraction")
    if not _is_date(parts):
        return When(*span, words="a date that does not exist")
    return When(
        *span,
        int(parts["year"]) if "year" in parts else None,
        _month(parts["month"]) if "month" in parts else None,
        int(parts["day"]) if "day" in parts else None,
        hours,
        int(minutes) if minutes is not None else None,
        int(parts["second"]) if "second" in parts else None,
        int(fraction[1:7].ljust(6, "0")) if fraction else None,
        _offset(parts.get("offset", "")),
    )


def _is_date(parts: dict[str, str]) -> bool:
    """Returns whether year, month and day, as far as they are given, are a date."""
    try:
        date(int(parts.get("year", "2000")), _month(parts.get("month", "1")), int(parts.get("day", "1")))
    except ValueError:
        return False
    return True


def _numeric(span: tuple[int, int], a: str, b: str, c: str) -> When | None:
    """Reads 2014/01/16, 16.01.2014 and 01/16/2014; a date that could be two days is none."""
    if len(a) == 4:
        return _calendar(span, {"year": a, "month": b, "day": c})
    if len(c) != 4:
        return None
    first, second = int(a), int(b)
    if first > 12 or first == second:
        return When(*span, int(c), second, first)
    return When(*span, int(c), first, second) if second > 12 else None


def _weekday(match: re.Match[str]) -> When | None:
    text = match.group()
    # "Sat" and "sun" are words; a whole name, or a short one with a capital, is a day.
    if match["rest"] is None and (not text[0].isupper() or match["plural"] or text.isupper() or text == "Sat"):
        return None
    number = ["mo", "tu", "we", "th", "fr", "sa", "su"].index(text[:2].lower()) + 1
    return When(*match.span(), weekdays=(number,), every=match["plural"] is not None)


def _month(text: str) -> int:
    if text.isdigit():
        return int(text)
    return next(number for number, name in enumerate(_MONTHS, 1) if name.startswith(text[:3].lower()))


def _offset(text: str) -> timezone | None:
    if not text:
        return None
    if text[0] not in "+-":
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))
