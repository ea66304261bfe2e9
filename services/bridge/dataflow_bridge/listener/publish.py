"""Reading PUBLISH packets with all their rules; the connection's loop only skips what is plainly in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dataflow_bridge.listener import wire
from dataflow_bridge.listener.properties import (
    CONTENT_TYPE,
    PAYLOAD_FORMAT,
    PUBLISH_PROPERTIES,
    RESPONSE_TOPIC,
    TOPIC_ALIAS,
    read_properties,
)
from dataflow_bridge.listener.reason import Reason
from dataflow_bridge.listener.violation import Violation, malformed, protocol_error

if TYPE_CHECKING:
    from dataflow_bridge.listener.settings import ListenerSettings

MESSAGE_ID_PROPERTY: Final = "message-id"
"""The user property that carries the sender's own id."""
MAX_LABEL_BYTES: Final = 255
"""The longest message id and content type: they are held in memory beside what the budget counts."""
MAX_CACHED_TOPICS: Final = 50_000
ACKNOWLEDGEMENT_END: Final = "/ack"
"""How topics end on which devices answer commands."""


_MESSAGE_ID_HEAD: Final = b"\x26\x00\x0amessage-id"


def sole_message_id(data: bytes, start: int, size: int) -> str | None:
    """Return the message id when a property block of `size` bytes at `start` is that and nothing else, in ASCII.

    None means that the block has to be read with all rules.
    """
    if size < 128 and data.startswith(_MESSAGE_ID_HEAD, start):
        raw = data[start + 15 : start + size]
        if raw and data[start + 13] << 8 | data[start + 14] == len(raw) and raw.isascii() and 0 not in raw:
            return raw.decode("ascii")
    return None


class Refused(NamedTuple):
    """Why a message is refused for good."""

    code: Reason
    text: str


class Publish(NamedTuple):
    """One PUBLISH, read."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int
    duplicate: bool
    content_type: str | None
    message_id: str | None
    refused: Refused | None


class Topics:
    """Topic names that were found in order, by their bytes: most messages repeat one."""

    __slots__ = ("_max_bytes", "known")

    def __init__(self, max_bytes: int) -> None:
        """Start empty."""
        self.known: dict[bytes, str] = {}
        """For the connections' loops: `known.get(raw)`."""
        self._max_bytes = max_bytes

    def read(self, raw: bytes) -> str | Refused:
        """Return the topic, or why nothing may be published on it.

        Raises:
            Violation: Not a string, or with wildcards [MQTT-3.3.2-2].
        """
        topic = self.known.get(raw)
        if topic is not None:
            return topic
        topic = wire.text_of(raw)
        if not wire.is_topic_name(topic):
            text = "topic name is empty or holds a wildcard"
            raise Violation(Reason.TOPIC_NAME_INVALID, text)
        refused = self.refusal(topic, len(raw))
        if refused is not None:
            return refused
        if topic.endswith(ACKNOWLEDGEMENT_END):
            return topic  # used once, and looked at when it comes: it must not take the short way
        if len(self.known) >= MAX_CACHED_TOPICS:
            self.known.clear()
        self.known[raw] = topic
        return topic

    def refusal(self, topic: str, size: int) -> Refused | None:
        """Return why nothing may be published on this topic name of `size` bytes, if so."""
        if topic.startswith("$"):
            return Refused(Reason.TOPIC_NAME_INVALID, "topics that begin with $ belong to the server")
        if size > self._max_bytes:
            return Refused(Reason.TOPIC_NAME_INVALID, f"topic is longer than {self._max_bytes} bytes")
        return None


class PublishReader:
    """Reads the PUBLISH packets of one connection; keeps its topic aliases."""

    __slots__ = ("_alias_maximum", "_aliases", "_five", "_max_payload_bytes", "_topics")

    def __init__(self, topics: Topics, settings: ListenerSettings, *, five: bool) -> None:
        """Start without aliases."""
        self._topics = topics
        self._five = five
        self._alias_maximum = settings.topic_alias_maximum
        self._max_payload_bytes = settings.device_limits.payload_bytes
        self._aliases: dict[int, str | Refused] = {}

    def read(self, data: bytes, start: int, end: int) -> Publish:
        """Read the packet whose fixed header is `data[start]` up to `end`.

        Raises:
            Violation: Malformed, or against the protocol.
        """
        head = data[start]
        qos = head >> 1 & 3
        if qos == 3 or (head & 0x08 and not qos):
            text = "PUBLISH with QoS 3, or with DUP and QoS 0"
            raise malformed(text)
        size = wire.read_size(data, start + 1, end)
        raw, at = wire.read_binary(data, size[1] if size else end, end)
        packet_id = 0
        if qos:
            packet_id, at = wire.read_u16(data, at, end)
            if not packet_id:
                text = "PUBLISH with packet identifier zero"
                raise protocol_error(text)
        refused: Refused | None = None
        content_type = message_id = None
        checked = False
        if self._five:
            values, pairs, at = read_properties(data, at, end, PUBLISH_PROPERTIES)
            topic = self._topic(raw, values.get(TOPIC_ALIAS))
            if values or pairs:
                content_type, message_id, refused = _labels(values, pairs)
                checked = values.get(PAYLOAD_FORMAT) == 1
        else:
            topic = self._topics.read(raw)
        payload = data[at:end]
        if isinstance(topic, Refused):
            refused, topic = topic, ""
        if refused is None:
            refused = self._payload_refusal(payload, text=checked)
        return Publish(topic, payload, qos, packet_id, bool(head & 0x08), content_type, message_id, refused)

    def _topic(self, raw: bytes, alias: int | str | bytes | None) -> str | Refused:
        """Return the topic of a PUBLISH, setting or using its alias."""
        if alias is None:
            return self._topics.read(raw)
        if not isinstance(alias, int) or not 0 < alias <= self._alias_maximum:
            text = f"topic alias is not between 1 and {self._alias_maximum}"
            raise Violation(Reason.TOPIC_ALIAS_INVALID, text)
        if raw:
            topic = self._topics.read(raw)
            self._aliases[alias] = topic
            return topic
        known = self._aliases.get(alias)
        if known is None:
            text = "topic alias was not set on this connection"
            raise protocol_error(text)
        return known

    def _payload_refusal(self, payload: bytes, *, text: bool) -> Refused | None:
        """Return why the payload is refused for good, if so."""
        if self._max_payload_bytes is not None and len(payload) > self._max_payload_bytes:
            problem = f"payload is larger than {self._max_payload_bytes} bytes"
            return Refused(Reason.QUOTA_EXCEEDED, problem)
        if text:
            try:
                payload.decode()
            except UnicodeDecodeError:
                return Refused(Reason.PAYLOAD_FORMAT_INVALID, "payload is not the UTF-8 that it says it is")
        return None


def _labels(
    values: dict[int, int | str | bytes], pairs: list[tuple[str, str]]
) -> tuple[str | None, str | None, Refused | None]:
    """Return content type, message id and why they are refused, if so."""
    content_type = values.get(CONTENT_TYPE)
    message_id = None
    for name, value in pairs:
        if name == MESSAGE_ID_PROPERTY:
            message_id = value
            break
    if values:
        if values.get(PAYLOAD_FORMAT, 0) not in (0, 1):
            text = "payload format indicator is neither 0 nor 1"
            raise protocol_error(text)
        response_topic = values.get(RESPONSE_TOPIC)
        if response_topic is not None and not wire.is_topic_name(str(response_topic)):
            text = "response topic is empty or holds a wildcard"
            raise protocol_error(text)
    refused = None
    if message_id is not None and len(message_id.encode()) > MAX_LABEL_BYTES:
        refused = Refused(Reason.IMPLEMENTATION_SPECIFIC_ERROR, "message-id is longer than 255 bytes")
    elif content_type is not None and len(str(content_type).encode()) > MAX_LABEL_BYTES:
        refused = Refused(Reason.IMPLEMENTATION_SPECIFIC_ERROR, "content type is longer than 255 bytes")
    return None if content_type is None else str(content_type), message_id or None, refused


def count_qos0(data: bytes) -> int:
    """Count the whole QoS 0 messages in bytes that begin with a packet."""
    at = count = 0
    while at < len(data):
        try:
            size = wire.read_size(data, at + 1, len(data))
        except Violation:
            break
        if size is None or size[0] + size[1] > len(data):
            break
        count += data[at] >> 4 == wire.PUBLISH and not data[at] & 6
        at = size[0] + size[1]
    return count
