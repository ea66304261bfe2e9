"""Shares within a condition, and limits on shares: all wordings become the plan of what they mean."""

import pytest
from dataflow_insight.plans.plan import (
    Comparison,
    Condition,
    Decline,
    Focus,
    Fold,
    Grouping,
    GroupLimit,
    Measure,
    Plan,
    Scope,
)

from tests.ask_catalogue import declined, planned

HIGH = Condition("pm25", Comparison.GREATER, 150.0)
RAIN = Condition("rain", Comparison.GREATER, 0.0)
COLD = Condition("temp", Comparison.LESS, 0.0)
EAST = Condition("wd", Comparison.EQUAL, ("NE",))


@pytest.mark.parametrize(
    ("question", "among"),
    [
        ("What percentage of the NE-wind hours had PM2.5 over 150?", EAST),
        ("What share of the hours with north-east wind had PM2.5 values above 150?", EAST),
        ("What share of rainy hours had PM2.5 above 150?", RAIN),
        ("In what percentage of the freezing hours was PM2.5 above 150?", COLD),
        ("Of the rainy hours, how many percent had PM2.5 above 150?", RAIN),
        ("How many percent of the frosty hours saw PM2.5 over 150?", COLD),
    ],
)
def test_a_share_of_some_readings_is_counted_among_them(question: str, among: Condition) -> None:
    """What the share is of stands before the verb and limits the readings; what holds stands behind it."""
    assert planned(question) == Plan("air", Measure.SHARE, holding=(HIGH,), scope=Scope(conditions=(among,)))


@pytest.mark.parametrize(
    "question",
    [
        "What percentage of readings had PM2.5 above 150 and rain above 0?",
        "What percentage of the time was PM2.5 above 150 and it was raining?",
        "share of hours with PM2.5 over 150 and rain over 0",
    ],
)
def test_two_limits_behind_the_verb_hold_together(question: str) -> None:
    """Nothing limits the readings there: the share is of all of them."""
    assert planned(question) == Plan("air", Measure.SHARE, holding=(HIGH, RAIN))


@pytest.mark.parametrize(
    ("question", "field", "limit"),
    [
        ("Which stations have more than 5 % of their CO readings missing?", "co", 5.0),
        ("Which stations lack more than 2 % of the ozone values?", "o3", 2.0),
        ("At which sites is the share of missing PM2.5 values above 1 percent?", "pm25", 1.0),
        ("Which stations miss more than a tenth of their NO2 values?", "no2", 10.0),
    ],
)
def test_devices_are_chosen_by_their_share_of_missing_values(question: str, field: str, limit: float) -> None:
    """The number limits the share of each device, not a value of the field."""
    assert planned(question) == Plan(
        "air",
        Measure.MISSING_SHARE,
        field,
        group_by=(Grouping.DEVICE,),
        having=GroupLimit(Comparison.GREATER, limit),
        focus=Focus.LIST,
    )


def test_groups_with_a_share_are_counted() -> None:
    """Days, too, have a share each."""
    share = GroupLimit(Comparison.GREATER, 50.0)
    assert planned("On how many days was PM2.5 above 150 more than half of the time?") == Plan(
        "air", Measure.SHARE, holding=(HIGH,), fold=Fold((Grouping.DAY,), Measure.COUNT, share)
    )
    assert planned("Which stations had more than 50 % of readings with PM2.5 above 150?") == Plan(
        "air", Measure.SHARE, holding=(HIGH,), group_by=(Grouping.DEVICE,), having=share, focus=Focus.LIST
    )


@pytest.mark.parametrize(
    "question",
    [
        "what % of rainy readings at Dongsi happened at night?",
        "What percentage of the PM2.5 readings above 150 were at Gucheng?",
        "What share of the hours above 150 PM2.5 was recorded on weekends?",
    ],
)
def test_which_part_lies_where_or_when_is_not_answered_with_another_share(question: str) -> None:
    """The share of the nights' readings that are rainy is not the share of the rainy readings that are at night."""
    assert declined(question) is Decline.NOT_UNDERSTOOD
