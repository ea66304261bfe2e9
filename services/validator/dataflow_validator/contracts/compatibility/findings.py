"""What a comparison of two revisions says: place by place, with an example where one was found."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dataflow_validator.contracts.spec import Json


class Direction(StrEnum):
    """Which way items go: BACKWARD, what the old revision accepted into the new one; FORWARD, the other way round."""

    BACKWARD = "BACKWARD"
    FORWARD = "FORWARD"


class Mode(StrEnum):
    """What a new revision is held to. The transitive forms compare with all earlier revisions, the others with the last."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    FORWARD = "FORWARD"
    FULL = "FULL"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions that must hold."""
        name = self.value.removesuffix("_TRANSITIVE")
        if name == "NONE":
            return ()
        return (Direction.BACKWARD, Direction.FORWARD) if name == "FULL" else (Direction(name),)

    @property
    def is_transitive(self) -> bool:
        """Whether all earlier revisions count."""
        return self.value.endswith("_TRANSITIVE")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a revision may not follow, whatever the mode.

    Attributes:
        path: The field's name, or the member of the contract that it is about.
        message: One sentence with the way out.
    """

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class CounterExample:
    """An item that one revision accepts and the other refuses. Both have judged it.

    Attributes:
        payload: The message, as JSON text.
        reasons: Why the other revision refuses it, as sentences.
    """

    payload: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule by which two revisions differ, in a direction in which they must not.

    Attributes:
        direction: The direction that does not hold.
        path: JSON Pointer of the value; "*" stands for any element or any other member; "" is the item or the contract.
        clause: The rule, named as in the reasons of a refusal ("minimum", "required", "type").
        old: What the old revision says of it.
        new: What the new revision says of it.
        message: The same for people, as one sentence.
        counter_example: An item that shows it; `None` where none was found, so that it is only not proven compatible.
    """

    direction: Direction
    path: str
    clause: str
    old: str
    new: str
    message: str
    counter_example: CounterExample | None = None


@dataclass(frozen=True, slots=True)
class Exemption:
    """An optional field that was added, which is always allowed, where it may still refuse an item.

    Attributes:
        direction: Where it would count, were it not exempt.
        path: JSON Pointer of the field.
        message: What that means, as one sentence.
        example: Such an item, judged by both; `None` where none was found.
    """

    direction: Direction
    path: str
    message: str
    example: CounterExample | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether two revisions accept the same items, by direction.

    Attributes:
        directions: The directions that were looked at.
        findings: What stands against them; none in a direction means that it holds.
        exemptions: Added optional fields that were let through.
    """

    directions: tuple[Direction, ...]
    findings: tuple[Finding, ...] = ()
    exemptions: tuple[Exemption, ...] = ()

    def holds(self, direction: Direction) -> bool:
        """Say whether a direction holds.

        Raises:
            ValueError: It was not looked at.
        """
        if direction not in self.directions:
            raise ValueError(f"{direction} was not compared")
        return all(finding.direction is not direction for finding in self.findings)

    @property
    def is_compatible(self) -> bool:
        """Whether all directions that were looked at hold."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison with one earlier revision.

    Attributes:
        revision: Its number.
        comparison: What was found.
    """

    revision: int
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Report:
    """Whether a new revision may follow, in a compatibility mode.

    Attributes:
        mode: What it was held to.
        compared: One comparison for each earlier revision that counts, newest first.
        problems: What no mode allows: changes to what is fixed, and to columns.
    """

    mode: Mode
    compared: tuple[Compared, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def is_compatible(self) -> bool:
        """Whether it may follow."""
        return not self.problems and all(one.comparison.is_compatible for one in self.compared)


def words_of(values: Iterable[Json]) -> str:
    """Write a few JSON values for people."""
    shown = [json_text(value) for value in values]
    listed = ", ".join(text if len(text) <= 40 else text[:39] + "…" for text in shown[:8])
    return listed + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")


def json_text(value: Json) -> str:
    """Write a JSON value; a number without a fraction as people write it: 50, not 50.0."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _PLAIN_BELOW:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


_PLAIN_BELOW = 1e15
