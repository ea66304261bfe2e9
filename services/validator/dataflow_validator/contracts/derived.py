"""The columns that a JSON Schema gives rise to: what its properties hold, as far as it says."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from dataflow_validator.contracts.exchange_out import FIELD_MEMBER
from dataflow_validator.contracts.names import column_name
from dataflow_validator.contracts.pointer import pointer_of
from dataflow_validator.contracts.references import References
from dataflow_validator.contracts.spec import BinaryEncoding, EventTimeFormat, FieldSpec, FieldType, Json

_MAX_REFERENCES: Final = 32

MAX_DERIVED_DEPTH: Final = 4
"""Members that may lead to a column which a JSON Schema gives rise to."""

_MAX_PROPERTIES: Final = 10_000

MAX_DERIVED_FIELDS: Final = 300
"""Columns that a JSON Schema gives rise to; what is beyond is judged all the same. FIWARE's models have under 100."""


def derived_fields(document: dict[str, Json]) -> tuple[FieldSpec, ...]:
    """Find the columns of a schema; they name and type, and add no rule.

    Args:
        document: A schema within the limits of `schema_limits`.
    """
    columns = _properties(document, References(document), (), frozenset(), iter(range(_MAX_PROPERTIES)))
    return tuple(islice(columns, MAX_DERIVED_FIELDS))


def _properties(
    schema: Json, references: References, above: tuple[str, ...], outer: frozenset[int], budget: Iterator[int]
) -> Iterator[FieldSpec]:
    """Yield the columns of an object's properties.

    Args:
        schema: The object's schema.
        references: Of the whole document.
        above: The members that lead to the object.
        outer: The identities of the subschemas that the object is inside of: a recursive model has no end.
        budget: One for each property that is still looked at.
    """
    parts = list(_unconditional(schema, references, _MAX_REFERENCES))
    found: dict[str, list[Json]] = {}
    for part in parts:
        properties = part.get("properties")
        for key, value in properties.items() if isinstance(properties, dict) else ():
            found.setdefault(key, []).append(value)
    inside = outer | {id(part) for part in parts}
    for key, values in found.items():
        if next(budget, None) is None:
            return
        if not _can_be_column((*above, key)):
            continue
        below: Json = values[0] if len(values) == 1 else {"allOf": values}
        held = list(_unconditional(below, references, _MAX_REFERENCES))
        if (
            len(above) + 1 < MAX_DERIVED_DEPTH
            and _is_plain_object(held)
            and not any(id(part) in inside for part in held)
        ):
            yield from _properties(below, references, (*above, key), inside, budget)
        else:
            yield _derived((*above, key), held)


def _is_plain_object(parts: list[Mapping[str, Json]]) -> bool:
    """Say whether a value is an object of declared properties, so that a column for each of them loses nothing said."""
    if _kinds(parts) != {("object",)} or not any(part.get("properties") for part in parts):
        return False
    open_ended = ("additionalProperties", "unevaluatedProperties", "patternProperties")
    return not any(part.get(keyword, False) is not False for part in parts for keyword in open_ended)


def _kinds(parts: list[Mapping[str, Json]]) -> set[tuple[str, ...]]:
    types = [kind if isinstance(kind, list) else [kind] for part in parts if (kind := part.get("type")) is not None]
    return {tuple(sorted(str(item) for item in kind if item != "null")) for kind in types}


def _unconditional(schema: Json, references: References, depth: int) -> Iterator[Mapping[str, Json]]:
    """Yield the subschemas that hold for every value which a schema holds for, as far as they are in the document."""
    if not isinstance(schema, dict):
        return
    yield schema
    if depth <= 0:
        return
    parts = schema.get("allOf")
    for part in parts if isinstance(parts, list) else ():
        yield from _unconditional(part, references, depth - 1)
    for keyword in ("anyOf", "oneOf"):
        # "This or null", as Pydantic writes an optional field: what holds for every value that is not null.
        branches = schema.get(keyword)
        others = [branch for branch in branches if branch != {"type": "null"}] if isinstance(branches, list) else []
        if isinstance(branches, list) and len(others) == 1 < len(branches):
            yield from _unconditional(others[0], references, depth - 1)
        elif others:
            yield _common(others)
    yield from _unconditional(references.target(schema), references, depth - 1)


def _common(branches: list[Json]) -> Mapping[str, Json]:
    """Give what all branches of a union say of the type, such as an id that is a name or a URI: text either way."""
    said = [branch if isinstance(branch, dict) else {} for branch in branches]
    first = said[0]
    return {
        keyword: first[keyword]
        for keyword in ("type", "format")
        if keyword in first and all(other.get(keyword) == first[keyword] for other in said)
    }


def _derived(tokens: tuple[str, ...], parts: list[Mapping[str, Json]]) -> FieldSpec:
    kinds = _kinds(parts)
    derived = FieldType.JSON
    if len(kinds) == 1 and len(only := next(iter(kinds))) == 1 and only[0] in _DERIVED:
        derived = _DERIVED[only[0]]
        if derived is FieldType.STRING and any(part.get("format") == "date-time" for part in parts):
            derived = FieldType.TIMESTAMP
    hint = next((hint for part in parts if isinstance(hint := part.get(FIELD_MEMBER), dict)), {})
    if hint.get("type") == FieldType.TIMESTAMP and kinds <= {("string",), ("number",), ("number", "string")}:
        derived = FieldType.TIMESTAMP
    elif hint.get("type") == FieldType.BINARY and kinds == {("string",)}:
        derived = FieldType.BINARY

    def first_text(keyword: str) -> str:
        return next((value for part in parts if isinstance(value := part.get(keyword), str)), "")

    low, high = (_bound(parts, "minimum"), _bound(parts, "maximum")) if derived is FieldType.INTEGER else (None, None)
    return FieldSpec(
        field_name(tokens),
        derived,
        required=False,
        nullable=True,
        min=low,
        max=high,
        unit=str(hint.get("unit") or first_text("unit")),
        format=moment_format(hint) if derived is FieldType.TIMESTAMP else EventTimeFormat.AUTO,
        encoding=BinaryEncoding.HEX
        if derived is FieldType.BINARY and first_text("contentEncoding") == "base16"
        else BinaryEncoding.BASE64,
        description=first_text("description"),
    )


def moment_format(hint: Mapping[str, Json]) -> EventTimeFormat:
    """Give how a moment is written by what an export says of a field."""
    written = hint.get("format") if hint.get("type") == FieldType.TIMESTAMP else None
    known = isinstance(written, str) and written in EventTimeFormat.__members__.values()
    return EventTimeFormat(str(written)) if known else EventTimeFormat.AUTO


def field_name(tokens: tuple[str, ...]) -> str:
    """Name a field by where it is: a member plainly where that says the same, else by JSON Pointer."""
    plain = len(tokens) == 1 and tokens[0] and not tokens[0].startswith("/")
    return tokens[0] if plain else pointer_of(tokens)


_DERIVED: Final = {
    "string": FieldType.STRING,
    "integer": FieldType.INTEGER,
    "number": FieldType.NUMBER,
    "boolean": FieldType.BOOLEAN,
    "object": FieldType.OBJECT,
    "array": FieldType.ARRAY,
}


def _bound(parts: list[Mapping[str, Json]], keyword: str) -> int | float | None:
    """Give an integer property's bound: one beyond bigint makes its column numeric."""
    return next(
        (
            value
            for part in parts
            if isinstance(value := part.get(keyword), int | float) and not isinstance(value, bool)
        ),
        None,
    )


def _can_be_column(tokens: tuple[str, ...]) -> bool:
    """Say whether a property may become a column; others stay with the raw bytes, judged but without a column."""
    try:
        column_name(FieldSpec(pointer := pointer_of(tokens), FieldType.JSON))
    except ValueError:
        return False
    return "\0" not in pointer and len(pointer.encode()) <= 1024
