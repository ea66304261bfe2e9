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
        """As a sentence names it: "on 31 January 2014", "from 20 January to 26 January 2014"; with the zone if not UTC."""
        start, end = self.start.astimezone(self.zone), self.end.astimezone(self.zone)
        zone = "" if self.zone.key == "UTC" else f" ({self.zone.key.replace('_', ' ')})"
        if _is_midnight(start) and _is_midnight(end):
            last = end - timedelta(days=1)
            if last.date() == start.date():
                return f"on {_day(last, year=True)}{zone}"
            return f"from {_day(start, year=start.year != last.year)} to {_day(last, year=True)}{zone}"
        if start.date() == end.date():
            return f"from {_clock(start)} to {_clock(end)} on {_day(end, year=True)}{zone}"
        return f"from {_moment(start, year=start.year != end.year)} to {_moment(end, year=True)}{zone}"

    @property
    def words_before(self) -> str:
        """As a sentence names the time before: "the day before", where that is so long."""
        return _BEFORE.get(self.length, "in the time before")

    def moment_words(self, moment: datetime) -> str:
        """Returns a time within as short as it can be told: "at 14:05", "on 16 January at 14:05"."""
        local = moment.astimezone(self.zone)
        return f"at {_clock(local)}" if self._is_one_day else f"on {_moment(local, year=self._years)}"

    def stretch_words(self, first: datetime, last: datetime) -> tuple[str, str]:
        """Returns two times within, for "from ... to ..."; a day that both have is named once."""
        start, end = first.astimezone(self.zone), last.astimezone(self.zone)
        if self._is_one_day:
            return _clock(start), _clock(end)
        if start.date() == end.date():
            return _clock(start), f"{_clock(end)} on {_day(end, year=self._years)}"
        return _moment(start, year=self._years), _moment(end, year=self._years)

    @property
    def _is_one_day(self) -> bool:
        return self.start.astimezone(self.zone).date() == (self.end - _TICK).astimezone(self.zone).date()

    @property
    def _years(self) -> bool:
        """Whether a date without its year could be two days."""
        return self.start.astimezone(self.zone).year != (self.end - _TICK).astimezone(self.zone).year


_BEFORE: Final = {
    _HOUR: "the hour before",
    timedelta(days=1): "the day before",
    timedelta(days=7): "the week before",
}
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _day(local: datetime, *, year: bool) -> str:
    """Returns "16 January", with the year where it is wanted."""
    return f"{local.day} {_MONTHS[local.month - 1]}" + (f" {local.year:04d}" if year else "")


def _clock(local: datetime) -> str:
    """Returns the time of day in minutes."""
    return f"{local:%H:%M}"


def _moment(local: datetime, *, year: bool) -> str:
    return f"{_day(local, year=year)} at {_clock(local)}"


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
