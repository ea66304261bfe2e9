"""Runs one campaign on a stack that was just started: publish, break, publish on, wait, account."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from dataflow_client import AsyncClient
from dataflow_client.targets import Connection, Targets
from dataflow_stack.testing import LocalStack

from tests.chaos.prove import nodes
from tests.chaos.prove.broker import Source, program_path, running_broker
from tests.chaos.prove.checker import Findings, reconcile
from tests.chaos.prove.faults import Faults
from tests.chaos.prove.history import History
from tests.chaos.prove.journal import Journal
from tests.chaos.prove.load import Load
from tests.chaos.prove.membership import Members
from tests.chaos.prove.messages import provision
from tests.chaos.prove.plan import Plan, Step
from tests.chaos.prove.processes import Processes, RecoveryError
from tests.chaos.prove.proxy import Proxy
from tests.chaos.prove.report import Report
from tests.chaos.prove.sampler import Sampler
from tests.chaos.prove.system import Brokered, System

_EMPTY_SECONDS: Final = 120.0
_FAULT_SECONDS: Final = 400.0
"""A fault that is not over by then is a finding of its own; each has tighter limits inside."""
_QUIET_SECONDS: Final = 4.0
_ROUTES_SECONDS: Final = 2.0
"""Validators follow a new route within a second."""
_PROGRESS_SECONDS: Final = 10.0


@dataclass(slots=True)
class Outcome:
    """What a campaign came to, and what is needed to check it again."""

    report: Report
    journal: Journal
    deaths: int


async def run_campaign(stack: LocalStack, plan: Plan, journal_dir: Path) -> Outcome:
    """Runs a campaign; leaves the stack running and the journal in its directory.

    Args:
        stack: Just started, with at least two ring nodes.
        plan: What is done.
        journal_dir: An empty directory.
    """
    began = time.monotonic()
    document = stack.status()
    async with AsyncExitStack() as opened:
        journal = opened.enter_context(Journal(journal_dir))
        history = History(lambda: journal.now, lambda: journal.totals.acknowledged)
        client = await opened.enter_async_context(_client(document))
        host, _, port = document["mqtt"].rpartition(":")
        system = await _system(opened, stack, document, client, plan)
        await provision(client)
        await asyncio.sleep(_ROUTES_SECONDS)
        load = Load(
            plan,
            journal,
            mqtt=(host, int(port)),
            proxied_mqtt=("127.0.0.1", system.clients.port),
            grpc=document["grpc"]["bridge"],
            token=_token(document),
            ingest=client.ingest,
            broker=None if system.brokered is None else ("127.0.0.1", system.brokered.publishers.port),
        )
        publishing = asyncio.create_task(load.run(), name="load")
        sampler = Sampler(document["grpc"]["validator"], _token(document), lambda: journal.now)
        watching = [
            asyncio.create_task(sampler.run(), name="ledger-samples"),
            asyncio.create_task(_tell(journal, history, plan), name="progress"),
        ]
        problems: list[str] = []
        try:
            problems += await _break_things(plan, Faults(system, history), history, began)
            await _until_enough(plan, journal, system.processes, problems, began)
            load.stop()
            await publishing
        finally:
            for task in (publishing, *watching):
                task.cancel()
            await asyncio.gather(publishing, *watching, return_exceptions=True)
        published_seconds = journal.now
        if system.brokered is not None:
            await _until_read(system.brokered, document["postgres"], problems)
        left = await nodes.until_empty(system.node_urls(), _EMPTY_SECONDS)
        deaths = _deaths(system.processes, history)
        findings = await _account(document["postgres"], journal, deaths, history)
        if sampler.samples.missing:
            findings.violations["ledger: missing at a sample"] = sampler.samples.missing
        if left_over := await sampler.last():
            findings.violations["ledger: not complete at the end"] = [left_over]
        findings.counts["ledger_samples"] = sampler.samples.document()
        if problems:
            findings.violations["service: did not come back"] = problems
        if load.problems:
            findings.violations["sender: not everything was acknowledged"] = load.problems
        if left:
            findings.violations["ring: not empty after everything was acknowledged"] = [
                f"{node}: {what}" for node, what in left.items()
            ]
        report = Report(plan, published_seconds, time.monotonic() - began, findings, history)
        return Outcome(report, journal, deaths)


async def _system(
    opened: AsyncExitStack, stack: LocalStack, document: dict[str, Any], client: AsyncClient, plan: Plan
) -> System:
    """Starts and admits what the campaign adds to the stack."""
    host, _, port = document["mqtt"].rpartition(":")
    extra = []
    if any(fault.endswith("node") or fault == "kill extra" for fault in plan.weights):
        extra.append(await opened.enter_async_context(nodes.extra_node("proxied-0", behind_proxy=True)))
    if "fill disk" in plan.weights and await asyncio.to_thread(nodes.can_mount):
        extra.append(await opened.enter_async_context(nodes.extra_node("small-0", small_disk=True)))
    for node in extra:
        await nodes.admit(client, node.name, node.url)
    members = None
    if any(fault in plan.weights for fault in ("add node", "drain node", "remove node")):
        members = await opened.enter_async_context(Members(client))
    return System(
        data_dir=stack.data_dir,
        dsn=document["postgres"],
        client=client,
        processes=Processes(stack.data_dir),
        stack_nodes={f"redis-{index}": url for index, url in enumerate(document["redis"])},
        extra=extra,
        members=members,
        clients=await opened.enter_async_context(Proxy(host, int(port))),
        brokered=await _brokered(opened, document) if _wants_broker(plan) else None,
    )


def _wants_broker(plan: Plan) -> bool:
    return any(fault.endswith("broker") for fault in plan.weights) and program_path() is not None


async def _brokered(opened: AsyncExitStack, document: dict[str, Any]) -> Brokered:
    broker = await asyncio.to_thread(opened.enter_context, running_broker())
    source = Source(broker, document["grpc"]["bridge"], _token(document))
    await source.create()
    await source.until_connected()
    return Brokered(broker, source, await opened.enter_async_context(Proxy("127.0.0.1", broker.port)))


async def _break_things(plan: Plan, faults: Faults, history: History, began: float) -> list[str]:
    """Makes the faults, some at once, and returns what did not serve again."""
    problems: list[str] = []
    room = asyncio.Semaphore(plan.overlap)

    async def make(step: Step) -> None:
        history.under_way.append(step.fault)
        try:
            async with asyncio.timeout(_FAULT_SECONDS):
                await faults.make(step)
        except RecoveryError as error:
            problems.append(f"{step.fault}: {error}")
        except Exception as error:  # noqa: BLE001 - one fault that went wrong does not end the campaign
            problems.append(f"{step.fault}: {error!r}")
        finally:
            history.under_way.remove(step.fault)
            room.release()

    async with asyncio.TaskGroup() as group:
        for number, step in enumerate(plan.steps()):
            await asyncio.sleep(step.pause_seconds)
            await room.acquire()
            done = min(number, len(history.events)) >= plan.faults and not plan.script
            if done or time.monotonic() - began > plan.most_seconds:
                room.release()
                break
            group.create_task(make(step), name=step.fault)
    return problems


async def _until_enough(plan: Plan, journal: Journal, processes: Processes, problems: list[str], began: float) -> None:
    """Waits until everything serves, and until enough was acknowledged."""
    try:
        await processes.all_serve()
    except RecoveryError as error:
        problems.append(str(error))
    while journal.totals.acknowledged < plan.messages and time.monotonic() - began < plan.most_seconds:  # noqa: ASYNC110 - senders raise it
        await asyncio.sleep(0.2)


async def _account(dsn: str, journal: Journal, deaths: int, history: History) -> Findings:
    """Reconciles; a database that does not answer is a finding, since every process was given the time to come back."""
    try:
        connection = await asyncpg.connect(dsn, timeout=30)
    except (asyncpg.PostgresError, OSError) as error:
        return Findings(violations={"postgres: does not answer": [str(error)]})
    try:
        return await reconcile(connection, journal, deaths=deaths, history=history)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        return Findings(violations={"account: could not be made": [repr(error)]})
    finally:
        await connection.close()


async def _until_read(brokered: Brokered, dsn: str, problems: list[str]) -> None:
    """Waits until nothing more comes from the broker: until it is read and the ledger has not grown for a while."""
    try:
        await brokered.source.until_connected()
    except TimeoutError:
        problems.append("the source is not connected to the broker")
    deadline = time.monotonic() + _EMPTY_SECONDS
    items, since = -1, time.monotonic()
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        while time.monotonic() < min(deadline, since + _QUIET_SECONDS):
            found = await connection.fetchval("SELECT coalesce(sum(items), 0) FROM validator.ledger", timeout=60)
            if found != items:
                items, since = found, time.monotonic()
            await asyncio.sleep(0.5)
    finally:
        await connection.close()


def _deaths(processes: Processes, history: History) -> int:
    """Returns how often something happened after which a batch may count one lone death too many."""
    restarts = sum(entry["restarts"] for entry in processes.entries() if entry["name"].startswith("validator"))
    return int(restarts) + sum(event.target in {"postgres", "all"} for event in history.events)


def _token(document: dict[str, Any]) -> str:
    return Path(document["token_file"]).read_text(encoding="utf-8").strip()


def _client(document: dict[str, Any]) -> AsyncClient:
    grpc = document["grpc"]
    return AsyncClient(Connection(Targets(grpc["bridge"], grpc["validator"], grpc["insight"]), _token(document)))


async def _tell(journal: Journal, history: History, plan: Plan) -> None:
    """Tells people how far it is."""
    while True:
        await asyncio.sleep(_PROGRESS_SECONDS)
        print(
            f"{journal.now:.0f} s: {journal.totals.acknowledged:,} of {plan.messages:,} messages acknowledged,"
            f" {journal.totals.sendings - journal.totals.acknowledged:,} open, {len(history.events)} of {plan.faults} faults,"
            f" under way: {', '.join(history.under_way) or 'none'}",
            file=sys.stderr,
        )


def run(stack: LocalStack, plan: Plan) -> Report:
    """Runs a campaign with a journal that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="dataflow-prove-") as directory:
        return asyncio.run(run_campaign(stack, plan, Path(directory))).report
