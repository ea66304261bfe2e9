"""Publishing messages: `dataflow.bridge.v1.IngestService`."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

import grpc
from dataflow.bridge.v1.ingest_service_pb2_grpc import IngestServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.codes import DataflowError
from dataflow_client.messages import OutgoingBatch, OutgoingMessage, Packer, PublishResult, batches


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

    def _send(self, batch: OutgoingBatch, timeout_seconds: float | None) -> PublishResult:
        options = self._caller.options
        response = self._caller.unary(
            self._stub.PublishMessages,
            batch.request,
            retry=options.publish_retry,
            timeout_seconds=timeout_seconds or options.publish_timeout_seconds,
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

    async def _send(self, batch: OutgoingBatch, timeout_seconds: float | None) -> PublishResult:
        options = self._caller.options
        response = await self._caller.unary(
            self._stub.PublishMessages,
            batch.request,
            retry=options.publish_retry,
            timeout_seconds=timeout_seconds or options.publish_timeout_seconds,
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
