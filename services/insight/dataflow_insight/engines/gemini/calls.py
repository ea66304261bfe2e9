"""Reads the model's tool calls: strict proto JSON for plans, known reasons and no number for declines."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from dataflow.insight.v1 import plan_pb2
from google.protobuf.json_format import ParseDict, ParseError

from dataflow_insight.catalogue.catalogue import Catalogue
from dataflow_insight.engines.engine import Asked
from dataflow_insight.engines.gemini.redaction import Redactor
from dataflow_insight.engines.gemini.schema import OURS
from dataflow_insight.english import refusals
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.messages import plan_from_proto
from dataflow_insight.plans.plan import Decline, Declined, Difference, Measure, Plan

_NEIGHBOURS: Final = 1.5
_MOST_TEXT: Final = 300
_MOST_PLACES: Final = 20_000
_PLAIN: Final = re.compile(r"(?:[^\W\d_]|[ \n.,;?!'\"()\u2019-])+")
_NUMBER: Final = re.compile(
    r"\d|\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w*(?:teen|ty)|hundreds?|thousands?"
    r"|millions?|billions?|dozens?|half|twice|percent)\b",
    re.IGNORECASE,
)


def read_plan(arguments: Mapping[str, Any], asked: Asked, redactor: Redactor) -> Plan:
    """Returns the plan that the model means, in the asker's time zone.

    Raises:
        PlanError: It is no plan, or names what the model must not know of.
    """
    for name in OURS:
        member = name.partition(".")[2]
        if member in arguments or _camel(member) in arguments:
            raise PlanError(f"{member} is not yours to set")
    message = plan_pb2.QueryPlan()
    try:
        ParseDict(dict(arguments), message, ignore_unknown_fields=False, max_recursion_depth=20)
    except (ParseError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise PlanError(f"the plan cannot be read: {str(error)[:_MOST_TEXT]}") from error
    if message.ByteSize() > _MOST_PLACES:
        raise PlanError("the plan is too long")
    plan = redactor.real(plan_from_proto(message))
    if (hidden := redactor.hidden_name(plan)) is not None:
        raise PlanError(f"there is no {hidden!r}")
    if asked.contract and plan.contract != asked.contract:
        raise PlanError(f"only the contract {asked.contract!r} may be used")
    plan = replace(plan, time_zone=asked.zone.key)
    return replace(plan, neighbour_within=_neighbours(plan, asked.catalogue))


def read_decline(arguments: Mapping[str, Any], *, computed: bool) -> Declined:
    """Returns why the model gives no answer; in our words where its own hold a number or anything but plain text.

    Args:
        arguments: As the model gave them.
        computed: Whether a plan was computed.

    Raises:
        PlanError: The reason is none, or does not fit.
    """
    name = arguments.get("reason")
    reason = Decline.__members__.get(name) if isinstance(name, str) else None
    if reason is None:
        raise PlanError(f"reason is none of {', '.join(Decline.__members__)}")
    if reason is Decline.NO_DATA and not computed:
        raise PlanError("NO_DATA only after a plan was computed; compute one")
    written = arguments.get("text")
    text = written.strip() if isinstance(written, str) else ""
    fits = (
        len(text) <= _MOST_TEXT
        and _PLAIN.fullmatch(text)
        and not _NUMBER.search(text)
        and not any(letter.isnumeric() for letter in text)
    )
    return Declined(reason, " ".join(text.split()) if fits else _OWN[reason])


_OWN: Final = {
    Decline.UNKNOWN_DEVICE: "There is no device of that name: nothing is known about it.",
    Decline.UNKNOWN_FIELD: "That is not measured: the data have no such field.",
    Decline.FUTURE: refusals.future().text,
    Decline.OFF_TOPIC: refusals.off_topic().text,
    Decline.NOT_UNDERSTOOD: refusals.unclear().text,
    Decline.AMBIGUOUS: "The question can mean several things; please say which device, field or time is meant.",
    Decline.NO_DATA: refusals.nothing_stored().text,
}


def _neighbours(plan: Plan, catalogue: Catalogue) -> timedelta | None:
    """Returns how far apart neighbours may be: as the plan says, else by the contract's cadence."""
    needs = plan.measure is Measure.STREAK or plan.difference is not Difference.NONE
    contract = catalogue.contract_named(plan.contract)
    if plan.neighbour_within is not None or not needs or contract is None or contract.cadence is None:
        return plan.neighbour_within
    return contract.cadence * _NEIGHBOURS


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)
