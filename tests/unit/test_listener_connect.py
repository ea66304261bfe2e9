"""CONNECT: what is accepted, and every refusal in both versions."""

from __future__ import annotations

import json

import mqtt5
import pytest
from dataflow_bridge.listener.listener import InsecureListenError, Listener, split_address
from dataflow_bridge.listener.seams import Credentials, Identity
from dataflow_bridge.listener.settings import DeviceLimits, ListenerSettings
from dataflow_bridge.listener.testing import ManualClock, Served, connect311, packet, serve, token_authenticator, until
from mqtt5 import ConnAckPacket, ConnAckReasonCode, ConnectPacket, Will

SETTINGS = ListenerSettings(listen="127.0.0.1:0")
TOKENS = token_authenticator({"device-token": ("fleet", "OPERATOR"), "viewer-token": ("eyes", "VIEWER")})


async def answer(served: Served, connect: bytes) -> bytes:
    """Return the answer to a CONNECT."""
    client, connack = await served.connected(connect)
    await client.close()
    return connack


async def answer5(served: Served, connect: ConnectPacket) -> ConnAckPacket:
    """Return the answer to a CONNECT of MQTT 5."""
    read, _ = mqtt5.read(memoryview(await answer(served, connect.write())))
    assert isinstance(read, ConnAckPacket)
    return read


async def test_accepts_a_clean_client_of_311() -> None:
    """A new client gets CONNACK 0 without Session Present."""
    async with serve() as served:
        assert await answer(served, connect311("a")) == b"\x20\x02\x00\x00"


async def test_accepts_a_client_of_5_and_announces_the_limits() -> None:
    """CONNACK says what the client has to keep."""
    async with serve() as served:
        connack = await answer5(served, ConnectPacket("a", clean_start=True, keep_alive=60))
    assert connack.reason_code == ConnAckReasonCode.SUCCESS
    assert not connack.session_present
    assert connack.receive_max == SETTINGS.receive_maximum
    assert connack.topic_alias_max == SETTINGS.topic_alias_maximum
    assert connack.max_packet_size == SETTINGS.max_packet_bytes
    assert not connack.shared_subscription_available
    assert not connack.subscription_id_available
    assert connack.server_keep_alive is None
    assert connack.assigned_client_id is None


async def test_assigns_a_client_id() -> None:
    """An empty client id gets a unique one, which MQTT 5 clients are told."""
    async with serve() as served:
        first = await answer5(served, ConnectPacket("", clean_start=True))
        second = await answer5(served, ConnectPacket("", clean_start=True))
        assert await answer(served, connect311("")) == b"\x20\x02\x00\x00"
    assert first.assigned_client_id
    assert second.assigned_client_id
    assert first.assigned_client_id != second.assigned_client_id


async def test_bounds_keep_alive_and_session_expiry() -> None:
    """A client of MQTT 5 is told the keep-alive and the session expiry that hold instead of its own."""
    async with serve() as served:
        none = await answer5(served, ConnectPacket("a", session_expiry_interval=0xFFFFFFFF))
        long = await answer5(served, ConnectPacket("b", keep_alive=65_535, session_expiry_interval=10))
    assert none.server_keep_alive == long.server_keep_alive == SETTINGS.max_keep_alive_seconds
    assert none.session_expiry_interval == SETTINGS.max_session_expiry_seconds
    assert long.session_expiry_interval is None


@pytest.mark.parametrize(
    ("connect", "code"),
    [
        (packet(0x10, b"\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a"), 1),
        (packet(0x10, b"\x00\x04MQTT\x03\x02\x00\x3c\x00\x01a"), 1),
        (connect311("", clean=False), 2),
        (connect311("x" * 1025), 2),
    ],
    ids=["MQTT 3.1", "level 3", "empty id without clean session", "id too long"],
)
async def test_refuses_in_311(connect: bytes, code: int) -> None:
    """A CONNECT that is against the rules gets its return code, and the connection ends."""
    async with serve() as served:
        client, connack = await served.connected(connect)
        assert connack == bytes((0x20, 2, 0, code))
        assert await client.wait_closed() == b""
        await client.close()
        assert served.intake.submitted == []


@pytest.mark.parametrize(
    ("connect", "code"),
    [
        (ConnectPacket("x" * 1025), ConnAckReasonCode.CLIENT_ID_NOT_VALID),
        (ConnectPacket("a", authentication_method="SCRAM"), ConnAckReasonCode.BAD_AUTHENTICATION_METHOD),
        (
            packet(0x10, b"\x00\x04MQTT\x05\x06\x00\x3c\x00\x00\x01a\x00\x00\x03t/#\x00\x00"),
            ConnAckReasonCode.TOPIC_NAME_INVALID,
        ),
        (ConnectPacket("a", will=Will("$dataflow/x", payload=b"")), ConnAckReasonCode.TOPIC_NAME_INVALID),
        (ConnectPacket("a", will=Will("t" * 1025, payload=b"")), ConnAckReasonCode.TOPIC_NAME_INVALID),
        (
            ConnectPacket("a", will=Will("t", payload=b"\xff", payload_format_indicator=1)),
            ConnAckReasonCode.PAYLOAD_FORMAT_INVALID,
        ),
    ],
    ids=["id too long", "extended authentication", "wildcard", "reserved topic", "long topic", "not UTF-8"],
)
async def test_refuses_in_5(connect: ConnectPacket | bytes, code: ConnAckReasonCode) -> None:
    """A CONNECT that is against the rules gets its reason code and a reason string, and the connection ends."""
    async with serve() as served:
        client, connack = await served.connected(connect if isinstance(connect, bytes) else connect.write())
        read, _ = mqtt5.read(memoryview(connack))
        assert isinstance(read, ConnAckPacket)
        assert read.reason_code == code
        assert read.reason_str
        assert await client.wait_closed() == b""
        await client.close()
        assert sum(served.listener.counters.refusals.values()) == 1


async def test_refuses_an_unknown_newer_version_in_the_words_of_5() -> None:
    """Level 6 gets CONNACK 0x84."""
    async with serve() as served:
        connack = await answer(served, packet(0x10, b"\x00\x04MQTT\x06\x02\x00\x00\x00\x00\x01a"))
    assert connack[0] == 0x20
    assert connack[3] == 0x84


@pytest.mark.parametrize(
    "wrong",
    [
        packet(0x10, b"\x00\x04MQTT\x04\x03\x00\x3c\x00\x01a"),
        packet(0x10, b"\x00\x04MQTT\x04\x1e\x00\x3c\x00\x01a\x00\x01t\x00\x00"),
        packet(0x10, b"\x00\x04MQTT\x04\x22\x00\x3c\x00\x01a"),
        packet(0x10, b"\x00\x04MQTT\x04\x42\x00\x3c\x00\x01a\x00\x01p"),
        packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x02\xc3\x28"),
        packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x01\x00"),
        packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a!"),
        packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x09a"),
        packet(0x11, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"),
        packet(0x10, b"\x00\x04HTTP\x04\x02\x00\x3c\x00\x01a"),
        packet(0x30, b"\x00\x01a"),
        b"\xc0\x00",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x10\xff\xff\xff\xff",
        b"\x10\xff\xff\xff\x7f",
        b"\x00\x00",
    ],
    ids=[
        "reserved flag",
        "will qos 3",
        "will retain without will",
        "password without user",
        "bad UTF-8",
        "NUL",
        "trailing byte",
        "cut",
        "fixed header flags",
        "other protocol",
        "publish first",
        "ping first",
        "http",
        "length of five bytes",
        "endless",
        "type 0",
    ],
)
async def test_closes_without_an_answer(wrong: bytes) -> None:
    """What is no CONNECT of 3.1.1 ends the connection without a byte."""
    async with serve() as served:
        client = await served.client()
        client.send(wrong)
        assert await client.wait_closed() == b""
        await client.close()


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x00\x04MQTT\x05\x03\x00\x3c\x00\x00\x01a",
        b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01\xff",
        b"\x00\x04MQTT\x05\x02\x00\x3c\x07\x26\x00\x01a\x00\x01\xff\x00\x01a",
        b"\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x01\x05\x11",
        b"\x00\x04MQTT\x05\x06\x00\x3c\x00\x00\x01a\x00\x00\x01\xff\x00\x00",
        b"\x00\x04MQTT\x05\x82\x00\x3c\x00\x00\x01a\x00\x02\xed\xa0",
    ],
    ids=["reserved flag", "client id not UTF-8", "user property not UTF-8", "cut", "will topic", "user name"],
)
async def test_tells_a_client_of_5_that_its_connect_is_malformed(wrong: bytes) -> None:
    """A malformed CONNECT is answered with CONNACK 0x81; strings that are not UTF-8 do not reach the codec."""
    async with serve() as served:
        connack = await answer(served, packet(0x10, wrong))
    assert connack[0] == 0x20
    assert connack[3] == ConnAckReasonCode.MALFORMED_PACKET.value


async def test_reads_a_connect_that_comes_byte_by_byte() -> None:
    """How a packet is cut into segments does not matter."""
    async with serve() as served:
        client = await served.client()
        connection = client._writer.get_extra_info("socket")
        assert connection is not None
        for byte in connect311("slow"):
            client.send(bytes((byte,)))
            await client._writer.drain()
        assert await client.receive() == b"\x20\x02\x00\x00"
        await client.close()


@pytest.mark.parametrize(
    ("connect", "code"),
    [
        (connect311("a", username="dev-1", password=b"device-token"), 0),
        (connect311("a", username="dev-1", password=b"wrong"), 4),
        (connect311("a", username="dev-1", password=b""), 4),
        (connect311("a", username="dev-1", password=b"\xff\x00"), 4),
        (connect311("a", username="dev-1", password=b"viewer-token"), 5),
        (connect311("a", username="dev-1"), 5),
        (connect311("a"), 5),
    ],
    ids=["right", "wrong", "empty", "no text", "role", "no password", "anonymous"],
)
async def test_judges_credentials(connect: bytes, code: int) -> None:
    """Only a token whose role may publish opens the door."""
    async with serve(authenticator=TOKENS) as served:
        assert await answer(served, connect) == bytes((0x20, 2, 0, code))


async def test_takes_the_user_name_as_device() -> None:
    """The user name is the device id of every message; a token alone (MQTT 5) leaves the device to routes."""
    async with serve(authenticator=TOKENS) as served:
        for connect in (
            connect311("a", username="dev-1", password=b"device-token"),
            ConnectPacket("b", password=b"device-token").write(),
        ):
            client, _ = await served.connected(connect)
            await client.close()
        events = await served.intake.wait_for(4, events=True)
    assert {event.device_id for event in events} == {"dev-1", None}


async def test_refuses_wrong_passwords_where_anonymous_clients_may_come() -> None:
    """Wrong credentials are never better than none; a user name without password proves nothing."""
    async with serve() as served:
        assert await answer(served, connect311("a", username="dev-1", password=b"no")) == b"\x20\x02\x00\x04"
        assert await answer(served, connect311("a", username="dev-1")) == b"\x20\x02\x00\x00"
        events = await served.intake.wait_for(1, events=True)
    assert events[0].device_id is None


async def test_bounds_connects_per_second() -> None:
    """Too many CONNECTs at once are told to come back; the others are not."""
    settings = ListenerSettings(listen="127.0.0.1:0", connects_per_second=2)
    async with serve(settings, clock=ManualClock()) as served:
        codes = [(await answer5(served, ConnectPacket(str(n)))).reason_code.value for n in range(3)]
        refused = await answer(served, connect311("d"))
    assert codes == [0, 0, 0x9F]
    assert refused == b"\x20\x02\x00\x03"


async def test_bounds_connections_of_a_device() -> None:
    """One connection more than a device may have is refused, unless it takes its own session over."""
    settings = ListenerSettings(listen="127.0.0.1:0", device_limits=DeviceLimits(connections=1))
    async with serve(settings, authenticator=TOKENS) as served:
        first, connack = await served.connected(connect311("a", username="d", password=b"device-token"))
        assert connack[3] == 0
        assert await answer(served, connect311("b", username="d", password=b"device-token")) == b"\x20\x02\x00\x03"
        assert await answer(served, connect311("a", username="d", password=b"device-token")) == b"\x20\x02\x00\x00"
        await first.close()


async def test_bounds_open_connections() -> None:
    """A connection beyond the limit of the process is closed at once."""
    settings = ListenerSettings(listen="127.0.0.1:0", max_connections=1)
    async with serve(settings) as served:
        first, _ = await served.connected(connect311("a"))
        second = await served.client()
        assert await second.wait_closed() == b""
        await first.close()
        await second.close()


async def test_closes_who_never_connects() -> None:
    """A connection without CONNECT ends after the connect time-out."""
    clock = ManualClock()
    async with serve(clock=clock) as served:
        client = await served.client()
        client.send(connect311("a")[:-1])
        await until(lambda: served.listener.counters.bytes_received)
        clock.advance(SETTINGS.connect_timeout_seconds)
        assert await client.wait_closed() == b""
        await client.close()
    assert served.listener.counters.refusals["connect_timeout"] == 1


async def test_tells_what_happens_to_connections() -> None:
    """Connects and disconnects are ordinary messages on a topic that clients can not use."""
    async with serve() as served:
        client, _ = await served.connected(connect311("a"))
        client.send(b"\xe0\x00")
        await client.wait_closed()
        await client.close()
        connected, disconnected = await served.intake.wait_for(2, events=True)
    assert connected.topic == disconnected.topic == "$dataflow/device_connection"
    assert connected.source == "bridge"
    told = json.loads(connected.payload)
    assert set(told) == {"device_id", "client_id", "event", "reason", "protocol", "peer", "ts"}
    assert (told["event"], told["client_id"], told["protocol"]) == ("connected", "a", "MQTT 3.1.1")
    assert json.loads(disconnected.payload)["reason"] == "client_disconnect"


def test_refuses_plaintext_beyond_loopback() -> None:
    """Without TLS only loopback is allowed, unless it was asked for in so many words."""
    parts = (None, None, None, None, None)
    for address in ("0.0.0.0:1883", "[::]:1883", "10.0.0.1:1883", "example.org:1883"):
        with pytest.raises(InsecureListenError):
            Listener(ListenerSettings(listen=address), *parts)  # type: ignore[arg-type]
        with pytest.raises(InsecureListenError):
            Listener(ListenerSettings(listen="", websocket_listen=address), *parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["", "1883", "host:", ":1883", "host:99999", "host:\u0661"])
def test_refuses_addresses_that_are_none(address: str) -> None:
    """An address is host and port."""
    with pytest.raises(ValueError, match="host:port"):
        split_address(address)


def test_settings_name_all_problems_at_once() -> None:
    """Every value out of range is named."""
    with pytest.raises(ValueError, match=r"receive_maximum.*max_pause_seconds"):
        ListenerSettings(receive_maximum=0, max_pause_seconds=-1)


def test_a_device_token_speaks_for_its_own_device_only() -> None:
    """Nobody is another device by a user name; a token of role OPERATOR may speak for any device."""
    tokens = token_authenticator({"own": ("pump-1", "DEVICE"), "gateway": ("gateway", "OPERATOR")})

    def device(token: str, username: str | None) -> str | None:
        found = tokens.authenticate(Credentials("c", username, token.encode(), None, "127.0.0.1:1"))
        return found.device_id if isinstance(found, Identity) else "refused"

    assert [device("own", name) for name in (None, "pump-1", "pump-2")] == ["pump-1", "pump-1", "refused"]
    assert [device("gateway", name) for name in (None, "pump-2")] == [None, "pump-2"]
