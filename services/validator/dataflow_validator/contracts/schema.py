"""A contract's rules as one JSON Schema 2020-12 document, run by one engine, without network or files.

Patterns are bounded in memory and backtracking steps, documents in size and depth. References may lead to places inside
the document and to the metaschemas that come with the engine; all others are refused when the contract is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn

import jsonschema_rs
import orjson

from dataflow_validator.contracts.errors import ContractError, Problem
from dataflow_validator.contracts.pointer import is_index, pointer_of
from dataflow_validator.contracts.reasons import storable_text
from dataflow_validator.contracts.schema_cost import MAX_SCHEMA_STEPS, steps
from dataflow_validator.contracts.spec import (
    ContractSpec,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    Json,
    UnknownFields,
)

MAX_SCHEMA_BYTES: Final = 1024 * 1024
MAX_SCHEMA_DEPTH: Final = 100

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
"""The one dialect that contracts are written in."""

RAW_ID: Final = "urn:dataflow:contract"
_PATTERNS: Final = jsonschema_rs.FancyRegexOptions(backtrack_limit=10_000, size_limit=1 << 20, dfa_size_limit=1 << 20)

_TYPES: Final[dict[FieldType, list[Json]]] = {
    FieldType.STRING: ["string"],
    FieldType.INTEGER: ["integer"],
    FieldType.NUMBER: ["number"],
    FieldType.BOOLEAN: ["boolean"],
    FieldType.TIMESTAMP: ["string", "number"],  # a declared format may leave one of them
    FieldType.OBJECT: ["object"],
    FieldType.ARRAY: ["array"],
    FieldType.BINARY: ["string"],
}


def compile_schema(spec: ContractSpec) -> jsonschema_rs.Validator:
    """Compile a contract's fields and raw schema into the engine that judges items.

    Raises:
        ContractError: The schema is not a valid one, too large, or refers to something outside of the document.
    """
    problems = schema_limits(spec.json_schema)
    if not problems:
        problems.extend(_bad_patterns(spec))
    if problems:
        raise ContractError(problems)
    return build_validator(contract_schema(spec))


def build_validator(schema: dict[str, Json] | bool) -> jsonschema_rs.Validator:
    """Compile one schema document.

    Raises:
        ContractError: It is not a schema, or refers to something outside of the document.
    """
    outside: list[str] = []

    def refuse(uri: str) -> NoReturn:
        outside.append(uri)
        message = "references to other documents are not followed"
        raise ValueError(message)

    try:
        return jsonschema_rs.Draft202012Validator(
            schema, retriever=refuse, pattern_options=_PATTERNS, validate_formats=False, mask="the value"
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as problem:
        raise ContractError([Problem(_schema_problem(problem, outside), "json_schema")]) from problem


def _schema_problem(problem: Exception, outside: list[str]) -> str:
    text = problem.message if isinstance(problem, jsonschema_rs.ValidationError) else str(problem)
    if outside or "is not present in a registry" in text:
        target = outside[0] if outside else text.split("'")[1]
        return (
            f"the JSON Schema refers to {storable_text(target.removeprefix('json-schema:///'), 200)!r}, which is outside of "
            'the document and is never fetched: copy that schema into "$defs" of this document, under its own "$id"'
        )
    where = pointer_of(problem.instance_path) if isinstance(problem, jsonschema_rs.ValidationError) else ""
    return f"not a JSON Schema 2020-12: at {where or 'the top'}: {storable_text(text, 300)}"


def contract_schema(spec: ContractSpec) -> dict[str, Json] | bool:
    """Write the one document that a contract's fields and raw schema amount to."""
    fields_part = _fields_schema(spec)
    raw = spec.json_schema
    if raw is None:
        return {"$schema": DIALECT, **fields_part}
    if not fields_part and spec.unknown is not UnknownFields.REJECT:
        return raw
    if isinstance(raw, bool):
        return {"$schema": DIALECT, "allOf": [raw, fields_part]}
    # The raw schema stays a resource of its own, so that "#/…" inside it goes on meaning its own root.
    raw_id = raw["$id"] if isinstance(raw.get("$id"), str) else RAW_ID
    document: dict[str, Json] = {
        "$schema": DIALECT,
        "$defs": {"contract": {**raw, "$id": raw_id}},
        "allOf": [{"$ref": str(raw_id).rstrip("#")}, fields_part],
    }
    if spec.unknown is UnknownFields.REJECT:
        document["unevaluatedProperties"] = False
    return document


@dataclass(slots=True)
class _Node:
    """A place in the item: a field, or a container on the way to one."""

    spec: FieldSpec | None = None
    required: bool = False
    members: "dict[str, _Node]" = field(default_factory=dict)


def _fields_schema(spec: ContractSpec) -> dict[str, Json]:
    root = _Node()
    must = {*spec.identity, *([] if spec.event_time is None else [spec.event_time])}
    for item in spec.fields:
        required = item.name in must or (item.required and not item.has_default and not spec.fields_from_schema)
        if spec.fields_from_schema and not required:
            continue
        node = root
        node.required |= required
        for token in item.tokens:
            node = node.members.setdefault(token, _Node())
            node.required |= required
        if not spec.fields_from_schema:
            node.spec = item
    if not root.members or _raw_requires(spec.json_schema, root):
        return {}
    return _node_schema(root, closed=spec.unknown is UnknownFields.REJECT and spec.json_schema is None)


def _raw_requires(raw: dict[str, Json] | bool | None, root: _Node) -> bool:
    """Say whether the raw schema already asks for all that is asked for here: then it runs alone, twice as fast."""
    if (
        not isinstance(raw, dict)
        or raw.get("type") != "object"
        or not isinstance(required := raw.get("required"), list)
    ):
        return False
    return all(token in required and not node.members and node.spec is None for token, node in root.members.items())


def _node_schema(node: _Node, *, closed: bool) -> dict[str, Json]:
    schema = {} if node.spec is None else field_schema(node.spec, closed=closed)
    if node.members:
        arrays = all(is_index(token) for token in node.members)
        if node.spec is None:
            # A member named "0" may be an object's or an array's: the keywords of each bind only their own type.
            schema["type"] = ["object", "array"] if arrays else "object"
        members: dict[str, Json] = {
            token: _node_schema(member, closed=closed) for token, member in node.members.items()
        }
        declared = schema.setdefault("properties", {})
        assert isinstance(declared, dict)
        declared.update(members)
        required: list[Json] = [token for token, member in node.members.items() if member.required]
        if required:
            schema["required"] = [*schema.get("required", ()), *required]  # type: ignore[misc]
        if arrays:
            by_index = {int(token): member for token, member in members.items()}
            schema["prefixItems"] = [by_index.get(index, True) for index in range(max(by_index) + 1)]
            if required:
                schema["minItems"] = 1 + max(int(str(token)) for token in required)
        if closed and node.spec is None:
            schema["additionalProperties"] = False
    return schema


def field_schema(item: FieldSpec, *, closed: bool = False) -> dict[str, Json]:
    """Write the rules of one field's value as a JSON Schema.

    Args:
        item: The field.
        closed: Objects with declared members have no others.
    """
    schema: dict[str, Json] = {}
    if (types := _types_of(item)) is not None:
        types = [*types, "null"] if item.nullable else types
        schema["type"] = types if len(types) > 1 else types[0]
    if item.enum:
        schema["enum"] = [*item.enum, None] if item.nullable and None not in item.enum else list(item.enum)
    rules: dict[str, Json] = {
        "minimum": item.min,
        "maximum": item.max,
        "exclusiveMinimum": item.exclusive_min,
        "exclusiveMaximum": item.exclusive_max,
        "multipleOf": item.multiple_of,
        "pattern": item.pattern,
    }
    schema.update({keyword: rule for keyword, rule in rules.items() if rule is not None})
    if item.type in {FieldType.STRING, FieldType.ARRAY}:
        low, high = ("minLength", "maxLength") if item.type is FieldType.STRING else ("minItems", "maxItems")
        if item.min_length is not None:
            schema[low] = item.min_length
        if item.max_length is not None:
            schema[high] = item.max_length
    if item.items is not None:
        schema["items"] = field_schema(item.items, closed=closed)
    if item.members:
        schema["properties"] = {member.name: field_schema(member, closed=closed) for member in item.members}
        if required := [member.name for member in item.members if member.required]:
            schema["required"] = list(required)
        if closed:
            schema["additionalProperties"] = False
    return schema


def _types_of(item: FieldSpec) -> list[Json] | None:
    if item.type is FieldType.TIMESTAMP and item.format is EventTimeFormat.RFC3339:
        return ["string"]
    return _TYPES.get(item.type)


def _bad_patterns(spec: ContractSpec) -> Iterator[Problem]:
    for index, item in enumerate(spec.fields):
        if not item.has_default and all(part.pattern is None for part in parts_of(item)):
            continue
        what = f"field {item.name!r}"
        try:
            alone = build_validator(field_schema(item))
        except ContractError:
            pattern = next(part.pattern for part in parts_of(item) if part.pattern is not None)
            wrong = f"{what}: pattern {pattern!r} is not a regular expression that we run, or is too large"
            yield Problem(wrong, f"fields[{index}].pattern")
            continue
        if item.has_default and not alone.is_valid(item.default):
            yield Problem(
                f"{what}: its default {item.default!r} breaks the field's own rules", f"fields[{index}].default"
            )


def parts_of(item: FieldSpec) -> Iterator[FieldSpec]:
    """Yield a field and all that is declared inside of it."""
    # Without recursion: how deep a contract is has not been checked yet.
    pending = [item]
    while pending:
        part = pending.pop()
        yield part
        pending.extend(part.members if part.items is None else (*part.members, part.items))


def schema_limits(raw: dict[str, Json] | bool | None) -> list[Problem]:
    """Find what makes a raw schema too large, too deep or too costly to be looked at any closer."""
    return [Problem(text, "json_schema") for text in _beyond_limits(raw)]


def _beyond_limits(raw: dict[str, Json] | bool | None) -> Iterator[str]:
    if raw is None or isinstance(raw, bool):
        return
    if (dialect := raw.get("$schema")) is not None and str(dialect).rstrip("#") != DIALECT:
        yield f'"$schema" is {dialect!r}: contracts are JSON Schema 2020-12; convert the schema and write {DIALECT!r}'
    if _depth(raw) > MAX_SCHEMA_DEPTH:
        yield f"the JSON Schema is nested more than {MAX_SCHEMA_DEPTH} levels deep: move parts of it into $defs"
        return
    if steps(raw) > MAX_SCHEMA_STEPS:
        yield (
            f"judging by the JSON Schema can take more than {MAX_SCHEMA_STEPS} steps for one value: refer to fewer "
            "subschemas from one another"
        )
    try:
        size = len(orjson.dumps(raw))
    except TypeError:
        # Integers beyond 64 bits, which orjson does not write.
        size = len(repr(raw))
    if size > MAX_SCHEMA_BYTES:
        yield f"the JSON Schema has {size} bytes, at most {MAX_SCHEMA_BYTES}"


def _depth(document: Json) -> int:
    level: list[Json] = [document]
    depth = 0
    while level and depth <= MAX_SCHEMA_DEPTH:
        depth += 1
        below: list[Json] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
        level = below
    return depth


def item_may_be_array(spec: ContractSpec) -> bool:
    """Say whether an array payload is one item: only where the raw schema's own top-level `type` has "array"."""
    declared = spec.json_schema.get("type") if isinstance(spec.json_schema, dict) else None
    return "array" in declared if isinstance(declared, list) else declared == "array"


__all__ = [
    "DIALECT",
    "MAX_SCHEMA_BYTES",
    "MAX_SCHEMA_DEPTH",
    "build_validator",
    "compile_schema",
    "contract_schema",
    "field_schema",
    "item_may_be_array",
    "parts_of",
    "schema_limits",
]
