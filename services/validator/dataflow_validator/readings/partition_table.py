"""Makes and drops one partition of one table so that neither readers nor writers are ever held up for long."""

import asyncio
import random
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from typing import Final

import asyncpg
from dataflow_mesh.lease import Lease
from dataflow_mesh.postgres import Connection, Pool

from dataflow_validator.contracts.names import quote_identifier
from dataflow_validator.statements import statements

LOCK_TIMEOUT_MS: Final = 200
"""How long a change of a table may stand in front of others in a lock queue."""

_ATTEMPTS: Final = 5
_ADVISORY_TIMEOUT_MS: Final = 3_000

_ATTACH_TIMEOUT_MS: Final = 2_000
"""ATTACH reads all of DEFAULT while nobody else may use it: a DEFAULT too large for this gets no more partitions."""


class Span(Enum):
    """The length of a partition."""

    MONTH = "month"
    DAY = "day"

    def start(self, day: date) -> date:
        """Returns the first day of the partition that holds a day."""
        return day.replace(day=1) if self is Span.MONTH else day

    def next(self, start: date) -> date:
        """Returns the first day of the partition after the one that begins at `start`."""
        if self is Span.DAY:
            return start + timedelta(days=1)
        return date(start.year + start.month // 12, start.month % 12 + 1, 1)

    def label(self, start: date) -> str:
        """Returns the part of a partition's name that says its time."""
        return start.strftime("%Y-%m") if self is Span.MONTH else start.isoformat()


class Made(Enum):
    """What became of the wish for a partition."""

    READY = "ready"
    """It is there, made now or before."""
    CAPPED = "capped"
    """The table has as many as it may have: DEFAULT takes the rows."""
    OCCUPIED = "occupied"
    """DEFAULT holds rows of that time: they and those to come stay there."""
    BUSY = "busy"
    """The table was locked through all attempts, or DEFAULT is too large; DEFAULT takes the rows."""


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """A table partitioned by time.

    Attributes:
        schema: Its schema.
        name: Its name.
        key: The column of its partition key.
        span: How long its partitions are.
    """

    schema: str
    name: str
    key: str
    span: Span

    @property
    def sql_name(self) -> str:
        """The qualified name, quoted."""
        return f"{quote_identifier(self.schema)}.{quote_identifier(self.name)}"

    def partition(self, start: date) -> str:
        """Returns the name of a partition; the colon keeps it apart from the names of contracts."""
        return f"{self.name}:{self.span.label(start)}"

    def partition_start(self, partition: str) -> date | None:
        """Returns the first day of a partition that `partition` named; `None` for any other name."""
        label = partition.removeprefix(f"{self.name}:")
        try:
            return date.fromisoformat(f"{label}-01" if self.span is Span.MONTH else label)
        except ValueError:
            return None


async def make_partition(pool: Pool, table: PartitionedTable, start: date, *, cap: int | None = None) -> Made:
    """Makes a partition in a transaction of its own.

    LIKE and ATTACH, since CREATE … PARTITION OF waits for every reader of the table and makes all others wait behind
    it. ATTACH still has to lock DEFAULT for a moment, so each attempt gives up after `LOCK_TIMEOUT_MS`.

    Args:
        pool: Where to take a connection from; none may be held by the caller's transaction on the same table.
        table: The table.
        start: The partition's first day.
        cap: Refuse when the table has so many partitions already; `None` for no limit.

    Raises:
        asyncpg.UndefinedTableError: There is no such table, or it is not partitioned.
    """
    for attempt in range(_ATTEMPTS):
        try:
            async with pool.acquire() as connection, connection.transaction():
                return await _make(connection, table, start, cap)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(random.uniform(0.05, 0.1) * (attempt + 1))  # noqa: S311 - spreads two makers
        except (asyncpg.CheckViolationError, asyncpg.InvalidObjectDefinitionError):
            # A row slipped into DEFAULT first, or somebody attached a partition of another length by hand.
            return Made.OCCUPIED
        except asyncpg.QueryCanceledError:
            return Made.BUSY
    return Made.BUSY


async def _make(connection: Connection, table: PartitionedTable, start: date, cap: int | None) -> Made:
    sql = statements("partitions")
    await connection.execute(f"SET LOCAL lock_timeout = {_ADVISORY_TIMEOUT_MS}")
    await connection.execute(sql["lock_table"], table.sql_name)
    await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
    parent = await connection.fetchrow(sql["parent"], table.schema, table.name)
    if parent is None:
        raise asyncpg.UndefinedTableError(f"no partitioned table {table.sql_name}")
    partition = f"{quote_identifier(table.schema)}.{quote_identifier(table.partition(start))}"
    if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", partition):
        return Made.READY
    if cap is not None and parent["partitions"] >= cap:
        return Made.CAPPED
    end = table.span.next(start)
    bounds = f"'{start.isoformat()} 00:00:00+00'", f"'{end.isoformat()} 00:00:00+00'"
    if parent["default_name"] is not None:
        default = f"{quote_identifier(table.schema)}.{quote_identifier(parent['default_name'])}"
        # Asked before ATTACH would find out while it keeps everybody out of DEFAULT.
        inside = f"{quote_identifier(table.key)} >= {bounds[0]} AND {quote_identifier(table.key)} < {bounds[1]}"
        if await connection.fetchval(f"SELECT EXISTS (SELECT FROM ONLY {default} WHERE {inside})"):  # noqa: S608
            return Made.OCCUPIED
    await connection.execute(f"SET LOCAL statement_timeout = {_ATTACH_TIMEOUT_MS}")
    await connection.execute(f"CREATE TABLE {partition} (LIKE {table.sql_name} INCLUDING ALL)")
    await connection.execute(
        f"ALTER TABLE {table.sql_name} ATTACH PARTITION {partition} FOR VALUES FROM ({bounds[0]}) TO ({bounds[1]})"
    )
    return Made.READY


async def drop_partition(pool: Pool, table: PartitionedTable, partition: str, lease: Lease | None = None) -> bool:
    """Drops a partition with its rows, in a transaction of its own.

    DETACH … CONCURRENTLY is refused where there is a DEFAULT partition; a plain DROP locks the whole table, but only
    while the catalogue changes: the files are removed after the commit.

    Args:
        pool: Where to take a connection from.
        table: The table.
        partition: The partition's name.
        lease: Only while this process holds it.

    Raises:
        LeaseLostError: It does not.

    Returns:
        Whether it is gone; false when the table stayed locked through all attempts.
    """
    name = f"{quote_identifier(table.schema)}.{quote_identifier(partition)}"
    for attempt in range(_ATTEMPTS):
        try:
            async with (
                pool.acquire() as connection,
                connection.transaction() if lease is None else lease.leading(connection),
            ):
                await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                await connection.execute(f"DROP TABLE IF EXISTS {name}")
                return True
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            await asyncio.sleep(random.uniform(0.05, 0.1) * (attempt + 1))  # noqa: S311 - spreads two droppers
    return False
