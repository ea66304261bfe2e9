"""One ring node as a bridge sees it: a few connections to append through, and one that looks after its health."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from dataflow_ring import keys
from dataflow_ring.connection import (
    IncarnationError,
    NodeConnection,
    NodeFullError,
    NodeUnreachableError,
    ReplyError,
)
from dataflow_ring.nodes import Fill, Health, Node, State, examine_fill

logger = logging.getLogger(__name__)

FULL_SHARE: Final = 0.8
"""Bridges stop appending at this share of a node's memory or disk; what is left is for its readers, who write too."""

_ROOM_SHARE: Final = 0.75
"""A full node is used again below this share: at the edge it would be full and not full by turns."""

_LOST: Final = "its streams are gone: it came back empty; remove the node and add it again"


class NodeLostError(NodeUnreachableError):
    """The node answers, but its streams are gone: it came back empty and needs admission again."""


class NodeAppender:
    """One node as a bridge sees it: a few connections to append through, and one that looks after its health."""

    def __init__(
        self,
        node: Node,
        *,
        connections: int,
        timeout_seconds: float,
        probe_seconds: float,
        late_seconds: float = 0.25,
        disk_limit_bytes: int = 0,
    ) -> None:
        self.node = node
        self.health = Health.DOWN
        self.detail = "not reached yet"
        self.latency_seconds = 0.0
        self.observed_at = time.time()
        self.fill: Fill | None = None
        self.appended = 0
        self._timeout_seconds = timeout_seconds
        self._late_seconds = late_seconds
        self._disk_limit_bytes = disk_limit_bytes
        self._waiting_since: dict[object, float] = {}
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
        return self.writable and not self.late

    @property
    def writable(self) -> bool:
        """Whether it takes batches at all."""
        return self.node.state is State.ACTIVE and self.health in {Health.HEALTHY, Health.SLOW}

    @property
    def readable(self) -> bool:
        """Whether its batches can be read."""
        return self.health is not Health.DOWN

    @property
    def late(self) -> bool:
        """Whether an append waits for its reply for too long: perhaps it is frozen, perhaps only slow."""
        return any(time.perf_counter() - began > self._late_seconds for began in self._oldest_wait())

    def _oldest_wait(self) -> list[float]:
        return [next(iter(self._waiting_since.values()))] if self._waiting_since else []

    @property
    def free_bytes(self) -> int | None:
        """Bytes that it takes before it is FULL; None if nothing limits it."""
        fill = self.fill
        if fill is None or not self.writable:
            return 0
        left = [
            int(limit * FULL_SHARE) - used
            for limit, used in (
                (fill.memory_limit_bytes, fill.memory_used_bytes),
                (self._disk_limit_bytes, fill.disk_used_bytes),
            )
            if limit
        ]
        return max(0, min(left)) if left else None

    async def append(self, stream: bytes, batch_id: bytes, primary: str, copy: int, data: bytes) -> None:
        """Append one copy and return when the node has it on disk.

        Raises:
            NodeUnreachableError, ReplyError: It may or may not be there.
        """
        was_down = self.health is Health.DOWN
        connection = await self._idle.get()
        began = time.perf_counter()
        waits = object()
        try:
            self._refuse_late(was_down=was_down)
            self._waiting_since[waits] = began
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
            self._waiting_since.pop(waits, None)
            if self._closed:
                await connection.close()
            self._idle.put_nowait(connection)
        if reply is None:
            self._observe(Health.DOWN, _LOST)
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
                self._observe(Health.DOWN, _LOST)
            elif why := self._full(fill):
                self._observe(Health.FULL, why)
            elif latency > self._timeout_seconds / 2:
                self._observe(Health.SLOW, f"answered in {latency * 1000:.0f} ms")
            else:
                self._observe(Health.HEALTHY, "")

    def _full(self, fill: Fill) -> str:
        """Return why it takes no more; empty if it does."""
        if fill.disk_broken:
            return "it could not write to its disk"
        limit = _ROOM_SHARE if self.health is Health.FULL else FULL_SHARE
        if fill.share >= limit:
            return f"{fill.share:.0%} of its memory is used"
        disk = fill.disk_used_bytes / self._disk_limit_bytes if self._disk_limit_bytes else 0.0
        return f"{disk:.0%} of its disk is used" if disk >= limit else ""

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
