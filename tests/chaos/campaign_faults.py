"""What the kill campaign does to the processes of a local stack, and its log of that."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import psutil

Target = Literal["bridge", "validator", "redis", "postgres"]
Action = Literal["kill", "end", "freeze", "wipe", "blackout"]
TARGETS: Final[tuple[Target, ...]] = ("bridge", "validator", "redis", "postgres")

FREEZE_SECONDS: Final = 5.0
_RECOVERY_SECONDS: Final = 90.0
_LOOK_SECONDS: Final = 0.1


@dataclass(slots=True)
class Event:
    """Something that was done to a process."""

    at_seconds: float
    """Since the campaign began."""
    action: Action
    process: str
    pid: int
    acknowledged: int
    """Messages acknowledged by then."""
    back_after_seconds: float | None = None
    """Until it served again under another pid; None: nobody waited, or it did not."""
    held: str = ""
    """What a wiped node held when it went."""


class RecoveryError(AssertionError):
    """A process did not come back."""


class Faults:
    """Breaks processes of one stack, found by pid in its status.

    Args:
        data_dir: Of the stack.
        chance: Decides which one of several processes of a kind, and when.
        acknowledged: Tells how many messages were acknowledged so far.
    """

    def __init__(self, data_dir: Path, chance: random.Random, acknowledged: Callable[[], int]) -> None:
        self.history: list[Event] = []
        self.wiped: set[str] = set()
        self._data_dir = data_dir
        self._chance = chance
        self._acknowledged = acknowledged
        self._began = time.monotonic()

    async def kill(self, target: Target, *, wait: bool = True) -> None:
        """Sends SIGKILL; the supervisor starts the process again.

        Raises:
            RecoveryError: It did not come back.
        """
        name, pid = await self._choose(target)
        event = self._note("kill", name, pid)
        with contextlib.suppress(ProcessLookupError):  # the supervisor may have been faster
            os.kill(pid, signal.SIGKILL)
        if wait:
            await self._comes_back(event)

    async def end(self, target: Target) -> None:
        """Ends it in order, as an operator would; the supervisor starts it again.

        By SIGTERM, Postgres by SIGINT: to SIGTERM it waits for ever for the clients that it has.

        Raises:
            RecoveryError: It did not come back.
        """
        name, pid = await self._choose(target)
        event = self._note("end", name, pid)
        os.kill(pid, signal.SIGINT if target == "postgres" else signal.SIGTERM)
        await self._comes_back(event)

    async def blackout(self) -> None:
        """Sends SIGKILL to every process but the supervisor, at once, as when the power fails and the disk stays.

        Raises:
            RecoveryError: Not everything came back.
        """
        entries = self.processes()
        events = [self._note("blackout", entry["name"], entry["pid"]) for entry in entries if entry["pid"]]
        for event in events:
            with contextlib.suppress(ProcessLookupError):
                os.kill(event.pid, signal.SIGKILL)
        for event in events:
            await self._comes_back(event)

    async def freeze(self, target: Target) -> None:
        """Sends SIGSTOP to the process and its children, and SIGCONT five seconds later.

        A bridge or validator that does not move for so long is killed by its supervisor meanwhile: that is meant.

        Raises:
            RecoveryError: It did not serve again.
        """
        name, pid = await self._choose(target)
        event = self._note("freeze", name, pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            frozen = [process, *process.children(recursive=True)]
            for one in frozen:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.suspend()
            await asyncio.sleep(FREEZE_SECONDS)
            for one in frozen:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.resume()
        await self._serves(event)

    async def wipe(self, held: Callable[[str], Awaitable[str]]) -> None:
        """Kills a ring node and removes what it had on disk before it can start again.

        Postgres is frozen around it, so that batches wait on the ring when the node goes.

        Args:
            held: Tells what a node holds, by its name.

        Raises:
            RecoveryError: A process did not come back.
        """
        freezing = asyncio.create_task(self.freeze("postgres"), name="freeze-postgres")
        await asyncio.sleep(FREEZE_SECONDS / 2)
        name, pid = await self._choose("redis")
        event = self._note("wipe", name, pid)
        event.held = await held(name)
        directory = self._data_dir / name
        # Unlinked first: what the process still writes goes where nobody will find it.
        for kept in ("appendonlydir", "appendonly.aof", "dump.rdb"):
            path = directory / kept
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        os.kill(pid, signal.SIGKILL)
        self.wiped.add(name)
        await freezing
        await self._comes_back(event)

    async def all_serve(self) -> None:
        """Waits until every process serves.

        Raises:
            RecoveryError: One does not.
        """
        await self._until(lambda: all(entry["health"] == "SERVING" for entry in self.processes()), "not all serve")

    def processes(self) -> list[dict[str, Any]]:
        """Returns `processes` of the status; empty while it is being written anew."""
        try:
            document = json.loads((self._data_dir / "status.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        entries: list[dict[str, Any]] = document["processes"]
        return entries

    def deaths(self) -> int:
        """Returns how often something was done after which a batch may count one lone death too many."""
        return sum(event.process.startswith(("validator", "postgres")) for event in self.history)

    def report(self) -> list[dict[str, Any]]:
        """Returns the history for JSON."""
        return [asdict(event) for event in self.history]

    async def _choose(self, target: Target) -> tuple[str, int]:
        """Returns a running process of a kind; waits for one where all of them are dead."""
        await self._until(lambda: bool(self._running(target)), f"no process of {target} runs")
        return self._chance.choice(sorted(self._running(target)))

    def _running(self, target: Target) -> list[tuple[str, int]]:
        found = [
            (str(entry["name"]), int(entry["pid"]))
            for entry in self.processes()
            if entry["name"].startswith(target) and entry["pid"] and psutil.pid_exists(entry["pid"])
        ]
        return [one for one in found if one[0] not in self.wiped] or found

    def _note(self, action: Action, name: str, pid: int) -> Event:
        event = Event(round(time.monotonic() - self._began, 2), action, name, pid, self._acknowledged())
        self.history.append(event)
        return event

    async def _comes_back(self, event: Event) -> None:
        began = time.monotonic()
        await self._until(
            lambda: any(
                entry["name"] == event.process
                and entry["pid"] not in {None, event.pid}
                and entry["health"] == "SERVING"
                for entry in self.processes()
            ),
            f"{event.process} did not come back",
        )
        event.back_after_seconds = round(time.monotonic() - began, 2)

    async def _serves(self, event: Event) -> None:
        began = time.monotonic()
        await self._until(
            lambda: any(entry["name"] == event.process and entry["health"] == "SERVING" for entry in self.processes()),
            f"{event.process} does not serve",
        )
        event.back_after_seconds = round(time.monotonic() - began, 2)

    @staticmethod
    async def _until(holds: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + _RECOVERY_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise RecoveryError(f"{problem} within {_RECOVERY_SECONDS:.0f} s")
            await asyncio.sleep(_LOOK_SECONDS)
