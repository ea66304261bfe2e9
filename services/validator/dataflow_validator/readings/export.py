"""The rows of an export: in pages behind a key, so that nothing is open between two of them, and nothing is held twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog.contract_records import ContractRecord
from dataflow_validator.contracts.names import Column
from dataflow_validator.exports.table import Cells, TableColumn
from dataflow_validator.readings.export_cut import Cut
from dataflow_validator.readings.messages import ReadingShape, row_key
from dataflow_validator.readings.queries import Query, Selection
from dataflow_validator.readings.row_pages import RowPages

Key: TypeAlias = tuple[datetime, str, str]
"""Where a page ended: event time or hour, device, message id or ""."""

PAGE_ROWS: Final = 5_000
PAGE_BYTES: Final = 4 * 1024 * 1024
_FEW_DEVICES: Final = 64


@dataclass(frozen=True, slots=True)
class ExportPage:
    """Some rows of a file, and the key behind them."""

    rows: Sequence[Cells]
    last: Key


class ExportSource(Protocol):
    """What a file is made of."""

    @property
    def columns(self) -> Sequence[TableColumn]:
        """The file's columns."""

    def pages(self, after: Key | None = None) -> AsyncGenerator[ExportPage, None]:
        """Yields the rows behind a key, in order."""

    async def span(self) -> tuple[datetime, datetime] | None:
        """Returns the first and the last moment of which there is something, whatever devices; `None` for nothing."""


class ReadingRows:
    """Each reading, by event time, device and message id.

    Args:
        pool: Where to take a connection from, for each page.
        contract: The contract.
        selection: Which rows.
        columns: Which fields.
        cut: As of which moment.
    """

    def __init__(
        self, pool: Pool, contract: ContractRecord, selection: Selection, columns: Sequence[Column], cut: Cut
    ) -> None:
        self.columns = (*_ENVELOPE, *(_table_column(contract, column) for column in columns))
        self._pool = pool
        self._pages = RowPages(pool, PAGE_BYTES)
        self._selection = selection
        self._shape = ReadingShape(columns)
        self._cut = cut

    async def span(self) -> tuple[datetime, datetime] | None:
        """Returns the first and the last event time."""
        return await span_of_rows(self._pool, self._selection)

    async def pages(self, after: Key | None = None) -> AsyncGenerator[ExportPage, None]:
        """Yields the rows behind a key, in order."""
        more = True
        while more:
            page = await self._pages.read(self._query(after), PAGE_ROWS)
            if page.rows:
                device_id, event_time, message_id = row_key(page.rows[-1])
                after = event_time, device_id, str(message_id)
                yield ExportPage(page.rows, after)
            more = page.more

    def _query(self, after: Key | None) -> Query:
        query = Query()
        conditions = [*time_bounds(query, self._selection), self._cut.condition(query)]
        if after is not None:
            moment = query.argument(after[0], "timestamptz")
            key = f"{moment}, {query.argument(after[1], 'text')}, {query.argument(after[2], 'uuid')}"
            # Said twice: the first condition is what the index on the event time can use.
            conditions += [f"r.event_time >= {moment}", f"(r.event_time, r.device_id, r.message_id) > ({key})"]
        order = "ORDER BY r.event_time, r.device_id, r.message_id"
        limit = f"LIMIT {query.argument(PAGE_ROWS + 1, 'bigint')}"
        columns, table, devices = self._shape.select_list("r"), self._selection.table, self._selection.device_ids
        if devices is not None and len(devices) <= _FEW_DEVICES:
            where = " AND ".join(["r.device_id = d.device_id", *conditions])
            inner = f"SELECT * FROM {table} r WHERE {where} {order} {limit}"  # noqa: S608 - quoted
            given = query.argument(list(devices), "text[]")
            query.sql = (
                f"SELECT {columns} FROM unnest({given}) AS d (device_id) CROSS JOIN LATERAL ({inner}) r {order} {limit}"  # noqa: S608
            )
            return query
        if devices is not None:
            conditions.append(f"r.device_id = ANY ({query.argument(list(devices), 'text[]')})")
        query.sql = f"SELECT {columns} FROM {table} r WHERE {' AND '.join(conditions)} {order} {limit}"  # noqa: S608
        return query


_ENVELOPE: Final = (
    TableColumn("device_id", "text"),
    TableColumn("event_time", "timestamptz"),
    TableColumn("receive_time", "timestamptz"),
    TableColumn("message_id", "uuid"),
    TableColumn("revision", "integer"),
    TableColumn("maybe_duplicate", "boolean"),
    TableColumn("extra", "jsonb"),
)
"""As `ReadingShape` selects them."""


def _table_column(contract: ContractRecord, column: Column) -> TableColumn:
    digits = None
    for field in contract.spec.fields:
        if field.name == column.field and isinstance(field.min, int) and isinstance(field.max, int):
            digits = max(len(str(abs(field.min))), len(str(abs(field.max))))
    return TableColumn(column.name, column.sql_type, column.field, column.unit, digits)


def time_bounds(query: Query, selection: Selection) -> list[str]:
    """Returns what a selection says of the event times of the rows `r`."""
    conditions = []
    if selection.start is not None:
        conditions.append(f"r.event_time >= {query.argument(selection.start, 'timestamptz')}")
    if selection.end is not None:
        conditions.append(f"r.event_time < {query.argument(selection.end, 'timestamptz')}")
    return conditions


async def span_of_rows(pool: Pool, selection: Selection) -> tuple[datetime, datetime] | None:
    """Returns the first and the last event time of a selection, whatever its devices; `None` where there is no row."""
    query = Query()
    bounds = time_bounds(query, selection)
    where = f" WHERE {' AND '.join(bounds)}" if bounds else ""
    edges = ", ".join(f"(SELECT {edge}(r.event_time) FROM {selection.table} r{where})" for edge in ("min", "max"))  # noqa: S608
    row = await pool.fetchrow(f"SELECT {edges}", *query.arguments)
    return None if row is None or row[0] is None else (row[0], row[1])
