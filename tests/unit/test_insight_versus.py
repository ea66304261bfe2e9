"""Comparisons of two groups of readings: which question is which plan."""

from dataclasses import replace

import pytest
from dataflow_insight.plans.plan import (
    Comparison,
    Condition,
    DayTime,
    Decline,
    Focus,
    Grouping,
    Measure,
    Plan,
    Scope,
)

from tests.ask_catalogue import at, days, declined, planned

AVERAGE = Plan("air", Measure.AVG, "pm25")
WEEKEND, WORKDAYS = Scope(weekdays=(6, 7)), Scope(weekdays=(1, 2, 3, 4, 5))
DAY, NIGHT = Scope(day_times=(DayTime(480, 1200),)), Scope(day_times=(DayTime(1200, 480),))
COLD = Condition("temp", Comparison.LESS, 0.0)
NOT_COLD = Condition("temp", Comparison.GREATER_OR_EQUAL, 0.0)
RAIN = Condition("rain", Comparison.GREATER, 0.0)
DRY = Condition("rain", Comparison.EQUAL, 0.0)
JAN_15, JAN_16 = days("2014-01-15", "2014-01-15"), days("2014-01-16", "2014-01-16")


def versus(first: Scope, second: Scope, focus: Focus = Focus.DIFFERENCE, plan: Plan = AVERAGE) -> Plan:
    """Returns the comparison of two scopes."""
    return replace(plan, scope=first, compared_with=second, focus=focus)


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        ("How much higher was average PM2.5 at Gucheng than at Shunyi?", versus(at("Gucheng"), at("Shunyi"))),
        ("By how much did the mean PM2.5 at Gucheng exceed that at Shunyi?", versus(at("Gucheng"), at("Shunyi"))),
        ("What is the difference in average PM2.5 between Gucheng and Shunyi?", versus(at("Gucheng"), at("Shunyi"))),
        ("Difference between the mean PM2.5 of Gucheng and that of Shunyi", versus(at("Gucheng"), at("Shunyi"))),
        ("average PM2.5 at Gucheng minus average PM2.5 at Shunyi", versus(at("Gucheng"), at("Shunyi"))),
        (
            "How much less PM2.5 did Gucheng have than Shunyi on average on 2014-01-16?",
            versus(at("Gucheng", times=(JAN_16,)), at("Shunyi", times=(JAN_16,))),
        ),
        (
            "On average, was PM2.5 at Gucheng higher than at Shunyi?",
            versus(at("Gucheng"), at("Shunyi"), Focus.YES_NO),
        ),
        ("Was the average PM2.5 higher at Gucheng than at Shunyi?", versus(at("Gucheng"), at("Shunyi"), Focus.YES_NO)),
        ("Did Gucheng have a higher mean PM2.5 than Shunyi?", versus(at("Gucheng"), at("Shunyi"), Focus.YES_NO)),
        ("Is mean PM2.5 lower in Gucheng compared to Shunyi?", versus(at("Gucheng"), at("Shunyi"), Focus.NO_YES)),
        (
            "By what percentage was mean PM2.5 on 2014-01-16 above that on 2014-01-15?",
            versus(Scope(times=(JAN_16,)), Scope(times=(JAN_15,)), Focus.PERCENT),
        ),
        (
            "How many per cent lower was average PM2.5 on 2014-01-15 than on 2014-01-16?",
            versus(Scope(times=(JAN_15,)), Scope(times=(JAN_16,)), Focus.PERCENT),
        ),
        (
            "How many times higher was the average PM2.5 on 2014-01-16 than on 2014-01-15?",
            versus(Scope(times=(JAN_16,)), Scope(times=(JAN_15,)), Focus.RATIO),
        ),
        (
            "What is the ratio of mean PM2.5 at Gucheng to mean PM2.5 at Shunyi?",
            versus(at("Gucheng"), at("Shunyi"), Focus.RATIO),
        ),
        ("Was mean PM2.5 higher on weekends than on weekdays?", versus(WEEKEND, WORKDAYS, Focus.YES_NO)),
        ("Was mean PM2.5 higher at the weekend?", versus(WEEKEND, WORKDAYS, Focus.YES_NO)),
        ("average PM2.5 on working days versus weekends", versus(WORKDAYS, WEEKEND, Focus.VALUE)),
        (
            "difference of the mean PM2.5 between weekdays and weekends at Wanliu",
            versus(replace(WORKDAYS, device_ids=("Wanliu",)), replace(WEEKEND, device_ids=("Wanliu",))),
        ),
        (
            "How does average PM2.5 differ between 08:00-20:00 and 20:00-08:00?",
            versus(DAY, NIGHT),
        ),
        (
            "Was average PM2.5 higher when it was raining than when it was dry?",
            versus(Scope(conditions=(RAIN,)), Scope(conditions=(DRY,)), Focus.YES_NO),
        ),
        (
            "How much higher is mean PM2.5 with temperature below 0 than otherwise?",
            versus(Scope(conditions=(COLD,)), Scope(conditions=(NOT_COLD,))),
        ),
        (
            "Compare the mean PM2.5 when temperature was below 0 with that when it was not.",
            versus(Scope(conditions=(COLD,)), Scope(conditions=(NOT_COLD,)), Focus.VALUE),
        ),
        (
            "Average PM2.5 for temperature below 0 versus temperature of 0 or more",
            versus(Scope(conditions=(COLD,)), Scope(conditions=(NOT_COLD,)), Focus.VALUE),
        ),
        (
            "How many more readings above 200 PM2.5 were there at Gucheng than at Shunyi?",
            versus(
                replace(at("Gucheng"), conditions=(Condition("pm25", Comparison.GREATER, 200.0),)),
                replace(at("Shunyi"), conditions=(Condition("pm25", Comparison.GREATER, 200.0),)),
                plan=Plan("air", Measure.COUNT),
            ),
        ),
        (
            "What was the average PM2.5 on 2014-01-15 and on 2014-01-16?",
            versus(Scope(times=(JAN_15,)), Scope(times=(JAN_16,)), Focus.VALUE),
        ),
        (
            "How much did the average PM2.5 change from 2014-01-15 to 2014-01-16?",
            versus(Scope(times=(JAN_16,)), Scope(times=(JAN_15,))),
        ),
    ],
)
def test_two_groups_are_compared(question: str, plan: Plan) -> None:
    """Devices, days, weekdays, hours of the day and conditions become the two sides of one plan."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    ("question", "rank"),
    [
        ("Which had the higher average temperature, Gucheng or Changping?", 1),
        ("Was it colder on average at Gucheng or at Changping?", -1),
        ("Which of Gucheng and Changping was warmer on average?", 1),
        ("Was the mean temperature lower at Gucheng or Changping?", -1),
    ],
)
def test_which_of_two_is_a_ranking(question: str, rank: int) -> None:
    """One of two devices is asked for, so that they are groups and one of them wins."""
    scope = at("Gucheng", "Changping")
    assert planned(question) == Plan(
        "air", Measure.AVG, "temp", scope=scope, group_by=(Grouping.DEVICE,), rank=rank, focus=Focus.DEVICE
    )


@pytest.mark.parametrize(
    "question",
    ["Compare average NO2 at Gucheng and Changping.", "average NO2: Gucheng vs Changping"],
)
def test_devices_side_by_side_are_groups(question: str) -> None:
    """Where no difference is asked for, each device has its value."""
    assert planned(question) == Plan(
        "air", Measure.AVG, "no2", scope=at("Gucheng", "Changping"), group_by=(Grouping.DEVICE,)
    )


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("Is PM2.5 at Gucheng higher than at Springfield?", Decline.UNKNOWN_DEVICE),
        ("How much higher was the average radon at Gucheng than at Shunyi?", Decline.UNKNOWN_FIELD),
        ("How much higher was average PM2.5 at Gucheng?", Decline.NOT_UNDERSTOOD),
        ("How much higher was average PM2.5 at Gucheng than usual?", Decline.NOT_UNDERSTOOD),
    ],
)
def test_half_a_comparison_is_declined(question: str, reason: Decline) -> None:
    """Without two sides that are known, nothing is compared."""
    assert declined(question) is reason
