"""Questions as different people put them."""

from datetime import UTC, datetime, timedelta

import pytest
from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.plan import DayTime, Declined, Focus, Grouping, Measure, Plan

NOW = datetime(2026, 11, 21, 18, 40, tzinfo=UTC)
AIR = Contract(
    name="air",
    fields=(
        Field("pm25", "pm25", Kind.NUMBER, "µg/m³"),
        Field("no2", "no2", Kind.NUMBER, "µg/m³"),
        Field("temp", "temp", Kind.NUMBER, "°C"),
        Field("wspm", "wspm", Kind.NUMBER, "m/s"),
        Field("wd", "wd", Kind.TEXT, values=("N", "NW", "SW")),
    ),
    devices=("Gucheng", "Tiantan", "Wanliu"),
    first_time=datetime(2014, 1, 1, tzinfo=UTC),
    last_time=datetime(2014, 1, 31, 23, tzinfo=UTC),
    cadence=timedelta(hours=1),
)


def planned(question: str) -> Plan:
    """Returns the one plan of a question."""
    plans = plan_question(question, Catalogue((AIR,)), NOW)
    assert not isinstance(plans, Declined), plans.text
    (plan,) = plans
    return plan


@pytest.mark.parametrize(
    ("question", "place"),
    [
        ("Which station came second for average PM2.5, counting from the dirtiest?", 2),
        ("Which station is third for mean NO2, counting from the top?", 3),
        ("Which station is second for average PM2.5, starting from the cleanest?", -2),
        ("Which station ranks third for average NO2, counting from the best?", -3),
    ],
)
def test_a_place_is_counted_from_the_end_that_is_named(question: str, place: int) -> None:
    """From the cleanest is from the lowest."""
    plan = planned(question)
    assert (plan.measure, plan.group_by) == (Measure.AVG, (Grouping.DEVICE,))
    assert (plan.rank > 0) == (place > 0)


@pytest.mark.parametrize(
    "tail",
    ["Give the average for each of these days.", "Show the mean for every such day.", "State the value of each."],
)
def test_a_second_sentence_may_ask_for_the_values_that_are_told_anyway(tail: str) -> None:
    """Only the measure that the question is about, or no certain one."""
    plan = planned(f"On which days was the daily average PM2.5 above 180? {tail}")
    assert plan.group_by == (Grouping.DAY,)
    assert plan.having is not None


def test_a_second_sentence_for_another_measure_is_not_left_out() -> None:
    """The maximum is not told where the average is asked for."""
    question = "On which days was the daily average PM2.5 above 180? Give the maximum for each of these days."
    assert isinstance(plan_question(question, Catalogue((AIR,)), NOW), Declined)


@pytest.mark.parametrize(
    ("question", "first", "second"),
    [
        (
            "Is the average PM2.5 at Tiantan higher by day (from 8:00 to 20:00) than by night?",
            DayTime(480, 1200),
            DayTime(1200, 480),
        ),
        (
            "Was NO2 at Wanliu higher by night than by day (06:00 to 18:00)?",
            DayTime(1080, 360),
            DayTime(360, 1080),
        ),
    ],
)
def test_the_night_is_what_the_day_that_is_given_leaves(question: str, first: DayTime, second: DayTime) -> None:
    """Hours are given once, for the day."""
    plan = planned(question)
    assert plan.compared_with is not None
    assert (plan.scope.day_times, plan.compared_with.day_times) == ((first,), (second,))


@pytest.mark.parametrize(
    "question",
    [
        "PM2.5 at Tiantan when it was below 0 °C outside, on average?",
        "Mean PM2.5 at Tiantan while it was under 0 degrees",
    ],
)
def test_what_it_was_in_degrees_is_the_temperature(question: str) -> None:
    """What "it" is, is no device and no other field."""
    (condition,) = planned(question).scope.conditions
    assert condition.field == "temp"


@pytest.mark.parametrize(
    "question",
    [
        "What is the 98th percentile of hourly NO2 at Wanliu?",
        "What is the median of hourly NO2 at Wanliu?",
        "What is the standard deviation of the hourly NO2 at Wanliu?",
    ],
)
def test_hourly_values_of_hourly_readings_are_the_readings(question: str) -> None:
    """No hour of the day is meant."""
    plan = planned(question)
    assert plan.field == "no2"
    assert not plan.group_by


def test_a_yes_or_no_may_be_asked_behind_the_devices_it_is_about() -> None:
    """The lead "Over all stations" changes nothing in that."""
    question = "Over all stations, is the average PM2.5 higher with wind from the SW than with wind from the NW?"
    assert planned(question).focus is Focus.YES_NO
