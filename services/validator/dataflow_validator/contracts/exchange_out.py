"""A contract as a JSON Schema document for others: what JSON Schema has no word for stands in `x-dataflow-…` members.

`x-dataflow-contract` at the top holds the contract's own settings and the order of its fields, `x-dataflow-field` beside
each field's rules what else there is to know of it. `exchange_in` reads both: importing an export gives an equal contract.
"""

from typing import Final

from dataflow_validator.contracts.pointer import is_index
from dataflow_validator.contracts.schema import DIALECT, contract_schema
from dataflow_validator.contracts.spec import (
    BinaryEncoding,
    ContractSpec,
    EventTimeFormat,
    FieldSpec,
    FieldType,
    Json,
)

CONTRACT_MEMBER: Final = "x-dataflow-contract"
FIELD_MEMBER: Final = "x-dataflow-field"
PLAIN: Final = "fields"
"""`form` of a document that was made of fields alone."""
RAW: Final = "json_schema"
"""`form` of a document that is a contract's own JSON Schema, to which the contract adds no rule."""
BOTH: Final = "both"
"""`form` of a document with the contract's own JSON Schema in `$defs` and its fields' rules beside it."""

_SHAPE: Final = frozenset({"name", "fields", "json_schema", "fields_from_schema", "description"})


def export_json_schema(spec: ContractSpec) -> dict[str, Json]:
    """Write a contract as one JSON Schema 2020-12 document.

    Validators that ignore what they do not know judge by it as the contract does, but for event times, coercion and what
    a column cannot hold.

    Args:
        spec: A contract that compiles.
    """
    rules, standard = contract_schema(spec), ContractSpec("").to_dict()
    settings: dict[str, Json] = {"name": spec.name}
    settings |= {key: value for key, value in spec.to_dict().items() if key not in _SHAPE and value != standard[key]}
    if spec.json_schema is None:
        assert isinstance(rules, dict)
        document: dict[str, Json] = {"$schema": DIALECT, "title": spec.name, **_described(spec), **rules}
        _annotate(document, spec)
        names: list[Json] = [field.name for field in spec.fields]
        return {**document, CONTRACT_MEMBER: {"form": PLAIN, **settings, "fields": names}}
    settings |= _described(spec)
    if spec.fields_from_schema:
        # Where the document has been stored, its members have another order than they had when columns were derived.
        settings["order"] = [field.name for field in spec.fields]
    else:
        settings["fields"] = [field.to_dict() for field in spec.fields]
    if isinstance(rules, dict) and rules is spec.json_schema:
        return {**rules, CONTRACT_MEMBER: {"form": RAW, **settings}}
    both: dict[str, Json] = {"allOf": [rules]} if isinstance(rules, bool) else rules
    return {"$schema": DIALECT, "title": spec.name, **both, CONTRACT_MEMBER: {"form": BOTH, **settings}}


def _described(spec: ContractSpec) -> dict[str, Json]:
    return {"description": spec.description} if spec.description else {}


def _annotate(document: dict[str, Json], spec: ContractSpec) -> None:
    for field in spec.fields:
        place, required = document, False
        for token in field.tokens:
            required = token in _list(place.get("required"))
            properties = place["properties"]
            assert isinstance(properties, dict)
            below = properties[token]
            assert isinstance(below, dict)
            if is_index(token) and isinstance(elements := place.get("prefixItems"), list):
                elements[int(token)] = below
            place = below
        _annotate_value(place, field, required=required, name=field.name)


def _annotate_value(place: dict[str, Json], field: FieldSpec, *, required: bool, name: str = "") -> None:
    hint: dict[str, Json] = {"type": field.type.value}
    if name.startswith("/"):
        hint["name"] = name
    if field.required != required:
        hint["required"] = field.required
    if field.nullable and field.type is FieldType.JSON:
        hint["nullable"] = True
    if None in field.enum:
        hint["enum"] = list(field.enum)
    if field.unit:
        hint["unit"] = field.unit
    if field.type is FieldType.BINARY:
        place["contentEncoding"] = "base16" if field.encoding is BinaryEncoding.HEX else "base64"
        hint |= {
            key: value
            for key, value in (("min_length", field.min_length), ("max_length", field.max_length))
            if value is not None
        }
    if field.format is not EventTimeFormat.AUTO:
        hint["format"] = field.format.value
        if field.format is EventTimeFormat.RFC3339:
            place["format"] = "date-time"
    if field.description:
        place["description"] = field.description
    if field.has_default:
        place["default"] = field.default
    place[FIELD_MEMBER] = hint
    if field.items is not None:
        items = place["items"]
        assert isinstance(items, dict)
        _annotate_value(items, field.items, required=True)
    for member in field.members:
        properties = place["properties"]
        assert isinstance(properties, dict)
        inner = properties[member.name]
        assert isinstance(inner, dict)
        _annotate_value(inner, member, required=member.name in _list(place.get("required")))


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
