"""The comparison of contracts against random pairs and items, and whether this would find a mistake in it."""

from collections.abc import Callable
from typing import Any

import pytest
from dataflow_validator.contracts.compatibility import scalars
from dataflow_validator.contracts.compatibility.facts import Facts
from dataflow_validator.contracts.compatibility.nodes import EVENT
from dataflow_validator.contracts.compatibility.proof import Proof
from dataflow_validator.contracts.compatibility.search import Search

from tests.benchmarks import compatibility_pairs as pairs

_PAIRS = 300
_PAIRS_FOR_MISTAKES = 1_500


def test_no_pair_that_is_called_compatible_is_refuted_by_an_item() -> None:
    """Neither is there a counter-example that does not hold; the proof stands alone, without made-up items of its own."""
    tally = pairs.run(_PAIRS, seed=20, items=60)
    assert tally.pairs == _PAIRS
    assert tally.refuted == []
    assert tally.false_examples == []
    assert min(tally.compatible.values()) > _PAIRS // 10
    assert min(tally.incompatible.values()) > _PAIRS // 10
    without, bad = sum(tally.without_example.values()), sum(tally.incompatible.values())
    assert without < bad * 0.2


def _forget_null(patch: pytest.MonkeyPatch) -> None:
    types: Any = Facts.__dict__["types"].func
    patch.setattr(Facts, "types", property(lambda facts: types(facts) - {"null"}))


def _forget_required(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Proof, "_presence", lambda *_: iter(()))


def _forget_that_bounds_are_open(patch: pytest.MonkeyPatch) -> None:
    follows = scalars._bound_follows
    closed = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}

    def careless(facts: Facts, word: str, rule: Any) -> bool:
        return follows(facts, closed.get(word, word), rule)

    patch.setattr(scalars, "_bound_follows", careless)


def _forget_other_members(patch: pytest.MonkeyPatch) -> None:
    members = Proof._members

    def named_only(self: Proof, facts: Facts, goal: Any, word: str, path: Any) -> Any:
        return members(self, facts, goal, word, path) if word == "properties" else iter(())

    patch.setattr(Proof, "_members", named_only)


def _forget_elements(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Proof, "_elements", lambda *_: iter(()))


def _forget_event_times(patch: pytest.MonkeyPatch) -> None:
    implies = scalars._implies
    patch.setattr(scalars, "_implies", lambda word, known, rule: word == EVENT or implies(word, known, rule))


def _take_any_branch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Proof, "_any_of", lambda *_: [])


def _take_text_of_any_number(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Proof, "_text", lambda *_: True)


def _forget_that_gaps_inside_count(patch: pytest.MonkeyPatch) -> None:
    gaps = Proof.gaps

    def shallow(self: Proof, facts: Facts, goal: Any, path: tuple[str, ...] = (), cases: int = 0) -> Any:
        return [] if len(path) > 1 else gaps(self, facts, goal, path, cases)

    patch.setattr(Proof, "gaps", shallow)


@pytest.mark.parametrize(
    "mistake",
    [
        _forget_null,
        _forget_required,
        _forget_that_bounds_are_open,
        _forget_other_members,
        _forget_elements,
        _forget_event_times,
        _take_any_branch,
        _take_text_of_any_number,
        _forget_that_gaps_inside_count,
    ],
)
def test_a_mistake_in_the_proof_is_found(
    monkeypatch: pytest.MonkeyPatch, mistake: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """Each kind of carelessness calls some pair compatible that an item refutes."""
    mistake(monkeypatch)
    monkeypatch.setattr(Search, "at", lambda *_, **__: None)
    tally = pairs.run(_PAIRS_FOR_MISTAKES, seed=21, items=60, stop_when_refuted=True)
    assert tally.refuted
