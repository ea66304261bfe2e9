"""The whole language against any payload: judging never raises, and its two paths and its export say the same."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from dataflow_validator.contracts import (
    Accepted,
    Arrival,
    BinaryEncoding,
    Coercion,
    ContractError,
    ContractSpec,
    DeviceRule,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    Refused,
    UnknownFields,
    compile_contract,
    from_fields_document,
    from_json_schema_document,
)
from dataflow_validator.contracts.careful import judge_carefully
from dataflow_validator.contracts.exchange_out import export_json_schema
from dataflow_validator.contracts.pointer import MISSING, Members, resolve
from dataflow_validator.contracts.references import References
from dataflow_validator.contracts.schema import build_validator
from hypothesis import given, settings
from hypothesis import strategies as st

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
RULE = DeviceRule.parse("topic:1")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(-1e15, 1e15),
    st.sampled_from(
        ["", "x", "12.5", "5", "true", "AP8=", "0aff", "2025-06-01T12:00:00Z", "2025-06-01", "\0", "1e400"]
    ),
    st.sampled_from([0, 1, -1, 20.5, 1748779200, 1748779200000, 1748779200000000000]),
)
KEYS = st.sampled_from(["a", "b", "c", "ts", "0", ""])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
INNER = st.sampled_from(
    [
        FieldSpec("", FieldType.TIMESTAMP, format=EventTimeFormat.EPOCH_MS),
        FieldSpec("", FieldType.NUMBER, nullable=True, min=0),
        FieldSpec("", FieldType.BINARY, encoding=BinaryEncoding.HEX),
        FieldSpec(
            "", FieldType.OBJECT, members=(FieldSpec("a", FieldType.INTEGER), FieldSpec("b", FieldType.TIMESTAMP))
        ),
        FieldSpec("", FieldType.ARRAY, items=FieldSpec("", FieldType.BOOLEAN)),
    ]
)


@st.composite
def contracts(draw: st.DrawFn) -> ContractSpec:
    names = draw(st.lists(st.sampled_from(["a", "/a/b", "/b/0/c", "/c/a", "b", "/"]), unique=True, min_size=1))
    fields = [FieldSpec("ts", FieldType.TIMESTAMP)]
    for name in names:
        field = FieldSpec(name, draw(st.sampled_from(FieldType)), required=draw(st.booleans()), nullable=True)
        if field.type is FieldType.ARRAY:
            field = replace(field, items=draw(INNER))
        elif field.type is FieldType.OBJECT:
            field = replace(field, members=(replace(draw(INNER), name="b"),) if name != "a" else ())
        fields.append(replace(field, has_default=draw(st.booleans())))
    return ContractSpec(
        "any",
        tuple(fields),
        event_time="ts" if draw(st.booleans()) else None,
        unknown=draw(st.sampled_from(UnknownFields)),
        coerce=draw(st.sampled_from(Coercion)),
    )


@settings(max_examples=300, deadline=None)
@given(contracts(), st.dictionaries(KEYS, VALUES, max_size=5))
def test_any_payload_gets_one_verdict_on_both_paths(spec: ContractSpec, item: dict[str, Any]) -> None:
    """No payload makes judging raise; what the straight path accepts, the careful one accepts with the same row."""
    contract = compile_contract(spec, 1)
    payload = json.dumps(item).encode()
    arrival = Arrival("dev/x", None, payload, RECEIVED, None, maybe_duplicate=False, batch_id=bytes(16), position=0)
    [outcome] = contract.judge(arrival, RULE)
    parsed = json.loads(payload)
    judged = parsed if contract._plan.coercer is None else contract._plan.coercer.coerce(parsed)
    hashed = outcome.content_hash if isinstance(outcome, Refused) else int(str(outcome.row[4]))
    assert outcome == judge_carefully(contract._plan, judged, arrival, RULE, None, hashed)
    exported = build_validator(export_json_schema(spec))
    if isinstance(outcome, Accepted):
        assert exported.is_valid(judged)
    assert exported.is_valid(judged) == contract.is_valid(judged)


@given(st.lists(st.lists(KEYS, min_size=1, max_size=3).map(tuple), min_size=1, max_size=8), VALUES)
def test_values_found_together_are_those_found_one_by_one(pointers: list[tuple[str, ...]], item: object) -> None:
    """Through objects and arrays, present, null and missing."""
    one_by_one = [None if (value := resolve(item, tokens)) is MISSING else value for tokens in pointers]
    assert Members(pointers).of(item) == one_by_one


def refused(spec: ContractSpec, item: object) -> set[tuple[str, str]]:
    arrival = Arrival("d/x", None, json.dumps(item).encode(), RECEIVED, None, False, bytes(16), 0)
    [outcome] = compile_contract(spec, 1).judge(arrival, RULE)
    return {(why.path, why.rule) for why in outcome.reasons} if isinstance(outcome, Refused) else set()


def test_rules_hold_inside_of_arrays_and_objects() -> None:
    """Types, bounds, required members, moments and encodings, each with the pointer to what broke it."""
    document = {
        "fields": [
            {
                "name": "gws",
                "type": "array",
                "items": {
                    "type": "object",
                    "members": [
                        {"name": "rssi", "type": "integer", "exclusive_max": 0},
                        {"name": "at", "type": "timestamp", "time_unit": "ms", "required": False},
                        {"name": "raw", "type": "binary", "encoding": "hex", "max_length": 1, "required": False},
                    ],
                },
            }
        ]
    }
    spec = replace(from_fields_document(document), name="gws")
    assert refused(spec, {"gws": [{"rssi": -1, "at": 1748779200000, "raw": "ff"}]}) == set()
    assert refused(spec, {"gws": [{"rssi": -1}, {"rssi": 0}]}) == {("/gws/1/rssi", "exclusiveMaximum")}
    assert refused(spec, {"gws": [{}]}) == {("/gws/0/rssi", "required")}
    assert refused(spec, {"gws": [{"rssi": -1, "at": "soon"}]}) == {("/gws/0/at", "timestamp")}
    assert refused(spec, {"gws": [{"rssi": -1, "raw": "ffff"}]}) == {("/gws/0/raw", "maxLength")}
    closed = replace(spec, unknown=UnknownFields.REJECT)
    assert refused(closed, {"gws": [{"rssi": -1, "snr": 1}]}) == {("/gws/0/snr", "additionalProperties")}


def test_lossless_coercion_reaches_inside() -> None:
    """Text for numbers and moments is read wherever a rule says what it is, and what is stored is what was read."""
    items = FieldSpec("", FieldType.OBJECT, members=(FieldSpec("n", FieldType.NUMBER),))
    spec = ContractSpec("inner", (FieldSpec("a", FieldType.ARRAY, items=items),), coerce=Coercion.LOSSLESS)
    arrival = Arrival("d/x", None, b'{"a":[{"n":"12.5"},{"n":3}]}', RECEIVED, None, False, bytes(16), 0)
    [outcome] = compile_contract(spec, 1).judge(arrival, RULE)
    assert isinstance(outcome, Accepted)
    assert outcome.row[6] == '[{"n":12.5},{"n":3}]'


@pytest.mark.parametrize(
    ("document", "column"),
    [
        ({"$ref": "#/$defs/m", "$defs": {"m": {"properties": {"x": {"type": "integer"}}}}}, "x"),
        ({"$ref": "urn:m", "$defs": {"m": {"$id": "urn:m", "properties": {"x": {"type": "integer"}}}}}, "x"),
        ({"$ref": "m.json#/$defs/y", "$id": "http://h/r", "$defs": {"k": {"$id": "m.json", "$defs": {"y": {"properties": {"x": {"type": "integer"}}}}}}}, "x"),
        ({"$ref": "#here", "$defs": {"m": {"$anchor": "here", "properties": {"x": {"type": "integer"}}}}}, "x"),
        ({"properties": {"o": {"type": "object", "properties": {"x": {"type": "integer"}}}}}, "/o/x"),
    ],
)  # fmt: skip
def test_columns_are_found_behind_references_and_inside_objects(document: dict[str, Any], column: str) -> None:
    """Pointers, anchors, embedded resources by absolute and relative address."""
    [field] = from_json_schema_document(document).fields
    assert (field.name, field.type) == (column, FieldType.INTEGER)


def test_a_model_inside_of_itself_has_columns_up_to_the_first_repetition() -> None:
    """Recursion ends in one jsonb column."""
    node = {"type": "object", "properties": {"v": {"type": "number"}, "next": {"$ref": "#/$defs/node"}}}
    fields = from_json_schema_document({"$ref": "#/$defs/node", "$defs": {"node": node}}).fields
    assert [(field.name, field.type) for field in fields] == [("v", FieldType.NUMBER), ("next", FieldType.OBJECT)]


def test_references_that_multiply_are_refused_before_they_are_followed() -> None:
    """A short document whose references ask for 2^40 steps is a mistake, also through embedded resources."""
    definitions: dict[str, Any] = {"m0": {"$id": "urn:m0", "type": "integer"}}
    for level in range(1, 41):
        inner = {"$ref": f"urn:m{level - 1}"}
        definitions[f"m{level}"] = {"$id": f"urn:m{level}", "allOf": [inner, dict(inner)]}
    with pytest.raises(ContractError, match="steps"):
        from_json_schema_document({"$ref": "urn:m40", "$defs": definitions})


def test_a_wide_and_deep_document_gives_bounded_columns() -> None:
    """At most 300 columns, however many properties are reachable."""
    level: dict[str, Any] = {
        "type": "object",
        "properties": {f"leaf{index}": {"type": "number"} for index in range(30)},
    }
    for _ in range(3):
        level = {"type": "object", "properties": {f"k{index}": level for index in range(30)}}
    assert len(from_json_schema_document({"properties": level["properties"]["k0"]["properties"]}).fields) == 300


def test_a_member_and_a_pointer_field_for_one_place_are_a_mistake() -> None:
    """Two rules for one value: one of them would be lost."""
    inner = FieldSpec("b", FieldType.NUMBER, min=1)
    spec = ContractSpec("x", (FieldSpec("a", FieldType.OBJECT, members=(inner,)), FieldSpec("/a/b", FieldType.NUMBER)))
    with pytest.raises(ContractError, match="both"):
        compile_contract(spec, 1)


def test_references_resolve_against_their_own_resource() -> None:
    """The same fragment means another place in another resource."""
    document: Any = {
        "$id": "http://h/root",
        "$defs": {
            "a": {"const": 1},
            "other": {"$id": "other", "$defs": {"a": {"const": 2}}, "items": {"$ref": "#/$defs/a"}},
        },
        "items": {"$ref": "#/$defs/a"},
    }
    references = References(document)
    assert references.target(document["items"]) == {"const": 1}
    assert references.target(document["$defs"]["other"]["items"]) == {"const": 2}
    assert references.target({"$ref": "http://h/other#/$defs/a"}) == {"const": 2}
    assert references.target({"$ref": "http://elsewhere/x"}) is None


def test_rules_that_are_declared_too_deep_are_a_mistake() -> None:
    """However deep they are, before anything recursive reads them."""
    field = FieldSpec("", FieldType.INTEGER)
    for _ in range(5000):
        field = FieldSpec("", FieldType.ARRAY, items=field)
    with pytest.raises(ContractError, match="levels deep"):
        compile_contract(ContractSpec("deep", (replace(field, name="a"),)), 1)


@pytest.mark.parametrize("pattern", [r"(((a{999}){999}){999})", "("])
def test_patterns_inside_are_checked_like_those_of_fields(pattern: str) -> None:
    """A pattern that we do not run is named when the contract is made."""
    items = FieldSpec("", FieldType.STRING, pattern=pattern)
    with pytest.raises(ContractError, match="not a regular expression"):
        compile_contract(ContractSpec("x", (FieldSpec("a", FieldType.ARRAY, items=items),)), 1)
