"""Roundabout and unidiomatic English: each means the same plan as plain words, and what is asked for is never left out."""

import pytest
from dataflow_insight.english.planner import plan_question
from dataflow_insight.english.roundabout import plainer
from dataflow_insight.plans.plan import Decline, Focus

from tests.ask_catalogue import MAIN, NOW, declined, planned, without_assumptions

SAME = (
    ("How much readings did Tiantan send on 2014-01-16?", "How many readings did Tiantan send on 2014-01-16?"),
    ("# of readings from Wanliu on 2014-01-16", "number of readings from Wanliu on 2014-01-16"),
    ("Of all days, which one had the greatest average PM2.5?", "Which day had the greatest average PM2.5?"),
    ("When has Tiantan reported its most high value of PM2.5?", "When has Tiantan reported its highest value of PM2.5?"),
    ("Find the maximum PM2.5 and name the station.", "Find the maximum PM2.5 and the station."),
    ("How many hours was the PM2.5 limit of 300 exceeded at Gucheng?", "How many hours was PM2.5 above 300 at Gucheng?"),
    ("How many days exceeded a daily PM2.5 average of 150 at Gucheng?", "How many days had a daily average PM2.5 above 150 at Gucheng?"),
    ("How many values of PM2.5 do miss for Dingling?", "How many values of PM2.5 are missing for Dingling?"),
    ("I need all stations with their mean PM2.5.", "I need the mean PM2.5 of each station."),
    ("Per-station means of SO2", "mean SO2 per station"),
    ("What was the largest increase of PM2.5 over the previous hour at Tiantan?", "What was the largest increase of PM2.5 from one hour to the next at Tiantan?"),
    ("Total number of readings by station Tiantan", "Total number of readings of Tiantan"),
    ("What was the daily mean of ozone at Changping on 2014-01-08?", "What was the mean of ozone at Changping on 2014-01-08?"),
    ("How many days in total had an average PM2.5 above 150 at Gucheng?", "How many days had an average PM2.5 above 150 at Gucheng?"),
)  # fmt: skip


@pytest.mark.parametrize(("roundabout", "plain"), SAME)
def test_roundabout_wording_means_the_plan_of_the_plain_one(roundabout: str, plain: str) -> None:
    """Both wordings give the same query."""
    assert without_assumptions(plan_question(roundabout, MAIN, NOW)) == without_assumptions(
        plan_question(plain, MAIN, NOW)
    )


@pytest.mark.parametrize(
    "question",
    [
        "The highest temperature at Shunyi was measured when?",
        "What is the time of Tiantan's PM2.5 maximum?",
        "Highest PM2.5 of Tiantan - when was it reported?",
        "Please tell when Dongsi registered its highest PM10.",
    ],
)
def test_time_that_is_asked_anywhere_is_told_first(question: str) -> None:
    """A question for a time is not answered by a value."""
    plan = planned(question)
    assert plan.with_where_and_when
    assert plan.focus is Focus.TIME


@pytest.mark.parametrize(
    "question", ["What was the highest PM2.5 value and where?", "Find the maximum PM2.5 and name the station."]
)
def test_place_that_is_asked_beside_a_value_is_not_left_out(question: str) -> None:
    """The digit of a field's name is no number of readings, and the place stays part of the question."""
    assert planned(question).with_where_and_when


@pytest.mark.parametrize("question", ["avg temp Shanghai-7", "What period does the data of Tianjin-1 cover?"])
def test_numbered_name_without_readings_is_an_unknown_device(question: str) -> None:
    """The asker learns that the device is not known, whatever stands before its name."""
    assert declined(question) is Decline.UNKNOWN_DEVICE


def test_plain_question_stays_as_it_is() -> None:
    """Nothing is put in place of words that are plain."""
    question = "What was the average temperature at Tiantan on 2014-01-16?"
    assert plainer(question) == question
