"""A local stack for tests: its own data directory, free ports, started and ended through the real command."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import psutil

_COMMAND_SECONDS: Final = 180


class LocalStack:
    """`dataflow up` over a data directory of its own, below a directory that nobody else may pass.

    Args:
        flags: Added to `dataflow up --detach --port-base 0`.
        environ: Added to the environment of every command.
        uid: Run the commands as this user (only root can); the directory is given to it.
    """

    def __init__(
        self, flags: Sequence[str] = ("--no-fleet",), environ: Mapping[str, str] | None = None, uid: int | None = None
    ) -> None:
        self._flags = tuple(flags)
        self._uid = uid
        self.home = Path(tempfile.mkdtemp(prefix="dataflow-stack-"))
        if uid is not None:
            os.chown(self.home, uid, uid)
        self.data_dir = self.home / "data"
        unwanted = {"DATAFLOW_DATA_DIR", "DATAFLOW_TOKEN", "DATAFLOW_TOKEN_FILE"}
        self._environ = {name: value for name, value in os.environ.items() if name not in unwanted}
        self._environ |= {"HOME": str(self.home), "DATAFLOW_STACK_HOME": str(self.home)} | dict(environ or {})

    @classmethod
    @contextlib.contextmanager
    def running(
        cls, flags: Sequence[str] = ("--no-fleet",), environ: Mapping[str, str] | None = None
    ) -> Iterator[Self]:
        """Runs a stack for the length of the context."""
        stack = cls(flags, environ)
        try:
            stack.up()
            yield stack
        finally:
            stack.close()

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs `dataflow <arguments> --data-dir <ours>`.

        Raises:
            AssertionError: It failed, and `check` is set.
        """
        done = subprocess.run(
            [sys.executable, "-m", "dataflow_cli", *arguments, "--data-dir", str(self.data_dir)],
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            env=self._environ,
            cwd=self.home,
            user=self._uid,
            group=self._uid,
            extra_groups=None if self._uid is None else [],
            check=False,
        )
        assert done.returncode == 0 or not check, (
            f"{arguments}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    def up(self) -> str:
        """Starts it and returns what the command prints when everything serves."""
        return self.command("up", "--detach", "--port-base", "0", *self._flags).stdout

    def down(self) -> None:
        """Ends it in order."""
        self.command("down")

    def status(self) -> dict[str, Any]:
        """Returns `dataflow status --json`."""
        document: dict[str, Any] = json.loads(self.command("status", "--json").stdout)
        return document

    def process(self, name: str) -> dict[str, Any]:
        """Returns one entry of `processes`."""
        entry: dict[str, Any] = next(entry for entry in self.status()["processes"] if entry["name"] == name)
        return entry

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Sends a signal to one process and returns its pid."""
        pid: int = self.process(name)["pid"]
        os.kill(pid, number)
        return pid

    def comes_back(self, name: str, pid: int) -> dict[str, Any]:
        """Waits until a process serves under another pid, and returns its entry."""
        self.eventually(
            lambda: (entry := self.process(name))["pid"] not in {None, pid} and entry["health"] == "SERVING"
        )
        return self.process(name)

    def eventually(self, holds: Callable[[], bool], seconds: float = 60.0) -> None:
        """Waits until something holds.

        Raises:
            AssertionError: It did not in time.
        """
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it never held"
            time.sleep(0.1)

    def processes(self) -> list[psutil.Process]:
        """Returns every process of this machine that belongs to the stack: found by what it has open, not by our word."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if f"DATAFLOW_STACK_HOME={self.home}" in _environ_of(process) or _works_below(process, self.home):
                    found.append(process)
        return found

    def close(self) -> None:
        """Ends what runs and removes the data."""
        self.command("down", check=False)
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        shutil.rmtree(self.home, ignore_errors=True)


def _environ_of(process: psutil.Process) -> str:
    return " ".join(f"{name}={value}" for name, value in process.environ().items())


def _works_below(process: psutil.Process, home: Path) -> bool:
    if str(home) in " ".join(process.cmdline()):
        return True
    descriptors = Path(f"/proc/{process.pid}/fd")
    with contextlib.suppress(OSError):
        return any(str(home) in str(entry.readlink()) for entry in descriptors.iterdir())
    return False
