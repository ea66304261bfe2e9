"""Values of finer groups folded into one, and the same measure of other readings beside it."""

# ruff: noqa: S608 - texts are aliases of these modules and numbers of parameters
from collections.abc import Sequence
from typing import Final

from dataflow_insight.plans.plan import Comparison, Fold, Grouping, GroupLimit, Measure
from dataflow_insight.queries.frame import Frame
from dataflow_insight.queries.keys import Key
from dataflow_insight.queries.measured import Extra, Measured
from dataflow_insight.queries.query import Role

_NUMBER: Final = "::double precision"
_PLURALS: Final = {
    Grouping.DEVICE: "devices",
    Grouping.HOUR: "hours",
    Grouping.DAY: "days",
    Grouping.WEEK: "weeks",
    Grouping.MONTH: "months",
    Grouping.HOUR_OF_DAY: "hours_of_day",
    Grouping.WEEKDAY: "weekdays",
}


def folded(frame: Frame, fold: Fold, finer: Measured, keys: Sequence[Key], *, empty_groups: bool) -> Measured:
    """Returns the SELECT that folds the values of finer groups.

    Args:
        frame: The query.
        fold: How.
        finer: The finer groups' values.
        keys: Of the groups that remain.
        empty_groups: Counts: also groups none of whose finer groups stands so.
    """
    having, standing = "", fold.having
    if standing is None and fold.measure is Measure.COUNT and frame.plan.measure is Measure.COUNT:
        # The days with readings above a limit: those without one have a count too, but are not meant.
        standing = GroupLimit(Comparison.GREATER, 0.0)
    if standing is not None:
        limit = frame.parameters.add(float(standing.limit), "double precision")
        having = f"s.v {standing.comparison.operator} {limit}"
    counts_empty = empty_groups and fold.measure is Measure.COUNT
    kept = f" FILTER (WHERE {having})" if having and counts_empty else ""
    where = f" WHERE {having}" if having and not kept else ""
    value, support = f"{_value(fold.measure)}{kept}", f"count(s.v){kept}"
    if fold.measure is Measure.SHARE:
        where, support = "", "count(s.v)"
        value = f"(100.0 * count(s.v) FILTER (WHERE {having}) / nullif({support}, 0)){_NUMBER}"
    named = [f"s.{key.alias}" for key in keys]
    plural = _PLURALS.get(fold.each[0], "groups") if len(fold.each) == 1 else "groups"
    cells = ", ".join([*named, f"{value} AS v", f"{support} AS n"])
    grouped = f" GROUP BY {', '.join(named)}" if named else ""
    counts = fold.measure is Measure.COUNT
    name = plural if counts else f"{fold.measure.name.lower()}_of_{finer.name}"
    extras = () if counts else (Extra("n", plural, Role.SUPPORT),)
    return Measured(f"SELECT {cells} FROM ({finer.sql}) AS s{where}{grouped}", name, extras)


def compared(first: Measured, second: Measured, keys: Sequence[Key]) -> Measured:
    """Returns the SELECT of two measures side by side, with what lies between them.

    A group that only one of them has is there, with a null on the other side.
    """
    on = " AND ".join(f"a.{key.alias} = b.{key.alias}" for key in keys) or "true"
    cells = [f"coalesce(a.{key.alias}, b.{key.alias}) AS {key.alias}" for key in keys]
    cells += [
        "a.v",
        "a.n",
        "b.v AS other",
        "b.n AS other_n",
        f"a.v{_NUMBER} - b.v{_NUMBER} AS difference",
        f"100 * (a.v{_NUMBER} - b.v{_NUMBER}) / nullif(abs(b.v{_NUMBER}), 0) AS percent",
        f"a.v{_NUMBER} / nullif(b.v{_NUMBER}, 0) AS ratio",
    ]
    extras = (
        Extra("other", f"other_{first.name}", Role.OTHER_VALUE),
        Extra("difference", "difference", Role.DIFFERENCE),
        Extra("percent", "difference_percent", Role.PERCENT),
        Extra("ratio", "ratio", Role.RATIO),
        Extra("n", "values", Role.SUPPORT),
        Extra("other_n", "other_values", Role.OTHER_SUPPORT),
    )
    sql = f"SELECT {', '.join(cells)} FROM ({first.sql}) AS a FULL JOIN ({second.sql}) AS b ON {on}"
    return Measured(sql, first.name, extras)


def _value(measure: Measure) -> str:
    match measure:
        case Measure.COUNT:
            return "count(s.v)"
        case Measure.AVG:
            return f"avg(s.v){_NUMBER}"
        case Measure.MEDIAN:
            return f"percentile_cont(0.5) WITHIN GROUP (ORDER BY s.v{_NUMBER})"
        case Measure.STDDEV:
            return f"stddev_samp(s.v){_NUMBER}"
        case Measure.RANGE:
            return "max(s.v) - min(s.v)"
        case _:
            return f"{measure.name.lower()}(s.v)"
