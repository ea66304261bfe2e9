"""Times in many words: hours that explain a name, the asker's time beside UTC, weeks, and when somebody came or went."""

from zoneinfo import ZoneInfo

import pytest
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.plan import Decline, Declined, Scope

from tests.ask_catalogue import MAIN, NOW, days, declined, planned

RUSH = "mean NO2 from 07:00 to 10:00 on weekdays at Dongsi"
WEEK = "Which week had the highest mean PM2.5?"
LEFT = "When was room-a last occupied on 2015-02-06?"


@pytest.mark.parametrize(
    ("plain", "wording"),
    [
        (RUSH, "rush hour NO2: average from 07:00 to 10:00 on weekdays (Mon-Fri) at Dongsi"),
        (RUSH, "average NO2 at Dongsi in the rush hour, that is between 07:00 and 10:00, on weekdays"),
        (RUSH, "mean NO2 at Dongsi on weekdays during rush hour (from 7 to 10 am)"),
        (WEEK, "Which calendar week (Monday to Sunday) had the highest mean PM2.5? Give the date of the Monday."),
        (WEEK, "Which week (Mon-Sun) had the highest mean PM2.5? Name its Monday."),
        (WEEK, "Which week (starting on Monday) had the highest mean PM2.5?"),
        (LEFT, "When did the last person leave room-a on 2015-02-06?"),
        (
            "Which week had the highest mean PM2.5 in January 2014?",
            "In which week of January 2014 was mean PM2.5 highest?",
        ),
        ("mean PM10 on Saturdays in the morning", "mean PM10 on Saturday mornings"),
        ("mean PM10 from 13 to 17 January 2014", "mean PM10 from Monday 13 to Friday 17 January 2014"),
        (LEFT, "At what time did somebody last leave room-a on 2015-02-06?"),
        ("When was room-b first occupied on 2015-02-05?", "When did the first person enter room-b on 2015-02-05?"),
    ],
)
def test_wordings_of_times_mean_the_same(plain: str, wording: str) -> None:
    """What only explains a time changes nothing."""
    assert planned(wording) == planned(plain)


@pytest.mark.parametrize(
    "question",
    ["Is mean NO2 in the rush hour higher than from 10:00 to 12:00?", "mean NO2 in office hours at Dongsi"],
)
def test_hours_without_a_start_and_an_end_are_asked_back(question: str) -> None:
    """Hours on the other side of a comparison are not those of the name."""
    assert declined(question) is Decline.AMBIGUOUS


def test_days_are_the_askers_where_only_the_answer_is_asked_in_utc() -> None:
    """The asker says whose day it is with "my time", and how the answer is written with "(UTC)"."""
    outcome = plan_question(
        "When (UTC) was NO2 at its peak at Dongsi on 23 January 2014 my time?",
        MAIN,
        NOW,
        zone=ZoneInfo("Asia/Shanghai"),
    )
    assert not isinstance(outcome, Declined), outcome.text
    plain = days("2014-01-23", "2014-01-23")
    assert outcome[0].time_zone == "Asia/Shanghai"
    assert outcome[0].scope != Scope(device_ids=("Dongsi",), times=(plain,))
