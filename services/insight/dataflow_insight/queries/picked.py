"""Values of single readings: the newest, the oldest, the highest, the lowest; with their device and time."""

from collections.abc import Sequence

from dataflow_insight.plans.plan import Difference, Grouping, Measure, Scope
from dataflow_insight.queries.frame import Frame
from dataflow_insight.queries.keys import Key
from dataflow_insight.queries.measured import Extra, Measured
from dataflow_insight.queries.query import MAX_TIES, Role
from dataflow_insight.queries.source import rows


def picks(frame: Frame) -> bool:
    """Returns whether the plan asks for values of single readings."""
    return frame.plan.measure in {Measure.LATEST, Measure.FIRST} or frame.plan.with_where_and_when


def picked(frame: Frame, scope: Scope, keys: tuple[Key, ...], source: str = "") -> Measured:
    """Returns the SELECT of the readings that a plan picks: one for each group; without groups all that are level.

    Args:
        frame: The query.
        scope: Which readings.
        keys: Of the groups.
        source: A SELECT of rows that holds all that may be picked; empty: all rows in scope.
    """
    plan = frame.plan
    named = [f"s.{key.alias}" for key in keys]
    extras = extras_of(frame, keys)
    beside = [f"s.{item.alias}" for item in extras if item.alias not in {"device_id", "moment"}]
    cells = ", ".join([*named, "s.v", "1 AS n", "s.device_id", "s.moment", *beside])
    present = f"FROM ({source or rows(frame, scope, keys)}) AS s WHERE s.v IS NOT NULL"
    if keys:
        groups = ", ".join(named)
        sql = f"SELECT DISTINCT ON ({groups}) {cells} {present} ORDER BY {groups}, {_order(frame)}"
        return Measured(sql, plan.field, extras)
    if not plan.with_where_and_when:
        return Measured(f"SELECT {cells} {present} ORDER BY {_order(frame)} LIMIT 1", plan.field, extras)
    # With ties: of two equally high ones neither may be left out.
    level = f"SELECT {cells} {present} ORDER BY s.v{_way(frame)} FETCH FIRST {plan.rank or 1} ROWS WITH TIES"
    return Measured(
        level, plan.field, extras, order=f"v{_way(frame)}, moment, device_id", limit=max(MAX_TIES, plan.rank)
    )


def extras_of(frame: Frame, keys: Sequence[Key]) -> tuple[Extra, ...]:
    """Returns what stands beside the value of a single reading."""
    plan = frame.plan
    found = (
        [] if any(key.grouping is Grouping.DEVICE for key in keys) else [Extra("device_id", "device_id", Role.DEVICE)]
    )
    found.append(Extra("moment", "event_time", Role.TIME))
    if plan.other_field:
        found.append(Extra("o", plan.other_field, Role.OTHER_VALUE))
    if plan.difference is not Difference.NONE:
        found.append(Extra("previous", "value_before", Role.PREVIOUS))
        found.append(Extra("next", "value_after", Role.NEXT))
    return tuple(found)


def _order(frame: Frame) -> str:
    match frame.plan.measure:
        case Measure.LATEST:
            return "s.moment DESC, s.device_id, s.message DESC"
        case Measure.FIRST:
            return "s.moment, s.device_id, s.message"
        case _:
            return f"s.v{_way(frame)}, s.moment, s.device_id"


def _way(frame: Frame) -> str:
    return " DESC" if frame.plan.measure is Measure.MAX else ""
