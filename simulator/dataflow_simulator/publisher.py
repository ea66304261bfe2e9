"""One MQTT connection that publishes: in-flight window, resends after a lost connection, an honest count of what was taken."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self, cast

from dataflow_simulator import mqtt_wire
from dataflow_simulator.mqtt_wire import Connected, PacketType, Protocol, WireError

_FIRST_RETRY_SECONDS: Final = 0.05
_LAST_RETRY_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 5.0
_SESSION_EXPIRY_SECONDS: Final = 3600


class PublishError(Exception):
    """The server cannot be published to."""


class ConnectRefused(PublishError):  # noqa: N818  # what happened, in MQTT's words
    """The server answered, and the answer was no: trying again would not help."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How one client connects and publishes."""

    host: str
    port: int
    client_id: str
    protocol: Protocol = Protocol.V3_1_1
    qos: int = 1
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    window: int = 256
    """Messages in flight at most; the server's Receive Maximum lowers it."""
    keep_alive_seconds: int = 30
    give_up_seconds: float = 30.0
    """How long the client tries to get its connection back."""
    first_connect_seconds: float = 5.0
    """How long it tries to get its first connection."""


@dataclass(slots=True)
class Counts:
    """What became of the messages of one client, or of several."""

    published: int = 0
    """Messages handed to the network at least once."""
    acknowledged: int = 0
    """Messages that the server took over (PUBACK, PUBREC); none at QoS 0."""
    refused: int = 0
    """Messages answered with a reason code of 0x80 or above: final, the server does not have them."""
    resent: int = 0
    """Packets sent again with DUP after a lost connection."""
    reconnects: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Adds field by field."""
        return Counts(
            self.published + other.published,
            self.acknowledged + other.acknowledged,
            self.refused + other.refused,
            self.resent + other.resent,
            self.reconnects + other.reconnects,
        )


@dataclass(slots=True)
class _Flight:
    """A message that is on its way."""

    number: int
    packet: bytes
    released: bool = False
    """QoS 2: the server has it (PUBREC); only the end of the handshake is missing."""


class _Wire(asyncio.Protocol):
    """Passes bytes and events of one TCP connection to the client that owns it."""

    def __init__(self, owner: Publisher) -> None:
        self._owner = owner
        self._rest = b""
        self.transport: asyncio.Transport | None = None
        self.closed = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self.connected: asyncio.Future[Connected] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one, but does not say so

    def data_received(self, data: bytes) -> None:
        buffer = self._rest + data if self._rest else data
        try:
            acknowledgements, others, used = mqtt_wire.read_acknowledgements(buffer)
            self._rest = buffer[used:]
            for first, body in others:
                if first >> 4 == PacketType.CONNACK and not self.connected.done():
                    self.connected.set_result(mqtt_wire.read_connack(body, self._owner.settings.protocol))
        except WireError:
            self.abort()
            return
        if acknowledgements:
            self._owner.take_acknowledgements(acknowledgements)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.connected.done():
            self.connected.set_exception(ConnectionError("closed before CONNACK") if exc is None else exc)
            self.connected.exception()  # read by nobody when the connection died while it was given up
        self.closed.set()
        self.writable.set()
        self._owner.wake()

    def write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class Publisher:
    """A client with a session: what was not acknowledged is sent again, with DUP, on the next connection.

    Use it as an async context manager; leaving it without `drain` abandons what is in flight. Messages go out in the
    order of `publish`, and again in that order after a reconnect. Not safe for several tasks at once.
    """

    def __init__(self, settings: ClientSettings, on_acknowledged: Callable[[int], None] | None = None) -> None:
        """Makes a client that is not connected.

        Args:
            settings: How to connect.
            on_acknowledged: Called with the number that `publish` was given, once, when the server has the message.
        """
        self.settings = settings
        self.counts = Counts()
        self._on_acknowledged = on_acknowledged
        self._flights: dict[int, _Flight] = {}
        self._next_id = 0
        self._window = settings.window
        self._wire: _Wire | None = None
        self._changed = asyncio.Event()
        self._failure: PublishError | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connects.

        Raises:
            PublishError: Nobody listened within `first_connect_seconds`, or the server refused.
        """
        await self._connect(self.settings.first_connect_seconds)
        self._keeper = asyncio.create_task(self._keep(), name=f"mqtt-{self.settings.client_id}")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnects and gives the session up."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        wire = self._wire
        if wire is None or wire.closed.is_set():
            return
        if self.settings.protocol is Protocol.V5:
            # With a session expiry of 0: nobody comes back for this session.
            wire.write(b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00")
        else:
            wire.write(mqtt_wire.DISCONNECT)
        if wire.transport is not None:
            wire.transport.close()
        await wire.closed.wait()
        if self.settings.protocol is Protocol.V3_1_1:
            await self._forget_session()

    async def publish(
        self, number: int, topic: str, payload: bytes, *, qos: int | None = None, message_id: str | None = None
    ) -> None:
        """Sends one message as soon as the window and the socket have room.

        Args:
            number: The caller's name for the message, given back when it is acknowledged.
            topic: Where to.
            payload: What.
            qos: Instead of the client's.
            message_id: MQTT 5 user property `message-id`; ignored by MQTT 3.1.1, which cannot say it.

        Raises:
            PublishError: The connection is gone for good.
            ValueError: The topic is longer than MQTT can say.
        """
        qos = self.settings.qos if qos is None else qos
        await self._until(lambda: len(self._flights) < self._window)
        packet_id = self._free_id() if qos else 0
        packet = mqtt_wire.publish(
            topic, payload, qos=qos, packet_id=packet_id, protocol=self.settings.protocol, message_id=message_id
        )
        while True:
            wire = self._wire
            if wire is not None and not wire.closed.is_set():
                await wire.writable.wait()
            if wire is self._wire and wire is not None and not wire.closed.is_set():
                break
            await self._until(lambda: self._wire is not None and not self._wire.closed.is_set())
        if qos:
            self._flights[packet_id] = _Flight(number, packet)
        self.counts.published += 1
        wire.write(packet)

    async def drain(self, seconds: float | None = None) -> bool:
        """Waits until every message is acknowledged or refused; False when the time ran out before.

        Raises:
            PublishError: The connection is gone for good.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._until(lambda: not self._flights)
        except TimeoutError:
            return False
        return True

    def take_acknowledgements(self, acknowledgements: list[tuple[int, int, int]]) -> None:
        """Books what the server says; an acknowledgement of nothing is ignored."""
        counts, flights = self.counts, self._flights
        for kind, packet_id, reason_code in acknowledgements:
            flight = flights.get(packet_id)
            if flight is None:
                continue
            qos = flight.packet[0] >> 1 & 3
            if kind == PacketType.PUBACK and qos == 1:
                del flights[packet_id]
                self._settle(flight, reason_code)
            elif kind == PacketType.PUBREC and qos == 2:
                if reason_code >= mqtt_wire.REFUSED:
                    del flights[packet_id]
                    self._settle(flight, reason_code)
                    continue
                if not flight.released:
                    flight.released = True
                    self._settle(flight, reason_code)
                if self._wire is not None:
                    self._wire.write(mqtt_wire.pubrel(packet_id))
            elif kind == PacketType.PUBCOMP and qos == 2 and flight.released:
                del flights[packet_id]
        assert counts.acknowledged <= counts.published
        self.wake()

    def wake(self) -> None:
        """Lets those who wait look again."""
        self._changed.set()

    def _settle(self, flight: _Flight, reason_code: int) -> None:
        if reason_code >= mqtt_wire.REFUSED:
            self.counts.refused += 1
            return
        self.counts.acknowledged += 1
        if self._on_acknowledged is not None:
            self._on_acknowledged(flight.number)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self._failure is not None:
                raise self._failure
            self._changed.clear()
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure

    def _free_id(self) -> int:
        while True:
            self._next_id = self._next_id % 65535 + 1
            if self._next_id not in self._flights:
                return self._next_id

    async def _keep(self) -> None:
        """Answers for the connection: pings while it lives, connects again when it dies."""
        try:
            while True:
                wire = self._wire
                assert wire is not None
                try:
                    async with asyncio.timeout(self.settings.keep_alive_seconds / 2):
                        await wire.closed.wait()
                except TimeoutError:
                    wire.write(mqtt_wire.PINGREQ)
                    continue
                await self._connect(self.settings.give_up_seconds)
                self.counts.reconnects += 1
                self._resend()
                self.wake()
        except PublishError as error:
            self._failure = error
            self.wake()

    async def _connect(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        pause = _FIRST_RETRY_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(min(deadline, loop.time() + _ANSWER_SECONDS)):
                    wire, answer = await self._open(clean_start=False)
            except (OSError, TimeoutError) as error:
                if loop.time() + pause >= deadline:
                    where = f"{self.settings.host}:{self.settings.port}"
                    raise PublishError(f"no MQTT connection to {where}: {error or 'no answer'}") from error
                # Jitter, so that clients that lost one server together do not come back in step.
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(2 * pause, _LAST_RETRY_SECONDS)
                continue
            self._wire = wire
            self._window = min(self.settings.window, answer.receive_maximum)
            return

    async def _open(self, *, clean_start: bool) -> tuple[_Wire, Connected]:
        settings = self.settings
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(lambda: _Wire(self), settings.host, settings.port)
        wire.write(
            mqtt_wire.connect(
                settings.client_id,
                settings.protocol,
                clean_start=clean_start,
                keep_alive_seconds=settings.keep_alive_seconds,
                session_expiry_seconds=0 if clean_start else _SESSION_EXPIRY_SECONDS,
                username=settings.username,
                password=settings.password,
            )
        )
        try:
            answer = await wire.connected
        except BaseException:
            wire.abort()
            raise
        if answer.reason_code:
            wire.abort()
            if answer.reason_code in {0x88, 0x89, 0x97, 0x9F} or (
                settings.protocol is Protocol.V3_1_1 and answer.reason_code == 3
            ):
                raise ConnectionError(f"server busy, reason code {answer.reason_code:#04x}")
            raise ConnectRefused(f"the server refused the connection, reason code {answer.reason_code:#04x}")
        return wire, answer

    def _resend(self) -> None:
        """Sends again what was not acknowledged, oldest first; goes on with QoS 2 handshakes where they stopped."""
        assert self._wire is not None
        for packet_id, flight in self._flights.items():
            if flight.released:
                self._wire.write(mqtt_wire.pubrel(packet_id))
            else:
                self._wire.write(mqtt_wire.as_duplicate(flight.packet))
                self.counts.resent += 1

    async def _forget_session(self) -> None:
        """Ends a session that MQTT 3.1.1 would keep for ever: a connection with Clean Session discards it."""
        try:
            async with asyncio.timeout(2):
                wire, _ = await self._open(clean_start=True)
                wire.write(mqtt_wire.DISCONNECT)
                assert wire.transport is not None
                wire.transport.close()
                await wire.closed.wait()
        except (OSError, TimeoutError, PublishError):
            return  # the server is away, and its session with it or expired by its own rule
