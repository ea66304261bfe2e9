"""What became of the items of one batch, counted for the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from enum import StrEnum


class Outcome(StrEnum):
    """What became of an item; the keys of the ledger's counts."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    QUARANTINED = "quarantined"


class Tally:
    """What became of the items of one batch, by contract, outcome and device."""

    __slots__ = ("counts", "totals")

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, Counter[str]]] = {}
        self.totals = dict.fromkeys(Outcome, 0)

    def add(self, contract: str, device_id: str, outcome: Outcome) -> None:
        """Count one item."""
        self.add_all(contract, (device_id,), outcome)

    def add_all(self, contract: str, device_ids: Collection[str], outcome: Outcome) -> None:
        """Count items by their devices."""
        self.counts.setdefault(contract, {}).setdefault(outcome.value, Counter()).update(device_ids)
        self.totals[outcome] += len(device_ids)
