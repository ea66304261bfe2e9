"""What plans pass the check, and what a planner is told of those that do not."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.errors import PlanError
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

from tests.plan_data import MIX, SIDE, catalogue_of, random_readings

CATALOGUE = catalogue_of(random_readings(random.Random(1), 3))
MOOD = 'mo"od {0}'
WARM = Condition("temp", Comparison.GREATER, 1.0)
WINDY = Condition("wind", Comparison.GREATER, 1.0, joined=True)
AVG = Plan(MIX, Measure.AVG, "temp")
SHARE = Plan(MIX, Measure.SHARE, holding=(WARM,))
STREAK = Plan(MIX, Measure.STREAK, holding=(WARM,))
GAP = Plan(MIX, Measure.GAP)
MAX = Plan(MIX, Measure.MAX, "temp", with_where_and_when=True)
ABOVE = GroupLimit(Comparison.GREATER, 1.0)
NOON = datetime(2024, 4, 1, 12, tzinfo=UTC)


def test_a_plan_that_fits_gives_its_contract() -> None:
    """The check returns what the plan is about."""
    assert check_plan(AVG, CATALOGUE).name == MIX


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (replace(AVG, contract="nothing"), "there is no contract 'nothing'; there are 'mix', 'side'"),
        (replace(AVG, field="tmp"), "has no field 'tmp'; it has 'temp', '/box/level'"),
        (replace(AVG, field=""), "AVG needs a field"),
        (replace(AVG, field=MOOD), "holds no numbers"),
        (replace(AVG, field="on"), "holds no numbers"),
        (replace(AVG, measure=Measure.COVERAGE), "COVERAGE is over readings"),
        (replace(AVG, measure=Measure.PERCENTILE, percentile=101.0), "between 0 and 100"),
        (replace(AVG, measure=Measure.PERCENTILE, percentile=float("nan")), "between 0 and 100"),
        (replace(AVG, time_zone="Europe/Atlantis"), "no time zone 'Europe/Atlantis'"),
        (replace(AVG, time_zone="../../etc/passwd"), "no time zone"),
        (replace(AVG, scope=Scope(device_ids=("roof",))), "has no device 'roof'"),
        (replace(AVG, scope=Scope(excluded_device_ids=("roof",))), "has no device 'roof'"),
        (replace(AVG, compared_with=Scope(device_ids=("roof",))), "has no device 'roof'"),
        (replace(AVG, scope=Scope(times=(TimeRange(NOON, NOON),))), "the time range is empty"),
        (replace(AVG, scope=Scope(times=(TimeRange(NOON.replace(tzinfo=None)),))), "times have a zone"),
        (replace(AVG, scope=Scope(times=(TimeRange(NOON),) * 65)), "too many stretches of time"),
        (replace(AVG, scope=Scope(day_times=(DayTime(60, 60),))), "ends where it starts"),
        (replace(AVG, scope=Scope(day_times=(DayTime(1440, 60),))), "minute 0 to 1439"),
        (replace(AVG, scope=Scope(day_times=(DayTime(0, 1441),))), "minute 1 to 1440"),
        (replace(AVG, scope=Scope(weekdays=(0,))), "weekdays are 1"),
        (replace(AVG, scope=Scope(conditions=(WARM,) * 9)), "too many conditions"),
        (replace(AVG, scope=Scope(conditions=(WINDY,))), "the plan has no join"),
        (replace(AVG, scope=Scope(conditions=(replace(WARM, limit=("a",)),))), "is not a text"),
        (replace(AVG, scope=Scope(conditions=(replace(WARM, limit=True),))), "is not yes or no"),
        (replace(AVG, scope=Scope(conditions=(Condition(MOOD, Comparison.EQUAL, 1.0),))), "holds no numbers"),
        (replace(AVG, scope=Scope(conditions=(Condition(MOOD, Comparison.LESS, ("a",)),))), "EQUAL or NOT_EQUAL"),
        (replace(AVG, scope=Scope(conditions=(Condition(MOOD, Comparison.EQUAL, ()),))), "has no texts"),
        (replace(AVG, scope=Scope(conditions=(Condition(MOOD, Comparison.EQUAL, ("\0",)),))), "cannot be stored"),
        (replace(AVG, scope=Scope(conditions=(Condition(MOOD, Comparison.EQUAL, ("\ud800",)),))), "cannot be stored"),
        (replace(AVG, scope=Scope(conditions=(replace(WARM, limit=float("inf")),))), "finite number"),
        (replace(AVG, holding=(WARM,)), "holding belongs to SHARE and STREAK"),
        (replace(SHARE, holding=()), "SHARE needs holding"),
        (replace(SHARE, holding=(WARM,) * 9), "at most 8 conditions"),
        (replace(AVG, measure=Measure.CORRELATION), "needs an other_field"),
        (replace(AVG, measure=Measure.CORRELATION, other_field=MOOD), "holds no numbers"),
        (replace(AVG, other_field="/box/level"), "other_field belongs to CORRELATION"),
        (replace(AVG, other_joined=True), "other_joined needs a join"),
        (replace(AVG, measure=Measure.MODE, difference=Difference.NEIGHBOUR), "no MODE of differences"),
        (replace(SHARE, difference=Difference.NEIGHBOUR), "differences need a field"),
        (replace(AVG, neighbour_within=timedelta(hours=1)), "neighbour_within belongs to"),
        (replace(STREAK, neighbour_within=timedelta()), "longer than 0"),
        (replace(AVG, group_by=(Grouping.DAY, Grouping.DEVICE, Grouping.HOUR)), "at most 2 groupings"),
        (replace(AVG, group_by=(Grouping.DAY, Grouping.DAY)), "no grouping twice"),
        (replace(AVG, group_by=(Grouping.VALUE,)), "group_field belong together"),
        (replace(AVG, group_field=MOOD), "group_field belong together"),
        (replace(AVG, group_by=(Grouping.VALUE,), group_field="temp"), "cannot be grouped by 'temp'"),
        (replace(AVG, group_by=(Grouping.DAY,), fold=Fold((Grouping.DAY,), Measure.AVG)), "no grouping twice"),
        (replace(AVG, fold=Fold((), Measure.AVG)), "fold needs finer groups"),
        (replace(AVG, fold=Fold((Grouping.DAY,), Measure.LATEST)), "cannot compute LATEST"),
        (replace(MAX, fold=Fold((Grouping.DAY,), Measure.AVG)), "no with_where_and_when beside fold"),
        (replace(AVG, having=ABOVE), "it needs group_by"),
        (replace(AVG, having=GroupLimit(Comparison.LESS, float("nan")), group_by=(Grouping.DAY,)), "finite number"),
        (replace(AVG, rank=2), "rank needs group_by"),
        (replace(AVG, rank=1001, group_by=(Grouping.DAY,)), "rank is at most 1000"),
        (replace(MAX, rank=-2), "give it a positive number"),
        (Plan(MIX, Measure.LATEST, MOOD, group_by=(Grouping.DEVICE,), rank=1), "no number here"),
        (Plan(MIX, Measure.MODE, MOOD, group_by=(Grouping.DEVICE,), rank=1), "no number here"),
        (Plan(MIX, Measure.COVERAGE, compared_with=Scope(weekdays=(1,))), "no number here"),
        (replace(AVG, with_where_and_when=True), "belongs to MIN and MAX"),
        (replace(MAX, compared_with=Scope(weekdays=(1,))), "no with_where_and_when beside compared_with"),
        (replace(STREAK, group_by=(Grouping.WEEKDAY,)), "can be grouped by DEVICE, HOUR, DAY, WEEK and MONTH only"),
        (replace(GAP, scope=Scope(weekdays=(1,))), "GAP cannot be limited to parts of the day or week"),
        (replace(AVG, measure=Measure.CHANGE), "CHANGE is of one device"),
        (replace(AVG, compared_with=Scope()), "compared_with is the same as scope"),
        (replace(AVG, join=Join("nothing")), "there is no contract 'nothing'"),
        (replace(AVG, join=Join(SIDE, bucket=timedelta(minutes=50))), "divide a day"),
        (replace(AVG, join=Join(SIDE, bucket=timedelta(days=2))), "divide a day"),
        (replace(AVG, unit="m/s"), "'°C' cannot be converted to 'm/s', only to °C, °F, K"),
        (replace(AVG, measure=Measure.COUNT, unit="°F"), "COUNT has no unit"),
        (replace(GAP, unit="°C"), "'s' cannot be converted"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(plan: Plan, text: str) -> None:
    """The refusal names what is wrong, so that whoever planned can plan again."""
    with pytest.raises(PlanError) as refused:
        check_plan(plan, CATALOGUE)
    assert text in str(refused.value)


@pytest.mark.parametrize(
    "plan",
    [
        replace(AVG, join=Join(SIDE, JoinOn.TIME), scope=Scope(conditions=(WINDY,))),
        replace(AVG, measure=Measure.CHANGE, scope=Scope(device_ids=("bath",))),
        replace(AVG, measure=Measure.CHANGE, group_by=(Grouping.DEVICE,), rank=-1),
        replace(AVG, measure=Measure.CHANGE, fold=Fold((Grouping.DEVICE,), Measure.MAX)),
        replace(AVG, measure=Measure.COUNT, difference=Difference.NEIGHBOUR, holding=(WARM,)),
        replace(STREAK, field="temp", difference=Difference.NEIGHBOUR),
        replace(STREAK, rank=3),
        replace(GAP, unit="h", rank=2),
        replace(MAX, rank=5, other_field="wind", other_joined=True, join=Join(SIDE)),
        replace(AVG, unit="kelvin", compared_with=Scope(weekdays=(6, 7)), group_by=(Grouping.DEVICE,), having=ABOVE),
        replace(AVG, scope=Scope(day_times=(DayTime(22 * 60, 6 * 60),)), time_zone="Asia/Kathmandu"),
    ],
)
def test_parts_that_go_together_pass(plan: Plan) -> None:
    """Nothing that can be computed is refused."""
    assert check_plan(plan, CATALOGUE).name == MIX


def test_no_refusal_shows_more_names_than_a_planner_reads() -> None:
    """Contracts with a thousand fields do not fill the model's context."""
    wide = catalogue_of(random_readings(random.Random(1), 3))
    mix: Any = wide.contract_named(MIX)
    fields = tuple(replace(mix.fields[0], name=f"field_{number}") for number in range(1000))
    with pytest.raises(PlanError) as refused:
        check_plan(AVG, replace(wide, contracts=(replace(mix, fields=fields),)))
    assert len(str(refused.value)) < 500
    assert str(refused.value).endswith("and more")
