"""Sources on a real Mosquitto and a real Postgres: slots, acknowledgement after the ring, reconnects, drains."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any
from uuid import uuid4

import aiomqtt
import pytest
from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.seams import Ack, message_cost
from dataflow_bridge.sources import records as source_records
from dataflow_bridge.sources.readers import SourceReaders
from dataflow_bridge.sources.records import NewSource, SourceRecord
from dataflow_bridge.sources.source import Protocol, Source
from dataflow_bridge.sources.subscriber import connected
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


async def test_nothing_is_acknowledged_before_it_is_on_the_ring(pool: Pool, broker: MosquittoServer) -> None:
    """A bridge that dies with messages in hand leaves them to the next one, marked as sent again."""
    first, second = Ring(hold=True), Ring()
    await make(pool, broker)
    async with bridge(pool, first):
        await all_connected(pool)
        await publish(broker, numbered(500))
        await first.until(lambda: len(first.received) == 500)
        # Ends without an acknowledgement: to the broker it is the same as a death.
    assert first.payloads == set(numbered(500))
    async with bridge(pool, second, "b2"):
        await second.until(lambda: len(second.payloads) == 500)
    assert all(again for *_, again, _ in second.received)
    assert not any(again for *_, again, _ in first.received)


async def test_a_ring_that_takes_nothing_leaves_the_messages_with_the_broker(
    pool: Pool, broker: MosquittoServer
) -> None:
    """No more than the receive maximum is on its way to a session; the rest comes when the ring takes again."""
    ring = Ring(hold=True)
    await make(pool, broker)
    async with bridge(pool, ring):
        await all_connected(pool)
        await publish(broker, numbered(3_000))
        await ring.until(lambda: len(ring.received) >= 1_000)
        assert len(ring.received) == 1_000
        ring.hold = False
        ring.release()
        await ring.until(lambda: len(ring.received) == 3_000)
        assert not any(again for *_, again, _ in ring.received), "the connection stood all the time"
    assert ring.payloads == set(numbered(3_000))
    assert ring.budget.taken_bytes == 0


async def test_without_room_in_memory_nothing_is_read(pool: Pool, broker: MosquittoServer) -> None:
    """The budget bounds what is taken from the broker, whatever its window would allow."""
    ring = Ring(budget=Budget(64 * 1024), hold=True)
    await make(pool, broker)
    large = [number + b"x" * 10_000 for number in numbered(100)]
    async with bridge(pool, ring):
        await all_connected(pool)
        await publish(broker, large)
        await ring.until(lambda: ring.budget.available_bytes <= 0)
        taken = len(ring.received)
        assert taken <= 5
        ring.hold = False
        ring.release()
        await ring.until(lambda: len(ring.payloads) == 100)
    assert ring.payloads == set(large)
    assert ring.budget.taken_bytes == 0


async def test_a_pause_that_lasts_too_long_ends_the_connection_and_loses_nothing(
    pool: Pool, broker: MosquittoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker keeps what was not acknowledged, and sends it again when there is room."""
    monkeypatch.setattr("dataflow_bridge.sources.slot_delivery.MAX_PAUSE_SECONDS", 0.2)
    ring = Ring(budget=Budget(64 * 1024), hold=True)
    await make(pool, broker)
    large = [number + b"x" * 10_000 for number in numbered(50)]
    async with bridge(pool, ring):
        await all_connected(pool)
        await publish(broker, large)
        await eventually(pool, lambda record: record is not None and "no room" in record.slots[0].last_error)
        ring.hold = False
        ring.release()
        await ring.until(lambda: len(ring.payloads) == 50)
    assert ring.payloads == set(large)


async def test_a_broker_that_is_killed_gives_its_queue_when_it_is_back(pool: Pool, broker: MosquittoServer) -> None:
    """What it had saved for a session is delivered after the restart, and the bridge comes back by itself."""
    ring = Ring()
    await make(pool, broker)
    async with bridge(pool, ring):
        await all_connected(pool)
        ring.hold = True
        await publish(broker, numbered(5_000))
        broker.save()
        broker.kill()
        await eventually(pool, lambda record: record is not None and not record.slots[0].connected)
        ring.hold = False
        ring.release()
        broker.start()
        await ring.until(lambda: len(ring.payloads) == 5_000)
    assert ring.payloads == set(numbered(5_000))
    record = await read(pool)
    assert record is not None
    assert record.slots[0].warnings == ()


async def test_a_broker_that_lost_its_sessions_is_told_of(pool: Pool, broker: MosquittoServer) -> None:
    """A restart without persistence loses messages: the source says so."""
    broker.stop()
    broker.options |= {"persistence": "false"}
    broker.start()
    ring = Ring()
    await make(pool, broker)
    async with bridge(pool, ring):
        await all_connected(pool)
        await publish(broker, numbered(1))
        await ring.until(lambda: bool(ring.received))
        broker.kill()
        broker.start()
        await eventually(
            pool,
            lambda record: record is not None and any("lost this session" in text for text in record.slots[0].warnings),
        )


async def test_two_bridges_share_the_slots_and_inherit_them(pool: Pool, broker: MosquittoServer) -> None:
    """Who comes later gets a part; what one bridge held goes to the other when it ends."""
    first, second = Ring(), Ring()
    await make(pool, broker, slots=2)
    async with bridge(pool, first, "b1"):
        await all_connected(pool)
        async with bridge(pool, second, "b2"):
            await eventually(
                pool,
                lambda record: (
                    record is not None
                    and sorted(slot.holder for slot in record.slots if slot.connected) == ["b1", "b2"]
                ),
            )
            await publish(broker, numbered(1_000))
            async with asyncio.timeout(30):
                while len(first.payloads | second.payloads) < 1_000:  # noqa: ASYNC110 - two rings
                    await asyncio.sleep(0.05)
            assert first.payloads
            assert second.payloads
        await eventually(
            pool,
            lambda record: (
                record is not None and [slot.holder for slot in record.slots if slot.connected] == ["b1"] * 2
            ),
        )
        await publish(broker, numbered(1_000, 1_000))
        await first.until(lambda: len(first.payloads | second.payloads) == 2_000)


async def test_a_slot_that_is_removed_is_read_empty(pool: Pool, broker: MosquittoServer) -> None:
    """With data flowing, one slot of two goes: nothing is lost, and its session is gone from the broker."""
    ring = Ring(hold=True)
    made = await make(pool, broker, slots=2)
    async with bridge(pool, ring):
        await all_connected(pool)
        sender = asyncio.create_task(publish(broker, numbered(6_000)))
        await ring.until(lambda: len(ring.received) >= 1_500)
        async with pool.acquire() as connection:
            await source_records.update(connection, changed(made, slots=1), etag="1")
        ring.hold = False
        ring.release()
        await sender
        await eventually(pool, lambda record: record is not None and len(record.slots) == 1)
        await publish(broker, numbered(1_000, 6_000))
        await ring.until(lambda: len(ring.payloads) == 7_000)
    assert not await has_session(broker, made.source.client_id(2))
    assert await has_session(broker, made.source.client_id(1))


async def test_a_source_is_gone_when_its_sessions_are_read_empty(pool: Pool, broker: MosquittoServer) -> None:
    """DeleteSource loses nothing that the broker had taken before, read by whichever bridge is there."""
    ring = Ring(hold=True)
    made = await make(pool, broker, slots=2)
    async with bridge(pool, Ring(), "b0"):
        await all_connected(pool)
    await publish(broker, numbered(4_000))
    async with pool.acquire() as connection:
        await source_records.delete(connection, "plant", force=False)
    async with bridge(pool, ring):
        await ring.until(lambda: len(ring.received) == 2_000)
        assert await read(pool) is not None
        ring.hold = False
        ring.release()
        await eventually(pool, lambda record: record is None)
    assert ring.payloads == set(numbered(4_000))
    for slot in (1, 2):
        assert not await has_session(broker, made.source.client_id(slot))


async def test_a_drain_ends_by_silence_where_the_broker_allows_no_marker(pool: Pool, broker: MosquittoServer) -> None:
    """An access list that knows nothing of $dataflow keeps no session from being drained."""
    access_list = broker.directory / "acl"
    access_list.write_text("topic readwrite m/#\n")
    access_list.chmod(0o644)
    broker.stop()
    broker.options |= {"acl_file": str(access_list)}
    broker.start()
    ring = Ring()
    await make(pool, broker)
    async with bridge(pool, Ring(), "b0"):
        await all_connected(pool)
    await publish(broker, numbered(2_000))
    async with pool.acquire() as connection:
        await source_records.delete(connection, "plant", force=False)
    async with bridge(pool, ring):
        await eventually(pool, lambda record: record is None)
    assert ring.payloads == set(numbered(2_000))


async def test_a_filter_that_is_taken_back_brings_nothing_more(pool: Pool, broker: MosquittoServer) -> None:
    """The session outlives a change of its filters; what is no longer wanted is unsubscribed."""
    ring = Ring()
    made = await make(pool, broker)
    async with bridge(pool, ring):
        await all_connected(pool)
        await publish(broker, [b"before"])
        await ring.until(lambda: b"before" in ring.payloads)
        async with pool.acquire() as connection:
            await source_records.update(connection, changed(made, filters=("n/#",)), etag="1")
        async with asyncio.timeout(30):
            while b"wanted" not in ring.payloads:
                await publish(broker, [b"unwanted"])
                async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                    await client.publish("n/t", b"wanted", qos=1)
                await asyncio.sleep(0.1)
        ring.received.clear()
        await publish(broker, [b"unwanted"])
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.publish("n/t", b"last", qos=1)
        await ring.until(lambda: b"last" in ring.payloads)
    assert b"unwanted" not in ring.payloads


async def test_a_bridge_without_postgres_keeps_its_slots(pool: Pool, broker: MosquittoServer) -> None:
    """Nobody can take them, so it reads on; when the table answers again, all is as before."""
    ring = Ring()
    await make(pool, broker)
    async with bridge(pool, ring) as readers:
        await all_connected(pool)
        async with pool.acquire() as connection:
            await connection.execute("ALTER TABLE bridge.source_slot RENAME TO elsewhere")
            async with asyncio.timeout(10):
                while not readers.stale:  # noqa: ASYNC110 - a flag
                    await asyncio.sleep(0.05)
            await publish(broker, numbered(100))
            await ring.until(lambda: len(ring.payloads) == 100)
            await connection.execute("ALTER TABLE bridge.elsewhere RENAME TO source_slot")
        await eventually(pool, lambda record: record is not None and record.slots[0].acknowledged == 100)


def changed(record: SourceRecord, *, slots: int | None = None, filters: tuple[str, ...] | None = None) -> NewSource:
    """Return what an update asks for."""
    source = record.source
    return NewSource(
        source.name,
        source.url,
        filters or source.filters,
        source.share_group,
        slots or source.slots,
        source.qos,
        source.protocol,
    )


async def has_session(broker: MosquittoServer, client_id: str) -> bool:
    """Return whether the broker knows a session."""
    source = Source("x", uuid4(), 1, broker.url, (), "g", 1, 1, Protocol.MQTT_5)
    async with connected(source, client_id, lambda *_: None, keep_seconds=0) as session:
        return session.granted.session_present
