"""Puts a batch on `copies` distinct nodes of the ring, trying every ACTIVE node before it waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final, Self

from dataflow_ring import keys
from dataflow_ring.connection import (
    IncarnationError,
    NodeConnection,
    NodeFullError,
    NodeUnreachableError,
    ReplyError,
)
from dataflow_ring.nodes import Fill, Health, Node, State, examine_fill
from dataflow_ring.rate import Rate

logger = logging.getLogger(__name__)

FULL_SHARE: Final = 0.8
"""Bridges stop appending at this share of a node's memory; readers go on."""


class NodeLostError(NodeUnreachableError):
    """The node answers, but its streams are gone: it came back empty and needs admission again."""


@dataclass(slots=True)
class Placement:
    """Where a batch is."""

    batch_id: bytes
    nodes: list[str] = field(default_factory=list)
    """The nodes that have it, the primary first when it has one."""
    tries: int = 0
    failures: int = 0


class NodeAppender:
    """One node as a bridge sees it: a few connections to append through, and one that looks after its health."""

    def __init__(self, node: Node, *, connections: int, timeout_seconds: float, probe_seconds: float) -> None:
        self.node = node
        self.health = Health.DOWN
        self.detail = "not reached yet"
        self.latency_seconds = 0.0
        self.observed_at = time.time()
        self.fill: Fill | None = None
        self.appended = 0
        self._timeout_seconds = timeout_seconds
        self._probe_seconds = probe_seconds
        self._idle: asyncio.Queue[NodeConnection] = asyncio.Queue()
        self._connections = [
            NodeConnection(node.url, incarnation=node.incarnation, durable=True, timeout_seconds=timeout_seconds)
            for _ in range(connections)
        ]
        for connection in self._connections:
            self._idle.put_nowait(connection)
        self._probe = NodeConnection(
            node.url, incarnation=node.incarnation, durable=True, timeout_seconds=timeout_seconds
        )
        self._closed = False

    @property
    def usable(self) -> bool:
        """Whether a batch should be tried here first."""
        return self.node.state is State.ACTIVE and self.health in {Health.HEALTHY, Health.SLOW}

    async def append(self, stream: bytes, batch_id: bytes, primary: str, copy: int, data: bytes) -> None:
        """Append one copy and return when the node has it on disk.

        Raises:
            NodeUnreachableError, ReplyError: It may or may not be there.
        """
        was_down = self.health is Health.DOWN
        connection = await self._idle.get()
        began = time.perf_counter()
        try:
            self._refuse_late(was_down=was_down)
            reply = await connection.call(
                b"XADD", stream, b"NOMKSTREAM", b"*",
                keys.FIELD_BATCH_ID, batch_id, keys.FIELD_PRIMARY, primary,
                keys.FIELD_COPY, copy, keys.FIELD_BYTES, data,
            )  # fmt: skip
        except NodeFullError as error:
            self._observe(Health.FULL, str(error))
            raise
        except (NodeUnreachableError, ReplyError) as error:
            self._observe(Health.DOWN, str(error))
            raise
        finally:
            if self._closed:
                await connection.close()
            self._idle.put_nowait(connection)
        if reply is None:
            self._observe(Health.DOWN, "its streams are gone: it came back empty; remove the node and add it again")
            raise NodeLostError(f"{self.node.name} has lost its streams")
        self.latency_seconds = time.perf_counter() - began
        self.appended += 1

    def _refuse_late(self, *, was_down: bool) -> None:
        """Refuse a batch whose turn has come, but whose node went away meanwhile.

        Were each to find that out for itself, the time limits of all that wait would add up.
        """
        if self._closed or (self.health is Health.DOWN and not was_down):
            raise NodeUnreachableError(self.detail)

    async def probe(self) -> None:
        """Look at the node once and set its health."""
        began = time.perf_counter()
        try:
            self.fill = fill = await examine_fill(self._probe)
            exists = await self._probe.call(b"EXISTS", keys.BATCHES, keys.COPIES)
        except IncarnationError as error:
            self._observe(Health.DOWN, str(error))
        except (NodeUnreachableError, ReplyError) as error:
            self._observe(Health.DOWN, str(error))
        else:
            self.latency_seconds = latency = time.perf_counter() - began
            if exists != 2:
                self._observe(Health.DOWN, "its streams are gone: it came back empty; remove the node and add it again")
            elif fill.share >= FULL_SHARE:
                self._observe(Health.FULL, f"{fill.share:.0%} of its memory is used")
            elif latency > self._timeout_seconds / 2:
                self._observe(Health.SLOW, f"answered in {latency * 1000:.0f} ms")
            else:
                self._observe(Health.HEALTHY, "")

    async def watch(self) -> None:
        """Probe for ever: often while something is wrong, less often while all is well."""
        while True:
            await self.probe()
            await asyncio.sleep(self._probe_seconds)

    async def close(self) -> None:
        """Close all connections, for good."""
        self._closed = True
        for connection in (*self._connections, self._probe):
            await connection.close()

    def _observe(self, health: Health, detail: str) -> None:
        self.observed_at = time.time()
        if health is not self.health:
            log = logger.info if health is Health.HEALTHY else logger.warning
            log(
                "ring node health",
                extra={"action": "ring.health", "node": self.node.name, "health": str(health), "detail": detail},
            )
        self.health, self.detail = health, detail


class Appender:
    """The ring as a bridge sees it."""

    def __init__(
        self,
        *,
        copies: int = 2,
        min_copies: int | None = None,
        connections_per_node: int = 4,
        timeout_seconds: float = 0.8,
        probe_seconds: float = 0.5,
        retry_seconds: float = 0.05,
    ) -> None:
        self.copies = copies
        self.min_copies = copies if min_copies is None else min_copies
        self._connections_per_node = connections_per_node
        self._timeout_seconds = timeout_seconds
        self._probe_seconds = probe_seconds
        self._retry_seconds = retry_seconds
        self._nodes: dict[str, NodeAppender] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._stack = AsyncExitStack()
        self._turn = 0
        self.failovers = 0
        self.appended_bytes = Rate()
        """Bytes that nodes took from this bridge, all copies."""

    async def __aenter__(self) -> Self:
        self._tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        return self

    async def __aexit__(self, *exception: object) -> None:
        for watcher in self._watchers.values():
            watcher.cancel()
        await self._stack.aclose()
        for appender in self._nodes.values():
            await appender.close()

    @property
    def nodes(self) -> list[NodeAppender]:
        """All members by name."""
        return [self._nodes[name] for name in sorted(self._nodes)]

    async def set_members(self, members: Iterable[Node]) -> None:
        """Follow the membership: connect to new nodes, let go of those that left or were admitted anew."""
        assert self._tasks is not None
        wanted = {node.name: node for node in members if node.state is not State.REMOVED}
        # All that changes is changed before the first wait: a second call, or a cancelled one, finds it whole.
        gone: list[NodeAppender] = []
        for name in [*self._nodes]:
            known = self._nodes[name].node
            node = wanted.get(name)
            if node is None or (node.url, node.incarnation) != (known.url, known.incarnation):
                self._watchers.pop(name).cancel()
                gone.append(self._nodes.pop(name))
            else:
                self._nodes[name].node = node
        fresh: list[NodeAppender] = []
        for name, node in wanted.items():
            if name not in self._nodes:
                appender = self._nodes[name] = NodeAppender(
                    node,
                    connections=self._connections_per_node,
                    timeout_seconds=self._timeout_seconds,
                    probe_seconds=self._probe_seconds,
                )
                self._watchers[name] = self._tasks.create_task(appender.watch(), name=f"ring-watch-{name}")
                fresh.append(appender)
        for appender in gone:
            await appender.close()
        await asyncio.gather(*(appender.probe() for appender in fresh))

    def required_copies(self) -> int:
        """Return how many nodes must have a batch before it is acknowledged: 1 where the ring has one node."""
        members = sum(1 for appender in self._nodes.values() if appender.node.state is State.ACTIVE)
        return max(1, min(self.min_copies, members))

    async def append(self, batch_id: bytes, data: bytes) -> Placement:
        """Put a batch on `copies` distinct nodes and return when enough of them have it on disk.

        Every try uses the same id and bytes. Fails over to every other ACTIVE node, then waits and tries again, for as
        long as it takes: only cancellation ends it, and a cancelled append counts for nothing.
        """
        placement = Placement(batch_id)
        holders: dict[str, NodeAppender] = {}
        primary: str | None = None
        failed: set[str] = set()
        while True:
            # A node that left, or that was admitted anew without its data, holds nothing any more.
            holders = {name: holder for name, holder in holders.items() if self._nodes.get(name) is holder}
            primary = primary if primary in holders else None
            target = max(1, min(self.copies, self._active_count()))
            missing = max(target - len(holders), 0 if primary else 1)
            chosen = self._candidates(exclude=failed | holders.keys())[:missing]
            if not chosen:
                # Every ACTIVE node was tried. Copies without a first copy are read too, only later.
                if len(holders) >= self.required_copies():
                    placement.nodes = [*([primary] if primary else []), *(n for n in holders if n != primary)]
                    return placement
                failed.clear()
                await asyncio.sleep(self._retry_seconds)
                continue
            placement.tries += 1
            first = primary or chosen[0].node.name
            results = await asyncio.gather(
                *(self._append_to(appender, batch_id, first, data) for appender in chosen), return_exceptions=True
            )
            for appender, result in zip(chosen, results, strict=True):
                name = appender.node.name
                if result is None:
                    self.appended_bytes.add(len(data))
                    holders[name] = appender
                    primary = first if name == first else primary
                elif isinstance(result, NodeUnreachableError | ReplyError):
                    failed.add(name)
                    placement.failures += 1
                    self.failovers += 1
                else:
                    raise result

    async def _append_to(self, appender: NodeAppender, batch_id: bytes, primary: str, data: bytes) -> None:
        is_primary = appender.node.name == primary
        await appender.append(
            keys.BATCHES if is_primary else keys.COPIES, batch_id, primary, 1 if is_primary else 2, data
        )

    def _active_count(self) -> int:
        return sum(1 for appender in self._nodes.values() if appender.node.state is State.ACTIVE)

    def _candidates(self, exclude: AbstractSet[str]) -> list[NodeAppender]:
        """Return ACTIVE nodes, the next in turn first, usable ones before others, zones of their own before shared ones."""
        active = [a for a in self.nodes if a.node.state is State.ACTIVE and a.node.name not in exclude]
        if not active:
            return []
        self._turn += 1
        start = self._turn % len(active)
        ordered = active[start:] + active[:start]
        usable = [a for a in ordered if a.usable]
        if not usable:
            return ordered
        taken = {self._nodes[name].node.zone for name in exclude if name in self._nodes} - {""}
        first: list[NodeAppender] = []
        rest: list[NodeAppender] = []
        for appender in usable:
            zone = appender.node.zone
            if zone and zone in taken:
                rest.append(appender)
            else:
                first.append(appender)
                taken.add(zone)
                taken.discard("")
        return first + rest
