"""Who is a member of the ring: kept in Postgres, followed by every bridge, remembered on disk for when Postgres is away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Final

import asyncpg
from dataflow_mesh.errors import PostgresUnavailableError
from dataflow_mesh.migrate import migrate
from dataflow_mesh.postgres import Pool
from dataflow_ring.append import Appender
from dataflow_ring.nodes import Durability, Node, State, find_incarnation

from dataflow_bridge.errors import NodeExistsError, UnfitNodeError
from dataflow_bridge.ring import node_control
from dataflow_bridge.ring.member_file import Member, MemberFile
from dataflow_bridge.ring.node_control import Removal, changing

__all__ = ["Member", "Membership"]

logger = logging.getLogger(__name__)

_NODES: Final = """
SELECT name, url, state, zone, incarnation, durability, admit_time, state_time, down_since FROM bridge.node
WHERE state <> 'REMOVED' ORDER BY name
"""
_LEADER: Final = """
SELECT lease.holder, lease.epoch, replication.under_replicated
FROM (VALUES ('ring')) AS one (name) LEFT JOIN bridge.lease USING (name)
LEFT JOIN bridge.replication ON replication.observe_time > now() - interval '10 s'
"""
_FOLLOW_SECONDS: Final = 1.0
_AWAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # "cannot switch to state": the server died under a connection of the pool
    OSError,
    EOFError,
    TimeoutError,
)


class Membership:
    """This bridge's view of the ring's members.

    Args:
        pool: Postgres.
        appender: Told about every change.
        state_dir: Where the last-known members are kept, readable only by the owner since URLs carry passwords.
        observer: This process's name in observations.
    """

    def __init__(self, pool: Pool, appender: Appender, state_dir: Path, observer: str) -> None:
        self.members: list[Member] = []
        self.stale = True
        self.observations: dict[str, list[asyncpg.Record]] = {}
        self._pool = pool
        self._appender = appender
        self._file = MemberFile(state_dir / "ring.json")
        self._seeds: Mapping[str, str] = {}
        self._reading = asyncio.Lock()
        self.observer = observer
        self.leader = ""
        """The bridge that leads; the last known one while Postgres is away."""
        self.leader_epoch = 0
        self.under_replicated: int | None = None
        """What the leader has found lately."""
        self.migrated = asyncio.Event()
        """Set once the tables are there."""

    async def start(self, seeds: Mapping[str, str]) -> None:
        """Load the members, and admit the seeds that were never members; without Postgres use the last-known ones.

        Raises:
            UnfitNodeError: A seed may not join.
            PostgresUnavailableError: Postgres is away, and this bridge has never known any members.
        """
        self._seeds = dict(seeds)
        try:
            await self._start_with_postgres(seeds)
        except (*_AWAY, PostgresUnavailableError) as error:
            if not self.members:
                self.members = self._file.load()
            if not self.members:
                raise PostgresUnavailableError(
                    "Postgres does not answer, and this bridge has no last-known ring members to start with"
                ) from error
            self.stale = True
            logger.warning("started with last-known ring members", extra={"action": "membership.stale"})
            self.members = [await self._at_its_seed(member, seeds) for member in self.members]
            await self._appender.set_members(member.node for member in self.members)

    async def _start_with_postgres(self, seeds: Mapping[str, str]) -> None:
        await self.refresh()
        # Also those that were removed: a seed is admitted once, then only by AddNode.
        known = {record["name"] for record in await self._pool.fetch("SELECT name FROM bridge.node", timeout=3.0)}
        for name, url in seeds.items():
            if name not in known:
                with contextlib.suppress(NodeExistsError):  # another bridge was faster
                    await self.add(name, url, "")
        await self._move(seeds)
        if not seeds.keys() <= {member.node.name for member in self.members}:
            # With fewer members than there are, fewer copies would be asked for: never serve with those of before.
            await self.refresh()

    async def _at_its_seed(self, member: Member, seeds: Mapping[str, str]) -> Member:
        """Return the member with the address that it is configured with now, if the same node answers there."""
        url = seeds.get(member.node.name, member.node.url)
        if url == member.node.url or await find_incarnation(url) != member.node.incarnation:
            return member
        return replace(member, node=replace(member.node, url=url))

    async def _move(self, seeds: Mapping[str, str]) -> None:
        """Write down the addresses that members are configured with now, where the same nodes answer there."""
        for member in self.members:
            node = member.node
            url = seeds.get(node.name, node.url)
            if url != node.url and await find_incarnation(url) == node.incarnation:
                with contextlib.suppress(NodeExistsError):  # another bridge was faster
                    await self.add(node.name, url, node.zone)

    async def follow(self) -> None:
        """Follow changes for ever, and write down what this bridge observes."""
        while True:
            await asyncio.sleep(_FOLLOW_SECONDS)
            was_stale = self.stale
            try:
                await self.refresh()
                if was_stale:
                    await self._move(self._seeds)
                await self._observe()
            except (*_AWAY, asyncpg.PostgresError, PostgresUnavailableError, UnfitNodeError) as error:
                if not self.stale:
                    logger.warning(
                        "membership cannot be read", extra={"action": "membership.stale", "detail": str(error)[:200]}
                    )
                self.stale = True

    async def refresh(self) -> None:
        """Read the members once; one after the other, so that nobody goes back to what was read before a change."""
        async with self._reading:
            await self._refresh()

    async def _refresh(self) -> None:
        async with self._pool.acquire(timeout=3.0) as connection:
            if not self.migrated.is_set():
                await migrate(connection, "bridge", resources.files("dataflow_bridge") / "migrations")
                self.migrated.set()
            records = await connection.fetch(_NODES, timeout=3.0)
            observations = await connection.fetch(
                "SELECT * FROM bridge.observation WHERE observe_time > now() - interval '15 s' ORDER BY observer",
                timeout=3.0,
            )
            leader = await connection.fetchrow(_LEADER, timeout=3.0)
        assert leader is not None
        self.leader = (leader["holder"] or "").rpartition("/")[0]
        self.leader_epoch = leader["epoch"] or 0
        self.under_replicated = leader["under_replicated"]
        members = [
            Member(
                Node(
                    record["name"],
                    record["url"],
                    State(record["state"]),
                    record["incarnation"],
                    record["zone"],
                    Durability(record["durability"]),
                ),
                record["admit_time"],
                record["state_time"],
                record["down_since"],
            )
            for record in records
        ]
        self.observations = {}
        for record in observations:
            self.observations.setdefault(record["node"], []).append(record)
        self.stale = False
        if members != self.members:
            self.members = members
            await self._appender.set_members(member.node for member in members)
            try:
                self._file.save(members)
            except OSError as error:  # a full disk must not keep the change from the ring
                logger.warning(
                    "ring members cannot be remembered",
                    extra={"action": "membership.unsaved", "detail": str(error)[:200]},
                )

    async def add(self, name: str, url: str, zone: str) -> Member:
        """Admit a node and make it a member; see `node_control.add`.

        Raises:
            PostgresUnavailableError: Postgres does not answer; nothing was changed in it.
        """
        async with changing(self._pool) as connection:
            await node_control.add(connection, name, url, zone)
        return await self._changed(name)

    async def drain(self, name: str) -> Member:
        """Let a node take no new batches; see `node_control.drain`."""
        async with changing(self._pool) as connection:
            await node_control.drain(connection, name)
        return await self._changed(name)

    async def cancel_drain(self, name: str) -> Member:
        """Let a node take batches again; see `node_control.cancel_drain`."""
        async with changing(self._pool) as connection:
            await node_control.cancel_drain(connection, name)
        return await self._changed(name)

    async def remove(self, name: str, *, force: bool) -> Removal:
        """End a node's membership; see `node_control.remove`."""
        async with changing(self._pool) as connection:
            removal = await node_control.remove(connection, name, force=force)
        await self.refresh()
        return removal

    async def _changed(self, name: str) -> Member:
        await self.refresh()
        return next(member for member in self.members if member.node.name == name)

    async def _observe(self) -> None:
        nodes = self._appender.nodes
        if nodes:
            async with self._pool.acquire(timeout=3.0) as connection:
                await connection.execute(
                    """INSERT INTO bridge.observation (node, observer, health, detail, latency_seconds)
                       SELECT name, $1, health, detail, latency
                       FROM unnest($2::text[], $3::text[], $4::text[], $5::double precision[]) AS o (name, health, detail, latency)
                       WHERE EXISTS (SELECT FROM bridge.node n WHERE n.name = o.name)
                       ORDER BY name
                       ON CONFLICT (node, observer) DO UPDATE SET health = excluded.health, detail = excluded.detail,
                           latency_seconds = excluded.latency_seconds, observe_time = now()""",
                    self.observer,
                    [appender.node.name for appender in nodes],
                    [appender.health.value for appender in nodes],
                    [appender.detail for appender in nodes],
                    [appender.latency_seconds for appender in nodes],
                    timeout=3.0,
                )
