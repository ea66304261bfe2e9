"""Contrasts of states, winds and hours: all wordings become the plan of the plainest one."""

from dataclasses import replace

import pytest
from dataflow_insight.plans.plan import Decline

from tests.ask_catalogue import declined, planned

OCCUPIED = "How much higher is mean CO2 when it was occupied than when it was not occupied?"
RAIN = "By how much is mean PM2.5 when rain is above 0 higher than when rain is equal to 0?"
HALVES = "Is mean PM2.5 from 16 to 31 January higher than from 1 to 15 January?"
WINDS = "average PM2.5 when wd is N versus when wd is S"
NIGHT = "Is mean NO2 higher between 22:00 and 06:00 than between 07:00 and 10:00?"


@pytest.mark.parametrize(
    ("plain", "wording"),
    [
        (OCCUPIED, "How much higher is the mean CO2 when the room is occupied than when it's empty?"),
        (OCCUPIED, "What is the difference in mean CO2 between occupied and unoccupied times?"),
        (OCCUPIED, "average CO2 with people minus average CO2 without people"),
        (OCCUPIED, "How much more CO2 is there on average when occupied than when not?"),
        (RAIN, "What's the difference in mean PM2.5 between rainy and dry hours?"),
        (RAIN, "How much higher is mean PM2.5 when it rains than when it doesn't?"),
        (RAIN, "mean PM2.5 in rainy hours minus mean PM2.5 in dry hours"),
        (HALVES, "Was the second half of January worse than the first half for mean PM2.5?"),
        (WINDS, "mean pm25 with N wind vs S wind"),
        (WINDS, "average PM2.5 with north wind (N) versus south wind (S)"),
        (NIGHT, "Is mean NO2 higher at night (22-6) than at rush hour (07:00-10:00)?"),
        ("mean PM2.5 at Gucheng divided by mean PM2.5 at Huairou", "Mean PM2.5 Gucheng / mean PM2.5 Huairou"),
        ("mean CO when temperature is below 0 divided by mean CO when temperature is above 0", "ratio of mean CO below freezing to mean CO above freezing"),
        ("Is NO2 on average lower when rain is above 0 than otherwise?", "Is NO2 lower when it rains?"),
    ],
)  # fmt: skip
def test_wordings_of_contrasts_mean_the_same(plain: str, wording: str) -> None:
    """Two opposite states are the two sides."""
    assert replace(planned(wording), focus=planned(plain).focus) == planned(plain)


@pytest.mark.parametrize(
    "question",
    [
        "How many rainy and how many dry hours had Dongsi?",
        "How many hours had temperature below 0 and temperature above 0 at Dongsi?",
        "How many readings are occupied and how many are empty?",
    ],
)
def test_states_that_exclude_each_other_are_not_asked_of_one_reading(question: str) -> None:
    """They are two questions, and nought would answer neither."""
    assert declined(question) is Decline.NOT_UNDERSTOOD
