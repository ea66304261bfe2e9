"""Whether a contract holds together: every mistake found in one pass, each with the way out."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from dataflow_validator.contracts.errors import ContractError
from dataflow_validator.contracts.names import column_name
from dataflow_validator.contracts.pointer import is_index
from dataflow_validator.contracts.spec import EPOCH, ContractSpec, FieldSpec, FieldType

MAX_FIELDS: Final = 1000
"""Postgres holds 1,600 columns in a table; the rest is room for later revisions."""

MAX_FIELD_NAME_BYTES: Final = 1024
MAX_POINTER_TOKENS: Final = 32
MAX_POINTER_INDEX: Final = 255
MAX_ENUM_VALUES: Final = 10_000

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")
_NUMERIC: Final = frozenset({FieldType.INTEGER, FieldType.NUMBER})
_SIZED: Final = frozenset({FieldType.STRING, FieldType.ARRAY, FieldType.BINARY})
_IDENTIFYING: Final = frozenset(
    {FieldType.STRING, FieldType.INTEGER, FieldType.NUMBER, FieldType.BOOLEAN, FieldType.TIMESTAMP}
)
_TIMELY: Final = frozenset({FieldType.STRING, FieldType.INTEGER, FieldType.NUMBER, FieldType.TIMESTAMP})


def check_spec(spec: ContractSpec) -> None:
    """Check a contract before it is compiled.

    Raises:
        ContractError: With all problems found.
    """
    problems = list(_contract_problems(spec))
    for field in spec.fields:
        problems.extend(field_problems(field))
    if problems:
        raise ContractError(problems)


def device_field_is_implied(spec: ContractSpec, name: str) -> bool:
    """Say whether an identity member means the device itself: every identity contains the device anyway."""
    return name == "device_id" and all(field.name != name for field in spec.fields)


def _contract_problems(spec: ContractSpec) -> Iterator[str]:
    if not _NAME.fullmatch(spec.name):
        yield f"contract name {spec.name!r}: use 1 to 48 of a-z, 0-9 and _, starting with a letter"
    if not spec.fields and spec.json_schema is None:
        yield "the contract says nothing: give fields or a JSON Schema"
    if len(spec.fields) > MAX_FIELDS:
        yield f"{len(spec.fields)} fields: at most {MAX_FIELDS}; gather some of them in an object field"
    for name, count in Counter(field.name for field in spec.fields).items():
        if count > 1:
            yield f"field {name!r} is given {count} times: keep one"
    yield from _column_problems(spec)
    by_name = {field.name: field for field in spec.fields}
    known = ", ".join(repr(name) for name in list(by_name)[:20]) or "none"
    for name in spec.identity:
        if (field := by_name.get(name)) is None:
            if not device_field_is_implied(spec, name):
                yield f"identity field {name!r} is not a field of the contract (fields: {known})"
        elif field.type not in _IDENTIFYING:
            yield f"identity field {name!r} is {field.type}: identify by a string, number, boolean or timestamp"
        elif field.has_default:
            yield f"identity field {name!r} has a default, so that many readings would be taken for one: remove it"
    if spec.event_time is None and spec.identity == ("device_id",):
        yield "identity 'device_id' alone takes all readings of a device for one: add what tells them apart"
    if len(set(spec.identity)) < len(spec.identity):
        yield "identity names a field twice: name each once"
    if spec.event_time is not None:
        yield from _event_time_problems(spec, by_name.get(spec.event_time), known)
    yield from _window_problems(spec)


def _column_problems(spec: ContractSpec) -> Iterator[str]:
    taken: dict[str, str] = {}
    for field in spec.fields:
        try:
            column = column_name(field)
        except ValueError:
            continue  # named by field_problems
        other = taken.setdefault(column, field.name)
        if other != field.name:
            yield f"fields {other!r} and {field.name!r} both mean the column {column!r}: keep one of them"


def _event_time_problems(spec: ContractSpec, field: FieldSpec | None, known: str) -> Iterator[str]:
    name = spec.event_time
    if field is None:
        yield f"event-time field {name!r} is not a field of the contract (fields: {known})"
    elif field.type not in _TIMELY:
        yield f"event-time field {name!r} is {field.type}: make it a timestamp, a string or a number"
    elif (field.nullable or field.has_default) and not spec.fields_from_schema:
        yield f"event-time field {name!r} may be null or absent: make it required, without null and without default"


def _window_problems(spec: ContractSpec) -> Iterator[str]:
    if spec.event_time_min < EPOCH:
        yield f"event_time_min {spec.event_time_min.isoformat()} is before 1970-01-01: keep older moments in a plain timestamp field"
    if spec.event_time_max is not None and spec.event_time_max <= spec.event_time_min:
        yield "event_time_max must be later than event_time_min"
    if not timedelta() <= spec.event_time_ahead <= timedelta(days=1):
        yield "event_time_ahead must be between 0 and 1 day"
    if spec.dedupe_window < timedelta():
        yield "dedupe_window must not be negative"


def field_problems(field: FieldSpec) -> Iterator[str]:
    """Yield what is wrong with one field by itself."""
    what = f"field {field.name!r}"
    yield from _field_name_problems(field, what)
    if field.min is not None or field.max is not None:
        if field.type not in _NUMERIC:
            yield f"{what}: min and max need type integer or number, not {field.type}"
        elif field.min is not None and field.max is not None and field.min > field.max:
            yield f"{what}: min {field.min} is greater than max {field.max}"
    if field.min_length is not None or field.max_length is not None:
        low, high = field.min_length or 0, field.max_length
        if field.type not in _SIZED:
            yield f"{what}: min_length and max_length need type string, array or binary, not {field.type}"
        elif low < 0 or (high is not None and high < low):
            yield f"{what}: lengths must be 0 or more, and max_length not less than min_length"
    if field.pattern is not None and field.type is not FieldType.STRING:
        yield f"{what}: pattern needs type string, not {field.type}"
    if len(field.enum) > MAX_ENUM_VALUES:
        yield f"{what}: {len(field.enum)} enum values, at most {MAX_ENUM_VALUES}"
    for value in field.enum:
        if not _fits(value, field):
            yield f"{what}: enum value {value!r} is not of type {field.type}"
    if field.has_default and not _fits(field.default, field):
        yield f"{what}: default {field.default!r} is not of type {field.type}"


def _field_name_problems(field: FieldSpec, what: str) -> Iterator[str]:
    if not field.name:
        yield "a field has an empty name: give the member's name, or a JSON Pointer ('/' is the member whose name is empty)"
        return
    try:
        encoded = field.name.encode()
        tokens = field.tokens
    except UnicodeEncodeError:
        yield f"field {field.name!r}: the name is not valid Unicode"
        return
    except ValueError as problem:
        yield f"field {problem}"
        return
    if len(encoded) > MAX_FIELD_NAME_BYTES or "\0" in field.name:
        yield f"{what}: at most {MAX_FIELD_NAME_BYTES} bytes, and no NUL"
    if len(tokens) > MAX_POINTER_TOKENS:
        yield f"{what}: at most {MAX_POINTER_TOKENS} levels deep"
    if any(is_index(token) and int(token) > MAX_POINTER_INDEX for token in tokens[1:]):
        yield f"{what}: array indexes go up to {MAX_POINTER_INDEX}; make the array one field"


def _fits(value: object, field: FieldSpec) -> bool:
    if value is None:
        return field.nullable or field.type is FieldType.JSON
    if isinstance(value, bool):
        return field.type in {FieldType.BOOLEAN, FieldType.JSON}
    match field.type:
        case FieldType.STRING | FieldType.BINARY:
            return isinstance(value, str)
        case FieldType.TIMESTAMP:
            return isinstance(value, str | int | float)
        case FieldType.INTEGER:
            return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        case FieldType.NUMBER:
            return isinstance(value, int | float)
        case FieldType.OBJECT:
            return isinstance(value, dict)
        case FieldType.ARRAY:
            return isinstance(value, list)
        case _:
            return field.type is FieldType.JSON
