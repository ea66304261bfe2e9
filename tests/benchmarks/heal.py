"""Heals a history that a too strict contract refused, and compares what is there with a run that had the fixed one all along.

    .venv/bin/python -m tests.benchmarks.heal replay   [--messages 1000000] [--live 1000] [--kill] [--json]
    .venv/bin/python -m tests.benchmarks.heal backfill [--messages 1000000] [--live 1000] [--kill] [--json]

A stack of its own, and beside it a database of its own that has the other contract from the start. Both are told the same
history by the validator's own code, past bridge and ring: nine tenths refused by the strict contract alone, and among them
resends, arrays, conflicts of both orders, and messages that no contract takes.

replay: the strict contract judged; TestContract and a dry run of the replay say what would be; the fixed contract is made
active; the replay heals. backfill: the fixed contract judged; the strict one is made active; a backfill moves what it
refuses to quarantine. With --kill the worker, and then a validator, are killed with SIGKILL in the middle. Afterwards rows,
quarantine and rollups are compared as sorted values, the job is done once more, and compared again; the ledger is recounted.

Beside it a quiet device publishes 50 messages a second, and `--live` messages a second flow: latencies before and meanwhile.

Exit code 1: something differs, a dry run said something else, or a live message was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

import asyncpg
import psutil
from dataflow.validator.v1 import job_pb2
from dataflow_client import AsyncClient
from dataflow_client.targets import Connection, Targets
from dataflow_mesh.migrate import migrate
from dataflow_mesh.postgres import connect_pool
from dataflow_mesh.testing import postgres_cluster
from dataflow_simulator.bench import BenchRun, bench_tables, run_bench
from dataflow_simulator.load import LoadSettings
from dataflow_simulator.stack import stack_processes
from dataflow_stack.testing import LocalStack
from dataflow_validator.catalog.contract_messages import read_spec
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.rollups.worker import RollupWorker
from google.protobuf import json_format

from tests.benchmarks.failover_trials import CONTRACT, provision
from tests.benchmarks.heal_compare import compare
from tests.benchmarks.heal_history import FIXED, NAME, STRICT, rules, tell
from tests.benchmarks.probe import Probe, latencies_ms

_CALM_SECONDS: Final = 10.0
_JOB_SECONDS: Final = 1_800.0


async def measure(stack: LocalStack, always: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Tells, heals, compares, and returns the report.

    Args:
        stack: Just started.
        always: DSN of an empty database for the run that had the other contract from the start.
        arguments: Of the command.
    """
    document = stack.status()
    dsn, grpc = document["postgres"], document["grpc"]
    before, after = (STRICT, FIXED) if arguments.part == "replay" else (FIXED, STRICT)
    token = Path(document["token_file"]).read_text(encoding="utf-8").strip()  # noqa: ASYNC240 - a line
    async with AsyncClient(Connection(Targets(grpc["bridge"], grpc["validator"], grpc["insight"]), token)) as client:
        await client.contracts.create(NAME, rules(before), activate=True)
        await client.contracts.update(NAME, compatibility="none", redrive="off")
        await client.routes.create("heal/+", NAME, device_rule="payload:/device_id")
        await _open_always(always, after)
        received = datetime.now(UTC)
        began = time.monotonic()
        await tell(dsn, arguments.messages, received)
        filled = time.monotonic() - began
        await tell(always, arguments.messages, received)
        await _vacuum(dsn)
        _say(f"{arguments.messages:,} messages told twice, {filled:.0f} s the first time")
        report: dict[str, Any] = {"part": arguments.part, "messages": arguments.messages, "killed": arguments.kill}
        async with _live(stack, document, client, arguments, report) as live:
            report["test"] = await _timed(client, await client.contracts.test(NAME, rules(after)), "contract_test")
            await _heal(stack, client, arguments, after, report)
            live.append(time.time())
        report |= await _compared(client, dsn, always)
        report["again"] = await _job(client, arguments.part, dry_run=False)
        report["compared_again"] = await _compared(client, dsn, always)
    return report


async def _heal(
    stack: LocalStack, client: AsyncClient, arguments: argparse.Namespace, after: float, report: dict[str, Any]
) -> None:
    made = await client.contracts.revise(NAME, rules(after), activate=True)
    report["revision"] = made.revision.revision
    report["dry_run"] = await _job(client, arguments.part, dry_run=True)
    report["heal"] = await _job(client, arguments.part, dry_run=False, killed=stack if arguments.kill else None)
    report["foreseen"] = report["dry_run"]["contracts"] == report["heal"]["contracts"]


async def _job(client: AsyncClient, part: str, *, dry_run: bool, killed: LocalStack | None = None) -> dict[str, Any]:
    """Begins the job of a part and waits for its end; kills its worker, and then a validator, in the middle of it."""
    if part == "replay":
        made = await client.quarantine.replay(dry_run=dry_run)
    else:
        made = await client.quarantine.backfill(NAME, dry_run=dry_run)
    killing = None if killed is None else asyncio.create_task(_kill(client, killed, made.job_id), name="kill")
    result = await _timed(client, made, part)
    if killing is not None:
        result["kills"] = await killing
    return result


async def _timed(client: AsyncClient, made: job_pb2.Job, member: str) -> dict[str, Any]:
    began, job, told = time.monotonic(), made, 0.0
    async with asyncio.timeout(_JOB_SECONDS):
        while job.state not in (job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED):
            await asyncio.sleep(0.1)
            with contextlib.suppress(Exception):  # a validator that is killed comes back
                job = await client.jobs.get(made.job_id)
            if time.monotonic() - told > 5:
                told = time.monotonic()
                _say(f"  {member} {told - began:5.1f} s  {job.progress.done:,} of {job.progress.total:,}")
    seconds = time.monotonic() - began
    found = json_format.MessageToDict(getattr(job, member), preserving_proto_field_name=True)
    kept = {key: value for key, value in found.items() if key in {"items", "left", "swapped", "messages", "contracts"}}
    return {"seconds": round(seconds, 1), "state": job_pb2.JobState.Name(job.state), **kept}


async def _kill(client: AsyncClient, stack: LocalStack, job_id: str) -> int:
    """Kills the worker at a third of the job, and a validator with its worker at two thirds."""
    kills = 0
    for share in (1 / 3, 2 / 3):
        while True:
            job = None
            with contextlib.suppress(Exception):
                job = await client.jobs.get(job_id)
            if job is not None and job.HasField("end_time"):
                return kills
            if job is not None and job.progress.total and job.progress.done >= share * job.progress.total:
                break
            await asyncio.sleep(0.02)
        for process in await asyncio.to_thread(stack.processes):
            with contextlib.suppress(psutil.Error):  # it ended by itself
                if "dataflow_validator.jobs.worker" in " ".join(process.cmdline()):
                    process.kill()
                    kills += 1
        if share > 0.5:
            entries = [entry for entry in stack.status()["processes"] if entry["name"].startswith("validator")]
            os.kill(entries[0]["pid"], signal.SIGKILL)
            kills += 1
    return kills


@contextlib.asynccontextmanager
async def _live(
    stack: LocalStack,
    document: dict[str, Any],
    client: AsyncClient,
    arguments: argparse.Namespace,
    report: dict[str, Any],
) -> AsyncIterator[list[float]]:
    """Lets live data flow; the report gets what they felt before, and from the entry's end to the moment that is given."""
    ended: list[float] = []
    if not arguments.live:
        yield ended
        return
    await provision(document)
    tables = await bench_tables(client, "c", 1)
    await asyncio.sleep(2.0)
    host, _, port = document["mqtt"].rpartition(":")
    settings = LoadSettings(
        host=host,
        port=int(port),
        run=f"h{int(time.time()):x}",
        rate=arguments.live,
        seconds=_CALM_SECONDS + arguments.limit,
        connections=50,
        devices=500,
    )
    probe = Probe(document, CONTRACT)
    probe.start()
    loading: asyncio.Task[BenchRun] = asyncio.create_task(
        run_bench(settings, document["postgres"], await stack_processes(stack.data_dir), tables, tell=_say), name="load"
    )
    calm_from = time.time() + 3.0
    await asyncio.sleep(_CALM_SECONDS)
    started = time.time()
    yield ended
    seen = await probe.finish()
    run = await loading
    report["live"] = {
        "rate": arguments.live,
        "acknowledged": run.load.acknowledged,
        "lost": run.counts.lost,
        "before_ms": latencies_ms(seen, calm_from, started),
        "meanwhile_ms": latencies_ms(seen, started, ended[0] if ended else time.time()),
    }


async def _open_always(dsn: str, most: float) -> None:
    async with await connect_pool(dsn, max_size=2) as pool, pool.acquire() as connection:
        await migrate(connection, "validator", resources.files("dataflow_validator").joinpath("migrations"))
        async with connection.transaction():
            await create_contract(connection, read_spec(NAME, rules(most)), activate=True)
            await create_route(connection, "heal/+", NAME, device_rule="payload:/device_id")


async def _vacuum(dsn: str) -> None:
    """As autovacuum would in the minutes to come."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(f'VACUUM (ANALYZE) readings."{NAME}"')
    await connection.execute("VACUUM (ANALYZE) validator.quarantine")
    await connection.close()


async def _compared(client: AsyncClient, dsn: str, always: str) -> dict[str, Any]:
    for one in (dsn, always):
        async with asyncpg.create_pool(one, min_size=1, max_size=2) as pool:
            worker = RollupWorker(pool)
            await worker.run_once()
            while await pool.fetchval("SELECT count(*) FROM validator.rollup_mark WHERE contract = $1", NAME):
                if not await worker.settle():
                    await asyncio.sleep(0.5)  # a validator's own worker has them in hand
    found = await compare(dsn, always, NAME)
    recount = await client.ledger.check(recount=True)
    return {
        "compared": {what: difference.items for what, difference in found.items()},
        "differences": {
            what: {
                "only_healed": d.only_first,
                "only_always": d.only_second,
                "samples": [str(s) for s in d.samples or ()],
            }
            for what, d in found.items()
            if not d.equal
        },
        "recount": {
            "ledger_stored": recount.recount.ledger_stored,
            "found_stored": recount.recount.found_stored,
            "ledger_quarantined": recount.recount.ledger_quarantined,
            "found_quarantined": recount.recount.found_quarantined,
        },
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def right(report: dict[str, Any]) -> bool:
    """Says whether everything is as it must be."""
    recount = report["recount"]
    changed = {"stored", "updated", "withdrawn"} & {key for each in report["again"]["contracts"] for key in each}
    return (
        not report["differences"]
        and not report["compared_again"]["differences"]
        and report["foreseen"]
        and not changed
        and recount["ledger_stored"] == recount["found_stored"]
        and recount["ledger_quarantined"] == recount["found_quarantined"]
        and not report.get("live", {}).get("lost")
        and (not report["killed"] or report["heal"]["kills"] > 0)
        and all(report["compared"].values())
    )


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=("replay", "backfill"))
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--live", type=float, default=1_000.0, help="live messages per second meanwhile; 0 for none")
    parser.add_argument("--limit", type=float, default=240.0, help="seconds for which live data flow beside the job")
    parser.add_argument("--validators", type=int, default=2)
    parser.add_argument("--kill", action="store_true", help="kill worker and validator in the middle")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    flags = ("--no-fleet", "--validators", str(arguments.validators))
    with LocalStack.running(flags=flags) as stack, postgres_cluster() as cluster:
        report = asyncio.run(measure(stack, cluster.create_database(), arguments))
    report["right"] = right(report)
    print(json.dumps(report, indent=None if arguments.json else 2))
    return 0 if report["right"] else 1


if __name__ == "__main__":
    sys.exit(main())
