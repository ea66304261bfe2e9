"""Checks how the parts of a plan go together: groups, folds, limits, ranks, comparisons, joins, units."""

import math
from collections.abc import Sequence
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract, Field, Kind
from dataflow_insight.catalogue.units import SECONDS, conversion, convertible
from dataflow_insight.plans.check_scope import field_of
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Fold, Grouping, GroupLimit, Join, Measure, Plan

MAX_RANK: Final = 1000
"""Most groups that a ranking may ask for."""

MAX_GROUPINGS: Final = 2
"""Most groupings of an answer, and most of a fold."""

_FOLDS: Final = frozenset(
    {
        Measure.COUNT,
        Measure.AVG,
        Measure.MIN,
        Measure.MAX,
        Measure.SUM,
        Measure.MEDIAN,
        Measure.STDDEV,
        Measure.RANGE,
        Measure.SHARE,
    }
)
_RUNS: Final = frozenset({Measure.STREAK, Measure.GAP})
_WITHOUT_NUMBER: Final = frozenset({Measure.MODE, Measure.COVERAGE})
_WITH_UNIT: Final = frozenset(
    {
        Measure.AVG,
        Measure.MIN,
        Measure.MAX,
        Measure.SUM,
        Measure.LATEST,
        Measure.FIRST,
        Measure.MEDIAN,
        Measure.PERCENTILE,
        Measure.STDDEV,
        Measure.MODE,
        Measure.RANGE,
        Measure.CHANGE,
        Measure.GAP,
    }
)
_MINUTE: Final = 60
_DAY: Final = 24 * 60 * 60


def check_shape(plan: Plan, contract: Contract, joined: Contract | None, measured: Field | None) -> None:
    """Checks all that is not about one field or one scope alone.

    Args:
        plan: The plan; its fields and scopes are checked.
        contract: Its contract.
        joined: The contract beside it, if there is one.
        measured: The field, if there is one.

    Raises:
        PlanError: Two parts do not go together.
    """
    _check_groups(plan, contract, joined)
    if plan.fold is not None:
        _check_fold(plan, plan.fold)
    _check_numbers(plan, measured)
    _check_rank(plan)
    _check_runs(plan)
    _check_where_and_when(plan)
    _check_change(plan, contract)
    _check_unit(plan, measured)
    if plan.compared_with is not None:
        _check_comparison(plan)
    if plan.join is not None:
        _check_join(plan.join)


def _check_groups(plan: Plan, contract: Contract, joined: Contract | None) -> None:
    each = plan.fold.each if plan.fold is not None else ()
    for groupings in (plan.group_by, each):
        if len(groupings) > MAX_GROUPINGS:
            raise PlanError(f"at most {MAX_GROUPINGS} groupings")
    groupings = (*plan.group_by, *each)
    if len(set(groupings)) < len(groupings):
        raise PlanError("no grouping twice; fold.each names the finer groups beside group_by")
    if (Grouping.VALUE in groupings) != bool(plan.group_field):
        raise PlanError("grouping by VALUE and group_field belong together")
    if plan.group_joined and joined is None:
        raise PlanError("group_joined needs a join")
    if plan.group_field:
        item = field_of(joined if plan.group_joined and joined is not None else contract, plan.group_field)
        kinds = {Kind.TEXT, Kind.BOOLEAN} | (set() if plan.group_joined else {Kind.INTEGER})
        if item.kind not in kinds:
            raise PlanError(f"readings cannot be grouped by {item.name!r}: only by texts, whole numbers, and yes or no")


def _check_fold(plan: Plan, fold: Fold) -> None:
    if not fold.each:
        raise PlanError("fold needs finer groups in each")
    if fold.measure not in _FOLDS:
        raise PlanError(f"a fold cannot compute {fold.measure.name} of values")
    if fold.having is not None:
        _check_limit(fold.having)
    elif fold.measure is Measure.SHARE:
        raise PlanError("a fold's SHARE needs having: which part of the groups stands so")
    if plan.with_where_and_when:
        raise PlanError("a value of several groups has no place and no time: no with_where_and_when beside fold")


def _check_numbers(plan: Plan, measured: Field | None) -> None:
    """Where values are folded, limited, ranked or compared, they must be numbers."""
    if plan.having is not None:
        _check_limit(plan.having)
        if not plan.group_by:
            raise PlanError("having limits groups: it needs group_by")
    if not (plan.having or plan.rank or plan.fold or plan.compared_with):
        return
    single = plan.measure in {Measure.LATEST, Measure.FIRST} and measured is not None and not measured.kind.numeric
    if plan.measure in _WITHOUT_NUMBER or single:
        raise PlanError(f"{plan.measure.name} gives no number here that could be limited, ranked, folded or compared")


def _check_rank(plan: Plan) -> None:
    if abs(plan.rank) > MAX_RANK:
        raise PlanError(f"rank is at most {MAX_RANK}")
    if plan.rank and plan.group_by == (Grouping.DEVICE,) and len(plan.scope.device_ids) == 1:
        # Its only device would be called the highest and the lowest, truly of the result and falsely of the fleet.
        raise PlanError("one device cannot be ranked: name none, to rank all, or leave out group_by and rank")
    if not plan.rank or plan.group_by:
        return
    alone = plan.compared_with is None and plan.fold is None
    if not (alone and (plan.with_where_and_when or plan.measure in _RUNS)):
        raise PlanError(
            "rank needs group_by; without it only MIN and MAX with_where_and_when, STREAK and GAP are ranked"
        )
    if plan.rank < 0:
        raise PlanError("without group_by rank counts from the most extreme on: give it a positive number")


def _check_runs(plan: Plan) -> None:
    """A run must not be torn by its groups, nor a gap by what lies within it."""
    if plan.measure not in _RUNS:
        return
    each: Sequence[Grouping] = plan.fold.each if plan.fold is not None else ()
    if any(item is not Grouping.DEVICE and not item.is_calendar for item in (*plan.group_by, *each)):
        raise PlanError(f"{plan.measure.name} can be grouped by DEVICE, HOUR, DAY, WEEK and MONTH only")
    if plan.measure is Measure.GAP and (plan.scope.day_times or plan.scope.weekdays):
        raise PlanError("GAP cannot be limited to parts of the day or week: nothing is missing between them")
    other = plan.compared_with
    if plan.measure is Measure.GAP and other is not None and (other.day_times or other.weekdays):
        raise PlanError("GAP cannot be compared with parts of the day or week")


def _check_where_and_when(plan: Plan) -> None:
    if not plan.with_where_and_when:
        return
    if plan.measure not in {Measure.MIN, Measure.MAX}:
        raise PlanError("with_where_and_when belongs to MIN and MAX")
    if plan.compared_with is not None:
        raise PlanError("no with_where_and_when beside compared_with")


def _check_change(plan: Plan, contract: Contract) -> None:
    """The newest value of one device less the oldest of another one would be no change."""
    if plan.measure is not Measure.CHANGE:
        return
    each: Sequence[Grouping] = plan.fold.each if plan.fold is not None else ()
    if Grouping.DEVICE in (*plan.group_by, *each):
        return
    for scope in (plan.scope, *((plan.compared_with,) if plan.compared_with is not None else ())):
        devices = set(scope.device_ids or contract.devices) - set(scope.excluded_device_ids)
        if len(devices) > 1:
            raise PlanError("CHANGE is of one device: name one in scope.device_ids, or group by DEVICE")


def _check_comparison(plan: Plan) -> None:
    if plan.measure in _WITHOUT_NUMBER:
        raise PlanError(f"{plan.measure.name} cannot be compared")
    if plan.compared_with == plan.scope:
        raise PlanError("compared_with is the same as scope")


def _check_join(join: Join) -> None:
    seconds = join.bucket.total_seconds()
    if not _MINUTE <= seconds <= _DAY or seconds % _MINUTE or _DAY % seconds:
        raise PlanError("the bucket of a join is whole minutes that divide a day, such as 30 minutes, an hour or a day")


def _check_unit(plan: Plan, measured: Field | None) -> None:
    if not plan.unit:
        return
    if plan.measure not in _WITH_UNIT:
        raise PlanError(f"{plan.measure.name} has no unit that could be converted")
    gap = plan.measure is Measure.GAP
    if not gap and (measured is None or not measured.kind.numeric or not measured.source_unit):
        raise PlanError(f"{plan.field!r} has no unit that could be converted")
    source = SECONDS if gap or measured is None else measured.source_unit
    if conversion(source, plan.unit) is None:
        known = convertible(source)
        others = f"only to {', '.join(known)}" if known else "to no other unit"
        raise PlanError(f"{source!r} cannot be converted to {plan.unit!r}, {others}")


def _check_limit(limit: GroupLimit) -> None:
    if not math.isfinite(limit.limit):
        raise PlanError("a limit must be a finite number")
