"""The SQL that makes rollups of rows, and days of hours. Pure: text, no connection.

Sums of doubles are taken in the order of (event_time, message_id), those of a day in the order of its hours: the same rows
give the same bits, whenever and wherever they are recomputed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from dataflow_validator.contracts.names import quote_identifier
from dataflow_validator.readings.table import readings_table_name
from dataflow_validator.rollups.tables import KEPT_BOUND, READINGS, Kind, Level, RollupField, rollup_table

FIELDS_AT_ONCE: Final = 64
"""Fields of one statement: each is seven aggregates, and a statement has at most 1,664 columns."""

_VALUES: Final = ("min", "max", "sum", "first", "last")
COLUMNS: Final = (
    ("device_id", "text"),
    ("start", "timestamptz"),
    ("field", "text"),
    ("count", "bigint"),
    ("first_time", "timestamptz"),
    ("last_time", "timestamptz"),
    *((f"integer_{value}", "numeric") for value in _VALUES),
    *((f"number_{value}", "double precision") for value in _VALUES),
)
"""The columns of a rollup table, in their order."""

_NAMES: Final = ", ".join(name for name, _ in COLUMNS)


def kept_sum(column: str) -> str:
    """Returns the sum of a double column, NaN where it may pass the range of doubles on its way."""
    return f"sum(CASE WHEN abs({column}) > {KEPT_BOUND} THEN 'NaN'::double precision ELSE {column} END)"


def hours_statement(contract: str, fields: Sequence[RollupField], day: datetime, *, with_readings: bool) -> str:
    """Gives the rollups of device hours of one day as the text of an array of rows.

    As text they pass through the process unread, and nothing is written while rows are read: a transaction that has
    written something holds back all who read by cursor.

    Args:
        contract: Whose rows.
        fields: Of these, at most `FIELDS_AT_ONCE`.
        day: Its start; written into the statement, so that it is planned for the one partition it needs.
        with_readings: Also count the readings.

    Returns:
        A statement of $1, the devices, and $2, the hours beside them.
    """
    end = day + timedelta(days=1)
    needed = ", ".join(["event_time", *(quote_identifier(field.name) for field in fields)])
    aggregates = ["count(*) AS readings"]
    values = [_row(READINGS, "g.readings", Kind.COUNT, 0)] if with_readings else []
    for number, field in enumerate(fields):
        column = f"r.{quote_identifier(field.name)}"
        aggregates.append(f"count({column}) AS c{number}")
        if field.kind is not Kind.COUNT:
            total = f"sum({column})" if field.kind is Kind.INTEGER else kept_sum(column)
            present = f"FILTER (WHERE {column} IS NOT NULL)"
            aggregates += [
                f"min({column}) AS a{number}, max({column}) AS b{number}, {total} AS s{number}",
                f"min(r.event_time) {present} AS t{number}, max(r.event_time) {present} AS u{number}",
                # Fed in order by the subquery, so that the first and the last element are the first and last value.
                f"array_agg({column}) {present} AS v{number}",
            ]
        values.append(_row(field.name, f"g.c{number}", field.kind, number))
    hour_row = rollup_table(contract, Level.HOUR).sql_name
    cells = ", ".join(f"v.{name}" for name, _ in COLUMNS[2:])
    return (
        f"SELECT array_agg(f.rollup)::text FROM unnest($1::text[], $2::timestamptz[]) AS k (device_id, start) "  # noqa: S608 - names are quoted
        f"CROSS JOIN LATERAL (SELECT {', '.join(aggregates)} FROM ("
        f"SELECT {needed} FROM {readings_table_name(contract)} "
        "WHERE device_id = k.device_id AND event_time >= k.start AND event_time < k.start + interval '1 hour' "
        f"AND event_time >= '{day.isoformat()}' AND event_time < '{end.isoformat()}' "
        "ORDER BY event_time, message_id) r) g "
        f"CROSS JOIN LATERAL (SELECT ROW(k.device_id, k.start, {cells})::{hour_row} AS rollup FROM (VALUES {', '.join(values)}) "
        f"AS v ({', '.join(name for name, _ in COLUMNS[2:])}) WHERE v.count > 0) f"
    )


def _row(name: str, count: str, kind: Kind, number: int) -> str:
    literal = "'" + name.replace("'", "''") + "'"
    cells = [f"{literal}::text", count]
    last = f"g.v{number}[cardinality(g.v{number})]"
    values = [f"g.a{number}", f"g.b{number}", f"g.s{number}", f"g.v{number}[1]", last]
    nothing = ["NULL::{}"] * len(values)
    cells += ["NULL::timestamptz"] * 2 if kind is Kind.COUNT else [f"g.t{number}", f"g.u{number}"]
    integers = [f"{value}::numeric" for value in values] if kind is Kind.INTEGER else nothing
    numbers = values if kind is Kind.NUMBER else nothing
    cells += [cell.format("numeric") for cell in integers]
    cells += [cell.format("double precision") for cell in numbers]
    return f"({', '.join(cells)})"


def delete_statement(contract: str, level: Level) -> str:
    """Removes the rollups of devices ($1) at starts ($2); which columns a contract has gained does not matter."""
    return (
        f"DELETE FROM {rollup_table(contract, level).sql_name} t USING unnest($1::text[], $2::timestamptz[]) "  # noqa: S608 - names are quoted
        "AS k (device_id, start) WHERE t.device_id = k.device_id AND t.start = k.start "
        "AND t.start >= $3 AND t.start < $4"
    )


def insert_statement(contract: str) -> str:
    """Inserts what `hours_statement` gave ($1)."""
    table = rollup_table(contract, Level.HOUR).sql_name
    return f"INSERT INTO {table} ({_NAMES}) SELECT {_NAMES} FROM unnest($1::text::{table}[]) AS r"  # noqa: S608 - names are quoted


def days_statement(contract: str) -> str:
    """Inserts the day that begins at $2 of devices ($1), out of their hours."""
    return (
        f"INSERT INTO {rollup_table(contract, Level.DAY).sql_name} ({_NAMES}) "
        f"{days_select(rollup_table(contract, Level.HOUR).sql_name)} "
        "WHERE device_id = ANY ($1::text[]) AND start >= $2 AND start < $2 + interval '1 day' GROUP BY 1, 2, 3"
    )


def days_select(hours: str) -> str:
    """Returns the SELECT of days out of hours, without conditions and GROUP BY.

    Args:
        hours: The table, or a subquery with its columns and an alias.
    """

    def edge(value: str, order: str) -> str:
        return f"(array_agg({value} ORDER BY {order}) FILTER (WHERE first_time IS NOT NULL))[1]"

    cells = ["sum(count)::bigint", "min(first_time)", "max(last_time)"]
    for kind, total in (("integer", "sum(integer_sum)"), ("number", "sum(number_sum ORDER BY start)")):
        cells += [f"min({kind}_min)", f"max({kind}_max)", total]
        cells += [edge(f"{kind}_first", "start"), edge(f"{kind}_last", "start DESC")]
    return f"SELECT device_id, date_trunc('day', start), field, {', '.join(cells)} FROM {hours}"  # noqa: S608 - names are quoted
