"""Overload, silence and the end of the bridge: what a client is told, and what it may rely on."""

from __future__ import annotations

import asyncio

import pytest
from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.limits import Rate
from dataflow_bridge.listener.seams import message_cost
from dataflow_bridge.listener.settings import DeviceLimits, ListenerSettings
from dataflow_bridge.listener.testing import (
    ByteClient,
    ManualClock,
    Served,
    connect311,
    packet,
    publish311,
    serve,
    until,
)
from mqtt5 import ConnectPacket, DisconnectPacket, PublishPacket, QoS

COST = message_cost("t", b"x" * 100)
MESSAGE = publish311("t", b"x" * 100, qos=1)


async def filled(served: Served, connect: bytes, count: int) -> ByteClient:
    """Connect and publish more than there is room for; return once the connection is paused."""
    client, _ = await served.connected(connect)
    client.send(*(publish311("t", b"x" * 100, qos=1, packet_id=n + 1) for n in range(count)))
    await until(lambda: served.listener.counters.pauses)
    return client


def budget_for(messages: int) -> int:
    """Return a memory budget whose part for messages takes so many (and the event of a connection)."""
    return (messages * COST + 900) * 4 // 3


async def test_reads_on_when_there_is_room_again() -> None:
    """What does not fit stays unread; as batches finish all of it is taken, in order."""
    async with serve(hold=True, memory_budget_bytes=budget_for(4)) as served:
        client = await filled(served, connect311("a"), 50)
        assert 0 < len(served.intake.published) < 10
        acknowledged = 0
        while acknowledged < 50:
            await served.intake.wait_for(acknowledged + 1)
            taken = len(served.intake.published)
            served.intake.acknowledge()
            while acknowledged < taken:
                acknowledged += 1
                assert await client.receive() == b"\x40\x02" + acknowledged.to_bytes(2, "big")
            assert served.budget.taken_bytes <= served.budget.limit_bytes
            await asyncio.sleep(0)
        await client.close()
    assert served.listener.counters.pauses_expired == 0


@pytest.mark.parametrize(("keep_alive", "seconds"), [(0, 5.0), (4, 2.0), (60, 5.0)])
async def test_ends_a_pause_that_lasts_too_long(keep_alive: int, seconds: float) -> None:
    """After min(half the keep-alive, 5 s) the connection ends without PUBACK, so the client keeps its messages."""
    clock = ManualClock()
    async with serve(hold=True, memory_budget_bytes=budget_for(4), clock=clock) as served:
        client = await filled(served, connect311("a", keep_alive=keep_alive), 50)
        clock.advance(seconds - 0.01)
        assert served.listener.counters.connections == 1
        assert served.listener.counters.pauses_expired == 0
        clock.advance(0.01)
        assert await client.wait_closed() == b""
        await client.close()
    assert served.listener.counters.pauses_expired == 1
    assert served.listener.counters.disconnects == {"quota_exceeded": 1}


async def test_tells_a_client_of_5_that_there_is_no_room() -> None:
    """DISCONNECT 0x97 arrives although the client's bytes were not read."""
    clock = ManualClock()
    async with serve(hold=True, memory_budget_bytes=budget_for(4), clock=clock) as served:
        client, _ = await served.connected(ConnectPacket("a").write())
        publish = PublishPacket("t", b"x" * 100, qos=QoS.AT_LEAST_ONCE, packet_id=1).write()
        client.send(publish * 2_000)
        await until(lambda: served.listener.counters.pauses)
        clock.advance(5)
        goodbye = await client.receive5()
        await client.close()
    assert isinstance(goodbye, DisconnectPacket)
    assert goodbye.reason_code.value == 0x97


async def test_lets_nobody_new_in_without_room() -> None:
    """A CONNECT waits for room as messages do, and ends without an answer when there is none in time."""
    clock = ManualClock()
    async with serve(clock=clock) as served:
        served.budget.take(served.budget.limit_bytes)
        late, early = await served.client(), await served.client()
        late.send(connect311("late"))
        await until(lambda: served.listener.counters.pauses == 1)
        clock.advance(4)
        early.send(connect311("early"))
        await until(lambda: served.listener.counters.pauses == 2)
        clock.advance(1)
        assert await late.wait_closed() == b""
        served.budget.release(served.budget.limit_bytes)
        assert await early.receive() == b"\x20\x02\x00\x00"
        await late.close()
        await early.close()


async def test_listeners_share_a_port() -> None:
    """A second listener on the same port serves new connections once the first one has stopped."""
    async with serve() as second:
        async with serve(ListenerSettings(listen=f"127.0.0.1:{second.listener.port}")) as first:
            assert first.listener.port == second.listener.port
        client, answer = await second.connected(connect311("a"))
        assert answer == b"\x20\x02\x00\x00"
        await client.close()


async def test_counts_what_qos_0_loses() -> None:
    """QoS 0 messages that were received and not taken are counted when the connection ends."""
    clock = ManualClock()
    async with serve(hold=True, memory_budget_bytes=budget_for(4), clock=clock) as served:
        client = await filled(served, connect311("a"), 10)
        taken = len(served.intake.published)
        client.send(b"")
        clock.advance(5)
        await client.wait_closed()
        await client.close()
        assert served.listener.counters.qos0_lost == 0
        served.intake.acknowledge()
        other, _ = await served.connected(connect311("b"))
        other.send(publish311("t", b"x" * 100, qos=1) * 5 + publish311("t", b"y" * 100) * 3)
        await until(lambda: served.listener.counters.pauses == 2)
        clock.advance(5)
        await other.wait_closed()
        await other.close()
    assert taken
    assert served.listener.counters.qos0_lost == 3


async def test_a_pause_stops_the_keep_alive() -> None:
    """A client is not called silent for the time in which it was not read."""
    clock = ManualClock()
    settings = ListenerSettings(listen="127.0.0.1:0", max_pause_seconds=1000)
    async with serve(settings, hold=True, memory_budget_bytes=budget_for(4), clock=clock) as served:
        client = await filled(served, connect311("a", keep_alive=40), 6)
        clock.advance(19)
        served.intake.acknowledge()
        await until(lambda: len(served.intake.published) == 6)
        clock.advance(59)
        assert served.listener.counters.disconnects == {}
        clock.advance(2)
        await client.wait_closed()
        await client.close()
    assert served.listener.counters.disconnects == {"keep_alive_timeout": 1}


async def test_ends_after_one_and_a_half_keep_alives() -> None:
    """Silence ends the connection with 0x8D; any packet, also PINGREQ, is a sign of life."""
    clock = ManualClock()
    async with serve(clock=clock) as served:
        client, _ = await served.connected(ConnectPacket("a", keep_alive=10).write())
        clock.advance(14)
        client.send(b"\xc0\x00")
        assert await client.receive() == b"\xd0\x00"
        clock.advance(14)
        assert served.listener.counters.disconnects == {}
        clock.advance(1)
        goodbye = await client.receive5()
        await client.close()
    assert isinstance(goodbye, DisconnectPacket)
    assert goodbye.reason_code.value == 0x8D


async def test_a_packet_has_to_end() -> None:
    """Bytes that never become a packet do not keep a connection, even without keep-alive."""
    clock = ManualClock()
    async with serve(clock=clock) as served:
        client, _ = await served.connected(connect311("a"))
        received = served.listener.counters.bytes_received
        client.send(b"\x30\x7f\x00")
        await until(lambda: served.listener.counters.bytes_received > received)
        clock.advance(ListenerSettings().packet_timeout_seconds * 2)
        assert await client.wait_closed() == b""
        await client.close()


async def test_holds_room_for_large_packets() -> None:
    """Large packets are collected only as far as the budget holds them; the others wait and then are taken."""
    large = packet(0x32, b"\x00\x01t\x00\x01" + b"x" * 300_000)
    async with serve(memory_budget_bytes=1_600_000) as served:
        clients = []
        for name in "abc":
            client, _ = await served.connected(connect311(name))
            client.send(large[:-1])
            clients.append(client)
        await until(lambda: served.listener.counters.pauses == 2)
        assert served.budget.held_bytes <= served.budget.hold_limit_bytes
        for client in clients:
            client.send(large[-1:])
        for client in clients:
            assert await client.receive() == b"\x40\x02\x00\x01"
            await client.close()
        await until(lambda: not served.budget.held_bytes)


async def test_slows_a_device_down_to_its_rate() -> None:
    """Above its rate a device is read later, and told when that takes too long."""
    clock = ManualClock()
    settings = ListenerSettings(listen="127.0.0.1:0", device_limits=DeviceLimits(messages_per_second=10))
    async with serve(settings, clock=clock) as served:
        client, _ = await served.connected(connect311("a"))
        client.send(MESSAGE * 20)
        await until(lambda: served.listener.counters.pauses)
        client.send(MESSAGE * 5)
        clock.advance(1.0)
        await served.intake.wait_for(25)
        clock.advance(0.5)
        other, _ = await served.connected(ConnectPacket("b").write())
        other.send(PublishPacket("t", b"", qos=QoS.AT_MOST_ONCE).write() * 100)
        await until(lambda: served.listener.counters.messages_qos0 == 100)
        clock.advance(5)
        goodbye = await other.receive5()
        await other.close()
        await client.close()
    assert isinstance(goodbye, DisconnectPacket)
    assert goodbye.reason_code.value == 0x96


async def test_cuts_a_client_that_does_not_read() -> None:
    """Answers that nobody takes pause the connection, and end it."""
    clock = ManualClock()
    settings = ListenerSettings(listen="127.0.0.1:0", write_buffer_bytes=1024)
    async with serve(settings, clock=clock) as served:
        client, _ = await served.connected(connect311("a"))
        client._writer.transport.pause_reading()  # type: ignore[attr-defined]
        while not served.listener.counters.pauses:
            client.send(b"\xc0\x00" * 100_000)
            await asyncio.sleep(0)
        clock.advance(5)
        await until(lambda: served.listener.counters.disconnects)
        await client.close()
    assert served.listener.counters.disconnects == {"answers_not_read": 1}


async def test_lets_acknowledgements_out_before_it_stops() -> None:
    """Stopping refuses new connections, waits for outstanding acknowledgements, and says 0x8B."""
    async with serve(hold=True, drain_seconds=30) as served:
        client, _ = await served.connected(ConnectPacket("a").write())
        idle, _ = await served.connected(ConnectPacket("b").write())
        client.send(PublishPacket("t", b"", qos=QoS.AT_LEAST_ONCE, packet_id=1).write())
        await served.intake.wait_for(1)
        stop = asyncio.create_task(served.listener.stop(30))
        last = await idle.receive5()
        assert isinstance(last, DisconnectPacket)
        with pytest.raises(ConnectionRefusedError):
            await served.client()
        assert not stop.done()
        served.intake.acknowledge()
        assert await client.receive() == b"\x40\x02\x00\x01"
        goodbye = await client.receive5()
        await client.close()
        await idle.close()
        await stop
    assert isinstance(goodbye, DisconnectPacket)
    assert goodbye.reason_code.value == last.reason_code.value == 0x8B


async def test_cuts_what_is_left_at_the_deadline() -> None:
    """After the deadline connections are closed without PUBACK."""
    async with serve(hold=True, drain_seconds=0.01) as served:
        client, _ = await served.connected(connect311("a", will=("w", b"")))
        client.send(publish311("t", qos=1))
        await served.intake.wait_for(1)
    assert await client.wait_closed() == b""
    await client.close()
    assert [message.topic for message in served.intake.published] == ["t"], "a stop is no reason for a Will"


async def test_budget_wakes_waiters_in_order_while_there_is_room() -> None:
    """First come, first served, each at most once, and never from inside a release."""
    budget = Budget(400)
    woken: list[str] = []

    def first() -> None:
        woken.append("first")
        assert budget.try_take(300)

    assert budget.try_take(300)
    assert not budget.try_take(1)
    second = lambda: woken.append("second")  # noqa: E731
    budget.wait(first)
    budget.wait(second)
    budget.release(300)
    assert woken == []
    await asyncio.sleep(0)
    assert woken == ["first"]
    budget.forget(second)
    budget.release(300)
    await asyncio.sleep(0)
    assert woken == ["first"]


def test_budget_takes_one_message_larger_than_itself() -> None:
    """A message that never fits is taken when nothing else is there, so that it can not wait for ever."""
    budget = Budget(400)
    assert budget.try_take(1000)
    assert not budget.try_take(1)
    assert budget.available_bytes == -700
    assert budget.try_hold(1000)
    assert not budget.try_hold(1)
    with pytest.raises(ValueError, match="memory_budget_bytes"):
        Budget(3)


def test_rate_lets_a_burst_through_and_then_says_how_long_to_wait() -> None:
    """The debt is what the rate needs to pay for it."""
    clock = ManualClock()
    rate = Rate(clock, 10)
    assert rate.spend(10) == 0
    assert rate.spend(5) == pytest.approx(0.5)
    clock.advance(0.5)
    assert rate.spend(0) == 0
    clock.advance(100)
    assert rate.spend(10) == 0
    assert rate.spend(1) > 0
