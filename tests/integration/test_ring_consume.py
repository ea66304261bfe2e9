"""The ring as a validator sees it, on real Redis servers; the sink stands for pipeline and Postgres."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import redis
from dataflow_mesh.testing import RedisServer
from dataflow_ring import keys
from dataflow_ring.append import Appender
from dataflow_ring.batch import new_batch_id
from dataflow_ring.consume import Entry, NodeReader, Origin, ReaderOptions
from dataflow_ring.nodes import Node, State, admit

OPTIONS = ReaderOptions(
    consumer="reader-0",
    block_seconds=0.2,
    claim_idle_seconds=0.5,
    claim_every_seconds=0.1,
    copies_every_seconds=0.05,
    grace_seconds=0.3,
    timeout_seconds=0.5,
)


class Sink:
    """Collects entries; what it is told to be committed is."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.done: set[bytes] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.changed = asyncio.Condition()

    async def put(self, entry: Entry) -> None:
        self.entries.append(entry)
        async with self.changed:
            self.changed.notify_all()

    def holds(self, batch_id: bytes) -> bool:
        return any(entry.batch_id == batch_id for entry in self.entries)

    async def ready(self) -> None:
        await self.open.wait()

    async def committed(self, batch_ids: Sequence[bytes]) -> Collection[bytes]:
        return self.done & set(batch_ids)

    async def park(self, entry: Entry, reason: str) -> None:
        raise AssertionError(reason)

    async def wait_for(self, count: int) -> list[Entry]:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: len(self.entries) >= count)
        return self.entries


async def admitted(servers: Sequence[RedisServer]) -> list[Node]:
    return [
        Node(f"node-{i}", server.url, State.ACTIVE, (await admit(server.url)).incarnation)
        for i, server in enumerate(servers)
    ]


@asynccontextmanager
async def reading(
    nodes: Sequence[Node], sink: Sink, options: ReaderOptions = OPTIONS
) -> AsyncIterator[dict[str, NodeReader]]:
    readers = {node.name: NodeReader(node, sink, options) for node in nodes}
    tasks = [asyncio.create_task(reader.run(readers.get)) for reader in readers.values()]
    try:
        yield readers
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        for reader in readers.values():
            await reader.close()


async def fill(nodes: Sequence[Node], count: int) -> list[bytes]:
    async with Appender(timeout_seconds=0.5) as appender:
        await appender.set_members(nodes)
        ids = [new_batch_id() for _ in range(count)]
        for batch_id in ids:
            await appender.append(batch_id, b"data-" + batch_id)
    return ids


def depth(server: RedisServer) -> tuple[int, int]:
    with redis.Redis.from_url(server.url) as client:
        return client.xlen(keys.BATCHES), client.xlen(keys.COPIES)


async def until_empty(servers: Sequence[RedisServer]) -> None:
    async with asyncio.timeout(10):
        while any(depth(server) != (0, 0) for server in servers):  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.02)


async def test_each_batch_is_handed_out_once_and_leaves_the_ring_when_committed(redis_nodes: list[RedisServer]) -> None:
    """First copies are read, acknowledged and deleted; second copies are deleted unread."""
    nodes = await admitted(redis_nodes)
    ids = await fill(nodes, 20)
    sink = Sink()
    async with reading(nodes, sink) as readers:
        entries = await sink.wait_for(20)
        assert sorted(e.batch_id for e in entries) == sorted(ids)
        assert {e.origin for e in entries} == {Origin.NEW}
        assert all(e.data == b"data-" + e.batch_id for e in entries)
        sink.done |= set(ids)
        for entry in entries:
            await readers[entry.node].acknowledge([entry])
        await until_empty(redis_nodes)
        assert len(sink.entries) == 20


async def test_nothing_is_read_or_claimed_while_it_cannot_be_stored(redis_nodes: list[RedisServer]) -> None:
    """While Postgres is away the ring keeps everything."""
    nodes = await admitted(redis_nodes[:1])
    sink = Sink()
    sink.open.clear()
    await fill(nodes, 3)
    async with reading(nodes, sink):
        await asyncio.sleep(0.4)
        assert sink.entries == []
        with redis.Redis.from_url(redis_nodes[0].url) as client:
            assert client.xpending(keys.BATCHES, keys.GROUP)["pending"] == 0
        sink.open.set()
        await sink.wait_for(3)


async def test_entries_of_a_dead_reader_are_claimed_as_suspects(redis_nodes: list[RedisServer]) -> None:
    """Another reader takes them over after the idle time."""
    nodes = await admitted(redis_nodes[:1])
    ids = await fill(nodes, 4)
    first, second = Sink(), Sink()
    async with reading(nodes, first, replace(OPTIONS, claim_every_seconds=60)):
        await first.wait_for(4)
    async with reading(nodes, second, replace(OPTIONS, consumer="reader-1")):
        entries = await second.wait_for(4)
    assert sorted(e.batch_id for e in entries) == sorted(ids)
    assert {e.origin for e in entries} == {Origin.SUSPECT}


async def test_a_reader_finds_what_its_earlier_life_left(redis_nodes: list[RedisServer]) -> None:
    """Own pending entries come first, as suspects."""
    nodes = await admitted(redis_nodes[:1])
    ids = await fill(nodes, 4)
    first, second = Sink(), Sink()
    async with reading(nodes, first, replace(OPTIONS, claim_every_seconds=60)):
        await first.wait_for(4)
    async with reading(nodes, second, replace(OPTIONS, claim_idle_seconds=60)):
        entries = await second.wait_for(4)
    assert [e.batch_id for e in entries] == ids
    assert {e.origin for e in entries} == {Origin.SUSPECT}


async def test_a_slow_reader_keeps_its_entries(redis_nodes: list[RedisServer]) -> None:
    """Work that takes longer than the idle time is not given to somebody else."""
    nodes = await admitted(redis_nodes[:1])
    await fill(nodes, 2)
    slow, other = Sink(), Sink()
    options = replace(OPTIONS, claim_idle_seconds=2.5)
    async with reading(nodes, slow, options):
        await slow.wait_for(2)
        async with reading(nodes, other, replace(options, consumer="reader-1")):
            await asyncio.sleep(4)
            assert other.entries == []


async def test_a_copy_is_handed_out_when_its_first_node_is_gone(redis_nodes: list[RedisServer]) -> None:
    """The loss of a node with its disk loses no batch."""
    nodes = await admitted(redis_nodes)
    ids = await fill(nodes, 12)
    redis_nodes[0].kill()
    redis_nodes[0].lose_data()
    sink = Sink()
    async with reading(nodes, sink) as readers:
        entries = await sink.wait_for(12)
        assert sorted(e.batch_id for e in entries) == sorted(ids)
        orphans = [e for e in entries if e.origin is Origin.ORPHAN]
        assert len(orphans) == 4
        sink.done |= set(ids)
        for entry in entries:
            await readers[entry.node].acknowledge([entry])
        await until_empty(redis_nodes[1:])
    redis_nodes[0].start()


async def test_a_copy_is_handed_out_when_its_first_node_came_back_empty(redis_nodes: list[RedisServer]) -> None:
    """A node that lost its data and was made a node again holds nothing so old."""
    nodes = await admitted(redis_nodes)
    ids = await fill(nodes, 12)
    redis_nodes[1].stop()
    redis_nodes[1].lose_data()
    redis_nodes[1].start()
    nodes[1] = replace(nodes[1], incarnation=(await admit(redis_nodes[1].url)).incarnation)
    sink = Sink()
    async with reading(nodes, sink):
        entries = await sink.wait_for(12)
    assert sorted(e.batch_id for e in entries) == sorted(ids)


async def test_a_copy_waits_while_its_first_node_only_has_a_backlog(redis_nodes: list[RedisServer]) -> None:
    """A slow validator does not make every batch be read twice."""
    nodes = await admitted(redis_nodes)
    await fill(nodes, 9)
    sink = Sink()
    async with reading(nodes, sink):
        await sink.wait_for(9)
        await asyncio.sleep(1.5)
        assert {e.origin for e in sink.entries} <= {Origin.NEW}


async def test_reading_goes_on_when_a_node_returns(redis_nodes: list[RedisServer]) -> None:
    """A restart of the node costs nothing that was on its disk."""
    nodes = await admitted(redis_nodes[:1])
    sink = Sink()
    async with reading(nodes, sink):
        await fill(nodes, 2)
        await sink.wait_for(2)
        redis_nodes[0].kill()
        redis_nodes[0].start()
        await fill(nodes, 2)
        await sink.wait_for(4)


async def test_entries_that_are_pending_but_gone_are_forgotten(redis_nodes: list[RedisServer]) -> None:
    """A reader died between deleting and acknowledging; Redis 6.2 claims such entries without telling their ids."""
    nodes = await admitted(redis_nodes[:1])
    ids = await fill(nodes, 4)
    with redis.Redis.from_url(redis_nodes[0].url) as client:
        ((_, entries),) = client.xreadgroup(keys.GROUP, "dead", {keys.BATCHES: ">"}, count=10)
        gone, left = entries[:3], entries[3]
        client.xdel(keys.BATCHES, *[entry_id for entry_id, _ in gone])
        sink = Sink()
        async with reading(nodes, sink):
            (entry,) = await sink.wait_for(1)
            async with asyncio.timeout(10):
                while client.xpending(keys.BATCHES, keys.GROUP)["pending"] != 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        assert (entry.entry_id, entry.batch_id in ids) == (left[0], True)
