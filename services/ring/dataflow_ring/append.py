"""Puts a batch on `copies` distinct nodes of the ring, trying every ACTIVE node before it waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final, Self

from dataflow_ring import keys
from dataflow_ring.connection import NodeUnreachableError, ReplyError
from dataflow_ring.node_appender import FULL_SHARE, NodeAppender, NodeLostError
from dataflow_ring.nodes import Health, Node, State
from dataflow_ring.rate import Rate

__all__ = ["FULL_SHARE", "Appender", "NodeAppender", "NodeLostError", "Placement", "room"]

_LATE_SLACK_SECONDS: Final = 0.01
"""After a pause of this process, replies that are here already are read before a node is called late."""


@dataclass(slots=True)
class Placement:
    """Where a batch is."""

    batch_id: bytes
    nodes: list[str] = field(default_factory=list)
    """The nodes that have it, the primary first when it has one."""
    tries: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class _Try:
    """An append that is on its way."""

    appender: NodeAppender
    primary: bool
    began: float


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
        late_seconds: float = 0.25,
        disk_limit_bytes: int = 0,
    ) -> None:
        self.copies = copies
        self.min_copies = copies if min_copies is None else min_copies
        self._connections_per_node = connections_per_node
        self._timeout_seconds = timeout_seconds
        self._probe_seconds = probe_seconds
        self._retry_seconds = retry_seconds
        self._late_seconds = late_seconds
        self._disk_limit_bytes = disk_limit_bytes
        self._nodes: dict[str, NodeAppender] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._stack = AsyncExitStack()
        self._turn = 0
        self.failovers = 0
        self.appended_bytes = Rate()
        """Bytes that nodes took from this bridge, all copies."""
        self.others_bytes_per_second = 0.0
        """What all other bridges append, as far as this one knows."""
        self._running: set[asyncio.Task[Exception | None]] = set()

    async def __aenter__(self) -> Self:
        self._tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        return self

    async def __aexit__(self, *exception: object) -> None:
        for task in (*self._watchers.values(), *self._running):
            task.cancel()
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
                    late_seconds=self._late_seconds,
                    disk_limit_bytes=self._disk_limit_bytes,
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

    def wanted_copies(self) -> int:
        """Return on how many nodes a batch should be: fewer than `copies` only where fewer nodes take batches."""
        return max(1, min(self.copies, self._active_count()))

    @property
    def free_bytes(self) -> int | None:
        """Bytes that all nodes together take before no batch finds enough of them; None if nothing limits one of them."""
        free = [a.free_bytes for a in self._nodes.values() if a.node.state is State.ACTIVE]
        return room([size for size in free if size is not None], self.wanted_copies()) if None not in free else None

    @property
    def bytes_per_second(self) -> float:
        """Bytes that all bridges append each second, all copies, over the last minute."""
        return self.appended_bytes.per_second() + self.others_bytes_per_second

    @property
    def buffer_seconds(self) -> float | None:
        """How long batches could be taken at this rate if none were stored; None if nothing arrives, or nothing limits it."""
        free, rate = self.free_bytes, self.bytes_per_second
        return None if free is None or rate <= 0 else free / rate

    async def append(self, batch_id: bytes, data: bytes) -> Placement:
        """Put a batch on `copies` distinct nodes and return when enough of them have it on disk.

        Every try uses the same id and bytes. Fails over to every other ACTIVE node, then waits and tries again, for as
        long as it takes: only cancellation ends it, and a cancelled append counts for nothing. A node that is late is
        not waited for where another one can take its place; should it answer in the end, there is a copy more.
        """
        placement = Placement(batch_id)
        holders: dict[str, NodeAppender] = {}
        primary: str | None = None
        failed: set[str] = set()
        tries: dict[asyncio.Task[Exception | None], _Try] = {}
        try:
            while True:
                # A node that left, or that was admitted anew without its data, holds nothing any more.
                holders = {name: holder for name, holder in holders.items() if self._nodes.get(name) is holder}
                primary = primary if primary in holders else None
                target = self.wanted_copies()
                if primary and len(holders) >= target:
                    break
                awaited = [one for one in tries.values() if not self._is_late(one)]
                missing = max(
                    target - len(holders) - len(awaited),
                    0 if primary or any(one.primary for one in awaited) else 1,
                )
                busy = failed | holders.keys() | {one.appender.node.name for one in tries.values()}
                chosen = self._candidates(busy, only_usable=bool(tries))[:missing] if missing > 0 else []
                if not chosen and not tries:
                    # Every ACTIVE node was tried. Copies without a first copy are read too, only later.
                    if len(holders) >= self.required_copies():
                        break
                    failed.clear()
                    await asyncio.sleep(self._retry_seconds)
                    continue
                if chosen:
                    placement.tries += 1
                    leads = primary or next((one.appender.node.name for one in awaited if one.primary), None)
                    self._begin(tries, chosen, batch_id, leads or chosen[0].node.name, data)
                for one, error in await self._ended(tries):
                    name = one.appender.node.name
                    if error is None:
                        holders[name] = one.appender
                        primary = name if one.primary else primary
                    else:
                        failed.add(name)
                        placement.failures += 1
                        self.failovers += 1
        except BaseException:
            for task in tries:
                task.cancel()
            raise
        placement.nodes = [*([primary] if primary else []), *(n for n in holders if n != primary)]
        return placement

    def _begin(
        self,
        tries: dict[asyncio.Task[Exception | None], _Try],
        chosen: Iterable[NodeAppender],
        batch_id: bytes,
        primary: str,
        data: bytes,
    ) -> None:
        assert self._tasks is not None
        now = time.perf_counter()
        for appender in chosen:
            is_primary = appender.node.name == primary
            task = self._tasks.create_task(self._append_to(appender, batch_id, primary, data))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            tries[task] = _Try(appender, is_primary, now)

    def _is_late(self, one: _Try) -> bool:
        return one.appender.late or time.perf_counter() - one.began > self._late_seconds

    async def _ended(self, tries: dict[asyncio.Task[Exception | None], _Try]) -> list[tuple[_Try, Exception | None]]:
        """Wait until all tries have ended or one is late; if one is late already, until another one ends."""
        late = any(self._is_late(one) for one in tries.values())
        awaited = [one.began for one in tries.values() if not self._is_late(one)]
        left = (
            max(0.0, min(awaited) + self._late_seconds - time.perf_counter()) + _LATE_SLACK_SECONDS if awaited else None
        )
        done, _ = await asyncio.wait(
            tries, timeout=left, return_when=asyncio.FIRST_COMPLETED if late else asyncio.ALL_COMPLETED
        )
        return [(tries.pop(task), task.result()) for task in done]

    async def _append_to(self, appender: NodeAppender, batch_id: bytes, primary: str, data: bytes) -> Exception | None:
        """Append one copy; return what went wrong."""
        is_primary = appender.node.name == primary
        try:
            await appender.append(
                keys.BATCHES if is_primary else keys.COPIES, batch_id, primary, 1 if is_primary else 2, data
            )
        except (NodeUnreachableError, ReplyError) as error:
            return error
        self.appended_bytes.add(len(data))
        return None

    def _active_count(self) -> int:
        return sum(1 for appender in self._nodes.values() if appender.node.state is State.ACTIVE)

    def _candidates(self, exclude: AbstractSet[str], *, only_usable: bool = False) -> list[NodeAppender]:
        """Return ACTIVE nodes, the next in turn first, zones of their own before shared ones.

        Where no node is usable, those that are DOWN or late are tried; FULL ones never, since readers write, too.
        """
        active = [a for a in self.nodes if a.node.state is State.ACTIVE and a.node.name not in exclude]
        if not active:
            return []
        self._turn += 1
        start = self._turn % len(active)
        ordered = active[start:] + active[:start]
        usable = [a for a in ordered if a.usable]
        if not usable:
            return [] if only_usable else [a for a in ordered if a.health is not Health.FULL]
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


def room(free: Iterable[int], copies: int) -> int:
    """Return how many bytes fit, all copies counted, if each byte must be on so many distinct nodes.

    Args:
        free: Bytes that each node takes.
        copies: At least 1.
    """
    sizes = sorted(free, reverse=True)
    # The largest nodes can hold one copy of each byte, however large they are: the others bound the rest.
    return int(copies * min(sum(sizes[most:]) / (copies - most) for most in range(copies)))
