"""The careful path of judging: takes any item, finds everything that is wrong with it, and accepts it if nothing is."""

from collections.abc import Sequence
from itertools import chain, islice
from typing import Final

from dataflow_validator.contracts.columns import UnfitError, json_text, merged
from dataflow_validator.contracts.device import MAX_DEVICE_ID_BYTES, DeviceRule, DeviceSource, device_id_of
from dataflow_validator.contracts.event_time import Moment
from dataflow_validator.contracts.identity import IdKind
from dataflow_validator.contracts.outcome import Accepted, Arrival, RefusalKind, Refused
from dataflow_validator.contracts.parse import unstorable_strings, without_surrogates
from dataflow_validator.contracts.plan import Plan
from dataflow_validator.contracts.pointer import MISSING, pointer_of, resolve
from dataflow_validator.contracts.reasons import (
    MAX_REASONS,
    Reason,
    reason,
    root_cause_first,
    schema_reasons,
    storable_text,
)

_ANNOTATED: Final = frozenset({"timestamp", "base64", "hex"})


def judge_carefully(
    plan: Plan, item: object, arrival: Arrival, rule: DeviceRule, element: int | None, hashed: int
) -> Accepted | Refused:
    """Judge one item without shortcuts.

    Args:
        plan: The contract.
        item: The parsed item, after coercion.
        arrival: Its message.
        rule: How to find the device.
        element: Its index in an array message; `None` for other messages.
        hashed: Its content hash, taken before coercion.
    """
    reasons = schema_reasons(plan.validator, without_surrogates(plan.judged_part(item)))
    blamed = {why.path for why in reasons}

    found = rule.find(arrival.topic, arrival.device_id, item)
    device_id = device_id_of(found)
    if device_id is None:
        reasons.append(_device_reason(rule, found))

    moment: Moment | None = None
    if plan.event_tokens is not None:
        value = resolve(item, plan.event_tokens)
        moment = plan.read_moment(value)
        if moment is not None:
            reasons += plan.bounds.reasons(plan.event_tokens, value, moment.time, arrival.receive_time)
        elif storable_text(pointer_of(plan.event_tokens), 512) not in blamed:
            wrong = f"not a moment ({plan.spec.event_time_format}): write RFC 3339, such as 2026-01-31T12:00:00Z"
            reasons.append(reason(plan.event_tokens, "timestamp", "a moment in time", value, wrong))

    values, left = _values(plan, item, moment, blamed, reasons)
    extra = MISSING if reasons else _extra(plan, item, left)
    reasons += _unstorable(plan, item, extra)

    if reasons or device_id is None:
        only_sql = all(why.rule == "storable" for why in reasons)
        kind = RefusalKind.UNSTORABLE if only_sql else RefusalKind.REFUSED
        return refusal(plan, kind, arrival, item, device_id or "", element, hashed, moment, reasons)
    event_time = arrival.receive_time if moment is None else moment.time
    message_id, id_kind = plan.message_id(item, arrival, device_id, element, moment)
    maybe_duplicate = arrival.maybe_duplicate and id_kind is IdKind.BRIDGE
    text = None if extra is MISSING else json_text(extra)
    row = (device_id, event_time, arrival.receive_time, message_id, hashed, maybe_duplicate, *values, text)
    return Accepted(row, id_kind, element or 0, moment is not None and moment.zone_assumed)


def refusal(
    plan: Plan,
    kind: RefusalKind,
    arrival: Arrival,
    item: object,
    device_id: str,
    element: int | None,
    hashed: int,
    moment: Moment | None,
    reasons: Sequence[Reason],
) -> Refused:
    """Refuse an item, with the same message id as if it were accepted, as far as there is enough for it."""
    message_id, id_kind = plan.message_id(item, arrival, device_id, element, moment)
    event_time = None if moment is None else moment.time
    return Refused(kind, device_id, message_id, id_kind, element or 0, hashed, event_time, root_cause_first(reasons))


def _values(
    plan: Plan,
    item: object,
    moment: Moment | None,
    blamed: set[str],
    reasons: list[Reason],
) -> tuple[list[object], object]:
    """Convert the columns one by one; what does not fit adds a reason.

    Returns:
        The columns' values, and as an object what was accepted but fits no column.
    """
    values: list[object] = []
    left: object = {}
    for index, tokens in enumerate(plan.tokens):
        value = resolve(item, tokens)
        if value is MISSING:
            value = plan.defaults.get(index)
        elif index == plan.event_column:
            value = None if moment is None else moment.time
        elif plan.pointers[index] in blamed:
            value = None
        elif value is not None and (convert := plan.converters.get(index)) is not None:
            try:
                value = convert(value)
            except UnfitError as problem:
                if plan.spec.fields_from_schema and problem.rule in _ANNOTATED:
                    # In a JSON Schema "format" and "contentEncoding" only annotate: the schema accepts the text, so it is kept as it is.
                    for token in reversed(tokens):
                        value = {token: value}
                    left = merged(left, value)
                else:
                    wrong = f"the value does not fit its column: {problem.expected}"
                    actual = resolve(value, [str(token) for token in problem.inside])
                    reasons.append(reason((*tokens, *problem.inside), problem.rule, problem.expected, actual, wrong))
                value = None
        values.append(value)
    return values, left


def _extra(plan: Plan, item: object, left: object) -> object:
    """Give what goes into `extra`, or `MISSING`; a value that is no object is kept there whole."""
    if not isinstance(item, dict):
        return item
    if plan.keeps_unknown:
        left = merged(plan.unknown.of(item), left)
    return left or MISSING


def _unstorable(plan: Plan, item: object, extra: object) -> list[Reason]:
    """Name the strings that would be stored and cannot be. Ignored members may hold anything."""
    fields = ((*tokens, *below) for tokens in plan.tokens for below in unstorable_strings(resolve(item, tokens)))
    places = islice(chain(fields, unstorable_strings(extra)), MAX_REASONS)
    wanted = "text without NUL and lone surrogates"
    return [
        reason(place, "storable", wanted, _text_at(item, place), "Postgres cannot store this text")
        for place in dict.fromkeys(places)
    ]


def _text_at(item: object, place: tuple[str | int, ...]) -> object:
    value = resolve(item, [str(token) for token in place])
    return value if isinstance(value, str) else place[-1]


def _device_reason(rule: DeviceRule, found: object) -> Reason:
    expected = f"a device id of 1 to {MAX_DEVICE_ID_BYTES} bytes of text"
    if rule.source is DeviceSource.PAYLOAD:
        if found is MISSING:
            return reason(rule.tokens, "required", expected, MISSING, "the route takes the device id from here")
        return reason(rule.tokens, "device", expected, found, "this is not usable as a device id")
    where = f"level {rule.level} of the topic" if rule.source is DeviceSource.TOPIC else "the sender's identity"
    return reason((), "device", expected, found, f"{where} gives no device id")
