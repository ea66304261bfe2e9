"""Holds the scope of a plan against the catalogue: devices, times, and conditions on fields."""

import math
from collections.abc import Iterable
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract, Field, Kind
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Comparison, Condition, DayTime, Scope, TimeRange

MAX_DEVICES: Final = 1000
"""Most devices that a plan may name."""

MAX_CONDITIONS: Final = 8
"""Most conditions of a scope."""

MAX_TIMES: Final = 64
"""Most stretches of time of a scope."""

MAX_DAY_TIMES: Final = 24
"""Most parts of a day of a scope."""

MAX_TEXTS: Final = 100
"""Most texts of a condition."""

_MINUTES: Final = 24 * 60
_SHOWN: Final = 20


def field_of(contract: Contract, name: str) -> Field:
    """Returns a field by its exact name.

    Raises:
        PlanError: There is none; the text lists those that there are.
    """
    found = contract.field_named(name)
    if found is None:
        known = listed(item.name for item in contract.fields)
        raise PlanError(f"contract {contract.name!r} has no field {name!r}; it has {known}")
    return found


def listed(names: Iterable[str]) -> str:
    """Returns the first names, quoted."""
    given = list(names)
    return ", ".join(repr(name) for name in given[:_SHOWN]) + (", and more" if len(given) > _SHOWN else "")


def check_scope(scope: Scope, contract: Contract, joined: Contract | None) -> None:
    """Checks a scope.

    Args:
        scope: Which readings.
        contract: Of which contract.
        joined: The contract beside it, if there is one.

    Raises:
        PlanError: It names what does not exist, or leaves the bounds.
    """
    known = set(contract.devices)
    if unknown := [device for device in (*scope.device_ids, *scope.excluded_device_ids) if device not in known]:
        raise PlanError(f"contract {contract.name!r} has no device {unknown[0]!r}")
    _check_size("devices", max(len(scope.device_ids), len(scope.excluded_device_ids)), MAX_DEVICES)
    _check_size("stretches of time", len(scope.times), MAX_TIMES)
    _check_size("parts of the day", len(scope.day_times), MAX_DAY_TIMES)
    _check_size("conditions", len(scope.conditions), MAX_CONDITIONS)
    for span in scope.times:
        _check_span(span)
    for part in scope.day_times:
        _check_day_time(part)
    if any(not 1 <= day <= 7 for day in scope.weekdays):
        raise PlanError("weekdays are 1 (Monday) to 7 (Sunday)")
    for condition in scope.conditions:
        check_condition(condition, contract, joined)


def check_condition(condition: Condition, contract: Contract, joined: Contract | None) -> None:
    """Checks a condition against its field.

    Raises:
        PlanError: There is no such field, or it cannot be compared in this way.
    """
    if condition.joined and joined is None:
        raise PlanError(f"the condition on {condition.field!r} is of a joined contract, but the plan has no join")
    item = field_of(joined if condition.joined and joined is not None else contract, condition.field)
    equality = condition.comparison in {Comparison.EQUAL, Comparison.NOT_EQUAL}
    match condition.limit:
        case bool():
            if item.kind is not Kind.BOOLEAN or not equality:
                raise PlanError(f"{condition.field!r} is not yes or no, or not compared with EQUAL or NOT_EQUAL")
        case tuple():
            if item.kind is not Kind.TEXT or not equality:
                raise PlanError(f"{condition.field!r} is not a text, or not compared with EQUAL or NOT_EQUAL")
            if not condition.limit:
                raise PlanError(f"the condition on {condition.field!r} has no texts")
            _check_size("texts of a condition", len(condition.limit), MAX_TEXTS)
            if not all(_storable(text) for text in condition.limit):
                raise PlanError(f"a text that {condition.field!r} is compared with cannot be stored")
        case _:
            if not item.kind.numeric:
                raise PlanError(f"{condition.field!r} holds no numbers, so it cannot be compared with one")
            if not math.isfinite(condition.limit):
                raise PlanError("a limit must be a finite number")


def _check_span(span: TimeRange) -> None:
    if any(moment is not None and moment.tzinfo is None for moment in (span.start, span.end)):
        raise PlanError("times have a zone")
    if span.start is not None and span.end is not None and span.start >= span.end:
        raise PlanError("the time range is empty: its end is not after its start")


def _check_day_time(part: DayTime) -> None:
    if not (0 <= part.start_minute < _MINUTES and 0 < part.end_minute <= _MINUTES):
        raise PlanError("a part of the day starts at minute 0 to 1439 and ends at minute 1 to 1440")
    if part.start_minute == part.end_minute:
        raise PlanError("a part of the day is empty: it ends where it starts")


def _check_size(what: str, size: int, most: int) -> None:
    if size > most:
        raise PlanError(f"too many {what}: {size}, at most {most}")


def _storable(text: str) -> bool:
    """Returns whether Postgres takes it: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)
