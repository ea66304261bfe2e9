"""CPU and memory of the processes of a stack, children included."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import psutil

from dataflow_simulator.stack import ProcessEntry
from dataflow_simulator.trend import Sample, slope

_MB: Final = 1_000_000
_LOOK_FOR_CHILDREN_EVERY: Final = 10


@dataclass(slots=True)
class Usage:
    """One process (Postgres: with all its backends) over a run."""

    cpu_start: float
    cpu_now: float
    memory: list[Sample] = field(default_factory=list)
    """Megabytes over time; memory that several processes share counts once."""

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the run so far."""
        return self.cpu_now - self.cpu_start

    def memory_report(self) -> dict[str, float]:
        """Returns `start` and `max` in MB, and `slope` in MB per minute over the second half of the run."""
        half = self.memory[len(self.memory) // 2 :]
        values = [value for _, value in self.memory]
        return {
            "start": round(values[0], 1),
            "max": round(max(values), 1),
            "slope": round(60 * slope(half), 2),
        }


class UsageMeter:
    """Samples a set of processes; one that dies keeps what was seen of it."""

    def __init__(self, processes: Iterable[ProcessEntry]) -> None:
        """Finds the processes and takes the first sample; those that are gone are left out."""
        self._trees: dict[str, list[psutil.Process]] = {}
        self.usage: dict[str, Usage] = {}
        self._samples = 0
        now = time.time()
        for entry in processes:
            try:
                tree = [psutil.Process(entry.pid)]
                tree += tree[0].children(recursive=True)
                cpu, memory = _measure(tree)
            except psutil.Error:
                continue
            self._trees[entry.name] = tree
            self.usage[entry.name] = Usage(cpu, cpu, [(now, memory)])

    def sample(self) -> None:
        """Takes a sample of each."""
        now = time.time()
        self._samples += 1
        if self._samples % _LOOK_FOR_CHILDREN_EVERY == 0:
            self._look_for_children()
        for name, tree in self._trees.items():
            try:
                cpu, memory = _measure(tree)
            except psutil.Error:
                continue
            usage = self.usage[name]
            usage.cpu_now = max(usage.cpu_now, cpu)
            usage.memory.append((now, memory))

    def _look_for_children(self) -> None:
        """Goes through all processes of the machine once: too dear for every sample."""
        children: dict[int, list[psutil.Process]] = {}
        for process in psutil.process_iter(["ppid"]):
            children.setdefault(process.info["ppid"], []).append(process)
        for tree in self._trees.values():
            found = [tree[0]]
            for process in found:
                found.extend(children.get(process.pid, ()))
            tree[:] = found


def _measure(tree: list[psutil.Process]) -> tuple[float, float]:
    """Returns CPU seconds, reaped children included, and MB of a process (the first) and its descendants."""
    cpu = own = shared = 0.0
    for process in tree:
        try:
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
        except psutil.NoSuchProcess:
            if process is tree[0]:
                raise
            continue
        # What a child used is in its parent's account once it is gone, and only then.
        cpu += times.user + times.system + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        process_shared = getattr(memory, "shared", 0)
        own += memory.rss - process_shared
        shared = max(shared, process_shared)
    return cpu, (own + shared) / _MB
