"""From a judged JSON value to what asyncpg takes for its column; what SQL cannot hold is found here, before SQL."""

import json
from base64 import b64decode
from binascii import Error as Base64Error
from binascii import unhexlify
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeAlias

import orjson

from dataflow_validator.contracts.event_time import compile_reader
from dataflow_validator.contracts.names import BIGINT_MAX, BIGINT_MIN
from dataflow_validator.contracts.spec import BinaryEncoding, EventTimeFormat, FieldSpec, FieldType

Convert: TypeAlias = Callable[[object], object]
"""Turns a JSON value, never null, into a column's value; raises `UnfitError`."""


class UnfitError(Exception):
    """A value of the right JSON type cannot become its column's value.

    Attributes:
        rule: As in `Reason`; "storable" where the value is fine and only SQL cannot hold it.
        expected: What the column needs.
        inside: Where in the value, outermost first; empty for the value itself.
    """

    def __init__(self, rule: str, expected: str, inside: tuple[str | int, ...] = ()) -> None:
        """Keep rule and expectation.

        Args:
            rule: As in `Reason`.
            expected: What the column needs.
            inside: Where in the value.
        """
        super().__init__(expected)
        self.rule = rule
        self.expected = expected
        self.inside = inside


def converter(spec: FieldSpec, sql_type: str) -> Convert | None:
    """Give the conversion of a field's values.

    Args:
        spec: The field.
        sql_type: The type of its column.

    Returns:
        `None` where a JSON value of the field's type goes into SQL as it is (text, double precision, boolean).
    """
    if sql_type == "numeric":
        return _to_numeric
    if (inner := _inner_check(spec)) is not None:
        return _then_text(inner)
    if spec.type is FieldType.BINARY:
        return _binary(spec)
    if spec.type is FieldType.TIMESTAMP and spec.format is not EventTimeFormat.AUTO:
        return _timestamp(spec.format)
    return _CONVERTERS.get(spec.type)


def _inner_check(spec: FieldSpec) -> Convert | None:
    """Make the check of what no JSON Schema says of the parts of an array or object; `None` where there is nothing."""
    of_items = None if spec.items is None else _part_check(spec.items)
    of_members = [(part.name, inner) for part in spec.members if (inner := _part_check(part)) is not None]
    if of_items is None and not of_members:
        return None

    def check(value: object) -> object:
        if isinstance(value, list) and of_items is not None:
            for index, element in enumerate(value):
                _check_part(of_items, element, index)
        elif isinstance(value, dict):
            for name, of_member in of_members:
                _check_part(of_member, value.get(name), name)
        return value

    return check


def _part_check(spec: FieldSpec) -> Convert | None:
    if spec.type is FieldType.BINARY:
        return _binary(spec)
    if spec.type is FieldType.TIMESTAMP:
        return _timestamp(spec.format)
    return _inner_check(spec)


def _check_part(check: Convert, value: object, at: str | int) -> None:
    if value is None:
        return
    try:
        check(value)
    except UnfitError as problem:
        raise UnfitError(problem.rule, problem.expected, (at, *problem.inside)) from problem


def _then_text(check: Convert) -> Convert:
    return lambda value: json_text(check(value))


def json_text(value: object) -> str:
    """Write a value for a jsonb column."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _to_bigint(value: object) -> object:
    whole = value if type(value) is int else _whole(value)
    if BIGINT_MIN <= whole <= BIGINT_MAX:
        return whole
    raise UnfitError("storable", f"an integer from {BIGINT_MIN} to {BIGINT_MAX}, or a contract with wider bounds")


def _to_numeric(value: object) -> object:
    return Decimal(_whole(value))


def _whole(value: object) -> int:
    # An item that its raw schema refuses elsewhere may have anything here.
    if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        return int(value)
    raise UnfitError("type", "integer")


def _timestamp(written: EventTimeFormat) -> Convert:
    read = compile_reader(written)
    expected = {
        EventTimeFormat.AUTO: "ISO 8601 text or an epoch number",
        EventTimeFormat.RFC3339: "RFC 3339 text with a zone",
    }.get(written, f"a number ({written})")

    def to_timestamp(value: object) -> object:
        moment = read(value)
        if moment is None:
            raise UnfitError("timestamp", expected)
        if moment.time in _INFINITIES:
            raise UnfitError("storable", "a moment after year 1 began and before year 9999 ends")
        return moment.time

    return to_timestamp


_INFINITIES: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
"""asyncpg writes these two moments as -infinity and infinity."""


def _binary(spec: FieldSpec) -> Convert:
    min_length, max_length = spec.min_length or 0, spec.max_length
    decode = _from_hex if spec.encoding is BinaryEncoding.HEX else _from_base64

    def to_bytes(value: object) -> object:
        decoded = decode(str(value))
        if len(decoded) < min_length:
            raise UnfitError("minLength", f"minLength {min_length} bytes")
        if max_length is not None and len(decoded) > max_length:
            raise UnfitError("maxLength", f"maxLength {max_length} bytes")
        return decoded

    return to_bytes


def _from_base64(text: str) -> bytes:
    # One alphabet at a time; padding is redundant, and half of the senders leave it out with the URL-safe one.
    url_safe = "-" in text or "_" in text
    padded = text if "=" in text else text + "=" * (-len(text) % 4)
    problem: Exception | None = None
    if not (url_safe and ("+" in text or "/" in text)):
        try:
            return b64decode(padded, b"-_" if url_safe else None, validate=True)
        except (Base64Error, ValueError) as wrong:
            problem = wrong
    raise UnfitError("base64", "base64 text (RFC 4648 section 4 or 5)") from problem


def _from_hex(text: str) -> bytes:
    try:
        # `unhexlify`, since `bytes.fromhex` skips spaces.
        return unhexlify(text)
    except (Base64Error, ValueError) as problem:
        raise UnfitError("hex", "hexadecimal text, two digits for each byte") from problem


_CONVERTERS: Final[dict[FieldType, Convert]] = {
    FieldType.INTEGER: _to_bigint,
    FieldType.TIMESTAMP: _timestamp(EventTimeFormat.AUTO),
    FieldType.OBJECT: json_text,
    FieldType.ARRAY: json_text,
    FieldType.JSON: json_text,
}


def merged(one: object, other: object) -> object:
    """Merge two JSON values: objects member by member, else the other one."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = {key: merged(value, other[key]) if key in other else value for key, value in one.items()}
        return {**both, **{key: value for key, value in other.items() if key not in one}}
    return other


class UnknownMembers:
    """Finds the members of an item that no field took."""

    def __init__(self, fields: Iterable[FieldSpec]) -> None:
        """Remember where the fields are.

        Args:
            fields: All fields of the contract.
        """
        self._known: dict[str, object] = {}
        for spec in fields:
            level = self._known
            for token in spec.tokens[:-1]:
                below = level.setdefault(token, {})
                if not isinstance(below, dict):
                    break  # an outer field takes the whole value already
                level = below
            else:
                level[spec.tokens[-1]] = None
        self._flat = all(below is None for below in self._known.values())

    def of(self, item: dict[str, object]) -> dict[str, object]:
        """Give what is left of an item without its fields; empty where they cover it."""
        if self._flat:
            known = self._known
            return {key: value for key, value in item.items() if key not in known}
        return _left_over(item, self._known)


def _left_over(item: dict[str, object], known: dict[str, object]) -> dict[str, object]:
    left: dict[str, object] = {}
    for key, value in item.items():
        if key not in known:
            left[key] = value
            continue
        below = known[key]
        if below is None:
            continue
        if not isinstance(below, dict):
            left[key] = value
        elif isinstance(value, dict):
            if inner := _left_over(value, below):
                left[key] = inner
        elif isinstance(value, list):
            # Indexes would shift if elements were taken out: an array that holds more than fields stays whole.
            if any(str(index) not in below or below[str(index)] is not None for index in range(len(value))):
                left[key] = value
        else:
            left[key] = value
    return left
