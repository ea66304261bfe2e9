"""What the whole local stack costs while nothing happens: CPU, memory, and how often each process wakes up.

    .venv/bin/python -m tests.benchmarks.idle_cost [--seconds 60] [--up "--bridges 2"] [--json]

A stack of its own without simulated devices; after it has settled, all its processes are watched, the supervisor included.
CPU is in per cent of one core; memory is PSS (what several processes share is divided among them); a wakeup is a
voluntary context switch.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from dataflow_stack.testing import LocalStack

_SETTLE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process (Postgres: with all its backends) used up to a moment."""

    cpu_seconds: float
    wakeups: int
    memory_mb: float


def cost_of(pid: int) -> Cost:
    """Reads what a process and its children have used."""
    process = psutil.Process(pid)
    tree = [process, *process.children(recursive=True)]
    cpu, wakeups, memory = 0.0, 0, 0.0
    for one in tree:
        try:
            times = one.cpu_times()
            cpu += times.user + times.system
            wakeups += _voluntary(one.pid)
            memory += one.memory_full_info().pss / 1e6
        except psutil.NoSuchProcess:
            continue
    own = process.cpu_times()
    return Cost(cpu + own.children_user + own.children_system, wakeups, memory)


def _voluntary(pid: int) -> int:
    """Returns the context switches of all threads of a process: psutil counts the first one alone."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        try:
            lines = status.read_text().splitlines()
        except OSError:  # the thread has ended
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))
    return total


def measure(stack: LocalStack, seconds: float) -> dict[str, Any]:
    """Watches all processes of a stack, and returns the report."""
    document = stack.status()
    pids = {entry["name"]: entry["pid"] for entry in document["processes"]} | {"supervisor": document["pid"]}
    time.sleep(_SETTLE_SECONDS)
    children = set(pids.values())
    before = {name: cost_of(pid) if name != "supervisor" else _alone(pid) for name, pid in pids.items()}
    began = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    after = {name: cost_of(pid) if name != "supervisor" else _alone(pid) for name, pid in pids.items()}
    processes = {
        name: {
            "cpu_percent": round((after[name].cpu_seconds - before[name].cpu_seconds) / passed * 100, 2),
            "wakeups_per_second": round((after[name].wakeups - before[name].wakeups) / passed, 1),
            "memory_mb": round(after[name].memory_mb, 1),
        }
        for name in pids
    }
    keys = ("cpu_percent", "wakeups_per_second", "memory_mb")
    return {
        "seconds": round(passed, 1),
        "processes": processes,
        "all": {key: round(sum(process[key] for process in processes.values()), 1) for key in keys}
        | {"count": len(children)},
    }


def _alone(pid: int) -> Cost:
    """Reads what the supervisor itself has used: its children are counted by their names."""
    process = psutil.Process(pid)
    times = process.cpu_times()
    return Cost(times.user + times.system, _voluntary(pid), process.memory_full_info().pss / 1e6)


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="default 60")
    parser.add_argument("--up", default="", help="further flags of `dataflow up`, in one word with blanks")
    parser.add_argument("--json", action="store_true", help="print the report as one line of JSON")
    arguments = parser.parse_args()
    with LocalStack.running(("--no-fleet", *arguments.up.split())) as stack:
        report = measure(stack, arguments.seconds)
    if arguments.json:
        print(json.dumps(report))
        return 0
    print(f"{'process':<14} {'CPU %':>7} {'wakeups/s':>10} {'MB':>8}")
    for name, figures in [*report["processes"].items(), ("all", report["all"])]:
        values = (figures["cpu_percent"], figures["wakeups_per_second"], figures["memory_mb"])
        print(f"{name:<14} {values[0]:>7.2f} {values[1]:>10.1f} {values[2]:>8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
