"""Runs of neighbouring readings for which something holds, and gaps between neighbouring readings; each of one device."""

# ruff: noqa: S608 - texts are quoted names of the catalogue, aliases of these modules, and numbers of parameters
from collections.abc import Sequence
from typing import Final

from dataflow_insight.plans.plan import Grouping, Measure, Scope
from dataflow_insight.queries.frame import Frame
from dataflow_insight.queries.keys import Key
from dataflow_insight.queries.measured import Extra, Measured
from dataflow_insight.queries.query import MAX_TIES, Role
from dataflow_insight.queries.source import rows

NEIGHBOUR_STEPS: Final = 1.5
"""How many steps of a regular device `neighbour_within` is: a run lasts to the end of its last step."""


def is_run(frame: Frame) -> bool:
    """Returns whether the plan asks for runs or gaps."""
    return frame.plan.measure in {Measure.STREAK, Measure.GAP}


def longest(frame: Frame, scope: Scope, keys: tuple[Key, ...]) -> Measured:
    """Returns the SELECT of the longest run or gap of each group; without groups all that are equally long."""
    plan = frame.plan
    extras = _extras(frame, keys)
    found, name = _runs(frame, scope, keys)
    named = [f"s.{key.alias}" for key in keys]
    cells = ", ".join(
        [*named, "s.v", "1 AS n", "s.device_id", "s.starts", "s.ends", *["s.seconds"] * _is_streak(frame)]
    )
    if keys:
        groups = ", ".join(named)
        order = f"{groups}, s.v DESC, s.starts NULLS LAST, s.device_id"
        return Measured(f"SELECT DISTINCT ON ({groups}) {cells} FROM ({found}) AS s ORDER BY {order}", name, extras)
    # One that never held is told as a run of nothing, but not where several are asked for.
    some = " WHERE s.v > 0" if plan.rank else ""
    level = f"SELECT {cells} FROM ({found}) AS s{some} ORDER BY s.v DESC FETCH FIRST {plan.rank or 1} ROWS WITH TIES"
    limit = max(MAX_TIES, plan.rank)
    return Measured(level, name, extras, order="v DESC, starts NULLS LAST, device_id", limit=limit)


def longest_values(frame: Frame, scope: Scope, keys: tuple[Key, ...]) -> Measured:
    """Returns the SELECT of the lengths alone, one row for each group, to be folded or compared."""
    found, name = _runs(frame, scope, keys)
    named = [f"s.{key.alias}" for key in keys]
    grouped = f" GROUP BY {', '.join(named)}" if named else ""
    cells = ", ".join([*named, "max(s.v) AS v", "count(s.v) AS n"])
    return Measured(f"SELECT {cells} FROM ({found}) AS s{grouped}", name)


def _is_streak(frame: Frame) -> bool:
    return frame.plan.measure is Measure.STREAK


def _extras(frame: Frame, keys: Sequence[Key]) -> tuple[Extra, ...]:
    found = [Extra("starts", "start", Role.START), Extra("ends", "end", Role.END)]
    if _is_streak(frame):
        found.append(Extra("seconds", "seconds", Role.SECONDS))
    if not any(key.grouping is Grouping.DEVICE for key in keys):
        found.append(Extra("device_id", "device_id", Role.DEVICE))
    return tuple(found)


def _runs(frame: Frame, scope: Scope, keys: tuple[Key, ...]) -> tuple[str, str]:
    """Returns a SELECT of all runs or gaps, and the name of their length."""
    return (_streaks(frame, scope, keys), "readings") if _is_streak(frame) else (_gaps(frame, scope, keys), "gap")


def _gaps(frame: Frame, scope: Scope, keys: tuple[Key, ...]) -> str:
    """Returns the times between successive readings (with a field: values); each belongs to the group that it begins in."""
    named = "".join(f"s.{key.alias}, " for key in keys)
    valued = " WHERE s.v IS NOT NULL" if frame.plan.field else ""
    steps = (
        f"SELECT {named}s.device_id, s.moment AS starts, lead(s.moment) OVER"
        f" (PARTITION BY s.device_id, s.stretch ORDER BY s.moment, s.message) AS ends"
        f" FROM ({rows(frame, scope, keys)}) AS s{valued}"
    )
    length = frame.converted(_seconds("s.starts", "s.ends"))
    return f"SELECT {named}s.device_id, s.starts, s.ends, {length} AS v FROM ({steps}) AS s WHERE s.ends IS NOT NULL"


def _streaks(frame: Frame, scope: Scope, keys: tuple[Key, ...]) -> str:
    """Returns the runs of each device; where it begins with readings that fail, these are one of length 0."""
    plan, parameters = frame.plan, frame.parameters
    named = "".join(f"s.{key.alias}, " for key in keys)
    window = f"WINDOW neighbours AS (PARTITION BY {named}s.device_id, s.stretch ORDER BY s.moment, s.message)"
    marked = f"SELECT {named}s.device_id, s.moment, s.message, s.stretch, coalesce(s.c AND s.h, false) AS held"
    marked += f" FROM ({rows(frame, scope, keys)}) AS s"
    torn, step = "", ""
    if plan.neighbour_within is not None:
        torn = f" OR s.moment - lag(s.moment) OVER neighbours > {parameters.add(plan.neighbour_within, 'interval')}"
        step = f" + {parameters.add(plan.neighbour_within.total_seconds() / NEIGHBOUR_STEPS, 'double precision')}"
    begun = f"SELECT s.*, s.held AND (lag(s.held) OVER neighbours IS NOT TRUE{torn}) AS begins FROM ({marked}) AS s {window}"
    numbered = f"SELECT s.*, count(*) FILTER (WHERE s.begins) OVER neighbours AS run FROM ({begun}) AS s {window}"
    starts, ends = "min(s.moment) FILTER (WHERE s.held)", "max(s.moment) FILTER (WHERE s.held)"
    return (
        f"SELECT {named}s.device_id, count(*) FILTER (WHERE s.held) AS v, {starts} AS starts, {ends} AS ends,"
        f" {_seconds(starts, ends)}{step} AS seconds"
        f" FROM ({numbered}) AS s GROUP BY {named}s.device_id, s.stretch, s.run"
    )


def _seconds(starts: str, ends: str) -> str:
    return f"EXTRACT(EPOCH FROM {ends} - {starts})::double precision"
