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


_AS_IS: Final = frozenset({str, int, bool, type(None)})


def _by_value(value: object, *, exact: bool) -> object:
    # Scalars are treated where they stand: this runs for every message, and a call for each of them would double it.
    if type(value) is dict:
        return {
            key: (member if not member.is_integer() else _whole(member, exact=exact))
            if (kind := type(member)) is float
            else member
            if kind in _AS_IS
            else _by_value(member, exact=exact)
            for key, member in value.items()
        }
    if type(value) is list:
        return [
            (member if not member.is_integer() else _whole(member, exact=exact))
            if (kind := type(member)) is float
            else member
            if kind in _AS_IS
            else _by_value(member, exact=exact)
            for member in value
        ]
    if type(value) is float and value.is_integer():
        return _whole(value, exact=exact)
    return value


def _whole(value: float, *, exact: bool) -> int:
    if not exact and not -_LARGE < value < _LARGE:
        raise InexactNumberError
    return int(value)
