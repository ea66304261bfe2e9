"""A reader without room lives: nobody takes from it what it works on."""

import asyncio
from collections.abc import Collection, Sequence

import redis
from dataflow_mesh.testing import RedisServer
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id
from dataflow_ring.consume import Entry, NodeReader, ReaderOptions
from dataflow_ring.nodes import Node, State, admit


class Sink:
    """Has room for a number of entries, and never finishes one."""

    def __init__(self, room: int) -> None:
        self.taken: asyncio.Queue[Entry] = asyncio.Queue(room)

    async def put(self, entry: Entry) -> None:
        await self.taken.put(entry)

    def holds(self, batch_id: bytes) -> bool:
        return False

    async def ready(self) -> None:
        pass

    async def committed(self, batch_ids: Sequence[bytes]) -> Collection[bytes]:
        return []

    async def park(self, entry: Entry, reason: str) -> None:
        raise AssertionError(reason)


async def test_a_reader_without_room_keeps_what_it_works_on(redis_nodes: list[RedisServer]) -> None:
    """It waits with entries of a dead reader in its hands, and says all the while that it lives."""
    node = Node("node-0", redis_nodes[0].url, State.ACTIVE, (await admit(redis_nodes[0].url)).incarnation)
    options = {"block_seconds": 0.1, "claim_idle_seconds": 0.6, "claim_every_seconds": 0.1, "read_count": 20}
    with redis.Redis.from_url(node.url) as client:
        for _ in range(20):
            client.xadd(keys.BATCHES, {keys.FIELD_BATCH_ID: new_batch_id(), keys.FIELD_BYTES: b"x"})
        client.xreadgroup(keys.GROUP, "dead", {keys.BATCHES: ">"}, count=20)
        full, empty = Sink(4), Sink(100)
        readers = [
            NodeReader(node, full, ReaderOptions("full", **options)),  # type: ignore[arg-type]
            NodeReader(node, empty, ReaderOptions("empty", **options)),  # type: ignore[arg-type]
        ]
        tasks = [asyncio.create_task(readers[0].run(lambda _: None))]
        try:
            async with asyncio.timeout(10):
                while not full.taken.full():  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            tasks.append(asyncio.create_task(readers[1].run(lambda _: None)))
            async with asyncio.timeout(10):
                # What the full one was given, but has not in its hands, does come to the other one.
                theirs = [(await empty.taken.get()).entry_id for _ in range(15)]
            await asyncio.sleep(1.5)  # longer than claim_idle_seconds
            theirs += [empty.taken.get_nowait().entry_id for _ in range(empty.taken.qsize())]
            held = {full.taken.get_nowait().entry_id for _ in range(4)}
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for reader in readers:
                await reader.close()
    assert held.isdisjoint(theirs)
