"""A table on its way into a file: its columns, and what writes rows in one format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Cells: TypeAlias = Iterable[Any]
"""One row, typed by the columns: what asyncpg gives for their Postgres types, JSON as its text."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column of a file.

    Attributes:
        name: As in the file.
        sql_type: The Postgres type of its values; jsonb comes as text.
        field: The field of the contract; "" for others.
        unit: Unit of measurement, "" where unknown.
        digits: Of "numeric": the most digits that a value can have; `None` where nothing bounds them.
    """

    name: str
    sql_type: str
    field: str = ""
    unit: str = ""
    digits: int | None = None


class TableWriter(Protocol):
    """Writes one file, piece by piece; what it returns, joined, is the file."""

    def begin(self) -> bytes:
        """Returns what comes before the first row."""

    def write(self, rows: Sequence[Cells]) -> bytes:
        """Takes rows, and returns what is ready of them; may keep some until later."""

    def finish(self) -> bytes:
        """Returns what is left."""
