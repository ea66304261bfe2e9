"""paho-mqtt and aiomqtt, the MQTT clients of Python."""

from __future__ import annotations

import asyncio

import aiomqtt
import paho.mqtt.client as paho
import pytest
from dataflow_bridge.listener.settings import ListenerSettings
from dataflow_bridge.listener.testing import serve, token_authenticator
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

TOKENS = token_authenticator({"secret": ("fleet", "OPERATOR")})
VERSIONS = [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5]


def publish_with_paho(port: int, version: MQTTProtocolVersion, transport: str, messages: int) -> None:
    """Publish messages of all QoS with paho and wait until all are acknowledged."""
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"paho-{transport}-{int(version)}",
        protocol=version,
        transport=transport,  # type: ignore[arg-type]
    )
    client.username_pw_set("paho-device", "secret")
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        properties = None
        if version == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = ("message-id", "p")
            properties.ContentType = "application/json"
        sent = [client.publish("paho/t", f"{n}", qos=n % 3, properties=properties) for n in range(messages)]
        for message in sent:
            message.wait_for_publish(10)
            assert message.is_published()
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.parametrize("version", VERSIONS, ids=["3.1.1", "5"])
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
async def test_paho_publishes_with_every_qos(version: MQTTProtocolVersion, transport: str) -> None:
    """Every message arrives once, in order for each QoS, with the device of the user name."""
    settings = ListenerSettings(listen="127.0.0.1:0", websocket_listen="127.0.0.1:0")
    async with serve(settings, authenticator=TOKENS) as served:
        # paho's WebSocket client always sends an Origin: that of the address it connects to.
        port = served.listener.port if transport == "tcp" else served.listener.websocket_port
        assert port is not None
        await asyncio.to_thread(publish_with_paho, port, version, transport, 60)
        messages = await served.intake.wait_for(60)
    for qos in range(3):
        of_qos = [int(message.payload) for message in messages if int(message.payload) % 3 == qos]
        assert of_qos == list(range(qos, 60, 3))
    assert {message.device_id for message in messages} == {"paho-device"}
    if version == MQTTProtocolVersion.MQTTv5:
        assert {(message.message_id, message.content_type) for message in messages} == {("p", "application/json")}


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5], ids=["3.1.1", "5"])
async def test_aiomqtt_publishes_with_every_qos(version: aiomqtt.ProtocolVersion) -> None:
    """Every publish returns once it is acknowledged."""
    async with serve(authenticator=TOKENS) as served:
        async with aiomqtt.Client(
            "127.0.0.1",
            served.listener.port or 0,
            protocol=version,
            username="a",
            password="secret",
            identifier="aiomqtt",
        ) as client:
            for n in range(30):
                await client.publish("aio/t", str(n), qos=n % 3)
            await client.subscribe("devices/a/commands/#", qos=1)
        messages = await served.intake.wait_for(30)
    assert sorted(int(message.payload) for message in messages) == list(range(30))


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5], ids=["3.1.1", "5"])
async def test_aiomqtt_leaves_its_will(version: aiomqtt.ProtocolVersion) -> None:
    """A client whose session is taken over leaves its Will."""
    async with serve() as served:
        will = aiomqtt.Will("aio/will", b"gone", qos=1)
        first = aiomqtt.Client("127.0.0.1", served.listener.port or 0, protocol=version, identifier="x", will=will)
        with pytest.raises(aiomqtt.MqttError):  # noqa: PT012 - it is told while it listens
            async with first:
                async with aiomqtt.Client("127.0.0.1", served.listener.port or 0, protocol=version, identifier="x"):
                    await served.intake.wait_for(1)
                async for _ in first.messages:
                    pass
        assert [(m.topic, m.payload) for m in served.intake.published] == [("aio/will", b"gone")]


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5], ids=["3.1.1", "5"])
async def test_aiomqtt_is_refused_without_credentials(version: aiomqtt.ProtocolVersion) -> None:
    """A client without a token is told so."""
    async with serve(authenticator=TOKENS) as served:
        with pytest.raises(aiomqtt.MqttError):
            async with aiomqtt.Client("127.0.0.1", served.listener.port or 0, protocol=version):
                pass
        assert served.listener.counters.refusals == {"not_authorized": 1}
