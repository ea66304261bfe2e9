"""From moments and the words between them ("from … to …", "since …") to one range of event time."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from dataflow_insight.english.moments import Moment, Precision, TimeError, part_of_day
from dataflow_insight.english.sheet import MOMENT, MOMENT_BASE, Sheet, index_of, mark_of

_A: Final = MOMENT.replace("(", "(?P<a>")
_B: Final = MOMENT.replace("(", "(?P<b>")
_Bounds = tuple[datetime | None, datetime | None]
_TICK: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)


def read_span(sheet: Sheet, moments: list[Moment], assumptions: list[str]) -> tuple[datetime | None, datetime | None]:
    """Covers all moments of a sheet and returns start and end, exclusive; None where the range is open.

    Args:
        sheet: Marked by `MomentReader`.
        moments: What the marks point to; grows by what is joined.
        assumptions: Gets what was decided about ends.

    Raises:
        TimeError: The moments do not make one range.
    """
    day = _join_days_and_clocks(sheet, moments, assumptions)
    bounds: list[_Bounds] = []
    for pattern in (rf"\bbetween\s+(?:the\s+)?{_A}\s+and\s+(?:the\s+)?{_B}", rf"\bfrom\s+(?:the\s+)?{_A}\s*(?:to|until|till|through|thru|up to|and|-)\s*(?:and\s+including\s+)?(?:the\s+)?{_B}", rf"{_A}\s*(?:\.\.\.?|/|-|to|until|till|through|thru)\s*{_B}"):  # fmt: skip
        while (found := sheet.take(pattern)) is not None:
            bounds.append(_between(_at(moments, found["a"]), _at(moments, found["b"]), assumptions))
    for found in sheet.take_all(
        rf"\b(?:since|from|starting(?:\s+(?:on|from|at))?|beginning|as\s+of)\s+(?:the\s+)?{_A}(?:\s+(?:on|onwards?|onward)\b)?"
    ):
        # "from" alone is a day, not an open end, unless it says so.
        if found.group().startswith("from") and not re.search(r"\bon\w*$", found.group()):
            moment = _dated(_at(moments, found["a"]))
            bounds.append((moment.start, moment.end))
        else:
            bounds.append((_dated(_at(moments, found["a"])).start, None))
    for found in sheet.take_all(rf"\b(?:later\s+than|after)\s+(?:the\s+)?{_A}"):
        moment = _dated(_at(moments, found["a"]))
        start = moment.start + _TICK if moment.precision is Precision.INSTANT else moment.end
        bounds.append((start, moment.day + _DAY if moment.day is not None else None))
    for found in sheet.take_all(rf"\b(?:earlier\s+than|prior\s+to|before)\s+(?:the\s+)?{_A}"):
        moment = _dated(_at(moments, found["a"]))
        bounds.append((moment.day, moment.start))
    for found in sheet.take_all(
        rf"\b(?:up\s+to|until|till|through|no\s+later\s+than)\s+(?:and\s+including\s+)?(?:the\s+)?(?:end\s+of\s+)?{_A}"
    ):
        moment = _dated(_at(moments, found["a"]))
        bounds.append((moment.day, _end(moment, assumptions)))
    if sheet.find(rf"{_A}\s*(?:,|and|or|&|\s)+\s*(?:on\s+|in\s+)?{_B}"):
        raise TimeError("Separate stretches of time cannot be computed together yet; please ask for one.")
    for found in sheet.take_all(
        rf"(?:\b(?:on|in|at|during|for|of|over|within|throughout|around)\s+(?:the\s+)?)?{_A}(?:'s)?"
    ):
        if found.group().startswith("around"):
            raise TimeError("The time is not exact; please give a start and an end.")
        moment = _dated(_at(moments, found["a"]))
        bounds.append((moment.start, moment.end))
    inclusive = sheet.take_all(r"\(?\b(?:inclusive(?:ly)?|both\s+included|including\s+both(?:\s+days)?)\b\)?")
    if inclusive and any("itself is not part" in note for note in assumptions):
        raise TimeError("Only whole days can be inclusive; please give a later end.")
    if day is not None:
        bounds = [(max(start or day, day), min(end or day + _DAY, day + _DAY)) for start, end in bounds]
    return _one(bounds)


def _join_days_and_clocks(sheet: Sheet, moments: list[Moment], assumptions: list[str]) -> datetime | None:
    """Gives every time of day its date; returns the one day that the rest of the range must stay in, if any."""
    for pattern in (rf"{_A}\s*(?:,|at|@|\s)?\s*(?:at\s+)?{_B}", rf"{_A}(?:\s*,?\s*(?:on|of)\s+(?:the\s+)?){_B}"):
        position = 0
        while (found := re.compile(pattern).search(sheet.visible, position)) is not None:
            a, b = _at(moments, found["a"]), _at(moments, found["b"])
            clock, day = (a, b) if a.precision is Precision.CLOCK else (b, a)
            if clock.precision is not Precision.CLOCK or not _is_day(day):
                position = found.start() + 1
                continue
            joined = _on(clock, day.start)
            if clock is a:
                joined = replace(joined, day=day.start)
            sheet.cover(found.start(), found.end(), mark_of(MOMENT_BASE, len(moments)))
            moments.append(joined)
    for name in ("morning", "afternoon", "evening", "night"):
        for words in (rf"{_A}\s+(?:in\s+the\s+|at\s+)?{name}\b", rf"\b(?:the\s+)?{name}\s+(?:of|on)\s+(?:the\s+)?{_A}"):
            match = sheet.find(words)
            if match is None or not _is_day(_at(moments, match["a"])):
                continue
            midnight, (first, last) = _at(moments, match["a"]).start, part_of_day(name)
            assumptions.append(f"the {name} is from {first:02d}:00 to before {last:02d}:00")
            sheet.cover(match.start(), match.end(), mark_of(MOMENT_BASE, len(moments)))
            moments.append(Moment(midnight + timedelta(hours=first), midnight + timedelta(hours=last)))
    return _spread_date(sheet, moments)


def _spread_date(sheet: Sheet, moments: list[Moment]) -> datetime | None:
    """Gives a lone time of day ("between 06:00 and 12:00 on …") the date of the one day that is named."""
    marks = re.findall(MOMENT, sheet.visible)
    visible = [(mark, _at(moments, mark)) for mark in marks]
    clocks = [(mark, moment) for mark, moment in visible if moment.precision is Precision.CLOCK]
    if not clocks:
        return None
    days = {moment.start.date() for _, moment in visible if moment.precision is Precision.INSTANT or _is_day(moment)}
    if len(days) != 1:
        raise TimeError("A time of day needs one date; the same hours of every day cannot be computed yet.")
    (day,) = days
    midnight = datetime(day.year, day.month, day.day, tzinfo=clocks[0][1].start.tzinfo)
    for mark, moment in clocks:
        moments[index_of(MOMENT_BASE, mark)] = _on(moment, midnight)
    if any(_is_day(moment) for _, moment in visible):
        for mark, moment in visible:
            if _is_day(moment):
                found = re.search(rf"(?:\bon\s+|\bof\s+|,\s*)?(?:the\s+)?{mark}\uf8ff*", sheet.visible)
                assert found is not None
                sheet.cover(found.start(), found.end())
        return midnight
    return None


def _between(a: Moment, b: Moment, assumptions: list[str]) -> tuple[datetime, datetime]:
    start, end = _dated(a).start, _end(_dated(b), assumptions)
    if end <= start:
        raise TimeError("The time range ends before it starts.")
    return start, end


def _end(moment: Moment, assumptions: list[str]) -> datetime:
    if moment.precision is Precision.INSTANT:
        assumptions.append(f"{moment.start:%H:%M} itself is not part of the range that ends there")
        return moment.start
    return moment.end


def _one(bounds: list[_Bounds]) -> tuple[datetime | None, datetime | None]:
    if sum(1 for start, end in bounds if start is not None and end is not None) > 1:
        raise TimeError("Separate stretches of time cannot be computed together yet; please ask for one.")
    starts = [start for start, _ in bounds if start is not None]
    ends = [end for _, end in bounds if end is not None]
    start, end = max(starts, default=None), min(ends, default=None)
    if start is not None and end is not None and start >= end:
        raise TimeError("The time range ends before it starts.")
    return start, end


def _on(clock: Moment, midnight: datetime) -> Moment:
    offset = clock.start - clock.start.replace(hour=0, minute=0, second=0)
    return replace(
        clock, start=midnight + offset, end=midnight + offset + (clock.end - clock.start), precision=Precision.INSTANT
    )


def _dated(moment: Moment) -> Moment:
    if moment.precision is Precision.CLOCK:
        raise TimeError("A time of day needs one date; the same hours of every day cannot be computed yet.")
    return moment


def _is_day(moment: Moment) -> bool:
    return (
        moment.precision is Precision.SPAN
        and moment.end - moment.start == timedelta(days=1)
        and moment.start == moment.start.replace(hour=0, minute=0, second=0, microsecond=0)
    )


def _at(moments: list[Moment], mark: str) -> Moment:
    return moments[index_of(MOMENT_BASE, mark)]
