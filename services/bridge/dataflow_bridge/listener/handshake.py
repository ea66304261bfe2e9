"""The first packet: which version it speaks, and whether a CONNECT is in order. Pure: no I/O, no state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataflow_bridge.listener import wire
from dataflow_bridge.listener.mqtt5_dialect import Mqtt5
from dataflow_bridge.listener.mqtt311 import Mqtt311
from dataflow_bridge.listener.reason import Reason
from dataflow_bridge.listener.seams import RefusalReason
from dataflow_bridge.listener.violation import malformed, protocol_error

if TYPE_CHECKING:
    from mqtt5 import ConnectPacket, Will

    from dataflow_bridge.listener.publish import Topics
    from dataflow_bridge.listener.settings import ListenerSettings

REFUSAL_CODES: Final = {
    RefusalReason.BAD_CREDENTIALS: Reason.BAD_USER_NAME_OR_PASSWORD,
    RefusalReason.NOT_AUTHORIZED: Reason.NOT_AUTHORIZED,
}
"""CONNACK code of each reason of an authenticator."""


class ConnectRefused(Exception):  # noqa: N818 - an answer, not a failure
    """The CONNECT is readable and refused with a CONNACK."""

    def __init__(self, code: Reason, text: str) -> None:
        """Keep the code and a text for the reason string."""
        super().__init__(text)
        self.code = code
        self.text = text


def first_packet(data: bytes, max_bytes: int) -> int:
    """Return where the first packet ends, which may be behind the data; one byte behind it while that is unknown.

    Raises:
        Violation: It is no CONNECT, or too long for one.
    """
    if data and data[0] != wire.CONNECT << 4:
        text = "the first packet is not CONNECT"
        raise protocol_error(text)
    size = wire.read_size(data, 1, len(data))
    if size is None:
        return len(data) + 1
    end = size[0] + size[1]
    if end > max_bytes:
        text = f"CONNECT is longer than {max_bytes} bytes"
        raise malformed(text)
    return end


def dialect_of(packet: bytes) -> Mqtt311 | Mqtt5:
    """Return the dialect that a CONNECT asks for.

    Raises:
        Violation: It does not name MQTT at all.
        ConnectRefused: A version that is not spoken here, with the bytes of the oldest CONNACK for it.
    """
    size = wire.read_size(packet, 1, len(packet))
    name, at = wire.read_binary(packet, size[1] if size else len(packet), len(packet))
    if name not in (b"MQTT", b"MQIsdp") or at >= len(packet):
        text = "protocol name is not MQTT"
        raise protocol_error(text)
    level = packet[at]
    if name == b"MQTT" and level == 5:
        return Mqtt5()
    if name == b"MQTT" and level == 4:
        return Mqtt311()
    text = f"protocol level {level} is not spoken here, 4 (MQTT 3.1.1) and 5 are"
    raise ConnectRefused(Reason.UNSUPPORTED_PROTOCOL_VERSION, text)


def refusal_dialect(packet: bytes) -> Mqtt311 | Mqtt5:
    """Return the dialect in which an unknown version is refused: the newer one for levels above 5."""
    size = wire.read_size(packet, 1, len(packet))
    _, at = wire.read_binary(packet, size[1] if size else len(packet), len(packet))
    return Mqtt5() if packet[at] > 5 else Mqtt311()


def check_connect(packet: ConnectPacket, settings: ListenerSettings, topics: Topics, *, five: bool) -> None:
    """Check what can be judged without knowing who the client is.

    Raises:
        ConnectRefused: With the code to answer.
    """
    if packet.authentication_method is not None:
        text = "extended authentication is not offered"
        raise ConnectRefused(Reason.BAD_AUTHENTICATION_METHOD, text)
    if not packet.client_id and not five and not packet.clean_start:
        text = "an empty client id needs Clean Session 1"
        raise ConnectRefused(Reason.CLIENT_ID_NOT_VALID, text)
    if len(packet.client_id.encode()) > settings.max_client_id_bytes:
        text = f"client id is longer than {settings.max_client_id_bytes} bytes"
        raise ConnectRefused(Reason.CLIENT_ID_NOT_VALID, text)
    if packet.will is not None:
        _check_will(packet.will, settings, topics)


def _check_will(will: Will, settings: ListenerSettings, topics: Topics) -> None:
    """Hold a Will to the rules for messages."""
    if not wire.is_topic_name(will.topic):
        text = "Will topic is empty or holds a wildcard"
        raise ConnectRefused(Reason.TOPIC_NAME_INVALID, text)
    refused = topics.refusal(will.topic, len(will.topic.encode()))
    if refused is not None:
        raise ConnectRefused(Reason.TOPIC_NAME_INVALID, f"Will: {refused.text}")
    payload = will.payload or b""
    limit = settings.device_limits.payload_bytes
    if limit is not None and len(payload) > limit:
        text = f"Will payload is larger than {limit} bytes"
        raise ConnectRefused(Reason.QUOTA_EXCEEDED, text)
    if will.payload_format_indicator == 1:
        try:
            payload.decode()
        except UnicodeDecodeError as error:
            text = "Will payload is not the UTF-8 that it says it is"
            raise ConnectRefused(Reason.PAYLOAD_FORMAT_INVALID, text) from error


def keep_alive_of(packet: ConnectPacket, settings: ListenerSettings, *, five: bool) -> int:
    """Return the keep-alive in seconds that holds for the connection; only MQTT 5 clients can be told another one."""
    longest = settings.max_keep_alive_seconds
    if five and longest and not 0 < packet.keep_alive <= longest:
        return longest
    return packet.keep_alive
