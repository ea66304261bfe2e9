"""Compares two revisions: whether every item that one accepts is accepted by the other."""

import dataclasses
import json
from collections.abc import Mapping, Sequence

from dataflow_validator.contracts.compatibility.columns import EXACT_IN_DOUBLE, column_problems, fixed_problems
from dataflow_validator.contracts.compatibility.facts import Facts
from dataflow_validator.contracts.compatibility.findings import (
    Compared,
    Comparison,
    CounterExample,
    Direction,
    Exemption,
    Finding,
    Mode,
    Report,
)
from dataflow_validator.contracts.compatibility.judges import Judge
from dataflow_validator.contracts.compatibility.nodes import BIGINT
from dataflow_validator.contracts.compatibility.phrases import CLAUSES, known, phrase
from dataflow_validator.contracts.compatibility.proof import ANY_MEMBER, Gap, Proof
from dataflow_validator.contracts.compatibility.search import Search
from dataflow_validator.contracts.compatibility.view import coerces_by_place, coercions, nodes_of, parts
from dataflow_validator.contracts.pointer import pointer_of
from dataflow_validator.contracts.schema import item_may_be_array
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType

DEFAULT_PROBES = 100
"""Made-up items that a proven direction is tried on all the same: a mistake of the proof must not get through."""

_MAX_FINDINGS = 100


def compare(
    old: ContractSpec,
    new: ContractSpec,
    directions: Sequence[Direction] = (Direction.BACKWARD, Direction.FORWARD),
    *,
    probes: int = DEFAULT_PROBES,
    seed: int = 0,
) -> Comparison:
    """Compare two revisions of a contract.

    Takes some milliseconds, for large schemas up to seconds: call it in a thread.

    Args:
        old: The revision before.
        new: The revision after.
        directions: What to look at.
        probes: Made-up items that a proven direction is tried on.
        seed: The same seed gives the same examples.

    Raises:
        ContractError: One of the two does not compile.
    """
    old_judge, new_judge = Judge(old), Judge(new)
    findings: list[Finding] = []
    exemptions: list[Exemption] = []
    for direction in directions:
        judges = (old_judge, new_judge) if direction is Direction.BACKWARD else (new_judge, old_judge)
        one = _OneWay(direction, *judges, probes, seed)
        findings += one.findings
        exemptions += one.exemptions
    return Comparison(tuple(directions), tuple(findings), tuple(exemptions))


def check(
    earlier: Sequence[tuple[int, ContractSpec]],
    new: ContractSpec,
    mode: Mode,
    columns: Mapping[str, str] | None = None,
) -> Report:
    """Say whether a new revision may follow.

    Args:
        earlier: All earlier revisions with their numbers, oldest first; not empty.
        new: The new rules.
        mode: What they are held to.
        columns: The types of the columns that the contract's table has, by name.

    Raises:
        ContractError: A revision does not compile.
    """
    problems = [*fixed_problems(earlier[-1][1], new), *column_problems(columns or {}, new)]
    counted = compared_by(mode, earlier)
    compared = [Compared(number, compare(old, new, mode.directions)) for number, old in counted]
    return Report(mode, tuple(compared), tuple(problems))


def compared_by(mode: Mode, earlier: Sequence[tuple[int, ContractSpec]]) -> list[tuple[int, ContractSpec]]:
    """Give the revisions that a mode compares with, newest first; of those with the same rules only the newest.

    Args:
        mode: The mode.
        earlier: All earlier revisions with their numbers, oldest first.
    """
    if not mode.directions:
        return []
    if not mode.is_transitive:
        return list(earlier[-1:])
    seen: set[str] = set()
    counted = []
    for number, spec in reversed(earlier):
        written = json.dumps(spec.to_dict(), sort_keys=True)
        if written not in seen:
            seen.add(written)
            counted.append((number, spec))
    return counted


class _OneWay:
    """Whether what the left contract accepts is accepted by the right one."""

    def __init__(self, direction: Direction, left: Judge, right: Judge, probes: int, seed: int) -> None:
        self._direction = direction
        self.findings: list[Finding] = []
        self.exemptions: list[Exemption] = []
        by_place = coerces_by_place(left.spec) and coerces_by_place(right.spec)
        left_nodes = nodes_of(left.spec, as_coerced=not by_place)
        right_nodes = nodes_of(right.spec, as_coerced=not by_place)
        self._search = Search(left, right, left_nodes, right_nodes, seed)
        proof = Proof(pardons_new=direction is Direction.BACKWARD, pardons_gone=direction is Direction.FORWARD)
        facts = Facts(left_nodes)
        gaps = [gap for node in right_nodes for gap in proof.gaps(facts, node)]
        for clause, before, after in _whole_differences(
            left.spec, right.spec, by_place or _coerce_alike(left.spec, right.spec)
        ):
            self._add(Gap((), clause, None, facts, right_nodes[0]), before, after)
        for gap in _worth_telling(gaps)[:_MAX_FINDINGS]:
            after = "required" if gap.word == "required" else phrase(gap.word, gap.rule)
            self._add(gap, known(gap.facts, gap.word), after)
        self._probe(probes, list(proof.pardoned))
        for path, rule in proof.pardoned.items():
            self._exempt(path, self._search.at(Gap(path, "type", None, facts, rule), limit=300))

    def _add(self, gap: Gap, before: str, after: str) -> None:
        if self._direction is Direction.FORWARD:
            before, after = after, before
        clause = CLAUSES.get(gap.word, gap.word)
        self._find(pointer_of(gap.path), clause, before, after, self._search.at(gap))

    def _find(self, path: str, clause: str, before: str, after: str, example: CounterExample | None) -> None:
        what = f"{path or 'the item'}: {clause}: was {before}, is {after}"
        said = (
            f"items that the old revision {_ACCEPTS[self._direction]}"
            if example is not None
            else "not proven compatible, no counter-example found"
        )
        example_text = "" if example is None else f", such as {_short(example.payload)}"
        message = f"{what}: {said}{example_text}"
        self.findings.append(Finding(self._direction, path, clause, before, after, message, example))

    def _probe(self, probes: int, pardoned: list[tuple[str, ...]]) -> None:
        if any(finding.counter_example is not None for finding in self.findings):
            return
        for example, reasons in self._search.probe(probes, pardoned):
            if self.findings:
                first = self.findings[0]
                message = first.message.partition(": not proven")[0]
                said = f"{message}: items that the old revision {_ACCEPTS[self._direction]}, such as {_short(example.payload)}"
                self.findings[0] = dataclasses.replace(first, message=said, counter_example=example)
            else:
                self._find(*reasons[0], "accepted", "refused", example)
            return

    def _exempt(self, path: tuple[str, ...], example: CounterExample | None) -> None:
        pointer = pointer_of(path)
        if self._direction is Direction.BACKWARD:
            said = (
                f"{pointer} is a new optional field, which is always allowed: an item that carried an unknown member of "
                "this name with another kind of value was accepted and is now refused"
            )
        else:
            said = (
                f"{pointer} is a new optional field, which is always allowed: the old revision refuses unknown members, "
                "this one among them"
            )
        self.exemptions.append(Exemption(self._direction, pointer, said, example))


def _worth_telling(gaps: Sequence[Gap]) -> list[Gap]:
    """Leave out what only repeats: a rule twice at a place, deeper in a recursion, or that a wrong type brings along."""
    told: dict[tuple[tuple[str, ...], str], Gap] = {}
    for gap in gaps:
        clause = CLAUSES.get(gap.word, gap.word)
        repeats = any(
            other.goal.schema is gap.goal.schema
            and other.word == gap.word
            and len(other.path) < len(gap.path)
            and gap.path[: len(other.path) - 1] == other.path[:-1]
            for other in told.values()
        )
        if (gap.path, clause) not in told and not repeats:
            told[gap.path, clause] = gap
    return [gap for gap in told.values() if gap.word != BIGINT or (gap.path, "type") not in told]


_ACCEPTS = {
    Direction.BACKWARD: "accepted are refused",
    Direction.FORWARD: "refuses are accepted",
}


def _short(payload: str) -> str:
    return payload if len(payload) <= 200 else payload[:199] + "…"


def _whole_differences(left: ContractSpec, right: ContractSpec, coerce_alike: bool) -> list[tuple[str, str, str]]:
    """Find differences that concern a message as a whole; nothing is proven across them."""
    found = []
    if item_may_be_array(left) != item_may_be_array(right):
        says = {True: "an array is one item", False: "an array has an item in each element"}
        found.append(("array", says[item_may_be_array(left)], says[item_may_be_array(right)]))
    if not coerce_alike:
        found.append(("coerce", left.coerce.value, right.coerce.value))
    return found


def _coerce_alike(left: ContractSpec, right: ContractSpec) -> bool:
    """Say whether an item that the left contract accepts is coerced to the same value by both.

    A field that only one has does not count where the other's schema does not know the member either: absent, nothing is
    coerced, and present it is exempt. A left item has no text where its field is a number or truth value, so that it does not
    matter whether the other would read text there.
    """
    here, there = coercions(left), coercions(right)
    known = {place: part for field in left.fields for place, part in parts(field)}
    other = {place: part for field in right.fields for place, part in parts(field)}
    return all(
        _reads_alike(here.get(place), there.get(place), known.get(place))
        or (place not in known and not _mentions(left, place[-1]))
        or (place not in other and not _mentions(right, place[-1]))
        for place in here.keys() | there.keys()
    )


def _reads_alike(mine: FieldSpec | None, other: FieldSpec | None, known: FieldSpec | None) -> bool:
    """Say whether text is read alike where a left item can have it."""
    if mine is None and other is not None and known is not None:
        # The left contract reads no text here: it has none, unless it is a moment.
        return known.type is other.type and other.type is not FieldType.TIMESTAMP
    if mine is None or other is None:
        return mine is other
    if mine.type is FieldType.INTEGER and other.type is FieldType.NUMBER:
        # A double holds these whole numbers, so that their text is read as a number, too.
        return all(bound is not None and abs(bound) <= EXACT_IN_DOUBLE for bound in (mine.min, mine.max))
    return mine.type is other.type


def _mentions(spec: ContractSpec, name: str) -> bool:
    return spec.json_schema is not None and json.dumps(name) in json.dumps(spec.json_schema)


__all__ = ["ANY_MEMBER", "check", "compare", "compared_by"]
