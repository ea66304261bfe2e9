"""From moments and the words between them ("from … to …", "since …") to stretches of event time."""

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dataflow_insight.english.clock import Clock, utc
from dataflow_insight.english.joining import EXCLUSIVE, INCLUSIVE, TO, A, B, matches
from dataflow_insight.english.moments import COUNT, Board, Moment, Precision, TimeError, VagueTimeError, number
from dataflow_insight.english.sheet import MOMENT, MOMENT_BASE, Sheet, mark_of
from dataflow_insight.plans.plan import TimeRange

_TICK: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_PRESENT: Final = (
    r"(?:now|the\s+present|present|the\s+(?:very\s+)?end(?:\s+of\s+(?:the\s+)?(?:data|data\s?set|period))?)\b"
)
_LIST: Final = re.compile(
    r"(?:[\s,&/\uf8ff]|\band\b|\bor\b|\balso\b|\bplus\b|\bas\s+well\s+as\b|\btogether\s+with\b|\bboth\b|\bon\b|\bin\b|\bthe\b|\bfor\b|\bduring\b|\bfrom\b)*"
)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """A stretch in the asker's zone, with its place on the sheet."""

    position: int
    start: datetime | None
    end: datetime | None
    relative: bool


class Ranges:
    """Reads ranges on a board whose times of day all have a date.

    Args:
        board: Joined.
        clock: Gives the present.
        day: The one day that all must stay in, if any.
    """

    def __init__(self, board: Board, clock: Clock, day: datetime | None) -> None:
        self._board = board
        self._sheet = board.sheet
        self._clock = clock
        self._day = day
        self._found: list[_Bounds] = []

    def read(self) -> list[TimeRange]:
        """Marks the stretches anew and returns what the marks point to, in the order of the question.

        Raises:
            TimeError: A range ends before it starts.
        """
        self._counted()
        self._closed()
        self._open()
        self._single()
        self._found.sort(key=lambda bounds: bounds.position)
        ranges = []
        for index, bounds in enumerate(self._found):
            self._sheet.cover(bounds.position, bounds.position + 1, mark_of(MOMENT_BASE, index))
            ranges.append(self._range(bounds))
        return ranges

    def _counted(self) -> None:
        """Reads "the day after 16 January", "24 hours from 12:00 on …" and "the week ending 19 January"."""
        many = (
            rf"(?:(?:the\s+)?(?:(?:first|next|following|last|previous)\s+)?{COUNT}\s+(?P<unit>minute|hour|day|week)s?"
            r"|the\s+(?P<one>hour|day|week))"
        )
        way = (
            r"(?P<way>after|following|from|starting(?:\s+(?:on|at|from|with))?|beginning(?:\s+(?:on|at|with))?|before|"
            r"preceding|prior\s+to|ending(?:\s+(?:on|at|with))?|leading\s+up\s+to)"
        )
        # "The top 3 days after …" are days to choose from, and no length of time.
        chosen = "".join(rf"(?<!\b{word}\s)" for word in ("top", "bottom", "many", "which", "what", "best", "worst"))
        lead = rf"(?:\b(?:for|in|on|during|over|within|of)\s+)?{chosen}"
        behind = r"(?!\s*(?:-|to|until|till|through)\s*[\ue000-\ue0ff])"
        for found in matches(self._board, rf"{lead}\b{many}\s+{way}\s+(?:the\s+)?{A}{behind}"):
            moment, way_word = self._board.moment(found["a"]), found["way"].split()[0]
            if found["one"] and way_word == "from":
                continue
            length = timedelta(**{f"{found['unit'] or found['one']}s": number(found["count"] or "1")})
            instant = moment.precision is Precision.INSTANT
            if way_word in {"after", "following"}:
                start = moment.start if instant else moment.end
                self._add(found, start, start + length, relative=moment.relative)
            elif way_word in {"from", "starting", "beginning"}:
                self._add(found, moment.start, moment.start + length, relative=moment.relative)
            else:
                end = moment.end if way_word == "ending" and not instant else moment.start
                self._add(found, end - length, end, relative=moment.relative)

    def _closed(self) -> None:
        ends = INCLUSIVE + EXCLUSIVE
        for pattern in (
            rf"\bbetween\s+(?:the\s+)?{A}\s*,?\s*\band\s+(?P<before>before\s+)?(?:the\s+)?{B}",
            rf"\bfrom\s+(?:the\s+)?{A}\s*(?:\band\b\s*(?P<before>before\s+)?(?:the\s+)?){B}",
            rf"(?:\bfrom\s+(?:the\s+)?|\bbetween\s+)?{A}\s*{TO}{B}",
        ):
            for found in matches(self._board, pattern + ends):
                a, b = self._board.moment(found["a"]), self._board.moment(found["b"])
                end = self._end(b, found)
                if end <= a.start:
                    raise TimeError("The time range ends before it starts.")
                self._add(found, a.start, end, relative=a.relative or b.relative)

    def _open(self) -> None:
        until = r"(?:to|until|till|up\s+to|through)"
        for found in matches(self._board, rf"\b(?:from|since)\s+(?:the\s+)?{A}\s*(?:-|{until})\s*{_PRESENT}"):
            self._add(found, self._board.moment(found["a"]).start, None, relative=True)
        since = r"(?:ever\s+)?since|starting(?:\s+(?:on|from|at|with))?|beginning(?:\s+(?:on|with))?|as\s+of"
        for found in matches(self._board, rf"\b(?:{since})\s+(?:the\s+)?{A}(?:\s+(?:on|onwards?)\b)?"):
            self._add(found, self._board.moment(found["a"]).start, None, relative=True)
        for found in matches(self._board, rf"(?:\bfrom\s+(?:the\s+)?)?{A}\s+(?:onwards?|on(?=\s*(?:[?!.,;:)]|$)))"):
            self._add(found, self._board.moment(found["a"]).start, None, relative=True)
        for found in matches(self._board, rf"\bfrom\s+(?:the\s+)?{A}\s+on\b(?!\s+[\ue000-\uf8ff])"):
            self._add(found, self._board.moment(found["a"]).start, None, relative=True)
        for found in matches(self._board, rf"\b(?:later\s+than|after)\s+(?:the\s+)?{A}"):
            moment = self._board.moment(found["a"])
            start = moment.start + _TICK if moment.precision is Precision.INSTANT else moment.end
            self._add(found, start, moment.day + _DAY if moment.day else None, relative=moment.relative)
        for found in matches(self._board, rf"\b(?:earlier\s+than|prior\s+to|before)\s+(?:the\s+)?{A}"):
            moment = self._board.moment(found["a"])
            self._add(found, moment.day, moment.start, relative=moment.relative)
        ending = r"up\s+to|until|till|through|no\s+later\s+than|ending(?:\s+(?:on|at|with))?"
        including = r"(?:and\s+including\s+)?(?:the\s+)?(?:end\s+of\s+)?"
        for found in matches(self._board, rf"\b(?:{ending})\s+{including}{A}{INCLUSIVE}{EXCLUSIVE}"):
            moment = self._board.moment(found["a"])
            self._add(found, moment.day, self._end(moment, found), relative=moment.relative)

    def _single(self) -> None:
        lead = r"(?P<lead>on|in|at|during|for|of|over|within|throughout|around|about|from)"
        for found in matches(
            self._board, rf"(?:\b{lead}\s+(?:(?:all|the|whole|entire)\s+(?:of\s+)?)*)?{A}(?:'s)?{INCLUSIVE}"
        ):
            moment = self._board.moment(found["a"])
            if found["lead"] in {"around", "about"} and not moment.is_day:
                raise VagueTimeError("The time is not exact; please give a start and an end.")
            if found["lead"] == "from" and moment.is_day:
                self._board.notes.append(f"the time is {moment.start:%Y-%m-%d} alone, since no end is given")
            self._add(found, moment.start, moment.end, relative=moment.relative)

    def _end(self, moment: Moment, found: re.Match[str]) -> datetime:
        groups = found.groupdict()
        if groups.get("before") or groups.get("excluded"):
            return moment.start
        if moment.precision is not Precision.INSTANT:
            return moment.end
        # "08:00-19:59" means the whole minute at its end.
        if groups.get("included") or moment.start.minute == 59:
            return moment.end
        self._board.notes.append(f"{moment.start:%H:%M} itself is not part of the range that ends there")
        return moment.start

    def _add(self, found: re.Match[str], start: datetime | None, end: datetime | None, *, relative: bool) -> None:
        if self._day is not None:
            start = max(start or self._day, self._day)
            end = min(end or self._day + _DAY, self._day + _DAY)
        self._sheet.cover(found.start(), found.end())
        self._found.append(_Bounds(found.start(), start, end, relative))

    def _range(self, bounds: _Bounds) -> TimeRange:
        start = utc(bounds.start) if bounds.start is not None else None
        end = utc(bounds.end) if bounds.end is not None else None
        now, last = self._clock.now, self._clock.last
        # Readings of a time to come are those of devices whose clocks are ahead.
        if bounds.relative and last is not None and last > now and (start is None or start < now):
            end = now if end is None or end > now else end
        if start is not None and end is not None and start >= end:
            raise TimeError("The time range ends before it starts.")
        return TimeRange(start, end)


def together(sheet: Sheet, ranges: tuple[TimeRange, ...]) -> tuple[TimeRange, ...]:
    """Covers the marks that are left and returns the stretches of time that count: empty for all time.

    Stretches in a list ("on 3 and 5 January") are taken together; others must overlap, and what they share counts.

    Raises:
        TimeError: Stretches that are not in a list have nothing in common.
    """
    marks = list(re.finditer(MOMENT, sheet.visible))
    groups: list[list[TimeRange]] = []
    for place, found in enumerate(marks):
        item = ranges[ord(found[1]) - MOMENT_BASE]
        between = sheet.visible[marks[place - 1].end() : found.start()] if place else "-"
        # Words that were understood and covered may stand between, but then it is no list.
        if (
            place
            and _LIST.fullmatch(between)
            and re.search(r"\band\b|\bor\b|[,&/]|\bplus\b|\bwith\b|\bas\s+well", between)
        ):
            groups[-1].append(item)
        else:
            groups.append([item])
    for found in marks:
        sheet.cover(found.start(), found.end())
    if not groups:
        return ()
    shared = groups[0]
    for group in groups[1:]:
        shared = [both for a in shared for b in group if (both := _shared(a, b)) is not None]
    if not shared:
        raise TimeError("Separate stretches of time cannot be computed together; please ask for one, or for a list.")
    return _merged(shared)


def _shared(a: TimeRange, b: TimeRange) -> TimeRange | None:
    start = max((item for item in (a.start, b.start) if item is not None), default=None)
    end = min((item for item in (a.end, b.end) if item is not None), default=None)
    return TimeRange(start, end) if start is None or end is None or start < end else None


def _merged(ranges: list[TimeRange]) -> tuple[TimeRange, ...]:
    """Returns the stretches without overlaps, the earliest first."""
    merged: list[TimeRange] = []
    for item in sorted(ranges, key=lambda item: item.start.timestamp() if item.start else -math.inf):
        if merged and (merged[-1].end is None or item.start is None or item.start <= merged[-1].end):
            ends = (merged[-1].end, item.end)
            merged[-1] = TimeRange(merged[-1].start, None if None in ends else max(end for end in ends if end))
        else:
            merged.append(item)
    return tuple(merged)
