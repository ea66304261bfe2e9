"""Protos of the validator to its own words and back."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from dataflow.validator.v1 import contract_pb2
from dataflow_mesh.errors import InvalidRequestError
from dataflow_validator.catalog.contract_messages import read_spec, spec_message
from dataflow_validator.contracts.spec import (
    Coercion,
    ConflictRule,
    ContractSpec,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    Json,
    UnknownFields,
)
from dataflow_validator.errors import ContractInvalidError
from dataflow_validator.json_messages import from_value, read_json, to_value
from dataflow_validator.time_messages import (
    from_duration,
    from_timestamp,
    microseconds,
    moment_of,
    to_duration,
    to_timestamp,
)
from google.protobuf import struct_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

_MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
_JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | st.integers(-(2**53), 2**53) | st.floats(-1e300, 1e300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(_MOMENTS)
def test_moments_survive_the_way_out_and_in(moment: datetime) -> None:
    """To the microsecond, as messages and in page tokens."""
    assert from_timestamp(to_timestamp(moment), "x") == moment
    assert moment_of(microseconds(moment)) == moment


@pytest.mark.parametrize(
    ("nanos", "micros"), [(0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2), (999_999_999, 1_000_000)]
)
def test_parts_of_a_microsecond_round_up(nanos: int, micros: int) -> None:
    """So that "from" leaves out what is before, and "before" keeps it."""
    assert microseconds(from_timestamp(Timestamp(seconds=7, nanos=nanos), "x")) == 7_000_000 + micros


@pytest.mark.parametrize("seconds", [2**62, -(2**62), 253_402_300_800])
def test_moments_that_cannot_be_stored_are_refused(seconds: int) -> None:
    """The field is named."""
    with pytest.raises(InvalidRequestError) as caught:
        from_timestamp(Timestamp(seconds=seconds), "filter.start_time")
    assert caught.value.violations[0][0] == "filter.start_time"


@pytest.mark.parametrize(
    "length", [timedelta(0), timedelta(microseconds=1), timedelta(days=400, microseconds=-1), timedelta(seconds=-5)]
)
def test_lengths_survive_the_way_out_and_in(length: timedelta) -> None:
    """To the microsecond, whatever their sign."""
    assert from_duration(to_duration(length), "x") == length


@pytest.mark.parametrize("message", [Duration(nanos=1), Duration(seconds=2**62)])
def test_lengths_that_cannot_be_told_are_refused(message: Duration) -> None:
    """Neither rounded to nothing nor cut."""
    with pytest.raises(InvalidRequestError):
        from_duration(message, "window")


@given(_JSON)
def test_json_survives_the_way_out_and_in(value: Json) -> None:
    """Numbers by value."""
    assert from_value(to_value(value)) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [(10**400, str(10**400)), (math.inf, "inf"), ("9" * 500, "9" * 500)],
)
def test_numbers_that_are_no_double_become_text(value: Json, written: str) -> None:
    """Nothing is rounded to infinity."""
    assert to_value(value) == struct_pb2.Value(string_value=written)


def test_numbers_too_long_for_python_are_read_as_text() -> None:
    """Postgres writes 1e5000 in full."""
    assert read_json("[" + "9" * 5000 + ", 5]") == ["9" * 5000, 5]


def test_deep_values_end_in_text() -> None:
    """A decoder that stops at 100 nested messages can read every value."""
    value: Json = 1
    for _ in range(120):
        value = {"a": value}
    message = to_value(value)
    assert struct_pb2.Value.FromString(message.SerializeToString()) == message
    for _ in range(24):
        message = message.struct_value.fields["a"]
    assert message.string_value.startswith('{"a": ')


_FULL = ContractSpec(
    "full",
    fields=(
        FieldSpec(
            "i", FieldType.INTEGER, required=False, nullable=True, has_default=True, default=None, min=-5, max=10**12
        ),
        FieldSpec("n", FieldType.NUMBER, has_default=True, default=1.5, unit="°C", min=0.5, max=9.0),
        FieldSpec("s", FieldType.STRING, enum=("a", "b"), pattern="^a", min_length=0, max_length=9, description="what"),
        FieldSpec("/a/b", FieldType.OBJECT, required=False),
        FieldSpec("ts", FieldType.INTEGER),
    ),
    json_schema={"properties": {"s": {"type": "string"}}},
    identity=("s", "ts"),
    event_time="ts",
    event_time_format=EventTimeFormat.EPOCH_MS,
    event_time_min=datetime(2020, 1, 1, tzinfo=UTC),
    event_time_ahead=timedelta(hours=1),
    unknown=UnknownFields.REJECT,
    coerce=Coercion.LOSSLESS,
    conflict=ConflictRule.BOTH,
    dedupe_window=timedelta(hours=3),
    description="all of it",
)


def test_a_contract_survives_the_way_out_and_in() -> None:
    """Nothing that a request can say is lost."""
    assert read_spec("full", spec_message(_FULL)) == _FULL


def test_what_is_unset_has_the_documented_meaning() -> None:
    """IGNORE, STRICT, FIRST, by magnitude, from 1970 on, a day ahead, seven days of memory."""
    spec = read_spec(
        "x", contract_pb2.ContractSpec(fields=[contract_pb2.Field(name="a", type=contract_pb2.FIELD_TYPE_NUMBER)])
    )
    assert (spec.unknown, spec.coerce, spec.conflict) == (UnknownFields.IGNORE, Coercion.STRICT, ConflictRule.FIRST)
    assert (spec.event_time, spec.event_time_format) == (None, EventTimeFormat.AUTO)
    assert (spec.event_time_min.year, spec.event_time_ahead, spec.dedupe_window) == (
        1970,
        timedelta(days=1),
        timedelta(days=7),
    )
    assert spec.fields == (FieldSpec("a", FieldType.NUMBER),)


def test_a_schema_alone_gives_fields_that_add_no_rule() -> None:
    """The schema judges, the fields name columns."""
    schema = '{"type": "object", "properties": {"t": {"type": "number"}}}'
    spec = read_spec("x", contract_pb2.ContractSpec(json_schema=schema))
    assert spec.fields_from_schema
    assert [(field.name, field.type) for field in spec.fields] == [("t", FieldType.NUMBER)]


def test_a_schema_that_is_no_json_is_refused() -> None:
    """CONTRACT_INVALID, with the problem as a violation."""
    with pytest.raises(ContractInvalidError) as caught:
        read_spec("x", contract_pb2.ContractSpec(json_schema="{"))
    assert caught.value.violations
