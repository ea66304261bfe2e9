"""A result: columns, rows of plain values, and the SQL that made them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from dataflow.insight.v1 import ask_service_pb2

from dataflow_insight.queries.query import MAX_ROWS, Query

_SHOWN: Final = 100
"""Elements of a parameter that the asker sees: all known devices of a contract may be one parameter."""

Value = str | float | int | bool | datetime | None
"""What a cell holds."""


@dataclass(frozen=True, slots=True)
class Table:
    """What the database returned.

    Attributes:
        query: What ran.
        rows: Cells in the order of `query.columns`.
        truncated: The row limit cut it.
    """

    query: Query
    rows: tuple[tuple[Value, ...], ...]
    truncated: bool = False

    def to_proto(self) -> ask_service_pb2.Result:
        """Returns the table as the asker sees it."""
        return ask_service_pb2.Result(
            columns=self.query.columns,
            rows=[ask_service_pb2.Row(cells=[_cell(value) for value in row]) for row in self.rows],
            sql=self.query.sql,
            parameters=[_parameter(value) for value in self.query.parameters],
            truncated=self.truncated,
        )


def table_of(query: Query, records: Sequence[Sequence[object]]) -> Table:
    """Returns the table of a query's records, cut at the row limit."""
    rows = tuple(tuple(_plain(value) for value in record) for record in records[:MAX_ROWS])
    return Table(query, rows, truncated=len(records) > MAX_ROWS)


def iso(moment: datetime) -> str:
    """Returns a time as answers show it: RFC 3339 in UTC, no digits after the second unless there are any."""
    text = moment.astimezone(UTC).isoformat()
    return text.replace("+00:00", "Z")


def _plain(value: object) -> Value:
    match value:
        case float() if not math.isfinite(value):
            return None  # what the sum of values near the end of a double's range comes to
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.astimezone(UTC)
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case _:
            return str(value)


def _cell(value: Value) -> ask_service_pb2.Cell:
    cell = ask_service_pb2.Cell()
    match value:
        case None:
            pass
        case bool():
            cell.boolean = value
        case int() if -(2**63) <= value < 2**63:
            cell.integer = value
        case int() | float():
            cell.number = float(value)
        case datetime():
            cell.time.FromDatetime(value)
        case str():
            cell.text = value
    return cell


def _parameter(value: object) -> str:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, list):
        more = f", and more: {len(value)} in all" if len(value) > _SHOWN else ""
        return ", ".join(str(item) for item in value[:_SHOWN]) + more
    return f"{value:.15g}" if isinstance(value, float) else str(value)
