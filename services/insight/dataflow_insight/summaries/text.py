"""Clauses that grow, with a claim on the cell of each value, and passages of clauses that become one sentence."""

from dataclasses import dataclass
from typing import Final, Self

from dataflow_insight.answers.draft import Claim, Draft
from dataflow_insight.summaries.cells import Cell, Line
from dataflow_insight.summaries.numbers import shown

END: Final = ". "
"""What ends the sentence of a clause before the gate; the composed text sets its own."""


@dataclass(frozen=True, slots=True)
class Written:
    """One fact as a whole sentence, which the gate can hold against its results, and how it stands behind another one.

    Attributes:
        draft: The sentence with its claims.
        results: Numbers of the results that may support it.
        lead: Characters of its subject and verb, which are dropped behind another clause of its passage.
        link: What joins it to the clause before.
    """

    draft: Draft
    results: frozenset[int]
    lead: int = 0
    link: str = ", "


@dataclass(frozen=True, slots=True)
class Passage:
    """What becomes one sentence: clauses about one subject, the most telling one first.

    Attributes:
        clauses: One fact each.
        about_field: It may share a sentence with the field before or behind it where both are short.
    """

    clauses: tuple[Written, ...]
    about_field: bool = False


class Clause:
    """Words and values, one after the other.

    Args:
        lead: Subject and verb; dropped where the clause stands behind another one of the same subject.
        text: What follows.
        link: What joins it to the clause before.
    """

    def __init__(self, lead: str, text: str = "", *, link: str = ", ") -> None:
        self._text = lead + text
        self._lead = len(lead)
        self._link = link
        self._claims: list[Claim] = []
        self._results: set[int] = set()

    def say(self, text: str) -> Self:
        """Appends words."""
        self._text += text
        return self

    def claim(self, text: str, cell: Cell) -> Self:
        """Appends a piece that stands on a cell."""
        self._claims.append(Claim(len(self._text), len(self._text) + len(text), cell.row, cell.column, cell.result))
        self._results.add(cell.result)
        return self.say(text)

    def lean(self, line: Line) -> Self:
        """Lets the words stand on a result without showing a value of it."""
        self._results.add(line.computed.index)
        return self

    def number(self, cell: Cell, digits: int, unit: str = "") -> Self:
        """Appends a rounded number and its unit."""
        self.claim(shown(cell.number or 0.0, digits), cell)
        return self.say(f" {unit}" if unit else "")

    def count(self, cell: Cell) -> Self:
        """Appends a whole number."""
        return self.claim(f"{cell.whole:,}", cell)

    def written(self) -> Written:
        """Returns what has been written, as a sentence."""
        return Written(Draft(self._text + END, tuple(self._claims)), frozenset(self._results), self._lead, self._link)
