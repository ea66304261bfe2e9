"""Adds columns to a contract's table while everybody reads and writes it.

ADD COLUMN without a default only changes the catalogue, but it needs the table and all its partitions for itself for a
moment. Whoever waits for such a lock makes all others wait behind it, and a transaction that a person forgot in a terminal
would so stop the inserts of everybody. Therefore each try asks without waiting; only when those who hold the table now are
all about to end does it stand in the queue, and for less than `QUEUE_MS`.
"""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Connection

from dataflow_validator.contracts.names import Column, quote_identifier
from dataflow_validator.errors import TableLockedError
from dataflow_validator.readings.table import readings_table_name
from dataflow_validator.statements import statements

_LOG = logging.getLogger(__name__)

QUEUE_MS: Final = 100
"""How long a try may stand in front of others in the table's lock queue; longer than a store transaction takes."""

_ALTER_MS: Final = 2_000
_SHORT_SECONDS: Final = 1.0
"""A transaction that has been at work for longer than this is not about to end."""

_IDLE_SECONDS: Final = 0.25
"""Nor is one that is older than this and waits for its client."""

_TRY_SECONDS: Final = 5.0
_RETRY_AFTER_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A session that has a lock on a table.

    Attributes:
        pid: Its process id in Postgres; `None` for a prepared transaction.
        name: Its application name.
        seconds: How old its transaction is; `None` if we may not see that.
        idle: It waits for its client.
    """

    pid: int | None
    name: str
    seconds: float | None
    idle: bool = False

    @property
    def ends_soon(self) -> bool:
        """Whether it looks like one of the short transactions that come and go."""
        return self.seconds is not None and self.seconds < (_IDLE_SECONDS if self.idle else _SHORT_SECONDS)

    def __str__(self) -> str:
        age = "of an age that we may not see" if self.seconds is None else f"open for {self.seconds:.1f} s"
        return f"{self.name} (pid {self.pid}, a transaction {age})"


async def actual_columns(connection: Connection, contract: str) -> dict[str, str]:
    """Reads the type of each column of a contract's table; empty where there is no table."""
    rows = await connection.fetch(statements("columns")["actual"], readings_table_name(contract))
    return {row["name"]: _TYPE_NAMES.get(row["sql_type"], row["sql_type"]) for row in rows}


_TYPE_NAMES: Final = {"timestamp with time zone": "timestamptz"}


async def lock_holders(connection: Connection, contract: str) -> list[LockHolder]:
    """Reads who has a lock on a contract's table, the longest transaction first."""
    rows = await connection.fetch(statements("columns")["holders"], readings_table_name(contract))
    return [LockHolder(row["pid"], row["name"], row["seconds"], row["idle"]) for row in rows]


async def add_columns(
    connection: Connection, contract: str, columns: Sequence[Column], *, seconds: float = _TRY_SECONDS
) -> None:
    """Adds columns that a contract's table lacks; nobody else waits longer than `QUEUE_MS` and the change itself.

    Args:
        connection: In no transaction; statements of others on the table are planned anew by Postgres itself.
        contract: Whose table; it exists.
        columns: New names, each once.
        seconds: How long to try.

    Raises:
        TableLockedError: Somebody kept the table locked all the time; nothing was added.
    """
    if not columns:
        return
    began, tries, queued = time.monotonic(), 0, 0
    queue = False
    while True:
        tries += 1
        queued += queue
        try:
            await _try(connection, contract, columns, queue=queue)
        except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.DeadlockDetectedError):
            holders = await lock_holders(connection, contract)
            waited = time.monotonic() - began
            if waited > seconds:
                raise _locked(contract, holders) from None
            # After a try in the queue those behind it run first, and catch up.
            await asyncio.sleep(random.uniform(0.15, 0.3) if queue else random.uniform(0.01, 0.04))  # noqa: S311
            queue = not queue and all(holder.ends_soon for holder in holders)
        else:
            _LOG.info(
                "columns added",
                extra=fields(
                    "columns_added",
                    contract=contract,
                    columns=len(columns),
                    tries=tries,
                    queued=queued,
                    seconds=round(time.monotonic() - began, 3),
                ),
            )
            return


async def _try(connection: Connection, contract: str, columns: Sequence[Column], *, queue: bool) -> None:
    table = readings_table_name(contract)
    added = ", ".join(
        f"ADD COLUMN IF NOT EXISTS {quote_identifier(column.name)} {column.sql_type}" for column in columns
    )
    script = []
    if queue:
        # The lock of each partition is waited for by itself: the statement as a whole is bounded.
        script += [f"SET LOCAL lock_timeout = {QUEUE_MS}", f"SET LOCAL statement_timeout = {QUEUE_MS}"]
        # An autovacuum ends for whoever has waited deadlock_timeout: a second, which is more than we ever wait.
        if await connection.fetchval("SELECT has_parameter_privilege('deadlock_timeout', 'SET')"):
            script.append(f"SET LOCAL deadlock_timeout = {QUEUE_MS // 4}")
    script += [
        f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE{'' if queue else ' NOWAIT'}",
        f"SET LOCAL statement_timeout = {_ALTER_MS}",
        f"ALTER TABLE {table} {added}",
    ]
    # In one message, which is one transaction: the lock is held while Postgres works, and not while it waits for a busy
    # process to send the next statement.
    if not connection.is_in_transaction():
        await connection.execute("; ".join(script))
        return
    async with connection.transaction():
        await connection.execute("; ".join(script))


def _locked(contract: str, holders: Sequence[LockHolder]) -> TableLockedError:
    metadata = {"contract": contract}
    if not holders:
        return TableLockedError(metadata=metadata, retry_after_seconds=_RETRY_AFTER_SECONDS)
    longest = holders[0]
    metadata |= {"pid": str(longest.pid), "application": longest.name}
    if longest.seconds is not None:
        metadata["age_seconds"] = f"{longest.seconds:.1f}"
    return TableLockedError(
        f"the table of contract {contract!r} is kept locked by {longest}: its new columns need it for a moment. Nothing was "
        "changed; try again when that transaction has ended",
        metadata=metadata,
        retry_after_seconds=_RETRY_AFTER_SECONDS,
    )
