"""The ring's nodes: `dataflow.bridge.v1.RingService`."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing

import grpc
from dataflow.bridge.v1 import node_pb2, ring_service_pb2
from dataflow.bridge.v1.ring_service_pb2_grpc import RingServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.codes import DataflowError, DeadlineExceededError, UnavailableError
from dataflow_client.paging import async_items, async_pages, items, pages
from dataflow_client.retry import NEVER, RetryPolicy


class Ring:
    """Shows, admits, drains and removes ring nodes."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = RingServiceStub(channel)
        self._caller = caller

    def add_node(self, name: str, url: str, *, zone: str = "") -> node_pb2.Node:
        """Admits a node; never repeated by itself, since a lost answer would read as NODE_EXISTS.

        Raises:
            NodeExistsError: A member has that name.
            NodeUnfitError: It may not join; `metadata["check"]` says which check failed.
            DataflowError: The call failed otherwise.
        """
        request = ring_service_pb2.AddNodeRequest(name=name, url=url, zone=zone)
        return self._caller.unary(self._stub.AddNode, request, retry=NEVER).node

    def drain_node(self, name: str) -> node_pb2.Node:
        """Lets a node take no new batches; it is DRAINED when validators have emptied it (`get_node`, `watch`).

        Raises:
            NodeNotFoundError: No member has that name.
            LastActiveNodeError: No other node takes batches.
            DataflowError: The call failed otherwise.
        """
        return self._caller.unary(self._stub.DrainNode, ring_service_pb2.DrainNodeRequest(name=name)).node

    def cancel_drain(self, name: str) -> node_pb2.Node:
        """Lets a draining or drained node take batches again.

        Raises:
            NodeNotFoundError: No member has that name.
            NodeAwayError: It does not answer.
            NodeUnfitError: It has lost its streams.
            DataflowError: The call failed otherwise.
        """
        return self._caller.unary(self._stub.CancelDrain, ring_service_pb2.CancelDrainRequest(name=name)).node

    def remove_node(self, name: str, *, force: bool = False) -> ring_service_pb2.RemoveNodeResponse:
        """Ends a node's membership and returns what is abandoned: nothing, unless forced.

        Args:
            name: Of the node.
            force: Also if it is not drained, or does not answer. What it holds stays on its server.

        Raises:
            NodeNotFoundError: There never was such a node.
            NodeNotDrainedError: It is not DRAINED, or holds batches.
            NodeAwayError: It does not answer.
            LastActiveNodeError: No other node takes batches; also by force.
            DataflowError: The call failed otherwise.
        """
        request = ring_service_pb2.RemoveNodeRequest(name=name, force=force)
        return self._caller.unary(self._stub.RemoveNode, request)

    def get_node(self, name: str) -> node_pb2.Node:
        """Returns one node.

        Raises:
            NodeNotFoundError: No member has that name.
            DataflowError: The call failed otherwise.
        """
        return self._caller.unary(self._stub.GetNode, ring_service_pb2.GetNodeRequest(name=name)).node

    def list_nodes(self, *, page_size: int = 0) -> Iterator[node_pb2.Node]:
        """Yields all members by name.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListNodes, page),
            ring_service_pb2.ListNodesRequest(page_size=page_size),
            lambda response: response.nodes,
        )

    def node_pages(self, *, page_size: int = 0) -> Iterator[ring_service_pb2.ListNodesResponse]:
        """Yields the same in pages, which also say how the ring is as a whole (`status`).

        Raises:
            DataflowError: The call failed.
        """
        return pages(
            lambda page: self._caller.unary(self._stub.ListNodes, page),
            ring_service_pb2.ListNodesRequest(page_size=page_size),
        )

    def watch(self) -> Iterator[ring_service_pb2.WatchRingResponse]:
        """Yields the whole ring now and after each change, for ever; reconnects when a bridge stops or a link dies.

        Each state is whole, so nothing that still holds is missed; the same state may come twice.

        Raises:
            DataflowError: The call failed, other than by a bridge or link that went away after a first state came.
        """
        silence = Silence(self._caller.options.retry)
        while True:
            stream = self._caller.stream(
                self._stub.WatchRing,
                ring_service_pb2.WatchRingRequest(),
                timeout_seconds=self._caller.options.watch_seconds,
            )
            try:
                with closing(stream):
                    for response in stream:
                        silence.heard()
                        yield response
                ended: DataflowError = UnavailableError("the bridge ended the stream")
            except DataflowError as error:
                ended = error
            time.sleep(silence.pause(ended))


class AsyncRing:
    """Shows, admits, drains and removes ring nodes."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = RingServiceStub(channel)
        self._caller = caller

    async def add_node(self, name: str, url: str, *, zone: str = "") -> node_pb2.Node:
        """Admits a node; never repeated by itself, since a lost answer would read as NODE_EXISTS.

        Raises:
            NodeExistsError: A member has that name.
            NodeUnfitError: It may not join; `metadata["check"]` says which check failed.
            DataflowError: The call failed otherwise.
        """
        request = ring_service_pb2.AddNodeRequest(name=name, url=url, zone=zone)
        return (await self._caller.unary(self._stub.AddNode, request, retry=NEVER)).node

    async def drain_node(self, name: str) -> node_pb2.Node:
        """Lets a node take no new batches; it is DRAINED when validators have emptied it (`get_node`, `watch`).

        Raises:
            NodeNotFoundError: No member has that name.
            LastActiveNodeError: No other node takes batches.
            DataflowError: The call failed otherwise.
        """
        request = ring_service_pb2.DrainNodeRequest(name=name)
        return (await self._caller.unary(self._stub.DrainNode, request)).node

    async def cancel_drain(self, name: str) -> node_pb2.Node:
        """Lets a draining or drained node take batches again.

        Raises:
            NodeNotFoundError: No member has that name.
            NodeAwayError: It does not answer.
            NodeUnfitError: It has lost its streams.
            DataflowError: The call failed otherwise.
        """
        request = ring_service_pb2.CancelDrainRequest(name=name)
        return (await self._caller.unary(self._stub.CancelDrain, request)).node

    async def remove_node(self, name: str, *, force: bool = False) -> ring_service_pb2.RemoveNodeResponse:
        """Ends a node's membership and returns what is abandoned: nothing, unless forced.

        Args:
            name: Of the node.
            force: Also if it is not drained, or does not answer. What it holds stays on its server.

        Raises:
            NodeNotFoundError: There never was such a node.
            NodeNotDrainedError: It is not DRAINED, or holds batches.
            NodeAwayError: It does not answer.
            LastActiveNodeError: No other node takes batches; also by force.
            DataflowError: The call failed otherwise.
        """
        request = ring_service_pb2.RemoveNodeRequest(name=name, force=force)
        return await self._caller.unary(self._stub.RemoveNode, request)

    async def get_node(self, name: str) -> node_pb2.Node:
        """Returns one node.

        Raises:
            NodeNotFoundError: No member has that name.
            DataflowError: The call failed otherwise.
        """
        return (await self._caller.unary(self._stub.GetNode, ring_service_pb2.GetNodeRequest(name=name))).node

    def list_nodes(self, *, page_size: int = 0) -> AsyncIterator[node_pb2.Node]:
        """Yields all members by name.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListNodes, page),
            ring_service_pb2.ListNodesRequest(page_size=page_size),
            lambda response: response.nodes,
        )

    def node_pages(self, *, page_size: int = 0) -> AsyncIterator[ring_service_pb2.ListNodesResponse]:
        """Yields the same in pages, which also say how the ring is as a whole (`status`).

        Raises:
            DataflowError: The call failed.
        """
        return async_pages(
            lambda page: self._caller.unary(self._stub.ListNodes, page),
            ring_service_pb2.ListNodesRequest(page_size=page_size),
        )

    async def watch(self) -> AsyncIterator[ring_service_pb2.WatchRingResponse]:
        """Yields the whole ring now and after each change, for ever; reconnects when a bridge stops or a link dies.

        Each state is whole, so nothing that still holds is missed; the same state may come twice.

        Raises:
            DataflowError: The call failed, other than by a bridge or link that went away after a first state came.
        """
        silence = Silence(self._caller.options.retry)
        while True:
            stream = self._caller.stream(
                self._stub.WatchRing,
                ring_service_pb2.WatchRingRequest(),
                timeout_seconds=self._caller.options.watch_seconds,
            )
            try:
                async with aclosing(stream):
                    async for response in stream:
                        silence.heard()
                        yield response
                ended: DataflowError = UnavailableError("the bridge ended the stream")
            except DataflowError as error:
                ended = error
            await asyncio.sleep(silence.pause(ended))


class Silence:
    """Decides how long to wait before a watch is opened again; a first connection fails for good like any call."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._ever_heard = False

    def heard(self) -> None:
        """A state came."""
        self._failures = 0
        self._ever_heard = True

    def pause(self, error: DataflowError) -> float:
        """Returns the seconds to wait.

        Raises:
            DataflowError: The given error, where waiting will not help.
        """
        self._failures += 1
        if not self._ever_heard:
            pause = self._policy.delay(error, self._failures, float("inf"))
            if pause is None:
                raise error
            return pause
        if isinstance(error, DeadlineExceededError):
            return 0.0 if self._failures == 1 else self._policy.max_delay_seconds  # the planned end of a connection
        if not isinstance(error, UnavailableError):
            raise error
        # Full jitter, so that all who watched a restarted bridge do not come back at once; for ever, as a watch should.
        ceiling = self._policy.first_delay_seconds * 2 ** min(self._failures - 1, 32)
        return random.uniform(0.0, min(self._policy.max_delay_seconds, ceiling))  # noqa: S311  # not a secret
