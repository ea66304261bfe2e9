"""The ledger's minutes and LedgerService over gRPC, on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import grpc
import orjson
import pytest
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow.validator.v1 import ledger_pb2, ledger_service_pb2, ledger_service_pb2_grpc
from dataflow_mesh.lease import Lease, LeaseLostError
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, pack
from dataflow_ring.consume import Entry, Origin
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.judged import judge_batch
from dataflow_validator.ledger import fold as ledger_fold
from dataflow_validator.ledger.fold import Fold
from dataflow_validator.ledger.health import LedgerHealth
from dataflow_validator.ledger.ring import RingLooker
from dataflow_validator.ledger.service import SERVICE, LedgerServicer
from dataflow_validator.store import store
from dataflow_validator.testing import reason_of, validator_database

pytestmark = pytest.mark.postgres

FIELDS = (FieldSpec("device_id", FieldType.STRING), FieldSpec("ts", FieldType.TIMESTAMP))
BATCH = ledger_service_pb2.LEDGER_RESOLUTION_BATCH
MINUTE = ledger_service_pb2.LEDGER_RESOLUTION_MINUTE


@dataclass
class Bench:
    pool: Pool
    rules: Rules
    stub: "ledger_service_pb2_grpc.LedgerServiceAsyncStub"
    boot_id: UUID = field(default_factory=uuid4)
    sequence: int = 0

    async def store(self, *messages: tuple[str, str], bad: int = 0) -> None:
        """Store a batch: good items by contract and device, and some that are no JSON."""
        self.sequence += 1
        batch = Batch(
            batch_id=new_batch_id(),
            bridge_id="b",
            boot_id=self.boot_id.bytes,
            sequence=self.sequence,
            acknowledged_through=self.sequence - 1,
        )
        for number, (contract, device) in enumerate(messages):
            moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number + 100 * self.sequence)
            payload = orjson.dumps({"device_id": device, "ts": moment.isoformat()})
            batch.messages.add(topic=contract, payload=payload, receive_time_us=1_790_000_000_000_000)
        for number in range(bad):
            batch.messages.add(
                topic="one", payload=b"x%d-%d" % (self.sequence, number), receive_time_us=1_790_000_000_000_000
            )
        entry = Entry("n", keys.BATCHES, b"1-1", batch.batch_id, pack(batch), Origin.NEW)
        async with self.pool.acquire() as connection:
            await store(connection, [judge_batch(entry, batch, self.rules)])

    async def fold(self, *, max_devices: int = 1_000) -> int:
        """Fold as the leader."""
        lease = Lease(self.pool, "validator", "upkeep", "one", expire_seconds=3600.0)
        await lease.claim()
        return await Fold(self.pool, lease, max_devices).run_once()

    async def minutes(self) -> dict[tuple[str, str], tuple[int, ...]]:
        """Give stored, quarantined and parked of each contract and device, over all minutes."""
        records = await self.pool.fetch(
            "SELECT contract, device_id, sum(stored)::int, sum(quarantined)::int, sum(parked)::int"
            " FROM validator.ledger_minute GROUP BY 1, 2"
        )
        return {(record[0], record[1]): tuple(record)[2:] for record in records}

    async def listed(
        self,
        page_size: int = 2,
        resolution: "ledger_service_pb2.LedgerResolution.ValueType" = BATCH,
        **selected: object,
    ) -> list[ledger_pb2.LedgerEntry]:
        """Give the entries of all pages."""
        found: list[ledger_pb2.LedgerEntry] = []
        token = ""
        while True:
            page = await self.stub.ListLedgerEntries(
                ledger_service_pb2.ListLedgerEntriesRequest(
                    filter=ledger_pb2.LedgerFilter(**selected),  # type: ignore[arg-type]
                    resolution=resolution,
                    page_size=page_size,
                    page_token=token,
                )
            )
            found += page.entries
            if not (token := page.next_page_token):
                return found

    async def check(self, **request: object) -> ledger_service_pb2.CheckLedgerResponse:
        """Check the ledger."""
        return await self.stub.CheckLedger(ledger_service_pb2.CheckLedgerRequest(**request))  # type: ignore[arg-type]


@pytest.fixture
async def bench(postgres_server: PostgresCluster) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(validator_database(postgres_server))
        registry = Registry()
        async with pool.acquire() as connection:
            for name in ("one", "two"):
                async with connection.transaction():
                    await create_contract(connection, ContractSpec(name, fields=FIELDS, event_time="ts"), activate=True)
                    await create_route(connection, name, name)
            await registry.refresh(connection)
        add = ledger_service_pb2_grpc.add_LedgerServiceServicer_to_server
        services = [(add, LedgerServicer(pool, RingLooker(pool)), SERVICE)]
        server = await stack.enter_async_context(in_process_server(services))
        yield Bench(pool, Rules(registry.current), ledger_service_pb2_grpc.LedgerServiceStub(server.channel))


async def test_each_ledger_row_is_in_the_minutes_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many transactions the fold takes, and however often it runs."""
    monkeypatch.setattr(ledger_fold, "CHUNK", 2)
    for _ in range(5):
        await bench.store(("one", "d1"), ("one", "d2"), ("two", "d1"), bad=1)
    assert await bench.fold() == 5
    assert await bench.fold() == 0
    await bench.store(("one", "d1"))
    assert await bench.fold() == 1
    found = await bench.minutes()
    assert (found["one", "d1"], found["one", "d2"], found["two", "d1"]) == ((6, 0, 0), (5, 0, 0), (5, 0, 0))
    assert sum(quarantined for _, quarantined, _ in found.values()) == 5


async def test_a_row_that_commits_late_is_not_missed(bench: Bench) -> None:
    """Its transaction began before others that committed: the fold waits below it."""
    async with bench.pool.acquire() as late:
        transaction = late.transaction()
        await transaction.start()
        await late.execute(
            "INSERT INTO validator.ledger VALUES (gen_random_uuid(), 'late', gen_random_uuid(), 1, 0, 'n',"
            ' 1, 1, 0, 0, 0, 0, \'{"one": {"stored": {"late": 1}}}\')'
        )
        await bench.store(("one", "d1"))
        assert await bench.fold() == 0
        await transaction.commit()
    assert await bench.fold() == 2
    assert (await bench.minutes())["one", "late"] == (1, 0, 0)


async def test_a_fleet_does_not_make_the_minutes_grow_without_end(bench: Bench) -> None:
    """Past a number of devices of a minute the others are counted together; those that have a row keep it."""
    await bench.pool.execute(  # so that all of them are of one minute
        "ALTER TABLE validator.ledger ALTER COLUMN commit_time SET DEFAULT '2026-01-01'"
    )
    await bench.store(*(("one", f"d{number}") for number in range(5)))
    await bench.fold(max_devices=3)
    await bench.store(("one", "d0"), ("one", "d9"))
    await bench.fold(max_devices=3)
    found = await bench.minutes()
    assert {key: counts[0] for key, counts in found.items()} == {
        ("one", "d0"): 2,
        ("one", "d1"): 1,
        ("one", "d2"): 1,
        ("one", ""): 3,
    }


async def test_a_frozen_leader_folds_nothing(bench: Bench) -> None:
    """Another validator leads meanwhile: nothing is counted twice."""
    lease = Lease(bench.pool, "validator", "upkeep", "sleeper", expire_seconds=3600.0)
    await lease.claim()
    await bench.pool.execute("UPDATE validator.lease SET holder = 'one', epoch = epoch + 1")
    await bench.store(("one", "d1"))
    with pytest.raises(LeaseLostError):
        await Fold(bench.pool, lease).run_once()
    assert await bench.fold() == 1
    assert await bench.minutes() == {("one", "d1"): (1, 0, 0)}


async def test_entries_come_newest_first_in_pages(bench: Bench) -> None:
    """Each batch once, with what became of its items."""
    for _ in range(5):
        await bench.store(("one", "d1"), bad=2)
    entries = await bench.listed()
    assert [entry.sequence for entry in entries] == [5, 4, 3, 2, 1]
    assert (entries[-1].counts.stored, entries[-1].counts.quarantined, entries[-1].node) == (1, 2, "n")
    assert {entry.boot_id for entry in entries} == {str(bench.boot_id)}
    assert await bench.listed(boot_id=str(uuid4())) == []
    assert await bench.listed(contract="a\0") == []


async def test_entries_of_a_contract_or_device_count_only_its_items(bench: Bench) -> None:
    """Batches without one are left out."""
    await bench.store(("one", "d1"), ("one", "d2"), ("two", "d1"))
    await bench.store(("two", "d2"))
    assert [(e.sequence, e.counts.stored) for e in await bench.listed(contract="one")] == [(1, 2)]
    assert [(e.sequence, e.counts.stored) for e in await bench.listed(device_id="d1")] == [(1, 2)]
    assert [(e.sequence, e.counts.stored) for e in await bench.listed(contract="two", device_id="d2")] == [(2, 1)]


async def test_minutes_come_newest_first_in_pages(bench: Bench) -> None:
    """One entry for each contract and device, once the leader has folded."""
    await bench.store(("one", "d1"), ("one", "d2"), ("two", "d1"))
    await bench.fold()
    entries = await bench.listed(resolution=MINUTE)
    assert [(entry.contract, entry.device_id, entry.counts.stored) for entry in entries] == [
        ("two", "d1", 1),
        ("one", "d2", 1),
        ("one", "d1", 1),
    ]
    assert all(entry.commit_time.seconds % 60 == 0 and not entry.batch_id for entry in entries)
    assert len(await bench.listed(resolution=MINUTE, device_id="d1")) == 2


async def test_a_page_token_belongs_to_its_filter(bench: Bench) -> None:
    """Another resolution is another list."""
    for _ in range(3):
        await bench.store(("one", "d1"))
    page = await bench.stub.ListLedgerEntries(ledger_service_pb2.ListLedgerEntriesRequest(page_size=1))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await bench.stub.ListLedgerEntries(
            ledger_service_pb2.ListLedgerEntriesRequest(resolution=MINUTE, page_token=page.next_page_token)
        )
    assert reason_of(refused.value)[0] == "PAGE_TOKEN_INVALID"


async def test_a_check_names_what_is_missing(bench: Bench) -> None:
    """By life of a bridge and ranges of sequences; narrowed, and in pages."""
    await bench.store(("one", "d1"))
    bench.sequence = 9
    await bench.store(("one", "d1"))
    found = await bench.check()
    assert (found.complete, found.missing, found.unreachable) == (False, 8, 0)
    [boot] = found.boots
    assert (boot.bridge_id, boot.acknowledged_through, boot.committed_through, boot.missing) == ("b", 9, 1, 8)
    assert [(part.first, part.last, part.state) for part in boot.ranges] == [(2, 9, ledger_pb2.SEQUENCE_STATE_MISSING)]
    assert (await bench.check(bridge_id="another")).complete
    first_life, bench.boot_id, bench.sequence = bench.boot_id, uuid4(), 0
    await bench.store(("one", "d1"))
    page = await bench.check(page_size=1)
    second = await bench.check(page_size=1, page_token=page.next_page_token)
    assert {boot.boot_id for boot in [*page.boots, *second.boots]} == {str(first_life), str(bench.boot_id)}
    assert not second.next_page_token


async def test_a_recount_finds_rows_that_the_ledger_promises(bench: Bench) -> None:
    """And those that are gone from a table, or from quarantine."""
    await bench.store(("one", "d1"), ("two", "d1"), bad=3)
    await bench.store(("one", "d2"))
    found = await bench.check(recount=True)
    assert found.complete
    assert (found.recount.ledger_stored, found.recount.found_stored) == (3, 3)
    assert (found.recount.ledger_quarantined, found.recount.found_quarantined) == (3, 3)
    await bench.pool.execute("DELETE FROM readings.two")
    await bench.pool.execute("DELETE FROM validator.quarantine WHERE position = 2")
    found = await bench.check(recount=True)
    assert not found.complete
    assert list(found.recount.differing_contracts) == ["two"]
    assert (found.recount.found_stored, found.recount.found_quarantined) == (2, 2)


async def test_health_follows_what_is_written_down(bench: Bench) -> None:
    """NOT_SERVING with the first loss, SERVING after the last one."""
    said: list[bool] = []

    async def set_serving(name: str, serving: bool) -> None:
        assert name == SERVICE
        said.append(serving)

    health = LedgerHealth(bench.pool, set_serving)
    await health.run_once()
    await bench.pool.execute("INSERT INTO validator.ledger_open VALUES ('b', gen_random_uuid(), 1, 'MISSING')")
    assert await health.run_once() == 1
    await asyncio.gather(health.run_once(), health.run_once())
    await bench.pool.execute("DELETE FROM validator.ledger_open")
    assert await health.run_once() == 0
    assert said == [False, True]
