"""Two bridges read a Mosquitto while bridges and broker are killed and frozen: what the broker acknowledged is stored once."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt
import asyncpg
import pytest
from dataflow_mesh.testing import MosquittoServer, mosquitto_server
from dataflow_stack.testing import LocalStack

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(600),
    pytest.mark.tool("mosquitto"),
    pytest.mark.skipif(
        shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/opt/homebrew/sbin") is None,
        reason="mosquitto is not on the PATH",
    ),
]
_FIELDS = [
    {"name": "device_id", "type": "string", "required": True},
    {"name": "n", "type": "integer", "required": True},
]


class Publisher:
    """Publishes numbers with QoS 1, each until the broker has acknowledged it; keeps what was acknowledged."""

    def __init__(self, broker: MosquittoServer) -> None:
        self.acknowledged: set[int] = set()
        self._broker = broker
        self._next = 0
        self._open = asyncio.Event()
        self._open.set()
        self._quiet = asyncio.Event()
        self.stopping = False

    async def run(self) -> None:
        """Publish about 500 a second until told to stop."""
        pending: set[int] = set()
        while not self.stopping or pending:
            try:
                async with aiomqtt.Client("127.0.0.1", self._broker.port, timeout=5) as client:
                    client.pending_calls_threshold = 10_000
                    while not self.stopping or pending:
                        if not self._open.is_set():
                            self._quiet.set()
                            await self._open.wait()
                        while len(pending) < 50:
                            self._next += 1
                            pending.add(self._next)
                        await asyncio.gather(*(self._publish(client, number) for number in sorted(pending)))
                        self.acknowledged |= pending
                        pending.clear()
                        await asyncio.sleep(0.1)
            except aiomqtt.MqttError:
                await asyncio.sleep(0.2)

    async def pause(self) -> None:
        """Return when everything published is acknowledged; publish nothing until `go_on`."""
        self._quiet.clear()
        self._open.clear()
        await self._quiet.wait()

    def go_on(self) -> None:
        """Publish again."""
        self._open.set()

    async def reaches(self, count: int) -> None:
        """Wait until so many more are acknowledged."""
        goal = len(self.acknowledged) + count
        while len(self.acknowledged) < goal:  # noqa: ASYNC110 - a test's own pace
            await asyncio.sleep(0.05)

    @staticmethod
    async def _publish(client: aiomqtt.Client, number: int) -> None:
        await client.publish("kills/a", json.dumps({"device_id": "a", "n": number}), qos=1)


async def test_kills_of_bridges_and_broker_lose_nothing(make_stack: Callable[..., LocalStack], tmp_path: Path) -> None:
    """Kill -9 and SIGSTOP of each bridge, kill -9 and SIGSTOP of the broker, slots taken away and given back."""
    stack = make_stack(flags=("--no-fleet", "--bridges", "2"))
    await asyncio.to_thread(stack.up)
    fields = tmp_path / "fields.json"
    fields.write_text(json.dumps(_FIELDS))
    stack.command("contract", "create", "kills", "--fields", str(fields), "--identity", "device_id,n", "--activate")
    stack.command("route", "create", "kills/+", "--contract", "kills", "--device", "payload:/device_id")
    with mosquitto_server() as broker:
        stack.command("source", "create", "plant", broker.url, "--filter", "kills/#", "--slots", "2")
        await connected(stack, 2)
        publisher = Publisher(broker)
        running = asyncio.create_task(publisher.run())
        for name in ("bridge-0", "bridge-1"):
            await publisher.reaches(500)
            pid = await asyncio.to_thread(stack.kill, name)
            await publisher.reaches(500)
            await asyncio.to_thread(stack.comes_back, name, pid)
            await connected(stack, 2)
        frozen = await asyncio.to_thread(stack.kill, "bridge-0", signal.SIGSTOP)
        await publisher.reaches(1_000)
        wake(frozen)  # unless its supervisor has ended it meanwhile
        await connected(stack, 2)
        await broker_dies(broker, publisher)
        await connected(stack, 2)
        await publisher.reaches(500)
        broker.pause()
        await asyncio.sleep(3)
        broker.resume()
        await publisher.reaches(500)
        await asyncio.to_thread(stack.command, "source", "update", "plant", "--slots", "1")
        await publisher.reaches(500)
        await asyncio.to_thread(stack.command, "source", "update", "plant", "--slots", "3")
        await connected(stack, 3)
        await publisher.reaches(500)
        publisher.stopping = True
        await running
        await asyncio.to_thread(stack.command, "source", "delete", "plant")
        await until(lambda: not sources(stack))
        assert publisher.acknowledged
        await stored(stack, publisher.acknowledged)


async def broker_dies(broker: MosquittoServer, publisher: Publisher) -> None:
    """Kill the broker with queues that it has saved: what it had in memory only is lost by it, not by us."""
    await publisher.pause()
    await asyncio.to_thread(broker.save)
    broker.kill()
    await asyncio.to_thread(broker.start)
    publisher.go_on()


def sources(stack: LocalStack) -> list[dict[str, Any]]:
    """Return `dataflow source list --json`; nothing while no bridge answers."""
    done = stack.command("source", "list", "--json", check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout) if done.returncode == 0 else [{}]
    return found


async def connected(stack: LocalStack, count: int) -> None:
    """Wait until so many slots are connected."""

    def holds() -> bool:
        slots = sources(stack)[0].get("status", {}).get("slots", [])
        return len([slot for slot in slots if slot.get("connected")]) == count

    await until(holds)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(90):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.2)


async def stored(stack: LocalStack, numbers: set[int]) -> None:
    """Wait until all numbers are rows, and see that none is twice."""
    connection = await asyncpg.connect((await asyncio.to_thread(stack.status))["postgres"])
    try:
        async with asyncio.timeout(90):
            while True:
                rows = [row["n"] for row in await connection.fetch('SELECT n FROM readings."kills"')]
                if set(rows) >= numbers:
                    break
                await asyncio.sleep(0.5)
    except TimeoutError:
        missing = sorted(numbers - set(rows))
        pytest.fail(f"{len(missing)} of {len(numbers)} acknowledged messages are not stored: {missing[:20]} …")
    finally:
        await connection.close()
    assert len(rows) == len(set(rows))


def wake(pid: int) -> None:
    """Let a frozen process run on, if it is still there."""
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return
