"""Longest runs of readings, and longest times without one: which question is which plan."""

from dataclasses import replace
from datetime import timedelta

import pytest
from dataflow_insight.plans.plan import Comparison, Condition, Focus, Grouping, GroupLimit, Measure, Plan

from tests.ask_catalogue import HOUR, at, days, declined, planned

HIGH = Condition("pm25", Comparison.GREATER, 200.0)
FROST = Condition("temp", Comparison.LESS, 0.0)
RUN = Plan("air", Measure.STREAK, holding=(HIGH,), neighbour_within=1.5 * HOUR)
TIANTAN = replace(RUN, scope=at("Tiantan"))
GAP = Plan("air", Measure.GAP)


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        ("How long was the longest stretch of consecutive hours with PM2.5 above 200 at Tiantan?", TIANTAN),
        ("What was the longest period during which PM2.5 at Tiantan stayed above 200?", TIANTAN),
        ("For how many hours in a row did PM2.5 exceed 200 at Tiantan at most?", TIANTAN),
        ("longest streak of PM2.5 over 200 at Tiantan", TIANTAN),
        ("What is the maximum number of consecutive readings with PM2.5 above 200 at Tiantan?", TIANTAN),
        ("How long did PM2.5 at Tiantan remain above 200 without interruption at most?", TIANTAN),
        (
            "longest continuous run of hours above 200 for PM2.5 at Tiantan on 2014-01-16",
            replace(RUN, scope=at("Tiantan", times=(days("2014-01-16", "2014-01-16"),))),
        ),
        ("When did the longest run of PM2.5 above 200 at Tiantan start?", replace(TIANTAN, focus=Focus.FIRST)),
        ("When did the longest spell with PM2.5 above 200 at Tiantan end?", replace(TIANTAN, focus=Focus.LAST)),
        ("When was the longest uninterrupted period of PM2.5 over 200 at Tiantan?", replace(TIANTAN, focus=Focus.TIME)),
        ("Which station had the longest run of PM2.5 above 200?", replace(RUN, focus=Focus.DEVICE)),
        ("Where did PM2.5 stay above 200 for the longest time?", replace(RUN, focus=Focus.DEVICE)),
        ("longest streak of PM2.5 above 200 per station", replace(RUN, group_by=(Grouping.DEVICE,))),
        (
            "When did the longest cold spell (temperature below 0) at Tiantan begin?",
            replace(TIANTAN, holding=(FROST,), focus=Focus.FIRST),
        ),
        (
            "What was the longest time that PM2.5 was above 200 and temperature below 0 at Tiantan?",
            replace(TIANTAN, holding=(HIGH, FROST)),
        ),
        (
            "longest run of consecutive readings without rain at Tiantan",
            replace(TIANTAN, holding=(Condition("rain", Comparison.EQUAL, 0.0),)),
        ),
    ],
)
def test_longest_runs(question: str, plan: Plan) -> None:
    """What must hold, where, and what to say first are read from any wording."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    ("question", "length", "focus"),
    [
        (
            "Did PM2.5 at Tiantan stay above 200 for more than 24 hours in a row?",
            GroupLimit(Comparison.GREATER, 24.0),
            Focus.YES_NO,
        ),
        (
            "Was PM2.5 at Tiantan above 200 for at least ten consecutive hours?",
            GroupLimit(Comparison.GREATER_OR_EQUAL, 10.0),
            Focus.YES_NO,
        ),
    ],
)
def test_a_run_may_have_to_be_long(question: str, length: GroupLimit, focus: Focus) -> None:
    """Hours become readings by the cadence, and a device counts only with such a run."""
    assert planned(question) == replace(TIANTAN, group_by=(Grouping.DEVICE,), having=length, focus=focus)


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        ("What was the longest gap in the air data?", GAP),
        ("How long was the longest time without readings from Tiantan?", replace(GAP, scope=at("Tiantan"))),
        ("longest interval between two readings at Tiantan", replace(GAP, scope=at("Tiantan"))),
        ("What is the longest period in which Tiantan sent no data?", replace(GAP, scope=at("Tiantan"))),
        ("Which station had the largest data gap?", replace(GAP, focus=Focus.DEVICE)),
        ("When did the longest outage of Tiantan begin?", replace(GAP, scope=at("Tiantan"), focus=Focus.FIRST)),
        ("longest gap per station in air", replace(GAP, group_by=(Grouping.DEVICE,))),
        (
            "longest time without a PM2.5 value at Tiantan",
            replace(GAP, field="pm25", scope=at("Tiantan")),
        ),
        ("How long was press-1 silent at most?", Plan("machine", Measure.GAP, scope=at("press-1"))),
        (
            "For how long at most were there no readings from room-a on 2015-02-05?",
            Plan("room", Measure.GAP, scope=at("room-a", times=(days("2015-02-05", "2015-02-05"),))),
        ),
    ],
)
def test_longest_gaps(question: str, plan: Plan) -> None:
    """Silence of devices, and of one field, is a gap."""
    assert planned(question) == plan


def test_a_run_breaks_where_a_reading_is_missing() -> None:
    """Neighbours are one and a half times the cadence apart at most."""
    plan = planned("longest streak of CO2 above 1000 in room-a")
    assert plan.neighbour_within == timedelta(seconds=90)


@pytest.mark.parametrize(
    "question",
    [
        "What was the shortest run of PM2.5 above 200 at Tiantan?",
        "What was the longest run at Tiantan?",
        "How many streaks of PM2.5 above 200 were there at Tiantan?",
        "longest streak of radon above 200 at Tiantan",
    ],
)
def test_what_is_no_longest_run_is_declined(question: str) -> None:
    """Shortest runs, numbers of runs and runs of nothing are not guessed."""
    declined(question)
