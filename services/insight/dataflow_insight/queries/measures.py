"""Values that are computed of all rows of a group, one row for each group."""

# ruff: noqa: S608 - texts are quoted names of the catalogue, aliases of these modules, and numbers of parameters
from collections.abc import Sequence
from typing import Final

from dataflow_insight.plans.plan import Measure, Scope
from dataflow_insight.queries.frame import Frame
from dataflow_insight.queries.keys import Key
from dataflow_insight.queries.measured import Extra, Measured
from dataflow_insight.queries.query import Role
from dataflow_insight.queries.source import rows

_NUMBER: Final = "::double precision"
READINGS: Final = Extra("n", "readings", Role.SUPPORT)
"""How many readings are behind a value."""

VALUES: Final = Extra("n", "values", Role.SUPPORT)
"""How many values are behind a value."""


def aggregated(frame: Frame, scope: Scope, keys: tuple[Key, ...], *, empty_groups: bool = False) -> Measured:
    """Returns the SELECT of a measure that is an aggregate.

    Args:
        frame: The query; its measure is none that picks rows or looks for runs.
        scope: Which readings.
        keys: Of the groups.
        empty_groups: Counts: also groups with readings, none of which meets the scope's conditions.
    """
    plan = frame.plan
    source = rows(frame, scope, keys, empty_groups=empty_groups)
    if plan.measure is Measure.MODE:
        return _mode(frame, source, keys)
    if plan.measure is Measure.COVERAGE:
        return _coverage(source, keys)
    if plan.measure is Measure.CHANGE:
        return _change(frame, source, keys)
    if plan.measure is Measure.DISTINCT:
        return _distinct(frame, source, keys)
    value, support, extras = _aggregate(frame, empty_groups=empty_groups)
    return Measured(grouped(keys, [f"{value} AS v", f"{support} AS n"], source), name_of(frame), extras)


def name_of(frame: Frame) -> str:
    """Returns the name of the value's column: the measure, and what it is of."""
    plan = frame.plan
    match plan.measure:
        case Measure.COUNT:
            return f"count_{plan.field}" if plan.field else "readings"
        case Measure.DISTINCT if not plan.field:
            return "devices"
        case Measure.SHARE:
            return "share"
        case Measure.PERCENTILE:
            return f"percentile_{plan.percentile:g}_{plan.field}"
        case Measure.CORRELATION:
            return f"correlation_{plan.field}_{plan.other_field}"
        case _:
            return f"{plan.measure.name.lower()}_{plan.field}"


def group_by(keys: Sequence[Key]) -> str:
    """Returns the GROUP BY of keys with a space before it, or nothing."""
    return f" GROUP BY {', '.join(f's.{key.alias}' for key in keys)}" if keys else ""


def grouped(keys: Sequence[Key], cells: Sequence[str], source: str, where: str = "") -> str:
    """Returns a SELECT of keys and cells of a source `s`, one row for each group."""
    named = [f"s.{key.alias}" for key in keys]
    return f"SELECT {', '.join([*named, *cells])} FROM ({source}) AS s{where}{group_by(keys)}"


def _aggregate(frame: Frame, *, empty_groups: bool) -> tuple[str, str, tuple[Extra, ...]]:
    """Returns the SQL of a value and of how many values are behind it."""
    plan = frame.plan
    kept = " FILTER (WHERE s.c)" if empty_groups else ""
    match plan.measure:
        case Measure.COUNT:
            if plan.holding:
                kept = " FILTER (WHERE s.c AND s.h)" if empty_groups else " FILTER (WHERE s.h)"
            counted = f"count({'s.v' if plan.field else '*'}){kept}"
            return counted, counted, ()
        case Measure.MISSING:
            return "count(*) - count(s.v)", "count(*)", (READINGS,)
        case Measure.MISSING_SHARE:
            return f"(100.0 * (count(*) - count(s.v)) / nullif(count(*), 0)){_NUMBER}", "count(*)", (READINGS,)
        case Measure.SHARE:
            having = "count(*) FILTER (WHERE s.hp)"
            share = f"(100.0 * count(*) FILTER (WHERE s.hp AND s.h) / nullif({having}, 0)){_NUMBER}"
            return share, having, (READINGS,)
        case Measure.CORRELATION:
            pair = f"s.v{_NUMBER}, s.o{_NUMBER}"
            return f"corr({pair})", f"regr_count({pair})", (Extra("n", "pairs", Role.SUPPORT),)
        case Measure.MEDIAN | Measure.PERCENTILE:
            part = 0.5 if plan.measure is Measure.MEDIAN else plan.percentile / 100
            at = frame.parameters.add(part, "double precision")
            return f"percentile_cont({at}) WITHIN GROUP (ORDER BY s.v{_NUMBER})", "count(s.v)", (VALUES,)
        case Measure.AVG:
            return f"avg(s.v){_NUMBER}", "count(s.v)", (VALUES,)
        case Measure.STDDEV:
            return f"stddev_samp(s.v){_NUMBER}", "count(s.v)", (VALUES,)
        case Measure.RANGE:
            return "max(s.v) - min(s.v)", "count(s.v)", (VALUES,)
        case Measure.MIN | Measure.MAX | Measure.SUM:
            return f"{plan.measure.name.lower()}(s.v)", "count(s.v)", (VALUES,)
        case _:
            return "NULL", "0", ()


def _mode(frame: Frame, source: str, keys: Sequence[Key]) -> Measured:
    """Gives all values that are equally frequent."""
    named = "".join(f"s.{key.alias}, " for key in keys)
    parted = f"PARTITION BY {', '.join(f's.{key.alias}' for key in keys)} " if keys else ""
    counted = (
        f"SELECT {named}s.v, count(*) AS n, rank() OVER ({parted}ORDER BY count(*) DESC) AS place"
        f" FROM ({source}) AS s WHERE s.v IS NOT NULL GROUP BY {named}s.v"
    )
    first = f"SELECT {named}s.v, s.n FROM ({counted}) AS s WHERE s.place = 1"
    return Measured(first, name_of(frame), (VALUES,), order="v")


def _distinct(frame: Frame, source: str, keys: Sequence[Key]) -> Measured:
    """Counts groups of equal values: of millions of them a hash is made, where count(DISTINCT) would sort them."""
    of = "v" if frame.plan.field else "device_id"
    named = "".join(f"s.{key.alias}, " for key in keys)
    equal = f"SELECT {named}s.{of} AS different, count(s.{of}) AS n FROM ({source}) AS s GROUP BY {named}s.{of}"
    counted = "count(s.different)"
    support = "coalesce(sum(s.n), 0)::bigint" if frame.plan.field else counted
    cells = [f"{counted} AS v", f"{support} AS n"]
    return Measured(grouped(keys, cells, equal), name_of(frame), (VALUES,) if frame.plan.field else ())


def _coverage(source: str, keys: Sequence[Key]) -> Measured:
    cells = ["count(*) AS v", "count(*) AS n", "min(s.moment) AS starts", "max(s.moment) AS ends"]
    cells.append("count(DISTINCT s.device_id) AS devices")
    return Measured(grouped(keys, cells, source), "readings", COVERED)


COVERED: Final = (
    Extra("starts", "first_time", Role.START),
    Extra("ends", "last_time", Role.END),
    Extra("devices", "devices", Role.DEVICES),
)
"""What coverage says beside the number of readings."""


def _change(frame: Frame, source: str, keys: Sequence[Key]) -> Measured:
    oldest = "(array_agg(s.v ORDER BY s.moment, s.message))[1]"
    newest = "(array_agg(s.v ORDER BY s.moment DESC, s.message DESC))[1]"
    cells = [
        f"{newest} - {oldest} AS v",
        "least(count(*), 2) AS n",
        "min(s.moment) AS starts",
        "max(s.moment) AS ends",
        f"{oldest} AS previous",
        f"{newest} AS next",
    ]
    return Measured(grouped(keys, cells, source, " WHERE s.v IS NOT NULL"), name_of(frame), CHANGED)


CHANGED: Final = (
    Extra("starts", "first_time", Role.START),
    Extra("ends", "last_time", Role.END),
    Extra("previous", "first_value", Role.PREVIOUS),
    Extra("next", "last_value", Role.NEXT),
)
"""What a change says beside itself."""
