"""Who destroyed, took out or changed what, and when: `validator.audit_event`, append-only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import orjson
from dataflow_mesh.postgres import Connection

from dataflow_validator.contracts.spec import Json

_INSERT: Final = """INSERT INTO validator.audit_event (actor, action, target, detail)
VALUES ($1, $2, $3, $4::text::jsonb) RETURNING event_time"""


async def record(
    connection: Connection, *, actor: str, action: str, target: str, detail: Mapping[str, Json] | None = None
) -> datetime:
    """Appends one event.

    Call it in the transaction that does what it tells of: both happen, or neither.

    Args:
        connection: May be in a transaction.
        actor: Access identity of who asked (`current_caller().name`; a job's `created_by`).
        action: What was done, as an RPC names it: "DeleteDeviceData", "PurgeQuarantined".
        target: To what: "device:pump-7", "contract:weather", "job:…".
        detail: Counts and what else tells the extent; never payloads.

    Returns:
        The event's time by the database's clock.

    Raises:
        asyncpg.PostgresError: Postgres refused.
    """
    written = orjson.dumps(_storable(dict(detail or {}))).decode()
    moment = await connection.fetchval(_INSERT, _text(actor), _text(action), _text(target), written)
    assert isinstance(moment, datetime)
    return moment.astimezone(UTC)


def _text(value: str) -> str:
    """Makes visible what Postgres cannot hold."""
    return value.replace("\0", "\\u0000").encode("utf-8", "backslashreplace").decode()


def _storable(value: Json) -> Json:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_text(key): _storable(item) for key, item in value.items()}
    return value
