"""The ring as a bridge sees it while nodes freeze, leave, come back empty or come back weaker, with batches on their way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import redis
from dataflow_mesh.testing import RedisServer
from dataflow_ring import keys
from dataflow_ring.append import Appender, Placement
from dataflow_ring.batch import new_batch_id
from dataflow_ring.nodes import Health, Node, State, admit


async def admitted(servers: Sequence[RedisServer]) -> list[Node]:
    return [
        Node(f"node-{index}", server.url, State.ACTIVE, (await admit(server.url)).incarnation)
        for index, server in enumerate(servers)
    ]


@asynccontextmanager
async def ring(nodes: Sequence[Node], **options: float) -> AsyncIterator[Appender]:
    settings = {"timeout_seconds": 0.3, "probe_seconds": 0.1} | options
    async with Appender(**settings) as appender:  # type: ignore[arg-type]
        await appender.set_members(nodes)
        yield appender


def holders(servers: Sequence[RedisServer], batch_id: bytes) -> set[str]:
    found = set()
    for index, server in enumerate(servers):
        with redis.Redis.from_url(server.url) as client:
            for stream in (keys.BATCHES, keys.COPIES):
                if any(fields[keys.FIELD_BATCH_ID] == batch_id for _, fields in client.xrange(stream)):
                    found.add(f"node-{index}")
    return found


async def eventually(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if reached():
                return
            await asyncio.sleep(0.01)


async def test_batches_that_wait_for_a_frozen_node_leave_it_together(redis_nodes: list[RedisServer]) -> None:
    """Each of them trying for itself would add the time limits up."""
    async with ring(await admitted(redis_nodes), connections_per_node=1, probe_seconds=60) as appender:
        redis_nodes[0].pause()
        try:
            await asyncio.gather(*(appender.append(new_batch_id(), b"x") for _ in range(60)))
        finally:
            redis_nodes[0].resume()
    # Some forty copies were meant for it: one of them timed out, the others did not knock at its door.
    with redis.Redis.from_url(redis_nodes[0].url) as client:
        assert client.info("stats")["total_connections_received"] < 10


async def test_a_copy_on_a_node_that_left_does_not_count(redis_nodes: list[RedisServer]) -> None:
    """Nobody reads a node that is no member: the batch goes to another one."""
    nodes = await admitted(redis_nodes)
    async with ring(nodes, timeout_seconds=5) as appender:
        redis_nodes[1].pause()
        on_their_way = [asyncio.create_task(appender.append(new_batch_id(), b"x")) for _ in range(12)]
        await asyncio.sleep(0)
        await appender.set_members([nodes[0], nodes[2]])
        redis_nodes[1].resume()
        placements: list[Placement] = await asyncio.wait_for(asyncio.gather(*on_their_way), 20)
    assert {frozenset(placement.nodes) for placement in placements} == {frozenset({"node-0", "node-2"})}


async def test_a_copy_on_a_node_that_was_admitted_anew_does_not_count(redis_nodes: list[RedisServer]) -> None:
    """It lost its disk while the batch waited for a second node: acknowledged is only what both have."""
    servers = redis_nodes[:2]
    nodes = await admitted(servers)
    async with ring(nodes) as appender:
        servers[1].kill()
        batch_id = new_batch_id()
        waiting = asyncio.create_task(appender.append(batch_id, b"x"))
        await eventually(lambda: holders(servers[:1], batch_id) == {"node-0"})
        servers[0].stop()
        servers[0].lose_data()
        servers[0].start()
        await appender.set_members([*await admitted(servers[:1]), nodes[1]])
        servers[1].start()
        await asyncio.wait_for(waiting, 20)
    assert holders(servers, batch_id) == {"node-0", "node-1"}


async def test_a_change_of_members_that_is_cut_off_leaves_nothing_unwatched(redis_nodes: list[RedisServer]) -> None:
    """Whoever asked for the node may hang up while it is looked at for the first time."""
    nodes = await admitted(redis_nodes)
    async with ring(nodes[:2]) as appender:
        redis_nodes[2].pause()
        adding = asyncio.create_task(appender.set_members(nodes))
        await asyncio.sleep(0)
        adding.cancel()
        await asyncio.wait([adding])
        redis_nodes[2].resume()
        await eventually(lambda: appender.nodes[2].health is Health.HEALTHY)
        await appender.set_members(nodes[:2])
        assert [node.node.name for node in appender.nodes] == ["node-0", "node-1"]


async def test_a_node_that_is_less_durable_than_at_its_admission_gets_nothing(redis_nodes: list[RedisServer]) -> None:
    """It was admitted with appendfsync always; another setting is found at the next connect."""
    async with ring(await admitted(redis_nodes)) as appender:
        await appender.append(new_batch_id(), b"x")
        with redis.Redis.from_url(redis_nodes[2].url) as client:
            client.config_set("appendfsync", "everysec")
            client.client_kill_filter(_type="normal", skipme=True)
            try:
                ids = [new_batch_id() for _ in range(6)]
                for batch_id in ids:
                    await appender.append(batch_id, b"x")
                await appender.nodes[2].probe()  # may find its connection closed
                await appender.nodes[2].probe()
            finally:
                client.config_set("appendfsync", "always")
        assert appender.nodes[2].health is Health.DOWN
        assert "appendfsync" in appender.nodes[2].detail
        assert all(holders(redis_nodes, batch_id) == {"node-0", "node-1"} for batch_id in ids)
