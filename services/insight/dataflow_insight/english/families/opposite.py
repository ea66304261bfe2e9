"""All that one side of a comparison leaves out: other devices, other days, the limit the other way round."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Final

from dataflow_insight.english.families.pieces import Kind
from dataflow_insight.english.refusals import Refusal, unclear
from dataflow_insight.plans.plan import Comparison, Condition, DayTime, Scope, TimeRange

_OTHER_WAY: Final = {
    Comparison.GREATER: Comparison.LESS_OR_EQUAL,
    Comparison.GREATER_OR_EQUAL: Comparison.LESS,
    Comparison.LESS: Comparison.GREATER_OR_EQUAL,
    Comparison.LESS_OR_EQUAL: Comparison.GREATER,
    Comparison.EQUAL: Comparison.NOT_EQUAL,
    Comparison.NOT_EQUAL: Comparison.EQUAL,
}
_MIDNIGHT: Final = 24 * 60
_DAY: Final = timedelta(days=1)


def opposite(scope: Scope, kind: Kind, words: str = "") -> Scope:
    """Returns the scope that differs in one kind only, and leaves out what the given one has.

    Args:
        scope: The first side.
        kind: What the sides differ in.
        words: What the question calls the other side: "the rest of the month" stays within the month.

    Raises:
        Refusal: What is left out cannot be said in one scope.
    """
    match kind:
        case Kind.DEVICE:
            return replace(scope, device_ids=(), excluded_device_ids=scope.device_ids)
        case Kind.TIME if len(scope.times) == 1 and re.search(r"\b(?:day|week|month|year)\b", words):
            return replace(scope, times=_rest_of_month(scope.times[0], words))
        case Kind.TIME if len(scope.times) == 1:
            return replace(scope, times=_around(scope.times[0]))
        case Kind.RECURRING if scope.weekdays and not scope.day_times:
            return replace(scope, weekdays=tuple(day for day in range(1, 8) if day not in scope.weekdays))
        case Kind.RECURRING if len(scope.day_times) == 1 and not scope.weekdays:
            part = scope.day_times[0]
            end = part.start_minute or _MIDNIGHT
            return replace(scope, day_times=(DayTime(part.end_minute % _MIDNIGHT, end),))
        case Kind.LIMIT if len(scope.conditions) == 1:
            return replace(scope, conditions=(_turned(scope.conditions[0]),))
        case _:
            raise Refusal(unclear("It is not clear what the other side of the comparison is; please name it."))


def earlier(scope: Scope, unit: str) -> Scope:
    """Returns the scope one day, week or month before.

    Raises:
        Refusal: The scope is not one stretch of that length.
    """
    span = scope.times[0] if len(scope.times) == 1 else TimeRange()
    if span.start is None or span.end is None:
        raise Refusal(unclear("It is not clear which time the one before is counted from."))
    if unit == "month":
        first = (span.start.replace(day=1) - _DAY).replace(day=1)
        if span.start.day != 1 or span.end.day != 1 or span.end - span.start > 31 * _DAY:
            raise Refusal(unclear("It is not clear which month is meant; please name both."))
        return replace(scope, times=(TimeRange(first, span.start),))
    length = _DAY if unit == "day" else 7 * _DAY
    if span.end - span.start > length:
        raise Refusal(unclear("It is not clear which time is meant by the one before; please name both."))
    return replace(scope, times=(TimeRange(span.start - length, span.end - length),))


def _rest_of_month(span: TimeRange, words: str) -> tuple[TimeRange, ...]:
    if "month" not in words or span.start is None or span.end is None:
        raise Refusal(unclear("It is not clear which time is meant by the rest; please name it."))
    first = span.start.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last = (first + 32 * _DAY).replace(day=1)
    if span.end > last:
        raise Refusal(unclear("It is not clear which month is meant; please name both times."))
    before = (TimeRange(first, span.start),) if first < span.start else ()
    after = (TimeRange(span.end, last),) if span.end < last else ()
    if not (*before, *after):
        raise Refusal(unclear("The month has no rest to compare with."))
    return (*before, *after)


def _around(span: TimeRange) -> tuple[TimeRange, ...]:
    before = (TimeRange(None, span.start),) if span.start is not None else ()
    after = (TimeRange(span.end, None),) if span.end is not None else ()
    return (*before, *after)


def _turned(condition: Condition) -> Condition:
    if isinstance(condition.limit, bool):
        return replace(condition, limit=not condition.limit)
    return replace(condition, comparison=_OTHER_WAY[condition.comparison])
