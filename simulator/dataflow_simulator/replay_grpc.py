"""Publishes a recording over gRPC: several streams, each topic on one of them, in order."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TextIO

from dataflow_client import AsyncClient, OutgoingMessage, PublishResult, StreamLimits

from dataflow_simulator.publisher import Counts
from dataflow_simulator.recording import RecordedMessage
from dataflow_simulator.replay import QUEUE_LENGTH, hand_out

_Queue = asyncio.Queue[RecordedMessage | None]


@dataclass(frozen=True, slots=True)
class GrpcReplaySettings:
    """How a recording is published over gRPC."""

    clients: int = 4
    """Streams."""
    rate: float | None = None
    """Messages per second over all streams; None for as fast as the bridge takes them."""
    send_message_ids: bool = False
    """Send the recording's own ids, which are the same at each replay; else each message gets a new one."""
    give_up_seconds: float = 30.0
    """How long a lost bridge is waited for."""
    limits: StreamLimits = StreamLimits()  # noqa: RUF009  # frozen
    """Of batches, and of what is kept until it is acknowledged."""


async def replay_grpc(
    messages: Iterable[RecordedMessage],
    client: AsyncClient,
    settings: GrpcReplaySettings,
    ack_log: TextIO | None = None,
) -> Counts:
    """Publishes all messages and returns after the last acknowledgement; the same promises as `replay`.

    Raises:
        DataflowError: The bridge refused, or was away for longer than `give_up_seconds`.
        RecordingError: A line is not a recorded message; what came before it is published.
    """

    def log(number: int) -> None:
        if ack_log is not None:
            ack_log.write(f"{number}\n")

    queues = [_Queue(QUEUE_LENGTH) for _ in range(settings.clients)]
    counts = Counts()
    try:
        async with asyncio.TaskGroup() as group:
            for queue in queues:
                group.create_task(_stream(client, queue, settings, counts, log), name="replay-stream")
            await hand_out(messages, queues, settings.rate)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return counts


async def _stream(
    client: AsyncClient, queue: _Queue, settings: GrpcReplaySettings, counts: Counts, log: Callable[[int], None]
) -> None:
    """Publishes what the queue gives, until its end."""
    numbers: deque[int] = deque()

    async def source() -> AsyncIterator[OutgoingMessage]:
        while (message := await queue.get()) is not None:
            numbers.append(message.number)
            counts.published += 1
            message_id = message.message_id if settings.send_message_ids else str(uuid.uuid4())
            yield OutgoingMessage(message.topic, message.payload, message_id=message_id)

    stream = client.ingest.stream(source(), limits=settings.limits, timeout_seconds=settings.give_up_seconds)
    settled = 0
    async with aclosing(stream) as results:
        async for result in results:
            settled += _settle(result, settled, numbers, log)
            counts.acknowledged += result.accepted_count
            counts.refused += len(result.rejected)


def _settle(result: PublishResult, first: int, numbers: deque[int], log: Callable[[int], None]) -> int:
    """Logs the numbers of a batch that were taken; returns how many messages it had."""
    refused = {entry.index for entry in result.rejected}
    count = result.accepted_count + len(refused)
    for index in range(first, first + count):
        number = numbers.popleft()
        if index not in refused:
            log(number)
    return count
