"""What the readers of sources count, as metrics: read when a slot is reported, not for each message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from dataflow_mesh import names
from dataflow_mesh.names import Attribute
from dataflow_mesh.telemetry import counter, observe

from dataflow_bridge.sources.slot_reader import SlotReader

_COUNTED = {
    "received": names.SOURCE_MESSAGES,
    "acknowledged": names.SOURCE_ACKNOWLEDGED,
    "redelivered": names.SOURCE_REDELIVERED,
    "refused": names.SOURCE_REFUSED,
    "failures": names.SOURCE_FAILURES,
}


class SourceMetrics:
    """The metrics of this bridge's slots."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._connected: Counter[str] = Counter()
        self._counted: dict[int, dict[str, int]] = {}
        observe(names.SOURCE_HELD, lambda: self._gauge(self._held))
        observe(names.SOURCE_CONNECTED, lambda: self._gauge(self._connected))

    def note(self, readers: Iterable[SlotReader]) -> None:
        """Look at all readers; also once more at one that has ended."""
        held: Counter[str] = Counter(dict.fromkeys(self._held, 0))
        connected: Counter[str] = Counter(dict.fromkeys(self._connected, 0))
        for reader in readers:
            source = reader.held.source.name
            held[source] += 1
            connected[source] += reader.connected
            self._count(reader)
        self._held, self._connected = held, connected

    def ended(self, reader: SlotReader) -> None:
        """Count the rest of a reader that has ended."""
        self._count(reader)
        self._counted.pop(id(reader), None)

    def _count(self, reader: SlotReader) -> None:
        before = self._counted.setdefault(id(reader), dict.fromkeys(_COUNTED, 0))
        for field, metric in _COUNTED.items():
            now: int = getattr(reader.counters, field)
            if now > before[field]:
                counter(metric).add(now - before[field], {Attribute.SOURCE.value: reader.held.source.name})
                before[field] = now

    @staticmethod
    def _gauge(values: Counter[str]) -> list[tuple[float, dict[str, str]]]:
        return [(float(value), {Attribute.SOURCE.value: source}) for source, value in values.items()]
