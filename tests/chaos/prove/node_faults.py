"""Nodes of the ring that lose their disk, or have no room left."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import time
from pathlib import Path
from typing import Final

import asyncpg
from dataflow_ring.connection import NodeUnreachableError

from tests.chaos.prove import nodes
from tests.chaos.prove.database import is_replicated
from tests.chaos.prove.history import History
from tests.chaos.prove.plan import Step
from tests.chaos.prove.processes import freeze, send, tried
from tests.chaos.prove.system import System

_LONGEST_SECONDS: Final = 5.0
_WIPE_FREEZE: Final = 5.0
_SAFE_SECONDS: Final = 60.0
_LEAST_MEMORY: Final = 1 << 28


class NodeFaults:
    """Makes these faults.

    Args:
        system: What is broken.
        history: Told of everything that is done.
    """

    def __init__(self, system: System, history: History) -> None:
        self._system = system
        self._history = history

    async def wipe(self, step: Step) -> None:
        """Kills a node of the stack and removes what it had on disk, every other time while Postgres is frozen.

        Then it holds what the other nodes hold only one more copy of. It comes back empty and is admitted again. A
        second node must not lose its disk before the batches of that time have a second copy, or are stored.
        """
        system = self._system
        async with system.wiping:
            await system.processes.all_serve()
            if not await self._is_safe():
                self._history.skip(step.fault, "the ring still held batches that an earlier wipe left with one copy")
                return
            freezing: asyncio.Task[None] | None = None
            if step.strength < 0.5:
                postgres = await system.processes.choose("postgres", 0.0)
                freezing = asyncio.create_task(freeze(postgres.pid, _WIPE_FREEZE), name="freeze-postgres")
                await asyncio.sleep(_WIPE_FREEZE / 2)
            process = await system.processes.choose("redis", step.share)
            url = system.stack_nodes[process.name]
            event = self._history.begin(step.fault, process.name, "postgres frozen" if freezing else "")
            event.detail += f"; held {await nodes.held(url) or 'nothing'}"
            _unlink_data(system.data_dir / process.name)
            send(process, signal.SIGKILL)
            if freezing is not None:
                await freezing
            await system.processes.comes_back(process)
            await nodes.admit(system.client, process.name, url)
            system.safe_after = time.time() * 1000
            self._history.end(event)

    async def _is_safe(self) -> bool:
        """Waits until no batch has one copy alone since the last wipe; False when that takes too long.

        That is so when the ring says so, or when no batch is left of before.
        """
        deadline = time.monotonic() + _SAFE_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(NodeUnreachableError):
                if (
                    min([await nodes.oldest_milliseconds(url) for url in self._system.node_urls().values()])
                    > self._system.safe_after
                ):
                    return True
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                if await is_replicated(self._system.dsn, self._system.safe_after / 1000):
                    return True
            await asyncio.sleep(0.3)
        return False

    async def fill_memory(self, step: Step) -> None:
        """Lets a node refuse everything new: it is FULL, and is read on."""
        urls = [*self._system.stack_nodes.items(), *((node.name, node.server.url) for node in self._system.extra)]
        name, url = urls[int(step.share * len(urls))]
        seconds = 1.0 + step.strength * (_LONGEST_SECONDS - 1.0)
        event = self._history.begin(step.fault, name, f"{seconds:.1f} s")
        before = await tried(step.fault, lambda: nodes.set_memory_limit(url, None))
        await asyncio.sleep(seconds)
        await tried(step.fault, lambda: nodes.set_memory_limit(url, max(before, _LEAST_MEMORY)))
        self._history.end(event)

    async def fill_disk(self, step: Step) -> None:
        """Leaves a node without room on its disk: with `appendfsync always` Redis then ends itself."""
        node = next((node for node in self._system.extra if node.small_disk), None)
        if node is None:
            self._history.skip(step.fault, "a small file system can not be mounted here")
            return
        async with node.busy:
            seconds = 1.0 + step.strength * (_LONGEST_SECONDS - 1.0)
            event = self._history.begin(step.fault, node.name, f"{seconds:.1f} s")
            await nodes.fill_disk(node, seconds)
            if not node.server.running:
                event.detail += ", it died"
                await asyncio.to_thread(node.server.stop)  # its guard would take it for forgotten, and clear up
                await asyncio.to_thread(node.server.start)
            self._history.end(event)


def _unlink_data(directory: Path) -> None:
    """Removes the files of a running Redis: what the process still writes goes where nobody will find it."""
    for name in ("appendonlydir", "appendonly.aof", "dump.rdb"):
        path = directory / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
