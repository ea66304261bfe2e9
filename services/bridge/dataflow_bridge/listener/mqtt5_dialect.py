"""MQTT 5: control packets through the Rust codec, after a walk over all strings, which the codec does not survive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import mqtt5
from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    DisconnectPacket,
    DisconnectReasonCode,
    PubAckPacket,
    PubAckReasonCode,
    PubCompPacket,
    PubCompReasonCode,
    PublishPacket,
    PubRecPacket,
    PubRecReasonCode,
    QoS,
    SubAckPacket,
    SubAckReasonCode,
    SubscribePacket,
    UnsubAckPacket,
    UnsubAckReasonCode,
    UnsubscribePacket,
)

from dataflow_bridge.listener import wire
from dataflow_bridge.listener.mqtt311 import check_connect_flags, read_packet_id
from dataflow_bridge.listener.properties import read_properties
from dataflow_bridge.listener.reason import Reason
from dataflow_bridge.listener.violation import malformed, protocol_error

if TYPE_CHECKING:
    from dataflow_bridge.listener.dialect import ClientPacket, Version, Welcome

_MAX_REASON_BYTES: Final = 200


class Mqtt5:
    """The dialect of MQTT 5 for one connection: it knows what the client can take."""

    __slots__ = ("max_packet_bytes", "reason_strings")

    version: Version = "5"

    def __init__(self) -> None:
        """Assume the protocol's defaults until CONNECT was read."""
        self.max_packet_bytes = 268_435_460
        self.reason_strings = True

    def read(self, packet: bytes) -> ClientPacket:
        """Read one whole control packet that is not a PUBLISH.

        Raises:
            Violation: Malformed, or nothing that a client may send.
        """
        _check_strings(packet)
        try:
            read, _ = mqtt5.read(memoryview(packet))
        except (ValueError, IndexError) as error:
            raise malformed(str(error)) from error
        except BaseException as error:
            if type(error).__name__ == "PanicException":
                text = "packet is not readable"
                raise malformed(text) from error
            raise
        match read:
            case SubscribePacket() if not read.topic_filters:
                text = "SUBSCRIBE without a topic filter"
                raise protocol_error(text)
            case UnsubscribePacket() if not read.patterns:
                text = "UNSUBSCRIBE without a topic filter"
                raise protocol_error(text)
            case (
                mqtt5.ConnAckPacket()
                | mqtt5.PublishPacket()
                | mqtt5.SubAckPacket()
                | mqtt5.UnsubAckPacket()
                | mqtt5.PingRespPacket()
            ):
                text = f"a client does not send {type(read).__name__}"
                raise protocol_error(text)
            case _:
                return read

    def note_connect(self, packet: mqtt5.ConnectPacket) -> None:
        """Keep what the client says about the packets that it takes."""
        self.max_packet_bytes = packet.max_packet_size or self.max_packet_bytes
        self.reason_strings = packet.request_problem_info

    def welcome(self, welcome: Welcome) -> bytes:
        """Write a CONNACK that accepts."""
        return ConnAckPacket(
            session_present=welcome.session_present,
            session_expiry_interval=welcome.session_expiry_seconds,
            assigned_client_id=welcome.assigned_client_id,
            server_keep_alive=welcome.server_keep_alive_seconds,
            receive_max=welcome.receive_maximum,
            topic_alias_max=welcome.topic_alias_maximum,
            max_packet_size=welcome.max_packet_bytes,
            subscription_id_available=False,
            shared_subscription_available=False,
        ).write()

    def refuse(self, code: Reason, text: str) -> bytes:
        """Write a CONNACK that refuses."""
        return self._fitting(
            ConnAckPacket(reason_code=ConnAckReasonCode(code), reason_str=_cut(text)).write(),
            ConnAckPacket(reason_code=ConnAckReasonCode(code)).write(),
        )

    def puback(self, packet_id: int, code: Reason, text: str) -> bytes:
        """Write a PUBACK with a failure code."""
        short = PubAckPacket(packet_id, reason_code=PubAckReasonCode(code)).write()
        if not self.reason_strings:
            return short
        return self._fitting(
            PubAckPacket(packet_id, reason_code=PubAckReasonCode(code), reason_str=_cut(text)).write(), short
        )

    def pubrec(self, packet_id: int, code: Reason, text: str) -> bytes:
        """Write a PUBREC with a failure code."""
        same = PubRecReasonCode(code)
        short = PubRecPacket(packet_id, reason_code=same).write()
        if not self.reason_strings:
            return short
        return self._fitting(PubRecPacket(packet_id, reason_code=same, reason_str=_cut(text)).write(), short)

    def pubcomp(self, packet_id: int, code: Reason) -> bytes:
        """Write a PUBCOMP."""
        return PubCompPacket(packet_id, reason_code=PubCompReasonCode(code)).write()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        packet_id: int,
        duplicate: bool,
        retain: bool,
        expiry_seconds: int | None,
    ) -> bytes:
        """Write a PUBLISH with a JSON payload."""
        return PublishPacket(
            topic,
            payload,
            qos=QoS.AT_LEAST_ONCE if qos else QoS.AT_MOST_ONCE,
            packet_id=packet_id or None,
            duplicate=duplicate,
            retain=retain,
            payload_format_indicator=1,
            message_expiry_interval=expiry_seconds,
            content_type="application/json",
        ).write()

    def suback(self, packet_id: int, codes: list[Reason]) -> bytes:
        """Write a SUBACK."""
        return SubAckPacket(packet_id, [SubAckReasonCode(code) for code in codes]).write()

    def unsuback(self, packet_id: int, codes: list[Reason]) -> bytes:
        """Write an UNSUBACK."""
        return UnsubAckPacket(packet_id, [UnsubAckReasonCode(code) for code in codes]).write()

    def disconnect(self, code: Reason, text: str) -> bytes:
        """Write a DISCONNECT."""
        return self._fitting(
            DisconnectPacket(reason_code=DisconnectReasonCode(code), reason_str=_cut(text)).write(),
            DisconnectPacket(reason_code=DisconnectReasonCode(code)).write(),
        )

    def _fitting(self, long: bytes, short: bytes) -> bytes:
        """Leave the reason string out where it would make the packet too large for the client [MQTT-3.1.2-24]."""
        if len(long) <= self.max_packet_bytes:
            return long
        return short if len(short) <= self.max_packet_bytes else b""


def _cut(text: str) -> str:
    """Bound a reason string."""
    return text[:_MAX_REASON_BYTES]


def _check_strings(packet: bytes) -> None:
    """Walk all strings of a packet; what else is wrong with it the codec finds.

    Raises:
        Violation: A string is not UTF-8 or holds NUL; or a rule is broken that the codec does not check.
    """
    kind = packet[0] >> 4
    end = len(packet)
    size = wire.read_size(packet, 1, end)
    at = size[1] if size else end
    match kind:
        case wire.CONNECT:
            _check_connect(packet, at, end)
        case wire.SUBSCRIBE | wire.UNSUBSCRIBE:
            _, at = read_packet_id(packet, at, end)
            _, _, at = read_properties(packet, at, end)
            while at < end:
                _, at = wire.read_string(packet, at, end)
                at += kind == wire.SUBSCRIBE
        case wire.PUBACK | wire.PUBREC | wire.PUBREL | wire.PUBCOMP:
            _, at = read_packet_id(packet, at, end)
            if at + 1 < end:
                read_properties(packet, at + 1, end)
        case wire.DISCONNECT | wire.AUTH:
            if at + 1 < end:
                read_properties(packet, at + 1, end)
        case wire.PINGREQ:
            pass
        case 0:
            text = "packet type 0 is forbidden"
            raise malformed(text)
        case _:
            text = f"a client does not send packets of type {kind}"
            raise protocol_error(text)


def _check_connect(packet: bytes, at: int, end: int) -> None:
    """Walk the strings of a CONNECT."""
    _, at = wire.read_binary(packet, at, end)
    if at + 4 > end:
        text = "CONNECT is cut"
        raise malformed(text)
    flags = packet[at + 1]
    check_connect_flags(flags)
    _, _, at = read_properties(packet, at + 4, end)
    _, at = wire.read_string(packet, at, end)
    if flags & 0x04:
        _, _, at = read_properties(packet, at, end)
        _, at = wire.read_string(packet, at, end)
        _, at = wire.read_binary(packet, at, end)
    if flags & 0x80:
        wire.read_string(packet, at, end)
