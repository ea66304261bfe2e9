"""The listener: its sockets, its start, and its end in order."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from typing import TYPE_CHECKING, Final, Self

from dataflow_bridge.listener.connection import Connection
from dataflow_bridge.listener.context import ListenerContext
from dataflow_bridge.listener.websocket import WebSocketConnection, frame_log

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from types import TracebackType

    from dataflow_bridge.listener.budget import Budget
    from dataflow_bridge.listener.counters import Counters
    from dataflow_bridge.listener.outgoing import Postmaster
    from dataflow_bridge.listener.seams import Authenticator, Clock, Intake
    from dataflow_bridge.listener.settings import ListenerSettings
    from dataflow_bridge.sessions.memory import Sessions

_BACKLOG: Final = 4096
_log: Final = logging.getLogger(__name__)


class InsecureListenError(ValueError):
    """Listening beyond loopback without TLS was not asked for."""


class Listener:
    """Serves MQTT on the addresses of its settings.

    Several listeners, of one process or of many, may share a port (`SO_REUSEPORT`): the system spreads the connections.

        async with Listener(settings, intake, authenticator, budget, sessions, clock) as listener:
            ...  # serving; listener.port tells the port
        # stopped: nobody was left without the acknowledgements that came in time
    """

    def __init__(
        self,
        settings: ListenerSettings,
        intake: Intake,
        authenticator: Authenticator,
        budget: Budget,
        sessions: Sessions,
        clock: Clock,
        *,
        tls: ssl.SSLContext | None = None,
        drain_seconds: float = 10.0,
        postmaster: Postmaster | None = None,
    ) -> None:
        """Prepare; nothing is opened.

        Args:
            settings: Addresses and limits.
            intake: Takes the messages.
            authenticator: Decides who a client is.
            budget: Bounds what is in memory; whoever finishes a message gives its `message_cost` back.
            sessions: What outlives a connection.
            clock: Time and timers.
            tls: For both addresses; with `verify_mode` CERT_REQUIRED or CERT_OPTIONAL a client certificate is an
                identity.
            drain_seconds: How long leaving the `async with` waits for outstanding acknowledgements.
            postmaster: Hands out commands and configuration to devices that have subscribed.

        Raises:
            InsecureListenError: An address is not loopback, there is no TLS, and `insecure_listen` is off.
            ValueError: An address is not `host:port`.
        """
        for address in (settings.listen, settings.websocket_listen):
            if address and tls is None and not settings.insecure_listen and not is_loopback(split_address(address)[0]):
                message = f"{address!r} is not loopback: give a TLS certificate, or allow plaintext by insecure_listen"
                raise InsecureListenError(message)
        self._context = ListenerContext(settings, intake, authenticator, budget, sessions, clock, postmaster)
        self._tls = tls
        self._drain_seconds = drain_seconds
        self._servers: list[asyncio.Server] = []
        self.port: int | None = None
        """Port of MQTT over TCP once started."""
        self.websocket_port: int | None = None
        """Port of MQTT over WebSocket once started."""

    @property
    def counters(self) -> Counters:
        """What was counted since the start."""
        return self._context.counters

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop; after an error without waiting for acknowledgements."""
        await self.stop(self._drain_seconds if error is None else 0.0)

    async def start(self) -> None:
        """Bind and serve.

        Raises:
            OSError: An address can not be bound.
        """
        settings = self._context.settings
        frame_log.setLevel(logging.WARNING)
        if settings.listen:
            self.port = await self._serve(settings.listen, lambda: Connection(self._context))
        if settings.websocket_listen:
            self.websocket_port = await self._serve(
                settings.websocket_listen, lambda: WebSocketConnection(self._context)
            )

    async def _serve(self, address: str, protocol: Callable[[], asyncio.Protocol]) -> int:
        """Bind one address and serve; return its port."""
        settings = self._context.settings
        host, port = split_address(address)
        bound = bind(host, port, settings.receive_buffer_bytes)
        server = await asyncio.get_running_loop().create_server(
            protocol,
            sock=bound,
            ssl=self._tls,
            backlog=_BACKLOG,
            ssl_handshake_timeout=settings.connect_timeout_seconds if self._tls else None,
        )
        self._servers.append(server)
        port = int(bound.getsockname()[1])
        _log.info("listening", extra={"action": "listen", "host": host, "port": port})
        return port

    async def stop(self, drain_seconds: float) -> None:
        """Stop accepting and reading, let the acknowledgements go out that come in time, say goodbye, close.

        The intake must stay up until this has returned: Wills and connection events still go through it.
        """
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._context.stop()
        try:
            async with asyncio.timeout(drain_seconds):
                await self._context.all_closed.wait()
        except TimeoutError:
            _log.warning(
                "not all acknowledgements went out in time",
                extra={"action": "drain_timeout", "connections": len(self._context.connections)},
            )
            for connection in list(self._context.connections):
                connection.cut("server_shutting_down")
            # The transports tell of their end on the next turn of the loop.
            await self._context.all_closed.wait()
        self._context.sessions.close()


def bind(host: str, port: int, receive_buffer_bytes: int) -> socket.socket:
    """Return a bound TCP socket that shares its port with others of the same user.

    Raises:
        OSError: The address is not known or not free.
    """
    family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    bound = socket.socket(family, kind, number)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Connections inherit these: the buffer bounds one read, keep-alive finds peers that vanished.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        bound.bind(address)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def split_address(address: str) -> tuple[str, int]:
    """Split `host:port` (IPv6 hosts in brackets).

    Raises:
        ValueError: It is neither.
    """
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        message = f"address must be host:port, got {address!r}"
        raise ValueError(message)
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`; names other than localhost count as reachable."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
