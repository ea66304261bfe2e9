"""Breaks a running stack again and again while devices publish, and then accounts for every acknowledged item.

    .venv/bin/python -m tests.chaos.kill_campaign [--kills 10] [--seed S] [--rate 600] [--freezes N] [--ends N] [--blackouts N] [--wipe]

Starts a local stack of its own, publishes with message ids of the kinds a, b, c and d at once (QoS 1 and 2, with items
that must be refused, exact resends, contradictions and arrays), and kills bridge, validator, ring node and Postgres with
SIGKILL, each so many times, in random order at random times. Prints one JSON report. Exit code 1: something was lost,
stored twice, or does not add up; the report then has the history that led to it. The seed repeats the messages and the
order of the kills, not their exact timing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from dataflow.bridge.v1 import node_pb2
from dataflow_client import AsyncClient
from dataflow_client.targets import Connection, Targets
from dataflow_ring import keys
from dataflow_ring.connection import NodeConnection, NodeUnreachableError, ReplyError
from dataflow_simulator.publisher import PublishError
from dataflow_stack.testing import LocalStack

from tests.chaos.campaign_check import Findings, reconcile
from tests.chaos.campaign_faults import TARGETS, Action, Faults, RecoveryError, Target
from tests.chaos.campaign_load import Journal, Load, provision

_EMPTY_SECONDS: Final = 180.0
_ROUTES_SECONDS: Final = 2.0
"""Validators follow a new route within a second."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign does."""

    seed: int
    kills: int = 10
    """Of each target."""
    targets: tuple[Target, ...] = TARGETS
    rate: float = 600.0
    """Messages a second over all clients."""
    clients: int = 2
    """For each kind of message id."""
    least_pause_seconds: float = 0.5
    most_pause_seconds: float = 3.0
    """Between the recovery of one process and the death of the next."""
    overlap: float = 0.2
    """Share of the kills after which nobody waits for the recovery."""
    freezes: int = 0
    """SIGSTOP for 5 s of each target, so many times."""
    ends: int = 0
    """SIGTERM to each target, so many times."""
    blackouts: int = 0
    """SIGKILL to all processes at once, so many times."""
    wipe: bool = False
    """Whether one ring node also loses its disk."""


@dataclass(slots=True)
class Report:
    """What came of it."""

    plan: Plan
    seconds: float
    broken: dict[str, int]
    findings: Findings
    history: list[dict[str, Any]]
    ring_left: dict[str, str] = field(default_factory=dict)
    journal: Journal = field(default_factory=Journal, repr=False)
    deaths: int = 0

    @property
    def violations(self) -> dict[str, list[str]]:
        """Everything that does not hold; empty when all is well."""
        return self.findings.violations

    def document(self) -> dict[str, Any]:
        """Returns the report for JSON; the history is only of use where something is wrong."""
        return {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "seed": self.plan.seed,
            "seconds": round(self.seconds, 1),
            "broken": self.broken,
            "counts": self.findings.counts,
            "violations": self.violations,
            "history": self.history,
        }


async def run_campaign(stack: LocalStack, plan: Plan) -> Report:
    """Runs a campaign on a stack that was just started; leaves the stack running."""
    began = time.monotonic()
    chance = random.Random(plan.seed)
    document = stack.status()
    nodes = {f"redis-{index}": url for index, url in enumerate(document["redis"])}
    host, _, port = document["mqtt"].rpartition(":")
    async with _client(document) as client:
        await provision(client)
        await asyncio.sleep(_ROUTES_SECONDS)
        load = Load(host, int(port), clients=plan.clients, rate=plan.rate, seed=plan.seed)
        faults = Faults(stack.data_dir, chance, lambda: len(load.journal.acknowledged))
        publishing = asyncio.create_task(load.run(), name="load")
        problems: list[str] = []
        try:
            await _break_things(plan, faults, chance, lambda name: _held(nodes[name]))
        except RecoveryError as error:  # what is stored is accounted for all the same
            problems.append(str(error))
        finally:
            load.stop()
        try:
            await publishing
        except* (AssertionError, PublishError) as errors:
            problems += [str(error) for error in errors.exceptions]
        left = await _until_empty({name: url for name, url in nodes.items() if name not in faults.wiped})
        findings = await _account(document["postgres"], load.journal, faults.deaths())
        if problems:
            findings.violations["service: did not come back"] = problems
        if left:
            findings.violations["ring: not empty after everything was acknowledged"] = [
                f"{node}: {what}" for node, what in left.items()
            ]
        for node in sorted(faults.wiped):
            if problem := await _wiped_problem(client, node):
                findings.violations[f"wiped: {node}"] = [problem]
    broken = Counter(f"{event.action} {event.process.rpartition('-')[0] or event.process}" for event in faults.history)
    return Report(
        plan, time.monotonic() - began, dict(sorted(broken.items())), findings, faults.report(), left, load.journal,
        faults.deaths(),
    )  # fmt: skip


async def _account(dsn: str, journal: Journal, deaths: int) -> Findings:
    """Reconciles; a database that does not answer is a finding, since every process was given the time to come back."""
    try:
        connection = await asyncpg.connect(dsn, timeout=30)
    except (asyncpg.PostgresError, OSError) as error:
        return Findings(violations={"postgres: does not answer": [str(error)]})
    try:
        return await reconcile(connection, journal, deaths=deaths)
    finally:
        await connection.close()


async def _break_things(
    plan: Plan, faults: Faults, chance: random.Random, held: Callable[[str], Awaitable[str]]
) -> None:
    """Does what is planned, in random order."""
    steps: list[tuple[Action, Target]] = [("kill", target) for target in plan.targets for _ in range(plan.kills)]
    steps += [("freeze", target) for target in plan.targets for _ in range(plan.freezes)]
    steps += [("end", target) for target in plan.targets for _ in range(plan.ends)]
    steps += [("blackout", "postgres")] * plan.blackouts
    if plan.wipe:
        steps.append(("wipe", "redis"))
    chance.shuffle(steps)
    for action, target in steps:
        await asyncio.sleep(chance.uniform(plan.least_pause_seconds, plan.most_pause_seconds))
        if action == "wipe":
            await faults.all_serve()
            await faults.wipe(held)
        elif action == "end":
            await faults.end(target)
        elif action == "blackout":
            await faults.blackout()
        elif action == "freeze":
            await faults.freeze(target)
        else:
            await faults.kill(target, wait=chance.random() >= plan.overlap)
    await faults.all_serve()
    await asyncio.sleep(plan.least_pause_seconds)


def _client(document: dict[str, Any]) -> AsyncClient:
    grpc = document["grpc"]
    token = Path(document["token_file"]).read_text(encoding="utf-8").strip()
    return AsyncClient(Connection(Targets(grpc["bridge"], grpc["validator"], grpc["insight"]), token))


async def _until_empty(nodes: dict[str, str]) -> dict[str, str]:
    """Waits until no node holds a batch; returns what is left where that does not come true."""
    deadline = time.monotonic() + _EMPTY_SECONDS
    while True:
        left = {name: what for name, url in nodes.items() if (what := await _held(url))}
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(0.3)


async def _held(url: str) -> str:
    """Returns what a node holds, in words; empty for nothing."""
    try:
        async with NodeConnection(url, timeout_seconds=3.0) as connection:
            batches, copies, pending = await connection.pipeline(
                [(b"XLEN", keys.BATCHES), (b"XLEN", keys.COPIES), (b"XPENDING", keys.BATCHES, keys.GROUP)]
            )
    except NodeUnreachableError as error:
        return str(error)
    if isinstance(pending, ReplyError):
        return str(pending)
    held = {"batches": batches, "copies": copies, "pending": pending[0]}
    return ", ".join(f"{count} {name}" for name, count in held.items() if count)


async def _wiped_problem(client: AsyncClient, name: str) -> str:
    """Returns what is wrong with a node that came back empty: it must be DOWN until it is admitted again."""
    node = await client.ring.get_node(name)
    healths = {observation.health for observation in node.observations}
    if healths == {node_pb2.NODE_HEALTH_DOWN}:
        return ""
    return f"not DOWN for everybody: {node.observations}"


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=10, help="of each target (default 10)")
    parser.add_argument("--targets", default=",".join(TARGETS), help="which of bridge,validator,redis,postgres")
    parser.add_argument("--seed", type=int, default=None, help="default: from the clock")
    parser.add_argument("--rate", type=float, default=600.0, help="messages a second (default 600)")
    parser.add_argument("--clients", type=int, default=2, help="for each kind of message id (default 2)")
    parser.add_argument("--pause-seconds", type=float, default=3.0, help="between kills, at most (default 3)")
    parser.add_argument("--overlap", type=float, default=0.2, help="share of kills not waited for (default 0.2)")
    parser.add_argument("--freezes", type=int, default=0, help="SIGSTOP for 5 s of each target, so many times")
    parser.add_argument("--ends", type=int, default=0, help="SIGTERM to each target, so many times")
    parser.add_argument("--blackouts", type=int, default=0, help="SIGKILL to all processes at once, so many times")
    parser.add_argument("--wipe", action="store_true", help="one ring node also loses its disk")
    parser.add_argument("--keep", action="store_true", help="keep the data directory, and say where it is")
    arguments = parser.parse_args()
    seed = time.time_ns() % 1_000_000 if arguments.seed is None else arguments.seed
    plan = Plan(
        seed=seed,
        kills=arguments.kills,
        targets=tuple(target for target in TARGETS if target in arguments.targets.split(",")),
        rate=arguments.rate,
        clients=arguments.clients,
        most_pause_seconds=arguments.pause_seconds,
        overlap=arguments.overlap,
        freezes=arguments.freezes,
        ends=arguments.ends,
        blackouts=arguments.blackouts,
        wipe=arguments.wipe,
    )
    print(f"seed {seed}", file=sys.stderr)
    stack = LocalStack()
    try:
        stack.up()
        report = asyncio.run(run_campaign(stack, plan))
    finally:
        if arguments.keep:
            print(f"the data stay in {stack.data_dir}", file=sys.stderr)
            stack.command("down", check=False)
        else:
            stack.close()
    print(json.dumps(report.document(), indent=2))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
