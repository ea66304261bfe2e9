"""Everyday turns of phrase: each says the same as plain words, and means the same plan."""

from dataclasses import replace

import pytest
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.plan import Comparison, Decline, Declined, Focus, Grouping, GroupLimit, Measure, Plan

from tests.ask_catalogue import MAIN, NOW, declined, without_assumptions

COUNTED = (
    ("How often did Shunyi check in on 9 January 2014?", "How many readings did Shunyi send on 9 January 2014?"),
    ("How often did Gucheng phone home on 2014-01-07?", "How many readings did Gucheng send on 2014-01-07?"),
    ("How many entries are on file for Dingling?", "How many readings are there for Dingling?"),
    ("How many measurements made it into the database from Changping?", "How many readings are there from Changping?"),
    ("How many rows did Tiantan contribute?", "How many readings did Tiantan send?"),
    ("Number of samples room-a took on 6 February 2015", "Number of readings of room-a on 6 February 2015"),
    ("How many stations are installed in the network?", "How many stations are there?"),
    ("How many monitors are deployed in total?", "How many stations are there?"),
    ("How many PM10 measurements (not blanks) came in from Gucheng all month", "How many PM10 values did Gucheng send?"),
    ("count of non-blank ozone values at Wanliu", "number of ozone values at Wanliu"),
    ("how many actual PM2.5 values do we have from Tiantan, blanks not counted?", "how many PM2.5 values do we have from Tiantan?"),
    ("How often, in hours, did PM2.5 exceed 100 at Dongsi?", "For how many hours did PM2.5 exceed 100 at Dongsi?"),
)  # fmt: skip
MEASURED = (
    ("Mean PM2.5 network-wide on 16 January 2014", "Mean PM2.5 on 16 January 2014"),
    ("PM10 averaged over everything on January 20 2014", "average PM10 on January 20 2014"),
    ("average ozone across the whole city in the first week of January", "average ozone in the first week of January"),
    ("overall mean carbon monoxide, all stations pooled", "mean carbon monoxide"),
    ("so how bad was the smog on the 16th of January 2014, PM2.5 averaged over everything?", "average PM2.5 on the 16th of January 2014"),
    ("mean carbon dioxide in room-b on 2015-02-03, ppm", "mean carbon dioxide in room-b on 2015-02-03 in ppm"),
    ("How chilly was it on average at Huairou?", "average temperature at Huairou"),
    ("How windy is it typically at Dingling, on average?", "average wind speed at Dingling"),
    ("Average daily low temperature at Huairou", "average daily minimum temperature at Huairou"),
    ("PM2.5 was how high on average at Tiantan on 16 January 2014?", "average PM2.5 at Tiantan on 16 January 2014"),
    ("How about the mean NO2 at Dongsi?", "mean NO2 at Dongsi"),
    ("midpoint of NO2 readings at Shunyi", "median NO2 at Shunyi"),
    ("what's the halfway value (median) of PM10 at Dongsi", "median PM10 at Dongsi"),
    ("How variable is NO2 at Wanliu (standard deviation)?", "standard deviation of NO2 at Wanliu"),
    ("How variable is the wind at Changping? Give the standard deviation of the speed.", "standard deviation of the wind speed at Changping"),
    ("By how many degrees did the temperature swing (max minus min) at Guanyuan on 2014-01-22?", "temperature range at Guanyuan on 2014-01-22"),
    ("What is the swing in temperature at Guanyuan on 22 January 2014 (max minus min)?", "temperature range at Guanyuan on 22 January 2014"),
    ("How low and how high did the temperature go at Dongsi?", "lowest and highest temperature at Dongsi"),
    ("What was it like temperature-wise in Dingling on 12 January 2014: lowest and highest?", "lowest and highest temperature at Dingling on 12 January 2014"),
    ("Which way was the wind blowing in the final record from Gucheng?", "latest wind direction at Gucheng"),
)  # fmt: skip
SHARES = (
    ("Below which NO2 value are 90 percent of the readings at Wanliu? (90th percentile)", "90th percentile of NO2 at Wanliu"),
    ("What NO2 level is exceeded just 10% of the time at Dongsi?", "90th percentile of NO2 at Dongsi"),
    ("What PM10 level is exceeded only 1 % of the time at Tiantan, i.e. the 99th percentile?", "99th percentile of PM10 at Tiantan"),
    ("What PM2.5 level do 90% of readings at Tiantan stay under?", "90th percentile of PM2.5 at Tiantan"),
    ("What SO2 value do 5 percent of the readings at Dongsi exceed?", "95th percentile of SO2 at Dongsi"),
    ("What temperature was exceeded 95% of the time at Huairou?", "5th percentile of temperature at Huairou"),
    ("What value separates the highest 10 percent of NO2 readings at Dongsi from the rest?", "90th percentile of NO2 at Dongsi"),
    ("What is the cut-off for the lowest 5 % of PM10 readings at Gucheng?", "5th percentile of PM10 at Gucheng"),
    ("The top 1 percent of PM10 readings at Gucheng start at which value?", "99th percentile of PM10 at Gucheng"),
)  # fmt: skip
EXTREME = (
    ("Which monitor saw the very lowest temperature?", "Which station had the lowest temperature?"),
    ("When did temperature hit rock bottom at Huairou?", "When did temperature reach its minimum at Huairou?"),
    ("What was the worst hour for PM2.5 at Gucheng?", "When was PM2.5 the highest at Gucheng?"),
    ("What did the thermometer at Huairou bottom out at?", "the lowest temperature at Huairou"),
    ("To what level did PM10 climb at Gucheng at most?", "How high did PM10 get at Gucheng?"),
    ("What's the most PM2.5 Tiantan ever had?", "the highest PM2.5 at Tiantan"),
    ("least NO2 ever at Shunyi", "the lowest NO2 at Shunyi"),
    ("What was SO2's high point at Dongsi?", "maximum SO2 at Dongsi"),
    ("at what point was CO at its maximum in Gucheng", "When was CO at its maximum in Gucheng?"),
    ("When did press-1 bottom out, temperature-wise?", "When did press-1 reach its minimum temperature?"),
    ("What's the record for PM10 at Gucheng?", "What is the highest PM10 at Gucheng?"),
    ("How hot has it got at Dongsi?", "How hot did it get at Dongsi?"),
    ("Tell me the peak PM10 of the month and the place it was measured.", "Tell me the peak PM10 and the place it was measured."),
    ("In which of the rooms was the brightest light measured, and how many lux was it?", "In which of the rooms was the brightest light measured?"),
)  # fmt: skip
TOLD_FIRST = (
    ("Let's talk about Tiantan. What's its average PM2.5?", "average PM2.5 at Tiantan"),
    ("Think about Gucheng for a second. How high did PM10 get there?", "How high did PM10 get at Gucheng?"),
    ("Looking at Gucheng only, what's the median PM10?", "median PM10 at Gucheng"),
    ("Focusing on Tiantan, give me the highest PM2.5.", "the highest PM2.5 at Tiantan"),
    ("Considering only weekends, what's the mean NO2 at Dongsi?", "mean NO2 at Dongsi on weekends"),
    ("The average of all the PM2.5 readings that Tiantan made - what is it?", "average PM2.5 at Tiantan"),
    ("avg pm25 by station desc", "stations by average pm25, highest first"),
    ("top3 stations pm2.5 mean", "top 3 stations by mean pm2.5"),
    ("count(*) Gucheng", "number of readings at Gucheng"),
    ("How polluted was Tiantan on average (PM2.5)?", "average PM2.5 at Tiantan"),
    ("How dirty did the air get at Gucheng, PM10-wise?", "the highest PM10 at Gucheng"),
    ("Do you know if it rained at Shunyi?", "Did it rain at Shunyi?"),
    ("What's the earliest reading from Dongsi?", "When was the first reading from Dongsi?"),
    ("When was the light in room-a last on?", "When was light in room-a last above 0?"),
    ("How much of the time was room-b empty?", "What share of the time was room-b unoccupied?"),
    ("Was room-a ever used at the weekend?", "Was room-a ever occupied at the weekend?"),
    ("Highest CO2 in either room?", "Highest CO2"),
    ("CO2 in room-b, average, working hours 9 to 17", "average CO2 in room-b from 9:00 to 17:00"),
    ("rush hour NO2: average from 07:00 to 10:00 at Dongsi", "average NO2 from 07:00 to 10:00 at Dongsi"),
    ("When did monitoring of room-a begin?", "When did the readings of room-a begin?"),
    ("How many readings did press-1 spend above 100 °F?", "How many readings of press-1 were above 100 °F?"),
)  # fmt: skip
RANKED = (
    ("Sort the stations by average SO2 from low to high", "Rank the stations by average SO2, lowest first"),
    ("Mean PM2.5 of each station, highest to lowest", "Rank the stations by mean PM2.5, highest first"),
    ("the ten highest PM10 readings with station and time", "the ten highest PM10 readings"),
    ("5 lowest temperatures ever recorded and where", "the 5 lowest temperature readings"),
    ("Who comes second for mean PM2.5?", "Which station ranks second for mean PM2.5?"),
    ("Who is in third place for mean PM10?", "Which station ranks third for mean PM10?"),
    ("Which station takes the crown for highest average CO?", "Which station has the highest average CO?"),
    ("three stations with the highest average NO2, best first", "top 3 stations by average NO2"),
    ("Rank all stations by mean PM2.5, cleanest first.", "Rank all stations by mean PM2.5, lowest first."),
    ("order the sites from cleanest to dirtiest by mean PM2.5", "rank the stations by mean PM2.5, lowest first"),
    ("a ranking of the stations by average NO2, from best to worst", "rank the stations by average NO2, lowest first"),
    ("Which room is stuffier, going by mean CO2?", "Which room has the higher mean CO2?"),
    ("Which room is the stuffiest by average CO2?", "Which room has the highest average CO2?"),
    ("the hour of day (0-23) with the quietest wind at Changping, on average", "the hour of day with the lowest average wind speed at Changping"),
    ("What weekday tends to have the least PM2.5 at Changping?", "What weekday has the lowest average PM2.5 at Changping?"),
    ("which weekday is generally the worst for PM10?", "which weekday has the highest average PM10?"),
    ("At what hour is PM2.5 typically at its highest at Dongsi?", "At what hour is the average PM2.5 the highest at Dongsi?"),
    ("the five dirtiest days at Gucheng by daily mean PM2.5 with the values", "the five days with the highest daily mean PM2.5 at Gucheng"),
    ("Day with the most occupied readings in room-a?", "Which day has the most readings with occupancy above 0 in room-a?"),
    ("How far apart are the best and the worst station in mean PM2.5?", "the range of the station means of PM2.5"),
    ("What is the difference between the cleanest and dirtiest sites by average NO2?", "the range of the station means of NO2"),
)  # fmt: skip
LIMITED = (
    ("How many frost days (daily minimum below -5 °C) at Shunyi?", "On how many days was the daily minimum temperature below -5 °C at Shunyi?"),
    ("number of frost days at Dongsi (minimum below 0)", "On how many days was the daily minimum temperature below 0 at Dongsi?"),
    ("How many smog days, i.e. days with a mean PM2.5 above 150, did Gucheng have?", "How many days did Gucheng have with a daily mean PM2.5 above 150?"),
    ("How many ice days (maximum below 0) were there at Huairou?", "On how many days was the daily maximum temperature below 0 at Huairou?"),
    ("Give the days, with the value, on which the daily average PM2.5 was above 200.", "Give the days on which the daily average PM2.5 was above 200."),
    ("Number of days with at least one PM2.5 value above 300 at Tiantan", "Number of days with a PM2.5 value above 300 at Tiantan"),
    ("How many days had no PM2.5 value above 100 at Huairou?", "On how many days did PM2.5 never go above 100 at Huairou?"),
    ("which stations have fewer than 720 actual PM2.5 values", "which stations have fewer than 720 PM2.5 values"),
    ("How many stations recorded rain?", "How many stations had rain above 0?"),
    ("Is it true that PM10 never dropped under 10 at Wanliu?", "Did PM10 never drop under 10 at Wanliu?"),
    ("Is it true that NO2 exceeded 150 at Dongsi?", "Did NO2 exceed 150 at Dongsi?"),
    ("Did any of the stations record rain at all?", "Was there any rain?"),
    ("Did Wanliu ever have no wind at all?", "Was wind speed ever equal to 0 at Wanliu?"),
    ("On how many days did it freeze at Huairou?", "On how many days was the temperature below freezing at Huairou?"),
)  # fmt: skip
MISSING = (
    ("Is even one temperature value missing from the air stations?", "Is any temperature value missing from the air stations?"),
    ("What portion of the readings at Tiantan lack PM2.5?", "What share of the PM2.5 values at Tiantan is missing?"),
    ("In how many rows is the PM10 field empty for Gucheng?", "How many PM10 values are missing for Gucheng?"),
    ("How many PM2.5 readings are there that aren't missing at Tiantan?", "How many PM2.5 readings are there at Tiantan?"),
    ("Did Tiantan ever fail to report PM2.5?", "Does Tiantan have missing PM2.5 values?"),
    ("how many na's in co at wanliu", "how many missing values in co at wanliu"),
    ("Are there any missing CO2 values in room-a? How many?", "How many missing CO2 values are there in room-a?"),
    ("PM2.5 missing on Jan 3 2014, all sites: how many?", "How many PM2.5 values are missing on Jan 3 2014?"),
    ("How many blanks are in the CO column for Wanliu?", "How many missing CO values are there for Wanliu?"),
    ("How many ozone readings failed at Dingling?", "How many ozone readings are missing at Dingling?"),
    ("Does Dongsi have any holes in its SO2 data?", "Does Dongsi have any missing SO2 values?"),
    ("Which site lost the most ozone values?", "Which site has the most missing ozone values?"),
)  # fmt: skip


def _computed(question: str) -> list[Plan]:
    """Returns what the plans of a question compute; which part of it comes first may differ."""
    return [replace(plan, focus=Focus.VALUE) for plan in without_assumptions(plan_question(question, MAIN, NOW))]


@pytest.mark.parametrize(
    ("spoken", "plain"),
    [*COUNTED, *MEASURED, *SHARES, *EXTREME, *TOLD_FIRST, *RANKED, *LIMITED, *MISSING],
    ids=lambda text: text[:40],
)
def test_an_everyday_turn_of_phrase_means_the_same_as_plain_words(spoken: str, plain: str) -> None:
    """Both have the same plans, of the same readings."""
    assert _computed(spoken) == _computed(plain)


@pytest.mark.parametrize(
    ("question", "grouping", "limit"),
    [
        ("Which station has more than 50 missing ozone values?", Grouping.DEVICE, 50.0),
        ("Which stations have more than 20 missing values for ozone?", Grouping.DEVICE, 20.0),
        ("Which days have more than 3 missing ozone values at Dongsi?", Grouping.DAY, 3.0),
    ],
)
def test_a_limit_on_missing_values_is_not_one_on_the_values(question: str, grouping: Grouping, limit: float) -> None:
    """It holds for how many of a group are missing."""
    (plan,) = without_assumptions(plan_question(question, MAIN, NOW))
    assert plan.scope.conditions == ()
    assert (plan.measure, plan.group_by) == (Measure.MISSING, (grouping,))
    assert plan.having == GroupLimit(Comparison.GREATER, limit)


def test_a_limit_on_the_number_of_hours_is_no_rank() -> None:
    """The words "more than 20 hours with" asks for no twenty hours."""
    (plan,) = without_assumptions(
        plan_question("Which stations had more than 20 hours with PM2.5 above 300?", MAIN, NOW)
    )
    assert (plan.measure, plan.group_by, plan.rank) == (Measure.COUNT, (Grouping.DEVICE,), 0)
    assert plan.having == GroupLimit(Comparison.GREATER, 20.0)


def test_a_limit_on_the_number_of_values_is_not_one_on_the_values() -> None:
    """The number of values of a field is counted for each group."""
    (plan,) = without_assumptions(plan_question("which stations have fewer than 720 PM2.5 values", MAIN, NOW))
    assert plan.scope.conditions == ()
    assert (plan.measure, plan.field, plan.having) == (Measure.COUNT, "pm25", GroupLimit(Comparison.LESS, 720.0))


def test_the_asker_sees_how_the_question_was_read() -> None:
    """A wording that was said plainly stands among the assumptions; a plain question has none such."""
    spoken = plan_question("Who comes second for mean PM2.5?", MAIN, NOW)
    plain = plan_question("Which station ranks second for mean PM2.5?", MAIN, NOW)
    assert not isinstance(spoken, Declined)
    assert not isinstance(plain, Declined)
    assert 'the question was read as "which station ranks second for mean PM2.5?"' in spoken[0].assumptions
    assert not any("was read as" in note for note in plain[0].assumptions)


def test_a_device_named_in_the_wording_is_kept() -> None:
    """A rule that moves words keeps the names within them."""
    (plan,) = without_assumptions(
        plan_question("How many hot days (maximum above 5 °C) were there at Tiantan?", MAIN, NOW)
    )
    assert plan.scope.device_ids == ("Tiantan",)


@pytest.mark.parametrize(
    "question",
    [
        "What is the record for NO3 at Gucheng?",
        "Who comes second for number of visitors?",
        "Which hour tends to have the most traffic at Dongsi?",
        "How many blanks did the printer leave at Dongsi?",
        "What NO3 value is exceeded by 5% of readings at Tiantan?",
        "Is it true that Tiantan is in Beijing?",
        "Is it true that PM2.5 causes cancer?",
        "How many stations are deployed in Shanghai?",
        "Mean PM2.5 across the whole country of France",
        "How many hours did the staff at Tiantan work?",
        "How many frost days (minimum below the usual) at Shunyi?",
        "Which station is stuffier?",
        "How many people used room-a?",
        "Which person was in room-a most often?",
        "Does it usually rain at Dongsi?",
        "Let's talk about Beijing. What's the mean PM2.5?",
        "Looking at the suburbs only, what's the mean PM2.5?",
        "Focusing on cold days, give me the mean PM2.5 at Tiantan.",
        "Think about tomorrow. How high will PM10 be at Gucheng?",
        "count(*) from users",
        "What's the earliest train from Dongsi?",
        "Do you know if it rained in London?",
        "What was the worst hour of the war?",
        "How polluted was London on average (PM2.5)?",
        "Was room-a painted at the weekend?",
        "rush hour NO2 at Dongsi",
        "What does PM2.5 mean?",
        "How about a joke?",
        "Which station lost the most money?",
        "Did Dongsi fail to pay?",
        "Average daily low tide at Huairou",
        "thermometer price at Dongsi",
    ],
)
def test_an_everyday_turn_of_phrase_about_something_else_is_declined(question: str) -> None:
    """Plain words for a wording do not make sense of what is not measured."""
    assert declined(question) in set(Decline)


def test_an_order_from_best_to_worst_is_not_turned_where_nothing_is_bad() -> None:
    """Only of what pollutes is the lowest the best."""
    outcome = plan_question("rank the stations by mean temperature, from best to worst", MAIN, NOW)
    assert isinstance(outcome, Declined) or outcome[0].rank > 0
