"""One canonical form for each JSON value: what is equal by value is equal here, and nothing else is.

Keys are sorted, numbers are written by value (5, 5.0 and 5e0 are one number; so are 10000000000000000 and 1e16), and the
hash over it tells a resend from a conflict. Numbers with a fraction are IEEE doubles, as everywhere in JSON; integers
are exact at any size.
"""

import json
from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b, sha256
from struct import Struct
from typing import Final

import orjson

_LARGE: Final = 2.0**53
"""From here on a double may stand for several integers: the payload has to be read again, exactly."""

_SORTED: Final = orjson.OPT_SORT_KEYS
_to_int: Final[Callable[[bytes], tuple[int]]] = Struct(">q").unpack


class InexactNumberError(Exception):
    """The item has a number whose exact value the fast parser did not keep; parse it with `parse_exactly`."""


def content_hash(item: object, *, exact: bool = False) -> int:
    """Hash a parsed item by value.

    Args:
        item: A parsed JSON value.
        exact: The item comes from `parse_exactly`, so that its integers are what was written.

    Returns:
        A signed 64-bit integer, the same in every process and for every revision.

    Raises:
        InexactNumberError: Not `exact`, and a double of 2^53 or more is in the item.
    """
    if type(item) is dict:
        # Written out rather than called for each value: this runs for every message.
        flat = {
            key: (int(value) if -_LARGE < value < _LARGE else _large_integer(value, exact=exact))
            if type(value) is float and value.is_integer()
            else value
            for key, value in item.items()
        }
        written = _dump(flat)
        # No bracket but the outer ones: nothing inside is left to normalise. Text with brackets only takes the long way.
        if written.rfind(b"{") <= 0 and b"[" not in written:
            return _hash(written)
    return _hash(_dump(_by_value(item, exact=exact)))


def bytes_hash(payload: bytes) -> int:
    """Hash bytes that are no JSON, as a signed 64-bit integer."""
    return _to_int(blake2b(payload, digest_size=8, person=b"bytes").digest())[0]


def canonical_bytes(value: object) -> bytes:
    """Write a value from `parse_exactly` in canonical form: equal bytes mean equal values, and the other way round."""
    return _dump(_by_value(value, exact=True))


def _hash(written: bytes) -> int:
    return _to_int(sha256(written).digest()[:8])[0]


def _dump(normal: object) -> bytes:
    try:
        return orjson.dumps(normal, option=_SORTED)
    except TypeError:
        # Integers beyond 64 bits, lone surrogates. The mark keeps this form apart from every text that orjson writes.
        return b"\0" + json.dumps(normal, sort_keys=True, separators=(",", ":"), default=datetime.isoformat).encode()


def _large_integer(value: float, *, exact: bool) -> int:
    if not exact:
        raise InexactNumberError
    return int(value)


def _by_value(value: object, *, exact: bool) -> object:
    if isinstance(value, dict):
        return {key: _by_value(member, exact=exact) for key, member in value.items()}
    if isinstance(value, list):
        return [_by_value(member, exact=exact) for member in value]
    if isinstance(value, float) and value.is_integer():
        return int(value) if -_LARGE < value < _LARGE else _large_integer(value, exact=exact)
    return value
