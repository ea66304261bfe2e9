"""Insight as a real process over packaged readings, and what it holds: memory, tasks, sockets, connections."""

import asyncio
import os
import re
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import psutil
from dataflow.access.v1 import role_pb2
from dataflow_mesh.access import Caller, create_token_file
from dataflow_mesh.testing import free_port

_START_SECONDS: Final = 60.0
_LOOK_AGAIN_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds at a moment."""

    rss_mb: float
    running: int
    """Answers in the making."""
    tasks: int
    """Of its event loop."""
    sockets: int
    """Connections of callers and to Postgres."""
    files: int
    """Open file descriptors of all kinds, but for idle connections to the model: its client keeps some of them a while."""
    threads: int
    backends: int
    """Connections at Postgres."""
    queries: int
    """Of them, those that run something."""
    claims: int
    """Conversations that are held by a question."""

    def more_than(self, before: "Held") -> list[str]:
        """Returns of what it holds more; memory and threads aside, which are pools that grow to their size."""
        names = ("running", "tasks", "sockets", "files", "backends", "queries", "claims")
        pairs = [(name, getattr(before, name), getattr(self, name)) for name in names]
        return [f"{name}: {first} before, {second} after" for name, first, second in pairs if second > first]


@dataclass(frozen=True, slots=True)
class Insight:
    """A running process.

    Attributes:
        target: Where it answers.
        metrics: Port of its figures.
        dsn: The database, as its owner.
        tokens: By caller.
        process: The process.
        model_port: Where the model answers; 0 for none.
    """

    target: str
    metrics: int
    dsn: str
    tokens: Mapping[str, str]
    process: psutil.Process
    model_port: int = 0

    async def figures(self) -> dict[str, float]:
        """Returns its metrics, summed up over their attributes."""
        text = await asyncio.to_thread(self._scrape)
        found: dict[str, float] = {}
        for name, value in re.findall(r"^(dataflow_insight_\w+?)(?:\{.*\})? ([-+.\deE]+)$", text, re.MULTILINE):
            found[name] = found.get(name, 0.0) + float(value)
        return found

    def _scrape(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=10) as response:
            return str(response.read().decode())

    async def held(self) -> Held:
        """Returns what it holds now."""
        figures = await self.figures()
        connection = await asyncpg.connect(self.dsn)
        try:
            states = await connection.fetch(
                "SELECT state FROM pg_stat_activity WHERE application_name LIKE 'dataflow-insight%'"
            )
            claims = await connection.fetchval(
                "SELECT count(*) FROM insight.conversation WHERE asking_until > clock_timestamp()"
            )
        finally:
            await connection.close()
        open_now = [item for item in self.process.net_connections("inet") if item.raddr]
        to_model = [item for item in open_now if item.raddr.port == self.model_port]
        return Held(
            rss_mb=self.process.memory_info().rss / 1e6,
            running=int(figures.get("dataflow_insight_running", 0)),
            tasks=int(figures.get("dataflow_insight_tasks", 0)),
            sockets=len(open_now) - len(to_model),
            files=self.process.num_fds() - len(to_model),
            threads=self.process.num_threads(),
            backends=len(states),
            queries=sum(1 for row in states if row["state"] != "idle"),
            claims=claims,
        )

    async def idle(self, seconds: float = 30.0) -> Held:
        """Returns what it holds when no answer is in the making.

        Raises:
            TimeoutError: One still is; says what is held.
        """
        return await self._until(lambda held: not (held.running or held.queries or held.claims), seconds)

    async def idle_as(self, before: Held, seconds: float = 30.0) -> Held:
        """Returns what it holds when that is no more than before, or after a while: the end of a call takes its time."""
        try:
            return await self._until(lambda held: not held.more_than(before), seconds)
        except TimeoutError:
            return await self.held()

    async def _until(self, holds: Callable[[Held], bool], seconds: float) -> Held:
        held = await self.held()
        try:
            async with asyncio.timeout(seconds):
                while not holds(held):
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)
                    held = await self.held()
        except TimeoutError as error:
            raise TimeoutError(str(held)) from error
        return held


@asynccontextmanager
async def insight_process(
    dsn: str, directory: Path, *, environ: Mapping[str, str] | None = None, model_port: int = 0
) -> AsyncIterator[Insight]:
    """Runs `python -m dataflow_insight` for the length of the context.

    Args:
        dsn: A database with readings, as its owner.
        directory: For its tokens and its log.
        environ: Added to its environment.
        model_port: Where the model answers that the environment names; 0 for none.
    """
    port, metrics = free_port(), free_port()
    file = directory / "tokens.json"
    tokens = create_token_file(file, [Caller("viewer", role_pb2.ROLE_VIEWER), Caller("other", role_pb2.ROLE_VIEWER)])
    settings = {
        "GRPC_LISTEN": f"127.0.0.1:{port}",
        "METRICS_LISTEN": f"127.0.0.1:{metrics}",
        "TOKEN_FILE": str(file),
        "POSTGRES_DSN": dsn,
        "READ_DSN": dsn,
    }
    with (directory / "insight.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "dataflow_insight",
            env={**os.environ, **{f"DATAFLOW_{name}": value for name, value in settings.items()}, **(environ or {})},
            stderr=log,
        )
        try:
            running = Insight(f"127.0.0.1:{port}", metrics, dsn, tokens, psutil.Process(process.pid), model_port)
            await _serving(running, process)
            yield running
            process.terminate()
            async with asyncio.timeout(30):
                assert await process.wait() == 0, "insight did not end in order"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _serving(insight: Insight, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while True:
            assert process.returncode is None, "insight ended at its start; see its log"
            try:
                host, _, port = insight.target.rpartition(":")
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
                continue
            writer.close()
            return
