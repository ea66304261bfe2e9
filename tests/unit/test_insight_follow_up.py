"""Questions that lean on earlier ones: what is taken over, and what is not."""

from zoneinfo import ZoneInfo

import pytest
from dataflow_insight.catalogue.catalogue import Catalogue
from dataflow_insight.engines.engine import Asked, Computed, Turn
from dataflow_insight.engines.local import LocalEngine
from dataflow_insight.engines.usage import Usage
from dataflow_insight.english.follow_up import plan_in_conversation
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Declined, Plan

from tests.ask_catalogue import JOINED, MAIN, NOW, planned, without_assumptions

UTC = ZoneInfo("UTC")
AVERAGE = "What was the average PM2.5 at Tiantan on 2014-01-16?"


def plans(*questions: str, catalogue: Catalogue = MAIN) -> tuple[Plan, ...] | Declined:
    """Returns what becomes of the last question after the others."""
    return plan_in_conversation(questions[-1], questions[:-1], catalogue, NOW, "", UTC)


@pytest.mark.parametrize(
    ("before", "question", "same_as"),
    [
        (AVERAGE, "and at Gucheng?", "average PM2.5 at Gucheng on 2014-01-16"),
        (AVERAGE, "Gucheng?", "average PM2.5 at Gucheng on 2014-01-16"),
        (AVERAGE, "What about Gucheng?", "average PM2.5 at Gucheng on 2014-01-16"),
        (AVERAGE, "The same for Wanliu, please", "average PM2.5 at Wanliu on 2014-01-16"),
        (AVERAGE, "what about NO2?", "average NO2 at Tiantan on 2014-01-16"),
        (AVERAGE, "And PM10 there?", "average PM10 at Tiantan on 2014-01-16"),
        (AVERAGE, "and the day before?", "average PM2.5 at Tiantan on 2014-01-15"),
        (AVERAGE, "And the next day?", "average PM2.5 at Tiantan on 2014-01-17"),
        (AVERAGE, "how about 2014-01-20?", "average PM2.5 at Tiantan on 2014-01-20"),
        (AVERAGE, "And on 2014-01-20 at Gucheng?", "average PM2.5 at Gucheng on 2014-01-20"),
        (AVERAGE, "and the maximum?", "maximum PM2.5 at Tiantan on 2014-01-16"),
        (AVERAGE, "What was the median?", "median PM2.5 at Tiantan on 2014-01-16"),
        (AVERAGE, "and the lowest temperature?", "lowest temperature at Tiantan on 2014-01-16"),
        (AVERAGE, "same for the whole of January 2014", "average PM2.5 at Tiantan in January 2014"),
        (AVERAGE, "and per hour?", "average PM2.5 per hour at Tiantan on 2014-01-16"),
        (AVERAGE, "And how many readings?", "how many readings at Tiantan on 2014-01-16"),
        ("average PM2.5 in January 2014", "only on weekends", "average PM2.5 in January 2014 on weekends"),
        ("average PM2.5 at Tiantan", "and per station?", "average PM2.5 per station"),
        ("average PM2.5 at Tiantan", "and over all stations?", "average PM2.5 over all stations"),
        ("How many readings at Tiantan had PM2.5 above 200?", "and above 300?", "How many readings at Tiantan had PM2.5 above 300?"),
        (AVERAGE, "and in Fahrenheit for the temperature?", "average temperature in Fahrenheit at Tiantan on 2014-01-16"),
        ("Which station had the highest average PM2.5?", "And the lowest?", "Which station had the lowest average PM2.5?"),
        ("Which station had the highest average PM2.5?", "and the second highest?", "Which station had the second highest average PM2.5?"),
        ("How many readings at Tiantan had PM2.5 above 200?", "as a percentage?", "percentage of readings at Tiantan with PM2.5 above 200"),
        ("How much higher is average PM2.5 at Gucheng than at Shunyi?", "and than at Tiantan?", "How much higher is average PM2.5 at Gucheng than at Tiantan?"),
        ("How much higher is average PM2.5 at Gucheng than at Shunyi?", "and in percent?", "By how many percent is average PM2.5 at Gucheng higher than at Shunyi?"),
        ("correlation between PM2.5 and wind speed", "and with temperature?", "correlation between PM2.5 and temperature"),
        ("longest run of PM2.5 above 200 at Tiantan", "When did it start?", "When did the longest run of PM2.5 above 200 at Tiantan start?"),
        ("How warm was it on average at Tiantan?", "How about the dew point?", "average dew point at Tiantan"),
        ("Which station had the highest average PM2.5?", "and at Dongsi?", "average PM2.5 at Dongsi"),
        ("What was the highest PM2.5 at Tiantan?", "When was that?", "When was the highest PM2.5 at Tiantan?"),
    ],
)  # fmt: skip
def test_new_parts_take_the_place_of_their_like(before: str, question: str, same_as: str) -> None:
    """Whatever is not said again stays as it was."""
    assert without_assumptions(plans(before, question)) == (planned(same_as),)


def test_what_was_taken_over_is_said() -> None:
    """The asker sees the whole question that was answered."""
    found = plans(AVERAGE, "and at Gucheng?")
    assert not isinstance(found, Declined)
    assert any("Gucheng on 2014-01-16" in note for note in found[0].assumptions)


def test_parts_are_taken_over_across_several_questions() -> None:
    """Each question goes on from what the one before had become."""
    found = plans(AVERAGE, "and at Gucheng?", "and the day before?", "and the maximum?")
    assert without_assumptions(found) == (planned("maximum PM2.5 at Gucheng on 2014-01-15"),)


def test_a_declined_question_in_between_changes_nothing() -> None:
    """What was not understood is not gone on from."""
    found = plans(AVERAGE, "why so low?", "and at Gucheng?")
    assert without_assumptions(found) == (planned("average PM2.5 at Gucheng on 2014-01-16"),)


def test_a_whole_question_takes_nothing_over() -> None:
    """A question that stands alone means what it says."""
    found = plans(AVERAGE, "How many readings did Gucheng send?")
    assert without_assumptions(found) == (planned("How many readings did Gucheng send?"),)


def test_a_field_of_another_contract_is_joined_or_asked_alone() -> None:
    """After pollution at a station, its temperature can be asked for."""
    found = plans(AVERAGE, "what about the temperature?", catalogue=JOINED)
    assert without_assumptions(found) == (planned("average temperature at Tiantan on 2014-01-16", JOINED),)


@pytest.mark.parametrize(
    "question",
    [
        "why so low?",
        "and at Springfield?",
        "what about radon?",
        "and tomorrow?",
        "really?",
        "and the florb?",
        "thanks!",
    ],
)
def test_what_is_no_part_of_a_question_is_declined(question: str) -> None:
    """Reasons, unknown names and chatter stay declined."""
    assert isinstance(plans(AVERAGE, question), Declined)


def test_without_a_question_before_a_part_is_declined() -> None:
    """There is nothing to go on from."""
    assert isinstance(plans("and at Gucheng?"), Declined)
    assert isinstance(plans("What is the weather like on Mars?", "and at Gucheng?"), Declined)


class _Recorder:
    """A desk that computes nothing, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.usage = Usage()

    async def compute(self, plan: Plan) -> Computed:
        self.plans.append(plan)
        raise PlanError("nothing is computed here")


async def test_the_local_engine_knows_the_earlier_questions() -> None:
    """It plans a question with the turns of its conversation."""
    desk = _Recorder()
    asked = Asked("and at Gucheng?", MAIN, NOW, UTC, turns=(Turn(AVERAGE, "An answer."),))
    async for _ in LocalEngine().answer(asked, desk):
        pass
    assert without_assumptions(tuple(desk.plans)) == (planned("average PM2.5 at Gucheng on 2014-01-16"),)
