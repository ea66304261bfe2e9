"""Measures how long a 1 kHz publisher, the rows, or the ring's leadership stand still when a process dies or freezes.

    .venv/bin/python -m tests.benchmarks.failover_trials [--trials 50] [--faults node-killed,...] [--json]

Starts a stack of its own with two bridges, two validators and three nodes. In each trial everything is healthy first;
then one process gets SIGKILL or SIGSTOP, and is back before the next trial begins. What is measured:

- `stream`: the longest time without any acknowledgement, over all connections of the publisher;
- `connection`: the longest time without an acknowledgement on a connection that the failed process served (for a node:
  on any connection), reconnecting included. This is what the goal is held against;
- `message`: the longest time from the moment at which a message was due to its acknowledgement;
- `fresh_rows`: the longest time in which no row became visible;
- `held_rows`: the longest time from the moment at which a message was due to its visible row: those are the rows of the
  batches that the failed validator had in its hands;
- `leader`: until the lease has another holder.

Rows are seen by snapshots of Postgres every few milliseconds, not by asking the services. At the end every acknowledged
message must be a row, and no message two. Exit code 1: something was lost or stored twice, or a goal was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import random
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import asyncpg
from dataflow.validator.v1 import contract_pb2
from dataflow_client import AsyncClient
from dataflow_client.targets import Connection, Targets
from dataflow_simulator.visibility import Snapshot, first_seen, watch
from dataflow_stack.testing import LocalStack

from tests.benchmarks.failover_publisher import TOPIC, Publisher
from tests.benchmarks.failover_stack import Leader, Stack, send

Measure = Literal["connection", "held_rows", "leader"]

CONTRACT: Final = "failover"
"""Judges what the publisher sends."""
_WARM_SECONDS: Final = 0.4
_SETTLED_SECONDS: Final = 0.15
"""No message may wait longer than this before a trial begins or after it ended."""
_PATIENCE_SECONDS: Final = 20.0
_LEAST_SHARE: Final = 0.25
"""Of the connections, on the bridge that is broken."""
_ROUTES_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to whom, and what must come of it."""

    kind: Literal["redis", "bridge", "validator", "leader"]
    number: signal.Signals
    goal_seconds: float
    measure: Measure
    observe_seconds: float
    """How long a trial looks at least: what the fault can cost must have happened by then."""


FAULTS: Final[dict[str, Fault]] = {
    "node-killed": Fault("redis", signal.SIGKILL, 0.25, "connection", 0.7),
    "node-frozen": Fault("redis", signal.SIGSTOP, 1.0, "connection", 1.5),
    "bridge-killed": Fault("bridge", signal.SIGKILL, 1.0, "connection", 1.0),
    "bridge-frozen": Fault("bridge", signal.SIGSTOP, 3.0, "connection", 3.0),
    "validator-killed": Fault("validator", signal.SIGKILL, 3.0, "held_rows", 1.0),
    "validator-frozen": Fault("validator", signal.SIGSTOP, 3.0, "held_rows", 3.0),
    "leader-killed": Fault("leader", signal.SIGKILL, 2.0, "leader", 1.0),
    "leader-frozen": Fault("leader", signal.SIGSTOP, 2.0, "leader", 3.0),
}


@dataclass(slots=True)
class Trials:
    """What came of the trials of one fault; all in seconds."""

    fault: Fault
    gaps: dict[str, list[float]] = field(default_factory=dict)
    held_batches: list[int] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    """From the end of a trial until everything was healthy."""
    seconds: float = 0.0

    def add(self, **gaps: float) -> None:
        """Takes the figures of one trial."""
        for name, seconds in gaps.items():
            self.gaps.setdefault(name, []).append(seconds)

    @property
    def met(self) -> bool:
        """Whether 99 of 100 trials stayed within the goal; of fewer than 100: all."""
        of_goal = self.gaps.get(self.fault.measure, [])
        return bool(of_goal) and quantile(of_goal, 0.99) <= self.fault.goal_seconds

    def document(self) -> dict[str, Any]:
        """Returns it in milliseconds, for JSON."""
        return {
            "trials": max((len(values) for values in self.gaps.values()), default=0),
            "goal_ms": self.fault.goal_seconds * 1000,
            "goal_for": self.fault.measure,
            "met": self.met,
            "gaps_ms": {name: _summary(values) for name, values in self.gaps.items()},
            "held_batches": {"p50": quantile(self.held_batches, 0.5), "max": max(self.held_batches)}
            if self.held_batches
            else None,
            "recovery_ms": _summary(self.recoveries),
            "seconds": round(self.seconds, 1),
        }


def quantile(values: Sequence[float], fraction: float) -> float:
    """Returns the nearest-rank quantile: the 99th percentile of fifty values is the largest one."""
    return sorted(values)[max(0, math.ceil(fraction * len(values)) - 1)]


def _summary(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {
        "p50": round(quantile(values, 0.5) * 1000, 1),
        "p99": round(quantile(values, 0.99) * 1000, 1),
        "max": round(max(values) * 1000, 1),
    }


class Runner:
    """Runs trials on one stack with one publisher."""

    def __init__(self, stack: Stack, publisher: Publisher, snapshots: list[Snapshot], chance: random.Random) -> None:
        self._stack = stack
        self._publisher = publisher
        self._snapshots = snapshots
        self._chance = chance
        self._turn = 0

    async def run(self, name: str, trials: int, progress: bool) -> Trials:
        """Runs all trials of one fault.

        Raises:
            NotHealthyError: The stack did not recover from one.
        """
        outcome = Trials(FAULTS[name])
        began = time.monotonic()
        for number in range(trials):
            await self._settle()
            await self._trial(outcome)
            if progress:
                shown = ", ".join(f"{key} {values[-1] * 1000:.0f}" for key, values in outcome.gaps.items())
                print(f"{name} {number + 1}/{trials}: {shown} ms", file=sys.stderr, flush=True)
        outcome.seconds = time.monotonic() - began
        return outcome

    async def _trial(self, outcome: Trials) -> None:
        fault = outcome.fault
        loop = asyncio.get_running_loop()
        leader = await self._led() if fault.kind == "leader" else None
        victim, pid = await self._victim(fault, leader)
        await asyncio.sleep(_WARM_SECONDS + self._chance.uniform(0.0, 0.25))
        affected = self._affected(fault, pid)
        del self._snapshots[:-1]
        start, wall = loop.time(), time.time()
        send(pid, fault.number)
        if fault.kind == "validator":
            # What a frozen one still gets handed out by a read that waits at the node is its, too.
            await asyncio.sleep(0.0 if fault.number is signal.SIGKILL else 0.1)
            outcome.held_batches.append(await self._stack.held(victim))
        if leader is not None:
            outcome.add(leader=await self._succeeded(leader, start))
        await asyncio.sleep(max(0.0, start + fault.observe_seconds - loop.time()))
        await self._answered(start)
        end = loop.time()
        gaps = self._publisher.gaps(start, end - _SETTLED_SECONDS, affected)
        outcome.add(stream=gaps.stream, connection=gaps.connection, message=gaps.message)
        if fault.kind == "validator":
            outcome.add(**await self._row_gaps(wall, end - _SETTLED_SECONDS))
        if fault.kind == "redis" and fault.number is signal.SIGSTOP:
            send(pid, signal.SIGCONT)
        gone = {pid} if fault.kind != "redis" or fault.number is signal.SIGKILL else set()
        outcome.recoveries.append(await self._stack.healthy(time.time(), gone))

    async def _victim(self, fault: Fault, leader: Leader | None) -> tuple[str, int]:
        """Chooses whom it hits, by turns."""
        pids = self._stack.pids("bridge" if fault.kind == "leader" else fault.kind)
        names = sorted(pids)
        self._turn += 1
        victim = names[self._turn % len(names)]
        if leader is not None:
            victim = next(name for name in names if name in leader.holder)
        if fault.kind in {"bridge", "leader"}:
            await self._spread(pids[victim])
        return victim, pids[victim]

    async def _spread(self, pid: int) -> None:
        """Opens connections anew until the bridge serves its share of them."""
        connections = self._publisher.connections
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                mine = self._of(pid)
                if _LEAST_SHARE <= len(mine) / len(connections) <= 1 - _LEAST_SHARE:
                    return
                others = [
                    connection.index
                    for connection in connections
                    if (connection.index in mine) == (len(mine) > len(connections) / 2)
                ]
                for index in self._chance.sample(others, min(5, len(others))):
                    connections[index].drop()
                await asyncio.sleep(0.1)
                await self._settle()

    def _of(self, pid: int) -> set[int]:
        ports = self._stack.served_by(pid)
        return {connection.index for connection in self._publisher.connections if connection.local_port in ports}

    def _affected(self, fault: Fault, pid: int) -> set[int]:
        if fault.kind in {"bridge", "leader"}:
            return self._of(pid)
        return {connection.index for connection in self._publisher.connections}

    async def _led(self) -> Leader:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (leader := await self._stack.leader()) is None:  # noqa: ASYNC110 - a row in Postgres
                await asyncio.sleep(0.05)
        return leader

    async def _succeeded(self, before: Leader, start: float) -> float:
        """Returns the seconds until somebody else leads."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                leader = await self._stack.leader()
                if leader is not None and leader.holder != before.holder:
                    return asyncio.get_running_loop().time() - start
                await asyncio.sleep(0.005)

    async def _settle(self) -> None:
        """Waits until nothing waits for its acknowledgement."""
        await self._answered(asyncio.get_running_loop().time())

    async def _answered(self, start: float) -> None:
        """Waits until all that was due since the fault is acknowledged, but for the last moment."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while loop.time() < start + _SETTLED_SECONDS or (  # noqa: ASYNC110 - its own clock
                (since := self._publisher.unanswered_since()) is not None and since < loop.time() - _SETTLED_SECONDS
            ):
                await asyncio.sleep(0.01)

    async def _row_gaps(self, wall: float, end: float) -> dict[str, float]:
        """Waits for the rows of all that was due, and returns when they were there."""
        publisher = self._publisher
        first = next(n for n, due in enumerate(publisher.due) if publisher.wall(due) >= wall - 0.1)
        last = next(n for n in range(len(publisher.due) - 1, 0, -1) if publisher.due[n] < end)
        database = self._stack.database
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while (  # noqa: ASYNC110 - rows in Postgres
                await database.fetchval(
                    f"SELECT count(*) FROM readings.{CONTRACT} WHERE n BETWEEN $1 AND $2", first, last
                )
                < last - first + 1
            ):
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.05)  # for the snapshot that sees the last of them
        rows = await database.fetch(f"SELECT n, stored_xid::text AS xid FROM readings.{CONTRACT} WHERE n >= $1", first)
        seen = first_seen({int(row["xid"]) for row in rows}, self._snapshots)
        times = sorted({moment for moment in seen.values() if moment >= wall})
        return {
            "fresh_rows": max((b - a for a, b in zip([wall, *times], times, strict=False)), default=0.0),
            "held_rows": max(
                seen[int(row["xid"])] - publisher.wall(publisher.due[row["n"]])
                for row in rows
                if row["n"] <= last and int(row["xid"]) in seen
            ),
        }


@dataclass(frozen=True, slots=True)
class Account:
    """What became of all messages."""

    published: int
    acknowledged: int
    stored: int
    lost: int
    twice: int


async def account(database: asyncpg.Connection[asyncpg.Record], publisher: Publisher) -> Account:
    """Compares the publisher's log with the rows."""
    acknowledged = {number for number, moment in enumerate(publisher.acknowledged) if moment}
    statement = f"SELECT n, count(*) FROM readings.{CONTRACT} GROUP BY n"
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        rows: dict[int, int] = {row["n"]: row["count"] for row in await database.fetch(statement)}
        lost = len(acknowledged - rows.keys())
        if not lost or time.monotonic() > deadline:
            twice = sum(count - 1 for count in rows.values())
            return Account(len(publisher.due), len(acknowledged), len(rows), lost, twice)
        await asyncio.sleep(0.5)


async def provision(document: dict[str, Any]) -> None:
    """Makes the contract of the publisher and its route."""
    grpc = document["grpc"]
    token = Path(document["token_file"]).read_text(encoding="utf-8").strip()  # noqa: ASYNC240 - a line
    spec = contract_pb2.ContractSpec(
        fields=[
            contract_pb2.Field(name="n", type=contract_pb2.FIELD_TYPE_INTEGER),
            contract_pb2.Field(name="ts", type=contract_pb2.FIELD_TYPE_STRING),
        ],
        identity=("n",),
        event_time_field="ts",
    )
    targets = Targets(grpc["bridge"], grpc["validator"], grpc["insight"])
    async with AsyncClient(Connection(targets, token)) as client:
        await client.contracts.create(CONTRACT, spec, activate=True)
        await client.routes.create(TOPIC.format(device="+"), CONTRACT, device_rule="topic:2")


async def measure(stack: LocalStack, arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs the trials on a stack that was just started, and returns the report."""
    document = stack.status()
    await provision(document)
    await asyncio.sleep(_ROUTES_SECONDS)
    database = await asyncpg.connect(document["postgres"])
    await database.execute(f"CREATE INDEX ON readings.{CONTRACT} (n)")
    host, _, port = document["mqtt"].rpartition(":")
    publisher = Publisher(host, int(port), connections=arguments.connections, rate=arguments.rate)
    snapshots: list[Snapshot] = []
    outcomes: dict[str, Trials] = {}
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(publisher.run(), name="publisher")
            watching = tasks.create_task(watch(document["postgres"], snapshots), name="snapshots")
            runner = Runner(Stack(stack.data_dir, database), publisher, snapshots, random.Random(arguments.seed))
            await asyncio.sleep(1.0)
            try:
                for name in arguments.faults:
                    outcomes[name] = await runner.run(name, arguments.trials, arguments.progress)
            finally:
                publisher.stop()
                watching.cancel()
        total = await account(database, publisher)
    finally:
        await database.close()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "publisher": {"rate": arguments.rate, "connections": arguments.connections, "reconnects": publisher.reconnects},
        "stack": {"bridges": 2, "validators": 2, "nodes": 3},
        "faults": {name: outcome.document() for name, outcome in outcomes.items()},
        "messages": {key: getattr(total, key) for key in ("published", "acknowledged", "stored", "lost", "twice")},
        "seed": arguments.seed,
    }


def table(report: dict[str, Any]) -> Iterable[str]:
    """Yields the report for people."""
    yield f"{'fault':<18} {'goal':>6} {'':>4} " + "  ".join(
        f"{name:>22}" for name in ("goal for", "p50 / p99 / max ms")
    )
    for name, fault in report["faults"].items():
        for key, gap in fault["gaps_ms"].items():
            first = key == fault["goal_for"]
            verdict = ("ok" if fault["met"] else "MISS") if first else ""
            goal = f"{fault['goal_ms']:.0f}" if first else ""
            figures = f"{gap['p50']:.0f} / {gap['p99']:.0f} / {gap['max']:.0f}"
            yield f"{name:<18} {goal:>6} {verdict:>4} {key:>22}  {figures:>22}"
    yield json.dumps(report["messages"])


def _faults(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - FAULTS.keys():
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    return names


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=50, help="of each fault (default 50)")
    parser.add_argument("--faults", type=_faults, default=list(FAULTS), help=",".join(FAULTS))
    parser.add_argument("--rate", type=float, default=1000.0, help="messages a second (default 1000)")
    parser.add_argument("--connections", type=int, default=20, help="default 20")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (default 1)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--progress", action="store_true", help="a line for each trial, on standard error")
    parser.add_argument("--keep-logs", type=Path, help="copy the logs of the stack there at the end")
    arguments = parser.parse_args()
    with LocalStack.running(("--no-fleet", "--bridges", "2", "--validators", "2")) as stack:
        try:
            report = asyncio.run(measure(stack, arguments))
        finally:
            if arguments.keep_logs:
                arguments.keep_logs.mkdir(parents=True, exist_ok=True)
                for log in (stack.data_dir / "logs").glob("*.log"):
                    (arguments.keep_logs / log.name).write_bytes(log.read_bytes())
    print(json.dumps(report, indent=2) if arguments.json else "\n".join(table(report)))
    messages = report["messages"]
    met = all(fault["met"] for fault in report["faults"].values())
    return 0 if met and not messages["lost"] and not messages["twice"] else 1


if __name__ == "__main__":
    sys.exit(main())
