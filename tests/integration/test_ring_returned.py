"""What a node brings back from an earlier membership, on real Redis servers."""

import asyncio
from collections.abc import Collection, Sequence

import pytest
import redis
from dataflow_mesh.testing import RedisServer
from dataflow_ring import control, keys
from dataflow_ring.batch import new_batch_id
from dataflow_ring.connection import NodeConnection
from dataflow_ring.consume import Entry, NodeReader, ReaderOptions
from dataflow_ring.nodes import FencedError, Node, State, admit
from dataflow_ring.returned import park_returned


class Sink:
    """Parks, and knows what is committed already."""

    def __init__(self, committed: Collection[bytes]) -> None:
        self._committed = set(committed)
        self.parked: dict[bytes, Entry] = {}
        self.reader: NodeReader | None = None

    def commit(self, batch_id: bytes) -> None:
        self._committed.add(batch_id)

    async def put(self, entry: Entry) -> None:
        raise AssertionError(entry)

    def holds(self, batch_id: bytes) -> bool:
        return False

    async def ready(self) -> None:
        pass

    async def committed(self, batch_ids: Sequence[bytes]) -> Collection[bytes]:
        return self._committed & set(batch_ids)

    async def park(self, entry: Entry, reason: str) -> None:
        assert self.reader is not None
        self.parked[entry.batch_id] = entry
        await self.reader.acknowledge([entry])


def fill(server: RedisServer, batch_ids: Sequence[bytes], stream: bytes = keys.BATCHES) -> None:
    with redis.Redis.from_url(server.url) as client:
        for batch_id in batch_ids:
            client.xadd(stream, {keys.FIELD_BATCH_ID: batch_id, keys.FIELD_BYTES: b"x"}, nomkstream=True)


async def test_entries_of_an_earlier_membership_are_parked_and_never_judged(redis_nodes: list[RedisServer]) -> None:
    """They may have been stored longer ago than anybody remembers; what is known to be stored is only deleted."""
    server = redis_nodes[0]
    first = await admit(server.url)
    old, stored, further = ([new_batch_id() for _ in range(count)] for count in (20, 3, 2))
    fill(server, [*old, *stored])
    fill(server, further, keys.COPIES)
    again = await admit(server.url, known={first.incarnation}, epoch=2)
    assert again.returned == 25
    sink = Sink(stored)
    node = Node("node-0", server.url, State.ACTIVE, again.incarnation)
    options = ReaderOptions("v", block_seconds=0.2, returned_every_seconds=0.02)
    async with NodeReader(node, sink, options) as reader:
        sink.reader = reader
        task = asyncio.create_task(reader.run(lambda _: None))
        with redis.Redis.from_url(server.url) as client:
            async with asyncio.timeout(10):
                while client.exists(keys.RETURNED):  # noqa: ASYNC110 - looks at a server
                    await asyncio.sleep(0.02)
            assert sorted(client.keys()) == sorted([keys.BATCHES, keys.COPIES, keys.EPOCH, keys.INCARNATION])
        task.cancel()
        await asyncio.wait([task])
    assert set(sink.parked) == {*old, *further}


async def test_what_may_be_judged_from_its_other_copy_is_not_parked_yet(redis_nodes: list[RedisServer]) -> None:
    """Parked batches count as done: the copy that waits on another node would never be judged."""
    server = redis_nodes[0]
    first = await admit(server.url)
    both, lone = new_batch_id(), new_batch_id()
    fill(server, [both, lone])
    again = await admit(server.url, known={first.incarnation}, epoch=2)
    async with NodeConnection(server.url) as connection:
        sink = Sink([])
        options = ReaderOptions("v")
        async with NodeReader(Node("node-0", server.url, State.ACTIVE, again.incarnation), sink, options) as reader:
            sink.reader = reader
            assert await park_returned(connection, "node-0", sink, oldest_elsewhere_seconds=60.0) == 0
            sink.commit(both)
            assert await park_returned(connection, "node-0", sink, oldest_elsewhere_seconds=60.0) == 1
            assert sink.parked == {}
            async with asyncio.timeout(10):
                while not sink.parked:
                    await park_returned(connection, "node-0", sink, oldest_elsewhere_seconds=0.0)
                    await asyncio.sleep(0.1)
            assert set(sink.parked) == {lone}


async def test_a_removal_leaves_a_node_with_batches_alone_unless_forced(redis_nodes: list[RedisServer]) -> None:
    """Forced, it takes the streams away from late writers, and keeps what they hold."""
    server = redis_nodes[0]
    incarnation = (await admit(server.url)).incarnation
    fill(server, [new_batch_id(), new_batch_id()])
    async with NodeConnection(server.url) as connection:
        verdict = await control.remove(connection, incarnation=incarnation, epoch=1, force=False)
        assert (verdict.outcome, verdict.batches, verdict.copies) == (control.Outcome.HOLDS, 2, 0)
        verdict = await control.remove(connection, incarnation=incarnation, epoch=2, force=True)
        assert verdict.outcome is control.Outcome.DONE
    with redis.Redis.from_url(server.url) as client:
        fill(server, [new_batch_id()])
        assert not client.exists(keys.BATCHES, keys.COPIES)
        (kept,) = client.smembers(keys.RETURNED)
        assert client.xlen(kept) == 2


@pytest.mark.parametrize("change", ["admit", "remove", "fence"])
async def test_a_change_that_was_decided_before_another_one_comes_too_late(
    redis_nodes: list[RedisServer], change: str
) -> None:
    """Whoever was frozen between its decision and its script does no harm when it wakes up."""
    server = redis_nodes[0]
    incarnation = (await admit(server.url, epoch=7)).incarnation
    async with NodeConnection(server.url) as connection:
        if change == "admit":
            with pytest.raises(FencedError):
                await admit(server.url, known={incarnation}, epoch=6)
        elif change == "remove":
            verdict = await control.remove(connection, incarnation=incarnation, epoch=6, force=True)
            assert verdict.outcome is control.Outcome.FENCED
        else:
            verdict = await control.fence(connection, incarnation=incarnation, epoch=6)
            assert verdict.outcome is control.Outcome.FENCED
        assert await connection.call(b"GET", keys.INCARNATION) == incarnation.encode()
        assert await connection.call(b"EXISTS", keys.BATCHES, keys.COPIES) == 2


async def test_a_removal_never_touches_another_incarnation(redis_nodes: list[RedisServer]) -> None:
    """The node was admitted again meanwhile, or is another server."""
    server = redis_nodes[0]
    await admit(server.url)
    async with NodeConnection(server.url) as connection:
        verdict = await control.remove(connection, incarnation="of before", epoch=9, force=True)
        assert verdict.outcome is control.Outcome.INCARNATION
        assert await connection.call(b"EXISTS", keys.BATCHES, keys.COPIES) == 2
