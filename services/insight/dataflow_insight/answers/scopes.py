"""What a plan's own scope says of a time or a text that a sentence names."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.answers.times import When
from dataflow_insight.plans.plan import Condition, Scope, TimeRange

_MINUTE: Final = timedelta(minutes=1)


def limit_names(condition: Condition) -> tuple[str, ...]:
    """Returns the texts, yes or no, that a condition compares with."""
    if isinstance(condition.limit, bool):
        return ("true", "false")
    return condition.limit if isinstance(condition.limit, tuple) else ()


def scope_says(when: When, scope: Scope, zone: ZoneInfo) -> str | None:
    """Returns how a time stands to a plan's times; None where it has nothing to do with them.

    "all", "start" and "end" are what they say, "around" holds the times, "limit" is the day behind their end.
    """
    if when.words:
        return "all" if scope.times else None
    if when.weekdays and not when.has_date:
        whole = set(when.weekdays) == set(scope.weekdays)
        return "all" if whole or (len(when.weekdays) == 1 and set(when.weekdays) <= set(scope.weekdays)) else None
    if when.is_clock and when.minute is not None:
        minute = 60 * (when.hour or 0) + when.minute
        for part in scope.day_times:
            if minute % 1440 in {part.start_minute % 1440, part.end_minute % 1440}:
                return "all"
    for item in scope.times:
        if (said := _range_says(when, item, zone)) is not None:
            return said
    return None


def _range_says(when: When, item: TimeRange, zone: ZoneInfo) -> str | None:
    if item.start is not None and item.end is not None and item.end - item.start <= _MINUTE and when.minute is not None:
        return "all" if when.fits(item.start, zone) else None
    own = _interval(when, item, zone)
    if own is not None:
        first, last = own
        if (first, last) == (item.start, item.end):
            return "all"
        if item.start is not None and item.end is not None and first <= item.start and item.end <= last:
            return "around"
        if item.start == first:
            return "start"
        if item.end == last:
            return "end"
        return "limit" if item.end == first else None
    for moment, said in ((item.start, "start"), (item.end, "end")):
        if moment is not None and when.fits(moment, zone):
            return said
    return None


def _interval(when: When, item: TimeRange, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """Returns the day, month or year that a time names; None where it names an hour or no date."""
    if when.hour is not None or not when.has_date:
        return None
    near = item.start or item.end
    year = when.year if when.year is not None else near.astimezone(zone).year if near is not None else None
    if year is None or (when.month is None and when.day is not None):
        return None
    try:
        first = datetime(year, when.month or 1, when.day or 1, tzinfo=zone)
        if when.weekdays and when.weekdays != (first.isoweekday(),):
            return None
        if when.day is not None:
            last = first + timedelta(days=1)
        elif when.month is not None:
            last = datetime(year + when.month // 12, when.month % 12 + 1, 1, tzinfo=zone)
        else:
            last = datetime(year + 1, 1, 1, tzinfo=zone)
    except (ValueError, OverflowError):
        return None
    return first, last
