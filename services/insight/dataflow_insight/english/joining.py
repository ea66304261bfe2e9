"""Gives times of day their date, or makes them parts of every day where there is none."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from dataflow_insight.english.clock import Clock
from dataflow_insight.english.moments import BASE_DAY, Board, Moment, Precision, Recurring, TimeError
from dataflow_insight.english.sheet import MOMENT, MOMENT_BASE, RECURRING, index_of
from dataflow_insight.plans.plan import DayTime

A: Final = MOMENT.replace("(", "(?P<a>")
"""Pattern of a moment, its mark under the name a."""

B: Final = MOMENT.replace("(", "(?P<b>")
"""Pattern of a moment, its mark under the name b."""

TO: Final = (
    r"(?:-|/|\.\.\.?|\bto\b|\buntil\b|\btill\b|\bthrough\b|\bthru\b|\bup\s+to\b)\s*(?:just\s+)?(?P<before>before\s+)?"
    r"(?:and\s+including\s+)?(?:the\s+)?(?:end\s+of\s+)?"
)
"""Pattern of what stands between start and end; "before" says that the end is not part of the range."""

INCLUSIVE: Final = (
    r"(?P<included>\s*[,(]?\s*\b(?:inclusive(?:ly)?|both\s+(?:(?:days|dates|ends|times)\s+)?included|"
    r"including\s+both(?:\s+(?:days|dates))?|included)\b\s*\)?)?"
)
"""Pattern of words that make the end part of the range."""

EXCLUSIVE: Final = rf"(?P<excluded>\s*[,(]?\s*(?:\b(?:exclusive(?:ly)?|excluded)\b|{MOMENT}\s+(?:itself\s+)?(?:is\s+|being\s+)?(?:not\s+included|excluded|exclusive))\s*\)?)?"
"""Pattern of words that leave the end out."""

_R: Final = RECURRING.replace("(", "(?P<r>")
_S: Final = RECURRING.replace("(", "(?P<s>")
_EXCEPT: Final = (
    r"\b(?:except(?:\s+for)?|excluding|without|leaving\s+out|ignoring|omitting|(?:not|without)\s+(?:counting|including)|other\s+than|"
    r"apart\s+from|but\s+not|outside(?:\s+of)?|not(?=\s+[\ue300-\ue3ff]))"
)
_MINUTES: Final = 24 * 60
_TICK: Final = timedelta(microseconds=1)
_EVERY: Final = r"(?:\s+(?:on\s+)?(?:each|every)\s+day|\s+daily)?"


def matches(board: Board, pattern: str) -> Iterator[re.Match[str]]:
    """Yields the visible matches from left to right; the sheet may be covered meanwhile."""
    compiled, position = re.compile(pattern), 0
    while (found := compiled.search(board.sheet.visible, position)) is not None:
        yield found
        position = found.start() + 1


def visible_moments(board: Board) -> list[tuple[str, Moment]]:
    """Returns the marks that are left and what they point to."""
    return [(found[1], board.moment(found[1])) for found in re.finditer(MOMENT, board.sheet.visible)]


class Joiner:
    """Joins times of day with dates, or with one another.

    Args:
        board: With all single expressions marked.
        clock: Gives the present and the zone.
    """

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board = board
        self._sheet = board.sheet
        self._clock = clock

    def join(self) -> datetime | None:
        """Leaves no time of day without a date; returns the one day that all of them must stay in, if any.

        Raises:
            TimeError: Expressions cannot be put together for sure.
        """
        self._restatements()
        day = None
        if not self._several_days():
            self._days_and_clocks()
            self._days_and_parts()
            day = self._spread_date()
        if any(moment.precision is Precision.CLOCK for _, moment in visible_moments(self._board)):
            self._hour_ranges()
            self._open_hours()
        self._parts_with_hours()
        self._left_out()
        return day

    def _restatements(self) -> None:
        """Covers what says a time once more: "(12:00)" behind "noon", "(1-7)" behind "the first week of January"."""
        for found in matches(self._board, rf"{A}\s*\(\s*(?:at\s+|on\s+|the\s+|i\.?e\.?,?\s+)*{B}\s*\)"):
            a, b = self._board.moment(found["a"]), self._board.moment(found["b"])
            if (a.start, a.end) == (b.start, b.end):
                self._sheet.cover(found.end("a") + 1, found.end())
        again = rf"{A}\s*(?P<again>\(\s*(?:from\s+)?(?:the\s+)?(?:{B}(?:\s+(?:on|onwards?))?|(?:days?\s+)?(?P<first>\d{{1,2}})\s*(?:-|to)\s*(?P<last>\d{{1,2}}))\s*\))"
        for found in matches(self._board, again):
            moment = self._board.moment(found["a"])
            if moment.precision is not Precision.SPAN or (found["b"] and not self._board.moment(found["b"]).is_day):
                continue
            agrees = (
                self._board.moment(found["b"]).start == moment.start
                if found["b"]
                else (int(found["first"]), int(found["last"])) == (moment.start.day, (moment.end - _TICK).day)
            )
            if not agrees:
                raise TimeError("The two ways in which the time is given do not agree.")
            self._sheet.cover(found.start("again"), found.end("again"))

    def _several_days(self) -> bool:
        """Whether the question lists days ("on 3 and 5 January"): hours then are those of each of them."""
        pattern = rf"(?<!between\s){A}(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s*&\s*)(?:also\s+)?(?:on\s+)?(?:the\s+)?{B}"
        return any(
            self._board.moment(found["a"]).is_day and self._board.moment(found["b"]).is_day
            for found in matches(self._board, pattern)
        )

    def _days_and_clocks(self) -> None:
        """Gives a time of day the date that it stands with."""
        for pattern in (rf"{A}\s*(?:,|at|@|\s)?\s*(?:at\s+)?{B}", rf"{A}(?:\s*,?\s*(?:on|of)\s+(?:the\s+)?){B}"):
            for found in matches(self._board, pattern):
                a, b = self._board.moment(found["a"]), self._board.moment(found["b"])
                clock, day = (a, b) if a.precision is Precision.CLOCK else (b, a)
                if clock.precision is Precision.CLOCK and day.is_day:
                    joined = replace(_on(clock, day.start), relative=day.relative)
                    self._board.put(
                        found.start(), found.end(), replace(joined, day=day.start) if clock is a else joined
                    )

    def _days_and_parts(self) -> None:
        """Reads "the morning of 16 January" and "16 January at night", and parts of the one day that is named."""
        nights = rf"(?:\bthe\s+)?{_R}\s*(?:of|from|between)?\s*(?:the\s+)?{A}\s*(?:-|to|and|/)\s*(?:the\s+)?{B}"
        for found in matches(self._board, nights):
            part = self._board.recurrence(found["r"])
            a, b = self._board.moment(found["a"]), self._board.moment(found["b"])
            if part.name == "night" and a.is_day and b.is_day and b.start == a.end:
                self._put_part(found, part, a)
        # "The night from 15 to 16 January": its two days are one moment by now.
        for found in matches(self._board, rf"(?:\bthe\s+)?{_R}\s*(?:of|from|between)?\s*(?:the\s+)?{A}"):
            part, days = self._board.recurrence(found["r"]), self._board.moment(found["a"])
            one = re.search(r"night\b", self._sheet.low[found.start() : found.start("a")])
            if part.name == "night" and days.whole_days == 2 and one:
                self._put_part(found, part, days)
        for pattern in (rf"(?:\bthe\s+)?{_R}\s*(?:,|of|on|\s)?\s*(?:the\s+)?{A}", rf"{A}\s*(?:,|'s|\s)?\s*{_R}"):
            for found in matches(self._board, pattern):
                part, day = self._board.recurrence(found["r"]), self._board.moment(found["a"])
                if part.name and day.is_day:
                    self._put_part(found, part, day)
        visible = visible_moments(self._board)
        parts = list(re.finditer(_R, self._sheet.visible))
        if len(visible) == 1 == len(parts) and visible[0][1].is_day:
            part = self._board.recurrence(parts[0]["r"])
            if part.name:
                self._cover(visible[0][0])
                self._put_part(parts[0], part, visible[0][1])

    def _put_part(self, found: re.Match[str], part: Recurring, day: Moment) -> None:
        """Marks a part of one day; its night ends on the morning after."""
        assert part.day_time is not None
        first, last = part.day_time.start_minute, part.day_time.end_minute
        if part.name == "night":
            first, last = 18 * 60, 30 * 60
        start, end = day.start + timedelta(minutes=first), day.start + timedelta(minutes=last)
        self._board.notes.append(f"the {part.name} is from {start:%Y-%m-%d %H:%M} to before {end:%Y-%m-%d %H:%M}")
        self._board.put(found.start(), found.end(), Moment(start, end, relative=day.relative))

    def _spread_date(self) -> datetime | None:
        """Gives a lone time of day ("between 06:00 and 12:00 on …") the one day that is named, and returns that day."""
        visible = visible_moments(self._board)
        clocks = [(mark, moment) for mark, moment in visible if moment.precision is Precision.CLOCK]
        if not clocks:
            return None
        days = {
            moment.start.astimezone(self._clock.zone).date()
            for _, moment in visible
            if moment.precision is Precision.INSTANT or moment.is_day
        }
        wider = any(moment.precision is Precision.SPAN and not moment.is_day for _, moment in visible)
        if len(days) != 1 or wider:
            if any(moment.precision is Precision.INSTANT for _, moment in visible):
                raise TimeError("It is not clear which day a time of day belongs to.")
            return None
        (day,) = days
        midnight = self._clock.at(day.year, day.month, day.day)
        relative = any(moment.relative for _, moment in visible)
        for mark, moment in clocks:
            self._board.moments[index_of(MOMENT_BASE, mark)] = replace(_on(moment, midnight), relative=relative)
        whole = [mark for mark, moment in visible if moment.is_day]
        for mark in whole:
            self._cover(mark)
        return midnight if whole else None

    def _cover(self, mark: str) -> None:
        found = self._sheet.find(rf"(?:\bon\s+|\bof\s+|,\s*)?(?:the\s+)?{mark}\uf8ff*")
        assert found is not None
        self._sheet.cover(found.start(), found.end())

    def _hour_ranges(self) -> None:
        """Makes parts of every day of "between 22:00 and 06:00"."""
        for pattern in (
            rf"\bbetween\s+{A}\s*,?\s*\band\s+(?P<before>before\s+)?{B}",
            rf"(?:\b(?:from|between)\s+)?{A}\s*{TO}{B}",
        ):
            for found in matches(self._board, pattern + INCLUSIVE + EXCLUSIVE + _EVERY):
                a, b = self._board.moment(found["a"]), self._board.moment(found["b"])
                if a.precision is not b.precision:
                    raise TimeError("It is not clear which day a time of day belongs to.")
                if a.precision is not Precision.CLOCK:
                    continue
                first, last = _minute(a), _minute(b)
                # "08:00-19:59" means the whole minute at its end.
                if not found["before"] and not found["excluded"] and (found["included"] or last % 60 == 59):
                    last += 1
                if first == last:
                    raise TimeError("The time range ends before it starts.")
                self._put_hours(found, first, last or _MINUTES)

    def _open_hours(self) -> None:
        """Makes parts of every day of "before 8 am" and "at noon"; "since 6 am" is today's."""
        for found in matches(self._board, rf"\b(?:since|starting\s+(?:at|from))\s+{A}"):
            clock = self._board.moment(found["a"])
            if clock.precision is Precision.CLOCK:
                start = self._clock.today + (clock.start - BASE_DAY)
                self._board.notes.append(f"the time is that of today, {start:%Y-%m-%d}")
                self._board.put(found.start("a"), found.end(), replace(_on(clock, self._clock.today), relative=True))
        lone = rf"(?:\b(?P<way>before|earlier\s+than|until|till|up\s+to|later\s+than|after|past|from|at)\s+)?(?:exactly\s+)?{A}(?P<on>\s+on(?:wards?)?\b)?(?:\s+(?:sharp|exactly))?"
        for found in matches(self._board, lone + _EVERY):
            clock = self._board.moment(found["a"])
            if clock.precision is not Precision.CLOCK:
                continue
            way, minute = (found["way"] or "").split(" ")[0], _minute(clock)
            if way in {"before", "earlier", "until", "till", "up"}:
                self._put_hours(found, 0, minute)
            elif way in {"later", "after", "past"} or (way == "from" and found["on"]):
                self._put_hours(found, minute + (way != "from" and not found["on"]), _MINUTES)
            else:
                self._put_hours(found, minute % _MINUTES, minute % _MINUTES + 1)

    def _put_hours(self, found: re.Match[str], first: int, last: int) -> None:
        if first >= _MINUTES or not last:
            raise TimeError("No part of the day lies there.")
        self._board.notes.append(
            f"of every day, the time from {_hhmm(first)} to before {_hhmm(last)} ({self._clock.zone.key})"
        )
        self._board.put(found.start(), found.end(), Recurring(DayTime(first, last)))

    def _parts_with_hours(self) -> None:
        """Lets hours that are given define the part of the day that stands with them, and says what the others are."""
        for found in matches(self._board, rf"{_R}\s*[,(:]?\s*(?:i\.?e\.?,?\s+|that\s+is,?\s+)?(?P<hours>{_S}\s*\)?)"):
            part, hours = self._board.recurrence(found["r"]), self._board.recurrence(found["s"])
            if part.name and hours.day_time is not None and not hours.name:
                self._board.put(found.start(), found.end(), hours)
        parts = [(found["r"], self._board.recurrence(found["r"])) for found in re.finditer(_R, self._sheet.visible)]
        named = [mark for mark, part in parts if part.name]
        given = [mark for mark, part in parts if part.day_time is not None and not part.name]
        if len(named) == 1 == len(given) and not self._contrasted(named[0], given[0]):
            place = self._sheet.visible.index(named[0])
            self._sheet.cover(place, place + 1)
            return
        for mark, part in parts:
            if mark in named and part.day_time is not None:
                first, last = part.day_time.start_minute, part.day_time.end_minute
                self._board.notes.append(
                    f"the {part.name} is from {_hhmm(first)} to before {_hhmm(last)} of every day ({self._clock.zone.key})"
                )

    def _contrasted(self, first: str, second: str) -> bool:
        """Whether two parts of the day are the sides of a comparison, so that one cannot define the other."""
        start, end = sorted(self._sheet.visible.index(mark) for mark in (first, second))
        return (
            re.search(r"\b(?:than|versus|vs|or|and|minus|less|against|compared)\b", self._sheet.visible[start:end])
            is not None
        )

    def _left_out(self) -> None:
        """Reads "except at weekends" and "excluding nights": what is left of every day or week."""
        for found in matches(self._board, rf"{_EXCEPT}\s+(?:(?:on|at|in|during|for|the)\s+)*{_R}"):
            part = self._board.recurrence(found["r"])
            if part.day_time is not None:
                other = DayTime(part.day_time.end_minute % _MINUTES, part.day_time.start_minute or _MINUTES)
                self._board.put(found.start(), found.end(), replace(part, day_time=other, name=""))
            else:
                days = tuple(day for day in range(1, 8) if day not in part.weekdays)
                self._board.put(found.start(), found.end(), replace(part, weekdays=days))


def _on(clock: Moment, midnight: datetime) -> Moment:
    start = midnight + (clock.start - BASE_DAY)
    return replace(clock, start=start, end=start + (clock.end - clock.start), precision=Precision.INSTANT)


def _minute(clock: Moment) -> int:
    minute, rest = divmod(clock.start - BASE_DAY, timedelta(minutes=1))
    if rest:
        raise TimeError("Parts of the day begin and end with whole minutes.")
    return minute


def _hhmm(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
