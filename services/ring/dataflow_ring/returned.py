"""Parks what a node brings back from an earlier membership: it may have been judged long ago, so nobody judges it unasked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Protocol

from dataflow_ring import keys
from dataflow_ring.connection import NodeConnection, ReplyError
from dataflow_ring.entry import Entry, Origin
from dataflow_ring.nodes import entry_milliseconds

_PAGE: Final = 16
_SLACK_SECONDS: Final = 2.0
"""The copies of a batch were added at about the same time, and the others' ages are about a second old."""
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


async def park_returned(
    connection: NodeConnection, node: str, parker: Parker, oldest_elsewhere_seconds: float = 0.0
) -> int:
    """Park a page of each stream that was set aside; return how many entries were parked or deleted.

    An entry whose other copy may still wait on another node is left for later: most likely it is judged there, and then
    only deleted here.

    Args:
        connection: To the node.
        node: Its name.
        parker: Keeps them; what it has already is only deleted here.
        oldest_elsewhere_seconds: Age of the oldest entry on all other nodes.

    Raises:
        NodeUnreachableError, ReplyError: As `NodeConnection.call`; the rest is parked the next time.
    """
    ended = 0
    streams, (seconds, microseconds) = await connection.pipeline([(b"SMEMBERS", keys.RETURNED), (b"TIME",)])
    if isinstance(streams, ReplyError):
        raise streams
    now_ms = int(seconds) * 1000 + int(microseconds) / 1000
    for stream in sorted(streams):
        entries = await connection.call(b"XRANGE", stream, b"-", b"+", b"COUNT", _PAGE)
        if not entries:
            await connection.call(b"EVAL", _FORGET, b"2", keys.RETURNED, stream)
            continue
        found = [(entry_id, dict(zip(fields[::2], fields[1::2], strict=True))) for entry_id, fields in entries]
        known = set(await parker.committed([content.get(keys.FIELD_BATCH_ID, b"") for _, content in found]))
        done = []
        for entry_id, content in found:
            batch_id = content.get(keys.FIELD_BATCH_ID, b"")
            if batch_id in known:
                done.append(entry_id)
                continue
            age = (now_ms - entry_milliseconds(entry_id)) / 1000
            if age <= oldest_elsewhere_seconds + _SLACK_SECONDS:
                continue
            entry = Entry(node, stream, entry_id, batch_id, content.get(keys.FIELD_BYTES, b""), Origin.RETURNED)
            await parker.park(entry, _REASON)
            ended += 1
        if done:
            await connection.call(b"XDEL", stream, *done)
            ended += len(done)
    return ended
