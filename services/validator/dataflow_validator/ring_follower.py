"""Follows the ring's membership, as the bridges keep it in Postgres, and runs one reader for each node."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Final, Self

import asyncpg
from dataflow_mesh.postgres import Pool
from dataflow_ring.consume import NodeReader, ReaderOptions, Sink
from dataflow_ring.nodes import Durability, Node, State

from dataflow_validator.failure import DATABASE_ERRORS

logger = logging.getLogger(__name__)

_FOLLOW_SECONDS: Final = 1.0
_NODES: Final = "SELECT name, url, state, zone, incarnation, durability FROM bridge.node WHERE state <> 'REMOVED'"


class RingFollower:
    """The readers of this validator, one for each member that is not REMOVED; DRAINING nodes are read until empty."""

    def __init__(self, pool: Pool, options: ReaderOptions) -> None:
        self._pool = pool
        self._options = options
        self._readers: dict[str, NodeReader] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._group = await self._stack.enter_async_context(asyncio.TaskGroup())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks.values():
            task.cancel()
        await self._stack.aclose()
        for reader in self._readers.values():
            await reader.close()

    def reader(self, node: str) -> NodeReader | None:
        """Return the reader of a node; None for a node that is no member."""
        return self._readers.get(node)

    @property
    def readers(self) -> list[NodeReader]:
        """All readers by node name."""
        return [self._readers[name] for name in sorted(self._readers)]

    async def follow(self, sink: Sink) -> None:
        """Follow for ever; the last-known members are read on while Postgres is away."""
        while True:
            try:
                await self._refresh(sink)
            except asyncpg.UndefinedTableError:
                pass  # no bridge has started yet
            except DATABASE_ERRORS as error:
                logger.info("membership cannot be read", extra={"action": "ring.follow", "detail": str(error)[:200]})
            await asyncio.sleep(_FOLLOW_SECONDS if self._readers else _FOLLOW_SECONDS / 5)

    async def _refresh(self, sink: Sink) -> None:
        assert self._group is not None
        records = await self._pool.fetch(_NODES, timeout=3.0)
        wanted = {
            record["name"]: Node(
                record["name"],
                record["url"],
                State(record["state"]),
                record["incarnation"],
                record["zone"],
                Durability(record["durability"]),
            )
            for record in records
        }
        for name in [*self._readers]:
            node = wanted.get(name)
            known = self._readers[name].node
            if node is None or (node.url, node.incarnation) != (known.url, known.incarnation):
                self._tasks.pop(name).cancel()
                await self._readers.pop(name).close()
        for name, node in wanted.items():
            if name not in self._readers:
                reader = self._readers[name] = NodeReader(node, sink, self._options)
                work = reader.run(self.reader, self._readers.values)
                self._tasks[name] = self._group.create_task(work, name=f"reader-{name}")
                logger.info("reading ring node", extra={"action": "ring.read", "node": name})
