"""An MQTT server that acknowledges and forgets: what is measured against it is the client's own cost.

`python -m dataflow_simulator.null_server` serves until it is interrupted and prints its address. Tests bend it: a
`receive_maximum`, a `drop_after`, a CONNACK that refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import dataclass, field
from typing import Final, Self, cast

import uvloop

from dataflow_simulator import mqtt_wire
from dataflow_simulator.mqtt_wire import Protocol

_ACK: Final = struct.Struct(">BBH")


@dataclass(frozen=True, slots=True)
class Received:
    """A PUBLISH as it arrived."""

    topic: str
    payload: bytes
    qos: int
    duplicate: bool
    packet_id: int
    properties: bytes
    connection: int
    """Which connection it came by, from 0."""


@dataclass(slots=True)
class Behaviour:
    """How the server differs from a good one."""

    keep: bool = False
    """Remember every message in `NullServer.received`."""
    receive_maximum: int | None = None
    """Said in CONNACK (MQTT 5)."""
    connect_code: int = 0
    """The reason code of CONNACK."""
    silent: bool = False
    """Take messages without acknowledging them."""
    reason_code: int = 0
    """Of each PUBACK and PUBREC."""
    drop_after: list[int] = field(default_factory=list)
    """The n-th connection is cut when this many of its messages were taken, the last one unacknowledged."""


class _Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: NullServer) -> None:
        self._server = server
        self._rest = b""
        self._protocol = Protocol.V3_1_1
        self._taken = 0
        self._drop_after: int | None = None
        self._number = 0
        self._unreleased: set[int] = set()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._server.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        buffer = self._rest + data if self._rest else data
        out = bytearray()
        position, end = 0, len(buffer)
        while end - position >= 2:
            length, shift, body = 0, 0, position + 1
            while body < end:
                digit = buffer[body]
                body += 1
                length |= (digit & 0x7F) << shift
                shift += 7
                if not digit & 0x80:
                    break
            else:
                break
            if body + length > end:
                break
            first = buffer[position]
            kind = first >> 4
            if kind == 3:
                if not self._publish(first, buffer, body, body + length, out):
                    self.transport.abort()
                    return
            elif kind == 6:
                out += b"\x70\x02" + buffer[body : body + 2]
                self._unreleased.discard(int.from_bytes(buffer[body : body + 2]))
            elif kind == 1:
                self._protocol = Protocol(buffer[body + 6])
                out += self._connack()
            elif kind == 12:
                out += b"\xd0\x00"
            elif kind == 14:
                self.transport.close()
            position = body + length
        self._rest = buffer[position:]
        if out:
            self.transport.write(out)

    def _connack(self) -> bytes:
        server = self._server
        index = self._number = server.connects
        server.connects += 1
        cuts = server.behaviour.drop_after
        self._drop_after = cuts[index] if index < len(cuts) else None
        code = server.behaviour.connect_code
        if self._protocol is Protocol.V3_1_1:
            return bytes((0x20, 2, 0, code))
        maximum = server.behaviour.receive_maximum
        properties = b"" if maximum is None else b"\x21" + maximum.to_bytes(2)
        return bytes((0x20, 3 + len(properties), 0, code, len(properties))) + properties

    def _publish(self, first: int, buffer: bytes, body: int, end: int, out: bytearray) -> bool:
        """Takes a message; False when the connection is to be cut now."""
        server = self._server
        qos = first >> 1 & 3
        topic_end = body + 2 + (buffer[body] << 8 | buffer[body + 1])
        packet_id = buffer[topic_end] << 8 | buffer[topic_end + 1] if qos else 0
        server.count += 1
        self._taken += 1
        if server.behaviour.keep:
            start = topic_end + (2 if qos else 0)
            properties = b""
            if self._protocol is Protocol.V5:
                # Tests send fewer than 128 bytes of properties.
                properties = buffer[start + 1 : start + 1 + buffer[start]]
                start += 1 + buffer[start]
            topic = buffer[body + 2 : topic_end].decode()
            message = Received(
                topic, bytes(buffer[start:end]), qos, bool(first & 8), packet_id, properties, self._number
            )
            if not (qos == 2 and packet_id in self._unreleased):
                server.received.append(message)
        if self._drop_after is not None and self._taken >= self._drop_after:
            return False
        if not qos or server.behaviour.silent:
            return True
        code = server.behaviour.reason_code
        kind = mqtt_wire.PacketType.PUBACK if qos == 1 else mqtt_wire.PacketType.PUBREC
        out += _ACK.pack(kind << 4, 3 if code else 2, packet_id)
        if code:
            out.append(code)
        if qos == 2:
            self._unreleased.add(packet_id)
        return True


class NullServer:
    """The server; an async context manager that listens on a free port of 127.0.0.1, or on the port given."""

    def __init__(self, behaviour: Behaviour | None = None, port: int = 0) -> None:
        """Makes a server that does not listen yet."""
        self.behaviour = behaviour or Behaviour()
        self.port = port
        self.count = 0
        """PUBLISH packets."""
        self.connects = 0
        """CONNECT packets."""
        self.received: list[Received] = []
        self.connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listens."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes every connection."""
        assert self._server is not None
        self._server.close()
        self.drop_connections()
        await self._server.wait_closed()

    def drop_connections(self) -> None:
        """Cuts all connections without a word."""
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.abort()


async def _serve() -> None:
    async with NullServer() as server:
        print(f"127.0.0.1:{server.port}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve())
