"""Commands and configuration, from the RPC of one bridge to a client of another one."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiomqtt
import asyncpg
import grpc
import pytest
from dataflow.bridge.v1 import device_command_pb2, device_service_pb2
from dataflow.bridge.v1.device_service_pb2_grpc import DeviceServiceStub
from dataflow_bridge.listener.testing import ByteClient
from dataflow_bridge.process_testing import BridgeProcess, Bridges
from dataflow_mesh.testing import RedisServer
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from mqtt5 import (
    ConnectPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

PENDING = device_command_pb2.COMMAND_STATE_PENDING
DELIVERED = device_command_pb2.COMMAND_STATE_DELIVERED
ACKNOWLEDGED = device_command_pb2.COMMAND_STATE_ACKNOWLEDGED
EXPIRED = device_command_pb2.COMMAND_STATE_EXPIRED


class Devices:
    """DeviceService of one bridge, with the token of an operator."""

    def __init__(self, bridge: BridgeProcess, token: str) -> None:
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{bridge.grpc_port}")
        self._stub = DeviceServiceStub(self.channel)
        self._metadata = (("authorization", f"Bearer {token}"),)

    async def send(
        self,
        device_id: str,
        name: str,
        arguments: dict[str, object] | None = None,
        seconds: int = 60,
        request_id: str = "",
    ) -> device_command_pb2.DeviceCommand:
        """Send a command."""
        request = device_service_pb2.SendCommandRequest(
            device_id=device_id,
            name=name,
            arguments=ParseDict(arguments or {}, Struct()),
            expire_after=Duration(seconds=seconds),
            request_id=request_id,
        )
        return (await self._stub.SendCommand(request, metadata=self._metadata, timeout=10)).command

    async def configure(self, device_id: str, config: dict[str, object]) -> device_command_pb2.DeviceConfig:
        """Set a configuration."""
        request = device_service_pb2.SetConfigRequest(device_id=device_id, config=ParseDict(config, Struct()))
        return (await self._stub.SetConfig(request, metadata=self._metadata, timeout=10)).config

    async def list(
        self, device_id: str = "", page_size: int = 0, page_token: str = "", state: int = 0
    ) -> device_service_pb2.ListCommandsResponse:
        """List commands."""
        selected = device_service_pb2.CommandFilter(device_id=device_id, state=state)  # type: ignore[arg-type]
        request = device_service_pb2.ListCommandsRequest(filter=selected, page_size=page_size, page_token=page_token)
        return await self._stub.ListCommands(request, metadata=self._metadata, timeout=10)

    async def until(self, device_id: str, state: int) -> device_command_pb2.DeviceCommand:
        """Wait until the newest command of a device is in a state."""
        for _ in range(200):
            command = (await self.list(device_id)).commands[0]
            if command.state == state:
                return command
            await asyncio.sleep(0.1)
        raise AssertionError(command)


@pytest.fixture
async def bridges(postgres: str, redis_nodes: list[RedisServer], tmp_path: Path) -> AsyncIterator[Bridges]:
    """Give two bridges."""
    made = Bridges(tmp_path, postgres, redis_nodes)
    try:
        yield await made.start(2)
    finally:
        made.close()


@pytest.fixture
async def devices(bridges: Bridges) -> AsyncIterator[Devices]:
    """Give the DeviceService of the second bridge."""
    made = Devices(bridges.all[1], bridges.tokens["operator"])
    yield made
    await made.channel.close()


async def until_noted(dsn: str, device_id: str) -> None:
    """Wait until all bridges can know that the command of a device was sent, and how."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(20):
            while not await connection.fetchval(  # noqa: ASYNC110 - what is waited for is in Postgres
                "SELECT packet_id IS NOT NULL FROM bridge.device_command WHERE device_id = $1", device_id
            ):
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


Connect = Callable[..., Awaitable[ByteClient]]


@pytest.fixture
async def connect(bridges: Bridges) -> AsyncIterator[Connect]:
    """Give a way to connect as a device, on a bridge by its number, and to subscribe."""
    clients: list[ByteClient] = []

    async def connect(number: int, device_id: str, *patterns: str, **options: object) -> ByteClient:
        packet = ConnectPacket(
            f"client-of-{device_id}",
            username=device_id,
            password=bridges.tokens["operator"].encode(),
            session_expiry_interval=100,
            **options,  # type: ignore[arg-type]
        )
        client, connack = await bridges.all[number].connected(packet)
        assert connack.reason_code.value == 0
        clients.append(client)
        if patterns:
            client.send(SubscribePacket(1, [TopicFilter(p, max_qos=QoS.AT_LEAST_ONCE) for p in patterns]).write())
            assert isinstance(await client.receive5(), SubAckPacket)
        return client

    yield connect
    for client in clients:
        await client.close()


async def publish_of(client: ByteClient) -> PublishPacket:
    """Return the next PUBLISH."""
    packet = await client.receive5()
    assert isinstance(packet, PublishPacket)
    return packet


@pytest.mark.parametrize("protocol", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5], ids=["3.1.1", "5"])
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
async def test_a_command_reaches_a_real_client_and_its_answer_comes_back(
    bridges: Bridges, devices: Devices, protocol: aiomqtt.ProtocolVersion, transport: str
) -> None:
    """Sent through one bridge, delivered by another one, acknowledged by a message that is on the ring as any other."""
    port = bridges.all[0].port if transport == "tcp" else bridges.shared_port
    async with aiomqtt.Client(
        "127.0.0.1",
        port,
        username="pump",
        password=bridges.tokens["operator"],
        protocol=protocol,
        transport=transport,  # type: ignore[arg-type]
    ) as client:
        await client.subscribe("devices/pump/commands/#", qos=1)
        sent = await devices.send("pump", "open", {"valve": 2, "share": 0.5})
        message = await anext(aiter(client.messages))
        assert str(message.topic) == f"devices/pump/commands/{sent.command_id}"
        assert isinstance(message.payload, bytes)
        assert json.loads(message.payload) == {"name": "open", "arguments": {"valve": 2, "share": 0.5}}
        assert b'"valve":2' in message.payload
        await devices.until("pump", DELIVERED)
        await client.publish(f"{message.topic}/ack", b'{"ok":true}', qos=1)
        command = await devices.until("pump", ACKNOWLEDGED)
    assert command.acknowledgement == b'{"ok":true}'
    assert bridges.messages()[f"devices/pump/commands/{sent.command_id}/ack", b'{"ok":true}'] == 1


async def test_a_command_is_sent_again_after_a_reconnect_on_another_bridge(
    devices: Devices, connect: Connect, postgres: str
) -> None:
    """As a duplicate, under the same packet id, until it was confirmed."""
    client = await connect(0, "d", "devices/d/commands/#")
    await devices.send("d", "go")
    first = await publish_of(client)
    await until_noted(postgres, "d")
    await client.close()
    client = await connect(1, "d")
    again = await publish_of(client)
    assert (await devices.list("d")).commands[0].state == PENDING
    client.send(PubAckPacket(again.packet_id or 0).write())
    await devices.until("d", DELIVERED)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert (again.topic, again.packet_id) == (first.topic, first.packet_id)
    await client.close()
    client = await connect(0, "d")
    client.send(b"\xc0\x00")
    assert await client.receive() == b"\xd0\x00", "it has it"


async def test_a_command_waits_for_its_device_until_it_expires(devices: Devices, connect: Connect) -> None:
    """What was sent to a device that is not there comes when it subscribes, oldest first; what expired does not."""
    await devices.send("d", "expires", seconds=1)
    for name in ("one", "two"):
        await devices.send("d", name)
    await asyncio.sleep(1.2)
    client = await connect(0, "d", "devices/d/commands/#")
    names = [json.loads((await publish_of(client)).payload or b"")["name"] for _ in range(2)]
    states = [command.state for command in (await devices.list("d")).commands]
    assert names == ["one", "two"]
    assert states[-1] == EXPIRED


async def test_respects_what_the_client_takes(devices: Devices, connect: Connect) -> None:
    """No more unacknowledged messages than its Receive Maximum, and none longer than its Maximum Packet Size."""
    client = await connect(0, "d", "devices/d/commands/#", receive_max=2, max_packet_size=300)
    await devices.send("d", "large", {"text": "x" * 300})
    for number in range(4):
        await devices.send("d", f"c{number}")
    packets = [await publish_of(client) for _ in range(2)]
    client.send(b"\xc0\x00")
    assert await client.receive() == b"\xd0\x00"
    for _ in range(2):
        client.send(PubAckPacket(packets.pop(0).packet_id or 0).write())
        packets.append(await publish_of(client))
    large = (await devices.list("d")).commands[-1]
    assert large.state == PENDING
    assert "longer than the client takes" in large.detail


async def test_a_configuration_comes_on_subscribing_and_on_change(devices: Devices, connect: Connect) -> None:
    """The newest version, marked as retained for who has just subscribed; one that was confirmed does not come again."""
    await devices.configure("d", {"rate": 1})
    await devices.configure("d", {"rate": 2})
    client = await connect(0, "d", "devices/d/config")
    first = await publish_of(client)
    client.send(PubAckPacket(first.packet_id or 0).write())
    await devices.configure("d", {"rate": 3})
    second = await publish_of(client)
    await client.close()
    client = await connect(1, "d")
    again = await publish_of(client)
    client.send(PubAckPacket(again.packet_id or 0).write())
    assert [json.loads(packet.payload or b"") for packet in (first, second, again)] == [
        {"version": 2, "config": {"rate": 2}},
        {"version": 3, "config": {"rate": 3}},
        {"version": 3, "config": {"rate": 3}},
    ]
    assert [packet.retain for packet in (first, second, again)] == [True, False, False]
    assert {packet.topic for packet in (first, second, again)} == {"devices/d/config"}


async def test_a_request_id_makes_one_command(devices: Devices) -> None:
    """The same request answers as the first time; another one under the same id is refused."""
    one = await devices.send("d", "go", {"a": 1}, request_id="r")
    two = await devices.send("d", "go", {"a": 1}, request_id="r")
    other = await devices.send("e", "go", {"a": 1}, request_id="r")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await devices.send("d", "stop", request_id="r")
    assert one.command_id == two.command_id != other.command_id
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS


async def test_lists_in_pages(devices: Devices) -> None:
    """Newest first, each once; a token belongs to its filter."""
    for number in range(5):
        await devices.send("d", f"c{number}")
    names: list[str] = []
    token = ""
    while True:
        page = await devices.list("d", page_size=2, page_token=token)
        names += [command.name for command in page.commands]
        token = page.next_page_token
        if not token:
            break
    first = await devices.list("d", page_size=2)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await devices.list("e", page_token=first.next_page_token)
    assert names == ["c4", "c3", "c2", "c1", "c0"]
    assert len((await devices.list("d", state=DELIVERED)).commands) == 0
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_command_line_sends_and_shows(bridges: Bridges, connect: Connect) -> None:
    """`dataflow device` speaks to any bridge; what is no JSON object is a wrong usage."""

    async def dataflow(*arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "dataflow_cli",
            "device",
            *arguments,
            "--json",
            env={
                **os.environ,
                "DATAFLOW_BRIDGE": f"127.0.0.1:{bridges.all[1].grpc_port}",
                "DATAFLOW_TOKEN": bridges.tokens["operator"],
            },
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    client = await connect(0, "d", "devices/d/commands/#", "devices/d/config")
    code, output = await dataflow("send", "d", "go", '{"far": true}')
    command = json.loads(output)
    sent = await publish_of(client)
    _, configured = await dataflow("configure", "d", '{"rate": 5}')
    config = await publish_of(client)
    _, listed = await dataflow("commands", "--device", "d", "--state", "pending")
    wrong, _ = await dataflow("send", "d", "go", "[1]")
    assert code == 0
    assert sent.topic.endswith(command["command_id"])
    assert json.loads(config.payload or b"") == {"version": 1, "config": {"rate": 5}}
    assert json.loads(configured)["version"] in {1, "1"}
    assert [entry["command_id"] for entry in json.loads(listed)] == [command["command_id"]]
    assert wrong == 2


async def test_delivers_what_was_sent_while_the_bridge_was_cut_from_postgres(
    bridges: Bridges, devices: Devices, connect: Connect, postgres: str
) -> None:
    """A bridge whose connections to Postgres were ended looks again when it has new ones."""
    client = await connect(0, "d", "devices/d/commands/#")
    connection = await asyncpg.connect(postgres)
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'bridge-0%'"
        )
    finally:
        await connection.close()
    await devices.send("d", "go")
    assert json.loads((await publish_of(client)).payload or b"")["name"] == "go"
