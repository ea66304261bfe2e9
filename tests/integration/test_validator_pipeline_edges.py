"""What must not stop the pipeline for ever: batches that cannot be stored, a restored catalogue, readers that end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import cast

import orjson
import pytest
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, new_boot_id, pack
from dataflow_ring.consume import Entry, NodeReader, Origin
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.pipeline import Pipeline, PipelineOptions
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.testing import validator_database

SPEC = ContractSpec(
    name="good",
    fields=(FieldSpec("device_id", FieldType.STRING), FieldSpec("ts", FieldType.TIMESTAMP)),
    event_time="ts",
)
ITEM = {"device_id": "d", "ts": "2026-01-01T00:00:00Z"}


class Reader:
    """Stands for the reader of a node: counts what is acknowledged."""

    def __init__(self) -> None:
        self.acknowledged = asyncio.Semaphore(0)

    async def acknowledge(self, entries: Sequence[Entry]) -> None:
        for _ in entries:
            self.acknowledged.release()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(20):
            for _ in range(count):
                await self.acknowledged.acquire()


def entry(*messages: tuple[str, object], bridge_id: str = "b") -> Entry:
    batch = Batch(batch_id=new_batch_id(), bridge_id=bridge_id, boot_id=new_boot_id(), sequence=1)
    for topic, payload in messages:
        batch.messages.add(topic=topic, payload=orjson.dumps(payload), receive_time_us=1_790_000_000_000_000)
    return Entry("n", keys.BATCHES, b"1-1", batch.batch_id, pack(batch), Origin.NEW)


@asynccontextmanager
async def running(
    cluster: PostgresCluster, options: PipelineOptions | None = None
) -> AsyncIterator[tuple[Pipeline, Reader, Pool]]:
    async with validator_database(cluster) as pool:
        reader, registry = Reader(), Registry()
        async with pool.acquire() as connection:
            async with connection.transaction():
                await create_contract(connection, SPEC, activate=True)
                await create_route(connection, "good", "good")
            await registry.refresh(connection)
        pipeline = Pipeline(pool, registry, Partitions(), lambda _: cast("NodeReader", reader), options)
        task = asyncio.create_task(pipeline.run())
        try:
            yield pipeline, reader, pool
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_a_batch_that_cannot_be_stored_even_alone_is_parked(postgres_server: PostgresCluster) -> None:
    """What Postgres refuses is no item of it: trying for ever would stop everybody else."""
    async with running(postgres_server) as (pipeline, reader, pool):
        bad = entry(("good", ITEM), bridge_id="nul\0")
        for one in (entry(("good", ITEM)), bad, entry(("good", ITEM | {"device_id": "e"}))):
            await pipeline.put(one)
        await reader.wait_for(3)
        assert await pool.fetchval("SELECT count(*) FROM readings.good") == 2
        assert await pool.fetchval("SELECT bytes FROM validator.parked") == bad.data
        assert not pipeline.holds(bad.batch_id)


async def test_a_topic_too_long_for_an_index_costs_only_its_message(postgres_server: PostgresCluster) -> None:
    """A bridge may be told to take topics of 65,535 bytes."""
    topic = "".join(Random(7).choices("0123456789abcdefghijklmnopqrstuvwxyz", k=20_000))
    async with running(postgres_server) as (pipeline, reader, pool):
        await pipeline.put(entry((topic, {}), ("good", ITEM)))
        await reader.wait_for(1)
        assert await pool.fetchval("SELECT count(*) FROM readings.good") == 1
        assert await pool.fetchval("SELECT payload FROM validator.quarantine WHERE kind = 'UNROUTED'") == b"{}"


async def test_a_catalogue_restored_from_a_backup_is_taken(postgres_server: PostgresCluster) -> None:
    """Its version is an older one: judging and storing must agree again."""
    async with running(postgres_server) as (pipeline, reader, pool):
        await pool.execute("UPDATE validator.catalog SET version = version - 1")
        await pipeline.put(entry(("good", ITEM)))
        await reader.wait_for(1)


async def test_entries_without_a_batch_id_are_all_kept(postgres_server: PostgresCluster) -> None:
    """Parked under one common id, the second would be acknowledged and dropped."""
    async with running(postgres_server) as (pipeline, reader, pool):
        for number in (b"1-1", b"1-2"):
            await pipeline.put(Entry("n", keys.BATCHES, number, b"", number, Origin.NEW))
        await reader.wait_for(2)
        assert {row["bytes"] for row in await pool.fetch("SELECT bytes FROM validator.parked")} == {b"1-1", b"1-2"}


async def test_a_reader_that_ends_while_it_waits_leaves_nothing_held(postgres_server: PostgresCluster) -> None:
    """Its node left the ring: the copy on another node must be taken, and a drain must end."""
    async with running(postgres_server, PipelineOptions(queue_batches=1)) as (pipeline, reader, pool):
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE validator.batch")
            first = [entry(("good", ITEM)) for _ in range(40)]
            putting = [asyncio.create_task(pipeline.put(one)) for one in first]
            await asyncio.wait(putting, return_when=asyncio.FIRST_COMPLETED)
            late = replace(entry(("good", ITEM)), entry_id=b"2-1")
            waiting = asyncio.create_task(pipeline.put(late))
            await asyncio.sleep(0)
            assert pipeline.holds(late.batch_id)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert not pipeline.holds(late.batch_id)
        await reader.wait_for(40)
        await pipeline.drain()


async def test_what_a_node_brought_back_is_parked_with_the_reason_and_nothing_is_judged(
    postgres_server: PostgresCluster,
) -> None:
    """It may have been stored longer ago than batch ids are remembered; whoever asks has it judged."""
    async with running(postgres_server) as (pipeline, reader, pool):
        returned = replace(entry(("good", ITEM)), origin=Origin.RETURNED)
        await pipeline.park(returned, "its node had left the ring with it, and came back")
        await reader.wait_for(1)
        (parked,) = await pool.fetch("SELECT batch_id, reason, bytes FROM validator.parked")
        assert (parked["batch_id"].bytes, parked["bytes"]) == (returned.batch_id, returned.data)
        assert "had left the ring" in parked["reason"]
        assert await pool.fetchval("SELECT count(*) FROM readings.good") == 0
        assert await pipeline.committed([returned.batch_id])
        assert not pipeline.holds(returned.batch_id)
