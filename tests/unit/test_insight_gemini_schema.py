"""The tools that the model gets: the plan's schema follows the proto, and calls are read strictly."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dataflow.insight.v1 import plan_pb2
from dataflow_insight.engines.gemini.calls import read_decline, read_plan
from dataflow_insight.engines.gemini.redaction import Policy, Redactor
from dataflow_insight.engines.gemini.schema import OURS, short_name, tools
from dataflow_insight.engines.gemini.words import DECLINES, WORDS
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.messages import plan_from_proto, plan_to_proto
from dataflow_insight.plans.plan import Decline, Grouping, Measure, Plan
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict

from tests.gemini_desk import PLAN, asked


def reachable(descriptor: Descriptor) -> Iterator[str]:
    """Yield every field and value that a plan can hold, by short name."""
    for field in descriptor.fields:
        yield short_name(field)
        if field.enum_type is not None:
            yield from (short_name(value) for value in field.enum_type.values if value.number)
        elif field.message_type is not None and field.message_type.file.name == descriptor.file.name:
            yield from reachable(field.message_type)


def read(arguments: dict[str, Any], **more: Any) -> Plan:
    """Return the plan that a call means."""
    question = asked(**more)
    return read_plan(arguments, question, Redactor(Policy(), question.catalogue))


def test_every_part_of_a_plan_has_words_and_no_words_are_left_over() -> None:
    """A field that is added to the proto fails here until the model is told what it is for."""
    assert set(WORDS) == set(reachable(plan_pb2.QueryPlan.DESCRIPTOR)) - OURS
    assert set(DECLINES) == set(Decline)


def test_the_schema_has_every_field_but_ours_and_nothing_else() -> None:
    """Objects are closed, enumerations list their values, references are spelled out."""
    schema = tools()[0].schema
    fields = {field.name for field in plan_pb2.QueryPlan.DESCRIPTOR.fields}

    assert set(schema["properties"]) == fields - {name.partition(".")[2] for name in OURS}
    assert schema["additionalProperties"] is False
    assert "MEASURE_STREAK" in schema["properties"]["measure"]["enum"]
    assert "MEASURE_UNSPECIFIED" not in schema["properties"]["measure"]["enum"]
    assert schema["properties"]["scope"]["properties"]["conditions"]["items"]["type"] == "object"
    assert "$ref" not in str(schema)


def test_what_the_schema_allows_is_read_back_as_the_same_plan() -> None:
    """Proto JSON as the tool describes it becomes the plan that the proto means."""
    plan = read(PLAN)

    message = plan_to_proto(plan)
    message.time_zone = ""
    again = read(MessageToDict(message, preserving_proto_field_name=True))
    assert again == plan
    assert plan_from_proto(plan_to_proto(plan)) == plan


def test_both_spellings_of_proto_json_are_read() -> None:
    """Models mix them up."""
    assert read({"contract": "air", "measure": "MEASURE_MAX", "field": "pm25", "groupBy": ["GROUPING_DEVICE"]}).group_by == (Grouping.DEVICE,)  # fmt: skip


def test_neighbours_follow_the_cadence_where_the_model_says_nothing() -> None:
    """A streak breaks at a gap, as with the local engine."""
    streak = {"contract": "air", "measure": "MEASURE_STREAK", "holding": [{"field": "pm25", "comparison": "COMPARISON_GREATER", "limit": 100}]}  # fmt: skip

    assert read(streak).neighbour_within == timedelta(hours=1.5)
    assert read({**streak, "neighbour_within": "7200s"}).neighbour_within == timedelta(hours=2)
    assert read(PLAN).neighbour_within is None


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"sql": "SELECT 1"},
        {**PLAN, "sql": "SELECT 1"},
        {**PLAN, "time_zone": "UTC"},
        {**PLAN, "timeZone": "UTC"},
        {**PLAN, "unit": "42 apples"},
        {**PLAN, "assumptions": ["42 is the answer"]},
        {**PLAN, "measure": "MEASURE_GUESS"},
        {**PLAN, "measure": "MEASURE_UNSPECIFIED"},
        {**PLAN, "measure": 99},
        {**PLAN, "measure": ["MEASURE_AVG"]},
        {**PLAN, "measure": None},
        {**PLAN, "field": 7},
        {**PLAN, "field": {"$ne": ""}},
        {**PLAN, "field": "\ud800"},
        {**PLAN, "rank": 1.5},
        {**PLAN, "rank": 2**40},
        {**PLAN, "percentile": "NaN and more"},
        {**PLAN, "scope": ["Gucheng"]},
        {**PLAN, "scope": {"times": [{"start_time": "yesterday"}]}},
        {**PLAN, "scope": {"times": [{"start_time": "99999-01-01T00:00:00Z"}]}},
        {**PLAN, "scope": {"conditions": [{"field": "pm25", "comparison": "COMPARISON_GREATER"}]}},
        {**PLAN, "scope": {"conditions": [{"field": "pm25", "limit": 1}]}},
        {**PLAN, "scope": {"weekdays": [-1]}},
        {**PLAN, "scope": {"device_ids": ["x" * 30_000]}},
        {**PLAN, "join": {"contract": "room", "on": "JOIN_ON_LUCK"}},
        {**PLAN, "neighbour_within": "an hour"},
    ],
)
def test_what_is_no_plan_is_refused_with_a_reason(arguments: dict[str, Any]) -> None:
    """Unknown members, values of other types and what only we set: never passed over, never an exception of another kind."""
    with pytest.raises(PlanError) as refused:
        read(arguments)

    assert str(refused.value)


def test_only_the_asker_s_contract_may_be_used_where_there_is_one() -> None:
    """The request's contract binds the model."""
    with pytest.raises(PlanError, match="only the contract 'room'"):
        read(PLAN, contract="room")


def test_a_decline_in_plain_words_is_told() -> None:
    """The model's own reason is shown where it holds no number."""
    declined = read_decline({"reason": "AMBIGUOUS", "text": "Do you mean the\n office's  temperature?"}, computed=False)

    assert declined.reason is Decline.AMBIGUOUS
    assert declined.text == "Do you mean the office's temperature?"


@pytest.mark.parametrize(
    "text",
    [
        "It was 42.",
        "It was forty-two.",
        "It was seventeen degrees.",
        "It was ٤٢ degrees.",
        "It was Ⅻ.",
        "See https://evil.example",
        "See [here](x)",
        "<b>no</b>",
        "a" * 301,
        "",
        None,
        ["no"],
        "{{0:0:0}}",
        "no\u202eoN",
    ],
)
def test_a_decline_with_anything_else_is_told_in_our_words(text: object) -> None:
    """A refusal shows no number, whoever writes it."""
    declined = read_decline({"reason": "UNKNOWN_FIELD", "text": text}, computed=False)

    assert declined.text == "That is not measured: the data have no such field."


@pytest.mark.parametrize("reason", [None, "", "BECAUSE", 3, ["NO_DATA"], "NO_DATA"])
def test_a_decline_needs_a_reason_that_fits(reason: object) -> None:
    """The reason NO_DATA is for what was computed."""
    with pytest.raises(PlanError):
        read_decline({"reason": reason, "text": "no"}, computed=False)


def test_the_plan_keeps_the_asker_s_zone() -> None:
    """Days and hours are the asker's, whatever the model would prefer."""
    assert read(PLAN) == replace(read(PLAN), time_zone="Asia/Shanghai", measure=Measure.AVG)
