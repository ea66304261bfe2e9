"""Clients that move between two bridges which share a session store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from dataflow_bridge.listener.testing import (
    ByteClient,
    ManualClock,
    Served,
    connect311,
    publish311,
    serve,
    token_authenticator,
    until,
)
from dataflow_bridge.sessions.store import SessionStoreAwayError
from dataflow_bridge.sessions.testing import MemorySessionStore, SharedSessions
from mqtt5 import ConnAckPacket, ConnectPacket, DisconnectPacket, DisconnectReasonCode, Will

TOKENS = token_authenticator({"t1": ("one", "OPERATOR")}, allow_anonymous=True)
KEY = ("anonymous", "a")


@dataclass
class Pair:
    """Two bridges on one store and one clock."""

    one: Served
    two: Served
    shared: SharedSessions
    stores: tuple[MemorySessionStore, MemorySessionStore]
    clock: ManualClock
    clients: list[ByteClient]

    async def connect(self, served: Served, packet: ConnectPacket) -> tuple[ByteClient, bool]:
        """Connect and return the client and Session Present."""
        client = await served.client()
        self.clients.append(client)
        client.send(packet.write())
        connack = await client.receive5()
        assert isinstance(connack, ConnAckPacket)
        assert connack.reason_code.value == 0
        return client, connack.session_present


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """Give two bridges that hear of each other at once."""
    clock = ManualClock()
    shared = SharedSessions(clock.monotonic)
    stores = MemorySessionStore(shared), MemorySessionStore(shared)
    async with contextlib.AsyncExitStack() as stack:
        bridges = [
            await stack.enter_async_context(serve(clock=clock, authenticator=TOKENS, store=store)) for store in stores
        ]
        for store, bridge in zip(stores, bridges, strict=True):
            shared.listeners[store.boot_id] = bridge.sessions.lost
        pair = Pair(bridges[0], bridges[1], shared, stores, clock, [])
        yield pair
        for client in pair.clients:
            await client.close()


def resumable(will: Will | None = None, expiry: int = 100) -> ConnectPacket:
    """Return a CONNECT that resumes its session."""
    return ConnectPacket("a", session_expiry_interval=expiry, will=will)


async def gone(served: Served, client: ByteClient) -> None:
    """Close without a word, and wait until the store knows."""
    before = sum(served.listener.counters.disconnects.values())
    await client.close()
    await until(lambda: sum(served.listener.counters.disconnects.values()) > before)


async def settled() -> None:
    """Let everything that can happen without time happen."""
    for _ in range(50):
        await asyncio.sleep(0)


def wills(*bridges: Served) -> list[tuple[str, str | None]]:
    """Return topic and message id of all Wills that the bridges published."""
    return [(message.topic, message.message_id) for bridge in bridges for message in bridge.intake.published]


async def test_the_other_bridge_ends_its_connection(pair: Pair) -> None:
    """The first connection is told 0x8E; the second one has the session, truthfully present."""
    first, _ = await pair.connect(pair.one, resumable())
    second, present = await pair.connect(pair.two, resumable())
    goodbye = await first.receive5()
    assert present
    assert isinstance(goodbye, DisconnectPacket)
    assert goodbye.reason_code == DisconnectReasonCode.SESSION_TAKEN_OVER
    second.send(b"\xc0\x00")
    assert await second.receive() == b"\xd0\x00"
    assert len(pair.one.sessions) == 0


async def test_reads_what_came_with_connect_after_the_claim(pair: Pair) -> None:
    """Messages that a client sends before its CONNACK wait, and none is lost."""
    client = await pair.one.client()
    pair.clients.append(client)
    client.send(connect311("a"), publish311("t", b"x", qos=1, packet_id=7), b"\xc0\x00")
    assert [await client.receive() for _ in range(3)] == [b"\x20\x02\x00\x00", b"\xd0\x00", b"\x40\x02\x00\x07"]


async def test_subscriptions_move_with_the_session(pair: Pair) -> None:
    """What was granted on one bridge holds on the other."""
    packet = ConnectPacket("a", username="d", password=b"t1", session_expiry_interval=100)
    first, _ = await pair.connect(pair.one, packet)
    first.send(b"\x82\x16\x00\x01\x00\x00\x10devices/d/config\x01")
    await first.receive()
    await gone(pair.one, first)
    await settled()
    _, present = await pair.connect(pair.two, packet)
    row = pair.shared.rows["one", "a"]
    assert present
    assert row.subscriptions == {"devices/d/config": 1}


async def test_the_will_of_a_taken_connection_comes_once(pair: Pair) -> None:
    """Without a delay it is due at the take-over: the bridge that took the session publishes it, the other one not."""
    await pair.connect(pair.one, resumable(Will("w", payload=b"")))
    await pair.connect(pair.two, resumable())
    await settled()
    assert wills(pair.one, pair.two) == []
    pair.clock.advance(1)
    await settled()
    assert [topic for topic, _ in wills(pair.two)] == ["w"]
    assert wills(pair.one) == []
    assert pair.one.sessions.wills_ignored == 1


async def test_a_goodbye_that_the_claim_overtook_takes_the_will_back(pair: Pair) -> None:
    """A client that says goodbye to one bridge and is at once at the other one leaves no Will."""
    pair.shared.listeners.clear()
    first, _ = await pair.connect(pair.one, resumable(Will("w", payload=b"")))
    await pair.connect(pair.two, resumable())
    first.send(b"\xe0\x00")
    await first.wait_closed()
    await settled()
    pair.clock.advance(10)
    await settled()
    assert wills(pair.one, pair.two) == []


async def test_a_delayed_will_is_not_published_when_the_client_is_elsewhere(pair: Pair) -> None:
    """The bridge that the client left asks before it publishes, also when word of the move was lost."""
    pair.shared.listeners.clear()
    first, _ = await pair.connect(pair.one, resumable(Will("w", payload=b"", will_delay_interval=10)))
    await gone(pair.one, first)
    await settled()
    await pair.connect(pair.two, resumable())
    pair.clock.advance(20)
    await settled()
    assert wills(pair.one, pair.two) == []
    assert pair.one.sessions.wills_ignored == 1


async def test_a_delayed_will_is_published_when_the_client_stays_away(pair: Pair) -> None:
    """With a message id that says whose it is: a second publication is recognised."""
    first, _ = await pair.connect(pair.one, resumable(Will("w", payload=b"", will_delay_interval=10)))
    await gone(pair.one, first)
    await settled()
    pair.clock.advance(10)
    await settled()
    assert wills(pair.one) == [("w", f"will-{pair.shared.rows[KEY].epoch}")]
    assert pair.shared.rows[KEY].will is None


async def test_a_bridge_that_missed_the_word_finds_out(pair: Pair) -> None:
    """After a freeze it looks at its sessions: the old connection ends, and its Will is ignored."""
    pair.shared.listeners.clear()
    first, _ = await pair.connect(pair.one, resumable(Will("w", payload=b"")))
    await pair.connect(pair.two, resumable())
    pair.one.sessions.doubt()
    await pair.one.sessions.recheck()
    goodbye = await first.receive5()
    await settled()
    assert isinstance(goodbye, DisconnectPacket)
    assert goodbye.reason_code == DisconnectReasonCode.SESSION_TAKEN_OVER
    assert wills(pair.one) == []


async def test_a_bridge_that_was_given_up_publishes_no_second_will(pair: Pair) -> None:
    """What the leader published for a bridge that seemed dead is not published again when it wakes up."""
    first, _ = await pair.connect(pair.one, resumable(Will("w", payload=b"")))
    pair.stores[0].bury()
    await gone(pair.one, first)
    await settled()
    assert wills(pair.one) == []


async def test_a_bridge_that_was_given_up_claims_who_stayed(pair: Pair) -> None:
    """A connection that lived through the freeze of its bridge goes on."""
    first, _ = await pair.connect(pair.one, resumable())
    epoch = pair.shared.rows[KEY].epoch
    pair.stores[0].bury()
    await pair.one.sessions.recheck()
    await settled()
    first.send(b"\xc0\x00")
    assert await first.receive() == b"\xd0\x00"
    assert pair.shared.rows[KEY].connected
    assert pair.shared.rows[KEY].epoch > epoch


async def test_serves_from_memory_while_the_store_is_away(pair: Pair) -> None:
    """Clients come in at once, and are claimed when it is back."""
    pair.shared.away = True
    await pair.connect(pair.one, resumable())
    _, present = await pair.connect(pair.one, resumable())
    assert present
    assert pair.shared.rows == {}
    assert pair.one.sessions.unclaimed == 1
    pair.shared.away = False
    await until(lambda: KEY in pair.shared.rows)
    await settled()
    assert pair.one.sessions.unclaimed == 0


@pytest.mark.parametrize("first_to_claim", [0, 1])
async def test_the_newest_connection_wins_when_the_store_is_back(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, first_to_claim: int
) -> None:
    """Of two that were let in by two bridges meanwhile, the older one is ended, whoever claims first."""
    pair.shared.away = True
    first, _ = await pair.connect(pair.one, resumable())
    pair.clock.advance(1)
    second, _ = await pair.connect(pair.two, resumable())

    def away() -> None:
        raise SessionStoreAwayError

    last = pair.stores[1 - first_to_claim]
    with monkeypatch.context() as patched:
        patched.setattr(last, "_reach", away)
        pair.shared.away = False
        await until(lambda: KEY in pair.shared.rows)
    goodbye = await first.receive5()
    assert isinstance(goodbye, DisconnectPacket)
    second.send(b"\xc0\x00")
    assert await second.receive() == b"\xd0\x00"
    assert pair.shared.rows[KEY].boot_id == pair.stores[1].boot_id


async def test_lets_in_whom_the_store_does_not_answer(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 0.3 s without an answer the client is served from memory."""
    asked = asyncio.Event()

    async def hang(claims: object) -> list[None]:
        asked.set()
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    monkeypatch.setattr(pair.stores[0], "claim", hang)
    client = await pair.one.client()
    pair.clients.append(client)
    client.send(resumable().write())
    await asked.wait()
    pair.clock.advance(0.4)
    connack = await client.receive5()
    assert isinstance(connack, ConnAckPacket)
    assert pair.one.sessions.unclaimed == 1


async def test_publishes_wills_unasked_while_the_store_is_away_but_not_after_a_freeze(pair: Pair) -> None:
    """Nobody can have moved without the store; a bridge that was frozen before cannot know that."""
    first, _ = await pair.connect(pair.one, resumable(Will("one", payload=b"")))
    second, _ = await pair.connect(
        pair.two, ConnectPacket("b", session_expiry_interval=100, will=Will("two", payload=b""))
    )
    pair.shared.away = True
    pair.two.sessions.doubt()
    await gone(pair.one, first)
    await gone(pair.two, second)
    await settled()
    assert [topic for topic, _ in wills(pair.one)] == ["one"]
    assert wills(pair.two) == []
    pair.shared.away = False
    await pair.two.sessions.recheck()
    await asyncio.sleep(0.6)  # the real pause of the probe
    pair.clock.advance(1)
    await settled()
    assert [topic for topic, _ in wills(pair.two)] == ["two"]


async def test_word_of_a_take_over_may_come_before_the_answer_to_the_claim(pair: Pair) -> None:
    """The two travel on different connections: a bridge that hears of the loss first still ends the connection."""
    pair.one.sessions.lost(pair.shared.epoch + 1)
    client, _ = await pair.connect(pair.one, resumable())
    pair.clock.advance(0)
    goodbye = await client.receive5()
    assert isinstance(goodbye, DisconnectPacket)
    assert goodbye.reason_code == DisconnectReasonCode.SESSION_TAKEN_OVER
