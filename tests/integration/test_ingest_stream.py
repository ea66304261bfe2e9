"""IngestService over real gRPC, in front of a batcher whose ring finishes batches when the test says so."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TypeAlias

import grpc
import grpc.aio
import pytest
from dataflow.bridge.v1 import ingest_service_pb2 as pb
from dataflow.bridge.v1 import ingest_service_pb2_grpc
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_bridge.batcher import Batcher, BatcherOptions
from dataflow_bridge.errors import RingUnavailableError
from dataflow_bridge.ingest.service import IngestServicer
from dataflow_bridge.ingest.stream import MAX_UNANSWERED, MessageStream
from dataflow_bridge.listener.budget import Budget
from dataflow_mesh.testing import InProcess, in_process_server
from dataflow_ring.append import Placement
from dataflow_ring.batch import unpack
from google.rpc import error_details_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped]

Stream: TypeAlias = "grpc.aio.StreamStreamCall[pb.StreamMessagesRequest, pb.StreamMessagesResponse]"
NAME = "dataflow.bridge.v1.IngestService"


@dataclass
class Ring:
    """Takes batches; holds them back while `open` is not set, and finishes single ones out of order."""

    batches: list[Batch] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    gates: list[asyncio.Event] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def append(self, batch_id: bytes, data: bytes) -> Placement:
        gate = asyncio.Event()
        self.batches.append(unpack(data))
        self.gates.append(gate)
        async with self.arrived:
            self.arrived.notify_all()
        waits = [asyncio.ensure_future(event.wait()) for event in (gate, self.open)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return Placement(batch_id, ["a", "b"])

    async def wait_for(self, count: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.batches) >= count)

    @property
    def ids(self) -> list[str]:
        return [message.message_id for batch in self.batches for message in batch.messages]


@dataclass
class Bridge:
    """The part of a bridge that takes messages over gRPC."""

    ring: Ring
    budget: Budget
    stopping: asyncio.Event
    server: InProcess
    stub: "ingest_service_pb2_grpc.IngestServiceAsyncStub"


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    ring, budget, stopping = Ring(), Budget(4 * 1024 * 1024), asyncio.Event()
    async with Batcher(ring, "b", budget.release, BatcherOptions(max_in_flight=1_000)) as batcher:
        servicer = IngestServicer(batcher, budget, stopping)
        service = (ingest_service_pb2_grpc.add_IngestServiceServicer_to_server, servicer, NAME)
        async with in_process_server([service]) as server:
            yield Bridge(ring, budget, stopping, server, ingest_service_pb2_grpc.IngestServiceStub(server.channel))
        ring.open.set()


def request(sequence: int, *ids: str, size: int = 1) -> pb.StreamMessagesRequest:
    messages = [pb.PublishMessage(topic="t", payload=b"x" * size, message_id=name) for name in ids]
    return pb.StreamMessagesRequest(sequence=sequence, messages=messages)


async def answer_of(call: Stream) -> pb.StreamMessagesResponse:
    answer = await call.read()
    assert isinstance(answer, pb.StreamMessagesResponse)
    return answer


def reason_of(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def test_each_batch_is_answered_in_order_with_its_number(bridge: Bridge) -> None:
    """Later batches that are durable earlier wait for their turn."""
    call = bridge.stub.StreamMessages()
    for sequence in (7, 8):
        await call.write(request(sequence, f"m{sequence}"))
        await bridge.ring.wait_for(sequence - 6)
    bridge.ring.gates[1].set()
    bridge.ring.gates[0].set()
    await call.done_writing()
    assert [(answer.sequence, answer.accepted_count) async for answer in call] == [(7, 1), (8, 1)]
    assert await call.code() is grpc.StatusCode.OK


async def test_nothing_is_answered_before_the_ring_has_it(bridge: Bridge) -> None:
    """An answer is a promise."""
    call = bridge.stub.StreamMessages()
    await call.write(request(1, "m"))
    await bridge.ring.wait_for(1)
    answer = asyncio.ensure_future(answer_of(call))
    await bridge.stub.PublishMessages(pb.PublishMessagesRequest(messages=[pb.PublishMessage(topic="#", text="")]))
    assert not answer.done()
    bridge.ring.open.set()
    assert (await answer).sequence == 1


async def test_a_partly_good_batch_names_what_was_not_taken(bridge: Bridge) -> None:
    """One bad message costs one message, on a stream as in a single request."""
    bridge.ring.open.set()
    call = bridge.stub.StreamMessages()
    batch = request(1, "a", "b")
    batch.messages.add(topic="a/#", text="x")
    await call.write(batch)
    await call.write(pb.StreamMessagesRequest(sequence=2, messages=[pb.PublishMessage(topic="", text="x")]))
    first, second = await answer_of(call), await answer_of(call)
    assert (first.accepted_count, [entry.index for entry in first.rejected]) == (2, [2])
    assert (second.accepted_count, [entry.index for entry in second.rejected]) == (0, [0])


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
async def test_a_number_that_json_cannot_say_costs_its_message_only(bridge: Bridge, number: float) -> None:
    """A Struct can hold NaN; its neighbours are stored."""
    bridge.ring.open.set()
    asked = pb.PublishMessagesRequest(messages=[pb.PublishMessage(topic="t", text="{}", message_id="good")])
    asked.messages.add(topic="t").json.update({"deep": [{"a": number}]})
    answer = await bridge.stub.PublishMessages(asked)
    assert (answer.accepted_count, [entry.index for entry in answer.rejected]) == (1, [1])
    assert "NaN" in answer.rejected[0].error_message
    assert bridge.ring.ids == ["good"]


async def test_a_bad_batch_ends_the_stream_after_the_answers_before_it(bridge: Bridge) -> None:
    """The sender learns which one it was: the first without an answer."""
    bridge.ring.open.set()
    call = bridge.stub.StreamMessages()
    await call.write(request(1, "m"))
    await call.write(pb.StreamMessagesRequest(sequence=2))
    assert (await answer_of(call)).sequence == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_nothing_is_read_without_budget(bridge: Bridge) -> None:
    """A sender that is faster than the ring waits; the bridge's memory does not grow with what it wants to send."""
    call = bridge.stub.StreamMessages()
    size, count = 1_000_000, 40

    async def send() -> None:
        for sequence in range(count):
            await call.write(request(sequence, f"m{sequence}", size=size))
        await call.done_writing()

    sender = asyncio.create_task(send())
    await bridge.ring.wait_for(3)  # three quarters of the budget: the next one goes over it, and then nobody reads
    for _ in range(20):  # round trips, each a chance to read more
        await bridge.stub.PublishMessages(pb.PublishMessagesRequest(messages=[pb.PublishMessage(topic="#", text="")]))
    assert len(bridge.ring.batches) <= 4
    assert bridge.budget.taken_bytes <= 5_000_000
    assert not sender.done()
    bridge.ring.open.set()
    assert [answer.sequence async for answer in call] == list(range(count))
    await sender
    assert bridge.ring.ids == [f"m{sequence}" for sequence in range(count)]
    assert bridge.budget.taken_bytes == 0


async def test_a_sender_that_reads_no_answers_is_not_read_for_ever() -> None:
    """Answers are owed for a bounded number of batches, however small they are."""
    readable, asked, answered = asyncio.Event(), [0], list[int]()

    async def requests() -> AsyncIterator[pb.StreamMessagesRequest]:
        for sequence in range(2 * MAX_UNANSWERED):
            asked[0] += 1
            yield pb.StreamMessagesRequest(sequence=sequence, messages=[pb.PublishMessage(topic="#", text="x")])

    async def write(answer: pb.StreamMessagesResponse) -> None:
        await readable.wait()
        answered.append(answer.sequence)

    async with Batcher(Ring(), "b", lambda _: None) as batcher:
        stream = MessageStream(batcher, Budget(4 * 1024 * 1024))
        serving = asyncio.create_task(stream.serve(requests(), write, asyncio.Event()))
        for _ in range(10 * MAX_UNANSWERED):
            await asyncio.sleep(0)
        assert asked[0] == MAX_UNANSWERED
        readable.set()
        await serving
    assert answered == list(range(2 * MAX_UNANSWERED))


async def test_a_ring_that_takes_nothing_ends_the_stream() -> None:
    """The sender may know another bridge."""
    async with Batcher(Ring(), "b", lambda _: None) as batcher:
        stream = MessageStream(batcher, Budget(4 * 1024 * 1024), answer_seconds=0.01)

        async def requests() -> AsyncIterator[pb.StreamMessagesRequest]:
            yield request(1, "m")
            await asyncio.Event().wait()

        async def write(_: pb.StreamMessagesResponse) -> None:
            raise AssertionError("nothing is durable")

        with pytest.raises(RingUnavailableError):
            await stream.serve(requests(), write, asyncio.Event())


async def test_a_stopping_bridge_answers_what_it_has_read_and_ends(bridge: Bridge) -> None:
    """The sender goes on elsewhere with what was not answered."""
    call = bridge.stub.StreamMessages()
    await call.write(request(1, "m"))
    await bridge.ring.wait_for(1)
    bridge.stopping.set()
    bridge.ring.open.set()
    assert (await answer_of(call)).sequence == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert (caught.value.code(), reason_of(caught.value)) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")


async def test_cancelled_streams_leave_nothing_behind(bridge: Bridge) -> None:
    """Neither tasks nor bytes of the budget."""
    calls = [bridge.stub.StreamMessages() for _ in range(50)]
    for number, call in enumerate(calls):
        await call.write(request(number, f"m{number}"))
    async with bridge.ring.arrived:
        await bridge.ring.arrived.wait_for(lambda: len(bridge.ring.ids) == 50)
    tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("ingest-stream")]
    assert len(tasks) == 100
    for call in calls:
        call.cancel()
    await asyncio.wait(tasks)
    bridge.ring.open.set()
    # Acknowledged after all before it: then their bytes are given back.
    await bridge.stub.PublishMessages(pb.PublishMessagesRequest(messages=[pb.PublishMessage(topic="t", text="x")]))
    assert bridge.budget.taken_bytes == 0


async def test_there_are_no_more_streams_than_memory_for_them(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is told to come back; when another one ends there is room again."""
    monkeypatch.setattr("dataflow_bridge.ingest.service.MAX_STREAMS", 1)
    bridge.ring.open.set()
    first = bridge.stub.StreamMessages()
    await first.write(request(1, "m1"))
    await answer_of(first)
    while True:
        second = bridge.stub.StreamMessages()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await second.read()
        if caught.value.details() != "Internal error from Core":  # https://github.com/grpc/grpc/issues/36066
            break
    assert (caught.value.code(), reason_of(caught.value)) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "BRIDGE_OVERLOADED",
    )
    await first.done_writing()
    assert await first.code() is grpc.StatusCode.OK
    third = bridge.stub.StreamMessages()
    await third.write(request(1, "m3"))
    assert (await answer_of(third)).accepted_count == 1
