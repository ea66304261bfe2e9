"""One supervised process: started again when it dies, killed when its heart stops, ended in order."""

import asyncio
import contextlib
import enum
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dataflow_stack import launch, memory
from dataflow_stack.backoff import Backoff
from dataflow_stack.heartbeat import Heartbeat
from dataflow_stack.privileges import DIRECTORY_FD, ServerUser

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.25
_FOLLOW_SECONDS: Final = 1.0


class Health(enum.StrEnum):
    """How a process is, as its supervisor sees it."""

    STARTING = "STARTING"
    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"
    WAITING = "WAITING"
    """It died, and is started again after a wait."""
    ENDED = "ENDED"


MODEL_KEYS: Final = frozenset({"GEMINI_API_KEY", "GOOGLE_API_KEY"})
"""Variables that hold the key of a language model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """How to start and to end one process.

    Attributes:
        name: Such as "bridge-0".
        command: The program (absolute path) and its arguments.
        directory: Where it works; handed over as an open descriptor when it runs as another user.
        log: Takes its output.
        environ: Added to the supervisor's own environment.
        asks_a_model: It gets the key of a language model, if there is one in that environment; nobody else does.
        user: Whom it runs as; None: as ourselves.
        heartbeat: The file that it writes four times a second; None: it has no watchdog.
        watchdog_seconds: Without a heartbeat for this long it is killed.
        stop_signal: Ends it in order.
        death_signal: What it gets when the supervisor dies.
        stop_seconds: How long the ordered end may take; then it is killed.
        may_end: It may end by itself with exit code 0.
        ends: Tells that it is ending though we did not ask it to, and may never be done: then it gets our signal.
    """

    name: str
    command: tuple[str, ...]
    directory: Path
    log: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    asks_a_model: bool = False
    user: ServerUser | None = None
    heartbeat: Path | None = None
    watchdog_seconds: float = 2.0
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    stop_seconds: float = 15.0
    may_end: bool = False
    ends: Callable[[], bool] | None = None


def _environment(spec: ChildSpec) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if spec.asks_a_model or name not in MODEL_KEYS}
    return kept | dict(spec.environ)


class Child:
    """Keeps one process alive from `run` until `stop`.

    Args:
        spec: How to start and end it.
        serves: Asks the process whether it serves.
        on_start: Called whenever it has a new pid.
    """

    def __init__(
        self, spec: ChildSpec, serves: Callable[["Child"], Awaitable[bool]], on_start: Callable[[], None]
    ) -> None:
        self.spec = spec
        self.health = Health.STARTING
        self.early_deaths = 0
        """How often it died before it first served."""
        self.restarts = 0
        self._serves = serves
        self._on_start = on_start
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._served = asyncio.Event()
        self._serving_since: float | None = None
        self._backoff = Backoff()

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name

    @property
    def pid(self) -> int | None:
        """Its process id while it lives."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def rss_bytes(self) -> int:
        """Resident memory, with that of its own children; 0 when it does not live."""
        return 0 if self.pid is None else memory.rss_bytes(self.pid)

    async def serving(self) -> None:
        """Waits until it has served once."""
        await self._served.wait()

    async def run(self) -> None:
        """Starts it, and starts it again whenever it dies, until `stop`."""
        while not self._stopping.is_set():
            self.health = Health.STARTING
            self._serving_since = None
            process = self._process = await self._start()
            self._on_start()
            watching = [asyncio.create_task(self._follow(), name=f"follow {self.name}")]
            if self.spec.heartbeat is not None:
                guard = self._guard(process, Heartbeat(self.spec.heartbeat, self.spec.watchdog_seconds))
                watching.append(asyncio.create_task(guard, name=f"guard {self.name}"))
            try:
                code = await process.wait()
            finally:
                for task in watching:
                    task.cancel()
            if self._stopping.is_set():
                break
            if code == 0 and self.spec.may_end:
                _log.info("%s has ended", self.name)
                break
            wait = self._backoff.after(0.0 if self._serving_since is None else time.monotonic() - self._serving_since)
            self.health = Health.WAITING
            self.restarts += 1
            self.early_deaths += 0 if self._served.is_set() else 1
            _log.warning("%s ended (%s); starting it again in %.1f s", self.name, describe_exit(code), wait)
            if wait:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), wait)
        self.health = Health.ENDED

    async def stop(self) -> None:
        """Ends it in order; kills it when that takes too long."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.send_signal(self.spec.stop_signal)
        try:
            async with asyncio.timeout(self.spec.stop_seconds):
                await process.wait()
        except TimeoutError:
            _log.warning("%s did not end within %.0f s: killed", self.name, self.spec.stop_seconds)
            self.kill()
            await process.wait()

    def kill(self) -> None:
        """Ends it at once."""
        self._stopping.set()
        if self.pid is not None and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def log_tail(self, characters: int = 1500) -> str:
        """Returns the end of its log."""
        with contextlib.suppress(OSError):
            return self.spec.log.read_text(encoding="utf-8", errors="replace")[-characters:].strip()
        return ""

    async def _start(self) -> asyncio.subprocess.Process:
        spec = self.spec
        if spec.heartbeat is not None:
            spec.heartbeat.unlink(missing_ok=True)
        ids = (spec.user.uid, spec.user.gid, DIRECTORY_FD) if spec.user is not None else (-1, -1, -1)
        arguments = [str(part) for part in (os.getpid(), int(spec.death_signal), *ids, spec.directory)]
        with spec.log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                launch.__file__,
                *arguments,
                *spec.command,
                # A pipe where the kernel does not tell of our death (see launch.py).
                stdin=subprocess.DEVNULL if sys.platform == "linux" else subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=_environment(spec),
                start_new_session=True,  # Ctrl-C is for the supervisor, which ends its children in order
            )

    async def _follow(self) -> None:
        """Follows whether it serves."""
        while True:
            if await self._asked():
                self._served.set()
                self._serving_since = self._serving_since or time.monotonic()
                self.health = Health.SERVING
            elif self.health is Health.SERVING:
                self.health = Health.NOT_SERVING
            if self.spec.ends is not None and self.spec.ends() and not self._stopping.is_set():
                self._hasten()
            # Often while it starts, so that `up` does not wait; then seldom, so that nobody pays for it.
            await asyncio.sleep(_LOOK_SECONDS if self.health is Health.STARTING else _FOLLOW_SECONDS)

    async def _asked(self) -> bool:
        try:
            return await self._serves(self)
        except Exception:  # noqa: BLE001 - the outermost loop of the watch
            # Nobody would follow the process any more, nor end what hangs, for as long as it lives.
            _log.exception("%s could not be asked whether it serves", self.name)
            return False

    def _hasten(self) -> None:
        """Ends in our way what somebody else began to end, so that it can be started again."""
        if self.pid is not None and self._process is not None:
            _log.warning("%s was told to end by somebody else: ending it now, to start it again", self.name)
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.spec.stop_signal)

    async def _guard(self, process: asyncio.subprocess.Process, heartbeat: Heartbeat) -> None:
        """Kills it when its heart has stopped."""
        while not heartbeat.stopped(time.monotonic()):  # noqa: ASYNC110 - it is a file that another process writes
            await asyncio.sleep(_LOOK_SECONDS)
        _log.warning("%s has shown no heartbeat for %.0f s: killed", self.name, heartbeat.limit_seconds)
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def describe_exit(code: int) -> str:
    """Returns an exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
