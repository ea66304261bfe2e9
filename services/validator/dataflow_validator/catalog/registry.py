"""The catalogue as this validator judges by it: revisions compiled, routes ready, always of one version."""

import asyncio
import contextlib
import dataclasses
import json
import logging
from collections import OrderedDict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import Connection, Pool

from dataflow_validator.catalog.routes import Route, RouteTable
from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.errors import ContractError, RouteError
from dataflow_validator.contracts.judge import CompiledContract, compile_contract
from dataflow_validator.contracts.spec import ContractSpec
from dataflow_validator.errors import ContractNotFoundError
from dataflow_validator.failure import DATABASE_ERRORS, ContractBrokenError
from dataflow_validator.pages import Row
from dataflow_validator.statements import statements

_LOG = logging.getLogger(__name__)

CHANNEL: Final = "dataflow_catalog"
"""Notified with the new version by whoever changes the catalogue."""

POLL_SECONDS: Final = 0.25
_QUERY_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.5
_MAX_FOR_JOBS: Final = 64
_NOT_COMPILING: Final = (ContractError, KeyError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that judging needs, of one version.

    Attributes:
        version: `validator.catalog.version`; 0 before the first refresh.
        routes: `resolve(topic)` gives the route: the contract's name, the device rule, and the revision if it pins one.
        active: The number of the active revision of each contract that has one.
        revisions: The active and the pinned revisions. A route may lead to one that is not in here.
        broken: Those of them that this process could not compile: what is routed to them must wait, not be judged.
    """

    version: int = 0
    routes: RouteTable = dataclasses.field(default_factory=RouteTable)
    active: Mapping[str, int] = dataclasses.field(default_factory=dict)
    revisions: Mapping[tuple[str, int], CompiledContract] = dataclasses.field(default_factory=dict)
    broken: frozenset[tuple[str, int]] = frozenset()

    @property
    def contracts(self) -> Mapping[str, CompiledContract]:
        """The active revision of each contract, by its name."""
        active = ((name, self.revisions.get((name, revision))) for name, revision in self.active.items())
        return {name: compiled for name, compiled in active if compiled is not None}


class Registry:
    """Keeps the catalogue of this process up to date. One event loop."""

    def __init__(self) -> None:
        self._catalog = Catalog()
        self._sequence = 0
        self._written_routes = ""
        self._route_table = RouteTable()
        self._compiled: dict[tuple[str, int], CompiledContract] = {}
        self._for_jobs: OrderedDict[tuple[str, int], CompiledContract] = OrderedDict()
        self._refreshing = asyncio.Lock()
        self._changed = asyncio.Condition()

    @property
    def current(self) -> Catalog:
        """The newest catalogue that was read; replaced as a whole, never changed."""
        return self._catalog

    @property
    def sequence(self) -> int:
        """`validator.catalog.sequence` of the newest change of a contract that this process has seen and judges by."""
        return self._sequence

    async def refresh(self, connection: Connection) -> Catalog:
        """Reads the catalogue if its version is another one than the current: an older one after a restore, too.

        Compiling happens in a thread, so that judging goes on. A transaction of the caller's may be open.

        Args:
            connection: Any connection; one short query when nothing changed.

        Returns:
            The current catalogue, now of the version that the connection sees, or of a newer one.
        """
        async with self._refreshing:
            # Few waits: while much is judged, each one takes a turn of the event loop.
            version = self._catalog.version
            seen = await connection.fetchrow(statements("registry")["catalog"], version, timeout=_QUERY_SECONDS)
            if seen is None or (seen["version"], seen["sequence"]) == (version, self._sequence):
                return self._catalog
            if seen["version"] != version:
                await self._load(connection, seen)
            self._sequence = seen["sequence"]
        async with self._changed:
            self._changed.notify_all()
        return self._catalog

    async def _load(self, connection: Connection, row: Row) -> None:
        if row["version"] < self._catalog.version:
            self._compiled.clear()  # revisions may have been made anew since
            self._for_jobs.clear()
        active = dict(_split(key) for key in row["active"])
        wanted = active.items() | {_split(key) for key in row["pinned"]}
        specs = await self._specs(connection, wanted - self._compiled.keys())
        routes, broken = await asyncio.to_thread(lambda: (self._routes(row["routes"]), self._compile(specs)))
        self._compiled = {key: self._compiled[key] for key in wanted if key in self._compiled}
        self._catalog = Catalog(
            row["version"], routes, MappingProxyType(active), MappingProxyType(dict(self._compiled)), broken
        )

    async def compiled(self, connection: Connection, name: str, revision: int) -> CompiledContract:
        """Gives any revision, ready to judge; a few that are neither active nor pinned are kept.

        Not for judging on two threads at once: jobs have a registry of their own.

        Args:
            connection: Any connection.
            name: The contract, which may have been deleted since.
            revision: Which one, from 1.

        Raises:
            ContractNotFoundError: There is no such revision.
            ContractBrokenError: It does not compile here.
        """
        key = (name, revision)
        found = self._catalog.revisions.get(key) or self._for_jobs.get(key)
        if found is None:
            spec = (await self._specs(connection, {key})).get(key)
            if spec is None:
                raise ContractNotFoundError(
                    f"contract {name!r} has no revision {revision}", metadata={"contract": name}
                )
            try:
                found = await asyncio.to_thread(_compiled, spec, revision)
            except _NOT_COMPILING as error:
                raise ContractBrokenError(name, revision) from error
        self._for_jobs[key] = found
        self._for_jobs.move_to_end(key)
        if len(self._for_jobs) > _MAX_FOR_JOBS:
            self._for_jobs.popitem(last=False)
        return found

    async def wait_version(self, version: int) -> Catalog:
        """Waits until the current catalogue is at least of this version; `watch` must be running."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._catalog.version >= version)
        return self._catalog

    async def wait_change(self, sequence: int) -> int:
        """Waits until contracts have changed after a change; `watch` must be running.

        Args:
            sequence: `validator.catalog.sequence` of the change.

        Returns:
            That of the newest change that was seen; this process judges by it.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._sequence > sequence)
        return self._sequence

    async def watch(self, pool: Pool, stopping: asyncio.Event) -> None:
        """Follows the catalogue until told to stop: at once by notification, else by looking every `POLL_SECONDS`.

        Keeps one connection of the pool. While Postgres is away the current catalogue stays and the watch tries again.
        """
        while not stopping.is_set():
            try:
                async with pool.acquire(timeout=_QUERY_SECONDS) as connection:
                    await self._follow(connection, stopping)
            except DATABASE_ERRORS as error:
                _LOG.warning(
                    "the catalogue cannot be read; judging goes on by the last one",
                    extra=fields("catalog_unreadable", error=str(error), version=self._catalog.version),
                )
                await _wait(stopping, _RETRY_SECONDS)

    async def _follow(self, connection: Connection, stopping: asyncio.Event) -> None:
        wake = asyncio.Event()

        def notified(*_: object) -> None:
            wake.set()

        await connection.add_listener(CHANNEL, notified)
        try:
            while not stopping.is_set():
                wake.clear()
                await self.refresh(connection)
                await _wait(wake, POLL_SECONDS)
        finally:
            with contextlib.suppress(*DATABASE_ERRORS):
                await connection.remove_listener(CHANNEL, notified)

    async def _specs(self, connection: Connection, keys: AbstractSet[tuple[str, int]]) -> dict[tuple[str, int], str]:
        if not keys:
            return {}
        names, revisions = zip(*sorted(keys), strict=True)
        rows = await connection.fetch(statements("registry")["specs"], names, revisions, timeout=_QUERY_SECONDS)
        return {(row["contract"], row["revision"]): row["spec"] for row in rows}

    def _routes(self, written: str) -> RouteTable:
        """Makes the table anew only if a route has changed: it remembers topics."""
        if written != self._written_routes:
            self._route_table, self._written_routes = _route_table(written), written
        return self._route_table

    def _compile(self, specs: Mapping[tuple[str, int], str]) -> frozenset[tuple[str, int]]:
        """Compiles into the cache; returns what does not compile."""
        broken = set()
        for (name, revision), spec in specs.items():
            try:
                self._compiled[name, revision] = _compiled(spec, revision)
            except _NOT_COMPILING as error:
                # Written by another version of DataFlow, or by hand: one contract stands still, the others do not.
                broken.add((name, revision))
                _LOG.exception(
                    "a revision that should judge does not compile",
                    extra=fields("contract_broken", contract=name, revision=revision, error=str(error)),
                )
        return frozenset(broken)


def _compiled(spec: str, revision: int) -> CompiledContract:
    return compile_contract(ContractSpec.from_dict(json.loads(spec)), revision)


def _split(key: str) -> tuple[str, int]:
    name, _, revision = key.partition("@")
    return name, int(revision)


def _route_table(written: str) -> RouteTable:
    """Leaves out what another version of DataFlow, or a hand, made wrong: its messages go to quarantine as UNROUTED."""
    rows = json.loads(written)
    try:
        return RouteTable(_route(*row) for row in rows)
    except RouteError:
        table = RouteTable()
    for row in rows:
        try:
            table = RouteTable([*table.routes, _route(*row)])
        except RouteError as error:
            _LOG.error(
                "a route is left out", extra=fields("route_broken", filter=row[0], contract=row[1], error=str(error))
            )
    return table


def _route(topic_filter: str, contract: str, device_rule: str, revision: int) -> Route:
    return Route(topic_filter, contract, DeviceRule.parse(device_rule), revision)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
