"""Keeps a validator's name to itself: two of one name would take each other's batches for their own of an earlier life.

The name is an advisory lock of a connection of its own, so that a killed validator gives it up with its sockets, and its
next life need not wait for any time to pass.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from types import TracebackType
from typing import Final, Self

import asyncpg
from dataflow_mesh.postgres import connect, translate

logger = logging.getLogger(__name__)

_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended('dataflow.validator.name', 0) # hashtextextended($1, 0))"
_LOOK_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 0.25
_ANSWER_SECONDS: Final = 3.0


class ConsumerNameTakenError(Exception):
    """Another validator that runs has this name: give each its own `validator_id`."""


class ConsumerName:
    """The name, held from entering the context until leaving it.

    Args:
        dsn: Postgres.
        name: Of the validator, and of its consumer on the ring.
        patience_seconds: How long an earlier life may take to be gone: its machine may have vanished.
    """

    def __init__(self, dsn: str, name: str, *, patience_seconds: float = 30.0) -> None:
        self._dsn = dsn
        self._name = name
        self._life = f"{name} {uuid.uuid4().hex[:8]}"
        self._patience_seconds = patience_seconds
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def __aenter__(self) -> Self:
        """Take the name.

        Raises:
            ConsumerNameTakenError: Somebody else has it, and keeps it.
        """
        deadline = asyncio.get_running_loop().time() + self._patience_seconds
        while not await self._take():
            if asyncio.get_running_loop().time() > deadline:
                await self._close()
                raise ConsumerNameTakenError(
                    f"another validator named {self._name!r} is running: give each its own validator_id"
                )
            await asyncio.sleep(_RETRY_SECONDS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def keep(self) -> None:
        """Take the name again for ever, where Postgres or the way to it was gone meanwhile; nothing stops for that."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                if self._connection is not None and not self._connection.is_closed():
                    await self._connection.execute("SELECT 1", timeout=_ANSWER_SECONDS)
                elif not await self._take():
                    # Most likely our own connection of before, which the server has not given up yet.
                    logger.warning(
                        "the name of this validator is taken",
                        extra={"action": "validator.name_taken", "name_wanted": self._name},
                    )
            except Exception as error:
                if translate(error) is None and not isinstance(error, asyncpg.PostgresError | TimeoutError):
                    raise
                await self._close()

    async def _take(self) -> bool:
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._dsn, application_name=f"{self._life} name")
        taken = await self._connection.fetchval(_LOCK, self._name, timeout=_ANSWER_SECONDS)
        return bool(taken)

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
