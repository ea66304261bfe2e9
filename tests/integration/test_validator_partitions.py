"""Partitions on a real Postgres: made ahead, on demand, by several at once, and never in the way."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, postgres_cluster
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.readings import partition_table
from dataflow_validator.readings.partitions import LEDGER, RAW_LOG, PartitionLimits, Partitions, months_of
from dataflow_validator.testing import validator_database

pytestmark = pytest.mark.postgres

_SPEC = ContractSpec(
    "weather", fields=(FieldSpec("t", FieldType.NUMBER), FieldSpec("ts", FieldType.TIMESTAMP)), event_time="ts"
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def pool(cluster: PostgresCluster) -> AsyncIterator[Pool]:
    async with validator_database(cluster) as made:
        async with made.acquire() as connection:
            await create_contract(connection, _SPEC, activate=True)
        yield made


async def names(pool: Pool, parent: str) -> list[str]:
    rows = await pool.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = to_regclass($1) ORDER BY 1",
        parent,
    )
    return [row["relname"] for row in rows]


async def insert(pool: Pool, event_time: datetime, device: str = "d") -> None:
    await pool.execute(
        "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision) "
        "VALUES ($2, $1, $1, gen_random_uuid(), 0, 1)",
        event_time,
        device,
    )


async def where(pool: Pool, device: str = "d") -> set[str]:
    rows = await pool.fetch(
        "SELECT DISTINCT c.relname FROM readings.weather w JOIN pg_class c ON c.oid = w.tableoid WHERE device_id = $1",
        device,
    )
    return {row["relname"] for row in rows}


async def test_a_month_is_made_before_its_first_reading(pool: Pool) -> None:
    """The reading lands in a month partition that has the parent's keys and indexes."""
    moment = datetime(2013, 3, 5, tzinfo=UTC)
    await Partitions().ensure(pool, "weather", months_of([moment]))
    await insert(pool, moment)
    assert await where(pool) == {"weather:2013-03"}
    indexes = await pool.fetchval("SELECT count(*) FROM pg_indexes WHERE tablename = 'weather:2013-03'")
    assert indexes == await pool.fetchval("SELECT count(*) FROM pg_indexes WHERE tablename = 'weather'") == 3


async def test_known_months_cost_no_query(pool: Pool) -> None:
    """Once settled, a month needs neither connection nor lock."""
    partitions = Partitions()
    await partitions.ensure(pool, "weather", {date(2013, 3, 1)})
    await pool.close()
    await partitions.ensure(pool, "weather", {date(2013, 3, 1)})


async def test_two_makers_at_once_make_each_month_once(pool: Pool) -> None:
    """Concurrent validators agree without an error."""
    months = {date(2020, month, 1) for month in range(1, 13)}
    await asyncio.gather(*(Partitions().ensure(pool, "weather", set(months)) for _ in range(4)))
    assert await names(pool, "readings.weather") == sorted(
        ["weather:default", *(f"weather:2020-{month:02}" for month in range(1, 13))]
    )


async def test_inserts_go_on_while_partitions_are_made(pool: Pool) -> None:
    """No insert fails and no row is lost while months appear under it."""
    stop = asyncio.Event()
    count = 0

    async def write() -> None:
        nonlocal count
        while not stop.is_set():
            await insert(pool, datetime(2019, 1, 1, tzinfo=UTC) + timedelta(days=count % 900), "writer")
            count += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        months = {date(2021, month, 1) for month in range(1, 13)}
        await asyncio.gather(*(Partitions().ensure(pool, "weather", set(months)) for _ in range(2)))
        stop.set()
    assert await pool.fetchval("SELECT count(*) FROM readings.weather WHERE device_id = 'writer'") == count > 0


async def test_a_month_whose_rows_are_in_default_stays_there(pool: Pool) -> None:
    """Rows that came first keep their month in DEFAULT; nothing fails."""
    moment = datetime(2015, 6, 1, tzinfo=UTC)
    await insert(pool, moment)
    await Partitions().ensure(pool, "weather", {date(2015, 6, 1), date(2015, 7, 1)})
    await insert(pool, moment)
    await insert(pool, datetime(2015, 7, 1, tzinfo=UTC))
    assert await where(pool) == {"weather:default", "weather:2015-07"}


async def test_a_storm_of_strange_clocks_is_capped(pool: Pool) -> None:
    """Hundreds of months make no more partitions than allowed, also at two validators; the nearest and the current get one."""
    partitions, other = (Partitions(PartitionLimits(max_partitions=5)) for _ in range(2))
    today = datetime.now(UTC).date().replace(day=1)
    storm = {date(year, month, 1) for year in range(1971, today.year) for month in range(1, 13)}
    await asyncio.gather(partitions.ensure(pool, "weather", set(storm)), other.ensure(pool, "weather", set(storm)))
    bounded = [name for name in await names(pool, "readings.weather") if name != "weather:default"]
    assert len(bounded) == 5
    assert min(bounded) >= f"weather:{today.year - 1}-08"
    await partitions.ensure_ahead(pool, ["weather"])
    assert f"weather:{today:%Y-%m}" in await names(pool, "readings.weather")


async def test_far_times_go_to_default(pool: Pool) -> None:
    """A month outside of the horizon gets no partition, and its reading is stored all the same."""
    moment = datetime(2999, 1, 1, tzinfo=UTC)
    await Partitions().ensure(pool, "weather", months_of([moment]))
    await insert(pool, moment)
    assert await where(pool) == {"weather:default"}


async def test_a_long_reader_does_not_hold_up_storing(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody reads the whole table the maker gives up, and the reading goes to DEFAULT."""
    monkeypatch.setattr(partition_table, "_ATTACH_TIMEOUT_MS", 600_000)
    moment = datetime(2016, 1, 1, tzinfo=UTC)
    async with pool.acquire() as reader, reader.transaction():
        await reader.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await reader.fetch("SELECT count(*) FROM readings.weather")
        await Partitions().ensure(pool, "weather", months_of([moment]))
        await insert(pool, moment)
    assert await where(pool) == {"weather:default"}


async def test_a_default_too_large_to_read_gets_no_more_partitions(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is kept out of DEFAULT for long: the attempt ends, and the reading goes there as well."""
    moment = datetime(2014, 1, 1, tzinfo=UTC)
    await pool.execute(
        "INSERT INTO readings.weather SELECT 'x', '1980-01-01'::timestamptz + n * interval '1 s', now(), gen_random_uuid(), 0, 1 "
        "FROM generate_series(1, 50000) n"
    )
    monkeypatch.setattr(partition_table, "_ATTACH_TIMEOUT_MS", 1)
    await Partitions().ensure(pool, "weather", months_of([moment]))
    await insert(pool, moment)
    assert await where(pool) == {"weather:default"}


async def test_an_unknown_contract_is_an_error(pool: Pool) -> None:
    """Nothing is remembered of a table that does not exist."""
    partitions = Partitions()
    for _ in range(2):
        with pytest.raises(asyncpg.UndefinedTableError):
            await partitions.ensure(pool, "nothing", {date(2020, 1, 1)})


async def test_days_are_made_ahead_and_dropped_when_old(pool: Pool) -> None:
    """Raw log and ledger have today and days ahead; what ended before the horizon goes, the rest stays."""
    partitions = Partitions()
    await partitions.ensure_days(pool, ahead=2)
    today = await pool.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    ahead = [f"raw_log:{today + timedelta(days=day)}" for day in range(3)]
    assert await names(pool, "validator.raw_log") == [*ahead, "raw_log_default"]
    assert len(await names(pool, "validator.ledger")) == 4
    await pool.execute("INSERT INTO validator.raw_log (batch_id, bytes) VALUES (gen_random_uuid(), 'x')")
    for days in (8, 7):
        old = today - timedelta(days=days)
        await pool.execute(
            f'CREATE TABLE validator."raw_log:{old}" PARTITION OF validator.raw_log '
            f"FOR VALUES FROM ('{old}') TO ('{old + timedelta(days=1)}')"
        )
    assert await partitions.drop_days_before(pool, RAW_LOG, 7) == [f"raw_log:{today - timedelta(days=8)}"]
    assert await partitions.drop_days_before(pool, LEDGER, 7) == []
    assert len(await names(pool, "validator.raw_log")) == 5
