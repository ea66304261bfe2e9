"""Retention on a real Postgres: what is old by commit time goes, all else stays."""

import dataclasses
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest
from dataflow_mesh.lease import Lease, LeaseLostError
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, postgres_cluster
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.retention import Retention
from dataflow_validator.testing import validator_database

pytestmark = pytest.mark.postgres

_SPEC = ContractSpec("short", fields=(FieldSpec("t", FieldType.NUMBER),), dedupe_window=timedelta(hours=1))


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def pool(cluster: PostgresCluster) -> AsyncIterator[Pool]:
    async with validator_database(cluster) as made:
        async with made.acquire() as connection:
            await create_contract(connection, _SPEC, activate=True)
            long = dataclasses.replace(_SPEC, name="long", dedupe_window=timedelta(days=2))
            await create_contract(connection, long, activate=True)
        yield made


async def retention(pool: Pool) -> Retention:
    registry = Registry()
    async with pool.acquire() as connection:
        await registry.refresh(connection)
    lease = Lease(pool, "validator", "upkeep", "one", expire_seconds=3600.0)
    await lease.claim()
    return Retention(pool, Partitions(), registry, lease)


async def partitions(pool: Pool) -> list[str]:
    rows = await pool.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent "
        "WHERE p.relname IN ('short', 'raw_log', 'ledger') AND c.relname ~ ':[0-9]' ORDER BY 1"
    )
    return [row["relname"] for row in rows]


async def test_partitions_are_there_before_they_are_needed(pool: Pool) -> None:
    """This month and the next of each contract, today and three days of raw log and ledger."""
    await (await retention(pool)).ahead()
    today = await pool.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    following = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    days = [today + timedelta(days=number) for number in range(4)]
    assert await partitions(pool) == [
        *(f"ledger:{day}" for day in days),
        *(f"raw_log:{day}" for day in days),
        f"short:{today:%Y-%m}",
        f"short:{following:%Y-%m}",
    ]


async def test_ids_are_forgotten_after_their_window(pool: Pool) -> None:
    """Batches after the horizon, seen ids after their own contract's window."""
    await pool.execute(
        "INSERT INTO validator.batch SELECT gen_random_uuid(), 'b', gen_random_uuid(), 1, 1, now() - make_interval(days => d) "
        "FROM generate_series(0, 9) d"
    )
    await pool.execute(
        "INSERT INTO validator.seen SELECT c, 'd', gen_random_uuid(), 0, now() - make_interval(hours => h) "
        "FROM generate_series(0, 99, 10) h, unnest(ARRAY['short', 'long']) c"
    )
    done = await (await retention(pool)).round()
    assert (done.batches, done.seen) == (3, 9 + 5)
    assert await pool.fetchval("SELECT count(*) FROM validator.batch") == 7
    again = await (await retention(pool)).round()
    assert (again.batches, again.seen, again.strays) == (0, 0, 0)


async def test_old_rows_of_the_default_partitions_go_too(pool: Pool) -> None:
    """What was stored while no day partition could be made is pruned by its commit time."""
    await pool.execute(
        "INSERT INTO validator.raw_log SELECT gen_random_uuid(), now() - make_interval(days => d), 'x' FROM generate_series(5, 9) d"
    )
    done = await (await retention(pool)).round()
    assert done.strays == await pool.fetchval("SELECT 5 - count(*) FROM validator.raw_log") > 0


async def test_a_validator_that_was_frozen_throws_nothing_away(pool: Pool) -> None:
    """The lease passed to another one meanwhile; what the sleeper would delete stays."""
    await pool.execute(
        "INSERT INTO validator.batch VALUES (gen_random_uuid(), 'b', gen_random_uuid(), 1, 1, now() - interval '9 days')"
    )
    sleeper = await retention(pool)
    await pool.execute("UPDATE validator.lease SET holder = 'other', epoch = epoch + 1")
    with pytest.raises(LeaseLostError):
        await sleeper.round()
    assert await pool.fetchval("SELECT count(*) FROM validator.batch") == 1
