"""What is known of a value: a conjunction of subschemas, summed up by type. Sums never say less than the value may be."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from math import ceil, floor
from typing import Final, NamedTuple

from dataflow_validator.contracts.compatibility.columns import EXACT_IN_DOUBLE
from dataflow_validator.contracts.compatibility.holds import every, found, holds, type_of
from dataflow_validator.contracts.compatibility.nodes import BIGINT, Node, root
from dataflow_validator.contracts.names import BIGINT_MAX, BIGINT_MIN
from dataflow_validator.contracts.spec import Json

ALL_TYPES: Final = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
"""JSON's types; "number" stands for the numbers that are not whole."""

_MAX_EMPTY_DEPTH: Final = 6
_MAX_FINITE: Final = 10_000

NOTHING: Final = root(False)
ANYTHING: Final = root(True)


class Range(NamedTuple):
    """An interval of numbers; `None` is no bound."""

    low: int | float | None
    low_open: bool
    high: int | float | None
    high_open: bool

    @property
    def is_empty(self) -> bool:
        """Say whether no number lies in it."""
        if self.low is None or self.high is None:
            return False
        if is_clearly_more(self.low, self.high):
            return True
        is_exact = abs(self.low) < EXACT_IN_DOUBLE
        return is_exact and self.low == self.high and (self.low_open or self.high_open)


def _is_inexact(value: Json) -> bool:
    """Say whether the engine may take other numbers for this one."""
    return isinstance(value, int | float) and abs(value) >= EXACT_IN_DOUBLE


def is_clearly_more(left: float, right: float) -> bool:
    """Say whether a number is greater beyond doubt: from 2^53 on, the engine's comparisons are those of doubles."""
    if abs(left) < EXACT_IN_DOUBLE and abs(right) < EXACT_IN_DOUBLE:
        return left > right
    return left > right and float(left) - float(right) > 1e-9 * max(abs(float(left)), abs(float(right)))


class Facts:
    """A set of values: those that satisfy all of some subschemas."""

    def __init__(self, nodes: Iterable[Node], settled: frozenset[tuple[int, str]] = frozenset()) -> None:
        """Take the subschemas apart: `allOf` and references are followed, alternatives kept for a case by case look.

        Args:
            nodes: The subschemas.
            settled: Alternatives that are decided already.
        """
        self.nodes: list[Node] = []
        self.choices: dict[tuple[int, str], list[list[Node]]] = {}
        self.is_contradiction = False
        self._settled = settled
        self._known_members: dict[str, Facts] = {}
        seen: set[int] = set()
        pending = list(nodes)[::-1]
        while pending:
            node = pending.pop()
            if isinstance(node.schema, bool):
                self.is_contradiction = self.is_contradiction or not node.schema
                continue
            if id(node.schema) in seen:
                continue
            seen.add(id(node.schema))
            self.nodes.append(node)
            pending.extend(reversed(node.children("allOf")))
            if (target := node.reference()) is not None:
                pending.append(target)
            for word in ("anyOf", "oneOf"):
                if branches := node.children(word):
                    self._offer(node, word, [[branch] for branch in branches])
            if node.has("if"):
                self._offer(node, "if", [[node.child("if"), node.child("then")], [node.child("else")]])

    def _offer(self, node: Node, word: str, alternatives: list[list[Node]]) -> None:
        key = (id(node.schema), word)
        if key not in self._settled:
            self.choices[key] = alternatives

    @property
    def key(self) -> frozenset[int]:
        """Which subschemas these are, for recognising a question that was asked before."""
        return frozenset(id(node.schema) for node in self.nodes)

    def plus(self, nodes: Sequence[Node], settled: frozenset[tuple[int, str]] = frozenset()) -> "Facts":
        """Give the facts with further ones."""
        contradiction = [NOTHING] if self.is_contradiction else []
        return Facts([*self.nodes, *nodes, *contradiction], self._settled | settled)

    def cases(self, choice: tuple[int, str]) -> "list[Facts]":
        """Look at one choice case by case; together the cases have every value, and perhaps more."""
        return [self.plus(branch, frozenset({choice})) for branch in self.choices[choice]]

    def get(self, keyword: str) -> list[Json]:
        """Give the values of a keyword in all subschemas that have it."""
        return [node.get(keyword) for node in self.nodes if node.has(keyword)]

    @cached_property
    def types(self) -> frozenset[str]:
        """The types that a value may have."""
        types = ALL_TYPES
        for rule in self.get("type"):
            named = {str(kind) for kind in rule} if isinstance(rule, list) else {str(rule)}
            types &= named | ({"integer"} if "number" in named else set())
        for rule in self.get("not"):
            if isinstance(rule, dict) and rule.keys() == {"type"} and isinstance(kind := rule["type"], str):
                types -= {"integer", "number"} if kind == "number" else {kind}
        finite = self.finite
        return types if finite is None else types & {type_of(value) for value in finite}

    @cached_property
    def finite(self) -> list[object] | None:
        """All values, where an enum or const counts them."""
        options: list[Json] | None = None
        for node in self.nodes:
            if node.has("const"):
                options = [node.get("const")]
                break
            if isinstance(enum := node.get("enum"), list) and (options is None or len(enum) < len(options)):
                options = enum
        if options is None or len(options) > _MAX_FINITE or any(map(_is_inexact, options)):
            return None
        return [value for value in options if every(holds(node, value) for node in self.nodes) is not False]

    @cached_property
    def numbers(self) -> Range:
        """The interval that numbers lie in."""
        low: int | float | None = None
        high: int | float | None = None
        low_open = high_open = False
        for word, is_open in (("minimum", False), ("exclusiveMinimum", True)):
            for bound in self._bounds(word):
                if low is None or bound > low or (bound == low and is_open):
                    low, low_open = bound, is_open
        for word, is_open in (("maximum", False), ("exclusiveMaximum", True)):
            for bound in self._bounds(word):
                if high is None or bound < high or (bound == high and is_open):
                    high, high_open = bound, is_open
        if "number" not in self.types:
            # Only whole numbers are left.
            if self.get(BIGINT):
                low, low_open = (BIGINT_MIN, False) if low is None or low < BIGINT_MIN else (low, low_open)
                high, high_open = (BIGINT_MAX, False) if high is None or high > BIGINT_MAX else (high, high_open)
            if low is not None and abs(low) < float("inf"):
                low, low_open = (floor(low) + 1 if low_open else ceil(low)), False
            if high is not None and abs(high) < float("inf"):
                high, high_open = (ceil(high) - 1 if high_open else floor(high)), False
        return Range(low, low_open, high, high_open)

    def size(self, least: str, most: str) -> tuple[int | float, int | float | None]:
        """Give the sizes that remain under a pair of keywords such as minLength and maxLength."""
        return max([0, *self._bounds(least)]), min(self._bounds(most), default=None)

    def _bounds(self, word: str) -> list[int | float]:
        return [rule for rule in self.get(word) if isinstance(rule, int | float) and not isinstance(rule, bool)]

    @cached_property
    def required(self) -> frozenset[str]:
        """The members that every object has."""
        return frozenset(str(name) for rule in self.get("required") if isinstance(rule, list) for name in rule)

    @cached_property
    def named(self) -> frozenset[str]:
        """The members that some subschema names."""
        return frozenset(name for node in self.nodes for name in node.members("properties")) | self.required

    @cached_property
    def patterns(self) -> frozenset[str]:
        """The patterns of member names that some subschema has rules for."""
        return frozenset(pattern for node in self.nodes for pattern in node.members("patternProperties"))

    def member(self, name: str) -> "Facts":
        """Give what is known of a member's value."""
        if (known := self._known_members.get(name)) is None:
            known = self._known_members[name] = self._member(name)
        return known

    def _member(self, name: str) -> "Facts":
        inner: list[Node] = []
        for node in self.nodes:
            named, patterns = node.members("properties"), node.members("patternProperties")
            matches = {pattern: found(pattern, name) for pattern in patterns}
            inner += [named[name]] if name in named else []
            inner += [patterns[pattern] for pattern, verdict in matches.items() if verdict]
            if name not in named and not any(verdict is not False for verdict in matches.values()):
                inner += [node.child("additionalProperties")] if node.has("additionalProperties") else []
                inner += self._closing(node, name)
            if node.has("propertyNames") and holds(node.child("propertyNames"), name) is False:
                inner.append(NOTHING)
        return Facts(inner)

    def _closing(self, node: Node, name: str) -> list[Node]:
        if node.get("unevaluatedProperties") is False and not may_evaluate(node, name):
            return [NOTHING]
        return []

    def other_members(self, pattern: str | None = None) -> "Facts":
        """Give what is known of a member that nothing names: of those that match a pattern, or that match none."""
        inner: list[Node] = []
        for node in self.nodes:
            patterns = node.members("patternProperties")
            if pattern is not None and pattern in patterns:
                inner.append(patterns[pattern])
            elif (pattern is None or not patterns) and node.has("additionalProperties"):
                inner.append(node.child("additionalProperties"))
            if pattern is None and node.get("unevaluatedProperties") is False and not may_evaluate(node, None):
                inner.append(NOTHING)
        return Facts(inner)

    def element(self, index: int | None) -> "Facts":
        """Give what is known of an array's element; `None` for those after all prefixes."""
        inner = []
        for node in self.nodes:
            prefix = node.children("prefixItems")
            if index is not None and index < len(prefix):
                inner.append(prefix[index])
            elif node.has("items"):
                inner.append(node.child("items"))
        return Facts(inner)

    @property
    def prefix(self) -> int:
        """How many elements have rules of their own."""
        return max((len(node.children("prefixItems")) for node in self.nodes), default=0)

    def is_empty(self, depth: int = 0) -> bool:
        """Say whether it is certain that no value is in here."""
        if self.is_contradiction or not self.types or self.finite == []:
            return True
        if depth > _MAX_EMPTY_DEPTH:
            return False
        if self.finite is None and all(self._has_none(kind, depth) for kind in self.types):
            return True
        return any(all(case.is_empty(depth + 1) for case in self.cases(choice)) for choice in self.choices)

    def _has_none(self, kind: str, depth: int) -> bool:
        match kind:
            case "integer" | "number":
                return self.numbers.is_empty
            case "string":
                low, high = self.size("minLength", "maxLength")
                return high is not None and low > high
            case "array":
                low, high = self.size("minItems", "maxItems")
                if high is not None and low > high:
                    return True
                indexes = range(min(int(low), self.prefix + 1, 8))
                return any(self.element(index).is_empty(depth + 1) for index in indexes)
            case "object":
                low, high = self.size("minProperties", "maxProperties")
                if high is not None and max(low, len(self.required)) > high:
                    return True
                return any(self.member(name).is_empty(depth + 1) for name in self.required)
        return False

    def is_apart(self, node: Node) -> bool:
        """Say whether it is certain that no value in here satisfies a schema."""
        if self.finite is not None:
            return all(holds(node, value) is False for value in self.finite)
        return self.plus([node]).is_empty()


def may_evaluate(node: Node, name: str | None, depth: int = 0) -> bool:
    """Say whether a subschema may look at a member, so that `unevaluatedProperties` leaves it alone; `None`: any other."""
    if depth > 40 or node.has("$dynamicRef") or node.has("$recursiveRef"):
        return True
    if node.has("additionalProperties") or (depth and node.has("unevaluatedProperties")):
        return True
    if name is not None and name in node.members("properties"):
        return True
    patterns = node.members("patternProperties")
    if any(name is None or found(pattern, name) is not False for pattern in patterns):
        return True
    inner = [part for word in ("allOf", "anyOf", "oneOf") for part in node.children(word)]
    inner += [node.child(word) for word in ("if", "then", "else") if node.has(word)]
    inner += node.members("dependentSchemas").values()
    if node.has("$ref"):
        target = node.reference()
        if target is None:
            return True
        inner.append(target)
    return any(may_evaluate(part, name, depth + 1) for part in inner)


def must_evaluate(node: Node, name: str, depth: int = 0) -> bool:
    """Say whether a subschema surely looks at a member that is there and accepted."""
    if depth > 40:
        return False
    if name in node.members("properties") or node.has("additionalProperties"):
        return True
    if depth and node.get("unevaluatedProperties") is True:
        return True
    if any(found(pattern, name) is True for pattern in node.members("patternProperties")):
        return True
    target = node.reference()
    inner = [*node.children("allOf"), *([] if target is None else [target])]
    return any(must_evaluate(part, name, depth + 1) for part in inner)
