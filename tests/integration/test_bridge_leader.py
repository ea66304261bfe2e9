"""Control of the ring's nodes and the leader's work, on real servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from dataflow_bridge.errors import (
    LastActiveNodeError,
    NodeAwayError,
    NodeExistsError,
    NodeNotDrainedError,
    NodeNotFoundError,
    UnfitNodeError,
)
from dataflow_bridge.ring.leader import Leader
from dataflow_bridge.ring.membership import Membership
from dataflow_bridge.ring.recopier import Recopier
from dataflow_bridge.ring.status import ring_status
from dataflow_mesh.lease import Lease, LeaseLostError
from dataflow_mesh.postgres import Pool, connect_pool
from dataflow_mesh.testing import RedisServer
from dataflow_ring import keys
from dataflow_ring.append import Appender
from dataflow_ring.batch import new_batch_id
from dataflow_ring.nodes import Health, State


@dataclass(slots=True)
class Bridge:
    """The parts of a bridge that have to do with the ring."""

    appender: Appender
    membership: Membership
    lease: Lease
    leader: Leader
    recopier: Recopier

    async def work(self) -> None:
        """Read the membership and do the leader's work, once."""
        await self.membership.refresh()
        await self.leader.work()
        await self.membership.refresh()

    def state(self, name: str) -> State | None:
        """Return a member's state."""
        return next((m.node.state for m in self.membership.members if m.node.name == name), None)


@pytest.fixture
async def pool(postgres: str) -> AsyncIterator[Pool]:
    """Give a pool on an empty database."""
    async with await connect_pool(postgres) as pool:
        yield pool


@asynccontextmanager
async def bridge(
    pool: Pool, redis_nodes: list[RedisServer], directory: Path, name: str = "bridge-1", horizon_seconds: float = 3600.0
) -> AsyncIterator[Bridge]:
    async with Appender(probe_seconds=0.05) as appender:
        membership = Membership(pool, appender, directory / name, name)
        await membership.start({f"node-{index}": server.url for index, server in enumerate(redis_nodes)})
        lease = Lease(pool, "bridge", "ring", f"{name}/1")
        recopier = Recopier(appender, f"{name}/1", lambda: lease.epoch is not None, lambda: membership.stale)
        yield Bridge(
            appender, membership, lease, Leader(pool, lease, membership, appender, recopier, horizon_seconds), recopier
        )


@pytest.fixture
async def one(pool: Pool, redis_nodes: list[RedisServer], tmp_path: Path) -> AsyncIterator[Bridge]:
    """Give a bridge that leads."""
    async with bridge(pool, redis_nodes, tmp_path) as made:
        await made.lease.claim()
        yield made


async def long_ago(pool: Pool) -> None:
    """Let what happened to nodes have happened an hour before."""
    await pool.execute(
        "UPDATE bridge.node SET state_time = state_time - interval '1 hour', down_since = down_since - interval '1 hour'"
    )


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():  # noqa: ASYNC110 - looks at servers
            await asyncio.sleep(0.02)


async def test_a_node_is_drained_when_it_is_empty_and_then_removed(
    one: Bridge, pool: Pool, redis_nodes: list[RedisServer]
) -> None:
    """It gets nothing new, and nobody calls it DRAINED while it holds a batch."""
    for _ in range(6):
        await one.appender.append(new_batch_id(), b"x")
    assert (await one.membership.drain("node-1")).node.state is State.DRAINING
    await long_ago(pool)
    before = [(await one.appender.append(new_batch_id(), b"x")).nodes for _ in range(4)]
    assert all("node-1" not in nodes for nodes in before)
    await until(lambda: bool(one.appender.nodes[1].fill and one.appender.nodes[1].fill.batches))
    await one.work()
    assert one.state("node-1") is State.DRAINING
    with pytest.raises(NodeNotDrainedError):
        await one.membership.remove("node-1", force=False)
    with redis.Redis.from_url(redis_nodes[1].url) as client:
        client.xtrim(keys.BATCHES, maxlen=0)
        client.xtrim(keys.COPIES, maxlen=0)
    await until(lambda: one.appender.nodes[1].fill is not None and one.appender.nodes[1].fill.batches == 0)
    await one.work()
    assert one.state("node-1") is State.DRAINED
    removal = await one.membership.remove("node-1", force=False)
    assert (removal.reached, removal.batches, removal.copies) == (True, 0, 0)
    assert one.state("node-1") is None
    with redis.Redis.from_url(redis_nodes[1].url) as client:
        assert not client.exists(keys.BATCHES, keys.COPIES)


async def test_a_drained_node_that_holds_batches_after_all_is_not_removed(
    one: Bridge, pool: Pool, redis_nodes: list[RedisServer]
) -> None:
    """A bridge that was cut off from Postgres knew nothing of the drain."""
    await one.membership.drain("node-1")
    await long_ago(pool)
    await one.work()
    assert one.state("node-1") is State.DRAINED
    with redis.Redis.from_url(redis_nodes[1].url) as client:
        client.xadd(keys.BATCHES, {keys.FIELD_BATCH_ID: new_batch_id(), keys.FIELD_BYTES: b"x"})
    with pytest.raises(NodeNotDrainedError) as caught:
        await one.membership.remove("node-1", force=False)
    assert caught.value.metadata["batches"] == "1"
    await until(lambda: bool(one.appender.nodes[1].fill and one.appender.nodes[1].fill.batches))
    await one.work()
    assert one.state("node-1") is State.DRAINING


async def test_a_drain_can_be_taken_back(one: Bridge) -> None:
    """The node takes batches again; doing it twice changes nothing."""
    await one.membership.drain("node-1")
    await one.membership.drain("node-1")
    assert (await one.membership.cancel_drain("node-1")).node.state is State.ACTIVE
    assert (await one.membership.cancel_drain("node-1")).node.state is State.ACTIVE
    placements = [await one.appender.append(new_batch_id(), b"x") for _ in range(3)]
    assert any("node-1" in placement.nodes for placement in placements)


async def test_the_last_node_that_takes_batches_stays(one: Bridge) -> None:
    """Neither a drain nor force leaves a ring without any."""
    await one.membership.drain("node-0")
    await one.membership.remove("node-1", force=True)
    for change in (one.membership.drain("node-2"), one.membership.remove("node-2", force=True)):
        with pytest.raises(LastActiveNodeError):
            await change


async def test_who_is_no_member_cannot_be_controlled(one: Bridge) -> None:
    """A removed node can be removed again without harm."""
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: one.membership.drain("node-9"),
        lambda: one.membership.cancel_drain("node-9"),
        lambda: one.membership.remove("node-9", force=True),
    ]
    for change in changes:
        with pytest.raises(NodeNotFoundError):
            await change()
    await one.membership.remove("node-1", force=True)
    assert (await one.membership.remove("node-1", force=False)).batches == 0
    with pytest.raises(NodeNotFoundError):
        await one.membership.drain("node-1")


async def test_a_node_that_does_not_answer_is_removed_by_force_only(
    one: Bridge, pool: Pool, redis_nodes: list[RedisServer]
) -> None:
    """What it held is unknown, and said to be so."""
    await one.membership.drain("node-1")
    await long_ago(pool)
    await one.work()
    redis_nodes[1].kill()
    with pytest.raises(NodeAwayError):
        await one.membership.cancel_drain("node-1")
    with pytest.raises(NodeAwayError):
        await one.membership.remove("node-1", force=False)
    assert not (await one.membership.remove("node-1", force=True)).reached


async def test_a_node_that_was_removed_with_batches_joins_again_and_brings_them_back(
    one: Bridge, redis_nodes: list[RedisServer]
) -> None:
    """They are set aside, and late writers of before found no stream."""
    for _ in range(6):
        await one.appender.append(new_batch_id(), b"x")
    removal = await one.membership.remove("node-1", force=True)
    assert removal.batches + removal.copies >= 3
    again = await one.membership.add("node-1", redis_nodes[1].url, "")
    assert again.node.state is State.ACTIVE
    with redis.Redis.from_url(redis_nodes[1].url) as client:
        kept = sum(client.xlen(stream) for stream in client.smembers(keys.RETURNED))
        assert kept == removal.batches + removal.copies
        assert client.xlen(keys.BATCHES) == client.xlen(keys.COPIES) == 0


async def test_a_node_that_is_away_for_longer_than_the_horizon_leaves_the_ring(
    one: Bridge, pool: Pool, redis_nodes: list[RedisServer]
) -> None:
    """And only then; what it brings back later is not judged."""
    redis_nodes[1].kill()
    await until(lambda: one.appender.nodes[1].health is Health.DOWN)
    await one.work()
    await one.work()
    assert one.membership.members[1].down_since is not None
    assert one.state("node-1") is State.ACTIVE
    await long_ago(pool)
    await one.work()
    assert one.state("node-1") is None
    redis_nodes[1].start()


async def test_a_node_that_another_bridge_reaches_is_not_away(
    one: Bridge, pool: Pool, redis_nodes: list[RedisServer]
) -> None:
    """The leader alone may be cut off from it."""
    redis_nodes[1].kill()
    await until(lambda: one.appender.nodes[1].health is Health.DOWN)
    await one.work()
    await pool.execute(
        "INSERT INTO bridge.observation (node, observer, health, detail, latency_seconds)"
        " VALUES ('node-1', 'bridge-2', 'HEALTHY', '', 0)"
    )
    await long_ago(pool)
    await one.work()
    await one.work()
    assert one.state("node-1") is State.ACTIVE
    assert one.membership.members[1].down_since is None


async def test_nobody_is_let_go_while_too_few_are_left(one: Bridge, pool: Pool, redis_nodes: list[RedisServer]) -> None:
    """A bridge that reaches nobody is cut off itself, more likely than not."""
    redis_nodes[1].kill()
    redis_nodes[2].kill()
    await until(lambda: [n.health for n in one.appender.nodes[1:]] == [Health.DOWN, Health.DOWN])
    await one.work()
    await long_ago(pool)
    await one.work()
    assert [one.state(f"node-{index}") for index in range(3)] == [State.ACTIVE] * 3


async def test_a_deposed_leader_writes_nothing(
    one: Bridge, pool: Pool, redis_nodes: list[RedisServer], tmp_path: Path
) -> None:
    """It was frozen while another one took over, and believes that it leads until it writes."""
    await one.membership.drain("node-1")
    await long_ago(pool)
    await one.membership.refresh()
    async with bridge(pool, redis_nodes, tmp_path, "bridge-2") as other:
        await pool.execute("UPDATE bridge.lease SET expires_at = clock_timestamp()")
        assert await other.lease.claim() == 2
        with pytest.raises(LeaseLostError):
            await one.leader.work()
        assert await pool.fetchval("SELECT state FROM bridge.node WHERE name = 'node-1'") == "DRAINING"
        await other.work()
        assert other.state("node-1") is State.DRAINED
        assert (other.membership.leader, other.membership.leader_epoch) == ("bridge-2", 2)


async def test_a_member_that_moved_keeps_its_data_and_gets_its_new_address(
    one: Bridge, redis_nodes: list[RedisServer]
) -> None:
    """The incarnation tells it from another server; at its own address it is refused as the member that it is."""
    server = redis_nodes[1]
    incarnation = one.membership.members[1].node.incarnation
    await one.appender.append(new_batch_id(), b"x")
    moved = server.url.replace("127.0.0.1", "localhost")
    member = await one.membership.add("node-1", moved, "zone-b")
    assert (member.node.url, member.node.zone, member.node.incarnation) == (moved, "zone-b", incarnation)
    with pytest.raises(NodeExistsError):
        await one.membership.add("node-1", moved, "")
    for twin in (server.url, f"{moved}/5"):  # another database of a server is on the same disk
        with pytest.raises(UnfitNodeError, match="node-1"):
            await one.membership.add("node-7", twin, "")


async def test_the_ring_says_how_it_is(one: Bridge, redis_nodes: list[RedisServer]) -> None:
    """Who leads, how many copies are missing, how long the room lasts, and what suspends a promise."""
    await one.work()
    status = ring_status(one.membership, one.appender, one.recopier)
    assert (status.leader, status.leader_epoch, status.stale, list(status.warnings)) == ("bridge-1", 1, False, [])
    assert not status.HasField("under_replicated")
    redis_nodes[1].kill()
    await until(lambda: one.appender.nodes[1].health is Health.DOWN)
    await one.membership.drain("node-0")
    await one.membership.refresh()
    one.appender.min_copies = 1
    warnings = " ".join(ring_status(one.membership, one.appender, one.recopier).warnings)
    assert "min_copies 1 is below copies 2: promise 5 is suspended" in warnings
    assert "node node-1 is DOWN" in warnings


async def test_a_restored_database_does_not_lose_control_of_the_nodes(
    one: Bridge, pool: Pool, redis_nodes: list[RedisServer]
) -> None:
    """The nodes have seen higher epochs than it knows."""
    with redis.Redis.from_url(redis_nodes[1].url) as client:
        client.set(keys.EPOCH, 1_000)
    await one.membership.drain("node-1")
    assert (await one.membership.cancel_drain("node-1")).node.state is State.ACTIVE
    with redis.Redis.from_url(redis_nodes[1].url) as client:
        assert int(client.get(keys.EPOCH)) > 1_000
