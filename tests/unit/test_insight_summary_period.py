"""Which stretch of time a summary is of: calendars, zones, clocks that change, data that do not reach far enough."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dataflow_insight.summaries.period import Calendar, Period, last_complete, whole_data

BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")
ZULU = ZoneInfo("UTC")
HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    """Reads a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_day_whose_last_reading_is_one_step_before_midnight_is_whole() -> None:
    """Hourly readings up to 23:00 cover the day; with one missing, the day before is the last whole one."""
    found = last_complete(Calendar.DAY, at("2014-01-01"), at("2014-01-31T23:00"), HOUR, NOW, ZULU)
    assert found == Period(at("2014-01-31"), at("2014-02-01"), ZULU)
    found = last_complete(Calendar.DAY, at("2014-01-01"), at("2014-01-31T22:00"), HOUR, NOW, ZULU)
    assert found == Period(at("2014-01-30"), at("2014-01-31"), ZULU)


def test_days_are_those_of_the_asker() -> None:
    """Readings up to 23:00 UTC end a day in Shanghai at 16:00 UTC."""
    found = last_complete(Calendar.DAY, at("2014-01-01"), at("2014-01-31T23:00"), HOUR, NOW, SHANGHAI)
    assert found == Period(at("2014-01-30T16:00"), at("2014-01-31T16:00"), SHANGHAI)
    assert found.words == "on 31 January 2014 (Asia/Shanghai)"


@pytest.mark.parametrize(
    ("kind", "start", "end", "words"),
    [
        (Calendar.HOUR, "2014-01-31T21:00", "2014-01-31T22:00", "from 21:00 to 22:00 on 31 January 2014"),
        (Calendar.WEEK, "2014-01-20", "2014-01-27", "from 20 January to 26 January 2014"),
        (Calendar.MONTH, "2013-12-01", "2014-01-01", "from 1 December to 31 December 2013"),
    ],
)
def test_calendar_has_hours_weeks_and_months(kind: Calendar, start: str, end: str, words: str) -> None:
    """The last whole stretch of each kind before half past ten at night on a Friday."""
    found = last_complete(kind, at("2013-11-15"), at("2014-01-31T22:30"), timedelta(minutes=1), NOW, ZULU)
    assert found == Period(at(start), at(end), ZULU)
    assert found.words == words


def test_day_on_which_clocks_change_has_25_hours() -> None:
    """In Berlin 2014-10-26 is 25 hours long; the hours that the clock repeats are two."""
    found = last_complete(Calendar.DAY, at("2014-10-01"), at("2014-10-27T05:00"), HOUR, NOW, BERLIN)
    assert found is not None
    assert found.length == timedelta(hours=25)
    hour = last_complete(Calendar.HOUR, at("2014-10-01"), at("2014-10-26T01:10"), None, NOW, BERLIN)
    assert hour == Period(at("2014-10-26T00:00"), at("2014-10-26T01:00"), BERLIN)


def test_what_has_not_ended_is_not_whole_whatever_was_sent() -> None:
    """A reading from next year does not make a day of the future."""
    found = last_complete(Calendar.DAY, at("2026-11-01"), at("2027-11-01"), HOUR, NOW, ZULU)
    assert found == Period(at("2026-11-20"), at("2026-11-21"), ZULU)


def test_less_than_a_day_has_no_whole_day() -> None:
    """Data that begin and end on one day have no whole day; all of them can still be summarised."""
    first, last = at("2014-01-31T08:00:00.5"), at("2014-01-31T09:00:00.25")
    assert last_complete(Calendar.DAY, first, last, None, NOW, ZULU) is None
    whole = whole_data(first, last, ZULU)
    assert whole == Period(at("2014-01-31T08:00:00"), at("2014-01-31T09:01:00"), ZULU)
    assert whole == last_complete(Calendar.ALL, first, last, None, NOW, ZULU)
    assert whole.start <= first
    assert last < whole.end


def test_time_before_is_as_long() -> None:
    """The stretch before a month is as many days."""
    period = Period(at("2014-03-01"), at("2014-04-01"), ZULU)
    assert period.before == at("2014-03-01") - timedelta(days=31)


def test_times_within_a_day_need_no_date_and_are_those_of_the_asker() -> None:
    """In a day the clock says it; in more than a day the date as well, and the year where two are meant."""
    day = Period(at("2014-01-15T16:00"), at("2014-01-16T16:00"), SHANGHAI)
    assert day.moment_words(at("2014-01-16T06:05:59")) == "at 14:05"
    assert day.stretch_words(at("2014-01-16T06:05"), at("2014-01-16T07:00")) == ("14:05", "15:00")
    week = Period(at("2014-01-13"), at("2014-01-20"), ZULU)
    assert week.moment_words(at("2014-01-16T06:05")) == "on 16 January at 06:05"
    assert week.stretch_words(at("2014-01-16T06:05"), at("2014-01-16T07:00")) == ("06:05", "07:00 on 16 January")
    found = week.stretch_words(at("2014-01-16T06:05"), at("2014-01-17T07:00"))
    assert found == ("16 January at 06:05", "17 January at 07:00")
    turn = Period(at("2013-12-30"), at("2014-01-06"), ZULU)
    assert turn.moment_words(at("2014-01-01T06:05")) == "on 1 January 2014 at 06:05"
    assert turn.words == "from 30 December 2013 to 5 January 2014"


@pytest.mark.parametrize(
    ("days", "words"),
    [(1.0, "the day before"), (7.0, "the week before"), (1 / 24, "the hour before"), (31.0, "in the time before")],
)
def test_time_before_is_named_by_its_length(days: float, words: str) -> None:
    """A day, a week and an hour have a name; every other length is the time before."""
    start = at("2014-03-01")
    assert Period(start, start + timedelta(days=days), ZULU).words_before == words
