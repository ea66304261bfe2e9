"""Conditions in many words: all wordings become the plan of the plainest one."""

from dataclasses import replace

import pytest
from dataflow_insight.plans.plan import Comparison, Condition, Measure, Plan, Scope

from tests.ask_catalogue import JOINED, planned

DARK = "How often was light equal to 0?"
LIT = "How many readings had light above 300 when occupancy was 0?"
USED = "Was room-a occupied at weekends?"
COLD_AND_BAD = "How many hours had temperature below -5 and PM2.5 above 100 at Wanliu?"


@pytest.mark.parametrize(
    ("plain", "wording"),
    [
        (DARK, "How often was it completely dark (light equal to 0)?"),
        (DARK, "How many readings were there in total darkness?"),
        (LIT, "How many readings have the light on (more than 300 lux) but nobody present?"),
        (LIT, "How many readings with the lights on (above 300 lux) while nobody was there?"),
        (USED, "Was room-a ever used at weekends?"),
        (USED, "Was anybody in room-a at weekends?"),
        (COLD_AND_BAD, "How many hours were both colder than -5 °C and above 100 µg/m³ PM2.5 at Wanliu?"),
        (COLD_AND_BAD, "How many hours at Wanliu sat below -5 °C but had more than 100 µg/m³ of PM2.5?"),
        ("How many hours was temperature below -10 at Huairou?", "For how many hours did Huairou sit below 14 °F?"),
        ("How many hours was wind speed above 5 at Huairou?", "For how many hours was Huairou above 18 km/h?"),
        ("average PM2.5 when rain above 0", "average PM2.5 in hours with rain"),
        ("Which station had the most hours when rain was above 0?", "Which station had the most rainy hours?"),
        ("average ozone when temperature above 5", "mean of ozone, only hours warmer than 41 °F"),
        ("average PM2.5 when wind speed below 1", "average PM2.5 when the wind was calm (below 1 m/s)"),
        ("average PM2.5 when wd is S or SSE", "Average PM2.5 under southerly winds (S, SSE)"),
        ("average PM2.5 per station when temperature below 0", "PM2.5 average by station for temperatures under 0 °C"),
        ("average PM2.5 when wd is NW", "PM2.5 when the wind was NW, on average"),
        ("average PM2.5 when temperature below 0", "PM2.5 when the temperature was below zero, on average"),
    ],
)
def test_wordings_of_conditions_mean_the_same(plain: str, wording: str) -> None:
    """A limit in brackets says what the word before it means; a unit says which field a limit is about."""
    wanted, given = planned(plain), planned(wording)
    conditions = sorted(given.scope.conditions, key=str)
    assert conditions == sorted(wanted.scope.conditions, key=str)
    assert replace(given, scope=replace(given.scope, conditions=wanted.scope.conditions)) == wanted


@pytest.mark.parametrize(
    "question",
    [
        "mean temperature in hours in which PM2.5 at Changping exceeded 250",
        "What was the mean temperature during the hours in which Changping exceeded 250 µg/m³ of PM2.5?",
        "mean temperature while Changping was over 250 PM2.5",
        "average temperature when Changping had more than 250 µg/m³ PM2.5",
    ],
)
def test_a_field_behind_the_number_is_what_the_limit_is_about(question: str) -> None:
    """The field named before it is what is computed."""
    high = Condition("pm25", Comparison.GREATER, 250.0)
    assert planned(question) == Plan(
        "air", Measure.AVG, "temp", scope=Scope(device_ids=("Changping",), conditions=(high,))
    )


@pytest.mark.parametrize(
    "question",
    [
        "Was there any rainy hour with PM2.5 over 100?",
        "Was there ever an hour with rain and PM2.5 above 100?",
        "Were there any hours with rain and PM2.5 over 100?",
    ],
)
def test_any_reading_is_asked_for_over_two_contracts(question: str) -> None:
    """Whether there is one is whether their number is more than none."""
    plan = planned(question, JOINED)
    fields = {condition.field for condition in plan.scope.conditions}
    assert (plan.measure, fields, plan.join is not None) == (Measure.COUNT, {"rain", "pm25"}, True)
