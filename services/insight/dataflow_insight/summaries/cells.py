"""Cells of results by the name or role of their column, with the type that is expected there."""

from dataclasses import dataclass
from datetime import datetime

from dataflow_insight.engines.engine import Computed
from dataflow_insight.queries.query import Role
from dataflow_insight.queries.table import Value


@dataclass(frozen=True, slots=True)
class Cell:
    """A value and where it stands.

    Attributes:
        value: What the database returned.
        result: Number of the result.
        row: Its row.
        column: Its column.
    """

    value: Value
    result: int
    row: int
    column: int

    @property
    def number(self) -> float | None:
        """The value as a number; `None` for null."""
        if isinstance(self.value, int | float):
            return float(self.value)
        return None

    @property
    def whole(self) -> int:
        """The value as a count; 0 for null."""
        return int(self.value) if isinstance(self.value, int | float) else 0

    @property
    def text(self) -> str:
        """The value as a text; empty for null."""
        return "" if self.value is None else str(self.value)

    @property
    def moment(self) -> datetime | None:
        """The value as a time; `None` for null."""
        return self.value if isinstance(self.value, datetime) else None


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a result.

    Attributes:
        computed: The result.
        row: Number of the row.
    """

    computed: Computed
    row: int = 0

    def named(self, column: str) -> Cell:
        """Returns the cell under a name."""
        return self._cell(self.computed.table.query.columns.index(column))

    def of(self, role: Role) -> Cell:
        """Returns the first cell of a role."""
        return self._cell(self.computed.table.query.roles.index(role))

    def _cell(self, column: int) -> Cell:
        return Cell(self.computed.table.rows[self.row][column], self.computed.index, self.row, column)


def lines(computed: Computed) -> list[Line]:
    """Returns all rows of a result."""
    return [Line(computed, row) for row in range(len(computed.table.rows))]
