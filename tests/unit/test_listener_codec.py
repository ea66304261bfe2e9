"""Reading and writing bytes: sizes, strings, names, properties, and both dialects against other implementations."""

from __future__ import annotations

import contextlib

import mqtt5
import pytest
from dataflow_bridge.listener import wire
from dataflow_bridge.listener.mqtt5_dialect import Mqtt5
from dataflow_bridge.listener.mqtt311 import NEVER_EXPIRES, Mqtt311
from dataflow_bridge.listener.properties import read_properties
from dataflow_bridge.listener.publish import PublishReader, Topics, sole_message_id
from dataflow_bridge.listener.reason import Reason
from dataflow_bridge.listener.settings import ListenerSettings
from dataflow_bridge.listener.testing import connect311
from dataflow_bridge.listener.violation import Violation
from hypothesis import given
from hypothesis import strategies as st
from mqtt5 import ConnectPacket, PubCompPacket, SubAckPacket, UnsubAckPacket, Will

SETTINGS = ListenerSettings()
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(st.integers(0, 268_435_455))
def test_sizes_come_back(value: int) -> None:
    """A variable byte integer is read as it was written."""
    raw = wire.write_size(value)
    assert wire.read_size(raw, 0, len(raw)) == (value, len(raw))
    assert wire.read_size(raw[:-1], 0, len(raw) - 1) is None


@given(st.binary(max_size=60), st.booleans())
def test_dialects_read_or_refuse_any_bytes(data: bytes, five: bool) -> None:
    """Bytes are a packet or a violation, never another error."""
    dialect = Mqtt5() if five else Mqtt311()
    with contextlib.suppress(Violation):
        dialect.read(bytes((data[0] if data else 0x10, len(data))) + data)


@given(st.binary(max_size=80), st.booleans())
def test_publish_reader_reads_or_refuses_any_bytes(data: bytes, five: bool) -> None:
    """A PUBLISH of any bytes is a message or a violation."""
    reader = PublishReader(Topics(100), SETTINGS, five=five)
    whole = bytes((0x32, len(data))) + data
    with contextlib.suppress(Violation):
        publish = reader.read(whole, 0, len(whole))
        assert publish.refused or wire.is_topic_name(publish.topic)


@given(
    topic=text.filter(lambda t: wire.is_topic_name(t) and not t.startswith("$")),
    payload=st.binary(max_size=50),
    message_id=st.none() | text.filter(bool),
    content_type=st.none() | text,
)
def test_publish_reader_agrees_with_the_codec(
    topic: str, payload: bytes, message_id: str | None, content_type: str | None
) -> None:
    """What the Rust codec writes is read by hand as it was meant; the short cut for message ids says the same."""
    raw = mqtt5.PublishPacket(
        topic,
        payload,
        qos=mqtt5.QoS.AT_LEAST_ONCE,
        packet_id=77,
        content_type=content_type,
        user_properties=[] if message_id is None else [("message-id", message_id)],
    ).write()
    reader = PublishReader(Topics(1000), SETTINGS, five=True)
    publish = reader.read(raw, 0, len(raw))
    assert publish == (topic, payload, 1, 77, False, content_type, message_id, None)
    size = wire.read_size(raw, 1, len(raw))
    assert size is not None
    at = size[1] + 2 + len(topic.encode()) + 2
    short = sole_message_id(raw, at + 1, raw[at])
    assert short is None or (short == message_id and content_type is None)
    if message_id is not None and message_id.isascii() and content_type is None and len(message_id) < 100:
        assert short == message_id


@pytest.mark.parametrize(
    ("pattern", "valid"),
    [
        ("a", True),
        ("#", True),
        ("a/#", True),
        ("+/b/+", True),
        ("a#", False),
        ("#/a", False),
        ("a+/b", False),
        ("", False),
    ],
)
def test_knows_topic_filters(pattern: str, valid: bool) -> None:
    """Wildcards fill whole levels."""
    assert wire.is_topic_filter(pattern) is valid


def test_reads_a_connect_of_311_with_everything() -> None:
    """All fields of CONNECT come through with the types of MQTT 5."""
    raw = connect311("c", clean=False, keep_alive=7, username="u", password=b"\xff", will=("w", b"bye"))
    read = Mqtt311().read(raw)
    assert isinstance(read, ConnectPacket)
    assert (read.client_id, read.username, read.password, read.keep_alive) == ("c", "u", b"\xff", 7)
    assert (read.clean_start, read.session_expiry_interval) == (False, NEVER_EXPIRES)
    assert isinstance(read.will, Will)
    assert (read.will.topic, read.will.payload) == ("w", b"bye")


def test_writes_what_the_codec_reads() -> None:
    """Answers of MQTT 5 carry their codes."""
    five = Mqtt5()
    suback, _ = mqtt5.read(memoryview(five.suback(5, [Reason.GRANTED_QOS_1, Reason.NOT_AUTHORIZED])))
    assert isinstance(suback, SubAckPacket)
    assert [code.value for code in suback.reason_codes] == [1, 0x87]
    unsuback, _ = mqtt5.read(memoryview(five.unsuback(5, [Reason.NO_SUBSCRIPTION_EXISTED])))
    assert isinstance(unsuback, UnsubAckPacket)
    pubcomp, _ = mqtt5.read(memoryview(five.pubcomp(5, Reason.PACKET_ID_NOT_FOUND)))
    assert isinstance(pubcomp, PubCompPacket)
    assert pubcomp.reason_code.value == 0x92


@pytest.mark.parametrize(
    "data", [b"\x05\x01", b"\x01\xff", b"\x01\x02", b"\x02\x27\x00", b"\x03\x03\x00\x05", b"\x01\x0b"]
)
def test_refuses_broken_properties(data: bytes) -> None:
    """Cut and unknown properties are malformed."""
    with pytest.raises(Violation):
        read_properties(data, 0, len(data))


def test_topics_are_cached_within_bounds() -> None:
    """A topic is checked once; refused ones are not kept."""
    topics = Topics(10)
    assert topics.read(b"a/b") is topics.read(b"a/b")
    assert not isinstance(topics.read(b"$x"), str)
    assert not isinstance(topics.read(b"x" * 11), str)
    assert list(topics.known) == [b"a/b"]
