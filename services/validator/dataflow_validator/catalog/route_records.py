"""Routes in Postgres: made so that no two ever tie, removed, read."""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from dataflow_mesh.postgres import Connection

from dataflow_validator.catalog.change import changing_catalog, raise_version
from dataflow_validator.catalog.contract_records import ContractRecord, get_contract
from dataflow_validator.catalog.routes import check_device_rule, check_filter, implied_device_rule, overlap, specificity
from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.errors import RouteError
from dataflow_validator.errors import (
    ContractNotFoundError,
    EtagMismatchError,
    RequestIdReusedError,
    RouteConflictError,
    RouteInvalidError,
    RouteNotFoundError,
)
from dataflow_validator.statements import statements

MAX_ROUTE_FILTER_BYTES: Final = 2_048
"""Below MQTT's 65,535: the filter is a key, and Postgres limits what an index entry holds."""


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """A route as it stands in Postgres; `device_rule` is always spelled out, `pinned_revision` is 0 where it pins none."""

    route_id: UUID
    filter: str
    contract: str
    device_rule: str
    create_time: datetime
    pinned_revision: int

    @property
    def etag(self) -> str:
        """Another one after each change: made of all that can change."""
        text = json.dumps([str(self.route_id), self.contract, self.device_rule, self.pinned_revision])
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


async def create_route(
    connection: Connection,
    filter_: str,
    contract: str,
    device_rule: str = "",
    *,
    pinned_revision: int = 0,
    request_id: str = "",
) -> RouteRecord:
    """Makes a route.

    All who change the catalogue wait for each other here: of two callers whose routes tie only one succeeds.

    Args:
        connection: Not in a transaction.
        filter_: MQTT topic filter.
        contract: The contract's name; it need not be active yet.
        device_rule: As `DeviceRule.parse` reads it; empty for the one that filter and contract imply.
        pinned_revision: The revision that judges, whichever is active; 0 for the active one.
        request_id: The same one with the same contents answers as the first time; empty for none.

    Raises:
        RouteInvalidError: The filter or the device rule is none.
        ContractNotFoundError: There is no such contract, or no such revision of it.
        RouteConflictError: A route with that filter, or one that ties with it, exists.
        RequestIdReusedError: The request_id made something else.
    """
    given = _checked(filter_, device_rule)
    pinned = [pinned_revision] if pinned_revision else []
    digest = hashlib.sha256(json.dumps([filter_, contract, device_rule, *pinned]).encode()).digest()
    sql = statements("registry")
    async with changing_catalog(connection):
        if request_id and (made := await connection.fetchrow(sql["route_by_request"], request_id)) is not None:
            if not hmac.compare_digest(made["request_digest"] or b"", digest):
                raise RequestIdReusedError(metadata={"request_id": request_id})
            return route_of(made)
        record = await get_contract(connection, contract)
        await _check_pin(connection, record, pinned_revision)
        _refuse_ties(filter_, [row["filter"] for row in await connection.fetch(sql["all_routes"])])
        rule = given or implied_device_rule(filter_, record.spec)
        row = await connection.fetchrow(
            sql["insert_route"], filter_, contract, str(rule), request_id, digest, pinned_revision
        )
        assert row is not None, "INSERT … RETURNING without ON CONFLICT gives a row"
        await raise_version(connection)
        return route_of(row)


async def update_route(
    connection: Connection,
    route_id: str,
    *,
    contract: str = "",
    device_rule: str | None = None,
    pinned_revision: int | None = None,
    etag: str = "",
) -> RouteRecord:
    """Changes what a route leads to.

    Args:
        connection: Not in a transaction.
        route_id: Which one.
        contract: The contract's name; empty for the one it has.
        device_rule: As `DeviceRule.parse` reads it; empty for the one that filter and contract imply; `None` as it is.
        pinned_revision: The revision that judges; 0 for the active one; `None` as it is, unless the contract is another.
        etag: As the caller read it; empty for whatever it is.

    Raises:
        RouteNotFoundError: There is none of that id.
        RouteInvalidError: The device rule is none.
        ContractNotFoundError: There is no such contract, or no such revision of it.
        EtagMismatchError: The route has changed since it was read.
    """
    sql = statements("registry")
    async with changing_catalog(connection):
        before = await get_route(connection, route_id)
        if etag and not hmac.compare_digest(etag.encode(), before.etag.encode()):
            raise EtagMismatchError(
                f"the route of {before.filter!r} has changed since it was read: read it again",
                metadata={"current": before.etag},
            )
        record = await get_contract(connection, contract or before.contract)
        pinned = pinned_revision
        if pinned is None:
            pinned = before.pinned_revision if record.name == before.contract else 0
        await _check_pin(connection, record, pinned)
        rule = before.device_rule
        if device_rule is not None:
            rule = str(_checked(before.filter, device_rule) or implied_device_rule(before.filter, record.spec))
        row = await connection.fetchrow(sql["update_route"], before.route_id, record.name, rule, pinned)
        assert row is not None, "the route was there, and nobody else changes the catalogue"
        after = route_of(row)
        if after != before:
            await raise_version(connection)
        return after


async def delete_route(connection: Connection, route_id: str) -> None:
    """Removes a route.

    Raises:
        RouteNotFoundError: There is none of that id (any more).
    """
    sql = statements("registry")
    async with changing_catalog(connection):
        if await connection.fetchval(sql["delete_route"], _uuid(route_id)) is None:
            raise _not_found(route_id)
        await raise_version(connection)


async def get_route(connection: Connection, route_id: str) -> RouteRecord:
    """Reads a route by its id.

    Raises:
        RouteNotFoundError: There is none of that id.
    """
    row = await connection.fetchrow(statements("registry")["route"], _uuid(route_id))
    if row is None:
        raise _not_found(route_id)
    return route_of(row)


async def find_route(connection: Connection, filter_: str) -> RouteRecord | None:
    """Reads the route of exactly this filter; `None` where there is none."""
    row = await connection.fetchrow(statements("registry")["route_by_filter"], filter_)
    return None if row is None else route_of(row)


async def _check_pin(connection: Connection, contract: ContractRecord, revision: int) -> None:
    if revision and not await connection.fetchval(statements("registry")["revision_exists"], contract.name, revision):
        raise ContractNotFoundError(
            f"contract {contract.name!r} has no revision {revision}; its newest is {contract.latest_revision}",
            metadata={"contract": contract.name},
        )


def _checked(filter_: str, device_rule: str) -> DeviceRule | None:
    if len(filter_.encode()) > MAX_ROUTE_FILTER_BYTES or "\0" in device_rule:
        raise RouteInvalidError(
            f"the topic filter of a route has at most {MAX_ROUTE_FILTER_BYTES} bytes, its device rule no NUL",
            metadata={"filter": filter_},
        )
    try:
        check_filter(filter_)
        rule = DeviceRule.parse(device_rule) if device_rule else None
        if rule is not None:
            check_device_rule(filter_, rule)
    except RouteError as error:
        raise RouteInvalidError(str(error), metadata={"filter": filter_}) from error
    return rule


def _refuse_ties(filter_: str, others: list[str]) -> None:
    key = specificity(filter_)
    for other in others:
        if other == filter_ or (specificity(other) == key and overlap(other, filter_)):
            raise RouteConflictError(
                f"topic filter {filter_!r} already has a route: remove that one first"
                if other == filter_
                else f"topic filters {filter_!r} and {other!r} match topics in common and are equally specific: "
                "write a literal level in place of a wildcard in one of them",
                metadata={"filter": filter_, "other": other},
            )


def _uuid(route_id: str) -> UUID:
    try:
        return UUID(route_id)
    except ValueError:
        raise _not_found(route_id) from None


def _not_found(route_id: str) -> RouteNotFoundError:
    return RouteNotFoundError(f"there is no route of id {route_id!r}", metadata={"route": route_id})


def route_of(row: asyncpg.Record) -> RouteRecord:
    """Makes the record of a row."""
    return RouteRecord(
        route_id=row["route_id"],
        filter=row["filter"],
        contract=row["contract"],
        device_rule=row["device_rule"],
        create_time=row["create_time"],
        pinned_revision=row["pinned_revision"],
    )
