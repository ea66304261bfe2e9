"""Whether Postgres answers: nobody reads the ring while it does not, so that nothing healthy is ever suspected."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dataflow_mesh.postgres import Pool

from dataflow_validator.failure import DATABASE_ERRORS, Failure, failure_of

logger = logging.getLogger(__name__)

T = TypeVar("T")


class PostgresWatch:
    """Postgres as the pipeline finds it; taken for away until it has answered once.

    Args:
        pool: Postgres.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._down.set()
        self._closed = False

    @property
    def is_ready(self) -> bool:
        """Whether the last statement found Postgres, and more may be begun."""
        return self._up.is_set()

    async def ready(self) -> None:
        """Return when Postgres answers; never again after `close`."""
        await self._up.wait()

    def close(self) -> None:
        """Have nobody begin anything new; what has begun goes on."""
        self._closed = True
        self._up.clear()

    def failed(self, error: BaseException) -> None:
        """Note that a statement failed: if that is a matter of the moment, Postgres is taken for away."""
        if failure_of(error) is Failure.MOMENT and self._up.is_set():
            self._up.clear()
            self._down.set()
            logger.warning("postgres is away", extra={"action": "postgres.away", "detail": str(error)[:200]})

    async def until(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do one statement that needs no transaction, again until Postgres took it."""
        delay = 0.05
        while True:
            try:
                return await work()
            except DATABASE_ERRORS as error:
                self.failed(error)
                logger.warning(
                    "statement failed, trying again", extra={"action": "store.retry", "detail": str(error)[:200]}
                )
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)

    async def watch(self) -> None:
        """Look for Postgres for ever, while it is away."""
        while True:
            await self._down.wait()
            try:
                await self._pool.fetchval("SELECT 1", timeout=2.0)
            except DATABASE_ERRORS:
                await asyncio.sleep(0.25)
                continue
            self._down.clear()
            if not self._closed:
                self._up.set()
