"""What a ring node is, how one is admitted, and how one is examined."""

from __future__ import annotations

import enum
import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from dataflow_ring import control, keys
from dataflow_ring.connection import NodeConnection, NodeUnreachableError, Reply, ReplyError, is_weak, redact

FLOOR_VERSION: Final = (6, 2)
"""XAUTOCLAIM and NOMKSTREAM came with Redis 6.2."""


class State(enum.StrEnum):
    """What is intended for a node, the same for everybody."""

    ACTIVE = "ACTIVE"
    DRAINING = "DRAINING"
    DRAINED = "DRAINED"
    REMOVED = "REMOVED"


class Health(enum.StrEnum):
    """What one process observes of a node."""

    HEALTHY = "HEALTHY"
    SLOW = "SLOW"
    FULL = "FULL"
    DOWN = "DOWN"


class Durability(enum.StrEnum):
    """What is known of a node's appendfsync."""

    VERIFIED = "VERIFIED"
    UNVERIFIED = "UNVERIFIED"
    WEAK = "WEAK"


@dataclass(frozen=True, slots=True)
class Node:
    """A member of the ring, as the membership has it."""

    name: str
    url: str
    """redis:// or rediss://, with its password: never shown (`redact`)."""
    state: State
    incarnation: str
    zone: str = ""
    durability: Durability = Durability.UNVERIFIED

    def __repr__(self) -> str:
        return f"Node({self.name!r}, {redact(self.url)!r}, {self.state})"


class NodeUnfitError(Exception):
    """The node may not join; `check` says which examination it failed."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(message)
        self.check = check


class FencedError(Exception):
    """Somebody changed the node under a higher epoch of the membership."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"the node has seen epoch {epoch} of the membership")
        self.epoch = epoch


@dataclass(frozen=True, slots=True)
class Admission:
    """What admission found and wrote."""

    incarnation: str
    durability: Durability
    version: str
    returned: int = 0
    """Batches of an earlier membership that were set aside."""


async def admit(url: str, *, known: Collection[str] = (), epoch: int = 0, timeout_seconds: float = 3.0) -> Admission:
    """Examine a server and make it a ring node: write its incarnation, make its streams and its group.

    Only admission makes streams: an append to a node without them fails, which tells that the node lost its data.
    Batches of an earlier membership of this ring are set aside, for validators to park.

    Args:
        url: Of the server.
        known: Incarnations of this ring's own nodes of earlier; a server with another one is another ring's.
        epoch: Of the membership; see `control`.
        timeout_seconds: For each question.

    Raises:
        NodeUnfitError: It does not answer, is too old, would evict, is not durable, or is somebody's node already.
        FencedError: Somebody changed this node under a higher epoch.
    """
    async with NodeConnection(url, timeout_seconds=timeout_seconds) as connection:
        try:
            return await _admit(connection, url, known, epoch)
        except (NodeUnreachableError, ReplyError) as error:
            raise NodeUnfitError("ping", f"{redact(url)}: {error}") from error


async def _admit(connection: NodeConnection, url: str, known: Collection[str], epoch: int) -> Admission:
    version, durability = await _examine(connection, url)
    found, batches, copies = await connection.pipeline(
        [(b"GET", keys.INCARNATION), (b"XLEN", keys.BATCHES), (b"XLEN", keys.COPIES)]
    )
    if any(isinstance(reply, ReplyError) for reply in (found, batches, copies)):
        raise NodeUnfitError("incarnation", f"{redact(url)} has other keys of these names: use a server of its own")
    before = "" if found is None else bytes(found).decode(errors="replace")
    if before and before not in known:
        raise NodeUnfitError(
            "incarnation",
            f"{redact(url)} is a node of another ring: FLUSHALL it before adding it, if that ring is gone",
        )
    if not before and (batches or copies):
        raise NodeUnfitError(
            "incarnation",
            f"{redact(url)} holds {batches + copies} batches of another life: export them, then FLUSHALL before adding it",
        )
    incarnation = str(uuid.uuid4())
    try:
        verdict = await control.admit(connection, found=before, incarnation=incarnation, epoch=epoch)
    except ReplyError as error:
        raise NodeUnfitError("incarnation", f"{redact(url)} takes no data: {error}") from error
    if verdict.outcome is control.Outcome.FENCED:
        raise FencedError(int(verdict.found))
    if verdict.outcome is not control.Outcome.DONE:
        raise NodeUnfitError("incarnation", f"{redact(url)} was changed by somebody else meanwhile: try again")
    return Admission(incarnation, durability, version, returned=verdict.batches + verdict.copies)


async def _examine(connection: NodeConnection, url: str) -> tuple[str, Durability]:
    """Return the version and durability of a server that may become a node."""
    await connection.call(b"PING")
    server = parse_info(await connection.call(b"INFO", b"server"))
    version = server.get("redis_version", "0")
    if _version(version) < FLOOR_VERSION:
        raise NodeUnfitError("version", f"{redact(url)} runs Redis {version}; 6.2 or newer is needed")
    replication = parse_info(await connection.call(b"INFO", b"replication"))
    if replication.get("role") != "master":
        raise NodeUnfitError("ping", f"{redact(url)} is a {replication.get('role')}: add its master")
    memory = parse_info(await connection.call(b"INFO", b"memory"))
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise NodeUnfitError(
            "eviction",
            f"{redact(url)} has maxmemory-policy {policy}, which drops data: CONFIG SET maxmemory-policy noeviction",
        )
    durability = await examine_durability(connection)
    if durability is Durability.WEAK:
        raise NodeUnfitError(
            "durability",
            f"{redact(url)} loses acknowledged data when its power fails: start it with --appendonly yes --appendfsync always",
        )
    return version, durability


async def find_incarnation(url: str, *, timeout_seconds: float = 3.0) -> str | None:
    """Return the incarnation of a server: empty if it has none, None if it does not answer."""
    async with NodeConnection(url, timeout_seconds=timeout_seconds) as connection:
        try:
            found = await connection.call(b"GET", keys.INCARNATION)
        except (NodeUnreachableError, ReplyError):
            return None
    return "" if found is None else bytes(found).decode(errors="replace")


async def lost_its_data(url: str, *, timeout_seconds: float = 3.0) -> bool:
    """Return whether a server answers and has neither incarnation nor streams: a node that came back empty."""
    async with NodeConnection(url, timeout_seconds=timeout_seconds) as connection:
        try:
            return not await connection.call(b"EXISTS", keys.INCARNATION, keys.BATCHES, keys.COPIES)
        except (NodeUnreachableError, ReplyError):
            return False


async def examine_durability(connection: NodeConnection) -> Durability:
    """Return what `CONFIG GET` tells of appendonly and appendfsync; managed servers often forbid it."""
    try:
        reply = await connection.call(b"CONFIG", b"GET", b"append*")
    except ReplyError:
        return Durability.UNVERIFIED
    return Durability.WEAK if is_weak(reply) else Durability.VERIFIED


@dataclass(frozen=True, slots=True)
class Fill:
    """How full a node is."""

    batches: int
    copies: int
    oldest_age_seconds: float | None
    """Of the oldest entry of either stream, by the node's own clock; None when both are empty."""
    memory_used_bytes: int
    memory_limit_bytes: int
    """0 if unlimited."""
    disk_used_bytes: int = 0
    """Size of the append-only file; 0 if the server does not say."""
    disk_broken: bool = False
    """The server could not write its append-only file the last time: its disk is full, or worse."""
    returned: int = 0
    """Streams of an earlier membership that are not parked yet."""
    oldest_batch_age_seconds: float | None = None
    """Of the oldest first copy; None when there is none."""
    oldest_batch_entry_id: bytes = b""
    """Empty when there is none."""

    @property
    def share(self) -> float:
        """Used share of the memory, 0 to 1; 0 if unlimited."""
        return self.memory_used_bytes / self.memory_limit_bytes if self.memory_limit_bytes else 0.0


async def examine_fill(connection: NodeConnection) -> Fill:
    """Return the depth, age and memory of a node.

    Raises:
        NodeUnreachableError, ReplyError: As `NodeConnection.call`.
    """
    replies = await connection.pipeline(
        [
            (b"XLEN", keys.BATCHES),
            (b"XLEN", keys.COPIES),
            (b"XRANGE", keys.BATCHES, b"-", b"+", b"COUNT", b"1"),
            (b"XRANGE", keys.COPIES, b"-", b"+", b"COUNT", b"1"),
            (b"TIME",),
            (b"INFO", b"memory"),
            (b"INFO", b"persistence"),
            (b"SCARD", keys.RETURNED),
        ]
    )
    for reply in replies:
        if isinstance(reply, ReplyError):
            raise reply
    batches, copies, oldest_batch, oldest_copy, (seconds, microseconds), memory, persistence, returned = replies
    now_ms = int(seconds) * 1000 + int(microseconds) / 1000
    ages = [
        max(0.0, (now_ms - entry_milliseconds(entries[0][0])) / 1000) if entries else None
        for entries in (oldest_batch, oldest_copy)
    ]
    info, disk = parse_info(memory), parse_info(persistence)
    return Fill(
        batches=batches,
        copies=copies,
        oldest_age_seconds=max((age for age in ages if age is not None), default=None),
        memory_used_bytes=int(info.get("used_memory", 0)),
        memory_limit_bytes=int(info.get("maxmemory", 0)),
        disk_used_bytes=int(disk.get("aof_current_size", 0)),
        disk_broken=disk.get("aof_last_write_status", "ok") != "ok",
        returned=returned,
        oldest_batch_age_seconds=ages[0],
        oldest_batch_entry_id=oldest_batch[0][0] if oldest_batch else b"",
    )


def entry_milliseconds(entry_id: bytes) -> int:
    """Return the node's clock at which an entry was added, from the entry's id."""
    return int(entry_id.split(b"-")[0])


def parse_info(reply: Reply) -> dict[str, str]:
    """Return the lines of an INFO reply as a mapping."""
    text = bytes(reply).decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
