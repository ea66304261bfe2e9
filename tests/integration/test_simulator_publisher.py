"""The publishing client against a server that misbehaves in known ways."""

import asyncio
from collections import Counter

import pytest
from dataflow_simulator.mqtt_wire import Protocol
from dataflow_simulator.null_server import Behaviour, NullServer
from dataflow_simulator.publisher import ClientSettings, ConnectRefused, Publisher, PublishError


def _settings(
    server: NullServer, protocol: Protocol = Protocol.V3_1_1, qos: int = 1, window: int = 256
) -> ClientSettings:
    return ClientSettings(
        "127.0.0.1", server.port, "test", protocol=protocol, qos=qos, window=window, give_up_seconds=5
    )


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("qos", [1, 2])
async def test_every_message_is_sent_in_order_and_acknowledged(protocol: Protocol, qos: int) -> None:
    """What is published arrives once, in order, and is reported by its number."""
    taken: list[int] = []
    async with NullServer(Behaviour(keep=True)) as server:
        async with Publisher(_settings(server, protocol, qos), taken.append) as publisher:
            for number in range(1000):
                await publisher.publish(number, "t/a", b"%d" % number)
            assert await publisher.drain(5)
            assert publisher.counts.acknowledged == publisher.counts.published == 1000
        assert [int(message.payload) for message in server.received] == list(range(1000))
    assert taken == list(range(1000))


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("qos", [1, 2])
async def test_unacknowledged_messages_are_sent_again_with_dup(protocol: Protocol, qos: int) -> None:
    """After a lost connection exactly the unacknowledged messages go out again, marked, before new ones."""
    async with NullServer(Behaviour(keep=True, drop_after=[40, 25])) as server:
        async with Publisher(_settings(server, protocol, qos, window=10)) as publisher:
            for number in range(200):
                await publisher.publish(number, "t/a", b"%d" % number)
            assert await publisher.drain(5)
            counts = publisher.counts
        seen = Counter(int(message.payload) for message in server.received)
        assert set(seen) == set(range(200))
        assert counts.published == counts.acknowledged == 200
        assert counts.reconnects == 2
        firsts = [int(message.payload) for message in server.received if not message.duplicate]
        assert firsts == sorted(set(firsts)), "a first sending is never out of order, and never a second one"
        again = [message for message in server.received if seen[int(message.payload)] > 1]
        assert again
        assert {int(m.payload) for m in again if m.duplicate} == {int(m.payload) for m in again}


async def test_silence_is_not_an_acknowledgement() -> None:
    """Messages that the server took without a word are not counted, and drain says so."""
    async with NullServer(Behaviour(silent=True)) as server, Publisher(_settings(server)) as publisher:
        for number in range(5):
            await publisher.publish(number, "t/a", b"x")
        assert not await publisher.drain(0.05)
        assert publisher.counts.acknowledged == 0


@pytest.mark.parametrize("qos", [1, 2])
async def test_a_refusing_reason_code_is_not_an_acknowledgement(qos: int) -> None:
    """0x80 and above ends a message without the server having it."""
    taken: list[int] = []
    async with (
        NullServer(Behaviour(reason_code=0x97)) as server,
        Publisher(_settings(server, Protocol.V5, qos), taken.append) as publisher,
    ):
        await publisher.publish(0, "t/a", b"x")
        assert await publisher.drain(5)
        assert (publisher.counts.acknowledged, publisher.counts.refused) == (0, 1)
    assert taken == []


async def test_receive_maximum_bounds_what_is_in_flight() -> None:
    """No more than the server's Receive Maximum are out unacknowledged."""
    async with (
        NullServer(Behaviour(silent=True, receive_maximum=7)) as server,
        Publisher(_settings(server, Protocol.V5)) as publisher,
    ):

        async def publish_all() -> None:
            for number in range(50):
                await publisher.publish(number, "t/a", b"x")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(publish_all(), 0.2)
        assert publisher.counts.published == 7
        assert server.count == 7


async def test_a_refused_connect_is_not_tried_again() -> None:
    """Not authorised stays not authorised."""
    async with NullServer(Behaviour(connect_code=0x87)) as server:
        with pytest.raises(ConnectRefused, match="0x87"):
            async with Publisher(_settings(server, Protocol.V5)):
                pass
        assert server.connects == 1


async def test_a_server_that_stays_away_is_given_up() -> None:
    """Publishing fails, rather than hanging, when the server does not come back in time."""
    async with NullServer(Behaviour(silent=True)) as server:
        publisher = Publisher(ClientSettings("127.0.0.1", server.port, "test", give_up_seconds=0.3))
        await publisher.__aenter__()
        await publisher.publish(0, "t/a", b"x")
    with pytest.raises(PublishError, match=str(server.port)):
        await publisher.drain(5)
    await publisher.__aexit__()
