"""Measures put together from rollups of days and hours where these are exact, and from rows where not.

All in one statement and so in one snapshot: what is marked as changed since it was rolled up, and what the plan's times cut,
is read from rows. Sums of doubles may differ from a sum over the rows in the last bits: they are added in another order.
"""

# ruff: noqa: S608 - texts are quoted names of the catalogue, aliases of these modules, and numbers of parameters
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.catalogue.catalogue import Contract, Kind, Rollup
from dataflow_insight.plans.plan import Difference, Grouping, Measure, Scope, TimeRange
from dataflow_insight.queries.frame import Frame
from dataflow_insight.queries.keys import Key, key_sql
from dataflow_insight.queries.measured import Extra, Measured
from dataflow_insight.queries.measures import READINGS, VALUES, grouped, name_of
from dataflow_insight.queries.query import quoted
from dataflow_insight.queries.stretches import DAY, HOUR, Stretches, stretches, whole_offsets
from dataflow_insight.queries.where import calendar_conditions, device_conditions, merged, time_conditions

_MEASURES: Final = frozenset(
    {
        Measure.COUNT,
        Measure.AVG,
        Measure.MIN,
        Measure.MAX,
        Measure.SUM,
        Measure.RANGE,
        Measure.MISSING,
        Measure.MISSING_SHARE,
    }
)
_COUNTS: Final = frozenset({Measure.COUNT, Measure.MISSING, Measure.MISSING_SHARE, Measure.COVERAGE})
_HOURLY: Final = frozenset({Grouping.HOUR, Grouping.HOUR_OF_DAY})
_FEWEST_READINGS: Final = 3
"""Of an hour, for its rollup to be worth reading in their place."""

_ALL_READINGS: Final = ""
"""The rollups' field that counts readings, whatever their fields."""

_NUMBER: Final = "::double precision"


def longest_rollup(frame: Frame, scope: Scope, keys: Sequence[Key]) -> timedelta | None:
    """Returns the longest rollup that a measure can be put together from, an hour or a day; `None` for none."""
    plan, contract = frame.plan, frame.contract
    simple = plan.difference is Difference.NONE and plan.join is None
    if contract.rollup is None or plan.measure not in _MEASURES or not simple or scope.conditions or plan.holding:
        return None
    groupings = {key.grouping for key in keys}
    if Grouping.VALUE in groupings:
        return None
    if any(minute % 60 for part in scope.day_times for minute in (part.start_minute, part.end_minute)):
        return None
    local = bool(scope.day_times or scope.weekdays or groupings - {Grouping.DEVICE})
    daily = not scope.day_times and not groupings & _HOURLY
    zone, span = ZoneInfo(plan.time_zone), Scope(times=merged(scope.times)).hull
    if daily and (not local or whole_offsets(zone, DAY, span.start, span.end)):
        return DAY
    return HOUR if not is_sparse(contract) and (not local or whole_offsets(zone, HOUR, span.start, span.end)) else None


def rolled_up(frame: Frame, scope: Scope, keys: tuple[Key, ...], longest: timedelta) -> Measured:
    """Returns the SELECT of a measure that `longest_rollup` allows."""
    extras: tuple[Extra, ...]
    readings, count = "coalesce(sum(s.readings), 0)::bigint", "coalesce(sum(s.present), 0)::bigint"
    match frame.plan.measure:
        case Measure.COUNT:
            value, support, extras = (count if frame.plan.field else readings), "0", ()
        case Measure.MISSING:
            value, support, extras = f"{readings} - {count}", readings, (READINGS,)
        case Measure.MISSING_SHARE:
            share = f"(100.0 * ({readings} - {count}) / nullif({readings}, 0)){_NUMBER}"
            value, support, extras = share, readings, (READINGS,)
        case Measure.AVG:
            value, support, extras = f"(sum(s.total) / nullif(sum(s.present), 0)){_NUMBER}", count, (VALUES,)
        case Measure.SUM:
            value, support, extras = "sum(s.total)", count, (VALUES,)
        case Measure.RANGE:
            value, support, extras = "max(s.highest) - min(s.lowest)", count, (VALUES,)
        case Measure.MIN:
            value, support, extras = "min(s.lowest)", count, (VALUES,)
        case _:
            value, support, extras = "max(s.highest)", count, (VALUES,)
    source = parts(frame, scope, keys, longest)
    support = value if frame.plan.measure is Measure.COUNT else support
    return Measured(grouped(keys, [f"{value} AS v", f"{support} AS n"], source), name_of(frame), extras)


def parts(frame: Frame, scope: Scope, keys: tuple[Key, ...], longest: timedelta, *, placed: bool = False) -> str:
    """Returns a SELECT of parts of groups, out of rollups and rows: keys, `readings`, `present`, `lowest`, `highest`, `total`.

    Args:
        frame: The query.
        scope: Which readings.
        keys: Of the groups.
        longest: The longest rollup that may be used.
        placed: Also `device_id`, `starts` and `ends` of each part.
    """
    rollup = frame.contract.rollup
    assert rollup is not None
    cut = stretches(merged(scope.times), rollup, longest)
    branches = [
        *_rollup_branches(frame, scope, keys, cut, placed=placed),
        *_row_branches(frame, scope, keys, cut, placed=placed),
    ]
    marked = _marked(frame, rollup, cut.rolled_up)
    return f"WITH marked AS MATERIALIZED ({marked}) {' UNION ALL '.join(branches)}"


def _marked(frame: Frame, rollup: Rollup, spans: Sequence[TimeRange]) -> str:
    """Returns a SELECT of the hours that were changed since they were rolled up."""
    parameters = frame.parameters
    where = [f"contract = {parameters.add(frame.contract.name, 'text')}"]
    where += time_conditions(parameters, spans, "hour") if spans else ["false"]
    if rollup.rows_from is not None:
        # Of earlier readings the rollups are all that is left, whatever is marked.
        where.append(f"hour >= {parameters.add(rollup.rows_from, 'timestamptz')}")
    day = "date_trunc('day', hour, 'UTC')"
    return f"SELECT DISTINCT hour, {day} AS day FROM validator.rollup_mark WHERE {' AND '.join(where)}"


def _rollup_branches(frame: Frame, scope: Scope, keys: tuple[Key, ...], cut: Stretches, *, placed: bool) -> list[str]:
    days, hours = (f"rollup.{quoted(f'{frame.contract.name}:{level}')} AS t" for level in ("day", "hour"))
    unmarked = "NOT EXISTS (SELECT FROM marked AS m WHERE m.hour = t.start)"
    sources = []
    if cut.days:
        whole = [*_times(frame, cut.days), "NOT EXISTS (SELECT FROM marked AS m WHERE m.day = t.start)"]
        torn = "(SELECT DISTINCT day FROM marked) AS d"
        joined = f"{torn} JOIN {hours} ON t.start >= d.day AND t.start < d.day + interval '1 day'"
        sources.append(("day", days, whole))
        sources.append(("hour", joined, [*_times(frame, cut.days), unmarked]))
    if cut.hours:
        sources.append(("hour", hours, [*_times(frame, cut.hours), unmarked]))
    branches = []
    for level, source, times in sources:
        ends = f"t.start + interval '1 {level}'"
        cells = ["t.device_id", "t.start AS starts", f"{ends} AS ends"] if placed else []
        branches.append(_rollup_branch(frame, scope, keys, source, times, cells))
    return branches


def _times(frame: Frame, spans: Sequence[TimeRange], moment: str = "t.start") -> list[str]:
    return [] if tuple(spans) == (TimeRange(),) else time_conditions(frame.parameters, spans, moment)


def _rollup_branch(
    frame: Frame, scope: Scope, keys: tuple[Key, ...], source: str, times: Sequence[str], places: Sequence[str]
) -> str:
    plan, item = frame.plan, frame.measured
    names = [_ALL_READINGS] if item is None else [item.column]
    # Groups without a value are groups: their readings tell of them.
    if item is not None and (keys or plan.measure in _COUNTS - {Measure.COUNT}):
        names.append(_ALL_READINGS)
    fields = frame.parameters.add(tuple(names), "text[]")
    every = frame.parameters.add(_ALL_READINGS, "text")
    cells = [*places, *(f"{key_sql(frame, key, 't.device_id', 't.start')} AS {key.alias}" for key in keys)]
    cells += [f"CASE WHEN t.field = {every} THEN t.count END AS readings"]
    if item is None:
        cells.append("NULL::bigint AS present")
    else:
        cells.append(f"CASE WHEN t.field <> {every} THEN t.count END AS present")
    cells += _kept_cells(frame)
    where = [f"t.field = ANY ({fields})", *device_conditions(frame.parameters, scope, "t.device_id")]
    where += [*times, *calendar_conditions(frame, scope, "t.start")]
    return f"SELECT {', '.join(cells)} FROM {source} WHERE {' AND '.join(where)}"


def _kept_cells(frame: Frame) -> list[str]:
    item = frame.measured
    kind = item.kind if item is not None else Kind.OTHER
    return _value_cells(frame, _kept(kind, "min"), _kept(kind, "max"), _kept(kind, "sum"), present="t.count")


def hours_within(frame: Frame, outer: str) -> str:
    """Returns a SELECT of the hours of a device and day that were not changed: `starts`, `ends`, `lowest`, `highest`, `total`.

    Args:
        frame: The query.
        outer: The row beside it, with `device_id`, `starts` and `ends` of the day.
    """
    assert frame.measured is not None
    cells = ", ".join(["t.start AS starts", "t.start + interval '1 hour' AS ends", *_kept_cells(frame)])
    field = frame.parameters.add(frame.measured.column, "text")
    return (
        f"SELECT {cells} FROM rollup.{quoted(f'{frame.contract.name}:hour')} AS t WHERE t.device_id = {outer}.device_id"
        f" AND t.start >= {outer}.starts AND t.start < {outer}.ends AND t.field = {field}"
    )


def is_sparse(contract: Contract) -> bool:
    """Returns whether hours have so few readings that their rollups save nothing."""
    return contract.cadence is not None and contract.cadence * _FEWEST_READINGS > HOUR


def _kept(kind: Kind, part: str) -> str:
    """Returns the SQL of what a rollup keeps: whole numbers exactly, other numbers as doubles or as exact as they came."""
    if kind is Kind.INTEGER:
        return f"t.integer_{part}"
    return f"coalesce(t.number_{part}, t.integer_{part}{_NUMBER})"


def _value_cells(frame: Frame, lowest: str, highest: str, total: str, *, present: str) -> list[str]:
    if frame.plan.measure in _COUNTS:
        return []
    change = frame.conversion
    if change is not None:
        factor = frame.parameters.add(change.factor, "double precision")
        offset = frame.parameters.add(change.offset, "double precision")
        lowest, highest = (f"({edge} * {factor} + {offset})" for edge in (lowest, highest))
        total = f"({total} * {factor} + {present} * {offset})"
    return [f"{lowest} AS lowest", f"{highest} AS highest", f"{total} AS total"]


def _row_branches(frame: Frame, scope: Scope, keys: tuple[Key, ...], cut: Stretches, *, placed: bool) -> list[str]:
    """Returns SELECTs of rows as parts of their own: of times that are cut, and of marked hours."""
    item = frame.measured
    ends = "t.event_time + interval '1 microsecond' AS ends"
    cells = ["t.device_id", "t.event_time AS starts", ends] if placed else []
    cells += [f"{key_sql(frame, key, 't.device_id', 't.event_time')} AS {key.alias}" for key in keys]
    cells.append("1::bigint AS readings")
    if item is None:
        cells.append("NULL::bigint AS present")
    else:
        column = f"t.{quoted(item.column)}"
        cells.append(f"({column} IS NOT NULL)::integer::bigint AS present")
        cast = "::numeric" if item.kind is Kind.INTEGER else _NUMBER
        if item.kind.numeric:
            cells += _value_cells(frame, f"{column}{cast}", f"{column}{cast}", f"{column}{cast}", present="1")
    conditions = device_conditions(frame.parameters, scope, "t.device_id")
    conditions += calendar_conditions(frame, scope, "t.event_time")
    branches = []
    if cut.rows:
        where = [*conditions, *_times(frame, cut.rows, "t.event_time")]
        branches.append(f"SELECT {', '.join(cells)} FROM {frame.table} AS t WHERE {' AND '.join(where) or 'true'}")
    if cut.rolled_up:
        within = "t.event_time >= m.hour AND t.event_time < m.hour + interval '1 hour'"
        where_marked = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        source = f"marked AS m JOIN {frame.table} AS t ON {within}"
        branches.append(f"SELECT {', '.join(cells)} FROM {source}{where_marked}")
    return branches
