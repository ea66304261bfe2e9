"""Questions whose fields lie in two contracts: which is which plan."""

from dataclasses import replace
from datetime import timedelta

import pytest
from dataflow_insight.catalogue.catalogue import Catalogue
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.plan import (
    Comparison,
    Condition,
    Decline,
    Declined,
    Focus,
    Grouping,
    Join,
    JoinOn,
    Measure,
    Plan,
    Scope,
)

from tests.ask_catalogue import JOINED, NOW, POLLUTION, WEATHER, at, days, declined, planned

WITH_WEATHER = Join("weather", JoinOn.DEVICE_AND_TIME, timedelta(hours=1))
COLD = Condition("temp", Comparison.LESS, -5.0, joined=True)
MEAN = Plan("pollution", Measure.AVG, "pm25", join=WITH_WEATHER)


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        ("mean PM2.5 while the temperature was under -5", replace(MEAN, scope=Scope(conditions=(COLD,)))),
        (
            "What was the average PM2.5 at Tiantan on 2014-01-16 when temperature was below -5?",
            replace(MEAN, scope=replace(at("Tiantan", times=(days("2014-01-16", "2014-01-16"),)), conditions=(COLD,))),
        ),
        (
            "Average temperature when PM2.5 was above 200",
            Plan(
                "weather",
                Measure.AVG,
                "temp",
                scope=Scope(conditions=(Condition("pm25", Comparison.GREATER, 200.0, joined=True),)),
                join=Join("pollution", JoinOn.DEVICE_AND_TIME, timedelta(hours=1)),
            ),
        ),
        (
            "How many readings had PM2.5 above 200 and temperature below -5?",
            Plan(
                "pollution",
                Measure.COUNT,
                scope=Scope(conditions=(Condition("pm25", Comparison.GREATER, 200.0), COLD)),
                join=WITH_WEATHER,
            ),
        ),
        (
            "Correlation of PM2.5 with wind speed at Dingling",
            replace(MEAN, measure=Measure.CORRELATION, other_field="wspm", other_joined=True, scope=at("Dingling")),
        ),
        (
            "In what percentage of readings with PM2.5 above 200 was the temperature below -5?",
            replace(
                MEAN,
                measure=Measure.SHARE,
                field="",
                holding=(COLD,),
                scope=Scope(conditions=(Condition("pm25", Comparison.GREATER, 200.0),)),
            ),
        ),
        (
            "mean PM2.5 by wind direction",
            replace(MEAN, group_by=(Grouping.VALUE,), group_field="wd", group_joined=True),
        ),
        (
            "Was average PM2.5 higher with temperature below -5 than otherwise?",
            replace(
                MEAN,
                scope=Scope(conditions=(COLD,)),
                compared_with=Scope(conditions=(replace(COLD, comparison=Comparison.GREATER_OR_EQUAL),)),
                focus=Focus.YES_NO,
            ),
        ),
    ],
)
def test_fields_of_the_other_contract_are_joined(question: str, plan: Plan) -> None:
    """The contract of the measured field is the first; conditions and groups may be the other's."""
    assert planned(question, JOINED) == plan


def test_a_question_of_one_contract_is_not_joined() -> None:
    """The other contract stays out where it is not needed."""
    assert planned("average temperature at Tiantan", JOINED) == Plan(
        "weather", Measure.AVG, "temp", scope=at("Tiantan")
    )


def test_fields_of_two_contracts_are_measured_one_by_one() -> None:
    """Several measures become several plans, each of its own contract."""
    outcome = plan_question("What were the average PM2.5 and the average temperature at Tiantan?", JOINED, NOW)
    assert not isinstance(outcome, Declined)
    assert [replace(plan, assumptions=()) for plan in outcome] == [
        Plan("pollution", Measure.AVG, "pm25", scope=at("Tiantan")),
        Plan("weather", Measure.AVG, "temp", scope=at("Tiantan")),
    ]


def test_a_join_is_said() -> None:
    """The asker is told which contracts were put side by side, and how."""
    outcome = plan_question("mean PM2.5 while the temperature was under -5", JOINED, NOW)
    assert not isinstance(outcome, Declined)
    assert any("weather" in note and "device" in note for note in outcome[0].assumptions)


def test_contracts_without_common_devices_are_joined_by_time() -> None:
    """Then the readings of the other contract are taken together, and the asker is told."""
    mast = replace(WEATHER, devices=("mast",), device_keys={}, cadence=timedelta(minutes=10))
    catalogue = Catalogue((POLLUTION, mast))
    outcome = plan_question("average PM2.5 at Tiantan when the temperature was below -5", catalogue, NOW)
    assert not isinstance(outcome, Declined)
    assert outcome[0].join == Join("weather", JoinOn.TIME, timedelta(hours=1))
    assert any("all devices of weather" in note for note in outcome[0].assumptions)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("average PM2.5 when the noise was above 60", Decline.UNKNOWN_FIELD),
        ("average PM2.5 at Springfield when the temperature was below 0", Decline.UNKNOWN_DEVICE),
    ],
)
def test_what_neither_contract_has_is_declined(question: str, reason: Decline) -> None:
    """A join finds nothing that is not there."""
    assert declined(question, JOINED) is reason
