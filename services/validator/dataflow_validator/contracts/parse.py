"""Payload bytes to a JSON value: fast where the bytes are ordinary, exact where they are not, bounded always."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import orjson

from dataflow_validator.contracts.errors import ContractError
from dataflow_validator.contracts.pointer import MISSING
from dataflow_validator.contracts.reasons import Reason, reason, storable_text

DEFAULT_MAX_PAYLOAD_BYTES: Final = 1024 * 1024
DEFAULT_MAX_DEPTH: Final = 128
"""Levels of nesting. Telemetry has fewer than ten; every recursive step after the parser relies on this bound."""

_EXACT_FLOATS: Final = 2.0**53
_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_NUL_ESCAPE: Final = b"\\u0000"
_BOM: Final = b"\xef\xbb\xbf"


class UnparsableError(Exception):
    """The payload is not JSON that we read.

    Attributes:
        reason: Why, for the quarantine.
    """

    reason: Reason

    def __init__(self, message: str) -> None:
        """Keep the reason.

        Args:
            message: One sentence.
        """
        super().__init__(message)
        self.reason = reason((), "json", "a JSON value", MISSING, message)


def parse(
    payload: bytes, max_bytes: int = DEFAULT_MAX_PAYLOAD_BYTES, max_depth: int = DEFAULT_MAX_DEPTH
) -> tuple[object, bool]:
    """Parse a payload.

    Args:
        payload: What the device sent.
        max_bytes: Longer payloads are refused unread.
        max_depth: Deeper nesting is refused.

    Returns:
        The value, and whether a string in it may hold what Postgres cannot store (NUL or a lone surrogate).

    Raises:
        UnparsableError: It is no JSON (RFC 8259 in UTF-8), or beyond the limits.
    """
    if len(payload) > max_bytes:
        raise UnparsableError(f"the payload has {len(payload)} bytes, more than {max_bytes}")
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError as problem:
        if _SURROGATE_ESCAPE.search(payload):
            # Valid JSON, only not storable: told apart from garbage by reading it again.
            document = parse_exactly(payload)
            _check_depth(payload, document, max_depth)
            return document, True
        if payload.startswith(_BOM):
            raise UnparsableError("the payload starts with a byte order mark: send plain UTF-8") from problem
        raise UnparsableError(f"not JSON: {storable_text(str(problem), 200)}") from problem
    # A value this short cannot be deeper: every level takes an opening and a closing byte.
    if len(payload) > 2 * max_depth:
        _check_depth(payload, document, max_depth)
    return document, b"\\" in payload and _NUL_ESCAPE in payload


def parse_exactly(payload: bytes) -> object:
    """Parse a payload, keeping every integer as it was written, however large; slower.

    The payload must have passed the limits of `parse`. A float that has no fraction, and is so large that a double
    might not be exact, becomes an integer.

    Raises:
        UnparsableError: It is no JSON, or a number is too large for a double.
    """
    try:
        return json.loads(payload.decode(), parse_float=_exact_number, parse_int=_integer, parse_constant=_no_constant)
    except (ValueError, RecursionError) as problem:
        raise UnparsableError(f"not JSON: {storable_text(str(problem), 200)}") from problem


def _exact_number(text: str) -> int | float:
    number = float(text)
    if -_EXACT_FLOATS < number < _EXACT_FLOATS:
        return number
    _integer_size(number)
    exact = Decimal(text)
    integer = int(exact)
    return integer if integer == exact else number


def _integer(text: str) -> int:
    _integer_size(float(text))
    return int(text)


def _integer_size(number: float) -> None:
    if number in (float("inf"), float("-inf")):
        raise ValueError("number is infinity when parsed as double")


def _no_constant(name: str) -> float:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _check_depth(payload: bytes, document: object, max_depth: int) -> None:
    if payload.count(b"[") + payload.count(b"{") <= max_depth:
        return
    level = [document]
    for _ in range(max_depth):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(member for member in value.values() if isinstance(member, dict | list))
            elif isinstance(value, list):
                below.extend(member for member in value if isinstance(member, dict | list))
        if not below:
            return
        level = below
    raise UnparsableError(f"the payload is nested more than {max_depth} levels deep")


def unstorable_strings(value: object, tokens: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Find the strings, member names included, that Postgres cannot hold in text or jsonb.

    Yields:
        Where each one is.
    """
    if isinstance(value, str):
        if not is_storable(value):
            yield tokens
    elif isinstance(value, dict):
        for key, member in value.items():
            if not is_storable(key):
                yield (*tokens, key)
            yield from unstorable_strings(member, (*tokens, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from unstorable_strings(member, (*tokens, index))


def is_storable(text: str) -> bool:
    """Say whether Postgres can hold a text: no NUL, no lone surrogate."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def without_surrogates(value: object) -> object:
    """Copy a value with lone surrogates replaced, so that the schema engine, which works on UTF-8, can judge the rest."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(member) for key, member in value.items()}
    if isinstance(value, list):
        return [without_surrogates(member) for member in value]
    return value


def read_document(text: bytes, what: str) -> object:
    """Parse a document that a person wrote, such as a JSON Schema file; its integers are exact.

    Args:
        text: Its bytes.
        what: What to call it in the error.

    Raises:
        ContractError: It is not JSON.
    """
    try:
        plain = text.removeprefix(_BOM)
        parse(plain)
        return parse_exactly(plain)
    except UnparsableError as problem:
        raise ContractError([f"{what}: {problem}"]) from problem
