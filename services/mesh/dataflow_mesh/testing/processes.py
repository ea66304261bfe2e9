"""Throw-away server processes: started behind a guard, ended by pid, able to be killed, frozen and started again."""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dataflow_mesh.testing import guard


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The operating-system user that a server runs under."""

    uid: int
    gid: int


def current_user() -> ServerUser:
    """Returns the user of this process."""
    return ServerUser(os.getuid(), os.getgid())


def unprivileged_user() -> ServerUser:
    """Returns this process's user, or an unprivileged one when this is root: Postgres refuses to run as root."""
    if os.getuid() != 0:
        return current_user()
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return ServerUser(entry.pw_uid, entry.pw_gid)
    return ServerUser(65534, 65534)


class GuardedProcess:
    """A server that ends, at the latest, with the process that started it.

    Args:
        command: Program (absolute path) and arguments.
        directory: Removed if this process dies without stopping the server.
        log: File that receives the server's output.
        user: Whom the server runs as.
        stop_signal: What ends it in order.
    """

    def __init__(
        self, command: list[str], *, directory: Path, log: Path, user: ServerUser, stop_signal: signal.Signals
    ) -> None:
        self._stop_signal = stop_signal
        arguments = [str(user.uid), str(user.gid), str(int(stop_signal)), str(directory), *command]
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the command comes from the fixture
                [sys.executable, "-I", "-S", guard.__file__, *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=directory,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends the server with SIGKILL and waits for it."""
        self._process.kill()
        self._finish()

    def pause(self) -> None:
        """Freezes the server (SIGSTOP): its connections stay open and silent."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a frozen server run on."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """Ends the server in order, or by SIGKILL after the time-out. Does nothing when it has ended."""
        if self.running:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(self._stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_seconds)
        if self.running:
            self._process.kill()
        self._finish()

    def _finish(self) -> None:
        self._process.wait()
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(guard.RELEASE)
                self._process.stdin.flush()
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()


class ThrowAwayServer:
    """What every server for tests can suffer; whoever derives from it starts `_process`."""

    _process: GuardedProcess | None = None

    def kill(self) -> None:
        """Ends the server with SIGKILL; what it has on disk stays."""
        self._running().kill()

    def pause(self) -> None:
        """Freezes the server's first process: nobody new is served."""
        self._running().pause()

    def resume(self) -> None:
        """Lets a frozen server run on."""
        self._running().resume()

    def stop(self) -> None:
        """Ends the server in order; its data stay."""
        if self._process is not None:
            self._process.stop()

    def _running(self) -> GuardedProcess:
        assert self._process is not None, "not started"
        return self._process
