"""Proposes a contract and a device rule from messages that were seen, and tells what it saw. Pure.

It proposes what the sample proves and no more: types from all values, optional where a member was missing, nullable where
null came. Bounds are not proposed, since the next value is rarely between those of the sample; an enumeration only where
few strings came very often. What it guesses from a name (units, which member is the time) it says, so that a person who
knows the device can correct it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dataflow_validator.contracts.checks import check_spec
from dataflow_validator.contracts.errors import ContractError
from dataflow_validator.contracts.event_time import read_moment
from dataflow_validator.contracts.guesses import TIME_NAMES, is_epoch, is_identifying, is_time_name, rank, unit_of
from dataflow_validator.contracts.parse import (
    DEFAULT_MAX_DEPTH,
    DEFAULT_MAX_PAYLOAD_BYTES,
    UnparsableError,
    parse,
)
from dataflow_validator.contracts.profile import Profile, SeenField
from dataflow_validator.contracts.sample import FEW_ITEMS, Message, device_rule, pointer_text, warnings_of
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType, Json, UnknownFields

_RARE_SHARE: Final = 0.02
_PLAUSIBLE_SHARE: Final = 0.9
_PLAIN_KINDS: Final = {"boolean": FieldType.BOOLEAN, "array": FieldType.ARRAY, "object": FieldType.OBJECT}
_ENUM_VALUES: Final = 6
_ENUM_ITEMS: Final = 100
_ENUM_REPEATS: Final = 5


@dataclass(frozen=True, slots=True)
class Proposed:
    """A field, what was seen of it, and why it is proposed so."""

    spec: FieldSpec
    seen: SeenField
    note: str


@dataclass(frozen=True, slots=True)
class Inferred:
    """What is proposed, and what was seen.

    Attributes:
        spec: The contract; `None` where nothing can be proposed: no JSON object was seen.
        device_rule: How a route finds the device.
        device_note: Why so.
        fields: The fields with what was seen of each.
        messages: Messages of the sample.
        items: Items that were objects.
        unparsable: Messages that are no JSON.
        scalars: Items that are JSON and no object.
        topics: Topics and their messages, the most frequent first.
        warnings: What a person should know before saying yes.
    """

    spec: ContractSpec | None
    device_rule: str
    device_note: str
    fields: Sequence[Proposed]
    messages: int
    items: int
    unparsable: int
    scalars: int
    topics: Sequence[tuple[str, int]]
    warnings: Sequence[str]


def infer(name: str, messages: Sequence[Message], topic_filter: str) -> Inferred:
    """Looks at messages and proposes.

    Args:
        name: Of the contract.
        messages: The sample; their topics match the filter.
        topic_filter: Of the route to be made.
    """
    profile = Profile()
    topics: Counter[str] = Counter()
    shape_topics: dict[frozenset[str], Counter[str]] = {}
    unparsable = scalars = 0
    for message in messages:
        topics[message.topic] += 1
        try:
            document, _ = parse(message.payload, DEFAULT_MAX_PAYLOAD_BYTES, DEFAULT_MAX_DEPTH)
        except UnparsableError:
            unparsable += 1
            continue
        for item in document if isinstance(document, list) else [document]:
            if isinstance(item, dict):
                profile.add(item)
                shape_topics.setdefault(frozenset(item), Counter())[message.topic] += 1
            else:
                scalars += 1
    proposed = [_proposed(seen, profile.items) for seen in profile.leaves()]
    rule, why = device_rule(topic_filter, messages, profile)
    proposed = [_without_enum(one) if f"payload:{pointer_text(one.seen)}" == rule else one for one in proposed]
    warnings = warnings_of(profile, shape_topics, unparsable, scalars)
    spec = None
    if profile.items:
        event_time = _event_time(proposed, messages, profile.items)
        if event_time is None:
            warnings.append("no member is surely the time of the reading: the receive time is taken")
        spec = _spec(name, proposed, event_time, warnings)
    return Inferred(
        spec, rule, why, proposed, len(messages), profile.items, unparsable, scalars, topics.most_common(), warnings
    )


def _spec(name: str, proposed: list[Proposed], event_time: str | None, warnings: list[str]) -> ContractSpec:
    """Makes the contract; a field that makes it impossible (a name that no column can have) is left to `extra`."""
    fields = [one.spec for one in proposed]
    while True:
        # Where no member can be a field: any object, kept in `extra`.
        schema: dict[str, Json] | None = None if fields else {"type": "object"}
        spec = ContractSpec(
            name, fields=tuple(fields), json_schema=schema, event_time=event_time, unknown=UnknownFields.KEEP
        )
        try:
            check_spec(spec)
        except ContractError as error:
            culprit = next((item for item in fields if item.name != event_time and _fails(name, item)), None)
            if culprit is None:
                warnings.append(f"the proposal needs a hand: {error}")
                return spec
            fields.remove(culprit)
            warnings.append(f"{culprit.name!r} can be no column; it is kept in `extra`")
        else:
            return spec


def _fails(name: str, item: FieldSpec) -> bool:
    try:
        check_spec(ContractSpec(name, fields=(item,)))
    except ContractError:
        return True
    return False


def _proposed(seen: SeenField, items: int) -> Proposed:
    kind, note = _kind(seen)
    enum: tuple[str, ...] = ()
    if kind is FieldType.STRING and _is_enum(seen):
        enum = tuple(sorted(str(value) for value in seen.values))
        note = f"only {len(enum)} values came"
    unit = unit_of(seen.tokens[-1]) if kind in {FieldType.NUMBER, FieldType.INTEGER} else ""
    spec = FieldSpec(
        seen.name,
        kind,
        required=seen.present == items,
        nullable="null" in seen.types,
        enum=enum,
        description=f"perhaps in {unit}, by its name" if unit else "",
    )
    return Proposed(spec, seen, note)


def _kind(seen: SeenField) -> tuple[FieldType, str]:
    kinds = seen.kinds
    if not kinds:
        return FieldType.JSON, "nothing but null came"
    kinds, note = _main_kinds(seen)
    if kinds <= {"integer", "number"}:
        numbers = [value for value in seen.values if isinstance(value, int | float)]
        if is_time_name(seen.tokens[-1]) and not note and all(map(is_epoch, numbers)):
            return FieldType.TIMESTAMP, "epoch numbers, by name and magnitude"
        if "number" in kinds:
            return FieldType.NUMBER, note
        if unit_of(seen.tokens[-1]):
            return FieldType.NUMBER, note or "whole numbers only so far; a measurement by its name"
        return FieldType.INTEGER, note
    if kinds == {"string"}:
        texts = [value for value in seen.values if isinstance(value, str)]
        if texts and all(read_moment(value) is not None for value in texts):
            return FieldType.TIMESTAMP, note or "text in the form of a moment"
        return FieldType.STRING, note
    if len(kinds) == 1:
        return _PLAIN_KINDS[next(iter(kinds))], note
    return FieldType.JSON, f"types differ: {', '.join(sorted(kinds))}"


def _main_kinds(seen: SeenField) -> tuple[frozenset[str], str]:
    """Leaves out types that are too rare to be meant: a defect now and then must not make a field take everything."""
    of_kind = Counter({kind: count for kind, count in seen.types.items() if kind != "null"})
    numeric = frozenset({"integer", "number"})
    total = of_kind.total()
    for main in (numeric, *(frozenset({kind}) for kind in of_kind)):
        count = sum(of_kind[kind] for kind in main)
        if total >= FEW_ITEMS and 0 < total - count <= total * _RARE_SHARE:
            others = ", ".join(sorted(of_kind.keys() - main))
            return main & of_kind.keys(), f"{total - count} of {total} values would be refused: {others}"
    return seen.kinds, ""


def _is_enum(seen: SeenField) -> bool:
    return (
        not seen.more_values
        and 2 <= seen.distinct <= _ENUM_VALUES
        and seen.present >= _ENUM_ITEMS
        and min(seen.values.values()) >= _ENUM_REPEATS
        and not is_identifying(seen.tokens[-1])
    )


def _without_enum(one: Proposed) -> Proposed:
    if not one.spec.enum:
        return one
    written = one.spec.to_dict()
    written.pop("enum", None)
    return Proposed(FieldSpec.from_dict(written), one.seen, "")


def _event_time(proposed: Sequence[Proposed], messages: Sequence[Message], items: int) -> str | None:
    """Chooses the member that says when: always there, a plausible moment, and so called."""
    newest = max(message.receive_time for message in messages)
    candidates = []
    for one in proposed:
        if one.spec.type is not FieldType.TIMESTAMP or one.seen.present < items or "null" in one.seen.types:
            continue
        moments = [found.time for value in one.seen.values if (found := read_moment(value)) is not None]
        plausible = sum(moment.year >= 2000 and moment <= newest + timedelta(days=1) for moment in moments)
        if moments and plausible >= len(moments) * _PLAUSIBLE_SHARE:
            candidates.append((rank(one.seen.tokens[-1], TIME_NAMES), len(one.seen.tokens), one.spec.name))
    return min(candidates)[2] if candidates else None
