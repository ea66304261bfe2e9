"""Conditions in questions: values of text fields, states, limits in other units, devices that are left out, names of fields."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.plan import Comparison, Condition, Decline, Declined, Plan
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2024, 3, 20, 12, 0, tzinfo=UTC)
WIND = ("NE", "ENE", "E", "NNE", "N", "SW", "S", "SSW", "ESE", "NNW", "WNW", "SE", "NW", "W", "WSW", "SSE")
HOUSE = Contract(
    "house",
    (
        Field("temperature", "temperature", Kind.NUMBER, "°C"),
        Field("humidity", "humidity", Kind.NUMBER, "%"),
        Field("light", "light", Kind.NUMBER, "lux"),
        Field("wspm", "wspm", Kind.NUMBER),
        Field("wd", "wd", Kind.TEXT, values=WIND),
        Field("rain", "rain", Kind.NUMBER, "mm"),
        Field("state", "state", Kind.TEXT, values=("idle", "running", "error")),
        Field("door", "door", Kind.BOOLEAN),
        Field("motion", "motion", Kind.BOOLEAN, description="Motion detected"),
        Field("heating", "heating", Kind.INTEGER, values=("0", "1")),
        Field("occupancy", "occupancy", Kind.INTEGER, values=("0", "1", "2", "3")),
        Field("t2", "t2", Kind.NUMBER, "°C", description="Dew point in the cellar"),
        Field("/ENERGY/Power", "ENERGY.Power", Kind.NUMBER, "W"),
        Field("pm25", "pm25", Kind.NUMBER),
        Field("pm10", "pm10", Kind.NUMBER),
    ),
    ("kitchen", "living-room", "sensor-01", "sensor-02", "floor-1/hall", "floor-2/hall", "floor-2/office"),
    first_time=datetime(2024, 3, 1, tzinfo=UTC),
    last_time=NOW,
    cadence=timedelta(minutes=5),
)
EQUAL, OTHER, ABOVE, BELOW = Comparison.EQUAL, Comparison.NOT_EQUAL, Comparison.GREATER, Comparison.LESS


def planned(question: str, contract: Contract = HOUSE) -> Plan:
    """Returns the plan of a question that has exactly one."""
    outcome = plan_question(question, Catalogue((contract,)), NOW)
    assert not isinstance(outcome, Declined), outcome
    (plan,) = outcome
    return plan


def declined(question: str) -> Declined:
    """Returns why a question has no plan."""
    outcome = plan_question(question, Catalogue((HOUSE,)), NOW)
    assert isinstance(outcome, Declined), outcome
    return outcome


@pytest.mark.parametrize(
    ("words", "condition"),
    [
        ("when the wind direction was NW", Condition("wd", EQUAL, ("NW",))),
        ("when the wind direction was NW or NNW", Condition("wd", EQUAL, ("NW", "NNW"))),
        ("when the wind came from the north-west (NW)", Condition("wd", EQUAL, ("NW",))),
        ("when the wind blew from the south west", Condition("wd", EQUAL, ("SW",))),
        ("in north-northeasterly winds", Condition("wd", EQUAL, ("NNE",))),
        ("when the wind was not from the north", Condition("wd", OTHER, ("N",))),
        ("with a southerly wind, that is wd equal to S, SSW or SSE", Condition("wd", EQUAL, ("S", "SSW", "SSE"))),
        ("where wd = 'E'", Condition("wd", EQUAL, ("E",))),
        ("while the state was running", Condition("state", EQUAL, ("running",))),
        ("when the state was not idle", Condition("state", OTHER, ("idle",))),
        ("when state is error or idle", Condition("state", EQUAL, ("error", "idle"))),
        ("when the state was 'boost'", Condition("state", EQUAL, ("boost",))),
        ("when the door was open", Condition("door", EQUAL, limit=True)),
        ("when the door was not open", Condition("door", EQUAL, limit=False)),
        ("when the door was closed", Condition("door", EQUAL, limit=False)),
        ("when door = true", Condition("door", EQUAL, limit=True)),
        ("with motion detected", Condition("motion", EQUAL, limit=True)),
        ("without motion", Condition("motion", EQUAL, limit=False)),
        ("while the heating was on", Condition("heating", EQUAL, 1.0)),
        ("with heating off", Condition("heating", EQUAL, 0.0)),
        ("while it was occupied", Condition("occupancy", ABOVE, 0.0)),
        ("when nobody was there", Condition("occupancy", EQUAL, 0.0)),
        ("with the light on", Condition("light", ABOVE, 0.0)),
        ("with power above 2 kW", Condition("/ENERGY/Power", ABOVE, 2000.0)),
        ("with wind above 36 km/h", Condition("wspm", ABOVE, 10.0)),
        ("with rain below 1 cm", Condition("rain", BELOW, 10.0)),
        ("when it was brighter than 300 lux", Condition("light", ABOVE, 300.0)),
    ],
)
def test_conditions_are_read(words: str, condition: Condition) -> None:
    """Texts, truths, states and limits become conditions, whichever way they are said."""
    plan = planned(f"What was the average humidity in the kitchen {words}?")
    assert (plan.field, plan.scope.conditions) == ("humidity", (condition,))


def test_a_limit_without_a_field_is_about_the_one_in_its_unit() -> None:
    """The unit says what is meant where only one field has it."""
    plan = planned("How many readings were above 500 lux in the kitchen?")
    assert plan.scope.conditions == (Condition("light", ABOVE, 500.0),)


def test_fahrenheit_becomes_celsius_to_the_last_digit() -> None:
    """14 °F are -10 °C and not a little less, and the asker is told."""
    plan = planned("How many readings in the kitchen were colder than 14 °F?")
    assert plan.scope.conditions == (Condition("temperature", BELOW, -10.0),)
    assert "14 °F is -10 °C, the unit of temperature" in plan.assumptions


def test_a_unit_that_no_contract_says_is_assumed_aloud() -> None:
    """A field without a unit is taken to be in the usual one only to convert, and that is said."""
    plan = planned("highest wind speed in the kitchen in km/h")
    assert plan.unit == "km/h"
    assert "values of wspm are converted from m/s to km/h; its contract says no unit" in plan.assumptions


@pytest.mark.parametrize(
    ("words", "unit"),
    [
        ("in °F", "°F"),
        ("in degrees Fahrenheit", "°F"),
        ("in F", "°F"),
        ("in kelvin", "K"),
        ("in °C", ""),
        ("in degrees", ""),
        ("", ""),
    ],
)
def test_answers_come_in_the_unit_asked_for(words: str, unit: str) -> None:
    """Another unit is asked of the plan; the field's own needs nothing."""
    assert planned(f"average temperature in the kitchen {words}").unit == unit


@pytest.mark.parametrize(
    "question",
    [
        "average temperature in the kitchen in hPa",
        "average humidity in the kitchen with temperature above 5 hPa",
        "average humidity in the kitchen when the state was above 5",
        "average humidity in the kitchen with temperature above 5 or light above 10",
    ],
)
def test_conditions_that_make_no_sense_are_refused(question: str) -> None:
    """Another quantity's unit, a text against a number and "or" between fields are not guessed."""
    assert declined(question).reason is Decline.NOT_UNDERSTOOD


@pytest.mark.parametrize(
    "words",
    [
        "of all sensors except the kitchen and sensor 1",
        "of all sensors but kitchen and sensor-01",
        "excluding kitchen, sensor-01",
        "at sensors other than kitchen or sensor-01",
        "with kitchen and sensor-01 left out",
    ],
)
def test_devices_can_be_left_out(words: str) -> None:
    """Exclusions leave devices out and name none."""
    scope = planned(f"average temperature {words}").scope
    assert (scope.device_ids, scope.excluded_device_ids) == ((), ("kitchen", "sensor-01"))


def test_an_unknown_device_cannot_be_left_out() -> None:
    """Leaving out what does not exist would answer another question."""
    assert declined("average temperature of all sensors except bedroom").reason is Decline.UNKNOWN_DEVICE


@pytest.mark.parametrize(
    ("text", "device"), [("sensor 1", "sensor-01"), ("office", "floor-2/office"), ("floor 2 hall", "floor-2/hall")]
)
def test_devices_are_found_by_shorter_names(text: str, device: str) -> None:
    """Leading zeros and all but the last part of a name may be left out, which is said."""
    plan = planned(f"average temperature in {text}")
    assert plan.scope.device_ids == (device,)
    assert f'"{text}" is the device {device}' in plan.assumptions


def test_a_short_name_of_two_devices_is_asked_back() -> None:
    """There are two halls."""
    assert declined("average temperature in the hall").reason is Decline.AMBIGUOUS


def test_a_word_for_several_fields_is_asked_back_unless_one_is_named() -> None:
    """Dust is PM2.5 and PM10, where a contract has both and the question names neither."""
    assert declined("How much dust was there on average in the kitchen?").reason is Decline.AMBIGUOUS
    assert planned("average dust (PM10) in the kitchen").field == "pm10"
    fine = replace(HOUSE, fields=tuple(item for item in HOUSE.fields if item.name != "pm10"))
    plan = planned("average dust in the kitchen", fine)
    assert plan.field == "pm25"
    assert '"dust" is the field pm25' in plan.assumptions


def test_values_and_parts_of_the_day_are_no_misspellings() -> None:
    """Words of values and plurals that mean something are left as they are."""
    plan = planned("average humidity in the kitchen on Friday evenings while the state was idle")
    assert (plan.scope.weekdays, plan.scope.conditions) == ((5,), (Condition("state", EQUAL, ("idle",)),))
    assert not any("was read as" in note for note in plan.assumptions)


def test_a_description_names_a_field_that_its_name_does_not() -> None:
    """The field t2 is the dew point, since its description says so."""
    assert planned("average dew point in the kitchen").field == "t2"


WORDS = st.text(alphabet=st.characters(codec="ascii"), max_size=3) | st.sampled_from(
    re.findall(
        r"\S+",
        """average highest how many readings humidity wind wd state door motion heating occupancy light kitchen sensor 1 hall NW N
    north-west southerly from idle running 'boost' open closed on off not no with without when while was = or and , ( ) above
    below between 5 10 °F km/h kW in except excluding but all sensors at night in the mornings on Mondays weekends 16 January
    2024-03-05 22:00 06:00 to until since last yesterday first week of UTC Berlin time noon occupied nobody there it rained""",
    )
)
CATALOGUE = Catalogue((HOUSE,))


@settings(deadline=None)
@given(st.lists(WORDS, max_size=20).map(" ".join), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Shanghai"]))
def test_any_words_are_planned_or_declined(question: str, zone: str) -> None:
    """No order of these words raises, and every plan passes its check."""
    outcome = plan_question(question, CATALOGUE, NOW, zone=ZoneInfo(zone))
    if isinstance(outcome, Declined):
        assert not any(letter.isdigit() for letter in outcome.text)
        return
    for plan in outcome:
        check_plan(plan, CATALOGUE)
