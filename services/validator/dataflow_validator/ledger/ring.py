"""Looks for batches on the ring's nodes: which sequences each of them holds, without taking anything from it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg
from dataflow_mesh.postgres import Pool
from dataflow_ring import keys
from dataflow_ring.connection import NodeConnection, NodeUnreachableError, ReplyError
from dataflow_ring.header import peek_header

from dataflow_validator.ledger.survey import BatchKey

_NODES: Final = "SELECT name, url, incarnation FROM bridge.node WHERE state <> 'REMOVED'"
_PAGE: Final = 100
"""A page is small: the node puts the bytes of all its entries into memory to show their ids."""
_FETCHED_AT_ONCE: Final = 16
_REMEMBERED: Final = 200_000
_NODE_SECONDS: Final = 3.0
_REPLY_SECONDS: Final = 1.0

# Ids without bytes: {entry id, batch id} of each entry of a page.
_PEEK: Final = b"""
local out = {}
for i, entry in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])) do
  local f, batch = entry[2], ''
  for j = 1, #f, 2 do if f[j] == 'batch_id' then batch = f[j + 1] end end
  out[i] = {entry[1], batch}
end
return out
"""


@dataclass(frozen=True, slots=True)
class RingLook:
    """What a look at all members found.

    Attributes:
        found: Those of the wanted batches that a node holds.
        unreachable: Members that did not answer, or hold more than could be looked at in time: whatever was not found
            may be there.
    """

    found: frozenset[BatchKey]
    unreachable: tuple[str, ...]


class RingLooker:
    """Looks, and remembers which sequence each batch id is: no batch is unpacked twice.

    Args:
        pool: For the membership.
        node_seconds: How long one look at one node may take; the next one goes on where it ended.
    """

    def __init__(self, pool: Pool, *, node_seconds: float = _NODE_SECONDS) -> None:
        self._pool = pool
        self._node_seconds = node_seconds
        self._known: OrderedDict[bytes, tuple[UUID, int]] = OrderedDict()

    async def look(self, wanted: Collection[BatchKey]) -> RingLook:
        """Looks for the batches on every member that is not REMOVED.

        Raises:
            asyncpg.PostgresError, OSError: The membership cannot be read.
        """
        left = {(key.boot_id, key.sequence): key for key in wanted}
        try:
            nodes = await self._pool.fetch(_NODES)
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
            nodes = []  # no bridge has started yet
        found: set[BatchKey] = set()
        complete = await asyncio.gather(
            *(self._look_at(node["url"], node["incarnation"], left, found) for node in nodes)
        )
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        unreachable = [node["name"] for node, whole in zip(nodes, complete, strict=True) if not whole]
        return RingLook(frozenset(found), tuple(sorted(unreachable)))

    async def _look_at(
        self, url: str, incarnation: str, left: dict[tuple[UUID, int], BatchKey], found: set[BatchKey]
    ) -> bool:
        """Returns whether all that the node holds was looked at, or nothing more is looked for."""
        try:
            async with (
                asyncio.timeout(self._node_seconds),
                NodeConnection(url, incarnation=incarnation, timeout_seconds=_REPLY_SECONDS) as node,
            ):
                # What a node brought back counts as well, until a validator has parked it.
                returned = sorted(await node.call(b"SMEMBERS", keys.RETURNED))
                for stream in (keys.BATCHES, keys.COPIES, *returned):
                    async for batch_ids in self._pages(node, stream):
                        for identity in filter(None, map(self._known.get, batch_ids)):
                            if (key := left.get(identity)) is not None:
                                found.add(key)
                        if len(found) == len(left):
                            return True
        except (NodeUnreachableError, ReplyError, TimeoutError):
            return False
        return True

    async def _pages(self, node: NodeConnection, stream: bytes) -> AsyncIterator[list[bytes]]:
        """Yields the batch ids of a stream, page by page, each of them known by then."""
        start = b"-"
        while page := await node.call(b"EVAL", _PEEK, b"1", stream, start, _PAGE):
            # Also those of which another node has a copy that cannot be read.
            unknown = [entry_id for entry_id, batch_id in page if self._known.get(batch_id) is None]
            for at in range(0, len(unknown), _FETCHED_AT_ONCE):
                await self._learn(node, stream, unknown[at : at + _FETCHED_AT_ONCE])
            yield [batch_id for _, batch_id in page]
            start = b"(" + page[-1][0]

    async def _learn(self, node: NodeConnection, stream: bytes, entry_ids: Sequence[bytes]) -> None:
        replies = await node.pipeline([(b"XRANGE", stream, entry_id, entry_id) for entry_id in entry_ids])
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise reply
            for _, fields in reply:
                content = dict(zip(fields[::2], fields[1::2], strict=True))
                header = peek_header(content.get(keys.FIELD_BYTES, b""))
                identity = None if header is None else (UUID(bytes=header.boot_id), header.sequence)
                batch_id = content.get(keys.FIELD_BATCH_ID, b"")
                if identity is not None:
                    self._known[batch_id] = identity
