"""A publisher at a steady rate over several MQTT connections, which notes for each message when it was acknowledged.

The schedule is open: message n has its moment whatever the server does, and what a broken connection holds back goes out
when it is back, with DUP where it had gone out before. A connection that breaks is opened again at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from array import array
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dataflow_simulator import mqtt_wire
from dataflow_simulator.mqtt_wire import PacketType, Protocol

TOPIC: Final = "failover/{device}/data"
_TICK_SECONDS: Final = 0.001
_RETRY_SECONDS: Final = 0.01
_PACKET_IDS: Final = 65_535


@dataclass(frozen=True, slots=True)
class Gaps:
    """How long a publisher waited, in seconds."""

    stream: float
    """The longest time without any acknowledgement, over all connections."""
    connection: float
    """The longest time without an acknowledgement on one of the connections in question, reconnect included."""
    message: float
    """The longest time from the moment at which a message was due to its acknowledgement."""


class Publisher:
    """Sends message n over connection n modulo their number.

    Args:
        host: Of the listener.
        port: Of the same.
        connections: How many.
        rate: Messages a second, over all of them.
        pad_bytes: Random hexadecimal digits added to each message.
    """

    def __init__(self, host: str, port: int, *, connections: int, rate: float, pad_bytes: int = 0) -> None:
        self.address = (host, port)
        self.connections = [_Connection(self, index) for index in range(connections)]
        self.due = array("d")
        """When each message was due, by the loop's clock."""
        self.acknowledged = array("d")
        """When it was acknowledged; 0: not yet."""
        self.reconnects = 0
        self._interval = 1.0 / rate
        self._offset = time.time() - time.monotonic()
        self._pad_bytes = pad_bytes
        self._stopping = False

    def stop(self) -> None:
        """Publishes no more; `run` then waits for what is not acknowledged."""
        self._stopping = True

    async def run(self) -> None:
        """Publishes until `stop`, and returns when all is acknowledged."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            lives = [tasks.create_task(connection.live(), name="connection") for connection in self.connections]
            start = loop.time()
            while not self._stopping:
                now = loop.time()
                while (due := start + len(self.due) * self._interval) <= now:
                    self._publish(due)
                await asyncio.sleep(_TICK_SECONDS)
            while any(connection.flights for connection in self.connections):  # noqa: ASYNC110 - its own clock
                await asyncio.sleep(0.01)
            for life in lives:
                life.cancel()

    def _publish(self, due: float) -> None:
        number = len(self.due)
        self.due.append(due)
        self.acknowledged.append(0.0)
        moment = datetime.fromtimestamp(due + self._offset, UTC).isoformat(timespec="microseconds")
        message: dict[str, object] = {"n": number, "ts": moment}
        if self._pad_bytes:
            message["pad"] = os.urandom(self._pad_bytes // 2).hex()
        self.connections[number % len(self.connections)].publish(number, json.dumps(message).encode())

    def unanswered_since(self) -> float | None:
        """Returns when the oldest message without an acknowledgement was due; None where there is none."""
        oldest = [
            next(iter(connection.flights.values())).number for connection in self.connections if connection.flights
        ]
        return min((self.due[number] for number in oldest), default=None)

    def wall(self, moment: float) -> float:
        """Returns a time of the loop's clock as seconds since the epoch."""
        return moment + self._offset

    def gaps(self, start: float, end: float, connections: Collection[int]) -> Gaps:
        """Returns what was waited for between two moments.

        Args:
            start: By the loop's clock; what was under way then counts.
            end: All that was due before it must be acknowledged.
            connections: Those in question, by index.
        """
        first = self._first_due(start - 0.2)
        last = self._first_due(end)
        numbers = range(first, last)
        times = {index: sorted(self._times(numbers, {index}, start, end)) for index in connections}
        return Gaps(
            stream=_longest(sorted(self._times(numbers, range(len(self.connections)), start, end)), start, end),
            connection=max((_longest(of_one, start, end) for of_one in times.values()), default=0.0),
            message=max(
                (self.acknowledged[n] - self.due[n] for n in numbers if self.acknowledged[n] >= start), default=0.0
            ),
        )

    def _times(self, numbers: Iterable[int], connections: Collection[int], start: float, end: float) -> list[float]:
        count = len(self.connections)
        return [t for n in numbers if n % count in connections and start - 0.1 <= (t := self.acknowledged[n]) <= end]

    def _first_due(self, moment: float) -> int:
        """Returns the number of the first message that was due at a moment or later."""
        return min(max(0, int((moment - self.due[0]) / self._interval)), len(self.due))


def _longest(times: list[float], start: float, end: float) -> float:
    """Returns the longest time between two neighbours that reaches beyond the start."""
    before = max((t for t in times if t <= start), default=start)
    after = [t for t in times if t > start] or [end]
    return max(b - a for a, b in zip([before, *after], after, strict=False))


@dataclass(slots=True)
class _Flight:
    number: int
    packet: bytes
    sent: bool


class _Connection(asyncio.Protocol):
    """One connection, opened again whenever it breaks."""

    def __init__(self, publisher: Publisher, index: int) -> None:
        self.index = index
        self.flights: dict[int, _Flight] = {}
        """What is not acknowledged, by packet id, in the order of sending."""
        self.ready = False
        self.local_port = 0
        self._publisher = publisher
        self._sequence = 0
        self._transport: asyncio.Transport | None = None
        self._lost = asyncio.Event()
        self._rest = b""
        self._topic = TOPIC.format(device=f"publisher-{index}")

    async def live(self) -> None:
        """Keeps the connection open for ever."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._lost.clear()
                try:
                    await loop.create_connection(lambda: self, *self._publisher.address)
                except OSError:
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                await self._lost.wait()
                self._publisher.reconnects += 1
        finally:
            if self._transport is not None:
                self._transport.close()

    def drop(self) -> None:
        """Breaks the connection, so that it is opened again, perhaps to another bridge."""
        if self._transport is not None:
            self._transport.abort()

    def publish(self, number: int, payload: bytes) -> None:
        """Sends a message, now or when the connection is there."""
        packet_id = self._sequence % _PACKET_IDS + 1
        self._sequence += 1
        packet = mqtt_wire.publish(self._topic, payload, qos=1, packet_id=packet_id, protocol=Protocol.V3_1_1)
        self.flights[packet_id] = _Flight(number, packet, self.ready)
        if self.ready and self._transport is not None and not self._transport.is_closing():
            self._transport.write(packet)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Says who it is."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._rest = b""
        self.local_port = transport.get_extra_info("sockname")[1]
        transport.write(
            mqtt_wire.connect(f"publisher-{self.index}", Protocol.V3_1_1, clean_start=True, keep_alive_seconds=60)
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Has it opened again."""
        self.ready = False
        self._transport = None
        self._lost.set()

    def data_received(self, data: bytes) -> None:
        """Takes acknowledgements."""
        now = asyncio.get_running_loop().time()
        acknowledgements, others, used = mqtt_wire.read_acknowledgements(self._rest + data)
        self._rest = (self._rest + data)[used:]
        for first, body in others:
            if first >> 4 == PacketType.CONNACK and not mqtt_wire.read_connack(body, Protocol.V3_1_1).reason_code:
                self._go_on()
        for kind, packet_id, code in acknowledgements:
            if kind == PacketType.PUBACK and code < mqtt_wire.REFUSED:
                with contextlib.suppress(KeyError):
                    self._publisher.acknowledged[self.flights.pop(packet_id).number] = now

    def _go_on(self) -> None:
        """Sends again what has no acknowledgement, in its order."""
        self.ready = True
        for flight in self.flights.values():
            if self._transport is None or self._transport.is_closing():
                return
            self._transport.write(mqtt_wire.as_duplicate(flight.packet) if flight.sent else flight.packet)
            flight.sent = True
