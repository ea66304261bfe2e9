"""Publishing messages: `dataflow.bridge.v1.IngestService`."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from contextlib import aclosing

import grpc
from dataflow.bridge.v1.ingest_service_pb2_grpc import IngestServiceStub
from grpc import aio

from dataflow_client.async_streams import AsyncMessageStream
from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.codes import DataflowError
from dataflow_client.messages import OutgoingBatch, OutgoingMessage, Packer, PublishResult, batches
from dataflow_client.outbox import StreamLimits
from dataflow_client.streams import MessageStream


class Ingest:
    """Publishes; what is answered as accepted is on as many ring nodes as the bridge is set to."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = IngestServiceStub(channel)
        self._caller = caller

    def publish(self, messages: Iterable[OutgoingMessage], *, timeout_seconds: float | None = None) -> PublishResult:
        """Publishes messages in batches of at most 10,000 and 4 MiB, one after the other.

        A batch is repeated with the same message ids while the bridge is away or overloaded, until its deadline.

        Args:
            messages: Any number of them; read as the batches are sent.
            timeout_seconds: Deadline of each batch; None for the client's.

        Raises:
            DataflowError: A batch failed for good; a note says how many were accepted before. Publishing the same
                objects again stores nothing twice.
            ValueError: A message alone is beyond 4 MiB; those before it were published.
        """
        total = PublishResult()
        try:
            for result in self.publish_each(messages, timeout_seconds=timeout_seconds):
                total += result
        except DataflowError as error:
            error.add_note(f"{total.accepted_count} messages were accepted before")
            raise
        return total

    def publish_each(
        self, messages: Iterable[OutgoingMessage], *, timeout_seconds: float | None = None
    ) -> Iterator[PublishResult]:
        """Publishes like `publish`, and yields what became of each batch: for endless input.

        Raises:
            DataflowError: A batch failed for good.
            ValueError: A message alone is beyond 4 MiB.
        """
        for batch in batches(messages):
            yield self._send(batch, timeout_seconds)

    def stream(
        self,
        messages: Iterable[OutgoingMessage],
        *,
        limits: StreamLimits | None = None,
        timeout_seconds: float | None = None,
    ) -> Generator[PublishResult, None, None]:
        """Publishes over one stream, many batches on their way at once, and yields what became of each, in order.

        For much input and for endless input: nothing waits for a full batch longer than `linger_seconds`. What is not
        acknowledged is kept, up to the limits, and sent again with the same message ids on a new stream, to another
        bridge where there is one, when a stream breaks. When the input ends, so do the results, after the last one.
        Closing the iterator ends the stream.

        Args:
            messages: Any number of them; read in a thread of its own, ahead of the results.
            limits: Of batches, and of what is kept.
            timeout_seconds: How long nothing may be acknowledged while something waits for it; None for the client's
                `publish_timeout_seconds`.

        Raises:
            DataflowError: The server refuses, or nothing was acknowledged for too long. What was not yielded may be
                stored or not: publishing the same objects again stores nothing twice.
            ValueError: A message alone is beyond 4 MiB; those before it were published.
            Exception: What the input raised, after the results of all before it.
        """
        self._caller.check()
        timeout = timeout_seconds or self._caller.options.publish_timeout_seconds
        yield from MessageStream(self._stub, self._caller, limits or StreamLimits(), timeout).results(messages)

    def _send(self, batch: OutgoingBatch, timeout_seconds: float | None) -> PublishResult:
        options = self._caller.options
        response = self._caller.unary(
            self._stub.PublishMessages,
            batch.request,
            retry=options.publish_retry,
            timeout_seconds=timeout_seconds or options.publish_timeout_seconds,
            repeatable=True,  # its messages have ids
        )
        return batch.result(response)


class AsyncIngest:
    """Publishes; what is answered as accepted is on as many ring nodes as the bridge is set to."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = IngestServiceStub(channel)
        self._caller = caller

    async def publish(
        self,
        messages: Iterable[OutgoingMessage] | AsyncIterable[OutgoingMessage],
        *,
        timeout_seconds: float | None = None,
    ) -> PublishResult:
        """Publishes messages in batches of at most 10,000 and 4 MiB, one after the other.

        A batch is repeated with the same message ids while the bridge is away or overloaded, until its deadline.

        Args:
            messages: Any number of them; read as the batches are sent.
            timeout_seconds: Deadline of each batch; None for the client's.

        Raises:
            DataflowError: A batch failed for good; a note says how many were accepted before. Publishing the same
                objects again stores nothing twice.
            ValueError: A message alone is beyond 4 MiB; those before it were published.
        """
        total = PublishResult()
        try:
            async for result in self.publish_each(messages, timeout_seconds=timeout_seconds):
                total += result
        except DataflowError as error:
            error.add_note(f"{total.accepted_count} messages were accepted before")
            raise
        return total

    async def publish_each(
        self,
        messages: Iterable[OutgoingMessage] | AsyncIterable[OutgoingMessage],
        *,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[PublishResult]:
        """Publishes like `publish`, and yields what became of each batch: for endless input.

        Raises:
            DataflowError: A batch failed for good.
            ValueError: A message alone is beyond 4 MiB.
        """
        async for batch in _async_batches(messages):
            yield await self._send(batch, timeout_seconds)

    async def stream(
        self,
        messages: Iterable[OutgoingMessage] | AsyncIterable[OutgoingMessage],
        *,
        limits: StreamLimits | None = None,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[PublishResult, None]:
        """Publishes over one stream, many batches on their way at once, and yields what became of each, in order.

        For much input and for endless input: nothing waits for a full batch longer than `linger_seconds`. What is not
        acknowledged is kept, up to the limits, and sent again with the same message ids on a new stream, to another
        bridge where there is one, when a stream breaks. When the input ends, so do the results, after the last one.
        Close the iterator (`contextlib.aclosing`) to end the stream early.

        Args:
            messages: Any number of them; read ahead of the results.
            limits: Of batches, and of what is kept.
            timeout_seconds: How long nothing may be acknowledged while something waits for it; None for the client's
                `publish_timeout_seconds`.

        Raises:
            DataflowError: The server refuses, or nothing was acknowledged for too long. What was not yielded may be
                stored or not: publishing the same objects again stores nothing twice.
            ValueError: A message alone is beyond 4 MiB; those before it were published.
            Exception: What the input raised, after the results of all before it.
        """
        self._caller.check()
        timeout = timeout_seconds or self._caller.options.publish_timeout_seconds
        run = AsyncMessageStream(self._stub, self._caller, limits or StreamLimits(), timeout)
        async with aclosing(run.results(messages)) as results:
            async for result in results:
                yield result

    async def _send(self, batch: OutgoingBatch, timeout_seconds: float | None) -> PublishResult:
        options = self._caller.options
        response = await self._caller.unary(
            self._stub.PublishMessages,
            batch.request,
            retry=options.publish_retry,
            timeout_seconds=timeout_seconds or options.publish_timeout_seconds,
            repeatable=True,  # its messages have ids
        )
        return batch.result(response)


async def _async_batches(
    messages: Iterable[OutgoingMessage] | AsyncIterable[OutgoingMessage],
) -> AsyncIterator[OutgoingBatch]:
    if not isinstance(messages, AsyncIterable):
        for batch in batches(messages):
            yield batch
        return
    packer = Packer()
    async for message in messages:
        try:
            full = packer.add(message)
        except ValueError:
            if (rest := packer.flush()) is not None:
                yield rest
            raise
        if full is not None:
            yield full
    if (last := packer.flush()) is not None:
        yield last
