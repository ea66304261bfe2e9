"""JSON between Python and `google.protobuf.Value`, which knows doubles only and must stay shallow."""

import json
import math
from typing import Final

from google.protobuf import struct_pb2

from dataflow_validator.contracts.spec import Json

MAX_MESSAGE_DEPTH: Final = 24
"""Deeper values become their JSON text: each level is three nested messages, and decoders stop at 100 of them."""

_MAX_EXACT: Final = 2**53


def read_json(text: str) -> Json:
    """Parse what Postgres wrote for a jsonb value; integers too long for Python's own limit become their text."""
    parsed: Json = json.loads(text, parse_int=_integer)
    return parsed


def _integer(digits: str) -> Json:
    return int(digits) if len(digits) <= 400 else digits


def to_value(value: Json, depth: int = MAX_MESSAGE_DEPTH) -> struct_pb2.Value:
    """Write a JSON value as a message; numbers that are no finite double become their text."""
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, int | float):
        return _number(value)
    if depth <= 0:
        return struct_pb2.Value(string_value=json.dumps(value, ensure_ascii=False))
    if isinstance(value, dict):
        return struct_pb2.Value(struct_value=to_struct(value, depth))
    return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[to_value(item, depth - 1) for item in value]))


def to_struct(members: dict[str, Json], depth: int = MAX_MESSAGE_DEPTH) -> struct_pb2.Struct:
    """Write a JSON object as a message."""
    return struct_pb2.Struct(fields={key: to_value(value, depth - 1) for key, value in members.items()})


def from_value(value: struct_pb2.Value) -> Json:
    """Read a message as a JSON value; a whole number becomes an integer, since a double cannot say which one was meant."""
    match value.WhichOneof("kind"):
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) <= _MAX_EXACT else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return {key: from_value(member) for key, member in value.struct_value.fields.items()}
        case "list_value":
            return [from_value(item) for item in value.list_value.values]
        case _:
            return None


def _number(value: float) -> struct_pb2.Value:
    try:
        double = float(value)
    except OverflowError:
        return struct_pb2.Value(string_value=str(value))
    if math.isfinite(double):
        return struct_pb2.Value(number_value=double)
    return struct_pb2.Value(string_value=str(value))
