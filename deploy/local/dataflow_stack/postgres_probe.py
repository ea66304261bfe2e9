"""Asks the embedded Postgres whether it serves, over a connection that stays: each new one costs a process and a password."""

import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_SECONDS: Final = 3.0
_FRESH_SECONDS: Final = 10.0
"""How often a new connection is tried: one that stays says nothing about whether others are let in."""
_FAILURES: Final = (
    OSError,
    EOFError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # "cannot switch to state": the server died under the connection
)


class PostgresProbe:
    """The server, asked again and again.

    Args:
        connect: Opens a connection.
    """

    def __init__(self, connect: Callable[[], "Awaitable[Connection]"]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._opened_at = 0.0

    async def serves(self) -> bool:
        """Returns whether the server takes connections and answers."""
        try:
            connection = self._connection
            if connection is None or connection.is_closed() or time.monotonic() - self._opened_at > _FRESH_SECONDS:
                await self.close()
                connection = self._connection = await self._connect()
                self._opened_at = time.monotonic()
            await connection.execute("SELECT 1", timeout=_SECONDS)
        except _FAILURES:
            await self.close()
            return False
        return True

    async def close(self) -> None:
        """Closes the connection; the next question opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*_FAILURES):
                await connection.close(timeout=_SECONDS)
            connection.terminate()
