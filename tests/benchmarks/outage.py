"""Takes Postgres away while devices publish, and says what the ring took, who was slowed, and how fast it was made good.

    .venv/bin/python -m tests.benchmarks.outage [--minutes 2] [--rate 2000] [--node-memory 16] [--pad-bytes 200] [--variants frozen,killed] [--json]

A stack of its own whose nodes are small (`--node-memory`), so that the ring fills within minutes instead of hours. For each variant
Postgres is frozen with SIGSTOP, or killed again and again before it can serve, for as long as `--minutes` says. In that time the ring fills;
`dataflow status` says how long it lasts, and alarms at 50 % and 80 %; when it is full devices are slowed. Then Postgres
comes back, and everything recovers by itself while the devices go on publishing.

- `bytes_per_message`: what a message costs the ring, both copies and all of Redis's own included;
- `outage_hours_at`: how long the default nodes, and nodes of 1 GB, last at rates of interest: from that cost alone;
- `drain_rate`: rows per second from the return of Postgres until nothing waits any more; `drain_factor`: how many times the live rate.

Exit code 1: an acknowledged message is no row or two, an alarm was missing, the ring filled and nobody was slowed, the drain was not
twice the live rate, or the stack did not recover.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import asyncpg
import psutil
from dataflow_stack.buffer import FULL_SHARE, WARNING_SHARE
from dataflow_stack.options import NODE_MEMORY
from dataflow_stack.testing import LocalStack

from tests.benchmarks.failover_publisher import Publisher
from tests.benchmarks.failover_stack import send
from tests.benchmarks.failover_trials import CONTRACT, account, provision

_ROUTES_SECONDS: Final = 2.0
_WARM_SECONDS: Final = 5.0
_KILL_EVERY_SECONDS: Final = 0.05
_RECOVERY_SECONDS: Final = 600.0
_SLOWED_SHARE: Final = 0.7
"""Of the rate: who gets less acknowledged than this over two seconds is slowed."""
_LEAST_DRAIN: Final = 2.0
_NODES: Final = 3
_RATES: Final = (100, 1_000, 2_000, 10_000)


@dataclass(frozen=True, slots=True)
class Look:
    """The stack at one moment."""

    time: float
    share: float
    left_seconds: float | None
    alarms: tuple[str, ...]
    lag: int
    published: int
    acknowledged: int


@dataclass(slots=True)
class Outage:
    """What was seen of one outage."""

    variant: str
    before: Look
    looks: list[Look] = field(default_factory=list)
    returned: float = 0.0
    """When Postgres was let go."""
    drained: float | None = None
    """When nothing waited any more."""
    waiting: int = 0
    """Messages that were acknowledged and no rows when Postgres was let go."""
    rows_while_draining: int = 0


class Trial:
    """Runs outages on one stack with one publisher."""

    def __init__(self, stack: LocalStack, publisher: Publisher, dsn: str, rate: float) -> None:
        self._stack = stack
        self._rate = rate
        self._publisher = publisher
        self._dsn = dsn

    def look(self) -> Look:
        """Reads the status as `dataflow status` does."""
        document: dict[str, Any] = {}
        while not document:
            try:
                document = json.loads((self._stack.data_dir / "status.json").read_text(encoding="utf-8"))
            except ValueError:  # it is being replaced
                continue
        ring = document["ring"]
        acknowledged = sum(1 for moment in self._publisher.acknowledged if moment)
        return Look(
            time.time(),
            ring["share"],
            ring["buffer_left_seconds"],
            tuple(ring["alarms"]),
            document["lag"],
            len(self._publisher.due),
            acknowledged,
        )

    async def run(self, variant: str, seconds: float) -> Outage:
        """Takes Postgres away, gives it back, waits until nothing waits any more."""
        outage = Outage(variant, self.look())
        began = time.time()
        pid: int = self._postgres()
        if variant == "frozen":
            for process in _tree(pid):
                send(process, signal.SIGSTOP)
        while time.time() < began + seconds:
            if variant == "killed":
                await self._keep_dead(1.0)
            else:
                await asyncio.sleep(1.0)
            outage.looks.append(self.look())
        if variant == "frozen":
            for process in _tree(pid):
                send(process, signal.SIGCONT)
        outage.returned = time.time()
        rows_then = await self._rows()
        outage.waiting = sum(1 for moment in self._publisher.acknowledged if moment) - rows_then
        while time.time() < outage.returned + _RECOVERY_SECONDS:
            await asyncio.sleep(0.5)
            outage.looks.append(self.look())
            rows = await self._rows()
            if len(self._publisher.due) - rows < self._rate:  # less than a second's worth waits
                outage.drained = time.time()
                outage.rows_while_draining = rows - rows_then
                break
        return outage

    async def _rows(self) -> int:
        """Counts rows, however long Postgres takes to come back."""
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=5)
                try:
                    return int(await connection.fetchval(f"SELECT count(*) FROM readings.{CONTRACT}", timeout=30))
                finally:
                    await connection.close(timeout=5)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.2)

    def _postgres(self) -> int:
        document = json.loads((self._stack.data_dir / "status.json").read_text(encoding="utf-8"))
        return int(next(entry["pid"] for entry in document["processes"] if entry["name"] == "postgres") or 0)

    async def _keep_dead(self, seconds: float) -> None:
        """Kills each Postgres that the supervisor starts."""
        until = time.monotonic() + seconds
        cluster = str(self._stack.data_dir / "postgres")
        while time.monotonic() < until:
            for process in psutil.process_iter(["pid", "name", "ppid"]):
                if process.info["name"] == "postgres" and _works_in(process, cluster):
                    send(process.info["pid"], signal.SIGKILL)
            await asyncio.sleep(_KILL_EVERY_SECONDS)


def _works_in(process: psutil.Process, directory: str) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(directory)
    except psutil.Error:
        return False


def _tree(pid: int) -> list[int]:
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


def report_of(outage: Outage, rate: float, node_memory: int) -> dict[str, Any]:
    """Returns what one outage showed."""
    away = [look for look in outage.looks if look.time <= outage.returned]
    full = next((look for look in away if look.share >= FULL_SHARE), None)
    # From the first look on which everything goes to the ring, to the one where it is full.
    filling = [look for look in away if look.share < FULL_SHARE]
    cost = None
    if len(filling) > 1 and filling[-1].acknowledged > filling[0].acknowledged:
        grown = (filling[-1].share - filling[0].share) * (node_memory << 20) * _NODES
        cost = grown / (filling[-1].acknowledged - filling[0].acknowledged)
    slowed = None
    if full is not None:
        after = [look for look in away if look.time >= full.time + 2.0]
        if len(after) > 1:
            slowed = (after[-1].acknowledged - after[0].acknowledged) / (
                after[-1].time - after[0].time
            ) < _SLOWED_SHARE * rate
    drain_seconds = None if outage.drained is None else outage.drained - outage.returned
    drain_rate = outage.rows_while_draining / drain_seconds if drain_seconds else None
    return {
        "variant": outage.variant,
        "away_seconds": round(outage.returned - away[0].time + 1.0, 1) if away else 0.0,
        "share_at_most": max((look.share for look in outage.looks), default=0.0),
        "alarm_at_50": any(look.alarms for look in away if look.share >= WARNING_SHARE)
        if any(look.share >= WARNING_SHARE for look in away)
        else None,
        "alarm_at_80": any("full" in alarm for look in away for alarm in look.alarms) if full else None,
        "full_after_seconds": None if full is None else round(full.time - away[0].time + 1.0, 1),
        "slowed_when_full": slowed,
        "buffer_left_seconds": [look.left_seconds for look in away if look.left_seconds is not None][
            :: max(1, len(away) // 8)
        ],
        "bytes_per_message": None if cost is None else round(cost, 1),
        "outage_hours_at": None if cost is None else _hours(cost),
        "waiting_messages": outage.waiting,
        "drained_after_seconds": None if drain_seconds is None else round(drain_seconds, 1),
        "drain_rate": None if drain_rate is None else round(drain_rate),
        "drain_factor": None if drain_rate is None else round(drain_rate / rate, 2),
    }


def _hours(cost: float) -> dict[str, dict[str, float]]:
    """Returns for how many hours a ring of three nodes lasts, by memory of a node and messages a second."""
    return {
        f"{megabytes} MB": {
            f"{rate}/s": round((megabytes << 20) * _NODES * FULL_SHARE / cost / rate / 3600, 2) for rate in _RATES
        }
        for megabytes in (NODE_MEMORY, 1024)
    }


async def measure(stack: LocalStack, arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs all variants and returns the report."""
    document = stack.status()
    await provision(document)
    await asyncio.sleep(_ROUTES_SECONDS)
    host, _, port = document["mqtt"].rpartition(":")
    publisher = Publisher(
        host, int(port), connections=arguments.connections, rate=arguments.rate, pad_bytes=arguments.pad_bytes
    )
    trial = Trial(stack, publisher, document["postgres"], arguments.rate)
    outages: list[Outage] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publisher.run(), name="publisher")
        try:
            for variant in arguments.variants:
                await asyncio.sleep(_WARM_SECONDS)
                outages.append(await trial.run(variant, arguments.minutes * 60))
                print(json.dumps(report_of(outages[-1], arguments.rate, arguments.node_memory)), file=sys.stderr)
        finally:
            publisher.stop()
    database = await asyncpg.connect(document["postgres"])
    try:
        total = await account(database, publisher)
    finally:
        await database.close()
    return {
        "rate": arguments.rate,
        "node_memory_mb": arguments.node_memory,
        "payload_bytes": 55 + arguments.pad_bytes,
        "outages": [report_of(outage, arguments.rate, arguments.node_memory) for outage in outages],
        "published": total.published,
        "acknowledged": total.acknowledged,
        "stored": total.stored,
        "lost": total.lost,
        "twice": total.twice,
        "reconnects": publisher.reconnects,
    }


def problems(report: dict[str, Any]) -> list[str]:
    """Returns what does not hold; what an outage was too short for is not judged."""
    found = [f"{report[what]} messages are {what}" for what in ("lost", "twice") if report[what]]
    for outage in report["outages"]:
        checks = {
            "no alarm at 50 %": outage["alarm_at_50"] is not False,
            "no alarm at 80 %": outage["alarm_at_80"] is not False,
            "nobody was slowed by a full ring": outage["slowed_when_full"] is not False,
            "it did not recover by itself": outage["drained_after_seconds"] is not None,
            "the drain was not twice the live rate": (outage["drain_factor"] or 0.0) >= _LEAST_DRAIN,
        }
        found += [f"{outage['variant']}: {problem}" for problem, holds in checks.items() if not holds]
    return found


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0, help="of each outage (default 2)")
    parser.add_argument("--rate", type=float, default=2_000.0, help="messages a second (default 2,000)")
    parser.add_argument("--connections", type=int, default=50, help="default 50")
    parser.add_argument("--node-memory", type=int, default=16, help="MB of each node (default 16)")
    parser.add_argument("--pad-bytes", type=int, default=200, help="random digits in each message (default 200)")
    parser.add_argument("--variants", type=lambda text: text.split(","), default=["frozen", "killed"])
    parser.add_argument("--json", action="store_true", help="print the report as one line of JSON")
    arguments = parser.parse_args()
    with LocalStack.running(("--no-fleet", "--node-memory", str(arguments.node_memory))) as stack:
        report = asyncio.run(measure(stack, arguments))
    print(json.dumps(report, indent=None if arguments.json else 2))
    found = problems(report)
    for problem in found:
        print(f"Error: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
