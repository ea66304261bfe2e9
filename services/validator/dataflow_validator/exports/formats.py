"""The formats of exported files by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from dataflow_validator.exports.csv import CsvWriter
from dataflow_validator.exports.table import TableColumn, TableWriter


class FileFormat(Enum):
    """A format of tables.

    The value is the ending of file names.
    """

    CSV = "csv"
    PARQUET = "parquet"

    @property
    def content_type(self) -> str:
        """The media type."""
        return "text/csv; charset=utf-8; header=present" if self is FileFormat.CSV else "application/vnd.apache.parquet"


@dataclass(frozen=True, slots=True)
class FileShape:
    """How a table is written.

    Attributes:
        format: The format.
        columns: Of the file.
        escape_formulas: CSV for spreadsheets.
    """

    format: FileFormat
    columns: Sequence[TableColumn]
    escape_formulas: bool = False

    def writer(self) -> TableWriter:
        """Begins a file."""
        if self.format is FileFormat.CSV:
            return CsvWriter(self.columns, escape_formulas=self.escape_formulas)
        # Here, so that a validator that never writes one does without the library's memory.
        from dataflow_validator.exports.parquet import ParquetWriter  # noqa: PLC0415

        return ParquetWriter(self.columns)
