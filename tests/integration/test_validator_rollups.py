"""Rollups on a real Postgres: they equal a full recomputation, whatever happens to rows, workers and connections."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_mesh.postgres import Connection, Pool
from dataflow_mesh.testing import PostgresCluster
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, new_boot_id, pack
from dataflow_ring.consume import Entry, Origin
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.judged import judge_batch
from dataflow_validator.readings.partitions import Partitions, months_of
from dataflow_validator.rollups import hour_devices
from dataflow_validator.rollups import worker as worker_module
from dataflow_validator.rollups.marks import mark, mark_hours
from dataflow_validator.rollups.tables import begin_rollups
from dataflow_validator.rollups.testing import differences
from dataflow_validator.rollups.worker import RollupWorker, SettleRule
from dataflow_validator.store import store
from dataflow_validator.testing import validator_database

pytestmark = pytest.mark.postgres

_BASE = datetime(2024, 1, 30, tzinfo=UTC)
_SPEC = ContractSpec(
    "weather",
    fields=(
        FieldSpec("temp", FieldType.NUMBER, required=False),
        FieldSpec("count", FieldType.INTEGER, required=False),
        FieldSpec("big", FieldType.INTEGER, required=False, max=10**30),
        FieldSpec("label's own", FieldType.STRING, required=False),
        FieldSpec("ts", FieldType.TIMESTAMP),
    ),
    event_time="ts",
)


@dataclass(frozen=True)
class Row:
    device: str
    time: datetime
    number: int
    temp: float | None = None
    count: int | None = None
    label: str | None = None


@dataclass
class Database:
    pool: Pool
    worker: RollupWorker

    async def put(self, rows: Sequence[Row], *, marked: bool = True) -> None:
        await Partitions().ensure(self.pool, "weather", months_of(row.time for row in rows))
        async with self.pool.acquire() as connection, connection.transaction():
            await insert(connection, rows)
            if marked:
                await mark(connection, "weather", [(row.time, row.device) for row in rows])

    async def change(self, statement: str) -> None:
        """Runs a DELETE or UPDATE of rows, and marks what it touched."""
        async with self.pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(f"{statement} RETURNING event_time, device_id")
            await mark(connection, "weather", [(row["event_time"], row["device_id"]) for row in rows])

    async def differences(self, *, clean_only: bool = False) -> list[str]:
        async with self.pool.acquire() as connection:
            return await differences(connection, "weather", clean_only=clean_only)

    async def count(self, table: str, where: str = "true") -> int:
        return int(await self.pool.fetchval(f"SELECT count(*) FROM {table} WHERE {where}"))


async def insert(connection: Connection, rows: Sequence[Row]) -> None:
    await connection.executemany(
        'INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, temp, count, big, "label\'s own") '
        "VALUES ($1, $2, $2, $3, 0, 1, $4, $5, $5::bigint * 10::numeric^20, $6) ON CONFLICT DO NOTHING",
        [(row.device, row.time, UUID(int=row.number), row.temp, row.count, row.label) for row in rows],
    )


def random_rows(rng: random.Random, amount: int, *, days: float = 3) -> list[Row]:
    """Rows whose sums of doubles depend on the order of adding, with nulls, and several at one moment."""
    return [
        Row(
            f"d{rng.randrange(6)}",
            _BASE + timedelta(seconds=rng.randrange(int(days * 86_400)) // 60 * 60),
            rng.getrandbits(100),
            rng.choice((None, rng.uniform(-1, 1) * 10.0 ** rng.randrange(-8, 9))),
            rng.choice((None, rng.randrange(-(2**40), 2**40))),
            rng.choice((None, "x")),
        )
        for _ in range(amount)
    ]


@pytest.fixture
async def database(postgres_server: PostgresCluster) -> AsyncIterator[Database]:
    async with validator_database(postgres_server, max_size=16) as pool:
        async with pool.acquire() as connection:
            await create_contract(connection, _SPEC, activate=True)
        yield Database(pool, RollupWorker(pool))


async def test_rollups_equal_a_full_recomputation(database: Database) -> None:
    """Hours and days hold what the rows amount to, bit by bit, also over the end of a month."""
    await database.put(random_rows(random.Random(1), 3_000))
    assert await database.worker.settle() > 300
    assert await database.differences() == []
    assert await database.count('rollup."weather:hour"') > 1_000
    assert await database.count('rollup."weather:day"', "field = 'temp'") == 18


async def test_late_changed_and_removed_rows_are_in_the_rollups(database: Database) -> None:
    """What comes late, is updated or is deleted changes the rollups of its hours and days, and of no other."""
    rng = random.Random(2)
    await database.put(random_rows(rng, 1_000))
    await database.worker.settle()
    await database.put(random_rows(rng, 50))
    await database.change("UPDATE readings.weather SET temp = temp * 3 WHERE device_id = 'd1' AND count IS NULL")
    await database.change("DELETE FROM readings.weather WHERE device_id = 'd2'")
    assert any("marks" in line for line in await database.differences())
    await database.worker.settle()
    assert await database.differences() == []
    assert await database.count('rollup."weather:hour"', "device_id = 'd2'") == 0
    assert await database.count('rollup."weather:day"', "device_id = 'd2'") == 0


async def test_the_store_transaction_marks_what_it_stores(database: Database) -> None:
    """The hours and devices of new rows are marked with them, those of duplicates are not."""
    async with database.pool.acquire() as connection:
        await create_route(connection, "w/+", "weather", "topic:2")
        registry = Registry()
        await registry.refresh(connection)
    batch = Batch(batch_id=new_batch_id(), bridge_id="b", boot_id=new_boot_id(), sequence=1)
    for device, time in (("a", "2024-01-30T10:59:59Z"), ("b", "2024-01-30T11:00:00Z"), ("a", "2024-01-30T11:30:00Z")):
        batch.messages.add(
            topic=f"w/{device}", payload=b'{"ts": "%s"}' % time.encode(), receive_time_us=1_790_000_000_000_000
        )
    for _ in range(2):  # the second time under another id, as a resend is
        batch.batch_id = new_batch_id()
        entry = Entry("n", keys.BATCHES, b"1-1", batch.batch_id, pack(batch), Origin.NEW)
        async with database.pool.acquire() as connection:
            await store(connection, [judge_batch(entry, batch, Rules(registry.current))])
    rows = await database.pool.fetch("SELECT hour, devices FROM validator.rollup_mark ORDER BY hour")
    assert [tuple(row) for row in rows] == [
        (_BASE + timedelta(hours=10), ["a"]),
        (_BASE + timedelta(hours=11), ["a", "b"]),
    ]
    await database.worker.settle()
    assert await database.differences() == []


async def test_a_difference_is_found(database: Database) -> None:
    """A change without a mark, and a rollup that somebody changed, are told apart from what is right."""
    rng = random.Random(3)
    await database.put(random_rows(rng, 200))
    await database.worker.settle()
    await database.put([Row("d1", _BASE, 1, 1.0)], marked=False)
    found = await database.differences()
    assert found
    assert all("d1" in line for line in found)


async def test_rows_from_before_rollups_are_rolled_up(database: Database) -> None:
    """All hours of a contract that has rows and no rollups are marked when its tables are made."""
    await database.put(random_rows(random.Random(4), 500, days=40), marked=False)
    assert await begin_rollups(database.pool) == ["weather"]
    assert await begin_rollups(database.pool) == []
    await database.worker.settle()
    assert await database.differences() == []


async def test_a_field_that_came_later_is_rolled_up(database: Database) -> None:
    """A column that is added to the table later is in the rollups of its rows."""
    rng = random.Random(5)
    await database.put(random_rows(rng, 200))
    await database.worker.settle()
    await database.pool.execute("ALTER TABLE readings.weather ADD COLUMN wind double precision")
    await database.change("UPDATE readings.weather SET wind = 0.1 WHERE device_id = 'd3'")
    await database.worker.settle()
    assert await database.differences() == []
    assert await database.count('rollup."weather:day"', "field = 'wind'") == 3


async def test_slices_lose_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that is cut into many transactions, with marks left over in between, comes to the same."""
    monkeypatch.setattr(worker_module, "_SLICE", 2)
    monkeypatch.setattr(worker_module, "_MANY_MARKS", 1)
    for seed in range(3):
        await database.put(random_rows(random.Random(seed), 100, days=0.2))
    await database.worker.settle()
    assert await database.differences() == []


async def test_devices_of_an_hour_with_many_rows_are_all_found(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour that is marked as a whole and too full to be read for its devices is recomputed for all of them."""
    monkeypatch.setattr(hour_devices, "_MANY_ROWS", 3)
    await database.put(random_rows(random.Random(6), 300, days=0.1), marked=False)
    await database.worker.settle()
    assert await database.differences() == []
    await database.pool.execute("DELETE FROM readings.weather WHERE device_id = 'd2'")
    async with database.pool.acquire() as connection:
        await mark_hours(connection, {"weather": {_BASE + timedelta(hours=h): None for h in range(3)}})
    await database.worker.settle()
    assert await database.differences() == []


async def test_the_hour_that_is_being_written_waits(database: Database) -> None:
    """A busy hour is left alone until it is quiet, one that is over only for a while, also when late data mark it."""
    now = datetime.now(UTC)
    over = now - timedelta(hours=3)
    await begin_rollups(database.pool)
    await database.put([Row("d1", now, 1, 1.0), Row("d1", over, 2, 2.0)])
    await database.pool.execute("UPDATE validator.rollup_mark SET mark_time = now() - interval '1 hour'")
    await database.put([Row("d1", now, 3, 1.0), Row("d1", over, 4, 2.0)])
    assert await RollupWorker(database.pool, SettleRule(1_800, 7_200)).run_once() == 0
    assert await RollupWorker(database.pool, SettleRule(1_800, 1_900)).run_once() == 1
    assert await database.count("validator.rollup_mark") == 2
    assert await RollupWorker(database.pool, SettleRule(-1, 7_200)).run_once() == 1
    assert await database.differences() == []


async def test_many_marks_of_an_hour_become_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour that is not due yet does not gather marks without end, and is recomputed as a whole."""
    monkeypatch.setattr(worker_module, "_MANY_MARKS", 5)
    for number in range(7):
        await database.put([Row(f"d{number}", _BASE, number, 1.0)])
    await RollupWorker(database.pool, SettleRule(3_600, 3_600)).run_once()
    assert await database.count("validator.rollup_mark") == 1
    await database.put([Row("d0", _BASE, 100, 1.0)])
    await database.worker.settle()
    assert await database.count('rollup."weather:hour"', "field = 'temp'") == 7
    assert await database.differences() == []


async def test_sums_beyond_the_range_of_doubles_are_marked_as_such(database: Database) -> None:
    """A sum that may pass a double's range is kept as NaN, and its hour does not fail."""
    await database.put([Row("d1", _BASE + timedelta(minutes=n), n, 1.7e308) for n in range(3)])
    await database.worker.settle()
    total = await database.pool.fetchval("SELECT number_sum FROM rollup.\"weather:day\" WHERE field = 'temp'")
    assert math.isnan(total)
    assert await database.differences() == []


async def test_strange_device_ids_are_rolled_up(database: Database) -> None:
    """Device ids with quotes, backslashes, braces, commas and line ends are devices like any other."""
    names = ['"', "\\", "{a,b}", "a,b", "NULL", "", " ", "\n\t", "ü🙂", "'", 'a\\"b']
    await database.put([Row(name, _BASE, number, 1.5) for number, name in enumerate(names)])
    await database.worker.settle()
    assert await database.differences() == []
    assert await database.count('rollup."weather:hour"', "field = 'temp'") == len(names)


@pytest.mark.parametrize("crowded", [False, True])
async def test_clean_hours_are_right_at_every_moment(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, crowded: bool
) -> None:
    """Under 8 writers with late data and deletions, 3 workers and killed connections, what has no mark is always right."""
    if crowded:  # work is cut into many slices, and marks are merged all the time
        monkeypatch.setattr(worker_module, "_MANY_MARKS", 3)
        monkeypatch.setattr(worker_module, "_SLICE", 4)
    await Partitions().ensure(database.pool, "weather", {_BASE.date().replace(day=1)})
    await begin_rollups(database.pool)
    done = asyncio.Event()

    async def write(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(25):
            with suppress(*_KILLED):
                await database.put(random_rows(rng, 20, days=0.3))
                if rng.random() < 0.2:
                    await database.change(f"DELETE FROM readings.weather WHERE temp < {rng.uniform(-1, 0)!r}")

    async def work() -> None:
        worker = RollupWorker(database.pool, SettleRule(-1, -1))
        while not done.is_set():
            with suppress(*_KILLED):
                await worker.run_once()

    async def kill() -> None:
        while not done.is_set():
            await database.pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND state <> 'idle' ORDER BY random() LIMIT 1"
            )
            await asyncio.sleep(0.05)

    async def write_all() -> None:
        async with asyncio.TaskGroup() as writers:
            for seed in range(8):
                writers.create_task(write(seed))
        done.set()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(work())
        tasks.create_task(kill())
        tasks.create_task(write_all())
        checks = 0
        while not done.is_set():
            with suppress(*_KILLED):
                assert await database.differences(clean_only=True) == []
                checks += 1
    assert checks
    await database.worker.settle()
    assert await database.differences() == []


_KILLED = (asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.InterfaceError, asyncpg.DeadlockDetectedError, ConnectionError, asyncpg.InternalClientError)  # fmt: skip
