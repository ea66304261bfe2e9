"""Recomputes marked hours from their rows, and their days from the hours.

Any number of workers may do so at once: each takes the lock of one contract's day, and then a snapshot. In that snapshot it
reads the marks and the rows, and it deletes exactly those marks: rows that it did not see have marks that it did not see.
So an hour without a mark has the rollups of its rows, in every snapshot that anybody takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import Final

import asyncpg
from dataflow_mesh import names
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Connection, Pool
from dataflow_mesh.telemetry import observe

from dataflow_validator.failure import DATABASE_ERRORS
from dataflow_validator.readings.partition_table import make_partition
from dataflow_validator.rollups.hour_devices import devices_of_hour
from dataflow_validator.rollups.marks import device_literal
from dataflow_validator.rollups.recompute import (
    FIELDS_AT_ONCE,
    days_statement,
    delete_statement,
    hours_statement,
    insert_statement,
)
from dataflow_validator.rollups.tables import (
    Horizon,
    Level,
    RollupField,
    begin_rollups,
    read_horizon,
    rollup_fields,
    rollup_table,
)
from dataflow_validator.statements import statements

_LOG = logging.getLogger(__name__)

_EVERY_SECONDS: Final = 2.0

_SLICE: Final = 1_000
"""Device hours of one transaction: what it writes is written within a fraction of a second."""

_FIRST_SLICE: Final = 64
_LONG_SECONDS: Final = 0.5
"""Slices that are read for longer are made smaller, those read in a quarter of it larger."""

_MANY_MARKS: Final = 200
"""An hour with more marks is taken as a whole: to know which devices they name would cost more than to look for them."""

_MAX_MONTHS: Final = 600
"""Partitions of one rollup table; the rest goes to DEFAULT."""


@dataclass(frozen=True, slots=True)
class SettleRule:
    """When a marked hour is worth being recomputed.

    The hour that is being written is marked again before anybody could read it: it waits until it is quiet, or over.
    """

    quiet_seconds: float = 10.0
    """An hour without a new mark for so long is recomputed."""
    wait_seconds: float = 60.0
    """An hour that is over is recomputed after so long, however often late data mark it."""


class RollupWorker:
    """Keeps rollups in step with rows.

    Args:
        pool: Connections of its own: one statement may take minutes.
        rule: When to recompute.
    """

    def __init__(self, pool: Pool, rule: SettleRule | None = None) -> None:
        self._pool = pool
        self._rule = rule or SettleRule()
        self._months: set[tuple[str, date]] = set()
        self._sizes: dict[str, int] = {}
        self._waiting: tuple[int, float] | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Does what is due, again and again, until told to stop; while Postgres is away it tries again."""
        observe(names.VALIDATOR_ROLLUP_DIRTY, lambda: [] if self._waiting is None else [(self._waiting[0], {})])
        observe(names.VALIDATOR_ROLLUP_AGE, lambda: [] if self._waiting is None else [(self._waiting[1], {})])
        stop = asyncio.create_task(stopping.wait(), name="rollups-stop")
        while not stopping.is_set():
            try:
                work = asyncio.create_task(self.run_once(), name="rollups-once")
                await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
                if not work.done():
                    # In the middle of a long statement: what it would have done stays marked.
                    work.cancel()
                    return
                await work
            except DATABASE_ERRORS as error:
                _LOG.warning("rollups wait for Postgres", extra=fields("rollups.waiting", error=str(error)))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _EVERY_SECONDS)

    async def run_once(self) -> int:
        """Does what is due; returns how many device hours it recomputed.

        A contract that fails is left for the next time, and does not keep the others waiting.

        Raises:
            asyncpg.PostgresError, OSError: Postgres failed for other reasons than one contract's.
        """
        await begin_rollups(self._pool)
        rows = await self._pool.fetch(
            statements("rollups")["due_hours"], self._rule.quiet_seconds, self._rule.wait_seconds
        )
        done = 0
        for row in rows:
            try:
                done += await self._day(row["contract"], row["day"], list(row["hours"]))
            except DATABASE_ERRORS as error:
                _LOG.warning(
                    "rollups not recomputed; they are tried again",
                    extra=fields("rollups.failed", contract=row["contract"], day=str(row["day"]), error=str(error)),
                )
        await self._merge_marks()
        waiting = await self._pool.fetchrow(statements("rollups")["waiting"])
        if waiting is not None:
            self._waiting = (waiting["hours"], waiting["seconds"] or 0.0)
        return done

    async def _merge_marks(self) -> None:
        """Keeps the marks of the hour that is being written few: at full speed there would be 100,000 of them."""
        sql = statements("rollups")
        # Whoever recomputes these hours at this moment deletes the same marks: one of the two tries again.
        with contextlib.suppress(asyncpg.DeadlockDetectedError):
            async with self._pool.acquire() as connection, connection.transaction():
                if await connection.fetchval(sql["try_lock_merge"]):
                    await connection.execute(sql["merge_marks"], _MANY_MARKS)

    async def settle(self) -> int:
        """Recomputes all that is marked now, whether it is due or not; for tests and tools that compare.

        Returns:
            How many device hours it recomputed; what another worker has in hand is left to that one.
        """
        rule, self._rule = self._rule, SettleRule(-1.0, -1.0)
        try:
            return await self.run_once()
        finally:
            self._rule = rule

    async def settle_before(self, contract: str, moment: datetime) -> int:
        """Recomputes what is marked of one contract before a moment; returns how many device hours."""
        rows = await self._pool.fetch(statements("rollups")["marked_days_before"], contract, moment)
        return sum([await self._day(contract, row["day"], list(row["hours"])) for row in rows])

    async def _day(self, contract: str, day: datetime, hours: Sequence[datetime]) -> int:
        await self._make_partitions(contract, day)
        async with self._locked(contract, day) as connection:
            if connection is None:
                return 0
            # Each slice leaves marks for what is left over, so that a kill costs one slice.
            done, left = await self._slice(connection, contract, day, hours, _MANY_MARKS)
            before = left + 1
            while 0 < left < before:  # what is marked faster than it is recomputed waits for the next time
                before = left
                more, left = await self._slice(connection, contract, day, hours)  # what was left over names its devices
                done += more
            return done

    @asynccontextmanager
    async def _locked(self, contract: str, day: datetime) -> AsyncIterator[Connection | None]:
        """Yields a connection that holds the locks of a contract's day, or `None` where somebody else has them."""
        sql = statements("rollups")
        async with self._pool.acquire() as connection:
            try:
                row = await connection.fetchrow(sql["try_lock"], contract, day)
                yield connection if row is not None and row["contract"] and row["day"] else None
            finally:
                await connection.execute(sql["unlock"])

    async def _slice(
        self, connection: Connection, contract: str, day: datetime, hours: Sequence[datetime], many: float = math.inf
    ) -> tuple[int, int]:
        """Recomputes some device hours; returns how many, and how many are left."""
        sql = statements("rollups")
        async with connection.transaction(isolation="repeatable_read"):
            horizon = await read_horizon(connection, contract)
            columns = await rollup_fields(connection, contract)
            marked = await connection.fetch(sql["marked_hours"], contract, hours)
            open_hours = [row["hour"] for row in marked if _is_open(horizon, row["hour"])]
            oldest = {row["hour"]: row["oldest"] for row in marked}
            whole = [row["hour"] for row in marked if row["everybody"] or row["marks"] > many]
            pairs = [
                pair
                for hour in open_hours
                if hour in whole
                for pair in await devices_of_hour(connection, contract, hour)
            ]
            some = [hour for hour in open_hours if hour not in whole]
            pairs += [
                (row["hour"], row["device_id"]) for row in await connection.fetch(sql["marked_devices"], contract, some)
            ]
            # By device, so that the day of a device is made once and not in every slice.
            pairs.sort(key=itemgetter(1, 0))
            size = min(self._sizes.get(contract, _FIRST_SLICE), _SLICE)
            now, later = pairs[:size], pairs[size:]
            began = time.monotonic()
            texts = await _read_hours(connection, contract, columns, day, now)
            self._adapt(contract, size, time.monotonic() - began)
            # From here on the transaction writes.
            await connection.execute(sql["delete_marks"], contract, hours)
            await _write(connection, contract, day, now, texts)
            if later:
                rest = [(hour, literal, oldest[hour]) for hour, literal in _literals(later)]
                await connection.execute(sql["insert_marks_since"], contract, *zip(*rest, strict=True))
        return len(now), len(later)

    def _adapt(self, contract: str, size: int, seconds: float) -> None:
        """Keeps slices short, however many rows an hour has: a column cannot be added to a table that is being read."""
        if seconds > _LONG_SECONDS:
            self._sizes[contract] = max(1, size // 2)
        elif seconds < _LONG_SECONDS / 4:
            self._sizes[contract] = 2 * size

    async def _make_partitions(self, contract: str, day: datetime) -> None:
        month = date(day.year, day.month, 1)
        if (contract, month) not in self._months:
            # Whatever comes of it: without a partition of their own they go to DEFAULT. Without a table there are no rows.
            with contextlib.suppress(asyncpg.UndefinedTableError):
                for level in Level:
                    await make_partition(self._pool, rollup_table(contract, level), month, cap=_MAX_MONTHS)
                self._months.add((contract, month))


def _is_open(horizon: Horizon | None, hour: datetime) -> bool:
    """Returns whether an hour has all its rows, and its rollups are wanted.

    Where rows were removed, the rollups are what is left of them: to recompute them would erase them. Late rows of such a
    time are removed by the next round of retention, as they would have been.
    """
    if horizon is None:
        return False
    return all(limit is None or hour >= limit for limit in (horizon.rows_from, horizon.rollups_from))


async def _read_hours(
    connection: Connection,
    contract: str,
    columns: Sequence[RollupField],
    day: datetime,
    pairs: Sequence[tuple[datetime, str]],
) -> list[str]:
    if not pairs:
        return []
    texts = []
    for first in range(0, max(len(columns), 1), FIELDS_AT_ONCE):
        statement = hours_statement(contract, columns[first : first + FIELDS_AT_ONCE], day, with_readings=first == 0)
        texts.append(await connection.fetchval(statement, [pair[1] for pair in pairs], [pair[0] for pair in pairs]))
    return [text for text in texts if text is not None]


async def _write(
    connection: Connection, contract: str, day: datetime, pairs: Sequence[tuple[datetime, str]], texts: Sequence[str]
) -> None:
    if not pairs:
        return
    end = day + timedelta(days=1)
    hours, devices = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    await connection.execute(delete_statement(contract, Level.HOUR), devices, hours, day, end)
    for text in texts:
        await connection.execute(insert_statement(contract), text)
    touched = sorted(set(devices))
    await connection.execute(delete_statement(contract, Level.DAY), touched, [day] * len(touched), day, end)
    await connection.execute(days_statement(contract), touched, day)


def _literals(pairs: Sequence[tuple[datetime, str]]) -> list[tuple[datetime, str]]:
    """Returns marks for device hours, none of them longer than the hot path's."""
    hours: dict[datetime, list[str]] = {}
    for hour, device in pairs:
        hours.setdefault(hour, []).append(device)
    return [
        (hour, device_literal(devices[first : first + _SLICE]))
        for hour, devices in hours.items()
        for first in range(0, len(devices), _SLICE)
    ]
