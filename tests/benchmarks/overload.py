"""Offers ten times the load that the system sustains, for ten minutes, and says what became of memory, messages and latency.

    .venv/bin/python -m tests.benchmarks.overload [--seconds 600] [--factor 10] [--sustainable 40000] [--json]

A stack of its own; many clients with QoS 1 and a window each. The schedule is open: every burst has its moment, whatever
the server does. What a client's window does not let through waits in the client, at most two bursts; further ones the client gives
up (`given_up`), as a device does whose memory is full. Beside it a quiet device publishes 50 messages a second over
five connections: its acknowledgements and rows say what is normal before, during and after.

Exit code 1: an acknowledged message is no row or two, all services together took more than the limit, a usual latency did
not come back in time, or a process was killed or died.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import asyncpg
from dataflow_client import AsyncClient
from dataflow_client.targets import Connection, Targets
from dataflow_simulator.bench import BENCH, BenchRun, bench_tables, run_bench
from dataflow_simulator.bench_rows import count_rows
from dataflow_simulator.load import LoadSettings
from dataflow_simulator.stack import stack_processes
from dataflow_simulator.usage import Usage
from dataflow_stack.testing import LocalStack

from tests.benchmarks.failover_trials import CONTRACT, provision
from tests.benchmarks.probe import Probe, latencies_ms, normal_after

_CALM_SECONDS: Final = 10.0
_AFTER_SECONDS: Final = 75.0
_DRAIN_SECONDS: Final = 120.0
_EMPTY_SECONDS: Final = 600.0
_ROUTES_SECONDS: Final = 2.0
_LEAST_LIMIT_SECONDS: Final = 0.1
_TIMES_NORMAL: Final = 3.0
KINDS: Final = ("bridge", "validator", "insight", "redis", "postgres")


async def measure(stack: LocalStack, arguments: argparse.Namespace) -> dict[str, Any]:
    """Runs calm, load and calm again, and returns the report."""
    document = stack.status()
    await provision(document)
    rate = arguments.sustainable * arguments.factor
    host, _, port = document["mqtt"].rpartition(":")
    settings = LoadSettings(
        host=host,
        port=int(port),
        run=f"o{int(time.time()):x}",
        rate=rate,
        seconds=arguments.seconds,
        connections=arguments.connections,
        devices=arguments.connections,
        drain_seconds=_DRAIN_SECONDS,
        waiting_limit=2,
    )
    async with _client(document) as client:
        tables = await bench_tables(client, settings.ids, 1)
    await asyncio.sleep(_ROUTES_SECONDS)
    probe = Probe(document, CONTRACT)
    probe.start()
    began = time.time()
    await asyncio.sleep(_CALM_SECONDS)
    loading = asyncio.create_task(
        run_bench(
            settings,
            document["postgres"],
            await stack_processes(stack.data_dir),
            tables,
            wait_seconds=_DRAIN_SECONDS + _AFTER_SECONDS,
            tell=lambda text: print(text, file=sys.stderr, flush=True),
        ),
        name="load",
    )
    started = time.time()
    await asyncio.sleep(arguments.seconds + _AFTER_SECONDS)
    seen = await probe.finish()
    run = await loading
    empty = await _until_empty(stack)
    connection = await asyncpg.connect(document["postgres"])
    try:
        # Again, now that nothing waits any more: what was resent is accounted for twice, and the count comes too early.
        counts = await count_rows(connection, tables, settings.run, run.load.lanes)
    finally:
        await connection.close()
    end = run.load.start_time + run.load.seconds
    normal = latencies_ms(seen, began + 2.0, started)
    limit = max(_LEAST_LIMIT_SECONDS, _TIMES_NORMAL * float(normal["row_p99"]) / 1000)
    restarts = {entry["name"]: entry["restarts"] for entry in stack.status()["processes"] if entry["restarts"]}
    return {
        "seconds": run.load.seconds,
        "connections": arguments.connections,
        "offered": round(rate * run.load.seconds),
        "offered_rate": rate,
        "given_up": run.load.given_up,
        "published": run.load.published,
        "acknowledged": run.load.acknowledged,
        "acknowledged_rate": round(_rate(run, end)),
        "stored": counts.stored,
        "lost": counts.lost,
        "twice": counts.duplicates,
        "connections_lost": run.load.reconnects,
        "refused": run.load.refused,
        "resent": run.load.resent,
        "empty": empty,
        "memory_mb": memory(run.usage),
        "memory_limit_mb": arguments.memory_limit,
        "normal_ms": normal,
        "overloaded_ms": latencies_ms(seen, run.load.start_time + 5.0, end),
        "normal_limit_ms": round(limit * 1000, 1),
        "puback_normal_after_seconds": normal_after(seen, end, limit, rows=False),
        "row_normal_after_seconds": normal_after(seen, end, limit, rows=True),
        "restarts": restarts,
    }


def _rate(run: BenchRun, end: float) -> float:
    """Returns the messages that became rows per second while the load lasted."""
    inside = [(moment, count) for moment, count in run.accounted if run.load.start_time <= moment <= end]
    if len(inside) < 2:
        return 0.0
    return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0])


def memory(usage: dict[str, Usage]) -> dict[str, float]:
    """Returns the largest sums over the run, in MB: of each kind of process, and of all at one moment."""
    kinds = {kind: [used.memory for name, used in usage.items() if name.startswith(kind)] for kind in KINDS}
    series = [used.memory for name, used in usage.items() if name != BENCH]
    sums = {kind: _largest_sum(of_kind) for kind, of_kind in kinds.items()}
    return sums | {"all": _largest_sum(series)}


def _largest_sum(series: list[list[tuple[float, float]]]) -> float:
    length = min((len(one) for one in series), default=0)
    return round(max((sum(one[index][1] for one in series) for index in range(length)), default=0.0), 1)


def problems(report: dict[str, Any], back_seconds: float) -> list[str]:
    """Returns what does not hold."""
    checks = {
        f"{report['lost']} acknowledged messages are lost": report["lost"] == 0,
        f"{report['twice']} messages are stored twice": report["twice"] == 0,
        "the ring did not become empty": report["empty"],
        f"{report['memory_mb']['all']} MB are more than {report['memory_limit_mb']}": report["memory_mb"]["all"]
        <= report["memory_limit_mb"],
        f"usual acknowledgements were not back within {back_seconds:.0f} s": _within(
            report["puback_normal_after_seconds"], back_seconds
        ),
        f"usual rows were not back within {back_seconds:.0f} s": _within(
            report["row_normal_after_seconds"], back_seconds
        ),
        f"processes died or were killed: {report['restarts']}": not report["restarts"],
    }
    return [problem for problem, holds in checks.items() if not holds]


def _within(after: float | None, seconds: float) -> bool:
    return after is not None and after <= seconds


async def _until_empty(stack: LocalStack) -> bool:
    """Waits until no batch waits on the ring, for a while; returns whether that came true."""
    deadline = time.monotonic() + _EMPTY_SECONDS
    calm = 0
    while time.monotonic() < deadline:
        document = await asyncio.to_thread(stack.status)
        # Twice in a row: what is on its way from one place to another is in none of them.
        calm = calm + 1 if document["lag"] == 0 else 0
        if calm > 1:
            return True
        await asyncio.sleep(1.0)
    return False


def _client(document: dict[str, Any]) -> AsyncClient:
    grpc = document["grpc"]
    token = Path(document["token_file"]).read_text(encoding="utf-8").strip()
    return AsyncClient(Connection(Targets(grpc["bridge"], grpc["validator"], grpc["insight"]), token))


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="default 600")
    parser.add_argument("--factor", type=float, default=10.0, help="times the sustainable rate (default 10)")
    parser.add_argument("--sustainable", type=float, default=40_000.0, help="messages a second (default 40,000)")
    parser.add_argument("--connections", type=int, default=1_000, help="default 1,000")
    parser.add_argument("--memory-limit", type=float, default=1_500.0, help="MB of all services (default 1,500)")
    parser.add_argument("--back-seconds", type=float, default=60.0, help="until latencies are usual (default 60)")
    parser.add_argument("--up", default="", help="further flags of `dataflow up`, in one word with blanks")
    parser.add_argument("--json", action="store_true", help="print the report as one line of JSON")
    arguments = parser.parse_args()
    with LocalStack.running(("--no-fleet", *arguments.up.split())) as stack:
        report = asyncio.run(measure(stack, arguments))
    print(json.dumps(report, indent=None if arguments.json else 2))
    found = problems(report, arguments.back_seconds)
    for problem in found:
        print(f"Error: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
