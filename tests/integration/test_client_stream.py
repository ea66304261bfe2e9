"""The SDK's streams, synchronous and asyncio, against a real server in another loop or in threads."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing

import grpc
import pytest
from dataflow.bridge.v1 import ingest_service_pb2 as pb
from dataflow_client import (
    AsyncClient,
    CallOptions,
    Client,
    Connection,
    OutgoingMessage,
    PublishResult,
    RetryPolicy,
    StreamLimits,
    Targets,
    errors,
)
from dataflow_client.testing import Failure, Hang, Script, serving

_QUICK = RetryPolicy(max_attempts=5, first_delay_seconds=0.0)
_ONES = StreamLimits(max_batch_messages=1)
_STOPS = Failure(grpc.StatusCode.UNAVAILABLE, "stops", "SHUTTING_DOWN")

Publish = Callable[[list[OutgoingMessage], StreamLimits], list[PublishResult]]


def accept(request: pb.StreamMessagesRequest) -> pb.StreamMessagesResponse:
    return pb.StreamMessagesResponse(sequence=request.sequence, accepted_count=len(request.messages))


def accept_alone(request: pb.PublishMessagesRequest) -> pb.PublishMessagesResponse:
    return pb.PublishMessagesResponse(accepted_count=len(request.messages))


def messages(count: int) -> list[OutgoingMessage]:
    return [OutgoingMessage("t", str(number), message_id=f"m{number}") for number in range(count)]


def sent(script: Script, method: str = "StreamMessages") -> list[list[str]]:
    return [[message.message_id for message in request.messages] for request in script.requests(method)]


def answered(results: list[PublishResult]) -> int:
    return sum(result.accepted_count + len(result.rejected) for result in results)


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def connection(script: Script) -> Iterator[Connection]:
    with serving(script) as target:
        yield Connection(Targets(bridge=target), token="secret")


_OPTIONS = CallOptions(publish_retry=_QUICK, publish_timeout_seconds=20.0)


@pytest.fixture(params=["threads", "asyncio"])
def publish(request: pytest.FixtureRequest, connection: Connection) -> Publish:
    def in_threads(outgoing: list[OutgoingMessage], limits: StreamLimits) -> list[PublishResult]:
        with Client(connection, _OPTIONS) as client:
            return list(client.ingest.stream(outgoing, limits=limits))

    def in_asyncio(outgoing: list[OutgoingMessage], limits: StreamLimits) -> list[PublishResult]:
        async def run() -> list[PublishResult]:
            async with AsyncClient(connection, _OPTIONS) as client:
                return [result async for result in client.ingest.stream(outgoing, limits=limits)]

        return asyncio.run(run())

    return in_threads if request.param == "threads" else in_asyncio


def test_a_stream_yields_a_result_for_each_batch_in_order(publish: Publish, script: Script) -> None:
    """Batches are cut by their limits, nothing is left over at the end."""
    script.on("StreamMessages", accept)
    results = publish(messages(5), StreamLimits(max_batch_messages=2))
    assert [result.accepted_count for result in results] == [2, 2, 1]
    assert sent(script) == [["m0", "m1"], ["m2", "m3"], ["m4"]]
    assert script.calls["StreamMessages"][0].metadata["authorization"] == "Bearer secret"


def test_an_empty_input_has_no_results_and_makes_no_call(publish: Publish, script: Script) -> None:
    """Nothing to send, nothing to open."""
    assert publish([], _ONES) == []
    assert not script.calls["StreamMessages"]


def test_a_broken_stream_goes_on_with_the_same_ids(publish: Publish, script: Script) -> None:
    """What was answered is not sent again, all else is, in order."""
    script.on("StreamMessages", accept, accept, _STOPS, accept)
    assert answered(publish(messages(6), _ONES)) == 6
    assert [name for batch in sent(script) for name in batch] == ["m0", "m1", "m2", "m2", "m3", "m4", "m5"]


def test_an_unexplained_end_goes_on_after_asking_once(publish: Publish, script: Script) -> None:
    """A stream refused early can look like a defect: https://github.com/grpc/grpc/issues/36066."""
    script.on("StreamMessages", Failure(grpc.StatusCode.INTERNAL, "Internal error from Core"), accept)
    script.on("PublishMessages", accept_alone)
    assert answered(publish(messages(2), _ONES)) == 2
    assert sent(script, "PublishMessages") == [["m0"]]
    assert [name for batch in sent(script) for name in batch] == ["m0", "m1"]


def test_an_unexplained_end_that_hides_a_refusal_is_told(publish: Publish, script: Script) -> None:
    """Asked by a single request, the server says what is wrong."""
    script.on("StreamMessages", Failure(grpc.StatusCode.INTERNAL, "Internal error from Core"))
    script.on("PublishMessages", Failure(grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_INVALID"))
    with pytest.raises(errors.TokenInvalidError):
        publish(messages(2), _ONES)


def test_a_refusal_is_raised_at_once(publish: Publish, script: Script) -> None:
    """Nobody tries again what cannot succeed."""
    script.on("StreamMessages", Failure(grpc.StatusCode.PERMISSION_DENIED, reason="ROLE_MISSING"))
    with pytest.raises(errors.RoleMissingError):
        publish(messages(2), StreamLimits(max_batch_messages=2))
    assert len(script.calls["StreamMessages"]) == 1


def test_rejected_messages_keep_their_position(publish: Publish, script: Script) -> None:
    """Over resends and batches."""

    def reject(request: pb.StreamMessagesRequest) -> pb.StreamMessagesResponse:
        answer = accept(request)
        answer.accepted_count -= 1
        answer.rejected.add(index=1, error_message="no")
        return answer

    script.on("StreamMessages", accept, _STOPS, reject)
    results = publish(messages(4), StreamLimits(max_batch_messages=2))
    assert [(entry.index, entry.message_id) for result in results for entry in result.rejected] == [(3, "m3")]


def test_a_stream_is_opened_anew_without_a_gap(publish: Publish, script: Script) -> None:
    """Old streams end in order: each batch is sent once."""
    script.on("StreamMessages", accept)
    limits = StreamLimits(max_batch_messages=1, max_unacknowledged_batches=1, stream_seconds=0.001)
    assert answered(publish(messages(50), limits)) == 50
    assert sent(script) == [[f"m{number}"] for number in range(50)]


def test_what_the_input_raises_comes_after_the_results_before_it(connection: Connection, script: Script) -> None:
    """Nothing that was read is lost with it."""
    script.on("StreamMessages", accept)

    def source() -> Iterator[OutgoingMessage]:
        yield from messages(3)
        raise OSError("the disk is gone")

    with Client(connection, _OPTIONS) as client:
        stream = client.ingest.stream(source(), limits=_ONES)
        assert [next(stream).accepted_count for _ in range(3)] == [1, 1, 1]
        with pytest.raises(OSError, match="the disk is gone"):
            next(stream)


def test_endless_input_in_threads_is_answered_as_it_comes(connection: Connection, script: Script) -> None:
    """A result does not wait for the next message."""
    script.on("StreamMessages", accept)
    wanted = threading.Semaphore(1)

    def source() -> Iterator[OutgoingMessage]:
        for message in messages(100):
            wanted.acquire()
            yield message

    with Client(connection, _OPTIONS) as client, closing(client.ingest.stream(source())) as results:
        for _ in range(3):
            assert next(results).accepted_count == 1
            wanted.release()
    wanted.release()


async def test_endless_asynchronous_input_is_answered_as_it_comes(connection: Connection, script: Script) -> None:
    """A result does not wait for the next message, and leaving ends the stream and the reading."""
    script.on("StreamMessages", accept)
    wanted, closed = asyncio.Semaphore(1), asyncio.Event()

    async def source() -> AsyncIterator[OutgoingMessage]:
        try:
            for message in messages(100):
                await wanted.acquire()
                yield message
        finally:
            closed.set()

    before = asyncio.all_tasks()
    async with AsyncClient(connection, _OPTIONS) as client, aclosing(client.ingest.stream(source())) as results:
        for _ in range(3):
            assert (await anext(results)).accepted_count == 1
            wanted.release()
    await closed.wait()
    assert [task for task in asyncio.all_tasks() - before if task.get_name().startswith("dataflow")] == []


def test_a_server_that_answers_nothing_is_given_up(connection: Connection, script: Script) -> None:
    """Nothing waits for ever."""
    script.on("StreamMessages", Hang())
    with Client(connection, _OPTIONS) as client, pytest.raises(errors.DeadlineExceededError, match="acknowledged"):
        list(client.ingest.stream(messages(2), timeout_seconds=0.2))


async def test_a_server_that_answers_nothing_is_given_up_in_asyncio(connection: Connection, script: Script) -> None:
    """Nothing waits for ever."""
    script.on("StreamMessages", Hang())
    async with AsyncClient(connection, _OPTIONS) as client:
        with pytest.raises(errors.DeadlineExceededError, match="acknowledged"):
            async for _ in client.ingest.stream(messages(2), timeout_seconds=0.2):
                pass


def test_the_window_bounds_what_is_read_ahead(connection: Connection, script: Script) -> None:
    """Input is read no further than what may be unacknowledged."""
    script.on("StreamMessages", accept, Hang())
    read = []

    def source() -> Iterator[OutgoingMessage]:
        for message in messages(1_000):
            read.append(message)
            yield message

    limits = StreamLimits(max_batch_messages=1, max_unacknowledged_batches=4)
    with Client(connection, _OPTIONS) as client, closing(client.ingest.stream(source(), limits=limits)) as results:
        next(results)
        assert len(read) <= 6


async def test_the_window_bounds_what_is_read_ahead_in_asyncio(connection: Connection, script: Script) -> None:
    """Input is read no further than what may be unacknowledged."""
    script.on("StreamMessages", accept, Hang())
    read = []

    def source() -> Iterator[OutgoingMessage]:
        for message in messages(1_000):
            read.append(message)
            yield message

    limits = StreamLimits(max_batch_messages=1, max_unacknowledged_batches=4)
    async with (
        AsyncClient(connection, _OPTIONS) as client,
        aclosing(client.ingest.stream(source(), limits=limits)) as results,
    ):
        await anext(results)
        for _ in range(100):  # turns of the loop, in which more could be read
            await asyncio.sleep(0)
        assert len(read) <= 6
