"""Values beside an extreme: which question is which plan."""

from datetime import timedelta

import pytest
from dataflow_insight.plans.plan import Join, JoinOn, Measure, Plan

from tests.ask_catalogue import JOINED, at, declined, planned


@pytest.mark.parametrize(
    ("question", "measure", "field", "beside"),
    [
        ("How warm was it at Tiantan when PM2.5 there reached its maximum?", Measure.MAX, "pm25", "temp"),
        ("What was the wind speed at the time of the highest PM2.5 at Tiantan?", Measure.MAX, "pm25", "wspm"),
        ("wind direction when PM2.5 peaked at Tiantan", Measure.MAX, "pm25", "wd"),
        ("What was PM2.5 at Tiantan at the moment when the temperature was lowest?", Measure.MIN, "temp", "pm25"),
    ],
)
def test_a_value_beside_an_extreme_is_of_the_same_reading(
    question: str, measure: Measure, field: str, beside: str
) -> None:
    """The extreme is looked for, and the other field of that reading is told."""
    assert planned(question) == Plan(
        "air", measure, field, other_field=beside, scope=at("Tiantan"), with_where_and_when=True
    )


def test_the_other_field_may_be_of_another_contract() -> None:
    """Then the contracts are joined."""
    assert planned("temperature at Tiantan when PM2.5 was highest", JOINED) == Plan(
        "pollution",
        Measure.MAX,
        "pm25",
        other_field="temp",
        other_joined=True,
        scope=at("Tiantan"),
        with_where_and_when=True,
        join=Join("weather", JoinOn.DEVICE_AND_TIME, timedelta(hours=1)),
    )


def test_an_average_beside_an_extreme_is_declined() -> None:
    """One reading has no average."""
    declined("What was the average temperature when PM2.5 was at its highest?")
