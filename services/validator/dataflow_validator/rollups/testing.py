"""Compares rollups with a full recomputation, in other words than the worker's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dataflow_mesh.postgres import Connection

from dataflow_validator.contracts.names import quote_identifier
from dataflow_validator.readings.table import readings_table_name
from dataflow_validator.rollups.recompute import COLUMNS, days_select, kept_sum
from dataflow_validator.rollups.tables import READINGS, Kind, Level, RollupField, rollup_fields, rollup_table
from dataflow_validator.statements import statements

_NAMES: Final = ", ".join(name for name, _ in COLUMNS)
_MOST: Final = 20


async def differences(connection: Connection, contract: str, *, clean_only: bool = False) -> list[str]:
    """Compares the rollups of a contract with what its rows amount to, bit by bit, in one snapshot.

    What retention has removed rows of cannot be compared, and is left out.

    Args:
        connection: In no transaction.
        contract: Which contract.
        clean_only: Compare only what has no mark, so that it may be asked while rows are being written; otherwise every
            mark that is left counts as a difference.

    Returns:
        The first differences in words; empty where all is equal.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        fields = await rollup_fields(connection, contract)
        horizon = await connection.fetchrow(statements("rollups")["horizon"], contract)
        if horizon is None:
            return [f"{contract} is not rolled up"]
        start = max((moment for moment in horizon if moment is not None), default=None)
        marks = await connection.fetchval("SELECT count(*) FROM validator.rollup_mark WHERE contract = $1", contract)
        found = [] if clean_only or not marks else [f"{marks} marks are left"]
        hours = _hours(contract, fields)
        for level, wanted in (
            (Level.HOUR, hours),
            (Level.DAY, f"{days_select(f'({hours}) h')} GROUP BY 1, 2, 3"),
        ):
            dirty = f"date_trunc('{level.value}', hour)"
            kept = (
                "start >= coalesce($1::timestamptz, '-infinity') AND NOT ($3 AND EXISTS (SELECT FROM validator.rollup_mark m"
                f" WHERE m.contract = $2 AND {dirty} = start))"
            )
            have = f"SELECT {_NAMES} FROM {rollup_table(contract, level).sql_name}"  # noqa: S608 - names are quoted
            rows = await connection.fetch(
                f"WITH wanted ({_NAMES}) AS ({wanted}), have AS ({have}) "  # noqa: S608 - names are quoted
                f"SELECT * FROM ((SELECT 'missing' AS what, {_TEXT} FROM wanted WHERE {kept} "
                f"EXCEPT SELECT 'missing', {_TEXT} FROM have) UNION ALL "
                f"(SELECT 'wrong', {_TEXT} FROM have WHERE {kept} "
                f"EXCEPT SELECT 'wrong', {_TEXT} FROM wanted)) d ORDER BY 2 LIMIT {_MOST}",
                start,
                contract,
                clean_only,
            )
            found += [f"{level.value}: {row['what']} {row[1]}" for row in rows]
    return found


_TEXT: Final = f"({_NAMES})::text"
"""As text, doubles are compared bit by bit, and NaN equals itself."""


def _hours(contract: str, fields: Sequence[RollupField]) -> str:
    """Returns the SELECT of all rollups of hours, one branch for each field."""
    branches = [_branch(contract, RollupField(READINGS, Kind.COUNT), "true", "1")]
    for field in fields:
        column = quote_identifier(field.name)
        branches.append(_branch(contract, field, f"{column} IS NOT NULL", column))
    return " UNION ALL ".join(branches)


def _branch(contract: str, field: RollupField, condition: str, column: str) -> str:
    order = "ORDER BY event_time, message_id"
    values = [
        f"min({column})",
        f"max({column})",
        _sum(field, column, order),
        f"(array_agg({column} {order}))[1]",
        f"(array_agg({column} ORDER BY event_time DESC, message_id DESC))[1]",
    ]
    literal = "'" + field.name.replace("'", "''") + "'"
    times = ["NULL::timestamptz"] * 2 if field.kind is Kind.COUNT else ["min(event_time)", "max(event_time)"]
    cells = [f"{literal}::text", "count(*)", *times]
    cells += [f"{v}::numeric" if field.kind is Kind.INTEGER else "NULL::numeric" for v in values]
    cells += [v if field.kind is Kind.NUMBER else "NULL::double precision" for v in values]
    names = [name for name, _ in COLUMNS[2:]]
    listed = ", ".join(f"{cell} AS {name}" for cell, name in zip(cells, names, strict=True))
    return (
        f"SELECT device_id, date_bin('1 hour', event_time, '1970-01-01 00:00:00+00') AS start, {listed} "  # noqa: S608 - names are quoted
        f"FROM {readings_table_name(contract)} WHERE {condition} GROUP BY 1, 2"
    )


def _sum(field: RollupField, column: str, order: str) -> str:
    if field.kind is Kind.NUMBER:
        return kept_sum(column)[:-1] + f" {order})"
    return f"sum({column})" if field.kind is Kind.INTEGER else "NULL"
