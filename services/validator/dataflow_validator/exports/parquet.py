"""Parquet: typed columns, zstd, row groups of bounded size. The one file that knows pyarrow.

Imported only where a Parquet file is written: pyarrow costs some 60 MB of memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from dataflow_validator.exports.table import Cells, TableColumn

GROUP_ROWS: Final = 50_000
GROUP_BYTES: Final = 16 * 1024 * 1024
"""A row group is closed at so many rows, or so many bytes of texts."""

_MOMENT: Final = pa.timestamp("us", tz="UTC")
_MAX_DIGITS: Final = 38

_TYPES: Final[dict[str, Any]] = {
    "text": pa.string(),
    "jsonb": pa.string(),
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "timestamptz": _MOMENT,
    "uuid": pa.string(),
    "bytea": pa.binary(),
}
_TEXT: Final[dict[str, Callable[[Any], str]]] = {"uuid": str, "numeric": lambda value: format(value, "f")}


class ParquetWriter:
    """Writes Parquet.

    Whole numbers beyond bigint are decimals where their contract bounds them to 38 digits, else text.

    Args:
        columns: Of the file; unit and field go into the columns' metadata.
    """

    def __init__(self, columns: Sequence[TableColumn]) -> None:
        self._types = [_type_of(column) for column in columns]
        self._texts = [
            _TEXT.get(column.sql_type) if kind == pa.string() else None
            for column, kind in zip(columns, self._types, strict=True)
        ]
        self._schema = pa.schema(
            [
                pa.field(column.name, kind, metadata={"field": column.field, "unit": column.unit})
                for column, kind in zip(columns, self._types, strict=True)
            ]
        )
        self._ready = _Ready()
        self._writer = pq.ParquetWriter(self._ready, self._schema, compression="zstd")
        self._rows: list[Cells] = []
        self._bytes = 0

    def begin(self) -> bytes:
        """Returns the magic number."""
        return self._ready.take()

    def write(self, rows: Sequence[Cells]) -> bytes:
        """Keeps rows until they fill a row group."""
        self._rows += rows
        self._bytes += sum(len(value) for row in rows for value in row if type(value) is str or type(value) is bytes)
        while len(self._rows) >= GROUP_ROWS:
            self._close_group(GROUP_ROWS)
        if self._bytes >= GROUP_BYTES:
            self._close_group(len(self._rows))
        return self._ready.take()

    def finish(self) -> bytes:
        """Returns the last row group and the footer."""
        if self._rows:
            self._close_group(len(self._rows))
        self._writer.close()
        return self._ready.take()

    def _close_group(self, count: int) -> None:
        rows, self._rows = self._rows[:count], self._rows[count:]
        arrays = [
            pa.array([text(value) if value is not None and text else value for value in values], kind)
            for values, kind, text in zip(zip(*rows, strict=True), self._types, self._texts, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=count)
        if not self._rows:
            self._bytes = 0


def _type_of(column: TableColumn) -> Any:
    if column.sql_type != "numeric":
        return _TYPES[column.sql_type]
    if column.digits is None or column.digits > _MAX_DIGITS:
        return pa.string()
    return pa.decimal128(_MAX_DIGITS, 0)


class _Ready:
    """The file that pyarrow writes to: what it wrote, until somebody takes it."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Takes bytes, which are only borrowed."""
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """What was written stays until it is taken."""

    def take(self) -> bytes:
        """Gives what was written since the last call."""
        taken, self._parts = b"".join(self._parts), []
        return taken
