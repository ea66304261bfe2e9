"""The throw-away servers that all tests stand on: fast to start, gone afterwards, able to be broken."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dataflow_mesh.testing import PostgresCluster, RedisServer, free_port, postgres_cluster, redis_server


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as running:
        yield running


def ask(server: RedisServer, command: str) -> str:
    """Sends one inline command and returns the start of the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(4096).decode()


def gone(pid: int) -> bool:
    """Returns whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.redis
def test_redis_keeps_what_it_confirmed_through_a_kill(redis: RedisServer) -> None:
    """The node is as durable as a ring node must be."""
    assert ask(redis, "SET a 1") == "+OK\r\n"
    redis.kill()
    redis.start()
    assert ask(redis, "GET a") == "$1\r\n1\r\n"


@pytest.mark.redis
def test_redis_has_the_options_of_a_ring_node(redis: RedisServer) -> None:
    """Appendfsync always, no snapshots, no eviction."""
    for name, value in (("appendfsync", "always"), ("maxmemory-policy", "noeviction"), ("save", "")):
        assert ask(redis, f"CONFIG GET {name}").split("\r\n")[4] == value


@pytest.mark.redis
def test_a_node_can_lose_its_disk(redis: RedisServer) -> None:
    """It comes back empty."""
    ask(redis, "SET a 1")
    redis.kill()
    redis.lose_data()
    redis.start()
    assert ask(redis, "GET a") == "$-1\r\n"


@pytest.mark.redis
def test_closing_a_frozen_server_ends_it() -> None:
    """A test may leave a server in any state."""
    with redis_server() as server:
        pid, directory = server.pid, server.directory
        server.pause()
    assert gone(pid)
    assert not directory.exists()


@pytest.mark.postgres
def test_postgres_keeps_what_it_committed_through_a_kill() -> None:
    """The cluster restarts over its data as often as a test likes."""
    with postgres_cluster() as cluster:
        cluster.execute("CREATE TABLE a (b int); INSERT INTO a VALUES (1)")
        for _ in range(2):
            cluster.kill()
            cluster.start()
        assert cluster.execute("SELECT b FROM a") == "1"
        pid, directory = cluster.pid, cluster.directory
    assert gone(pid)
    assert not directory.exists()


@pytest.mark.postgres
def test_databases_of_one_cluster_are_apart() -> None:
    """One cluster serves many tests."""
    with postgres_cluster() as cluster:
        one, two = cluster.create_database(), cluster.create_database()
        assert one != two
        cluster.execute("CREATE TABLE a (b int)", database=one.rpartition("/")[2])
        assert cluster.execute("SELECT to_regclass('a') IS NULL", database=two.rpartition("/")[2]) == "t"


@pytest.mark.postgres
@pytest.mark.redis
@pytest.mark.parametrize("frozen", [False, True])
def test_servers_do_not_outlive_a_test_process_that_is_killed(frozen: bool) -> None:
    """Nothing runs and nothing lies about after kill -9 of the tests, even if a server was frozen then."""
    source = f"""
from dataflow_mesh.testing import PostgresCluster, RedisServer
import signal
redis, postgres = RedisServer(), PostgresCluster()
redis.start(); postgres.start()
if {frozen}: redis.pause(); postgres.pause()
print(redis.pid, redis.directory, postgres.pid, postgres.directory, flush=True)
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        redis_pid, redis_directory, postgres_pid, postgres_directory = process.stdout.readline().split()
        process.send_signal(signal.SIGKILL)
    while not (gone(int(redis_pid)) and gone(int(postgres_pid))):
        time.sleep(0.01)
    while os.path.exists(redis_directory) or os.path.exists(postgres_directory):  # noqa: PTH110 - other user's
        time.sleep(0.01)


def test_a_free_port_is_given_once() -> None:
    """Parallel test processes do not get each other's ports either."""
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    command = [
        sys.executable,
        "-c",
        "from dataflow_mesh.testing import free_port\nfor _ in range(50): print(free_port())",
    ]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not set(map(int, other)) & set(ports)


@pytest.mark.parametrize("server", [RedisServer, PostgresCluster])
def test_a_server_that_cannot_start_shows_its_log(server: type[RedisServer | PostgresCluster]) -> None:
    """A taken port is told in the server's own words."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        broken = server(port=taken.getsockname()[1])
        with contextlib.closing(broken), pytest.raises(RuntimeError, match=r"(?i)address already in use"):
            broken.start()
