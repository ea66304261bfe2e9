"""Rows by the page: as many as were asked for and as fit into a bound, read in one short transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dataflow_mesh.postgres import Pool

from dataflow_validator.pages import STATEMENT_TIMEOUT_MS, Row
from dataflow_validator.readings.queries import Query

_PREFETCH_BYTES: Final = 256 * 1024
_ROW_BYTES: Final = 120


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows.

    Attributes:
        rows: In the order of the query.
        more: Whether there are more.
    """

    rows: list[Row]
    more: bool


class RowPages:
    """Reads pages, and learns from each how many rows of the next one can be fetched together.

    Args:
        pool: Where to take a connection from, for each page.
        max_bytes: Bytes of texts of one page, about; a single row may be longer.
        statement_ms: How long Postgres may work on one page.
    """

    def __init__(self, pool: Pool, max_bytes: int, *, statement_ms: int = STATEMENT_TIMEOUT_MS) -> None:
        self._statement_ms = statement_ms
        self._pool = pool
        self._max_bytes = max_bytes
        self._prefetch = 64

    async def read(self, query: Query, max_rows: int) -> RowPage:
        """Reads one page.

        Args:
            query: Gives up to `max_rows + 1` rows.
            max_rows: Rows of the page at most.

        Raises:
            asyncpg.QueryCanceledError: It took longer than it may.
        """
        rows: list[Row] = []
        size = 0
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(f"SET LOCAL statement_timeout = {self._statement_ms}")
            async for row in connection.cursor(query.sql, *query.arguments, prefetch=self._prefetch):
                size += _ROW_BYTES + sum(len(value) for value in row if type(value) is str or type(value) is bytes)
                if len(rows) == max_rows or (rows and size > self._max_bytes):
                    return RowPage(rows, more=True)
                rows.append(row)
                if len(rows) == self._prefetch:
                    self._prefetch = max(16, min(2_048, _PREFETCH_BYTES * len(rows) // size))
        return RowPage(rows, more=False)
