"""Reading the files that describe a contract: a neutral field list, or a JSON Schema."""

import json
import math
from collections.abc import Mapping
from typing import Any

from dataflow.validator.v1 import contract_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value

TYPES: Mapping[str, contract_pb2.FieldType.ValueType] = {
    "string": contract_pb2.FIELD_TYPE_STRING,
    "integer": contract_pb2.FIELD_TYPE_INTEGER,
    "number": contract_pb2.FIELD_TYPE_NUMBER,
    "boolean": contract_pb2.FIELD_TYPE_BOOLEAN,
    "timestamp": contract_pb2.FIELD_TYPE_TIMESTAMP,
    "object": contract_pb2.FIELD_TYPE_OBJECT,
    "array": contract_pb2.FIELD_TYPE_ARRAY,
    "binary": contract_pb2.FIELD_TYPE_BINARY,
    "json": contract_pb2.FIELD_TYPE_JSON,
}
"""The words of a field list."""

ENCODINGS: Mapping[str, contract_pb2.BinaryEncoding.ValueType] = {
    "base64": contract_pb2.BINARY_ENCODING_BASE64,
    "hex": contract_pb2.BINARY_ENCODING_HEX,
}
"""How bytes are written."""

TIME_UNITS = ("rfc3339", "s", "ms", "us", "ns")
"""How a moment is written."""

_TEXTS = ("unit", "pattern", "description")
_NUMBERS = ("min", "max", "exclusive_min", "exclusive_max", "multiple_of")
_COUNTS = ("min_length", "max_length")
_SWITCHES = ("required", "nullable")
_MAX_LEVELS = 40
_KNOWN = frozenset(
    {
        "name",
        "type",
        "default",
        "enum",
        "time_unit",
        "encoding",
        "items",
        "members",
        *_TEXTS,
        *_NUMBERS,
        *_COUNTS,
        *_SWITCHES,
    }
)


class FieldListError(ValueError):
    """The file does not describe fields; every problem is in the message."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def fields_of(document: str) -> list[contract_pb2.Field]:
    """Reads a field list: a JSON list of fields, or an object whose `fields` is one.

    Raises:
        FieldListError: It is none; the message lists every problem with its position.
    """
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise FieldListError([f"not JSON: {error}"]) from error
    entries = parsed.get("fields") if isinstance(parsed, dict) else parsed
    if not isinstance(entries, list) or not entries:
        raise FieldListError(["a field list is a JSON list of fields, or an object with such a list as 'fields'"])
    problems: list[str] = []
    fields = [_field(entry, f"fields[{position}]", problems) for position, entry in enumerate(entries)]
    names = [field.name for field in fields if field.name]
    problems += [
        f"the name {name!r} stands twice" for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if problems:
        raise FieldListError(problems)
    return fields


def schema_of(document: str) -> str:
    """Returns the JSON Schema of a file as text: the file itself, or the `json_schema` of a contract file.

    A contract file has `name` or `fields` beside `json_schema`; a schema is passed on as it is written.

    Raises:
        FieldListError: It is not JSON, or not an object or boolean.
    """
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise FieldListError([f"not JSON: {error}"]) from error
    if isinstance(parsed, dict) and "json_schema" in parsed and ("fields" in parsed or "name" in parsed):
        inner = parsed["json_schema"]
        if not isinstance(inner, dict | bool | str):
            raise FieldListError(["the contract file's json_schema is no JSON Schema"])
        return inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False)
    if not isinstance(parsed, dict | bool):
        raise FieldListError(["a JSON Schema is an object"])
    return document


def _field(
    entry: object, where: str, problems: list[str], *, named: bool = True, levels: int = _MAX_LEVELS
) -> contract_pb2.Field:
    field = contract_pb2.Field()
    if levels <= 0:
        problems.append(f"{where}: more than {_MAX_LEVELS} levels deep")
        return field
    if not isinstance(entry, dict):
        problems.append(f"{where}: a field is an object, not {_kind(entry)}")
        return field
    name = entry.get("name")
    if isinstance(name, str) and name:
        field.name = name
        where = f"{where} ({name!r})"
    elif named:
        problems.append(f"{where}: needs a 'name'")
    kind = entry.get("type")
    if isinstance(kind, str) and kind in TYPES:
        field.type = TYPES[kind]
    else:
        problems.append(f"{where}: type is {kind!r}, not one of {', '.join(TYPES)}")
    problems += [f"{where}: unknown key {key!r}" for key in entry if key not in _KNOWN]
    _simple(entry, field, where, problems)
    if "default" in entry:
        field.default.CopyFrom(_value(entry["default"], f"{where}: default", problems))
    choices = entry.get("enum", [])
    if not isinstance(choices, list):
        problems.append(f"{where}: enum is {_kind(choices)}, not a list")
        choices = []
    field.enum.extend(_value(choice, f"{where}: enum", problems) for choice in choices)
    if (unit := entry.get("time_unit")) is not None:
        if unit in TIME_UNITS:
            field.time_unit = unit
        else:
            problems.append(f"{where}: time_unit is {unit!r}, not one of {', '.join(TIME_UNITS)}")
    if (encoding := entry.get("encoding")) is not None:
        if isinstance(encoding, str) and encoding in ENCODINGS:
            field.encoding = ENCODINGS[encoding]
        else:
            problems.append(f"{where}: encoding is {encoding!r}, not one of {', '.join(ENCODINGS)}")
    if entry.get("items") is not None:
        field.items.CopyFrom(_field(entry["items"], f"{where}: items", problems, named=False, levels=levels - 1))
    members = entry.get("members", [])
    if not isinstance(members, list):
        problems.append(f"{where}: members is {_kind(members)}, not a list")
        members = []
    field.members.extend(
        _field(member, f"{where}: members[{position}]", problems, levels=levels - 1)
        for position, member in enumerate(members)
    )
    return field


def _simple(entry: Mapping[str, Any], field: contract_pb2.Field, where: str, problems: list[str]) -> None:
    for keys, wanted, check in (
        (_TEXTS, "a string", lambda value: isinstance(value, str)),
        (_NUMBERS, "a finite number", _is_number),
        (
            _COUNTS,
            "a whole number from 0",
            lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32,
        ),
        (_SWITCHES, "true or false", lambda value: isinstance(value, bool)),
    ):
        for key in keys:
            if entry.get(key) is None:
                continue
            if check(entry[key]):
                setattr(field, key, entry[key])
            else:
                problems.append(f"{where}: {key} is {_kind(entry[key])}, not {wanted}")


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _value(value: Any, where: str, problems: list[str]) -> Value:
    try:
        return ParseDict(value, Value())
    except Exception as error:  # noqa: BLE001  # json_format raises ParseError, RecursionError, OverflowError and others
        problems.append(f"{where}: {error}")
        return Value()


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}.get(
        type(value), "a number"
    )
