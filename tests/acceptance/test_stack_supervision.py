"""What `dataflow up` does while it runs: brings back what dies, kills what hangs, tells where everything is."""

import signal
from pathlib import Path

import asyncpg
import pytest
from dataflow_stack.testing import LocalStack


@pytest.mark.parametrize("name", ["redis-0", "bridge-0", "validator-0", "insight-0"])
def test_killed_process_comes_back(stack: LocalStack, name: str) -> None:
    """A process that dies is started again and serves."""
    pid = stack.kill(name)
    assert stack.comes_back(name, pid)["restarts"] >= 1


async def test_killed_postgres_comes_back_with_its_data(stack: LocalStack) -> None:
    """Postgres killed with -9 recovers what it had committed, on the same port."""
    dsn = stack.status()["postgres"]
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE survivor AS SELECT 42 AS answer")
    pid = stack.kill("postgres")
    stack.comes_back("postgres", pid)
    connection.terminate()
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT answer FROM survivor") == 42
    await connection.close()


async def test_postgres_that_was_told_to_end_comes_back(stack: LocalStack) -> None:
    """A plain SIGTERM has Postgres wait for its clients, which never leave: it is ended and started again."""
    connection = await asyncpg.connect(stack.status()["postgres"])
    pid = stack.kill("postgres", signal.SIGTERM)
    stack.comes_back("postgres", pid)
    connection.terminate()


@pytest.mark.parametrize("name", ["bridge-0", "validator-1"])
def test_frozen_process_is_killed_and_comes_back(stack: LocalStack, name: str) -> None:
    """A process that shows no heartbeat is ended and started again."""
    pid = stack.kill(name, signal.SIGSTOP)
    stack.comes_back(name, pid)


def test_status_names_everything(stack: LocalStack) -> None:
    """The frozen keys are there, in either reading of their names."""
    document = stack.status()
    assert {
        "mqtt",
        "grpc",
        "postgres",
        "redis",
        "console",
        "token_file",
        "processes",
        "rates",
        "lag",
    } <= document.keys()
    assert {name: document[f"grpc.{name}"] for name in document["grpc"]} == document["grpc"]
    assert len(document["redis"]) == 3
    names = [entry["name"] for entry in document["processes"]]
    assert names == ["redis-0", "redis-1", "redis-2", "postgres", "bridge-0", "validator-0", "validator-1", "insight-0"]
    assert all(entry["rss"] > 0 and entry["pid"] > 0 for entry in document["processes"])


def test_status_for_a_shell_names_what_clients_read(stack: LocalStack) -> None:
    """Each line of --env assigns one DATAFLOW_ variable; the token is the one of the token file."""
    lines = stack.command("status", "--env").stdout.splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    document = stack.status()
    assert all(name.startswith("DATAFLOW_") for name in variables)
    assert variables["DATAFLOW_BRIDGE"] == document["grpc"]["bridge"]
    assert variables["DATAFLOW_TOKEN"] == Path(document["token_file"]).read_text(encoding="utf-8").strip()


async def test_reader_role_cannot_write(stack: LocalStack) -> None:
    """The DSN for reading has a password of its own, and its role may not write."""
    connection = await asyncpg.connect(stack.status()["postgres_read"])
    try:
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute("CREATE TABLE public.forbidden (x int)")
    finally:
        await connection.close()


def test_second_up_beside_the_first_is_refused(stack: LocalStack) -> None:
    """One data directory has one supervisor."""
    done = stack.command("up", "--no-fleet", check=False)
    assert done.returncode == 1
    assert "already running" in done.stderr
