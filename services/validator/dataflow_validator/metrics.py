"""Turns the validator's plain counters into metrics, once a second: the hot path only counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from dataflow_mesh import names
from dataflow_mesh.names import Attribute
from dataflow_mesh.telemetry import counter, observe
from dataflow_ring.consume import NodeReader
from opentelemetry.metrics import Counter

from dataflow_validator.pipeline import Pipeline
from dataflow_validator.ring_follower import RingFollower

_EVERY_SECONDS: Final = 1.0
_OUTCOMES: Final = ("stored", "duplicate", "conflict", "quarantined", "parked")


def _lag_seconds(reader: NodeReader) -> float:
    """Return the age of the node's oldest entry; while it does not answer, it grows older."""
    oldest = reader.fill.oldest_age_seconds if reader.fill is not None else None
    return (oldest or 0.0) + reader.unreachable_seconds


async def report(pipeline: Pipeline, follower: RingFollower, stopping: asyncio.Event) -> None:
    """Report until the process stops."""
    counters = pipeline.counters
    items = counter(names.VALIDATOR_ITEMS)
    totals: dict[Counter, Callable[[], int]] = {
        counter(names.VALIDATOR_BATCHES): lambda: counters.batches,
        counter(names.VALIDATOR_TRANSACTIONS): lambda: counters.transactions,
        counter(names.VALIDATOR_RETRIES): lambda: counters.retries,
        counter(names.VALIDATOR_SUSPECTS): lambda: counters.suspects,
    }
    observe(
        names.VALIDATOR_LAG,
        lambda: [(_lag_seconds(reader), {Attribute.NODE.value: reader.node.name}) for reader in follower.readers],
    )
    before: dict[object, int] = dict.fromkeys((*totals, *_OUTCOMES), 0)
    while not stopping.is_set():
        for metric, read in totals.items():
            now = read()
            metric.add(now - before[metric])
            before[metric] = now
        for outcome in _OUTCOMES:
            now = getattr(counters, outcome)
            items.add(now - before[outcome], {Attribute.OUTCOME.value: outcome})
            before[outcome] = now
        try:
            async with asyncio.timeout(_EVERY_SECONDS):
                await stopping.wait()
        except TimeoutError:
            continue
