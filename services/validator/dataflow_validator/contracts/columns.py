"""From a judged JSON value to what asyncpg takes for its column; what SQL cannot hold is found here, before SQL."""

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeAlias

import orjson

from dataflow_validator.contracts.event_time import compile_reader
from dataflow_validator.contracts.names import BIGINT_MAX, BIGINT_MIN
from dataflow_validator.contracts.spec import EventTimeFormat, FieldSpec, FieldType

Convert: TypeAlias = Callable[[object], object]
"""Turns a JSON value, never null, into a column's value; raises `UnfitError`."""


class UnfitError(Exception):
    """A value of the right JSON type cannot become its column's value.

    Attributes:
        rule: As in `Reason`; "storable" where the value is fine and only SQL cannot hold it.
        expected: What the column needs.
    """

    def __init__(self, rule: str, expected: str) -> None:
        """Keep rule and expectation.

        Args:
            rule: As in `Reason`.
            expected: What the column needs.
        """
        super().__init__(expected)
        self.rule = rule
        self.expected = expected


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
    if spec.type is FieldType.BINARY:
        return _binary(spec.min_length or 0, spec.max_length)
    return _CONVERTERS.get(spec.type)


def json_text(value: object) -> str:
    """Write a value for a jsonb column."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _to_bigint(value: object) -> object:
    whole = value if type(value) is int else int(value)  # type: ignore[call-overload]
    if BIGINT_MIN <= whole <= BIGINT_MAX:
        return whole
    raise UnfitError("storable", f"an integer from {BIGINT_MIN} to {BIGINT_MAX}, or a contract with wider bounds")


def _to_numeric(value: object) -> object:
    return Decimal(int(value))  # type: ignore[call-overload]


_read_moment: Final = compile_reader(EventTimeFormat.AUTO)


def _to_timestamp(value: object) -> object:
    moment = _read_moment(value)
    if moment is None:
        raise UnfitError("timestamp", "RFC 3339 text or an epoch number")
    if moment.time in _INFINITIES:
        raise UnfitError("storable", "a moment after year 1 began and before year 9999 ends")
    return moment.time


_INFINITIES: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
"""asyncpg writes these two moments as -infinity and infinity."""


def _binary(min_length: int, max_length: int | None) -> Convert:
    def to_bytes(value: object) -> object:
        try:
            decoded = b64decode(str(value), validate=True)
        except (Base64Error, ValueError) as problem:
            raise UnfitError("base64", "base64 text (RFC 4648 section 4, padded)") from problem
        if len(decoded) < min_length:
            raise UnfitError("minLength", f"minLength {min_length} bytes")
        if max_length is not None and len(decoded) > max_length:
            raise UnfitError("maxLength", f"maxLength {max_length} bytes")
        return decoded

    return to_bytes


_CONVERTERS: Final[dict[FieldType, Convert]] = {
    FieldType.INTEGER: _to_bigint,
    FieldType.TIMESTAMP: _to_timestamp,
    FieldType.OBJECT: json_text,
    FieldType.ARRAY: json_text,
    FieldType.JSON: json_text,
}


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
