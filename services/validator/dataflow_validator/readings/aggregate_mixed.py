"""The SQL of an aggregation that is put together from days, hours and rows, each moment from one of them. Pure.

Each source gives parts of buckets (count, minimum, maximum, sum, first, last), which are then put together. Sums of integers
are exact; sums of doubles may differ from a sum over the rows in the last bits, since they are added in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dataflow_validator.contracts.names import Column, quote_identifier
from dataflow_validator.readings.aggregate import (
    Aggregation,
    Function,
    after_condition,
    is_integer,
    is_number,
    keys,
)
from dataflow_validator.readings.aggregate_ranges import Range, Sources
from dataflow_validator.readings.aggregate_rows import row_conditions
from dataflow_validator.readings.queries import Query
from dataflow_validator.rollups.tables import READINGS, Level, rollup_table

_FEW_RANGES: Final = 4
"""So many ranges have a branch each, planned for its partitions; more of them are joined."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One number of a bucket, as each source has it."""

    name: str
    sql_type: str
    of_rollups: str
    of_rows: str


def mixed_query(aggregation: Aggregation, sources: Sources) -> Query:
    """Aggregates rollups and rows; gives what `rows_query` gives.

    Args:
        aggregation: What is asked for; one that rollups can answer.
        sources: What to read from where.
    """
    query = Query()
    parts = [
        _readings(),
        *(part for number, column in enumerate(aggregation.columns) for part in _parts(aggregation, number, column)),
    ]
    branches = [
        *_rollup_branches(query, aggregation, parts, Level.DAY, sources.days, sources.day_devices),
        *_rollup_branches(query, aggregation, parts, Level.HOUR, sources.hours, sources.hour_devices),
        *_row_branches(query, aggregation, parts, sources),
    ]
    windows = aggregation.windows
    start, source = "p.start", f"({' UNION ALL '.join(branches)}) p"
    if windows is not None and windows.overlap > 1:
        source += f" CROSS JOIN generate_series(0, {windows.overlap - 1}) AS k"
        start = windows.earlier(query, "p.start", "k")
    named, differing = keys(aggregation, start, "p.device_id", "")
    after = after_condition(query, aggregation, differing)
    places = ", ".join(str(place) for place, item in enumerate(named, start=1) if item in differing)
    grouped = f" GROUP BY {places} ORDER BY {places}" if places else ""
    cells = ["coalesce(sum(p.n), 0)::bigint"]
    cells += [
        _cell(number, column, function)
        for number, column in enumerate(aggregation.columns)
        for function in aggregation.functions
    ]
    query.sql = (
        f"SELECT {', '.join([*named, *cells])} FROM {source}{' WHERE ' + after if after else ''}{grouped} "  # noqa: S608 - names are quoted
        f"LIMIT {query.argument(aggregation.limit, 'bigint')}"
    )
    return query


def _readings() -> _Part:
    return _Part("n", "bigint", f"sum(t.count) FILTER (WHERE t.field = '{READINGS}')", "count(*)")


def _parts(aggregation: Aggregation, number: int, column: Column) -> list[_Part]:
    name = f"r.{quote_identifier(column.name)}"
    sql_type = "numeric" if is_integer(column) else "double precision"
    kind = "integer" if is_integer(column) else "number"
    own = f"FILTER (WHERE t.field = {_literal(column.name)})"
    present = f"FILTER (WHERE {name} IS NOT NULL)"
    parts = [_Part(f"c{number}", "bigint", f"sum(t.count) {own}", f"count({name})")]
    if not is_number(column):
        return parts
    parts += [
        _Part(f"{letter}{number}", sql_type, f"{function}(t.{kind}_{function}) {own}", f"{function}({name})")
        for letter, function, needs in (
            ("a", "min", {Function.MIN}),
            ("b", "max", {Function.MAX}),
            ("s", "sum", {Function.SUM, Function.AVG}),
        )
        if not needs.isdisjoint(aggregation.functions)
    ]
    for letter, function, edge, time, order in (
        ("f", Function.FIRST, "first", "min", ""),
        ("l", Function.LAST, "last", "max", " DESC"),
    ):
        if function in aggregation.functions:
            own_order = f"ORDER BY t.{edge}_time{order}"
            row_order = f"ORDER BY r.event_time{order}, r.message_id{order}"
            moment = f"{letter}t{number}"
            parts += [
                _Part(moment, "timestamptz", f"{time}(t.{edge}_time) {own}", f"{time}(r.event_time) {present}"),
                _Part(
                    f"{letter}{number}",
                    sql_type,
                    f"(array_agg(t.{kind}_{edge} {own_order}) {own})[1]",
                    f"(array_agg({name} {row_order}) {present})[1]",
                ),
            ]
    return parts


def _cell(number: int, column: Column, function: Function) -> str:
    together = {part: f"{part}(p.{letter}{number})" for part, letter in (("min", "a"), ("max", "b"), ("sum", "s"))}
    match function:
        case Function.COUNT:
            return f"coalesce(sum(p.c{number}), 0)::bigint"
        case Function.AVG:
            return (
                f"{together['sum']} / nullif(sum(p.c{number}), 0){'' if is_integer(column) else '::double precision'}"
            )
        case Function.FIRST | Function.LAST:
            letter, order = ("f", "") if function is Function.FIRST else ("l", " DESC")
            moment = f"p.{letter}t{number}"
            value = (
                f"(array_agg(p.{letter}{number} ORDER BY {moment}{order}, p.device_id{order}) "
                f"FILTER (WHERE {moment} IS NOT NULL))[1]"
            )
            return f"{value}::{column.sql_type}"
        case _:
            return together[function.value]


def _rollup_branches(
    query: Query,
    aggregation: Aggregation,
    parts: Sequence[_Part],
    level: Level,
    ranges: Sequence[Range],
    excluded: Sequence[tuple[object, str]],
) -> list[str]:
    if not ranges:
        return []
    names = ", ".join(_literal(name) for name in (READINGS, *(column.name for column in aggregation.columns)))
    conditions = [f"t.field IN ({names})"]
    devices = aggregation.selection.device_ids
    if devices is not None:
        conditions.append(f"t.device_id = ANY ({query.argument(list(devices), 'text[]')})")
    if excluded:
        starts = query.argument([start for start, _ in excluded], "timestamptz[]")
        marked = query.argument([device for _, device in excluded], "text[]")
        conditions.append(
            f"NOT EXISTS (SELECT FROM unnest({starts}, {marked}) AS x (start, device_id) "
            "WHERE x.start = t.start AND x.device_id = t.device_id)"
        )
    cells = [f"{part.of_rollups} AS {part.name}" for part in parts]
    table = rollup_table(aggregation.contract, level).sql_name
    return [
        _branch(query, aggregation, cells, "t", source, "t.start", [*conditions, *times])
        for source, times in _ranged(query, f"{table} t", "t.start", ranges)
    ]


def _row_branches(query: Query, aggregation: Aggregation, parts: Sequence[_Part], sources: Sources) -> list[str]:
    cells = [f"{part.of_rows}::{part.sql_type} AS {part.name}" for part in parts]
    table = f"{aggregation.selection.table} r"
    branches = []
    if sources.rows:
        conditions = row_conditions(query, aggregation)
        branches = [
            _branch(query, aggregation, cells, "r", source, "r.event_time", [*conditions, *times])
            for source, times in _ranged(query, table, "r.event_time", sources.rows)
        ]
    for pairs, level in ((sources.day_devices, Level.DAY), (sources.hour_devices, Level.HOUR)):
        if pairs:
            starts = query.argument([start for start, _ in pairs], "timestamptz[]")
            marked = query.argument([device for _, device in pairs], "text[]")
            source = f"unnest({starts}, {marked}) AS x (start, device_id) JOIN {table} ON r.device_id = x.device_id"
            times = [f"r.event_time >= x.start AND r.event_time < x.start + interval '1 {level.value}'"]
            branches.append(_branch(query, aggregation, cells, "r", source, "r.event_time", times))
    return branches


def _ranged(query: Query, table: str, moment: str, ranges: Sequence[Range]) -> list[tuple[str, list[str]]]:
    """Returns sources and conditions that together read each range once."""
    if len(ranges) <= _FEW_RANGES:
        return [
            (
                table,
                [
                    f"{moment} >= {query.argument(begin, 'timestamptz')}",
                    f"{moment} < {query.argument(end, 'timestamptz')}",
                ],
            )
            for begin, end in ranges
        ]
    begins = query.argument([begin for begin, _ in ranges], "timestamptz[]")
    ends = query.argument([end for _, end in ranges], "timestamptz[]")
    joined = f"unnest({begins}, {ends}) AS s (first, last) JOIN {table} ON {moment} >= s.first AND {moment} < s.last"
    return [(joined, [])]


def _branch(
    query: Query,
    aggregation: Aggregation,
    cells: Sequence[str],
    alias: str,
    source: str,
    moment: str,
    conditions: Sequence[str],
) -> str:
    windows = aggregation.windows
    start = "NULL::timestamptz" if windows is None else windows.start(query, moment)
    # First and last of all devices are told apart by device where two are of one moment.
    device = f"{alias}.device_id" if aggregation.by_device or aggregation.edges else "''"
    places = [place for place, used in (("1", windows is not None), ("2", device != "''")) if used]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    grouped = f" GROUP BY {', '.join(places)}" if places else ""
    return f"SELECT {start} AS start, {device} AS device_id, {', '.join(cells)} FROM {source}{where}{grouped}"  # noqa: S608 - names are quoted


def _literal(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
