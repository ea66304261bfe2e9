"""What a bridge writes down about itself, on a real Postgres."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dataflow_bridge.batcher import Batcher
from dataflow_bridge.instance import Instance
from dataflow_bridge.ring.membership import Membership
from dataflow_mesh.postgres import Pool, connect_pool
from dataflow_mesh.testing import RedisServer
from dataflow_ring.append import Appender


@pytest.fixture
async def pool(postgres: str) -> AsyncIterator[Pool]:
    """Give a pool on an empty database."""
    async with await connect_pool(postgres) as pool:
        yield pool


async def test_a_bridge_says_how_far_it_is_and_that_it_has_ended(
    pool: Pool, redis_nodes: list[RedisServer], tmp_path: Path
) -> None:
    """One row for each life: the ledger compares its sequences with what was committed."""
    async with Appender() as appender, Batcher(appender, "bridge-1", lambda _: None) as batcher:
        await Membership(pool, appender, tmp_path, "bridge-1").start({"node-0": redis_nodes[0].url})
        instance = Instance(pool, batcher, "bridge-1", appender)
        await instance.write()
        (row,) = await pool.fetch("SELECT * FROM bridge.instance")
        assert (row["sequence"], row["acknowledged_through"], row["ended"]) == (0, 0, False)
        batcher.submit("a", b"{}", None, None, None, False, 0, "grpc", None, 0)
        await batcher.drain()
        await instance.end()
        (row,) = await pool.fetch("SELECT * FROM bridge.instance")
        assert (row["bridge_id"], row["sequence"], row["acknowledged_through"], row["ended"]) == (
            "bridge-1",
            1,
            1,
            True,
        )
        assert row["boot_id"].bytes == batcher.boot_id
        assert row["append_rate"] > 0


async def test_a_bridge_knows_what_the_others_append(
    pool: Pool, redis_nodes: list[RedisServer], tmp_path: Path
) -> None:
    """The room of the ring is shared by all; those that ended or went away append nothing."""
    async with Appender() as appender, Batcher(appender, "bridge-1", lambda _: None) as batcher:
        await Membership(pool, appender, tmp_path, "bridge-1").start({"node-0": redis_nodes[0].url})
        await pool.execute(
            """INSERT INTO bridge.instance (boot_id, bridge_id, append_rate, ended, seen_time) VALUES
               (gen_random_uuid(), 'bridge-2', 1000, false, now()), (gen_random_uuid(), 'bridge-3', 500, true, now()),
               (gen_random_uuid(), 'bridge-4', 300, false, now() - interval '1 minute')"""
        )
        instance = Instance(pool, batcher, "bridge-1", appender)
        await instance.write()
        assert appender.others_bytes_per_second == 1000
