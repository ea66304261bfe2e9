"""The planner on strange input, near misses and several contracts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.messages import plan_from_proto, plan_to_proto
from dataflow_insight.plans.plan import (
    Comparison,
    Condition,
    Decline,
    Declined,
    Grouping,
    Measure,
    Plan,
    Scope,
    TimeRange,
)
from dataflow_insight.queries.sql import render
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2024, 3, 20, 12, 0, tzinfo=UTC)  # a Wednesday
HOUSE = Contract(
    "house",
    (
        Field("temperature", "temperature", Kind.NUMBER, "°C"),
        Field("co2", "co2", Kind.NUMBER, "ppm"),
        Field("door", "door", Kind.BOOLEAN),
        Field("/ENERGY/Power", "ENERGY.Power", Kind.NUMBER, "W"),
        Field("state", "state", Kind.TEXT),
    ),
    ("kitchen", "living-room", "sensor-1", "sensor-2"),
    first_time=datetime(2024, 3, 1, tzinfo=UTC),
    last_time=NOW,
    cadence=timedelta(minutes=5),
)
CATALOGUE = Catalogue((HOUSE,))


def planned(question: str) -> Plan:
    """Returns the plan of a question that has one."""
    outcome = plan_question(question, CATALOGUE, NOW)
    assert not isinstance(outcome, Declined), outcome
    (plan,) = outcome
    return plan


def declined(question: str) -> Decline:
    """Returns why a question has no plan."""
    outcome = plan_question(question, CATALOGUE, NOW)
    assert isinstance(outcome, Declined), outcome
    return outcome.reason


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ("yesterday", "2024-03-19", "2024-03-20"),
        ("today", "2024-03-20", "2024-03-21"),
        ("the day before yesterday", "2024-03-18", "2024-03-19"),
        ("last night", "2024-03-19T18:00", "2024-03-20T06:00"),
        ("this morning", "2024-03-20T06:00", "2024-03-20T12:00"),
        ("in the last 24 hours", "2024-03-19T12:00", "2024-03-20T12:00"),
        ("over the past three days", "2024-03-17T12:00", "2024-03-20T12:00"),
        ("in the last hour", "2024-03-20T11:00", "2024-03-20T12:00"),
        ("last week", "2024-03-11", "2024-03-18"),
        ("last month", "2024-02-01", "2024-03-01"),
        ("this month", "2024-03-01", "2024-04-01"),
        ("on Monday", "2024-03-18", "2024-03-19"),
        ("since Monday", "2024-03-18", None),
        ("since 6 am on March 18", "2024-03-18T06:00", None),
        ("on March 18 after 18:00", "2024-03-18T18:00:00.000001", "2024-03-19"),
        ("2 days ago", "2024-03-18", "2024-03-19"),
        ("on 5 March", "2024-03-05", "2024-03-06"),
        ("on the 5th", "2024-03-05", "2024-03-06"),
        ("between 22:00 on March 18 and 06:00 on March 19", "2024-03-18T22:00", "2024-03-19T06:00"),
        ("at 2024-03-05T10:00:00+02:00", "2024-03-05T08:00", "2024-03-05T08:00:01"),
    ],
)
def test_time_words_become_ranges(words: str, start: str, end: str | None) -> None:
    """Relative and absolute times, days, hours and ranges mean what they mean in UTC."""
    plan = planned(f"What was the average temperature in the kitchen {words}?")
    assert plan.scope.hull.start == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert plan.scope.hull.end == (datetime.fromisoformat(end).replace(tzinfo=UTC) if end else None)


@pytest.mark.parametrize(
    "words",
    [
        "on 2024-02-30",
        "on 25:00",
        "between March 10 and March 5",
        "every morning",
        "in spring",
    ],
)
def test_times_that_are_no_single_range_are_declined(words: str) -> None:
    """What is no one stretch of time is not guessed."""
    assert declined(f"What was the average temperature in the kitchen {words}?") in {
        Decline.NOT_UNDERSTOOD,
        Decline.UNKNOWN_DEVICE,
    }


@pytest.mark.parametrize("name", ["sensor-3", "sensor-12", "sensor", "bedroom", "kitchen-2", "living-room-1"])
def test_a_near_name_is_not_taken_for_a_device(name: str) -> None:
    """A number or a part more is another device, never a misspelling."""
    outcome = plan_question(f"average temperature at {name}", CATALOGUE, NOW)
    assert isinstance(outcome, Declined) or not any(plan.scope.device_ids for plan in outcome)


@pytest.mark.parametrize(
    ("text", "device"), [("kitchn", "kitchen"), ("Living Room", "living-room"), ("SENSOR 1", "sensor-1")]
)
def test_a_misspelt_device_is_found_and_said(text: str, device: str) -> None:
    """Case, spaces and a slip do not matter, and the assumption is told."""
    plan = planned(f"average temperature at {text}")
    assert plan.scope.device_ids == (device,)
    assert any(device in assumption for assumption in plan.assumptions)


def test_nested_fields_and_their_units_are_understood() -> None:
    """A pointer's last member names the field, and its own unit is accepted in a limit."""
    plan = planned("How many readings had power above 1,500 W in the kitchen?")
    assert plan.scope.conditions == (Condition("/ENERGY/Power", Comparison.GREATER, 1500.0),)
    converted = planned("How many readings had power above 2 kW in the kitchen?")
    assert converted.scope.conditions == (Condition("/ENERGY/Power", Comparison.GREATER, 2000.0),)
    assert "2 kW is 2000 W, the unit of /ENERGY/Power" in converted.assumptions
    assert declined("How many readings had power above 2 kPa in the kitchen?") is Decline.NOT_UNDERSTOOD


def test_text_is_not_averaged() -> None:
    """A field of text or truth has no mean."""
    assert declined("average state of the kitchen") is Decline.NOT_UNDERSTOOD
    assert declined("average door of the kitchen") is Decline.NOT_UNDERSTOOD


def test_hours_are_not_counted_by_readings_of_another_pace() -> None:
    """Where readings come every five minutes, hours are not readings."""
    assert declined("How many hours was co2 above 1000 in the kitchen?") is Decline.NOT_UNDERSTOOD


def test_the_contract_with_the_field_is_chosen() -> None:
    """A field that only one contract has chooses it; a name of a contract too."""
    garden = replace(
        HOUSE, name="garden", fields=(Field("humidity", "humidity", Kind.NUMBER), HOUSE.fields[0]), devices=("bed",)
    )
    both = Catalogue((HOUSE, garden))
    humid = plan_question("average humidity", both, NOW)
    assert not isinstance(humid, Declined)
    assert humid[0].contract == "garden"
    named = plan_question("average temperature in the contract garden", both, NOW)
    assert not isinstance(named, Declined)
    assert named[0].contract == "garden"
    tied = plan_question("average temperature", both, NOW)
    assert not isinstance(tied, Declined)
    assert any("could also have been garden" in assumption for assumption in tied[0].assumptions)


@pytest.mark.parametrize(
    "change",
    [
        {"contract": "other"},
        {"field": "nothing"},
        {"field": "state"},
        {"field": ""},
        {"scope": Scope(device_ids=("bedroom",))},
        {"scope": Scope(device_ids=("kitchen",)), "group_by": (Grouping.DEVICE,), "rank": 1},
        {"rank": 3},
        {"scope": Scope(times=(TimeRange(NOW, NOW),))},
        {"scope": Scope(times=(TimeRange(datetime(2024, 1, 1)),))},  # noqa: DTZ001 - the point of the case
        {"scope": Scope(conditions=(Condition("temperature", Comparison.LESS, float("nan")),))},
        {"scope": Scope(conditions=(Condition("state", Comparison.LESS, 1.0),))},
        {"with_where_and_when": True},
    ],
)
def test_a_plan_that_does_not_fit_is_refused(change: dict[str, object]) -> None:
    """Whoever makes a plan, only what the catalogue and the bounds allow becomes SQL."""
    plan = Plan("house", Measure.AVG, "temperature")
    assert check_plan(plan, CATALOGUE) is HOUSE
    with pytest.raises(PlanError):
        check_plan(replace(plan, **change), CATALOGUE)  # type: ignore[arg-type]


def test_sql_holds_no_value_of_the_plan() -> None:
    """Devices, times and limits are parameters; identifiers are quoted."""
    plan = planned("average power at kitchen on 2024-03-05 when co2 was above 987")
    query = render(plan, HOUSE)
    assert '"ENERGY.Power"' in query.sql
    assert 'readings."house"' in query.sql
    assert "kitchen" not in query.sql
    assert "987" not in query.sql
    assert "kitchen" in query.parameters


WORDS = st.sampled_from(
    [
        "what",
        "was",
        "is",
        "the",
        "average",
        "highest",
        "lowest",
        "how",
        "many",
        "readings",
        "temperature",
        "co2",
        "power",
        "kitchen",
        "sensor-1",
        "above",
        "below",
        "between",
        "and",
        "or",
        "not",
        "300",
        "5.5",
        "-3",
        "on",
        "2024-03-05",
        "since",
        "yesterday",
        "at",
        "06:00",
        "which",
        "sensor",
        "had",
        "most",
        "missing",
        "values",
        "per",
        "device",
        "hours",
        "when",
        "last",
        "first",
        "total",
        "sum",
        "rank",
        "top",
        "3",
        "by",
        "of",
        "in",
        "for",
        "'",
        '"',
        ";",
        "--",
        "%",
        "(",
        ")",
        "?",
        "!",
        ",",
        "pm",
        "Monday",
        "January",
        "16th",
        "to",
        "until",
        "1e9",
        "∞",
        "½",
        "٣",
        "İ",
        "ß",
        "温",
    ]
)


@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=25).map(" ".join)))
def test_any_question_is_planned_or_declined(question: str) -> None:
    """No text raises; a plan passes its check and renders; a refusal holds no digit."""
    outcome = plan_question(question, CATALOGUE, NOW)
    if isinstance(outcome, Declined):
        assert not any(letter.isdigit() for letter in outcome.text)
        return
    for plan in outcome:
        assert render(plan, check_plan(plan, CATALOGUE)).sql.startswith("SELECT")
        read = plan_from_proto(plan_to_proto(plan))
        assert read == replace(plan, focus=read.focus, place=read.place)
