"""Connections to Postgres: the one file of the mesh that knows asyncpg."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg
import asyncpg.pool

from dataflow_mesh.clock import clock_difference, judge_clock
from dataflow_mesh.errors import DataflowError, DeadlineExceededError, PostgresUnavailableError
from dataflow_mesh.logs import fields

_log = logging.getLogger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""A connection, whether of a pool or not."""

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

MIN_VERSION = 15
MIN_LOCKS_PER_TRANSACTION = 1024

_UNAVAILABLE_CLASSES = ("08", "53", "57P", "55P03", "25P03", "40001", "40P01")
"""SQLSTATEs that another try may not meet: connection lost, resources spent (also too many connections), server stopping
or starting; a lock held for too long, a transaction ended for idling on a machine without processor time; conflicts."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a session may take, in milliseconds; 0 means no limit."""

    statement_ms: int = 0
    lock_ms: int = 3_000
    idle_in_transaction_ms: int = 2_000
    connect_seconds: float = 5.0


class DurabilityError(Exception):
    """This Postgres may lose what it has confirmed, or is too old."""


def server_settings(application_name: str, limits: Limits) -> dict[str, str]:
    """Returns the session settings that every connection of ours has.

    TCP keep-alives let the server drop a peer that vanished within about 20 s, and with it the locks that it held.
    """
    return {
        "application_name": application_name,
        "timezone": "UTC",
        # Our statements are short and many; compiling them costs more than it gains.
        "jit": "off",
        "statement_timeout": str(limits.statement_ms),
        "lock_timeout": str(limits.lock_ms),
        "idle_in_transaction_session_timeout": str(limits.idle_in_transaction_ms),
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "20000",
    }


async def connect(
    dsn: str,
    *,
    application_name: str = "dataflow",
    limits: Limits | None = None,
    settings: Mapping[str, str] | None = None,
) -> "asyncpg.Connection[asyncpg.Record]":
    """Opens one connection; the caller closes it.

    Args:
        dsn: postgresql:// address.
        application_name: Shown in pg_stat_activity.
        limits: What the session may take.
        settings: Further session settings.
    """
    limits = limits or Limits()
    return await asyncpg.connect(
        dsn,
        timeout=limits.connect_seconds,
        server_settings=server_settings(application_name, limits) | dict(settings or {}),
    )


async def connect_pool(
    dsn: str,
    *,
    application_name: str = "dataflow",
    min_size: int = 1,
    max_size: int = 8,
    limits: Limits | None = None,
    settings: Mapping[str, str] | None = None,
    init: Callable[[Connection], Coroutine[None, None, None]] | None = None,
    command_seconds: float | None = None,
) -> Pool:
    """Opens a pool, for `async with await`; the caller closes it.

    Args:
        dsn: postgresql:// address.
        application_name: Shown in pg_stat_activity.
        min_size: Connections that are always open.
        max_size: Connections at most.
        limits: What each session may take.
        settings: Further session settings.
        init: Prepares each new connection, for instance with codecs.
        command_seconds: When a statement without an answer is given up, with its connection: without it, one that went
            into a black hole is waited for for ever.
    """
    limits = limits or Limits()
    return await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        timeout=limits.connect_seconds,
        server_settings=server_settings(application_name, limits) | dict(settings or {}),
        init=init,
        command_timeout=command_seconds,
        # A hundred contracts have more statements than asyncpg's default of a hundred keeps prepared.
        statement_cache_size=1_000,
        # A new connection looks up the types of all arrays again, in the middle of somebody's transaction.
        max_queries=1_000_000_000,
        max_inactive_connection_lifetime=0.0,
    )


async def wait_ready(
    dsn: str, *, timeout_seconds: float | None = None, first_delay_seconds: float = 0.05, max_delay_seconds: float = 2.0
) -> None:
    """Returns when Postgres takes connections; tries again with growing, jittered pauses.

    Args:
        dsn: postgresql:// address.
        timeout_seconds: When to give up; None: never.
        first_delay_seconds: The first pause.
        max_delay_seconds: The longest pause.

    Raises:
        PostgresUnavailableError: It did not answer in time.
    """
    delay = first_delay_seconds
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                try:
                    connection = await connect(dsn, application_name="dataflow-wait")
                except Exception as error:
                    if translate(error) is None:
                        raise
                    _log.info("waiting for Postgres", extra=fields("postgres_wait", error=type(error).__name__))
                else:
                    await connection.close()
                    return
                await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
                delay = min(delay * 2, max_delay_seconds)
    except TimeoutError as error:
        raise PostgresUnavailableError from error


async def check_durability(connection: Connection) -> list[str]:
    """Looks whether a commit survives a crash, and returns warnings for what only costs comfort.

    Raises:
        DurabilityError: fsync, full_page_writes or synchronous_commit is off, or the version is below 15.
    """
    version = connection.get_server_version()
    names = ("fsync", "full_page_writes", "synchronous_commit", "max_locks_per_transaction")
    rows = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1)", names)
    values = {row["name"]: row["setting"] for row in rows}
    wrong = [f"{name} is {values[name]}" for name in names[:3] if values[name] in {"off", "local"}]
    if version.major < MIN_VERSION:
        wrong.append(f"version {version.major} is below {MIN_VERSION}")
    if wrong:
        raise DurabilityError("Postgres may lose committed readings: " + ", ".join(wrong))
    if (locks := int(values["max_locks_per_transaction"])) < MIN_LOCKS_PER_TRANSACTION:
        wanted = f"max_locks_per_transaction is {locks}: set {MIN_LOCKS_PER_TRANSACTION} for many partitions"
        return [wanted]
    return []


async def check_clock(connection: Connection) -> float:
    """Returns by how many seconds the database's clock is ahead of ours; warns above 1 s.

    Raises:
        ClockError: The difference is above 60 s.
    """

    async def read() -> float:
        return float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())"))

    difference = await clock_difference(read)
    judge_clock(difference, "Postgres")
    return difference


def translate(error: BaseException) -> DataflowError | None:
    """Returns what a failure of Postgres means to a caller, or None when it is a defect or not Postgres's at all.

    The driver gives plain OSError and TimeoutError for a server that is not there; they count only where the driver
    raised them.
    """
    if isinstance(error, asyncpg.QueryCanceledError):
        return DeadlineExceededError()
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return PostgresUnavailableError() if state.startswith(_UNAVAILABLE_CLASSES) else None
    if isinstance(error, asyncpg.InternalClientError):
        # "cannot switch to state": a connection taken from the pool in the moment in which the server died.
        return PostgresUnavailableError()
    if isinstance(error, asyncpg.InterfaceError):
        closed = "closed" in str(error) or "closing" in str(error) or "reset" in str(error)
        return PostgresUnavailableError() if closed else None
    if isinstance(error, OSError | TimeoutError | asyncio.IncompleteReadError) and _raised_by_driver(error):
        return PostgresUnavailableError()
    return None


def _raised_by_driver(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__", "")).startswith("asyncpg"):
            return True
        trace = trace.tb_next
    return False
