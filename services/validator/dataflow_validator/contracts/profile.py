"""What a sample of items holds, member by member: how often, of which types, between which values. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from dataflow_validator.contracts.pointer import pointer_of
from dataflow_validator.contracts.reasons import MAX_ACTUAL_CHARACTERS, storable_text

MAX_FIELDS: Final = 300
"""Members that are told apart: an item whose keys are data would otherwise have no end of them."""

MAX_DISTINCT: Final = 50
"""Distinct values that are remembered of one member."""

MAX_DEPTH: Final = 4
"""Objects deeper than this are one value."""

_MAX_EXAMPLES: Final = 5


@dataclass(slots=True)
class SeenField:
    """One member, as the sample has it.

    Attributes:
        tokens: What leads to it in the item.
        present: Items that have it, null or not.
        types: How often each JSON type was there: null, boolean, integer, number, string, array, object.
        least: Least number, or shortest length of a string.
        greatest: Greatest number, or longest length of a string.
        values: Distinct scalars and how often each came; of all, or of the first `MAX_DISTINCT`.
        more_values: There are more than `values` has.
    """

    tokens: tuple[str, ...]
    present: int = 0
    types: Counter[str] = field(default_factory=Counter)
    least: int | float | None = None
    greatest: int | float | None = None
    values: Counter[str | int | float | bool] = field(default_factory=Counter)
    more_values: bool = False

    @property
    def name(self) -> str:
        """As a contract names it: a plain member, or a JSON pointer."""
        if len(self.tokens) == 1 and not self.tokens[0].startswith("/"):
            return self.tokens[0]
        return pointer_of(self.tokens)

    @property
    def kinds(self) -> frozenset[str]:
        """The types but null."""
        return frozenset(self.types) - {"null"}

    @property
    def distinct(self) -> int:
        """Distinct scalar values; with `more_values` a lower bound."""
        return len(self.values)

    def examples(self) -> list[str]:
        """Some values as text, the most frequent first."""
        return [
            storable_text(value if isinstance(value, str) else str(value), MAX_ACTUAL_CHARACTERS)
            for value, _ in self.values.most_common(_MAX_EXAMPLES)
        ]

    def add(self, value: object) -> None:
        """Counts one value."""
        self.present += 1
        self.types[_type_of(value)] += 1
        if isinstance(value, str):
            self._measure(len(value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._measure(value)
        if isinstance(value, str | int | float):
            if value in self.values or len(self.values) < MAX_DISTINCT:
                self.values[value] += 1
            else:
                self.more_values = True

    def _measure(self, size: float) -> None:
        self.least = size if self.least is None else min(self.least, size)
        self.greatest = size if self.greatest is None else max(self.greatest, size)


@dataclass(slots=True)
class Profile:
    """A sample of items.

    Attributes:
        items: Objects that were looked at.
        fields: Their members by the tokens that lead to them, in the order in which they first came.
        shapes: Sets of top-level members and how many items have exactly these.
        left_out: Members beyond `MAX_FIELDS` were not counted.
    """

    items: int = 0
    fields: dict[tuple[str, ...], SeenField] = field(default_factory=dict)
    shapes: Counter[frozenset[str]] = field(default_factory=Counter)
    left_out: bool = False

    def add(self, item: Mapping[str, object]) -> None:
        """Counts one item."""
        self.items += 1
        self.shapes[frozenset(item)] += 1
        for tokens, value in _members(item, ()):
            seen = self.fields.get(tokens)
            if seen is None:
                if len(self.fields) >= MAX_FIELDS:
                    self.left_out = True
                    continue
                seen = self.fields[tokens] = SeenField(tokens)
            seen.add(value)

    def leaves(self) -> list[SeenField]:
        """The members that become fields: those whose values are not always objects with members of their own.

        A member that is an object now and something else then stays whole.
        """
        found: list[SeenField] = []
        whole: list[tuple[str, ...]] = []
        for tokens, seen in self.fields.items():
            if any(tokens[: len(above)] == above for above in whole):
                continue
            inner = any(len(other) > len(tokens) and other[: len(tokens)] == tokens for other in self.fields)
            if inner and seen.kinds == {"object"}:
                continue
            found.append(seen)
            whole.append(tokens)
        return found


def _members(item: Mapping[str, object], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, value in item.items():
        tokens = (*above, name)
        yield tokens, value
        if isinstance(value, dict) and len(tokens) < MAX_DEPTH:
            yield from _members(value, tokens)


def _type_of(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
