"""The catalogue as the model sees it: bounded, what the question names first, and quoted so that it stays data."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from dataflow_insight.catalogue.catalogue import Contract, Field, key_of
from dataflow_insight.engines.engine import Asked, Turn
from dataflow_insight.engines.gemini.limits import Limits
from dataflow_insight.engines.gemini.mentions import devices_in
from dataflow_insight.engines.gemini.redaction import Redactor
from dataflow_insight.plans.messages import plan_to_proto
from dataflow_insight.queries.table import iso

_MOST_FIELDS: Final = 100
_MOST_NAMED: Final = 100
_MOST_VALUES: Final = 20
_DESCRIPTION: Final = 300
_TURN_TEXT: Final = 600

Sample = Mapping[str, Sequence[Mapping[str, object]]]
"""A few readings by contract."""


def catalogue_json(asked: Asked, redactor: Redactor, limits: Limits, sample: Sample) -> str:
    """Returns what can be asked about as one line of JSON within the limits.

    Args:
        asked: The question, which decides what comes first.
        redactor: Decides what may be seen.
        limits: For characters and device ids.
        sample: Readings to show, already redacted.
    """
    visible = redactor.catalogue.contracts
    if asked.contract:
        visible = tuple(contract for contract in visible if contract.name == asked.contract)
    keys = {key_of(word) for word in asked.question.split()}
    mentioned = {mention.device for mention in devices_in(asked.question, visible)}
    ranked = sorted(visible, key=lambda contract: _rank(contract, keys, mentioned))
    shown: list[dict[str, Any]] = []
    others: list[str] = []
    left = limits.context_characters
    for contract in ranked:
        if left <= 0:
            others.append(contract.name)
            continue
        entry = _contract(contract, keys, mentioned, redactor, limits)
        if rows := sample.get(contract.name):
            entry["sample_readings"] = [dict(row) for row in rows]
        left -= len(quoted_json(entry))
        if left > 0:
            shown.append(entry)
        else:
            others.append(contract.name)
    return quoted_json({"contracts": shown, **({"more_contracts": others[:_MOST_NAMED]} if others else {})})


def turns_json(turns: Sequence[Turn], redactor: Redactor, limits: Limits) -> str:
    """Returns the newest earlier questions of the conversation as one line of JSON; empty where there are none."""
    entries = [_turn(turn, redactor) for turn in turns[-limits.turns :] if _may_be_seen(turn, redactor)]
    while entries and len(quoted_json(entries)) > limits.context_characters // 4:
        entries.pop(0)
    return quoted_json(entries) if entries else ""


def quoted_json(value: object) -> str:
    """Returns JSON in one line in which nothing from data can end a block, hide or turn the direction of reading."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return "".join(letter if letter.isprintable() and letter not in "<>" else _escaped(letter) for letter in text)


def _turn(turn: Turn, redactor: Redactor) -> dict[str, Any]:
    entry: dict[str, Any] = {"question": redactor.outward(turn.question[:_TURN_TEXT])}
    if redactor.policy.values:
        entry["answer"] = redactor.outward(turn.answer[:_TURN_TEXT])
    return {**entry, "plans": [_plan(plan, redactor) for plan in turn.plans]}


def _may_be_seen(turn: Turn, redactor: Redactor) -> bool:
    """Returns whether neither the words of a turn nor what was computed for them are withheld."""
    if any(redactor.hidden_name(plan) is not None for plan in turn.plans):
        return False
    return not redactor.names_withheld(f"{turn.question} {turn.answer}")


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def _rank(contract: Contract, keys: set[str], mentioned: set[str]) -> tuple[bool, bool, bool, str]:
    """Returns a key that sorts what the question names first, and what DataFlow itself made last."""
    names_device = bool(mentioned) and any(device in mentioned for device in contract.devices)
    names_field = any(_named(field, keys) for field in contract.fields)
    return (
        not (key_of(contract.name) in keys or names_device or names_field),
        contract.builtin,
        contract.first_time is None,
        contract.name,
    )


def _contract(
    contract: Contract, keys: set[str], mentioned: set[str], redactor: Redactor, limits: Limits
) -> dict[str, Any]:
    named = [device for device in contract.devices if device in mentioned]
    others = [device for device in contract.devices if device not in mentioned][: limits.device_ids]
    fields = sorted(contract.fields, key=lambda field: not _named(field, keys))[:_MOST_FIELDS]
    entry: dict[str, Any] = {"name": contract.name}
    if contract.description:
        entry["description"] = redactor.outward(contract.description[:_DESCRIPTION])
    if contract.builtin:
        entry["about"] = "connections of devices, not measurements"
    if contract.first_time is not None and contract.last_time is not None:
        entry |= {"first_time": iso(contract.first_time), "last_time": iso(contract.last_time)}
    if contract.cadence is not None:
        entry["seconds_between_readings"] = contract.cadence.total_seconds()
    entry["device_count"] = len(contract.devices) if contract.devices_complete else f"over {len(contract.devices)}"
    entry["device_ids"] = [redactor.alias(device) for device in (*named[:_MOST_NAMED], *others)]
    entry["fields"] = [_field(field, redactor) for field in fields]
    return entry


def _field(field: Field, redactor: Redactor) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": field.name, "kind": field.kind.value}
    if field.unit:
        entry["unit"] = field.unit[:_DESCRIPTION]
    if field.description:
        entry["description"] = redactor.outward(field.description[:_DESCRIPTION])
    # What the contract allows is no reading; what the survey saw is.
    if field.values and (field.values_complete or redactor.policy.sample_rows):
        name = "values" if field.values_complete else "some_values"
        entry[name] = [redactor.outward(value[:_DESCRIPTION]) for value in field.values[:_MOST_VALUES]]
    return entry


def _named(field: Field, keys: Iterable[str]) -> bool:
    return key_of(field.name) in keys


def _plan(plan: Any, redactor: Redactor) -> dict[str, Any]:
    message = plan_to_proto(plan)
    message.ClearField("assumptions")
    for scope in (message.scope, message.compared_with):
        for ids in (scope.device_ids, scope.excluded_device_ids):
            ids[:] = [redactor.alias(device) for device in ids]
    if plan.compared_with is None:
        message.ClearField("compared_with")
    return dict(MessageToDict(message, preserving_proto_field_name=True))
