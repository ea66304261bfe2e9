"""Changes what a node is, each by one script: it compares incarnation and epoch on the node, and does all or nothing.

The epoch grows with every change of the membership. Whoever was frozen between its decision and its script finds a
higher one on the node, and does nothing. Batches are never deleted here: those that a change would strand are set aside,
under names that no bridge appends to, and validators park them once the node is a member again.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from dataflow_ring import keys
from dataflow_ring.connection import NodeConnection, Reply

_KEYS: Final = (keys.BATCHES, keys.COPIES, keys.INCARNATION, keys.EPOCH, keys.RETURNED)

# Common to all scripts: what the streams hold, and how they are set aside. Nothing is written before all is compared.
_COMMON: Final = b"""
local batches, copies = redis.call('XLEN', KEYS[1]), redis.call('XLEN', KEYS[2])
local waiting = 0
for _, name in ipairs(redis.call('SMEMBERS', KEYS[5])) do waiting = waiting + redis.call('XLEN', name) end
local found = redis.call('GET', KEYS[3]) or ''
if found ~= ARGV[1] then return {'INCARNATION', batches, copies, waiting, found} end
local epoch = redis.call('GET', KEYS[4]) or '0'
if tonumber(epoch) > tonumber(ARGV[2]) then return {'FENCED', batches, copies, waiting, epoch} end
local function leave(key, length, ending)
  if length > 0 then
    local name = KEYS[5] .. ':' .. ARGV[2] .. ':' .. redis.call('TIME')[1] .. ':' .. ending
    redis.call('RENAME', key, name)
    redis.call('SADD', KEYS[5], name)
  else
    redis.call('DEL', key)
  end
end
"""

_ADMIT: Final = (
    _COMMON
    + b"""
leave(KEYS[1], batches, 'batches')
leave(KEYS[2], copies, 'copies')
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[4], '0', 'MKSTREAM')
redis.call('XGROUP', 'CREATE', KEYS[2], ARGV[4], '0', 'MKSTREAM')
redis.call('SET', KEYS[3], ARGV[3])
redis.call('SET', KEYS[4], ARGV[2])
return {'DONE', batches, copies, waiting, ''}
"""
)

_REMOVE: Final = (
    _COMMON
    + b"""
if batches + copies + waiting > 0 and ARGV[3] ~= 'force' then return {'HOLDS', batches, copies, waiting, ''} end
leave(KEYS[1], batches, 'batches')
leave(KEYS[2], copies, 'copies')
redis.call('SET', KEYS[4], ARGV[2])
return {'DONE', batches, copies, waiting, ''}
"""
)

_FENCE: Final = (
    _COMMON
    + b"""
if redis.call('EXISTS', KEYS[1], KEYS[2]) < 2 then return {'LOST', batches, copies, waiting, ''} end
redis.call('SET', KEYS[4], ARGV[2])
return {'DONE', batches, copies, waiting, ''}
"""
)


class Outcome(enum.StrEnum):
    """What a script did."""

    DONE = "DONE"
    HOLDS = "HOLDS"
    """Nothing: the node holds batches."""
    LOST = "LOST"
    """Nothing: the node has no streams."""
    INCARNATION = "INCARNATION"
    """Nothing: it is not the node that was meant."""
    FENCED = "FENCED"
    """Nothing: somebody changed the node after the caller had decided."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a script did, and what the node held before."""

    outcome: Outcome
    batches: int
    copies: int
    waiting: int
    """Entries of an earlier membership that are not parked yet."""
    found: str
    """The incarnation, or the epoch, that stood in the way."""


async def admit(connection: NodeConnection, *, found: str, incarnation: str, epoch: int) -> Verdict:
    """Make streams and group and write the new incarnation; what the streams held is set aside.

    Args:
        connection: To the node.
        found: The incarnation that was examined; empty if it had none.
        incarnation: The new one.
        epoch: Of the membership, in which the caller decided this.

    Raises:
        NodeUnreachableError, ReplyError: As `NodeConnection.call`; it may or may not have happened.
    """
    return await _run(connection, _ADMIT, found, epoch, incarnation, keys.GROUP)


async def remove(connection: NodeConnection, *, incarnation: str, epoch: int, force: bool) -> Verdict:
    """Take the streams away, so that late appends fail; only if they are empty, or by force: then they are set aside.

    Raises:
        NodeUnreachableError, ReplyError: As `NodeConnection.call`; it may or may not have happened.
    """
    return await _run(connection, _REMOVE, incarnation, epoch, b"force" if force else b"")


async def fence(connection: NodeConnection, *, incarnation: str, epoch: int) -> Verdict:
    """Write the epoch, so that a change that was decided before comes too late.

    Raises:
        NodeUnreachableError, ReplyError: As `NodeConnection.call`; it may or may not have happened.
    """
    return await _run(connection, _FENCE, incarnation, epoch)


async def _run(connection: NodeConnection, script: bytes, found: str, epoch: int, *rest: bytes | str) -> Verdict:
    reply: Reply = await connection.call(b"EVAL", script, len(_KEYS), *_KEYS, found, epoch, *rest)
    outcome, batches, copies, waiting, detail = reply
    return Verdict(Outcome(outcome.decode()), batches, copies, waiting, detail.decode(errors="replace"))
