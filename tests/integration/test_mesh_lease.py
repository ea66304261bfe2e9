"""Leadership among processes, on a real Postgres."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from dataflow_mesh.lease import Lease, LeaseLostError, table_sql
from dataflow_mesh.postgres import Limits, Pool, connect_pool
from dataflow_mesh.testing import PostgresCluster, postgres_cluster

pytestmark = pytest.mark.postgres

FOR_EVER = 3600.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def pool(cluster: PostgresCluster) -> AsyncIterator[Pool]:
    async with await connect_pool(cluster.create_database(), min_size=2, max_size=4) as pool:
        await pool.execute(f"CREATE SCHEMA bridge; {table_sql('bridge')}")
        yield pool


def lease(pool: Pool, holder: str, *, expire_seconds: float = FOR_EVER) -> Lease:
    """Returns one process's claim."""
    return Lease(pool, "bridge", "ring", holder, renew_seconds=0.01, expire_seconds=expire_seconds)


async def expire(pool: Pool) -> None:
    """Makes the database see the lease as expired, as if its holder had been frozen."""
    await pool.execute("UPDATE bridge.lease SET expires_at = clock_timestamp() - interval '1 s'")


async def test_only_one_of_many_leads(pool: Pool) -> None:
    """Claims made at once have one winner."""
    epochs = await asyncio.gather(*(lease(pool, f"p{number}").claim() for number in range(8)))
    assert sorted(epoch for epoch in epochs if epoch is not None) == [1]


async def test_a_renewal_keeps_the_epoch(pool: Pool) -> None:
    """What was written under the epoch stays valid."""
    one = lease(pool, "one")
    assert [await one.claim(), await one.claim()] == [1, 1]


async def test_another_leads_with_a_higher_epoch_when_the_holder_was_frozen(pool: Pool) -> None:
    """The one that wakes up does not lead any more, although its own clock says so."""
    frozen, other = lease(pool, "frozen"), lease(pool, "other")
    await frozen.claim()
    await expire(pool)
    assert await other.claim() == 2
    assert frozen.epoch == 1
    async with pool.acquire() as connection:
        with pytest.raises(LeaseLostError):
            async with frozen.leading(connection):
                pytest.fail("a frozen leader wrote")
    assert frozen.epoch is None


async def test_a_late_renewal_begins_a_new_epoch(pool: Pool) -> None:
    """What was begun before the gap must not be finished after it."""
    one = lease(pool, "one")
    await one.claim()
    await expire(pool)
    assert await one.claim() == 2


async def test_leadership_does_not_change_under_a_leaders_write(pool: Pool) -> None:
    """The check holds until the commit."""
    leader, other = lease(pool, "leader"), lease(pool, "other")
    await leader.claim()
    async with pool.acquire() as connection, leader.leading(connection) as epoch:
        assert epoch == 1
        taking = asyncio.create_task(expire(pool))
        while not await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert not taking.done()
    await taking
    assert await other.claim() == 2


async def test_a_holder_that_cannot_renew_knows_that_it_no_longer_leads(pool: Pool) -> None:
    """It does not need the database to find out."""
    one = lease(pool, "one", expire_seconds=0.05)
    await one.claim()
    await asyncio.sleep(0.05)  # its own time-out is what is looked at
    assert one.epoch is None


async def test_a_stopping_leader_hands_over(pool: Pool) -> None:
    """An orderly stop needs no expiry."""
    first, second = lease(pool, "first"), lease(pool, "second")
    running = asyncio.create_task(first.run())
    assert await first.gained() == 1
    waiting = asyncio.create_task(second.run())
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert await second.gained() == 2
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting


async def test_a_lock_that_somebody_holds_for_long_does_not_end_the_claiming(cluster: PostgresCluster) -> None:
    """A frozen leader in the middle of a write must not take the processes that wait for it with it."""
    async with (
        await connect_pool(cluster.create_database(), limits=Limits(lock_ms=50)) as pool,
        asyncio.TaskGroup() as group,
    ):
        await pool.execute(f"CREATE SCHEMA bridge; {table_sql('bridge')}")
        frozen, other = lease(pool, "frozen"), lease(pool, "other")
        await frozen.claim()
        await expire(pool)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT FROM bridge.lease FOR UPDATE")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await other.claim()
            claiming = group.create_task(other.run())
            assert not (await asyncio.wait({claiming}, timeout=0.2))[0]
        assert await other.gained() == 2
        claiming.cancel()
