"""A whole stack whose Postgres is frozen: a bridge starts, serves, and keeps what it acknowledged on enough nodes."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
import redis
from dataflow_stack.testing import LocalStack


@contextmanager
def frozen_postgres(stack: LocalStack) -> Iterator[None]:
    """Freeze the server with all its sessions for the length of the context."""
    server = psutil.Process(stack.process("postgres")["pid"])
    frozen = [server, *server.children(recursive=True)]
    for process in frozen:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in reversed(frozen):
            os.kill(process.pid, signal.SIGCONT)


def published(stack: LocalStack, file: Path) -> None:
    """Publish a file of messages; returns when all are acknowledged."""
    assert "acknowledged 50" in stack.command("replay", str(file)).stdout


def ring(stack: LocalStack) -> dict[str, Any]:
    """Return what `dataflow ring list` says."""
    document: dict[str, Any] = json.loads(stack.command("ring", "list", "--json").stdout)
    return document


async def stored(dsn: str) -> int:
    """Return how many of the messages Postgres has; there is no route for them."""
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM validator.quarantine WHERE topic = 'a/b'"))
    finally:
        await connection.close()


@pytest.mark.timeout(400)
def test_a_bridge_starts_without_postgres_and_two_nodes_are_lost_one_after_the_other(
    make_stack: Callable[..., LocalStack], tmp_path: Path
) -> None:
    """It serves from what it knew; after the first loss the ring copies what is on one node alone; nothing is lost."""
    stack = make_stack(("--no-fleet", "--bridges", "1"))
    stack.up()
    file = tmp_path / "messages.jsonl"
    file.write_text("".join(json.dumps({"topic": "a/b", "payload": {"n": n}}) + "\n" for n in range(50)))
    status = stack.status()
    published(stack, file)
    stack.eventually(lambda: asyncio.run(stored(status["postgres"])) == 50)
    with frozen_postgres(stack):
        stack.comes_back("bridge-0", stack.kill("bridge-0"))
        published(stack, file)
        stack.eventually(lambda: bool(ring(stack)["status"]["stale"]))
        refused = stack.command("ring", "drain", "redis-2", check=False)
        assert (refused.returncode, "Postgres" in refused.stderr) == (3, True)
        for lost in (0, 1):
            stack.eventually(lambda: ring(stack)["status"].get("under_replicated") == "0")
            with redis.Redis.from_url(status["redis"][lost]) as client:
                client.flushall()
            stack.eventually(
                lambda lost=lost: (  # type: ignore[misc]
                    ring(stack)["nodes"][lost]["observations"][0]["health"] == "NODE_HEALTH_DOWN"
                )
            )
    stack.eventually(lambda: asyncio.run(stored(status["postgres"])) == 100)
