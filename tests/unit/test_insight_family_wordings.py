"""Many wordings of one question: all become the plan of the plainest one."""

from dataclasses import replace

import pytest

from tests.ask_catalogue import declined, planned

GUCHENG_SHUNYI = "By how much is the average PM2.5 at Gucheng higher than at Shunyi?"
WEEKENDS = "Is the average PM2.5 on weekends higher than on weekdays?"
DAY_BEFORE = "How much higher was the average PM2.5 on 2014-01-16 than on 2014-01-15?"
RUN = "longest run of PM2.5 above 200 at Tiantan"
GAP = "longest gap between readings at Tiantan"
RISE = "largest increase of PM2.5 between two consecutive readings at Tiantan"
SHARE = "percentage of readings at Tiantan with PM2.5 above 75"
CORRELATION = "correlation of PM2.5 and wind speed"


@pytest.mark.parametrize(
    ("plain", "wording"),
    [
        (GUCHENG_SHUNYI, "By how much did Gucheng's average PM2.5 exceed Shunyi's?"),
        (GUCHENG_SHUNYI, "What's the gap between mean PM2.5 at Gucheng and at Shunyi?"),
        (GUCHENG_SHUNYI, "PM2.5 averages: Gucheng vs Shunyi, how big is the difference?"),
        (GUCHENG_SHUNYI, "Compared with Shunyi, how much higher was the average PM2.5 at Gucheng?"),
        (WEEKENDS, "On average, was PM2.5 higher at the weekend?"),
        (WEEKENDS, "Compared to weekdays, is PM2.5 higher on weekends?"),
        (DAY_BEFORE, "How much higher was mean PM2.5 on 2014-01-16 than the day before?"),
        (DAY_BEFORE, "How did the average PM2.5 change from 2014-01-15 to 2014-01-16?"),
        ("average NO2 at night versus during the day", "Compare mean NO2 at night with that during the day."),
        ("average NO2 at night versus during the day", "mean NO2: nighttime vs daytime"),
        ("Was it warmer on average at Gucheng than at Huairou?", "Is Gucheng hotter than Huairou on average?"),
        (
            "How much higher is the average NO2 at Gucheng than at the other stations?",
            "How much higher is mean NO2 at Gucheng than elsewhere?",
        ),
        (
            "average PM2.5 in the first week of January 2014 versus the second week of January 2014",
            "Compare the average PM2.5 in the first and the second week of January 2014",
        ),
        (RUN, "What's the longest time PM2.5 stayed over 200 without a break at Tiantan?"),
        (RUN, "For how long, at most, did PM2.5 remain above 200 at Tiantan?"),
        (RUN, "Max number of hours in a row with PM2.5 over 200 at Tiantan"),
        (GAP, "What's the maximum interval between two measurements of Tiantan?"),
        (GAP, "How long did Tiantan go without reporting at most?"),
        (GAP, "How long was the longest outage of Tiantan?"),
        (RISE, "What is the maximum jump up in PM2.5 from one hour to the next at Tiantan?"),
        (RISE, "By how much did PM2.5 rise at most within one hour at Tiantan?"),
        (RISE, "steepest hourly PM2.5 rise at Tiantan"),
        (SHARE, "How often, as a percentage, was PM2.5 above 75 at Tiantan?"),
        (SHARE, "How much of the time was PM2.5 at Tiantan above 75, in percent?"),
        (SHARE, "What part of the readings of Tiantan had PM2.5 above 75?"),
        (CORRELATION, "Correlate PM2.5 with wind speed."),
        (CORRELATION, "What's the Pearson coefficient for PM2.5 and wind speed?"),
        (CORRELATION, "PM2.5 against wind speed: how strong is the correlation?"),
    ],
)
def test_wordings_mean_the_same(plain: str, wording: str) -> None:
    """What to say first may differ; what is computed may not."""
    assert replace(planned(wording), focus=planned(plain).focus) == planned(plain)


@pytest.mark.parametrize(
    ("question", "rank"),
    [
        ("Rank the stations by the share of PM2.5 readings above 150.", 12),
        ("Top 3 stations by percentage of readings with PM2.5 above 150", 3),
        ("Which two stations have the lowest share of missing NO2 values?", -2),
        ("the three stations with the longest streaks of PM2.5 above 200", 3),
    ],
)
def test_devices_are_ranked_by_any_measure(question: str, rank: int) -> None:
    """The number and the end of the ranking are read."""
    assert planned(question).rank == rank


@pytest.mark.parametrize(
    "question",
    [
        "What was the mean PM2.5 when the wind was above 3 m/s, and what was it when the wind was below 1 m/s?",
        "Does PM2.5 drop when the wind is stronger than 4 m/s?",
        "What is the ratio between the average PM2.5 and the average PM10 at Tiantan?",
        "Were January's first ten days colder than the last ten days on average?",
        "Do PM2.5 and humidity correlate?",
        "correlation matrix of all fields",
    ],
)
def test_what_would_have_to_be_guessed_is_declined(question: str) -> None:
    """Limits that exclude each other, two fields, contracts of other times and lengths to compare with have no plan."""
    declined(question)
