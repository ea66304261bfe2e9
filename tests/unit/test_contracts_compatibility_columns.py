"""What no revision may change, and how revisions differ in words."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dataflow_validator.contracts import (
    Coercion,
    ContractSpec,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    UnknownFields,
    from_json_schema_document,
)
from dataflow_validator.contracts.compatibility import changes, column_problems, fixed_problems

S, I, N, T = FieldType.STRING, FieldType.INTEGER, FieldType.NUMBER, FieldType.TIMESTAMP  # noqa: E741


def field(kind: FieldType, name: str = "v", **rules: Any) -> ContractSpec:
    return ContractSpec("one", (FieldSpec(name, kind, **rules),))


@pytest.mark.parametrize(
    ("held", "spec", "fits"),
    [
        ("bigint", field(I), True),
        ("numeric", field(I), True),
        ("bigint", field(I, max=2**64), False),
        ("double precision", field(I), False),
        ("double precision", field(I, min=0, max=2**53), True),
        ("double precision", field(I, min=0, max=2**53 + 1), False),
        ("double precision", field(I, exclusive_min=-1, exclusive_max=9), True),
        ("double precision", field(I, enum=(1, 2)), True),
        ("double precision", field(I, enum=(1, 2**60)), False),
        ("bigint", field(N), False),
        ("numeric", field(N), False),
        ("text", field(N), False),
        ("double precision", field(S), False),
        ("timestamptz", field(S), False),
        ("jsonb", field(FieldType.ARRAY), True),
        ("jsonb", field(FieldType.JSON), True),
        ("bytea", field(S), False),
    ],
)
def test_a_field_takes_a_column_that_holds_all_its_values(held: str, spec: ContractSpec, fits: bool) -> None:
    """Those of earlier revisions are in it already; what does not fit is refused with the way out."""
    found = column_problems({"v": held}, spec)
    assert (found == []) is fits
    if not fits:
        assert found[0].path == "v"
        assert "another field name" in found[0].message


def test_fields_that_differ_by_case_or_after_63_bytes_have_columns_of_their_own() -> None:
    """They take nothing from one another, also when one is gone."""
    long = "x" * 63
    assert column_problems({"temp": "text", long: "text"}, field(N, "Temp")) == []
    assert column_problems({long: "text"}, field(N, long + "y")) == []
    assert column_problems({long: "text"}, field(N, long)) != []


def test_columns_of_removed_fields_count() -> None:
    """Postgres holds 1,600."""
    held = {f"c{number}": "text" for number in range(1591)}
    assert column_problems(held, field(S, "c1")) == []
    [problem] = column_problems(held, field(S, "one_more"))
    assert "1600" in problem.message


def test_identity_and_event_time_belong_to_the_contract() -> None:
    """Their fields, their parsing and their types."""
    items = (FieldSpec("ts", T), FieldSpec("n", I), FieldSpec("at", T))
    old = ContractSpec("one", items, identity=("n", "at"), event_time="ts")
    assert fixed_problems(old, replace(old, unknown=UnknownFields.KEEP, dedupe_window=timedelta(1))) == []
    number = replace(old, fields=(items[0], replace(items[1], type=N), items[2]))
    assert fixed_problems(old, number) == []
    changed = {
        "identity": replace(old, identity=("n",)),
        "event_time": replace(old, event_time="at"),
        "event_time_format": replace(old, event_time_format=EventTimeFormat.EPOCH_S),
        "n": replace(old, fields=(items[0], replace(items[1], type=S), items[2])),
        "at": replace(old, fields=(*items[:2], replace(items[2], format=EventTimeFormat.EPOCH_MS))),
    }
    for path, new in changed.items():
        [problem] = fixed_problems(old, new)
        assert problem.path == path
        assert "make a new contract" in problem.message


def test_changes_are_told_rule_by_rule() -> None:
    """The contract's own rules, then fields in the order of the new revision, then those that are gone."""
    old = ContractSpec(
        "one",
        (FieldSpec("a", N, min=0, enum=(1, 2)), FieldSpec("b", S, required=False), FieldSpec("c", T)),
        coerce=Coercion.LOSSLESS,
    )
    new = ContractSpec(
        "one",
        (FieldSpec("d", S), FieldSpec("a", I, min=1), FieldSpec("c", T, nullable=True, has_default=True)),
    )
    assert [change.sentence for change in changes(old, new)] == [
        "the coercion changed from lossless to strict",
        "required field 'd' (string) is new; its column is 'd'",
        "field 'a': type changed from number to integer",
        "field 'a': minimum changed from 0 to 1",
        "field 'a': allowed values is no longer set, was 1, 2",
        "field 'c': nullable changed from false to true",
        "field 'c': default is now null, was not set",
        "field 'b' (string) is gone; its column 'b' stays with its rows",
    ]


def test_changes_of_a_schema_are_told_where_they_are() -> None:
    """At the innermost member, with a pointer into the document; derived columns add nothing."""
    old = {"type": "object", "properties": {"a": {"type": "number"}, "b": {}}, "required": ["a"]}
    new = {"type": "object", "properties": {"a": {"type": "number", "minimum": 1}, "c": {}}, "required": []}
    found = changes(from_json_schema_document(old, name="one"), from_json_schema_document(new, name="one"))
    assert [(change.kind.value, change.field, change.clause) for change in found] == [
        ("ADDED", "#/properties/a", "minimum"),
        ("ADDED", "#/properties/c", ""),
        ("REMOVED", "#/properties/b", ""),
        ("CHANGED", "#", "required"),
    ]
    assert changes(from_json_schema_document(old, name="one"), from_json_schema_document(old, name="one")) == []
