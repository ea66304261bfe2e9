"""A contract as subschemas: what its JSON Schema says, and what judging asks for besides."""

import copy
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from dataflow_validator.contracts.compatibility.nodes import BIGINT, BINARY, EVENT, MOMENT, TEXT, Node, root
from dataflow_validator.contracts.names import sql_type
from dataflow_validator.contracts.pointer import is_index
from dataflow_validator.contracts.schema import contract_schema
from dataflow_validator.contracts.spec import EPOCH, Coercion, ContractSpec, FieldSpec, FieldType, Json

_READ_FROM_TEXT: Final = frozenset({FieldType.NUMBER, FieldType.INTEGER, FieldType.BOOLEAN})
_MICROSECOND: Final = timedelta(microseconds=1)


def coercions(spec: ContractSpec) -> dict[tuple[str, ...], FieldType]:
    """Give the places where text is read as another type."""
    if spec.coerce is not Coercion.LOSSLESS:
        return {}
    return {field.tokens: field.type for field in spec.fields if field.type in {*_READ_FROM_TEXT, FieldType.TIMESTAMP}}


def nodes_of(spec: ContractSpec, *, as_coerced: bool) -> list[Node]:
    """Give the subschemas that an item must satisfy.

    Args:
        spec: The contract; checked.
        as_coerced: Describe items after coercion. Only right where both sides of a comparison coerce alike.
    """
    schema = contract_schema(spec)
    read = {} if as_coerced else coercions(spec)
    if read and spec.json_schema is None and isinstance(schema, dict):
        schema = copy.deepcopy(schema)
        for tokens, kind in read.items():
            if kind in _READ_FROM_TEXT:
                _admit_text(schema, tokens, kind)
    tree: dict[str, Json] = {}
    for field in spec.fields:
        if rules := dict(_further_rules(spec, field, read.get(field.tokens))):
            _plant(tree, field.tokens, rules)
    return [root(schema), root(tree)] if tree else [root(schema)]


def _admit_text(schema: dict[str, Json], tokens: tuple[str, ...], kind: FieldType) -> None:
    """Let a field's value also be text that reads as one."""
    head, rest = tokens[0], tokens[1:]
    for holder, key in _places(schema, head):
        inner = holder[key]  # type: ignore[index]
        if not isinstance(inner, dict):
            continue
        if rest:
            _admit_text(inner, rest, kind)
        elif "anyOf" not in inner:
            text: dict[str, Json] = {"type": "string", TEXT: [kind.value, dict(inner)]}
            holder[key] = {"anyOf": [dict(inner), text]}  # type: ignore[index]


def _places(schema: dict[str, Json], head: str) -> Iterator[tuple[Json, str | int]]:
    if isinstance(named := schema.get("properties"), dict) and head in named:
        yield named, head
    prefix = schema.get("prefixItems")
    if isinstance(prefix, list) and is_index(head) and int(head) < len(prefix):
        yield prefix, int(head)


def _plant(tree: dict[str, Json], tokens: tuple[str, ...], rules: dict[str, Json]) -> None:
    for depth, token in enumerate(tokens):
        named = tree.setdefault("properties", {})
        inner: Json = named.setdefault(token, {}) if isinstance(named, dict) else {}
        if is_index(token) and depth:
            prefix = tree.setdefault("prefixItems", [])
            if isinstance(prefix, list):
                prefix.extend(True for _ in range(int(token) + 1 - len(prefix)))
                prefix[int(token)] = inner
        tree = inner if isinstance(inner, dict) else {}
    tree.update(rules)


def _further_rules(spec: ContractSpec, field: FieldSpec, read: FieldType | None) -> Iterator[tuple[str, Json]]:
    """Yield what judging asks of a field's value besides its JSON Schema."""
    kind = None if read is None else read.value
    is_event_time = field.name == spec.event_time
    if is_event_time:
        low, high = _microseconds(spec.event_time_min), _microseconds(spec.event_time_max)
        yield EVENT, [spec.event_time_format.value, kind, low, high, spec.event_time_ahead // _MICROSECOND]
    if field.type is FieldType.TIMESTAMP and not is_event_time:
        yield MOMENT, [field.format.value, kind, spec.fields_from_schema]
    elif field.type is FieldType.INTEGER and sql_type(field) == "bigint":
        yield BIGINT, kind
    elif field.type is FieldType.BINARY:
        yield BINARY, [field.encoding.value, field.min_length or 0, field.max_length]


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // _MICROSECOND
