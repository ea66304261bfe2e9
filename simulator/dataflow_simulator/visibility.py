"""When each transaction's rows could be read: by snapshots taken every few milliseconds, without touching a table.

A row carries the id of the transaction that stored it. An observer asks Postgres only for its current snapshot, which
costs microseconds and grows with nothing. Afterwards the first snapshot that sees a transaction says when its rows were
there for everybody; the clock is read after the answer arrived, so the latency is never too low, and too high by at most
the time between two snapshots.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncpg

INTERVAL_SECONDS = 0.004
BUSY_INTERVAL_SECONDS = 0.01
"""At rates where latencies are ten times longer and the observer would cost what it observes."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a transaction that began at a moment can see."""

    time: float
    """Seconds since the epoch when the answer had arrived."""
    xmin: int
    """All below are over."""
    xmax: int
    """None from here on is over."""
    running: frozenset[int]
    """Those between that are not over."""


def parse_snapshot(seconds: float, text: str) -> Snapshot:
    """Reads `xmin:xmax:id,id`, as Postgres writes a snapshot.

    Raises:
        ValueError: It is something else.
    """
    xmin, xmax, running = text.split(":")
    return Snapshot(seconds, int(xmin), int(xmax), frozenset(map(int, running.split(","))) if running else frozenset())


def first_seen(transactions: Iterable[int], snapshots: Sequence[Snapshot]) -> dict[int, float]:
    """Returns when each committed transaction was first seen; those that no snapshot sees are missing."""
    seen: dict[int, float] = {}
    ahead = sorted(set(transactions), reverse=True)
    begun: list[int] = []
    for snapshot in snapshots:
        while ahead and ahead[-1] < snapshot.xmax:
            begun.append(ahead.pop())
        if begun:
            still: list[int] = []
            for transaction in begun:
                if transaction in snapshot.running:
                    still.append(transaction)
                else:
                    seen[transaction] = snapshot.time
            begun = still
    return seen


async def watch(dsn: str, snapshots: list[Snapshot], interval_seconds: float = INTERVAL_SECONDS) -> None:
    """Adds a snapshot every few milliseconds until it is cancelled; equal ones are taken once."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    try:
        statement = await connection.prepare("SELECT pg_current_snapshot()::text")
        loop = asyncio.get_running_loop()
        due = loop.time()
        last = ""
        while True:
            text = str(await statement.fetchval())
            if text != last:
                snapshots.append(parse_snapshot(time.time(), text))
                last = text
            due = max(due + interval_seconds, loop.time())
            await asyncio.sleep(due - loop.time())
    finally:
        connection.terminate()
