"""MQTT.js, the client of Node.js and of browsers, over TCP and WebSocket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from dataflow_bridge.listener.settings import ListenerSettings
from dataflow_bridge.listener.testing import serve

pytestmark = pytest.mark.node


@pytest.mark.parametrize("version", ["4", "5"])
@pytest.mark.parametrize("transport", ["mqtt", "ws"])
async def test_mqttjs_publishes_with_every_qos(mqttjs: Path, transport: str, version: str) -> None:
    """All messages of QoS 0, 1 and 2 arrive, and all acknowledgements come."""
    settings = ListenerSettings(listen="127.0.0.1:0", websocket_listen="127.0.0.1:0")
    async with serve(settings) as served:
        port = served.listener.port if transport == "mqtt" else served.listener.websocket_port
        process = await asyncio.create_subprocess_exec(
            "node",
            str(mqttjs / "publish.mjs"),
            f"{transport}://127.0.0.1:{port}",
            version,
            f"mqttjs-{transport}-{version}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert (process.returncode, output.decode().strip()) == (0, "done")
        messages = await served.intake.wait_for(9)
        assert [message.topic for message in messages] == [f"mqttjs/{qos}" for qos in (0, 0, 0, 1, 1, 1, 2, 2, 2)]
        if version == "5":
            assert [message.message_id for message in messages] == [f"{q}-{n}" for q in range(3) for n in range(3)]
