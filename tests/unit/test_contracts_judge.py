"""Judging one message: rows, refusals, reasons, ids and array messages."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from dataflow_validator.contracts import (
    Accepted,
    Arrival,
    BinaryEncoding,
    Coercion,
    CompiledContract,
    ContractSpec,
    DeviceRule,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    IdKind,
    RefusalKind,
    Refused,
    UnknownFields,
    compile_contract,
    from_fields_document,
    from_json_schema_document,
    reasons_to_json,
)
from dataflow_validator.contracts.careful import judge_carefully
from dataflow_validator.contracts.identity import contract_namespace
from hypothesis import given
from hypothesis import strategies as st

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
BY_TOPIC = DeviceRule.parse("topic:2")
BATCH = uuid.UUID(int=7).bytes

ROOM = ContractSpec(
    "room",
    (
        FieldSpec("ts", FieldType.TIMESTAMP),
        FieldSpec("temp", FieldType.NUMBER, min=-20, max=50),
        FieldSpec("count", FieldType.INTEGER, required=False),
        FieldSpec("open", FieldType.BOOLEAN, required=False, nullable=True),
        FieldSpec("name", FieldType.STRING, required=False, enum=("a", "b")),
    ),
    identity=("ts",),
    event_time="ts",
)
GOOD = {"ts": "2025-12-31T10:00:00Z", "temp": 20.5}


def arrive(payload: object, **changes: Any) -> Arrival:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    arrival = Arrival("s/dev/t", None, body, RECEIVED, None, maybe_duplicate=False, batch_id=BATCH, position=3)
    return arrival._replace(**changes)


def judge_all(
    spec: ContractSpec, payload: object, rule: DeviceRule = BY_TOPIC, **changes: Any
) -> list[Accepted | Refused]:
    return compile_contract(spec, 1).judge(arrive(payload, **changes), rule)


def accept(spec: ContractSpec, payload: object, rule: DeviceRule = BY_TOPIC, **changes: Any) -> Accepted:
    [outcome] = judge_all(spec, payload, rule, **changes)
    assert isinstance(outcome, Accepted), outcome
    return outcome


def refuse(spec: ContractSpec, payload: object, rule: DeviceRule = BY_TOPIC, **changes: Any) -> Refused:
    [outcome] = judge_all(spec, payload, rule, **changes)
    assert isinstance(outcome, Refused), outcome
    return outcome


def faults(outcome: Refused) -> list[tuple[str, str]]:
    return [(why.path, why.rule) for why in outcome.reasons]


def values(outcome: Accepted) -> tuple[object, ...]:
    return outcome.row[6:-1]


def one_field(kind: FieldType, **rules: Any) -> ContractSpec:
    return ContractSpec("one", (FieldSpec("v", kind, **rules),))


def test_an_accepted_item_is_one_row_in_column_order() -> None:
    """Envelope first, then the columns, then extra."""
    outcome = accept(ROOM, {"temp": 20.5, "ts": "2025-12-31T10:00:00.5Z", "count": 3.0, "open": None, "more": 1})
    time = datetime(2025, 12, 31, 10, microsecond=500_000, tzinfo=UTC)
    device_id, event_time, receive_time, message_id, content_hash, maybe_duplicate, *rest = outcome.row
    assert (device_id, event_time, receive_time, maybe_duplicate) == ("dev", time, RECEIVED, False)
    assert isinstance(message_id, uuid.UUID)
    assert isinstance(content_hash, int)
    assert rest == [time, 20.5, 3, None, None, None]
    assert type(rest[2]) is int


def test_reasons_are_complete_and_root_cause_first() -> None:
    """Wrong types before missing members before ranges before the rest, each with its pointer."""
    outcome = refuse(ROOM, {"name": "c", "temp": 99, "count": "x", "open": 1})
    assert faults(outcome) == [
        ("/count", "type"),
        ("/open", "type"),
        ("/ts", "required"),
        ("/temp", "maximum"),
        ("/name", "enum"),
    ]
    assert outcome.kind is RefusalKind.REFUSED
    assert outcome.reasons[0].actual == '"x"'
    assert outcome.reasons[0].expected == "integer"
    assert outcome.reasons[2].actual == "nothing"
    assert json.loads(reasons_to_json(outcome.reasons))[3]["expected"] == "maximum 50"


def test_nested_fields_have_pointers_and_columns() -> None:
    """A pointer names a nested member, also through an array, and a missing one by where it would be."""
    spec = ContractSpec(
        "deep",
        (
            FieldSpec("/a/b", FieldType.NUMBER),
            FieldSpec("/list/1/x", FieldType.STRING),
            FieldSpec("/m~1n", FieldType.JSON),
        ),
    )
    good = {"a": {"b": 1.5}, "list": [0, {"x": "y"}], "m/n": [1]}
    assert values(accept(spec, good)) == (1.5, "y", "[1]")
    assert faults(refuse(spec, {"a": {}, "list": [0, {}], "m/n": 1})) == [
        ("/a/b", "required"),
        ("/list/1/x", "required"),
    ]
    assert faults(refuse(spec, {"a": 1, "list": {}})) == [
        ("/a", "type"),
        ("/m~1n", "required"),
        ("/list/1", "required"),
    ]


@pytest.mark.parametrize(
    ("kind", "payload", "stored"),
    [
        (FieldType.STRING, "é", "é"),
        (FieldType.INTEGER, 5, 5),
        (FieldType.INTEGER, 5.0, 5),
        (FieldType.INTEGER, -(2**63), -(2**63)),
        (FieldType.NUMBER, 5, 5),
        (FieldType.NUMBER, 10**30, 10**30),
        (FieldType.BOOLEAN, True, True),
        (FieldType.TIMESTAMP, 1388549106, datetime(2014, 1, 1, 4, 5, 6, tzinfo=UTC)),
        (FieldType.OBJECT, {"a": [1]}, '{"a":[1]}'),
        (FieldType.OBJECT, {"a": 10**30}, '{"a":' + str(10**30) + "}"),
        (FieldType.ARRAY, [], "[]"),
        (FieldType.JSON, "x", '"x"'),
        (FieldType.BINARY, "AP8=", b"\x00\xff"),
        (FieldType.BINARY, "AP8", b"\x00\xff"),
        (FieldType.BINARY, "__8", b"\xff\xff"),
        (FieldType.BINARY, "", b""),
    ],
)
def test_values_become_what_their_column_takes(kind: FieldType, payload: object, stored: object) -> None:
    """Every field type, with the Python type that asyncpg wants."""
    [value] = values(accept(one_field(kind), {"v": payload}))
    assert value == stored
    assert type(value) is type(stored)


@pytest.mark.parametrize(
    ("spec", "payload", "rule"),
    [
        (one_field(FieldType.INTEGER), 5.5, "type"),
        (one_field(FieldType.INTEGER), True, "type"),
        (one_field(FieldType.NUMBER), "5", "type"),
        (one_field(FieldType.STRING), None, "type"),
        (one_field(FieldType.TIMESTAMP), "yesterday", "timestamp"),
        (one_field(FieldType.BINARY), "AP8==", "base64"),
        (one_field(FieldType.BINARY), "A", "base64"),
        (one_field(FieldType.BINARY), "+_8=", "base64"),
        (one_field(FieldType.BINARY), "AP 8=", "base64"),
        (one_field(FieldType.BINARY, encoding=BinaryEncoding.HEX), "012", "hex"),
        (one_field(FieldType.NUMBER, exclusive_min=1), 1, "exclusiveMinimum"),
        (one_field(FieldType.NUMBER, multiple_of=0.5), 0.7, "multipleOf"),
        (one_field(FieldType.BINARY, max_length=1), "AP8=", "maxLength"),
        (one_field(FieldType.STRING, min_length=2), "a", "minLength"),
        (one_field(FieldType.ARRAY, max_length=1), [1, 2], "maxItems"),
        (one_field(FieldType.STRING, pattern="^a"), "ba", "pattern"),
        (one_field(FieldType.NUMBER, min=1), 0.5, "minimum"),
    ],
)
def test_rules_refuse(spec: ContractSpec, payload: object, rule: str) -> None:
    """Each rule is named by what broke it."""
    outcome = refuse(spec, {"v": payload})
    assert faults(outcome) == [("/v", rule)]
    assert outcome.kind is RefusalKind.REFUSED


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30, 1e19])
def test_integers_beyond_the_column_are_unstorable(number: float) -> None:
    """They are found before SQL; a contract with wider bounds stores them exactly."""
    outcome = refuse(one_field(FieldType.INTEGER), {"v": number})
    assert outcome.kind is RefusalKind.UNSTORABLE
    assert faults(outcome) == [("/v", "storable")]
    [stored] = values(accept(one_field(FieldType.INTEGER, min=-(10**40), max=10**40), {"v": number}))
    assert stored == Decimal(int(number))


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_moments_that_would_be_stored_as_infinity_are_unstorable(moment: str) -> None:
    """The driver takes the first and the last moment of its range for the infinities."""
    outcome = refuse(one_field(FieldType.TIMESTAMP), {"v": moment})
    assert (outcome.kind, faults(outcome)) == (RefusalKind.UNSTORABLE, [("/v", "storable")])


def test_an_item_with_both_kinds_of_fault_is_refused() -> None:
    """UNSTORABLE means that SQL alone stands in the way; all reasons are listed in either case."""
    outcome = refuse(ROOM, {**GOOD, "count": 2**63, "temp": "x"})
    assert outcome.kind is RefusalKind.REFUSED
    assert faults(outcome) == [("/temp", "type"), ("/count", "storable")]


def test_defaults_fill_absent_members_only() -> None:
    """A field with a default may be absent; null is not absent."""
    spec = one_field(FieldType.INTEGER, has_default=True, default=4)
    assert values(accept(spec, {})) == (4,)
    assert values(accept(spec, {"v": 5})) == (5,)
    assert faults(refuse(spec, {"v": None})) == [("/v", "type")]
    nullable = one_field(FieldType.INTEGER, has_default=True, default=4, nullable=True)
    assert values(accept(nullable, {"v": None})) == (None,)


def test_unknown_members_are_ignored_kept_or_refused() -> None:
    """Three choices, also below the top level."""
    spec = ContractSpec("u", (FieldSpec("a", FieldType.INTEGER), FieldSpec("/n/b", FieldType.INTEGER)))
    item = {"a": 1, "x": [1], "n": {"b": 2, "y": 3}}
    assert accept(spec, item).row[-1] is None
    kept = accept(replace(spec, unknown=UnknownFields.KEEP), item).row[-1]
    assert json.loads(str(kept)) == {"x": [1], "n": {"y": 3}}
    assert accept(replace(spec, unknown=UnknownFields.KEEP), {"a": 1, "n": {"b": 2}}).row[-1] is None
    refused = refuse(replace(spec, unknown=UnknownFields.REJECT), item)
    assert sorted(faults(refused)) == [("/n/y", "additionalProperties"), ("/x", "additionalProperties")]


def test_unknown_members_of_a_raw_schema_can_be_refused() -> None:
    """`reject` closes a raw schema without touching what its own references mean."""
    schema = {"$defs": {"n": {"type": "number"}}, "type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}}
    spec = replace(from_json_schema_document(schema, name="raw"), unknown=UnknownFields.REJECT)
    assert values(accept(spec, {"a": 1.5})) == (1.5,)
    assert faults(refuse(spec, {"a": "x"}))[0] == ("/a", "type")
    assert faults(refuse(spec, {"b": 1})) == [("/b", "unevaluatedProperties")]


def test_identity_makes_a_uuid5_that_anyone_can_recompute() -> None:
    """Kind a is uuid5 over the JSON array of device and typed values, in the contract's namespace."""
    spec = ContractSpec(
        "meter", (FieldSpec("n", FieldType.INTEGER), FieldSpec("s", FieldType.STRING)), identity=("n", "s")
    )
    for number in (5, 5.0):
        outcome = accept(spec, {"n": number, "s": "é"})
        assert outcome.id_kind is IdKind.IDENTITY
        assert outcome.row[3] == uuid.uuid5(contract_namespace("meter"), '["dev",5,"é"]')


def test_identity_compares_moments_not_spellings() -> None:
    """The same moment in another spelling is the same reading; a nanosecond later is another one."""
    spellings = ["2025-12-31T10:00:00Z", "2025-12-31 10:00:00", "2025-12-31T11:00:00.000+01:00", 1767175200]
    ids = {accept(ROOM, {**GOOD, "ts": spelling}).row[3] for spelling in spellings}
    assert len(ids) == 1
    assert accept(ROOM, {**GOOD, "ts": "2025-12-31T10:00:00.0000001Z"}).row[3] not in ids
    outcome = accept(ROOM, {**GOOD, "ts": spellings[1]})
    assert outcome.zone_assumed
    assert accept(replace(ROOM, name="other"), GOOD).row[3] not in ids
    assert accept(ROOM, GOOD, topic="s/dev2/t").row[3] not in ids


def test_sender_ids_come_second() -> None:
    """A sender's UUID stays as it is, other text becomes one; each element of an array has its own."""
    spec = replace(ROOM, identity=())
    own = str(uuid.uuid4())
    outcome = accept(spec, GOOD, message_id=own, maybe_duplicate=True)
    assert (str(outcome.row[3]), outcome.id_kind, outcome.row[5]) == (own, IdKind.SENDER, False)
    assert accept(spec, GOOD, message_id="17").row[3] == accept(spec, {**GOOD, "temp": 1}, message_id="17").row[3]
    assert accept(spec, GOOD, message_id="17").row[3] != accept(spec, GOOD, message_id="17", topic="s/d2/t").row[3]
    assert str(accept(spec, GOOD, message_id=own.upper()).row[3]) == own
    assert str(accept(spec, GOOD, message_id=own.replace("-", "") + "----").row[3]) != own
    elements = judge_all(spec, [GOOD, GOOD], message_id=own)
    assert len({item.row[3] for item in elements if isinstance(item, Accepted)} | {uuid.UUID(own)}) == 3
    assert [item.element for item in elements] == [0, 1]


def test_content_comes_third_where_there_is_an_event_time() -> None:
    """The same bytes on the same topic are recognised, whatever the batch."""
    spec = replace(ROOM, identity=())
    one = accept(spec, GOOD)
    assert one.id_kind is IdKind.CONTENT
    assert accept(spec, GOOD, batch_id=bytes(16), position=9).row[3] == one.row[3]
    assert accept(spec, GOOD, topic="x/dev/t").row[3] != one.row[3]
    first, second = judge_all(spec, [GOOD, GOOD])
    assert isinstance(first, Accepted)
    assert isinstance(second, Accepted)
    assert first.row[3] != second.row[3]


def test_the_bridge_comes_last() -> None:
    """Without identity, sender id and event time, the place in the batch is the id, and a resend is marked."""
    spec = one_field(FieldType.INTEGER)
    outcome = accept(spec, {"v": 1}, maybe_duplicate=True)
    assert (outcome.id_kind, outcome.row[5], outcome.row[1]) == (IdKind.BRIDGE, True, RECEIVED)
    assert accept(spec, {"v": 1}, position=4).row[3] != outcome.row[3]
    assert accept(spec, {"v": 2}).row[3] == outcome.row[3]


def test_a_refused_item_is_recognised_like_an_accepted_one() -> None:
    """A refused item keeps the id that it would have as a row, as far as its identity can be read."""
    outcome = refuse(ROOM, {**GOOD, "temp": 99})
    assert (outcome.message_id, outcome.id_kind) == (accept(ROOM, GOOD).row[3], IdKind.IDENTITY)
    assert outcome.event_time == datetime(2025, 12, 31, 10, tzinfo=UTC)
    assert outcome.device_id == "dev"
    assert refuse(ROOM, GOOD, topic="s//t").id_kind is IdKind.CONTENT
    other = refuse(ROOM, {"temp": 99})
    assert other.id_kind is IdKind.CONTENT
    assert refuse(ROOM, {"temp": 99}, batch_id=bytes(16)).message_id == other.message_id
    assert refuse(ROOM, b"{", message_id="m").id_kind is IdKind.SENDER


def test_an_array_message_is_as_many_items_as_it_has_elements() -> None:
    """One bad element costs one element."""
    outcomes = judge_all(ROOM, [GOOD, {**GOOD, "temp": "x"}, 5, [GOOD]])
    assert [type(item) for item in outcomes] == [Accepted, Refused, Refused, Refused]
    assert [item.element for item in outcomes] == [0, 1, 2, 3]


def test_an_empty_array_is_refused_as_it_is() -> None:
    """Nothing that was acknowledged disappears."""
    assert faults(refuse(ROOM, [])) == [("", "items")]


@pytest.mark.parametrize("scalar", [5, "x", None, True])
def test_a_scalar_is_one_item(scalar: object) -> None:
    """Fields need an object; a schema may accept a scalar, which is then kept whole."""
    assert ("", "type") in faults(refuse(ROOM, scalar))
    spec = ContractSpec("raw", json_schema=True, fields_from_schema=True)
    assert accept(spec, scalar).row[-1] == json.dumps(scalar)


def test_an_array_can_be_the_item() -> None:
    """Where the schema's own type is array, the array is one item and is kept whole."""
    spec = from_json_schema_document({"type": "array", "items": {"type": "number"}}, name="packs")
    assert accept(spec, [1, 2]).row[-1] == "[1,2]"
    assert accept(spec, []).row[-1] == "[]"
    assert faults(refuse(spec, [1, "x"])) == [("/1", "type")]


@pytest.mark.parametrize(
    ("rule", "changes", "expected"),
    [
        ("payload:/id", {}, [("/id", "required")]),
        ("payload:/temp", {}, [("/temp", "device")]),
        ("topic:9", {}, [("", "device")]),
        ("topic:2", {"topic": "a//b"}, [("", "device")]),
        ("identity", {}, [("", "device")]),
    ],
)
def test_an_item_without_a_device_is_refused(
    rule: str, changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """No row without a device; its id then is "", which can be stored."""
    outcome = refuse(ROOM, GOOD, DeviceRule.parse(rule), **changes)
    assert faults(outcome) == expected
    assert outcome.device_id == ""


def test_the_authenticated_identity_can_be_the_device() -> None:
    """`identity` takes who the sender proved to be."""
    assert accept(ROOM, GOOD, DeviceRule.parse("identity"), device_id="me").row[0] == "me"


@pytest.mark.parametrize(
    ("ts", "rule"),
    [
        ("1969-12-31T23:59:59Z", "eventTimeMinimum"),
        ("2026-01-02T00:00:01Z", "eventTimeMaximum"),
        ("soon", "timestamp"),
        (True, "type"),
    ],
)
def test_event_times_out_of_bounds_are_refused(ts: object, rule: str) -> None:
    """From 1970 until one day after the receive time."""
    assert faults(refuse(ROOM, {**GOOD, "ts": ts})) == [("/ts", rule)]


def test_a_contract_tightens_the_bounds() -> None:
    """Bounds of the contract replace the default ones."""
    spec = replace(ROOM, event_time_min=datetime(2025, 12, 31, 10, tzinfo=UTC), event_time_ahead=timedelta())
    accept(spec, GOOD)
    accept(spec, {**GOOD, "ts": "2026-01-01T00:00:00Z"})
    refuse(spec, {**GOOD, "ts": "2025-12-31T09:59:59Z"})
    refuse(spec, {**GOOD, "ts": "2026-01-01T00:00:00.000001Z"})


def test_a_declared_event_time_format_fills_its_column_too() -> None:
    """The column of the event-time field holds the moment as declared, not as guessed."""
    spec = replace(ROOM, event_time_format=EventTimeFormat.EPOCH_MS)
    outcome = accept(spec, {**GOOD, "ts": 86_400_000})
    assert outcome.row[1] == outcome.row[6] == datetime(1970, 1, 2, tzinfo=UTC)
    assert accept(spec, {**GOOD, "ts": "86400000"}).row[1:7:5] == (outcome.row[1], outcome.row[1])


def test_lossless_coercion_happens_before_judging() -> None:
    """Numbers as text are stored as numbers; the content hash and the refusal keep what was sent."""
    spec = replace(ROOM, coerce=Coercion.LOSSLESS)
    outcome = accept(spec, {**GOOD, "temp": "20.5", "count": "7", "open": "true"})
    assert values(outcome)[1:4] == (20.5, 7, True)
    assert outcome.row[3] == accept(spec, GOOD).row[3]
    assert outcome.row[4] != accept(spec, GOOD).row[4]
    assert faults(refuse(spec, {**GOOD, "temp": "20,5"})) == [("/temp", "type")]
    assert faults(refuse(spec, {**GOOD, "temp": "99"})) == [("/temp", "maximum")]
    assert faults(refuse(ROOM, {**GOOD, "temp": "20.5"})) == [("/temp", "type")]


def test_an_item_that_the_engine_gives_up_on_is_refused_with_that_reason() -> None:
    """A pattern that backtracks too far does not let the item pass."""
    spec = one_field(FieldType.STRING, pattern=r"^(?=(a+)+b)(a+)+\2$")
    assert faults(refuse(spec, {"v": "a" * 5000 + "c"})) == [("/v", "pattern")]


def test_format_only_annotates_in_a_raw_schema() -> None:
    """A date-time that is none is what the schema accepts: no column value, but kept in extra."""
    schema = {
        "type": "object",
        "properties": {"at": {"type": "string", "format": "date-time"}, "n": {"type": "integer"}},
    }
    spec = from_json_schema_document(schema, name="raw")
    outcome = accept(spec, {"at": "tomorrow", "n": 1})
    assert outcome.row[6:] == (None, 1, '{"at":"tomorrow"}')
    assert accept(spec, {"at": "2025-12-31T10:00:00Z"}).row[6] == datetime(2025, 12, 31, 10, tzinfo=UTC)
    assert accept(spec, {}).row[6:] == (None, None, None)


def test_a_raw_schema_and_fields_both_bind() -> None:
    """Fields written beside a raw schema add their rules to it."""
    spec = ContractSpec("both", (FieldSpec("a", FieldType.NUMBER, max=5),), json_schema={"required": ["b"]})
    assert faults(refuse(spec, {"a": 6})) == [("/b", "required"), ("/a", "maximum")]
    accept(spec, {"a": 5, "b": 1})


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-60, 60), st.sampled_from(["a", "c", "12", "1.5", "\0"])
)
times = st.sampled_from(
    ["2025-12-31T10:00:00Z", "2025-12-31 10:00:00", "2025-12-31T10:00:00.1234567Z", "x", 1767175200, 5e12, None]
)
messages = st.fixed_dictionaries(
    {"ts": times, "temp": st.one_of(st.floats(-25, 55), scalars)},
    optional={
        "count": scalars,
        "open": scalars,
        "name": scalars,
        "more": scalars,
        "list": st.lists(scalars, max_size=2),
    },
)


@given(messages, st.sampled_from(Coercion), st.sampled_from(UnknownFields), st.booleans())
def test_both_paths_of_judging_agree(item: Any, coerce: Coercion, unknown: UnknownFields, own_id: bool) -> None:
    """Whatever the straight path accepts, the careful path accepts with the same row."""
    contract = _compiled(coerce, unknown, own_id=own_id)
    arrival = arrive(item)
    [straight] = contract.judge(arrival, BY_TOPIC)
    coercer = contract._plan.coercer
    judged = item if coercer is None else coercer.coerce(item)
    careful = judge_carefully(contract._plan, judged, arrival, BY_TOPIC, None, _hash_of(straight))
    assert straight == careful


_CONTRACTS: dict[object, CompiledContract] = {}


def _compiled(coerce: Coercion, unknown: UnknownFields, *, own_id: bool) -> CompiledContract:
    key = (coerce, unknown, own_id)
    if key not in _CONTRACTS:
        spec = replace(ROOM, coerce=coerce, unknown=unknown, identity=("ts", "temp") if own_id else ROOM.identity)
        _CONTRACTS[key] = compile_contract(spec, 1)
    return _CONTRACTS[key]


def _hash_of(outcome: Accepted | Refused) -> int:
    return outcome.content_hash if isinstance(outcome, Refused) else int(str(outcome.row[4]))


def test_fields_document_and_schema_document_give_the_same_columns() -> None:
    """The two halves of a contract file describe one table."""
    document = {
        "name": "both",
        "fields": [{"name": "a", "type": "number"}, {"name": "b", "type": "string", "required": False}],
        "json_schema": {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "string"}},
            "required": ["a"],
        },
    }
    columns: Sequence[tuple[str, str]] = [("a", "double precision"), ("b", "text")]
    for spec in (from_fields_document(document), from_json_schema_document(document)):
        assert [(column.name, column.sql_type) for column in compile_contract(spec, 1).columns] == columns


@pytest.mark.parametrize("high", [None, 10**30])
@pytest.mark.parametrize("value", [{}, [], "x", True, 0.5])
def test_an_item_that_a_derived_schema_refuses_elsewhere_may_have_anything_in_a_whole_number_column(
    value: object, high: int | None
) -> None:
    """Refused with its reasons, and no error, whatever stands where the column is taken from."""
    number = {"type": "integer"} if high is None else {"type": "integer", "maximum": high}
    schema = {"enum": [1], "anyOf": [{"properties": {"n": number}}, {"type": "null"}]}
    outcome = refuse(from_json_schema_document(schema, name="one"), {"n": value})
    assert "" in {why.path for why in outcome.reasons}
