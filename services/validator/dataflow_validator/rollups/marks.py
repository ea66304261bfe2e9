"""Marks the hours whose rows a transaction changes, so that the worker recomputes them and nobody trusts them meanwhile.

To mark more than was changed is harmless; to change rows without a mark is not. The mark commits with the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from dataflow_mesh.postgres import Connection

from dataflow_validator.statements import statements

HOUR: Final = timedelta(hours=1)

Hours: TypeAlias = Mapping[datetime, Iterable[str] | None]
"""Devices by the hour (UTC) of their event times; `None` for all devices of the hour."""

_MAX_DEVICES: Final = 100
"""More devices of one hour are marked as all devices: writing a thousand names in each transaction cost live data 5 %."""


def hour_of(moment: datetime) -> datetime:
    """Returns the start of the hour that holds a moment, in UTC."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.replace(minute=0, second=0, microsecond=0)


def hours_of(rows: Sequence[Sequence[Any]]) -> dict[datetime, set[str]]:
    """Returns the devices of rows by hour.

    Live data is nearly always of one hour, and is found to be so at 0.1 us a row.

    Args:
        rows: Device id and event time first, as the store transaction has them; event times in UTC.
    """
    if not rows:
        return {}
    times = [row[1] for row in rows]
    first = hour_of(min(times))
    if max(times) < first + HOUR:
        return {first: {row[0] for row in rows}}
    found: dict[datetime, set[str]] = {}
    start, end = first, first
    devices: set[str] = set()
    for row in rows:
        moment = row[1]
        if not start <= moment < end:
            start = hour_of(moment)
            end = start + HOUR
            devices = found.setdefault(start, set())
        devices.add(row[0])
    return found


async def mark(connection: Connection, contract: str, hours_devices: Iterable[tuple[datetime, str]]) -> None:
    """Marks device hours of one contract, in the caller's transaction that changes their rows.

    Args:
        connection: In the transaction.
        contract: Whose rows.
        hours_devices: The event time (or its hour) and the device of each row; repetitions cost little.
    """
    hours: dict[datetime, set[str]] = {}
    for moment, device in hours_devices:
        hours.setdefault(hour_of(moment), set()).add(device)
    await mark_hours(connection, {contract: hours})


async def mark_hours(connection: Connection, contracts: Mapping[str, Hours]) -> None:
    """Marks hours of several contracts with one statement, in the caller's transaction that changes their rows.

    Args:
        connection: In the transaction.
        contracts: The hours by contract.
    """
    marks = [(name, hour, _literal(devices)) for name, hours in contracts.items() for hour, devices in hours.items()]
    if marks:
        await connection.execute(statements("rollups")["insert_marks"], *zip(*marks, strict=True))


def _literal(devices: Iterable[str] | None) -> str | None:
    given = None if devices is None else sorted(devices)
    return None if given is None or len(given) > _MAX_DEVICES else device_literal(given)


def device_literal(devices: Iterable[str]) -> str:
    """Writes a text[] as text: unnest would flatten an array of arrays, and their lengths differ."""
    return "{" + ",".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in devices) + "}"
