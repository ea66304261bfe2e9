"""Follows the rows of one contract in the order of their transactions, each once, in short reads.

Nothing is open while the reader is busy with what it got: a slow one costs a position in memory, and no transaction.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Pool

from dataflow_validator.errors import CursorForeignError
from dataflow_validator.pages import MAX_PAGE_BYTES, STATEMENT_TIMEOUT_MS, Row
from dataflow_validator.readings.horizon import Horizon, Look
from dataflow_validator.readings.messages import ReadingShape, row_key
from dataflow_validator.readings.queries import Selection
from dataflow_validator.readings.row_pages import RowPages
from dataflow_validator.readings.watch_cursor import Position
from dataflow_validator.readings.watch_queries import INDEXES, SUMMARIZE, count_query, watch_query

_LOG = logging.getLogger(__name__)

_FIRST_STEP: Final = 256
"""Transactions of the first read; then as many as fill a response."""

_COUNT_FROM_STEP: Final = 4_096
"""From here on what is to be sorted is counted before."""

_MAX_STEP: Final = 2**40
_SLOW_SECONDS: Final = 0.05
_SUMMARIZE_SECONDS: Final = 30.0
_REST: Final = 4.0
"""After an empty read the watch rests for so many times as long as the read took."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one read gave.

    Attributes:
        rows: In the order of their transactions; may be empty.
        position: The point behind them.
        more: Whether there may be more to read at once.
        look: The look at the database that it was read by.
    """

    rows: Sequence[Row]
    position: Position
    more: bool
    look: Look


class Watch:
    """Reads on from a point.

    Args:
        pool: Where to take a connection from, for each read.
        horizon: How far can be read.
        selection: Which rows.
        shape: What of them.
        position: Where to begin.
        max_rows: Rows of one read at most.
    """

    def __init__(
        self,
        pool: Pool,
        horizon: Horizon,
        selection: Selection,
        shape: ReadingShape,
        position: Position,
        max_rows: int,
    ) -> None:
        self.shape = shape
        self._pool = pool
        self._horizon = horizon
        self._selection = selection
        self._position = position
        self._max_rows = max_rows
        self._step = _FIRST_STEP
        self._pages = RowPages(pool, MAX_PAGE_BYTES)
        self._summarized_at = float("-inf")

    async def follow(self, look: Look, heartbeat_seconds: float) -> AsyncGenerator[Found, None]:
        """Yields rows as they become readable, and an empty `Found` after each silence; for ever.

        Args:
            look: The look that the position was checked against.
            heartbeat_seconds: How long a silence is.

        Raises:
            CursorForeignError: The database was replaced by another one, or by an earlier state of itself.
            asyncpg.PostgresError, OSError: The database does not answer.
        """
        database, heard = look.database, time.monotonic()
        while True:
            if look.database != database:
                raise CursorForeignError
            began = time.monotonic()
            found = await self._read(look)
            if found.rows or time.monotonic() - heard >= heartbeat_seconds:
                yield found
                heard = time.monotonic()
            if not found.more:
                if not found.rows and (spent := time.monotonic() - began) > _SLOW_SECONDS:
                    # Looking costs more where there are many partitions: then it happens less often.
                    await asyncio.sleep(min(_REST * spent, heartbeat_seconds))
                look = await self._horizon.look(look)

    def again(self, position: Position, shape: ReadingShape) -> None:
        """Reads what follows a position once more, in another shape."""
        self._position, self.shape = position, shape

    @property
    def position(self) -> Position:
        """The point behind all that was read."""
        return self._position

    async def _read(self, look: Look) -> Found:
        below = min(self._position.xid + self._step, look.oldest_open)
        if below <= self._position.xid:
            return Found((), self._position, more=False, look=look)
        began = time.monotonic()
        try:
            if self._step >= _COUNT_FROM_STEP and await self._too_many(below):
                self._step //= 16
                return Found((), self._position, more=True, look=look)
            query = watch_query(self._selection, self.shape, self._position, below, self._max_rows + 1)
            page = await self._pages.read(query, self._max_rows)
        except asyncpg.QueryCanceledError:
            if self._step <= 1:
                raise
            self._step = max(1, self._step // 64)
            await self._summarize()
            return Found((), self._position, more=True, look=look)
        if page.more:
            last = page.rows[-1]
            self._position = Position(last[-1], row_key(last))
            self._step = max(1, self._step // 2)
        else:
            self._position = Position(below)
            if len(page.rows) < self._max_rows // 2:
                self._step = min(self._step * 2, _MAX_STEP)
        if time.monotonic() - began > _SLOW_SECONDS:
            await self._summarize()
        return Found(page.rows, self._position, more=page.more or below < look.oldest_open, look=look)

    async def _too_many(self, below: int) -> bool:
        query = count_query(self._selection, self._position, below, 4 * self._max_rows)
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
            return bool(await connection.fetchval(query.sql, *query.arguments) >= 4 * self._max_rows)

    async def _summarize(self) -> None:
        if time.monotonic() - self._summarized_at < _SUMMARIZE_SECONDS:
            return
        self._summarized_at = time.monotonic()
        try:
            # One by one: a table's lock, though it lets rows in and out, keeps a new column waiting.
            for row in await self._pool.fetch(INDEXES, self._selection.table):
                await self._pool.execute(SUMMARIZE, row["index"])
        except asyncpg.PostgresError as error:
            # Somebody else's lock, or not our table: reading goes on, only slower.
            _LOG.info("an index was not brought up to date", extra=fields("watch_summarize", error=str(error)))
