"""The generated secrets of the Compose project: made once, handed out apart, and taken by the servers they are for."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from dataflow_mesh.access import Tokens
from dataflow_mesh.testing import free_port

_SCRIPT = Path(__file__).parents[2] / "deploy" / "docker" / "secrets_init.py"
_VOLUMES = (
    "keep", "redis", "postgres", "database", "bridge", "validator", "insight", "mosquitto", "admin", "fleet",
)  # fmt: skip


def _run(root: Path) -> dict[str, str]:
    """Run the script on volumes, and return what is in them."""
    for name in _VOLUMES:
        (root / name).mkdir(exist_ok=True)
    subprocess.run([sys.executable, str(_SCRIPT), str(root), "redis-1,redis-2"], check=True, timeout=30)
    return {str(file.relative_to(root)): file.read_text() for file in sorted(root.rglob("*")) if file.is_file()}


def test_a_second_start_changes_nothing_and_a_lost_volume_is_filled_again(tmp_path: Path) -> None:
    """Running containers keep the passwords that they started with."""
    first = _run(tmp_path)
    shutil.rmtree(tmp_path / "bridge")
    assert _run(tmp_path) == first


def test_two_systems_have_no_secret_in_common(tmp_path: Path) -> None:
    """There is no default password."""
    secrets = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files = _run(tmp_path / name)
        tokens = [entry["token"] for entry in json.loads(files["keep/tokens.json"])["tokens"]]
        secrets.append({*json.loads(files["keep/passwords.json"]).values(), *tokens})
    assert len(secrets[0]) == len(secrets[1]) > 8
    assert not secrets[0] & secrets[1]


def test_only_the_owner_reads_the_files_and_each_service_sees_its_own(tmp_path: Path) -> None:
    """Insight gets the login that only reads and its own, not the owner's, and nobody but the database's container the superuser's."""
    files = _run(tmp_path)
    for name in files:
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
    made = json.loads(files["keep/passwords.json"])
    holders = {
        key: sorted({name.partition("/")[0] for name, text in files.items() if value in text} - {"keep"})
        for key, value in made.items()
    }
    assert holders["redis"] == ["bridge", "redis"]
    assert holders["postgres_superuser"] == ["database", "postgres"]
    assert holders["postgres_owner"] == ["bridge", "database", "validator"]
    assert holders["postgres_reader"] == ["database", "insight"]
    assert holders["postgres_insight"] == ["database", "insight"]
    assert holders["mosquitto_dataflow"] == ["admin"]


def test_services_take_the_files_as_they_are(tmp_path: Path) -> None:
    """The token file and dataflow.toml are of the form that the mesh reads."""
    files = _run(tmp_path)
    tokens = Tokens.load(tmp_path / "bridge" / "tokens.json")
    admin = tokens.caller_of(files["admin/admin.token"].strip())
    assert admin is not None
    assert admin.role_name == "ADMIN"
    bridge = tomllib.loads(files["bridge/dataflow.toml"])["bridge"]
    assert [node.partition("=")[0] for node in bridge["ring_nodes"]] == ["redis-1", "redis-2"]


@pytest.mark.tool("mosquitto")
@pytest.mark.tool("mosquitto_pub")
def test_mosquitto_knows_the_generated_accounts_and_no_other(tmp_path: Path) -> None:
    """The password file is of the form that Mosquitto reads."""
    files = _run(tmp_path)
    port = free_port()
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {tmp_path}/mosquitto/passwords\nuser root\n"
    )
    broker = subprocess.Popen(
        ["mosquitto", "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        publish = ["mosquitto_pub", "-p", str(port), "-q", "1", "-t", "t", "-m", "m"]

        def code(*options: str) -> int:
            # 1: nobody listens yet.
            while (done := subprocess.run([*publish, *options], capture_output=True, check=False)).returncode == 1:
                assert broker.poll() is None
            return done.returncode

        password = files["admin/mosquitto-publisher"].strip()
        assert code("-u", "publisher", "-P", password) == 0
        assert code("-u", "publisher", "-P", "wrong") == 5
        assert code() == 5
    finally:
        broker.kill()
        broker.wait()
