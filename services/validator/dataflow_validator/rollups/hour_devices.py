"""Which devices an hour is about, without reading all the rows of a full one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from dataflow_mesh.postgres import Connection

from dataflow_validator.readings.table import readings_table_name
from dataflow_validator.rollups.tables import Level, rollup_table

_MANY_ROWS: Final = 200_000
"""In an hour with more rows, devices are looked for along the primary key, one step for each, instead of among its rows."""


async def devices_of_hour(connection: Connection, contract: str, hour: datetime) -> list[tuple[datetime, str]]:
    """Reads the devices that have rows in an hour, or rollups of it."""
    table, rollups = readings_table_name(contract), rollup_table(contract, Level.HOUR).sql_name
    # Written into the statements, so that they are planned for the one partition they need.
    start, end = hour.isoformat(), (hour + timedelta(hours=1)).isoformat()
    among = f"SELECT device_id FROM {table} WHERE event_time >= '{start}' AND event_time < '{end}' LIMIT {_MANY_ROWS}"  # noqa: S608 - names are quoted
    row = await connection.fetchrow(
        f"SELECT count(*) AS rows, array_agg(DISTINCT device_id) AS devices FROM ({among}) r"  # noqa: S608
    )
    found: set[str] = set() if row is None else set(row["devices"] or ())
    if row is not None and row["rows"] == _MANY_ROWS:
        first = hour.replace(day=1, hour=0)
        month = f"event_time >= '{first.isoformat()}' AND event_time < '{(first + timedelta(days=32)).replace(day=1).isoformat()}'"
        rows = await connection.fetch(
            f"WITH RECURSIVE d (device_id) AS ("  # noqa: S608
            f"(SELECT device_id FROM {table} WHERE {month} ORDER BY device_id LIMIT 1) UNION ALL "
            f"SELECT (SELECT t.device_id FROM {table} t WHERE {month} AND t.device_id > d.device_id "
            "ORDER BY t.device_id LIMIT 1) FROM d WHERE d.device_id IS NOT NULL) "
            "SELECT device_id FROM d WHERE device_id IS NOT NULL"
        )
        found.update(row["device_id"] for row in rows)
    rows = await connection.fetch(f"SELECT DISTINCT device_id FROM {rollups} WHERE field = '' AND start = '{start}'")  # noqa: S608
    found.update(row["device_id"] for row in rows)
    return [(hour, device) for device in sorted(found)]
