"""A sentence that grows, with a claim on the cell of each value."""

from dataclasses import dataclass
from typing import Self

from dataflow_insight.answers.draft import Claim, Draft
from dataflow_insight.summaries.cells import Cell, Line
from dataflow_insight.summaries.numbers import shown


@dataclass(frozen=True, slots=True)
class Written:
    """A sentence and what it stands on.

    Attributes:
        draft: The sentence with its claims.
        results: Numbers of the results that may support it.
    """

    draft: Draft
    results: frozenset[int]


class Sentence:
    """Words and values, one after the other."""

    def __init__(self, text: str = "") -> None:
        self._text = text
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
        """Returns what has been written, with a space behind it."""
        return Written(Draft(self._text + " ", tuple(self._claims)), frozenset(self._results))
