"""Reads batches from one ring node: new ones, those whose reader died, and copies whose first copy is gone.

Nothing here decides whether a batch is stored: that is the unique batch id in Postgres. So an entry may be handed out
twice (after a failover, or by two validators) and the second time is a no-op.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

from dataflow_ring import keys
from dataflow_ring.connection import NodeConnection, NodeUnreachableError, Reply, ReplyError
from dataflow_ring.entry import Entry, Origin
from dataflow_ring.nodes import Fill, Node, entry_milliseconds, examine_fill
from dataflow_ring.returned import park_returned

logger = logging.getLogger(__name__)


__all__ = ["Entry", "NodeReader", "Origin", "ReaderOptions", "Sink"]


class Sink(Protocol):
    """What takes the entries: the pipeline."""

    async def put(self, entry: Entry) -> None:
        """Take an entry; waits while there is no room."""

    def holds(self, batch_id: bytes) -> bool:
        """Whether this process works on the batch now."""

    async def ready(self) -> None:
        """Return when entries can be stored; while Postgres is away nobody reads or claims."""

    async def committed(self, batch_ids: Sequence[bytes]) -> Collection[bytes]:
        """Return those of the batches that are in Postgres."""

    async def park(self, entry: Entry, reason: str) -> None:
        """Keep the batch in Postgres without judging it, then acknowledge the entry."""


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """How a reader behaves."""

    consumer: str
    """Name in the group, the same after a restart."""
    read_count: int = 16
    """Entries in one read."""
    block_seconds: float = 1.0
    """How long a read waits for the first entry."""
    claim_idle_seconds: float = 1.5
    """An entry whose reader did nothing about it for so long is claimed; readers at work say so three times as often.

    One that was only slow loses nothing by it: whose transaction commits first stored the batch, the other is a no-op.
    """
    claim_every_seconds: float = 0.4
    copies_every_seconds: float = 0.5
    copies_count: int = 64
    returned_every_seconds: float = 2.0
    grace_seconds: float = 2.0
    """How long a first copy may be unreachable before a further copy is decoded."""
    timeout_seconds: float = 1.0


_PAGES_BEHIND: Final = 4
"""Pages of copies that wait, which one sweep looks at behind the first one."""

_GHOSTS_PAGE: Final = 100

# Whether an entry is there, without its bytes.
_EXISTS: Final = b"return #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])"

# Ids of the oldest copies without their bytes: {entry id, batch id, primary} for each.
_PEEK: Final = b"""
local out = {}
for i, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])) do
  local f = entry[2]
  local batch, primary = '', ''
  for j = 1, #f, 2 do
    if f[j] == 'batch_id' then batch = f[j + 1] elseif f[j] == 'primary' then primary = f[j + 1] end
  end
  out[i] = {entry[1], batch, primary}
end
return out
"""


class NodeReader:
    """One node as a validator sees it."""

    def __init__(self, node: Node, sink: Sink, options: ReaderOptions) -> None:
        self.node = node
        self._sink = sink
        self._options = options
        timeout = options.timeout_seconds
        self._reads = NodeConnection(node.url, incarnation=node.incarnation, timeout_seconds=timeout)
        self._acks = NodeConnection(node.url, incarnation=node.incarnation, timeout_seconds=timeout)
        self._looks = NodeConnection(node.url, incarnation=node.incarnation, timeout_seconds=timeout)
        self._working: dict[tuple[bytes, bytes], float] = {}
        self._unreachable_since: float | None = time.monotonic()
        self.detail = "not reached yet"
        self._copies_from: bytes | None = None
        self.fill: Fill | None = None
        """How full the node was a second ago; None before it was reached."""

    @property
    def unreachable_seconds(self) -> float:
        """How long the node has not answered; 0 while it does."""
        since = self._unreachable_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def oldest_age_seconds(self) -> float:
        """Age of the node's oldest entry: 0 if it has none or is gone, infinite where that is not known yet."""
        if self.unreachable_seconds > self._options.grace_seconds:
            return 0.0
        return float("inf") if self.fill is None else self.fill.oldest_age_seconds or 0.0

    async def run(
        self, peers: Callable[[str], NodeReader | None], everybody: Callable[[], Iterable[NodeReader]] = tuple
    ) -> None:
        """Read for ever: first what an earlier life of this reader left, then new entries, claims and copies.

        Args:
            peers: Gives the reader of another node by name; tells whether a first copy is reachable.
            everybody: Gives the readers of all nodes.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._forever(self._read_new), name=f"read-{self.node.name}")
            group.create_task(self._forever(self._claim), name=f"claim-{self.node.name}")
            group.create_task(self._forever(self._refresh, always=True), name=f"refresh-{self.node.name}")
            group.create_task(self._forever(lambda: self._sweep_copies(peers)), name=f"copies-{self.node.name}")
            group.create_task(self._forever(lambda: self._sweep_returned(everybody)), name=f"returned-{self.node.name}")

    async def close(self) -> None:
        """Close all connections."""
        for connection in (self._reads, self._acks, self._looks):
            await connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Forget entries that are committed: XACK, then XDEL, plain and pipelined (MULTI is refused by a full node).

        A node that does not answer keeps them; they come back later and are no-ops then.
        """
        by_stream: dict[bytes, list[bytes]] = {}
        for entry in entries:
            by_stream.setdefault(entry.stream, []).append(entry.entry_id)
        commands: list[Sequence[bytes]] = []
        if batches := by_stream.get(keys.BATCHES):
            commands.append((b"XACK", keys.BATCHES, keys.GROUP, *batches))
        commands += [(b"XDEL", stream, *entry_ids) for stream, entry_ids in by_stream.items()]
        try:
            await self._acks.pipeline(commands)
        except NodeUnreachableError as error:
            self._failed(error)
        finally:
            for entry in entries:
                self._working.pop((entry.stream, entry.entry_id), None)

    def release(self, entries: Sequence[Entry]) -> None:
        """Stop working on entries without acknowledging them: they stay pending and come back as suspects."""
        for entry in entries:
            self._working.pop((entry.stream, entry.entry_id), None)

    async def _forever(self, step: Callable[[], Awaitable[None]], *, always: bool = False) -> None:
        delay = 0.05
        while True:
            try:
                if not always:
                    await self._sink.ready()
                await step()
                self._unreachable_since = None
                delay = 0.05
            except (NodeUnreachableError, ReplyError) as error:
                self._failed(error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)

    def _failed(self, error: Exception) -> None:
        if self._unreachable_since is None:
            self._unreachable_since = time.monotonic()
            logger.warning(
                "ring node unreachable",
                extra={"action": "ring.unreachable", "node": self.node.name, "detail": str(error)},
            )
        self.detail = str(error)

    async def _read_new(self) -> None:
        was_closed = not self._reads.is_open
        options = self._options
        if was_closed:
            await self._read_own_pending()
        reply = await self._reads.call(
            b"XREADGROUP", b"GROUP", keys.GROUP, options.consumer, b"COUNT", options.read_count,
            b"BLOCK", int(options.block_seconds * 1000), b"STREAMS", keys.BATCHES, b">",
            timeout_seconds=options.block_seconds + options.timeout_seconds,
        )  # fmt: skip
        if reply:
            await self._hand_out(reply[0][1], Origin.NEW)

    async def _read_own_pending(self) -> None:
        """Hand out what this consumer was given and never acknowledged: by an earlier life, or while cut off."""
        start = b"0"
        while True:
            reply = await self._reads.call(
                b"XREADGROUP", b"GROUP", keys.GROUP, self._options.consumer, b"COUNT", self._options.read_count,
                b"STREAMS", keys.BATCHES, start,
            )  # fmt: skip
            entries = reply[0][1] if reply else []
            if not entries:
                return
            start = entries[-1][0]
            await self._hand_out(entries, Origin.SUSPECT)

    async def _refresh(self) -> None:
        """Tell the node that ours are being worked on, also while there is no room for more, or no Postgres.

        Who does not say so is taken for dead, and a batch that several readers seem to die over is parked.
        """
        self.fill = await examine_fill(self._looks)
        now = time.monotonic()
        refresh = min(1.0, self._options.claim_idle_seconds / 3)
        old = [
            entry_id
            for (stream, entry_id), since in self._working.items()
            if stream == keys.BATCHES and now - since > refresh
        ]
        if old:
            await self._looks.call(b"XCLAIM", keys.BATCHES, keys.GROUP, self._options.consumer, b"0", *old, b"JUSTID")
        await asyncio.sleep(refresh)

    async def _claim(self) -> None:
        """Claim entries of dead readers."""
        start = b"0-0"
        while True:
            reply = await self._looks.call(
                b"XAUTOCLAIM", keys.BATCHES, keys.GROUP, self._options.consumer,
                int(self._options.claim_idle_seconds * 1000), start, b"COUNT", self._options.read_count,
            )  # fmt: skip
            # Redis 6.2 answers [cursor, entries] with nil for deleted entries, 7.0 adds the ids of deleted ones.
            start, entries = reply[0], reply[1]
            await self._hand_out(entries, Origin.SUSPECT)
            if None in entries:
                await self._forget_ghosts()
            if start == b"0-0":
                break
        await asyncio.sleep(self._options.claim_every_seconds)

    async def _forget_ghosts(self) -> None:
        """Acknowledge what is pending for us, but deleted: Redis 6.2 claims such entries without telling their ids."""
        start = b"-"
        while pending := await self._looks.call(
            b"XPENDING", keys.BATCHES, keys.GROUP, start, b"+", _GHOSTS_PAGE, self._options.consumer
        ):
            idle = [entry_id for entry_id, *_ in pending if (keys.BATCHES, entry_id) not in self._working]
            found = await self._looks.pipeline(
                [(b"EVAL", _EXISTS, b"1", keys.BATCHES, entry_id) for entry_id in idle] or [(b"PING",)]
            )
            ghosts = [entry_id for entry_id, exists in zip(idle, found, strict=False) if exists == 0]
            if ghosts:
                await self._looks.call(b"XACK", keys.BATCHES, keys.GROUP, *ghosts)
            start = b"(" + pending[-1][0]

    async def _sweep_returned(self, everybody: Callable[[], Iterable[NodeReader]]) -> None:
        """Park what the node brought back; at once again while there is more."""
        elsewhere = max((reader.oldest_age_seconds for reader in everybody() if reader is not self), default=0.0)
        if not await park_returned(self._looks, self.node.name, self._sink, elsewhere):
            await asyncio.sleep(self._options.returned_every_seconds)

    async def _hand_out(self, entries: Sequence[Reply], origin: Origin) -> None:
        ghosts: list[bytes] = []
        for item in entries:
            if item is None:  # Redis 6.2: claimed, but deleted; see _forget_ghosts
                continue
            entry_id, fields = item
            if fields is None:  # pending, but deleted: acknowledge, so that it does not come back for ever
                ghosts.append(entry_id)
                continue
            if (keys.BATCHES, entry_id) in self._working:
                continue
            content = dict(zip(fields[::2], fields[1::2], strict=True))
            batch_id = content.get(keys.FIELD_BATCH_ID, b"")
            self._working[keys.BATCHES, entry_id] = time.monotonic()
            await self._sink.put(
                Entry(self.node.name, keys.BATCHES, entry_id, batch_id, content.get(keys.FIELD_BYTES, b""), origin)
            )
        if ghosts:
            await self._acks.call(b"XACK", keys.BATCHES, keys.GROUP, *ghosts)

    async def _sweep_copies(self, peers: Callable[[str], NodeReader | None]) -> None:
        """Discard copies of committed batches; hand out those whose first copy is gone."""
        start = b"-"
        waits = 0
        while peeked := await self._looks.call(b"EVAL", _PEEK, b"1", keys.COPIES, start, self._options.copies_count):
            batch_ids = [batch_id for _, batch_id, _ in peeked]
            committed = set(await self._sink.committed(batch_ids))
            done = [entry_id for entry_id, batch_id, _ in peeked if batch_id in committed]
            if done:
                await self._looks.call(b"XDEL", keys.COPIES, *done)
            waiting = [item for item in peeked if item[1] not in committed]
            orphans = await self._orphans(waiting, peers)
            for entry_id in orphans:
                await self._hand_out_copy(entry_id)
            start = b"(" + peeked[-1][0]
            if waiting and not orphans:
                # What waits at the head (for a stopped lane, say) must not hide what comes behind it: each sweep looks
                # at some of that, too, going on where the one before ended.
                if waits == 0 and self._copies_from is not None:
                    start = self._copies_from
                waits += 1
                if waits > _PAGES_BEHIND:
                    self._copies_from = start
                    break
        else:
            self._copies_from = None
        await asyncio.sleep(self._options.copies_every_seconds)

    async def _orphans(self, waiting: Sequence[Reply], peers: Callable[[str], NodeReader | None]) -> list[bytes]:
        """Return the entry ids of copies older than grace whose primary is away, or holds nothing so old."""
        if not waiting:
            return []
        seconds, microseconds = await self._looks.call(b"TIME")
        now_ms = int(seconds) * 1000 + int(microseconds) / 1000
        grace = self._options.grace_seconds
        oldest_by_primary: dict[bytes, float | None] = {}
        orphans: list[bytes] = []
        for entry_id, batch_id, primary in waiting:
            age = (now_ms - entry_milliseconds(entry_id)) / 1000
            if age <= grace or (keys.COPIES, entry_id) in self._working or self._sink.holds(batch_id):
                continue
            if primary not in oldest_by_primary:
                oldest_by_primary[primary] = await self._oldest_first_copy(peers(primary.decode()), grace)
            oldest = oldest_by_primary[primary]
            # A second of slack: the two copies were added at about the same time, each by its own node's clock.
            if oldest is not None and oldest + 1.0 < age:
                orphans.append(entry_id)
        return orphans

    @staticmethod
    async def _oldest_first_copy(reader: NodeReader | None, grace: float) -> float | None:
        """Return the age of the oldest first copy on a node in seconds, -1 if there can be none; None to wait."""
        if reader is None or reader.unreachable_seconds > grace:
            return -1.0
        try:
            oldest, (seconds, microseconds) = await reader._looks.pipeline(  # noqa: SLF001 - same class
                [(b"XRANGE", keys.BATCHES, b"-", b"+", b"COUNT", b"1"), (b"TIME",)]
            )
        except NodeUnreachableError as error:
            reader._failed(error)  # noqa: SLF001 - same class
            return None
        if isinstance(oldest, ReplyError) or not oldest:
            return -1.0
        return (int(seconds) * 1000 + int(microseconds) / 1000 - entry_milliseconds(oldest[0][0])) / 1000

    async def _hand_out_copy(self, entry_id: bytes) -> None:
        reply = await self._looks.call(b"XRANGE", keys.COPIES, entry_id, entry_id)
        if not reply:
            return
        fields = reply[0][1]
        content = dict(zip(fields[::2], fields[1::2], strict=True))
        self._working[keys.COPIES, entry_id] = time.monotonic()
        await self._sink.put(
            Entry(
                self.node.name,
                keys.COPIES,
                entry_id,
                content.get(keys.FIELD_BATCH_ID, b""),
                content.get(keys.FIELD_BYTES, b""),
                Origin.ORPHAN,
            )
        )
