"""Plans as protos, both ways. What comes in is only read here; `check_plan` judges it."""

from datetime import UTC, datetime, timedelta
from typing import Final

from dataflow.insight.v1 import plan_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import (
    Comparison,
    Condition,
    DayTime,
    Difference,
    Fold,
    Grouping,
    GroupLimit,
    Join,
    JoinOn,
    Measure,
    Plan,
    Scope,
    TimeRange,
)

_COMPARISONS: Final = {int(item.proto): item for item in Comparison}


def plan_to_proto(plan: Plan) -> plan_pb2.QueryPlan:
    """Returns the plan as the asker sees it."""
    message = plan_pb2.QueryPlan(
        contract=plan.contract,
        measure=plan.measure.proto,
        field=plan.field,
        percentile=plan.percentile,
        other_field=plan.other_field,
        other_joined=plan.other_joined,
        holding=[_condition_to_proto(item) for item in plan.holding],
        scope=_scope_to_proto(plan.scope),
        difference=plan.difference.proto,
        group_by=[item.proto for item in plan.group_by],
        group_field=plan.group_field,
        group_joined=plan.group_joined,
        rank=plan.rank,
        with_where_and_when=plan.with_where_and_when,
        time_zone=plan.time_zone,
        unit=plan.unit,
        assumptions=plan.assumptions,
    )
    if plan.compared_with is not None:
        message.compared_with.CopyFrom(_scope_to_proto(plan.compared_with))
    if plan.neighbour_within is not None:
        message.neighbour_within.FromTimedelta(plan.neighbour_within)
    if plan.fold is not None:
        message.fold.each.extend(item.proto for item in plan.fold.each)
        message.fold.measure = plan.fold.measure.proto
        if plan.fold.having is not None:
            message.fold.having.CopyFrom(_limit_to_proto(plan.fold.having))
    if plan.having is not None:
        message.having.CopyFrom(_limit_to_proto(plan.having))
    if plan.join is not None:
        message.join.contract = plan.join.contract
        message.join.on = plan.join.on.proto
        message.join.bucket.FromTimedelta(plan.join.bucket)
    return message


def plan_from_proto(message: plan_pb2.QueryPlan) -> Plan:
    """Returns the plan that a message means.

    Raises:
        PlanError: A value is none of its enumeration, or no time.
    """
    try:
        return _plan(message)
    except (ValueError, OverflowError) as error:
        raise PlanError(str(error)) from error


def _plan(message: plan_pb2.QueryPlan) -> Plan:
    return Plan(
        contract=message.contract,
        measure=Measure(message.measure),
        field=message.field,
        percentile=message.percentile,
        other_field=message.other_field,
        other_joined=message.other_joined,
        holding=tuple(_condition(item) for item in message.holding),
        scope=_scope(message.scope),
        compared_with=_scope(message.compared_with) if message.HasField("compared_with") else None,
        difference=Difference(message.difference),
        neighbour_within=_length(message.neighbour_within) if message.HasField("neighbour_within") else None,
        group_by=tuple(Grouping(item) for item in message.group_by),
        group_field=message.group_field,
        group_joined=message.group_joined,
        fold=_fold(message.fold) if message.HasField("fold") else None,
        having=_limit(message.having) if message.HasField("having") else None,
        rank=message.rank,
        with_where_and_when=message.with_where_and_when,
        time_zone=message.time_zone or "UTC",
        join=_join(message.join) if message.HasField("join") else None,
        unit=message.unit,
        assumptions=tuple(message.assumptions),
    )


def _condition_to_proto(condition: Condition) -> plan_pb2.Condition:
    message = plan_pb2.Condition(field=condition.field, comparison=condition.comparison.proto, joined=condition.joined)
    match condition.limit:
        case bool():
            message.flag = condition.limit
        case tuple():
            message.texts.values.extend(condition.limit)
        case _:
            message.limit = condition.limit
    return message


def _condition(message: plan_pb2.Condition) -> Condition:
    limit: float | tuple[str, ...] | bool
    match message.WhichOneof("than"):
        case "texts":
            limit = tuple(message.texts.values)
        case "flag":
            limit = message.flag
        case "limit":
            limit = message.limit
        case _:
            raise PlanError(f"the condition on {message.field!r} has no limit")
    return Condition(message.field, _comparison(message.comparison), limit, message.joined)


def _scope_to_proto(scope: Scope) -> plan_pb2.Scope:
    message = plan_pb2.Scope(
        device_ids=scope.device_ids,
        excluded_device_ids=scope.excluded_device_ids,
        day_times=[
            plan_pb2.DayTime(start_minute=item.start_minute, end_minute=item.end_minute) for item in scope.day_times
        ],
        weekdays=scope.weekdays,
        conditions=[_condition_to_proto(item) for item in scope.conditions],
    )
    for item in scope.times:
        span = message.times.add()
        if item.start is not None:
            span.start_time.FromDatetime(item.start)
        if item.end is not None:
            span.end_time.FromDatetime(item.end)
    return message


def _scope(message: plan_pb2.Scope) -> Scope:
    return Scope(
        device_ids=tuple(message.device_ids),
        excluded_device_ids=tuple(message.excluded_device_ids),
        times=tuple(
            TimeRange(
                _moment(item.start_time) if item.HasField("start_time") else None,
                _moment(item.end_time) if item.HasField("end_time") else None,
            )
            for item in message.times
        ),
        day_times=tuple(DayTime(item.start_minute, item.end_minute) for item in message.day_times),
        weekdays=tuple(message.weekdays),
        conditions=tuple(_condition(item) for item in message.conditions),
    )


def _limit_to_proto(limit: GroupLimit) -> plan_pb2.GroupLimit:
    return plan_pb2.GroupLimit(comparison=limit.comparison.proto, limit=limit.limit)


def _limit(message: plan_pb2.GroupLimit) -> GroupLimit:
    return GroupLimit(_comparison(message.comparison), message.limit)


def _fold(message: plan_pb2.Fold) -> Fold:
    return Fold(
        tuple(Grouping(item) for item in message.each),
        Measure(message.measure),
        _limit(message.having) if message.HasField("having") else None,
    )


def _join(message: plan_pb2.Join) -> Join:
    return Join(message.contract, JoinOn(message.on), _length(message.bucket))


def _comparison(number: int) -> Comparison:
    if number not in _COMPARISONS:
        raise PlanError(f"{number} is not a comparison")
    return _COMPARISONS[number]


def _moment(message: Timestamp) -> datetime:
    return message.ToDatetime(UTC)


def _length(message: Duration) -> timedelta:
    return message.ToTimedelta()
