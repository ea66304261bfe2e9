"""JSON Pointers (RFC 6901): how fields and reasons name a place inside an item."""

from collections.abc import Iterable
from typing import Final


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""What `resolve` returns where nothing is: `None` would be a JSON null."""

_MAX_INDEX_DIGITS: Final = 9


def tokens_of(name: str) -> tuple[str, ...]:
    """Split a field name into the members that lead to it.

    Args:
        name: A member name of the item itself ("temp"), or a JSON Pointer that starts with "/" ("/data/0/temp").

    Returns:
        The unescaped reference tokens. A member whose own name starts with "/" is written as a pointer: "/~1name".

    Raises:
        ValueError: A "~" in a pointer is not followed by "0" or "1".
    """
    if not name.startswith("/"):
        return (name,)
    tokens = name[1:].split("/")
    for escaped in tokens:
        if escaped.replace("~0", "").replace("~1", "").count("~"):
            message = f"{name!r} is not a JSON Pointer: write '~' as '~0' and '/' as '~1'"
            raise ValueError(message)
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in tokens)


def pointer_of(tokens: Iterable[str | int]) -> str:
    """Join member names and array indexes into a JSON Pointer; no token gives "", the whole item."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)


def is_index(token: str) -> bool:
    """Say whether a token is spelled like an array index (no sign, no leading zero)."""
    return (
        token.isascii()
        and token.isdigit()
        and len(token) <= _MAX_INDEX_DIGITS
        and not (len(token) > 1 and token[0] == "0")
    )


def resolve(item: object, tokens: Iterable[str]) -> object:
    """Follow tokens into a parsed item.

    Args:
        item: Any JSON value.
        tokens: Member names; on an array, an index.

    Returns:
        The value found there (a JSON null is `None`), or `MISSING`.
    """
    value = item
    for token in tokens:
        if isinstance(value, dict):
            value = value.get(token, MISSING)
        elif isinstance(value, list) and is_index(token) and int(token) < len(value):
            value = value[int(token)]
        else:
            return MISSING
        if value is MISSING:
            return MISSING
    return value
