"""One measured run: a generator, an observer of Postgres, samples of every process, and the sums at the end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import asyncpg
from dataflow.validator.v1 import contract_pb2
from dataflow_client import AsyncClient

from dataflow_simulator import visibility
from dataflow_simulator.accounts import Account
from dataflow_simulator.bench_rows import BenchTable, RowCounts, count_rows, row_latencies
from dataflow_simulator.failures import UnreachableError
from dataflow_simulator.load import LaneLog, LoadResult, LoadSettings
from dataflow_simulator.packaged import PackagedContract
from dataflow_simulator.packets import IdKind
from dataflow_simulator.provision import provision
from dataflow_simulator.stack import ProcessEntry
from dataflow_simulator.trend import Sample, between, difference, slope
from dataflow_simulator.usage import Usage, UsageMeter

BENCH: Final = "bench"
"""What this process is called in the report: its CPU counts, its memory says nothing about the system."""

_SAMPLE_SECONDS: Final = 1.0
_SETTLE_FRACTION: Final = 0.25
"""The slope leaves out this first part of the run: of 60 s the last 45 count."""
_KEPT_FRACTION: Final = 0.01
"""A rate is kept when the backlog grows by at most this fraction of it."""
_BUSY_RATE: Final = 20_000.0
_STREAM_LIMIT: Final = 64 * 1024 * 1024


@dataclass(slots=True)
class BenchRun:
    """What was measured, before it is judged."""

    load: LoadResult
    offered: list[Sample] = field(default_factory=list)
    accounted: list[Sample] = field(default_factory=list)
    usage: dict[str, Usage] = field(default_factory=dict)
    counts: RowCounts = field(default_factory=lambda: RowCounts(0, 0, 0, 0))
    row_p50_ms: float | None = None
    row_p99_ms: float | None = None
    complete: bool = False
    """Everything acknowledged was accounted for in time."""


def bench_contract(kind: IdKind, index: int) -> PackagedContract:
    """Returns the contract of a bench: six fields, and message ids of the kind wanted.

    Kinds b and c have an event time and no identity; d has neither, so that only the bridge can give an id.
    """
    kinds = contract_pb2.FieldType
    spec = contract_pb2.ContractSpec(
        fields=[
            contract_pb2.Field(name="device_id", type=kinds.FIELD_TYPE_STRING),
            contract_pb2.Field(name="ts", type=kinds.FIELD_TYPE_TIMESTAMP),
            contract_pb2.Field(name="seq", type=kinds.FIELD_TYPE_INTEGER),
            contract_pb2.Field(name="temperature", type=kinds.FIELD_TYPE_NUMBER, min=-40, max=85),
            contract_pb2.Field(name="humidity", type=kinds.FIELD_TYPE_NUMBER, min=0, max=100),
            contract_pb2.Field(name="pressure", type=kinds.FIELD_TYPE_NUMBER, min=800, max=1100),
        ],
        identity=["device_id", "seq"] if kind == "a" else [],
        event_time_field="" if kind == "d" else "ts",
        description="Rows of dataflow bench",
    )
    return PackagedContract(f"bench_{kind}_{index}", spec, f"bench/{kind}/{index}/+")


async def bench_tables(client: AsyncClient, kind: IdKind, contracts: int) -> list[BenchTable]:
    """Makes the contracts and routes that are missing; returns their tables.

    Raises:
        DataflowError: They cannot be made.
    """
    wanted = [bench_contract(kind, index) for index in range(contracts)]
    await provision(client, wanted)
    tables = []
    for contract in wanted:
        made = await client.contracts.get(contract.name)
        column = next(entry.column_name for entry in made.spec.fields if entry.name == "ts")
        tables.append(BenchTable(contract.name, column or "ts"))
    return tables


async def run_bench(
    settings: LoadSettings,
    dsn: str,
    processes: tuple[ProcessEntry, ...],
    tables: list[BenchTable],
    *,
    wait_seconds: float = 120.0,
    tell: Callable[[str], None] = lambda _: None,
) -> BenchRun:
    """Runs the generator in a process of its own, watches, waits until all is stored, and counts.

    Raises:
        UnreachableError: Postgres, or the MQTT server, does not answer.
    """
    snapshots: list[visibility.Snapshot] = []
    async with await Account.open(dsn) as account:
        generator = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "dataflow_simulator.load",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_STREAM_LIMIT,
        )
        assert generator.stdin is not None
        # Not as an argument: everybody can read those, and there may be a password inside.
        generator.stdin.write(json.dumps(asdict(settings)).encode())
        generator.stdin.close()
        meter = UsageMeter((*processes, ProcessEntry(BENCH, os.getpid())))
        offered: list[Sample] = []
        accounted: list[Sample] = []
        busy = settings.rate is None or settings.rate >= _BUSY_RATE
        interval = visibility.BUSY_INTERVAL_SECONDS if busy else visibility.INTERVAL_SECONDS
        watching = asyncio.create_task(visibility.watch(dsn, snapshots, interval), name="snapshots")
        sampling = asyncio.create_task(_sample(account, meter, accounted), name="samples")
        try:
            load = await _follow(generator, offered, tell)
            tell("waiting until all is stored")
            complete = await account.wait_for_messages(load.acknowledged, wait_seconds, settle_seconds=1.0)
        finally:
            if generator.returncode is None:
                generator.kill()
            for task in (watching, sampling):
                task.cancel()
            done, _ = await asyncio.wait((watching, sampling))
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise UnreachableError(f"Postgres went away during the run: {error}") from error
    meter.sample()
    run = BenchRun(load, offered, accounted, meter.usage, complete=complete)
    tell("counting rows")
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET work_mem = '128MB'")
        run.counts = await count_rows(connection, tables, settings.run, load.lanes)
        run.row_p50_ms, run.row_p99_ms = await row_latencies(connection, tables, settings.run, snapshots)
    finally:
        await connection.close()
    return run


async def _sample(account: Account, meter: UsageMeter, accounted: list[Sample]) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        before = time.time()
        messages = await account.messages()
        accounted.append(((before + time.time()) / 2, float(messages)))
        meter.sample()
        due += _SAMPLE_SECONDS
        await asyncio.sleep(max(0.0, due - loop.time()))


async def _follow(
    generator: asyncio.subprocess.Process, offered: list[Sample], tell: Callable[[str], None]
) -> LoadResult:
    """Reads the generator's progress until it gives its result."""
    assert generator.stdout is not None
    assert generator.stderr is not None
    told = 0.0
    async for line in generator.stdout:
        document: dict[str, Any] = json.loads(line)
        if progress := document.get("progress"):
            offered.append((progress["time"], float(progress["offered"])))
            if progress["time"] - told >= 5:
                told = progress["time"]
                tell(f"published {progress['published']:,}  acknowledged {progress['acknowledged']:,}")
        elif result := document.get("result"):
            lanes = tuple(
                LaneLog(**(lane | {"unacknowledged": tuple(lane["unacknowledged"])})) for lane in result["lanes"]
            )
            await generator.wait()
            return LoadResult(**(result | {"lanes": lanes}))
    errors = (await generator.stderr.read()).decode(errors="replace").strip()
    raise UnreachableError(errors.splitlines()[-1] if errors else "the generator ended without a result")


def report(run: BenchRun, rate: float | None) -> dict[str, Any]:
    """Judges a run: the frozen keys of `dataflow bench --json`."""
    load, counts = run.load, run.counts
    end = load.start_time + load.seconds
    window = (load.start_time + _SETTLE_FRACTION * load.seconds, end)
    # The sampler reads its first sum when nothing was sent yet: sums are relative to it.
    base = run.accounted[0][1] if run.accounted else 0.0
    committed = [(moment, value - base) for moment, value in run.accounted]
    backlog_slope = slope(between(difference(run.offered, committed), *window)) if run.offered else 0.0
    commit_rate = slope(between(committed, *window))
    kept = rate is not None and run.complete and backlog_slope <= _KEPT_FRACTION * rate
    hundred_thousands = max(counts.stored, 1) / 100_000
    cpu = {name: usage.cpu_seconds for name, usage in run.usage.items()} | {"generator": load.cpu_seconds}
    return {
        "sustained_rate": round(rate if kept and rate is not None else commit_rate, 1),
        "seconds": load.seconds,
        "published": load.published,
        "acknowledged": load.acknowledged,
        "stored": counts.stored,
        "lost": counts.lost,
        "duplicates": counts.duplicates,
        "backlog_slope": round(backlog_slope, 1),
        "puback_p50_ms": _rounded(load.puback_p50_ms),
        "puback_p99_ms": _rounded(load.puback_p99_ms),
        "row_p50_ms": _rounded(run.row_p50_ms),
        "row_p99_ms": _rounded(run.row_p99_ms),
        "cpu_seconds_per_100k": {name: round(seconds / hundred_thousands, 3) for name, seconds in cpu.items()},
        "rss_mb": {name: usage.memory_report() for name, usage in run.usage.items() if name != BENCH},
    }


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 2)
