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
        Field("gear", "gear", Kind.INTEGER, values=("0", "1", "2", "3")),
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
    plan = planned("longest period with the engine off for van-7")
    assert [condition.limit for condition in (*plan.holding, *plan.scope.conditions)] == [False]


def test_by_an_ordinary_word_is_by_the_field_of_that_name() -> None:
    """What is a filler elsewhere is the field behind such a word."""
    plan = planned("average vibration of press-1 by state")
    assert (plan.group_by, plan.group_field) == ((Grouping.VALUE,), "state")


def test_a_limit_may_have_any_common_unit() -> None:
    """Of machines, too."""
    plan = planned("How many readings of press-1 had a vibration above 4.5 mm/s?")
    assert (plan.measure, plan.scope.conditions[0].limit) == (Measure.COUNT, 4.5)


@pytest.mark.parametrize(
    ("question", "shares"),
    [
        ("What are the 25th and the 75th percentile of vibration?", [25, 75]),
        ("10th, 20 and 90th percentiles of vibration", [10, 20, 90]),
        ("first and third quartile of vibration", [25, 75]),
    ],
)
def test_percentiles_that_share_a_noun_are_one_plan_each(question: str, shares: list[float]) -> None:
    """None of the numbers is a day of the month."""
    plans = plan_question(question, CATALOGUE, NOW)
    assert not isinstance(plans, Declined)
    assert [plan.percentile for plan in plans] == shares
    assert not any(plan.scope.times for plan in plans)


@pytest.mark.parametrize(
    "question",
    [
        "What was the average vibration at weekends, and what was it on weekdays?",
        "average vibration on weekends and weekdays",
    ],
)
def test_weekends_and_weekdays_are_compared_and_not_added(question: str) -> None:
    """Together they would be all days."""
    plan = planned(question)
    assert plan.compared_with is not None
    assert (plan.scope.weekdays, plan.compared_with.weekdays) == ((6, 7), (1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    ("question", "focus"),
    [
        ("Is vibration negatively correlated with energy at press-1?", Focus.YES_NO),
        ("How is vibration correlated with energy at press-1?", Focus.VALUE),
    ],
)
def test_whether_fields_are_correlated_is_answered_with_yes_or_no(question: str, focus: Focus) -> None:
    """How they are is not."""
    plan = planned(question)
    assert (plan.measure, plan.focus) == (Measure.CORRELATION, focus)


@pytest.mark.parametrize(
    ("question", "yes"),
    [
        ("average speed while the engine was running", True),
        ("average speed while the engine was off", False),
        ("average speed with the engine on", True),
    ],
)
def test_what_a_field_says_yes_of_is_a_name_of_it(question: str, yes: bool) -> None:
    """The field engine_on is of the engine, and the question says whether it is on."""
    (condition,) = planned(question).scope.conditions
    assert (condition.field, condition.limit) == ("engine_on", yes)


@pytest.mark.parametrize(
    "question",
    ["Which vehicles have the engine on right now?", "Which machines are running?", "Which machines are in fault now?"],
)
def test_which_devices_are_in_a_state_now_is_told_by_the_latest_of_each(question: str) -> None:
    """Not by the latest reading in that state: every device was in it once."""
    plan = planned(question)
    assert (plan.measure, plan.group_by, plan.scope.conditions) == (Measure.LATEST, (Grouping.DEVICE,), ())


@pytest.mark.parametrize(
    ("question", "state"),
    [
        ("How many hours was the oven running yesterday?", "RUNNING"),
        ("How many faults were there yesterday?", "FAULT"),
        ("average vibration while RUNNING", "RUNNING"),
    ],
)
def test_states_are_read_from_verbs_and_plurals(question: str, state: str) -> None:
    """A value of a text field, in any form that it takes in a sentence."""
    assert planned(question).scope.conditions[0].limit == (state,)


def test_the_machine_with_the_most_faults_has_the_most_readings_with_that_state() -> None:
    """Nothing is measured but the state."""
    plan = planned("Which machine had the most faults?")
    assert (plan.measure, plan.group_by, plan.rank) == (Measure.COUNT, (Grouping.DEVICE,), 1)


@pytest.mark.parametrize("question", ["Since when has press-1 been idle?", "How long has press-1 been running?"])
def test_since_when_something_has_been_so_is_declined(question: str) -> None:
    """The first reading in that state, or the number of all of them, would be another answer."""
    assert isinstance(plan_question(question, CATALOGUE, NOW), Declined)


@pytest.mark.parametrize(
    ("question", "length"),
    [
        ("average speed in the last 5 minutes", timedelta(minutes=5)),
        ("highest speed in the last half hour", timedelta(minutes=30)),
    ],
)
def test_times_back_from_now_are_whole_seconds(question: str, length: timedelta) -> None:
    """They end within the present second."""
    (span,) = planned(question).scope.times
    assert span.start is not None
    assert span.end == NOW.replace(microsecond=0) + timedelta(seconds=1)
    assert span.end - span.start == length


@pytest.mark.parametrize(
    ("question", "field", "group_by", "rank"),
    [
        ("How far did truck-1 drive today?", "odometer", (), 0),
        ("How many kilometres did each vehicle drive yesterday?", "odometer", (Grouping.DEVICE,), 0),
        ("Which vehicle drove the furthest yesterday?", "odometer", (Grouping.DEVICE,), 1),
        ("energy consumption of the oven since midnight", "energy", (), 0),
        ("Energy consumed by each machine yesterday", "energy", (Grouping.DEVICE,), 0),
        ("Which machine used the most energy this week?", "energy", (Grouping.DEVICE,), 1),
        ("How much energy did the plant use yesterday?", "energy", (Grouping.DEVICE,), 0),
    ],
)
def test_what_was_used_or_driven_is_the_change_of_a_counter(
    question: str, field: str, group_by: tuple[Grouping, ...], rank: int
) -> None:
    """The contract's description says that the field counts on."""
    plan = planned(question)
    assert (plan.measure, plan.field, plan.group_by, plan.rank) == (Measure.CHANGE, field, group_by, rank)


def test_the_device_with_the_lowest_value_now_is_chosen_by_the_latest_values() -> None:
    """Not by the lowest of all readings."""
    plan = planned("Which vehicle has the lowest speed right now?")
    assert (plan.measure, plan.group_by, plan.rank) == (Measure.LATEST, (Grouping.DEVICE,), -1)


def test_the_last_reading_of_each_device_is_told_by_the_time_that_each_covers() -> None:
    """Who has fallen silent can be seen there."""
    plan = planned("When was the last reading of each vehicle?")
    assert (plan.measure, plan.group_by) == (Measure.COVERAGE, (Grouping.DEVICE,))


@pytest.mark.parametrize(
    ("question", "measure"),
    [("how fast was van-7 on average yesterday?", Measure.AVG), ("How fast is van-7 right now?", Measure.LATEST)],
)
def test_how_fast_is_about_the_speed(question: str, measure: Measure) -> None:
    """Where a speed is measured."""
    plan = planned(question)
    assert (plan.measure, plan.field) == (measure, "speed")


def test_the_fastest_device_now_is_chosen_by_the_latest_speeds() -> None:
    """The adjective names the field itself."""
    plan = planned("Which vehicle is fastest right now?")
    assert (plan.measure, plan.field, plan.group_by, plan.rank) == (Measure.LATEST, "speed", (Grouping.DEVICE,), 1)


@pytest.mark.parametrize(
    "question",
    [
        "Which vehicles have not sent anything in the last hour?",
        "which vehicles sent no data today",
        "Which vehicles are offline?",
    ],
)
def test_silent_devices_are_seen_among_the_last_readings_of_all(question: str) -> None:
    """Those that were heard could not be told from those that were not by readings of that hour."""
    plan = planned(question)
    assert (plan.measure, plan.group_by, plan.scope.times) == (Measure.COVERAGE, (Grouping.DEVICE,), ())


def test_whether_a_device_sent_anything_is_whether_there_are_readings() -> None:
    """Of that time."""
    plan = planned("Has van-7 sent anything in the last hour?")
    assert (plan.measure, plan.focus, len(plan.scope.times)) == (Measure.COUNT, Focus.YES_NO, 1)


@pytest.mark.parametrize(
    "question", ["average speed of all trucks", "average speed of trucks", "which truck is fastest?"]
)
def test_a_kind_of_devices_is_no_word_for_all_of_them(question: str) -> None:
    """Though the description has it: only some vehicles would be taken for all."""
    assert isinstance(plan_question(question, CATALOGUE, NOW), Declined)


@pytest.mark.parametrize("question", ["number of faults per machine", "number of IDLE hours per machine this month"])
def test_the_number_of_states_is_counted(question: str) -> None:
    """A list without numbers would be no answer."""
    plan = planned(question)
    assert (plan.measure, plan.group_by, plan.focus) == (Measure.COUNT, (Grouping.DEVICE,), Focus.VALUE)


def test_this_morning_is_not_every_morning() -> None:
    """On neither side of a comparison."""
    plan = planned("average speed this morning vs this afternoon")
    assert plan.compared_with is not None
    assert (plan.scope.day_times, plan.compared_with.day_times) == ((), ())
    assert plan.scope.times[0].start == datetime(2026, 11, 21, 6, tzinfo=UTC)


def test_when_something_last_ran_is_not_when_it_was_last_heard_of() -> None:
    """The latest reading may say that it stood still."""
    assert isinstance(plan_question("When did the engine of truck-1 last run?", CATALOGUE, NOW), Declined)


def test_states_per_device_are_counted() -> None:
    """Without any word for counting, too."""
    plan = planned("fault hours per machine")
    assert (plan.measure, plan.group_by, plan.focus) == (Measure.COUNT, (Grouping.DEVICE,), Focus.VALUE)


def test_a_contract_that_is_not_there_is_said_to_be_missing() -> None:
    """There are others, so there are readings."""
    declined = plan_question("average speed", CATALOGUE, NOW, contract="nope")
    assert isinstance(declined, Declined)
    assert declined.text == "There is no contract of that name with readings."


def test_a_whole_number_with_few_values_can_be_chosen() -> None:
    """As values of text fields can."""
    plan = planned("Which gear has the highest average speed?")
    assert (plan.measure, plan.field, plan.group_field, plan.rank) == (Measure.AVG, "speed", "gear", 1)
