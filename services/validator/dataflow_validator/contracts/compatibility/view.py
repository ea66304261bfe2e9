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

ANY_ELEMENT: Final = "*"
"""Stands in a place for each element of an array."""

_READ_FROM_TEXT: Final = frozenset({FieldType.NUMBER, FieldType.INTEGER, FieldType.BOOLEAN})
_READ: Final = _READ_FROM_TEXT | {FieldType.TIMESTAMP}
_MICROSECOND: Final = timedelta(microseconds=1)


def coercions(spec: ContractSpec) -> dict[tuple[str, ...], FieldSpec]:
    """Give the places where text is read as another type, with the rules there; "*" stands for each element of an array."""
    if spec.coerce is not Coercion.LOSSLESS:
        return {}
    return {place: part for field in spec.fields for place, part in parts(field) if part.type in _READ}


def parts(field: FieldSpec) -> Iterator[tuple[tuple[str, ...], FieldSpec]]:
    """Yield a field and what is declared inside of it, each with its place."""
    yield from _parts(field, field.tokens)


def _parts(field: FieldSpec, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], FieldSpec]]:
    yield place, field
    for member in field.members:
        yield from _parts(member, (*place, member.name))
    if field.items is not None:
        yield from _parts(field.items, (*place, ANY_ELEMENT))


def coerces_by_place(spec: ContractSpec) -> bool:
    """Say whether coercion can be described place by place: no raw schema looks on, and no two fields read the same value."""
    if spec.json_schema is not None:
        return False
    holders = {field.tokens for field in spec.fields if field.items is not None or field.members}
    return not any(field.tokens[:depth] in holders for field in spec.fields for depth in range(1, len(field.tokens)))


def nodes_of(spec: ContractSpec, *, as_coerced: bool) -> list[Node]:
    """Give the subschemas that an item must satisfy.

    Args:
        spec: The contract; checked.
        as_coerced: Describe items after coercion: only right where both sides of a comparison coerce alike. Otherwise the
            contract must be one that `coerces_by_place`.
    """
    schema = contract_schema(spec)
    read = {} if as_coerced else coercions(spec)
    if read and isinstance(schema, dict):
        schema = copy.deepcopy(schema)
        for field in spec.fields:
            _at(schema, field.tokens, field)
    tree: dict[str, Json] = {}
    for field in spec.fields:
        for place, part in parts(field):
            kind = read[place].type if place in read else None
            if rules := dict(_further_rules(spec, field, part, kind)):
                _plant(tree, place, rules)
    return [root(schema), root(tree)] if tree else [root(schema)]


def _at(schema: dict[str, Json], tokens: tuple[str, ...], field: FieldSpec) -> None:
    """Let a field's value also be text that reads as one, and so inside of it."""
    head, rest = tokens[0], tokens[1:]
    done: list[Json] = []
    for holder, key in _places(schema, head):
        inner = holder[key]  # type: ignore[index]
        if isinstance(inner, dict) and not any(inner is other for other in done):
            done.append(inner)
            if rest:
                _at(inner, rest, field)
            else:
                _admit_text(inner, field)


def _admit_text(schema: dict[str, Json], field: FieldSpec) -> None:
    if isinstance(inner := schema.get("items"), dict) and field.items is not None:
        _admit_text(inner, field.items)
    named = schema.get("properties")
    for member in field.members:
        if isinstance(named, dict) and isinstance(inner := named.get(member.name), dict):
            _admit_text(inner, member)
    if field.type in _READ_FROM_TEXT and "anyOf" not in schema:
        rules = dict(schema)
        schema.clear()
        schema["anyOf"] = [rules, {"type": "string", TEXT: [field.type.value, dict(rules)]}]


def _places(schema: dict[str, Json], head: str) -> Iterator[tuple[Json, str | int]]:
    if isinstance(named := schema.get("properties"), dict) and head in named:
        yield named, head
    prefix = schema.get("prefixItems")
    if isinstance(prefix, list) and is_index(head) and int(head) < len(prefix):
        yield prefix, int(head)


def _plant(tree: dict[str, Json], place: tuple[str, ...], rules: dict[str, Json]) -> None:
    for depth, token in enumerate(place):
        inner: dict[str, Json] = {}
        if token == ANY_ELEMENT:
            # Beside the other keywords, not among them: "items" would leave out what "prefixItems" names.
            _conjunction(tree).append({"items": inner})
        elif is_index(token) and depth:
            # A member or an element of this name.
            _conjunction(tree).append({"properties": {token: inner}, "prefixItems": [*[True] * int(token), inner]})
        else:
            named = tree.setdefault("properties", {})
            known = named.setdefault(token, inner) if isinstance(named, dict) else inner
            inner = known if isinstance(known, dict) else inner
        tree = inner
    tree.update(rules)


def _conjunction(tree: dict[str, Json]) -> list[Json]:
    inner = tree.setdefault("allOf", [])
    return inner if isinstance(inner, list) else []


def _further_rules(
    spec: ContractSpec, field: FieldSpec, part: FieldSpec, read: FieldType | None
) -> Iterator[tuple[str, Json]]:
    """Yield what judging asks of a value besides its JSON Schema."""
    kind = None if read is None else read.value
    is_column = part is field
    is_event_time = is_column and field.name == spec.event_time
    if is_event_time:
        low, high = _microseconds(spec.event_time_min), _microseconds(spec.event_time_max)
        yield EVENT, [spec.event_time_format.value, kind, low, high, spec.event_time_ahead // _MICROSECOND]
    if part.type is FieldType.TIMESTAMP and not is_event_time:
        yield MOMENT, [part.format.value, kind, spec.fields_from_schema]
    elif part.type is FieldType.INTEGER and is_column and sql_type(part) == "bigint":
        yield BIGINT, kind
    elif part.type is FieldType.BINARY:
        yield BINARY, [part.encoding.value, part.min_length or 0, part.max_length]


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // _MICROSECOND
