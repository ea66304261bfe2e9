"""The life of a process: one event loop, one task group, ordered end, heartbeat.

async def main(process: Process) -> None:
    async with GrpcServer(...):
        process.spawn(pipeline.run(), name="pipeline")
        await process.stopping.wait()

sys.exit(run("validator", main))
"""

import asyncio
import contextlib
import faulthandler
import gc
import importlib
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

from dataflow_mesh.logs import fields
from dataflow_mesh.names import PROCESS_LOOP_LAG
from dataflow_mesh.telemetry import histogram

_log = logging.getLogger(__name__)

WATCHDOG_VARIABLE = "DATAFLOW_WATCHDOG_FILE"
"""Names the file that a supervisor looks at."""

HEARTBEAT_SECONDS = 0.25
CUT_SECONDS = 5.0
"""How long cancelled work may take to clean up after the drain time, before the process ends at once."""
_LAG_WARNING_SECONDS = 0.25

Callback = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, order=True)
class _OnStop:
    order: int
    callback: Callback = field(compare=False)


class Process:
    """What `run` hands to `main`.

    Attributes:
        name: What this process is called in the log.
        stopping: Set once: by a signal, by a dead task or by `stop`. Endless loops and streams end when it is.
    """

    def __init__(self, name: str, group: asyncio.TaskGroup, drain_seconds: float) -> None:
        self.name = name
        self.stopping = asyncio.Event()
        self._group = group
        self._drain_seconds = drain_seconds
        self._drain_ends_at = 0.0
        self._callbacks: list[_OnStop] = []
        self._drained = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.exit_code = 0

    def spawn(self, work: Coroutine[object, object, object], *, name: str, may_end: bool = False) -> asyncio.Task[None]:
        """Runs work in the background for the life of the process.

        If it fails, or ends before the process stops, the process stops with exit code 1: nothing lives half-dead.

        Args:
            work: The coroutine.
            name: For the log.
            may_end: It is allowed to end without an error while the process goes on.
        """
        task = self._group.create_task(self._supervise(work, name, may_end=may_end), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def stop(self, reason: str = "asked to", *, exit_code: int = 0) -> None:
        """Begins the ordered end; only the first call says why, the highest exit code wins."""
        self.exit_code = max(self.exit_code, exit_code)
        if not self.stopping.is_set():
            _log.info("process stopping", extra=fields("process_stopping", process=self.name, reason=reason))
            self._drain_ends_at = asyncio.get_running_loop().time() + self._drain_seconds
            # Where nothing else helps, not even cancelling: the traces of all threads, and the end.
            faulthandler.dump_traceback_later(self._drain_seconds + CUT_SECONDS, exit=True)
            self.stopping.set()

    def on_stop(self, callback: Callback, order: int = 0) -> None:
        """Has the callback awaited when the process stops: lower orders first, one after the other.

        All of them, and the end of `main`, share `drain_seconds`.
        """
        self._callbacks.append(_OnStop(order, callback))

    async def stopped(self) -> None:
        """Waits until the process stops and every `on_stop` callback has run; for a `main` that uses callbacks."""
        await self._drained.wait()

    @property
    def drain_seconds_left(self) -> float:
        """How much of the drain's time is left; all of it while the process is not stopping."""
        if not self.stopping.is_set():
            return self._drain_seconds
        return max(0.0, self._drain_ends_at - asyncio.get_running_loop().time())

    async def _supervise(self, work: Coroutine[object, object, object], name: str, *, may_end: bool) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001 - a task's outermost place
            _log.exception("task died", extra=fields("task_died", process=self.name, task=name))
            self.stop(f"task {name!r} died", exit_code=1)
        else:
            if not may_end and not self.stopping.is_set():
                _log.error("task ended early", extra=fields("task_ended_early", process=self.name, task=name))
                self.stop(f"task {name!r} ended early", exit_code=1)

    async def live(self, main: Callable[["Process"], Awaitable[None]]) -> None:
        """Runs `main` to its end, then ends what it has spawned. Only `run` calls it."""
        body = self._group.create_task(self._supervise_main(main), name="main")
        await self.stopping.wait()
        for entry in sorted(self._callbacks):
            await self._call(entry.callback)
        self._drained.set()
        pending = {body, *self._tasks}
        if not await self._finished({body}):
            _log.warning("drain took too long", extra=fields("drain_cut", process=self.name, tasks=_names(pending)))
            self.exit_code = max(self.exit_code, 1)
        for task in {body, *self._tasks}:
            task.cancel()

    async def _supervise_main(self, main: Callable[["Process"], Awaitable[None]]) -> None:
        try:
            await main(self)
        except Exception:  # noqa: BLE001 - a task's outermost place
            _log.exception("process failed", extra=fields("process_failed", process=self.name))
            self.stop("main failed", exit_code=1)
        else:
            self.stop("done")

    async def _call(self, callback: Callback) -> None:
        try:
            async with asyncio.timeout(self.drain_seconds_left):
                await callback()
        except Exception:  # noqa: BLE001 - a task's outermost place
            _log.exception("stop callback failed", extra=fields("stop_callback_failed", process=self.name))
            self.exit_code = max(self.exit_code, 1)

    async def _finished(self, tasks: set[asyncio.Task[None]]) -> bool:
        _, pending = await asyncio.wait(tasks, timeout=self.drain_seconds_left)
        return not pending


def run(
    name: str,
    main: Callable[[Process], Awaitable[None]],
    *,
    drain_seconds: float = 10.0,
    watchdog_file: Path | None = None,
) -> int:
    """Runs a process to its end and returns its exit code: 0, or 1 when something died or did not end in time.

    SIGTERM and SIGINT begin the ordered end; a second one ends the process at once (128 + signal). When `main` has
    returned, or the drain time is over, what still runs is cancelled.

    Args:
        name: What the process is called in the log.
        main: Runs the process; it ends the process by returning.
        drain_seconds: How long the ordered end may take.
        watchdog_file: Where the heartbeat goes; default: the file that DATAFLOW_WATCHDOG_FILE names, if any.
    """
    _tune_garbage_collection()
    variable = os.environ.get(WATCHDOG_VARIABLE)
    file = watchdog_file or (Path(variable) if variable else None)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_run(name, main, drain_seconds, file))
    finally:
        faulthandler.cancel_dump_traceback_later()


def _tune_garbage_collection() -> None:
    """Looks for cycles less often: messages make none, and looking through them was a quarter of a validator's time."""
    gc.collect()
    gc.freeze()  # what is imported stays for the life of the process
    gc.set_threshold(50_000, 20, 100)


async def _run(
    name: str, main: Callable[[Process], Awaitable[None]], drain_seconds: float, watchdog_file: Path | None
) -> int:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        process = Process(name, group, drain_seconds)
        received: list[signal.Signals] = []

        def on_signal(number: signal.Signals) -> None:
            received.append(number)
            if len(received) > 1:
                sys.stderr.write(f"{name}: second signal, ending at once\n")
                sys.stderr.flush()
                os._exit(128 + number)
            process.stop(number.name)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal, number)
        heart = group.create_task(heartbeat(watchdog_file), name="heartbeat")
        _log.info("process started", extra=fields("process_started", process=name, pid=os.getpid()))
        try:
            await process.live(main)
        finally:
            heart.cancel()
    _log.info("process stopped", extra=fields("process_stopped", process=name, exit_code=process.exit_code))
    return process.exit_code


async def heartbeat(file: Path | None) -> None:
    """Writes a growing number into the file every 0.25 s, and measures how late the event loop is.

    Whoever watches needs only the file's modification time; a loop that is stuck does not write.
    """
    loop = asyncio.get_running_loop()
    lag = histogram(PROCESS_LOOP_LAG)
    with contextlib.ExitStack() as stack:
        descriptor: int | None = None
        if file is not None:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
            stack.callback(os.close, descriptor)
        while True:
            if descriptor is not None:
                _beat(descriptor)
            wanted = loop.time() + HEARTBEAT_SECONDS
            await asyncio.sleep(HEARTBEAT_SECONDS)
            late = max(0.0, loop.time() - wanted)
            lag.record(late)
            if late > _LAG_WARNING_SECONDS:
                _log.warning("event loop was stuck", extra=fields("loop_lag", seconds=round(late, 3)))


def _beat(descriptor: int) -> None:
    try:
        os.pwrite(descriptor, b"%020d\n" % time.monotonic_ns(), 0)
    except OSError as error:  # a full disk must not end a process that could go on
        _log.warning("no heartbeat written", extra=fields("heartbeat_failed", error=error.strerror))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory


def _names(tasks: set[asyncio.Task[None]]) -> list[str]:
    return sorted(task.get_name() for task in tasks if not task.done())
