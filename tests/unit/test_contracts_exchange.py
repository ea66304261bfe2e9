"""Contracts to JSON Schema documents and back, and documents of others as contracts."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dataflow_validator.contracts import (
    BinaryEncoding,
    Coercion,
    ConflictRule,
    ContractError,
    ContractSpec,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    UnknownFields,
    compile_contract,
    from_json_schema_document,
)
from dataflow_validator.contracts.exchange_in import import_json_schema
from dataflow_validator.contracts.exchange_out import export_json_schema
from dataflow_validator.contracts.schema import build_validator
from hypothesis import assume, given, settings
from hypothesis import strategies as st

NAMES = [
    "a",
    "b",
    "temp",
    "/",
    "/deep/x",
    "/deep/y",
    "/deep/er/z",
    "/data/0/v",
    "/data/1/v",
    "a.b",
    "~",
    "/a~1b",
    "$ref",
]
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def numbers(kind: FieldType) -> st.SearchStrategy[Any]:
    return (
        st.integers(-100, 100) if kind is FieldType.INTEGER else st.integers(-100, 100) | st.sampled_from([0.5, -1.25])
    )


@st.composite
def values(draw: st.DrawFn, depth: int = 2, *, named: bool = True) -> FieldSpec:
    """Any field that may stand inside or at the top, without a name."""
    kinds = [kind for kind in FieldType if depth or kind not in {FieldType.OBJECT, FieldType.ARRAY}]
    kind = draw(st.sampled_from(kinds))
    field = FieldSpec("", kind, required=draw(st.booleans()) or not named, nullable=draw(st.booleans()))
    field = replace(
        field, unit=draw(st.sampled_from(["", "°C"])), description=draw(st.sampled_from(["", "what it is"]))
    )
    maybe = draw(st.integers(0, 3))
    if kind in {FieldType.INTEGER, FieldType.NUMBER}:
        low = draw(numbers(kind))
        field = replace(field, min=low if maybe & 1 else None, max=low + 5 if maybe & 2 else None)
        if draw(st.booleans()):
            field = replace(field, exclusive_min=draw(numbers(kind)), multiple_of=draw(st.sampled_from([None, 2, 0.5])))
        if draw(st.booleans()) and not maybe:
            field = replace(field, enum=tuple(draw(st.lists(numbers(kind), min_size=1, max_size=3))))
    elif kind is FieldType.STRING:
        field = replace(field, pattern=draw(st.sampled_from([None, "^a"])), max_length=9 if maybe & 1 else None)
        if maybe == 2:
            enum = ("ab", None) if field.nullable and draw(st.booleans()) else ("ab", "a")
            field = replace(field, enum=enum)
    elif kind is FieldType.TIMESTAMP:
        field = replace(field, format=draw(st.sampled_from(EventTimeFormat)))
    elif kind is FieldType.BINARY:
        field = replace(field, encoding=draw(st.sampled_from(BinaryEncoding)), min_length=maybe or None)
    elif kind is FieldType.ARRAY:
        field = replace(field, max_length=maybe or None, items=draw(st.none() | values(depth - 1, named=False)))
    elif kind is FieldType.OBJECT and maybe:
        names = draw(st.lists(st.sampled_from(["x", "y", "", "/odd"]), unique=True, max_size=3))
        field = replace(field, members=tuple(replace(draw(values(depth - 1)), name=name) for name in names))
    return field


@st.composite
def contracts(draw: st.DrawFn) -> ContractSpec:
    """Any contract of fields."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=6))
    fields = [replace(draw(values()), name=name) for name in names]
    fields = [
        replace(field, has_default=True, default=None) if field.nullable and draw(st.booleans()) else field
        for field in fields
    ]
    spec = ContractSpec("any", tuple(fields), unknown=draw(st.sampled_from(UnknownFields)))
    if draw(st.booleans()):
        when = FieldSpec("ts", FieldType.TIMESTAMP, required=draw(st.booleans()))
        spec = replace(spec, fields=(*spec.fields, when), event_time="ts", identity=("ts",))
        spec = replace(spec, event_time_format=draw(st.sampled_from(EventTimeFormat)), event_time_max=draw(TIMES))
    return replace(
        spec,
        coerce=draw(st.sampled_from(Coercion)),
        conflict=draw(st.sampled_from(ConflictRule)),
        dedupe_window=timedelta(seconds=draw(st.integers(0, 10**6))),
        description=draw(st.sampled_from(["", "for people"])),
    )


@settings(max_examples=400, deadline=None)
@given(contracts())
def test_an_exported_contract_comes_back_equal(spec: ContractSpec) -> None:
    """Fields, order, settings: through the text of the document and back."""
    try:
        compile_contract(spec, 1)
    except ContractError:
        assume(False)
    document = json.loads(json.dumps(export_json_schema(spec)))
    build_validator(document)
    imported = import_json_schema(document)
    assert imported.spec == spec
    assert imported.spec.to_dict() == spec.to_dict()
    assert imported.warnings == ()


PYDANTIC = Path(__file__).parents[1] / "contracts" / "samples" / "pydantic"


def pydantic(name: str) -> Any:
    return json.loads((PYDANTIC / f"{name}.schema.json").read_text())


def test_a_flat_pydantic_model_becomes_a_field_list() -> None:
    """Bounds, null, defaults, enums behind references and lists: all of it as fields, with one warning."""
    imported = import_json_schema(pydantic("flat"), name="flat")
    assert imported.spec.json_schema is None
    assert imported.spec.unknown is UnknownFields.REJECT
    fields = {field.name: field for field in imported.spec.fields}
    assert fields["temperature"].exclusive_min == -50
    assert fields["humidity"].nullable
    assert fields["mode"].enum == ("eco", "boost")
    assert fields["kind"].default == "air"
    assert fields["tags"].items == FieldSpec("", FieldType.STRING)
    assert fields["ts"].type is FieldType.TIMESTAMP
    assert [warning.path for warning in imported.warnings] == ["/properties/ts"]
    compile_contract(imported.spec, 1)


def test_a_nested_pydantic_model_has_columns_for_its_members() -> None:
    """An object that is always there gives pointer fields; a list of models gives rules for its items."""
    imported = import_json_schema(pydantic("nested"), name="nested")
    assert imported.spec.json_schema is None
    assert [field.name for field in imported.spec.fields] == [
        "station",
        "at",
        "/place/lat",
        "/place/lon",
        "/place/name",
        "samples",
    ]
    samples = imported.spec.fields[-1].items
    assert samples is not None
    assert [member.name for member in samples.members] == ["lat", "lon", "name"]
    compile_contract(imported.spec, 1)


def test_what_fields_cannot_say_stays_a_json_schema() -> None:
    """A model that may be null, with required members, judges as it is and still has typed columns."""
    imported = import_json_schema(pydantic("optionally"), name="optionally")
    assert imported.spec.json_schema == pydantic("optionally")
    assert imported.spec.fields_from_schema
    kinds = {field.name: field.type for field in imported.spec.fields}
    assert kinds["/place/lat"] is FieldType.NUMBER
    assert kinds["reading"] is FieldType.JSON
    assert imported.warnings[0].path == "/properties/place"
    judged = compile_contract(imported.spec, 1)
    assert judged.is_valid({"station": "x", "place": None, "reading": 1})
    assert not judged.is_valid({"station": "x", "place": {"lat": 1}, "reading": 1})


@pytest.mark.parametrize(
    "keyword",
    [
        {"allOf": [{"required": ["a"]}]},
        {"patternProperties": {"^x": {}}},
        {"minProperties": 1},
        {"additionalProperties": {"type": "number"}},
        {"required": ["b"]},
        {"properties": {"a": {"type": ["string", "integer"]}}},
        {"properties": {"a": {"type": "array", "uniqueItems": True}}},
        {"properties": {"a": {"enum": [1, "x"]}}},
        {"properties": {"a": {"type": "object", "properties": {"b": {}}, "required": ["b"]}}},
        {"properties": {"a": False}},
        {"$dynamicRef": "#"},
        {"type": ["object", "null"]},
    ],
)
def test_no_rule_of_a_document_is_lost(keyword: dict[str, Any]) -> None:
    """Whatever a field list has no word for keeps the whole document judging."""
    document = {"type": "object", "properties": {"a": {"type": "integer"}}, **keyword}
    assert import_json_schema(document).spec.json_schema == document


@settings(max_examples=100, deadline=None)
@given(contracts(), st.data())
def test_an_edited_export_is_judged_as_it_says(spec: ContractSpec, data: st.DataObject) -> None:
    """A rule that somebody added to an exported document counts after it is imported again."""
    try:
        compile_contract(spec, 1)
    except ContractError:
        assume(False)
    document = export_json_schema(spec)
    document["minProperties"] = data.draw(st.integers(50, 60))
    imported = import_json_schema(document)
    assert not compile_contract(imported.spec, 1).is_valid({})
    assert imported.spec.coerce is spec.coerce


def test_a_schema_with_fields_beside_it_comes_back_equal() -> None:
    """Both judge after an import as they did before the export."""
    raw: dict[str, Any] = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": "integer"}},
    }
    for spec in (
        ContractSpec("both", (FieldSpec("a", FieldType.NUMBER),), json_schema=raw, unknown=UnknownFields.REJECT),
        ContractSpec("both", (FieldSpec("a", FieldType.NUMBER),), json_schema={**raw, "$id": "urn:x"}, description="d"),
        ContractSpec("both", (FieldSpec("a", FieldType.NUMBER),), json_schema=True),
        replace(from_json_schema_document(raw), name="raw", identity=("a",), description="d"),
        replace(from_json_schema_document(True), name="raw"),
    ):
        compile_contract(spec, 1)
        assert import_json_schema(json.loads(json.dumps(export_json_schema(spec)))).spec == spec


@pytest.mark.parametrize(
    "member",
    [1, {"identity": 5}, {"coerce": "sometimes"}, {"event_time_min": "soon"}, {"form": "both"}, {"fields": [1]}],
)
def test_a_mangled_export_is_refused_or_read_without_it(member: Any) -> None:
    """Whatever stands in the member of an export, there is a contract or a `ContractError`."""
    document = {"type": "object", "properties": {"a": {"type": "integer"}}, "x-dataflow-contract": member}
    with suppress(ContractError):
        assert import_json_schema(document).spec.fields


@pytest.mark.parametrize("draft", ["http://json-schema.org/draft-07/schema#", "http://json-schema.org/schema#"])
def test_an_older_draft_is_read_where_nothing_differs(draft: str) -> None:
    """What tools write for draft 7 is a contract, with a warning that says how it was read."""
    document = {
        "$schema": draft,
        "type": "object",
        "properties": {"id": {"$ref": "#/definitions/n"}},
        "definitions": {"n": {"$schema": draft, "type": "integer", "minimum": 1}},
    }
    imported = import_json_schema(document)
    assert imported.spec.fields == (FieldSpec("id", FieldType.INTEGER, required=False, min=1),)
    assert imported.warnings[0].path == "/$schema"
    raw = import_json_schema({**document, "minProperties": 1}).spec
    assert not compile_contract(replace(raw, name="older"), 1).is_valid({"id": 0})


@pytest.mark.parametrize(
    "part",
    [
        {"items": [{"type": "integer"}]},
        {"dependencies": {"a": ["b"]}},
        {"additionalItems": False},
        {"$ref": "#/definitions/n", "minimum": 1},
        {"$id": "#here"},
    ],
)
def test_an_older_draft_is_refused_where_it_means_something_else(part: dict[str, Any]) -> None:
    """Nothing is read in another sense than it was written in."""
    document = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"a": part},
        "definitions": {"n": {}},
    }
    with pytest.raises(ContractError, match="convert the schema"):
        import_json_schema(document)
