"""Keeps this validator's worker process: starts it when there is work, tells it how live data fares, restarts it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from dataflow_mesh import names
from dataflow_mesh.logs import fields
from dataflow_mesh.names import Attribute
from dataflow_mesh.postgres import Connection, Pool
from dataflow_mesh.telemetry import counter, observe

from dataflow_validator.failure import DATABASE_ERRORS
from dataflow_validator.jobs.kinds import KINDS
from dataflow_validator.jobs.pressure import Pressure
from dataflow_validator.jobs.records import CHANNEL
from dataflow_validator.jobs.worker import WorkerSettings
from dataflow_validator.statements import statements

_log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 2.0
_TELL_SECONDS: Final = 0.25
_END_SECONDS: Final = 5.0
_FIRST_DELAY_SECONDS: Final = 0.5
_MAX_DELAY_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 60.0
"""A worker that lived so long did not die of its start."""


@dataclass(slots=True)
class WorkerCounts:
    """What telemetry and tests read."""

    starts: int = 0
    deaths: int = 0
    pid: int | None = None
    jobs: dict[str, int] = field(default_factory=dict)
    """By state, as they were counted last."""


class Workers:
    """The worker of one validator.

    Args:
        pool: Connections; one is kept for notifications.
        settings: What a worker is told first; its holder is this validator's name.
        pressure: Says how live data fares.
        command: What to start, for tests.
    """

    def __init__(
        self,
        pool: Pool,
        settings: WorkerSettings,
        pressure: Callable[[], Pressure],
        command: tuple[str, ...] = (sys.executable, "-m", "dataflow_validator.jobs.worker"),
    ) -> None:
        self.counts = WorkerCounts()
        self._pool = pool
        self._settings = settings
        self._pressure = pressure
        self._command = command
        self._wake = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Keeps a worker while there is work, until told to stop; then the worker has ended, too."""
        observe(
            names.VALIDATOR_JOBS,
            lambda: [(items, {Attribute.STATE.value: state}) for state, items in self.counts.jobs.items()],
        )
        listening = asyncio.create_task(self._listen(), name="jobs-listen")
        stop = asyncio.create_task(stopping.wait(), name="jobs-stop")
        delay = _FIRST_DELAY_SECONDS
        try:
            while not stopping.is_set():
                if not await self._wait_for_work(stop):
                    continue
                began = time.monotonic()
                try:
                    code = await self._live(stop)
                except OSError:
                    _log.exception("the worker cannot be started", extra=fields("worker.not_started"))
                    code = -1
                if code != 0 and not stopping.is_set():
                    self.counts.deaths += 1
                    counter(names.VALIDATOR_WORKER_DEATHS).add(1)
                    delay = _FIRST_DELAY_SECONDS if time.monotonic() - began > _STEADY_SECONDS else delay
                    _log.warning("the worker died", extra=fields("worker.died", code=code, again_seconds=delay))
                    await asyncio.wait({stop}, timeout=delay)
                    delay = min(delay * 2, _MAX_DELAY_SECONDS)
                else:
                    delay = _FIRST_DELAY_SECONDS
        finally:
            for task in (listening, stop):
                task.cancel()
            await asyncio.gather(listening, stop, return_exceptions=True)

    async def _wait_for_work(self, stop: asyncio.Task[bool]) -> bool:
        """Returns whether there is work; waits a while, or until a notification, where there is none."""
        self._wake.clear()
        with contextlib.suppress(*DATABASE_ERRORS):
            if await self._pool.fetchval(statements("jobs")["open_work"], list(KINDS)):
                return True
        waking = asyncio.create_task(self._wake.wait(), name="jobs-wake")
        try:
            await asyncio.wait({waking, stop}, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
        return False

    async def _live(self, stop: asyncio.Task[bool]) -> int:
        """Runs one worker to its end and returns its exit code."""
        # Another holder at each start: what an earlier one held is not this one's.
        settings = replace(self._settings, holder=f"{self._settings.holder}-worker/{uuid.uuid4()}")
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            # Its own group: a Ctrl-C at a terminal is for the parent, which ends its worker in order.
            start_new_session=True,
        )
        self._process = process
        self.counts.starts += 1
        self.counts.pid = process.pid
        _log.info("worker started", extra=fields("worker.started", pid=process.pid))
        ended = asyncio.create_task(process.wait(), name="jobs-worker")
        try:
            await self._say(process, settings.to_line())
            while not ended.done() and not stop.done():
                said = self._pressure()
                line = {"lag_seconds": said.lag_seconds, "queue_share": said.queue_share}
                if self._wake.is_set():
                    self._wake.clear()
                    line["wake"] = True
                await self._say(process, json.dumps(line).encode() + b"\n")
                await asyncio.wait({ended, stop}, timeout=_TELL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            return await self._end(process, ended)
        finally:
            if not ended.done():
                process.kill()
            await asyncio.gather(ended, return_exceptions=True)
            self._process, self.counts.pid = None, None
            with contextlib.suppress(*DATABASE_ERRORS):
                await self._pool.execute(statements("jobs")["expire_holder"], settings.holder, timeout=_END_SECONDS)

    async def _end(self, process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> int:
        """Closes its input, gives it a moment, and kills it."""
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        await asyncio.wait({ended}, timeout=_END_SECONDS)
        if not ended.done():
            process.kill()
        return await ended

    async def _say(self, process: asyncio.subprocess.Process, line: bytes) -> None:
        """Writes a line, unless the worker reads so slowly that the last ones are still on their way."""
        assert process.stdin is not None
        if process.stdin.transport.get_write_buffer_size() < 65_536:
            process.stdin.write(line)
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(_TELL_SECONDS):
                await process.stdin.drain()

    async def _listen(self) -> None:
        """Is woken by whoever makes work, and wakes at once when Postgres is back."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await self._follow(connection)
            except DATABASE_ERRORS:
                await asyncio.sleep(_POLL_SECONDS)

    async def _follow(self, connection: Connection) -> None:
        def notified(*_: object) -> None:
            self._wake.set()

        await connection.add_listener(CHANNEL, notified)
        try:
            while True:
                rows = await connection.fetch(statements("jobs")["count_jobs"], timeout=_END_SECONDS)
                self.counts.jobs = {row["state"]: row["jobs"] for row in rows}
                await asyncio.sleep(_POLL_SECONDS * 5)
        finally:
            with contextlib.suppress(*DATABASE_ERRORS):
                await connection.remove_listener(CHANNEL, notified)
