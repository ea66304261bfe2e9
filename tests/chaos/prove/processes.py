"""The processes of a local stack, found by pid in its status: killed, ended, frozen, waited for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import psutil
from dataflow_client import DataflowError
from dataflow_ring.connection import ReplyError

T = TypeVar("T")

RECOVERY_SECONDS: Final = 120.0
"""How long anything may take to serve again after a fault, others in between."""

_LOOK_SECONDS: Final = 0.1
_TRIES_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 0.5


class RecoveryError(AssertionError):
    """Something did not come back."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the stack, in one of its lives."""

    name: str
    pid: int


async def until(holds: Callable[[], bool], problem: str, seconds: float = RECOVERY_SECONDS) -> None:
    """Waits until something holds.

    Raises:
        RecoveryError: It did not in time.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RecoveryError(f"{problem} within {seconds:.0f} s")
        await asyncio.sleep(_LOOK_SECONDS)


async def tried(what: str, work: Callable[[], Awaitable[T]]) -> T:
    """Does something until it works: other faults may be in its way.

    Raises:
        RecoveryError: It did not work in time.
    """
    deadline = time.monotonic() + _TRIES_SECONDS
    while True:
        try:
            async with asyncio.timeout(_TRIES_SECONDS):
                return await work()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, DataflowError, ReplyError) as error:
            if time.monotonic() > deadline:
                raise RecoveryError(f"{what}: {error}") from error
        await asyncio.sleep(_RETRY_SECONDS)


class Processes:
    """What runs in one stack.

    Args:
        data_dir: Of the stack.
    """

    def __init__(self, data_dir: Path) -> None:
        self._status = data_dir / "status.json"

    def entries(self) -> list[dict[str, Any]]:
        """Returns `processes` of the status; empty while it is being written anew."""
        try:
            document = json.loads(self._status.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        entries: list[dict[str, Any]] = document["processes"]
        return entries

    def running(self, kind: str) -> list[Process]:
        """Returns those that run, by name; all kinds for the empty string."""
        return sorted(
            (
                Process(str(entry["name"]), int(entry["pid"]))
                for entry in self.entries()
                if entry["name"].startswith(kind) and entry["pid"] and psutil.pid_exists(entry["pid"])
            ),
            key=lambda process: process.name,
        )

    async def choose(self, kind: str, share: float) -> Process:
        """Returns a running process of a kind; waits for one where all of them are dead.

        Args:
            kind: Such as "bridge", or a whole name.
            share: Which one of them, from 0 to below 1.

        Raises:
            RecoveryError: None runs.
        """
        await until(lambda: bool(self.running(kind)), f"no process of {kind} runs")
        running = self.running(kind)
        while not running:  # it died between two looks
            await asyncio.sleep(_LOOK_SECONDS)
            running = self.running(kind)
        return running[int(share * len(running))]

    async def comes_back(self, process: Process) -> None:
        """Waits until a process serves under another pid.

        Raises:
            RecoveryError: It does not.
        """
        await until(
            lambda: any(
                entry["name"] == process.name
                and entry["pid"] not in {None, process.pid}
                and entry["health"] == "SERVING"
                for entry in self.entries()
            ),
            f"{process.name} did not come back",
        )

    async def serves(self, process: Process) -> None:
        """Waits until a process serves, under whatever pid.

        Raises:
            RecoveryError: It does not.
        """
        await until(
            lambda: any(entry["name"] == process.name and entry["health"] == "SERVING" for entry in self.entries()),
            f"{process.name} does not serve",
        )

    async def all_serve(self) -> None:
        """Waits until every process serves.

        Raises:
            RecoveryError: One does not.
        """

        def holds() -> bool:
            entries = self.entries()
            return bool(entries) and all(entry["health"] == "SERVING" for entry in entries)

        await until(holds, "not all processes serve")


def send(process: Process, number: signal.Signals) -> None:
    """Sends a signal, unless the process has just died."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


async def freeze(pid: int, seconds: float) -> None:
    """Stops a process and its children for some time (SIGSTOP, SIGCONT); they go on also when this is cancelled."""
    frozen: list[psutil.Process] = []
    try:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            for one in (process, *process.children(recursive=True)):
                frozen.append(one)
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.suspend()
        await asyncio.sleep(seconds)
    finally:
        for one in frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()
