"""Streams of messages through a whole stack with two bridges behind one port, and faults while they run."""

import asyncio
import json
import signal
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from dataflow_client import AsyncClient, Client, Connection, OutgoingMessage, StreamLimits, Targets
from dataflow_stack.testing import LocalStack

# Without identity and event time only the ids of the sender tell a resend (kind b).
FIELDS = {"fields": [{"name": "n", "type": "integer", "required": True}]}
TENS = StreamLimits(max_batch_messages=10)


class Books(Protocol):
    """What is used of the books of a stack."""

    def readings(self, contract: str) -> int: ...
    def count(self, sql: str, *arguments: object) -> int: ...
    def judged(self, contract: str) -> dict[str, int]: ...


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """Run a stack with two bridges."""
    with LocalStack.running(("--no-fleet", "--bridges", "2")) as running:
        yield running


@pytest.fixture
def connection(stack: LocalStack, admin_token: str) -> Connection:
    return Connection(Targets(bridge=stack.status()["grpc"]["bridge"]), token=admin_token)


@pytest.fixture
def contract(make_contract: Callable[..., None], request: pytest.FixtureRequest) -> str:
    """Give a contract of the test's own; its topics are name/DEVICE."""
    name = f"streams_{zlib.crc32(request.node.name.encode()):08x}"
    make_contract(name, json.dumps(FIELDS["fields"]), f"{name}/+", device="topic:2")
    return name


def assert_stored_once(stack: LocalStack, books: Books, contract: str, count: int) -> None:
    """Waits for all messages and then counts rows, and the numbers in them."""
    stack.eventually(lambda: books.readings(contract) >= count)
    stack.eventually(lambda: books.judged(contract).get("stored", 0) >= count)
    assert books.readings(contract) == count
    assert books.count(f'SELECT count(DISTINCT n) FROM readings."{contract}"') == count
    assert books.judged(contract)["stored"] == count
    assert "conflict" not in books.judged(contract)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM])
def test_a_stream_outlives_each_bridge(
    stack: LocalStack, books: Books, connection: Connection, contract: str, number: signal.Signals
) -> None:
    """Each bridge is frozen, killed or stopped in turn under a stream: everything is stored, and once."""
    answered, broken = 0, 0
    with Client(connection) as client:
        outgoing = (OutgoingMessage(f"{contract}/dev", {"n": index}) for index in range(3_000))
        for result in client.ingest.stream(outgoing, limits=TENS):
            answered += result.accepted_count
            if answered >= 1_000 * (broken + 1) and broken < 2:
                pid = stack.kill(f"bridge-{broken}", number)
                stack.comes_back(f"bridge-{broken}", pid)
                broken += 1
    assert answered == 3_000
    assert_stored_once(stack, books, contract, 3_000)


async def test_many_streams_outlive_a_frozen_bridge(
    stack: LocalStack, books: Books, connection: Connection, contract: str
) -> None:
    """Half of the clients are on it; they go on at the other one while it is still frozen or being replaced."""
    frozen = asyncio.Event()

    async def run(name: int) -> int:
        async def source() -> AsyncIterator[OutgoingMessage]:
            for index in range(200):
                if index == 100:
                    await frozen.wait()
                yield OutgoingMessage(f"{contract}/dev-{name}", {"n": name * 1_000 + index})

        async with AsyncClient(connection) as client:
            return sum([result.accepted_count async for result in client.ingest.stream(source(), limits=TENS)])

    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(run(name)) for name in range(10)]
        await asyncio.to_thread(stack.kill, "bridge-1", signal.SIGSTOP)
        frozen.set()
    assert [task.result() for task in runs] == [200] * 10
    await asyncio.to_thread(assert_stored_once, stack, books, contract, 2_000)


def test_replay_over_grpc_counts_like_replay_over_mqtt(
    stack: LocalStack, books: Books, contract: str, tmp_path: Path
) -> None:
    """Published, acknowledged, stored, quarantined: the same recording, the same numbers."""
    lines = tmp_path / "recording.jsonl"
    lines.write_text(
        "".join(
            json.dumps({"topic": f"{contract}/dev-{index % 7}", "payload": {"n": index if index % 10 else "no"}}) + "\n"
            for index in range(1_000)
        ),
        encoding="utf-8",
    )
    wanted = {"published": 1_000, "acknowledged": 1_000, "stored": 900, "quarantined": 100}
    for way in ((), ("--grpc",)):
        done = stack.command("replay", str(lines), "--wait-stored", "--json", *way, check=False)
        report = json.loads(done.stdout)
        assert {name: report[name] for name in wanted} == wanted
        assert (report["duplicate"], report["conflict"]) == (0, 0)
    again = json.loads(stack.command("replay", str(lines), "--wait-stored", "--json", "--grpc", "--message-id").stdout)
    once_more = json.loads(
        stack.command("replay", str(lines), "--wait-stored", "--json", "--grpc", "--message-id").stdout
    )
    assert again["stored"] == 900
    assert (once_more["stored"], once_more["quarantined"], once_more["duplicate"]) == (0, 0, 1_000)
