"""Commands and configuration of devices in Postgres."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg
from dataflow_mesh.postgres import Connection, Pool
from dataflow_ring.batch import new_batch_id

from dataflow_bridge.errors import RequestIdReusedError

CHANNEL: Final = "dataflow_device"
"""NOTIFY with a device id: there is something for it."""
_SECONDS: Final = 5.0
_PER_DEVICE: Final = 100

_COLUMNS: Final = """command_id, device_id, name, arguments, caller, create_time, expire_time, send_time, deliver_time,
    acknowledge_time, acknowledgement, detail, expire_time <= clock_timestamp() AS expired"""

_CREATE: Final = f"""
WITH made AS (
    INSERT INTO bridge.device_command (command_id, device_id, name, arguments, caller, request_id, request_digest,
        expire_time)
    VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp() + make_interval(secs => $8))
    ON CONFLICT DO NOTHING RETURNING *
), told AS (
    SELECT pg_notify('{CHANNEL}', device_id) FROM made
)
SELECT {_COLUMNS}, request_digest FROM made LEFT JOIN told ON true
"""  # noqa: S608 - our own constants

_BY_REQUEST: Final = f"""
SELECT {_COLUMNS}, request_digest FROM bridge.device_command WHERE device_id = $1 AND request_id = $2
"""  # noqa: S608 - our own constants

_LIST: Final = f"""
SELECT {_COLUMNS} FROM bridge.device_command
WHERE ($1::text IS NULL OR device_id = $1) AND ($2::uuid IS NULL OR command_id < $2)
    AND ($3::text IS NULL OR $3 = CASE
        WHEN acknowledge_time IS NOT NULL THEN 'ACKNOWLEDGED'
        WHEN deliver_time IS NOT NULL THEN 'DELIVERED'
        WHEN expire_time <= clock_timestamp() THEN 'EXPIRED'
        ELSE 'PENDING' END)
ORDER BY command_id DESC LIMIT $4
"""  # noqa: S608 - our own constants

_OPEN: Final = f"""
SELECT c.command_id, c.device_id, c.name, c.arguments, c.client_id, c.packet_id,
    extract(epoch FROM c.expire_time - clock_timestamp())::double precision AS seconds_left
FROM unnest($1::text[]) AS d (device_id) CROSS JOIN LATERAL (
    SELECT * FROM bridge.device_command c
    WHERE c.device_id = d.device_id AND c.deliver_time IS NULL AND c.acknowledge_time IS NULL
        AND c.expire_time > clock_timestamp()
    ORDER BY c.command_id LIMIT {_PER_DEVICE}) c
"""  # noqa: S608 - our own constants

_CONFIGS: Final = """
SELECT device_id, version, config, delivered_version FROM bridge.device_config WHERE device_id = ANY($1::text[])
"""

_SET_CONFIG: Final = f"""
WITH made AS (
    INSERT INTO bridge.device_config AS c (device_id, version, config, caller, request_id) VALUES ($1, 1, $2, $3, $4)
    ON CONFLICT (device_id) DO UPDATE SET version = c.version + 1, config = excluded.config, caller = excluded.caller,
        request_id = excluded.request_id, set_time = clock_timestamp()
    WHERE c.request_id <> excluded.request_id OR excluded.request_id = ''
    RETURNING *
), told AS (
    SELECT pg_notify('{CHANNEL}', device_id) FROM made
)
SELECT made.* FROM made LEFT JOIN told ON true
"""  # noqa: S608 - our own constants

_SENT: Final = """
UPDATE bridge.device_command c SET send_time = coalesce(c.send_time, clock_timestamp()), client_id = a.client_id,
    packet_id = a.packet_id
FROM unnest($1::uuid[], $2::text[], $3::int[]) AS a (command_id, client_id, packet_id)
WHERE c.command_id = a.command_id
"""

_DELIVERED: Final = """
UPDATE bridge.device_command c SET deliver_time = CASE WHEN a.detail = '' THEN clock_timestamp() ELSE c.deliver_time END,
    detail = a.detail
FROM unnest($1::uuid[], $2::text[]) AS a (command_id, detail)
WHERE c.command_id = a.command_id AND c.deliver_time IS NULL
"""

_CONFIG_DELIVERED: Final = """
UPDATE bridge.device_config c SET delivered_version = a.version, deliver_time = clock_timestamp()
FROM unnest($1::text[], $2::bigint[]) AS a (device_id, version)
WHERE c.device_id = a.device_id AND c.delivered_version < a.version
"""

_ACKNOWLEDGED: Final = """
UPDATE bridge.device_command c SET acknowledge_time = clock_timestamp(), acknowledgement = a.payload
FROM unnest($1::text[], $2::uuid[], $3::bytea[]) AS a (device_id, command_id, payload)
WHERE c.command_id = a.command_id AND c.device_id = a.device_id AND c.acknowledge_time IS NULL
"""


@dataclass(frozen=True, slots=True)
class NewCommand:
    """What an operator sends."""

    device_id: str
    name: str
    arguments: str
    """JSON."""
    expire_seconds: float
    caller: str
    request_id: str

    @property
    def digest(self) -> bytes:
        """Tells whether the same request_id asks for the same thing."""
        return hashlib.sha256(repr((self.name, self.arguments, self.expire_seconds)).encode()).digest()


async def create_command(connection: Connection, wanted: NewCommand) -> asyncpg.Record:
    """Keep a command and tell the bridges; the same request_id is the same command.

    Raises:
        RequestIdReusedError: The request_id made another command for this device.
    """
    row = await connection.fetchrow(
        _CREATE,
        UUID(bytes=new_batch_id()),
        wanted.device_id,
        wanted.name,
        wanted.arguments,
        wanted.caller,
        wanted.request_id,
        wanted.digest,
        wanted.expire_seconds,
        timeout=_SECONDS,
    )
    if row is None:
        row = await connection.fetchrow(_BY_REQUEST, wanted.device_id, wanted.request_id, timeout=_SECONDS)
        assert row is not None
        if row["request_digest"] != wanted.digest:
            raise RequestIdReusedError(
                f"request_id {wanted.request_id!r} made another command for this device",
                metadata={"request_id": wanted.request_id},
            )
    return row


async def list_commands(
    connection: Connection, device_id: str | None, state: str | None, after: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """Return commands, newest first."""
    return await connection.fetch(_LIST, device_id, after, state, limit, timeout=_SECONDS)


async def set_config(
    connection: Connection, device_id: str, config: str, caller: str, request_id: str
) -> asyncpg.Record:
    """Keep a configuration as the next version and tell the bridges; the same request_id is the same version.

    Raises:
        RequestIdReusedError: The last request with this request_id had another configuration.
    """
    row = await connection.fetchrow(_SET_CONFIG, device_id, config, caller, request_id, timeout=_SECONDS)
    if row is None:
        row = await connection.fetchrow("SELECT * FROM bridge.device_config WHERE device_id = $1", device_id)
        assert row is not None
        if row["config"] != config:
            raise RequestIdReusedError(
                f"request_id {request_id!r} set another configuration", metadata={"request_id": request_id}
            )
    return row


class DeviceMail:
    """What the bridges read and write of commands and configuration, for many devices at once.

    Args:
        pool: Postgres.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def open_mail(self, device_ids: Sequence[str]) -> tuple[list[asyncpg.Record], list[asyncpg.Record]]:
        """Return the commands that these devices do not have yet, oldest first, and their configurations."""
        async with self._pool.acquire(timeout=_SECONDS) as connection:
            return (
                await connection.fetch(_OPEN, device_ids, timeout=_SECONDS),
                await connection.fetch(_CONFIGS, device_ids, timeout=_SECONDS),
            )

    async def note_sent(self, sent: dict[UUID, tuple[str, int]]) -> None:
        """Note to whom commands were sent, under which packet ids."""
        await self._run(
            _SENT,
            list(sent),
            [client_id for client_id, _ in sent.values()],
            [packet_id for _, packet_id in sent.values()],
        )

    async def note_delivered(self, delivered: dict[UUID, str]) -> None:
        """Note which commands clients have, or why they cannot have them."""
        await self._run(_DELIVERED, list(delivered), list(delivered.values()))

    async def note_configured(self, versions: dict[str, int]) -> None:
        """Note which version of its configuration each device has."""
        await self._run(_CONFIG_DELIVERED, list(versions), list(versions.values()))

    async def note_acknowledged(self, answers: dict[UUID, tuple[str, bytes]]) -> None:
        """Note what devices answered to commands."""
        await self._run(
            _ACKNOWLEDGED,
            [device_id for device_id, _ in answers.values()],
            list(answers),
            [payload for _, payload in answers.values()],
        )

    async def _run(self, statement: str, *values: object) -> None:
        async with self._pool.acquire(timeout=_SECONDS) as connection:
            await connection.execute(statement, *values, timeout=_SECONDS)
