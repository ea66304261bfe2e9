"""Turns the bridge's plain counters into metrics, once a second: the hot path only counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dataflow_mesh import names
from dataflow_mesh.names import Attribute
from dataflow_mesh.telemetry import counter, observe, up_down_counter
from dataflow_ring.append import Appender
from dataflow_ring.nodes import Health
from opentelemetry.metrics import Counter

from dataflow_bridge.batcher import Batcher
from dataflow_bridge.listener.counters import Counters
from dataflow_bridge.pace import Pace

_EVERY_SECONDS = 1.0


async def report(
    listener: Counters,
    batcher: Batcher,
    appender: Appender,
    stopping: asyncio.Event,
    leadership: Callable[[], tuple[bool, int | None]],
    pace: Pace,
) -> None:
    """Report until the process stops.

    Args:
        listener: Counts what arrives.
        batcher: Counts what is acknowledged.
        appender: Knows the ring.
        stopping: Set when the process stops.
        leadership: Gives whether this bridge leads, and how many batches are on too few nodes.
        pace: Knows whether the intake is slowed.
    """
    connections = up_down_counter(names.BRIDGE_CONNECTIONS)
    totals: dict[Counter, Callable[[], int]] = {
        counter(names.BRIDGE_MESSAGES): lambda: batcher.counters.messages,
        counter(names.BRIDGE_ACKNOWLEDGED): lambda: batcher.counters.acknowledged,
        counter(names.BRIDGE_BATCHES): lambda: batcher.counters.batches,
        counter(names.RING_FAILOVERS): lambda: appender.failovers,
        counter(names.BRIDGE_QOS0_LOST): lambda: listener.qos0_lost,
        counter(names.BRIDGE_PAUSES): lambda: listener.pauses,
        counter(names.BRIDGE_BYTES): lambda: listener.bytes_received,
        counter(names.BRIDGE_REFUSED): lambda: sum(listener.refusals.values()),
    }
    observe(
        names.RING_NODE_HEALTH,
        lambda: [
            (
                float(node.health is health),
                {Attribute.NODE.value: node.node.name, Attribute.HEALTH.value: health.value},
            )
            for node in appender.nodes
            for health in Health
        ],
    )
    observe(names.RING_BUFFER_LEFT, lambda: [] if (left := appender.buffer_seconds) is None else [(left, {})])
    observe(names.RING_FREE, lambda: [] if (free := appender.free_bytes) is None else [(float(free), {})])
    observe(names.RING_LEADER, lambda: [(float(leadership()[0]), {})])
    observe(names.RING_COPIES_MISSING, lambda: [] if (missing := leadership()[1]) is None else [(float(missing), {})])
    observe(names.BRIDGE_INTAKE_LIMIT, lambda: [] if (limit := pace.limit_bytes_per_second) is None else [(limit, {})])
    before = dict.fromkeys(totals, 0)
    open_before = 0
    while not stopping.is_set():
        for metric, read in totals.items():
            now = read()
            metric.add(now - before[metric])
            before[metric] = now
        connections.add(listener.connections - open_before)
        open_before = listener.connections
        try:
            async with asyncio.timeout(_EVERY_SECONDS):
                await stopping.wait()
        except TimeoutError:
            continue
