"""The local stack of the failover trials: who runs, who leads, what is broken, and when all is well again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import asyncpg
import psutil
from dataflow_ring import keys
from dataflow_ring.connection import NodeConnection, NodeUnreachableError, ReplyError

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_LOOK_SECONDS: Final = 0.05
_HEALTHY_SECONDS: Final = 45.0
_OBSERVED: Final = """
    SELECT count(*) FROM bridge.observation
    WHERE observer = ANY($1::text[]) AND health = 'HEALTHY' AND observe_time > to_timestamp($2)
"""
_LEASE: Final = "SELECT holder, epoch FROM bridge.lease WHERE name = 'ring' AND expires_at > clock_timestamp()"


class NotHealthyError(AssertionError):
    """The stack did not recover in time."""


@dataclass(frozen=True, slots=True)
class Leader:
    """Who holds the ring's lease."""

    holder: str
    epoch: int


class Stack:
    """One running stack, as its status file and its Postgres show it.

    Args:
        data_dir: Of the stack.
        database: As the owner of its tables.
    """

    def __init__(self, data_dir: Path, database: Database) -> None:
        self.data_dir = data_dir
        self.database = database

    def document(self) -> dict[str, Any]:
        """Returns what the supervisor wrote last."""
        while True:
            with contextlib.suppress(ValueError):  # it is replaced at this moment
                document: dict[str, Any] = json.loads((self.data_dir / "status.json").read_text(encoding="utf-8"))
                return document

    def pids(self, kind: str) -> dict[str, int]:
        """Returns the living processes of a kind by name."""
        entries = self.document()["processes"]
        return {
            entry["name"]: entry["pid"]
            for entry in entries
            if entry["name"].startswith(kind) and entry["pid"] and psutil.pid_exists(entry["pid"])
        }

    async def healthy(self, since: float, gone: Collection[int] = ()) -> float:
        """Waits until every process serves and every bridge sees every node HEALTHY; returns how long that took.

        Args:
            since: Seconds since the epoch; what was observed before does not count.
            gone: Pids that must have been replaced.

        Raises:
            NotHealthyError: It took too long.
        """
        began = time.monotonic()
        while not await self._is_healthy(since, gone):
            if time.monotonic() - began > _HEALTHY_SECONDS:
                unwell = [
                    f"{e['name']} {e['health']}" for e in self.document()["processes"] if e["health"] != "SERVING"
                ]
                raise NotHealthyError(f"not healthy after {_HEALTHY_SECONDS:.0f} s: {unwell}")
            await asyncio.sleep(_LOOK_SECONDS)
        return time.monotonic() - began

    async def _is_healthy(self, since: float, gone: Collection[int]) -> bool:
        if (self.data_dir / "status.json").stat().st_mtime < since:
            return False
        entries = self.document()["processes"]
        for entry in entries:
            if entry["health"] != "SERVING" or entry["pid"] in gone or not psutil.pid_exists(entry["pid"] or 0):
                return False
        bridges = [entry["name"] for entry in entries if entry["name"].startswith("bridge")]
        nodes = sum(entry["name"].startswith("redis") for entry in entries)
        return bool(await self.database.fetchval(_OBSERVED, bridges, since) == nodes * len(bridges))

    async def leader(self) -> Leader | None:
        """Returns who leads the ring now; None while nobody does, or where there is no lease."""
        try:
            record = await self.database.fetchrow(_LEASE)
        except asyncpg.UndefinedTableError:
            return None
        return Leader(record["holder"], record["epoch"]) if record else None

    async def held(self, consumer: str) -> int:
        """Returns how many batches of the ring are in the hands of one validator."""
        held = 0
        for url in self.document()["redis"]:
            with contextlib.suppress(NodeUnreachableError):
                async with NodeConnection(url) as connection:
                    answer = await connection.call(b"XPENDING", keys.BATCHES, keys.GROUP)
                    if not isinstance(answer, ReplyError) and answer[3]:
                        held += sum(int(count) for name, count in answer[3] if name == consumer.encode())
        return held

    def served_by(self, pid: int) -> set[int]:
        """Returns the clients' ports of the connections that a process holds."""
        with contextlib.suppress(psutil.Error):
            return {c.raddr.port for c in psutil.Process(pid).net_connections("tcp") if c.raddr}
        return set()


def send(pid: int, number: signal.Signals) -> None:
    """Sends a signal; a process that has ended meanwhile needs none."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
