"""Kills, freezes and cuts off every container of the Compose project in turn while clients publish, and then counts.

    docker compose up -d --build --wait
    python -m tests.chaos.compose_faults --log /tmp/acknowledged.jsonl

Three kinds of message ids go in over the listener and over Mosquitto. The log says what was acknowledged to the clients;
afterwards every number in it must be in exactly one row, counted by SQL. It prints a JSON report; exit code 1 where that
does not hold. What Mosquitto acknowledged around its own kill and did not keep is shown apart, since that promise is
Mosquitto's: it saves its queues about once a second, and (2.0.11) forgets shared subscriptions when it restarts, so that it
drops what comes before the bridges have subscribed again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dataflow_client import Client, Connection, Targets
from dataflow_client.errors import ContractExistsError, RouteConflictError

from tests.chaos.compose_engine import Compose, Container, EngineError, FaultKind
from tests.chaos.compose_publishers import (
    KINDS,
    Endpoint,
    PahoPublisher,
    contract_of,
    spec_of,
    topic_filter_of,
)

_HOST: Final = "127.0.0.1"
_BACK_SECONDS: Final = 300.0
_ANSWER_SECONDS: Final = 120.0
_STORE_SECONDS: Final = 180.0
_SAVE_SECONDS: Final = 8.0
"""How old what Mosquitto has saved may be when it is killed: its autosave_interval, the writing, and a busy machine."""


@dataclass(slots=True)
class Fault:
    """One fault, with what the publishers noticed.

    Attributes:
        struck: When the engine said that it was done.
        back_seconds: From the end of the fault until the container's own health check was good.
        gap_seconds: Longest time without an acknowledgement, by way in.
        refused: Why the engine did not do it, or that the container did not come back; empty when all went well.
    """

    kind: str
    container: str
    service: str
    begin: float
    struck: float = 0.0
    end: float = 0.0
    back_seconds: float = 0.0
    gap_seconds: dict[str, float] | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do to whom.

    Attributes:
        services: Those that are touched; none: all that run.
        seconds: No fault is begun after these.
        each_once: One kind for one container of each service, instead of every kind for every container.
    """

    kinds: tuple[FaultKind, ...]
    services: tuple[str, ...]
    hold_seconds: float
    settle_seconds: float
    seed: int
    seconds: float = 3600.0
    each_once: bool = False

    def steps(self, containers: Iterable[Container]) -> list[tuple[FaultKind, Container]]:
        """Returns what is done, in an order that the seed gives."""
        steps = [
            (kind, container)
            for container in containers
            if not self.services or container.service in self.services
            for kind in self.kinds
        ]
        random.Random(self.seed).shuffle(steps)
        if not self.each_once:
            return steps
        first = {container.service: (kind, container) for kind, container in reversed(steps)}
        return list(first.values())


def provision(targets: Targets, token: str) -> None:
    """Makes the campaign's contracts and routes, where they are missing."""
    with Client(Connection(targets, token)) as client:
        for kind in KINDS:
            try:
                client.contracts.create(contract_of(kind), spec_of(kind), activate=True)
            except ContractExistsError:
                client.contracts.activate(contract_of(kind))
            try:
                client.routes.create(topic_filter_of(kind), contract_of(kind))
            except RouteConflictError:
                continue


def run_faults(compose: Compose, steps: Sequence[tuple[FaultKind, Container]], plan: Plan) -> list[Fault]:
    """Does one fault after the other, each container well again before the next one is touched; ends where one is not."""
    done: list[Fault] = []
    deadline = time.monotonic() + plan.seconds
    for number, (kind, container) in enumerate(steps, start=1):
        if time.monotonic() > deadline:
            break
        fault = Fault(kind, container.name, container.service, time.time())
        sys.stderr.write(f"{number}/{len(steps)} {kind} {container.name}\n")
        try:
            with compose.fault(kind, container):
                fault.struck = time.time()
                time.sleep(plan.hold_seconds)
        except (
            EngineError
        ) as error:  # an engine that is short of processor time cannot freeze: no fault, and no finding
            fault.refused = str(error)
        try:
            fault.back_seconds = round(compose.wait_healthy(container, _BACK_SECONDS), 1)
        except EngineError as error:
            fault.end = time.time()
            fault.refused = f"{fault.refused} {error}".strip()
            return [
                *done,
                fault,
            ]  # what follows would be two faults at a time; what was acknowledged is counted all the same
        time.sleep(plan.settle_seconds)
        fault.end = time.time()
        done.append(fault)
    return done


def longest_gap(moments: Sequence[float], begin: float, end: float) -> float:
    """Returns the longest time without an acknowledgement between two moments."""
    inside = [begin, *sorted(moment for moment in moments if begin <= moment <= end), end]
    return round(max(later - earlier for earlier, later in itertools.pairwise(inside)), 2)


def stored(compose: Compose, kind: str) -> Counter[int]:
    """Returns how often each number is in the rows of a kind."""
    rows = compose.sql(f'SELECT n, count(*) FROM readings."{contract_of(kind)}" GROUP BY n')
    return Counter({int(number): int(count) for number, count in rows})


def wait_stored(compose: Compose, wanted: dict[str, set[int]]) -> dict[str, Counter[int]]:
    """Returns the rows when all that are wanted are there, or when none has come for a long time."""
    deadline, seen = time.monotonic() + _STORE_SECONDS, -1
    while True:
        rows = {kind: stored(compose, kind) for kind in KINDS}
        total = sum(len(found) for found in rows.values())
        if all(wanted[kind] <= rows[kind].keys() for kind in KINDS) or time.monotonic() > deadline:
            return rows
        if total != seen:
            deadline, seen = time.monotonic() + _STORE_SECONDS / 3, total
        time.sleep(1.0)


def not_kept(
    publishers: Sequence[PahoPublisher], rows: dict[str, Counter[int]], faults: Sequence[Fault]
) -> list[tuple[float, float]]:
    """Returns the spans in which Mosquitto acknowledged what it did not keep.

    Each begins before the kill, with what was not saved, and ends with the first message after it that was stored.
    """
    kills = [fault for fault in faults if fault.service == "mosquitto" and fault.kind == FaultKind.KILL]
    arrived = sorted(
        moment
        for publisher in publishers
        if publisher.way == "mosquitto"
        for number, moment in publisher.account.acknowledged.items()
        if number in rows[publisher.kind]
    )
    return [
        (kill.begin - _SAVE_SECONDS, next((moment for moment in arrived if moment > kill.struck), kill.struck))
        for kill in kills
    ]


def judge(
    publishers: Sequence[PahoPublisher], rows: dict[str, Counter[int]], faults: Sequence[Fault]
) -> dict[str, Any]:
    """Compares the log with the rows."""
    spans = not_kept(publishers, rows, faults)
    lost: list[int] = []
    forgotten: list[int] = []
    for publisher in publishers:
        for number, moment in publisher.account.acknowledged.items():
            if number not in rows[publisher.kind]:
                own = publisher.way == "mosquitto" and any(begin <= moment < end for begin, end in spans)
                (forgotten if own else lost).append(number)
    twice = [number for found in rows.values() for number, count in found.items() if count > 1]
    return {
        "lost": len(lost),
        "lost_numbers": sorted(lost)[:50],
        "twice": len(twice),
        "twice_numbers": sorted(twice)[:50],
        "acknowledged_and_not_kept_by_mosquitto_around_its_own_kill": len(forgotten),
    }


def campaign(compose: Compose, plan: Plan, rate: float, log: Path, ports: argparse.Namespace) -> dict[str, Any]:
    """Publishes, breaks, counts; returns the report."""
    token = compose.secret("admin.token")
    provision(Targets(bridge=f"{_HOST}:{ports.bridge_port}", validator=f"{_HOST}:{ports.validator_port}"), token)
    endpoints = (
        Endpoint("listener", _HOST, ports.mqtt_port, "campaign", token),
        Endpoint("mosquitto", _HOST, ports.mosquitto_port, "publisher", compose.secret("mosquitto-publisher")),
    )
    steps = plan.steps(compose.containers())
    began = time.time()
    base = int(began) * 1_000_000
    with log.open("w", encoding="utf-8", buffering=1) as opened:
        publishers = [
            PahoPublisher(endpoint, kind, rate, base + place * 10_000_000_000_000, opened)
            for place, (endpoint, kind) in enumerate((e, k) for e in endpoints for k in KINDS)
        ]
        for publisher in publishers:
            publisher.start()
        time.sleep(plan.settle_seconds)
        try:
            faults = run_faults(compose, steps, plan)
        finally:
            unanswered = sum(publisher.finish(_ANSWER_SECONDS) for publisher in publishers)
    wanted = {
        kind: {n for publisher in publishers if publisher.kind == kind for n in publisher.account.acknowledged}
        for kind in KINDS
    }
    rows = wait_stored(compose, wanted)
    for fault in faults:
        fault.gap_seconds = {
            way: max(
                longest_gap(list(publisher.account.acknowledged.values()), fault.begin, fault.end)
                for publisher in publishers
                if publisher.way == way
            )
            for way in ("listener", "mosquitto")
        }
    counts = {
        way: {
            "sent": sum(p.account.sent for p in publishers if p.way == way),
            "acknowledged": sum(len(p.account.acknowledged) for p in publishers if p.way == way),
            "refused": sum(len(p.account.refused) for p in publishers if p.way == way),
        }
        for way in ("listener", "mosquitto")
    }
    names = ", ".join(f"'{contract_of(kind)}'" for kind in KINDS)
    quarantined = compose.sql(f"SELECT count(*) FROM validator.quarantine WHERE contract IN ({names})")
    return {
        "begin": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - began),
        "seed": plan.seed,
        "faults": sum(not fault.refused for fault in faults),
        "planned": len(steps),
        "load_average": os.getloadavg(),
        "messages": counts,
        "unanswered": unanswered,
        "rows": sum(sum(found.values()) for found in rows.values()),
        "quarantined": int(quarantined[0][0]),
        "parked": int(compose.sql("SELECT count(*) FROM validator.parked")[0][0]),
        "waiting_batches": compose.waiting_batches(),
        **judge(publishers, rows, faults),
        "history": [asdict(fault) for fault in faults],
    }


def main() -> int:
    """Runs the campaign that the arguments describe; returns 1 where something was lost, or stored twice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path(), help="where docker-compose.yml lies")
    parser.add_argument("--project", default="dataflow")
    parser.add_argument("--kind", action="append", type=FaultKind, choices=list(FaultKind), help="default: all")
    parser.add_argument("--service", action="append", help="default: every one that runs")
    parser.add_argument("--hold", type=float, default=8.0, help="seconds that a fault lasts")
    parser.add_argument("--settle", type=float, default=4.0, help="seconds between two faults")
    parser.add_argument("--rate", type=float, default=50.0, help="messages a second of each of six publishers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600.0, help="no fault is begun after these")
    parser.add_argument("--log", type=Path, default=Path("acknowledged.jsonl"), help="what was acknowledged")
    parser.add_argument("--mqtt-port", type=int, default=28830)
    parser.add_argument("--bridge-port", type=int, default=28832)
    parser.add_argument("--validator-port", type=int, default=28833)
    parser.add_argument("--mosquitto-port", type=int, default=28835)
    arguments = parser.parse_args()
    plan = Plan(
        tuple(arguments.kind or FaultKind),
        tuple(arguments.service or ()),
        arguments.hold,
        arguments.settle,
        arguments.seed,
        arguments.seconds,
    )
    compose = Compose(arguments.directory, arguments.project)
    try:
        report = campaign(compose, plan, arguments.rate, arguments.log, arguments)
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(json.dumps(report, indent=2))
    return 1 if report["lost"] or report["twice"] or report["unanswered"] else 0


if __name__ == "__main__":
    sys.exit(main())
