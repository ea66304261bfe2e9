"""What counts as the death of a reader that works on a batch alone, and what does not."""

import asyncio
from typing import cast
from uuid import UUID

import orjson
import pytest
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_mesh.testing import PostgresCluster
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, new_boot_id, pack
from dataflow_ring.consume import Entry, NodeReader, Origin
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.pipeline import Pipeline
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.testing import validator_database

pytestmark = [pytest.mark.chaos, pytest.mark.postgres]

SPEC = ContractSpec(
    name="locked",
    fields=(FieldSpec("device_id", FieldType.STRING), FieldSpec("ts", FieldType.TIMESTAMP)),
    event_time="ts",
)


async def test_an_orderly_end_during_a_lone_try_is_no_death(postgres_server: PostgresCluster) -> None:
    """Somebody locks a table and restarts the validators in order, three times: nothing healthy may be parked for it."""
    batch = Batch(batch_id=new_batch_id(), bridge_id="b", boot_id=new_boot_id(), sequence=1)
    payload = orjson.dumps({"device_id": "d", "ts": "2026-01-01T00:00:00Z"})
    batch.messages.add(topic="locked", payload=payload, receive_time_us=1_790_000_000_000_000)
    suspect = Entry("n", keys.BATCHES, b"1-1", batch.batch_id, pack(batch), Origin.SUSPECT)
    async with validator_database(postgres_server) as pool:
        registry = Registry()
        async with pool.acquire() as connection:
            async with connection.transaction():
                await create_contract(connection, SPEC, activate=True)
                await create_route(connection, "locked", "locked")
            await registry.refresh(connection)
        pipeline = Pipeline(pool, registry, Partitions(), lambda _: cast("NodeReader | None", None))
        deaths = "SELECT lone_deaths FROM validator.suspect WHERE batch_id = $1"
        batch_id = UUID(bytes=batch.batch_id)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE readings.locked IN ACCESS EXCLUSIVE MODE")
            running = asyncio.create_task(pipeline.run())
            await pipeline.put(suspect)
            while not await pool.fetchval(deaths, batch_id):  # noqa: ASYNC110 - what is waited for is in Postgres
                await asyncio.sleep(0.02)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await pipeline.drain()
            assert await pool.fetchval(deaths, batch_id) == 0
            running.cancel()
            await asyncio.wait([running])
