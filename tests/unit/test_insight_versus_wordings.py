"""Comparisons in many words: all wordings become the plan of the plainest one."""

from dataclasses import replace

import pytest
from dataflow_insight.english.restated import said_once
from dataflow_insight.plans.plan import Decline, Focus

from tests.ask_catalogue import JOINED, days, declined, planned

WEEKEND_LESS_WEEKDAYS = "By how much is mean NO2 at weekends higher than on weekdays?"
WHICH_PM25 = "Is mean PM2.5 higher at Gucheng or at Dongsi?"
FIRST_WEEK = "difference in mean PM2.5 between 1-7 January 2014 and 25-31 January 2014 at Tiantan"
CALM = "By how much is mean PM2.5 when wind speed is below 1 higher than when wind speed is above 4?"
WARM = "Is mean ozone when temperature is above 5 higher than when temperature is below -5?"


@pytest.mark.parametrize(
    ("plain", "wording"),
    [
        (WEEKEND_LESS_WEEKDAYS, "weekend vs weekday mean no2 for all stations: weekend minus weekday?"),
        (WEEKEND_LESS_WEEKDAYS, "mean NO2, weekday vs weekend: weekend minus weekday"),
        (WEEKEND_LESS_WEEKDAYS, "mean NO2 at weekends versus weekdays, weekends minus weekdays."),
        (WHICH_PM25, "pm25 gucheng vs dongsi avg, which one is higher"),
        (WHICH_PM25, "mean PM2.5: Gucheng or Dongsi, which is higher?"),
        (WHICH_PM25, "Is Gucheng or Dongsi worse for PM2.5 on average?"),
        (WHICH_PM25, "Which is worse for PM2.5 on average, Gucheng or Dongsi?"),
        (WHICH_PM25, "Who has more PM2.5 on average, Gucheng or Dongsi?"),
        (WHICH_PM25, "Gucheng or Dongsi - where's the mean PM2.5 higher?"),
        ("How many more hours above 150 PM2.5 did Gucheng have than Dongsi?", "Did Gucheng have more hours above 150 PM2.5 than Dongsi?"),
        ("Is the maximum PM2.5 at Gucheng higher than at Dongsi?", "Is the peak PM2.5 of Gucheng above the peak of Dongsi?"),
        ("average NO2 on weekends versus weekdays", "How does weekend NO2 compare with weekday NO2 on average?"),
        ("mean temperature at Dongsi minus mean temperature at Huairou", "Subtract the average temperature at Huairou from that at Dongsi."),
        ("Is mean ozone at Dingling higher than at Dongsi?", "is the average o3 at dingling greater than at dongsi or not"),
        (FIRST_WEEK, "What was the difference in mean PM2.5 between the first week (1-7) and the last week (25-31) of January 2014 at Tiantan? First minus last."),
        (FIRST_WEEK, "difference in mean PM2.5 at Tiantan, the first week (1-7 January 2014) vs the last week (25-31 January 2014)"),
        (CALM, "Difference in mean PM2.5 between calm (below 1 m/s) and windy (above 4 m/s) hours, calm minus windy"),
        (CALM, "How much higher is mean PM2.5 in calm hours (below 1 m/s) than in windy ones (above 4 m/s)?"),
        (CALM, "mean PM2.5 when it was windy (above 4 m/s) vs calm (below 1 m/s): calm minus windy"),
        (WARM, "Is the average ozone above 5 °C higher than below -5 °C?"),
        (WARM, "Is mean ozone higher when it is warm (above 5 °C) than when it is cold (below -5 °C)?"),
        ("mean PM2.5 at Gucheng versus mean PM2.5 at Huairou, as a ratio", "mean PM2.5 at Gucheng divided by mean PM2.5 at Huairou"),
        ("mean PM2.5 at Gucheng versus mean PM2.5 at Huairou, as a ratio", "Divide the mean PM2.5 at Gucheng by the mean PM2.5 at Huairou"),
        ("ratio of mean PM2.5 at Tiantan when wd is E to that when wd is NW", "Average PM2.5 at Tiantan with east wind (E) divided by that with north-west wind (NW)?"),
        ("Was it dirtier by mean PM2.5 at Wanliu on 2014-01-16 or on 2014-01-17?", "Was 16 January or 17 January 2014 the dirtier day at Wanliu (mean PM2.5)? Answer with the date."),
        ("Is mean PM2.5 higher at Dongsi when wind speed is below 1 than when wind speed is above 3?", "Is the mean PM2.5 at Dongsi with wind under 1 m/s higher than with wind over 3 m/s?"),
    ],
)  # fmt: skip
def test_wordings_of_comparisons_mean_the_same(plain: str, wording: str) -> None:
    """Which side is taken from which, and what is said of it, follows from the words."""
    wanted = planned(plain)
    given = planned(wording)
    loose = {Focus.VALUE, Focus.DIFFERENCE, Focus.YES_NO}
    same = given.focus is wanted.focus or {given.focus, wanted.focus} <= loose
    assert same
    assert replace(given, focus=wanted.focus) == wanted


def test_a_joined_comparison_by_units_starts_with_yes_or_no() -> None:
    """The limits are on the other contract's field that has such a unit."""
    plan = planned("Is the average ozone above 5 °C higher than below -5 °C?", JOINED)
    assert (plan.focus, plan.compared_with is not None, plan.join is not None) == (Focus.YES_NO, True, True)


@pytest.mark.parametrize(
    "question",
    [
        "Is Gucheng or Dongsi worse for temperature on average?",
        "mean NO2 at night versus by day: night minus morning",
    ],
)
def test_a_comparison_without_a_sure_way_is_not_answered(question: str) -> None:
    """Nobody knows which temperature is worse, and nothing else than the sides can be taken from one of them."""
    assert declined(question) in {Decline.NOT_UNDERSTOOD, Decline.AMBIGUOUS}


@pytest.mark.parametrize(
    "question",
    [
        "pressure at Dongsi: last reading minus first reading",
        "the first week (2-8) of January 2014",
        "temperature range at Dongsi (max minus min)",
        "average PM2.5 at Dongsi",
        "average PM2.5 in the first week of January, show the Monday",
    ],
)
def test_other_questions_are_left_as_they_are(question: str) -> None:
    """Only what is surely said twice is written in one way; days that are not those of the week stay a contradiction."""
    assert said_once(question) == question


def test_two_days_in_a_row_are_one_range() -> None:
    """So an answer can name both as one."""
    plan = planned("Was 16 January or 17 January 2014 the dirtier day at Wanliu (mean PM2.5)?")
    assert plan.scope.times == (days("2014-01-16", "2014-01-17"),)
