"""A sentence that grows, with a claim on the cell of each value."""

from typing import Self

from dataflow_insight.answers.draft import Claim, Draft
from dataflow_insight.summaries.cells import Cell
from dataflow_insight.summaries.numbers import shown


class Sentence:
    """Words and values, one after the other."""

    def __init__(self, text: str = "") -> None:
        self._text = text
        self._claims: list[Claim] = []

    def say(self, text: str) -> Self:
        """Appends words."""
        self._text += text
        return self

    def claim(self, text: str, cell: Cell) -> Self:
        """Appends a piece that stands on a cell."""
        self._claims.append(Claim(len(self._text), len(self._text) + len(text), cell.row, cell.column, cell.result))
        return self.say(text)

    def number(self, cell: Cell, digits: int, unit: str = "") -> Self:
        """Appends a rounded number and its unit."""
        self.claim(shown(cell.number or 0.0, digits), cell)
        return self.say(f" {unit}" if unit else "")

    def count(self, cell: Cell) -> Self:
        """Appends a whole number."""
        return self.claim(f"{cell.whole:,}", cell)

    def draft(self) -> Draft:
        """Returns what has been written."""
        return Draft(self._text, tuple(self._claims))
