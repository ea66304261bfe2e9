"""Nodes that are late or full, on real Redis servers."""

import asyncio
from collections.abc import Sequence

import pytest
import redis
from dataflow_mesh.testing import RedisServer, redis_server
from dataflow_ring import keys
from dataflow_ring.append import Appender, room
from dataflow_ring.batch import new_batch_id
from dataflow_ring.nodes import Health, Node, State, admit

BIG = b"x" * 200_000


async def admitted(servers: Sequence[RedisServer]) -> list[Node]:
    return [
        Node(f"node-{n}", server.url, State.ACTIVE, (await admit(server.url)).incarnation)
        for n, server in enumerate(servers)
    ]


def count(server: RedisServer) -> int:
    with redis.Redis.from_url(server.url) as client:
        return int(client.xlen(keys.BATCHES)) + int(client.xlen(keys.COPIES))


async def test_another_node_takes_the_place_of_a_late_one(redis_nodes: list[RedisServer]) -> None:
    """A frozen node is not waited for, and long before its time limit it is not DOWN; when it answers, it is used again."""
    async with Appender(timeout_seconds=30.0, probe_seconds=60.0, late_seconds=0.1) as appender:
        await appender.set_members(await admitted(redis_nodes))
        redis_nodes[1].pause()
        try:
            async with asyncio.timeout(20):
                placements = [await appender.append(new_batch_id(), b"x") for _ in range(12)]
            assert all(sorted(placement.nodes) == ["node-0", "node-2"] for placement in placements)
            late = appender.nodes[1]
            assert late.late
            assert not late.usable
            assert late.health is Health.HEALTHY
        finally:
            redis_nodes[1].resume()
        async with asyncio.timeout(10):
            while appender.nodes[1].late:  # noqa: ASYNC110 - looks at a server
                await asyncio.sleep(0.02)
        placements = [await appender.append(new_batch_id(), b"x") for _ in range(3)]
        assert any("node-1" in placement.nodes for placement in placements)


async def test_a_late_node_is_waited_for_where_no_other_can_take_its_place(redis_nodes: list[RedisServer]) -> None:
    """Of two nodes both are needed; the reply that comes in the end counts."""
    async with Appender(timeout_seconds=30.0, probe_seconds=60.0, late_seconds=0.1) as appender:
        await appender.set_members(await admitted(redis_nodes[:2]))
        redis_nodes[1].pause()
        append = asyncio.create_task(appender.append(new_batch_id(), b"x"))
        done, _ = await asyncio.wait([append], timeout=0.5)
        redis_nodes[1].resume()
        assert not done
        async with asyncio.timeout(10):
            placement = await append
        assert sorted(placement.nodes) == ["node-0", "node-1"]
        assert placement.tries == 1


async def test_a_cancelled_append_leaves_no_reply_behind(redis_nodes: list[RedisServer]) -> None:
    """Its connections are closed: a late reply would answer the next append."""
    async with Appender(timeout_seconds=30.0, probe_seconds=60.0, connections_per_node=1) as appender:
        await appender.set_members(await admitted(redis_nodes[:2]))
        await appender.append(new_batch_id(), b"x")
        for server in redis_nodes[:2]:
            server.pause()
        append = asyncio.create_task(appender.append(new_batch_id(), b"x"))
        await asyncio.wait([append], timeout=0.1)
        append.cancel()
        await asyncio.wait([append])
        for server in redis_nodes[:2]:
            server.resume()
        async with asyncio.timeout(10):
            placement = await appender.append(new_batch_id(), b"x")
        assert placement.failures == 0
        assert [count(server) for server in redis_nodes[:2]] in ([2, 2], [3, 3])


async def test_a_full_ring_keeps_the_room_of_its_readers() -> None:
    """Above 80 % of their memory nodes take nothing, even if none is left that does; with room again they do."""
    options = {"maxmemory": "6mb"}
    with redis_server(options) as first, redis_server(options) as second:
        async with Appender(probe_seconds=0.02) as appender:
            await appender.set_members(await admitted([first, second]))
            append = asyncio.create_task(fill(appender))
            async with asyncio.timeout(20):
                while any(node.health is not Health.FULL for node in appender.nodes):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            held: list[int] = []
            async with asyncio.timeout(20):  # the append that was on its way may still come to its end
                while held != [count(first), count(second)]:
                    held = [count(first), count(second)]
                    await asyncio.sleep(0.5)
            assert all(node.health is Health.FULL for node in appender.nodes)
            assert not append.done()
            assert appender.free_bytes == 0
            for server in (first, second):
                with redis.Redis.from_url(server.url) as client:
                    assert client.info("memory")["used_memory"] < 6 * 1024 * 1024
                    client.xtrim(keys.BATCHES, maxlen=0)
                    client.xtrim(keys.COPIES, maxlen=0)
            async with asyncio.timeout(20):
                while count(first) == 0:  # noqa: ASYNC110 - looks at a server
                    await asyncio.sleep(0.02)
            append.cancel()
            await asyncio.wait([append])


async def fill(appender: Appender) -> None:
    while True:
        await appender.append(new_batch_id(), BIG)
        await asyncio.sleep(0.03)


async def test_a_node_whose_disk_is_used_up_is_full(redis_nodes: list[RedisServer]) -> None:
    """Nothing in Redis tells how large its disk is: a setting does."""
    async with Appender(probe_seconds=0.02, disk_limit_bytes=1_000_000) as appender:
        await appender.set_members(await admitted(redis_nodes[:2]))
        for _ in range(4):
            await appender.append(new_batch_id(), BIG)
        async with asyncio.timeout(10):
            while any(node.health is not Health.FULL for node in appender.nodes):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert "disk" in appender.nodes[0].detail


async def test_a_rewrite_of_the_append_only_file_breaks_nothing(redis_nodes: list[RedisServer]) -> None:
    """A node is used on while it rewrites its file, and its batches survive a kill after it."""
    async with Appender(probe_seconds=0.05) as appender:
        await appender.set_members(await admitted(redis_nodes[:2]))
        for begin in range(3):
            for server in redis_nodes[:2]:
                with redis.Redis.from_url(server.url) as client:
                    if not client.info("persistence")["aof_rewrite_in_progress"]:
                        client.bgrewriteaof()
            for _ in range(20):
                placement = await appender.append(new_batch_id(), BIG)
                assert placement.failures == 0, begin
    for server in redis_nodes[:2]:
        server.kill()
        server.start()
    assert [count(server) for server in redis_nodes[:2]] == [60, 60]


@pytest.mark.parametrize(
    ("free", "copies", "expected"),
    [
        ([100, 100, 100], 2, 300),
        ([1000, 10], 2, 20),
        ([1000, 10, 10], 2, 40),
        ([50], 1, 50),
        ([70, 30, 0], 3, 0),
        ([5], 2, 0),
    ],
)
def test_room_is_what_finds_enough_nodes(free: list[int], copies: int, expected: int) -> None:
    """A large node next to small ones cannot hold both copies."""
    assert room(free, copies) == expected
