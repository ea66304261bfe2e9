"""The rows of an export: in pages behind a key, so that nothing is open between two of them, and nothing is held twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeAlias

from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog.contract_records import ContractRecord
from dataflow_validator.contracts.names import Column, quote_identifier
from dataflow_validator.contracts.spec import FieldType
from dataflow_validator.exports.table import Cells, TableColumn
from dataflow_validator.pages import Row
from dataflow_validator.readings.export_cut import Cut
from dataflow_validator.readings.messages import NUMERIC_TYPES, ReadingShape, row_key
from dataflow_validator.readings.queries import Query, Selection
from dataflow_validator.readings.row_pages import RowPages

Key: TypeAlias = tuple[datetime, str, str]
"""Where a page ended: event time or hour, device, message id or ""."""

PAGE_ROWS: Final = 5_000
_PAGE_BYTES: Final = 4 * 1024 * 1024
_HOUR: Final = timedelta(hours=1)
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
        self._pages = RowPages(pool, _PAGE_BYTES)
        self._selection = selection
        self._shape = ReadingShape(columns)
        self._cut = cut

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
        conditions = [*_bounds(query, self._selection), self._cut.condition(query)]
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


class HourlyRows:
    """Each hour and device: how many readings, and of each field count, and of numbers min, max, sum and average.

    Computed from the rows, hour by hour.

    Args:
        pool: Where to take a connection from, for each page.
        selection: Which rows.
        columns: Which fields.
        cut: As of which moment.
    """

    def __init__(self, pool: Pool, selection: Selection, columns: Sequence[Column], cut: Cut) -> None:
        self._pool = pool
        self._pages = RowPages(pool, _PAGE_BYTES)
        self._selection = selection
        self._cut = cut
        self._cells: list[str] = []
        described = [
            TableColumn("device_id", "text"),
            TableColumn("hour", "timestamptz"),
            TableColumn("readings", "bigint"),
        ]
        for column in columns:
            for name, sql, sql_type in _aggregates(column):
                self._cells.append(sql)
                unit = column.unit if sql_type == "double precision" else ""
                described.append(TableColumn(f"{column.name}_{name}", sql_type, column.field, unit))
        self.columns: Sequence[TableColumn] = described

    async def pages(self, after: Key | None = None) -> AsyncGenerator[ExportPage, None]:
        """Yields the rows behind a key, by hour and device."""
        hour, device = (None, "") if after is None else (after[0], after[1])
        if hour is None:
            hour = await self._next_hour(None)
        while hour is not None:
            more = True
            while more:
                page = await self._pages.read(self._query(hour, device), PAGE_ROWS)
                if page.rows:
                    device = page.rows[-1][0]
                    yield ExportPage(page.rows, (hour, device, ""))
                more = page.more
            hour, device = await self._next_hour(hour + _HOUR), ""

    async def _next_hour(self, start: datetime | None) -> datetime | None:
        """Returns the hour of the first row at or behind a time."""
        query = Query()
        conditions = _bounds(query, self._selection)
        if start is not None:
            conditions.append(f"r.event_time >= {query.argument(start, 'timestamptz')}")
        if self._selection.device_ids is not None:
            conditions.append(f"r.device_id = ANY ({query.argument(list(self._selection.device_ids), 'text[]')})")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        row: Row | None = await self._pool.fetchrow(
            f"SELECT date_trunc('hour', r.event_time) FROM {self._selection.table} r{where} ORDER BY r.event_time LIMIT 1",  # noqa: S608
            *query.arguments,
        )
        return None if row is None else row[0]

    def _query(self, hour: datetime, after: str) -> Query:
        query = Query()
        conditions = [*_bounds(query, self._selection), self._cut.condition(query)]
        start = query.argument(hour, "timestamptz")
        conditions.append(f"r.event_time >= {start}")
        conditions.append(f"r.event_time < {query.argument(hour + _HOUR, 'timestamptz')}")
        conditions.append(f"r.device_id > {query.argument(after, 'text')}")
        if self._selection.device_ids is not None:
            conditions.append(f"r.device_id = ANY ({query.argument(list(self._selection.device_ids), 'text[]')})")
        cells = ", ".join(["r.device_id", f"{start} AS hour", "count(*) AS readings", *self._cells])
        query.sql = (
            f"SELECT {cells} FROM {self._selection.table} r WHERE {' AND '.join(conditions)} "  # noqa: S608
            f"GROUP BY r.device_id ORDER BY r.device_id LIMIT {query.argument(PAGE_ROWS + 1, 'bigint')}"
        )
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


def _aggregates(column: Column) -> list[tuple[str, str, str]]:
    name = f"r.{quote_identifier(column.name)}"
    cells = [("count", f"count({name})", "bigint")]
    if column.type in NUMERIC_TYPES:
        edge = column.sql_type if column.type is FieldType.INTEGER else "double precision"
        cells += [
            ("min", f"min({name})", edge),
            ("max", f"max({name})", edge),
            # In numeric first: a sum may leave a double's range on its way and come back.
            ("sum", f"sum({name}::numeric)::double precision", "double precision"),
            ("avg", f"avg({name}::numeric)::double precision", "double precision"),
        ]
    return cells


def _bounds(query: Query, selection: Selection) -> list[str]:
    conditions = []
    if selection.start is not None:
        conditions.append(f"r.event_time >= {query.argument(selection.start, 'timestamptz')}")
    if selection.end is not None:
        conditions.append(f"r.event_time < {query.argument(selection.end, 'timestamptz')}")
    return conditions
