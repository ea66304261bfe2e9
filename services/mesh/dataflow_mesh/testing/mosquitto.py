"""A throw-away Mosquitto broker with its own data, to be killed, frozen and restarted."""

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from dataflow_mesh.testing.ports import free_port
from dataflow_mesh.testing.processes import GuardedProcess, ThrowAwayServer, current_user

_START_SECONDS = 20.0
_SAVE_SECONDS = 10.0
_OPTIONS: dict[str, str] = {
    "allow_anonymous": "true",
    "persistence": "true",
    "autosave_interval": "1",
    "max_queued_messages": "0",
    "max_inflight_messages": "1000",
    "sys_interval": "1",
}


class MosquittoServer(ThrowAwayServer):
    """One Mosquitto on 127.0.0.1, with the settings that QoS 1 needs.

    Args:
        options: Settings that replace or add to those; None removes one.
        port: Where to listen; default a free port.
    """

    def __init__(self, options: Mapping[str, str | None] | None = None, *, port: int | None = None) -> None:
        binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if binary is None:
            raise RuntimeError("no mosquitto on the PATH")
        self._binary = binary
        self.options: dict[str, str | None] = {**_OPTIONS, **(options or {})}
        self.directory = Path(tempfile.mkdtemp(prefix="dataflow-mosquitto-"))
        self.port = port or free_port()

    @property
    def url(self) -> str:
        """The address as `mqtt://host:port`."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        """Where its queues are saved."""
        return self.directory / "mosquitto.db"

    def start(self) -> None:
        """Starts the broker over the data it has and returns when it listens."""
        options = {**self.options, "persistence_location": f"{self.directory}/"}
        lines = [f"listener {self.port} 127.0.0.1"]
        if os.getuid() == 0:
            lines.append("user root")  # else it becomes another one, who cannot write here
        lines += [f"{name} {value}" for name, value in options.items() if value is not None]
        configuration = self.directory / "mosquitto.conf"
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._process = GuardedProcess(
            [self._binary, "-c", str(configuration)],
            directory=self.directory,
            log=self.directory / "mosquitto.log",
            user=current_user(),
            stop_signal=signal.SIGTERM,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if not self._process.running or time.monotonic() > deadline:
                self._process.stop()
                log = (self.directory / "mosquitto.log").read_text(encoding="utf-8")
                raise RuntimeError(f"Mosquitto did not start:\n{log[-2000:]}")
            time.sleep(0.005)

    def save(self) -> None:
        """Has the queues written to disk, and returns when they are."""
        before = self._saved_at()
        os.kill(self._running().pid, signal.SIGUSR1)
        deadline = time.monotonic() + _SAVE_SECONDS
        while self._saved_at() == before:
            if time.monotonic() > deadline:
                raise RuntimeError("Mosquitto did not save its queues")
            time.sleep(0.005)

    def close(self) -> None:
        """Ends the broker and removes its data."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _saved_at(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return self.database.stat().st_mtime_ns
        return 0

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
            return True
        return False


@contextlib.contextmanager
def mosquitto_server(options: Mapping[str, str | None] | None = None) -> Iterator[MosquittoServer]:
    """Runs a broker for the length of the context."""
    server = MosquittoServer(options)
    try:
        server.start()
        yield server
    finally:
        server.close()
