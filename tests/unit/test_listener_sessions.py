"""Sessions, take-over and Last Will, as clients see them."""

from __future__ import annotations

import json

import mqtt5
from dataflow_bridge.listener.testing import (
    ByteClient,
    ManualClock,
    Served,
    connect311,
    packet,
    publish311,
    serve,
    token_authenticator,
    until,
)
from dataflow_bridge.sessions.memory import Session, Sessions
from dataflow_bridge.sessions.store import Claim, StoredWill
from mqtt5 import (
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    PublishPacket,
    QoS,
    SubAckPacket,
    UnsubAckPacket,
    Will,
)

TOKENS = token_authenticator({"t1": ("one", "OPERATOR"), "t2": ("two", "OPERATOR")})


async def connected5(served: Served, packet: ConnectPacket) -> tuple[ByteClient, bool]:
    """Connect and return the client and Session Present."""
    client, answer = await served.connected(packet.write())
    connack, _ = mqtt5.read(memoryview(answer))
    assert isinstance(connack, ConnAckPacket)
    assert connack.reason_code.value == 0
    return client, connack.session_present


async def gone(served: Served, client: ByteClient) -> None:
    """Close without a word, and wait until the listener has seen it."""
    before = sum(served.listener.counters.disconnects.values())
    await client.close()
    await until(lambda: sum(served.listener.counters.disconnects.values()) > before)


def resumable(client_id: str, expiry: int = 100, **more: object) -> ConnectPacket:
    """Return a CONNECT that resumes its session."""
    return ConnectPacket(client_id, session_expiry_interval=expiry, **more)  # type: ignore[arg-type]


def subscribe5(*patterns: str) -> bytes:
    """Return a SUBSCRIBE of MQTT 5 with QoS 2; the codec would not write wrong filters."""
    return packet(0x82, b"\0\1\0" + b"".join(len(p).to_bytes(2, "big") + p.encode() + b"\2" for p in patterns))


async def test_says_truthfully_whether_a_session_was_there() -> None:
    """Session Present is 1 exactly when state was kept: not at first, not after a clean start, not after expiry."""
    clock = ManualClock()
    async with serve(clock=clock) as served:
        client, first = await connected5(served, resumable("a"))
        await gone(served, client)
        clock.advance(99)
        client, resumed = await connected5(served, resumable("a"))
        await gone(served, client)
        client, clean = await connected5(served, ConnectPacket("a", clean_start=True, session_expiry_interval=100))
        await gone(served, client)
        clock.advance(101)
        client, expired = await connected5(served, resumable("a"))
        await gone(served, client)
    assert (first, resumed, clean, expired) == (False, True, False, False)


async def test_keeps_no_session_without_expiry() -> None:
    """MQTT 5 with expiry 0 and MQTT 3.1.1 with Clean Session 1 leave nothing behind; Clean Session 0 does."""
    async with serve() as served:
        client, _ = await connected5(served, ConnectPacket("a"))
        await gone(served, client)
        assert len(served.sessions) == 0
        client, _ = await served.connected(connect311("b", clean=False))
        await gone(served, client)
        client, answer = await served.connected(connect311("b", clean=False))
        await gone(served, client)
        assert answer == b"\x20\x02\x01\x00"
        client, answer = await served.connected(connect311("b"))
        await gone(served, client)
        assert answer == b"\x20\x02\x00\x00"
        assert len(served.sessions) == 0


async def test_disconnect_may_change_the_expiry() -> None:
    """DISCONNECT with a session expiry of 0 ends the session at once."""
    async with serve() as served:
        client, _ = await connected5(served, resumable("a"))
        client.send(DisconnectPacket(session_expiry_interval=0).write())
        await client.wait_closed()
        await client.close()
        assert len(served.sessions) == 0


async def test_a_second_connection_takes_the_session_over() -> None:
    """The first connection is told 0x8E and ends; the second one has its session."""
    async with serve() as served:
        first, _ = await connected5(served, resumable("a"))
        second, present = await connected5(served, resumable("a"))
        goodbye = await first.receive5()
        await first.close()
        second.send(b"\xc0\x00")
        assert await second.receive() == b"\xd0\x00"
        await second.close()
        events = [json.loads(event.payload) for event in await served.intake.wait_for(3, events=True)]
    assert present
    assert isinstance(goodbye, DisconnectPacket)
    assert goodbye.reason_code == DisconnectReasonCode.SESSION_TAKEN_OVER
    assert [event["event"] for event in events] == ["connected", "take_over", "connected"]
    assert served.listener.counters.take_overs == 1


async def test_clients_of_other_identities_do_not_meet() -> None:
    """The same client id under another token is another session: nobody can end or read what is not his."""
    async with serve(authenticator=TOKENS) as served:
        first, _ = await connected5(served, resumable("a", password=b"t1"))
        second, present = await connected5(served, resumable("a", password=b"t2"))
        assert not present
        first.send(b"\xc0\x00")
        assert await first.receive() == b"\xd0\x00"
        await first.close()
        await second.close()


async def test_hands_a_qos_2_message_over_once_across_connections() -> None:
    """A resend on a new connection of the session waits for the same batch, and is not handed over again."""
    publish = publish311("t", b"x", qos=2, packet_id=5)
    again = publish311("t", b"x", qos=2, packet_id=5, duplicate=True)
    async with serve(hold=True) as served:
        client, _ = await served.connected(connect311("a", clean=False))
        client.send(publish)
        await served.intake.wait_for(1)
        await gone(served, client)
        client, _ = await served.connected(connect311("a", clean=False))
        client.send(again, b"\xc0\x00")
        assert await client.receive() == b"\xd0\x00", "the batch is not durable yet"
        served.intake.acknowledge()
        assert await client.receive() == b"\x50\x02\x00\x05"
        await gone(served, client)
        client, _ = await served.connected(connect311("a", clean=False))
        client.send(again)
        assert await client.receive() == b"\x50\x02\x00\x05"
        client.send(b"\x62\x02\x00\x05")
        assert await client.receive() == b"\x70\x02\x00\x05"
        await client.close()
        assert len(served.intake.published) == 1


async def test_takes_a_failed_qos_2_message_again() -> None:
    """After a batch that could not be made durable the same packet id is a new message."""
    async with serve(hold=True) as served:
        client, _ = await served.connected(connect311("a", clean=False))
        client.send(publish311("t", qos=2, packet_id=5))
        await served.intake.wait_for(1)
        served.intake.fail()
        await client.wait_closed()
        await client.close()
        client, _ = await served.connected(connect311("a", clean=False))
        client.send(publish311("t", qos=2, packet_id=5, duplicate=True))
        second = (await served.intake.wait_for(2))[1]
        await client.close()
    assert second.maybe_duplicate


async def test_publishes_the_will_of_who_vanishes() -> None:
    """A connection that ends without DISCONNECT leaves its Will; one that says goodbye does not."""
    async with serve() as served:
        client, _ = await served.connected(connect311("a", will=("last/words", b"bye")))
        client.send(b"\xe0\x00")
        await client.wait_closed()
        await client.close()
        client, _ = await served.connected(connect311("a", will=("last/words", b"bye")))
        await gone(served, client)
        wills = served.intake.published
    assert [(will.topic, will.payload, will.ack) for will in wills] == [("last/words", b"bye", None)]


async def test_publishes_the_will_on_request_and_on_errors() -> None:
    """DISCONNECT 0x04 and a broken rule leave the Will."""
    will = Will("w", payload=b"1", content_type="text/plain", user_properties=[("message-id", "w-1")])
    async with serve() as served:
        for goodbye in (b"\xe0\x01\x04", b"\xf0\x00"):
            client, _ = await connected5(served, ConnectPacket("a", will=will))
            client.send(goodbye)
            await client.wait_closed()
            await client.close()
        wills = await served.intake.wait_for(2)
    assert [will[:5] for will in wills] == [("w", b"1", None, "text/plain", "w-1")] * 2


async def test_delays_the_will_until_its_time_or_the_end_of_the_session() -> None:
    """The Will comes after its delay, earlier when the session ends, and never when the client is back before."""
    clock = ManualClock()

    async def vanish(served: Served, client_id: str, delay: int, expiry: int) -> None:
        will = Will(f"w/{client_id}", payload=b"", will_delay_interval=delay)
        client, _ = await connected5(served, resumable(client_id, expiry, will=will))
        await gone(served, client)

    async with serve(clock=clock) as served:
        await vanish(served, "late", 10, 100)
        await vanish(served, "expires", 100, 5)
        await vanish(served, "back", 10, 100)
        await vanish(served, "anew", 10, 100)
        assert served.intake.published == []
        client, _ = await connected5(served, resumable("back"))
        clock.advance(5)
        assert [will.topic for will in served.intake.published] == ["w/expires"]
        other, _ = await connected5(served, ConnectPacket("anew", clean_start=True))
        assert [will.topic for will in served.intake.published] == ["w/expires", "w/anew"]
        clock.advance(5)
        assert [will.topic for will in served.intake.published] == ["w/expires", "w/anew", "w/late"]
        await client.close()
        await other.close()


async def test_grants_a_device_its_own_commands_and_configuration() -> None:
    """Everything else is refused with the code that says why."""
    patterns = {
        "devices/d/commands/#": 1,
        "devices/d/config": 1,
        "devices/e/config": 0x87,
        "devices/+/commands/#": 0x87,
        "#": 0x87,
        "devices/d/commands": 0x87,
        "$SYS/#": 0x87,
        "a/#/b": 0x8F,
        "a+": 0x8F,
        "": 0x8F,
        "$share/g/devices/d/config": 0x9E,
    }
    async with serve(authenticator=TOKENS) as served:
        client, _ = await connected5(served, ConnectPacket("a", username="d", password=b"t1"))
        client.send(subscribe5(*patterns), packet(0xA2, b"\0\4\0\0\x10devices/d/config\0\1x\0\2a+"))
        suback, unsuback = await client.receive5(), await client.receive5()
        await client.close()
    assert isinstance(suback, SubAckPacket)
    assert [code.value for code in suback.reason_codes] == list(patterns.values())
    assert isinstance(unsuback, UnsubAckPacket)
    assert (unsuback.packet_id, [code.value for code in unsuback.reason_codes]) == (4, [0, 0x11, 0x8F])


async def test_grants_nothing_to_a_device_whose_id_is_a_wildcard() -> None:
    """A device called `+` does not hear everybody's commands."""
    async with serve(authenticator=TOKENS) as served:
        for name in ("+", "#", "a/b", "+/x"):
            client, _ = await connected5(served, ConnectPacket("a", username=name, password=b"t1"))
            client.send(subscribe5(f"devices/{name}/commands/#"))
            suback = await client.receive5()
            await client.close()
            assert isinstance(suback, SubAckPacket)
            assert suback.reason_codes[0].value >= 0x80


async def test_answers_subscribe_in_311() -> None:
    """Refused filters get 0x80; UNSUBSCRIBE is answered."""
    async with serve(authenticator=TOKENS) as served:
        client, _ = await served.connected(connect311("a", username="d", password=b"t1"))
        client.send(packet(0x82, b"\x00\x01\x00\x10devices/d/config\x02\x00\x01#\x00"), b"\xa2\x05\x00\x02\x00\x01#")
        client.send(b"\xe0\x00")
        assert await client.receive() == b"\x90\x04\x00\x01\x01\x80"
        assert await client.receive() == b"\xb0\x02\x00\x02"
        await client.close()


class _Nobody:
    """A holder that lets go when it is displaced."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.session: Session | None = None

    def displaced(self) -> None:
        assert self.session is not None
        self._sessions.detach(self.session, self, None, 0)

    def recorded(self, packet_id: int) -> None:
        pass


def test_bounds_sessions_without_a_connection() -> None:
    """Beyond the bound the session that was left first goes, with its Will."""
    sessions = Sessions(ManualClock(), max_detached=2, max_detached_packet_ids=10)
    wills: list[str] = []
    sessions.publish = lambda will, message_id, durable: wills.append(will.topic)
    opened: list[tuple[Session, bool]] = []
    holder = _Nobody(sessions)
    for name in "abc":
        claim = Claim(("x", name), None, clean_start=False, expiry_seconds=100)
        sessions.begin(claim, holder, lambda session, present: opened.append((session, present)))
        sessions.detach(opened[-1][0], holder, StoredWill(name, b"", None, None, None), 50)
    assert len(sessions) == 2
    assert wills == ["a"]
    claim = Claim(("x", "b"), None, clean_start=False, expiry_seconds=100)
    sessions.begin(claim, holder, lambda session, present: opened.append((session, present)))
    big, present = opened[-1]
    assert present
    big.incoming.update(dict.fromkeys(range(11), True))
    sessions.detach(big, holder, None, 0)
    assert len(sessions) == 0


async def test_publishes_waiting_wills_when_the_bridge_stops() -> None:
    """A Will that still waits is not lost with the memory of the bridge."""
    async with serve(clock=ManualClock()) as served:
        will = Will("w", payload=b"", will_delay_interval=50)
        client, _ = await connected5(served, resumable("a", will=will))
        await gone(served, client)
        assert served.intake.published == []
    assert [message.topic for message in served.intake.published] == ["w"]


async def test_a_resend_is_marked() -> None:
    """DUP makes a message maybe a duplicate."""
    async with serve() as served:
        client, _ = await connected5(served, ConnectPacket("a"))
        client.send(PublishPacket("t", b"", qos=QoS.AT_LEAST_ONCE, packet_id=1, duplicate=True).write())
        assert (await served.intake.wait_for(1))[0].maybe_duplicate
        await client.close()
