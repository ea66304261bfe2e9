"""Sessions across real bridge processes that are frozen, killed and cut from Postgres, with real clients."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import asyncpg
import pytest
from dataflow_bridge.process_testing import Bridges
from dataflow_mesh.testing import RedisServer, postgres_cluster
from mqtt5 import ConnectPacket, DisconnectPacket, DisconnectReasonCode, PubAckPacket, PublishPacket, QoS, Will


@pytest.fixture
async def bridges(postgres: str, redis_nodes: list[RedisServer], tmp_path: Path) -> AsyncIterator[Bridges]:
    """Give two bridges."""
    made = Bridges(tmp_path, postgres, redis_nodes)
    try:
        yield await made.start(2)
    finally:
        made.close()


def resumable(will: Will | None = None, client_id: str = "a") -> ConnectPacket:
    """Return a CONNECT that resumes its session."""
    return ConnectPacket(client_id, session_expiry_interval=100, will=will)


async def test_a_client_id_has_one_connection_and_loses_no_message(bridges: Bridges) -> None:
    """The same client id connects again and again to a shared port: one connection stays, all that was acknowledged is there."""
    acknowledged: list[bytes] = []

    async def one(number: int) -> bool:
        async with aiomqtt.Client(
            "127.0.0.1", bridges.shared_port, identifier="same", transport="websockets", clean_session=False
        ) as client:
            for index in range(200):
                payload = f"{number}-{index}".encode()
                await client.publish("take/over", payload, qos=1, timeout=10)
                acknowledged.append(payload)
                await asyncio.sleep(0)
            return True

    async def until_displaced(number: int) -> bool:
        try:
            return await one(number)
        except aiomqtt.MqttError:
            return False

    async with asyncio.TaskGroup() as group:
        tasks = []
        for number in range(8):
            tasks.append(group.create_task(until_displaced(number)))
            await asyncio.sleep(0.1)
    assert any(task.result() for task in tasks)
    stored = bridges.messages()
    assert [payload for payload in acknowledged if not stored["take/over", payload]] == []


async def test_a_frozen_bridge_does_no_harm(bridges: Bridges, postgres: str) -> None:
    """Its clients go elsewhere; when it wakes up it ends their old connections and publishes no Will of theirs."""
    one, two = bridges.all
    will = Will("last/words", payload=b"frozen", will_delay_interval=1)
    first, _ = await one.connected(resumable(will))
    stayed, _ = await one.connected(resumable(will, "stayed"))
    one.send(signal.SIGSTOP)
    second, connack = await two.connected(resumable(will))
    first.send(PublishPacket("late", b"1", qos=QoS.AT_LEAST_ONCE, packet_id=1).write())
    await asyncio.sleep(9)  # the other bridge leads by now, and has given the frozen one up
    await bridges.eventually(lambda: bridges.messages()["last/words", b"frozen"] == 1)
    one.send(signal.SIGCONT)
    while not isinstance(goodbye := await first.receive5(), DisconnectPacket):
        pass
    stayed.send(b"\xc0\x00")
    assert await stayed.receive() == b"\xd0\x00"
    second.send(b"\xc0\x00")
    assert await second.receive() == b"\xd0\x00"
    await asyncio.sleep(3)
    for client in (first, second, stayed):
        await client.close()
    assert goodbye.reason_code == DisconnectReasonCode.SESSION_TAKEN_OVER
    assert connack.session_present
    assert bridges.messages()["last/words", b"frozen"] == 1, (
        "the one that stayed seemed dead; the one that moved did not"
    )
    connection = await asyncpg.connect(postgres)
    try:
        rows = {
            row["client_id"]: row["bridge_id"]
            for row in await connection.fetch("SELECT client_id, bridge_id FROM bridge.session")
        }
    finally:
        await connection.close()
    assert rows == {"a": "bridge-1", "stayed": "bridge-0"}


async def test_the_leader_publishes_the_wills_of_a_killed_bridge(bridges: Bridges) -> None:
    """Once for each client that does not come back in time."""
    one, two = bridges.all
    gone, _ = await one.connected(resumable(Will("last/words", payload=b"gone", will_delay_interval=0), "gone"))
    back, _ = await one.connected(resumable(Will("last/words", payload=b"back", will_delay_interval=60), "back"))
    one.end(signal.SIGKILL)
    again, connack = await two.connected(resumable(client_id="back"))
    await bridges.eventually(lambda: bridges.messages()["last/words", b"gone"] > 0)
    await asyncio.sleep(3)
    for client in (gone, back, again):
        await client.close()
    assert connack.session_present
    assert bridges.messages()["last/words", b"gone"] == 1
    assert bridges.messages()["last/words", b"back"] == 0


async def test_a_session_outlives_a_restart(bridges: Bridges) -> None:
    """A bridge that stops in order leaves the sessions to the others, without a Will."""
    one, two = bridges.all
    client, first = await one.connected(resumable(Will("last/words", payload=b"stopped")))
    one.end()
    goodbye = await client.receive5()
    again, second = await two.connected(resumable())
    await client.close()
    await again.close()
    assert isinstance(goodbye, DisconnectPacket)
    assert goodbye.reason_code == DisconnectReasonCode.SERVER_SHUTTING_DOWN
    assert (first.session_present, second.session_present) == (False, True)
    assert bridges.messages()["last/words", b"stopped"] == 0


async def test_clients_come_in_while_postgres_is_away(redis_nodes: list[RedisServer], tmp_path: Path) -> None:
    """They publish and are acknowledged; when it is back they are claimed, and of two connections the newer one stays."""
    with postgres_cluster() as cluster:
        dsn = cluster.create_database()
        bridges = Bridges(tmp_path, dsn, redis_nodes)
        try:
            one, two = (await bridges.start(2)).all
            cluster.kill()
            async with asyncio.timeout(20):
                first, _ = await one.connected(resumable())
                first.send(PublishPacket("t", b"away", qos=QoS.AT_LEAST_ONCE, packet_id=1).write())
                puback = await first.receive5()
                second, _ = await two.connected(resumable())
            cluster.start()
            async with asyncio.timeout(60):
                goodbye = await first.receive5()
            second.send(b"\xc0\x00")
            assert await second.receive() == b"\xd0\x00"
            await first.close()
            await second.close()
        finally:
            bridges.close()
    assert isinstance(puback, PubAckPacket)
    assert isinstance(goodbye, DisconnectPacket)
    assert goodbye.reason_code == DisconnectReasonCode.SESSION_TAKEN_OVER
    assert bridges.messages()["t", b"away"] == 1
