"""Holds a plan against the catalogue, whoever made it: what passes may become SQL."""

import math
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Comparison, Condition, Grouping, Measure, Plan, Scope

MAX_DEVICES: Final = 1000
"""Most devices that a plan may name."""

MAX_RANK: Final = 1000
"""Most groups that a ranking may ask for."""

MAX_CONDITIONS: Final = 8
"""Most conditions of a plan."""

_NUMERIC: Final = frozenset({Measure.AVG, Measure.MIN, Measure.MAX, Measure.SUM})


def check_plan(plan: Plan, catalogue: Catalogue) -> Contract:
    """Returns the plan's contract.

    Args:
        plan: From any engine; nothing in it is trusted.
        catalogue: What exists.

    Raises:
        PlanError: It names what does not exist, asks what the field cannot give, or leaves the bounds.
    """
    contract = catalogue.contract_named(plan.contract)
    if contract is None:
        raise PlanError(f"there is no contract {plan.contract!r}")
    measured = _field(contract, plan.field) if plan.field else None
    if measured is None and plan.measure not in {Measure.COUNT, Measure.COVERAGE}:
        raise PlanError(f"{plan.measure.name} needs a field")
    if measured is not None and plan.measure is Measure.COVERAGE:
        raise PlanError("COVERAGE is over readings, not over a field")
    if measured is not None and plan.measure in _NUMERIC and not measured.kind.numeric:
        raise PlanError(f"{measured.name!r} holds no numbers")
    if measured is not None and plan.measure is Measure.LATEST and measured.kind is Kind.OTHER:
        raise PlanError(f"{measured.name!r} holds no single value")
    for condition in plan.scope.conditions:
        _check_condition(condition, contract)
    _check_scope(plan.scope, contract)
    _check_shape(plan)
    return contract


def _field(contract: Contract, name: str) -> Field:
    found = contract.field_named(name)
    if found is None:
        raise PlanError(f"contract {contract.name!r} has no field {name!r}")
    return found


def _check_condition(condition: Condition, contract: Contract) -> None:
    item = _field(contract, condition.field)
    match condition.limit:
        case bool():
            if item.kind is not Kind.BOOLEAN:
                raise PlanError(f"{condition.field!r} is not yes or no")
        case tuple():
            if item.kind is not Kind.TEXT or condition.comparison not in {Comparison.EQUAL, Comparison.NOT_EQUAL}:
                raise PlanError(f"{condition.field!r} cannot be compared with texts in this way")
        case _:
            if not item.kind.numeric:
                raise PlanError(f"{condition.field!r} cannot be compared with a number")
            if not math.isfinite(condition.limit):
                raise PlanError("a limit must be a finite number")


def _check_scope(scope: Scope, contract: Contract) -> None:
    known = set(contract.devices)
    if unknown := [device for device in (*scope.device_ids, *scope.excluded_device_ids) if device not in known]:
        raise PlanError(f"there is no device {unknown[0]!r}")
    if len(scope.device_ids) > MAX_DEVICES or len(scope.conditions) > MAX_CONDITIONS:
        raise PlanError("too many devices or conditions")
    for span in scope.times:
        if any(moment is not None and moment.tzinfo is None for moment in (span.start, span.end)):
            raise PlanError("times have a zone")
        if span.start is not None and span.end is not None and span.start >= span.end:
            raise PlanError("the time range is empty")


def _check_shape(plan: Plan) -> None:
    if abs(plan.rank) > MAX_RANK or (plan.rank and not plan.group_by):
        raise PlanError("only groups can be ranked")
    if plan.rank and plan.measure in {Measure.LATEST, Measure.COVERAGE}:
        raise PlanError(f"{plan.measure.name} cannot be ranked")
    if plan.group_by and plan.measure is Measure.COVERAGE:
        raise PlanError("COVERAGE has no groups")
    if plan.with_where_and_when and (plan.measure not in {Measure.MIN, Measure.MAX} or plan.rank):
        raise PlanError("where and when belong to MIN and MAX")
    if plan.group_by not in {(), (Grouping.DEVICE,)}:
        raise PlanError("only devices can be groups")
    ZoneInfo(plan.time_zone)
