"""The bytes of MQTT 3.1.1 and 5 that a publishing client needs: what it sends as ready packets, what it gets as tuples."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_UINT16: Final = struct.Struct(">H")
_UINT32: Final = struct.Struct(">I")


class Protocol(IntEnum):
    """The protocol level as it stands in CONNECT."""

    V3_1_1 = 4
    V5 = 5


class PacketType(IntEnum):
    """The packet types that a server sends to a client which only publishes."""

    CONNACK = 2
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    PINGRESP = 13
    DISCONNECT = 14


class WireError(Exception):
    """The server sent bytes that are not MQTT."""


REFUSED: Final = 0x80
"""The first reason code that says no."""

PINGREQ: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"

DUPLICATE_FLAG: Final = 0x08
"""Bit of a PUBLISH's first byte: this may have been sent before."""

_SESSION_EXPIRY: Final = 0x11
_MAXIMUM_PACKET_SIZE: Final = 0x27
_RECEIVE_MAXIMUM: Final = 0x21
_USER_PROPERTY: Final = 0x26
_MAXIMUM_QOS: Final = 0x24
_SERVER_KEEP_ALIVE: Final = 0x13
# Sizes of the values of MQTT 5 properties, by identifier [MQTT5 2.2.2.2]; strings and pairs are sized as they are read.
_FIXED_SIZES: Final = {
    0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x18: 4, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1,
    0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip
_STRINGS: Final = frozenset({0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F})


@dataclass(frozen=True, slots=True)
class Connected:
    """What a CONNACK says."""

    session_present: bool
    """The server still has the session: unfinished QoS 2 handshakes go on."""
    reason_code: int
    """0 for welcome; of MQTT 3.1.1 the return code."""
    receive_maximum: int = 65535
    """QoS 1 and 2 messages that the server takes unacknowledged."""
    maximum_packet_size: int = 0
    """Bytes; 0 for no limit."""
    maximum_qos: int = 2
    """The highest QoS that the server takes."""
    keep_alive_seconds: int | None = None
    """The server's choice instead of the client's."""


def variable_integer(value: int) -> bytes:
    """Returns a length as MQTT writes it, 1 to 4 bytes.

    Raises:
        ValueError: It is negative or above 268,435,455.
    """
    if not 0 <= value <= 268_435_455:
        raise ValueError(f"not a length in MQTT: {value!r}")
    encoded = bytearray()
    while True:
        value, digit = divmod(value, 128)
        encoded.append(digit | 0x80 if value else digit)
        if not value:
            return bytes(encoded)


def text(value: str) -> bytes:
    """Returns a string with its length before it.

    Raises:
        ValueError: It has more than 65,535 bytes, or is not UTF-8 (a lone surrogate).
    """
    return _binary(value.encode())


def _binary(value: bytes) -> bytes:
    """Returns bytes with their length before them."""
    if len(value) > 65535:
        raise ValueError(f"longer than MQTT can say: {len(value)} bytes")
    return _UINT16.pack(len(value)) + value


def connect(
    client_id: str,
    protocol: Protocol,
    *,
    clean_start: bool,
    keep_alive_seconds: int = 60,
    session_expiry_seconds: int = 0,
    username: str | None = None,
    password: str | None = None,
) -> bytes:
    """Returns a CONNECT packet; the session expiry exists only in MQTT 5."""
    flags = 0x02 * clean_start
    payload = text(client_id)
    if username is not None:
        flags |= 0x80
        payload += text(username)
    if password is not None:
        flags |= 0x40
        payload += text(password)
    variable = text("MQTT") + bytes((protocol, flags)) + _UINT16.pack(keep_alive_seconds)
    if protocol is Protocol.V5:
        expiry = bytes((_SESSION_EXPIRY,)) + _UINT32.pack(session_expiry_seconds) if session_expiry_seconds else b""
        variable += variable_integer(len(expiry)) + expiry
    return b"\x10" + variable_integer(len(variable) + len(payload)) + variable + payload


def publish(
    topic: str,
    payload: bytes,
    *,
    qos: int,
    packet_id: int,
    protocol: Protocol,
    message_id: str | None = None,
) -> bytes:
    """Returns a PUBLISH packet; the packet id is ignored at QoS 0.

    With `message_id` (MQTT 5 only) it carries the user property by which a resend is recognised.
    """
    variable = text(topic)
    if qos:
        variable += _UINT16.pack(packet_id)
    if protocol is Protocol.V5:
        properties = b""
        if message_id is not None:
            properties = bytes((_USER_PROPERTY,)) + text("message-id") + text(message_id)
        variable += variable_integer(len(properties)) + properties
    first = 0x30 | qos << 1
    return bytes((first,)) + variable_integer(len(variable) + len(payload)) + variable + payload


def as_duplicate(packet: bytes) -> bytes:
    """Returns the PUBLISH packet with its DUP flag set."""
    return bytes((packet[0] | DUPLICATE_FLAG,)) + packet[1:]


def pubrel(packet_id: int) -> bytes:
    """Returns the PUBREL of a QoS 2 handshake."""
    return b"\x62\x02" + _UINT16.pack(packet_id)


def read_acknowledgements(buffer: bytes) -> tuple[list[tuple[int, int, int]], list[tuple[int, bytes]], int]:
    """Reads all whole packets of a buffer, in one loop.

    Returns:
        The acknowledgements `(packet type, packet id, reason code)`, the other packets `(first byte, body)`, and the
        number of bytes that were read. Within each list the order is that of arrival.

    Raises:
        WireError: A length that MQTT does not have, or an acknowledgement without a packet id.
    """
    acknowledgements: list[tuple[int, int, int]] = []
    others: list[tuple[int, bytes]] = []
    position, end = 0, len(buffer)
    while end - position >= 2:
        first = buffer[position]
        length = buffer[position + 1]
        body = position + 2
        if length & 0x80:
            length &= 0x7F
            shift = 7
            while True:
                if shift > 21:
                    raise WireError("a length of more than four bytes")
                if body >= end:
                    return acknowledgements, others, position
                digit = buffer[body]
                body += 1
                length |= (digit & 0x7F) << shift
                if not digit & 0x80:
                    break
                shift += 7
        if body + length > end:
            break
        kind = first >> 4
        if PacketType.PUBACK <= kind <= PacketType.PUBCOMP:
            if length < 2:
                raise WireError("an acknowledgement without a packet id")
            packet_id = buffer[body] << 8 | buffer[body + 1]
            acknowledgements.append((kind, packet_id, buffer[body + 2] if length > 2 else 0))
        else:
            others.append((first, buffer[body : body + length]))
        position = body + length
    return acknowledgements, others, position


def read_connack(body: bytes, protocol: Protocol) -> Connected:
    """Reads the body of a CONNACK.

    Raises:
        WireError: It is cut short or has a property that MQTT 5 does not know.
    """
    try:
        session_present, reason_code = bool(body[0] & 1), body[1]
        if protocol is Protocol.V3_1_1 or len(body) == 2:
            return Connected(session_present, reason_code)
        properties = _read_properties(body, 2)
    except (IndexError, struct.error) as error:
        raise WireError("a CONNACK that is cut short") from error
    return Connected(
        session_present,
        reason_code,
        receive_maximum=properties.get(_RECEIVE_MAXIMUM, 65535),
        maximum_packet_size=properties.get(_MAXIMUM_PACKET_SIZE, 0),
        maximum_qos=properties.get(_MAXIMUM_QOS, 2),
        keep_alive_seconds=properties.get(_SERVER_KEEP_ALIVE),
    )


def _read_properties(body: bytes, position: int) -> dict[int, int]:
    """Returns the properties that are numbers, by identifier; skips the others."""
    length = shift = 0
    while True:
        digit = body[position]
        position += 1
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            break
    end = position + length
    found: dict[int, int] = {}
    while position < end:
        identifier = body[position]
        position += 1
        if (size := _FIXED_SIZES.get(identifier)) is not None:
            found[identifier] = int.from_bytes(body[position : position + size])
            position += size
        elif identifier in _STRINGS or identifier == _USER_PROPERTY:
            for _ in range(2 if identifier == _USER_PROPERTY else 1):
                position += 2 + int(_UINT16.unpack_from(body, position)[0])
        else:
            raise WireError(f"unknown property {identifier:#04x}")
    return found
