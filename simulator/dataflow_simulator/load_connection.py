"""One connection of the load generator: bursts out, acknowledgements in, nothing kept for each message."""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import dataclass
from typing import Final

from dataflow_simulator import mqtt_wire
from dataflow_simulator.histogram import Histogram
from dataflow_simulator.mqtt_wire import DUPLICATE_FLAG, PacketType, Protocol
from dataflow_simulator.packets import PACKET_IDS, PacketMaker, Stamp

_IDS: Final = 65535
_READ_BYTES: Final = 8192

# What a server sends that acknowledges packet ids 1, 2, 3, ... in order without a word more [MQTT-4.6.0-2]. What arrives
# is compared with a piece of it: one comparison for any number of acknowledgements. Twice, so that a piece may wrap.
_IN_ORDER: Final = b"".join(b"\x40\x02" + packet_id for packet_id in PACKET_IDS[1:]) * 2


class ConnectionFailed(Exception):  # noqa: N818  # an event of the loop, not a mistake
    """The connection is gone; what is in flight must be sent again on the next one."""


@dataclass(slots=True)
class Flight:
    """A burst that was sent."""

    intended: float
    """When it should have gone out, monotonic seconds."""
    end: int
    """The number of the message after its last."""
    data: bytes
    """Its packets, for sending them again."""


class LoadConnection:
    """Sends messages numbered from 0; message n has packet id n modulo 65,535, plus one.

    Latency counts from the intended time of a burst, also when the window or the socket held it back: what the server
    delays is never taken out of the statistics (coordinated omission).
    """

    __slots__ = (
        "_ahead", "_connect", "_maker", "_protocol", "_rest", "_waiting_limit", "acknowledged_through", "flights",
        "given_up", "histogram", "last_write", "out", "ready", "refused", "resent", "sent", "socket", "waiting", "window",
    )  # fmt: skip

    def __init__(
        self,
        maker: PacketMaker,
        protocol: Protocol,
        connect_packet: bytes,
        window: int,
        histogram: Histogram,
        waiting_limit: int = 0,
    ) -> None:
        """Makes a connection that is not open."""
        self._maker = maker
        self._protocol = protocol
        self._connect = connect_packet
        self._ahead: set[int] = set()
        self._rest = b""
        self._waiting_limit = waiting_limit
        self.window = window
        self.histogram = histogram
        self.socket: socket.socket | None = None
        self.ready = False
        self.out = bytearray()
        """Bytes that the socket did not take yet."""
        self.sent = 0
        """Messages sent; also the number of the next one."""
        self.acknowledged_through = 0
        """All messages below this number were answered."""
        self.refused: set[int] = set()
        self.resent = 0
        self.given_up = 0
        """Messages that were never sent, because too many waited already."""
        self.flights: deque[Flight] = deque()
        self.waiting: deque[tuple[float, int]] = deque()
        """Bursts (intended time, messages) that the window holds back."""
        self.last_write = 0.0

    @property
    def acknowledged(self) -> int:
        """Messages that the server has, by its own word."""
        return self.acknowledged_through + len(self._ahead) - len(self.refused)

    @property
    def in_flight(self) -> int:
        """Messages without an answer."""
        return self.sent - self.acknowledged_through - len(self._ahead)

    def unacknowledged(self) -> list[int]:
        """Returns the numbers of the messages that were sent and are not acknowledged."""
        open_ones = (n for n in range(self.acknowledged_through, self.sent) if n not in self._ahead)
        return sorted({*open_ones, *self.refused})

    def open(self, address: tuple[str, int]) -> socket.socket:
        """Starts to connect, without waiting; the CONNECT leaves when the socket can write."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(address)
        self.ready = False
        self._rest = b""
        self.out = bytearray(self._connect)
        return self.socket

    def close(self) -> None:
        """Closes the socket; flights stay."""
        if self.socket is not None:
            self.socket.close()
        self.socket = None
        self.ready = False
        self.out.clear()

    def offer(self, intended: float, count: int, offset: float, stamp: Stamp, now: float) -> None:
        """Sends a burst, or lets it wait for the window.

        Args:
            intended: When it should go out, monotonic seconds.
            count: Messages.
            offset: What turns monotonic seconds into seconds since the epoch.
            stamp: Writes times.
            now: Monotonic seconds.

        Raises:
            ConnectionFailed: The socket is broken.
        """
        if not self.ready or self.waiting or self.in_flight + count > self.window:
            if self._waiting_limit and len(self.waiting) >= self._waiting_limit:
                self.given_up += count
            else:
                self.waiting.append((intended, count))
            return
        self._send(intended, count, offset, stamp, now)

    def release(self, offset: float, stamp: Stamp, now: float) -> None:
        """Sends what waited, as far as the window goes.

        Raises:
            ConnectionFailed: The socket is broken.
        """
        waiting = self.waiting
        while waiting and self.ready and self.in_flight + waiting[0][1] <= self.window:
            intended, count = waiting.popleft()
            self._send(intended, count, offset, stamp, now)

    def _send(self, intended: float, count: int, offset: float, stamp: Stamp, now: float) -> None:
        data = b"".join(self._maker.burst(self.sent, count, stamp(intended + offset)))
        self.sent += count
        self.flights.append(Flight(intended, self.sent, data))
        self.last_write = now
        self._write(data)

    def _write(self, data: bytes) -> None:
        if self.out:
            self.out += data
            return
        assert self.socket is not None
        try:
            taken = self.socket.send(data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            raise ConnectionFailed(str(error)) from error
        if taken < len(data):
            self.out += data[taken:]

    def flush(self) -> None:
        """Writes what the socket did not take before.

        Raises:
            ConnectionFailed: The socket is broken.
        """
        assert self.socket is not None
        try:
            taken = self.socket.send(self.out)
        except BlockingIOError:
            return
        except OSError as error:
            raise ConnectionFailed(str(error)) from error
        del self.out[:taken]

    def ping(self, now: float) -> None:
        """Sends a PINGREQ.

        Raises:
            ConnectionFailed: The socket is broken.
        """
        self.last_write = now
        self._write(mqtt_wire.PINGREQ)

    def read(self, now: float) -> None:
        """Takes what the server said.

        Raises:
            ConnectionFailed: The connection was closed or refused.
        """
        assert self.socket is not None
        try:
            data = self.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            raise ConnectionFailed(str(error)) from error
        if not data:
            raise ConnectionFailed("closed by the server")
        if self._rest:
            data = self._rest + data
        length = len(data) & ~3
        if self.ready and not self._ahead:
            count = length >> 2
            start = self.acknowledged_through % _IDS << 2
            if count and count <= self.sent - self.acknowledged_through:
                expected = _IN_ORDER[start : start + length]
                if data == expected or data[:length] == expected:
                    self._rest = data[length:]
                    self._advance(count, now)
                    return
        self._read_slowly(data, now)

    def _read_slowly(self, data: bytes, now: float) -> None:
        """Reads packet by packet: CONNACK, reason codes, PINGRESP, acknowledgements out of order."""
        try:
            acknowledgements, others, used = mqtt_wire.read_acknowledgements(data)
        except mqtt_wire.WireError as error:
            raise ConnectionFailed(str(error)) from error
        self._rest = data[used:]
        for first, body in others:
            if first >> 4 == PacketType.CONNACK:
                answer = mqtt_wire.read_connack(body, self._protocol)
                if answer.reason_code:
                    raise ConnectionFailed(f"refused with reason code {answer.reason_code:#04x}")
                self.window = min(self.window, answer.receive_maximum)
                self.ready = True
                self._resend()
            elif first >> 4 == PacketType.DISCONNECT:
                raise ConnectionFailed("disconnected by the server")
        for kind, packet_id, code in acknowledgements:
            if kind == PacketType.PUBACK:
                self._acknowledge(packet_id, code, now)

    def _acknowledge(self, packet_id: int, code: int, now: float) -> None:
        """Books one acknowledgement, whatever its place."""
        through = self.acknowledged_through
        number = through + (packet_id - 1 - through) % _IDS
        if number >= self.sent or number in self._ahead:
            return
        if code >= mqtt_wire.REFUSED:
            self.refused.add(number)
        if number > through:
            self._ahead.add(number)
            flight = next(flight for flight in self.flights if number < flight.end)
            self.histogram.record(now - flight.intended)
            return
        self._advance(1, now)
        while self.acknowledged_through in self._ahead:
            self._ahead.remove(self.acknowledged_through)
            self._advance(1, None)

    def _advance(self, count: int, now: float | None) -> None:
        """Moves the line below which all is answered; records latencies unless that was done before."""
        flights, position = self.flights, self.acknowledged_through
        target = position + count
        while position < target:
            flight = flights[0]
            end = min(flight.end, target)
            if now is not None:
                self.histogram.record(now - flight.intended, end - position)
            position = end
            if end == flight.end:
                flights.popleft()
        self.acknowledged_through = target

    def _resend(self) -> None:
        """Sends what was not acknowledged again, in its order, with DUP."""
        number = self.acknowledged_through
        for flight in self.flights:
            packets = split_packets(flight.data)
            for packet in packets[len(packets) - (flight.end - number) :]:
                if number not in self._ahead:
                    packet[0] |= DUPLICATE_FLAG
                    self._write(bytes(packet))
                    self.resent += 1
                number += 1


def split_packets(data: bytes) -> list[bytearray]:
    """Splits whole packets that stand one after the other."""
    packets: list[bytearray] = []
    position = 0
    while position < len(data):
        length = shift = 0
        body = position + 1
        while True:
            digit = data[body]
            body += 1
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
        packets.append(bytearray(data[position : body + length]))
        position = body + length
    return packets
