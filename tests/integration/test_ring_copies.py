"""Copies that wait, on real Redis servers: they hide nothing that comes behind them."""

import asyncio
from collections.abc import Collection, Sequence

import redis
from dataflow_mesh.testing import RedisServer
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id
from dataflow_ring.consume import Entry, NodeReader, Origin, ReaderOptions
from dataflow_ring.nodes import Node, State, admit


class Sink:
    """Knows what is committed, and notes the orphans."""

    def __init__(self, committed: Collection[bytes]) -> None:
        self._committed = committed
        self.orphans: set[bytes] = set()

    async def put(self, entry: Entry) -> None:
        if entry.origin is Origin.ORPHAN:
            self.orphans.add(entry.batch_id)

    def holds(self, batch_id: bytes) -> bool:
        return False

    async def ready(self) -> None:
        pass

    async def committed(self, batch_ids: Sequence[bytes]) -> Collection[bytes]:
        return [batch_id for batch_id in batch_ids if batch_id in self._committed]

    async def park(self, entry: Entry, reason: str) -> None:
        raise AssertionError(reason)


async def test_copies_that_wait_hide_nothing_behind_them(redis_nodes: list[RedisServer]) -> None:
    """A stopped lane keeps first copies on their node: later copies are discarded, or taken when their node is lost."""
    servers = redis_nodes[:2]
    nodes = [
        Node(f"node-{n}", server.url, State.ACTIVE, (await admit(server.url)).incarnation)
        for n, server in enumerate(servers)
    ]
    stuck, committed, lost = ([new_batch_id() for _ in range(count)] for count in (1500, 40, 5))
    with redis.Redis.from_url(servers[0].url) as first, redis.Redis.from_url(servers[1].url) as second:
        pipe = second.pipeline(transaction=False)
        first.xadd(keys.BATCHES, {keys.FIELD_BATCH_ID: stuck[0], keys.FIELD_BYTES: b"x"})
        for batch_ids, primary in ((stuck, b"node-0"), (committed, b"node-0"), (lost, b"node-9")):
            for batch_id in batch_ids:
                pipe.xadd(
                    keys.COPIES,
                    {keys.FIELD_BATCH_ID: batch_id, keys.FIELD_PRIMARY: primary, keys.FIELD_BYTES: b"x"},
                )
        pipe.execute()
        sink = Sink(set(committed))
        options = ReaderOptions("v", block_seconds=0.2, grace_seconds=0.3, copies_every_seconds=0.02)
        readers = {node.name: NodeReader(node, sink, options) for node in nodes}
        tasks = [asyncio.create_task(reader.run(readers.get)) for reader in readers.values()]
        try:
            async with asyncio.timeout(20):
                while second.xlen(keys.COPIES) > len(stuck) + len(lost) or sink.orphans != set(lost):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for reader in readers.values():
                await reader.close()
