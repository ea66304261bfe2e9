"""Removes months of readings and of rollups when a contract's days are over: partitions as a whole, strays in chunks.

First a month is closed: from then on nothing recomputes its rollups, which are what is left of its readings. It is removed a
round later, when nobody reads by a snapshot of the time before.
"""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import date, datetime
from typing import Final

import asyncpg
from dataflow_mesh.lease import Lease
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Pool

from dataflow_validator.contracts.names import quote_identifier
from dataflow_validator.readings.partition_table import LOCK_TIMEOUT_MS, PartitionedTable, drop_partition
from dataflow_validator.readings.partitions import readings_table
from dataflow_validator.rollups.tables import Level, rollup_table
from dataflow_validator.rollups.worker import RollupWorker
from dataflow_validator.statements import statements

_LOG = logging.getLogger(__name__)

_ATTEMPTS: Final = 5
_CHUNK: Final = 5_000
"""Rows deleted in one transaction, so that no lock lasts."""


class MonthRetention:
    """Removes old months for as long as this process leads.

    Args:
        pool: Connections; a round uses two at a time.
        lease: Who leads; each transaction that removes something checks it.
    """

    def __init__(self, pool: Pool, lease: Lease) -> None:
        self._pool = pool
        self._lease = lease
        self._worker = RollupWorker(pool)

    async def round(self) -> list[str]:
        """Removes what was closed before, then closes what is old now.

        Returns:
            The partitions that are gone, and the tables that strays were deleted of.

        Raises:
            LeaseLostError: We do not lead; what was done so far stays done.
            asyncpg.PostgresError, OSError: Postgres failed; what was done so far stays done.
        """
        removed: list[str] = []
        sql = statements("rollups")
        for row in await self._pool.fetch(sql["closed_months"]):
            if row["rows_from"] is not None:
                removed += await self._remove(readings_table(row["contract"]), row["rows_from"])
            if row["rollups_from"] is not None:
                for level in Level:
                    removed += await self._remove(rollup_table(row["contract"], level), row["rollups_from"])
        for row in await self._pool.fetch(sql["old_months"]):
            if row["rollups"] is not None:
                await self._close_rollups(row["contract"], row["rollups"])
            if row["rows"] is not None:
                await self._close_rows(row["contract"], row["rows"])
        return removed

    async def _remove(self, table: PartitionedTable, before: datetime) -> list[str]:
        """Drops the partitions that end at a moment or before, and deletes older rows that have no partition."""
        sql, removed = statements("partitions"), []
        rows = await self._pool.fetch(sql["partition_names"], table.schema, table.name)
        for name in (str(row["name"]) for row in rows):
            start = table.partition_start(name)
            if (
                start is not None
                and table.span.next(start) <= _day(before)
                and await drop_partition(self._pool, table, name, self._lease)
            ):
                removed.append(name)
        parent = await self._pool.fetchrow(sql["parent"], table.schema, table.name)
        if parent is not None and parent["default_name"] is not None and await self._strays(table, parent, before):
            removed.append(str(parent["default_name"]))
        return removed

    async def _strays(self, table: PartitionedTable, parent: asyncpg.Record, before: datetime) -> int:
        default = f"{quote_identifier(table.schema)}.{quote_identifier(parent['default_name'])}"
        total = 0
        while True:
            async with self._pool.acquire() as connection, self._lease.leading(connection):
                status = await connection.execute(
                    f"DELETE FROM {default} WHERE ctid = ANY (ARRAY("  # noqa: S608 - names are quoted
                    f"SELECT ctid FROM {default} WHERE {quote_identifier(table.key)} < $1 LIMIT {_CHUNK}))",
                    before,
                )
            deleted = int(status.rpartition(" ")[2])
            total += deleted
            if deleted < _CHUNK:
                return total

    async def _close_rollups(self, contract: str, before: datetime) -> None:
        async with self._pool.acquire() as connection, self._lease.leading(connection):
            if await connection.fetchval(statements("rollups")["try_lock_contract"], contract):
                await connection.execute(statements("rollups")["close_rollups"], contract, before)

    async def _close_rows(self, contract: str, before: datetime) -> None:
        """Closes the time before a moment, once all its rows are rolled up."""
        sql = statements("rollups")
        for attempt in range(_ATTEMPTS):
            await self._worker.settle_before(contract, before)
            try:
                async with self._pool.acquire() as connection, self._lease.leading(connection):
                    if await connection.fetchval(sql["try_lock_contract"], contract):
                        await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                        # Whoever has inserted rows has committed, with the marks of them, and nobody inserts now.
                        table = readings_table(contract).sql_name
                        await connection.execute(f"LOCK TABLE ONLY {table} IN SHARE ROW EXCLUSIVE MODE")
                        if not await connection.fetchval(sql["marked_before"], contract, before):
                            await connection.execute(sql["close_rows"], contract, before)
                            return
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                pass
            await asyncio.sleep(random.uniform(0.05, 0.1) * (attempt + 1))  # noqa: S311 - spreads two of us
        _LOG.info("old readings stay until they are rolled up", extra=fields("retention_waits", contract=contract))


def _day(moment: datetime) -> date:
    return moment.date()
