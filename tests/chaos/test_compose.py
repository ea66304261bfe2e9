"""The Compose project, brought up unmodified by a real engine: it serves, says what it is, and survives its containers."""

from __future__ import annotations

import json
import subprocess
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dataflow_mesh.testing import free_port

from tests.chaos.compose_engine import Compose, FaultKind
from tests.chaos.compose_faults import Plan, campaign

pytestmark = [pytest.mark.chaos, pytest.mark.tool("docker")]

_ROOT = Path(__file__).parents[2]
_PORTS = ("mqtt", "mqtt_websocket", "bridge", "validator", "insight", "mosquitto")
_BUILD_SECONDS = 1200.0


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """Give free ports for what the project publishes."""
    return {name: free_port() for name in _PORTS}


@pytest.fixture(scope="module")
def compose(ports: dict[str, int]) -> Iterator[Compose]:
    """Bring up a project of its own, and remove it with its volumes afterwards."""
    try:
        subprocess.run(["docker", "info"], capture_output=True, check=True, timeout=30)
        subprocess.run(["docker", "compose", "version"], capture_output=True, check=True, timeout=30)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("no Docker engine with Compose answers")
    variables = {f"DATAFLOW_{name.upper()}_PORT": str(port) for name, port in ports.items()}
    project = Compose(_ROOT, "dataflow-test", variables)
    try:
        project.compose("up", "--detach", "--build", "--wait", seconds=_BUILD_SECONDS)
        yield project
    finally:
        project.compose("down", "--volumes", "--timeout", "15")


def _inspected(compose: Compose) -> list[dict[str, Any]]:
    names = [container.name for container in compose.containers()]
    found: list[dict[str, Any]] = json.loads(compose.docker("inspect", *names))
    return found


def test_only_loopback_is_published(compose: Compose) -> None:
    """Nothing of it can be reached from another machine."""
    published = [
        binding["HostIp"]
        for container in _inspected(compose)
        for bindings in container["HostConfig"]["PortBindings"].values()
        for binding in bindings
    ]
    assert set(published) == {"127.0.0.1"}
    assert len(published) == len(_PORTS)


def test_our_processes_are_ordinary_users_without_rights_and_cannot_write(compose: Compose) -> None:
    """What breaks into one finds neither root nor a place to stay."""
    ours = [container for container in _inspected(compose) if container["Config"]["Image"].startswith("dataflow-")]
    assert len(ours) == 6
    for container in ours:
        assert container["Config"]["User"] not in {"", "root", "0"}, container["Name"]
        assert container["HostConfig"]["ReadonlyRootfs"], container["Name"]
        assert container["HostConfig"]["CapDrop"] == ["ALL"], container["Name"]


def test_no_secret_is_in_an_image_or_in_what_the_engine_tells(compose: Compose) -> None:
    """Secrets are files in volumes: neither `docker inspect` nor `docker history` shows one."""
    secrets = [compose.secret("admin.token"), compose.secret("mosquitto-publisher")]
    told = json.dumps(_inspected(compose))
    for image in {container["Config"]["Image"] for container in _inspected(compose)}:
        told += compose.docker("history", "--no-trunc", image)
    assert not [secret for secret in secrets if secret in told]


def test_ring_and_database_are_durable(compose: Compose) -> None:
    """Three nodes on three volumes, all verified; checksums and locks as DataFlow wants them."""
    nodes = json.loads(compose.compose("run", "--rm", "-T", "cli", "ring", "list", "--json"))["nodes"]
    assert len(nodes) == 3
    assert {node["durability"] for node in nodes} == {"DURABILITY_VERIFIED"}
    volumes = [
        mount["Name"]
        for container in _inspected(compose)
        for mount in container["Mounts"]
        if mount["Destination"] == "/data"
    ]
    assert len(set(volumes)) == 3
    assert compose.sql("SHOW data_checksums") == [["on"]]
    assert int(compose.sql("SHOW max_locks_per_transaction")[0][0]) >= 1024


@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_or_stored_twice_when_containers_fail(
    compose: Compose, ports: dict[str, int], tmp_path: Path
) -> None:
    """A node, a bridge, a validator and Postgres: killed, frozen, cut off, with messages over both ways meanwhile."""
    plan = Plan(tuple(FaultKind), ("redis-2", "bridge", "validator", "postgres"), 4.0, 2.0, seed=1, each_once=True)
    arguments = Namespace(**{f"{name}_port": port for name, port in ports.items()})
    report = campaign(compose, plan, 20.0, tmp_path / "acknowledged.jsonl", arguments)
    assert report["faults"] == 4
    assert report["messages"]["listener"]["acknowledged"] > 0
    assert report["messages"]["mosquitto"]["acknowledged"] > 0
    assert (report["lost"], report["twice"], report["unanswered"], report["parked"]) == (0, 0, 0, 0), report
