"""Jumps between neighbours and changes over a period: which question is which plan."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from dataflow_insight.plans.plan import Comparison, Condition, Difference, Focus, Grouping, Measure, Plan, TimeRange

from tests.ask_catalogue import HOUR, at, days, declined, planned

RISE = Plan(
    "air",
    Measure.MAX,
    "pm25",
    scope=at("Tiantan"),
    difference=Difference.NEIGHBOUR,
    neighbour_within=1.5 * HOUR,
    with_where_and_when=True,
)
DROP = replace(RISE, measure=Measure.MIN)
SWING = replace(RISE, difference=Difference.NEIGHBOUR_ABSOLUTE)
CHANGE = Plan("air", Measure.CHANGE, "pm25", scope=at("Tiantan"))
JAN_16 = days("2014-01-16", "2014-01-16")


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        ("What was the biggest hour-to-hour rise of PM2.5 at Tiantan?", RISE),
        ("largest increase in PM2.5 between two consecutive readings at Tiantan", RISE),
        ("By how much did PM2.5 at Tiantan jump up at most from one hour to the next?", RISE),
        ("What is the steepest hourly climb of PM2.5 at Tiantan?", RISE),
        ("maximum increase of PM2.5 within one hour at Tiantan", RISE),
        ("Largest drop of PM2.5 from one reading to the next at Tiantan", DROP),
        ("What was the sharpest decrease in PM2.5 between neighbouring readings at Tiantan?", DROP),
        ("biggest hour-on-hour fall in PM2.5 at Tiantan", DROP),
        ("What was the largest change of PM2.5 between consecutive hours at Tiantan?", SWING),
        ("biggest swing of PM2.5 from hour to hour at Tiantan", SWING),
        ("When did PM2.5 at Tiantan rise most from one hour to the next?", replace(RISE, focus=Focus.TIME)),
        ("When was the biggest hourly drop of PM2.5 at Tiantan?", replace(DROP, focus=Focus.TIME)),
        (
            "Which station saw the largest hour-to-hour increase of PM2.5?",
            replace(RISE, scope=at(), focus=Focus.DEVICE),
        ),
        (
            "largest hour-to-hour increase of PM2.5 per station",
            replace(RISE, scope=at(), group_by=(Grouping.DEVICE,), with_where_and_when=False),
        ),
        (
            "What was the average absolute hour-to-hour change of PM2.5 at Tiantan?",
            replace(SWING, measure=Measure.AVG, with_where_and_when=False),
        ),
        (
            "largest jump of temperature between two successive readings of press-1 on 2014-01-16",
            Plan(
                "machine",
                Measure.MAX,
                "temperature",
                scope=at("press-1", times=(JAN_16,)),
                difference=Difference.NEIGHBOUR,
                neighbour_within=timedelta(minutes=7, seconds=30),
                with_where_and_when=True,
            ),
        ),
    ],
)
def test_jumps_between_neighbours(question: str, plan: Plan) -> None:
    """Rises are the largest difference, drops the smallest, swings the largest without sign."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    ("question", "difference", "limit"),
    [
        (
            "How often did PM2.5 at Tiantan jump by more than 50 within an hour?",
            Difference.NEIGHBOUR,
            Condition("pm25", Comparison.GREATER, 50.0),
        ),
        (
            "How many times did PM2.5 drop by at least 50 from one hour to the next at Tiantan?",
            Difference.NEIGHBOUR,
            Condition("pm25", Comparison.LESS_OR_EQUAL, -50.0),
        ),
        (
            "How often did PM2.5 at Tiantan change by more than 50 between two readings?",
            Difference.NEIGHBOUR_ABSOLUTE,
            Condition("pm25", Comparison.GREATER, 50.0),
        ),
    ],
)
def test_jumps_are_counted(question: str, difference: Difference, limit: Condition) -> None:
    """A limit on the change itself says which jumps count."""
    wanted = replace(RISE, measure=Measure.COUNT, difference=difference, holding=(limit,), with_where_and_when=False)
    assert planned(question) == wanted


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        (
            "How much did PM2.5 change at Tiantan on 2014-01-16?",
            replace(CHANGE, scope=at("Tiantan", times=(JAN_16,))),
        ),
        (
            "By how much did PM2.5 at Tiantan rise from the first to the last reading of 2014-01-16?",
            replace(CHANGE, scope=at("Tiantan", times=(JAN_16,))),
        ),
        (
            "What was the net change of PM2.5 at Tiantan between 2014-01-14 and 2014-01-16?",
            replace(CHANGE, scope=at("Tiantan", times=(days("2014-01-14", "2014-01-16"),))),
        ),
        ("Change in PM2.5 over the whole period at Tiantan", CHANGE),
        (
            "Did PM2.5 rise at Tiantan on 2014-01-16?",
            replace(CHANGE, scope=at("Tiantan", times=(JAN_16,)), focus=Focus.YES_NO),
        ),
        (
            "Has PM2.5 fallen at Tiantan since 2014-01-16?",
            replace(
                CHANGE,
                scope=at("Tiantan", times=(TimeRange(datetime(2014, 1, 16, tzinfo=UTC), None),)),
                focus=Focus.NO_YES,
            ),
        ),
        (
            "How much did PM2.5 change at each station on 2014-01-16?",
            replace(CHANGE, scope=at(times=(JAN_16,)), group_by=(Grouping.DEVICE,)),
        ),
        (
            "Where did PM2.5 increase the most on 2014-01-16?",
            replace(CHANGE, scope=at(times=(JAN_16,)), group_by=(Grouping.DEVICE,), rank=1, focus=Focus.DEVICE),
        ),
    ],
)
def test_changes_over_a_period(question: str, plan: Plan) -> None:
    """The change is the last value less the first, of each device."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    "question",
    [
        "largest hour-to-hour increase of CO2 in room-a",
        "How often did PM2.5 at Tiantan jump by more than 50 within a week?",
        "How often did PM2.5 at Tiantan jump within an hour?",
        "How often did the temperature of press-1 change by more than 5 °C between two readings?",
        "largest day-to-day increase of PM2.5 at Tiantan",
        "What is the trend of wisdom at Tiantan?",
    ],
)
def test_changes_that_no_plan_has_are_declined(question: str) -> None:
    """Readings a minute apart are no hours apart, and jumps have a size."""
    declined(question)
