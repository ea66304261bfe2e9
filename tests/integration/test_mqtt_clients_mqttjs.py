"""MQTT.js, the client of Node.js and of browsers, over TCP and WebSocket."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from dataflow_bridge.listener.settings import ListenerSettings
from dataflow_bridge.listener.testing import serve

HERE = Path(__file__).parents[1] / "acceptance" / "mqttjs"

pytestmark = pytest.mark.node


@pytest.fixture(scope="session")
def mqttjs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the script and its packages, installed once into a cache outside the repository."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not on the PATH")
    manifest = (HERE / "package.json").read_bytes()
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    cache = root / "dataflow-tests" / f"mqttjs-{hashlib.sha256(manifest).hexdigest()[:12]}"
    if not (cache / "node_modules" / "mqtt").is_dir():
        # Made beside and moved into place, so that parallel test processes do not see a half of it.
        work = tmp_path_factory.mktemp("mqttjs")
        (work / "package.json").write_bytes(manifest)
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=110, check=False)
        if done.returncode:
            pytest.skip(f"the npm package mqtt can not be installed: {done.stderr.strip()[-200:]}")
        cache.parent.mkdir(parents=True, exist_ok=True)
        if not cache.exists():
            shutil.move(work, cache)
    shutil.copy(HERE / "publish.mjs", cache / "publish.mjs")
    return cache


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
