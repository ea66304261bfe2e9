"""The live counters: totals and rates from the metrics of all processes, whatever dies and comes back."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

NAMES: Final = ("published", "acknowledged", "stored", "quarantined", "duplicate", "conflict")
"""What is counted; items from `stored` on, messages before."""

_SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? ([0-9.eE+-]+)$")
_WHOLE: Final = re.compile(r'dataflow_service=""')
_OUTCOME: Final = re.compile(r'dataflow_outcome="(\w+)"')
_MESSAGES: Final = {"dataflow_bridge_messages_total": "published", "dataflow_bridge_acknowledged_total": "acknowledged"}


def counts(text: str) -> dict[str, float]:
    """Returns the counters of interest in what a Prometheus endpoint shows."""
    found: dict[str, float] = {}
    for name, labels, value in _samples(text):
        counted = _MESSAGES.get(name)
        if name == "dataflow_validator_items_total" and (outcome := _OUTCOME.search(labels)):
            counted = outcome.group(1) if outcome.group(1) in NAMES else None
        if counted is not None:
            found[counted] = found.get(counted, 0.0) + value
    return found


def serves(text: str) -> bool:
    """Returns whether a process says that it serves as a whole; a single service that does not is another matter."""
    return any(
        name == "dataflow_process_serving" and value and _WHOLE.search(labels) for name, labels, value in _samples(text)
    )


def buffer_left(texts: Iterable[str]) -> list[float]:
    """Returns for how many seconds each bridge thinks that the ring could take what arrives; one that gets nothing says nothing."""
    prefix = "dataflow_ring_buffer_left"
    return [value for text in texts for name, _, value in _samples(text) if name.startswith(prefix)]


def lag_seconds(texts: Iterable[str]) -> float:
    """Returns the age of the oldest entry that is not committed, of what all validators show."""
    ages = [value for text in texts for name, _, value in _samples(text) if name.startswith("dataflow_validator_lag")]
    return max(ages, default=0.0)


def ledger(texts: Iterable[str]) -> dict[str, str | int]:
    """Returns what the ledger misses, of what all validators show: `health` and `missing`, the batches that are lost."""
    missing = [
        int(value) for text in texts for name, _, value in _samples(text) if name == "dataflow_validator_ledger_missing"
    ]
    health = ("NOT_SERVING" if max(missing) else "SERVING") if missing else "UNKNOWN"
    return {"health": health, "missing": max(missing, default=0)}


def _samples(text: str) -> Iterator[tuple[str, str, float]]:
    for line in text.splitlines():
        if line.startswith("dataflow_") and (found := _SAMPLE.match(line)):
            yield found.group(1), found.group(2) or "", float(found.group(3))


@dataclass(slots=True)
class Counters:
    """Adds up counters that begin at zero again whenever their process does.

    Attributes:
        totals: Counted since the stack started.
        rates: Per second, over the last interval.
    """

    totals: dict[str, float] = field(default_factory=lambda: dict.fromkeys(NAMES, 0.0))
    rates: dict[str, float] = field(default_factory=lambda: dict.fromkeys(NAMES, 0.0))
    _last: dict[tuple[str, int | None, str], float] = field(default_factory=dict)
    _at: float | None = None

    def update(self, now: float, seen: Mapping[tuple[str, int | None], Mapping[str, float]]) -> None:
        """Takes new readings.

        Args:
            now: A monotonic clock, in seconds.
            seen: Counters by process (name and pid); a process that did not answer is left out.
        """
        gained = dict.fromkeys(NAMES, 0.0)
        for (name, pid), values in seen.items():
            for counted, value in values.items():
                gained[counted] += value - self._last.get((name, pid, counted), 0.0)
                self._last[name, pid, counted] = value
        for counted, gain in gained.items():
            self.totals[counted] += gain
            if self._at is not None and now > self._at:
                self.rates[counted] = gain / (now - self._at)
        self._at = now
