"""Questions as different people put them."""

from datetime import UTC, datetime, timedelta

import pytest
from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.plan import Comparison, DayTime, Declined, Focus, Grouping, Measure, Plan

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


@pytest.mark.parametrize(
    ("question", "measure"),
    [
        ("What was the first PM2.5 above 60 at Gucheng, and when?", Measure.FIRST),
        ("When did PM2.5 at Gucheng first go over 60, and what was the value?", Measure.FIRST),
        ("When did PM2.5 at Gucheng last exceed 60 and how high was it?", Measure.LATEST),
    ],
)
def test_a_value_and_its_time_are_told_together(question: str, measure: Measure) -> None:
    """A question for both is not answered with the time alone."""
    plan = planned(question)
    assert (plan.measure, plan.field) == (measure, "pm25")


@pytest.mark.parametrize(
    "question",
    ["What were the three highest PM2.5 readings and where?", "Top 3 PM2.5 values, and when were they measured"],
)
def test_a_list_of_readings_is_no_ranking_of_stations(question: str) -> None:
    """Each reading is told with its place and time."""
    assert Grouping.DEVICE not in planned(question).group_by


@pytest.mark.parametrize(
    "question",
    [
        "On how many days did every station average more than 100 PM2.5?",
        "How long after midnight on 16 January did PM2.5 fall below 300 at Tiantan?",
        "Average PM2.5 per station and weekend/weekday",
        "How much of PM10 is PM2.5 at Tiantan on average?",
    ],
)
def test_what_another_question_would_answer_is_declined(question: str) -> None:
    """All at once, the time between events, two kinds of days, and a part of another field."""
    assert isinstance(plan_question(question, Catalogue((AIR,)), NOW), Declined)


@pytest.mark.parametrize(
    "question",
    [
        "When NO2 at Gucheng was above 90, what was the mean PM2.5?",
        "When NO2 is above 90 at Gucheng, how high is PM2.5 on average?",
    ],
)
def test_a_limit_may_be_said_first(question: str) -> None:
    """No time is asked for there."""
    plan = planned(question)
    assert (plan.measure, plan.field, len(plan.scope.conditions)) == (Measure.AVG, "pm25", 1)


def test_the_rarest_text_is_the_one_with_the_fewest_readings() -> None:
    """It is chosen by a count."""
    plan = planned("Which wind direction was rarest at Gucheng?")
    assert (plan.measure, plan.group_field, plan.rank) == (Measure.COUNT, "wd", -1)


def test_the_limits_of_a_range_may_be_said_to_be_included() -> None:
    """They are, anyway."""
    assert len(planned("How often was PM2.5 at Tiantan between 35 and 75 inclusive?").scope.conditions) == 2


def test_a_gap_of_a_field_says_that_it_lies_between_two_values() -> None:
    """Time before the first value is not counted, and the asker is told."""
    plan = planned("What was the longest period without NO2 data at Wanliu?")
    assert (plan.measure, plan.field) == (Measure.GAP, "no2")
    assert any("before the first" in note for note in plan.assumptions)


def test_a_change_needs_no_field_where_a_contract_measures_one_number() -> None:
    """There, no other can be meant."""
    mill = Contract("mill", (Field("heat", "heat", Kind.NUMBER, "°F"),), ("press-1",), cadence=timedelta(minutes=5))
    question = "What was the sharpest drop between two consecutive readings of press-1?"
    plans = plan_question(question, Catalogue((mill,)), NOW)
    assert not isinstance(plans, Declined)
    assert [plan.field for plan in plans] == ["heat"]


@pytest.mark.parametrize(
    "question",
    [
        "What is the mean of PM2.5 at Tiantan excluding readings above 500?",
        "Mean PM2.5 at Tiantan, ignoring values over 500",
    ],
)
def test_readings_may_be_left_out_by_their_values(question: str) -> None:
    """What is above a limit is left out by being at most the limit."""
    (condition,) = planned(question).scope.conditions
    assert (condition.field, condition.comparison, condition.limit) == ("pm25", Comparison.LESS_OR_EQUAL, 500)


def test_days_without_readings_above_a_limit_are_no_days_with_lower_ones() -> None:
    """Left out there are days, and not readings."""
    question = "Which days were without readings above 100 for PM2.5 at Tiantan?"
    assert isinstance(plan_question(question, Catalogue((AIR,)), NOW), Declined)
