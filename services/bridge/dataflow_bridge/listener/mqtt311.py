"""MQTT 3.1.1: a small codec of our own with the packet types of `mqtt5`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mqtt5 import (
    ConnectPacket,
    DisconnectPacket,
    PingReqPacket,
    PubAckPacket,
    PubCompPacket,
    PubRecPacket,
    PubRelPacket,
    QoS,
    SubscribePacket,
    TopicFilter,
    UnsubscribePacket,
    Will,
)

from dataflow_bridge.listener import wire
from dataflow_bridge.listener.reason import Reason
from dataflow_bridge.listener.violation import malformed, protocol_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflow_bridge.listener.dialect import ClientPacket, Version, Welcome

NEVER_EXPIRES: Final = 0xFFFFFFFF
"""Session expiry of a connection with Clean Session 0."""

_REFUSAL_CODES: Final = {
    Reason.UNSUPPORTED_PROTOCOL_VERSION: 1,
    Reason.CLIENT_ID_NOT_VALID: 2,
    Reason.QUOTA_EXCEEDED: 3,
    Reason.CONNECTION_RATE_EXCEEDED: 3,
    Reason.BAD_USER_NAME_OR_PASSWORD: 4,
    Reason.NOT_AUTHORIZED: 5,
}


class Mqtt311:
    """The dialect of MQTT 3.1.1; it keeps nothing, one serves all connections."""

    __slots__ = ()

    version: Version = "3.1.1"

    def read(self, packet: bytes) -> ClientPacket:
        """Read one whole control packet that is not a PUBLISH.

        Raises:
            Violation: Malformed, or nothing that a client may send.
        """
        kind = packet[0] >> 4
        if packet[0] & 0x0F != wire.FLAGS.get(kind, 0):
            text = "reserved flags of the fixed header are set"
            raise malformed(text)
        size = wire.read_size(packet, 1, len(packet))
        start = size[1] if size else len(packet)
        end = len(packet)
        match kind:
            case wire.PINGREQ | wire.DISCONNECT:
                _expect_end(start, end)
                return PingReqPacket() if kind == wire.PINGREQ else DisconnectPacket()
            case wire.PUBACK | wire.PUBREC | wire.PUBREL | wire.PUBCOMP:
                packet_id, start = read_packet_id(packet, start, end)
                _expect_end(start, end)
                return _receipt(kind, packet_id)
            case wire.SUBSCRIBE | wire.UNSUBSCRIBE | wire.CONNECT:
                try:
                    return _READERS[kind](packet, start)
                except ValueError as error:
                    # The types of `mqtt5` hold topics and filters to their syntax.
                    raise malformed(str(error)) from error
            case _:
                text = f"a client does not send packets of type {kind}"
                raise protocol_error(text)

    def welcome(self, welcome: Welcome) -> bytes:
        """Write a CONNACK that accepts."""
        return b"\x20\x02\x01\x00" if welcome.session_present else b"\x20\x02\x00\x00"

    def refuse(self, code: Reason, text: str) -> bytes:  # noqa: ARG002 - no reason strings here
        """Write a CONNACK that refuses; empty where the version has no code for it."""
        number = _REFUSAL_CODES.get(code)
        return b"" if number is None else bytes((0x20, 2, 0, number))

    def puback(self, packet_id: int, code: Reason, text: str) -> bytes:  # noqa: ARG002
        """Return nothing: every PUBACK of this version means success."""
        return b""

    def pubrec(self, packet_id: int, code: Reason, text: str) -> bytes:  # noqa: ARG002
        """Return nothing: every PUBREC of this version means success."""
        return b""

    def pubcomp(self, packet_id: int, code: Reason) -> bytes:  # noqa: ARG002 - it has no codes
        """Write a PUBCOMP."""
        return bytes((0x70, 2, packet_id >> 8, packet_id & 0xFF))

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        packet_id: int,
        duplicate: bool,
        retain: bool,
        expiry_seconds: int | None,  # noqa: ARG002 - it has no properties
    ) -> bytes:
        """Write a PUBLISH."""
        name = topic.encode()
        body = len(name).to_bytes(2, "big") + name + (packet_id.to_bytes(2, "big") if qos else b"") + payload
        return bytes((0x30 | duplicate << 3 | qos << 1 | retain,)) + wire.write_size(len(body)) + body

    def suback(self, packet_id: int, codes: list[Reason]) -> bytes:
        """Write a SUBACK: the granted QoS, or 0x80."""
        return _with_id(0x90, packet_id, bytes(min(int(code), 0x80) for code in codes))

    def unsuback(self, packet_id: int, codes: list[Reason]) -> bytes:  # noqa: ARG002 - it has no codes
        """Write an UNSUBACK."""
        return _with_id(0xB0, packet_id, b"")

    def disconnect(self, code: Reason, text: str) -> bytes:  # noqa: ARG002
        """Return nothing: a server of this version only closes."""
        return b""


def _receipt(kind: int, packet_id: int) -> ClientPacket:
    """Return the packet that is only a kind and a packet identifier."""
    match kind:
        case wire.PUBACK:
            return PubAckPacket(packet_id)
        case wire.PUBREC:
            return PubRecPacket(packet_id)
        case wire.PUBREL:
            return PubRelPacket(packet_id)
        case _:
            return PubCompPacket(packet_id)


def read_packet_id(packet: bytes, start: int, end: int) -> tuple[int, int]:
    """Read a packet identifier; return it and the offset behind.

    Raises:
        Violation: Cut, or zero [MQTT-2.3.1-1].
    """
    packet_id, start = wire.read_u16(packet, start, end)
    if not packet_id:
        text = "packet identifier is zero"
        raise protocol_error(text)
    return packet_id, start


def _with_id(head: int, packet_id: int, rest: bytes) -> bytes:
    """Write a packet that is an identifier and `rest`."""
    return bytes((head,)) + wire.write_size(2 + len(rest)) + packet_id.to_bytes(2, "big") + rest


def _expect_end(start: int, end: int) -> None:
    """Refuse bytes behind the last field."""
    if start != end:
        text = "packet is longer or shorter than its fields"
        raise malformed(text)


def _read_subscribe(packet: bytes, start: int) -> SubscribePacket:
    """Read a SUBSCRIBE behind its fixed header."""
    end = len(packet)
    packet_id, start = read_packet_id(packet, start, end)
    filters: list[TopicFilter] = []
    while start < end:
        pattern, start = wire.read_string(packet, start, end)
        if start == end or packet[start] > 2:
            text = "requested QoS is missing or above 2"
            raise malformed(text)
        filters.append(TopicFilter(pattern, max_qos=QoS(packet[start])))
        start += 1
    if not filters:
        text = "SUBSCRIBE without a topic filter"
        raise protocol_error(text)
    return SubscribePacket(packet_id, filters)


def _read_unsubscribe(packet: bytes, start: int) -> UnsubscribePacket:
    """Read an UNSUBSCRIBE behind its fixed header."""
    end = len(packet)
    packet_id, start = read_packet_id(packet, start, end)
    patterns: list[str] = []
    while start < end:
        pattern, start = wire.read_string(packet, start, end)
        patterns.append(pattern)
    if not patterns:
        text = "UNSUBSCRIBE without a topic filter"
        raise protocol_error(text)
    return UnsubscribePacket(packet_id, patterns)


def _read_connect(packet: bytes, start: int) -> ConnectPacket:
    """Read a CONNECT behind its fixed header; protocol name and level were looked at before."""
    end = len(packet)
    _, start = wire.read_binary(packet, start, end)
    if start + 4 > end:
        text = "CONNECT is cut"
        raise malformed(text)
    flags = packet[start + 1]
    check_connect_flags(flags)
    if flags & 0x40 and not flags & 0x80:
        text = "password without user name"
        raise malformed(text)
    keep_alive, start = wire.read_u16(packet, start + 2, end)
    client_id, start = wire.read_string(packet, start, end)
    will: Will | None = None
    if flags & 0x04:
        topic, start = wire.read_string(packet, start, end)
        payload, start = wire.read_binary(packet, start, end)
        will = Will(topic, payload=payload, qos=QoS(flags >> 3 & 3), retain=bool(flags & 0x20))
    username: str | None = None
    password: bytes | None = None
    if flags & 0x80:
        username, start = wire.read_string(packet, start, end)
    if flags & 0x40:
        password, start = wire.read_binary(packet, start, end)
    _expect_end(start, end)
    clean = bool(flags & 0x02)
    return ConnectPacket(
        client_id,
        username=username,
        password=password,
        clean_start=clean,
        will=will,
        keep_alive=keep_alive,
        session_expiry_interval=0 if clean else NEVER_EXPIRES,
    )


def check_connect_flags(flags: int) -> None:
    """Check the rules on the flags of CONNECT that both versions share.

    Raises:
        Violation: The reserved bit is set, or the bits of the Will do not go together.
    """
    if flags & 0x01:
        text = "reserved flag of CONNECT is set"
        raise malformed(text)
    if flags & 0x18 == 0x18 or (not flags & 0x04 and flags & 0x38):
        text = "Will flags of CONNECT do not go together"
        raise malformed(text)


_READERS: Final[dict[int, Callable[[bytes, int], ClientPacket]]] = {
    wire.SUBSCRIBE: _read_subscribe,
    wire.UNSUBSCRIBE: _read_unsubscribe,
    wire.CONNECT: _read_connect,
}
