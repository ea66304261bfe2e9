"""Broker sources in Postgres: made, changed, removed, read."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

import asyncpg
from dataflow_mesh.errors import DataflowError
from dataflow_mesh.postgres import Connection

from dataflow_bridge.errors import (
    EtagMismatchError,
    RequestIdReusedError,
    SourceExistsError,
    SourceNotFoundError,
)
from dataflow_bridge.sources.source import Protocol, Source, default_group

_COLUMNS: Final = (
    "name, source_id, version, url, filters, share_group, slots, qos, protocol, username, password, ca_pem,"
    " client_certificate_pem, client_key_pem, server_name"
)
_ADD_SLOTS: Final = """
    WITH taken AS (
        UPDATE bridge.source SET next_slot = next_slot + $2 WHERE name = $1 RETURNING next_slot - $2 AS first
    )
    INSERT INTO bridge.source_slot (source, slot) SELECT $1, first + i FROM taken, generate_series(0, $2 - 1) AS i"""
_DRAIN_SLOTS: Final = """
    UPDATE bridge.source_slot SET state = 'DRAINING' WHERE source = $1 AND slot IN (
        SELECT slot FROM bridge.source_slot WHERE source = $1 AND state = 'ACTIVE' ORDER BY slot DESC LIMIT $2)"""


@dataclass(frozen=True, slots=True)
class NewSource:
    """What somebody wants a source to be."""

    name: str
    url: str
    filters: tuple[str, ...]
    share_group: str
    slots: int
    qos: int
    protocol: Protocol
    username: str = ""
    password: str = field(default="", repr=False)
    ca_pem: str = field(default="", repr=False)
    client_certificate_pem: str = field(default="", repr=False)
    client_key_pem: str = field(default="", repr=False)
    server_name: str = ""

    @property
    def digest(self) -> bytes:
        """Tells whether the same request_id asks for the same thing."""
        values = [str(getattr(self, name)) for name in self.__dataclass_fields__]
        return hashlib.sha256(json.dumps(values).encode()).digest()


@dataclass(frozen=True, slots=True)
class SlotRecord:
    """A slot as it stands in Postgres, written by its holder about once a second."""

    slot: int
    draining: bool
    holder: str
    held: bool
    """The holder's lease has not expired."""
    connected: bool
    received: int
    acknowledged: int
    redelivered: int
    last_error: str
    warnings: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A source with what is known of it."""

    source: Source
    deleting: bool
    warnings: tuple[str, ...]
    """Of the probe."""
    create_time: datetime
    update_time: datetime
    slots: tuple[SlotRecord, ...] = ()


def source_of(row: asyncpg.Record) -> Source:
    """Return the source of a row that has its columns."""
    return Source(
        name=row["name"],
        source_id=UUID(str(row["source_id"])),
        version=row["version"],
        url=row["url"],
        filters=tuple(row["filters"]),
        share_group=row["share_group"],
        slots=row["slots"],
        qos=row["qos"],
        protocol=Protocol(row["protocol"]),
        username=row["username"],
        password=row["password"],
        ca_pem=row["ca_pem"],
        client_certificate_pem=row["client_certificate_pem"],
        client_key_pem=row["client_key_pem"],
        server_name=row["server_name"],
    )


async def create(connection: Connection, wanted: NewSource, *, request_id: str = "") -> SourceRecord:
    """Make a source with its slots.

    Args:
        connection: Not in a transaction.
        wanted: Checked before.
        request_id: The same one with the same contents answers as the first time; empty for none.

    Raises:
        SourceExistsError: A source has that name, or had it and is still drained.
        RequestIdReusedError: The request_id made something else.
    """
    source_id = uuid4()
    async with connection.transaction():
        inserted = await connection.fetchval(
            f"INSERT INTO bridge.source ({_COLUMNS}, request_id, request_digest)"  # noqa: S608 - our own constant
            " VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
            " ON CONFLICT DO NOTHING RETURNING name",
            wanted.name,
            source_id,
            wanted.url,
            list(wanted.filters),
            wanted.share_group or default_group(wanted.name, source_id),
            wanted.slots,
            wanted.qos,
            wanted.protocol.value,
            wanted.username,
            wanted.password,
            wanted.ca_pem,
            wanted.client_certificate_pem,
            wanted.client_key_pem,
            wanted.server_name,
            request_id or None,
            wanted.digest,
        )
        if inserted is not None:
            await connection.execute(_ADD_SLOTS, wanted.name, wanted.slots)
            return await get(connection, wanted.name)
        made = await connection.fetchrow(
            "SELECT name, request_digest FROM bridge.source WHERE request_id = $1", request_id or None
        )
        if made is None:
            raise SourceExistsError(f"a source {wanted.name!r} exists", metadata={"source": wanted.name})
        if not hmac.compare_digest(made["request_digest"] or b"", wanted.digest):
            raise RequestIdReusedError(metadata={"request_id": request_id})
        return await get(connection, made["name"])


async def update(connection: Connection, changed: NewSource, *, etag: str) -> SourceRecord:
    """Replace what a source is; its sessions stay, fewer slots are drained, more are added.

    Raises:
        SourceNotFoundError: There is none of that name, or it is being removed.
        EtagMismatchError: Somebody was faster.
    """
    async with connection.transaction():
        row = await connection.fetchrow(
            "SELECT version, slots, share_group FROM bridge.source WHERE name = $1 AND state = 'ACTIVE' FOR UPDATE",
            changed.name,
        )
        if row is None:
            raise not_found(changed.name)
        if etag and etag != str(row["version"]):
            raise EtagMismatchError(metadata={"current": str(row["version"])})
        await connection.execute(
            "UPDATE bridge.source SET url = $2, filters = $3, share_group = $4, slots = $5, qos = $6, protocol = $7,"
            " username = $8, password = $9, ca_pem = $10, client_certificate_pem = $11, client_key_pem = $12,"
            " server_name = $13, version = version + 1, update_time = now() WHERE name = $1",
            changed.name,
            changed.url,
            list(changed.filters),
            changed.share_group or row["share_group"],
            changed.slots,
            changed.qos,
            changed.protocol.value,
            changed.username,
            changed.password,
            changed.ca_pem,
            changed.client_certificate_pem,
            changed.client_key_pem,
            changed.server_name,
        )
        if changed.slots > row["slots"]:
            await connection.execute(_ADD_SLOTS, changed.name, changed.slots - row["slots"])
        elif changed.slots < row["slots"]:
            await connection.execute(_DRAIN_SLOTS, changed.name, row["slots"] - changed.slots)
        return await get(connection, changed.name)


async def delete(connection: Connection, name: str, *, force: bool) -> None:
    """Let a source's sessions be drained and then remove it; with `force` remove it at once.

    Raises:
        SourceNotFoundError: There is none of that name.
    """
    async with connection.transaction():
        if force:
            gone = await connection.fetchval("DELETE FROM bridge.source WHERE name = $1 RETURNING name", name)
        else:
            gone = await connection.fetchval(
                "UPDATE bridge.source SET state = 'DELETING', version = version + (state = 'ACTIVE')::int,"
                " update_time = now() WHERE name = $1 RETURNING name",
                name,
            )
            await connection.execute(_DRAIN_SLOTS, name, None)
    if gone is None:
        raise not_found(name)


async def get(connection: Connection, name: str) -> SourceRecord:
    """Return one source.

    Raises:
        SourceNotFoundError: There is none of that name.
    """
    found = await read(connection, names=[name])
    if not found:
        raise not_found(name)
    return found[0]


async def read(
    connection: Connection, *, names: Sequence[str] | None = None, after: str = "", limit: int = 1
) -> list[SourceRecord]:
    """Return sources by name, those named or up to `limit` after one."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS}, state, warnings, create_time, update_time FROM bridge.source"  # noqa: S608
        " WHERE CASE WHEN $1::text[] IS NULL THEN name > $2 ELSE name = ANY ($1) END ORDER BY name LIMIT $3",
        None if names is None else list(names),
        after,
        limit if names is None else len(names),
    )
    slots = await connection.fetch(
        "SELECT *, expires_at > clock_timestamp() AS held FROM bridge.source_slot WHERE source = ANY ($1)"
        " ORDER BY source, slot",
        [row["name"] for row in rows],
    )
    return [
        SourceRecord(
            source=source_of(row),
            deleting=row["state"] == "DELETING",
            warnings=tuple(row["warnings"]),
            create_time=row["create_time"],
            update_time=row["update_time"],
            slots=tuple(_slot(slot) for slot in slots if slot["source"] == row["name"]),
        )
        for row in rows
    ]


async def write_warnings(connection: Connection, source: Source, warnings: Sequence[str]) -> None:
    """Keep what the probe of a broker found, unless the source was changed meanwhile."""
    await connection.execute(
        "UPDATE bridge.source SET warnings = $3 WHERE name = $1 AND version = $2",
        source.name,
        source.version,
        list(warnings),
    )


def not_found(name: str) -> DataflowError:
    """Return the error for a source that is not there."""
    return SourceNotFoundError(f"no source {name!r}", metadata={"source": name})


def _slot(row: asyncpg.Record) -> SlotRecord:
    return SlotRecord(
        slot=row["slot"],
        draining=row["state"] == "DRAINING",
        holder=row["holder"],
        held=row["held"],
        connected=row["connected"] and row["held"],
        received=row["received"],
        acknowledged=row["acknowledged"],
        redelivered=row["redelivered"],
        last_error=row["last_error"],
        warnings=tuple(row["warnings"]),
        since=row["since"],
    )
