"""From a checked plan to SQL: every identifier comes from the catalogue and is quoted, every value is a parameter.

The parts, from the inside out: rows in scope (`source`, `where`), a value for each group (`measures`, `picked`, `runs`;
`rollups`, `extremes` and `indexed` where these are exact and faster), folds and comparisons of these (`folded`), and here the
limits, ranks and names of what remains.
"""

# ruff: noqa: S608 - texts are quoted names of the catalogue, aliases of these modules, and numbers of parameters
from collections.abc import Sequence
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract
from dataflow_insight.plans.plan import Comparison, GroupLimit, Measure, Plan, Scope
from dataflow_insight.queries.extremes import extremes, finds_extremes
from dataflow_insight.queries.folded import compared, folded
from dataflow_insight.queries.frame import Frame, frame_of
from dataflow_insight.queries.indexed import (
    change,
    coverage,
    covers,
    devices,
    finds_change,
    finds_devices,
    finds_newest,
    newest,
)
from dataflow_insight.queries.keys import Key, keys_of
from dataflow_insight.queries.measured import Extra, Measured
from dataflow_insight.queries.measures import aggregated
from dataflow_insight.queries.picked import picked, picks
from dataflow_insight.queries.query import MAX_ROWS, Query, Role, quoted
from dataflow_insight.queries.rollups import longest_rollup, rolled_up
from dataflow_insight.queries.runs import is_run, longest, longest_values

_MAX_NAME_BYTES: Final = 63


def render(plan: Plan, contract: Contract, joined: Contract | None = None) -> Query:
    """Returns the SQL of a plan that `check_plan` has accepted.

    Args:
        plan: Checked against the same catalogue.
        contract: Of the plan.
        joined: Of the plan's join, if it has one.
    """
    assert plan.join is None or joined is not None, "a join needs its contract"
    frame = frame_of(plan, contract, joined)
    keys = keys_of(frame)
    shown = keys[: len(plan.group_by)]
    measured = _measured(frame, plan.scope, keys, shown)
    if plan.compared_with is not None:
        measured = compared(measured, _measured(frame, plan.compared_with, keys, shown), shown)
    return _finished(frame, measured, shown)


def _measured(frame: Frame, scope: Scope, keys: tuple[Key, ...], shown: tuple[Key, ...]) -> Measured:
    """Returns the values of one scope, folded where the plan says so."""
    plan = frame.plan
    empty = _keeps_empty_groups(plan)
    alone = plan.fold is None and plan.compared_with is None
    if is_run(frame):
        found = longest(frame, scope, keys) if alone else longest_values(frame, scope, keys)
    elif picks(frame):
        found = _picked(frame, scope, keys)
    else:
        counted = bool(keys) and plan.measure is Measure.COUNT and (empty or plan.fold is not None)
        found = _aggregated(frame, scope, keys, empty_groups=counted)
    return found if plan.fold is None else folded(frame, plan.fold, found, shown, empty_groups=empty)


def _picked(frame: Frame, scope: Scope, keys: tuple[Key, ...]) -> Measured:
    """Returns values of single readings, by the fastest way that there is."""
    if finds_newest(frame, scope, keys):
        return newest(frame, scope, keys)
    if finds_extremes(frame, scope, keys):
        return extremes(frame, scope, keys)
    return picked(frame, scope, keys)


def _aggregated(frame: Frame, scope: Scope, keys: tuple[Key, ...], *, empty_groups: bool) -> Measured:
    """Returns values of many readings, by the fastest way that there is."""
    if frame.plan.measure is Measure.COVERAGE and covers(frame, scope, keys):
        return coverage(frame, scope, keys)
    if finds_change(frame, scope, keys):
        return change(frame, scope, keys)
    if finds_devices(frame, scope, keys):
        return devices(frame, scope)
    if (longest_part := longest_rollup(frame, scope, keys)) is not None:
        return rolled_up(frame, scope, keys, longest_part)
    return aggregated(frame, scope, keys, empty_groups=empty_groups)


def _keeps_empty_groups(plan: Plan) -> bool:
    """Returns whether groups with readings, but none that counts, can be the answer: the lowest ranks, limits that 0 meets.

    Elsewhere they stay away: a list of days with readings above a limit has no days without one.
    """
    return plan.rank < 0 or (plan.having is not None and _meets(0.0, plan.having))


def _meets(value: float, limit: GroupLimit) -> bool:
    match limit.comparison:
        case Comparison.GREATER:
            return value > limit.limit
        case Comparison.GREATER_OR_EQUAL:
            return value >= limit.limit
        case Comparison.LESS:
            return value < limit.limit
        case Comparison.LESS_OR_EQUAL:
            return value <= limit.limit
        case Comparison.EQUAL:
            return value == limit.limit
        case Comparison.NOT_EQUAL:
            return value != limit.limit


def _finished(frame: Frame, measured: Measured, keys: Sequence[Key]) -> Query:
    """Returns the query: limited, ranked, ordered, and with the columns' names."""
    plan = frame.plan
    judged = "difference" if plan.compared_with is not None else "v"
    source, order = f"({measured.sql}) AS s", ", ".join(f"s.{key.alias}" for key in keys)
    where = []
    if plan.having is not None:
        limit = frame.parameters.add(float(plan.having.limit), "double precision")
        where.append(f"s.{judged} {plan.having.comparison.operator} {limit}")
    if measured.order:
        named = ", ".join(f"s.{item}" for item in measured.order.split(", "))
        order = f"{order}, {named}" if order else named
    if plan.rank and keys:
        way = "DESC" if plan.rank > 0 else "ASC"
        limited = " AND ".join([*where, f"s.{judged} IS NOT NULL"])
        # With ties: of two equally high ones neither may be left out.
        ranked = f"SELECT s.* FROM {source} WHERE {limited} ORDER BY s.{judged} {way}"
        source, where = f"({ranked} FETCH FIRST {abs(plan.rank)} ROWS WITH TIES) AS s", []
        order = f"s.{judged} {way}, {order}"
    columns = [Extra(key.alias, key.name, key.role) for key in keys]
    columns += [Extra("v", measured.name, Role.VALUE), *measured.extras]
    if plan.measure is Measure.COVERAGE:
        columns = _coverage_first(columns)
    cells = ", ".join(f"s.{item.alias} AS {quoted(_cut(item.name))}" for item in columns)
    filtered = f" WHERE {' AND '.join(where)}" if where else ""
    ordered = f" ORDER BY {order}" if order else ""
    limit = f" LIMIT {measured.limit or MAX_ROWS + 1}"
    return Query(
        f"SELECT {cells} FROM {source}{filtered}{ordered}{limit}",
        frame.parameters.values,
        tuple(item.name for item in columns),
        tuple(item.role for item in columns),
    )


def _coverage_first(columns: list[Extra]) -> list[Extra]:
    """Returns the columns of coverage with the times before the number of readings."""
    times = [item for item in columns if item.role in {Role.START, Role.END}]
    place = next(index for index, item in enumerate(columns) if item.role is Role.VALUE)
    rest = [item for item in columns if item not in times]
    return [*rest[:place], *times, *rest[place:]]


def _cut(name: str) -> str:
    """Returns as much of a name as an identifier holds."""
    return name.encode(errors="replace")[:_MAX_NAME_BYTES].decode(errors="ignore")
