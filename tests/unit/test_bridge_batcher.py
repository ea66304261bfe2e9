"""The batcher against a ring that finishes batches in any order."""

import asyncio

import pytest
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_bridge.batcher import Batcher, BatcherOptions
from dataflow_bridge.listener.seams import message_cost
from dataflow_ring.append import Placement
from dataflow_ring.batch import unpack


class HeldRing:
    """Takes batches and finishes each when the test says so."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.gates: list[asyncio.Event] = []
        self.arrived = asyncio.Condition()

    async def append(self, batch_id: bytes, data: bytes) -> Placement:
        gate = asyncio.Event()
        self.batches.append(unpack(data))
        self.gates.append(gate)
        async with self.arrived:
            self.arrived.notify_all()
        await gate.wait()
        return Placement(batch_id, ["a", "b"])

    async def wait_for(self, count: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.batches) >= count)


class Source:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.acknowledged_tokens: list[int] = []
        self.failed_tokens: list[int] = []

    def acknowledged(self, tokens: list[int]) -> None:
        self.acknowledged_tokens += tokens

    def failed(self, tokens: list[int]) -> None:
        self.failed_tokens += tokens


ONE_EACH = BatcherOptions(max_messages=1)


def submit(batcher: Batcher, source: Source | None, token: int, topic: str = "t", payload: bytes = b"p") -> None:
    batcher.submit(topic, payload, "dev", None, None, False, 1_000_000 + token, "mqtt", source, token)


async def test_nothing_is_acknowledged_before_the_ring_has_it() -> None:
    """Acknowledge last."""
    ring, source = HeldRing(), Source()
    released: list[int] = []
    async with Batcher(ring, "b", released.append) as batcher:
        submit(batcher, source, 1)
        await ring.wait_for(1)
        assert source.acknowledged_tokens == []
        ring.gates[0].set()
        await batcher.drain()
        assert source.acknowledged_tokens == [1]
    assert sum(released) == message_cost("t", b"p")


async def test_a_lone_message_does_not_wait_for_others() -> None:
    """Tail messages flush: a batch is closed at once when the bridge is idle."""
    ring, source = HeldRing(), Source()
    async with Batcher(ring, "b", lambda _: None, BatcherOptions(linger_seconds=60, busy_linger_seconds=60)) as batcher:
        submit(batcher, source, 1)
        await asyncio.wait_for(ring.wait_for(1), 5)
        ring.gates[0].set()
        await batcher.drain()


async def test_acknowledgements_leave_in_batch_order_though_batches_finish_in_any() -> None:
    """MQTT-4.6.0-2 for every connection."""
    ring, source = HeldRing(), Source()
    async with Batcher(ring, "b", lambda _: None, ONE_EACH) as batcher:
        for token in (1, 2, 3):
            submit(batcher, source, token)
        await ring.wait_for(3)
        ring.gates[2].set()
        ring.gates[1].set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert source.acknowledged_tokens == []
        ring.gates[0].set()
        await batcher.drain()
        assert source.acknowledged_tokens == [1, 2, 3]


async def test_sequences_have_no_gap_and_say_what_was_acknowledged() -> None:
    """The ledger finds a loss by them."""
    ring, source = HeldRing(), Source()
    async with Batcher(ring, "bridge-7", lambda _: None, ONE_EACH) as batcher:
        submit(batcher, source, 1)
        await ring.wait_for(1)
        ring.gates[0].set()
        await batcher.drain()
        submit(batcher, source, 2)
        submit(batcher, source, 3)
        await ring.wait_for(3)
        for gate in ring.gates:
            gate.set()
        await batcher.drain()
    assert [batch.sequence for batch in ring.batches] == [1, 2, 3]
    assert [batch.acknowledged_through for batch in ring.batches] == [0, 1, 1]
    assert {batch.bridge_id for batch in ring.batches} == {"bridge-7"}
    assert len({batch.boot_id for batch in ring.batches}) == 1
    assert len({batch.batch_id for batch in ring.batches}) == 3


async def test_what_is_not_durable_at_the_end_is_not_acknowledged() -> None:
    """Sources are told, so that clients keep their messages; the budget gets its bytes back."""
    ring, source = HeldRing(), Source()
    released: list[int] = []
    async with Batcher(ring, "b", released.append) as batcher:
        submit(batcher, source, 1)
        await ring.wait_for(1)
        submit(batcher, source, 2)
    assert source.acknowledged_tokens == []
    assert sorted(source.failed_tokens) == [1, 2]
    assert sum(released) == 2 * message_cost("t", b"p")


async def test_a_message_is_packed_as_it_came() -> None:
    """Every part of it reaches the ring."""
    ring = HeldRing()
    async with Batcher(ring, "b", lambda _: None) as batcher:
        batcher.submit("a/b", b"\x00\xff", "dev", "application/json", "id-1", True, 123, "grpc", None, 0)
        await ring.wait_for(1)
        ring.gates[0].set()
        await batcher.drain()
    (message,) = ring.batches[0].messages
    assert (message.topic, message.payload, message.device_id) == ("a/b", b"\x00\xff", "dev")
    assert (message.content_type, message.message_id, message.maybe_duplicate) == ("application/json", "id-1", True)
    assert (message.receive_time_us, message.source) == (123, "grpc")


@pytest.mark.parametrize(
    ("options", "payload"), [(BatcherOptions(max_messages=3), b"p"), (BatcherOptions(max_bytes=300), b"p" * 150)]
)
async def test_a_batch_is_closed_when_it_is_full(options: BatcherOptions, payload: bytes) -> None:
    """By count or by size, without waiting for the linger."""
    ring, source = HeldRing(), Source()
    async with Batcher(ring, "b", lambda _: None, options) as batcher:
        for token in range(6):
            submit(batcher, source, token, payload=payload)
        await ring.wait_for(2)
        for gate in ring.gates:
            gate.set()
        await batcher.drain()
    assert len(ring.batches) >= 2
    assert source.acknowledged_tokens == list(range(6))
