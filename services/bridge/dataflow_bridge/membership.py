"""Who is a member of the ring: kept in Postgres, followed by every bridge, remembered on disk for when Postgres is away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Final

import asyncpg
from dataflow_mesh.errors import PostgresUnavailableError
from dataflow_mesh.migrate import migrate
from dataflow_mesh.postgres import Pool
from dataflow_ring.append import Appender
from dataflow_ring.connection import redact
from dataflow_ring.nodes import Durability, Node, NodeUnfitError, State, admit, lost_its_data

from dataflow_bridge.errors import NodeExistsError, UnfitNodeError

logger = logging.getLogger(__name__)

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('dataflow.ring.membership', 0))"
_NODES: Final = "SELECT name, url, state, zone, incarnation, durability, admit_time FROM bridge.node ORDER BY name"
_INCARNATIONS: Final = "SELECT name, state, incarnation FROM bridge.node"
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


@dataclass(frozen=True, slots=True)
class Member:
    """A node with what only the membership knows of it."""

    node: Node
    admit_time: datetime


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
        self._file = state_dir / "ring.json"
        self._observer = observer
        self._migrated = False

    async def start(self, seeds: Mapping[str, str]) -> None:
        """Load the members, and admit the seeds that were never members; without Postgres use the last-known ones.

        Raises:
            UnfitNodeError: A seed may not join.
            PostgresUnavailableError: Postgres is away, and this bridge has never known any members.
        """
        try:
            await self.refresh()
        except _AWAY as error:
            self._load()
            if not self.members:
                raise PostgresUnavailableError(
                    "Postgres does not answer, and this bridge has no last-known ring members to start with"
                ) from error
            logger.warning("started with last-known ring members", extra={"action": "membership.stale"})
            await self._appender.set_members(member.node for member in self.members)
            return
        # Also those that were removed: a seed is admitted once, then only by AddNode.
        known = {record["name"] for record in await self._pool.fetch("SELECT name FROM bridge.node", timeout=3.0)}
        for name, url in seeds.items():
            if name not in known:
                with contextlib.suppress(NodeExistsError):  # another bridge was faster
                    await self.add(name, url, "")
        if not seeds.keys() <= {member.node.name for member in self.members}:
            # With fewer members than there are, fewer copies would be asked for: never serve with those of before.
            await self.refresh()

    async def follow(self) -> None:
        """Follow changes for ever, and write down what this bridge observes."""
        while True:
            await asyncio.sleep(_FOLLOW_SECONDS)
            try:
                await self.refresh()
                await self._observe()
            except (*_AWAY, asyncpg.PostgresError) as error:
                if not self.stale:
                    logger.warning(
                        "membership cannot be read", extra={"action": "membership.stale", "detail": str(error)[:200]}
                    )
                self.stale = True

    async def refresh(self) -> None:
        """Read the members once."""
        async with self._pool.acquire(timeout=3.0) as connection:
            if not self._migrated:
                await migrate(connection, "bridge", resources.files("dataflow_bridge") / "migrations")
                self._migrated = True
            records = await connection.fetch(_NODES, timeout=3.0)
            observations = await connection.fetch(
                "SELECT * FROM bridge.observation WHERE observe_time > now() - interval '15 s' ORDER BY observer",
                timeout=3.0,
            )
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
            )
            for record in records
            if record["state"] != State.REMOVED
        ]
        self.observations = {}
        for record in observations:
            self.observations.setdefault(record["node"], []).append(record)
        self.stale = False
        if members != self.members:
            self.members = members
            await self._appender.set_members(member.node for member in members)
            try:
                self._save()
            except OSError as error:  # a full disk must not keep the change from the ring
                logger.warning(
                    "ring members cannot be remembered",
                    extra={"action": "membership.unsaved", "detail": str(error)[:200]},
                )

    async def add(self, name: str, url: str, zone: str) -> Member:
        """Admit a node and make it a member; one that came back without its data is admitted again under its name.

        Raises:
            NodeExistsError: A member has that name.
            UnfitNodeError: It may not join; nothing was changed in the membership.
            PostgresUnavailableError: By way of the driver's errors.
        """
        async with self._pool.acquire(timeout=3.0) as connection, connection.transaction():
            await connection.execute(
                "SET LOCAL idle_in_transaction_session_timeout = '60s'"
            )  # a dead server takes its time
            await connection.execute(_LOCK)
            rows = await connection.fetch(_INCARNATIONS)
            is_member = any(row["name"] == name and row["state"] != State.REMOVED for row in rows)
            if is_member and not await lost_its_data(url):
                raise NodeExistsError(f"a ring node {name!r} is a member, with its data", metadata={"node": name})
            await self._refuse_twins(connection, name, url)
            try:
                admission = await admit(url, known={row["incarnation"] for row in rows})
            except NodeUnfitError as error:
                raise UnfitNodeError(str(error), metadata={"node": name, "check": error.check}) from error
            await connection.execute(
                """INSERT INTO bridge.node (name, url, state, zone, incarnation, durability)
                   VALUES ($1, $2, 'ACTIVE', $3, $4, $5)
                   ON CONFLICT (name) DO UPDATE SET url = excluded.url, state = excluded.state, zone = excluded.zone,
                       incarnation = excluded.incarnation, durability = excluded.durability, admit_time = now()""",
                name,
                url,
                zone,
                admission.incarnation,
                admission.durability.value,
            )
        logger.info(
            "ring node admitted",
            extra={
                "action": "membership.add",
                "node": name,
                "url": redact(url),
                "durability": admission.durability.value,
            },
        )
        await self.refresh()
        return next(member for member in self.members if member.node.name == name)

    @staticmethod
    async def _refuse_twins(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], name: str, url: str) -> None:
        """One server is one node: two copies on it would be one."""
        other = await connection.fetchval(
            "SELECT name FROM bridge.node WHERE state <> 'REMOVED' AND name <> $2 AND split_part(url, '@', -1) = $1",
            url.rpartition("@")[2],
            name,
        )
        if other:
            raise UnfitNodeError(
                f"{redact(url)} is the ring node {other!r} already", metadata={"node": name, "check": "incarnation"}
            )

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
                    self._observer,
                    [appender.node.name for appender in nodes],
                    [appender.health.value for appender in nodes],
                    [appender.detail for appender in nodes],
                    [appender.latency_seconds for appender in nodes],
                    timeout=3.0,
                )

    def _save(self) -> None:
        rows = [
            {
                "name": member.node.name,
                "url": member.node.url,
                "state": member.node.state.value,
                "zone": member.node.zone,
                "incarnation": member.node.incarnation,
                "durability": member.node.durability.value,
                "admit_time": member.admit_time.isoformat(),
            }
            for member in self.members
        ]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(rows, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._file)

    def _load(self) -> None:
        try:
            rows = json.loads(self._file.read_text())
            self.members = [
                Member(
                    Node(
                        row["name"],
                        row["url"],
                        State(row["state"]),
                        row["incarnation"],
                        row["zone"],
                        Durability(row["durability"]),
                    ),
                    datetime.fromisoformat(row["admit_time"]),
                )
                for row in rows
            ]
        except FileNotFoundError:
            self.members = []
        except (ValueError, KeyError, TypeError) as error:
            logger.warning(
                "last-known ring members unreadable", extra={"action": "membership.unreadable", "detail": str(error)}
            )
            self.members = []
