"""Months of readings and of rollups go when their days are over; what is left answers what it can."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from dataflow.validator.v1 import reading_pb2, reading_service_pb2, reading_service_pb2_grpc
from dataflow_mesh.lease import Lease, LeaseLostError
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.readings.partitions import PartitionLimits, Partitions, months_of
from dataflow_validator.readings.service import SERVICE, ReadingServicer
from dataflow_validator.rollups.marks import mark
from dataflow_validator.rollups.retention import MonthRetention
from dataflow_validator.rollups.testing import differences
from dataflow_validator.rollups.worker import RollupWorker
from dataflow_validator.testing import validator_database

pytestmark = pytest.mark.postgres

_SPEC = ContractSpec(
    "weather",
    fields=(FieldSpec("temp", FieldType.NUMBER, required=False), FieldSpec("ts", FieldType.TIMESTAMP)),
    event_time="ts",
)
_NOW = datetime.now(UTC)
_OLD = [_NOW - timedelta(days=days) for days in (200, 150, 100)]
_NEW = [_NOW - timedelta(days=days) for days in (1, 0)]
_STRAY = datetime(1971, 3, 4, 5, tzinfo=UTC)
"""Too long ago for a partition of its own."""


@dataclass
class Setup:
    pool: Pool
    stub: "reading_service_pb2_grpc.ReadingServiceAsyncStub"
    worker: RollupWorker
    retention: MonthRetention
    lease: Lease

    async def put(self, *times: datetime, temp: float = 1.0) -> None:
        limits = PartitionLimits(past_months=120)
        await Partitions(limits).ensure(self.pool, "weather", months_of(times))
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.executemany(
                "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, temp) "
                "VALUES ('d', $1, $1, gen_random_uuid(), 0, 1, $2)",
                [(time, temp) for time in times],
            )
            await mark(connection, "weather", [(time, "d") for time in times])

    async def keep(self, *, readings: int | None = None, rollups: int | None = None) -> None:
        await self.pool.execute(
            "UPDATE validator.contract SET readings_days = $1, rollup_days = $2 WHERE name = 'weather'",
            readings,
            rollups,
        )

    async def rounds(self) -> list[str]:
        """What is closed by one round is removed by the next."""
        return [*await self.retention.round(), *await self.retention.round()]

    async def asked(
        self, source: str = "AGGREGATE_SOURCE_UNSPECIFIED"
    ) -> reading_service_pb2.AggregateReadingsResponse:
        return await self.stub.AggregateReadings(
            reading_service_pb2.AggregateReadingsRequest(
                filter=reading_pb2.ReadingFilter(contract="weather"),
                fields=["temp"],
                aggregates=[reading_service_pb2.AGGREGATE_SUM],
                source=reading_service_pb2.AggregateSource.Value(source),
            )
        )

    async def sum(self, source: str = "AGGREGATE_SOURCE_UNSPECIFIED") -> tuple[int, float]:
        bucket = (await self.asked(source)).buckets[0]
        return bucket.reading_count, bucket.fields["temp"].sum

    async def differences(self) -> list[str]:
        async with self.pool.acquire() as connection:
            return await differences(connection, "weather")

    async def rows(self) -> int:
        return int(await self.pool.fetchval("SELECT count(*) FROM readings.weather"))


@pytest.fixture
async def setup(postgres_server: PostgresCluster) -> AsyncIterator[Setup]:
    async with validator_database(postgres_server) as pool:
        async with pool.acquire() as connection:
            await create_contract(connection, _SPEC, activate=True)
        lease = Lease(pool, "validator", "upkeep", "one", expire_seconds=3600.0)
        await lease.claim()
        add = reading_service_pb2_grpc.add_ReadingServiceServicer_to_server
        async with in_process_server([(add, ReadingServicer(pool), SERVICE)]) as server:
            stub = reading_service_pb2_grpc.ReadingServiceStub(server.channel)
            yield Setup(pool, stub, RollupWorker(pool), MonthRetention(pool, lease), lease)


async def test_rollups_outlive_their_readings(setup: Setup) -> None:
    """Months of readings are dropped, strays deleted, and the rollups still answer for them."""
    await setup.put(*_OLD, *_NEW, _STRAY)
    await setup.worker.settle()
    await setup.keep(readings=60)
    removed = await setup.rounds()
    assert "weather:default" in removed
    assert {f"weather:{time:%Y-%m}" for time in _OLD} <= set(removed)
    assert await setup.rows() == 2
    assert await setup.sum() == (6, 6.0)
    assert await setup.sum("AGGREGATE_SOURCE_ROWS") == (2, 2.0)
    assert (await setup.asked()).origin.HasField("rows_from_time")
    assert await setup.differences() == []
    assert await setup.rounds() == []


async def test_readings_stay_until_they_are_rolled_up(setup: Setup) -> None:
    """What is still marked is recomputed before its readings go."""
    await setup.put(*_OLD)
    await setup.worker.settle()
    await setup.put(*_OLD)
    await setup.keep(readings=60)
    await setup.rounds()
    assert await setup.rows() == 0
    assert await setup.sum() == (6, 6.0)


async def test_late_readings_of_a_removed_month_do_not_erase_its_rollups(setup: Setup) -> None:
    """They are too old to be kept: the next rounds remove them, and the rollups stay as they were."""
    await setup.put(*_OLD)
    await setup.worker.settle()
    await setup.keep(readings=60)
    await setup.rounds()
    await setup.put(_OLD[0], temp=5.0)
    await setup.worker.settle()
    assert await setup.pool.fetchval("SELECT count(*) FROM validator.rollup_mark") == 0
    assert await setup.sum() == (3, 3.0)
    await setup.rounds()
    assert await setup.rows() == 0
    assert await setup.sum() == (3, 3.0)


async def test_where_rollups_are_removed_rows_answer(setup: Setup) -> None:
    """Rollups that are kept for a shorter time than readings take nothing from the answers."""
    await setup.put(*_OLD, *_NEW, _STRAY)
    await setup.worker.settle()
    await setup.keep(rollups=60)
    removed = await setup.rounds()
    assert {f"weather:{level}:{_OLD[0]:%Y-%m}" for level in ("hour", "day")} <= set(removed)
    assert await setup.sum() == (6, 6.0)
    await setup.put(_OLD[0])
    await setup.worker.settle()
    assert await setup.sum() == (7, 7.0)
    assert await setup.pool.fetchval('SELECT count(*) FROM rollup."weather:hour" WHERE start < $1', _OLD[2]) == 0


async def test_nothing_is_removed_without_a_limit(setup: Setup) -> None:
    """By default readings and rollups are kept for ever."""
    await setup.put(*_OLD, _STRAY)
    await setup.worker.settle()
    assert await setup.rounds() == []
    assert await setup.rows() == 4


async def test_a_busy_table_is_left_for_later(setup: Setup) -> None:
    """An open transaction that wrote to the table is not waited for, and holds nobody else up meanwhile."""
    await setup.put(*_OLD)
    await setup.worker.settle()
    await setup.keep(readings=60)
    async with setup.pool.acquire() as connection, connection.transaction():
        await connection.execute("DELETE FROM readings.weather WHERE message_id = $1", UUID(int=0))
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        closing = asyncio.create_task(setup.rounds())
        await setup.put(*_NEW)
        assert await closing == []
    assert len(await setup.rounds()) == 3
    assert await setup.sum() == (5, 5.0)


async def test_only_the_leader_removes(setup: Setup) -> None:
    """A validator that has lost the lease closes and removes nothing."""
    await setup.put(*_OLD)
    await setup.worker.settle()
    await setup.keep(readings=60)
    await setup.pool.execute("UPDATE validator.lease SET epoch = epoch + 1, holder = 'other'")
    with pytest.raises(LeaseLostError):
        await setup.rounds()
    assert await setup.rows() == 3
