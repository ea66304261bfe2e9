r"""CSV: RFC 4180, UTF-8, a header, values exact.

Null is an empty cell, an empty text is `""`: Postgres and DuckDB tell them apart, Python's csv module does from 3.12 on
(`QUOTE_NOTNULL`). Moments are RFC 3339 with microseconds and Z; doubles have the shortest digits that read back as the same
value; binary is base64, JSON its text. Lines end with CR LF, quotes inside are doubled; a text may hold line breaks.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from dataflow_validator.exports.table import Cells, TableColumn

_QUOTED: Final = re.compile(r'[",\r\n]|^[ \t]|[ \t]$')
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take a cell for a formula by (OWASP, CSV injection)."""


def text_cell(value: str) -> str:
    """Writes a text."""
    if not value or _QUOTED.search(value):
        return '"' + value.replace('"', '""') + '"'
    return value


def _safe_text_cell(value: str) -> str:
    return text_cell("'" + value if value.startswith(_FORMULA) else value)


def moment_text(value: datetime) -> str:
    """Writes a moment, UTC: always 27 characters, so that texts sort as moments do."""
    return value.isoformat(timespec="microseconds").replace("+00:00", "Z").rjust(27, "0")


_CELLS: Final[dict[str, Callable[[Any], str]]] = {
    "text": text_cell,
    "jsonb": text_cell,
    "bigint": str,
    "integer": str,
    "numeric": lambda value: format(value, "f"),
    "double precision": repr,
    "boolean": lambda value: "true" if value else "false",
    "timestamptz": moment_text,
    "uuid": str,
    "bytea": lambda value: b64encode(value).decode() or '""',
}


class CsvWriter:
    """Writes CSV.

    Args:
        columns: Of the file.
        escape_formulas: Put an apostrophe in front of texts that a spreadsheet would compute.
    """

    def __init__(self, columns: Sequence[TableColumn], *, escape_formulas: bool = False) -> None:
        self._columns = columns
        cells = {**_CELLS, "text": _safe_text_cell} if escape_formulas else _CELLS
        self._cells = [cells[column.sql_type] for column in columns]

    def begin(self) -> bytes:
        """Returns the header."""
        return (",".join(text_cell(column.name) for column in self._columns) + "\r\n").encode()

    def write(self, rows: Sequence[Cells]) -> bytes:
        """Returns the lines."""
        cells = self._cells
        lines = [
            ",".join(["" if value is None else cell(value) for cell, value in zip(cells, row, strict=True)])
            for row in rows
        ]
        # A lone surrogate cannot be in Postgres.
        return ("\r\n".join(lines) + "\r\n").encode() if lines else b""

    def finish(self) -> bytes:
        """Nothing is left."""
        return b""
