"""Plain questions: which is which plan, which are asked back."""

from dataclasses import replace

import pytest
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.plan import (
    Comparison,
    Condition,
    Decline,
    Declined,
    Focus,
    Fold,
    Grouping,
    GroupLimit,
    Measure,
    Plan,
    Scope,
)

from tests.ask_catalogue import MAIN, NOW, at, declined, planned

MEAN = Plan("air", Measure.AVG, "pm25")
TIANTAN = replace(MEAN, scope=at("Tiantan"))
ABOVE_100 = GroupLimit(Comparison.GREATER, 100)
BY_DEVICE = (Grouping.DEVICE,)
BY_DAY = (Grouping.DAY,)


def several(question: str) -> list[Plan]:
    """Returns the plans of a question, without their assumptions."""
    outcome = plan_question(question, MAIN, NOW)
    assert not isinstance(outcome, Declined), outcome
    return [replace(plan, assumptions=()) for plan in outcome]


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        ("What is the median PM2.5 at Tiantan?", replace(TIANTAN, measure=Measure.MEDIAN)),
        ("95th percentile of PM2.5 at Tiantan", replace(TIANTAN, measure=Measure.PERCENTILE, percentile=95.0)),
        ("p90 of pm2.5, Tiantan", replace(TIANTAN, measure=Measure.PERCENTILE, percentile=90.0)),
        ("upper quartile of PM2.5 at Tiantan", replace(TIANTAN, measure=Measure.PERCENTILE, percentile=75.0)),
        ("Standard deviation of PM2.5 at Tiantan?", replace(TIANTAN, measure=Measure.STDDEV)),
        ("the 0.95 quantile of PM2.5 at Tiantan", replace(TIANTAN, measure=Measure.PERCENTILE, percentile=95.0)),
        (
            "Below which value were 90% of the PM2.5 readings at Tiantan?",
            replace(TIANTAN, measure=Measure.PERCENTILE, percentile=90.0),
        ),
        (
            "Which value did PM2.5 at Tiantan exceed 10% of the time?",
            replace(TIANTAN, measure=Measure.PERCENTILE, percentile=90.0),
        ),
        (
            "Half of the time, PM2.5 at Tiantan was below which value? (i.e. its median)",
            replace(TIANTAN, measure=Measure.MEDIAN),
        ),
        ("What was the PM2.5 range at Tiantan?", replace(TIANTAN, measure=Measure.RANGE)),
        (
            "How far apart are the highest and the lowest PM2.5 at Tiantan?",
            replace(TIANTAN, measure=Measure.RANGE),
        ),
        ("difference between max and min PM2.5 at Tiantan", replace(TIANTAN, measure=Measure.RANGE)),
        ("By how much did the highest PM2.5 at Tiantan exceed the lowest?", replace(TIANTAN, measure=Measure.RANGE)),
        ("Where did the wind mostly come from at Tiantan?", Plan("air", Measure.MODE, "wd", scope=at("Tiantan"))),
        (
            "What are the three highest PM2.5 values at Tiantan?",
            replace(TIANTAN, measure=Measure.MAX, with_where_and_when=True, rank=3),
        ),
        (
            "top 3 PM2.5 readings at Tiantan with time",
            replace(TIANTAN, measure=Measure.MAX, with_where_and_when=True, rank=3, focus=Focus.TIME),
        ),
        (
            "highest PM2.5 at Tiantan and its time",
            replace(TIANTAN, measure=Measure.MAX, with_where_and_when=True),
        ),
        ("first PM2.5 reading of Tiantan", replace(TIANTAN, measure=Measure.FIRST)),
        ("Most common wind direction at Tiantan?", Plan("air", Measure.MODE, "wd", scope=at("Tiantan"))),
        ("How many different wind directions are there?", Plan("air", Measure.DISTINCT, "wd")),
        ("How many distinct PM2.5 values did Tiantan report?", replace(TIANTAN, measure=Measure.DISTINCT)),
        ("total rainfall at Tiantan", Plan("air", Measure.SUM, "rain", scope=at("Tiantan"))),
        (
            "Second highest PM2.5 value at Tiantan?",
            replace(TIANTAN, measure=Measure.MAX, with_where_and_when=True, rank=2, place=2),
        ),
    ],
)
def test_measures(question: str, plan: Plan) -> None:
    """Each way to ask for a measure is that measure."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        ("average PM2.5 per day at Tiantan", replace(TIANTAN, group_by=BY_DAY)),
        ("daily mean of PM2.5 at Tiantan", replace(TIANTAN, group_by=BY_DAY)),
        ("Mean PM2.5 for each hour of the day, Tiantan", replace(TIANTAN, group_by=(Grouping.HOUR_OF_DAY,))),
        ("average pm25 by weekday at Tiantan", replace(TIANTAN, group_by=(Grouping.WEEKDAY,))),
        ("weekly average PM2.5 at Tiantan", replace(TIANTAN, group_by=(Grouping.WEEK,))),
        ("average PM2.5 by station and day", replace(MEAN, group_by=(Grouping.DEVICE, Grouping.DAY))),
        ("daily maximum of PM2.5 at Tiantan", replace(TIANTAN, measure=Measure.MAX, group_by=BY_DAY)),
        ("average PM2.5 by wind direction", replace(MEAN, group_by=(Grouping.VALUE,), group_field="wd")),
    ],
)
def test_groups(question: str, plan: Plan) -> None:
    """What stands behind "per" breaks the answer down."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        (
            "Which stations had an average PM2.5 above 100?",
            replace(MEAN, group_by=BY_DEVICE, having=ABOVE_100, focus=Focus.LIST),
        ),
        (
            "On which days was the mean PM2.5 at Tiantan over 100?",
            replace(TIANTAN, group_by=BY_DAY, having=ABOVE_100, focus=Focus.LIST),
        ),
        (
            "On how many days did the daily average PM2.5 at Tiantan exceed 100?",
            replace(TIANTAN, fold=Fold(BY_DAY, Measure.COUNT, ABOVE_100)),
        ),
        (
            "Days at Tiantan where the PM2.5 daily average surpassed 100: how many?",
            replace(TIANTAN, fold=Fold(BY_DAY, Measure.COUNT, ABOVE_100)),
        ),
        (
            "Which stations stay above an average of 100 for PM2.5?",
            replace(MEAN, group_by=BY_DEVICE, having=ABOVE_100, focus=Focus.LIST),
        ),
        (
            "How many stations had an average PM2.5 above 100?",
            replace(MEAN, fold=Fold(BY_DEVICE, Measure.COUNT, ABOVE_100)),
        ),
        (
            "Which station had the most days with a daily average PM2.5 above 100?",
            replace(MEAN, group_by=BY_DEVICE, fold=Fold(BY_DAY, Measure.COUNT, ABOVE_100), rank=1, focus=Focus.DEVICE),
        ),
        (
            "On how many days did PM2.5 at Tiantan exceed 100?",
            Plan(
                "air",
                Measure.COUNT,
                scope=replace(at("Tiantan"), conditions=(Condition("pm25", Comparison.GREATER, 100.0),)),
                fold=Fold(BY_DAY, Measure.COUNT),
            ),
        ),
        (
            "How many stations have missing PM2.5 values?",
            replace(
                MEAN, measure=Measure.MISSING, fold=Fold(BY_DEVICE, Measure.COUNT, GroupLimit(Comparison.GREATER, 0))
            ),
        ),
    ],
)
def test_limits_on_groups(question: str, plan: Plan) -> None:
    """A limit on an average chooses or counts groups, one on readings chooses readings."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        (
            "On how many days did PM2.5 at Tiantan stay below 100 all day?",
            replace(TIANTAN, measure=Measure.MAX, fold=Fold(BY_DAY, Measure.COUNT, GroupLimit(Comparison.LESS, 100))),
        ),
        (
            "Which stations never exceeded 100 PM2.5?",
            replace(
                MEAN,
                measure=Measure.MAX,
                group_by=BY_DEVICE,
                having=GroupLimit(Comparison.LESS_OR_EQUAL, 100),
                focus=Focus.LIST,
            ),
        ),
        (
            "Which station never dropped below 100 PM2.5?",
            replace(
                MEAN,
                measure=Measure.MIN,
                group_by=BY_DEVICE,
                having=GroupLimit(Comparison.GREATER_OR_EQUAL, 100),
                focus=Focus.LIST,
            ),
        ),
        (
            "On how many days did PM2.5 at Tiantan not exceed 100?",
            replace(
                TIANTAN,
                measure=Measure.MAX,
                fold=Fold(BY_DAY, Measure.COUNT, GroupLimit(Comparison.LESS_OR_EQUAL, 100)),
            ),
        ),
        (
            "Did the daily average PM2.5 at Tiantan ever exceed 100?",
            replace(TIANTAN, fold=Fold(BY_DAY, Measure.COUNT, ABOVE_100), focus=Focus.YES_NO),
        ),
        (
            "Was there a day with an average PM2.5 above 100 at Tiantan?",
            replace(TIANTAN, fold=Fold(BY_DAY, Measure.COUNT, ABOVE_100), focus=Focus.YES_NO),
        ),
        (
            "Is PM2.5 at Tiantan above 100 right now?",
            replace(TIANTAN, measure=Measure.LATEST, group_by=BY_DEVICE, having=ABOVE_100, focus=Focus.YES_NO),
        ),
        (
            "average number of readings per day at Tiantan",
            Plan("air", Measure.COUNT, scope=at("Tiantan"), fold=Fold(BY_DAY, Measure.AVG)),
        ),
        (
            "On which days was PM2.5 at Tiantan above 100 for more than 5 hours?",
            Plan(
                "air",
                Measure.COUNT,
                scope=replace(at("Tiantan"), conditions=(Condition("pm25", Comparison.GREATER, 100.0),)),
                group_by=BY_DAY,
                having=GroupLimit(Comparison.GREATER, 5),
                focus=Focus.LIST,
            ),
        ),
        (
            "Which stations have no missing PM2.5 values?",
            replace(
                MEAN,
                measure=Measure.MISSING,
                group_by=BY_DEVICE,
                having=GroupLimit(Comparison.EQUAL, 0),
                focus=Focus.LIST,
            ),
        ),
        ("Which day did it rain most?", Plan("air", Measure.SUM, "rain", group_by=BY_DAY, rank=1, focus=Focus.TIME)),
        (
            "How many hours on average per day did PM2.5 exceed 100 at Tiantan?",
            Plan(
                "air",
                Measure.COUNT,
                scope=replace(at("Tiantan"), conditions=(Condition("pm25", Comparison.GREATER, 100.0),)),
                fold=Fold(BY_DAY, Measure.AVG),
            ),
        ),
        (
            "lowest PM2.5 above 5 at Tiantan",
            replace(
                TIANTAN,
                measure=Measure.MIN,
                scope=replace(at("Tiantan"), conditions=(Condition("pm25", Comparison.GREATER, 5.0),)),
            ),
        ),
        (
            "average daily rainfall at Tiantan",
            Plan("air", Measure.SUM, "rain", scope=at("Tiantan"), fold=Fold(BY_DAY, Measure.AVG)),
        ),
    ],
)
def test_limits_that_all_readings_keep_and_numbers_of_readings(question: str, plan: Plan) -> None:
    """A limit kept all day is one on the highest or lowest of the day; counts and sums can be folded."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        (
            "What is the average daily maximum of PM2.5 at Tiantan?",
            replace(TIANTAN, measure=Measure.MAX, fold=Fold(BY_DAY, Measure.AVG)),
        ),
        ("highest daily average of PM2.5 at Tiantan", replace(TIANTAN, fold=Fold(BY_DAY, Measure.MAX))),
        (
            "What is the average of all station maxima for PM2.5?",
            replace(MEAN, measure=Measure.MAX, fold=Fold(BY_DEVICE, Measure.AVG)),
        ),
        (
            "Which station had the highest daily mean of PM2.5?",
            replace(MEAN, group_by=BY_DEVICE, fold=Fold(BY_DAY, Measure.MAX), rank=1, focus=Focus.DEVICE),
        ),
    ],
)
def test_values_of_groups(question: str, plan: Plan) -> None:
    """What is computed of daily values is a fold."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    ("question", "plan"),
    [
        (
            "Which day had the highest average PM2.5 at Tiantan?",
            replace(TIANTAN, group_by=BY_DAY, rank=1, focus=Focus.TIME),
        ),
        (
            "At which hour of the day is PM2.5 at Tiantan lowest on average?",
            replace(TIANTAN, group_by=(Grouping.HOUR_OF_DAY,), rank=-1, focus=Focus.TIME),
        ),
        (
            "Which day had the lowest maximum PM2.5 at Tiantan?",
            replace(TIANTAN, measure=Measure.MAX, group_by=BY_DAY, rank=-1, focus=Focus.TIME),
        ),
        (
            "the most polluted day at Tiantan by average PM2.5",
            replace(TIANTAN, group_by=BY_DAY, rank=1, focus=Focus.TIME),
        ),
        (
            "Which station exceeded 100 PM2.5 most often?",
            Plan(
                "air",
                Measure.COUNT,
                scope=Scope(conditions=(Condition("pm25", Comparison.GREATER, 100.0),)),
                group_by=BY_DEVICE,
                rank=1,
                focus=Focus.DEVICE,
            ),
        ),
        ("What is the best station by average PM2.5?", replace(MEAN, group_by=BY_DEVICE, rank=-1, focus=Focus.DEVICE)),
        (
            "On which day and at which station was the average PM2.5 highest?",
            replace(MEAN, group_by=(Grouping.DAY, Grouping.DEVICE), rank=1, focus=Focus.TIME),
        ),
        ("runner-up in mean PM2.5", replace(MEAN, group_by=BY_DEVICE, rank=2, place=2, focus=Focus.DEVICE)),
        ("Top 3 days by average PM2.5 at Tiantan", replace(TIANTAN, group_by=BY_DAY, rank=3, focus=Focus.TIME)),
        (
            "the three days with the lowest mean PM2.5, Tiantan",
            replace(TIANTAN, group_by=BY_DAY, rank=-3, focus=Focus.TIME),
        ),
        (
            "Which station has the second highest average PM2.5?",
            replace(MEAN, group_by=BY_DEVICE, rank=2, place=2, focus=Focus.DEVICE),
        ),
        (
            "When was the daily average PM2.5 at Tiantan highest?",
            replace(TIANTAN, group_by=BY_DAY, rank=1, focus=Focus.TIME),
        ),
        (
            "Which wind direction has the highest average PM2.5?",
            replace(MEAN, group_by=(Grouping.VALUE,), group_field="wd", rank=1, focus=Focus.DEVICE),
        ),
    ],
)
def test_choices_among_groups(question: str, plan: Plan) -> None:
    """Days, hours, weekdays and values are ranked as stations are."""
    assert planned(question) == plan


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "min, max and average of PM2.5 at Tiantan",
            [(Measure.MIN, "pm25"), (Measure.MAX, "pm25"), (Measure.AVG, "pm25")],
        ),
        ("average PM2.5 and PM10 at Tiantan", [(Measure.AVG, "pm25"), (Measure.AVG, "pm10")]),
        (
            "the average temperature and the maximum wind speed at Tiantan",
            [(Measure.AVG, "temp"), (Measure.MAX, "wspm")],
        ),
        ("PM2.5 at Tiantan: mean, median", [(Measure.AVG, "pm25"), (Measure.MEDIAN, "pm25")]),
        ("What were the lowest and the highest PM2.5 at Tiantan?", [(Measure.MIN, "pm25"), (Measure.MAX, "pm25")]),
    ],
)
def test_several_measures_are_several_plans(question: str, parts: list[tuple[Measure, str]]) -> None:
    """Each measure of each field is computed on its own, in the order of the question."""
    plans = several(question)
    assert [(plan.measure, plan.field) for plan in plans] == parts
    assert all(plan.scope == at("Tiantan") for plan in plans)


@pytest.mark.parametrize(
    "lead",
    [
        "Would you be so kind as to tell me the ",
        "Hi there, I'm looking for the ",
        "For my report I need the ",
        "Any idea what the ",
        "roughly, ",
    ],
)
def test_polite_words_change_nothing(lead: str) -> None:
    """What is said around a question is no part of it."""
    assert planned(f"{lead}average PM2.5 at Tiantan") == TIANTAN


def test_each_measure_may_have_a_device_of_its_own() -> None:
    """Where devices stand behind their measures, each is computed for its own."""
    first, second = several("max PM2.5 at Tiantan and min PM2.5 at Dongsi")
    assert (first.measure, first.scope) == (Measure.MAX, at("Tiantan"))
    assert (second.measure, second.scope) == (Measure.MIN, at("Dongsi"))


def test_a_number_of_readings_can_stand_beside_a_measure() -> None:
    """A count that is asked for with a measure is a plan of its own."""
    mean, count = several("What is the average PM2.5 at Tiantan and how many readings are there?")
    assert mean == TIANTAN
    assert count == Plan("air", Measure.COUNT, scope=at("Tiantan"))


@pytest.mark.parametrize(
    "question",
    [
        "Which day was the coldest at Tiantan?",
        "What is the hourly average of PM2.5 at Tiantan?",
        "What was PM2.5 at Tiantan on 2014-01-16?",
        "How much does PM2.5 vary at Tiantan?",
        "What is the typical PM2.5 at Tiantan?",
        "When was the average PM2.5 at Tiantan lowest?",
        "What is the sum of PM2.5 and PM10 at Tiantan?",
        "Which station has the best temperature?",
    ],
)
def test_what_has_several_meanings_is_asked_back(question: str) -> None:
    """Where words leave open what is computed, the asker is asked."""
    assert declined(question) is Decline.AMBIGUOUS


@pytest.mark.parametrize(
    "question",
    [
        "average PM2.5 per fortnight at Tiantan",
        "average PM2.5 at Tiantan on odd days",
        "average temperature on days with PM2.5 above 100",
        "Which day had the highest average PM2.5 but one at Tiantan?",
        "the mean of the maximum PM2.5 at Tiantan",
        "average PM2.5 when it snows",
        "average PM2.5 if temperature",
        "On how many days was the average PM2.5 between 100 and 150 at Tiantan?",
        "Which stations had an average PM2.5 above 80 and an average NO2 below 60?",
        "max of min of PM2.5",
        "sum of the average PM2.5 of all stations",
        "On how many days did any station have a daily average PM2.5 above 300?",
        "Did all stations exceed 300 PM2.5?",
        "On how many days were all stations above 100 PM2.5?",
        "Average temperature of press-2 in January 2014?",
        "Which stations had an average PM2.5 for more than 5 hours?",
    ],
)
def test_what_is_not_understood_is_declined(question: str) -> None:
    """A word or an order of words that is not understood never becomes another question."""
    declined(question)


def test_the_zone_is_that_of_the_asker() -> None:
    """Days and hours are those of the plan's time zone."""
    assert planned("average PM2.5 per day").time_zone == "UTC"
    assert Scope() == planned("average PM2.5 per day").scope
