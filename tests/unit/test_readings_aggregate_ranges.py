"""Which times are read from where: each moment from one source, and from rollups only where they are whole and unmarked."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dataflow_validator.readings import aggregate_ranges
from dataflow_validator.readings.aggregate import DAY, HOUR, Windows
from dataflow_validator.readings.aggregate_ranges import BEGINNING, END, Range, Sources, sources

_DAY = datetime(2024, 2, 28, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


def at(hours: float) -> datetime:
    return _DAY + hours * HOUR


def cut(start: datetime | None = None, end: datetime | None = None, **parts: object) -> Sources:
    given = {"longest": DAY, "rollups_from": None, "rows_from": None, "dirty": {}} | parts
    return sources(start, end, **given)  # type: ignore[arg-type]


def inside(ranges: list[Range], moment: datetime) -> int:
    return sum(begin <= moment < end for begin, end in ranges)


def test_whole_days_hours_and_the_rest_come_from_days_hours_and_rows() -> None:
    """The edges of a range go down from days over hours to rows."""
    found = cut(at(-1.5), at(49.5))
    assert found.rows == [(at(-1.5), at(-1)), (at(49), at(49.5))]
    assert found.hours == [(at(-1), at(0)), (at(48), at(49))]
    assert found.days == [(at(0), at(48))]


def test_an_open_range_comes_from_days() -> None:
    """Without a start and an end everything is whole."""
    assert cut() == Sources(days=[(BEGINNING, END)])


def test_a_range_within_an_hour_comes_from_rows() -> None:
    """No rollup is small enough."""
    assert cut(at(1.2), at(1.8)) == Sources(rows=[(at(1.2), at(1.8))])
    assert cut(at(1.2), at(2.8)) == Sources(rows=[(at(1.2), at(2.8))])


def test_a_marked_hour_is_read_from_rows_and_splits_its_day() -> None:
    """Neighbouring marked hours are one range."""
    found = cut(at(0), at(48), dirty={at(5): None, at(6): None})
    assert found.rows == [(at(5), at(7))]
    assert found.hours == [(at(0), at(5)), (at(7), at(24))]
    assert found.days == [(at(24), at(48))]


def test_marked_devices_are_read_from_rows_alone() -> None:
    """In a whole day the device's day, in single hours its hours."""
    found = cut(at(0), at(25), dirty={at(5): ["a"], at(6): ["a"], at(24): ["b"]})
    assert not found.rows
    assert found.day_devices == [(at(0), "a")]
    assert found.hour_devices == [(at(24), "b")]


def test_many_marked_devices_are_read_as_whole_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The most marked hours first, until few devices are left."""
    monkeypatch.setattr(aggregate_ranges, "_MAX_PAIRS", 3)
    found = cut(at(0), at(24), dirty={at(5): ["a", "b"], at(6): ["a", "b", "c"], at(7): ["a"]})
    assert found.rows == [(at(6), at(7))]
    assert found.hour_devices == [(at(5), "a"), (at(5), "b"), (at(7), "a")]


def test_rollups_of_removed_rows_are_final() -> None:
    """Marks of a time whose rows are gone count for nothing; before the first rollup there are only rows."""
    found = cut(None, at(72), rows_from=at(48), rollups_from=at(24), dirty={at(30): None, at(50): None})
    assert found.rows == [(BEGINNING, at(24)), (at(50), at(51))]
    assert found.days == [(at(24), at(48))]


@pytest.mark.parametrize("seed", range(20))
def test_each_moment_is_read_once(seed: int) -> None:
    """Of every device, whatever is marked, at every level."""
    rng = random.Random(seed)
    start, end = (at(rng.choice((rng.randrange(-30, 60), rng.uniform(-30, 60)))) for _ in range(2))
    dirty = {
        at(hour): rng.choice((None, ["a"], ["a", "b"], []))
        for hour in rng.sample(range(-30, 60), rng.choice((0, 3, 30)))
    }
    found = cut(start, end, longest=rng.choice((HOUR, DAY)), dirty=dirty)
    moment = at(-30)
    while moment < at(60):
        hour, day = moment.replace(minute=0), moment.replace(hour=0, minute=0)
        for device in ("a", "c"):
            days = inside(found.days, moment) and (day, device) not in found.day_devices
            hours = inside(found.hours, moment) and (hour, device) not in found.hour_devices
            alone = (day, device) in found.day_devices or (hour, device) in found.hour_devices
            times = inside(found.rows, moment) + int(bool(days)) + int(bool(hours)) + alone
            assert times == (start <= moment < end)
            marked = dirty.get(hour, [])
            if marked is None or device in marked:
                assert not days
                assert not hours
        moment += 20 * _MINUTE


@pytest.mark.parametrize(
    ("windows", "length", "whole"),
    [
        (Windows(DAY, DAY), DAY, True),
        (Windows(DAY, 6 * HOUR), DAY, False),
        (Windows(DAY, 6 * HOUR), HOUR, True),
        (Windows(DAY, DAY, HOUR), DAY, False),
        (Windows(DAY, DAY, -HOUR), HOUR, True),
        (Windows(HOUR, HOUR, _MINUTE), HOUR, False),
        (Windows(DAY, DAY, zone=ZoneInfo("Europe/Berlin")), DAY, False),
        (Windows(DAY, DAY, zone=ZoneInfo("Europe/Berlin")), HOUR, True),
        (Windows(DAY, DAY, zone=ZoneInfo("Asia/Kolkata")), HOUR, False),
        (Windows(DAY, DAY, zone=ZoneInfo("Australia/Lord_Howe")), HOUR, False),
    ],
)
def test_windows_are_made_of_whole_rollups_or_not(windows: Windows, length: timedelta, whole: bool) -> None:
    """A rollup fits where no window begins within it, in the whole range."""
    assert windows.of_whole(length, None, None) is whole


@pytest.mark.parametrize("step", [HOUR, DAY, timedelta(days=7), timedelta(minutes=7), timedelta(days=4_000)])
@pytest.mark.parametrize("offset", [timedelta(), timedelta(hours=5), timedelta(hours=-30)])
def test_windows_have_their_origin_before_all_readings(step: timedelta, offset: timedelta) -> None:
    """And a whole number of steps away from 1970 plus the offset."""
    origin = Windows(step, step, offset).origin
    assert origin < datetime(1900, 1, 1, tzinfo=UTC)
    assert (datetime(1970, 1, 1, tzinfo=UTC) + offset - origin) % step == timedelta()
