"""The bridge's view of the ring's members, and of other clocks, on real servers."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dataflow_bridge.clocks import Clocks
from dataflow_bridge.errors import NodeExistsError
from dataflow_bridge.ring.membership import Member, Membership
from dataflow_mesh.clock import ClockError
from dataflow_mesh.errors import PostgresUnavailableError
from dataflow_mesh.postgres import Pool, connect_pool
from dataflow_mesh.testing import RedisServer
from dataflow_ring.append import Appender
from dataflow_ring.batch import new_batch_id
from dataflow_ring.nodes import Node, State, admit


@pytest.fixture
async def pool(postgres: str) -> AsyncIterator[Pool]:
    """Give a pool on an empty database."""
    async with await connect_pool(postgres) as pool:
        yield pool


class Slower(Membership):
    """A bridge that is always second: another one adds each node first."""

    def __init__(self, *arguments: object, other: Membership) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._other = other

    async def add(self, name: str, url: str, zone: str) -> Member:
        await self._other.add(name, url, zone)
        return await super().add(name, url, zone)


async def test_a_bridge_that_admits_nothing_itself_knows_all_members(
    pool: Pool, redis_nodes: list[RedisServer], tmp_path: Path
) -> None:
    """Two bridges start at once: with fewer members than there are, one would ask for fewer copies."""
    seeds = {f"node-{index}": server.url for index, server in enumerate(redis_nodes)}
    async with Appender() as first, Appender() as second:
        other = Membership(pool, first, tmp_path / "first", "first")
        await other.refresh()
        slower = Slower(pool, second, tmp_path / "second", "second", other=other)
        await slower.start(seeds)
        assert [node.node.name for node in second.nodes] == sorted(seeds)
        assert second.required_copies() == 2


async def test_a_disk_that_takes_nothing_keeps_no_change_from_the_ring(
    pool: Pool, redis_nodes: list[RedisServer], tmp_path: Path
) -> None:
    """Remembering the members for later comes after using them."""
    (tmp_path / "state").write_text("a file where the folder should be")
    async with Appender() as appender:
        membership = Membership(pool, appender, tmp_path / "state", "b")
        await membership.start({"node-0": redis_nodes[0].url})
        assert [node.node.name for node in appender.nodes] == ["node-0"]


@pytest.mark.parametrize("ahead", [61.0, -61.0])
async def test_a_clock_that_is_wrong_by_a_minute_refuses_to_start(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    """Its receive times would be wrong for ever."""
    now = time.time
    monkeypatch.setattr("dataflow_mesh.clock.time.time", lambda: now() + ahead)
    with pytest.raises(ClockError, match="Postgres"):
        await Clocks(pool, list).check()


async def test_the_clock_of_a_node_counts_too(
    pool: Pool, redis_nodes: list[RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ages of entries are told by the node's clock; nodes that do not answer are left out."""
    node = Node("node-0", redis_nodes[0].url, State.ACTIVE, (await admit(redis_nodes[0].url)).incarnation)
    gone = Node("node-1", "redis://127.0.0.1:1", State.ACTIVE, "")
    await Clocks(pool, lambda: [gone, node]).check()
    now = time.time
    monkeypatch.setattr("dataflow_mesh.clock.time.time", lambda: now() + 61)
    with pytest.raises(ClockError, match="node-0"):
        await Clocks._check_node(node)


async def test_a_member_that_came_back_empty_is_admitted_again_under_its_name(
    pool: Pool, redis_nodes: list[RedisServer], tmp_path: Path
) -> None:
    """With its data it is refused as the member that it is; without them it gets a new incarnation and takes batches."""
    async with Appender(probe_seconds=0.1) as appender:
        membership = Membership(pool, appender, tmp_path / "state", "b")
        await membership.start({f"node-{index}": server.url for index, server in enumerate(redis_nodes)})
        with pytest.raises(NodeExistsError):
            await membership.add("node-1", redis_nodes[1].url, "")
        before = membership.members[1].node.incarnation
        redis_nodes[1].stop()
        redis_nodes[1].lose_data()
        redis_nodes[1].start()
        again = await membership.add("node-1", redis_nodes[1].url, "")
        assert again.node.incarnation != before
        placements = [await appender.append(new_batch_id(), b"x") for _ in range(6)]
        assert any("node-1" in placement.nodes for placement in placements)


async def test_a_seed_that_was_removed_stays_removed(
    pool: Pool, redis_nodes: list[RedisServer], tmp_path: Path
) -> None:
    """A restart of a bridge undoes no removal."""
    seeds = {f"node-{index}": server.url for index, server in enumerate(redis_nodes)}
    async with Appender() as appender:
        await Membership(pool, appender, tmp_path / "state", "b").start(seeds)
    await pool.execute("UPDATE bridge.node SET state = 'REMOVED' WHERE name = 'node-2'")
    async with Appender() as appender:
        membership = Membership(pool, appender, tmp_path / "state", "b")
        await membership.start(seeds)
        assert [member.node.name for member in membership.members] == ["node-0", "node-1"]


async def test_without_postgres_a_bridge_knows_its_members_and_finds_one_that_moved(
    pool: Pool, redis_nodes: list[RedisServer], tmp_path: Path
) -> None:
    """What it is configured with is taken for the member only where the same node answers."""
    seeds = {f"node-{index}": server.url for index, server in enumerate(redis_nodes)}
    async with Appender() as appender:
        await Membership(pool, appender, tmp_path, "b").start(seeds)
    moved = redis_nodes[1].url.replace("127.0.0.1", "localhost")
    wrong = {"node-0": redis_nodes[2].url, "node-1": moved}
    async with await connect_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0) as away, Appender() as appender:
        membership = Membership(away, appender, tmp_path, "b")
        await membership.start(wrong)
        assert membership.stale
        assert [node.node.url for node in appender.nodes] == [seeds["node-0"], moved, seeds["node-2"]]
        assert len((await appender.append(new_batch_id(), b"x")).nodes) == 2
        for change in (
            membership.add("node-9", seeds["node-0"], ""),
            membership.drain("node-0"),
            membership.cancel_drain("node-0"),
            membership.remove("node-0", force=True),
        ):
            with pytest.raises(PostgresUnavailableError):
                await change
    async with Appender() as appender:
        membership = Membership(pool, appender, tmp_path, "b")
        await membership.start({"node-1": moved})
        assert membership.members[1].node.url == moved
        assert await pool.fetchval("SELECT url FROM bridge.node WHERE name = 'node-1'") == moved


async def test_a_bridge_that_never_knew_any_members_waits_for_postgres(tmp_path: Path) -> None:
    """It has nothing to start with."""
    async with await connect_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0) as away, Appender() as appender:
        with pytest.raises(PostgresUnavailableError):
            await Membership(away, appender, tmp_path, "b").start({})
