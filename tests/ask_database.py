"""Databases that questions are asked over: the validator's schema and real readings, in the shape that the store has."""

import json
import uuid
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final

import asyncpg

from tests import sensor_data


def _spec(name: str, fields: Sequence[str], units: dict[str, str] | None = None) -> dict[str, Any]:
    units = units or {}
    types = {
        field: "string"
        if field in sensor_data.TEXT_FIELDS
        else "integer"
        if field in sensor_data.INTEGER_FIELDS
        else "number"
        for field in fields
    }
    return {
        "name": name,
        "event_time": "ts",
        "fields": [
            {"name": "device_id", "type": "string"},
            {"name": "ts", "type": "timestamp"},
            *(
                {"name": field, "type": types[field], "required": False, "unit": units.get(field, "")}
                for field in fields
            ),
        ],
    }


AIR: Final = _spec("air", sensor_data.AIR_FIELDS)
"""Twelve stations, an hour a row, without units: as published questions have it."""

ROOM: Final = _spec(
    "room", sensor_data.ROOM_FIELDS, {"temperature": "°C", "humidity": "%", "light": "lux", "co2": "ppm"}
)
"""One office as two rooms, a row a minute."""

MACHINE: Final = _spec("machine", sensor_data.MACHINE_FIELDS, {"temperature": "°F"})
"""One machine, five minutes a row."""

POLLUTION: Final = _spec("pollution", sensor_data.POLLUTION_FIELDS)
"""Some columns of `AIR`."""

WEATHER: Final = _spec("weather", sensor_data.WEATHER_FIELDS)
"""The other columns of `AIR`."""


async def load_main(dsn: str) -> None:
    """Makes the contracts air, room and machine and their readings."""
    await _load(
        dsn,
        (
            (AIR, list(sensor_data.air_rows()), sensor_data.AIR_FIELDS),
            (ROOM, list(sensor_data.room_rows()), sensor_data.ROOM_FIELDS),
            (MACHINE, list(sensor_data.machine_rows()), sensor_data.MACHINE_FIELDS),
        ),
    )


async def load_joined(dsn: str) -> None:
    """Makes the contracts pollution and weather, which share devices and times."""
    await _load(
        dsn,
        (
            (POLLUTION, list(sensor_data.pollution_rows()), sensor_data.POLLUTION_FIELDS),
            (WEATHER, list(sensor_data.weather_rows()), sensor_data.WEATHER_FIELDS),
        ),
    )


async def _load(dsn: str, contracts: Sequence[tuple[dict[str, Any], Sequence[sensor_data.Row], Sequence[str]]]) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await make_schema(connection)
        for spec, rows, fields in contracts:
            await add_contract(connection, spec, rows, fields)
    finally:
        await connection.close()


async def make_schema(connection: "asyncpg.Connection[Any]") -> None:
    """Runs the validator's own migrations."""
    await connection.execute("CREATE SCHEMA validator")
    folder = resources.files("dataflow_validator") / "migrations"
    for migration in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if migration.name.endswith(".sql"):
            await connection.execute(migration.read_text())


async def add_contract(
    connection: "asyncpg.Connection[Any]", spec: dict[str, Any], rows: Sequence[tuple[Any, ...]], fields: Sequence[str]
) -> None:
    """Adds one active contract and its readings."""
    name = spec["name"]
    await connection.execute(
        "INSERT INTO validator.contract (name, active_revision, latest_revision) VALUES ($1, 1, 1)", name
    )
    await connection.execute("INSERT INTO validator.revision VALUES ($1, 1, $2)", name, json.dumps(spec))
    types = {"string": "text", "number": "double precision", "integer": "bigint", "boolean": "boolean"}
    kinds = {entry["name"]: types.get(entry["type"], "text") for entry in spec["fields"]}
    columns = ", ".join(f'"{field}" {kinds[field]}' for field in fields)
    await connection.execute(
        f"""CREATE TABLE readings."{name}" (
            device_id text COLLATE "C" NOT NULL, event_time timestamptz NOT NULL, receive_time timestamptz NOT NULL,
            message_id uuid NOT NULL, content_hash bigint NOT NULL, revision integer NOT NULL,
            stored_xid xid8 NOT NULL DEFAULT pg_current_xact_id(), maybe_duplicate boolean NOT NULL DEFAULT false,
            {columns}, extra jsonb, PRIMARY KEY (device_id, event_time, message_id))"""
    )
    for entry in spec["fields"]:
        if entry["name"] in fields:
            await connection.execute(
                "INSERT INTO validator.contract_column VALUES ($1, $2, $3, $2, $4, $5, $6, 1, 1)",
                name,
                entry["name"],
                kinds[entry["name"]],
                entry["type"],
                entry.get("unit", ""),
                entry.get("description", ""),
            )
    await connection.copy_records_to_table(
        name,
        schema_name="readings",
        columns=["device_id", "event_time", "receive_time", "message_id", "content_hash", "revision", *fields],
        records=[(row[0], row[1], row[1], uuid.uuid4(), 0, 1, *row[2:]) for row in rows],
    )
    await connection.execute(f'ANALYZE readings."{name}"')
