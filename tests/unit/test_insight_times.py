"""Times in questions: zones and clock changes, relative times, parts of every day, days of the week, lists."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from dataflow_insight.english.clock import Clock
from dataflow_insight.english.moments import TimeError, VagueTimeError
from dataflow_insight.english.sheet import Sheet
from dataflow_insight.english.times import read_times, scope_times
from dataflow_insight.english.zones import read_zone
from dataflow_insight.plans.plan import DayTime, TimeRange

NOW = datetime(2014, 1, 22, 12, 30, tzinfo=UTC)  # a Wednesday
FIRST, LAST = datetime(2014, 1, 1, tzinfo=UTC), datetime(2014, 1, 31, 23, tzinfo=UTC)

Scoped = tuple[tuple[TimeRange, ...], tuple[DayTime, ...], tuple[int, ...]]


def scoped(text: str, zone: str = "UTC", now: datetime = NOW, *, covered: bool = True) -> Scoped:
    """Returns stretches, parts of the day and weekdays of a question over January 2014."""
    sheet = Sheet(text)
    own = read_zone(sheet, ZoneInfo(zone), [])
    clock = Clock(now, FIRST if covered else None, LAST if covered else None, own)
    return scope_times(sheet, read_times(sheet, clock, []))


def span(start: str | None, end: str | None) -> TimeRange:
    """Returns a stretch from texts in UTC."""
    return TimeRange(*(datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None for text in (start, end)))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("16 Jan", "2014-01-16", "2014-01-17"),
        ("Jan 16th", "2014-01-16", "2014-01-17"),
        ("on the 16th of January", "2014-01-16", "2014-01-17"),
        ("on the 16th", "2014-01-16", "2014-01-17"),
        ("on 16.1.2014", "2014-01-16", "2014-01-17"),
        ("on 2014/01/16", "2014-01-16", "2014-01-17"),
        ("on 16-Jan-2014", "2014-01-16", "2014-01-17"),
        ("2014年1月16日", "2014-01-16", "2014-01-17"),
        ("on 05/01/2014", "2014-01-05", "2014-01-06"),
        ("on Thursday, 16 January", "2014-01-16", "2014-01-17"),
        ("on New Year's Day", "2014-01-01", "2014-01-02"),
        ("from 3 to 5 January", "2014-01-03", "2014-01-06"),
        ("Jan 16 - Jan 18", "2014-01-16", "2014-01-19"),
        ("8.-14. January 2014", "2014-01-08", "2014-01-15"),
        ("between 10 and 14 January, inclusive", "2014-01-10", "2014-01-15"),
        ("between 2014-01-05 and 2014-01-09, both days included", "2014-01-05", "2014-01-10"),
        ("in the first week of January", "2014-01-01", "2014-01-08"),
        ("in the second week of January (8-14)", "2014-01-08", "2014-01-15"),
        ("in the last week of January", "2014-01-25", "2014-02-01"),
        ("in the first half of the month", "2014-01-01", "2014-01-16"),
        ("in the second half of January 2014 (from the 16th on)", "2014-01-16", "2014-02-01"),
        ("in Q1 2014", "2014-01-01", "2014-04-01"),
        ("on the first Monday of January", "2014-01-06", "2014-01-07"),
        ("on the last Friday in January 2014", "2014-01-31", "2014-02-01"),
        ("in week 3 of 2014", "2014-01-13", "2014-01-20"),
        ("in the week of 16 January", "2014-01-13", "2014-01-20"),
        ("between 6 and 9 in the morning on 2014-01-16", "2014-01-16T06:00", "2014-01-16T09:00"),
        ("on 16 January between 8 and 10 pm", "2014-01-16T20:00", "2014-01-16T22:00"),
        ("in the morning of 16 January", "2014-01-16T06:00", "2014-01-16T12:00"),
        ("in the night from 15 to 16 January", "2014-01-15T18:00", "2014-01-16T06:00"),
        ("on the first of January", "2014-01-01", "2014-01-02"),
        ("on the day after 16 January", "2014-01-17", "2014-01-18"),
        ("in the week ending 19 January", "2014-01-13", "2014-01-20"),
        ("in the 24 hours from 12:00 on 16 January", "2014-01-16T12:00", "2014-01-17T12:00"),
        ("in the 3 days before 16 January", "2014-01-13", "2014-01-16"),
        ("between 6 a.m. on January 16 and 6 a.m. on January 17", "2014-01-16T06:00", "2014-01-17T06:00"),
        ("from the beginning of January to the end of January", "2014-01-01", "2014-02-01"),
        ("on Friday evening", "2014-01-17T18:00", "2014-01-18"),
        ("yesterday", "2014-01-21", "2014-01-22"),
        ("the day before yesterday", "2014-01-20", "2014-01-21"),
        ("last night", "2014-01-21T18:00", "2014-01-22T06:00"),
        ("this morning", "2014-01-22T06:00", "2014-01-22T12:00"),
        ("last weekend", "2014-01-18", "2014-01-20"),
        ("Tuesday last week", "2014-01-14", "2014-01-15"),
        ("in the past 36 hours", "2014-01-21T00:30", "2014-01-22T12:30"),
        ("before 16 January", None, "2014-01-16"),
    ],
)
def test_a_stretch_of_time_in_many_spellings(text: str, start: str | None, end: str | None) -> None:
    """Absolute and relative times mean one stretch, whichever way they are written."""
    assert scoped(f"average temperature {text}?") == ((span(start, end),), (), ())


@pytest.mark.parametrize("text", ["since Monday", "this week", "from Monday until now"])
def test_times_that_lean_on_the_present_end_there(text: str) -> None:
    """Readings from devices whose clocks are ahead are not part of "since Monday"."""
    assert scoped(f"average temperature {text}") == ((span("2014-01-20", "2014-01-22T12:30"),), (), ())


@pytest.mark.parametrize(
    ("text", "zone", "start", "end"),
    [
        ("on 16 January 2014", "Asia/Shanghai", "2014-01-15T16:00", "2014-01-16T16:00"),
        ("at 18:00 on 16 January 2014", "Asia/Shanghai", "2014-01-16T10:00", "2014-01-16T10:01"),
        ("yesterday", "America/New_York", "2014-01-21T05:00", "2014-01-22T05:00"),
        ("on 2014-03-30", "Europe/Berlin", "2014-03-29T23:00", "2014-03-30T22:00"),
        ("on 2014-10-26", "Europe/Berlin", "2014-10-25T22:00", "2014-10-26T23:00"),
        ("on 2014-10-19", "America/Sao_Paulo", "2014-10-19T03:00", "2014-10-20T02:00"),
        ("between 01:00 and 04:00 on 2014-03-30", "Europe/Berlin", "2014-03-30T00:00", "2014-03-30T02:00"),
        ("at 2014-01-16T10:00:00+02:00", "Asia/Shanghai", "2014-01-16T08:00", "2014-01-16T08:00:01"),
        ("on 16 January 2014 UTC", "Asia/Shanghai", "2014-01-16", "2014-01-17"),
        ("at 18:00Z on 16 January 2014", "Asia/Shanghai", "2014-01-16T18:00", "2014-01-16T18:01"),
        ("on 16 January 2014, Beijing time", "UTC", "2014-01-15T16:00", "2014-01-16T16:00"),
        ("on 16 January 2014 (Europe/Berlin)", "UTC", "2014-01-15T23:00", "2014-01-16T23:00"),
        ("on 16 January 2014, New York time", "UTC", "2014-01-16T05:00", "2014-01-17T05:00"),
        ("in January", "Pacific/Auckland", "2013-12-31T11:00", "2014-01-31T11:00"),
    ],
)
def test_days_and_hours_are_those_of_the_zone(text: str, zone: str, start: str, end: str) -> None:
    """Local days of 23, 24 and 25 hours become instants; a zone in the question wins over the asker's."""
    assert scoped(f"average temperature {text}", zone, datetime(2014, 1, 22, 12, 30, tzinfo=UTC))[0] == (
        span(start, end),
    )


def test_a_zone_that_letters_leave_open_is_asked_for() -> None:
    """Several zones are called EST, and an offset has no days of its own."""
    for text in ("at 18:00 EST", "on 16 January UTC+8"):
        with pytest.raises(TimeError, match="time zone"):
            scoped(f"average temperature {text}")


@pytest.mark.parametrize(
    ("text", "hours", "weekdays"),
    [
        ("between 22:00 and 06:00", (1320, 360), ()),
        ("from 22:00 until 06:00 (06:00 itself not included)", (1320, 360), ()),
        ("at night, 22:00 to 05:59", (1320, 360), ()),
        ("at night", (1320, 360), ()),
        ("in the mornings", (360, 720), ()),
        ("in the afternoons, on average, from 12:00 to before 18:00", (720, 1080), ()),
        ("during the day", (360, 1080), ()),
        ("between 7am and 10am", (420, 600), ()),
        ("from 9 a.m. to 5 p.m.", (540, 1020), ()),
        ("between 8 in the morning and 5 in the afternoon", (480, 1020), ()),
        ("between 18:00 and midnight", (1080, 1440), ()),
        ("between midnight and 6", (0, 360), ()),
        ("from noon to 3", (720, 900), ()),
        ("from noon till six", (720, 1080), ()),
        ("between eight and ten in the morning", (480, 600), ()),
        ("not at night", (360, 1320), ()),
        ("outside of 06:00-22:00", (1320, 360), ()),
        ("at noon (12:00)", (720, 721), ()),
        ("before 8 am", (0, 480), ()),
        ("after 22:00", (1321, 1440), ()),
        ("on weekdays (Mon-Fri)", None, (1, 2, 3, 4, 5)),
        ("on working days", None, (1, 2, 3, 4, 5)),
        ("at the weekend", None, (6, 7)),
        ("on Mondays", None, (1,)),
        ("during working hours (8:00-18:00) on weekdays", (480, 1080), (1, 2, 3, 4, 5)),
        ("excluding weekends", None, (1, 2, 3, 4, 5)),
        ("except on Sundays", None, (1, 2, 3, 4, 5, 6)),
        ("excluding nights", (360, 1320), ()),
        ("on Mondays and Wednesdays", None, (1, 3)),
        ("Friday to Sunday", None, (5, 6, 7)),
        ("on weekends in the evening", (1080, 1440), (6, 7)),
        ("on Friday evenings", (1080, 1440), (5,)),
        ("on weekday mornings", (360, 720), (1, 2, 3, 4, 5)),
    ],
)
def test_what_comes_again_is_a_filter(text: str, hours: tuple[int, int] | None, weekdays: tuple[int, ...]) -> None:
    """Hours without a date are those of every day, weekdays in the plural those of every week."""
    day_times = (DayTime(*hours),) if hours else ()
    assert scoped(f"average temperature {text}") == ((), day_times, weekdays)


@pytest.mark.parametrize(
    "text",
    [
        "on 3 and 5 January",
        "on Jan 3 and Jan 5",
        "on January 3 and 5, 2014",
        "on 2014-01-03 and 2014-01-05",
        "on the 3rd and the 5th of January",
        "on the 3rd and 5th",
    ],
)
def test_listed_days_are_taken_together(text: str) -> None:
    """Several days in a list are several stretches."""
    days = (span("2014-01-03", "2014-01-04"), span("2014-01-05", "2014-01-06"))
    assert scoped(f"average temperature {text}")[0] == days


def test_hours_of_several_days_are_a_filter_over_them() -> None:
    """Hours belong to each of the days that are listed, or to each day of a longer stretch."""
    days = (span("2014-01-03", "2014-01-04"), span("2014-01-05", "2014-01-06"))
    assert scoped("between 06:00 and 09:00 on Jan 3 and Jan 5") == (days, (DayTime(360, 540),), ())
    assert scoped("in the mornings of 3 to 9 January")[:2] == (
        (span("2014-01-03", "2014-01-10"),),
        (DayTime(360, 720),),
    )


def test_adjoining_stretches_become_one() -> None:
    """Two weeks that follow one another are one stretch for the query."""
    assert scoped("in January 2014 and February 2014")[0] == (span("2014-01-01", "2014-03-01"),)


@pytest.mark.parametrize(
    "text",
    [
        "during rush hour", "around noon", "in early January", "at lunch time", "a few hours ago", "on 02/03/2014",
        "late in the evening, late at night",
    ],
)  # fmt: skip
def test_vague_times_are_asked_back(text: str) -> None:
    """Only the asker knows which hours that are."""
    with pytest.raises(VagueTimeError):
        scoped(f"average temperature {text}")


@pytest.mark.parametrize(
    "text",
    [
        "on 2014-02-30", "on Friday 16 January 2014", "from 9 January to 3 January", "in the first week of January (2-9)",
        "in January compared with nothing in March", "in the 99999 weeks before 1900-01-01", "from 18:00 to 18:00",
    ],
)  # fmt: skip
def test_times_that_contradict_themselves_are_refused(text: str) -> None:
    """What cannot be, or is said in two ways that differ, is not guessed."""
    with pytest.raises(TimeError):
        scoped(f"average temperature {text}")


def test_a_date_without_a_year_is_in_the_data() -> None:
    """The year is that of the data, however long ago; without data it is the latest one that is past."""
    later = datetime(2026, 11, 21, tzinfo=UTC)
    assert scoped("on 16 January", now=later)[0] == (span("2014-01-16", "2014-01-17"),)
    assert scoped("on 24 December", now=later, covered=False)[0] == (span("2025-12-24", "2025-12-25"),)
