"""Publishing over one stream after the other, for asyncio."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import grpc
from dataflow.bridge.v1.ingest_service_pb2 import StreamMessagesRequest, StreamMessagesResponse
from grpc import aio

from dataflow_client.calls import AsyncCaller
from dataflow_client.codes import DataflowError, UnavailableError
from dataflow_client.failures import translated
from dataflow_client.messages import OutgoingMessage, PublishResult
from dataflow_client.outbox import Outbox, StreamLimits, no_progress, pause_before_resend
from dataflow_client.retry import NEVER, is_unexplained

if TYPE_CHECKING:
    from dataflow.bridge.v1.ingest_service_pb2_grpc import IngestServiceAsyncStub

    Call = aio.StreamStreamCall[StreamMessagesRequest, StreamMessagesResponse]


class AsyncMessageStream:
    """One run of `AsyncIngest.stream`: reads the input, keeps what is unacknowledged, and goes on after failures."""

    def __init__(
        self, stub: "IngestServiceAsyncStub", caller: AsyncCaller, limits: StreamLimits, timeout_seconds: float
    ) -> None:
        self._stub = stub
        self._caller = caller
        self._limits = limits
        self._timeout_seconds = timeout_seconds
        self._outbox = Outbox(limits)
        self._changed = asyncio.Event()
        self._clock: Callable[[], float] = asyncio.get_running_loop().time

    async def results(
        self, messages: Iterable[OutgoingMessage] | AsyncIterable[OutgoingMessage]
    ) -> AsyncGenerator[PublishResult, None]:
        """Yields what became of each batch, in order."""
        outbox, attempt = self._outbox, 0
        feeder = asyncio.create_task(self._feed(messages), name="dataflow-stream-input")
        try:
            while True:
                await self._until(lambda: not outbox.is_empty or outbox.is_done)
                if outbox.is_done:
                    break
                try:
                    async with aclosing(self._connection()) as results:
                        async for result in results:
                            attempt = 0
                            yield result
                            outbox.touch(self._clock())
                except DataflowError as error:
                    attempt += 1
                    remaining = outbox.remaining(self._timeout_seconds, self._clock())
                    pause = pause_before_resend(self._caller.options.publish_retry, error, attempt, remaining)
                    if pause is None:
                        raise
                    await asyncio.sleep(pause)
                    if is_unexplained(error) and (told := await self._ask()) is not None:
                        yield told
        finally:
            feeder.cancel()
            await asyncio.wait([feeder])
        if outbox.failure is not None:
            raise outbox.failure

    async def _connection(self) -> AsyncGenerator[PublishResult, None]:
        """Sends everything that is unacknowledged, then what comes; ends when the server has answered all it got.

        Raises:
            DataflowError: The stream broke.
        """
        outbox = self._outbox
        outbox.rewind()
        call = self._stub.StreamMessages(
            timeout=self._limits.stream_seconds + self._timeout_seconds, metadata=self._caller.metadata
        )
        sender = asyncio.create_task(self._send(call), name="dataflow-stream-send")
        try:
            while (response := await self._read(call)) is not None:
                result = outbox.acknowledge(response, self._clock())
                self._changed.set()
                yield result
            if not sender.done():
                raise UnavailableError("the server ended the stream", target=self._caller.target)
        except grpc.RpcError as error:
            raise translated(error, self._caller.target) from error
        finally:
            sender.cancel()
            call.cancel()
            await asyncio.wait([sender])

    async def _read(self, call: "Call") -> StreamMessagesResponse | None:
        """Returns the next answer; None at the end."""
        reading = asyncio.ensure_future(call.read())
        try:
            while True:
                remaining = self._outbox.remaining(self._timeout_seconds, self._clock())
                if remaining <= 0:
                    raise no_progress(self._timeout_seconds, self._caller.target)
                if (await asyncio.wait({reading}, timeout=remaining))[0]:
                    response = reading.result()
                    return response if isinstance(response, StreamMessagesResponse) else None
        finally:
            reading.cancel()

    async def _send(self, call: "Call") -> None:
        outbox, ends_at = self._outbox, self._clock() + self._limits.stream_seconds
        # What ended the call is what reading from it says.
        with suppress(grpc.RpcError, aio.UsageError, asyncio.InvalidStateError):
            while not outbox.is_sent and (now := self._clock()) < ends_at:
                if (request := outbox.take(now)) is not None:
                    await call.write(request)
                    continue
                self._changed.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(min(outbox.due or ends_at, ends_at)):
                        await self._changed.wait()
            await call.done_writing()

    async def _ask(self) -> PublishResult | None:
        """Publishes the oldest batch by itself: a refusal is told for certain there, where a stream may hide it.

        Raises:
            DataflowError: The server refuses.
        """
        oldest = self._outbox.oldest
        if oldest is None:
            return None
        timeout = self._outbox.remaining(self._timeout_seconds, self._clock())
        try:
            response = await self._caller.unary(
                self._stub.PublishMessages, oldest.request, retry=NEVER, timeout_seconds=max(0.1, timeout)
            )
        except DataflowError as error:
            if pause_before_resend(self._caller.options.publish_retry, error, 1, 3600.0) is None:
                raise
            return None
        result = self._outbox.acknowledge_oldest(response, self._clock())
        self._changed.set()
        return result

    async def _feed(self, messages: Iterable[OutgoingMessage] | AsyncIterable[OutgoingMessage]) -> None:
        outbox, failure = self._outbox, None
        try:
            if isinstance(messages, AsyncIterable):
                async for message in messages:
                    await self._add(message)
            else:
                for index, message in enumerate(messages):
                    if not index % 64:
                        await asyncio.sleep(0)  # reading a list never waits for anything, and others want to run
                    await self._add(message)
        except Exception as error:  # noqa: BLE001 - it is raised where the results are read, after those before it
            failure = error
        outbox.end(failure)
        self._changed.set()

    async def _add(self, message: OutgoingMessage) -> None:
        if not self._outbox.has_room:
            await self._until(lambda: self._outbox.has_room)
        if self._outbox.add(message, self._clock()):
            self._changed.set()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()
