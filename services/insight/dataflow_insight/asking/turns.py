"""Queries of one caller take turns, so that it never has all connections: others, and the catalogue, go on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from dataflow_insight.queries.reads import Queries


@dataclass(slots=True)
class _Turns:
    """The queries of one caller: how many may run, and how many run or wait."""

    free: asyncio.Semaphore
    wanted: int = field(default=0)


class CallerTurns:
    """Runs some queries of each caller at a time; further ones wait, no longer than their answer may take.

    Args:
        queries: Runs them.
        limit: Most of one caller at a time.
        caller: Returns who calls.
    """

    def __init__(self, queries: Queries, limit: int, caller: Callable[[], str]) -> None:
        self._queries = queries
        self._limit = limit
        self._caller = caller
        self._turns: dict[str, _Turns] = {}

    async def fetch_bounded(
        self, sql: str, *parameters: object, told: Callable[[float], None] | None = None
    ) -> Sequence[Sequence[Any]]:
        """Returns the rows of a SELECT when it is the caller's turn; see `Queries`."""
        async with self._turn(self._caller()):
            return await self._queries.fetch_bounded(sql, *parameters, told=told)

    @asynccontextmanager
    async def _turn(self, caller: str) -> AsyncIterator[None]:
        turns = self._turns.setdefault(caller, _Turns(asyncio.Semaphore(self._limit)))
        turns.wanted += 1
        try:
            async with turns.free:
                yield
        finally:
            turns.wanted -= 1
            if not turns.wanted:
                del self._turns[caller]
