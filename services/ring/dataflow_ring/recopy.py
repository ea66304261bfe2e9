"""Finds batches that are on fewer nodes than they should be, and copies them to others.

Only ids travel while nodes are compared, page by page; how many ids are held at a time is bounded. Copying takes nothing
away and the batch id stays the same, so that it does no harm if two processes do it at the same time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dataflow_ring import keys
from dataflow_ring.connection import NodeConnection, NodeFullError, NodeUnreachableError, ReplyError
from dataflow_ring.nodes import Node

MAX_IDS: Final = 100_000
"""Batch ids that are held at a time; a ring with more is gone through several times."""
_PAGE: Final = 32
_IN_FLIGHT: Final = 8
"""Entries, of a megabyte at most, that are on their way from node to node."""
_STREAMS: Final = (keys.BATCHES, keys.COPIES)

# {last id, entry id, batch id, entry id, batch id, ...} of the entries of one part that are old enough; no bytes.
_LOOK: Final = b"""
local parts, part, before = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local out = {''}
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])) do
  local f = entry[2]
  out[1] = entry[1]
  for j = 1, #f, 2 do
    if f[j] == 'batch_id' then
      local id = f[j + 1]
      if #id == 16 and string.byte(id, 16) % parts == part and tonumber(string.match(entry[1], '^%d+')) < before then
        out[#out + 1] = entry[1]
        out[#out + 1] = id
      end
      break
    end
  end
end
return out
"""


@dataclass(frozen=True, slots=True)
class Missing:
    """A batch that is on too few nodes."""

    holders: tuple[str, ...]
    """The nodes that have it."""
    stream: bytes
    """Where it is on the first of them."""
    entry_id: bytes


async def find_missing(
    nodes: Mapping[str, NodeConnection], *, wanted: int, min_age_seconds: float, max_ids: int = MAX_IDS
) -> AsyncIterator[list[Missing]]:
    """Yield batches that are on fewer than `wanted` of the nodes, part by part.

    A batch that was just stored may be among them: its first copy is gone a moment before its further copies.

    Args:
        nodes: All that can be read, by name.
        wanted: On how many a batch should be.
        min_age_seconds: Younger entries are left alone by the clock of their node: their batch is on its way.
        max_ids: About how many ids are held at a time.

    Raises:
        NodeUnreachableError, ReplyError: As `NodeConnection.call`.
    """
    total = 0
    before: dict[str, int] = {}
    for name, connection in nodes.items():
        batches, copies, (seconds, microseconds) = await connection.pipeline(
            [(b"XLEN", keys.BATCHES), (b"XLEN", keys.COPIES), (b"TIME",)]
        )
        for reply in (batches, copies):
            if isinstance(reply, ReplyError):
                raise reply
        total += batches + copies
        before[name] = int((int(seconds) + int(microseconds) / 1e6 - min_age_seconds) * 1000)
    parts = min(256, 1 + total // max_ids)
    names = list(nodes)
    for part in range(parts if total else 0):
        # A batch on enough nodes needs no place any more, only a number: the bits of its holders.
        found: dict[bytes, int | tuple[int, bytes, bytes]] = {}
        for index, name in enumerate(names):
            for stream in _STREAMS:
                async for entry_id, batch_id in _ids(nodes[name], stream, parts, part, before[name]):
                    known = found.get(batch_id)
                    bits = (known if isinstance(known, int) else known[0] if known else 0) | 1 << index
                    if bits.bit_count() >= wanted:
                        found[batch_id] = bits
                    elif known is None:
                        found[batch_id] = (bits, stream, entry_id)
                    elif not isinstance(known, int):
                        found[batch_id] = (bits, known[1], known[2])
        missing = [
            Missing(tuple(name for index, name in enumerate(names) if place[0] >> index & 1), place[1], place[2])
            for place in found.values()
            if not isinstance(place, int)
        ]
        found.clear()
        yield missing


async def _ids(
    connection: NodeConnection, stream: bytes, parts: int, part: int, before: int
) -> AsyncIterator[tuple[bytes, bytes]]:
    start = b"-"
    while True:
        last, *rest = await connection.call(b"EVAL", _LOOK, b"1", stream, start, _PAGE, parts, part, before)
        for position in range(0, len(rest), 2):
            yield rest[position], rest[position + 1]
        if not last or int(last.split(b"-")[0]) >= before:
            return
        start = b"(" + last


@dataclass(slots=True)
class Target:
    """A node that takes copies."""

    node: Node
    connection: NodeConnection
    taken: int = 0


async def copy_missing(
    missing: Sequence[Missing],
    sources: Mapping[str, NodeConnection],
    targets: Sequence[Target],
    zones: Mapping[str, str],
    *,
    wanted: int = 2,
) -> int:
    """Copy each batch to one more node, and return how many are still on too few.

    Args:
        missing: What to copy. What is no longer where it was is stored by now, and counts as done.
        sources: Nodes that can be read, by name.
        targets: Nodes that take batches; one that fails is not asked again.
        zones: Of all nodes, by name; a zone that has the batch already comes last.
        wanted: On how many nodes each should be.

    Raises:
        NodeUnreachableError, ReplyError: A source failed.
    """
    left = 0
    able = list(targets)
    for begin in range(0, len(missing), _IN_FLIGHT):
        items = missing[begin : begin + _IN_FLIGHT]
        copied = await asyncio.gather(*(_copy(item, sources, able, zones) for item in items))
        left += sum(1 for item, done in zip(items, copied, strict=True) if not done or len(item.holders) + 1 < wanted)
    return left


async def _copy(
    item: Missing, sources: Mapping[str, NodeConnection], able: list[Target], zones: Mapping[str, str]
) -> bool:
    reply = await sources[item.holders[0]].call(b"XRANGE", item.stream, item.entry_id, item.entry_id)
    if not reply:
        return True
    content = dict(zip(reply[0][1][::2], reply[0][1][1::2], strict=True))
    taken = {zones.get(name, "") for name in item.holders} - {""}
    while True:
        fit = [target for target in able if target.node.name not in item.holders]
        if not fit:
            return False
        target = min(fit, key=lambda candidate: (candidate.node.zone in taken, candidate.taken))
        target.taken += 1
        try:
            added = await target.connection.call(
                b"XADD", keys.COPIES, b"NOMKSTREAM", b"*",
                keys.FIELD_BATCH_ID, content[keys.FIELD_BATCH_ID],
                keys.FIELD_PRIMARY, content.get(keys.FIELD_PRIMARY, b""),
                keys.FIELD_COPY, len(item.holders) + 1, keys.FIELD_BYTES, content.get(keys.FIELD_BYTES, b""),
            )  # fmt: skip
        except (NodeUnreachableError, NodeFullError):
            added = None
        if added is not None:
            return True
        if target in able:
            able.remove(target)
