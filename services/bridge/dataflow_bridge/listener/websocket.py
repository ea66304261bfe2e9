"""MQTT over WebSocket [MQTT-6.0]: frames around the same connection, through the sans-I/O protocol of `websockets`."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
from typing import TYPE_CHECKING, Any, Final, cast

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from dataflow_bridge.listener.connection import Connection
from dataflow_bridge.listener.inbox import HELD_PACKET_BYTES
from dataflow_bridge.listener.reason import Reason

if TYPE_CHECKING:
    from dataflow_bridge.listener.context import ListenerContext
    from dataflow_bridge.listener.transport import ByteTransport

frame_log: Final = logging.getLogger(f"{__name__}.frames")
"""What the framing library says; for every connection, so only warnings are worth keeping."""


MAX_REQUEST_BYTES: Final = 16 * 1024
"""The longest HTTP request for an upgrade."""


def is_address(host: str) -> bool:
    """Tell whether a Host header names an IP address and not a name that somebody may point anywhere."""
    address = host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


class WebSocketConnection(asyncio.Protocol):
    """Below an MQTT connection: its transport. Above the socket: its protocol."""

    __slots__ = ("_connection", "_context", "_frames", "_held_bytes", "_request", "_transport")

    def __init__(self, context: ListenerContext) -> None:
        """Expect an HTTP upgrade to the subprotocol `mqtt`."""
        self._context = context
        self._connection = Connection(context)
        self._transport: ByteTransport | None = None
        self._held_bytes = 0
        self._request: bytes | None = b""
        self._frames = ServerProtocol(
            subprotocols=[Subprotocol("mqtt")],
            max_size=context.settings.max_connect_bytes,
            logger=frame_log,
        )

    # What the socket calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clocks of the MQTT connection: the upgrade counts as part of its CONNECT."""
        self._transport = cast("ByteTransport", transport)
        self._connection.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass the end on."""
        self._unhold()
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass on that the client does not read."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client reads again."""
        self._connection.resume_writing()

    def eof_received(self) -> None:
        """Close: a WebSocket has no half-closed state."""
        self._frames.receive_eof()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take the frames of a chunk apart and pass their payloads on as a stream."""
        if self._frames.eof_sent:
            return
        if self._request is not None:
            data = self._upgrade(self._request + data)
            if not data:
                return
        self._frames.receive_data(data)
        for event in self._frames.events_received():
            if isinstance(event, Frame):
                self._take(event)
        self._flush()
        self._bound_buffer()

    def _upgrade(self, data: bytes) -> bytes:
        """Answer the HTTP request once it is complete; return what came behind it, when the answer was yes.

        The framing must not see a frame before the answer: a broken one would end what is still to be answered.
        """
        head, end, rest = data.partition(b"\r\n\r\n")
        if len(head) > MAX_REQUEST_BYTES:
            self._connection.cut("request_too_long")
            return b""
        if not end:
            self._request = data
            return b""
        self._request = None
        self._frames.receive_data(head + end)
        for event in self._frames.events_received():
            if isinstance(event, Request):
                self._frames.origins = self._allowed_origins(event)
                self._frames.send_response(self._frames.accept(event))
        self._flush()
        return rest if self._frames.state is State.OPEN else b""

    def _allowed_origins(self, request: Request) -> list[Origin | re.Pattern[str] | None]:
        """Return the origins that may connect: none at all, those of the settings, and the listener's own address.

        Browsers send an Origin: without this check any page could speak to a listener on loopback. Only an address
        counts as the listener's own, a name does not: the owner of a page can make its name point anywhere.
        """
        allowed: list[Origin | re.Pattern[str] | None] = [None]
        allowed += [Origin(origin) for origin in self._context.settings.websocket_origins]
        hosts = request.headers.get_all("Host")
        if len(hosts) == 1 and is_address(hosts[0]):
            allowed += [Origin(f"http://{hosts[0]}"), Origin(f"https://{hosts[0]}")]
        return allowed

    def _take(self, frame: Frame) -> None:
        """Pass the payload of one data frame on."""
        if frame.opcode is Opcode.TEXT:
            self._connection.end(Reason.PROTOCOL_ERROR, "MQTT needs binary frames")
            self.close()
        elif frame.opcode in (Opcode.BINARY, Opcode.CONT):
            self._connection.data_received(bytes(frame.data))
            if self._connection.accepted:
                self._frames.max_message_size = self._context.settings.max_packet_bytes

    def _bound_buffer(self) -> None:
        """Let a large frame be collected only while the budget has room for it."""
        size = len(self._frames.reader.buffer)
        self._connection.inbox.note_below(size)
        if size <= HELD_PACKET_BYTES:
            self._unhold()
        elif not self._held_bytes and not self._connection.closed:
            wanted = self._context.settings.max_packet_bytes
            if self._context.budget.try_hold(wanted):
                self._held_bytes = wanted
            else:
                self._connection.end(Reason.QUOTA_EXCEEDED, "the bridge has no room, send again later")

    def _unhold(self) -> None:
        """Give the room for a large frame back."""
        if self._held_bytes:
            self._context.budget.unhold(self._held_bytes)
            self._held_bytes = 0

    def _flush(self) -> None:
        """Send what the framing wants to send; an empty part means the end."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        for part in self._frames.data_to_send():
            if part:
                transport.write(part)
            else:
                transport.close()

    # What the MQTT connection calls.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the socket knows."""
        return default if self._transport is None else self._transport.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the limits of the socket."""
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high=high, low=low)

    def write(self, data: bytes) -> None:
        """Send bytes in one binary frame."""
        try:
            self._frames.send_binary(data)
        except InvalidState:
            # Its closing handshake has begun: nobody reads this any more.
            return
        self._flush()

    def can_write_eof(self) -> bool:
        """Say yes: the close frame does it."""
        return True

    def write_eof(self) -> None:
        """Send the close frame."""
        try:
            self._frames.send_close(1000)
        except InvalidState:
            return
        self._flush()

    def is_reading(self) -> bool:
        """Tell whether the socket is read."""
        return self._transport is not None and self._transport.is_reading()

    def pause_reading(self) -> None:
        """Stop reading the socket."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read the socket again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Tell whether the socket is closed or about to be."""
        return self._transport is None or self._transport.is_closing()

    def close(self) -> None:
        """Send the close frame and close after it."""
        self.write_eof()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
