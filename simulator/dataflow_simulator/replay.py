"""Publishes a recording as its devices would: several clients, each topic on one of them, in order."""

from __future__ import annotations

import asyncio
import time
import uuid
import zlib
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Final, TextIO

from dataflow_simulator.mqtt_wire import Protocol
from dataflow_simulator.publisher import ClientSettings, Counts, Publisher
from dataflow_simulator.recording import RecordedMessage

QUEUE_LENGTH: Final = 512
"""Messages that one client has waiting, beside those in flight."""
_BREATH: Final = 64


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """How a recording is published."""

    host: str
    port: int
    clients: int = 4
    qos: int = 1
    rate: float | None = None
    """Messages per second over all clients; None for as fast as the server takes them."""
    protocol: Protocol = Protocol.V3_1_1
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    send_message_ids: bool = False
    """Say the recording's message ids in the MQTT 5 user property `message-id`."""
    give_up_seconds: float = 30.0
    """How long a lost server is waited for."""


async def replay(
    messages: Iterable[RecordedMessage], settings: ReplaySettings, ack_log: TextIO | None = None
) -> Counts:
    """Publishes all messages and returns after the last acknowledgement.

    The order of the messages of one topic is kept; between topics there is none. The log gets the number (line of the
    recording, from 0) of each message when the server has taken it, one a line.

    Raises:
        PublishError: The server refused, or was away for longer than `give_up_seconds`.
        RecordingError: A line is not a recorded message; what came before it is published.
    """
    run = uuid.uuid4().hex[:8]
    base = ClientSettings(
        host=settings.host,
        port=settings.port,
        client_id="",
        protocol=settings.protocol,
        qos=settings.qos,
        username=settings.username,
        password=settings.password,
        give_up_seconds=settings.give_up_seconds,
    )

    def log(number: int) -> None:
        if ack_log is not None:
            ack_log.write(f"{number}\n")

    async with AsyncExitStack() as stack:
        publishers = [
            await stack.enter_async_context(Publisher(replace(base, client_id=f"replay-{run}-{index}"), log))
            for index in range(settings.clients)
        ]
        queues: list[asyncio.Queue[RecordedMessage | None]] = [asyncio.Queue(QUEUE_LENGTH) for _ in publishers]
        try:
            async with asyncio.TaskGroup() as group:
                for publisher, queue in zip(publishers, queues, strict=True):
                    group.create_task(_send(publisher, queue, ids=settings.send_message_ids), name="replay-client")
                await hand_out(messages, queues, settings.rate)
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        total = Counts()
        for publisher in publishers:
            total += publisher.counts
        return total


async def hand_out(
    messages: Iterable[RecordedMessage], queues: list[asyncio.Queue[RecordedMessage | None]], rate: float | None
) -> None:
    """Gives each message to the client of its topic, not before its time; None ends each queue."""
    start = time.monotonic()
    for index, message in enumerate(messages):
        if rate is not None:
            ahead = start + index / rate - time.monotonic()
            if ahead > 0.001:
                await asyncio.sleep(ahead)
        elif index % _BREATH == 0:
            await asyncio.sleep(0)  # let the sockets be read: reading a file never waits for anything
        await queues[zlib.crc32(message.topic.encode()) % len(queues)].put(message)
    for queue in queues:
        await queue.put(None)


async def _send(publisher: Publisher, queue: asyncio.Queue[RecordedMessage | None], *, ids: bool) -> None:
    while (message := await queue.get()) is not None:
        await publisher.publish(
            message.number, message.topic, message.payload, message_id=message.message_id if ids else None
        )
    await publisher.drain()
