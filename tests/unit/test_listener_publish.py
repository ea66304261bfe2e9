"""PUBLISH: what is handed over, in which order it is acknowledged, and what is refused."""

from __future__ import annotations

import asyncio

import pytest
from dataflow_bridge.listener.settings import DeviceLimits, ListenerSettings
from dataflow_bridge.listener.testing import ClosedError, Served, connect311, packet, publish311, serve
from mqtt5 import (
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    PubAckPacket,
    PubCompPacket,
    PublishPacket,
    PubRecPacket,
    PubRelPacket,
    QoS,
)

CONNECT5 = ConnectPacket("c", clean_start=True).write()


def publish5(
    topic: str, payload: bytes = b"x", *, qos: int = 1, packet_id: int = 1, user: list[tuple[str, str]] | None = None
) -> bytes:
    """Return a PUBLISH of MQTT 5."""
    return PublishPacket(
        topic, payload, qos=QoS(qos), packet_id=packet_id if qos else None, user_properties=user
    ).write()


async def ended_with(served: Served, *packets: bytes) -> DisconnectReasonCode:
    """Return the code with which the listener ends a connection of MQTT 5."""
    client, _ = await served.connected(CONNECT5)
    client.send(*packets)
    last = await client.receive5()
    assert isinstance(last, DisconnectPacket), last
    assert last.reason_str
    await client.close()
    return last.reason_code


async def test_hands_over_topic_payload_and_marks() -> None:
    """Everything that a contract may need arrives as it was sent."""
    async with serve() as served:
        client, _ = await served.connected(CONNECT5)
        client.send(
            PublishPacket(
                "a/ä",
                b"1",
                qos=QoS.AT_LEAST_ONCE,
                packet_id=7,
                duplicate=True,
                content_type="application/json",
                user_properties=[("other", "no"), ("message-id", "m-1")],
            ).write(),
            publish5("b", b"", user=[("message-id", "m-2")]),
            publish5("c", qos=0),
        )
        first, second, third = await served.intake.wait_for(3)
        await client.close()
    assert first[:6] == ("a/ä", b"1", None, "application/json", "m-1", True)
    assert first.source == "mqtt"
    assert abs(first.receive_time_us - second.receive_time_us) < 60_000_000
    assert second[:6] == ("b", b"", None, None, "m-2", False)
    assert third[:6] == ("c", b"x", None, None, None, False)
    assert third.ack is None


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_acknowledges_only_when_durable(version: str) -> None:
    """PUBACK and PUBREC come after the batch, together, in the order of PUBLISH."""
    connect = connect311() if version == "3.1.1" else CONNECT5
    made = publish311 if version == "3.1.1" else publish5
    async with serve(hold=True) as served:
        client, _ = await served.connected(connect)
        client.send(*(made("t", b"x", qos=1 + number % 2, packet_id=number) for number in (1, 2, 3, 4)), b"\xc0\x00")
        assert await client.receive() == b"\xd0\x00", "nothing but the answer to PING before the batch"
        served.intake.acknowledge()
        answers = [await client.receive() for _ in range(4)]
        await client.close()
    assert answers == [bytes((0x40 if n % 2 == 0 else 0x50, 2, 0, n)) for n in (1, 2, 3, 4)]


async def test_closes_without_acknowledgement_when_a_batch_fails() -> None:
    """What could not be made durable stays with the client."""
    async with serve(hold=True) as served:
        client, _ = await served.connected(connect311())
        client.send(publish311("t", qos=1))
        await served.intake.wait_for(1)
        served.intake.fail()
        assert await client.wait_closed() == b""
        await client.close()


async def test_refuses_in_the_order_of_publish() -> None:
    """A PUBACK that refuses waits for the PUBACKs of what came before."""
    async with serve(hold=True) as served:
        client, _ = await served.connected(CONNECT5)
        client.send(publish5("a", packet_id=1), publish5("$dataflow/x", packet_id=2), publish5("b", packet_id=3))
        await served.intake.wait_for(2)
        served.intake.acknowledge(1)
        answers = [await client.receive5(), await client.receive5()]
        served.intake.acknowledge()
        answers.append(await client.receive5())
        client.send(publish5("$x", qos=2, packet_id=4))
        last = await client.receive5()
        await client.close()
    assert all(isinstance(answer, PubAckPacket) for answer in answers)
    assert [(a.packet_id, a.reason_code.value) for a in answers if isinstance(a, PubAckPacket)] == [
        (1, 0),
        (2, 0x90),
        (3, 0),
    ]
    assert isinstance(last, PubRecPacket)
    assert last.reason_code.value == 0x90


@pytest.mark.parametrize(
    ("publish", "code"),
    [
        (publish5("t" * 1025), 0x90),
        (publish5("$SYS/x"), 0x90),
        (PublishPacket("t", b"\xff", qos=QoS.AT_LEAST_ONCE, packet_id=1, payload_format_indicator=1).write(), 0x99),
        (publish5("t", b"123456"), 0x97),
        (publish5("t", user=[("message-id", "m" * 256)]), 0x83),
        (PublishPacket("t", b"", qos=QoS.AT_LEAST_ONCE, packet_id=1, content_type="c" * 256).write(), 0x83),
    ],
    ids=["long topic", "reserved topic", "payload format", "payload size", "message id", "content type"],
)
async def test_refuses_for_good_what_can_never_be_taken(publish: bytes, code: int) -> None:
    """What is final is refused by PUBACK with a reason; QoS 0 and MQTT 3.1.1 have no such word and end."""
    settings = ListenerSettings(listen="127.0.0.1:0", device_limits=DeviceLimits(payload_bytes=5))
    async with serve(settings) as served:
        client, _ = await served.connected(CONNECT5)
        client.send(publish)
        answer = await client.receive5()
        assert isinstance(answer, PubAckPacket)
        assert answer.reason_code.value == code
        assert answer.reason_str
        await client.close()
        assert served.intake.published == []


async def test_gives_no_reason_string_to_who_does_not_want_it() -> None:
    """Request Problem Information 0 leaves the string of PUBACK out."""
    async with serve() as served:
        client, _ = await served.connected(ConnectPacket("c", request_problem_info=False).write())
        client.send(publish5("$x"))
        answer = await client.receive5()
        await client.close()
    assert isinstance(answer, PubAckPacket)
    assert answer.reason_str is None


async def test_keeps_answers_below_the_maximum_packet_size_of_the_client() -> None:
    """A reason string that makes the packet too large is left out."""
    async with serve() as served:
        client, _ = await served.connected(ConnectPacket("c", max_packet_size=30).write())
        client.send(publish5("$x"))
        answer = await client.receive()
        await client.close()
    assert len(answer) <= 30


@pytest.mark.parametrize(
    "publish", [publish311("$x", qos=1), publish311("$dataflow/device_connection"), publish311("")]
)
async def test_ends_311_where_it_can_not_refuse(publish: bytes) -> None:
    """MQTT 3.1.1 has no refusing PUBACK: a wrong one would be a lie, so the connection ends."""
    async with serve() as served:
        client, _ = await served.connected(connect311())
        client.send(publish)
        assert await client.wait_closed() == b""
        await client.close()
        assert served.intake.published == []


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x36\x06\x00\x01a\x00\x01\x00", 0x81),
        (b"\x38\x04\x00\x01a\x00", 0x81),
        (b"\x32\x06\x00\x01a\x00\x00\x00", 0x82),
        (b"\x32\x06\x00\x01#\x00\x01\x00", 0x90),
        (b"\x32\x06\x00\x01+\x00\x01\x00", 0x90),
        (b"\x32\x06\x00\x01\x00\x00\x01\x00", 0x81),
        (b"\x32\x06\x00\x01\xff\x00\x01\x00", 0x81),
        (b"\x32\x08\x00\x03\xed\xa0\x80\x00\x01\x00", 0x81),
        (b"\x32\x05\x00\x00\x00\x01\x00", 0x90),
        (b"\x32\x06\x00\x09a\x00\x01\x00", 0x81),
        (b"\x32\x04\x00\x01a\x00", 0x81),
        (b"\x32\x07\x00\x01a\x00\x01\x05\x01", 0x81),
        (b"\x32\x08\x00\x01a\x00\x01\x02\x0b\x01", 0x82),
        (b"\x32\x08\x00\x01a\x00\x01\x02\x01\x02", 0x82),
        (b"\x32\x0a\x00\x01a\x00\x01\x04\x01\x01\x01\x01", 0x82),
        (b"\x32\x09\x00\x01a\x00\x01\x03\x23\x00\x00", 0x94),
        (b"\x32\x09\x00\x01a\x00\x01\x03\x23\x00\x11", 0x94),
        (b"\x32\x08\x00\x00\x00\x01\x03\x23\x00\x01", 0x82),
        (b"\x32\x0b\x00\x01a\x00\x01\x05\x08\x00\x02a#", 0x82),
        (b"\x32\x0d\x00\x01a\x00\x01\x07\x26\x00\x01\xff\x00\x01a", 0x81),
        (b"\x32\xff\xff\xff\x7f\x00", 0x95),
        (b"\x32\x80\x80\x80\x80\x01", 0x81),
        (b"\x32\x80\x00", 0x81),
        (b"\x00\x00", 0x81),
        (b"\x20\x03\x00\x00\x00", 0x82),
        (b"\xd0\x00", 0x82),
        (b"\xc1\x00", 0x81),
        (b"\xc0\x01\x00", 0x81),
        (b"\xf0\x02\x18\x00", 0x82),
        (b"\x40\x02\x00\x01", 0x82),
        (b"\x60\x02\x00\x01", 0x81),
        (CONNECT5, 0x82),
        (b"\x82\x05\x00\x00\x00\x01a", 0x82),
        (b"\x82\x03\x00\x01\x00", 0x82),
        (b"\x82\x07\x00\x01\x00\x00\x01\xff\x00", 0x81),
        (b"\x82\x09\x00\x01\x02\x0b\x01\x00\x01a\x00", 0xA1),
        (b"\xa2\x03\x00\x01\x00", 0x82),
        (b"\xe0\x07\x00\x05\x11\x00\x00\x00\x09", 0x82),
        (b"\xe0\x01\x05", 0x81),
    ],
)
async def test_tells_what_was_wrong(sent: bytes, code: int) -> None:
    """Each broken rule ends the connection with its reason code."""
    async with serve() as served:
        assert (await ended_with(served, sent)).value == code
        assert served.intake.published == []


@pytest.mark.parametrize(
    "sent",
    [
        b"\x36\x05\x00\x01a\x00\x01",
        b"\x32\x05\x00\x01a\x00\x00",
        b"\x32\x05\x00\x01#\x00\x01",
        b"\x30\x02\x00\x00",
        b"\x30\x01\x00",
        b"\x30\x00",
        b"\x80\x06\x00\x01\x00\x01a\x00",
        b"\x82\x06\x00\x01\x00\x01a\x03",
        b"\x82\x02\x00\x01",
        b"\xe0\x01\x00",
        b"\xf0\x00",
        b"\x62\x03\x00\x01\x00",
        b"\x60\x02\x00\x01",
        connect311(),
    ],
)
async def test_ends_311_on_broken_rules(sent: bytes) -> None:
    """MQTT 3.1.1 has no reasons: the connection just ends."""
    async with serve() as served:
        client, _ = await served.connected(connect311())
        client.send(sent)
        assert await client.wait_closed() == b""
        await client.close()
        assert served.intake.published == []


async def test_uses_topic_aliases() -> None:
    """An alias stands for the topic last set, on its connection only."""
    async with serve() as served:
        client, _ = await served.connected(CONNECT5)
        client.send(
            PublishPacket("one", b"1", topic_alias=1).write(),
            PublishPacket("", b"2", topic_alias=1).write(),
            PublishPacket("two", b"3", topic_alias=1).write(),
            PublishPacket("", b"4", topic_alias=1).write(),
        )
        messages = await served.intake.wait_for(4)
        await client.close()
        assert [message.topic for message in messages] == ["one", "one", "two", "two"]
        assert (await ended_with(served, PublishPacket("", b"", topic_alias=1).write())).value == 0x82


async def test_enforces_the_receive_maximum() -> None:
    """One unacknowledged message too many ends the connection; acknowledged ones do not count."""
    settings = ListenerSettings(listen="127.0.0.1:0", receive_maximum=2)
    async with serve(settings, hold=True) as served:
        client, _ = await served.connected(CONNECT5)
        client.send(publish5("t", packet_id=1), publish5("t", packet_id=2, qos=2))
        await served.intake.wait_for(2)
        served.intake.acknowledge()
        assert isinstance(await client.receive5(), PubAckPacket)
        assert isinstance(await client.receive5(), PubRecPacket)
        client.send(publish5("t", packet_id=3))
        await served.intake.wait_for(3)
        client.send(publish5("t", packet_id=4))
        last = await client.receive5()
        await client.close()
    assert isinstance(last, DisconnectPacket)
    assert last.reason_code.value == 0x93


async def test_completes_the_handshake_of_qos_2() -> None:
    """PUBREC after durable, PUBCOMP after PUBREL; a resend in between is answered and not handed over again."""
    async with serve(hold=True) as served:
        client, _ = await served.connected(CONNECT5)
        client.send(publish5("t", qos=2, packet_id=9), publish5("t", qos=2, packet_id=9))
        await served.intake.wait_for(1)
        served.intake.acknowledge()
        assert isinstance(await client.receive5(), PubRecPacket)
        client.send(publish5("t", qos=2, packet_id=9))
        assert isinstance(await client.receive5(), PubRecPacket)
        client.send(PubRelPacket(9).write(), PubRelPacket(9).write())
        first, again = await client.receive5(), await client.receive5()
        client.send(publish5("t", qos=2, packet_id=9))
        await served.intake.wait_for(2)
        await client.close()
    assert isinstance(first, PubCompPacket)
    assert isinstance(again, PubCompPacket)
    assert (first.reason_code.value, again.reason_code.value) == (0, 0x92)
    assert len(served.intake.published) == 2


async def test_releases_only_what_was_recorded() -> None:
    """PUBREL before PUBREC is a protocol error."""
    async with serve(hold=True) as served:
        sent = (publish5("t", qos=2, packet_id=9), PubRelPacket(9).write())
        assert (await ended_with(served, *sent)).value == 0x82


async def test_takes_a_packet_of_the_maximum_size_and_not_one_byte_more() -> None:
    """1 MiB of payload fits; what is longer than announced ends the connection."""
    async with serve() as served:
        client, _ = await served.connected(CONNECT5)
        payload = b"x" * (1 << 20)
        client.send(publish5("t", payload))
        assert (await served.intake.wait_for(1))[0].payload == payload
        assert isinstance(await client.receive5(), PubAckPacket)
        limit = ListenerSettings().max_packet_bytes
        client.send(packet(0x32, b"\x00\x01t\x00\x01\x00" + b"x" * (limit - 4 - 6)))
        await served.intake.wait_for(2)
        assert isinstance(await client.receive5(), PubAckPacket)
        client.send(packet(0x32, b"\x00\x01t\x00\x01\x00" + b"x" * (limit - 4 - 5)))
        last = await client.receive5()
        assert isinstance(last, DisconnectPacket)
        assert last.reason_code == DisconnectReasonCode.PACKET_TOO_LARGE
        await client.close()
        assert served.budget.held_bytes == 0


async def test_reads_packets_however_they_are_cut() -> None:
    """Segments of one byte and of many packets give the same messages."""
    stream = b"".join(publish5(f"t/{n}", bytes(n), qos=n % 3, packet_id=n + 1) for n in range(0, 200, 7))
    async with serve() as served:
        for step in (1, 2, 3, 127, 128, len(stream)):
            served.intake.submitted.clear()
            client, _ = await served.connected(CONNECT5)
            for start in range(0, len(stream), step):
                client.send(stream[start : start + step])
                await asyncio.sleep(0)
            messages = await served.intake.wait_for(29)
            assert [(m.topic, len(m.payload)) for m in messages] == [(f"t/{n}", n) for n in range(0, 200, 7)]
            await client.close()


async def test_counts_what_it_takes() -> None:
    """Counters tell messages by QoS, and the budget is whole again at the end."""
    async with serve() as served:
        client, _ = await served.connected(connect311())
        client.send(*(publish311("t", qos=n % 3, packet_id=n + 1) for n in range(9)), b"\xe0\x00")
        await client.wait_closed()
        await client.close()
        await served.intake.wait_for(2, events=True)
        counters = served.listener.counters
        assert (counters.messages_qos0, counters.messages_qos1, counters.messages_qos2) == (3, 3, 3)
        assert counters.connects_accepted == 1
        assert counters.disconnects == {"client_disconnect": 1}
    assert served.budget.taken_bytes == 0


async def test_acknowledges_what_is_ready_when_the_client_has_left() -> None:
    """Acknowledgements for a connection that is gone go nowhere."""
    async with serve(hold=True) as served:
        client, _ = await served.connected(connect311())
        client.send(publish311("t", qos=1), publish311("t", qos=2, packet_id=2), b"\xe0\x00")
        with pytest.raises(ClosedError):
            await client.receive()
        served.intake.acknowledge()
        await client.close()
        assert served.budget.taken_bytes == 0


async def test_bounds_answers_that_wait_for_others() -> None:
    """Refused messages behind an unacknowledged one are bounded by the Receive Maximum, too."""
    settings = ListenerSettings(listen="127.0.0.1:0", receive_maximum=3)
    async with serve(settings, hold=True) as served:
        refused = [publish5("$x", packet_id=n) for n in range(2, 6)]
        assert (await ended_with(served, publish5("t"), *refused)).value == 0x93
