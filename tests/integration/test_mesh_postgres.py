"""Migrations, pools and checks, on a real Postgres."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from dataflow_mesh.errors import PostgresUnavailableError
from dataflow_mesh.migrate import MigrationError, migrate, read_migrations
from dataflow_mesh.postgres import (
    DurabilityError,
    Limits,
    check_clock,
    check_durability,
    connect,
    connect_pool,
    translate,
    wait_ready,
)
from dataflow_mesh.testing import PostgresCluster, free_port, postgres_cluster

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
def dsn(cluster: PostgresCluster) -> str:
    return cluster.create_database()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "0001_table.sql").write_text("CREATE TABLE fruit (name text PRIMARY KEY);")
    (tmp_path / "0002_rows.sql").write_text("INSERT INTO fruit VALUES ('apple'); INSERT INTO fruit VALUES ('pear');")
    (tmp_path / "notes.txt").write_text("not a migration")
    return tmp_path


async def test_migrate_applies_every_file_once_and_in_order(dsn: str, files: Path) -> None:
    """A second run finds nothing to do; a new file is applied alone."""
    connection = await connect(dsn)
    try:
        assert [migration.number for migration in await migrate(connection, "bridge", files)] == [1, 2]
        assert await migrate(connection, "bridge", files) == []
        (files / "0003_more.sql").write_text("ALTER TABLE fruit ADD COLUMN colour text")
        assert [migration.name for migration in await migrate(connection, "bridge", files)] == ["more"]
        rows = await connection.fetch("SELECT number, name FROM bridge.migration ORDER BY number")
        assert [tuple(row) for row in rows] == [(1, "table"), (2, "rows"), (3, "more")]
        assert await connection.fetchval("SELECT count(*) FROM bridge.fruit") == 2
    finally:
        await connection.close()


async def test_several_processes_may_migrate_at_once(dsn: str, files: Path) -> None:
    """Each file is applied by exactly one of them, and all return when it is done."""
    async with await connect_pool(dsn, min_size=5, max_size=5) as pool:

        async def one() -> list[int]:
            async with pool.acquire() as connection:
                return [migration.number for migration in await migrate(connection, "bridge", files)]

        applied = await asyncio.gather(*(one() for _ in range(5)))
    assert sorted(number for numbers in applied for number in numbers) == [1, 2]


async def test_two_services_migrate_their_own_schemas(dsn: str, files: Path) -> None:
    """The same numbers in two schemas do not meet."""
    connection = await connect(dsn)
    try:
        assert len(await migrate(connection, "bridge", files)) == 2
        assert len(await migrate(connection, "validator", files)) == 2
    finally:
        await connection.close()


@pytest.mark.parametrize("change", ["edit", "remove"])
async def test_a_changed_or_missing_file_is_refused(dsn: str, files: Path, change: str) -> None:
    """Nobody knows what a schema is whose history was rewritten."""
    connection = await connect(dsn)
    try:
        await migrate(connection, "bridge", files)
        if change == "edit":
            (files / "0001_table.sql").write_text("CREATE TABLE other (name text);")
        else:
            (files / "0001_table.sql").unlink()
        with pytest.raises(MigrationError):
            await migrate(connection, "bridge", files)
    finally:
        await connection.close()


async def test_a_failing_file_leaves_nothing_behind(dsn: str, files: Path) -> None:
    """Its transaction is rolled back, and those before it stay."""
    (files / "0003_bad.sql").write_text("CREATE TABLE half (a int); SELECT 1/0;")
    connection = await connect(dsn)
    try:
        with pytest.raises(Exception, match="division by zero"):
            await migrate(connection, "bridge", files)
        assert await connection.fetchval("SELECT to_regclass('bridge.half')") is None
        assert await connection.fetchval("SELECT max(number) FROM bridge.migration") == 2
    finally:
        await connection.close()


async def test_an_older_program_leaves_a_newer_schema_alone(dsn: str, files: Path) -> None:
    """While processes are upgraded one by one, the old ones still start."""
    connection = await connect(dsn)
    try:
        await migrate(connection, "bridge", files)
        (files / "0002_rows.sql").unlink()
        assert await migrate(connection, "bridge", files) == []
    finally:
        await connection.close()


async def test_a_file_with_a_lower_number_is_applied_when_it_comes(dsn: str, files: Path) -> None:
    """Work that goes on side by side takes its numbers ahead of time."""
    (files / "0005_ahead.sql").write_text("CREATE TABLE ahead (a int)")
    connection = await connect(dsn)
    try:
        assert [migration.number for migration in await migrate(connection, "bridge", files)] == [1, 2, 5]
        (files / "0003_late.sql").write_text("CREATE TABLE late (a int)")
        assert [migration.number for migration in await migrate(connection, "bridge", files)] == [3]
        assert await migrate(connection, "bridge", files) == []
    finally:
        await connection.close()


@pytest.mark.parametrize("name", ["1_short.sql", "0001-dash.sql", "0000_none.sql", "0002_Twice.sql", "0002_again.sql"])
def test_badly_numbered_files_are_refused(files: Path, name: str) -> None:
    """Order must not depend on taste."""
    (files / "0002_rows.sql").rename(files / "0002_first.sql")
    (files / name).write_text("SELECT 1")
    with pytest.raises(MigrationError):
        read_migrations(files)


async def test_sessions_have_their_limits(dsn: str) -> None:
    """What a frozen process may hold is bounded by the server."""
    async with await connect_pool(dsn, application_name="dataflow-test", limits=Limits(statement_ms=1234)) as pool:
        names = (
            "application_name",
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "TimeZone",
        )
        values = [await pool.fetchval("SELECT current_setting($1)", name) for name in names]
    assert values == ["dataflow-test", "1234ms", "3s", "2s", "UTC"]


async def test_a_durable_server_passes(dsn: str) -> None:
    """The test cluster is what `up` starts: durable, with room for many locks."""
    connection = await connect(dsn)
    try:
        assert await check_durability(connection) == []
        assert abs(await check_clock(connection)) < 1
    finally:
        await connection.close()


async def test_a_session_without_synchronous_commit_is_refused(dsn: str) -> None:
    """A commit that a crash can take back is none."""
    connection = await connect(dsn, settings={"synchronous_commit": "off"})
    try:
        with pytest.raises(DurabilityError, match="synchronous_commit is off"):
            await check_durability(connection)
    finally:
        await connection.close()


async def test_a_server_without_fsync_is_refused_and_few_locks_are_told() -> None:
    """Fsync off loses readings; few locks only limit partitions."""
    with postgres_cluster({"max_locks_per_transaction": "64"}, fsync=False) as cluster:
        connection = await connect(cluster.dsn)
        try:
            with pytest.raises(DurabilityError, match="fsync is off"):
                await check_durability(connection)
        finally:
            await connection.close()


async def test_wait_ready_gives_up_on_a_server_that_is_not_there() -> None:
    """The error is the one that callers of a service get."""
    with pytest.raises(PostgresUnavailableError):
        await wait_ready(f"postgresql://nobody@127.0.0.1:{free_port()}/x", timeout_seconds=0.2)


async def test_wait_ready_returns_when_the_server_has_come_back() -> None:
    """A process may start before its database."""
    with postgres_cluster() as cluster:
        cluster.kill()
        waiting = asyncio.create_task(wait_ready(cluster.dsn, timeout_seconds=60))
        await asyncio.sleep(0)
        await asyncio.to_thread(cluster.start)
        await waiting


async def test_every_failure_while_postgres_is_away_means_unavailable() -> None:
    """Killed under an open connection, refused, and back again."""
    with postgres_cluster() as cluster:
        async with await connect_pool(cluster.dsn, min_size=2, max_size=2) as pool:
            sleeping = asyncio.create_task(pool.fetchval("SELECT pg_sleep(600)"))
            while not await pool.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(6%' AND pid <> pg_backend_pid()"
            ):
                pass
            cluster.kill()
            for attempt in (sleeping, pool.fetchval("SELECT 1"), pool.fetchval("SELECT 1"), pool.fetchval("SELECT 1")):
                with pytest.raises(Exception, match=re.compile("")) as caught:
                    await attempt
                assert isinstance(translate(caught.value), PostgresUnavailableError), repr(caught.value)
            cluster.start()
            assert await pool.fetchval("SELECT 1") == 1
