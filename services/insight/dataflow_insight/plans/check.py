"""Holds a plan against the catalogue, whoever made it: what passes becomes SQL. The texts are for whoever plans again."""

from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind
from dataflow_insight.plans.check_scope import check_condition, check_scope, field_of, listed
from dataflow_insight.plans.check_shape import check_shape
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Difference, Measure, Plan

MAX_HOLDING: Final = 8
"""Most conditions that a share or streak may be about."""

_MAX_NEIGHBOUR_SECONDS: Final = 366 * 86_400

_NUMERIC: Final = frozenset(
    {
        Measure.AVG,
        Measure.MIN,
        Measure.MAX,
        Measure.SUM,
        Measure.MEDIAN,
        Measure.PERCENTILE,
        Measure.STDDEV,
        Measure.RANGE,
        Measure.CORRELATION,
        Measure.CHANGE,
    }
)
_WITHOUT_FIELD: Final = frozenset(
    {Measure.COUNT, Measure.COVERAGE, Measure.DISTINCT, Measure.GAP, Measure.SHARE, Measure.STREAK}
)
_SINGLE_VALUE: Final = frozenset({Measure.LATEST, Measure.FIRST, Measure.MODE, Measure.DISTINCT})
_NOT_OF_DIFFERENCES: Final = frozenset(
    {
        Measure.MISSING,
        Measure.MISSING_SHARE,
        Measure.COVERAGE,
        Measure.MODE,
        Measure.DISTINCT,
        Measure.GAP,
        Measure.CORRELATION,
        Measure.CHANGE,
    }
)


def check_plan(plan: Plan, catalogue: Catalogue) -> Contract:
    """Returns the plan's contract.

    Args:
        plan: From any engine; nothing in it is trusted.
        catalogue: What exists.

    Raises:
        PlanError: It names what does not exist, asks what the field cannot give, or leaves the bounds.
    """
    contract = _contract(catalogue, plan.contract)
    joined = _contract(catalogue, plan.join.contract) if plan.join is not None else None
    if not _is_zone(plan.time_zone):
        raise PlanError(f"there is no time zone {plan.time_zone!r}; use an IANA name such as Europe/Berlin")
    measured = _measured(plan, contract)
    _check_other_field(plan, contract, joined)
    _check_holding(plan, contract, joined)
    _check_difference(plan, measured)
    if plan.measure is Measure.PERCENTILE and not 0 <= plan.percentile <= 100:
        raise PlanError("percentile is between 0 and 100")
    check_scope(plan.scope, contract, joined)
    if plan.compared_with is not None:
        check_scope(plan.compared_with, contract, joined)
    check_shape(plan, contract, joined, measured)
    return contract


def _contract(catalogue: Catalogue, name: str) -> Contract:
    found = catalogue.contract_named(name)
    if found is None:
        known = listed(item.name for item in catalogue.contracts)
        raise PlanError(f"there is no contract {name!r}; there are {known}")
    return found


def _measured(plan: Plan, contract: Contract) -> Field | None:
    if not plan.field:
        if plan.measure not in _WITHOUT_FIELD:
            raise PlanError(f"{plan.measure.name} needs a field")
        return None
    item = field_of(contract, plan.field)
    if plan.measure is Measure.COVERAGE:
        raise PlanError("COVERAGE is over readings, not over a field: leave the field empty")
    if plan.measure in _NUMERIC and not item.kind.numeric:
        raise PlanError(f"{item.name!r} holds no numbers, so it has no {plan.measure.name}")
    if plan.measure in _SINGLE_VALUE and item.kind is Kind.OTHER:
        raise PlanError(f"{item.name!r} holds no single value")
    return item


def _check_other_field(plan: Plan, contract: Contract, joined: Contract | None) -> None:
    if plan.other_joined and joined is None:
        raise PlanError("other_joined needs a join")
    if not plan.other_field:
        if plan.measure is Measure.CORRELATION:
            raise PlanError("CORRELATION needs an other_field")
        return
    item = field_of(joined if plan.other_joined and joined is not None else contract, plan.other_field)
    if plan.measure is Measure.CORRELATION:
        if not item.kind.numeric:
            raise PlanError(f"{item.name!r} holds no numbers, so nothing correlates with it")
        return
    of_reading = plan.measure in {Measure.LATEST, Measure.FIRST} or plan.with_where_and_when
    if not of_reading or plan.compared_with is not None or plan.fold is not None:
        raise PlanError("other_field belongs to CORRELATION, LATEST and FIRST, and to MIN and MAX with_where_and_when")
    if item.kind is Kind.OTHER or (plan.other_joined and item.kind is Kind.TIME):
        raise PlanError(f"{item.name!r} holds no single value")


def _check_holding(plan: Plan, contract: Contract, joined: Contract | None) -> None:
    wanted = plan.measure in {Measure.SHARE, Measure.STREAK}
    if wanted and not plan.holding:
        raise PlanError(f"{plan.measure.name} needs holding: the conditions that it is about")
    counted = plan.measure is Measure.COUNT and plan.difference is not Difference.NONE
    if plan.holding and not wanted and not counted:
        raise PlanError(
            "holding belongs to SHARE and STREAK, and to COUNT of differences; other conditions go into scope.conditions"
        )
    if len(plan.holding) > MAX_HOLDING:
        raise PlanError(f"at most {MAX_HOLDING} conditions in holding")
    for condition in plan.holding:
        check_condition(condition, contract, joined)


def _check_difference(plan: Plan, measured: Field | None) -> None:
    if plan.difference is not Difference.NONE:
        if measured is None or not measured.kind.numeric:
            raise PlanError("differences need a field that holds numbers")
        if plan.measure in _NOT_OF_DIFFERENCES:
            raise PlanError(f"there is no {plan.measure.name} of differences")
    if plan.neighbour_within is not None:
        if plan.difference is Difference.NONE and plan.measure is not Measure.STREAK:
            raise PlanError("neighbour_within belongs to differences and to STREAK")
        if not 0 < plan.neighbour_within.total_seconds() <= _MAX_NEIGHBOUR_SECONDS:
            raise PlanError("neighbour_within is longer than 0 and at most a year")


@lru_cache(maxsize=1000)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return False
    return True
