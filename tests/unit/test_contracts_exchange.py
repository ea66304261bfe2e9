"""Contracts to JSON Schema documents and back, and documents of others as contracts."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

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
