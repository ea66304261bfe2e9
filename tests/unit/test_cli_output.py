"""Tables, times and texts as people see them."""

import json
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from dataflow_cli.moments import length_of_time, point_in_time
from dataflow_cli.output import age, json_text, moment, size, table, text, width
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_NOW = datetime(2014, 1, 16, 12, tzinfo=UTC)


def test_table_aligns_numbers_right_and_text_left() -> None:
    """Columns are as wide as their widest cell, also with wide characters."""
    assert table(("name", "n"), [("北京", 5), ("b", 10), ("c", None)]) == [
        "name   n",
        "----  --",
        "北京   5",
        "b     10",
        "c",
    ]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text())
def test_no_text_moves_the_cursor(value: str) -> None:
    """Whatever a device sent, a cell is one line of visible characters."""
    shown = text(value)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert width(shown) >= 0
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("value", "shown"), [(None, ""), (True, "yes"), (0.1 + 0.2, "0.3"), (2**63, str(2**63)), ({"a": 1}, '{"a": 1}')]
)
def test_values_are_shown_plainly(value: object, shown: str) -> None:
    """Rounding of floats is hidden, big integers are not bent."""
    assert text(value) == shown


def test_times_have_no_more_digits_than_needed() -> None:
    """Whole seconds stay short, microseconds stay exact, unset is empty."""
    assert moment(Timestamp(seconds=1389830400)) == "2014-01-16T00:00:00Z"
    assert moment(Timestamp(seconds=1389830400, nanos=120_000_000)) == "2014-01-16T00:00:00.12Z"
    assert moment(Timestamp()) == ""


def test_ages_and_sizes_have_units() -> None:
    """Numbers say what they are."""
    assert [age(Duration(nanos=2_500_000)), age(Duration(seconds=90)), age(Duration(seconds=600))] == [
        "2.5 ms",
        "90 s",
        "10 min",
    ]
    assert [size(12), size(2048), size(5 * 2**30)] == ["12 B", "2.0 KiB", "5.0 GiB"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30s", timedelta(seconds=30)),
        ("1h30m", timedelta(minutes=90)),
        ("500ms", timedelta(milliseconds=500)),
        ("7 d", timedelta(7)),
    ],
)
def test_lengths_of_time_are_read(written: str, meant: timedelta) -> None:
    """Units may be combined."""
    assert length_of_time(written) == meant


@pytest.mark.parametrize("written", ["", "1", "h", "1y", "-1h", "0s", "1h tomorrow", "9" * 30 + "w"])
def test_what_is_no_length_is_refused(written: str) -> None:
    """A number without a unit is not guessed at."""
    with pytest.raises(ValueError, match="is "):
        length_of_time(written)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2014-01-16", datetime(2014, 1, 16, tzinfo=UTC)),
        ("2014-01-16 08:00", datetime(2014, 1, 16, 8, tzinfo=UTC)),
        ("2014-01-16T08:00:00+08:00", datetime(2014, 1, 16, tzinfo=UTC)),
        ("1h", datetime(2014, 1, 16, 11, tzinfo=UTC)),
    ],
)
def test_points_in_time_are_read(written: str, meant: datetime) -> None:
    """Dates, RFC 3339 with and without zone, and how long ago."""
    assert point_in_time(written, _NOW) == meant


def test_what_is_no_time_names_the_forms() -> None:
    """The error shows how to write it."""
    with pytest.raises(ValueError, match="2014-01-16T08:00:00Z"):
        point_in_time("yesterday", _NOW)


def test_values_of_json_are_shown_as_json() -> None:
    """Null is null, and a count is no fraction, though protobuf keeps both its own way."""
    assert json_text(Value(null_value=0)) == "null"  # type: ignore[arg-type]
    shown = json_text(ParseDict({"rows": {"climate": 3}, "share": 0.5, "n": [1]}, Struct()))
    assert json.loads(shown) == {"rows": {"climate": 3}, "share": 0.5, "n": [1]}
    assert ".0" not in shown
