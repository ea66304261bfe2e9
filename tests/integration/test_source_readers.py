"""Sources on a real Mosquitto and a real Postgres: slots, acknowledgement after the ring, reconnects, drains."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import aiomqtt
import pytest
from dataflow_bridge import source_records
from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.seams import Ack, message_cost
from dataflow_bridge.source_readers import SourceReaders
from dataflow_bridge.source_records import NewSource, SourceRecord
from dataflow_bridge.sources import Protocol
from dataflow_mesh.migrate import migrate
from dataflow_mesh.postgres import Pool, connect_pool
from dataflow_mesh.testing import MosquittoServer, mosquitto_server
from dataflow_ring.batch import new_boot_id
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

pytestmark = [
    pytest.mark.tool("mosquitto"),
    pytest.mark.skipif(
        shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/opt/homebrew/sbin") is None,
        reason="mosquitto is not on the PATH",
    ),
]


@dataclass
class Ring:
    """Stands for batcher and ring: keeps what is submitted, and acknowledges at once, or when it is told to."""

    budget: Budget = field(default_factory=lambda: Budget(64 * 1024 * 1024))
    hold: bool = False
    received: list[tuple[str, bytes, str | None, bool, str]] = field(default_factory=list)
    waiting: list[tuple[Ack, int]] = field(default_factory=list)
    costs: list[int] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def submit(
        self,
        topic: str,
        payload: bytes,
        device_id: str | None,
        content_type: str | None,
        message_id: str | None,
        maybe_duplicate: bool,
        receive_time_us: int,
        source: str,
        ack: Ack | None,
        ack_token: int,
    ) -> None:
        """Keep a message."""
        self.received.append((topic, payload, message_id, maybe_duplicate, source))
        self.costs.append(message_cost(topic, payload))
        if ack is not None:
            self.waiting.append((ack, ack_token))
        if not self.hold and len(self.waiting) == 1:
            asyncio.get_running_loop().call_soon(self.release)
        self.changed.set()

    def release(self) -> None:
        """Acknowledge everything."""
        waiting, self.waiting = self.waiting, []
        costs, self.costs = self.costs, []
        by_ack: dict[int, tuple[Ack, list[int]]] = {}
        for ack, token in waiting:
            by_ack.setdefault(id(ack), (ack, []))[1].append(token)
        for ack, tokens in by_ack.values():
            ack.acknowledged(tokens)
        self.budget.release(sum(costs))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds after a message."""
        async with asyncio.timeout(30):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    @property
    def payloads(self) -> set[bytes]:
        """What came, each once."""
        return {payload for _, payload, *_ in self.received}


@pytest.fixture
def broker() -> Iterator[MosquittoServer]:
    """Run a broker with the settings that QoS 1 needs."""
    with mosquitto_server() as server:
        yield server


@pytest.fixture
async def pool(postgres: str) -> AsyncIterator[Pool]:
    """Give a pool on a database with the bridge's tables."""
    async with await connect_pool(postgres, min_size=0) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, "bridge", resources.files("dataflow_bridge") / "migrations")
        yield pool


@asynccontextmanager
async def bridge(pool: Pool, ring: Ring, name: str = "b1") -> AsyncIterator[SourceReaders]:
    """Run one bridge's readers; ended in order."""
    readers = SourceReaders(pool, ring, ring.budget, name, new_boot_id())
    task = asyncio.create_task(readers.run())
    try:
        yield readers
    finally:
        await readers.stop(5.0)
        await task


async def make(
    pool: Pool, broker: MosquittoServer, *, slots: int = 1, name: str = "plant", protocol: Protocol = Protocol.MQTT_5
) -> SourceRecord:
    """Make a source of all topics below `m/`."""
    wanted = NewSource(name, broker.url, ("m/#",), "", slots, 1, protocol)
    async with pool.acquire() as connection:
        return await source_records.create(connection, wanted)


async def read(pool: Pool, name: str = "plant") -> SourceRecord | None:
    """Return the source as it stands."""
    async with pool.acquire() as connection:
        found = await source_records.read(connection, names=[name])
    return found[0] if found else None


async def eventually(pool: Pool, holds: Callable[[SourceRecord | None], bool], name: str = "plant") -> None:
    """Wait until what stands in Postgres holds."""
    async with asyncio.timeout(30):
        while not holds(await read(pool, name)):  # noqa: ASYNC110 - somebody else's table
            await asyncio.sleep(0.05)


async def all_connected(pool: Pool) -> None:
    """Wait until every slot is connected."""
    await eventually(pool, lambda record: record is not None and all(slot.connected for slot in record.slots))


async def publish(broker: MosquittoServer, payloads: list[bytes], *, message_ids: bool = False) -> None:
    """Publish with QoS 1; returns when all are acknowledged."""
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5, timeout=30) as client:
        client.pending_calls_threshold = 10_000
        async with asyncio.TaskGroup() as group:
            for payload in payloads:
                properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
                if message_ids:
                    properties.UserProperty = [("message-id", f"id-{payload.decode()}")]
                group.create_task(client.publish("m/t", payload, qos=1, properties=properties))


def numbered(count: int, first: int = 0) -> list[bytes]:
    """Return so many different payloads."""
    return [b"%d" % number for number in range(first, first + count)]


@pytest.mark.parametrize("protocol", list(Protocol))
async def test_messages_of_a_broker_arrive_with_the_name_of_their_source(
    pool: Pool, broker: MosquittoServer, protocol: Protocol
) -> None:
    """Topic and payload as sent, the source's name, and over MQTT 5 the sender's message id."""
    ring = Ring()
    await make(pool, broker, protocol=protocol)
    async with bridge(pool, ring):
        await all_connected(pool)
        await publish(broker, [b"1"], message_ids=True)
        await ring.until(lambda: bool(ring.received))
    message_id = "id-1" if protocol is Protocol.MQTT_5 else None
    assert ring.received == [("m/t", b"1", message_id, False, "plant")]
    record = await read(pool)
    assert record is not None
    assert [(slot.received, slot.acknowledged, slot.holder) for slot in record.slots] == [(1, 1, "")]
