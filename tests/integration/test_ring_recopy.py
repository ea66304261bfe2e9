"""Batches on too few nodes are found and copied, on real Redis servers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager

import redis
from dataflow_bridge.ring.recopier import Recopier, RecopyOptions
from dataflow_mesh.testing import RedisServer
from dataflow_ring import keys
from dataflow_ring.append import Appender
from dataflow_ring.batch import new_batch_id
from dataflow_ring.connection import NodeConnection
from dataflow_ring.nodes import Health, Node, State, admit
from dataflow_ring.recopy import Target, copy_missing, find_missing

FAST = RecopyOptions(
    look_seconds=0.02,
    grace_seconds=0.1,
    min_age_seconds=0.0,
    settle_seconds=0.05,
    again_seconds=0.1,
    away_again_seconds=0.5,
)


async def admitted(servers: Sequence[RedisServer], zones: Sequence[str] = ("", "", "")) -> list[Node]:
    return [
        Node(f"node-{n}", server.url, State.ACTIVE, (await admit(server.url)).incarnation, zone)
        for n, (server, zone) in enumerate(zip(servers, zones, strict=False))
    ]


def held(server: RedisServer) -> set[bytes]:
    """Return the ids of all batches on a node."""
    with redis.Redis.from_url(server.url) as client:
        entries = [*client.xrange(keys.BATCHES), *client.xrange(keys.COPIES)]
    return {fields[keys.FIELD_BATCH_ID] for _, fields in entries}


def put(server: RedisServer, batch_ids: Collection[bytes], stream: bytes = keys.BATCHES) -> None:
    with redis.Redis.from_url(server.url) as client:
        pipe = client.pipeline(transaction=False)
        for batch_id in batch_ids:
            pipe.xadd(
                stream, {keys.FIELD_BATCH_ID: batch_id, keys.FIELD_PRIMARY: b"node-0", keys.FIELD_BYTES: batch_id}
            )
        pipe.execute()


def wipe(server: RedisServer) -> None:
    server.kill()
    server.lose_data()
    server.start()


async def until(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - looks at servers
            await asyncio.sleep(0.02)


@asynccontextmanager
async def recopying(
    appender: Appender, holder: str = "bridge-1/a", *, leads: bool = True, alone: bool = False
) -> AsyncIterator[Recopier]:
    recopier = Recopier(appender, holder, lambda: leads, lambda: alone, FAST)
    task = asyncio.create_task(recopier.run())
    try:
        yield recopier
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_the_comparison_finds_what_is_on_too_few_nodes_part_by_part(redis_nodes: list[RedisServer]) -> None:
    """However few ids may be held at a time, none is left out and none that is on enough nodes is named."""
    nodes = await admitted(redis_nodes)
    both, lone, lone_copies = ([new_batch_id() for _ in range(count)] for count in (100, 70, 30))
    put(redis_nodes[0], both)
    put(redis_nodes[1], both, keys.COPIES)
    put(redis_nodes[1], lone)
    put(redis_nodes[2], lone_copies, keys.COPIES)
    connections = {node.name: NodeConnection(node.url) for node in nodes}
    for max_ids in (1_000, 20):
        found = [
            item
            async for part in find_missing(connections, wanted=2, min_age_seconds=-1.0, max_ids=max_ids)
            for item in part
        ]
        assert sorted(item.holders for item in found) == sorted([("node-1",)] * 70 + [("node-2",)] * 30)
    for connection in connections.values():
        await connection.close()


async def test_entries_on_their_way_are_left_alone(redis_nodes: list[RedisServer]) -> None:
    """The first copy of a batch is there a moment before the second."""
    nodes = await admitted(redis_nodes)
    put(redis_nodes[0], [new_batch_id()])
    connections = {node.name: NodeConnection(node.url) for node in nodes}
    assert [part async for part in find_missing(connections, wanted=2, min_age_seconds=60.0)] == [[]]
    for connection in connections.values():
        await connection.close()


async def test_a_copy_goes_to_another_zone_first(redis_nodes: list[RedisServer]) -> None:
    """Where there are two zones, two copies are never in one."""
    nodes = await admitted(redis_nodes, ("a", "a", "b"))
    batch_ids = {new_batch_id() for _ in range(6)}
    put(redis_nodes[0], batch_ids)
    connections = {node.name: NodeConnection(node.url) for node in nodes}
    zones = {node.name: node.zone for node in nodes}
    targets = [Target(node, connections[node.name]) for node in nodes]
    async for missing in find_missing(connections, wanted=2, min_age_seconds=-1.0):
        assert await copy_missing(missing, connections, targets, zones) == 0
    assert held(redis_nodes[2]) == batch_ids
    assert held(redis_nodes[1]) == set()
    for connection in connections.values():
        await connection.close()


async def test_after_a_node_is_lost_a_second_one_may_be_lost_too(redis_nodes: list[RedisServer]) -> None:
    """What the lost node held is on two others before anybody says that nothing is missing."""
    async with Appender(probe_seconds=0.05) as appender:
        await appender.set_members(await admitted(redis_nodes))
        batch_ids = {new_batch_id() for _ in range(60)}
        for batch_id in batch_ids:
            await appender.append(batch_id, b"x" * 100)
        async with recopying(appender) as recopier:
            await until(lambda: recopier.under_replicated == 0)
            wipe(redis_nodes[1])
            await until(lambda: appender.nodes[1].health is Health.DOWN)
            assert recopier.under_replicated
            await until(lambda: recopier.under_replicated == 0)
            assert held(redis_nodes[0]) == held(redis_nodes[2]) == batch_ids


async def test_a_batch_that_finds_no_room_stays_reported(redis_nodes: list[RedisServer]) -> None:
    """Of two nodes one is lost: nothing can be copied until another one joins."""
    async with Appender(probe_seconds=0.05) as appender:
        nodes = await admitted(redis_nodes)
        await appender.set_members(nodes[:2])
        batch_ids = {new_batch_id() for _ in range(5)}
        for batch_id in batch_ids:
            await appender.append(batch_id, b"x")
        async with recopying(appender) as recopier:
            await until(lambda: recopier.under_replicated == 0)
            wipe(redis_nodes[1])
            await until(lambda: appender.nodes[1].health is Health.DOWN)
            for _ in range(3):
                await asyncio.sleep(0.2)
                assert recopier.under_replicated == 5
            await appender.set_members(nodes)
            await until(lambda: recopier.under_replicated == 0)
            assert held(redis_nodes[2]) == batch_ids


async def test_without_postgres_one_bridge_does_it_and_the_others_hear_of_it(redis_nodes: list[RedisServer]) -> None:
    """Nobody can lead then; a claim on a ring node saves the work of doing it twice."""
    async with Appender(probe_seconds=0.05) as first, Appender(probe_seconds=0.05) as second:
        nodes = await admitted(redis_nodes)
        await first.set_members(nodes)
        await second.set_members(nodes)
        batch_ids = {new_batch_id() for _ in range(10)}
        for batch_id in batch_ids:
            await first.append(batch_id, b"x")
        async with (
            recopying(first, "bridge-1/a", leads=False, alone=True) as one,
            recopying(second, "bridge-2/b", leads=False, alone=True) as other,
        ):
            await until(lambda: one.under_replicated == other.under_replicated == 0)
            wipe(redis_nodes[1])
            await until(lambda: bool(one.copied or other.copied))
            await until(lambda: one.under_replicated == other.under_replicated == 0)
            assert held(redis_nodes[0]) == held(redis_nodes[2]) == batch_ids
            assert bool(one.copied) != bool(other.copied)


async def test_a_draining_node_counts_while_it_can_be_read(redis_nodes: list[RedisServer]) -> None:
    """Its batches are not moved: validators empty it."""
    async with Appender(probe_seconds=0.05) as appender:
        nodes = await admitted(redis_nodes)
        await appender.set_members(nodes)
        for _ in range(10):
            await appender.append(new_batch_id(), b"x")
        draining = Node("node-1", nodes[1].url, State.DRAINING, nodes[1].incarnation)
        await appender.set_members([nodes[0], draining, nodes[2]])
        async with recopying(appender) as recopier:
            await until(lambda: recopier.under_replicated == 0)
            assert recopier.copied == 0
