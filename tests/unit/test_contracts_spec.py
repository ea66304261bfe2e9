"""Contracts as they are written: documents, mistakes, storage and coercion."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dataflow_validator.contracts import (
    Coercion,
    ConflictRule,
    ContractError,
    ContractSpec,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    UnknownFields,
    compile_contract,
    from_fields_document,
    from_json_schema_document,
)
from dataflow_validator.contracts.coercion import Coercer, coerced
from hypothesis import given
from hypothesis import strategies as st

FIELD = FieldSpec("a", FieldType.NUMBER)


def problems_of(spec: ContractSpec) -> tuple[str, ...]:
    with pytest.raises(ContractError) as caught:
        compile_contract(spec, 1)
    return caught.value.problems


def test_a_contract_is_stored_and_read_back_without_loss() -> None:
    """Every attribute survives the way through jsonb."""
    spec = ContractSpec(
        "full",
        (
            FieldSpec(
                "a", FieldType.NUMBER, required=False, nullable=True, unit="°C", min=-1.5, max=0, description="d"
            ),
            FieldSpec(
                "b", FieldType.STRING, has_default=True, default="x", enum=("x", "y"), pattern="^.$", min_length=0
            ),
            FieldSpec("/c/d", FieldType.JSON, has_default=True, default=None, max_length=None),
            FieldSpec("e", FieldType.INTEGER, min=0, max=2**70),
        ),
        json_schema={"type": "object", "maximum": 2**70},
        fields_from_schema=False,
        identity=("a", "b"),
        event_time="b",
        event_time_format=EventTimeFormat.EPOCH_MS,
        event_time_min=datetime(2020, 1, 1, tzinfo=UTC),
        event_time_max=datetime(2030, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        event_time_ahead=timedelta(microseconds=5),
        unknown=UnknownFields.KEEP,
        coerce=Coercion.LOSSLESS,
        conflict=ConflictRule.BOTH,
        dedupe_window=timedelta(days=3),
        description="text",
    )
    assert ContractSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@given(
    st.builds(
        ContractSpec,
        name=st.text(),
        fields=st.builds(FieldSpec, name=st.text(), type=st.sampled_from(FieldType)).map(lambda item: (item,)),
    )
)
def test_any_contract_survives_storage(spec: ContractSpec) -> None:
    """`from_dict` undoes `to_dict`, also for contracts that would not compile."""
    assert ContractSpec.from_dict(spec.to_dict()) == spec


def test_all_mistakes_of_a_field_list_are_reported_at_once() -> None:
    """Each names its field and the way out."""
    document = [
        {"name": "a", "type": "float"},
        {"name": "b", "type": "number", "minimum": 3},
        {"type": "string"},
        "c",
        {"name": "d", "type": "string", "required": "yes"},
        {"name": "e"},
    ]
    with pytest.raises(ContractError) as caught:
        from_fields_document(document)
    text = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 6
    for part in (
        "'a'",
        "string, integer",
        "did you mean 'min'?",
        'field 2 has no "name"',
        "field 3 is not",
        "'yes'",
        "'e' has no type",
    ):
        assert part in text


@pytest.mark.parametrize("document", [5, {"a": 1}, {"type": "object", "properties": {}}, {"fields": {}}])
def test_what_is_no_field_list_is_refused(document: object) -> None:
    """A JSON Schema given as a field list is told apart."""
    with pytest.raises(ContractError, match="field list"):
        from_fields_document(document)


def test_a_contract_file_is_never_taken_for_a_schema() -> None:
    """Taken as a schema it would accept everything."""
    schema = {"type": "object", "required": ["a"]}
    spec = from_json_schema_document({"name": "file", "fields": [], "json_schema": schema})
    assert (spec.name, spec.json_schema) == ("file", schema)
    with pytest.raises(ContractError, match="give it as fields"):
        from_json_schema_document({"name": "file", "fields": [{"name": "a", "type": "number"}]})
    for document in (5, "x", None):
        with pytest.raises(ContractError):
            from_json_schema_document(document)


def test_columns_are_derived_from_top_level_properties() -> None:
    """Through allOf and local references, one type each; the rest becomes jsonb."""
    schema = {
        "$defs": {"n": {"type": "number"}, "more": {"properties": {"f": {"type": "boolean"}}}},
        "type": "object",
        "properties": {
            "a": {"type": "string"},
            "b": {"type": ["integer", "null"]},
            "c": {"$ref": "#/$defs/n"},
            "d": {"type": "string", "format": "date-time"},
            "e": {"type": ["string", "number"]},
            "g": {"type": "array"},
            "h": True,
            "i": {"type": "integer", "maximum": 2**64},
            "device_id": {"type": "string"},
        },
        "allOf": [{"$ref": "#/$defs/more"}, {"properties": {"a": {"type": "string", "minLength": 1}}}],
        "anyOf": [{"properties": {"sometimes": {"type": "string"}}}, True],
    }
    contract = compile_contract(from_json_schema_document(schema, name="derived"), 1)
    assert {column.name: column.sql_type for column in contract.columns} == {
        "a": "text",
        "b": "bigint",
        "c": "double precision",
        "d": "timestamptz",
        "e": "jsonb",
        "g": "jsonb",
        "h": "jsonb",
        "i": "numeric",
        "field_device_id": "text",
        "f": "boolean",
    }


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        (ContractSpec("Room", (FIELD,)), "contract name 'Room'"),
        (ContractSpec("x" * 49, (FIELD,)), "contract name"),
        (ContractSpec("x"), "says nothing"),
        (ContractSpec("x", (FIELD, FIELD)), "2 times"),
        (ContractSpec("x", (FIELD, FieldSpec("/a", FieldType.NUMBER))), "both mean the column 'a'"),
        (ContractSpec("x", (FIELD,), identity=("b",)), "identity field 'b' is not a field"),
        (ContractSpec("x", (FIELD,), identity=("a", "a")), "twice"),
        (ContractSpec("x", (FIELD,), identity=("device_id",)), "all readings of a device for one"),
        (ContractSpec("x", (FieldSpec("a", FieldType.OBJECT),), identity=("a",)), "identity field 'a' is object"),
        (ContractSpec("x", (replace(FIELD, has_default=True, default=1),), identity=("a",)), "has a default"),
        (
            ContractSpec("x", (FIELD,), event_time="ts"),
            "event-time field 'ts' is not a field of the contract (fields: 'a')",
        ),
        (ContractSpec("x", (FieldSpec("a", FieldType.BOOLEAN),), event_time="a"), "make it a timestamp"),
        (ContractSpec("x", (replace(FIELD, nullable=True),), event_time="a"), "make it required"),
        (ContractSpec("x", (FIELD,), event_time_min=datetime(1969, 1, 1, tzinfo=UTC)), "before 1970"),
        (ContractSpec("x", (FIELD,), event_time_ahead=timedelta(days=2)), "event_time_ahead"),
        (ContractSpec("x", (FIELD,), event_time_max=datetime(1970, 1, 1, tzinfo=UTC)), "event_time_max"),
        (ContractSpec("x", (FIELD,), dedupe_window=-timedelta(1)), "dedupe_window"),
        (ContractSpec("x", (FieldSpec("", FieldType.NUMBER),)), "empty name"),
        (ContractSpec("x", (FieldSpec("/a/~2", FieldType.NUMBER),)), "not a JSON Pointer"),
        (ContractSpec("x", (FieldSpec("\ud800", FieldType.NUMBER),)), "not valid Unicode"),
        (ContractSpec("x", (FieldSpec("a\0", FieldType.NUMBER),)), "no NUL"),
        (ContractSpec("x", (FieldSpec("/a" * 40, FieldType.NUMBER),)), "levels deep"),
        (ContractSpec("x", (FieldSpec("/a/256", FieldType.NUMBER),)), "indexes go up"),
        (ContractSpec("x", (replace(FIELD, min=2, max=1),)), "min 2 is greater"),
        (ContractSpec("x", (FieldSpec("a", FieldType.STRING, min=1),)), "min and max need"),
        (ContractSpec("x", (replace(FIELD, min_length=1),)), "min_length and max_length need"),
        (ContractSpec("x", (FieldSpec("a", FieldType.STRING, min_length=2, max_length=1),)), "lengths must"),
        (ContractSpec("x", (replace(FIELD, pattern="a"),)), "pattern needs"),
        (ContractSpec("x", (FieldSpec("a", FieldType.STRING, pattern="("),)), "not a regular expression"),
        (ContractSpec("x", (FieldSpec("a", FieldType.STRING, pattern="(((a{999}){999}){999})"),)), "too large"),
        (ContractSpec("x", (replace(FIELD, enum=("x",)),)), "enum value 'x'"),
        (ContractSpec("x", (replace(FIELD, has_default=True, default="x"),)), "default 'x' is not of type"),
        (ContractSpec("x", (replace(FIELD, has_default=True, default=9, max=5),)), "breaks the field's own rules"),
        (
            ContractSpec("x", (FieldSpec("a", FieldType.TIMESTAMP, has_default=True, default="soon"),)),
            "does not fit its column",
        ),
        (
            ContractSpec("x", (FieldSpec("a", FieldType.INTEGER, has_default=True, default=2**63),)),
            "does not fit its column",
        ),
        (ContractSpec("x", json_schema={"type": "strin"}), "not a JSON Schema 2020-12: at /type"),
        (ContractSpec("x", json_schema={"$schema": "http://json-schema.org/draft-07/schema#"}), "convert the schema"),
        (ContractSpec("x", json_schema={"enum": ["x" * 1024 * 1024]}), "bytes, at most"),
        (ContractSpec("x", json_schema={"$ref": "#/$defs/none"}), "/$defs/none"),
    ],
)
def test_each_mistake_is_named_with_the_way_out(spec: ContractSpec, part: str) -> None:
    """One problem each, and it says what it is about."""
    [problem] = problems_of(spec)
    assert part in problem


def test_all_mistakes_of_a_contract_are_reported_at_once() -> None:
    """Whoever writes a contract mends it once."""
    spec = ContractSpec(
        "X", (replace(FIELD, pattern="a"), replace(FIELD, name="b", min=2, max=1)), identity=("c",), event_time="d"
    )
    assert len(problems_of(spec)) == 5


def test_a_deep_schema_is_refused() -> None:
    """Depth is bounded before anything recursive reads the schema."""
    schema: dict[str, Any] = {}
    for _ in range(100_000):
        schema = {"not": schema}
    [problem] = problems_of(ContractSpec("x", json_schema=schema))
    assert "levels deep" in problem
    while schema:  # taken apart by hand: the interpreter would recurse
        schema = schema.pop("not")


@pytest.mark.parametrize("combine", ["allOf", "anyOf", "oneOf"])
def test_a_schema_that_multiplies_itself_is_refused(combine: str) -> None:
    """Thirty definitions that each refer twice to the next would take 2^30 steps for one value."""
    definitions: dict[str, Any] = {
        f"a{number}": {combine: [{"$ref": f"#/$defs/a{number + 1}"}, {"$ref": f"#/$defs/a{number + 1}"}]}
        for number in range(30)
    }
    definitions["a30"] = {"$anchor": "end", "type": "integer"}
    [problem] = problems_of(ContractSpec("x", json_schema={"$defs": definitions, "$ref": "#/$defs/a0"}))
    assert "steps" in problem


def test_a_recursive_schema_is_no_costly_one() -> None:
    """A tree refers to itself, and is judged as deep as the value goes."""
    tree = {
        "type": "object",
        "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}},
        "additionalProperties": False,
    }
    contract = compile_contract(from_json_schema_document(tree, name="tree"), 1)
    assert contract.is_valid({"left": {"right": {}}})
    assert not contract.is_valid({"left": {"right": {"middle": 1}}})


def test_identity_and_event_time_are_required_by_themselves() -> None:
    """A field that says which reading it is, or when, cannot be absent, also under a raw schema."""
    optional = replace(FIELD, required=False)
    assert not compile_contract(ContractSpec("x", (optional,), identity=("a",)), 1).is_valid({})
    assert not compile_contract(ContractSpec("x", (optional,), event_time="a"), 1).is_valid({})
    raw = from_json_schema_document({"properties": {"a": {"type": "string"}}}, name="x")
    assert compile_contract(raw, 1).is_valid({})
    assert not compile_contract(replace(raw, identity=("a",)), 1).is_valid({})


def test_the_device_may_stand_in_the_identity_without_a_field() -> None:
    """Every identity contains the device anyway."""
    compile_contract(ContractSpec("x", (FIELD,), identity=("device_id", "a")), 1)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("12.5", FieldType.NUMBER, 12.5),
        ("-3", FieldType.NUMBER, -3),
        ("1e3", FieldType.NUMBER, 1000),
        ("0.1", FieldType.NUMBER, 0.1),
        ("12345678901234567168", FieldType.NUMBER, 12345678901234567168),
        ("5", FieldType.INTEGER, 5),
        ("5.0", FieldType.INTEGER, 5),
        ("9007199254740993", FieldType.INTEGER, 9007199254740993),
        ("true", FieldType.BOOLEAN, True),
        ("false", FieldType.BOOLEAN, False),
        ("1388549106", FieldType.TIMESTAMP, 1388549106),
    ],
)
def test_text_that_says_exactly_a_value_is_that_value(text: str, kind: FieldType, value: object) -> None:
    """What is lossless."""
    found = coerced(text, kind)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-0,1", FieldType.NUMBER),
        ("12345678901234567890", FieldType.NUMBER),
        ("1,234.5", FieldType.NUMBER),
        (" 5", FieldType.NUMBER),
        ("5\n", FieldType.NUMBER),
        ("+5", FieldType.NUMBER),
        ("05", FieldType.NUMBER),
        ("5.", FieldType.NUMBER),
        (".5", FieldType.NUMBER),
        ("0x5", FieldType.NUMBER),
        ("NaN", FieldType.NUMBER),
        ("Infinity", FieldType.NUMBER),
        ("1e400", FieldType.NUMBER),
        ("1.5e-400", FieldType.NUMBER),
        ("0.1234567890123456789", FieldType.NUMBER),
        ("\u0665", FieldType.NUMBER),
        ("", FieldType.NUMBER),
        ("5.5", FieldType.INTEGER),
        ("1e999", FieldType.INTEGER),
        ("1", FieldType.BOOLEAN),
        ("True", FieldType.BOOLEAN),
        ("yes", FieldType.BOOLEAN),
    ],
)
def test_text_that_would_lose_something_stays_text(text: str, kind: FieldType) -> None:
    """What is not lossless is left for the schema to refuse."""
    assert coerced(text, kind) == text


def test_coercion_leaves_the_item_as_it_came() -> None:
    """The quarantine and the content hash need what was sent."""
    item = {"a": "5", "n": [{"x": "6"}], "s": "7"}
    fields = (FIELD, FieldSpec("/n/0/x", FieldType.INTEGER), FieldSpec("s", FieldType.STRING))
    assert Coercer(fields).coerce(item) == {"a": 5, "n": [{"x": 6}], "s": "7"}
    assert item == {"a": "5", "n": [{"x": "6"}], "s": "7"}


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_an_optional_field_as_pydantic_writes_it_has_its_type(keyword: str) -> None:
    """`anyOf` of a type and null is that type, nullable."""
    properties = {
        "a": {keyword: [{"type": "number"}, {"type": "null"}]},
        "b": {keyword: [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "c": {keyword: [{"type": "number"}, {"type": "string"}, {"type": "null"}]},
    }
    spec = from_json_schema_document({"type": "object", "properties": properties}, name="optional")
    assert [field.type for field in spec.fields] == [FieldType.NUMBER, FieldType.TIMESTAMP, FieldType.JSON]
