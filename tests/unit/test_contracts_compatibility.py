"""Whether one contract accepts what another accepts: verdicts, explanations, and the exception for added fields."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
from dataflow_validator.contracts.compatibility import Comparison, Direction, Mode, check, compare, compared_by
from dataflow_validator.contracts.compatibility.judges import Judge
from dataflow_validator.contracts.spec import BinaryEncoding

BACKWARD, FORWARD = Direction.BACKWARD, Direction.FORWARD


def fields(*items: FieldSpec, **rules: Any) -> ContractSpec:
    return ContractSpec("one", items, **rules)


def one(kind: FieldType, **rules: Any) -> ContractSpec:
    return fields(FieldSpec("v", kind, **rules))


def schema(document: Any) -> ContractSpec:
    return from_json_schema_document(document, name="one")


def found(comparison: Comparison) -> list[tuple[str, str, str]]:
    return [(one.direction.value[0], one.path, one.clause) for one in comparison.findings]


def compared(old: ContractSpec, new: ContractSpec) -> list[tuple[str, str, str]]:
    """Compare, and judge every counter-example once more."""
    comparison = compare(old, new)
    for finding in comparison.findings:
        if finding.counter_example is not None:
            sides = (old, new) if finding.direction is BACKWARD else (new, old)
            payload = finding.counter_example.payload.encode()
            assert [Judge(side).accepts(payload) for side in sides] == [True, False]
    return found(comparison)


S, I, N, B, T = FieldType.STRING, FieldType.INTEGER, FieldType.NUMBER, FieldType.BOOLEAN, FieldType.TIMESTAMP  # noqa: E741
O, A, X, J = FieldType.OBJECT, FieldType.ARRAY, FieldType.BINARY, FieldType.JSON  # noqa: E741


@pytest.mark.parametrize(
    ("narrow", "wide", "path", "clause"),
    [
        (one(I), one(N), "/v", "type"),
        (one(S), one(S, nullable=True), "/v", "type"),
        (one(S), one(S, required=False), "/v", "required"),
        (one(S), one(S, default="x", has_default=True), "/v", "required"),
        (one(N, min=1), one(N, min=0), "/v", "minimum"),
        (one(N, max=1), one(N), "/v", "maximum"),
        (one(N, exclusive_min=1), one(N, min=1), "/v", "exclusiveMinimum"),
        (one(I, exclusive_min=1), one(I, min=1), "/v", "exclusiveMinimum"),
        (one(N, multiple_of=4), one(N, multiple_of=2), "/v", "multipleOf"),
        (one(S, enum=("a",)), one(S, enum=("a", "b")), "/v", "enum"),
        (one(S, enum=("ab", "ac")), one(S, pattern="^a"), "/v", "enum"),
        (one(S, pattern="^ab"), one(S), "/v", "pattern"),
        (one(S, min_length=2, max_length=3), one(S, min_length=2, max_length=4), "/v", "maxLength"),
        (one(A, min_length=1), one(A), "/v", "minItems"),
        (one(A, items=FieldSpec("", N)), one(A), "/v/*", "type"),
        (one(A, items=FieldSpec("", N, min=0)), one(A, items=FieldSpec("", N)), "/v/*", "minimum"),
        (
            one(O, members=(FieldSpec("x", S),)),
            one(O, members=(FieldSpec("x", S, required=False),)),
            "/v/x",
            "required",
        ),
        (one(X, max_length=2), one(X, max_length=3), "/v", "encoding"),
        (one(X, encoding=BinaryEncoding.HEX), one(S), "/v", "encoding"),
        (one(T, format=EventTimeFormat.RFC3339), one(T), "/v", "type"),
        (one(I), one(I, min=-(10**30), max=10**30), "/v", "storable"),
        (one(O), one(J), "/v", "type"),
        (fields(FieldSpec("/a/b", N)), fields(FieldSpec("/a/b", N, nullable=True)), "/a/b", "type"),
        (fields(FieldSpec("v", S), unknown=UnknownFields.REJECT), one(S), "/*", "false"),
        (one(N), replace(one(N), coerce=Coercion.LOSSLESS), "/v", "type"),
        (schema({"type": "string"}), schema({"type": ["string", "number"]}), "", "type"),
        (schema({"const": 1}), schema({"enum": [1, 2]}), "", "const"),
        (schema({"type": "array", "uniqueItems": True}), schema({"type": "array"}), "", "uniqueItems"),
        (
            schema(
                {"properties": {"a": {"anyOf": [{"type": "number", "minimum": 2}, {"type": "null"}]}}, "type": "object"}
            ),
            schema({"properties": {"a": {"anyOf": [{"type": "number"}, {"type": "null"}]}}, "type": "object"}),
            "/a",
            "anyOf",
        ),
        (
            schema({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "maxProperties": 2}}}),
            schema({"type": "object", "maxProperties": 3}),
            "",
            "maxProperties",
        ),
        (
            schema({"type": "object", "patternProperties": {"^x": {"type": "number"}}}),
            schema({"type": "object"}),
            "/*",
            "type",
        ),
        (
            schema({"type": "object", "properties": {"a": {"not": {"type": "string"}}}}),
            schema({"type": "object", "properties": {"a": {}}}),
            "/a",
            "not",
        ),
    ],
)
def test_a_wider_rule_is_compatible_backward_only(
    narrow: ContractSpec, wide: ContractSpec, path: str, clause: str
) -> None:
    """What the narrow contract accepts the wide one accepts; the other way round an item shows the rule at fault."""
    comparison = compare(narrow, wide)
    assert {(finding.direction, finding.path) for finding in comparison.findings} == {(FORWARD, path)}
    assert comparison.findings[0].clause == clause
    assert comparison.findings[0].counter_example is not None
    assert {(direction, where) for direction, where, _ in compared(wide, narrow)} == {("B", path)}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (one(I, min=1), one(I, exclusive_min=0)),
        (one(S, enum=("a", "b")), one(S, enum=("b", "a"), max_length=1)),
        (one(S, description="x", unit="m"), one(S)),
        (schema({"type": "integer"}), schema({"type": "number", "multipleOf": 1})),
        (schema({"type": "object", "title": "x"}), schema({"type": "object", "examples": [1], "format": "y"})),
        (schema({"anyOf": [{"type": "string"}, {"type": "null"}]}), schema({"type": ["null", "string"]})),
        (schema({"allOf": [{"minimum": 1}, {"maximum": 2}]}), schema({"minimum": 1, "maximum": 2})),
        (
            schema({"oneOf": [{"const": 1}, {"const": 2}]}),
            schema({"enum": [1, 2]}),
        ),
        (
            schema(
                {"$ref": "#/$defs/t", "$defs": {"t": {"type": "object", "properties": {"c": {"$ref": "#/$defs/t"}}}}}
            ),
            schema(
                {"$ref": "#/$defs/u", "$defs": {"u": {"type": "object", "properties": {"c": {"$ref": "#/$defs/u"}}}}}
            ),
        ),
        (
            schema({"type": "object", "unevaluatedProperties": False, "properties": {"a": {}}}),
            schema({"type": "object", "additionalProperties": False, "allOf": [{}], "properties": {"a": {}}}),
        ),
    ],
)
def test_the_same_rule_written_in_two_ways_is_compatible_both_ways(left: ContractSpec, right: ContractSpec) -> None:
    """It is the items that count, not the spelling."""
    assert compared(left, right) == []
    assert compared(right, left) == []


def test_a_recursive_schema_is_compared_to_its_depth() -> None:
    """The proof goes by induction, and finds what changed inside of the recursion."""

    def tree(high: int) -> ContractSpec:
        node = {
            "type": "object",
            "properties": {
                "v": {"type": "number", "maximum": high},
                "c": {"type": "array", "items": {"$ref": "#/$defs/n"}},
            },
        }
        return schema({"type": "object", "properties": {"c": {"$ref": "#/$defs/n"}}, "$defs": {"n": node}})

    assert compared(tree(5), tree(6)) == [("F", "/c/v", "maximum")]


def test_a_changed_branch_of_a_discriminated_union_is_named() -> None:
    """The branches are told apart by their constant; the others do not matter."""

    def union(high: int) -> ContractSpec:
        branch = {"k": {"const": "a"}, "n": {"type": "number", "maximum": high}}
        return schema(
            {
                "oneOf": [
                    {"type": "object", "required": ["k"], "properties": branch},
                    {"type": "object", "required": ["k"], "properties": {"k": {"const": "b"}}},
                ]
            }
        )

    assert [where for where, *_ in compared(union(5), union(9))] == ["F"]


@pytest.mark.parametrize("unknown", list(UnknownFields))
@pytest.mark.parametrize("coerce", list(Coercion))
@pytest.mark.parametrize("name", ["more", "/n/more", "/deep/er/more"])
@pytest.mark.parametrize("kind", [N, T, X, O, J])
def test_adding_an_optional_field_is_always_compatible(
    unknown: UnknownFields, coerce: Coercion, name: str, kind: FieldType
) -> None:
    """In both directions, whatever becomes of unknown members; what it may refuse is said."""
    old = fields(FieldSpec("/n/x", S), unknown=unknown, coerce=coerce)
    new = replace(old, fields=(*old.fields, FieldSpec(name, kind, required=False)))
    comparison = compare(old, new)
    assert comparison.findings == ()
    expected = FORWARD if unknown is UnknownFields.REJECT else BACKWARD
    if kind is not J or name.startswith("/deep"):
        assert {exemption.direction for exemption in comparison.exemptions} == {expected}


def test_an_exemption_shows_an_item_that_it_lets_go() -> None:
    """An unknown member that happened to have the name of the new field, with another kind of value."""
    old = one(S)
    comparison = compare(old, replace(old, fields=(*old.fields, FieldSpec("more", N, required=False))))
    [exemption] = comparison.exemptions
    assert exemption.path == "/more"
    assert "always allowed" in exemption.message
    assert exemption.example is not None
    assert not isinstance(json.loads(exemption.example.payload)["more"], int | float)


def test_the_exemption_is_for_optional_new_members_only() -> None:
    """Not for required ones, not for names that the old contract had a rule for, not for forbidding a member."""
    assert compared(one(S), fields(FieldSpec("v", S), FieldSpec("w", S))) == [
        ("B", "/w", "type"),
        ("B", "/w", "required"),
    ]
    rest = {"type": "object", "additionalProperties": {"type": "number"}}
    assert ("B", "/w", "type") in compared(schema(rest), schema({**rest, "properties": {"w": {"type": "string"}}}))
    assert ("B", "/w", "false") in compared(
        schema({"type": "object"}), schema({"type": "object", "properties": {"w": False}})
    )


def test_a_member_that_the_old_contract_names_anywhere_is_not_new() -> None:
    """Neither in an alternative, nor in a list of all values."""
    number = {"type": "object", "properties": {"w": {"type": "number"}}}
    either = {"type": "object", "anyOf": [{"properties": {"w": {"type": "string"}}}, {"required": ["v"]}]}
    assert not compare(schema(either), schema({**either, **number}), (BACKWARD,)).is_compatible
    counted = {"enum": [{"w": "x"}, {"o": {"w": "x"}}]}
    assert not compare(schema(counted), schema({**counted, **number}), (BACKWARD,)).is_compatible
    deep = {"properties": {"o": number}}
    assert not compare(schema(counted), schema({**counted, **deep}), (BACKWARD,)).is_compatible


def test_a_removed_field_is_compared_as_it_is() -> None:
    """Backward it may be anything now; forward the old contract refuses what does not fit."""
    old = fields(FieldSpec("v", S), FieldSpec("w", N, required=False))
    assert compared(old, one(S)) == [("F", "/w", "type")]
    closed = replace(old, unknown=UnknownFields.REJECT)
    assert compared(closed, replace(one(S), unknown=UnknownFields.REJECT)) == [("B", "/w", "false")]


def test_event_time_bounds_are_compared_by_moments() -> None:
    """Earliest, latest, and how far ahead of its receipt."""
    early, late = datetime(2020, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    base = fields(FieldSpec("ts", T), event_time="ts")
    for narrow in (
        replace(base, event_time_min=early),
        replace(base, event_time_max=late),
        replace(base, event_time_ahead=timedelta(hours=1)),
    ):
        assert compared(narrow, base) == [("F", "/ts", "eventTime")]


def test_text_that_reads_as_a_number_must_read_as_the_same_number() -> None:
    """Lossless coercion: a whole number of 19 digits is an integer, and no number that a double holds."""

    def lossless(kind: FieldType, **rules: Any) -> ContractSpec:
        return replace(one(kind, **rules), coerce=Coercion.LOSSLESS)

    assert {direction for direction, *_ in compared(lossless(I, min=0, max=100), lossless(N, min=0, max=100))} == {"F"}
    assert "B" in {direction for direction, *_ in compared(lossless(I), lossless(N))}


def test_what_cannot_be_decided_is_not_called_compatible() -> None:
    """Whether one pattern's language holds another's is not looked into: it is said to be not proven."""
    comparison = compare(one(S, pattern="^[a-c]$"), one(S, pattern="^[a-z]$"), (BACKWARD,))
    [finding] = comparison.findings
    assert (finding.clause, finding.counter_example) == ("pattern", None)
    assert "not proven compatible, no counter-example found" in finding.message


def test_a_comparison_that_was_not_made_gives_no_verdict() -> None:
    """A direction that nobody looked at neither holds nor does not."""
    comparison = compare(one(S), one(S), (BACKWARD,))
    assert comparison.holds(BACKWARD)
    with pytest.raises(ValueError, match="FORWARD"):
        comparison.holds(FORWARD)


def test_a_report_counts_the_revisions_that_its_mode_counts() -> None:
    """The last one, or all of them, newest first; none without a mode."""
    earlier = [(1, one(N, max=10)), (2, one(N, max=50))]
    new = one(N, max=30)
    assert check(earlier, new, Mode.FORWARD).is_compatible
    report = check(earlier, new, Mode.FORWARD_TRANSITIVE)
    assert [(entry.revision, len(entry.comparison.findings)) for entry in report.compared] == [(2, 0), (1, 1)]
    assert not report.is_compatible
    assert check(earlier, new, Mode.NONE).compared == ()
    assert not check(earlier, one(S), Mode.NONE, {"v": "double precision"}).is_compatible


def test_large_bounds_that_are_equal_by_value_are_not_taken_for_one() -> None:
    """The engine compares doubles with large integers inexactly: an item at the edge shows it."""
    whole = schema({"type": "integer", "exclusiveMinimum": 2**63})
    double = schema({"type": "integer", "exclusiveMinimum": 2.0**63})
    assert not compare(whole, double, probes=0).is_compatible
    assert compare(whole, whole, probes=0).is_compatible


def test_a_wide_contract_is_compared_in_the_time_of_its_fields() -> None:
    """A thousand fields, each looked up by name once."""
    wide = fields(*(FieldSpec(f"f{number}", N) for number in range(1000)))
    assert compare(wide, replace(wide, fields=wide.fields[:-1]), (BACKWARD,), probes=1).is_compatible


def test_a_mode_compares_once_with_rules_that_came_back() -> None:
    """Who goes back and forth between two sets of rules pays for two comparisons."""
    earlier = [(1, one(N)), (2, one(S)), (3, one(N)), (4, one(S))]
    assert [number for number, _ in compared_by(Mode.FULL_TRANSITIVE, earlier)] == [4, 3]
    assert [number for number, _ in compared_by(Mode.FULL, earlier)] == [4]
    assert compared_by(Mode.NONE, earlier) == []


def test_the_same_question_gets_the_same_answer() -> None:
    """Counter-examples come from a seeded source."""
    old, new = one(S), fields(FieldSpec("v", S, max_length=3), FieldSpec("w", N))
    assert compare(old, new) == compare(old, new)
