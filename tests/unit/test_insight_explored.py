"""Questions to contracts of other kinds: vehicles, machines, zones; what they call their devices, states and units."""

from datetime import UTC, datetime, timedelta

import pytest
from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind
from dataflow_insight.english.own_nouns import own_nouns, with_devices
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.plan import Declined, Focus, Grouping, Measure, Plan

NOW = datetime(2026, 11, 21, 18, 40, 12, 345678, tzinfo=UTC)
FLEET = Contract(
    name="fleet",
    description="telemetry of our vehicles (trucks, vans)",
    fields=(
        Field("speed", "speed", Kind.NUMBER, "km/h"),
        Field("engine_on", "engine_on", Kind.BOOLEAN),
        Field("odometer", "odometer", Kind.NUMBER, "km", "distance driven, a counter"),
        Field("driver", "driver", Kind.TEXT, values=("Anna", "Li Wei")),
    ),
    devices=("truck-1", "truck-2", "van-7"),
    first_time=NOW - timedelta(days=4),
    last_time=NOW,
    cadence=timedelta(minutes=2),
)
PLANT = Contract(
    name="plant",
    description="machines of the plant",
    fields=(
        Field("state", "state", Kind.TEXT, values=("FAULT", "IDLE", "RUNNING")),
        Field("vibration", "vibration", Kind.NUMBER, "mm/s"),
        Field("energy", "energy", Kind.NUMBER, "kWh", "energy meter, a counter"),
    ),
    devices=("mill-3", "oven", "press-1"),
    first_time=NOW - timedelta(days=10),
    last_time=NOW,
    cadence=timedelta(hours=1),
)
CATALOGUE = Catalogue((FLEET, PLANT))


def planned(question: str) -> Plan:
    """Returns the one plan of a question."""
    plans = plan_question(question, CATALOGUE, NOW)
    assert not isinstance(plans, Declined), plans.text
    (plan,) = plans
    return plan


def test_a_contract_calls_its_devices_by_the_plurals_of_its_description() -> None:
    """Kinds of devices in brackets, and words that some devices are numbered under, are none of them."""
    assert own_nouns(FLEET) == {"vehicles"}
    assert own_nouns(PLANT) == {"machines"}
    assert with_devices("Which vehicle, and which truck?", FLEET) == ("Which device, and which truck?", True)
    assert with_devices("Which machine?", PLANT) == ("Which machine?", True)
    assert with_devices("Which vehicle?", PLANT) == ("Which vehicle?", False)


@pytest.mark.parametrize(
    ("question", "contract"), [("How many vehicles are there?", "fleet"), ("How many machines are there?", "plant")]
)
def test_the_noun_of_a_description_says_which_contract_is_meant(question: str, contract: str) -> None:
    """Both contracts have devices, but only one calls them so."""
    plan = planned(question)
    assert (plan.contract, plan.focus) == (contract, Focus.DEVICES)


def test_per_vehicle_is_per_device() -> None:
    """The contract's own noun groups by device."""
    assert planned("average speed per vehicle today").group_by == (Grouping.DEVICE,)


def test_off_is_no_misspelling_of_on() -> None:
    """A name that differs by its opposite is not put right."""
    plans = plan_question("longest period with the engine off for van-7", CATALOGUE, NOW)
    if not isinstance(plans, Declined):
        assert [condition.limit for condition in plans[0].scope.conditions] == [False]


def test_by_an_ordinary_word_is_by_the_field_of_that_name() -> None:
    """What is a filler elsewhere is the field behind such a word."""
    plan = planned("average vibration of press-1 by state")
    assert (plan.group_by, plan.group_field) == ((Grouping.VALUE,), "state")


def test_a_limit_may_have_any_common_unit() -> None:
    """Of machines, too."""
    plan = planned("How many readings of press-1 had a vibration above 4.5 mm/s?")
    assert (plan.measure, plan.scope.conditions[0].limit) == (Measure.COUNT, 4.5)
