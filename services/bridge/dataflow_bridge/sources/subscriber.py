"""One MQTT session at somebody's broker: the only file that knows aiomqtt and the paho client inside it.

aiomqtt acknowledges a message when it is in its own queue, hides whether it was sent again, and drops what its queue
does not take. So messages are taken from the paho client itself, with its manual acknowledgement (ADR 9).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiomqtt
from paho.mqtt.client import ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from dataflow_bridge.sources.source import Protocol, Source
from dataflow_bridge.sources.tls import tls_context

RECEIVE_MAXIMUM: Final = 1_000
"""Messages that a broker may have on their way to one session: with MQTT 5 it keeps to this, whatever its settings."""
KEEP_ALIVE_SECONDS: Final = 10
"""A broker that says nothing for twice as long is left."""
SESSION_EXPIRY_SECONDS: Final = 0xFFFFFFFF
"""MQTT 5: never."""
_CALL_SECONDS: Final = 5.0
_PACKETS_PER_TURN: Final = 200
_TAKEN_OVER: Final = 0x8E
_FAILURE: Final = 0x80

Receive = Callable[[str, bytes, int, int, bool, str | None, str | None], None]
"""Called for each message: topic, payload, QoS, packet id, sent again (DUP), message id, content type. Never raises."""


class BrokerError(Exception):
    """The broker cannot be reached, refuses, or does not answer in time."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What the broker said when it took the connection; None where it said nothing."""

    session_present: bool
    """It still has the session."""
    session_expiry_seconds: int | None = None
    maximum_qos: int | None = None
    shared_available: bool | None = None


class BrokerSession:
    """A connection to a broker under one client id; made by `connected`."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self.granted = client.granted

    @property
    def alive(self) -> bool:
        """Whether the connection stands."""
        return not self._client.lost.done()

    @property
    def taken_over(self) -> bool:
        """Whether it ended since somebody else uses the client id (MQTT 5 says so)."""
        return self._client.taken_over

    async def lost(self) -> str:
        """Wait until the connection is gone, and return why."""
        with contextlib.suppress(Exception):
            await asyncio.shield(self._client.lost)
        return self._client.why_lost

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        """Send PUBACKs; nothing is sent when the connection is gone, and the broker sends those messages again."""
        self._client.acknowledge(packet_ids)

    def pause(self) -> None:
        """Read nothing until `resume`: no longer than half the keep-alive."""
        self._client.pause()

    def resume(self) -> None:
        """Read again."""
        self._client.resume()

    async def subscribe(self, filters: Iterable[str], qos: int) -> dict[str, str]:
        """Subscribe, and return the filters that were not granted with this QoS, with what the broker said.

        Raises:
            BrokerError: No answer.
        """
        refused: dict[str, str] = {}
        for filter_ in filters:
            codes = await self._call(self._client.subscribe(filter_, qos=qos))
            code = int(getattr(codes[0], "value", codes[0]))
            if code >= _FAILURE:
                refused[filter_] = f"refused: {codes[0]}"
            elif code < qos:
                refused[filter_] = f"granted with QoS {code} only"
        return refused

    async def unsubscribe(self, filters: Iterable[str]) -> None:
        """Take subscriptions back; the session keeps what it holds.

        Raises:
            BrokerError: No answer.
        """
        for filter_ in filters:
            await self._call(self._client.unsubscribe(filter_))

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1 and wait for the acknowledgement.

        Raises:
            BrokerError: Not acknowledged.
        """
        await self._call(self._client.publish(topic, payload, qos=1))

    async def publish_all(self, topic: str, payloads: Iterable[bytes]) -> None:
        """Publish several with QoS 1, all at once, and wait for their acknowledgements.

        Raises:
            BrokerError: Not all were acknowledged.
        """
        *some, last = payloads
        for payload in some:
            self._client.publish_soon(topic, payload)
        # They are acknowledged in their order [MQTT-4.6.0-2].
        await self.publish(topic, last)

    async def _call(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Make a call of aiomqtt, which would wait for its answer also when the connection is gone."""
        task = asyncio.ensure_future(call)
        try:
            await asyncio.wait((task, self._client.lost), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise BrokerError(f"connection lost: {self._client.why_lost}")
            return task.result()
        except aiomqtt.MqttError as error:
            raise BrokerError(str(error)) from error
        finally:
            task.cancel()


@asynccontextmanager
async def connected(
    source: Source, client_id: str, receive: Receive, *, clean: bool = False, keep_seconds: int = SESSION_EXPIRY_SECONDS
) -> AsyncIterator[BrokerSession]:
    """Connect under a client id, and disconnect at the end; the broker keeps the session.

    Args:
        source: Address, credentials and protocol.
        client_id: Names the session; whoever else uses it is disconnected by the broker.
        receive: Called on the event loop for each message.
        clean: Remove the session first and at the end.
        keep_seconds: How long the broker keeps the session without a connection; MQTT 3.1.1 has no such limit.

    Raises:
        BrokerError: On entering: not reachable, refused, or not in time.
    """
    client = _client(source, client_id, receive, clean=clean, keep_seconds=0 if clean else keep_seconds)
    try:
        async with asyncio.timeout(2 * _CALL_SECONDS):
            await client.__aenter__()
    except TimeoutError as error:
        client.abandon()
        raise BrokerError("no answer in time") from error
    except (aiomqtt.MqttError, OSError, ValueError) as error:
        client.abandon()
        raise BrokerError(str(error) or type(error).__name__) from error
    except asyncio.CancelledError:
        client.abandon()
        raise
    try:
        yield BrokerSession(client)
    finally:
        client.pause()
        with contextlib.suppress(aiomqtt.MqttError, OSError):
            await client.__aexit__(None, None, None)
        client.abandon()


class _Client(aiomqtt.Client):
    """aiomqtt with the paho client's messages and acknowledgements in our hands."""

    def __init__(self, receive: Receive, **options: Any) -> None:
        super().__init__(**options)
        self._client.manual_ack_set(True)
        self._receive = receive
        self._five = options.get("protocol") is aiomqtt.ProtocolVersion.V5
        self._messages = 0
        self._paused = False
        self._descriptor = -1
        self._abandoned = False
        self.granted = Granted(session_present=False)
        self.taken_over = False
        self.why_lost = ""

    @property
    def lost(self) -> asyncio.Future[None]:
        return self._disconnected

    def acknowledge(self, packet_ids: Iterable[int]) -> None:
        if self._disconnected.done():
            return
        for packet_id in packet_ids:
            self._client.ack(packet_id, 1)

    def abandon(self) -> None:
        """Close what is left open of a connection that was not made, or not ended in time."""
        self._abandoned = True
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()  # asyncio complains about those that nobody looks at
        if self._misc_task is not None:
            self._misc_task.cancel()
        sock = self._client.socket()
        if sock is not None:
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
            sock.close()

    def publish_soon(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)

    def pause(self) -> None:
        if not self._paused and self._client.socket() is not None:
            self._loop.remove_reader(self._descriptor)
        self._paused = True

    def resume(self) -> None:
        if self._paused and not self._disconnected.done() and self._client.socket() is not None:
            self._loop.add_reader(self._descriptor, self._read)
            self._loop.call_soon(self._read)  # TLS may have read on
        self._paused = False

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:
        super()._on_socket_open(client, userdata, sock)
        self._descriptor = sock.fileno()
        self._loop.call_soon_threadsafe(self._take_reader)

    def _take_reader(self) -> None:
        """Read many packets in a turn of the loop, where aiomqtt reads one."""
        if self._abandoned:
            # The thread that connects went on: this connection would take the session from the one that is wanted.
            self.abandon()
        elif self._client.socket() is not None:
            self._loop.add_reader(self._descriptor, self._read)

    def _read(self) -> None:
        try:
            for _ in range(_PACKETS_PER_TURN):
                before = self._messages
                self._client.loop_read()
                sock: Any = self._client.socket()
                if sock is None or self._paused:
                    return
                if self._messages == before and not (hasattr(sock, "pending") and sock.pending() > 0):
                    return
        except Exception as error:  # noqa: BLE001 - as aiomqtt: whatever paho raises here means a broken connection
            self.why_lost = self.why_lost or str(error)
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:  # noqa: ARG002 - paho's callback
        self._messages += 1
        message_id = content_type = None
        if self._five and message.properties is not None:
            values = message.properties.__dict__
            content_type = values.get("ContentType")
            for name, value in values.get("UserProperty", ()):
                if name == "message-id":
                    message_id = value
                    break
        try:
            topic = message.topic
        except UnicodeDecodeError:  # no broker should let it pass; a connection that broke on it would break for ever
            topic = "\ufffd"
        payload = message.payload if isinstance(message.payload, bytes) else bytes(message.payload)
        self._receive(topic, payload, message.qos, message.mid, message.dup, message_id, content_type)

    def _on_connect(
        self,
        client: Any,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        values = properties.__dict__ if properties is not None else {}
        shared = values.get("SharedSubscriptionAvailable")
        self.granted = Granted(
            session_present=flags.session_present,
            session_expiry_seconds=values.get("SessionExpiryInterval"),
            maximum_qos=values.get("MaximumQoS"),
            shared_available=None if shared is None else bool(shared),
        )
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: Any,
        userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.taken_over = reason_code.value == _TAKEN_OVER
        self.why_lost = self.why_lost or str(reason_code)
        super()._on_disconnect(client, userdata, flags, reason_code, properties)


def _client(source: Source, client_id: str, receive: Receive, *, clean: bool, keep_seconds: int) -> _Client:
    address = source.address
    options: dict[str, Any] = {
        "hostname": address.host,
        "port": address.port,
        "identifier": client_id,
        "username": source.username or None,
        "password": source.password or None,
        "timeout": _CALL_SECONDS,
        "keepalive": KEEP_ALIVE_SECONDS,
        "max_queued_outgoing_messages": 0,
        "tls_context": tls_context(source) if address.tls else None,
    }
    if source.protocol is Protocol.MQTT_5:
        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = keep_seconds
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        options |= {"protocol": aiomqtt.ProtocolVersion.V5, "clean_start": clean, "properties": properties}
    else:
        options |= {"protocol": aiomqtt.ProtocolVersion.V311, "clean_session": clean}
    return _Client(receive, **options)
