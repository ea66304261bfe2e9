"""Keeps every batch on enough nodes after one is lost: compares the nodes whenever that may have changed, and copies.

The leader does it. While Postgres is away nobody can lead, so then the bridge that holds a short claim on a ring node
does: the claim only saves work, since copies of two bridges do no harm.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from dataflow_ring import keys
from dataflow_ring.append import Appender, NodeAppender
from dataflow_ring.connection import NodeConnection, NodeUnreachableError, ReplyError
from dataflow_ring.nodes import State
from dataflow_ring.recopy import Target, copy_missing, find_missing

logger = logging.getLogger(__name__)

_CLAIM_MILLISECONDS: Final = 5_000
_ANSWER_SECONDS: Final = 3.0
_HEARSAY_SECONDS: Final = 4.0
"""After so long, what another bridge says takes into account what this one has seen."""

# Takes the claim where it is free or ours; answers with who has it and what that one found.
_CLAIM: Final = b"""
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, #ARGV[1] + 1) == ARGV[1] .. '|' then
  held = ARGV[1] .. '|' .. ARGV[2]
  redis.call('SET', KEYS[1], held, 'PX', ARGV[3])
end
return held
"""

View = frozenset[tuple[str, str]]
"""Names and incarnations of the nodes that can be read."""


@dataclass(frozen=True, slots=True)
class RecopyOptions:
    """When nodes are compared."""

    look_seconds: float = 0.25
    grace_seconds: float = 2.0
    """How long a node must be away or back; a pause of a moment moves nothing."""
    min_age_seconds: float = 1.0
    """Younger entries are on their way."""
    settle_seconds: float = 1.0
    """How long a batch on too few nodes is left alone before it is copied: most likely it was just stored."""
    again_seconds: float = 3.0
    """When batches that found no room are tried again."""
    away_again_seconds: float = 15.0
    """How often nodes are compared while one is away."""


class Recopier:
    """Compares and copies while this bridge is in charge.

    Args:
        appender: Knows the nodes, and how they are.
        holder: This life of the bridge.
        leads: Whether this bridge leads.
        alone: Whether nobody can lead, because Postgres is away.
        options: When nodes are compared.
    """

    def __init__(
        self,
        appender: Appender,
        holder: str,
        leads: Callable[[], bool],
        alone: Callable[[], bool],
        options: RecopyOptions | None = None,
    ) -> None:
        self.copied = 0
        """Copies made in this process."""
        self._appender = appender
        self._holder = holder
        self._leads = leads
        self._alone = alone
        self._options = options or RecopyOptions()
        self._compared: View | None = None
        self._compared_at = 0.0
        self._left = 0
        self._changed_at: float | None = None
        self._lost_depth: dict[tuple[str, str], int] = {}
        self._heard: int | None = None
        self._seen: View = frozenset()
        self._seen_at = 0.0
        self._claim_at = 0.0
        self._claimed = False

    @property
    def under_replicated(self) -> int | None:
        """Batches on too few nodes; all that lost nodes held until the others are compared. None: nobody knows."""
        if not self._leads() and not (self._alone() and self._claimed):
            return self._heard if self._alone() and self.settled else None
        if self._compared is None:
            return None
        lost = self._compared - self._view()
        return self._left + sum(self._lost_depth.get(node, 0) for node in lost)

    @property
    def settled(self) -> bool:
        """Whether this bridge has seen the same nodes for a while: what others found before that counts no more."""
        return self._view() == self._seen and time.monotonic() - self._seen_at > _HEARSAY_SECONDS

    async def run(self) -> None:
        """Look for ever whether something has to be compared."""
        while True:
            await asyncio.sleep(self._options.look_seconds)
            self._remember_depths()
            if (view := self._view()) != self._seen:
                self._seen, self._seen_at = view, time.monotonic()
            if not await self._in_charge():
                self._compared = None
                continue
            if self._is_due():
                try:
                    await self._compare()
                except (NodeUnreachableError, ReplyError) as error:
                    logger.info(
                        "nodes not compared", extra={"action": "ring.recopy_failed", "detail": str(error)[:200]}
                    )

    def _view(self) -> View:
        return frozenset((a.node.name, a.node.incarnation) for a in self._appender.nodes if a.readable)

    def _remember_depths(self) -> None:
        """What a node held is known only while it answers."""
        seen = {
            (a.node.name, a.node.incarnation): a.fill.batches + a.fill.copies
            for a in self._appender.nodes
            if a.fill is not None and a.readable
        }
        compared = self._compared or frozenset()
        self._lost_depth = {node: depth for node, depth in self._lost_depth.items() if node in compared} | seen

    def _is_due(self) -> bool:
        now = time.monotonic()
        options = self._options
        if self._view() != self._compared:
            self._changed_at = self._changed_at or now
            return now - self._changed_at >= options.grace_seconds
        self._changed_at = None
        since = now - self._compared_at
        if self._left:
            return since >= options.again_seconds
        away = any(not a.writable for a in self._appender.nodes if a.node.state is State.ACTIVE)
        return away and since >= options.away_again_seconds

    async def _compare(self) -> None:
        """Compare all nodes that can be read, and copy what is on too few of them."""
        nodes = [a for a in self._appender.nodes if a.readable]
        view = self._view()
        began = time.monotonic()
        wanted = self._appender.wanted_copies()
        left = copied = 0
        async with AsyncExitStack() as stack:
            connections = {a.node.name: await stack.enter_async_context(_connection(a)) for a in nodes}
            zones = {a.node.name: a.node.zone for a in self._appender.nodes}
            async for missing in find_missing(
                connections, wanted=wanted, min_age_seconds=self._options.min_age_seconds
            ):
                if not missing:
                    continue
                await asyncio.sleep(self._options.settle_seconds)
                targets = [Target(a.node, connections[a.node.name]) for a in nodes if a.writable]
                remain = await copy_missing(missing, connections, targets, zones, wanted=wanted)
                left += remain
                copied += len(missing) - remain
        self._compared, self._compared_at, self._left, self._changed_at = view, time.monotonic(), left, None
        self.copied += copied
        logger.log(
            logging.WARNING if left else logging.INFO,
            "ring nodes compared",
            extra={
                "action": "ring.compared",
                "copied": copied,
                "under_replicated": left,
                "nodes": len(nodes),
                "seconds": round(time.monotonic() - began, 3),
            },
        )

    async def _in_charge(self) -> bool:
        """Whether comparing is this bridge's work now; a leader claims too, for bridges that only lost sight of Postgres."""
        leads = self._leads()
        if not leads and not self._alone():
            self._claimed = False
            return False
        now = time.monotonic()
        if now - self._claim_at >= _CLAIM_MILLISECONDS / 4000:
            self._claim_at = now
            self._claimed = await self._claim()
        return leads or self._claimed

    async def _claim(self) -> bool:
        for appender in self._appender.nodes:
            if appender.node.state is not State.ACTIVE or not appender.readable:
                continue
            under = self.under_replicated
            try:
                async with _connection(appender) as connection:
                    held = await connection.call(
                        b"EVAL", _CLAIM, b"1", keys.RECOPIER, self._holder, "" if under is None else under,
                        _CLAIM_MILLISECONDS,
                    )  # fmt: skip
            except NodeUnreachableError:
                continue
            except ReplyError:  # full: then several bridges may do the same work
                return True
            holder, _, heard = held.decode(errors="replace").rpartition("|")
            self._heard = int(heard) if heard.isdecimal() else None
            return bool(holder == self._holder)
        return False


def _connection(appender: NodeAppender) -> NodeConnection:
    node = appender.node
    return NodeConnection(node.url, incarnation=node.incarnation, durable=True, timeout_seconds=_ANSWER_SECONDS)
