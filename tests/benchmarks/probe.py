"""A quiet publisher beside the load, and when its messages were acknowledged and were rows: what a usual device sees."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from dataflow_simulator.visibility import Snapshot, first_seen, watch

from tests.benchmarks.failover_publisher import Publisher
from tests.benchmarks.failover_trials import quantile

CONNECTIONS: Final = 5
RATE: Final = 50.0
_SNAPSHOT_SECONDS: Final = 0.01
_ROW_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One message of the probe; times in seconds since the epoch."""

    due: float
    acknowledged: float
    visible: float
    """Infinite where no row was ever seen."""


class Probe:
    """Publishes a little for as long as something else is measured.

    Args:
        document: The status of the stack.
        contract: Judges the messages; see `failover_trials.provision`.
    """

    def __init__(self, document: dict[str, Any], contract: str) -> None:
        host, _, port = document["mqtt"].rpartition(":")
        self.publisher = Publisher(host, int(port), connections=CONNECTIONS, rate=RATE)
        self._dsn = document["postgres"]
        self._contract = contract
        self._snapshots: list[Snapshot] = []
        self._watching: asyncio.Task[None] | None = None
        self._publishing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to publish and to look."""
        self._watching = asyncio.create_task(self._watch(), name="snapshots")
        self._publishing = asyncio.create_task(self.publisher.run(), name="probe")

    async def finish(self) -> list[Seen]:
        """Stops, waits until all rows are there, and returns what became of each message."""
        assert self._watching is not None
        assert self._publishing is not None
        self.publisher.stop()
        await self._publishing
        connection = await asyncpg.connect(self._dsn)
        try:
            table = f"readings.{self._contract}"
            async with asyncio.timeout(_ROW_SECONDS):
                while await connection.fetchval(f"SELECT count(*) FROM {table}") < len(self.publisher.due):  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            await asyncio.sleep(5 * _SNAPSHOT_SECONDS)
            rows = await connection.fetch(f"SELECT n, stored_xid::text AS xid FROM {table}")
        finally:
            await connection.close()
            self._watching.cancel()
        seen = first_seen({int(row["xid"]) for row in rows}, self._snapshots)
        visible = {row["n"]: seen.get(int(row["xid"]), math.inf) for row in rows}
        publisher = self.publisher
        return [
            Seen(publisher.wall(due), publisher.wall(publisher.acknowledged[number]), visible.get(number, math.inf))
            for number, due in enumerate(publisher.due)
        ]

    async def _watch(self) -> None:
        """Looks on while Postgres goes and comes back."""
        while True:
            try:
                await watch(self._dsn, self._snapshots, _SNAPSHOT_SECONDS)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.1)


def latencies_ms(seen: Sequence[Seen], start: float, end: float) -> dict[str, float | int]:
    """Returns quantiles of what was due between two moments."""
    chosen = [message for message in seen if start <= message.due < end]
    if not chosen:
        return {"messages": 0}
    pubacks = [message.acknowledged - message.due for message in chosen]
    rows = [message.visible - message.due for message in chosen]
    named = {"puback": pubacks, "row": rows}
    figures = {
        f"{name}_p{round(q * 100)}": round(quantile(v, q) * 1000, 1) for name, v in named.items() for q in (0.5, 0.99)
    }
    return {"messages": len(chosen)} | figures


def normal_after(
    seen: Sequence[Seen], moment: float, limit_seconds: float, *, rows: bool, calm_seconds: float = 5.0
) -> float | None:
    """Returns how long after a moment everything was quick again, and stayed so; None: not while it was looked.

    Args:
        seen: What became of the probe's messages, in the order of their moments.
        moment: The end of what disturbed.
        limit_seconds: For every message, from its moment to its row, or to its acknowledgement.
        rows: Whether it is rows that must be quick, or acknowledgements.
        calm_seconds: How long it must hold.
    """
    slow = [
        message.due
        for message in seen
        if message.due >= moment and (message.visible if rows else message.acknowledged) - message.due > limit_seconds
    ]
    last = max((message.due for message in seen), default=moment)
    after = max(slow, default=moment)
    return after - moment if last - after >= calm_seconds else None
