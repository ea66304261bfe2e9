"""Whether a contract holds together: every mistake found in one pass, each with the way out."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from math import isfinite
from typing import Final

from dataflow_validator.contracts.errors import ContractError, Problem
from dataflow_validator.contracts.names import column_name
from dataflow_validator.contracts.pointer import is_index
from dataflow_validator.contracts.schema import parts_of
from dataflow_validator.contracts.spec import (
    EPOCH,
    BinaryEncoding,
    ContractSpec,
    EventTimeFormat,
    FieldSpec,
    FieldType,
)

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
    for index, field in enumerate(spec.fields):
        problems.extend(field_problems(field, f"fields[{index}]"))
    if problems:
        raise ContractError(problems)


def device_field_is_implied(spec: ContractSpec, name: str) -> bool:
    """Say whether an identity member means the device itself: every identity contains the device anyway."""
    return name == "device_id" and all(field.name != name for field in spec.fields)


def _contract_problems(spec: ContractSpec) -> Iterator[Problem]:
    if not _NAME.fullmatch(spec.name):
        yield Problem(f"contract name {spec.name!r}: use 1 to 48 of a-z, 0-9 and _, starting with a letter", "name")
    if not spec.fields and spec.json_schema is None:
        yield Problem("the contract says nothing: give fields or a JSON Schema", "fields")
    if (count := sum(1 for field in spec.fields for _ in parts_of(field))) > MAX_FIELDS:
        yield Problem(f"{count} fields: at most {MAX_FIELDS}; gather some of them in an object field", "fields")
    for name, count in Counter(field.name for field in spec.fields).items():
        if count > 1:
            yield Problem(f"field {name!r} is given {count} times: keep one", "fields")
    yield from _column_problems(spec)
    by_name = {field.name: field for field in spec.fields}
    known = ", ".join(repr(name) for name in list(by_name)[:20]) or "none"
    for index, name in enumerate(spec.identity):
        at = f"identity[{index}]"
        if (field := by_name.get(name)) is None:
            if not device_field_is_implied(spec, name):
                yield Problem(f"identity field {name!r} is not a field of the contract (fields: {known})", at)
        elif field.type not in _IDENTIFYING:
            yield Problem(
                f"identity field {name!r} is {field.type}: identify by a string, number, boolean or timestamp", at
            )
        elif field.has_default:
            wrong = f"identity field {name!r} has a default, so that many readings would be taken for one: remove it"
            yield Problem(wrong, at)
    if spec.event_time is None and spec.identity == ("device_id",):
        wrong = "identity 'device_id' alone takes all readings of a device for one: add what tells them apart"
        yield Problem(wrong, "identity")
    if len(set(spec.identity)) < len(spec.identity):
        yield Problem("identity names a field twice: name each once", "identity")
    if spec.event_time is not None:
        yield from _event_time_problems(spec, by_name.get(spec.event_time), known)
    yield from _window_problems(spec)
    yield from _member_problems(spec)


def _column_problems(spec: ContractSpec) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for index, field in enumerate(spec.fields):
        try:
            column = column_name(field)
        except ValueError:
            continue  # named by field_problems
        other = taken.setdefault(column, field.name)
        if other != field.name:
            wrong = f"fields {other!r} and {field.name!r} both mean the column {column!r}: keep one of them"
            yield Problem(wrong, f"fields[{index}].name")


def _member_problems(spec: ContractSpec) -> Iterator[Problem]:
    """Name pointer fields whose place is a member that another field has rules for: one of the two would be lost."""
    members: dict[tuple[str, ...], str] = {}
    for field in spec.fields:
        if field.members and not list(_field_name_problems(field, "", "")):
            members |= {(*field.tokens, member.name): field.name for member in field.members}
    for index, field in enumerate(spec.fields):
        if members and not list(_field_name_problems(field, "", "")):
            around = next(
                (field.tokens[:end] for end in range(1, len(field.tokens) + 1) if field.tokens[:end] in members), None
            )
            if around is not None:
                wrong = f"field {field.name!r} and a member of field {members[around]!r} both rule one place: keep one of them"
                yield Problem(wrong, f"fields[{index}].name")


def _event_time_problems(spec: ContractSpec, field: FieldSpec | None, known: str) -> Iterator[Problem]:
    name, at = spec.event_time, "event_time_field"
    if field is None:
        yield Problem(f"event-time field {name!r} is not a field of the contract (fields: {known})", at)
        return
    if field.type not in _TIMELY:
        yield Problem(f"event-time field {name!r} is {field.type}: make it a timestamp, a string or a number", at)
    elif (field.nullable or field.has_default) and not spec.fields_from_schema:
        wrong = f"event-time field {name!r} may be null or absent: make it required, without null and without default"
        yield Problem(wrong, at)
    if field.format not in {EventTimeFormat.AUTO, spec.event_time_format}:
        wrong = f"event-time field {name!r} has the format {field.format}: declare it as the contract's event_time_unit"
        yield Problem(wrong, at)


def _window_problems(spec: ContractSpec) -> Iterator[Problem]:
    if spec.event_time_min < EPOCH:
        early = spec.event_time_min.isoformat()
        wrong = f"event_time_min {early} is before 1970-01-01: keep older moments in a plain timestamp field"
        yield Problem(wrong, "event_time_min")
    if spec.event_time_max is not None and spec.event_time_max <= spec.event_time_min:
        yield Problem("event_time_max must be later than event_time_min", "event_time_max")
    if not timedelta() <= spec.event_time_ahead <= timedelta(days=1):
        yield Problem("event_time_ahead must be between 0 and 1 day", "event_time_max_ahead")
    if spec.dedupe_window < timedelta():
        yield Problem("dedupe_window must not be negative", "dedupe_window")


def field_problems(field: FieldSpec, at: str) -> Iterator[Problem]:
    """Yield what is wrong with one field by itself and with what is declared inside of it.

    Args:
        field: The field.
        at: Its place in the contract, such as "fields[3]".
    """
    what = f"field {field.name!r}"
    yield from _field_name_problems(field, what, f"{at}.name")
    yield from _value_problems(field, what, at)
    yield from _inner_problems(field, what, at)


def _value_problems(field: FieldSpec, what: str, at: str) -> Iterator[Problem]:
    yield from _bound_problems(field, what, at)
    if field.min_length is not None or field.max_length is not None:
        low, high = field.min_length or 0, field.max_length
        if field.type not in _SIZED:
            wrong = f"{what}: min_length and max_length need type string, array or binary, not {field.type}"
            yield Problem(wrong, f"{at}.min_length")
        elif low < 0 or (high is not None and high < low):
            wrong = f"{what}: lengths must be 0 or more, and max_length not less than min_length"
            yield Problem(wrong, f"{at}.min_length")
    for given, name, kind in (
        (field.pattern is not None, "pattern", FieldType.STRING),
        (field.format is not EventTimeFormat.AUTO, "time_unit", FieldType.TIMESTAMP),
        (field.encoding is not BinaryEncoding.BASE64, "encoding", FieldType.BINARY),
        (field.items is not None, "items", FieldType.ARRAY),
        (bool(field.members), "members", FieldType.OBJECT),
    ):
        if given and field.type is not kind:
            yield Problem(f"{what}: {name} needs type {kind}, not {field.type}", f"{at}.{name}")
    if len(field.enum) > MAX_ENUM_VALUES:
        yield Problem(f"{what}: {len(field.enum)} enum values, at most {MAX_ENUM_VALUES}", f"{at}.enum")
    for value in field.enum:
        if not _fits(value, field):
            yield Problem(f"{what}: enum value {value!r} is not of type {field.type}", f"{at}.enum")
    if field.has_default and not _fits(field.default, field):
        yield Problem(f"{what}: default {field.default!r} is not of type {field.type}", f"{at}.default")


def _bound_problems(field: FieldSpec, what: str, at: str) -> Iterator[Problem]:
    bounds = (field.min, field.max, field.exclusive_min, field.exclusive_max, field.multiple_of)
    if all(bound is None for bound in bounds):
        return
    if field.type not in _NUMERIC:
        yield Problem(f"{what}: bounds like min and max need type integer or number, not {field.type}", f"{at}.min")
        return
    if any(isinstance(bound, float) and not isfinite(bound) for bound in bounds):
        yield Problem(f"{what}: bounds are finite numbers", f"{at}.min")
    if field.min is not None and field.max is not None and field.min > field.max:
        yield Problem(f"{what}: min {field.min} is greater than max {field.max}", f"{at}.min")
    if (
        field.exclusive_min is not None
        and field.exclusive_max is not None
        and field.exclusive_min >= field.exclusive_max
    ):
        wrong = f"{what}: exclusive_min {field.exclusive_min} is not less than exclusive_max {field.exclusive_max}"
        yield Problem(wrong, f"{at}.exclusive_min")
    if field.multiple_of is not None and field.multiple_of <= 0:
        yield Problem(f"{what}: multiple_of must be greater than 0", f"{at}.multiple_of")


def _inner_problems(field: FieldSpec, what: str, at: str, depth: int = 1) -> Iterator[Problem]:
    if depth > MAX_POINTER_TOKENS:
        yield Problem(f"{what}: at most {MAX_POINTER_TOKENS} levels deep", at)
        return
    for name, count in Counter(member.name for member in field.members).items():
        if count > 1:
            yield Problem(f"{what}: member {name!r} is given {count} times: keep one", f"{at}.members")
    inner = [
        (f"{at}.members[{index}]", f"{what} member {part.name!r}", part) for index, part in enumerate(field.members)
    ]
    if field.items is not None:
        inner.append((f"{at}.items", f"{what} items", field.items))
        if field.items.name:
            yield Problem(f"{what}: its items have no name", f"{at}.items.name")
    for place, called, part in inner:
        try:
            plain = len(part.name.encode()) <= MAX_FIELD_NAME_BYTES and "\0" not in part.name
        except UnicodeEncodeError:
            plain = False
        if not plain:
            yield Problem(f"{called}: at most {MAX_FIELD_NAME_BYTES} bytes of Unicode, and no NUL", f"{place}.name")
        if part.has_default:
            wrong = f"{called}: only what has a column may have a default: give it as a field of its own, by pointer"
            yield Problem(wrong, f"{place}.default")
        yield from _value_problems(part, called, place)
        yield from _inner_problems(part, called, place, depth + 1)


def _field_name_problems(field: FieldSpec, what: str, at: str) -> Iterator[Problem]:
    if not field.name:
        wrong = "a field has an empty name: give the member's name, or a JSON Pointer ('/' is the member whose name is empty)"
        yield Problem(wrong, at)
        return
    try:
        encoded = field.name.encode()
        tokens = field.tokens
    except UnicodeEncodeError:
        yield Problem(f"field {field.name!r}: the name is not valid Unicode", at)
        return
    except ValueError as problem:
        yield Problem(f"field {problem}", at)
        return
    if len(encoded) > MAX_FIELD_NAME_BYTES or "\0" in field.name:
        yield Problem(f"{what}: at most {MAX_FIELD_NAME_BYTES} bytes, and no NUL", at)
    if len(tokens) > MAX_POINTER_TOKENS:
        yield Problem(f"{what}: at most {MAX_POINTER_TOKENS} levels deep", at)
    if any(is_index(token) and int(token) > MAX_POINTER_INDEX for token in tokens[1:]):
        yield Problem(f"{what}: array indexes go up to {MAX_POINTER_INDEX}; make the array one field", at)


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
