"""Times that lean on the present: "yesterday", "the past three days", "last night", "on Monday"."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from dataflow_insight.english.clock import Clock
from dataflow_insight.english.dates import Form
from dataflow_insight.english.moments import COUNT, WEEKDAYS, Board, Moment, Precision, TimeError, number, word_pattern

_UNIT: Final = r"(?P<unit>minute|min|hour|hr|h|day|week|month|year)s?\b"
_UNITS: Final = {"min": "minute", "hr": "hour", "h": "hour"}
_DAY: Final = rf"(?P<weekday>{word_pattern(WEEKDAYS)})"
PARTS: Final = {"morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (18, 30)}
"""Hours of the parts of one day; its night ends on the day after."""


class Relative:
    """Reads times that lean on the present.

    Args:
        board: Gets the notes.
        clock: Gives the present.
    """

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board = board
        self._clock = clock

    def forms(self) -> Iterable[Form]:
        """Returns all forms, the longest first."""
        of_week = r"(?P<week>last|this|previous)\s+week"
        part = r"(?P<part>morning|afternoon|evening|night)"
        return (
            (r"\b(?:over\s+|in\s+|within\s+)?(?:the\s+)?(?:last|past|previous)\s+(?P<half>half(?:\s+an)?[\s-]+hour|quarter\s+of\s+an\s+hour|quarter\s+hour)\b", self._part_of_hour),
            (rf"\b(?:over\s+|in\s+|within\s+)?(?:the\s+|these\s+)?(?:last|past|previous|trailing)\s+{COUNT}\s+(?:full\s+|whole\s+)?{_UNIT}", self._rolling),
            (r"\b(?:the\s+|this\s+)?past\s+(?P<unit>minute|hour|day|week|month|year)\b", self._rolling),
            (r"\b(?:the\s+)?(?:last|previous)\s+(?P<unit>minute|hour)\b", self._rolling),
            (rf"\b{COUNT}\s+{_UNIT}\s+ago\b", self._ago),
            (r"\b(?:the\s+)?(?P<unit>week|month|year)\s+before\s+last\b", self._calendar(-2)),
            (rf"\b(?:on\s+)?(?:{of_week}'?s?\s+{_DAY}|(?:the\s+)?{_DAY.replace('weekday', 'other')}\s+(?:of\s+)?{of_week.replace('week>', 'of>')})\b", self._weekday_of_week),
            (r"\b(?:the\s+)?(?:last|previous|past)\s+week-?end\b", self._weekend(-1)),
            (r"\bthis\s+week-?end\b", self._weekend(0)),
            (r"\b(?:the\s+)?(?:last|previous)\s+(?P<unit>week|month|quarter|year)\b", self._calendar(-1)),
            (r"\b(?:this|the\s+current)\s+(?P<unit>week|month|quarter|year)(?:\s+(?:so\s+far|to\s+date))?\b", self._calendar(0)),
            (r"\b(?P<unit>week|month|quarter|year)[\s-]to[\s-]date\b", self._calendar(0)),
            (r"\b(?:the\s+)?night\s+before\s+last\b", self._part(2, "night")),
            (rf"\b(?:the\s+)?day\s+before\s+yesterday(?:\s+(?:in\s+the\s+|at\s+)?{part})?\b", self._day(2)),
            (rf"\b(?:yesterday(?:'s)?|last\s+day)(?:\s+(?:in\s+the\s+|at\s+)?{part})?\b", self._day(1)),
            (rf"\b(?:the\s+)?(?:{part.replace('part>', 'left>')})\s+of\s+yesterday\b", self._day(1)),
            (r"\bthis\s+(?P<part>morning|afternoon|evening)\b", self._day(0)),
            (r"\b(?:earlier\s+)?today(?:'s)?(?:\s+so\s+far)?\b", self._day(0)),
            (r"\b(?:last\s+night(?:'s)?|overnight)\b", self._part(1, "night")),
            (r"\b(?:last|previous)\s+evening\b", self._part(1, "evening")),
            (r"\btonight(?:'s)?\b", self._part(0, "night")),
            (rf"\b(?P<lead>on\s+|last\s+|this\s+past\s+|this\s+|past\s+|since\s+)?(?P<keep>{_DAY}(?:\s+{part})?)\b(?!s|\s*(?:-|to|through|until)\s*(?:{word_pattern(WEEKDAYS)}))", self._weekday),
        )  # fmt: skip

    def _rolling(self, found: re.Match[str]) -> Moment:
        if re.search(r"\b(?:full|whole)\b", found.group()):
            return self._whole_units(found)
        count = number(found.groupdict().get("count") or "1")
        start = self._clock.back(count, _UNITS.get(found["unit"], found["unit"]))
        now = self._clock.now.astimezone(self._clock.zone)
        self._board.notes.append(f'"{found.group()}" is counted back from now, {now:%Y-%m-%d %H:%M} {self._zone}')
        return self._until_now(start)

    def _until_now(self, start: datetime) -> Moment:
        """Returns a stretch that ends now, or within this second: answers show no parts of one."""
        rest = timedelta(microseconds=-self._clock.now.microsecond % 1_000_000)
        return Moment(start + rest, self._clock.now + rest, relative=True)

    def _part_of_hour(self, found: re.Match[str]) -> Moment:
        minutes = 30 if found["half"].startswith("half") else 15
        now = self._clock.now.astimezone(self._clock.zone)
        self._board.notes.append(f'"{found.group()}" is counted back from now, {now:%Y-%m-%d %H:%M} {self._zone}')
        return self._until_now(self._clock.back(minutes, "minute"))

    def _whole_units(self, found: re.Match[str]) -> Moment:
        count, unit = number(found["count"]), _UNITS.get(found["unit"], found["unit"])
        if unit not in {"day", "hour"}:
            raise TimeError("Only whole days and hours are counted back.")
        now = self._clock.now.astimezone(self._clock.zone)
        end = self._clock.today if unit == "day" else now.replace(minute=0, second=0, microsecond=0)
        return self._noted(found, end - count * timedelta(**{f"{unit}s": 1}), end)

    def _ago(self, found: re.Match[str]) -> Moment:
        unit = _UNITS.get(found["unit"], found["unit"])
        start = self._clock.back(number(found["count"]), unit)
        if unit in {"day", "week", "month", "year"}:
            moment = self._clock.day(start)
            return self._noted(found, moment.start, moment.end)
        start = start.replace(second=0, microsecond=0)
        return Moment(start, start + timedelta(minutes=1), Precision.INSTANT)

    def _calendar(self, offset: int) -> Callable[[re.Match[str]], Moment]:
        def make(found: re.Match[str]) -> Moment:
            today = self._clock.today
            match found["unit"]:
                case "week":
                    start = today + timedelta(days=7 * offset - today.weekday())
                    moment = Moment(start, start + timedelta(days=7))
                case "month":
                    year, month = divmod(today.year * 12 + today.month - 1 + offset, 12)
                    moment = self._clock.month(year, month + 1)
                case "quarter":
                    year, quarter = divmod(today.year * 4 + (today.month - 1) // 3 + offset, 4)
                    moment = self._clock.month(year, 3 * quarter + 1, 3)
                case _:
                    moment = self._clock.year(today.year + offset)
            return self._noted(found, moment.start, moment.end)

        return make

    def _weekend(self, offset: int) -> Callable[[re.Match[str]], Moment]:
        def make(found: re.Match[str]) -> Moment:
            today = self._clock.today
            saturday = today + timedelta(days=5 - today.weekday() + 7 * offset)
            return self._noted(found, saturday, saturday + timedelta(days=2))

        return make

    def _day(self, days: int) -> Callable[[re.Match[str]], Moment]:
        def make(found: re.Match[str]) -> Moment:
            groups = found.groupdict()
            midnight = self._clock.today - timedelta(days=days)
            if part := groups.get("part") or groups.get("left"):
                return self._hours(found, midnight, part)
            return self._noted(found, midnight, midnight + timedelta(days=1))

        return make

    def _part(self, days: int, part: str) -> Callable[[re.Match[str]], Moment]:
        return lambda found: self._hours(found, self._clock.today - timedelta(days=days), part)

    def _weekday(self, found: re.Match[str]) -> Moment:
        today = self._clock.today
        back = (today.weekday() - WEEKDAYS.index(found["weekday"])) % 7
        if back == 0 and (found["lead"] or "").strip() in {"last", "past", "this past"}:
            back = 7
        midnight = today - timedelta(days=back)
        if (found["lead"] or "").strip() not in {"", "since"}:
            self._board.sheet.cover(found.start("lead"), found.end("lead"))
        if found["part"]:
            return self._hours(found, midnight, found["part"])
        self._board.notes.append(f'"{found["weekday"].capitalize()}" is {midnight:%Y-%m-%d}, the latest one')
        return Moment(midnight, midnight + timedelta(days=1), relative=True)

    def _weekday_of_week(self, found: re.Match[str]) -> Moment:
        name, which = found["weekday"] or found["other"], found["week"] or found["of"]
        today = self._clock.today
        monday = today - timedelta(days=today.weekday() + (0 if which == "this" else 7))
        day = monday + timedelta(days=WEEKDAYS.index(name))
        return self._noted(found, day, day + timedelta(days=1))

    def _hours(self, found: re.Match[str], midnight: datetime, part: str) -> Moment:
        first, last = PARTS[part]
        return self._noted(found, midnight + timedelta(hours=first), midnight + timedelta(hours=last))

    def _noted(self, found: re.Match[str], start: datetime, end: datetime) -> Moment:
        text = self._board.sheet.case[found.start() : found.end()].strip()
        self._board.notes.append(
            f'"{text}" is from {start:%Y-%m-%d %H:%M} to before {end:%Y-%m-%d %H:%M} ({self._zone})'
        )
        return Moment(start, end, relative=True)

    @property
    def _zone(self) -> str:
        return self._clock.zone.key
