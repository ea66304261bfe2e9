"""What relative and incomplete times lean on: the present, the asker's zone and calendar, and the time that the data cover.

Calendar times are kept in the asker's zone. Adding a day to such a time moves its date, however many hours the day has; only
`utc` makes the instant of it.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.english.moments import Moment, TimeError

_YEARS_BACK: Final = 8


@dataclass(frozen=True, slots=True)
class Clock:
    """The present and the data, seen from one zone.

    Attributes:
        now: The present, UTC.
        first: First event time of the data, if known.
        last: Last event time of the data, if known.
        zone: Whose days and hours are meant.
    """

    now: datetime
    first: datetime | None
    last: datetime | None
    zone: ZoneInfo

    @property
    def today(self) -> datetime:
        """The beginning of the present day in the zone."""
        return self.midnight(self.now)

    @property
    def first_day(self) -> date | None:
        """The day of the first event in the zone."""
        return None if self.first is None else self.first.astimezone(self.zone).date()

    @property
    def last_day(self) -> date | None:
        """The day of the last event in the zone."""
        return None if self.last is None else self.last.astimezone(self.zone).date()

    def midnight(self, moment: datetime) -> datetime:
        """Returns the beginning of a time's day in the zone."""
        return moment.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)

    def at(self, year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
        """Returns a time of the zone.

        Raises:
            TimeError: There is no such date.
        """
        try:
            return datetime(year, month, day, hour, minute, second, tzinfo=self.zone)
        except ValueError as error:
            raise TimeError("That date does not exist.") from error

    def day(self, moment: datetime) -> Moment:
        """Returns the whole day of a time."""
        start = self.midnight(moment)
        return Moment(start, start + timedelta(days=1))

    def month(self, year: int, month: int, count: int = 1) -> Moment:
        """Returns whole months."""
        after_year, after = divmod(year * 12 + month - 1 + count, 12)
        return Moment(self.at(year, month, 1), self.at(after_year, after + 1, 1))

    def year(self, year: int) -> Moment:
        """Returns a whole year."""
        return Moment(self.at(year, 1, 1), self.at(year + 1, 1, 1))

    def year_of(self, month: int, day: int) -> int | None:
        """Returns the year that a date without one means: the only one in the data, else the latest that is past."""
        first, last = self.first_day, self.last_day
        if first is not None and last is not None:
            fitting = [
                year
                for year in range(first.year, last.year + 1)
                if _valid(year, month, day) and first <= date(year, month, day) <= last
            ]
            if len(fitting) == 1:
                return fitting[0]
            if first.year == last.year and _valid(first.year, month, day):
                return first.year
            # The first of a month is its name, too: the month may begin before the data do.
            in_month = [
                year
                for year in range(first.year, last.year + 1)
                if day == 1 and date(year, month, 1) <= last and date(year, month, monthrange(year, month)[1]) >= first
            ]
            if len(in_month) == 1:
                return in_month[0]
        today = self.today.date()
        for year in range(today.year, today.year - _YEARS_BACK, -1):
            if _valid(year, month, day) and date(year, month, day) <= today:
                return year
        return None

    def month_of_data(self) -> tuple[int, int] | None:
        """Returns year and month when all data lie in one."""
        if self.first is None or self.last is None:
            return None
        # Far from UTC, a month that is whole in UTC reaches some hours into another.
        for zone in (self.zone, UTC):
            first, last = self.first.astimezone(zone), self.last.astimezone(zone)
            if (first.year, first.month) == (last.year, last.month):
                return first.year, first.month
        return None

    def back(self, count: int, unit: str) -> datetime:
        """Returns the time so long before the present: hours and days of fixed length, months and years of the calendar.

        Raises:
            TimeError: It lies before all time.
        """
        now = self.now.astimezone(self.zone)
        seconds = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
        try:
            if unit in seconds:
                return self.now - timedelta(seconds=count * seconds[unit])
            year, month = divmod(now.year * 12 + now.month - 1 - count * (12 if unit == "year" else 1), 12)
            day = min(now.day, monthrange(year, month + 1)[1])
            return now.replace(year=year, month=month + 1, day=day)
        except (OverflowError, ValueError) as error:
            raise TimeError("That lies before every time that can be stored.") from error


def utc(moment: datetime) -> datetime:
    """Returns the instant of a calendar time; one that a clock change skips is the instant of the change.

    Raises:
        TimeError: It lies outside all time that can be stored.
    """
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise TimeError("That lies outside the time that can be stored.") from error


def _valid(year: int, month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]
