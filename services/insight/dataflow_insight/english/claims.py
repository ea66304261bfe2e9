"""Lets families claim a question, and holds the one that did to every word of it."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from dataflow_insight.english.family import Family
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, unclear
from dataflow_insight.plans.plan import Comparison, Decline, Focus, Grouping, Measure, Plan, Scope

_COUNTS: Final = frozenset({Measure.COUNT, Measure.COVERAGE, Measure.DISTINCT, Measure.GAP})

_LOWER_BOUNDS: Final = frozenset({Comparison.GREATER, Comparison.GREATER_OR_EQUAL, Comparison.EQUAL})
_UPPER_BOUNDS: Final = frozenset({Comparison.LESS, Comparison.LESS_OR_EQUAL, Comparison.EQUAL})


def plans_of(reading: Reading, families: Iterable[Family]) -> tuple[Plan, ...]:
    """Returns the plans of the first family that claims the question.

    Args:
        reading: Opened.
        families: In the order in which they are asked.

    Raises:
        Refusal: It cannot be answered, or a word of it was not read.
        TimeError: The times make no range.
        ConditionError: A limit cannot be applied.
    """
    for family in families:
        try:
            planned = family(reading)
        except Refusal as refusal:
            if refusal.declined.reason is Decline.NOT_UNDERSTOOD:
                _refuse_unknown_names(reading)
            raise
        if planned is None:
            continue
        plans = planned if isinstance(planned, tuple) else (planned,)
        first = plans[0]
        if any(_contradicts(plan.scope) for plan in plans):
            raise Refusal(unclear("The limits leave no value; please ask for one of them at a time."))
        reading.settle(
            measured=bool(first.field or first.scope.conditions or first.holding),
            counts=first.measure in _COUNTS,
            coverage=first.measure is Measure.COVERAGE,
        )
        return tuple(
            replace(
                _of_its_only_device(plan),
                time_zone=reading.zone.key,
                unit=plan.unit or reading.units.get(plan.field, ""),
                assumptions=tuple(dict.fromkeys([*reading.assumptions, *plan.assumptions])),
            )
            for plan in plans
        )
    raise Refusal(unclear())


def _of_its_only_device(plan: Plan) -> Plan:
    """Returns a plan that ranks nothing where only one device is named: the first of one says nothing of the others."""
    if not plan.rank or len(plan.scope.device_ids) != 1 or Grouping.DEVICE not in plan.group_by:
        return plan
    groups = tuple(group for group in plan.group_by if group is not Grouping.DEVICE)
    if groups:
        return replace(plan, group_by=groups)
    return replace(plan, group_by=(), rank=0, place=0, focus=Focus.VALUE)


def _contradicts(scope: Scope) -> bool:
    """Returns whether no value can stand within the limits: "above 3" and "below 1" belong to two questions."""
    for name in {item.field for item in scope.conditions}:
        limits = [
            (item.comparison, float(item.limit))
            for item in scope.conditions
            if item.field == name and not isinstance(item.limit, (bool, tuple))
        ]
        lows = [limit for comparison, limit in limits if comparison in _LOWER_BOUNDS]
        highs = [limit for comparison, limit in limits if comparison in _UPPER_BOUNDS]
        if not lows or not highs:
            continue
        strict = any(
            (comparison is Comparison.GREATER and limit == max(lows))
            or (comparison is Comparison.LESS and limit == min(highs))
            for comparison, limit in limits
        )
        if max(lows) > min(highs) or (strict and max(lows) == min(highs)):
            return True
    return False


def _refuse_unknown_names(reading: Reading) -> None:
    """Refuses a name that nothing has: that says more than what else is wrong with the question."""
    try:
        reading.settle(measured=bool(reading.names.fields))
    except Refusal as refusal:
        if refusal.declined.reason in {Decline.UNKNOWN_DEVICE, Decline.UNKNOWN_FIELD}:
            raise
