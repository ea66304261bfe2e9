"""Edits a contract again and again under load, with readers in the way, and gives the account.

    .venv/bin/python -m tests.benchmarks.contract_edits.trial [--edits 1000] [--rate 10000] [--report FILE]

A local stack of its own with two validators. Each edit is a new revision with another bound and another enum, now and then
with one more optional field, made and activated by RPC. Exit code 1: a message was lost or stored twice, a verdict is not
that of the revision it carries, a transaction judged by a revision that was not active, or a limit was passed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from dataflow_client import AsyncClient
from dataflow_client.contract_revisions import contract_options
from dataflow_client.errors import DeadlineExceededError, TableLockedError
from dataflow_client.targets import Connection, Targets
from dataflow_stack.testing import LocalStack

from tests.benchmarks.contract_edits.oracle import Edit, account, stored
from tests.benchmarks.contract_edits.readers import Readers
from tests.benchmarks.contract_edits.rules import CONTRACT, TOPIC, rules_of, spec_of
from tests.benchmarks.contract_edits.watching import Stalls, follow, reach_all

VISIBLE_P99_MS: Final = 1_000.0
STALL_MS: Final = 300.0
FLAGS: Final = ("--no-fleet", "--validators", "2")
ENVIRON: Final = {"DATAFLOW_WATCHDOG_SECONDS": "30"}
"""A machine that is busy with other things must not look like a validator that hangs: it would be started anew."""

_EMPTY_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a trial does."""

    edits: int = 1_000
    rate: float = 10_000.0
    """Messages a second."""
    pace: float = 4.0
    """Edits a second."""
    field_every: int = 25
    """Edits from one new field to the next."""
    hold_seconds: float = 1.5
    """How long the transaction of a forgetful person stays open."""
    warm_seconds: float = 5.0
    """Load before the first edit, and after the last."""


async def run(stack: LocalStack, settings: Settings) -> dict[str, Any]:
    """Runs a trial on a stack that serves, and returns its report."""
    document = stack.status()
    token = _token(document["token_file"])
    pids = {entry["name"]: entry["pid"] for entry in document["processes"] if entry["name"].startswith("validator-")}
    grpc = document["grpc"]
    async with (
        AsyncClient(Connection(Targets(grpc["bridge"], grpc["validator"], grpc["insight"]), token)) as client,
        reach_all(grpc["validator"], pids) as channels,
    ):
        began = time.time()
        options = contract_options(compatibility="none", redrive="off")
        await client.contracts.create(
            CONTRACT, spec_of(rules_of(1, settings.field_every)), activate=True, options=options
        )
        await client.routes.create(TOPIC, CONTRACT)
        edits = [Edit(1, began, time.time())]
        readers, stalls = Readers(), Stalls()
        seen: dict[str, dict[int, float]] = {name: {} for name in channels}
        async with _publishing(grpc["bridge"], token, settings.rate) as sending:
            async with _background(
                *(follow(channel, token, seen[name]) for name, channel in channels.items()),
                readers.page(client),
                readers.export(client),
                readers.hold(document["postgres"], settings.hold_seconds),
                stalls.look(document["postgres"], list(pids)),
            ):
                await asyncio.sleep(settings.warm_seconds)
                before = Stalls()
                before.lock_seconds, before.transaction_seconds = stalls.lock_seconds, stalls.transaction_seconds
                locked, creating = await _edit(client, settings, edits)
                await asyncio.sleep(settings.warm_seconds)
            sent = await sending()
        seconds = time.time() - began
        connection = await asyncpg.connect(document["postgres"])
        try:
            await _wait_stored(connection, sent["acknowledged"])
            rules = [rules_of(edit.revision, settings.field_every) for edit in edits]
            report = await account(connection, rules, edits, sent["acknowledged"])
        finally:
            await connection.close()
    return {
        "edits": len(edits) - 1,
        "seconds": round(seconds, 1),
        "rate": round(sent["acknowledged"] / seconds),
        **sent,
        **report,
        "visible_ms": {
            name: _spread(
                [(of_one[edit.revision] - edit.asked) * 1000 for edit in edits[1:] if edit.revision in of_one]
            )
            for name, of_one in seen.items()
        },
        "not_seen": sum(edit.revision not in of_one for of_one in seen.values() for edit in edits[1:]),
        "create_revision_ms": _spread(creating),
        "activate_ms": _spread([(edit.answered - edit.asked) * 1000 for edit in edits[1:]]),
        "table_locked": locked,
        "longest_lock_wait_ms": round(stalls.lock_seconds * 1000),
        "longest_store_transaction_ms": round(stalls.transaction_seconds * 1000),
        "longest_store_transaction_before_edits_ms": round(before.transaction_seconds * 1000),
        "readers": {
            "transactions_held": readers.transactions,
            "readings_listed": readers.readings,
            "exports": readers.exports,
            "failed": len(readers.failed),
            "first_failure": readers.failed[0] if readers.failed else "",
        },
    }


def problems(report: dict[str, Any]) -> list[str]:
    """Says what is wrong with a report; empty: nothing."""
    never = (
        "lost",
        "twice",
        "wrong_rows",
        "wrong_columns",
        "wrong_refusals",
        "transactions_of_two_revisions",
        "transactions_of_an_old_revision",
        "transactions_of_a_revision_too_early",
        "not_seen",
    )
    return [f"{name}: {report[name]}" for name in never if report[name]]


def limits_passed(report: dict[str, Any]) -> list[str]:
    """Says which figures are beyond their limit."""
    found = [
        f"{name}: p99 {spread['p99']} ms until it judges by an edit"
        for name, spread in report["visible_ms"].items()
        if spread["p99"] > VISIBLE_P99_MS
    ]
    if report["longest_lock_wait_ms"] > STALL_MS:
        found.append(f"inserts waited {report['longest_lock_wait_ms']} ms for a lock")
    return found


async def _edit(client: AsyncClient, settings: Settings, edits: list[Edit]) -> tuple[int, list[float]]:
    locked, creating = 0, list[float]()
    due = time.monotonic()
    for number in range(settings.edits):
        due += 1 / settings.pace
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        spec = spec_of(rules_of(number + 2, settings.field_every))
        began, request_id = time.time(), str(uuid.uuid4())
        while True:
            try:
                revision = (await client.contracts.revise(CONTRACT, spec, request_id=request_id)).revision.revision
                break
            except (TableLockedError, DeadlineExceededError):
                locked += 1
        creating.append((time.time() - began) * 1000)
        asked = time.time()
        await client.contracts.activate(CONTRACT, revision)
        edits.append(Edit(revision, asked, time.time()))
        assert revision == number + 2, f"revision {revision} for edit {number}"
        if number % 100 == 99:
            print(f"{number + 1} edits", file=sys.stderr, flush=True)
    return locked, creating


async def _wait_stored(connection: asyncpg.Connection[asyncpg.Record], acknowledged: int) -> None:
    """Waits until all is stored, or nothing more comes."""
    deadline, found = time.monotonic() + _EMPTY_SECONDS, -1
    while found < acknowledged and time.monotonic() < deadline:
        before, found = found, await stored(connection)
        if found == before:
            deadline = min(deadline, time.monotonic() + 30)
        await asyncio.sleep(1.0)


def _token(path: str) -> str:
    return Path(path).read_text(encoding="utf-8").strip()


@asynccontextmanager
async def _background(*works: Any) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


@asynccontextmanager
async def _publishing(target: str, token: str, rate: float) -> AsyncIterator[Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.benchmarks.contract_edits.publisher", target, str(rate)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"DATAFLOW_TOKEN": token},
    )

    async def end() -> dict[str, int]:
        output, _ = await process.communicate(b"")  # closes its stdin
        counted: dict[str, int] = json.loads(output)
        return counted

    try:
        yield end
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {"p50": 0.0, "p99": 0.0, "max": 0.0}
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered), 1),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1),
        "max": round(ordered[-1], 1),
    }


def main() -> int:
    """Runs the command."""
    defaults = Settings()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--edits", type=int, default=defaults.edits, help="default 1,000")
    parser.add_argument("--rate", type=float, default=defaults.rate, help="messages a second (default 10,000)")
    parser.add_argument("--pace", type=float, default=defaults.pace, help="edits a second (default 4)")
    parser.add_argument(
        "--field-every", type=int, default=defaults.field_every, help="edits per new field (default 25)"
    )
    parser.add_argument("--hold-seconds", type=float, default=defaults.hold_seconds, help="open transactions (1.5)")
    parser.add_argument("--report", type=Path, help="write the figures to this file as JSON")
    given = parser.parse_args()
    settings = Settings(given.edits, given.rate, given.pace, given.field_every, given.hold_seconds)
    with LocalStack.running(FLAGS, ENVIRON) as stack:
        report = asyncio.run(run(stack, settings))
    text = json.dumps(report, indent=2)
    print(text)
    if given.report:
        given.report.write_text(text + "\n", encoding="utf-8")
    wrong = problems(report) + limits_passed(report)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
