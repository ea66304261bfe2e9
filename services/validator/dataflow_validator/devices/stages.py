"""What is deleted of a device outside of the raw log, one table after the other, some thousand rows at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from dataflow_mesh.postgres import Connection

from dataflow_validator.contracts.names import quote_identifier
from dataflow_validator.rollups.marks import mark_hours
from dataflow_validator.statements import statements

_SQL: Final = statements("devices")


@dataclass(frozen=True, slots=True)
class Stage:
    """One table.

    Attributes:
        name: Under which the result counts it.
        contract: Under which contract it is counted there; "" for none.
        count: Counts what there is of a device.
        remove: Removes the next rows of a device, at most so many (a few more where they share a time), in the caller's
            transaction; returns how many, 0 when nothing is left.
    """

    name: str
    contract: str
    count: Callable[[Connection, str], Awaitable[int]]
    remove: Callable[[Connection, str, int], Awaitable[int]]


def quarantine_stage() -> Stage:
    """Items in quarantine; those of no known device are looked at by `unknown.py`."""

    async def count(connection: Connection, device_id: str) -> int:
        return int(await connection.fetchval(_SQL["count_quarantine"], device_id))

    async def remove(connection: Connection, device_id: str, limit: int) -> int:
        removed = int(await connection.fetchval(_SQL["remove_quarantine"], device_id, limit))
        await connection.execute(_SQL["remove_removed"], device_id)
        return removed

    return Stage("quarantined", "", count, remove)


def rows_stage(contract: str) -> Stage:
    """Rows of a contract; their hours are marked, so that rollups follow."""
    table = f"readings.{quote_identifier(contract)}"

    async def count(connection: Connection, device_id: str) -> int:
        return await _count(connection, table, device_id)

    async def remove(connection: Connection, device_id: str, limit: int) -> int:
        last = await connection.fetchval(_SQL["last_of_rows"].format(table=table), device_id, limit)
        if last is None:
            return 0
        row = await connection.fetchrow(_SQL["remove_rows"].format(table=table), device_id, last, contract)
        assert row is not None, "an aggregate gives a row"
        if row["hours"]:
            await mark_hours(connection, {contract: {hour: [device_id] for hour in row["hours"]}})
        return int(row["items"])

    return Stage("rows", contract, count, remove)


def rollups_stage(table_name: str) -> Stage:
    """Rollups of a table of hours or days: also those whose rows retention removed, which nobody recomputes."""
    table = f"rollup.{quote_identifier(table_name)}"

    async def count(connection: Connection, device_id: str) -> int:
        return await _count(connection, table, device_id)

    async def remove(connection: Connection, device_id: str, limit: int) -> int:
        last = await connection.fetchval(_SQL["last_of_rollups"].format(table=table), device_id, limit)
        if last is None:
            return 0
        return int(await connection.fetchval(_SQL["remove_rollups"].format(table=table), device_id, last))

    return Stage("rollups", table_name.rpartition(":")[0], count, remove)


def seen_stage(contract: str) -> Stage:
    """Ids by which resends are recognised."""

    async def count(connection: Connection, device_id: str) -> int:
        return int(await connection.fetchval(_SQL["count_seen"], contract, device_id))

    async def remove(connection: Connection, device_id: str, limit: int) -> int:
        return int(await connection.fetchval(_SQL["remove_seen"], contract, device_id, limit))

    return Stage("seen", contract, count, remove)


async def stages(connection: Connection) -> list[Stage]:
    """Returns all of them, in the order in which they are done.

    Rollups come last: what is recomputed meanwhile from rows that are gone finds nothing.
    """
    contracts = [row["name"] for row in await connection.fetch(_SQL["tables"], "readings")]
    rollups = [row["name"] for row in await connection.fetch(_SQL["tables"], "rollup")]
    return [
        quarantine_stage(),
        *(rows_stage(name) for name in contracts),
        *(seen_stage(name) for name in contracts),
        *(rollups_stage(name) for name in rollups),
    ]


async def _count(connection: Connection, table: str, device_id: str) -> int:
    return int(
        await connection.fetchval(f"SELECT count(*) FROM {table} WHERE device_id = $1", device_id)  # noqa: S608 - quoted
    )
