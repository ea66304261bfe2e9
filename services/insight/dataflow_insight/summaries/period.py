"""Which stretch of time is summarised: the one given, or the last of the calendar that the data cover whole. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final
from zoneinfo import ZoneInfo

from dataflow.insight.v1 import summary_pb2

MAX_LENGTH: Final = timedelta(days=3_660)
"""Longest time of a summary."""

_TICK: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)


class Calendar(IntEnum):
    """A stretch of the calendar; values are those of the proto."""

    HOUR = summary_pb2.SUMMARY_PERIOD_HOUR
    DAY = summary_pb2.SUMMARY_PERIOD_DAY
    WEEK = summary_pb2.SUMMARY_PERIOD_WEEK
    MONTH = summary_pb2.SUMMARY_PERIOD_MONTH
    ALL = summary_pb2.SUMMARY_PERIOD_ALL


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of event time.

    Attributes:
        start: From here on, UTC.
        end: Before here, UTC.
        zone: Of its days and hours.
    """

    start: datetime
    end: datetime
    zone: ZoneInfo

    @property
    def length(self) -> timedelta:
        """From start to end."""
        return self.end - self.start

    @property
    def before(self) -> datetime:
        """Where the time before begins, which is as long."""
        return self.start - self.length

    @property
    def words(self) -> str:
        """As a sentence names it: "on 2014-01-31", or "from ... to ..."; dates with the zone where that is not UTC."""
        start, end = self.start.astimezone(self.zone), self.end.astimezone(self.zone)
        zone = "" if self.zone.key == "UTC" else f" ({self.zone.key.replace('_', ' ')})"
        if _is_midnight(start) and _is_midnight(end):
            last = (end - timedelta(days=1)).date()
            if last == start.date():
                return f"on {last.isoformat()}{zone}"
            return f"from {start.date().isoformat()} to {last.isoformat()}{zone}"
        return f"from {clock_time(self.start, self.zone)} to {clock_time(self.end, self.zone)}"


def clock_time(moment: datetime, zone: ZoneInfo) -> str:
    """Returns a time as texts show it: RFC 3339 with the offset of the zone, "Z" in UTC."""
    text = moment.astimezone(zone).isoformat()
    return text.replace("+00:00", "Z") if zone.key == "UTC" else text


def whole_data(first: datetime, last: datetime, zone: ZoneInfo) -> Period:
    """Returns the time from the first reading to the last, both in it, in whole minutes.

    At least two of them: from one minute to the next reads like a moment.
    """
    start, end = first.replace(second=0, microsecond=0), last.replace(second=0, microsecond=0) + _MINUTE
    return Period(start, max(end, start + 2 * _MINUTE), zone)


def last_complete(
    kind: Calendar, first: datetime, last: datetime, step: timedelta | None, now: datetime, zone: ZoneInfo
) -> Period | None:
    """Returns the last stretch of the calendar that the data reach over, or `None` where there is none.

    Args:
        kind: Which.
        first: Of the first reading.
        last: Of the last reading.
        step: How far apart readings are, if that is even: the last hour of a day needs no reading of the next day.
        now: The present; what has not ended is not complete, whatever strange clocks sent.
        zone: Of midnight.
    """
    if kind is Calendar.ALL:
        return whole_data(first, last, zone)
    reached = min(last + (step or _TICK), now)
    start = _floor(kind, reached.astimezone(zone), zone)
    end = start
    start = _floor(kind, (start - _TICK).astimezone(zone), zone)
    return Period(start, end, zone) if end > first else None


def _floor(kind: Calendar, local: datetime, zone: ZoneInfo) -> datetime:
    """Returns the start of the stretch that holds a local time, in UTC."""
    if kind is Calendar.HOUR:
        # Not replace(): the hour that a clock repeats in autumn is two hours.
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        return local.astimezone(UTC) - into
    day = local.date()
    if kind is Calendar.WEEK:
        day -= timedelta(days=day.weekday())
    if kind is Calendar.MONTH:
        day = day.replace(day=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _is_midnight(local: datetime) -> bool:
    return (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0)
