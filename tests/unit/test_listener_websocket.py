"""MQTT over WebSocket: the same conversation in frames."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from dataflow_bridge.listener.settings import ListenerSettings
from dataflow_bridge.listener.testing import ManualClock, Served, connect311, packet, publish311, serve, until
from dataflow_bridge.listener.websocket import is_address
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SETTINGS = ListenerSettings(listen="", websocket_listen="127.0.0.1:0", websocket_origins=("https://console.example",))


class FrameClient:
    """A WebSocket client that sends the frames that it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: ClientProtocol) -> None:
        self.reader = reader
        self.writer = writer
        self.protocol = protocol
        self.response: Response | None = None
        self.data = b""
        self.frames: list[Frame] = []

    def flush(self) -> None:
        for part in self.protocol.data_to_send():
            if part:
                self.writer.write(part)

    def send(self, data: bytes, *, fin: bool = True) -> None:
        self.protocol.send_binary(data, fin=fin)
        self.flush()

    async def more(self) -> bool:
        """Read what comes next; tell whether anything did."""
        data = b""
        with contextlib.suppress(OSError):
            data = await self.reader.read(65_536)
        if data:
            self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Response):
                self.response = event
            elif isinstance(event, Frame):
                self.frames.append(event)
                if event.opcode is Opcode.BINARY:
                    self.data += bytes(event.data)
        return bool(data)

    async def receive(self, size: int) -> bytes:
        """Return the next bytes of MQTT."""
        while len(self.data) < size:
            assert await self.more(), f"closed with only {self.data!r}"
        out, self.data = self.data[:size], self.data[size:]
        return out


@contextlib.asynccontextmanager
async def upgraded(
    served: Served, *, subprotocol: str | None = "mqtt", origin: str | None = None
) -> AsyncIterator[FrameClient]:
    """Open a WebSocket."""
    port = served.listener.websocket_port
    protocol = ClientProtocol(
        parse_uri(f"ws://127.0.0.1:{port}/mqtt"),
        subprotocols=None if subprotocol is None else [Subprotocol(subprotocol)],
        origin=None if origin is None else Origin(origin),
    )
    client = FrameClient(*await asyncio.open_connection("127.0.0.1", port), protocol)
    protocol.send_request(protocol.connect())
    client.flush()
    while client.response is None and await client.more():
        pass
    try:
        yield client
    finally:
        client.writer.close()
        with contextlib.suppress(OSError):
            await client.writer.wait_closed()


async def test_carries_a_conversation() -> None:
    """CONNECT, PUBLISH of each QoS and DISCONNECT work as over TCP."""
    async with serve(SETTINGS) as served, upgraded(served) as client:
        client.send(connect311("ws"))
        assert await client.receive(4) == b"\x20\x02\x00\x00"
        client.send(publish311("t", b"0"))
        client.send(publish311("t", b"1", qos=1, packet_id=1))
        assert await client.receive(4) == b"\x40\x02\x00\x01"
        client.send(publish311("t", b"2", qos=2, packet_id=2))
        assert await client.receive(4) == b"\x50\x02\x00\x02"
        client.send(b"\x62\x02\x00\x02")
        assert await client.receive(4) == b"\x70\x02\x00\x02"
        client.send(b"\xe0\x00")
        while await client.more():
            pass
        assert client.protocol.subprotocol == "mqtt"
        assert client.frames[-1].opcode is Opcode.CLOSE
        assert [message.payload for message in served.intake.published] == [b"0", b"1", b"2"]
        assert served.listener.counters.disconnects == {"client_disconnect": 1}


async def test_frames_are_only_a_stream() -> None:
    """Packets may share a frame, span frames and be fragmented; pings in between are answered."""
    stream = connect311("ws") + b"".join(publish311("t", bytes((n,)), qos=1, packet_id=n) for n in range(1, 9))
    async with serve(SETTINGS) as served, upgraded(served) as client:
        client.send(stream[:5])
        client.protocol.send_ping(b"still there?")
        client.send(stream[5:30], fin=False)
        client.protocol.send_continuation(stream[30:], fin=True)
        client.flush()
        assert await client.receive(4) == b"\x20\x02\x00\x00"
        assert await client.receive(4 * 8) == b"".join(b"\x40\x02\x00" + bytes((n,)) for n in range(1, 9))
        assert any(frame.opcode is Opcode.PONG for frame in client.frames)


@pytest.mark.parametrize(
    ("subprotocol", "origin", "status"),
    [
        ("mqtt", None, 101),
        ("mqtt", "https://console.example", 101),
        ("mqtt", "https://evil.example", 403),
        ("mqtt", "http://localhost", 403),
        ("mqtt", "http://127.0.0.1:{port}", 101),
        ("mqtt", "http://127.0.0.1:1", 403),
        ("chat", None, 400),
        (None, None, 400),
    ],
)
async def test_upgrades_only_for_mqtt_from_known_origins(
    subprotocol: str | None, origin: str | None, status: int
) -> None:
    """A web page of somebody else can not speak to the listener, and nothing but MQTT is spoken."""
    async with serve(SETTINGS) as served:
        origin = origin and origin.format(port=served.listener.websocket_port)
        async with upgraded(served, subprotocol=subprotocol, origin=origin) as client:
            assert client.response is not None
            assert client.response.status_code == status


async def test_a_broken_frame_behind_the_request_ends_only_its_connection() -> None:
    """Bytes that come with the upgrade request are frames, read after the answer."""
    async with serve(SETTINGS) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.listener.websocket_port)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\xff\xff\xff\xff"
        )
        assert (await reader.read()).startswith(b"HTTP/1.1 101 ")
        writer.close()


async def test_takes_only_binary_frames() -> None:
    """A text frame ends the connection [MQTT-6.0.0-1]."""
    async with serve(SETTINGS) as served, upgraded(served) as client:
        client.send(connect311("ws"))
        await client.receive(4)
        client.protocol.send_text(b"hello")
        client.flush()
        while await client.more():
            pass
        assert served.listener.counters.disconnects == {"protocol_error": 1}


async def test_takes_large_packets_only_after_connect() -> None:
    """Who has not said who it is can not fill the memory with a frame; afterwards 1 MiB fits."""
    async with serve(SETTINGS) as served:
        async with upgraded(served) as client:
            client.send(bytes(200_000))
            while await client.more():
                pass
            assert client.frames[-1].opcode is Opcode.CLOSE
        async with upgraded(served) as client:
            client.send(connect311("ws"))
            await client.receive(4)
            client.send(packet(0x32, b"\x00\x01t\x00\x01" + b"x" * (1 << 20)))
            assert await client.receive(4) == b"\x40\x02\x00\x01"
        await until(lambda: not served.listener.counters.connections)
        assert served.budget.held_bytes == 0


async def test_large_frames_need_room() -> None:
    """A large frame for which the budget has no room ends its connection instead of filling the memory."""
    async with serve(SETTINGS, memory_budget_bytes=4_000_000) as served:
        assert served.budget.try_hold(900_000)
        async with upgraded(served) as client:
            client.send(connect311("ws"))
            await client.receive(4)
            client.send(packet(0x32, b"\x00\x01t\x00\x01" + b"x" * (1 << 20)))
            while await client.more():
                pass
        assert served.listener.counters.disconnects == {"quota_exceeded": 1}


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:80", "localhost", "evil.example", "", "1:2:3"]
)
def test_only_addresses_are_the_own_origin(host: str) -> None:
    """A name may be pointed at this machine by its owner (DNS rebinding); an address can not."""
    assert is_address(host) is (host.startswith(("127", "[")))


@pytest.mark.parametrize(
    "sent",
    [b"", b"x" * 20_000, b"GET / HTTP/1.1\r\n", b"nonsense\r\n\r\n", b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00"],
)
async def test_closes_who_never_upgrades(sent: bytes) -> None:
    """Neither silence nor half a request nor plain MQTT keeps a connection."""
    clock = ManualClock()
    async with serve(SETTINGS, clock=clock) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.listener.websocket_port)
        writer.write(sent)
        await until(lambda: served.listener.counters.connections)
        clock.advance(SETTINGS.connect_timeout_seconds)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()
        await until(lambda: not served.listener.counters.connections)
