"""Reads the two documents that a contract is written as: a field list, and a JSON Schema."""

from collections.abc import Mapping
from typing import Final, TypeVar

from dataflow_validator.contracts.derived import derived_fields
from dataflow_validator.contracts.dialects import as_current
from dataflow_validator.contracts.errors import ContractError
from dataflow_validator.contracts.exchange_out import CONTRACT_MEMBER
from dataflow_validator.contracts.schema import schema_limits
from dataflow_validator.contracts.spec import (
    BinaryEncoding,
    ContractSpec,
    EventTimeFormat,
    FieldSpec,
    FieldType,
)

_Value = TypeVar("_Value")

_FIELD_KEYS: Final = (
    "name",
    "type",
    "required",
    "nullable",
    "default",
    "unit",
    "min",
    "max",
    "exclusive_min",
    "exclusive_max",
    "multiple_of",
    "enum",
    "pattern",
    "min_length",
    "max_length",
    "time_unit",
    "encoding",
    "items",
    "members",
    "description",
)
TIME_UNITS: Final = {
    "rfc3339": EventTimeFormat.RFC3339,
    "s": EventTimeFormat.EPOCH_S,
    "ms": EventTimeFormat.EPOCH_MS,
    "us": EventTimeFormat.EPOCH_US,
    "ns": EventTimeFormat.EPOCH_NS,
}
"""The words for how a moment is written; without one, as `EventTimeFormat.AUTO` reads it."""

_MEANT: Final = {
    "minimum": "min",
    "maximum": "max",
    "exclusiveMinimum": "exclusive_min",
    "exclusiveMaximum": "exclusive_max",
    "multipleOf": "multiple_of",
    "fields": "members",
    "properties": "members",
    "format": "time_unit",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "optional": "required",
    "pointer": "name",
    "path": "name",
    "null": "nullable",
    "regex": "pattern",
    "values": "enum",
}
_TYPES: Final = ", ".join(FieldType)


def from_fields_document(document: object, *, name: str = "") -> ContractSpec:
    """Read a field list: a JSON array of fields, or an object with "fields".

    A field has "name" and "type", and may have "required" (default true), "nullable" (default false), "default", "unit",
    "min", "max", "exclusive_min", "exclusive_max", "multiple_of", "enum", "pattern", "min_length", "max_length",
    "time_unit", "encoding", "items" (one field without a name), "members" (fields), "description". Other rules of the contract (identity, event
    time …) are set with `dataclasses.replace`.

    Args:
        document: The parsed document.
        name: The contract's name; "" takes the document's own.

    Raises:
        ContractError: With every mistake of the document. Whether the contract holds together is found when it is compiled.
    """
    items = document
    if isinstance(document, dict):
        if "fields" not in document:
            hint = (
                "a JSON Schema goes in as a JSON Schema" if _looks_like_schema(document) else 'write {"fields": [...]}'
            )
            raise ContractError([f'the field list has no "fields": {hint}'])
        items = document["fields"]
        name = name or _text(document.get("name"))
    if not isinstance(items, list):
        raise ContractError(['the field list is not a JSON array of fields such as {"name": "temp", "type": "number"}'])
    problems: list[str] = []
    fields: list[FieldSpec] = []
    for index, item in enumerate(items):
        try:
            fields.append(_field(item, f"field {index}"))
        except ContractError as problem:
            problems.extend(problem.problems)
    if problems:
        raise ContractError(problems)
    return ContractSpec(name, tuple(fields))


def _field(item: object, what: str, *, named: bool = True) -> FieldSpec:
    if not isinstance(item, dict):
        raise ContractError([f'{what} is not an object such as {{"name": "temp", "type": "number"}}'])
    if isinstance(item.get("name"), str):
        what = f"field {item['name']!r}"
    problems: list[str] = []
    for key in item:
        if key not in _FIELD_KEYS:
            meant = f"did you mean {_MEANT[key]!r}?" if key in _MEANT else f"known are {', '.join(_FIELD_KEYS)}"
            problems.append(f"{what}: unknown key {key!r}; {meant}")

    def take(key: str, kind: type[_Value] | tuple[type[_Value], ...], wanted: str, absent: _Value) -> _Value:
        value = item.get(key)
        if value is None:
            return absent
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            problems.append(f"{what}: {key!r} is {value!r}, not {wanted}")
            return absent
        return value

    kind = item.get("type")
    if not isinstance(kind, str) or kind not in FieldType.__members__.values():
        problems.append(
            f"{what}: type {kind!r} is not one of {_TYPES}"
            if kind is not None
            else f"{what} has no type: give one of {_TYPES}"
        )
        kind = "json"
    if named and not isinstance(item.get("name"), str):
        problems.append(f'{what} has no "name"')

    def word(key: str, words: Mapping[str, _Value], otherwise: _Value) -> _Value:
        text = take(key, str, "text", "")
        if text and text not in words:
            problems.append(f"{what}: {key!r} is {text!r}, not one of {', '.join(words)}")
        return words.get(text, otherwise)

    inner: list[FieldSpec] = []
    for index, member in enumerate(take("members", list, "an array of fields", [])):
        try:
            inner.append(_field(member, f"{what} member {index}"))
        except ContractError as wrong:
            problems.extend(wrong.problems)
    items: FieldSpec | None = None
    if item.get("items") is not None:
        try:
            items = _field(item["items"], f"{what} items", named=False)
        except ContractError as wrong:
            problems.extend(wrong.problems)
    number: tuple[type[int | float], ...] = (int, float)
    field = FieldSpec(
        name=take("name", str, "text", ""),
        type=FieldType(kind),
        required=take("required", bool, "true or false", True),
        nullable=take("nullable", bool, "true or false", False),
        has_default="default" in item,
        default=item.get("default"),
        unit=take("unit", str, "text", ""),
        min=take("min", number, "a number", None),
        max=take("max", number, "a number", None),
        exclusive_min=take("exclusive_min", number, "a number", None),
        exclusive_max=take("exclusive_max", number, "a number", None),
        multiple_of=take("multiple_of", number, "a number", None),
        enum=tuple(take("enum", list, "an array", [])),
        pattern=take("pattern", str, "text", None),
        min_length=take("min_length", int, "a whole number", None),
        max_length=take("max_length", int, "a whole number", None),
        format=word("time_unit", TIME_UNITS, EventTimeFormat.AUTO),
        encoding=word("encoding", {encoding.value: encoding for encoding in BinaryEncoding}, BinaryEncoding.BASE64),
        items=items,
        members=tuple(inner),
        description=take("description", str, "text", ""),
    )
    if problems:
        raise ContractError(problems)
    return field


def from_json_schema_document(document: object, *, name: str = "") -> ContractSpec:
    """Read a JSON Schema 2020-12; its properties become typed columns.

    Properties are found in the schema itself, in its `allOf` and behind its references inside the document, that is where
    they hold for every item. One type ("string", "integer", "number", "boolean", or "null" beside it, also by `anyOf` or
    `oneOf`) gives a column of that type, `format: date-time` a timestamp. An object that declares its properties, and
    declares nothing of others, becomes the columns of its properties, up to `derived.MAX_DERIVED_DEPTH` levels and
    `MAX_DERIVED_FIELDS` columns; below that, and for other objects, arrays, unions and everything else, one jsonb. The
    derived fields add no rule: the schema alone judges. A schema of draft 6, 7 or 2019-09 is read as one of 2020-12 where
    that means the same.

    Args:
        document: The parsed schema. A DataFlow contract file, `{"name", "fields", "json_schema"}`, is unwrapped: taken as a
            schema, it would accept everything.
        name: The contract's name; "" takes the contract file's own.

    Raises:
        ContractError: It is no schema. What the engine has against it is found when it is compiled.
    """
    if isinstance(document, dict) and not _looks_like_schema(document):
        if isinstance(inner := document.get("json_schema"), dict | bool):
            return from_json_schema_document(inner, name=name or _text(document.get("name")))
        if isinstance(document.get("fields"), list):
            raise ContractError(
                ["this is a field list and no JSON Schema, which would accept everything: give it as fields"]
            )
    if isinstance(document, bool):
        return ContractSpec(name, json_schema=document, fields_from_schema=True)
    if isinstance(document, dict) and CONTRACT_MEMBER in document:
        # What an export says of the contract is not part of its rules; `import_json_schema` reads it.
        document = {key: value for key, value in document.items() if key != CONTRACT_MEMBER}
    if not isinstance(document, dict):
        raise ContractError(["a JSON Schema is a JSON object"])
    document = as_current(document)
    if problems := schema_limits(document):
        raise ContractError(problems)
    return ContractSpec(name, derived_fields(document), json_schema=document, fields_from_schema=True)


def _looks_like_schema(document: Mapping[str, object]) -> bool:
    return any(
        key in document
        for key in (
            "$schema",
            "$id",
            "$ref",
            "type",
            "properties",
            "allOf",
            "anyOf",
            "oneOf",
            "$defs",
            "required",
            "enum",
        )
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
