"""Changes of the membership: each one transaction that alone changes members, and one fenced script on the node."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

import asyncpg
from dataflow_mesh.errors import DataflowError
from dataflow_mesh.postgres import Connection, Pool, translate
from dataflow_ring import control
from dataflow_ring.connection import NodeConnection, NodeUnreachableError, ReplyError, redact
from dataflow_ring.control import Outcome, Verdict
from dataflow_ring.nodes import (
    Admission,
    FencedError,
    NodeUnfitError,
    State,
    admit,
    find_incarnation,
    lost_its_data,
)

from dataflow_bridge.errors import (
    LastActiveNodeError,
    NodeAwayError,
    NodeExistsError,
    NodeNotDrainedError,
    NodeNotFoundError,
    UnfitNodeError,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

_ANSWER_SECONDS: Final = 3.0
_PORT: Final = 6379
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('dataflow.ring.membership', 0))"
_NEXT_EPOCH: Final = "SELECT nextval('bridge.control_epoch')"
_LIFT_EPOCH: Final = "SELECT setval('bridge.control_epoch', greatest($1, nextval('bridge.control_epoch')))"
_FIND: Final = "SELECT name, url, state, incarnation FROM bridge.node WHERE name = $1"
_OTHER_ACTIVE: Final = "SELECT count(*) FROM bridge.node WHERE name <> $1 AND state = 'ACTIVE'"
_SET_STATE: Final = "UPDATE bridge.node SET state = $2, state_time = now() WHERE name = $1"


@dataclass(frozen=True, slots=True)
class Removal:
    """What a removed node held."""

    reached: bool
    """False: it did not answer, and nobody knows."""
    batches: int = 0
    copies: int = 0


@asynccontextmanager
async def changing(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction that alone changes members.

    Raises:
        PostgresUnavailableError: Postgres does not answer; nothing was changed in it.
    """
    try:
        async with pool.acquire(timeout=_ANSWER_SECONDS) as connection, connection.transaction():
            # A dead server takes its time, and others wait for whoever asks it.
            await connection.execute(
                "SET LOCAL idle_in_transaction_session_timeout = '15s'; SET LOCAL lock_timeout = '20s'"
            )
            await connection.execute(_LOCK)
            yield connection
    except DataflowError:
        raise
    except Exception as error:
        translated = translate(error)
        if translated is None:
            raise
        raise translated from error


async def add(connection: Connection, name: str, url: str, zone: str) -> None:
    """Admit a node, again if it came back without its data; or write down the new address of a member.

    Raises:
        NodeExistsError: A member has that name, with its data, at that address.
        UnfitNodeError: It may not join; nothing was changed.
    """
    rows = await connection.fetch("SELECT name, url, state, incarnation FROM bridge.node WHERE state <> 'REMOVED'")
    member = next((row for row in rows if row["name"] == name), None)
    found = await find_incarnation(url)
    _refuse_twins(rows, name, url, found)
    if member is not None:
        if found == member["incarnation"] and url != member["url"]:
            await connection.execute("UPDATE bridge.node SET url = $2, zone = $3 WHERE name = $1", name, url, zone)
            logger.info("ring node moved", extra={"action": "membership.move", "node": name, "url": redact(url)})
            return
        if not await lost_its_data(url):
            raise NodeExistsError(f"a ring node {name!r} is a member, with its data", metadata={"node": name})
    known = {row["incarnation"] for row in await connection.fetch("SELECT incarnation FROM bridge.incarnation")}

    async def once(epoch: int) -> Admission:
        return await admit(url, known=known, epoch=epoch)

    try:
        admission = await _with_epoch(connection, once)
    except NodeUnfitError as error:
        raise UnfitNodeError(str(error), metadata={"node": name, "check": error.check}) from error
    await connection.execute(
        """INSERT INTO bridge.node (name, url, state, zone, incarnation, durability)
           VALUES ($1, $2, 'ACTIVE', $3, $4, $5)
           ON CONFLICT (name) DO UPDATE SET url = excluded.url, state = excluded.state, zone = excluded.zone,
               incarnation = excluded.incarnation, durability = excluded.durability, admit_time = now(),
               state_time = now(), down_since = NULL""",
        name,
        url,
        zone,
        admission.incarnation,
        admission.durability.value,
    )
    await connection.execute(
        "INSERT INTO bridge.incarnation (incarnation, node, admit_time) VALUES ($1, $2, now())",
        admission.incarnation,
        name,
    )
    logger.info(
        "ring node admitted",
        extra={
            "action": "membership.add",
            "node": name,
            "url": redact(url),
            "durability": admission.durability.value,
            "returned": admission.returned,
        },
    )


async def drain(connection: Connection, name: str) -> None:
    """Let a node take no new batches; one that drains already, or has, is left so.

    Raises:
        NodeNotFoundError: No such member.
        LastActiveNodeError: No other node takes batches.
    """
    row = await _member(connection, name)
    if row["state"] != State.ACTIVE:
        return
    await _refuse_last(connection, name)
    await connection.execute(_SET_STATE, name, State.DRAINING.value)
    logger.info("ring node drains", extra={"action": "membership.drain", "node": name})


async def cancel_drain(connection: Connection, name: str) -> None:
    """Let a node take batches again; one that takes them is left so.

    Raises:
        NodeNotFoundError: No such member.
        NodeAwayError: It does not answer, so a removal that is on its way cannot be fenced off.
        UnfitNodeError: It has lost its streams.
    """
    row = await _member(connection, name)
    if row["state"] == State.ACTIVE:
        return

    async def once(epoch: int) -> Verdict:
        async with NodeConnection(row["url"], timeout_seconds=_ANSWER_SECONDS) as node:
            return _unfenced(await control.fence(node, incarnation=row["incarnation"], epoch=epoch))

    try:
        verdict = await _with_epoch(connection, once)
    except (NodeUnreachableError, ReplyError) as error:
        raise NodeAwayError(f"{name}: {error}", metadata={"node": name}) from error
    if verdict.outcome is not Outcome.DONE:
        raise UnfitNodeError(
            f"{name} has lost its streams: remove it and add it again", metadata={"node": name, "check": "incarnation"}
        )
    await connection.execute(_SET_STATE, name, State.ACTIVE.value)
    logger.info("ring node takes batches again", extra={"action": "membership.cancel_drain", "node": name})


async def remove(connection: Connection, name: str, *, force: bool) -> Removal:
    """End a node's membership; by force also one that is not drained, or not there. A removed one is left so.

    Raises:
        NodeNotFoundError: There never was such a node.
        LastActiveNodeError: No other node takes batches; not even by force.
        NodeNotDrainedError: It is not DRAINED, or holds batches; without force.
        NodeAwayError: It does not answer; without force.
    """
    row = await connection.fetchrow(_FIND, name)
    if row is None:
        raise NodeNotFoundError(f"no ring node {name!r}", metadata={"node": name})
    if row["state"] == State.REMOVED:
        return Removal(reached=True)
    if row["state"] == State.ACTIVE:
        await _refuse_last(connection, name)
    if row["state"] != State.DRAINED and not force:
        raise NodeNotDrainedError(
            f"{name} is {row['state']}: drain it, and wait until it is DRAINED",
            metadata={"node": name, "state": row["state"]},
        )

    async def once(epoch: int) -> Verdict:
        async with NodeConnection(row["url"], timeout_seconds=_ANSWER_SECONDS) as node:
            return _unfenced(await control.remove(node, incarnation=row["incarnation"], epoch=epoch, force=force))

    removal = Removal(reached=False)
    try:
        verdict = await _with_epoch(connection, once)
    except (NodeUnreachableError, ReplyError) as error:
        if not force:
            raise NodeAwayError(f"{name}: {error}", metadata={"node": name}) from error
    else:
        # Of another incarnation: what was admitted is gone, and this one is none of ours to touch.
        held = 0 if verdict.outcome is Outcome.INCARNATION else verdict.batches + verdict.waiting
        copies = 0 if verdict.outcome is Outcome.INCARNATION else verdict.copies
        if verdict.outcome is Outcome.HOLDS:
            raise NodeNotDrainedError(
                f"{name} holds {held} batches and {copies} copies: wait, or remove it by force",
                metadata={"node": name, "state": row["state"], "batches": str(held), "copies": str(copies)},
            )
        removal = Removal(reached=True, batches=held, copies=copies)
    await connection.execute(_SET_STATE, name, State.REMOVED.value)
    logger.warning(
        "ring node removed",
        extra={
            "action": "membership.remove",
            "node": name,
            "forced": force,
            "reached": removal.reached,
            "batches": removal.batches,
            "copies": removal.copies,
        },
    )
    return removal


def _refuse_twins(rows: list[asyncpg.Record], name: str, url: str, found: str | None) -> None:
    """One server is one node: two copies on it would be one."""
    for row in rows:
        same = _server(row["url"]) == _server(url) or (found and row["incarnation"] == found)
        if row["name"] != name and same:
            raise UnfitNodeError(
                f"{redact(url)} is the ring node {row['name']!r} already",
                metadata={"node": name, "check": "incarnation"},
            )


def _server(url: str) -> tuple[str | None, int]:
    """Return host and port; the databases of one server are one disk."""
    parts = urlsplit(url)
    try:
        return parts.hostname, parts.port or _PORT
    except ValueError:
        return parts.netloc, 0  # it will be refused for what it is


async def _member(connection: Connection, name: str) -> asyncpg.Record:
    row = await connection.fetchrow(_FIND, name)
    if row is None or row["state"] == State.REMOVED:
        raise NodeNotFoundError(f"no ring node {name!r}", metadata={"node": name})
    return row


async def _refuse_last(connection: Connection, name: str) -> None:
    if not await connection.fetchval(_OTHER_ACTIVE, name):
        raise LastActiveNodeError(f"{name} is the only node that takes batches", metadata={"node": name})


def _unfenced(verdict: Verdict) -> Verdict:
    if verdict.outcome is Outcome.FENCED:
        raise FencedError(int(verdict.found))
    return verdict


async def _with_epoch(connection: Connection, work: Callable[[int], Awaitable[T]]) -> T:
    """Run a script with the next epoch. Whoever holds the lock is the newest, also where Postgres was restored to before."""
    try:
        return await work(await connection.fetchval(_NEXT_EPOCH))
    except FencedError as error:
        return await work(await connection.fetchval(_LIFT_EPOCH, error.epoch + 1))
