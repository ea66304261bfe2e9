"""How the ring is as a whole, in the words of the protos."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.bridge.v1 import ring_pb2
from dataflow_ring.append import Appender, NodeAppender
from dataflow_ring.nodes import Durability, Health, State

from dataflow_bridge.ring.membership import Membership
from dataflow_bridge.ring.recopier import Recopier


def ring_status(membership: Membership, appender: Appender, recopier: Recopier) -> ring_pb2.RingStatus:
    """Return how the ring is, as this bridge knows it."""
    status = ring_pb2.RingStatus(
        stale=membership.stale,
        leader=membership.leader,
        leader_epoch=membership.leader_epoch,
        warnings=warnings(appender.nodes, appender.copies, appender.min_copies),
        append_bytes_per_second=appender.bytes_per_second,
        free_bytes=appender.free_bytes or 0,
    )
    missing = under_replicated(membership, recopier)
    if missing is not None:
        status.under_replicated = missing
    if (left := appender.buffer_seconds) is not None:
        status.buffer_left.FromNanoseconds(int(left * 1e9))
    return status


def under_replicated(membership: Membership, recopier: Recopier) -> int | None:
    """Return how many batches are on too few nodes: found by this bridge, else by the leader; None: nobody knows."""
    own = recopier.under_replicated
    if own is not None or membership.stale or not recopier.settled:
        return own
    return membership.under_replicated


def warnings(nodes: Sequence[NodeAppender], copies: int, min_copies: int) -> list[str]:
    """Return what an operator should know."""
    found: list[str] = []
    active = [node for node in nodes if node.node.state is State.ACTIVE]
    if min_copies < copies:
        found.append(
            f"min_copies {min_copies} is below copies {copies}: promise 5 is suspended, "
            "the loss of one node may lose acknowledged messages"
        )
    if len(active) < copies:
        found.append(
            f"{len(active)} ACTIVE nodes for {copies} copies: promise 5 is suspended, "
            "the loss of one node may lose acknowledged messages"
        )
    for node in nodes:
        if node.node.durability is Durability.WEAK:
            found.append(f"node {node.node.name} is WEAK: it confirms what it has not on disk")
        if node.health in {Health.DOWN, Health.FULL}:
            found.append(f"node {node.node.name} is {node.health}: {node.detail}")
    writable = sum(1 for node in active if node.writable)
    if active and writable < min(min_copies, len(active)):
        found.append(f"{writable} nodes take batches, {min(min_copies, len(active))} are needed: messages wait")
    return found
