"""IngestService: messages over gRPC, on the same way as those over MQTT."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from dataflow.bridge.v1 import ingest_service_pb2, ingest_service_pb2_grpc
from dataflow_mesh.channel import remaining_deadline
from grpc.aio import ServicerContext

from dataflow_bridge.errors import BridgeOverloadedError, RingUnavailableError
from dataflow_bridge.ingest.messages import sift
from dataflow_bridge.ingest.receipt import cost_of, submit
from dataflow_bridge.ingest.stream import MessageStream
from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.seams import Intake

MAX_STREAMS: Final = 512
"""Streams of one bridge: each may have read one batch when the budget is spent."""
_DEFAULT_WAIT_SECONDS: Final = 20.0


class IngestServicer(ingest_service_pb2_grpc.IngestServiceServicer):
    """Takes messages from programs.

    Args:
        intake: Where messages go.
        budget: What bounds the bytes on their way.
        stopping: Set when the bridge begins to stop: streams then end after what they owe.
    """

    def __init__(self, intake: Intake, budget: Budget, stopping: asyncio.Event) -> None:
        self._intake = intake
        self._budget = budget
        self._stopping = stopping
        self._streams = 0

    async def PublishMessages(
        self,
        request: ingest_service_pb2.PublishMessagesRequest,
        context: ServicerContext[object, object],
    ) -> ingest_service_pb2.PublishMessagesResponse:
        """Put the messages on the ring and answer when they are durable."""
        response = ingest_service_pb2.PublishMessagesResponse()
        taken = sift(request.messages, response.rejected)
        if not taken:
            return response
        if not self._budget.try_take(cost_of(taken)):
            raise BridgeOverloadedError(retry_after_seconds=0.5)
        receipt = submit(taken, self._intake)
        try:
            # A little before the caller's own deadline, so that it learns why.
            wait = max(0.05, (remaining_deadline() or _DEFAULT_WAIT_SECONDS) - 0.1)
            async with asyncio.timeout(wait):
                durable = await receipt.done
        except TimeoutError as error:
            raise RingUnavailableError(retry_after_seconds=1.0) from error
        if not durable:
            raise RingUnavailableError(
                "the bridge stops; send the messages again, with the same message ids, to another one"
            )
        response.accepted_count = len(taken)
        return response

    async def StreamMessages(  # type: ignore[override]  # it writes through the context
        self,
        request_iterator: AsyncIterator[ingest_service_pb2.StreamMessagesRequest],
        context: ServicerContext[object, ingest_service_pb2.StreamMessagesResponse],
    ) -> None:
        """Put batch after batch on the ring and answer each, in order, when it is durable."""
        if self._streams >= MAX_STREAMS:
            raise BridgeOverloadedError(f"the bridge serves {MAX_STREAMS} streams already", retry_after_seconds=1.0)
        self._streams += 1
        try:
            stream = MessageStream(self._intake, self._budget)
            await stream.serve(request_iterator, context.write, self._stopping)
        finally:
            self._streams -= 1
