"""Parks what a node brings back from an earlier membership: it may have been judged long ago, so nobody judges it unasked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Protocol

from dataflow_ring import keys
from dataflow_ring.connection import NodeConnection
from dataflow_ring.entry import Entry, Origin

_PAGE: Final = 16
_REASON: Final = "its node had left the ring with it, and came back"

# Two readers may look at the same time: only an empty stream is forgotten.
_FORGET: Final = b"""
if redis.call('XLEN', KEYS[2]) == 0 then redis.call('DEL', KEYS[2]) return redis.call('SREM', KEYS[1], KEYS[2]) end
return 0
"""


class Parker(Protocol):
    """What takes the entries: the pipeline."""

    async def committed(self, batch_ids: Sequence[bytes]) -> Collection[bytes]:
        """Return those of the batches that are in Postgres."""

    async def park(self, entry: Entry, reason: str) -> None:
        """Keep the batch in Postgres without judging it, then acknowledge the entry."""


async def park_returned(connection: NodeConnection, node: str, parker: Parker) -> int:
    """Park a page of each stream that was set aside; return how many entries were looked at.

    Args:
        connection: To the node.
        node: Its name.
        parker: Keeps them; what it has already is only deleted here.

    Raises:
        NodeUnreachableError, ReplyError: As `NodeConnection.call`; the rest is parked the next time.
    """
    looked_at = 0
    for stream in sorted(await connection.call(b"SMEMBERS", keys.RETURNED)):
        entries = await connection.call(b"XRANGE", stream, b"-", b"+", b"COUNT", _PAGE)
        if not entries:
            await connection.call(b"EVAL", _FORGET, b"2", keys.RETURNED, stream)
            continue
        looked_at += len(entries)
        found = [(entry_id, dict(zip(fields[::2], fields[1::2], strict=True))) for entry_id, fields in entries]
        known = set(await parker.committed([content.get(keys.FIELD_BATCH_ID, b"") for _, content in found]))
        done = []
        for entry_id, content in found:
            batch_id = content.get(keys.FIELD_BATCH_ID, b"")
            if batch_id in known:
                done.append(entry_id)
                continue
            entry = Entry(node, stream, entry_id, batch_id, content.get(keys.FIELD_BYTES, b""), Origin.RETURNED)
            await parker.park(entry, _REASON)
        if done:
            await connection.call(b"XDEL", stream, *done)
    return looked_at
