"""Parked batches over gRPC, on a real Postgres: listed, retried by the path of live data, exported."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID, uuid4

import grpc
import orjson
import pytest
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow.validator.v1 import parked_pb2, quarantine_service_pb2, quarantine_service_pb2_grpc
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server
from dataflow_ring.batch import new_batch_id, new_boot_id, pack
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.parked.records import parked_identity
from dataflow_validator.parked.retry import ParkedRetry
from dataflow_validator.parked.service import CHUNK_BYTES
from dataflow_validator.quarantine.service import SERVICE, QuarantineServicer
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.statements import statements
from dataflow_validator.testing import validator_database

pytestmark = pytest.mark.postgres

FIELDS = (
    FieldSpec("device_id", FieldType.STRING),
    FieldSpec("ts", FieldType.TIMESTAMP),
    FieldSpec("n", FieldType.INTEGER),
)
GOOD = ContractSpec(name="good", fields=FIELDS, event_time="ts")

STORED, BEFORE = parked_pb2.RETRY_OUTCOME_STORED, parked_pb2.RETRY_OUTCOME_STORED_BEFORE
STILL, NOT = parked_pb2.RETRY_OUTCOME_STILL_PARKED, parked_pb2.RETRY_OUTCOME_NOT_PARKED


@dataclass
class Bench:
    pool: Pool
    stub: "quarantine_service_pb2_grpc.QuarantineServiceAsyncStub"
    sequence: int = 0

    def batch(self, *payloads: bytes) -> Batch:
        """Give a batch of messages for the contract."""
        self.sequence += 1
        batch = Batch(batch_id=new_batch_id(), bridge_id="b", boot_id=new_boot_id(), sequence=self.sequence)
        for payload in payloads:
            batch.messages.add(topic="good", payload=payload, receive_time_us=1_790_000_000_000_000)
        return batch

    async def park(self, data: bytes, batch_id: bytes | None = None) -> str:
        """Park a batch's bytes; give its id."""
        key = UUID(bytes=batch_id) if batch_id else uuid4()
        await self.pool.execute(statements("store")["park_batch"], key, "n", "why", data, *parked_identity(data))
        return str(key)

    async def park_good(self, *numbers: int) -> str:
        """Park a batch of good items."""
        batch = self.batch(*(item(number) for number in numbers))
        return await self.park(pack(batch), batch.batch_id)

    async def retry(self, *batch_ids: str) -> list[parked_pb2.RetriedBatch]:
        """Retry batches."""
        request = quarantine_service_pb2.RetryParkedRequest(batch_ids=batch_ids)
        return list((await self.stub.RetryParked(request)).batches)

    async def listed(self) -> list[parked_pb2.ParkedBatch]:
        """Give all parked batches, two a page."""
        found: list[parked_pb2.ParkedBatch] = []
        token = ""
        while True:
            request = quarantine_service_pb2.ListParkedRequest(page_size=2, page_token=token)
            page = await self.stub.ListParked(request)
            found += page.batches
            if not (token := page.next_page_token):
                return found

    async def exported(self, **request: object) -> list[quarantine_service_pb2.ExportParkedResponse]:
        """Export batches."""
        call = self.stub.ExportParked(quarantine_service_pb2.ExportParkedRequest(**request))  # type: ignore[arg-type]
        return [response async for response in call]

    async def value(self, query: str) -> object:
        """Ask the database."""
        return await self.pool.fetchval(query)


def item(number: int) -> bytes:
    """Give a good item."""
    return orjson.dumps({"device_id": "d", "ts": f"2026-01-01T00:00:{number:02}Z", "n": number})


@pytest.fixture
async def bench(postgres_server: PostgresCluster) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(validator_database(postgres_server))
        registry = Registry()
        async with pool.acquire() as connection:
            async with connection.transaction():
                await create_contract(connection, GOOD, activate=True)
                await create_route(connection, "good", "good")
            await registry.refresh(connection)
        servicer = QuarantineServicer(pool, ParkedRetry(pool, registry, Partitions()))
        add = quarantine_service_pb2_grpc.add_QuarantineServiceServicer_to_server
        server = await stack.enter_async_context(in_process_server([(add, servicer, SERVICE)]))
        yield Bench(pool, quarantine_service_pb2_grpc.QuarantineServiceStub(server.channel))


async def test_parked_batches_are_listed_with_what_is_known_of_them(bench: Bench) -> None:
    """Also those that nobody can read, which have neither bridge nor count."""
    good = await bench.park_good(1, 2)
    unreadable = await bench.park(b"no batch at all")
    await bench.park_good(3)
    listed = {batch.batch_id: batch for batch in await bench.listed()}
    assert len(listed) == 3
    assert (listed[good].bridge_id, listed[good].sequence, listed[good].message_count) == ("b", 1, 2)
    assert not listed[unreadable].HasField("message_count")
    assert (listed[unreadable].node, listed[unreadable].reason, listed[unreadable].size_bytes) == ("n", "why", 15)


async def test_a_retried_batch_is_stored_as_live_data_is(bench: Bench) -> None:
    """Rows, quarantine, raw log and claim; its parking and the ledger's row of it are balanced in one transaction."""
    batch = bench.batch(item(1), b"not json", item(1))
    batch_id = await bench.park(pack(batch), batch.batch_id)
    [done] = await bench.retry(batch_id)
    assert (done.outcome, done.stored, done.quarantined, done.duplicate) == (STORED, 1, 1, 1)
    assert await bench.listed() == []
    assert await bench.value("SELECT count(*) FROM readings.good") == 1
    assert await bench.value("SELECT count(*) FROM validator.raw_log") == 1
    assert await bench.value("SELECT array_agg(parked ORDER BY stored_xid) FROM validator.ledger") == [3, -3]
    sums = "stored + duplicate + conflict + quarantined + parked"
    assert await bench.value(f"SELECT count(*) FROM validator.ledger WHERE items <> {sums}") == 0
    assert await bench.value("SELECT sum(items) FROM validator.ledger") == 3
    assert await bench.value("SELECT count(*) FROM validator.batch") == 1


async def test_a_batch_is_stored_once_however_often_it_is_retried(bench: Bench) -> None:
    """At the same time, one after the other, and after it was stored from the ring."""
    batch_id = await bench.park_good(1, 2)
    retried = await asyncio.gather(*(bench.retry(batch_id) for _ in range(4)))
    outcomes = [done.outcome for [done] in retried]
    assert sorted(outcomes) == [STORED, NOT, NOT, NOT]
    batch = bench.batch(item(3))
    await bench.pool.execute(
        "INSERT INTO validator.batch VALUES ($1, 'b', gen_random_uuid(), 1, 1)", UUID(bytes=batch.batch_id)
    )
    [done] = await bench.retry(await bench.park(pack(batch), batch.batch_id))
    assert done.outcome == BEFORE
    assert await bench.listed() == []
    assert await bench.value("SELECT count(*) FROM readings.good") == 2
    assert await bench.value("SELECT sum(parked) FROM validator.ledger") == 0


async def test_a_batch_that_was_forgotten_makes_no_second_rows(bench: Bench) -> None:
    """Its id is not remembered any more; the ids of its items are in the rows."""
    batch = bench.batch(item(1))
    for _ in range(2):
        await bench.park(pack(batch), batch.batch_id)
        [done] = await bench.retry(str(UUID(bytes=batch.batch_id)))
        assert done.outcome == STORED
        await bench.pool.execute("DELETE FROM validator.batch")
    assert (done.stored, done.duplicate) == (0, 1)
    assert await bench.value("SELECT count(*) FROM readings.good") == 1


async def test_what_cannot_be_stored_stays_parked_and_says_why(bench: Bench) -> None:
    """An unreadable one, and one whose table does not work; the next one of the request is stored all the same."""
    unreadable = await bench.park(b"no batch at all")
    broken = await bench.park_good(1)
    await bench.pool.execute('ALTER TABLE readings.good RENAME COLUMN "n" TO "m"')
    first, second, third = await bench.retry(unreadable, broken, str(uuid4()))
    assert (first.outcome, second.outcome, third.outcome) == (STILL, STILL, NOT)
    assert "cannot be read" in first.reason
    assert "does not work" in second.reason
    assert {batch.batch_id: batch.retries for batch in await bench.listed()} == {unreadable: 1, broken: 1}
    await bench.pool.execute('ALTER TABLE readings.good RENAME COLUMN "m" TO "n"')
    assert [done.outcome for done in await bench.retry(broken)] == [STORED]


async def test_a_retry_needs_an_operator_and_ids(bench: Bench) -> None:
    """What is no id is refused before anything is looked at."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await bench.retry("no id")
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_an_export_gives_the_original_bytes(bench: Bench) -> None:
    """In parts where a batch is large, from any batch on, and nothing changes."""
    large = bench.batch(bytes(range(256)) * 16)
    data = pack(large) + b"\0" * (2 * CHUNK_BYTES)
    first = await bench.park(data, large.batch_id)
    second = await bench.park_good(2)
    responses = await bench.exported()
    assert [response.batch.batch_id for response in responses if response.HasField("batch")] == [first, second]
    assert [response.last for response in responses] == [False, False, True, True]
    assert b"".join(response.data for response in responses[:3]) == data
    assert [response.batch.batch_id for response in await bench.exported(after_batch_id=first)] == [second]
    assert len(await bench.listed()) == 2


async def test_an_export_of_messages_can_be_replayed(bench: Bench) -> None:
    """One JSON document a line with topic and payload; bytes that are no text in base64."""
    batch = bench.batch(item(1), b"\xff")
    await bench.park(pack(batch), batch.batch_id)
    unreadable = await bench.park(b"no batch at all")
    form = quarantine_service_pb2.EXPORT_FORMAT_MESSAGES
    responses = {response.batch.batch_id: response for response in await bench.exported(format=form)}
    lines = [json.loads(line) for line in responses[str(UUID(bytes=batch.batch_id))].data.splitlines()]
    assert [(line["topic"], line.get("payload"), line.get("payload_base64")) for line in lines] == [
        ("good", item(1).decode(), None),
        ("good", None, "/w=="),
    ]
    assert responses[unreadable].problem
    assert not responses[unreadable].data
