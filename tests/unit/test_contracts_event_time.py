"""Event times in every spelling that devices use."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from dataflow_validator.contracts.event_time import Bounds, compile_reader, read_moment
from dataflow_validator.contracts.spec import EPOCH, EventTimeFormat
from hypothesis import given
from hypothesis import strategies as st

BASE = datetime(2014, 1, 1, 4, 5, 6, tzinfo=UTC)
MS = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2014-01-01T04:05:06Z", BASE),
        ("2014-01-01t04:05:06z", BASE),
        ("2014-01-01 04:05:06Z", BASE),
        ("2014-01-01T06:05:06+02:00", BASE),
        ("2014-01-01T04:05:06-00:00", BASE),
        ("2014-01-01T04:05:06.5Z", BASE + 500 * MS),
        ("2014-01-01T04:05:06.050Z", BASE + 50 * MS),
        ("2014-01-01T04:05:06.000001Z", BASE + timedelta(microseconds=1)),
        ("2014-01-01T04:05:06.0000019Z", BASE + timedelta(microseconds=1)),
        ("2014-01-01T04:05:06." + "0" * 30 + "Z", BASE),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2017-01-01T01:59:60.25+02:00", datetime(2017, 1, 1, tzinfo=UTC) + 250 * MS),
        (1388549106, BASE),
        (1388549106.5, BASE + 500 * MS),
        (1388549106000, BASE),
        (1388549106000000, BASE),
        (0, EPOCH),
        (-1, EPOCH - timedelta(seconds=1)),
        (-0.0000005, EPOCH - timedelta(microseconds=1)),
        (1388549106000000000, BASE),
        ("2014-01-01T04:05Z", BASE - timedelta(seconds=6)),
        ("20140101T040506Z", BASE),
        ("2014-01-01T040506.5Z", BASE + 500 * MS),
        ("2014-0101T04:05:06Z", BASE),
        ("2014/01/01 04:05:06 UTC", BASE),
        ("2014-01-01T04:05:06,5Z", BASE + 500 * MS),
        ("2014-01-01 04:05:06 +0000", BASE),
        ("2014-01-01T06:05:06+0200", BASE),
        ("2014-01-01T06:05:06+02", BASE),
    ],
)
def test_moments_are_read(value: object, time: datetime) -> None:
    """ISO 8601 in the forms that name one moment, and epoch numbers by magnitude."""
    for read in (read_moment, compile_reader(EventTimeFormat.AUTO)):
        moment = read(value)
        assert moment is not None
        assert moment.time == time
        assert moment.time.tzinfo is not None
        assert not moment.zone_assumed


@pytest.mark.parametrize(
    "value", ["2014-01-01T04:05:06", "2014-01-01 04:05:06", "2014-01-01 04:05:06.0", "20140101T040506"]
)
def test_a_missing_zone_is_utc_and_flagged(value: str) -> None:
    """Text without a zone is taken as UTC, and said so."""
    moment = compile_reader(EventTimeFormat.AUTO)(value)
    assert moment is not None
    assert (moment.time, moment.zone_assumed) == (BASE, True)


def test_a_date_alone_is_its_midnight() -> None:
    """In UTC, and flagged as having no zone."""
    moment = read_moment("2014-01-01")
    assert moment is not None
    assert (moment.time, moment.zone_assumed) == (datetime(2014, 1, 1, tzinfo=UTC), True)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2014-01-01T04:05:06Z", True),
        ("2014-01-01 06:05:06.000+02:00", True),
        ("2014-01-01T04:05:06", False),
        ("2014-01-01T04:05Z", False),
        ("20140101T040506Z", False),
        ("2014-01-01", False),
        (1388549106, False),
    ],
)
def test_declared_rfc3339_is_its_letter_with_a_zone(value: object, read: bool) -> None:
    """Local time and other forms are not read."""
    assert (compile_reader(EventTimeFormat.RFC3339)(value) is not None) is read


@pytest.mark.parametrize(
    "value",
    [
        "",
        "now",
        "20140101",
        "20140101040506Z",
        "2014-01-01Z",
        "2014-01-01T04Z",
        "01/02/2014 04:05",
        "2014-W01-1T04:05:06Z",
        "2014-01-01T04:05:06.Z",
        "2014-01-01T24:00:00Z",
        "2014-02-30T00:00:00Z",
        "2014-01-01T04:05:60Z",
        "2014-01-01T04:60:06Z",
        "2014-01-01T04:05:06+2",
        "2014-01-01T04:05:06+25:00",
        "2014-01-01T04:05:06+02:60",
        "2014-01-01T04:05:06Zulu",
        " 2014-01-01T04:05:06Z",
        "2014-01-01T04:05:06Z\n",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "\u0662014-01-01T04:05:06Z",
        "1388549106",
        1e30,
        10**20,
        -(10**400),
        True,
        None,
        [],
        {},
        float("1e300"),
    ],
)
def test_what_is_no_moment_is_refused(value: object) -> None:
    """Nothing is guessed."""
    assert read_moment(value) is None
    assert compile_reader(EventTimeFormat.AUTO)(value) is None


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (EventTimeFormat.EPOCH_S, 1388549106),
        (EventTimeFormat.EPOCH_S, "1388549106"),
        (EventTimeFormat.EPOCH_MS, 1388549106000),
        (EventTimeFormat.EPOCH_MS, 1388549106000.0),
        (EventTimeFormat.EPOCH_US, "1388549106000000"),
    ],
)
def test_a_declared_epoch_format_is_taken_at_its_word(written: EventTimeFormat, value: object) -> None:
    """A declared unit needs no guess by magnitude, and reads digits in text as well."""
    moment = read_moment(value, written)
    assert moment is not None
    assert moment.time == BASE
    assert read_moment("2014-01-01T04:05:06Z", written) is None
    assert read_moment(5, EventTimeFormat.RFC3339) is None


def test_small_milliseconds_are_milliseconds_when_declared() -> None:
    """By magnitude 1000 is seconds; declared as milliseconds it is one second."""
    moment = read_moment(1000, EventTimeFormat.EPOCH_MS)
    assert moment is not None
    assert moment.time == EPOCH + timedelta(seconds=1)


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9990, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["T", "t", " "]),
    st.integers(-14 * 60, 14 * 60),
    st.integers(0, 6),
)
def test_round_trip_through_text(naive: datetime, separator: str, offset: int, digits: int) -> None:
    """Whatever isoformat writes, in any zone, comes back as the same moment."""
    zone = timezone(timedelta(minutes=offset))
    time = naive.replace(tzinfo=zone, microsecond=naive.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits))
    text = f"{time:%Y-%m-%d}{separator}{time:%H:%M:%S}"
    text = text.rjust(19, "0") + (f".{time.microsecond:06d}"[: digits + 1] if digits else "") + time.isoformat()[-6:]
    moment = compile_reader(EventTimeFormat.AUTO)(text)
    assert moment is not None
    assert moment.time == time
    assert moment.finer == ""


def test_digits_below_a_microsecond_stay_apart() -> None:
    """Moments that differ by nanoseconds, and a leap second and its follower, are told apart by `finer`."""
    spellings = [
        "2016-12-31T23:59:60Z",
        "2017-01-01T00:00:00Z",
        "2017-01-01T00:00:00.0000001Z",
        "2017-01-01T00:00:00.0000002Z",
    ]
    moments = [read_moment(spelling) for spelling in spellings]
    assert len({moment and moment.time for moment in moments}) == 1
    assert len({moment and moment.finer for moment in moments}) == 4


def test_bounds_include_their_ends() -> None:
    """The epoch itself and exactly one day ahead are accepted, a microsecond more is not."""
    bounds = Bounds(EPOCH, None, timedelta(days=1))
    tick = timedelta(microseconds=1)
    for moment, within in (
        (EPOCH, True),
        (EPOCH - tick, False),
        (BASE + timedelta(days=1), True),
        (BASE + timedelta(days=1) + tick, False),
    ):
        assert bounds.hold(moment, BASE) is within
        assert (not bounds.reasons(("ts",), "x", moment, BASE)) is within
    fixed = Bounds(EPOCH, BASE, timedelta(days=1))
    assert fixed.hold(BASE, BASE)
    assert not fixed.hold(BASE + tick, BASE)
    assert [why.rule for why in fixed.reasons(("ts",), "x", BASE + tick, BASE)] == ["eventTimeMaximum"]
