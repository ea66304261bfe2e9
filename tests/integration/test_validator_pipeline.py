"""The pipeline on a real Postgres: what is acknowledged on the ring, when, and what is parked."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast
from uuid import UUID

import orjson
import pytest
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, postgres_cluster
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, new_boot_id, pack
from dataflow_ring.consume import Entry, NodeReader, Origin
from dataflow_validator.catalog.contract_changes import update_contract
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.fitness import Mode
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.revision_records import create_revision
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.errors import ContractNotFoundError
from dataflow_validator.pipeline import Pipeline, PipelineOptions
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.testing import validator_database

FIELDS = (
    FieldSpec("device_id", FieldType.STRING),
    FieldSpec("ts", FieldType.TIMESTAMP),
    FieldSpec("n", FieldType.INTEGER),
)
GOOD = ContractSpec(name="good", fields=FIELDS, event_time="ts")
OTHER = ContractSpec(name="other", fields=FIELDS, event_time="ts")


class Reader:
    """Stands for the reader of a node: notes what is acknowledged and what is given back."""

    def __init__(self) -> None:
        self.acknowledged: list[bytes] = []
        self.released: list[bytes] = []
        self.changed = asyncio.Condition()

    async def acknowledge(self, entries: Sequence[Entry]) -> None:
        self.acknowledged += [entry.batch_id for entry in entries]
        async with self.changed:
            self.changed.notify_all()

    def release(self, entries: Sequence[Entry]) -> None:
        self.released += [entry.batch_id for entry in entries]

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: len(self.acknowledged) >= count)


def entry(*messages: tuple[str, object], origin: Origin = Origin.NEW) -> Entry:
    batch = Batch(batch_id=new_batch_id(), bridge_id="b", boot_id=new_boot_id(), sequence=1)
    for topic, payload in messages:
        batch.messages.add(topic=topic, payload=orjson.dumps(payload), receive_time_us=1_790_000_000_000_000)
    return Entry("n", keys.BATCHES, b"1-1", batch.batch_id, pack(batch), origin)


def item(number: int) -> dict[str, object]:
    return {"device_id": "d", "ts": "2026-01-01T00:00:00Z", "n": number}


class Bench:
    """A running pipeline, its reader and its database."""

    def __init__(self, pipeline: Pipeline, reader: Reader, pool: Pool) -> None:
        self.pipeline, self.reader, self.pool = pipeline, reader, pool

    async def value(self, query: str) -> object:
        return await self.pool.fetchval(query)

    async def execute(self, query: str, *arguments: object) -> None:
        await self.pool.execute(query, *arguments)


@asynccontextmanager
async def running(cluster: PostgresCluster, options: PipelineOptions | None = None) -> AsyncIterator[Bench]:
    async with validator_database(cluster) as pool:
        async with pool.acquire() as connection:
            for spec in (GOOD, OTHER):
                async with connection.transaction():
                    await create_contract(connection, spec, activate=True)
                    await create_route(connection, spec.name, spec.name)
        reader, registry = Reader(), Registry()
        async with pool.acquire() as connection:
            await registry.refresh(connection)
        pipeline = Pipeline(pool, registry, Partitions(), lambda _: cast("NodeReader", reader), options)
        task = asyncio.create_task(pipeline.run())
        try:
            yield Bench(pipeline, reader, pool)
        finally:
            task.cancel()
            await asyncio.wait([task])


async def test_a_batch_is_acknowledged_after_it_is_committed(postgres_server: PostgresCluster) -> None:
    """Commit before ring-ack, for many batches at once."""
    async with running(postgres_server) as bench:
        entries = [entry(("good", item(n)), ("nowhere", {})) for n in range(50)]
        for one in entries:
            await bench.pipeline.put(one)
        await bench.reader.wait_for(50)
        assert sorted(bench.reader.acknowledged) == sorted(one.batch_id for one in entries)
        assert await bench.value("SELECT count(*) FROM readings.good") == 50
        assert await bench.value("SELECT sum(items) FROM validator.ledger") == 100
        await bench.pipeline.drain()


async def test_two_entries_of_one_batch_are_stored_once_and_both_acknowledged(postgres_server: PostgresCluster) -> None:
    """A first copy and an orphan may come together."""
    async with running(postgres_server) as bench:
        one = entry(("good", item(1)))
        twin = replace(one, stream=keys.COPIES, origin=Origin.ORPHAN)
        await bench.pipeline.put(one)
        await bench.pipeline.put(twin)
        await bench.reader.wait_for(2)
        assert await bench.value("SELECT count(*) FROM readings.good") == 1
        assert not bench.pipeline.holds(one.batch_id)


async def test_a_suspect_that_lets_its_reader_live_is_stored(postgres_server: PostgresCluster) -> None:
    """Death in a group does not count; nothing healthy is parked."""
    async with running(postgres_server) as bench:
        await bench.pipeline.put(entry(("good", item(1)), origin=Origin.SUSPECT))
        await bench.reader.wait_for(1)
        await bench.pipeline.drain()
        assert await bench.value("SELECT count(*) FROM readings.good") == 1
        assert await bench.value("SELECT count(*) FROM validator.parked") == 0
        assert await bench.value("SELECT count(*) FROM validator.suspect") == 0


async def test_many_that_are_suspected_for_the_first_time_are_stored_together(postgres_server: PostgresCluster) -> None:
    """What a dead or slow reader held must not take longer than what arrives."""
    async with running(postgres_server) as bench:
        for number in range(9):
            await bench.pipeline.put(entry(("good", item(number)), origin=Origin.SUSPECT))
        await bench.reader.wait_for(9)
        await bench.pipeline.drain()
        assert await bench.value("SELECT count(*) FROM readings.good") == 9
        assert await bench.value("SELECT count(*) FROM validator.suspect") == 0
        assert bench.pipeline.counters.transactions == 1


async def test_what_stood_beside_a_death_works_alone_the_next_time(postgres_server: PostgresCluster) -> None:
    """So a group is never lost twice to the same batch."""
    async with running(postgres_server) as bench:
        entries = [entry(("good", item(number)), origin=Origin.SUSPECT) for number in range(4)]
        for one in entries:  # as a reader leaves it that died over all of them
            await bench.execute(
                "INSERT INTO validator.suspect (batch_id, lone_deaths) VALUES ($1, 0)", UUID(bytes=one.batch_id)
            )
        for one in entries:
            await bench.pipeline.put(one)
        await bench.reader.wait_for(4)
        await bench.pipeline.drain()
        assert await bench.value("SELECT count(*) FROM validator.suspect") == 0
        assert bench.pipeline.counters.transactions == 4


async def test_a_batch_that_killed_its_readers_alone_is_parked_with_its_bytes(postgres_server: PostgresCluster) -> None:
    """It never holds a node."""
    async with running(postgres_server, PipelineOptions(max_lone_deaths=2)) as bench:
        one = entry(("good", item(1)), origin=Origin.SUSPECT)
        await bench.execute(
            "INSERT INTO validator.suspect (batch_id, lone_deaths) VALUES ($1, 2)", UUID(bytes=one.batch_id)
        )
        await bench.pipeline.put(one)
        await bench.reader.wait_for(1)
        assert await bench.value("SELECT bytes FROM validator.parked") == one.data
        assert await bench.value("SELECT count(*) FROM readings.good") == 0
        assert one.batch_id in await bench.pipeline.committed([one.batch_id])


async def test_bytes_that_are_no_batch_are_parked(postgres_server: PostgresCluster) -> None:
    """Nobody judges them, nobody loses them."""
    async with running(postgres_server) as bench:
        batch_id = new_batch_id()
        await bench.pipeline.put(Entry("n", keys.BATCHES, b"1-1", batch_id, b"not a batch", Origin.NEW))
        await bench.reader.wait_for(1)
        assert await bench.value("SELECT bytes FROM validator.parked") == b"not a batch"


async def test_a_stopped_lane_holds_nobody_else(postgres_server: PostgresCluster) -> None:
    """Items of a contract whose table does not work are kept in quarantine; others of the same batch are rows."""
    async with running(postgres_server) as bench:
        await bench.execute("ALTER TABLE readings.other RENAME TO away")
        for number in range(5):
            await bench.pipeline.put(
                entry(("other", item(number)), ("good", item(number)), ("other", {"no": "reading"}))
            )
        await bench.reader.wait_for(5)
        assert bench.pipeline.stopped_lanes == ("other",)
        assert await bench.value("SELECT count(*) FROM readings.good") == 5
        assert await bench.value("SELECT count(*) FROM validator.quarantine WHERE kind = 'UNSTORABLE'") == 5
        assert await bench.value(
            "SELECT sum(items) = sum(stored + duplicate + conflict + quarantined) FROM validator.ledger"
        )


async def test_a_lane_goes_on_when_its_table_works_again(postgres_server: PostgresCluster) -> None:
    """It is tried again after a while."""
    async with running(postgres_server, PipelineOptions(lane_retry_seconds=0.2)) as bench:
        await bench.execute("ALTER TABLE readings.other RENAME TO away")
        await bench.pipeline.put(entry(("other", item(1))))
        await bench.reader.wait_for(1)
        await bench.execute("ALTER TABLE readings.away RENAME TO other")
        await asyncio.sleep(0.3)
        await bench.pipeline.put(entry(("other", item(2))))
        await bench.reader.wait_for(2)
        assert await bench.value("SELECT count(*) FROM readings.other") == 1


async def test_a_good_copy_counts_where_the_first_one_is_unreadable(postgres_server: PostgresCluster) -> None:
    """Bytes that nobody can read are kept, and do not stand for the batch."""
    async with running(postgres_server) as bench:
        good = entry(("good", item(1)))
        await bench.pipeline.put(replace(good, data=b"rotten"))
        await bench.reader.wait_for(1)
        assert good.batch_id not in await bench.pipeline.committed([good.batch_id])
        await bench.pipeline.put(replace(good, stream=keys.COPIES, origin=Origin.ORPHAN))
        await bench.reader.wait_for(2)
        assert await bench.value("SELECT count(*) FROM readings.good") == 1
        assert await bench.value("SELECT bytes FROM validator.parked") == b"rotten"


async def test_an_outage_of_postgres_loses_and_parks_nothing() -> None:
    """The group waits, is stored when Postgres is back, and nobody reads meanwhile."""
    with postgres_cluster() as cluster:
        async with running(cluster) as bench:
            await bench.pipeline.put(entry(("good", item(1))))
            await bench.reader.wait_for(1)
            cluster.kill()
            await bench.pipeline.put(entry(("good", item(2))))
            async with asyncio.timeout(10):
                while bench.pipeline.postgres_up:  # noqa: ASYNC110 - it tells nobody but its readers
                    await asyncio.sleep(0.02)
            assert len(bench.reader.acknowledged) == 1
            cluster.start()
            await bench.reader.wait_for(2)
            assert await bench.value("SELECT count(*) FROM readings.good") == 2
            assert await bench.value("SELECT count(*) FROM validator.parked") == 0


async def test_an_edit_of_the_catalogue_reaches_the_next_batch(postgres_server: PostgresCluster) -> None:
    """A route made after the pipeline started judges what comes after it."""
    async with running(postgres_server) as bench:
        async with bench.pool.acquire() as connection, connection.transaction():
            await create_route(connection, "new/+", "good")
        await bench.pipeline.put(entry(("new/x", item(1))))
        await bench.reader.wait_for(1)
        assert await bench.value("SELECT count(*) FROM readings.good") == 1


async def test_a_locked_table_holds_up_no_other_contract(postgres_server: PostgresCluster) -> None:
    """Batches that need it wait beside the others, are quarantined for nothing, and are stored when it is free."""
    async with running(postgres_server) as bench, bench.pool.acquire() as locker:
        lock = locker.transaction()
        await lock.start()
        await locker.execute("SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE readings.good")
        waiting = [entry(("good", item(1))), entry(("good", item(2)), ("other", item(2)))]
        first = [entry(("other", item(3)))]
        for one in [*waiting, *first]:
            await bench.pipeline.put(one)
        await bench.reader.wait_for(1)
        # From now on those that need it step aside at once.
        waiting += [replace(waiting[0], entry_id=b"2-1"), entry(("good", {"device_id": "d"}))]
        late = [entry(("other", item(number))) for number in range(4, 14)]
        for one in [*waiting[2:], *late]:
            await bench.pipeline.put(one)
        await bench.reader.wait_for(11)
        assert sorted(bench.reader.acknowledged) == sorted(one.batch_id for one in [*first, *late])
        await lock.rollback()
        await bench.reader.wait_for(14)
        assert {one.batch_id for one in waiting} <= {*bench.reader.acknowledged}
        assert await bench.value("SELECT count(*) FROM readings.good") == 2
        assert await bench.value("SELECT count(*) FROM readings.other") == 12
        assert await bench.value("SELECT count(*) FROM validator.quarantine WHERE kind = 'UNSTORABLE'") == 0


async def revise(bench: Bench, spec: ContractSpec, *, activate: bool) -> None:
    async with bench.pool.acquire() as connection:
        await update_contract(connection, spec.name, {"compatibility": Mode.NONE})
        await create_revision(connection, spec, activate=activate)


async def test_routes_of_one_contract_may_judge_by_several_revisions(postgres_server: PostgresCluster) -> None:
    """One batch holds messages of both; each row and each refusal carries the revision that judged it."""
    async with running(postgres_server) as bench:
        strict = replace(GOOD, fields=(*FIELDS[:2], replace(FIELDS[2], max=10)))
        await revise(bench, strict, activate=True)
        async with bench.pool.acquire() as connection:
            await create_route(connection, "good/old", "good", pinned_revision=1)
            with pytest.raises(ContractNotFoundError):
                await create_route(connection, "good/new", "good", pinned_revision=3)
        await bench.pipeline.put(
            entry(*((topic, item(n) | {"device_id": topic}) for topic in ("good", "good/old") for n in (1, 100)))
        )
        await bench.reader.wait_for(1)
        rows = await bench.pool.fetch("SELECT device_id, revision, n FROM readings.good ORDER BY 1, 2, 3")
        assert [tuple(row) for row in rows] == [("good", 2, 1), ("good/old", 1, 1), ("good/old", 1, 100)]
        refused = await bench.pool.fetch("SELECT device_id, revision, kind FROM validator.quarantine")
        assert [tuple(row) for row in refused] == [("good", 2, "REFUSED")]


async def test_an_item_that_two_revisions_take_is_one_row(postgres_server: PostgresCluster) -> None:
    """The second lane of a transaction finds the row of the first one, and counts a duplicate."""
    async with running(postgres_server) as bench:
        identified = replace(GOOD, name="named", identity=("ts", "n"))
        async with bench.pool.acquire() as connection:
            await create_contract(connection, identified, activate=True)
            await create_route(connection, "named/new", "named")
            await create_route(connection, "named/old", "named", pinned_revision=1)
        await revise(bench, replace(identified, description="again"), activate=True)
        await bench.pipeline.put(entry(("named/old", item(1)), ("named/new", item(1)), ("named/new", item(2))))
        await bench.reader.wait_for(1)
        rows = await bench.pool.fetch("SELECT n, revision FROM readings.named ORDER BY n")
        assert [tuple(row) for row in rows] == [(1, 1), (2, 2)]
        assert (bench.pipeline.counters.stored, bench.pipeline.counters.duplicate) == (2, 1)


async def test_what_was_judged_before_an_activation_is_judged_again(postgres_server: PostgresCluster) -> None:
    """A claim that sees another catalogue than the judge stores nothing; the rows carry the revision of the claim."""
    async with running(postgres_server) as bench:
        # This pipeline's registry is not watched: it learns of the change from the claim alone.
        await revise(bench, replace(GOOD, description="two"), activate=True)
        await bench.pipeline.put(entry(("good", item(1))))
        await bench.reader.wait_for(1)
        assert await bench.value("SELECT revision FROM readings.good") == 2
