"""Compares this bridge's clock, which stamps receive times, with those of Postgres and of the ring's nodes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from dataflow_mesh.clock import ClockError, clock_difference, judge_clock
from dataflow_mesh.postgres import Pool, check_clock, translate
from dataflow_ring.connection import NodeConnection, NodeUnreachableError, ReplyError
from dataflow_ring.nodes import Node

logger = logging.getLogger(__name__)

_EVERY_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 3.0


class Clocks:
    """The clocks that a receive time is compared with later on.

    Args:
        pool: Postgres.
        nodes: Gives the ring's nodes.
    """

    def __init__(self, pool: Pool, nodes: Callable[[], Iterable[Node]]) -> None:
        self._pool = pool
        self._nodes = nodes

    async def check(self, *, postgres: bool = True) -> None:
        """Say which clocks differ by more than 1 s; whoever does not answer is left out.

        Args:
            postgres: False where it is known to be away: nobody need wait for it again.

        Raises:
            ClockError: One differs by more than 60 s.
        """
        if postgres:
            await self._check_postgres()
        for node in self._nodes():
            await self._check_node(node)

    async def watch(self) -> None:
        """Check for ever. A clock that goes wrong later is said, and stops nobody."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.check()
            except ClockError as error:
                logger.error("clocks differ", extra={"action": "bridge.clock", "detail": str(error)})  # noqa: TRY400

    async def _check_postgres(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._pool.acquire(timeout=_PATIENCE_SECONDS) as connection:
                await check_clock(connection)
        except TimeoutError:
            return
        except ClockError:
            raise
        except Exception as error:
            if translate(error) is None:
                raise

    @staticmethod
    async def _check_node(node: Node) -> None:
        async with NodeConnection(node.url, timeout_seconds=_PATIENCE_SECONDS) as connection:

            async def read() -> float:
                seconds, microseconds = await connection.call(b"TIME")
                return int(seconds) + int(microseconds) / 1e6

            try:
                await connection.call(b"PING")  # so that the way there and back is not that of a handshake
                difference = await clock_difference(read)
            except (NodeUnreachableError, ReplyError):
                return
        judge_clock(difference, f"ring node {node.name}")
