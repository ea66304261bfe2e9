"""The hours of an export: aggregates by hour and device, from rows, and from rollups where the rows are gone."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg
from dataflow_mesh.postgres import Pool

from dataflow_validator.contracts.names import Column, quote_identifier
from dataflow_validator.contracts.spec import FieldType
from dataflow_validator.exports.table import TableColumn
from dataflow_validator.pages import Row
from dataflow_validator.readings import export
from dataflow_validator.readings.export import time_bounds
from dataflow_validator.readings.export_cut import Cut
from dataflow_validator.readings.messages import NUMERIC_TYPES
from dataflow_validator.readings.queries import Query, Selection
from dataflow_validator.readings.row_pages import RowPages
from dataflow_validator.rollups.tables import READINGS, Level, kind_of, read_horizon, rollup_table

_HOUR: Final = timedelta(hours=1)
_HOUR_MS: Final = 28_000
"""An hour of many devices is read as a whole; connections that answer RPCs are cut off at 30 s."""

_QUICK_SECONDS: Final = 0.3
_MOST_HOURS: Final = 24 * 366
"""Hours are read together as long as that is quick and gives few rows."""

_LAST: Final = datetime.max.replace(tzinfo=UTC)


class HourlyRows:
    """Each hour and device: how many readings, and of each field count, and of numbers min, max, sum and average.

    Computed from the rows, some hours at a time, as of the cut; hours whose rows retention has removed come from the rollups that
    are left of them, where the selection takes the whole hour.

    Args:
        pool: Where to take a connection from, for each page.
        contract: The contract's name.
        selection: Which rows.
        columns: Which fields.
        cut: As of which moment.
    """

    def __init__(self, pool: Pool, contract: str, selection: Selection, columns: Sequence[Column], cut: Cut) -> None:
        self._pool = pool
        self._pages = RowPages(pool, export.PAGE_BYTES, statement_ms=_HOUR_MS)
        self._selection = selection
        self._cut = cut
        self._contract = contract
        self._rollups = rollup_table(contract, Level.HOUR).sql_name
        self._rows_from: datetime | None = None
        self._cells: list[str] = []
        self._kept: list[str] = []
        described = [
            TableColumn("device_id", "text"),
            TableColumn("hour", "timestamptz"),
            TableColumn("readings", "bigint"),
        ]
        for column in columns:
            for name, sql, kept, sql_type in _aggregates(column):
                self._cells.append(sql)
                self._kept.append(kept)
                unit = column.unit if sql_type == "double precision" else ""
                described.append(TableColumn(f"{column.name}_{name}", sql_type, column.field, unit))
        self.columns: Sequence[TableColumn] = described

    async def span(self) -> tuple[datetime, datetime] | None:
        """Returns the first and the last moment of rows, and of rollups whose rows were removed."""
        span = await export.span_of_rows(self._pool, self._selection)
        await self._read_horizon()
        if self._rows_from is None or (rolled := await self._next_rolled(None)) is None:
            return span
        return (
            (rolled, self._rows_from - timedelta(microseconds=1)) if span is None else (min(rolled, span[0]), span[1])
        )

    async def pages(self, after: export.Key | None = None) -> AsyncGenerator[export.ExportPage, None]:
        """Yields the rows behind a key, by hour and device."""
        await self._read_horizon()
        start = await self._next_hour(None) if after is None else after[0]
        key = (datetime.min.replace(tzinfo=UTC), "") if after is None else (after[0], after[1])
        hours = 1
        while start is not None:
            end = self._end(start, hours)
            began = time.monotonic()
            try:
                page = await self._pages.read(self._query(start, end, key), export.PAGE_ROWS)
            except asyncpg.QueryCanceledError:
                if hours == 1:
                    raise
                hours = max(1, hours // 16)
                continue
            if page.rows:
                key = page.rows[-1][1], page.rows[-1][0]
                yield export.ExportPage(page.rows, (*key, ""))
            if page.more:
                start = key[0]
                continue
            quick = time.monotonic() - began < _QUICK_SECONDS
            hours = (
                min(2 * hours, _MOST_HOURS) if quick and len(page.rows) < export.PAGE_ROWS // 2 else max(1, hours // 2)
            )
            start = await self._next_hour(end)

    def _end(self, start: datetime, hours: int) -> datetime:
        """Returns where a slice of hours ends: on one side of what retention has removed."""
        end = start + min(hours * _HOUR, _LAST - start)
        return self._rows_from if self._rows_from is not None and start < self._rows_from < end else end

    async def _read_horizon(self) -> None:
        async with self._pool.acquire() as connection:
            horizon = await read_horizon(connection, self._contract)
        self._rows_from = None if horizon is None else horizon.rows_from

    async def _next_hour(self, start: datetime | None) -> datetime | None:
        """Returns the hour of the first row, or rollup of removed rows, at or behind a time."""
        if self._rows_from is not None and (start is None or start < self._rows_from):
            if (rolled := await self._next_rolled(start)) is not None:
                return rolled
            start = self._rows_from
        query = Query()
        conditions = time_bounds(query, self._selection)
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

    async def _next_rolled(self, start: datetime | None) -> datetime | None:
        query = Query()
        conditions = [f"r.field = '{READINGS}'", f"r.start < {query.argument(self._rows_from, 'timestamptz')}"]
        conditions += self._whole_hours(query)
        if start is not None:
            conditions.append(f"r.start >= {query.argument(start, 'timestamptz')}")
        hour: datetime | None = await self._pool.fetchval(
            f"SELECT r.start FROM {self._rollups} r WHERE {' AND '.join(conditions)} ORDER BY r.start LIMIT 1",  # noqa: S608
            *query.arguments,
        )
        return hour

    def _whole_hours(self, query: Query) -> list[str]:
        conditions = []
        if self._selection.start is not None:
            conditions.append(f"r.start >= {query.argument(self._selection.start, 'timestamptz')}")
        if self._selection.end is not None:
            conditions.append(f"r.start <= {query.argument(self._selection.end - _HOUR, 'timestamptz')}")
        if self._selection.device_ids is not None:
            conditions.append(f"r.device_id = ANY ({query.argument(list(self._selection.device_ids), 'text[]')})")
        return conditions

    def _query(self, start: datetime, end: datetime, after: tuple[datetime, str]) -> Query:
        rolled = self._rows_from is not None and start < self._rows_from
        query = Query()
        first, last = query.argument(start, "timestamptz"), query.argument(end, "timestamptz")
        key = f"({query.argument(after[0], 'timestamptz')}, {query.argument(after[1], 'text')})"
        if rolled:
            moment, hour, table = "r.start", "r.start", self._rollups
            readings, cells = f"max(r.count) FILTER (WHERE r.field = '{READINGS}')", self._kept
            conditions = self._whole_hours(query)
        else:
            moment, hour, table = "r.event_time", "date_trunc('hour', r.event_time)", self._selection.table
            readings, cells = "count(*)", self._cells
            conditions = [*time_bounds(query, self._selection), self._cut.condition(query)]
            if self._selection.device_ids is not None:
                conditions.append(f"r.device_id = ANY ({query.argument(list(self._selection.device_ids), 'text[]')})")
        conditions += [f"{moment} >= {first}", f"{moment} < {last}", f"({hour}, r.device_id) > {key}"]
        selected = ", ".join(["r.device_id", f"{hour} AS hour", f"{readings} AS readings", *cells])
        query.sql = (
            f"SELECT {selected} FROM {table} r WHERE {' AND '.join(conditions)} "  # noqa: S608 - quoted
            f"GROUP BY 2, 1 ORDER BY 2, 1 LIMIT {query.argument(export.PAGE_ROWS + 1, 'bigint')}"
        )
        return query


def _aggregates(column: Column) -> list[tuple[str, str, str, str]]:
    """Returns name, what computes it from rows, what takes it from rollups, and the type, of each aggregate."""
    name = f"r.{quote_identifier(column.name)}"
    field = "r.field = '" + column.name.replace("'", "''") + "'"

    def kept(value: str) -> str:
        return f"max({value}) FILTER (WHERE {field})"

    cells = [("count", f"count({name})", f"coalesce({kept('r.count')}, 0)", "bigint")]
    if column.type in NUMERIC_TYPES:
        kind = kind_of(column.sql_type).value.lower()
        edge = column.sql_type if column.type is FieldType.INTEGER else "double precision"
        # The rollup says NaN where a sum may have left a double's range: then it is not known any more.
        total = kept(f"nullif(r.{kind}_sum, 'NaN')")
        cells += [
            ("min", f"min({name})", f"{kept(f'r.{kind}_min')}::{edge}", edge),
            ("max", f"max({name})", f"{kept(f'r.{kind}_max')}::{edge}", edge),
            # In numeric first: a sum may leave a double's range on its way and come back.
            ("sum", f"sum({name}::numeric)::double precision", f"{total}::double precision", "double precision"),
            (
                "avg",
                f"avg({name}::numeric)::double precision",
                f"({total} / {kept('r.count')})::double precision",
                "double precision",
            ),
        ]
    return cells
