"""Other people's MQTT clients, end to end: what they publish with QoS 0, 1 and 2 is a row each."""

import asyncio
import itertools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

import aiomqtt
import paho.mqtt.client as paho
import pytest
from dataflow_stack.testing import LocalStack
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

EACH = 40
FIELDS = json.dumps(
    [
        {"name": "device_id", "type": "string"},
        {"name": "qos", "type": "integer", "min": 0, "max": 2},
        {"name": "n", "type": "integer"},
    ]
)
Message = tuple[str, str, int]


class Books(Protocol):
    """What is used of the books of a stack."""

    def quarantined(self, contract: str) -> dict[str, int]: ...
    def judged(self, contract: str) -> dict[str, int]: ...
    def rows(self, sql: str, *arguments: object) -> list[tuple[Any, ...]]: ...


@pytest.fixture(scope="module", autouse=True)
def _contract(make_contract: Callable[..., None]) -> None:
    make_contract("clients", FIELDS, "clients/+/+", "--identity", "device_id,qos,n", device="payload:/device_id")


@pytest.fixture
def stored_once(stack: LocalStack, books: Books) -> Callable[[str, list[Message]], None]:
    """Gives a check that exactly the messages of a device are its rows."""

    def check(device: str, messages: list[Message]) -> None:
        sql = 'SELECT qos, n FROM readings."clients" WHERE device_id = $1'
        stack.eventually(lambda: len(books.rows(sql, device)) >= len(messages))
        sent = [(qos, json.loads(payload)["n"]) for _, payload, qos in messages]
        assert sorted(books.rows(sql, device)) == sorted(sent)
        assert books.quarantined("clients") == {}
        assert set(books.judged("clients")) == {"stored"}

    return check


def messages_of(device: str, qualities: tuple[int, ...] = (0, 1, 2)) -> list[Message]:
    """Makes the messages that a device publishes, the qualities mixed."""
    return [
        (f"clients/{device}/q{qos}", json.dumps({"device_id": device, "qos": qos, "n": n}), qos)
        for n, qos in itertools.product(range(EACH), qualities)
    ]


def run(*command: str, text: str | None = None) -> None:
    """Runs a client to its end; it must be content."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), (done.stdout, done.stderr)


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5], ids=["3.1.1", "5"])
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_paho_becomes_rows(
    stack: LocalStack,
    stored_once: Callable[[str, list[Message]], None],
    version: MQTTProtocolVersion,
    transport: Literal["tcp", "websockets"],
) -> None:
    """Everything that paho publishes is stored once."""
    device = f"paho-{transport}-{int(version)}"
    document = stack.status()
    key = "mqtt" if transport == "tcp" else "mqtt_websocket"
    host, port = document[key].removeprefix("ws://").removesuffix("/mqtt").rsplit(":", 1)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=device, protocol=version, transport=transport)
    client.connect(host, int(port))
    client.loop_start()
    try:
        messages = messages_of(device)
        sent = [client.publish(topic, payload, qos) for topic, payload, qos in messages]
        for info in sent:
            info.wait_for_publish(30)
            assert info.is_published()
    finally:
        client.disconnect()
        client.loop_stop()
    stored_once(device, messages)


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5], ids=["3.1.1", "5"])
def test_aiomqtt_becomes_rows(
    mqtt: tuple[str, int], stored_once: Callable[[str, list[Message]], None], version: aiomqtt.ProtocolVersion
) -> None:
    """Everything that aiomqtt publishes is stored once."""
    device = f"aiomqtt-{version.value}"
    messages = messages_of(device)

    async def publish() -> None:
        async with aiomqtt.Client(*mqtt, identifier=device, protocol=version) as client:
            for topic, payload, qos in messages:
                await client.publish(topic, payload, qos=qos)

    asyncio.run(publish())
    stored_once(device, messages)


@pytest.mark.tool("mosquitto_pub")
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mosquitto_pub_becomes_rows(
    mqtt: tuple[str, int], stored_once: Callable[[str, list[Message]], None], version: str, qos: int
) -> None:
    """Everything that mosquitto_pub publishes is stored once."""
    device = f"mosquitto-{version}-{qos}"
    messages = messages_of(device, (qos,))
    command = ("mosquitto_pub", "-h", mqtt[0], "-p", str(mqtt[1]), "-V", version, "-q", str(qos), "-i", device)
    run(*command, "-t", messages[0][0], "-l", text="".join(f"{payload}\n" for _, payload, _ in messages))
    stored_once(device, messages)


@pytest.mark.node
@pytest.mark.parametrize("version", ["4", "5"])
@pytest.mark.parametrize("transport", ["mqtt", "ws"])
def test_mqttjs_becomes_rows(
    mqttjs: Path, stack: LocalStack, stored_once: Callable[[str, list[Message]], None], transport: str, version: str
) -> None:
    """Everything that MQTT.js publishes is stored once."""
    device = f"mqttjs-{transport}-{version}"
    document = stack.status()
    url = document["mqtt_websocket"] if transport == "ws" else f"mqtt://{document['mqtt']}"
    messages = messages_of(device)
    run("node", str(mqttjs / "mqttjs_client.cjs"), url, version, device, json.dumps(messages))
    stored_once(device, messages)
