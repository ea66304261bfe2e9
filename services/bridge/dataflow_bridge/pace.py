"""Keeps the intake from running away from the validators, so that rows are fresh again soon after an overload.

A ring that only fills is an outage: it is there to be filled. A ring whose oldest batch is late although batches leave it,
and which grows all the same, takes in more than the validators can store, and every message would wait behind all that
came before it. Then batches wait here for their turn, the memory budget is spent, and sources are slowed as when the ring
is full (design §5), only earlier.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from dataflow_ring.append import Appender, NodeAppender, Placement

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
_SLOWER: Final = 0.9
_SLOWEST: Final = 0.3
"""At once; more comes with the next looks."""
_FASTER: Final = 1.1
_MUCH_FASTER: Final = 1.25
_STALLED_SECONDS: Final = 5.0
"""When nothing has left the ring for so long, it is an outage."""
_SHRINKS: Final = 0.02
"""By so much a second the backlog has to shrink while the oldest batch is older than the target."""
_SHRINKS_FAST: Final = 0.05
"""When it shrinks by so much a second, there is room for a higher limit."""
_LEAST_BYTES_PER_SECOND: Final = 16_384.0
"""So that no bridge is starved by the others."""
_FRESH_SHARE: Final = 0.25
"""The validators keep up when the oldest batch is younger than this share of the target."""


@dataclass(frozen=True, slots=True)
class Front:
    """The oldest first copy of a node."""

    entry_id: bytes
    age_seconds: float


@dataclass(frozen=True, slots=True)
class View:
    """The ring at one moment."""

    fronts: Mapping[str, Front]
    """By node; those that hold something."""
    backlog: int
    """First copies on all nodes."""


def view(nodes: Iterable[NodeAppender]) -> View:
    """Return what the last probes of the nodes saw."""
    fills = {node.node.name: node.fill for node in nodes if node.readable and node.fill is not None}
    return View(
        {
            name: Front(fill.oldest_batch_entry_id, fill.oldest_batch_age_seconds)
            for name, fill in fills.items()
            if fill.oldest_batch_age_seconds is not None
        },
        sum(fill.batches for fill in fills.values()),
    )


class Pace:
    """How many bytes a second may go to the ring: as many as come, unless the validators are behind and fall back further.

    Args:
        target_seconds: Age of the oldest batch up to which nobody is slowed; 0: nobody ever is.
        clock: Seconds that never go back; another one in tests.
    """

    def __init__(self, target_seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit_bytes_per_second: float | None = None
        self.target_seconds = target_seconds
        self._clock = clock
        self._before: tuple[float, View] | None = None
        self._passed_bytes = self._passed_batches = 0
        self._free_at = 0.0
        self._moved_at = clock()

    async def turn(self, size: int) -> None:
        """Return when a batch of this size may go to the ring; first come, first served."""
        limit = self.limit_bytes_per_second
        if limit is not None:
            now = self._clock()
            begin = max(now, self._free_at)
            self._free_at = begin + size / limit
            await asyncio.sleep(begin - now)
        self.passes(size)

    def passes(self, size: int) -> None:
        """Note that a batch of this size goes to the ring now."""
        self._passed_bytes += size
        self._passed_batches += 1

    async def watch(self, nodes: Callable[[], Iterable[NodeAppender]]) -> None:
        """Look for ever."""
        while self.target_seconds:
            await asyncio.sleep(LOOK_SECONDS)
            self.look(view(nodes()))

    def look(self, seen: View) -> None:
        """Set the limit by what became of the ring since the last look."""
        now = self._clock()
        before, self._before = self._before, (now, seen)
        passed_bytes, passed_batches = self._passed_bytes, self._passed_batches
        self._passed_bytes = self._passed_batches = 0
        if before is None or now <= before[0]:
            return
        seconds = now - before[0]
        # A node that stands still says nothing: it is frozen, or holds what waits for a locked table.
        moving = [
            front.age_seconds
            for name, front in seen.fronts.items()
            if (old := before[1].fronts.get(name)) is None or old.entry_id != front.entry_id
        ]
        if moving or not seen.fronts:
            self._moved_at = now
        age = max(moving, default=0.0)
        grown = (seen.backlog - before[1].backlog) / seconds
        passing = passed_bytes / seconds
        limit = self.limit_bytes_per_second
        if now - self._moved_at >= _STALLED_SECONDS:
            self._set(None, seen)
        elif self._moved_at == now and age < self.target_seconds * _FRESH_SHARE:
            # Lifted only when it holds nobody back: an overload that goes on would begin anew.
            self._set(None if limit is None or passing < limit / 2 else _MUCH_FASTER * limit, seen)
        elif age > self.target_seconds and passing and grown > (0 if limit is None else -_SHRINKS * seen.backlog):
            factor = _SLOWER if grown <= 0 else min(_SLOWER, max(_SLOWEST, 1 - grown * seconds / passed_batches))
            self._set(max(_LEAST_BYTES_PER_SECOND, factor * min(limit or passing, passing)), seen)
        elif limit is not None and grown < -_SHRINKS_FAST * seen.backlog:
            self._set(_FASTER * limit, seen)

    def _set(self, limit: float | None, seen: View) -> None:
        if (limit is None) != (self.limit_bytes_per_second is None):
            log = logger.info if limit is None else logger.warning
            log(
                "intake is no longer slowed" if limit is None else "validators are behind: intake is slowed",
                extra={"action": "bridge.pace", "backlog": seen.backlog},
            )
            self._free_at = 0.0
        self.limit_bytes_per_second = limit


class PacedAppender:
    """The ring as the batcher sees it: each batch waits for its turn, then for its nodes.

    Args:
        appender: The ring.
        pace: Whose turn it is.
    """

    def __init__(self, appender: Appender, pace: Pace) -> None:
        self._appender = appender
        self._pace = pace

    async def append(self, batch_id: bytes, data: bytes) -> Placement:
        """Put a batch on enough nodes, however long it takes."""
        await self._pace.turn(len(data))
        return await self._appender.append(batch_id, data)
