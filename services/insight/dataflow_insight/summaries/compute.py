"""Computes what a summary says: which queries run for which field, and what may be said of what they give."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from dataflow_insight.catalogue.catalogue import Catalogue, Field, Kind
from dataflow_insight.plans.plan import Grouping, Measure, Plan, TimeRange
from dataflow_insight.plans.plan import Scope as PlanScope
from dataflow_insight.queries.query import Role
from dataflow_insight.queries.reads import Queries
from dataflow_insight.queries.table import Table
from dataflow_insight.summaries import missing, statements
from dataflow_insight.summaries.bench import Bench
from dataflow_insight.summaries.cells import Line, lines
from dataflow_insight.summaries.daily import Hour, judge_day
from dataflow_insight.summaries.facts import Course, Facts, NumberFacts, Refusals, Trend, WordFacts
from dataflow_insight.summaries.movement import Movement, of_difference, of_trend
from dataflow_insight.summaries.scope import Scope
from dataflow_insight.summaries.telling import told

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

_HOUR: Final = timedelta(hours=1)

Filled: TypeAlias = Mapping[str, list[Line]]
"""How many values each field has and has not, by name."""

_LOOKED_AT: Final = 5
"""Devices whose first readings rule out counters."""

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
    readings = Line(await bench.compute(plans.of(Measure.COUNT)))
    devices = Line(await bench.compute(plans.of(Measure.DISTINCT)))
    refusals = None if scope.contract.builtin else await _refusals(bench, scope, plans)
    silent = lines(await bench.run(missing.silent(scope, _devices(scope)), plans.of(Measure.DISTINCT)))
    if not readings.of(Role.VALUE).whole:
        return Facts(
            scope,
            readings,
            devices,
            left_out=tuple(item.name for item in scope.contract.fields),
            silent=tuple(silent),
            refusals=refusals,
            results=tuple(bench.results),
        )
    candidates = [item for item in scope.contract.fields if not names or item.name in names][:MAX_FIELDS]
    filled = await bench.split(
        statements.filled(scope, candidates), {item.name: plans.of(Measure.MISSING, item.name) for item in candidates}
    )
    numbers = _chosen(filled, candidates, {Kind.NUMBER, Kind.INTEGER}, MAX_NUMBERS)
    words = _chosen(filled, candidates, _WORDS, MAX_WORDS)
    gaps = lines(await bench.run(missing.gaps(scope, min(scope.period.end, now)), plans.of(Measure.GAP)))
    cadence = scope.contract.cadence
    usual = gaps[0].named("usual_seconds").number if gaps else None
    if usual is None and cadence is not None:
        usual = cadence.total_seconds()
    number_facts = await _numbers(bench, plans, scope, numbers, filled)
    word_facts = await _words(bench, plans, scope, words, filled)
    shown = told(number_facts, word_facts)
    others = [item.name for item in candidates if item.name not in shown]
    return Facts(
        scope,
        readings,
        devices,
        numbers=number_facts,
        words=word_facts,
        left_out=tuple(item.name for item in scope.contract.fields if item not in numbers and item not in words),
        gaps=tuple(gap for gap in gaps if usual and (gap.named("seconds").number or 0.0) > GAP_STEPS * usual),
        usual_step=timedelta(seconds=usual) if usual is not None else None,
        silent=tuple(silent),
        refusals=refusals,
        told=shown,
        others=Line(await bench.run(statements.counted(others), plans.of(Measure.COUNT))) if others else None,
        results=tuple(bench.results),
    )


class _Plans:
    """Makes plans over the readings of a summary."""

    def __init__(self, scope: Scope) -> None:
        self._contract = scope.contract.name
        self._devices = scope.device_ids
        self._period = scope.period
        self._now = self._within(scope.period.start, scope.period.end)

    def of(
        self,
        measure: Measure,
        name: str = "",
        *,
        percentile: float = 0.0,
        compared_with: PlanScope | None = None,
        where: bool = False,
        hours: bool = False,
    ) -> Plan:
        """Returns the plan of a measure, of a field where one is named."""
        return Plan(
            contract=self._contract,
            measure=measure,
            field=name,
            percentile=percentile,
            scope=self._now,
            compared_with=compared_with,
            with_where_and_when=where,
            group_by=(Grouping.HOUR_OF_DAY,) if hours else (),
            time_zone=self._period.zone.key,
        )

    @property
    def before(self) -> PlanScope:
        """The time before."""
        return self._within(self._period.before, self._period.start)

    def ends(self, name: str) -> Plan:
        """Returns what is nearest to a line: the last hour beside the first one."""
        start, end, hour = self._period.start, self._period.end, min(_HOUR, self._period.length / 2)
        return replace(
            self.of(Measure.AVG, name, compared_with=self._within(start, start + hour)),
            scope=self._within(end - hour, end),
        )

    def _within(self, start: datetime, end: datetime) -> PlanScope:
        return PlanScope(device_ids=self._devices, times=(TimeRange(start, end),))


def _devices(scope: Scope) -> tuple[str, ...]:
    return scope.device_ids or scope.contract.devices


def _chosen(filled: Filled, candidates: list[Field], kinds: "set[Kind] | frozenset[Kind]", most: int) -> list[Field]:
    """Returns the fields with most values, of these kinds."""
    having = [item for item in candidates if item.kind in kinds and item.name in filled and _present(filled, item)]
    return sorted(having, key=lambda item: -_present(filled, item))[:most]


def _present(filled: Filled, item: Field) -> int:
    return filled[item.name][0].named("present").whole


async def _numbers(
    bench: Bench, plans: _Plans, scope: Scope, fields: list[Field], filled: Filled
) -> tuple[NumberFacts, ...]:
    if not fields:
        return ()
    names = [item.name for item in fields]
    trends = await bench.split(statements.trends(scope, fields), {name: plans.ends(name) for name in names})
    days = await bench.split(
        statements.days(scope, fields), {name: plans.of(Measure.AVG, name, hours=True) for name in names}
    )
    counters = await _counters(bench, plans, scope, fields)
    found = []
    for item in fields:
        trend = next(iter(trends.get(item.name, ())), None)
        deviation = trend.named("deviation").number if trend is not None else None
        level = Line(await bench.compute(plans.of(Measure.AVG, item.name, compared_with=plans.before)))
        found.append(
            NumberFacts(
                field=item,
                filled=filled[item.name][0],
                level=level,
                middle=Line(await bench.compute(plans.of(Measure.MEDIAN, item.name))),
                low=Line(await bench.compute(plans.of(Measure.PERCENTILE, item.name, percentile=5.0))),
                high=Line(await bench.compute(plans.of(Measure.PERCENTILE, item.name, percentile=95.0))),
                lowest=Line(await bench.compute(plans.of(Measure.MIN, item.name, where=True))),
                highest=Line(await bench.compute(plans.of(Measure.MAX, item.name, where=True))),
                trend=_trend(trend) if trend is not None else None,
                change=_change(level, deviation),
                course=_course(bench, plans.of(Measure.CHANGE, item.name), days.get(item.name, []), deviation),
                counter=counters.get(item.name),
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


def _course(bench: Bench, step: Plan, hours: list[Line], deviation: float | None) -> Course:
    """Judges the hours of the day; a step becomes a result of its own, whose value is what it steps by."""
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
    if judged.step is None:
        return Course(tuple(hours), judged)
    table = hours[judged.step].computed.table
    names = ("hour", "before", "after", "step")
    places = [table.query.columns.index(name) for name in names]
    own = replace(table.query, columns=names, roles=(Role.HOUR_OF_DAY, Role.PREVIOUS, Role.NEXT, Role.VALUE))
    row = tuple(table.rows[judged.step][place] for place in places)
    return Course(tuple(hours), judged, Line(bench.keep(step, Table(own, (row,)))))


async def _counters(bench: Bench, plans: _Plans, scope: Scope, fields: list[Field]) -> dict[str, Line]:
    """Returns what counters rose by. Few fields are: the first readings of some devices rule out the others."""
    looked = await bench.look(statements.rises(scope, fields, _devices(scope)[:_LOOKED_AT]))
    falls = {str(name): count for name, count in looked.rows}
    found = {}
    for item in fields:
        if not falls.get(item.name):
            line = Line(await bench.run(statements.counter(scope, item), plans.of(Measure.CHANGE, item.name)))
            if _counts(line):
                found[item.name] = line
    return found


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
    bench: Bench, plans: _Plans, scope: Scope, fields: list[Field], filled: Filled
) -> tuple[WordFacts, ...]:
    if not fields:
        return ()
    found = await bench.split(
        statements.words(scope, fields), {item.name: plans.of(Measure.MODE, item.name) for item in fields}
    )
    return tuple(WordFacts(item, filled[item.name][0], found[item.name][0]) for item in fields if item.name in found)


async def _refusals(bench: Bench, scope: Scope, plans: _Plans) -> Refusals:
    ever = await bench.look(missing.refused_ever(scope))
    if isinstance(number := ever.rows[0][0], int) and number > missing.MAX_COUNTED:
        line = Line(await bench.run(missing.refused_ever(scope), plans.of(Measure.COUNT)))
        return Refusals(line, line.named("refused"))
    line = Line(await bench.run(missing.refused(scope), plans.of(Measure.COUNT)))
    return Refusals(line, line.named("refused"), line.named("refused_percent"), line.named("items"))
