"""Contracts that are proposed from what was seen."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.infer import Inferred, infer
from dataflow_validator.contracts.judge import compile_contract
from dataflow_validator.contracts.outcome import Accepted, Arrival
from dataflow_validator.contracts.sample import Message
from dataflow_validator.contracts.spec import FieldSpec, FieldType
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def messages(*contents: object, topic: str = "s/pump-1", device: str = "") -> list[Message]:
    return [
        Message(topic, content if isinstance(content, bytes) else json.dumps(content).encode(), device, NOW)
        for content in contents
    ]


def proposed(*contents: object, topic_filter: str = "s/+") -> dict[str, FieldSpec]:
    spec = infer("pump", messages(*contents), topic_filter).spec
    assert spec is not None
    return {item.name: item for item in spec.fields}


def accepted(inferred: Inferred, sample: list[Message]) -> int:
    """How many items of a sample the proposal accepts."""
    assert inferred.spec is not None
    contract = compile_contract(inferred.spec, 1)
    rule = DeviceRule.parse(inferred.device_rule)
    outcomes = [
        outcome
        for position, message in enumerate(sample)
        for outcome in contract.judge(
            Arrival(message.topic, message.device_id or None, message.payload, NOW, None, False, b"b" * 16, position),
            rule,
        )
    ]
    return sum(isinstance(outcome, Accepted) for outcome in outcomes)


def test_types_come_from_all_values() -> None:
    """An integer now and a number then is a number; members of objects get pointers."""
    fields = proposed(
        {"n": 1, "x": 1, "b": True, "s": "on", "o": {"p": {"q": 1.5}}, "a": [1], "z": None},
        {"n": 2, "x": 1.5, "b": False, "s": "off", "o": {"p": {"q": 2.5}}, "a": [], "z": None},
    )
    assert {name: item.type for name, item in fields.items()} == {
        "n": FieldType.INTEGER,
        "x": FieldType.NUMBER,
        "b": FieldType.BOOLEAN,
        "s": FieldType.STRING,
        "/o/p/q": FieldType.NUMBER,
        "a": FieldType.ARRAY,
        "z": FieldType.JSON,
    }


def test_what_is_missing_or_null_sometimes_may_be() -> None:
    """Optional and nullable are two things."""
    fields = proposed({"a": 1, "b": None, "c": 1}, {"a": 2, "b": 2})
    assert [(item.required, item.nullable) for item in fields.values()] == [(True, False), (True, True), (False, False)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ts", "2024-05-01T10:00:00Z"),
        ("time", "2024-05-01 10:00:00"),
        ("timestamp", 1714557600),
        ("eventTime", 1714557600123),
        ("Time", "2024-05-01T10:00:00+02:00"),
    ],
)
def test_the_time_of_the_reading_is_found(name: str, value: object) -> None:
    """By its form, its name and its magnitude."""
    inferred = infer("pump", messages({name: value, "v": 1.5}), "s/+")
    assert inferred.spec is not None
    assert inferred.spec.event_time == name


@pytest.mark.parametrize("value", [12, 1714557600.5, "2024-05-01", 99999999999])
def test_a_number_without_a_name_of_time_is_no_time(value: object) -> None:
    """A counter is not a clock."""
    assert proposed({"count": value})["count"].type is not FieldType.TIMESTAMP or isinstance(value, str)


def test_a_time_far_ahead_is_not_chosen() -> None:
    """What most items would be refused for is no event time, and it is said."""
    inferred = infer("pump", messages({"ts": "2090-01-01T00:00:00Z"}), "s/+")
    assert inferred.spec is not None
    assert inferred.spec.event_time is None
    assert any("receive time" in warning for warning in inferred.warnings)


def test_an_enumeration_needs_few_values_that_came_very_often() -> None:
    """Otherwise the next value would be refused for nothing."""
    often = [{"mode": "on" if number % 3 else "off", "name": "a" if number % 2 else "b"} for number in range(200)]
    fields = proposed(*often)
    assert fields["mode"].enum == ("off", "on")
    assert fields["name"].enum == ()
    assert proposed(*often[:50])["mode"].enum == ()
    assert proposed(*often, {"mode": "idle", "name": "c"})["mode"].enum == ()


def test_bounds_are_shown_and_not_proposed() -> None:
    """The next value is rarely between those of the sample."""
    inferred = infer("pump", messages(*({"v": number / 7} for number in range(300))), "s/+")
    assert (inferred.fields[0].seen.least, inferred.fields[0].seen.greatest) == (0.0, 299 / 7)
    assert (inferred.fields[0].spec.min, inferred.fields[0].spec.max) == (None, None)


def test_a_rare_defect_does_not_open_a_field() -> None:
    """The field keeps the type of nearly all values, and the note says how many would be refused."""
    inferred = infer("pump", messages(*[{"v": 1.5}] * 199, {"v": "ERR"}), "s/+")
    assert inferred.fields[0].spec.type is FieldType.NUMBER
    assert inferred.fields[0].note.startswith("1 of 200 values would be refused")
    assert proposed(*[{"v": 1.5}] * 10, {"v": "ERR"})["v"].type is FieldType.JSON


@pytest.mark.parametrize(
    ("topic_filter", "topics", "content", "device", "rule"),
    [
        ("s/+/t", ("s/a/t", "s/b/t"), {}, "", "topic:2"),
        ("#", ("site/devices/a/t", "site/devices/a/h"), {}, "", "topic:3"),
        ("+/+/t", ("x/a/t", "x/b/t", "x/c/t"), {}, "", "topic:2"),
        ("all", ("all",), {"device_id": "a"}, "", "payload:/device_id"),
        ("all", ("all",), {"meta": {"devEUI": "a"}}, "", "payload:/meta/devEUI"),
        ("all", ("all",), {"v": 1}, "who", "identity"),
        ("all/+", ("all/a",), {"v": 1}, "", "topic:2"),
    ],
)
def test_the_device_is_found(
    topic_filter: str, topics: tuple[str, ...], content: object, device: str, rule: str
) -> None:
    """In the topic level that varies, else in a member so called, else by who sent it."""
    sample = [message for topic in topics for message in messages(content, topic=topic, device=device)]
    assert infer("pump", sample, topic_filter).device_rule == rule


def test_two_shapes_are_told_apart_by_topic() -> None:
    """One contract for both would check little."""
    sample = [
        *messages(*[{"t": 1.5, "h": 2}] * 20, topic="s/a/air"),
        *messages(*[{"lat": 1.5, "lon": 2}] * 20, topic="s/a/gps"),
    ]
    warnings = " ".join(infer("pump", sample, "s/#").warnings)
    assert "'s/a/air' has the first, 's/a/gps' the second" in warnings or "'s/a/gps' has the first" in warnings


def test_what_is_no_object_is_counted() -> None:
    """Bytes, scalars and arrays of objects; with nothing but such, nothing is proposed."""
    inferred = infer("pump", messages(b"\xff", 5, [{"v": 1}, {"v": 2}, 3]), "s/+")
    assert (inferred.messages, inferred.items, inferred.unparsable, inferred.scalars) == (3, 2, 1, 2)
    nothing = infer("pump", messages(b"\xff", 5), "s/+")
    assert nothing.spec is None
    assert nothing.warnings


def test_keys_that_are_data_do_not_make_thousands_of_columns() -> None:
    """The others are kept beside the columns, and it is said."""
    inferred = infer("pump", messages(*({f"k{number}": 1} for number in range(1000))), "s/+")
    assert len(inferred.fields) <= 300
    assert any("keys may be data" in warning for warning in inferred.warnings)


_NAMES = st.text("aB_/~.é\0 0", max_size=4)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("aB_/~.é\0 0\ud800", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(_NAMES, _VALUES, max_size=5), min_size=1, max_size=8))
def test_the_proposal_always_compiles_and_takes_its_sample(items: list[dict[str, object]]) -> None:
    """Whatever the names and values are; only what SQL cannot hold is refused."""
    sample = messages(*items, device="who")
    inferred = infer("pump", sample, "all")
    assert inferred.spec is not None
    storable = not any("\\u0000" in json.dumps(item) or "\\ud" in json.dumps(item) for item in items)
    taken = accepted(inferred, sample)
    assert taken == len(items) or not storable or inferred.device_rule != "identity" or inferred.spec.event_time


def test_recorded_time_is_taken_from_far_back() -> None:
    """A recording of ten years ago is replayed like live data."""
    old = (NOW - timedelta(days=4000)).isoformat()
    inferred = infer("pump", messages({"ts": old}), "s/+")
    assert inferred.spec is not None
    assert inferred.spec.event_time == "ts"
