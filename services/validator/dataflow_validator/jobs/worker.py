"""The worker process of one validator: `python -m dataflow_validator.jobs.worker`, started by it while there is work.

Judging millions of messages here never holds the event loop that stores live data. The parent writes lines of JSON to its
standard input: first what to work with, then how live data fares. When that input ends, so does the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from dataflow_mesh.logs import configure_logging, fields
from dataflow_mesh.postgres import Limits, connect_pool

from dataflow_validator.catalog.registry import Registry
from dataflow_validator.failure import DATABASE_ERRORS
from dataflow_validator.jobs.kinds import KINDS
from dataflow_validator.jobs.pressure import Pressure
from dataflow_validator.jobs.runner import Runner
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.store import prepare_connection

_log = logging.getLogger(__name__)

_CONNECTIONS: Final = 3
_NICE: Final = 10
_IDLE_SECONDS: Final = 10.0
"""A worker without work ends after so long; the next work starts another one."""
_POLL_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 1.0
_PR_SET_PDEATHSIG: Final = 1
_LIMITS: Final = Limits(statement_ms=600_000, idle_in_transaction_ms=5_000)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What the parent tells its worker first.

    Attributes:
        postgres_dsn: The database. It comes through standard input, since anybody may read a process's arguments.
        holder: Who works, for leases and logs.
        export_dir: Where exported files go; "" for nowhere.
        log_level: As the parent's.
        log_format: As the parent's.
    """

    postgres_dsn: str
    holder: str
    export_dir: str = ""
    log_level: str = "info"
    log_format: str = "text"

    def to_line(self) -> bytes:
        """Writes the line that `from_line` reads."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Reads the first line of standard input."""
        return cls(**json.loads(line))


async def work(settings: WorkerSettings, reader: asyncio.StreamReader) -> None:
    """Works until there is nothing to do for a while, or the parent ends."""
    pool = await connect_pool(
        settings.postgres_dsn,
        application_name=settings.holder,
        min_size=1,
        max_size=_CONNECTIONS,
        limits=_LIMITS,
        init=prepare_connection,
    )
    async with pool:
        export_dir = Path(settings.export_dir) if settings.export_dir else None
        runner = Runner(pool, Registry(), Partitions(), KINDS, settings.holder, export_dir)
        wake = asyncio.Event()
        working = asyncio.create_task(_work(runner, wake), name="work")
        listening = asyncio.create_task(_listen(reader, runner, wake), name="listen")
        try:
            await asyncio.wait({working, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, listening):
                task.cancel()
            results = await asyncio.gather(working, listening, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


async def _work(runner: Runner, wake: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    idle_since = loop.time()
    while loop.time() - idle_since < _IDLE_SECONDS:
        wake.clear()
        try:
            if await runner.run_once():
                idle_since = loop.time()
                continue
            pause = _POLL_SECONDS
        except DATABASE_ERRORS as error:
            _log.warning("the worker waits for Postgres", extra=fields("worker.postgres_away", error=str(error)))
            pause = _RETRY_SECONDS
            idle_since = loop.time()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), pause)


async def _listen(reader: asyncio.StreamReader, runner: Runner, wake: asyncio.Event) -> None:
    """Follows what the parent says, until it says no more."""
    while line := await reader.readline():
        said: Mapping[str, Any] = json.loads(line)
        if "lag_seconds" in said:
            runner.pressure = Pressure(said["lag_seconds"], said["queue_share"])
        if said.get("wake"):
            wake.set()


def die_with_parent() -> None:
    """Has Linux kill this process when its parent is gone; elsewhere the end of standard input must do.

    Being killed is a case that jobs are made for, and a worker that computes would notice a closed input late.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


async def _main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    line = await reader.readline()
    if not line:
        return
    settings = WorkerSettings.from_line(line)
    configure_logging(settings.log_level, settings.log_format, service="validator-worker", instance=settings.holder)
    await work(settings, reader)


def main() -> int:
    """Run a worker; return its exit code."""
    die_with_parent()
    # A Ctrl-C goes to the whole group: the parent ends its worker in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    asyncio.run(_main())
    return 0


if __name__ == "__main__":
    sys.exit(main())
