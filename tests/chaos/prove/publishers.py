"""Who publishes, over MQTT and gRPC, at a steady rate, and logs what was acknowledged.

A sender hands over what is due every few milliseconds, waits where its client has no room, and afterwards makes good for
what it could not send, up to a second of it.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio
from dataflow.bridge.v1 import ingest_service_pb2 as pb
from dataflow.bridge.v1.ingest_service_pb2_grpc import IngestServiceStub
from dataflow_client import DataflowError, OutgoingMessage
from dataflow_client.ingest import AsyncIngest
from dataflow_simulator.mqtt_wire import Protocol
from dataflow_simulator.publisher import ClientSettings, Publisher, PublishError

from tests.chaos.prove.journal import Journal
from tests.chaos.prove.messages import Lane, Message, Mix

if TYPE_CHECKING:  # the stub files alone have this name
    from dataflow.bridge.v1.ingest_service_pb2_grpc import IngestServiceAsyncStub

GIVE_UP_SECONDS: Final = 300.0
"""No outage that a campaign makes is as long."""

_TICK_SECONDS: Final = 0.02
_GRPC_TICK_SECONDS: Final = 0.1
_CATCH_UP_SECONDS: Final = 1.0
_CALL_SECONDS: Final = 15.0
_RETRY_SECONDS: Final = 0.3


class SenderError(AssertionError):
    """What was published was refused, or was never acknowledged."""


@dataclass(frozen=True, slots=True)
class Sender:
    """One client.

    Attributes:
        name: Its own, and the beginning of its device ids.
        lane: What it publishes.
        rate: Messages a second.
        seed: Of the campaign.
        journal: Where it logs.
        stop: Set when it shall send nothing new.
    """

    name: str
    lane: Lane
    rate: float
    seed: int
    journal: Journal
    stop: asyncio.Event

    async def due(self, tick_seconds: float) -> AsyncIterator[list[Message]]:
        """Yields what is to be sent now, again and again, until `stop`."""
        loop = asyncio.get_running_loop()
        mix = Mix(self.lane, self.name, self.seed, self.journal)
        owed = loop.time()
        while not self.stop.is_set():
            now = loop.time()
            owed = max(owed, now - _CATCH_UP_SECONDS)
            count = int((now - owed) * self.rate)
            if count:
                owed += count / self.rate
                yield [mix.next() for _ in range(count)]
            await asyncio.sleep(tick_seconds)


class _LoggingPublisher(Publisher):
    """Notes in the journal what it sends again."""

    def __init__(self, settings: ClientSettings, journal: Journal) -> None:
        super().__init__(settings, journal.acknowledged)
        self._journal = journal

    def _resend(self) -> None:
        for flight in self._flights.values():
            if not flight.released:
                self._journal.sent_again(flight.number)
        super()._resend()


async def publish_mqtt(sender: Sender, host: str, port: int, protocol: Protocol, *, counted: bool = True) -> None:
    """Publishes at QoS 1 and (every seventh message) 2 until `stop`, and returns when everything is acknowledged.

    Args:
        sender: What is published.
        host: Of the listener, or of a broker.
        port: Of the same.
        protocol: MQTT 3.1.1 or 5.
        counted: False for a broker, which may send again what it was sent once.

    Raises:
        SenderError: Something was not acknowledged within minutes, or was refused for good.
    """
    chance = random.Random(f"{sender.seed}/qos/{sender.name}")
    settings = ClientSettings(
        host=host,
        port=port,
        client_id=sender.name,
        protocol=protocol,
        window=256,
        keep_alive_seconds=10,
        give_up_seconds=GIVE_UP_SECONDS,
        first_connect_seconds=30.0,
    )
    try:
        async with _LoggingPublisher(settings, sender.journal) as client:
            async for messages in sender.due(_TICK_SECONDS):
                for message in messages:
                    number = sender.journal.add_sending(sender.name, message.topic, message.numbers, counted=counted)
                    qos = 2 if chance.random() < 0.15 else 1
                    await client.publish(number, message.topic, message.payload, qos=qos, message_id=message.message_id)
            if not await client.drain(GIVE_UP_SECONDS):
                raise SenderError(f"{sender.name}: not everything was acknowledged")
            if client.counts.refused:
                raise SenderError(f"{sender.name}: {client.counts.refused} messages were refused")
    except PublishError as error:
        raise SenderError(f"{sender.name}: {error}") from error


async def publish_unary(sender: Sender, target: str, token: str) -> None:
    """Calls PublishMessages until `stop`.

    A call that failed is made again with the same ids and bytes until it is answered; not for kind d, where nothing in
    gRPC would mark the second one: what such a call carried may or may not be there.

    Raises:
        SenderError: A message was rejected, or no bridge answered for minutes.
    """
    async with grpc.aio.insecure_channel(target) as channel:
        stub = IngestServiceStub(channel)
        async for messages in sender.due(_GRPC_TICK_SECONDS):
            sendings = log_sendings(sender, messages, counted=True)
            request = pb.PublishMessagesRequest(
                messages=[
                    pb.PublishMessage(topic=m.topic, payload=m.payload, message_id=m.message_id or "") for m in messages
                ]
            )
            again: Callable[[], None] | None = None
            if sender.lane.kind != "d":

                def again(sendings: Sequence[int] = sendings) -> None:
                    for sending in sendings:
                        sender.journal.sent_again(sending)

            response = await _call(sender.name, stub, request, token, again)
            if response is None:
                continue
            if response.rejected:
                raise SenderError(f"{sender.name}: rejected: {response.rejected[0].error_message}")
            for sending in sendings:
                sender.journal.acknowledged(sending)


async def publish_stream(sender: Sender, ingest: AsyncIngest) -> None:
    """Publishes over StreamMessages, as the SDK does it, until `stop`; returns when everything is acknowledged.

    Raises:
        SenderError: A message was rejected, or nothing was acknowledged for minutes.
    """
    open_sendings: deque[int] = deque()

    async def outgoing() -> AsyncIterator[OutgoingMessage]:
        async for messages in sender.due(_TICK_SECONDS):
            for message, sending in zip(messages, log_sendings(sender, messages, counted=False), strict=True):
                open_sendings.append(sending)
                yield OutgoingMessage(message.topic, message.payload, message_id=message.message_id or "")

    try:
        async for result in ingest.stream(outgoing(), timeout_seconds=GIVE_UP_SECONDS):
            if result.rejected:
                raise SenderError(f"{sender.name}: rejected: {result.rejected[0].error_message}")
            for _ in range(result.accepted_count):
                sender.journal.acknowledged(open_sendings.popleft())
    except DataflowError as error:
        raise SenderError(f"{sender.name}: {error}") from error
    if open_sendings:
        raise SenderError(f"{sender.name}: {len(open_sendings)} messages were not answered")


def log_sendings(sender: Sender, messages: Sequence[Message], *, counted: bool) -> list[int]:
    """Logs messages that are handed over now, and returns their numbers."""
    add = sender.journal.add_sending
    return [add(sender.name, message.topic, message.numbers, counted=counted) for message in messages]


async def _call(
    name: str,
    stub: IngestServiceAsyncStub,
    request: pb.PublishMessagesRequest,
    token: str,
    again: Callable[[], None] | None,
) -> pb.PublishMessagesResponse | None:
    """Returns the answer; None where it failed and must not be repeated."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + GIVE_UP_SECONDS
    while True:
        try:
            response: pb.PublishMessagesResponse = await stub.PublishMessages(
                request, timeout=_CALL_SECONDS, metadata=(("authorization", f"Bearer {token}"),)
            )
        except grpc.aio.AioRpcError as error:
            if loop.time() > deadline:
                raise SenderError(f"{name}: no bridge takes messages: {error.details()}") from error
        else:
            return response
        if again is None:
            return None
        await asyncio.sleep(_RETRY_SECONDS)
        again()
