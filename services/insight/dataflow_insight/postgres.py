"""Reads from Postgres, and opens what insight writes to: the one file of insight that knows asyncpg.

Every transaction over readings is read-only, short and bounded. Insight's own tables are in the schema `insight`, behind a
second pool that no query of a question ever gets.
"""

import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any, Final, Self

import asyncpg
from dataflow_mesh.errors import QueryTooExpensiveError
from dataflow_mesh.logs import fields
from dataflow_mesh.migrate import migrate
from dataflow_mesh.postgres import Limits, Pool, connect, connect_pool

from dataflow_insight.plans.errors import PlanError

_log = logging.getLogger(__name__)

SCHEMA: Final = "insight"
"""Of insight's own tables."""

_PLANNING: Final = {
    # Neighbours and different values of millions of rows are sorted: in memory as far as that goes.
    "work_mem": "64MB",
    # Each query is asked once: its plan should know its times and devices, and compiling it costs more than it saves.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
}

_ANSWER_SECONDS: Final = 5.0
"""How much longer than a statement may run its answer is waited for."""

READER_ROLE: Final = "dataflow_reader"
"""May read readings, rollups and what the validator keeps about them, and write nothing."""


class Reader:
    """Runs SELECTs as the role dataflow_reader, whoever logs in.

    Args:
        pool: Made by `open_reader`.
        max_cost: Highest cost that the planner of Postgres may expect of a query.
    """

    def __init__(self, pool: Pool, *, max_cost: float) -> None:
        self._pool = pool
        self._max_cost = max_cost

    @classmethod
    @asynccontextmanager
    async def open(
        cls, dsn: str, *, statement_seconds: float = 5.0, max_cost: float = 50_000_000.0, connections: int = 4
    ) -> AsyncIterator[Self]:
        """Opens a pool for the length of the context.

        Args:
            dsn: A login that is, or may become, dataflow_reader.
            statement_seconds: After how long Postgres ends a statement.
            max_cost: See the class.
            connections: Most at a time.
        """
        pool = await connect_pool(
            dsn,
            application_name="dataflow-insight",
            min_size=0,
            max_size=connections,
            limits=Limits(statement_ms=int(statement_seconds * 1000), idle_in_transaction_ms=10_000),
            # Postgres ends the statement itself, unless nothing gets through: then everybody would wait for the survey.
            command_seconds=statement_seconds + _ANSWER_SECONDS,
            settings={"role": READER_ROLE, "default_transaction_read_only": "on", **_PLANNING},
        )
        try:
            yield cls(pool, max_cost=max_cost)
        finally:
            # Not close(): a query that hangs must not hold the process.
            pool.terminate()

    async def fetch(self, sql: str, *parameters: object) -> Sequence[Sequence[Any]]:
        """Returns the rows of a SELECT; cancelling the call cancels it in Postgres.

        Raises:
            QueryTooExpensiveError: It took longer than a statement may.
        """
        async with self._transaction() as connection:
            rows: Sequence[Sequence[Any]] = await connection.fetch(sql, *parameters)
            return rows

    async def fetch_bounded(
        self, sql: str, *parameters: object, told: Callable[[float], None] | None = None
    ) -> Sequence[Sequence[Any]]:
        """As `fetch`, but first asks the planner of Postgres what the query will cost.

        Args:
            sql: The SELECT.
            parameters: Its values.
            told: Gets the expected cost before the query runs; what it raises keeps the query from running.

        Raises:
            QueryTooExpensiveError: It would cost more than the limit, or took longer than a statement may.
            PlanError: Its values leave the range of numbers, or what it reads has changed since the catalogue was read.
        """
        async with self._transaction() as connection, _planned():
            explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *parameters)
            cost = json.loads(explained)[0]["Plan"]["Total Cost"]
            if cost > self._max_cost:
                raise QueryTooExpensiveError(metadata={"limit": "cost"})
            if told is not None:
                told(cost)
            rows: Sequence[Sequence[Any]] = await connection.fetch(sql, *parameters)
            return rows

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        try:
            async with self._pool.acquire() as connection, connection.transaction(readonly=True):
                yield connection
        except asyncpg.QueryCanceledError as error:
            raise QueryTooExpensiveError(metadata={"limit": "time"}) from error

    async def ready(self) -> bool:
        """Returns whether the validator has made its schema and the reader's role."""
        try:
            await self.fetch("SELECT 1 FROM validator.contract LIMIT 1")
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InvalidParameterValueError):
            return False
        except (asyncpg.InsufficientPrivilegeError, asyncpg.CannotConnectNowError, OSError):
            # Grants follow the tables in one migration; a server that starts is not one that refuses.
            return False
        return True


@asynccontextmanager
async def _planned() -> AsyncIterator[None]:
    """Turns what only the data can show of a plan into the planner's kind of error."""
    try:
        yield
    except asyncpg.NumericValueOutOfRangeError as error:
        raise PlanError("the values are too large, or too many, to be computed") from error
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise PlanError("what the plan reads has just changed; look at the catalogue again") from error
    except asyncpg.InvalidParameterValueError as error:
        # The one parameter with rules of its own: Postgres has its own list of zones.
        raise PlanError("the database does not know this time zone") from error


@asynccontextmanager
async def open_own(dsn: str, *, connections: int = 4) -> "AsyncIterator[Pool | None]":
    """Brings insight's own schema up to date and opens a pool for it, for the length of the context.

    Yields None where the login may not write: insight then answers, and keeps nothing.

    Args:
        dsn: A login that owns the schema `insight`, or may make it; empty: none.
        connections: Most at a time.
    """
    if not dsn or not await _migrated(dsn):
        yield None
        return
    pool = await connect_pool(
        dsn,
        application_name="dataflow-insight-own",
        min_size=0,
        max_size=connections,
        limits=Limits(statement_ms=5_000, idle_in_transaction_ms=10_000),
        command_seconds=10.0,
    )
    try:
        yield pool
    finally:
        pool.terminate()


async def _migrated(dsn: str) -> bool:
    connection = await connect(dsn, application_name="dataflow-insight-own")
    try:
        await migrate(connection, SCHEMA, resources.files("dataflow_insight") / "migrations")
    except (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError) as error:
        _log.warning("nothing is kept: postgres_dsn may not write", extra=fields("own_tables_off", error=str(error)))
        return False
    finally:
        await connection.close()
    return True


def cannot_write(error: BaseException) -> bool:
    """Returns whether a statement failed because nothing can be written now, though reading may go on."""
    return isinstance(
        error,
        asyncpg.ReadOnlySQLTransactionError | asyncpg.InsufficientPrivilegeError | asyncpg.InsufficientResourcesError,
    )
