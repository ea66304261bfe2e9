"""Looks for items that one contract accepts and another refuses. What is found has been judged by both."""

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random
from typing import Final

from dataflow_validator.contracts.compatibility.facts import Facts
from dataflow_validator.contracts.compatibility.findings import CounterExample
from dataflow_validator.contracts.compatibility.judges import Judge, is_storable
from dataflow_validator.contracts.compatibility.nodes import Node
from dataflow_validator.contracts.compatibility.phrases import CLAUSES
from dataflow_validator.contracts.compatibility.proof import ANY_MEMBER, Gap
from dataflow_validator.contracts.compatibility.samples import Sampler
from dataflow_validator.contracts.outcome import Refused
from dataflow_validator.contracts.pointer import pointer_of
from dataflow_validator.contracts.spec import Json

_BASES: Final = 5
_BASE_TRIES: Final = 40
_MAX_LEFT_OUT: Final = 16
"""Members that are tried to be left out of an example: of a wide item most are required anyway."""

_TRIES_WITHOUT_BASE: Final = 150
_MAX_JUDGED: Final = 6_000
_MAX_REASONS: Final = 5
_TRIES_FOR_BETTER: Final = 200
"""How many more items are judged once there is an example, for one that shows the very rule."""

_GONE: Final = object()
"""Stands for a member that is taken out."""


class Search:
    """Looks for items between two contracts: accepted by the left, refused by the right.

    Attributes:
        judged: How many items were judged so far.
    """

    def __init__(
        self, left: Judge, right: Judge, left_nodes: Sequence[Node], right_nodes: Sequence[Node], seed: int
    ) -> None:
        """Prepare the search.

        Args:
            left: The contract that must accept.
            right: The contract that must refuse.
            left_nodes: The left contract as subschemas.
            right_nodes: The right contract as subschemas.
            seed: The same seed gives the same examples.
        """
        self._left = left
        self._right = right
        self._facts = Facts(left_nodes)
        self._both = Facts([*left_nodes, *right_nodes])
        self._sampler = Sampler(Random(seed))  # noqa: S311 - examples, not secrets
        self.judged = 0

    def verify(self, item: Json) -> tuple[CounterExample, list[tuple[str, str]]] | None:
        """Judge an item by both contracts.

        Returns:
            The example, and the places that the right contract objects to with the rule; `None` where it is no example.
        """
        if not is_storable(item):
            return None
        self.judged += 1
        payload = self._left.payload(item)
        if not self._left.accepts(payload):
            return None
        refused = [outcome for outcome in self._right.outcomes(payload) if isinstance(outcome, Refused)]
        if not refused:
            return None
        reasons = [why for outcome in refused for why in outcome.reasons]
        example = CounterExample(
            payload.decode(), tuple(f"{why.path}: {why.message}" for why in reasons[:_MAX_REASONS])
        )
        return example, [(why.path, why.rule) for why in reasons]

    def at(self, gap: Gap, *, limit: int = 1_500) -> CounterExample | None:
        """Look for an item that shows a gap in a proof.

        Args:
            gap: The rule that was not proven.
            limit: How many items to judge at most.

        Returns:
            Best an item that is refused for this rule at this place, else for another rule there, else anywhere.
        """
        fallback: tuple[int, CounterExample] | None = None
        stop = self.judged + min(limit, max(0, _MAX_JUDGED - self.judged))
        wanted = CLAUSES.get(gap.word, gap.word)
        tries_left = _TRIES_FOR_BETTER
        for item in self._candidates(gap):
            if self.judged >= stop or (fallback is not None and tries_left <= 0):
                break
            tries_left -= fallback is not None
            if (found := self.verify(item)) is None:
                continue
            example, reasons = found
            near = [rule for path, rule in reasons if _is_near(path, gap.path)]
            if wanted in near:
                return self._plainer(item, gap, len(reasons)) or example
            rank = 1 if near else 2
            if fallback is None or rank < fallback[0]:
                fallback = (rank, example)
        return None if fallback is None else fallback[1]

    def _plainer(self, item: Json, gap: Gap, count: int) -> CounterExample | None:
        """Leave out what an example does not need, member by member, as long as nothing else is wrong with it."""
        best: CounterExample | None = None
        for name in list(item)[:_MAX_LEFT_OUT] if isinstance(item, dict) else ():
            if isinstance(item, dict) and not (gap.path and name == gap.path[0]):
                rest: Json = {key: value for key, value in item.items() if key != name}
                if (found := self.verify(rest)) is not None and len(found[1]) <= count:
                    item, best, count = rest, found[0], len(found[1])
        return best

    def probe(
        self, count: int, pardoned: Sequence[tuple[str, ...]] = ()
    ) -> Iterator[tuple[CounterExample, list[tuple[str, str]]]]:
        """Judge made-up items of the left contract; yield those that the right one refuses.

        Args:
            count: How many.
            pardoned: Members that do not count: they are taken out of every item.
        """
        for _ in range(count):
            item = self._sampler.value(self._facts)
            for place in pardoned:
                item = _with(item, place, _GONE) if _is_there(item, place) else item
            if (found := self.verify(item)) is not None:
                yield found

    def _candidates(self, gap: Gap) -> Iterator[Json]:
        bases = list(self._bases(gap.path))
        if not bases:
            # Nothing that was made up is accepted: perhaps nothing is, and more of it would not help.
            yield from islice(self._values_at(gap, [{}]), _TRIES_WITHOUT_BASE)
            return
        yield from self._values_at(gap, bases)

    def _values_at(self, gap: Gap, bases: Sequence[Json]) -> Iterator[Json]:
        values: list[object] = [_GONE] if gap.word == "required" else list(self._sampler.near(gap.facts, gap.goal))
        if gap.word in {"required", "properties", "dependentRequired"}:
            values += [_GONE]
        for value in values:
            for base in bases:
                yield _with(base, gap.path, value)
        for _ in range(60):
            yield self._sampler.value(self._facts, towards=gap.path)

    def _bases(self, path: tuple[str, ...]) -> Iterator[Json]:
        """Make up items that both contracts accept, else that the left one does."""
        found = 0
        tries = 0
        for facts in (self._both, self._facts):
            for _ in range(_BASE_TRIES):
                tries += 1
                self.judged += 1
                item = self._sampler.value(facts, towards=path if tries % 3 else path[:-1])
                if self._left.accepts(self._left.payload(item)):
                    yield item
                    found += 1
                if found >= _BASES:
                    return


def _with(item: Json, path: tuple[str, ...], value: object) -> Json:
    """Copy an item with another value at a place; containers on the way are made where they are missing."""
    if not path:
        return item if value is _GONE else value  # type: ignore[return-value]
    head, rest = path[0], path[1:]
    if isinstance(item, list):
        index = len(item) - 1 if head == ANY_MEMBER else int(head) if head.isdigit() else -1
        if index >= len(item) or index < 0:
            return item if value is _GONE or rest else [*item, value]  # type: ignore[list-item]
        if value is _GONE and not rest:
            return item[:index]
        return [*item[:index], _with(item[index], rest, value), *item[index + 1 :]]
    held = item if isinstance(item, dict) else {}
    name = _free_name(held) if head == ANY_MEMBER else head
    if value is _GONE and not rest:
        return {key: member for key, member in held.items() if key != name}
    inner = held.get(name)
    return {**held, name: _with(inner if isinstance(inner, dict | list) else {}, rest, value)}


def _is_there(item: Json, path: tuple[str, ...]) -> bool:
    """Say whether a place exists, so that taking it out makes no containers on the way."""
    for token in path:
        if not isinstance(item, dict) or token not in item:
            return False
        item = item[token]
    return True


def _free_name(held: dict[str, Json]) -> str:
    name = "other"
    while name in held:
        name += "_"
    return name


def _is_near(path: str, place: tuple[str, ...]) -> bool:
    """Say whether a reason's pointer is at a place, inside of it or around it."""
    tokens = path.split("/")[1:]
    wanted = pointer_of(place).split("/")[1:]
    return all(other in (one, ANY_MEMBER) for one, other in zip(tokens, wanted, strict=False))
