"""Where rollups are: two tables for each contract, one row for each device, hour (or day) and field, partitioned by month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from dataflow_mesh.postgres import Connection, Pool

from dataflow_validator.contracts.names import ENVELOPE_COLUMNS, quote_identifier
from dataflow_validator.readings.partition_table import PartitionedTable, Span
from dataflow_validator.readings.table import readings_table_name
from dataflow_validator.statements import statements

SCHEMA: Final = "rollup"

READINGS: Final = ""
"""The field of the row that counts the readings, whatever their fields."""

KEPT_BOUND: Final = "1e290"
"""Sums of doubles with values beyond it are kept as NaN: 10^18 of them can pass a double's range on their way."""


class Level(Enum):
    """The length of the buckets of a table."""

    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        """The length of a bucket."""
        return timedelta(hours=1) if self is Level.HOUR else timedelta(days=1)


class Kind(Enum):
    """What a rollup keeps of a field."""

    INTEGER = "integer"
    """All, as numeric: exact."""
    NUMBER = "number"
    """All, as double precision."""
    COUNT = "count"
    """How many readings have it."""


@dataclass(frozen=True, slots=True)
class RollupField:
    """A field, as its column in the contract's table.

    Attributes:
        name: The column, unquoted: the rollup's `field`.
        kind: What is kept of it.
    """

    name: str
    kind: Kind


def kind_of(sql_type: str) -> Kind:
    """Returns what a rollup keeps of a column of a type."""
    if sql_type in ("bigint", "numeric"):
        return Kind.INTEGER
    return Kind.NUMBER if sql_type == "double precision" else Kind.COUNT


def rollup_table(contract: str, level: Level) -> PartitionedTable:
    """Returns the table of a contract's hours or days."""
    return PartitionedTable(SCHEMA, f"{contract}:{level.value}", "start", Span.MONTH)


def create_table_statements(contract: str, level: Level) -> Sequence[str]:
    """Returns the statements that make a rollup table and its DEFAULT partition.

    Of one device the primary key finds hours and days, of one field the index those of all devices.
    """
    table = rollup_table(contract, level)
    make = (
        f"CREATE TABLE IF NOT EXISTS {table.sql_name} (\n"
        '    device_id text COLLATE "C" NOT NULL,\n'
        "    start timestamptz NOT NULL,\n"
        '    field text COLLATE "C" NOT NULL,\n'
        "    count bigint NOT NULL,\n"
        "    first_time timestamptz,\n"
        "    last_time timestamptz,\n"
        "    integer_min numeric, integer_max numeric, integer_sum numeric, integer_first numeric, integer_last numeric,\n"
        "    number_min double precision, number_max double precision, number_sum double precision,\n"
        "    number_first double precision, number_last double precision,\n"
        "    PRIMARY KEY (device_id, start, field)\n"
        ") PARTITION BY RANGE (start)"
    )
    default = f"{SCHEMA}.{quote_identifier(table.name + ':default')}"
    return (
        make,
        f"CREATE INDEX IF NOT EXISTS {quote_identifier(table.name + ':field')} ON {table.sql_name} (field, start)",
        f"CREATE TABLE IF NOT EXISTS {default} PARTITION OF {table.sql_name} DEFAULT",
    )


async def rollup_fields(connection: Connection, contract: str) -> tuple[RollupField, ...]:
    """Reads the fields of all revisions from the columns of the contract's table; empty where there is no table."""
    rows = await connection.fetch(
        statements("rollups")["columns"], readings_table_name(contract), list(ENVELOPE_COLUMNS)
    )
    return tuple(RollupField(row["name"], kind_of(row["sql_type"])) for row in rows)


async def begin_rollups(pool: Pool) -> list[str]:
    """Makes the tables of the contracts that have none, and marks all hours that have rows; returns their names.

    So rollups of contracts that are older than rollups come about, and those whose tables somebody dropped together with
    their row in `validator.rollup`.

    Raises:
        asyncpg.PostgresError, OSError: Postgres failed; the contracts so far are done.
    """
    begun = []
    sql = statements("rollups")
    for row in await pool.fetch(sql["contracts_without"]):
        contract = str(row["name"])
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(sql["lock"], f"begin {contract}")
            if not await connection.fetchval(sql["begin"], contract):
                continue  # another validator was first
            for level in Level:
                for statement in create_table_statements(contract, level):
                    await connection.execute(statement)
            for partition in await connection.fetch(sql["partitions_with_default"], readings_table_name(contract)):
                table = f"readings.{quote_identifier(partition['name'])}"
                await connection.execute(_MARK_ALL.format(table=table), contract)
            begun.append(contract)
    return begun


_MARK_ALL: Final = """
    WITH RECURSIVE hour (start) AS (
        (SELECT date_trunc('hour', event_time) FROM {table} ORDER BY event_time LIMIT 1)
        UNION ALL
        SELECT (SELECT date_trunc('hour', event_time) FROM {table} t
                WHERE t.event_time >= hour.start + interval '1 hour' ORDER BY t.event_time LIMIT 1)
        FROM hour WHERE hour.start IS NOT NULL
    )
    INSERT INTO validator.rollup_mark (contract, hour) SELECT $1, start FROM hour WHERE start IS NOT NULL
"""
"""Hops from hour to hour along the index on the event time: the rows themselves are not read."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far back a contract's rows and rollups reach.

    Attributes:
        rows_from: Readings before it were removed by retention; `None`: none were.
        rollups_from: Rollups before it were removed by retention; `None`: none were.
    """

    rows_from: datetime | None
    rollups_from: datetime | None


async def read_horizon(connection: Connection, contract: str) -> Horizon | None:
    """Reads how far back a contract's data reach; `None` while it has no rollups."""
    row = await connection.fetchrow(statements("rollups")["horizon"], contract)
    return None if row is None else Horizon(row["rows_from"], row["rollups_from"])
