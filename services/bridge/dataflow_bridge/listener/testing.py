"""For tests: an intake in memory, a clock that is moved by hand, a client that speaks in bytes, and a served listener."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import mqtt5
from dataflow.access.v1 import role_pb2
from dataflow_mesh.access import Caller, Tokens

from dataflow_bridge.listener.authenticate import TokenAuthenticator
from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.clock import SystemClock
from dataflow_bridge.listener.context import BRIDGE_SOURCE
from dataflow_bridge.listener.listener import Listener
from dataflow_bridge.listener.seams import Ack, Authenticator, Clock, message_cost
from dataflow_bridge.listener.settings import ListenerSettings
from dataflow_bridge.listener.wire import read_size
from dataflow_bridge.sessions.claims import SessionClaims
from dataflow_bridge.sessions.memory import Sessions

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Mapping

    from dataflow_bridge.sessions.store import SessionStore


def token_authenticator(tokens: Mapping[str, tuple[str, str]], *, allow_anonymous: bool = False) -> TokenAuthenticator:
    """Return the default policy with tokens given as `{token: (name, role)}`."""
    callers = {token: Caller(name, role_pb2.Role.Value(f"ROLE_{role}")) for token, (name, role) in tokens.items()}
    return TokenAuthenticator(Tokens(callers), allow_anonymous=allow_anonymous)


class Submitted(NamedTuple):
    """One message as the listener handed it over."""

    topic: str
    payload: bytes
    device_id: str | None
    content_type: str | None
    message_id: str | None
    maybe_duplicate: bool
    receive_time_us: int
    source: str
    ack: Ack | None
    ack_token: int


class MemoryIntake:
    """An `Intake` that keeps everything, and acknowledges on the next turn of the loop or when told to."""

    def __init__(self, budget: Budget, *, hold: bool = False) -> None:
        """Keep messages unacknowledged until `acknowledge` when `hold` is true."""
        self.submitted: list[Submitted] = []
        self.hold = hold
        self._budget = budget
        self._open: list[Submitted] = []
        self._arrived = asyncio.Event()

    def submit(
        self,
        topic: str,
        payload: bytes,
        device_id: str | None,
        content_type: str | None,
        message_id: str | None,
        maybe_duplicate: bool,
        receive_time_us: int,
        source: str,
        ack: Ack | None,
        ack_token: int,
    ) -> None:
        """Keep one message."""
        message = Submitted(
            topic,
            payload,
            device_id,
            content_type,
            message_id,
            maybe_duplicate,
            receive_time_us,
            source,
            ack,
            ack_token,
        )
        self.submitted.append(message)
        self._arrived.set()
        if ack is None:
            asyncio.get_running_loop().call_soon(self._budget.release, message_cost(topic, payload))
            return
        self._open.append(message)
        if not self.hold and len(self._open) == 1:
            asyncio.get_running_loop().call_soon(self.acknowledge)

    def acknowledge(self, count: int | None = None) -> None:
        """Finish the oldest `count` messages that wait for it, or all: one call for each connection."""
        self._finish(count, lambda ack, tokens: ack.acknowledged(tokens))

    def fail(self) -> None:
        """Give up on all open messages."""
        self._finish(None, lambda ack, tokens: ack.failed(tokens))

    def _finish(self, count: int | None, tell: Callable[[Ack, list[int]], None]) -> None:
        """Take the oldest messages out and tell their senders."""
        done, self._open = self._open[:count], self._open[len(self._open) if count is None else count :]
        tokens: defaultdict[Ack, list[int]] = defaultdict(list)
        for message in done:
            self._budget.release(message_cost(message.topic, message.payload))
            if message.ack is not None:
                tokens[message.ack].append(message.ack_token)
        for ack, mine in tokens.items():
            tell(ack, mine)

    @property
    def published(self) -> list[Submitted]:
        """Messages of clients, without those about connections."""
        return [message for message in self.submitted if message.source != BRIDGE_SOURCE]

    @property
    def events(self) -> list[Submitted]:
        """Messages about connections."""
        return [message for message in self.submitted if message.source == BRIDGE_SOURCE]

    async def wait_for(self, count: int, *, events: bool = False) -> list[Submitted]:
        """Return the first `count` messages of clients (or about connections) once they are there."""
        while len(found := self.events if events else self.published) < count:
            self._arrived.clear()
            await self._arrived.wait()
        return found[:count]


class ManualTimer:
    """A timer of a `ManualClock`."""

    def __init__(self, callback: Callable[[], None]) -> None:
        """Wait to be called."""
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Do not make the call."""
        self.callback = None


class ManualClock:
    """A `Clock` whose time passes only by `advance`."""

    def __init__(self) -> None:
        """Start at a fixed moment."""
        self._now = 1_000.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, ManualTimer]] = []

    def wall_us(self) -> int:
        """Return microseconds since the epoch, UTC."""
        return 1_700_000_000_000_000 + int(self._now * 1_000_000)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._now

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> ManualTimer:
        """Call `callback` when time has been moved that far."""
        timer = ManualTimer(callback)
        heapq.heappush(self._timers, (self._now + delay_seconds, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass, making all calls that fall due on the way."""
        until = self._now + seconds
        while self._timers and self._timers[0][0] <= until:
            self._now, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                timer.callback()
        self._now = until


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until the condition holds: for plain attributes, which have no event to wait for."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


class ClosedError(ConnectionError):
    """The listener closed the connection."""


class ByteClient:
    """A client that sends what it is told, however wrong, and reads whole packets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Use an open connection."""
        self._reader = reader
        self._writer = writer

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Close without a word."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def send(self, *packets: bytes) -> None:
        """Send bytes."""
        self._writer.write(b"".join(packets))

    async def receive(self) -> bytes:
        """Return the next whole packet.

        Raises:
            ClosedError: The connection ended before.
        """
        try:
            head = await self._reader.readexactly(2)
            while (size := read_size(head, 1, len(head))) is None:
                head += await self._reader.readexactly(1)
            return head + await self._reader.readexactly(size[0])
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ClosedError from error

    async def receive5(self) -> mqtt5.Packet:
        """Return the next packet, read as MQTT 5."""
        packet, _ = mqtt5.read(memoryview(await self.receive()))
        return packet

    async def wait_closed(self) -> bytes:
        """Return what still comes until the listener closes."""
        with contextlib.suppress(OSError):
            return await self._reader.read()
        return b""


@dataclass(frozen=True, slots=True)
class Served:
    """A listener that serves, with everything around it."""

    listener: Listener
    intake: MemoryIntake
    budget: Budget
    sessions: Sessions

    async def client(self) -> ByteClient:
        """Open a connection without saying anything."""
        return ByteClient(*await asyncio.open_connection("127.0.0.1", self.listener.port))

    async def connected(self, connect: bytes) -> tuple[ByteClient, bytes]:
        """Open a connection, send CONNECT, and return it with the answer."""
        client = await self.client()
        client.send(connect)
        return client, await client.receive()


@contextlib.asynccontextmanager
async def serve(
    settings: ListenerSettings | None = None,
    *,
    authenticator: Authenticator | None = None,
    clock: Clock | None = None,
    memory_budget_bytes: int = 64 << 20,
    hold: bool = False,
    drain_seconds: float = 0.0,
    tls: ssl.SSLContext | None = None,
    store: SessionStore | None = None,
) -> AsyncIterator[Served]:
    """Serve on a free port of loopback with an intake in memory; anonymous clients may come."""
    clock = clock or SystemClock()
    budget = Budget(memory_budget_bytes)
    claims = None if store is None else SessionClaims(store, clock)
    sessions = Sessions(clock, claims)
    intake = MemoryIntake(budget, hold=hold)
    listener = Listener(
        settings or ListenerSettings(listen="127.0.0.1:0"),
        intake,
        authenticator or token_authenticator({}, allow_anonymous=True),
        budget,
        sessions,
        clock,
        tls=tls,
        drain_seconds=drain_seconds,
    )
    task = None if claims is None else asyncio.get_running_loop().create_task(claims.run())
    try:
        async with listener:
            yield Served(listener, intake, budget, sessions)
        if task is not None and task.done():
            task.result()
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


def connect311(
    client_id: str = "c",
    *,
    clean: bool = True,
    keep_alive: int = 0,
    username: str | None = None,
    password: bytes | None = None,
    will: tuple[str, bytes] | None = None,
) -> bytes:
    """Return a CONNECT of MQTT 3.1.1."""

    def field(value: bytes) -> bytes:
        return len(value).to_bytes(2, "big") + value

    flags = 0x02 * clean | 0x80 * (username is not None) | 0x40 * (password is not None) | 0x04 * (will is not None)
    body = field(b"MQTT") + bytes((4, flags)) + keep_alive.to_bytes(2, "big") + field(client_id.encode())
    if will is not None:
        body += field(will[0].encode()) + field(will[1])
    if username is not None:
        body += field(username.encode())
    if password is not None:
        body += field(password)
    return packet(0x10, body)


def publish311(topic: str, payload: bytes = b"", *, qos: int = 0, packet_id: int = 1, duplicate: bool = False) -> bytes:
    """Return a PUBLISH of MQTT 3.1.1."""
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name + (packet_id.to_bytes(2, "big") if qos else b"") + payload
    return packet(0x30 | qos << 1 | duplicate << 3, body)


def packet(head: int, body: bytes) -> bytes:
    """Return a packet with its fixed header."""
    size, out = len(body), bytearray((head,))
    while True:
        size, byte = size >> 7, size & 0x7F
        out.append(byte | 0x80 if size else byte)
        if not size:
            return bytes(out) + body
