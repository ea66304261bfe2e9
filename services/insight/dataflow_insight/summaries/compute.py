"""Computes what a summary says: which queries run for which field, and what may be said of what they give."""

from datetime import datetime, timedelta
from typing import Final

from dataflow_insight.catalogue.catalogue import Catalogue, Field, Kind
from dataflow_insight.engines.engine import Computed
from dataflow_insight.plans.plan import Measure, Plan, TimeRange
from dataflow_insight.plans.plan import Scope as PlanScope
from dataflow_insight.queries.query import Role
from dataflow_insight.summaries import statements
from dataflow_insight.summaries.bench import Bench, Queries
from dataflow_insight.summaries.cells import Line, lines, lines_of
from dataflow_insight.summaries.daily import Hour, judge_day
from dataflow_insight.summaries.facts import Course, Facts, NumberFacts, Refusals, Trend, WordFacts
from dataflow_insight.summaries.movement import Movement, of_difference, of_trend
from dataflow_insight.summaries.statements import Scope

MAX_NUMBERS: Final = 8
"""Most number fields of a summary."""

MAX_WORDS: Final = 4
"""Most other fields."""

MAX_FIELDS: Final = 500
"""Of so many fields it is counted which have most values."""

GAP_STEPS: Final = 1.5
"""A time without readings is a gap beyond so many usual steps."""

LEAST_BEFORE: Final = 0.5
"""The time before is compared with if it has at least this part of the values."""

COUNTER_RISES: Final = 20
"""A counter rises at least so often, and falls only to restart."""

RISES_PER_RESTART: Final = 10
"""What falls more often than once in so many rises is no counter."""

_WORDS: Final = frozenset({Kind.TEXT, Kind.BOOLEAN})


async def summarise(
    catalogue: Catalogue, scope: Scope, names: tuple[str, ...], queries: Queries, now: datetime
) -> Facts:
    """Returns what the readings amount to.

    Args:
        catalogue: What exists.
        scope: Which readings.
        names: Only these fields; empty: those with most values.
        queries: Runs the SQL.
        now: The present, UTC: a gap cannot last longer.

    Raises:
        QueryTooExpensiveError: A query would cost too much.
    """
    bench = Bench(catalogue, scope.contract, queries)
    plans = _Plans(scope)
    coverage = Line(await bench.compute(plans.of(Measure.COVERAGE)))
    refusals = None if scope.contract.builtin else await _refusals(bench, scope, plans)
    silent = lines(await bench.run(statements.silent(scope, _devices(scope)), plans.of(Measure.DISTINCT)))
    if not coverage.named("readings").whole:
        return Facts(
            scope,
            coverage,
            left_out=tuple(item.name for item in scope.contract.fields),
            silent=tuple(silent),
            refusals=refusals,
            results=tuple(bench.results),
        )
    candidates = [item for item in scope.contract.fields if not names or item.name in names][:MAX_FIELDS]
    filled = await bench.run(statements.filled(scope, candidates), plans.of(Measure.COUNT))
    numbers = _chosen(filled, candidates, {Kind.NUMBER, Kind.INTEGER}, MAX_NUMBERS)
    words = _chosen(filled, candidates, _WORDS, MAX_WORDS)
    gaps = lines(await bench.run(statements.gaps(scope, min(scope.period.end, now)), plans.of(Measure.GAP)))
    usual = gaps[0].named("usual_seconds").number if gaps else None
    return Facts(
        scope,
        coverage,
        numbers=await _numbers(bench, plans, scope, numbers, filled),
        words=await _words(bench, plans, scope, words, filled),
        left_out=tuple(item.name for item in scope.contract.fields if item not in numbers and item not in words),
        gaps=tuple(gap for gap in gaps if (gap.named("seconds").number or 0.0) > GAP_STEPS * (usual or 0.0)),
        usual_step=timedelta(seconds=usual) if usual is not None else None,
        silent=tuple(silent),
        refusals=refusals,
        results=tuple(bench.results),
    )


class _Plans:
    """Makes plans over the readings of a summary."""

    def __init__(self, scope: Scope) -> None:
        period = scope.period
        self._contract = scope.contract.name
        self._zone = period.zone.key
        self._now = PlanScope(device_ids=scope.device_ids, times=(TimeRange(period.start, period.end),))
        self._before = PlanScope(device_ids=scope.device_ids, times=(TimeRange(period.before, period.start),))

    def of(
        self, measure: Measure, name: str = "", *, percentile: float = 0.0, compared: bool = False, where: bool = False
    ) -> Plan:
        """Returns the plan of a measure, of a field where one is named."""
        return Plan(
            contract=self._contract,
            measure=measure,
            field=name,
            percentile=percentile,
            scope=self._now,
            compared_with=self._before if compared else None,
            with_where_and_when=where,
            time_zone=self._zone,
        )


def _devices(scope: Scope) -> tuple[str, ...]:
    return scope.device_ids or scope.contract.devices


def _chosen(filled: Computed, candidates: list[Field], kinds: "set[Kind] | frozenset[Kind]", most: int) -> list[Field]:
    """Returns the fields with most values, of these kinds."""
    by_name = {item.name: item for item in candidates if item.kind in kinds}
    names = [line.named("field").text for line in lines(filled) if line.named("present").whole]
    return [by_name[name] for name in names if name in by_name][:most]


async def _numbers(
    bench: Bench, plans: _Plans, scope: Scope, fields: list[Field], filled: Computed
) -> tuple[NumberFacts, ...]:
    if not fields:
        return ()
    trends = await bench.run(statements.trends(scope, fields), plans.of(Measure.CHANGE, fields[0].name))
    days = await bench.run(statements.days(scope, fields), plans.of(Measure.AVG, fields[0].name))
    counters = await bench.run(statements.counters(scope, fields), plans.of(Measure.SUM, fields[0].name))
    found = []
    for item in fields:
        trend = next(iter(lines_of(trends, item.name)), None)
        deviation = trend.named("deviation").number if trend is not None else None
        level = Line(await bench.compute(plans.of(Measure.AVG, item.name, compared=True)))
        found.append(
            NumberFacts(
                field=item,
                filled=lines_of(filled, item.name)[0],
                level=level,
                middle=Line(await bench.compute(plans.of(Measure.MEDIAN, item.name))),
                low=Line(await bench.compute(plans.of(Measure.PERCENTILE, item.name, percentile=5.0))),
                high=Line(await bench.compute(plans.of(Measure.PERCENTILE, item.name, percentile=95.0))),
                lowest=Line(await bench.compute(plans.of(Measure.MIN, item.name, where=True))),
                highest=Line(await bench.compute(plans.of(Measure.MAX, item.name, where=True))),
                trend=_trend(trend) if trend is not None else None,
                change=_change(level, deviation),
                course=_course(lines_of(days, item.name), deviation),
                counter=next((line for line in lines_of(counters, item.name) if _counts(line)), None),
            )
        )
    return tuple(found)


def _trend(line: Line) -> Trend:
    movement = of_trend(
        line.named("hours").whole,
        line.named("change").number or 0.0,
        line.named("noise").number or 0.0,
        line.named("significance").number,
        line.named("freedom").number,
        line.named("mean").number or 0.0,
    )
    return Trend(line, movement)


def _change(level: Line, deviation: float | None) -> Movement | None:
    difference, before = level.of(Role.DIFFERENCE).number, level.of(Role.OTHER_SUPPORT).whole
    if difference is None or before < LEAST_BEFORE * level.of(Role.SUPPORT).whole:
        return None
    return of_difference(difference, deviation, level.of(Role.VALUE).number or 0.0)


def _course(hours: list[Line], deviation: float | None) -> Course:
    judged = judge_day(
        [
            Hour(
                line.named("hour").whole,
                line.named("mean").number or 0.0,
                line.named("days").whole,
                line.named("deviation").number or 0.0,
                line.named("squares").number or 0.0,
            )
            for line in hours
        ],
        deviation,
    )
    return Course(tuple(hours), judged)


def _counts(line: Line) -> bool:
    """Whether a field is a counter: it begins at 0 or above, rises often, and falls only to restart."""
    rises, restarts = line.named("rises").whole, line.named("restarts").whole
    lowest = line.named("lowest").number
    return (
        lowest is not None
        and lowest >= 0
        and rises >= COUNTER_RISES
        and not line.named("falls").whole
        and restarts * RISES_PER_RESTART <= rises
    )


async def _words(
    bench: Bench, plans: _Plans, scope: Scope, fields: list[Field], filled: Computed
) -> tuple[WordFacts, ...]:
    if not fields:
        return ()
    found = await bench.run(statements.words(scope, fields), plans.of(Measure.MODE, fields[0].name))
    by_name = {item.name: item for item in fields}
    return tuple(
        WordFacts(by_name[name], lines_of(filled, name)[0], line)
        for line in lines(found)
        if (name := line.named("field").text) in by_name
    )


async def _refusals(bench: Bench, scope: Scope, plans: _Plans) -> Refusals:
    ever = await bench.look(statements.refused_ever(scope))
    if isinstance(number := ever.rows[0][0], int) and number > statements.MAX_COUNTED:
        line = Line(await bench.run(statements.refused_ever(scope), plans.of(Measure.COUNT)))
        return Refusals(line.named("refused"))
    line = Line(await bench.run(statements.refused(scope), plans.of(Measure.COUNT)))
    return Refusals(line.named("refused"), line.named("refused_percent"), line.named("items"))
