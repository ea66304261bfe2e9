"""Random plans over the tables of `plan_data`: all measures with all that goes with them; some of them are refused."""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from dataflow_insight.plans.plan import (
    Comparison,
    Condition,
    DayTime,
    Difference,
    Fold,
    Grouping,
    GroupLimit,
    Join,
    JoinOn,
    Measure,
    Plan,
    Scope,
    TimeRange,
)

from tests.plan_data import DEVICES, MIX, SIDE, STARTS

ZONES: Final = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York")
_TEXT_FIELD: Final = 'mo"od {0}'
_FOLDS: Final = ("COUNT", "AVG", "MIN", "MAX", "SUM", "MEDIAN", "STDDEV", "RANGE", "SHARE")
_FIELDS: Final = {
    Measure.COUNT: ("", "temp", _TEXT_FIELD),
    Measure.COVERAGE: ("",),
    Measure.DISTINCT: ("", "temp", "on", _TEXT_FIELD),
    Measure.GAP: ("", "temp", "on"),
    Measure.SHARE: ("",),
    Measure.STREAK: ("",),
    Measure.LATEST: ("temp", "/box/level", "on", _TEXT_FIELD),
    Measure.FIRST: ("temp", "/box/level", "on", _TEXT_FIELD),
    Measure.MODE: ("/box/level", "on", _TEXT_FIELD),
    Measure.MISSING: ("temp", "on", _TEXT_FIELD),
    Measure.MISSING_SHARE: ("temp", "on", _TEXT_FIELD),
}


def random_plan(chance: random.Random, measure: Measure) -> Plan:
    """Returns a plan of a measure; `check_plan` may refuse it."""
    join = _join(chance) if chance.random() < 0.25 else None
    fields = _FIELDS.get(measure, ("temp", "/box/level"))
    difference = Difference.NONE
    if chance.random() < 0.2:
        difference = chance.choice((Difference.NEIGHBOUR, Difference.NEIGHBOUR_ABSOLUTE))
        fields = ("temp", "/box/level")
    groups: tuple[Grouping, ...] = tuple(chance.sample(list(Grouping), chance.choice((0, 0, 1, 1, 2))))
    fold = _fold(chance, groups) if chance.random() < 0.25 else None
    grouped = (*groups, *(fold.each if fold else ()))
    needs_holding = measure in {Measure.SHARE, Measure.STREAK} or (
        measure is Measure.COUNT and difference is not Difference.NONE and chance.random() < 0.7
    )
    near = measure is Measure.STREAK or difference is not Difference.NONE
    by_value = Grouping.VALUE in grouped
    group_joined = by_value and join is not None and chance.random() < 0.5
    with_where = measure in {Measure.MIN, Measure.MAX} and fold is None and chance.random() < 0.5
    other = measure is Measure.CORRELATION or (
        (measure in {Measure.LATEST, Measure.FIRST} or with_where) and chance.random() < 0.3
    )
    other_joined = other and join is not None and chance.random() < 0.6
    field = chance.choice(fields)
    # Two correlations of 1 may differ in their last bit, and are level for one of two programs only.
    fragile = measure is Measure.CORRELATION
    return Plan(
        contract=MIX,
        measure=measure,
        field=field,
        percentile=chance.choice((0.0, 12.5, 90.0, 99.0, 100.0)),
        other_field=(chance.choice(("wind",) if other_joined else ("/box/level", "temp"))) if other else "",
        other_joined=other_joined,
        holding=_conditions(chance, join, 1, 2) if needs_holding else (),
        scope=_scope(chance, join),
        compared_with=_scope(chance, join) if not with_where and chance.random() < 0.2 else None,
        difference=difference,
        neighbour_within=timedelta(minutes=45) if near and chance.random() < 0.5 else None,
        group_by=groups,
        group_field=(chance.choice(("rain", "sky") if group_joined else ("on", "/box/level", _TEXT_FIELD)))
        if by_value
        else "",
        group_joined=group_joined,
        fold=replace(fold, having=None) if fold is not None and fragile else fold,
        having=_limit(chance) if groups and not fragile and chance.random() < 0.25 else None,
        rank=chance.choice((0, 0, 0, 1, 2, 5, -1, -3))
        if (groups and not fragile) or with_where or measure in {Measure.STREAK, Measure.GAP}
        else 0,
        with_where_and_when=with_where,
        time_zone=chance.choice(ZONES),
        join=join,
        unit=_unit(chance, measure, field) if chance.random() < 0.2 else "",
    )


def _unit(chance: random.Random, measure: Measure, field: str) -> str:
    if measure is Measure.GAP:
        return chance.choice(("h", "min"))
    return {"temp": "°F", "/box/level": "mmHg"}.get(field, "")


def _join(chance: random.Random) -> Join:
    bucket = chance.choice((timedelta(minutes=30), timedelta(hours=1), timedelta(days=1), timedelta(minutes=50)))
    return Join(SIDE, chance.choice(list(JoinOn)), bucket)


def _fold(chance: random.Random, groups: tuple[Grouping, ...]) -> Fold:
    each = chance.sample([item for item in Grouping if item not in groups], chance.choice((1, 1, 2)))
    return Fold(tuple(each), Measure[chance.choice(_FOLDS)], _limit(chance) if chance.random() < 0.4 else None)


def _limit(chance: random.Random) -> GroupLimit:
    return GroupLimit(chance.choice(list(Comparison)), chance.choice((0.0, 1.0, 2.0, 3.5, 20.0, -1.25)))


def _scope(chance: random.Random, join: Join | None) -> Scope:
    return Scope(
        device_ids=tuple(chance.sample(DEVICES, chance.choice((0, 0, 1, 1, 2)))),
        excluded_device_ids=tuple(chance.sample(DEVICES, chance.choice((0, 0, 0, 1)))),
        times=tuple(_span(chance) for _ in range(chance.choice((0, 0, 1, 1, 2, 3)))),
        day_times=tuple(_day_time(chance) for _ in range(chance.choice((0, 0, 0, 1, 2)))),
        weekdays=tuple(chance.sample(range(1, 8), chance.choice((0, 0, 0, 2, 5)))),
        conditions=_conditions(chance, join, 0, 2) if chance.random() < 0.4 else (),
    )


def _span(chance: random.Random) -> TimeRange:
    start = chance.choice(STARTS) + timedelta(minutes=10 * chance.randrange(-60, 400))
    end = start + timedelta(minutes=10 * chance.randrange(1, 300))
    return TimeRange(start if chance.random() < 0.9 else None, end if chance.random() < 0.9 else None)


def _day_time(chance: random.Random) -> DayTime:
    start = 15 * chance.randrange(96)
    end = chance.choice((1440, 15 * chance.randrange(1, 97)))
    return DayTime(start, end)


def _conditions(chance: random.Random, join: Join | None, fewest: int, most: int) -> tuple[Condition, ...]:
    return tuple(_condition(chance, join) for _ in range(chance.randint(fewest, most)))


def _condition(chance: random.Random, join: Join | None) -> Condition:
    joined = join is not None and chance.random() < 0.5
    number, flag, text = ("wind", "rain", "sky") if joined else ("temp", "on", _TEXT_FIELD)
    equality = chance.choice((Comparison.EQUAL, Comparison.NOT_EQUAL))
    match chance.choice(("number", "number", "number", "flag", "text")):
        case "flag":
            return Condition(flag, equality, chance.random() < 0.5, joined)
        case "text":
            texts: Any = tuple(chance.sample(("calm", "Wild", "o'dd; --", "none"), chance.randint(1, 2)))
            return Condition(text, equality, texts, joined)
        case _:
            return Condition(number, chance.choice(list(Comparison)), chance.choice((-1.0, 0.0, 0.5, 2.0, 3.0)), joined)
