"""MQTT packets as the simulator writes and reads them, against the mqtt5 codec and byte by byte."""

import mqtt5
import pytest
from dataflow_simulator import mqtt_wire
from dataflow_simulator.mqtt_wire import Protocol, WireError
from hypothesis import given
from hypothesis import strategies as st


def _read(packet: bytes) -> mqtt5.Packet:
    read = mqtt5.read(memoryview(packet))
    assert read is not None
    parsed, used = read
    assert used == len(packet)
    return parsed


@given(
    topic=st.text(st.characters(codec="utf-8", exclude_characters="\0#+"), min_size=1, max_size=300),
    payload=st.binary(max_size=20_000),
    qos=st.integers(1, 2),
    packet_id=st.integers(1, 65535),
)
def test_publish_5_is_what_the_codec_reads(topic: str, payload: bytes, qos: int, packet_id: int) -> None:
    """An independent codec reads back what was put in."""
    packet = mqtt_wire.publish(topic, payload, qos=qos, packet_id=packet_id, protocol=Protocol.V5, message_id="m-1")
    parsed = _read(packet)
    assert isinstance(parsed, mqtt5.PublishPacket)
    assert (parsed.topic, bytes(parsed.payload or b""), int(parsed.qos), parsed.packet_id) == (
        topic,
        payload,
        qos,
        packet_id,
    )
    assert [tuple(pair) for pair in parsed.user_properties] == [("message-id", "m-1")]


def test_publish_311_has_no_properties() -> None:
    """Topic, packet id, payload, and nothing between."""
    packet = mqtt_wire.publish("a/b", b"xyz", qos=1, packet_id=258, protocol=Protocol.V3_1_1, message_id="ignored")
    assert packet == b"\x32\x0a\x00\x03a/b\x01\x02xyz"


def test_qos_0_has_no_packet_id() -> None:
    """A message that nobody acknowledges needs no name."""
    assert mqtt_wire.publish("a", b"x", qos=0, packet_id=7, protocol=Protocol.V3_1_1) == b"\x30\x04\x00\x01ax"


def test_connect_5_is_what_the_codec_reads() -> None:
    """Client id, user, password, clean start, keep-alive and session expiry arrive."""
    parsed = _read(
        mqtt_wire.connect(
            "client",
            Protocol.V5,
            clean_start=True,
            keep_alive_seconds=17,
            session_expiry_seconds=9,
            username="u",
            password="p",
        )
    )
    assert isinstance(parsed, mqtt5.ConnectPacket)
    assert (parsed.client_id, parsed.username, parsed.clean_start, parsed.keep_alive) == ("client", "u", True, 17)
    assert parsed.password == b"p"
    assert parsed.session_expiry_interval == 9


def test_connect_311_byte_by_byte() -> None:
    """Protocol level 4, clean session, no properties."""
    packet = mqtt_wire.connect("c", Protocol.V3_1_1, clean_start=True, keep_alive_seconds=60)
    assert packet == b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c"


def test_dup_is_one_bit() -> None:
    """A resend differs from the first sending in its DUP flag only."""
    packet = mqtt_wire.publish("a", b"x", qos=1, packet_id=1, protocol=Protocol.V3_1_1)
    assert mqtt_wire.as_duplicate(packet) == b"\x3a" + packet[1:]


@given(
    st.lists(st.tuples(st.sampled_from([4, 5, 7]), st.integers(1, 65535), st.sampled_from([None, 0, 0x10, 0x97]))),
    st.data(),
)
def test_acknowledgements_survive_any_cut(packets: list[tuple[int, int, int | None]], data: st.DataObject) -> None:
    """Wherever the stream is cut, every acknowledgement is read once and in order."""
    stream = b"".join(
        bytes((kind << 4, 2 if code is None else 3)) + packet_id.to_bytes(2) + (b"" if code is None else bytes((code,)))
        for kind, packet_id, code in packets
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    read, rest = [], b""
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        buffer = rest + stream[start:end]
        acknowledgements, others, used = mqtt_wire.read_acknowledgements(buffer)
        assert others == []
        read += acknowledgements
        rest = buffer[used:]
    assert rest == b""
    assert read == [(kind, packet_id, code or 0) for kind, packet_id, code in packets]


@pytest.mark.parametrize("stream", [b"\x40\x80\x80\x80\x80\x01", b"\x40\x01\x00"])
def test_nonsense_is_named(stream: bytes) -> None:
    """A length of five bytes and a PUBACK without an id are not MQTT."""
    with pytest.raises(WireError):
        mqtt_wire.read_acknowledgements(stream)


def test_connack_5_says_its_limits() -> None:
    """Receive Maximum and the others are found among properties of every shape."""
    properties = b"\x21\x00\x0a" + b"\x12\x00\x02id" + b"\x26\x00\x01k\x00\x01v" + b"\x27\x00\x00\x10\x00" + b"\x24\x01"
    answer = mqtt_wire.read_connack(b"\x01\x00" + bytes((len(properties),)) + properties, Protocol.V5)
    assert answer.session_present
    assert (answer.receive_maximum, answer.maximum_packet_size, answer.maximum_qos) == (10, 4096, 1)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x00\x00\x05\x21\x00", b"\x00\x00\x01\x7f"])
def test_a_broken_connack_is_named(body: bytes) -> None:
    """Cut short, or with a property that nobody knows."""
    with pytest.raises(WireError):
        mqtt_wire.read_connack(body, Protocol.V5)
