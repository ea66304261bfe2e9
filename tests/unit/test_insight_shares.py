"""Shares and correlations: which question is which plan."""

from dataclasses import replace

import pytest
from dataflow_insight.plans.plan import Comparison, Condition, Focus, Grouping, Measure, Plan, Scope

from tests.ask_catalogue import at, days, declined, planned

HIGH = Condition("pm25", Comparison.GREATER, 75.0)
CALM = Condition("wspm", Comparison.LESS, 2.0)
SHARE = Plan("air", Measure.SHARE, holding=(HIGH,))
TIANTAN = replace(SHARE, scope=at("Tiantan"))
MISSING = Plan("air", Measure.MISSING_SHARE, "pm25", scope=at("Tiantan"))
CORRELATION = Plan("air", Measure.CORRELATION, "pm25", other_field="wspm")


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        ("What percentage of PM2.5 readings at Tiantan exceeded 75?", TIANTAN),
        ("What share of the hours at Tiantan had PM2.5 above 75?", TIANTAN),
        ("In what fraction of readings was PM2.5 at Tiantan over 75?", TIANTAN),
        ("For what proportion of the time was PM2.5 at Tiantan above 75?", TIANTAN),
        ("How many percent of all readings have PM2.5 above 75?", SHARE),
        ("What percent of the time did PM2.5 exceed 75?", SHARE),
        ("How often, in percent, was PM2.5 above 75 at Tiantan?", TIANTAN),
        ("percentage of readings with PM2.5 greater than 75 per station", replace(SHARE, group_by=(Grouping.DEVICE,))),
        (
            "Which station had the highest share of PM2.5 readings above 75?",
            replace(SHARE, group_by=(Grouping.DEVICE,), rank=1, focus=Focus.DEVICE),
        ),
        (
            "What percentage of the readings on 2014-01-16 had PM2.5 above 75?",
            replace(SHARE, scope=Scope(times=(days("2014-01-16", "2014-01-16"),))),
        ),
        (
            "In what share of the readings with PM2.5 above 75 was the wind speed below 2?",
            replace(SHARE, holding=(CALM,), scope=Scope(conditions=(HIGH,))),
        ),
        (
            "When the wind speed was below 2, what percentage of readings had PM2.5 above 75?",
            replace(SHARE, scope=Scope(conditions=(CALM,))),
        ),
        (
            "What percentage of readings had both PM2.5 above 75 and wind speed below 2?",
            replace(SHARE, holding=(HIGH, CALM)),
        ),
    ],
)
def test_shares(question: str, plan: Plan) -> None:
    """What is counted is `holding`; what it is counted among is the scope."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        ("What percentage of PM2.5 values is missing at Tiantan?", MISSING),
        ("share of missing PM2.5 readings at Tiantan", MISSING),
        ("In what fraction of readings does Tiantan lack PM2.5?", MISSING),
        (
            "Which station has the highest percentage of missing PM2.5 values?",
            replace(MISSING, scope=at(), group_by=(Grouping.DEVICE,), rank=1, focus=Focus.DEVICE),
        ),
        (
            "percentage of PM2.5 missing by station",
            replace(MISSING, scope=at(), group_by=(Grouping.DEVICE,)),
        ),
    ],
)
def test_shares_that_are_missing(question: str, plan: Plan) -> None:
    """Missing values have a share of their own."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        ("Correlation between PM2.5 and wind speed", CORRELATION),
        ("How do PM2.5 and wind speed correlate?", CORRELATION),
        ("Does PM2.5 correlate with wind speed?", replace(CORRELATION, focus=Focus.YES_NO)),
        (
            "Is PM2.5 correlated with wind speed at Tiantan?",
            replace(CORRELATION, scope=at("Tiantan"), focus=Focus.YES_NO),
        ),
        ("What is the correlation coefficient of PM2.5 vs wind speed?", CORRELATION),
        ("Pearson correlation of PM2.5 with wind speed by station", replace(CORRELATION, group_by=(Grouping.DEVICE,))),
        ("How closely related are PM2.5 and wind speed?", CORRELATION),
        ("Is there a relationship between PM2.5 and wind speed?", replace(CORRELATION, focus=Focus.YES_NO)),
        (
            "Which station has the strongest negative correlation between PM2.5 and wind speed?",
            replace(CORRELATION, group_by=(Grouping.DEVICE,), rank=-1, focus=Focus.DEVICE),
        ),
    ],
)
def test_correlations(question: str, plan: Plan) -> None:
    """Two fields are related, in the order in which they are named."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    "question",
    [
        "What percentage of the readings?",
        "What percentage of people live at Tiantan?",
        "What share of days had a daily mean PM2.5 above 75 at Tiantan?",
        "Correlation of PM2.5",
        "Correlation between PM2.5, PM10 and wind speed",
        "Correlation between PM2.5 and lottery numbers",
    ],
)
def test_half_a_share_or_correlation_is_declined(question: str) -> None:
    """Nothing is added that was not asked."""
    declined(question)
