"""What a leader decides about nodes from what is seen of them. Pure: no clock, no connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dataflow_ring.nodes import Health, State


@dataclass(frozen=True, slots=True)
class Seen:
    """A node as the leader sees it."""

    name: str
    state: State
    health: Health
    entries: int | None
    """Batches, copies and streams that wait to be parked; None if it was not asked lately."""


def drained(nodes: Iterable[Seen]) -> list[str]:
    """Return the DRAINING nodes that are empty."""
    return [node.name for node in nodes if node.state is State.DRAINING and node.entries == 0]


def refilled(nodes: Iterable[Seen]) -> list[str]:
    """Return the DRAINED nodes that hold batches after all: of a bridge that knew of nothing."""
    return [node.name for node in nodes if node.state is State.DRAINED and node.entries]


def down(nodes: Iterable[Seen], others: Mapping[str, Sequence[Health]]) -> list[str]:
    """Return the nodes that no bridge reaches.

    Args:
        nodes: As the leader sees them.
        others: What other bridges have said of each lately.
    """
    return [
        node.name
        for node in nodes
        if node.health is Health.DOWN and all(health is Health.DOWN for health in others.get(node.name, ()))
    ]


def expendable(nodes: Sequence[Seen], copies: int) -> bool:
    """Return whether the ring can do without those that are down: as many nodes as a batch needs take batches."""
    writable = [n for n in nodes if n.state is State.ACTIVE and n.health in {Health.HEALTHY, Health.SLOW}]
    return len(writable) >= copies
