"""The catalogue as this validator judges by it: the active contracts compiled, the routes ready, always of one version."""

import asyncio
import contextlib
import dataclasses
import json
import logging
from collections.abc import Mapping
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
from dataflow_validator.failure import DATABASE_ERRORS
from dataflow_validator.statements import statements

_LOG = logging.getLogger(__name__)

CHANNEL: Final = "dataflow_catalog"
"""Notified with the new version by whoever changes the catalogue."""

POLL_SECONDS: Final = 0.25
_QUERY_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Catalog:
    """All that judging needs, of one version.

    Attributes:
        version: `validator.catalog.version`; 0 before the first refresh.
        routes: `resolve(topic)` gives the route: the contract's name and the device rule.
        contracts: The active revision of each contract. A route may lead to a contract that is not in here.
        broken: Active contracts that this process could not compile: what is routed to them must wait, not be judged.
    """

    version: int = 0
    routes: RouteTable = dataclasses.field(default_factory=RouteTable)
    contracts: Mapping[str, CompiledContract] = dataclasses.field(default_factory=dict)
    broken: frozenset[str] = frozenset()


class Registry:
    """Keeps the catalogue of this process up to date. One event loop."""

    def __init__(self) -> None:
        self._catalog = Catalog()
        self._compiled: dict[tuple[str, int], CompiledContract] = {}
        self._refreshing = asyncio.Lock()
        self._changed = asyncio.Condition()

    @property
    def current(self) -> Catalog:
        """The newest catalogue that was read; replaced as a whole, never changed."""
        return self._catalog

    async def refresh(self, connection: Connection) -> Catalog:
        """Reads the catalogue if its version is another one than the current: an older one after a restore, too.

        Compiling happens in a thread, so that judging goes on. A transaction of the caller's may be open.

        Args:
            connection: Any connection; one short query when nothing changed.

        Returns:
            The current catalogue, now of the version that the connection sees, or of a newer one.
        """
        sql = statements("registry")
        version = await connection.fetchval(sql["version"], timeout=_QUERY_SECONDS)
        if version == self._catalog.version:
            return self._catalog
        async with self._refreshing:
            row = await connection.fetchrow(sql["catalog"], timeout=_QUERY_SECONDS)
            if row is None or row["version"] == self._catalog.version:
                return self._catalog
            if row["version"] < self._catalog.version:
                self._compiled.clear()  # revisions may have been made anew since
            active = {_split(key) for key in row["active"]}
            specs = await self._missing_specs(connection, active)
            broken = await asyncio.to_thread(self._compile, specs)
            routes = await asyncio.to_thread(_route_table, row["routes"])
            self._compiled = {key: self._compiled[key] for key in active if key in self._compiled}
            contracts = {name: compiled for (name, _), compiled in self._compiled.items()}
            self._catalog = Catalog(row["version"], routes, MappingProxyType(contracts), broken)
        async with self._changed:
            self._changed.notify_all()
        return self._catalog

    async def wait_version(self, version: int) -> Catalog:
        """Waits until the current catalogue is at least of this version; `watch` must be running."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._catalog.version >= version)
        return self._catalog

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

    async def _missing_specs(self, connection: Connection, active: set[tuple[str, int]]) -> dict[tuple[str, int], str]:
        missing = sorted(active - self._compiled.keys())
        if not missing:
            return {}
        names, revisions = [name for name, _ in missing], [revision for _, revision in missing]
        rows = await connection.fetch(statements("registry")["specs"], names, revisions, timeout=_QUERY_SECONDS)
        return {(row["contract"], row["revision"]): row["spec"] for row in rows}

    def _compile(self, specs: Mapping[tuple[str, int], str]) -> frozenset[str]:
        """Compiles into the cache; returns the names of contracts that do not compile."""
        broken = set()
        for (name, revision), spec in specs.items():
            try:
                self._compiled[name, revision] = compile_contract(ContractSpec.from_dict(json.loads(spec)), revision)
            except (ContractError, KeyError, TypeError, ValueError) as error:
                # Written by another version of DataFlow, or by hand: one contract stands still, the others do not.
                broken.add(name)
                _LOG.exception(
                    "an active contract does not compile",
                    extra=fields("contract_broken", contract=name, revision=revision, error=str(error)),
                )
        return frozenset(broken)


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


def _route(topic_filter: str, contract: str, device_rule: str) -> Route:
    return Route(topic_filter, contract, DeviceRule.parse(device_rule))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
