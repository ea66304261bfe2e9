"""RingService: control of the ring's nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

from dataflow.bridge.v1 import node_pb2, ring_pb2, ring_service_pb2, ring_service_pb2_grpc
from dataflow_mesh.paging import decode, encode, page_size
from dataflow_ring.append import Appender, NodeAppender
from dataflow_ring.connection import redact
from grpc.aio import ServicerContext

from dataflow_bridge.errors import NodeNotFoundError
from dataflow_bridge.ring.membership import Member, Membership
from dataflow_bridge.ring.recopier import Recopier
from dataflow_bridge.ring.status import ring_status

_LIST: Final = "/dataflow.bridge.v1.RingService/ListNodes"
_WATCH_LOOK_SECONDS: Final = 0.2
_WATCH_REPEAT_SECONDS: Final = 15.0


class RingServicer(ring_service_pb2_grpc.RingServiceServicer):
    """Answers from this bridge's membership and observations."""

    def __init__(
        self,
        membership: Membership,
        appender: Appender,
        recopier: Recopier,
        observer: str,
        stopping: asyncio.Event,
    ) -> None:
        self._membership = membership
        self._recopier = recopier
        self._appender = appender
        self._observer = observer
        self._stopping = stopping

    async def AddNode(
        self, request: ring_service_pb2.AddNodeRequest, context: ServicerContext[object, object]
    ) -> ring_service_pb2.AddNodeResponse:
        """Admit a node."""
        member = await self._membership.add(request.name, request.url, request.zone)
        return ring_service_pb2.AddNodeResponse(node=self._node(member))

    async def DrainNode(
        self, request: ring_service_pb2.DrainNodeRequest, context: ServicerContext[object, object]
    ) -> ring_service_pb2.DrainNodeResponse:
        """Let a node take no new batches."""
        return ring_service_pb2.DrainNodeResponse(node=self._node(await self._membership.drain(request.name)))

    async def CancelDrain(
        self, request: ring_service_pb2.CancelDrainRequest, context: ServicerContext[object, object]
    ) -> ring_service_pb2.CancelDrainResponse:
        """Let a node take batches again."""
        return ring_service_pb2.CancelDrainResponse(node=self._node(await self._membership.cancel_drain(request.name)))

    async def RemoveNode(
        self, request: ring_service_pb2.RemoveNodeRequest, context: ServicerContext[object, object]
    ) -> ring_service_pb2.RemoveNodeResponse:
        """End a node's membership and say what is abandoned."""
        seen = {appender.node.name: appender.fill for appender in self._appender.nodes}.get(request.name)
        removal = await self._membership.remove(request.name, force=request.force)
        if removal.reached or seen is None:
            return ring_service_pb2.RemoveNodeResponse(
                reached=removal.reached, abandoned_batches=removal.batches, abandoned_copies=removal.copies
            )
        return ring_service_pb2.RemoveNodeResponse(
            reached=False, abandoned_batches=seen.batches, abandoned_copies=seen.copies
        )

    async def GetNode(
        self, request: ring_service_pb2.GetNodeRequest, context: ServicerContext[object, object]
    ) -> ring_service_pb2.GetNodeResponse:
        """Show one node."""
        for member in self._membership.members:
            if member.node.name == request.name:
                return ring_service_pb2.GetNodeResponse(node=self._node(member))
        raise NodeNotFoundError(f"no ring node {request.name!r}", metadata={"node": request.name})

    async def ListNodes(
        self, request: ring_service_pb2.ListNodesRequest, context: ServicerContext[object, object]
    ) -> ring_service_pb2.ListNodesResponse:
        """Show all nodes by name."""
        filter_ = ring_service_pb2.ListNodesRequest()
        after = decode(request.page_token, _LIST, filter_)
        size = page_size(request.page_size)
        members = [m for m in self._membership.members if not after or m.node.name > str(after[0])]
        page = members[:size]
        return ring_service_pb2.ListNodesResponse(
            nodes=[self._node(member) for member in page],
            next_page_token=encode([page[-1].node.name], _LIST, filter_) if len(members) > size else "",
            stale=self._membership.stale,
            status=self._status(),
        )

    async def WatchRing(
        self, request: ring_service_pb2.WatchRingRequest, context: ServicerContext[object, object]
    ) -> AsyncIterator[ring_service_pb2.WatchRingResponse]:
        """Show the ring now and after each change."""
        shown: object = None
        shown_at = 0.0
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            status = self._status()
            state = (
                [(a.node.name, a.node.state.value, a.health.value) for a in self._appender.nodes],
                (status.stale, status.leader_epoch, bool(status.under_replicated)),
            )
            if state != shown or loop.time() - shown_at >= _WATCH_REPEAT_SECONDS:
                shown, shown_at = state, loop.time()
                response = ring_service_pb2.WatchRingResponse(
                    nodes=[self._node(member) for member in self._membership.members],
                    stale=self._membership.stale,
                    status=status,
                )
                response.observe_time.FromDatetime(datetime.now(UTC))
                yield response
            try:
                async with asyncio.timeout(_WATCH_LOOK_SECONDS):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    def _status(self) -> ring_pb2.RingStatus:
        return ring_status(self._membership, self._appender, self._recopier)

    def _node(self, member: Member) -> node_pb2.Node:
        node = member.node
        message = node_pb2.Node(
            name=node.name,
            url=redact(node.url),
            state=node_pb2.NodeState.Value(f"NODE_STATE_{node.state.value}"),
            zone=node.zone,
            incarnation=node.incarnation,
            durability=node_pb2.Durability.Value(f"DURABILITY_{node.durability.value}"),
        )
        message.admit_time.FromDatetime(member.admit_time)
        if member.state_time is not None:
            message.state_time.FromDatetime(member.state_time)
        if member.down_since is not None:
            message.down_since.FromDatetime(member.down_since)
        appenders = {appender.node.name: appender for appender in self._appender.nodes}
        appender = appenders.get(node.name)
        if appender is not None:
            self._observed(message, appender, sum(a.appended for a in appenders.values()))
        for record in self._membership.observations.get(node.name, []):
            if record["observer"] == self._observer:
                continue
            other = message.observations.add(
                observer=record["observer"],
                health=node_pb2.NodeHealth.Value(f"NODE_HEALTH_{record['health']}"),
                detail=record["detail"],
            )
            other.latency.FromNanoseconds(int(record["latency_seconds"] * 1e9))
            other.observe_time.FromDatetime(record["observe_time"])
        return message

    def _observed(self, message: node_pb2.Node, appender: NodeAppender, appended: int) -> None:
        own = message.observations.add(
            observer=self._observer,
            health=node_pb2.NodeHealth.Value(f"NODE_HEALTH_{appender.health.value}"),
            detail=appender.detail,
        )
        own.latency.FromNanoseconds(int(appender.latency_seconds * 1e9))
        own.observe_time.FromDatetime(datetime.fromtimestamp(appender.observed_at, UTC))
        message.share = appender.appended / appended if appended else 0.0
        fill = appender.fill
        if fill is not None:
            message.depth = fill.batches + fill.copies
            if fill.oldest_age_seconds is not None:
                message.oldest_age.FromNanoseconds(int(fill.oldest_age_seconds * 1e9))
            message.memory_used_bytes = fill.memory_used_bytes
            message.memory_limit_bytes = fill.memory_limit_bytes
            message.disk_used_bytes = fill.disk_used_bytes
