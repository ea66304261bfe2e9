"""The rows that are measured: one subselect with the same columns whatever the plan, and the second contract beside it."""

# ruff: noqa: S608 - texts are quoted names of the catalogue, aliases of these modules, and numbers of parameters
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dataflow_insight.catalogue.catalogue import Kind
from dataflow_insight.plans.plan import Difference, Grouping, JoinOn, Measure, Scope, TimeRange
from dataflow_insight.queries.frame import Frame
from dataflow_insight.queries.keys import Key, key_sql
from dataflow_insight.queries.query import quoted
from dataflow_insight.queries.where import (
    calendar_conditions,
    device_conditions,
    merged,
    stretch_number,
    time_conditions,
    value_conditions,
    value_of,
)

_ORIGIN: Final = "timestamptz '0001-01-01 00:00:00+00'"
"""Before all readings: `date_bin` of Postgres 15 is off by one step at times before its origin."""

_DAY: Final = timedelta(days=1)
_LONGEST_DAY: Final = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Within:
    """Which rows a lateral subselect reads, in SQL of the row beside it.

    Attributes:
        device: The device id.
        starts: From this event time on; empty: all times.
        ends: Before this event time.
    """

    device: str
    starts: str = ""
    ends: str = ""


def rows(
    frame: Frame, scope: Scope, keys: tuple[Key, ...], *, empty_groups: bool = False, within: Within | None = None
) -> str:
    """Returns a SELECT of the rows in scope.

    Its columns: `device_id`, `moment`, `message` (of the reading), one for each key, `v` (value, in the plan's unit), `o`
    (other field), `previous` and `next` (of differences), `h` (`holding` holds), `hp` (its fields have values), `c` (the
    scope's conditions hold), `stretch` (number of the stretch of time).

    Args:
        frame: The query.
        scope: Which readings.
        keys: Of their groups.
        empty_groups: Also rows for which the scope's conditions do not hold: `c` tells.
        within: The one device, and times, whose rows are read instead of the scope's devices.
    """
    plan, parameters = frame.plan, frame.parameters
    spans = merged(scope.times)
    differ = plan.difference is not Difference.NONE
    conditions = value_conditions(frame, scope.conditions)
    where = calendar_conditions(frame, scope, "r.event_time")
    # A streak breaks where a condition fails, so that its rows must be seen.
    if not empty_groups and plan.measure is not Measure.STREAK:
        where += conditions
    if any(key.grouping is Grouping.VALUE for key in keys):
        where.append(f"{frame.column(plan.group_field, joined=plan.group_joined)} IS NOT NULL")
    if plan.measure is Measure.STREAK:
        conditions += where
        where = []
    cells = ["r.device_id", "r.event_time AS moment", "r.message_id AS message"]
    cells += [f"{key_sql(frame, key, 'r.device_id', 'r.event_time')} AS {key.alias}" for key in keys]
    value = frame.column(plan.field) if plan.field else ""
    if differ:
        cells.append(f"{frame.converted_difference('r.difference')} AS v")
        cells += [f"{frame.converted('r.before')} AS previous", f"{frame.converted(value)} AS next"]
    elif plan.field:
        cells.append(f"{frame.converted(value) if frame.converts_values else value} AS v")
    if plan.other_field:
        cells.append(f"{frame.column(plan.other_field, joined=plan.other_joined)} AS o")
    if plan.holding:
        holding = value_conditions(frame, plan.holding, of_differences=differ)
        present = [f"{value_of(frame, item, of_differences=differ)} IS NOT NULL" for item in plan.holding]
        cells += [f"({' AND '.join(holding)}) AS h", f"({' AND '.join(dict.fromkeys(present))}) AS hp"]
    cells.append(f"({' AND '.join(conditions) or 'true'}) AS c")
    cells.append(f"{stretch_number(parameters, spans, 'r.event_time')} AS stretch")
    joined = _joined(frame, scope, spans) if frame.joined is not None else ""
    filtered = f" WHERE {' AND '.join(where)}" if where else ""
    return f"SELECT {', '.join(cells)} FROM ({_read(frame, scope, spans, within)}) AS r{joined}{filtered}"


def _read(frame: Frame, scope: Scope, spans: tuple[TimeRange, ...], within: Within | None) -> str:
    """Returns a SELECT of the contract's table: the devices and times in scope, with the differences of neighbours."""
    plan, parameters = frame.plan, frame.parameters
    where = [] if within is not None else device_conditions(parameters, scope, "t.device_id")
    if within is not None:
        where.append(f"t.device_id = {within.device}")
        if within.starts:
            where += [f"t.event_time >= {within.starts}", f"t.event_time < {within.ends}"]
    where += time_conditions(parameters, spans, "t.event_time")
    cells = ["t.device_id", "t.event_time", "t.message_id"]
    cells += [f"{frame.stored(number)} AS f{number}" for number in range(len(frame.fields))]
    window = ""
    if plan.difference is not Difference.NONE:
        assert frame.measured is not None, "checked"
        value = frame.stored(frame.fields.index(frame.measured))
        before = f"lag({value}) OVER neighbours"
        if plan.neighbour_within is not None:
            nearby = parameters.add(plan.neighbour_within, "interval")
            before = f"CASE WHEN t.event_time - lag(t.event_time) OVER neighbours <= {nearby} THEN {before} END"
        change = f"{value} - {before}"
        if plan.difference is Difference.NEIGHBOUR_ABSOLUTE:
            change = f"abs({change})"
        cells += [f"{before} AS before", f"{change} AS difference"]
        parts = ["t.device_id"] + [stretch_number(parameters, spans, "t.event_time")] * (len(spans) > 1)
        window = f" WINDOW neighbours AS (PARTITION BY {', '.join(parts)} ORDER BY t.event_time, t.message_id)"
    filtered = f" WHERE {' AND '.join(where)}" if where else ""
    return f"SELECT {', '.join(cells)} FROM {frame.table} AS t{filtered}{window}"


def _joined(frame: Frame, scope: Scope, spans: tuple[TimeRange, ...]) -> str:
    """Returns the join with the second contract, one row for each stretch of time (and device)."""
    join, parameters, joined = frame.plan.join, frame.parameters, frame.joined
    assert join is not None
    assert joined is not None
    by_device = join.on is JoinOn.DEVICE_AND_TIME
    cells = [f"{_bucket(frame, join.bucket, 'u.event_time')} AS bucket"]
    cells += ["u.device_id"] * by_device
    for number, item in enumerate(frame.joined_fields):
        column = f"u.{quoted(item.column)}"
        # Of texts and flags there is no mean: the most frequent one stands for the stretch.
        whole = f"avg({column})::double precision" if item.kind.numeric else f"mode() WITHIN GROUP (ORDER BY {column})"
        cells.append(f"{whole} AS g{number}" if item.kind is not Kind.OTHER else f"NULL AS g{number}")
    where = device_conditions(parameters, scope, "u.device_id") if by_device else []
    if spans:
        margin = max(join.bucket, _LONGEST_DAY if join.bucket == _DAY else join.bucket)
        start, end = spans[0].start, spans[-1].end
        hull = TimeRange(_moved(start, -margin), _moved(end, margin))
        where += time_conditions(parameters, (hull,), "u.event_time")
    filtered = f" WHERE {' AND '.join(where)}" if where else ""
    grouped = "1, 2" if by_device else "1"
    beside = f"SELECT {', '.join(cells)} FROM readings.{quoted(joined.name)} AS u{filtered} GROUP BY {grouped}"
    on = [f"j.bucket = {_bucket(frame, join.bucket, 'r.event_time')}"] + ["j.device_id = r.device_id"] * by_device
    # A streak breaks where nothing stands beside a reading.
    kind = "LEFT JOIN" if frame.plan.measure is Measure.STREAK else "JOIN"
    return f" {kind} ({beside}) AS j ON {' AND '.join(on)}"


def _moved(moment: datetime | None, distance: timedelta) -> datetime | None:
    try:
        return None if moment is None else moment + distance
    except OverflowError:
        return None


def _bucket(frame: Frame, length: timedelta, moment: str) -> str:
    if length == _DAY:
        return f"date_trunc('day', {moment}, {frame.zone})"
    return f"date_bin({frame.parameters.add(length, 'interval')}, {moment}, {_ORIGIN})"
