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


class Members:
    """Finds many values of an item in one pass: a container that several of them are in is looked up once."""

    __slots__ = ("_leaves", "_steps")

    def __init__(self, pointers: Iterable[tuple[str, ...]]) -> None:
        """Lay the way out.

        Args:
            pointers: The tokens that lead to each value; at least one each.
        """
        places: dict[tuple[str, ...], int] = {(): 0}
        self._steps: list[tuple[int, str]] = []
        """For each container below the item: where the one around it stands in the list of containers, and its token."""
        self._leaves: list[tuple[int, str]] = []
        for tokens in pointers:
            for depth in range(1, len(tokens)):
                if tokens[:depth] not in places:
                    places[tokens[:depth]] = len(places)
                    self._steps.append((places[tokens[: depth - 1]], tokens[depth - 1]))
            self._leaves.append((places[tokens[:-1]], tokens[-1]))

    def of(self, item: object) -> list[object]:
        """Give the values in the order of the pointers; `None` where there is null or nothing."""
        containers = [item]
        for around, token in self._steps:
            container = containers[around]
            containers.append(container.get(token) if type(container) is dict else _at(container, token))
        return [
            container.get(token) if type(container := containers[around]) is dict else _at(container, token)
            for around, token in self._leaves
        ]


def _at(container: object, token: str) -> object:
    if type(container) is list and is_index(token) and int(token) < len(container):
        return container[int(token)]
    return None
