"""Makes up values that satisfy given facts, with a liking for the edges: where contracts differ, edges are where it shows.

A value made up here is a guess. Whoever uses it judges it by the contract.
"""

import contextlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from dataflow_validator.contracts.compatibility.facts import Facts
from dataflow_validator.contracts.compatibility.nodes import BINARY, EVENT, MOMENT, TEXT, Node
from dataflow_validator.contracts.compatibility.pattern_samples import sample_pattern
from dataflow_validator.contracts.names import BIGINT_MAX, BIGINT_MIN
from dataflow_validator.contracts.spec import EPOCH, Json

RECEIVED: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The receive time that made-up items are judged at."""

_MAX_DEPTH: Final = 7
_MAX_SIZE: Final = 64
_WORDS: Final = ("", "a", "b", "on", "Z9", "12.5", "5", "true", "2026-01-01T00:00:00Z", "AAAA", "é", "x" * 20)
_MOMENTS: Final = (
    "2025-06-01T12:00:00Z",
    "2025-06-01 12:00:00",
    "2025-06-01T12:00:00.123456+02:00",
    "1999-12-31T23:59:59Z",
)
_NUMBERS: Final[list[Json]] = [
    0,
    1,
    -1,
    5,
    0.5,
    -0.5,
    1e30,
    10**18,
    2**53 + 1,
    BIGINT_MAX,
    BIGINT_MAX + 1,
    BIGINT_MIN - 1,
]
_HOLDERS: Final[list[Json]] = [[], [1], ["a", "a"], [None], {}, {"a": 1}]
_ZOO: Final[list[Json]] = [None, True, False, *_NUMBERS, *_WORDS, *_MOMENTS, "0001-01-01T00:00:00Z", *_HOLDERS]


class Sampler:
    """Makes up values from a seeded source."""

    def __init__(self, random: Random) -> None:
        """Keep the source.

        Args:
            random: Seeded by the caller, so that the same question gets the same answer.
        """
        self._random = random

    def value(self, facts: Facts, *, towards: Sequence[str] = (), depth: int = 0) -> Json:
        """Make up a value.

        Args:
            facts: What it should satisfy.
            towards: Members that must be there, from the value inwards, where the facts allow it.
            depth: How deep in the item.
        """
        random = self._random
        for _ in range(8):
            if not facts.choices:
                break
            cases = [case for case in facts.cases(random.choice(list(facts.choices))) if not case.is_empty(4)]
            if not cases:
                break
            facts = random.choice(cases)
        if facts.finite:
            return random.choice(facts.finite)  # type: ignore[return-value]
        if towards and (kinds := facts.types & {"object", "array"}):
            is_index = towards[0] == "*" or towards[0].isdigit()
            kind = (
                "array" if kinds == {"array"} or (is_index and "array" in kinds and random.random() < 0.7) else "object"
            )
            kind = kind if kind in kinds else next(iter(kinds))
        else:
            kind = self._kind(facts, depth)
        match kind:
            case "null":
                return None
            case "boolean":
                return random.random() < 0.5
            case "integer" | "number":
                return self._number(facts, kind)
            case "string":
                return self._text(facts)
            case "array":
                return self._array(facts, towards, depth)
        return self._object(facts, towards, depth)

    def _kind(self, facts: Facts, depth: int) -> str:
        kinds = sorted(facts.types)
        if depth > _MAX_DEPTH:
            kinds = [kind for kind in kinds if kind not in {"array", "object"}] or kinds
        elif len(kinds) > 2 and depth == 0 and "object" in kinds:
            return "object" if self._random.random() < 0.8 else self._random.choice(kinds)
        return self._random.choice(kinds) if kinds else "null"

    def _number(self, facts: Facts, kind: str) -> Json:
        if events := [*facts.get(EVENT), *facts.get(MOMENT)]:
            return self._epoch(events[0])
        near = numbers_near(facts.nodes)
        low, _, high, _ = facts.numbers
        fitting = [number for number in near if (low is None or number >= low) and (high is None or number <= high)]
        if kind == "integer":
            fitting = [int(number) for number in fitting if float(number).is_integer()]
        if low is not None and high is not None and high > low and self._random.random() < 0.3:
            between = self._random.uniform(float(low), float(high))
            return int(between) if kind == "integer" else between
        return self._random.choice(fitting) if fitting else 0

    def _epoch(self, rule: Json) -> Json:
        written = rule[0] if isinstance(rule, list) else "auto"
        seconds = (self._moment(rule) - EPOCH).total_seconds()
        scale = {"epoch_ms": 1e3, "epoch_us": 1e6, "epoch_ns": 1e9}.get(str(written), 1)
        return int(seconds * scale)

    def _moment(self, rule: Json) -> datetime:
        options = [RECEIVED - timedelta(days=200), RECEIVED]
        if isinstance(rule, list) and len(rule) == 5:
            low, high, ahead = rule[2], rule[3], rule[4]
            options += [EPOCH + timedelta(microseconds=edge) for edge in (low, high) if isinstance(edge, int)]
            if isinstance(ahead, int):
                options.append(RECEIVED + timedelta(microseconds=ahead))
                options.append(RECEIVED + timedelta(microseconds=ahead // 2))
        return self._random.choice(options)

    def _text(self, facts: Facts) -> str:
        random = self._random
        if rules := [*facts.get(EVENT), *facts.get(MOMENT)]:
            rule = rules[0]
            if isinstance(rule, list) and str(rule[0]).startswith("epoch"):
                return str(self._epoch(rule))
            return random.choice([self._moment(rule).isoformat().replace("+00:00", "Z"), *_MOMENTS])
        for node in facts.nodes:
            if isinstance(rule := node.get(TEXT), list):
                inner = self.value(Facts([node.at(rule[1])]))
                return {True: "true", False: "false"}[inner] if isinstance(inner, bool) else str(inner)
        if patterns := facts.get("pattern"):
            made = sample_pattern(str(random.choice(patterns)), random)
            if made is not None:
                return made
        if (rules := facts.get(BINARY)) and isinstance(rule := rules[0], list):
            return self._bytes(rule)
        low, high = facts.size("minLength", "maxLength")
        return text_of(self._size(low, high), random)

    def _bytes(self, rule: list[Json]) -> str:
        low = rule[1] if isinstance(rule[1], int) else 0
        size = self._size(low, rule[2] if isinstance(rule[2], int) else None)
        made = bytes(self._random.randrange(256) for _ in range(size))
        return made.hex() if rule[0] == "hex" else b64encode(made).decode()

    def _size(self, low: float, high: float | None) -> int:
        least = min(int(low), 4096)
        most = least + 3 if high is None else min(int(high), least + _MAX_SIZE, 4096)
        if high is not None and high <= 4096 and self._random.random() < 0.4:
            return int(high)
        return self._random.choice([least, least, max(least, most), self._random.randint(least, max(least, most))])

    def _array(self, facts: Facts, towards: Sequence[str], depth: int) -> list[Json]:
        low, high = facts.size("minItems", "maxItems")
        size = min(self._size(low, high), 12 if low <= 12 else int(low))
        index = -1
        if towards:
            index = int(towards[0]) if towards[0].isdigit() else min(facts.prefix, 8)
            size = max(size, index + 1)
        return [
            self.value(
                facts.element(place if place < facts.prefix else None),
                towards=towards[1:] if place == index else (),
                depth=depth + 1,
            )
            for place in range(size)
        ]

    def _object(self, facts: Facts, towards: Sequence[str], depth: int) -> dict[str, Json]:
        random = self._random
        wanted = set(facts.required) | ({towards[0]} if towards and towards[0] != "*" else set())
        likely = random.choice([0.0, 0.3, 0.7, 1.0]) if depth < _MAX_DEPTH else 0.0
        names = [name for name in sorted(facts.named | wanted) if name in wanted or random.random() < likely]
        made: dict[str, Json] = {}
        for name in names:
            inner = facts.member(name)
            if name in facts.required or not inner.is_empty(4):
                further = towards[1:] if towards and towards[0] == name else ()
                made[name] = self.value(inner, towards=further, depth=depth + 1)
        least = facts.size("minProperties", "maxProperties")[0]
        if len(made) < least or random.random() < 0.15 or (towards and towards[0] == "*"):
            for number in range(max(1, int(least) - len(made))):
                other = facts.other_members()
                if not other.is_empty(4):
                    name = random.choice(["more", "x1", "zeta", "Extra", "0"]) + (str(number) if number else "")
                    if name not in facts.named:
                        further = towards[1:] if towards and towards[0] == "*" else ()
                        made[name] = self.value(other, towards=further, depth=depth + 2)
        return made

    def near(self, facts: Facts, goal: Node) -> list[Json]:
        """Make up values that may tell facts and a goal apart: made from either, at the edges of both, and of every type."""
        both = [*facts.nodes, *Facts([goal]).nodes]
        made: list[Json] = [*numbers_near(both)]
        made += [text_of(size, self._random) for size in sizes_near(both, "minLength", "maxLength")]
        for size in sizes_near(both, "minItems", "maxItems"):
            made.append([self.value(facts.element(index)) for index in range(min(size, 200))])
        made += [self._object_of(facts, size) for size in sizes_near(both, "minProperties", "maxProperties")[:8]]
        made += [option for node in both if isinstance(enum := node.get("enum"), list) for option in enum[:50]]
        made += [node.get("const") for node in both if node.has("const")]
        for node in both:
            for word in (EVENT, MOMENT):
                if isinstance(rule := node.get(word), list):
                    made += [self._moments_near(rule, step) for step in (-1, 0, 1)]
            if isinstance(rule := node.get(BINARY), list):
                made += [self._bytes(rule) for _ in range(4)]
            if isinstance(pattern := node.get("pattern"), str):
                made += [text for _ in range(4) if (text := sample_pattern(pattern, self._random)) is not None]
        made += [str(value) for value in made if isinstance(value, int | float) and not isinstance(value, bool)]
        # What is plain comes first: the first that shows the gap is what people see.
        made += [*_ZOO, *[self.value(facts) for _ in range(12)], *[self.value(Facts([goal])) for _ in range(4)]]
        return made

    def _object_of(self, facts: Facts, size: int) -> Json:
        """Make up an object of so many members, as far as the required ones leave room."""
        made = self._object(facts, (), _MAX_DEPTH)
        other = facts.other_members()
        for number in range(min(size, 200) - len(made)):
            made[f"m{number}"] = self.value(other, depth=_MAX_DEPTH)
        spare = [name for name in made if name not in facts.required]
        for name in spare[: max(0, len(made) - size)]:
            del made[name]
        return made

    def _moments_near(self, rule: list[Json], seconds: int) -> Json:
        moment = self._moment(rule)
        with contextlib.suppress(OverflowError):
            moment += timedelta(seconds=seconds)
        if str(rule[0]).startswith("epoch"):
            scale = {"epoch_ms": 1e3, "epoch_us": 1e6, "epoch_ns": 1e9}.get(str(rule[0]), 1)
            return int((moment - EPOCH).total_seconds() * scale)
        return moment.isoformat().replace("+00:00", "Z")


def numbers_near(nodes: Iterable[Node]) -> list[int | float]:
    """Give the numbers at and beside the bounds of some subschemas, and a few plain ones."""
    found: list[int | float] = [0, 1, -1, 0.5, 7]
    for node in nodes:
        for word in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
            bound = node.get(word)
            if isinstance(bound, int | float) and not isinstance(bound, bool):
                found += [bound, bound + 1, bound - 1, bound + 0.5, bound - 0.5, bound * 2]
    return [number for number in found if abs(number) < 1e300]


def sizes_near(nodes: Iterable[Node], *words: str) -> list[int]:
    """Give the sizes at and beside the bounds of some subschemas."""
    found = {0, 1, 2}
    for node in nodes:
        for word in words:
            bound = node.get(word)
            if isinstance(bound, int | float) and not isinstance(bound, bool):
                found |= {max(0, int(bound) + step) for step in (-1, 0, 1)}
    return sorted(size for size in found if size <= 20_000)


def text_of(size: int, random: Random) -> str:
    """Make up a text of so many characters."""
    fitting = [word for word in _WORDS if len(word) == size]
    if fitting and random.random() < 0.6:
        return random.choice(fitting)
    return "".join(random.choice("abcz09 é") for _ in range(size))
