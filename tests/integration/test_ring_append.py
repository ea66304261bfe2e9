"""The ring as a bridge sees it, on real Redis servers that are killed, frozen and wiped."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import redis
from dataflow_mesh.testing import RedisServer, redis_server
from dataflow_ring import keys
from dataflow_ring.append import Appender
from dataflow_ring.batch import new_batch_id
from dataflow_ring.connection import NodeConnection, NodeUnreachableError, redact
from dataflow_ring.nodes import Health, Node, NodeUnfitError, State, admit, lost_its_data


async def admitted(servers: Sequence[RedisServer], zones: Sequence[str] = ("", "", "")) -> list[Node]:
    return [
        Node(f"node-{index}", server.url, State.ACTIVE, (await admit(server.url)).incarnation, zone)
        for index, (server, zone) in enumerate(zip(servers, zones, strict=False))
    ]


@asynccontextmanager
async def ring(nodes: Sequence[Node], **options: float) -> AsyncIterator[Appender]:
    settings = {"timeout_seconds": 0.3, "probe_seconds": 0.1} | options
    async with Appender(**settings) as appender:  # type: ignore[arg-type]
        await appender.set_members(nodes)
        yield appender


def entries(server: RedisServer, stream: bytes) -> list[dict[bytes, bytes]]:
    with redis.Redis.from_url(server.url) as client:
        return [fields for _, fields in client.xrange(stream)]


def holders(servers: Sequence[RedisServer], batch_id: bytes) -> set[int]:
    return {
        index
        for index, server in enumerate(servers)
        for stream in (keys.BATCHES, keys.COPIES)
        for fields in entries(server, stream)
        if fields[keys.FIELD_BATCH_ID] == batch_id
    }


async def test_a_batch_is_on_two_nodes_with_the_same_id_and_bytes(redis_nodes: list[RedisServer]) -> None:
    """The first copy is on one node's stream of batches, the second one on another node's stream of copies."""
    async with ring(await admitted(redis_nodes)) as appender:
        batch_id = new_batch_id()
        placement = await appender.append(batch_id, b"bytes")
    first = [e for s in redis_nodes for e in entries(s, keys.BATCHES)]
    second = [e for s in redis_nodes for e in entries(s, keys.COPIES)]
    assert len(placement.nodes) == 2
    assert len(holders(redis_nodes, batch_id)) == 2
    assert [e[keys.FIELD_BYTES] for e in first + second] == [b"bytes", b"bytes"]
    assert second[0][keys.FIELD_PRIMARY] == first[0][keys.FIELD_PRIMARY] == placement.nodes[0].encode()


async def test_first_copies_go_round_all_nodes_across_batches(redis_nodes: list[RedisServer]) -> None:
    """Round robin does not start again at the first node with each batch."""
    async with ring(await admitted(redis_nodes)) as appender:
        for _ in range(30):
            await appender.append(new_batch_id(), b"x")
    assert [len(entries(server, keys.BATCHES)) for server in redis_nodes] == [10, 10, 10]


async def test_one_node_gives_one_copy(redis_nodes: list[RedisServer]) -> None:
    """Where the ring has one node, one copy is all there can be."""
    async with ring(await admitted(redis_nodes[:1])) as appender:
        placement = await appender.append(new_batch_id(), b"x")
    assert placement.nodes == ["node-0"]


async def test_a_dead_node_costs_no_batch(redis_nodes: list[RedisServer]) -> None:
    """Every batch still gets two copies while one of three nodes is dead."""
    nodes = await admitted(redis_nodes)
    async with ring(nodes) as appender:
        redis_nodes[1].kill()
        ids = [new_batch_id() for _ in range(12)]
        for batch_id in ids:
            await appender.append(batch_id, b"x")
        assert appender.failovers > 0
        assert [a.health for a in appender.nodes][1] is Health.DOWN
    alive = [redis_nodes[0], redis_nodes[2]]
    assert all(len(holders(alive, batch_id)) == 2 for batch_id in ids)
    redis_nodes[1].start()


async def test_a_frozen_node_is_left_after_the_time_limit(redis_nodes: list[RedisServer]) -> None:
    """A node that takes the connection but answers nothing is as dead as a killed one."""
    async with ring(await admitted(redis_nodes)) as appender:
        redis_nodes[0].pause()
        try:
            ids = [new_batch_id() for _ in range(6)]
            for batch_id in ids:
                await appender.append(batch_id, b"x")
        finally:
            redis_nodes[0].resume()
    assert all(len(holders(redis_nodes[1:], batch_id)) == 2 for batch_id in ids)


async def test_two_dead_nodes_make_the_batch_wait_until_one_returns(redis_nodes: list[RedisServer]) -> None:
    """With fewer than min_copies nodes nothing is promised; the same batch goes on when a node is back."""
    async with ring(await admitted(redis_nodes)) as appender:
        redis_nodes[0].kill()
        redis_nodes[1].kill()
        waiting = asyncio.create_task(appender.append(new_batch_id(), b"x"))
        done, _ = await asyncio.wait([waiting], timeout=0.7)
        assert not done
        redis_nodes[1].start()
        placement = await asyncio.wait_for(waiting, 10)
        assert set(placement.nodes) == {"node-1", "node-2"}
    redis_nodes[0].start()


async def test_min_copies_lets_a_batch_through_on_one_node(redis_nodes: list[RedisServer]) -> None:
    """The explicit setting trades promise 5 for going on."""
    async with ring(await admitted(redis_nodes), min_copies=1) as appender:
        redis_nodes[0].kill()
        redis_nodes[1].kill()
        placement = await asyncio.wait_for(appender.append(new_batch_id(), b"x"), 10)
        assert placement.nodes == ["node-2"]
    redis_nodes[0].start()
    redis_nodes[1].start()


async def test_a_node_that_came_back_empty_gets_nothing(redis_nodes: list[RedisServer]) -> None:
    """Without its streams and incarnation it is not the node that was admitted."""
    async with ring(await admitted(redis_nodes)) as appender:
        redis_nodes[2].stop()
        redis_nodes[2].lose_data()
        redis_nodes[2].start()
        ids = [new_batch_id() for _ in range(6)]
        for batch_id in ids:
            await appender.append(batch_id, b"x")
        await appender.nodes[2].probe()
        assert appender.nodes[2].health is Health.DOWN
    assert all(holders(redis_nodes, batch_id) == {0, 1} for batch_id in ids)


async def test_streams_that_vanish_under_an_open_connection_are_noticed(redis_nodes: list[RedisServer]) -> None:
    """XADD NOMKSTREAM answers nil: the append does not count, and no new stream appears."""
    async with ring(await admitted(redis_nodes), probe_seconds=60) as appender:
        with redis.Redis.from_url(redis_nodes[0].url) as client:
            client.delete(keys.BATCHES, keys.COPIES)
            ids = [new_batch_id() for _ in range(6)]
            for batch_id in ids:
                await appender.append(batch_id, b"x")
            assert not client.exists(keys.BATCHES, keys.COPIES)
    assert all(holders(redis_nodes, batch_id) == {1, 2} for batch_id in ids)


async def test_a_full_node_is_full_and_not_down() -> None:
    """A node out of memory takes nothing more; the others do."""
    with redis_server() as big, redis_server() as other, redis_server({"maxmemory": "2mb"}) as small:
        nodes = await admitted([big, other, small])
        async with ring(nodes) as appender:
            for _ in range(60):
                await appender.append(new_batch_id(), b"x" * 100_000)
            assert appender.nodes[2].health is Health.FULL
            assert [a.health for a in appender.nodes][:2] == [Health.HEALTHY, Health.HEALTHY]


async def test_two_copies_are_never_in_one_zone_where_there_are_two(redis_nodes: list[RedisServer]) -> None:
    """Zones keep copies apart."""
    zone_of = {"node-0": "a", "node-1": "a", "node-2": "b"}
    async with ring(await admitted(redis_nodes, ("a", "a", "b"))) as appender:
        for _ in range(12):
            placement = await appender.append(new_batch_id(), b"x")
            assert {zone_of[name] for name in placement.nodes} == {"a", "b"}


async def test_a_late_reply_never_answers_the_next_command(redis_nodes: list[RedisServer]) -> None:
    """A command that timed out closes its connection."""
    async with NodeConnection(redis_nodes[0].url, timeout_seconds=0.2) as connection:
        await connection.call(b"SET", b"a", b"first")
        redis_nodes[0].pause()
        with pytest.raises(NodeUnreachableError):
            await connection.call(b"GET", b"a")
        redis_nodes[0].resume()
        assert await connection.call(b"GET", b"nothing", timeout_seconds=5) is None


async def test_a_cancelled_command_closes_its_connection(redis_nodes: list[RedisServer]) -> None:
    """What a cancelled call would have got is nobody's."""
    async with NodeConnection(redis_nodes[0].url, timeout_seconds=5) as connection:
        await connection.call(b"PING")
        blocked = asyncio.create_task(connection.call(b"BLPOP", b"never", 1))
        await asyncio.sleep(0)
        blocked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await blocked
        assert await connection.call(b"ECHO", b"mine") == b"mine"


@pytest.mark.parametrize(
    ("options", "check"),
    [
        ({"appendfsync": "everysec"}, "durability"),
        ({"appendonly": "no"}, "durability"),
        ({"maxmemory-policy": "allkeys-lru"}, "eviction"),
    ],
)
async def test_a_server_that_could_lose_data_is_not_admitted(options: dict[str, str], check: str) -> None:
    """Admission names the check that failed and the way out."""
    with redis_server(options) as server:
        with pytest.raises(NodeUnfitError) as refused:
            await admit(server.url)
        assert refused.value.check == check
        with redis.Redis.from_url(server.url) as client:
            assert client.keys() == []


async def test_a_server_that_does_not_answer_is_not_admitted(redis_nodes: list[RedisServer]) -> None:
    """A dead node never joins before its first ping."""
    redis_nodes[0].kill()
    with pytest.raises(NodeUnfitError) as refused:
        await admit(redis_nodes[0].url)
    assert refused.value.check == "ping"
    redis_nodes[0].start()


async def test_a_node_with_batches_of_another_life_is_not_admitted(redis_nodes: list[RedisServer]) -> None:
    """Old entries never go straight to judging."""
    async with ring(await admitted(redis_nodes[:1])) as appender:
        await appender.append(new_batch_id(), b"x")
    with pytest.raises(NodeUnfitError) as refused:
        await admit(redis_nodes[0].url)
    assert refused.value.check == "incarnation"


def test_a_password_is_never_shown() -> None:
    """URLs for people have none."""
    assert redact("redis://user:secret@host:1/0") == "redis://user:***@host:1/0"
    assert redact("rediss://:secret@host:1") == "rediss://:***@host:1"
    assert "secret" not in repr(Node("n", "redis://:secret@host:1", State.ACTIVE, "i"))


async def test_a_node_of_another_ring_is_not_admitted(redis_nodes: list[RedisServer]) -> None:
    """Also when it is empty at the moment: its own bridges would go on appending."""
    admission = await admit(redis_nodes[0].url)
    with pytest.raises(NodeUnfitError) as refused:
        await admit(redis_nodes[0].url)
    assert refused.value.check == "incarnation"
    assert (await admit(redis_nodes[0].url, known={admission.incarnation})).incarnation != admission.incarnation


async def test_an_empty_server_has_lost_its_data(redis_nodes: list[RedisServer]) -> None:
    """That is what lets a member be admitted again under its name."""
    assert await lost_its_data(redis_nodes[0].url)
    await admit(redis_nodes[0].url)
    assert not await lost_its_data(redis_nodes[0].url)
