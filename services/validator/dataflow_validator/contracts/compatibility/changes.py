"""What changed from one revision to another, in order and in sentences."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from dataflow_validator.contracts.compatibility.findings import json_text
from dataflow_validator.contracts.compatibility.nodes import equal
from dataflow_validator.contracts.names import column_of
from dataflow_validator.contracts.pointer import pointer_of
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, Json


class ChangeKind(StrEnum):
    """What happened to a field or a rule."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        kind: What happened.
        field: The field's name; "" for the contract itself. Of a raw JSON Schema, where in it: "#/properties/temp".
        clause: The rule that changed; "" where the field itself was added or removed.
        old: The rule before, as text; "" where there was none.
        new: The rule after, as text; "" where there is none.
        sentence: The same for people.
    """

    kind: ChangeKind
    field: str
    clause: str
    old: str
    new: str
    sentence: str


_FIELD_WORDS: Final = {
    "min": "minimum",
    "max": "maximum",
    "exclusive_min": "exclusive minimum",
    "exclusive_max": "exclusive maximum",
    "multiple_of": "step",
    "min_length": "least length",
    "max_length": "greatest length",
    "enum": "allowed values",
    "members": "member rules",
    "items": "element rules",
}
_CONTRACT_WORDS: Final = {
    "identity": "identity",
    "event_time": "event-time field",
    "event_time_format": "event-time format",
    "event_time_min": "earliest event time",
    "event_time_max": "latest event time",
    "event_time_ahead": "how far event times may be ahead",
    "unknown": "unknown members",
    "coerce": "coercion",
    "conflict": "conflict rule",
    "dedupe_window": "dedupe window",
    "description": "description",
}
_MAX_TEXT: Final = 200


def changes(old: ContractSpec, new: ContractSpec) -> list[Change]:
    """List what changed: the contract's own rules, then fields in the order of the new revision, then its JSON Schema.

    Args:
        old: The revision before.
        new: The revision after.
    """
    derived = old.fields_from_schema and new.fields_from_schema
    found = list(_contract_changes(old, new))
    # Fields that were derived from the JSON Schema add no rule: their changes are told at the schema.
    found += [] if derived else list(_field_changes(old, new))
    if old.json_schema is not None or new.json_schema is not None:
        found += _schema_changes(old.json_schema, new.json_schema)
    return found


def _contract_changes(old: ContractSpec, new: ContractSpec) -> Iterator[Change]:
    for name, words in _CONTRACT_WORDS.items():
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield _change("", name, f"the {words}", _text(before), _text(after))


def _field_changes(old: ContractSpec, new: ContractSpec) -> Iterator[Change]:
    before = {field.tokens: field for field in old.fields}
    after = {field.tokens: field for field in new.fields}
    for field in new.fields:
        known = before.get(field.tokens)
        if known is None:
            kind = "required" if field.required and not field.has_default else "optional"
            text = f"{kind} field {field.name!r} ({field.type}) is new; its column is {column_of(field).name!r}"
            yield Change(ChangeKind.ADDED, field.name, "", "", str(field.type), text)
        else:
            yield from _rule_changes(known, field)
    for field in old.fields:
        if field.tokens not in after:
            text = (
                f"field {field.name!r} ({field.type}) is gone; its column {column_of(field).name!r} stays with its rows"
            )
            yield Change(ChangeKind.REMOVED, field.name, "", str(field.type), "", text)


def _rule_changes(old: FieldSpec, new: FieldSpec) -> Iterator[Change]:
    for item in dataclasses.fields(FieldSpec):
        before, after = getattr(old, item.name), getattr(new, item.name)
        if item.name in {"name", "has_default"}:
            continue
        if item.name == "default":
            # Null is a default, too.
            before = json_text(old.default) if old.has_default else None
            after = json_text(new.default) if new.has_default else None
        if before is after or (type(before) is type(after) and before == after):
            continue
        words = _FIELD_WORDS.get(item.name, item.name.replace("_", " "))
        yield _change(new.name, item.name, f"field {new.name!r}: {words}", _text(before), _text(after))


_UNSET: Final = (None, (), "")


def _text(value: object) -> str:
    if any(value is unset or (value == unset and type(value) is type(unset)) for unset in _UNSET):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, FieldSpec):
        return json_text(value.to_dict())
    if isinstance(value, tuple):
        return ", ".join(
            json_text(item.to_dict()) if isinstance(item, FieldSpec) else json_text(item) for item in value
        )
    return value if isinstance(value, str) else json_text(value)  # type: ignore[arg-type]


def _change(where: str, clause: str, what: str, old: str, new: str) -> Change:
    if not old:
        return Change(ChangeKind.ADDED, where, clause, "", new, f"{what} is now {_shown(new)}, was not set")
    if not new:
        return Change(ChangeKind.REMOVED, where, clause, old, "", f"{what} is no longer set, was {_shown(old)}")
    return Change(ChangeKind.CHANGED, where, clause, old, new, f"{what} changed from {_shown(old)} to {_shown(new)}")


def _shown(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def _schema_changes(old: Json, new: Json) -> list[Change]:
    if old is None or new is None:
        kind, what = (ChangeKind.ADDED, "is new") if old is None else (ChangeKind.REMOVED, "is gone")
        return [
            Change(
                kind,
                "#",
                "json_schema",
                json_text(old) if old else "",
                json_text(new) if new else "",
                f"a JSON Schema {what}",
            )
        ]
    return list(_differences(old, new, ()))


def _differences(old: Json, new: Json, place: tuple[str | int, ...]) -> Iterator[Change]:
    """Walk two documents side by side; a difference is told at the innermost object member."""
    if equal(old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            if key in old and key in new:
                yield from _differences(old[key], new[key], (*place, key))
            else:
                yield _schema_change((*place, key), old.get(key), new.get(key), was=key in old)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and _holds_schemas(old, new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, after, (*place, index))
    else:
        what = f"the JSON Schema at #{pointer_of(place)}" if place else "the JSON Schema"
        where, clause = _where(place)
        yield Change(
            ChangeKind.CHANGED,
            where,
            clause,
            json_text(old),
            json_text(new),
            f"{what} changed from {_shown(json_text(old))} to {_shown(json_text(new))}",
        )


def _holds_schemas(*parts: list[Json]) -> bool:
    return all(isinstance(item, dict) for part in parts for item in part)


def _where(place: tuple[str | int, ...]) -> tuple[str, str]:
    return "#" + pointer_of(place[:-1]), str(place[-1]) if place else ""


def _schema_change(place: tuple[str | int, ...], old: Json, new: Json, *, was: bool) -> Change:
    where, clause = _where(place)
    is_member = len(place) >= 2 and place[-2] == "properties"
    if is_member:
        kind = ChangeKind.REMOVED if was else ChangeKind.ADDED
        text = f"property {place[-1]!r} at #{pointer_of(place[:-2])} is {'gone' if was else 'new'}"
        return Change(
            kind, "#" + pointer_of(place), "", json_text(old) if was else "", "" if was else json_text(new), text
        )
    return _change(
        where,
        clause,
        f"the JSON Schema's {clause} at {where}",
        json_text(old) if was else "",
        "" if was else json_text(new),
    )
