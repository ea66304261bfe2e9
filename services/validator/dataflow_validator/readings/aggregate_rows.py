"""The SQL of an aggregation that reads rows only: whatever Postgres can compute. Pure."""

from __future__ import annotations

from typing import Final

from dataflow_validator.contracts.names import Column, quote_identifier
from dataflow_validator.readings.aggregate import Aggregation, Function, after_condition, is_integer, keys
from dataflow_validator.readings.queries import Query

_ORDER: Final = "r.event_time, r.device_id, r.message_id"
_REVERSE: Final = "r.event_time DESC, r.device_id DESC, r.message_id DESC"


def rows_query(aggregation: Aggregation, *, exact: bool = False) -> Query:
    """Aggregates rows.

    Gives (start, device, group, count of rows, then each function of each column, and its percentiles as one array).
    The start is null without windows; device and group are empty unless asked for. A group is its value as text behind an
    equals sign, empty for null.

    Args:
        aggregation: What is asked for.
        exact: Add in numeric instead of double precision, for sums beyond a double's range.
    """
    query = Query()
    windows, selection = aggregation.windows, aggregation.selection
    source, start = f"{selection.table} r", ""
    if windows is not None:
        start = windows.start(query, "r.event_time")
        if windows.overlap > 1:
            source += f" CROSS JOIN generate_series(0, {windows.overlap - 1}) AS k"
            start = windows.earlier(query, start, "k")
    named, differing = keys(aggregation, start, "r.device_id", _group(aggregation))
    conditions = row_conditions(query, aggregation)
    if aggregation.start is not None:
        conditions.append(f"r.event_time >= {query.argument(aggregation.start, 'timestamptz')}")
    if selection.end is not None:
        conditions.append(f"r.event_time < {query.argument(selection.end, 'timestamptz')}")
    if after := after_condition(query, aggregation, differing):
        conditions.append(after)
    cells = [
        _cell(column, function, exact=exact) for column in aggregation.columns for function in aggregation.functions
    ]
    if aggregation.percentiles:
        given = query.argument(list(aggregation.percentiles), "double precision[]")
        cells = _with_percentiles(aggregation, cells, given)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    # By position: the keys of a bucket are the first items.
    places = ", ".join(str(place) for place, item in enumerate(named, start=1) if item in differing)
    grouped = f" GROUP BY {places} ORDER BY {places}" if places else ""
    query.sql = (
        f"SELECT {', '.join([*named, 'count(*)', *cells])} FROM {source}{where}{grouped} "  # noqa: S608 - names are quoted
        f"LIMIT {query.argument(aggregation.limit, 'bigint')}"
    )
    return query


def row_conditions(query: Query, aggregation: Aggregation) -> list[str]:
    """Returns the conditions on rows of a table `r`, but for those on the time."""
    devices = aggregation.selection.device_ids
    return [] if devices is None else [f"r.device_id = ANY ({query.argument(list(devices), 'text[]')})"]


def _group(aggregation: Aggregation) -> str:
    if aggregation.group is None:
        return ""
    column = f"r.{quote_identifier(aggregation.group.name)}"
    return f"(coalesce('=' || {column}::text, '') COLLATE \"C\")"


def _with_percentiles(aggregation: Aggregation, cells: list[str], given: str) -> list[str]:
    functions = len(aggregation.functions)
    found = []
    for number, column in enumerate(aggregation.columns):
        found += cells[number * functions : (number + 1) * functions]
        found.append(f"percentile_cont({given}) WITHIN GROUP (ORDER BY r.{quote_identifier(column.name)})")
    return found


def _cell(column: Column, function: Function, *, exact: bool) -> str:
    name = f"r.{quote_identifier(column.name)}"
    number = f"{name}::numeric" if exact and not is_integer(column) else name
    present = f"FILTER (WHERE {name} IS NOT NULL)"
    text = "::text" if column.sql_type == "jsonb" else ""
    match function:
        case Function.STDDEV:
            return f"stddev_samp({number})"
        case Function.AVG | Function.SUM:
            return f"{function}({number})"
        case Function.MEDIAN:
            return f"percentile_cont(0.5) WITHIN GROUP (ORDER BY {name})"
        case Function.DISTINCT:
            return f"count(DISTINCT {name})"
        case Function.MODE:
            return f"(mode() WITHIN GROUP (ORDER BY {name})){text}"
        case Function.FIRST | Function.LAST:
            order = _ORDER if function is Function.FIRST else _REVERSE
            return f"((array_agg({name} ORDER BY {order}) {present})[1]){text}"
        case _:
            return f"{function}({name})"
