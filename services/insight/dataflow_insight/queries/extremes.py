"""Highest and lowest readings with place and time: rollups tell in which hours and days they are, and only these are read."""

# ruff: noqa: S608 - texts are quoted names of the catalogue, aliases of these modules, and numbers of parameters
from collections.abc import Sequence

from dataflow_insight.plans.plan import Grouping, Measure, Scope
from dataflow_insight.queries.frame import Frame
from dataflow_insight.queries.keys import Key
from dataflow_insight.queries.measured import Measured
from dataflow_insight.queries.picked import picked
from dataflow_insight.queries.query import MAX_TIES
from dataflow_insight.queries.rollups import hours_within, is_sparse, longest_rollup, parts
from dataflow_insight.queries.source import Within, rows
from dataflow_insight.queries.stretches import DAY


def finds_extremes(frame: Frame, scope: Scope, keys: Sequence[Key]) -> bool:
    """Returns whether rollups tell where the readings are that a plan picks."""
    grouped = [key.grouping for key in keys]
    one = grouped == [Grouping.DEVICE] or (not grouped and frame.plan.rank <= 1)
    return one and frame.plan.with_where_and_when and longest_rollup(frame, scope, keys) is not None


def extremes(frame: Frame, scope: Scope, keys: tuple[Key, ...]) -> Measured:
    """Returns the SELECT of the highest or lowest readings, out of the hours and days that hold one."""
    longest = longest_rollup(frame, scope, keys)
    assert longest is not None
    edge, function = ("highest", "max") if frame.plan.measure is Measure.MAX else ("lowest", "min")
    of_group = "PARTITION BY p.device_id" if keys else ""
    placed = parts(frame, scope, (), longest, placed=True)
    judged = (
        f"SELECT p.device_id, p.starts, p.ends, p.{edge} AS edge, {function}(p.{edge}) OVER ({of_group}) AS best"
        f" FROM ({placed}) AS p WHERE p.{edge} IS NOT NULL"
    )
    # Where very many are level, those of the first days are enough: no earlier one is left out.
    some = "" if keys else f" ORDER BY date_trunc('day', p.starts, 'UTC') FETCH FIRST {MAX_TIES} ROWS WITH TIES"
    places = f"SELECT p.device_id, p.starts, p.ends, p.best FROM ({judged}) AS p WHERE p.edge = p.best{some}"
    if longest == DAY and not is_sparse(frame.contract):
        places = _narrowed(frame, places, edge)
    read = rows(frame, scope, keys, within=Within("c.device_id", "c.starts", "c.ends"))
    # OFFSET 0: each place is looked up by itself, whatever the planner expects of their number.
    level = f"SELECT s.* FROM ({read}) AS s WHERE s.v = c.best OFFSET 0"
    return picked(frame, scope, keys, f"SELECT s.* FROM ({places}) AS c CROSS JOIN LATERAL ({level}) AS s")


def _narrowed(frame: Frame, places: str, edge: str) -> str:
    """Returns the places with days cut down to those of their hours that hold the value."""
    hours = f"SELECT h.starts, h.ends FROM ({hours_within(frame, 'p')}) AS h WHERE h.{edge} = p.best OFFSET 0"
    whole_day = "p.ends - p.starts = interval '1 day'"
    return (
        "SELECT p.device_id, coalesce(h.starts, p.starts) AS starts, coalesce(h.ends, p.ends) AS ends, p.best"
        f" FROM ({places}) AS p LEFT JOIN LATERAL ({hours}) AS h ON {whole_day}"
    )
