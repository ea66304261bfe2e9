"""Tests a contract on millions of logged messages while live data flows, and says how long it took and what live data felt.

    .venv/bin/python -m tests.benchmarks.dry_run [--messages 10000000] [--live 1000] [--validators 2] [--json]

A stack of its own. The messages are made here and stored by the validator's own code (judged, claimed, logged, inserted as
rows), past bridge and ring, in transactions of 6,000: the raw log, the rows and the ledger are what live data would have
left. The candidate refuses about a twentieth of the rows. Beside it a quiet device publishes 50 messages a second, and a
load of `--live` messages a second flows: its latencies are given before and during the test.

Exit code 1: a count is wrong, or a live message was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow.validator.v1 import contract_pb2, job_pb2
from dataflow_client import AsyncClient
from dataflow_client.targets import Connection, Targets
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, pack
from dataflow_ring.consume import Entry, Origin
from dataflow_simulator.bench import bench_tables, run_bench
from dataflow_simulator.load import LoadSettings
from dataflow_simulator.stack import stack_processes
from dataflow_stack.testing import LocalStack
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.judged import judge_batch
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.store import prepare_connection, store

from tests.benchmarks.failover_trials import CONTRACT, provision
from tests.benchmarks.probe import Probe, latencies_ms

_NAME: Final = "dry"
_PER_BATCH: Final = 250
_PER_TRANSACTION: Final = 24
_FILLERS: Final = 2
_DEVICES: Final = 1_000
_CALM_SECONDS: Final = 15.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def rules(most: float) -> contract_pb2.ContractSpec:
    """Returns the contract, with the largest co2 that it accepts."""
    number = contract_pb2.FIELD_TYPE_NUMBER
    return contract_pb2.ContractSpec(
        fields=[
            contract_pb2.Field(name="device_id", type=contract_pb2.FIELD_TYPE_STRING),
            contract_pb2.Field(name="ts", type=contract_pb2.FIELD_TYPE_STRING),
            contract_pb2.Field(name="temperature", type=number, min=-20, max=50),
            contract_pb2.Field(name="humidity", type=number, min=0, max=100),
            contract_pb2.Field(name="co2", type=number, min=0, max=most),
            contract_pb2.Field(name="occupancy", type=contract_pb2.FIELD_TYPE_INTEGER, min=0, max=1),
        ],
        identity=["device_id", "ts"],
        event_time_field="ts",
    )


def payload(number: int) -> bytes:
    """Writes one message; co2 goes through 0 to 99.9."""
    moment = _START + timedelta(milliseconds=number)
    return orjson.dumps(
        {
            "device_id": f"room-{number % _DEVICES}",
            "ts": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "temperature": 20.0 + number % 100 / 10,
            "humidity": 26.272,
            "co2": number % 1_000 / 10,
            "occupancy": number % 2,
        }
    )


def fill(dsn: str, first: int, last: int) -> None:
    """Stores the messages of a range, in a process of its own."""
    asyncio.run(_fill(dsn, first, last))


async def _fill(dsn: str, first: int, last: int) -> None:
    registry, boot_id, sequence = Registry(), uuid.uuid4().bytes, 0
    async with asyncpg.create_pool(dsn, min_size=1, max_size=2, init=prepare_connection) as pool:
        async with pool.acquire() as connection:
            await registry.refresh(connection)
        await Partitions().ensure(pool, _NAME, {_START.date().replace(day=1)})
        received = (datetime.now(UTC) - _EPOCH) // timedelta(microseconds=1)
        rules_now = Rules(registry.current)
        for start in range(first, last, _PER_BATCH * _PER_TRANSACTION):
            judged = []
            for begin in range(start, min(last, start + _PER_BATCH * _PER_TRANSACTION), _PER_BATCH):
                sequence += 1
                batch = Batch(batch_id=new_batch_id(), bridge_id="fill", boot_id=boot_id, sequence=sequence)
                for number in range(begin, min(last, begin + _PER_BATCH)):
                    batch.messages.add(
                        topic=f"dry/room-{number % _DEVICES}",
                        payload=payload(number),
                        receive_time_us=received + number,
                        source="mqtt",
                    )
                entry = Entry("fill", keys.BATCHES, b"1-1", batch.batch_id, pack(batch), Origin.NEW)
                judged.append(judge_batch(entry, batch, rules_now))
            async with pool.acquire() as connection:
                await store(connection, judged)


async def _fill_all(dsn: str, messages: int) -> None:
    context = multiprocessing.get_context("spawn")
    share = -(-messages // _FILLERS)
    fillers = [
        context.Process(target=fill, args=(dsn, index * share, min(messages, (index + 1) * share)))
        for index in range(_FILLERS)
    ]
    for process in fillers:
        process.start()
    for process in fillers:
        await asyncio.to_thread(process.join)
    if any(process.exitcode for process in fillers):
        raise SystemExit("a filler failed")


async def measure(stack: LocalStack, arguments: argparse.Namespace) -> dict[str, Any]:
    """Fills, waits until it is calm, tests, and returns the report."""
    document = stack.status()
    await provision(document)
    grpc = document["grpc"]
    token = Path(document["token_file"]).read_text(encoding="utf-8").strip()  # noqa: ASYNC240 - a line
    async with AsyncClient(Connection(Targets(grpc["bridge"], grpc["validator"], grpc["insight"]), token)) as client:
        await client.contracts.create(_NAME, rules(100), activate=True)
        await client.routes.create("dry/+", _NAME, device_rule="payload:/device_id")
        tables = await bench_tables(client, "c", 1)
        await asyncio.sleep(2.0)
        began = time.monotonic()
        await _fill_all(document["postgres"], arguments.messages)
        filled = time.monotonic() - began
        _tell(f"{arguments.messages:,} messages stored in {filled:.0f} s")
        connection = await asyncpg.connect(document["postgres"])
        # As autovacuum would in the minutes to come.
        await connection.execute(f"VACUUM (ANALYZE) readings.{_NAME}")
        await connection.close()
        host, _, port = document["mqtt"].rpartition(":")
        settings = LoadSettings(
            host=host,
            port=int(port),
            run=f"d{int(time.time()):x}",
            rate=arguments.live,
            seconds=2 * _CALM_SECONDS + arguments.limit,
            connections=50,
            devices=500,
        )
        probe = Probe(document, CONTRACT)
        probe.start()
        loading = asyncio.create_task(
            run_bench(settings, document["postgres"], await stack_processes(stack.data_dir), tables, tell=_tell),
            name="load",
        )
        calm_from = time.time() + 5.0
        await asyncio.sleep(_CALM_SECONDS)
        started = time.time()
        made = await client.contracts.test(_NAME, rules(95))
        job = made
        first_progress = 0.0
        async for state in client.jobs.watch(made.job_id):
            job = state
            if not first_progress and job.progress.done:
                first_progress = time.time() - started
            _tell(f"  {time.time() - started:5.1f} s  {job.progress.done:,} of {job.progress.total:,}")
        ended = time.time()
        await asyncio.sleep(_CALM_SECONDS)
        seen = await probe.finish()
        run = await loading
    result = job.contract_test
    seconds = ended - started
    expected = sum(number % 1_000 > 950 for number in range(1_000)) * arguments.messages // 1_000
    return {
        "messages": arguments.messages,
        "fill_seconds": round(filled, 1),
        "seconds": round(seconds, 1),
        "worker_seconds": round((job.end_time.ToNanoseconds() - job.start_time.ToNanoseconds()) / 1e9, 1),
        "first_progress_seconds": round(first_progress, 1),
        "messages_per_second": round(arguments.messages / seconds),
        "state": job_pb2.JobState.Name(job.state),
        "items": result.items,
        "rows_refused": result.rows_refused,
        "rows_refused_expected": expected,
        "approximate": result.approximate,
        "live_rate": arguments.live,
        "live_acknowledged": run.load.acknowledged,
        "live_lost": run.counts.lost,
        "before_ms": latencies_ms(seen, calm_from, started),
        "during_ms": latencies_ms(seen, started, ended),
    }


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--live", type=float, default=1_000.0, help="live messages per second meanwhile")
    parser.add_argument("--limit", type=float, default=90.0, help="seconds for which live data flows beside the test")
    parser.add_argument("--validators", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with LocalStack.running(flags=("--no-fleet", "--validators", str(arguments.validators))) as stack:
        report = asyncio.run(measure(stack, arguments))
    print(json.dumps(report, indent=None if arguments.json else 2))
    right = (
        report["items"] == arguments.messages
        and report["rows_refused"] == report["rows_refused_expected"]
        and not report["approximate"]
        and not report["live_lost"]
    )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
