"""`dataflow up` starts everything and `down` leaves nothing, for every user and with either set of servers."""

import asyncio
import os
import pwd
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from dataflow_stack.programs import find
from dataflow_stack.testing import LocalStack

MakeStack = Callable[..., LocalStack]


def fetch(dsn: str, sql: str) -> object:
    """Runs one statement and returns its first value."""

    async def run() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(run())


def ordinary_user() -> int:
    """Returns an unprivileged user who can run what is tested here; skips where there is none."""
    if os.getuid() != 0:
        pytest.skip("needs root, to become another user")
    uid = pwd.getpwnam("nobody").pw_uid
    command = [sys.executable, "-c", "import dataflow_stack, dataflow_cli"]
    try:
        subprocess.run(command, user=uid, group=uid, extra_groups=[], cwd="/", capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the checkout, or its Python, is closed to other users")
    return uid


@pytest.mark.parametrize("servers", ["path", "wheels"])
@pytest.mark.parametrize("who", ["ourselves", "an ordinary user"])
def test_up_serves_and_down_leaves_no_process(make_stack: MakeStack, who: str, servers: str) -> None:
    """Up returns when everything serves, and after down nothing runs; below a directory that is closed to others."""
    for kind in ("redis", "postgres"):
        if not find(kind, servers):  # type: ignore[arg-type]
            pytest.skip(f"no {kind} from {servers} on this machine")
    stack = make_stack(environ={"DATAFLOW_SERVERS": servers}, uid=None if who == "ourselves" else ordinary_user())
    printed = stack.up()
    document = stack.status()
    assert "ready" in printed
    assert {entry["health"] for entry in document["processes"]} == {"SERVING"}
    assert stat.S_IMODE(Path(document["token_file"]).stat().st_mode) == 0o600
    assert stat.S_IMODE(stack.home.stat().st_mode) == 0o700
    stack.down()
    assert stack.processes() == []
    assert stack.command("status", check=False).returncode == 3


def test_second_up_serves_the_same_data_at_the_same_place(make_stack: MakeStack) -> None:
    """What was stored before down is there after the next up, under the same addresses and with the same token."""
    stack = make_stack()
    stack.up()
    before = stack.status()
    token = Path(before["token_file"]).read_text(encoding="utf-8")
    fetch(before["postgres"], "CREATE TABLE kept AS SELECT 42 AS answer")
    stack.down()
    stack.up()
    after = stack.status()
    assert fetch(after["postgres"], "SELECT answer FROM kept") == 42
    assert {key: after[key] for key in ("mqtt", "grpc", "redis")} == {
        key: before[key] for key in ("mqtt", "grpc", "redis")
    }
    assert Path(after["token_file"]).read_text(encoding="utf-8") == token


def test_killed_supervisor_leaves_no_orphan(make_stack: MakeStack) -> None:
    """After kill -9 of the supervisor everything ends by itself, and the next up serves the same data."""
    stack = make_stack()
    stack.up()
    os.kill(stack.status()["pid"], 9)
    stack.eventually(lambda: stack.processes() == [])
    stack.up()
    assert {entry["health"] for entry in stack.status()["processes"]} == {"SERVING"}


def test_taken_port_is_named_with_the_way_out(make_stack: MakeStack) -> None:
    """Up over a taken port starts nothing, and says which port it is and how to choose others."""
    stack = make_stack()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = stack.command("up", "--no-fleet", "--port-base", str(port - 6), check=False)
    assert done.returncode == 1
    assert f"port {port} (postgres) is taken" in done.stderr
    assert "--port-base" in done.stderr
    assert stack.processes() == []
