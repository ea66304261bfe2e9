"""Questions about what holds by the newest readings."""

from dataclasses import replace

import pytest
from dataflow_insight.catalogue.catalogue import Catalogue
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.plan import (
    Comparison,
    Declined,
    Focus,
    Fold,
    Grouping,
    GroupLimit,
    Measure,
    Plan,
    Scope,
)

from tests.ask_catalogue import AIR, NOW, ROOM

STATES = Catalogue(
    (
        AIR,
        replace(
            ROOM,
            fields=tuple(
                replace(item, values=("0", "1")) if item.name == "occupancy" else item for item in ROOM.fields
            ),
        ),
    )
)
LATEST = Plan("room", Measure.LATEST, "occupancy")


def planned(question: str) -> Plan:
    """Returns the plan of a question that has exactly one, without its assumptions."""
    outcome = plan_question(question, STATES, NOW)
    assert not isinstance(outcome, Declined), outcome
    (plan,) = outcome
    return replace(plan, assumptions=())


@pytest.mark.parametrize(
    ("question", "device"),
    [
        ("Is room-b occupied according to its last reading?", "room-b"),
        ("Is room-b occupied?", "room-b"),
        ("Is room-a empty right now?", "room-a"),
        ("Was room-a unoccupied at its latest reading?", "room-a"),
        ("Is anybody in room-b at the moment?", "room-b"),
    ],
)
def test_a_state_of_the_present_is_that_of_the_latest_reading(question: str, device: str) -> None:
    """A state is not looked for among all readings: the newest one tells."""
    assert planned(question) == replace(LATEST, scope=Scope(device_ids=(device,)), focus=Focus.YES_NO)


def test_devices_are_chosen_by_their_latest_values() -> None:
    """Each device has a latest reading, and the limit is one on that."""
    having = GroupLimit(Comparison.EQUAL, 1.0)
    by_device = replace(LATEST, group_by=(Grouping.DEVICE,))
    assert planned("Which rooms are occupied right now?") == replace(by_device, having=having, focus=Focus.LIST)
    above = Plan(
        "air",
        Measure.LATEST,
        "pm25",
        fold=Fold((Grouping.DEVICE,), Measure.COUNT, GroupLimit(Comparison.GREATER, 150.0)),
    )
    assert planned("How many stations are currently above 150 PM2.5?") == above


def test_a_state_of_the_past_is_looked_for_among_all_readings() -> None:
    """With a time, any reading within it will do."""
    plan = planned("Was anybody in room-a on Sunday, 8 February 2015?")
    assert (plan.measure, plan.focus) == (Measure.COUNT, Focus.YES_NO)


def test_several_limits_on_the_present_are_not_guessed() -> None:
    """The latest reading with two limits is another question."""
    assert isinstance(plan_question("Is room-a occupied with light above 5 right now?", STATES, NOW), Declined)
