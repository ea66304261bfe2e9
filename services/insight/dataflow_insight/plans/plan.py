"""The typed plan: the only thing that becomes SQL. `check_plan` holds it against the catalogue, whoever made it."""

import typing
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum, StrEnum
from typing import Final

from dataflow.insight.v1 import ask_service_pb2, plan_pb2

from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind

MAX_DEVICES: Final = 1000
"""Most devices that a plan may name."""

MAX_RANK: Final = 1000
"""Most groups that a ranking may ask for."""

MAX_CONDITIONS: Final = 8
"""Most conditions of a plan."""


class Measure(IntEnum):
    """An aggregate function; values are those of the proto."""

    COUNT = plan_pb2.MEASURE_COUNT
    AVG = plan_pb2.MEASURE_AVG
    MIN = plan_pb2.MEASURE_MIN
    MAX = plan_pb2.MEASURE_MAX
    SUM = plan_pb2.MEASURE_SUM
    LATEST = plan_pb2.MEASURE_LATEST
    MISSING = plan_pb2.MEASURE_MISSING
    COVERAGE = plan_pb2.MEASURE_COVERAGE

    @property
    def proto(self) -> plan_pb2.Measure.ValueType:
        """The proto's value."""
        return typing.cast("plan_pb2.Measure.ValueType", int(self))


class Comparison(Enum):
    """A relation between a value and a limit: proto value, SQL operator, word."""

    GREATER = (plan_pb2.COMPARISON_GREATER, ">", "above")
    GREATER_OR_EQUAL = (plan_pb2.COMPARISON_GREATER_OR_EQUAL, ">=", "at least")
    LESS = (plan_pb2.COMPARISON_LESS, "<", "below")
    LESS_OR_EQUAL = (plan_pb2.COMPARISON_LESS_OR_EQUAL, "<=", "at most")
    EQUAL = (plan_pb2.COMPARISON_EQUAL, "=", "equal to")

    @property
    def proto(self) -> plan_pb2.Comparison.ValueType:
        """The proto's value."""
        return self.value[0]

    @property
    def operator(self) -> str:
        """The SQL operator."""
        return self.value[1]

    @property
    def word(self) -> str:
        """How a sentence says it."""
        return self.value[2]


class Focus(StrEnum):
    """Which part of the result the asker wants to hear first. It does not change what is computed."""

    VALUE = "value"
    DEVICE = "device"
    TIME = "time"
    FIRST = "first"
    LAST = "last"
    DEVICES = "devices"
    LIST = "list"
    YES_NO = "yes_no"


class Decline(IntEnum):
    """Why there is no answer from the data; values are those of the proto."""

    UNKNOWN_DEVICE = ask_service_pb2.DECLINE_UNKNOWN_DEVICE
    UNKNOWN_FIELD = ask_service_pb2.DECLINE_UNKNOWN_FIELD
    FUTURE = ask_service_pb2.DECLINE_FUTURE
    OFF_TOPIC = ask_service_pb2.DECLINE_OFF_TOPIC
    NOT_UNDERSTOOD = ask_service_pb2.DECLINE_NOT_UNDERSTOOD
    NO_DATA = ask_service_pb2.DECLINE_NO_DATA

    @property
    def proto(self) -> ask_service_pb2.Decline.ValueType:
        """The proto's value."""
        return typing.cast("ask_service_pb2.Decline.ValueType", int(self))


@dataclass(frozen=True, slots=True)
class Declined:
    """No plan. `text` says why, without any number.

    Attributes:
        reason: The kind of refusal.
        text: One or two sentences for the asker.
    """

    reason: Decline
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Keeps readings whose value stands in this relation to the limit (in the field's unit)."""

    field: str
    comparison: Comparison
    limit: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A typed query.

    Attributes:
        contract: Whose readings answer.
        measure: What is computed.
        field: What of; empty for COUNT and COVERAGE of readings.
        device_ids: Only these; empty for all.
        start_time: From this event time on.
        end_time: Before this event time.
        by_device: One answer for each device.
        rank: 0 rows by group; n > 0 the n highest groups; n < 0 the n lowest.
        with_where_and_when: For MIN and MAX, also which device and when.
        conditions: All must hold.
        assumptions: What words were taken for.
        focus: What to say first.
        place: Which of the ranked groups was asked for, from 1; 0 for all of them.
    """

    contract: str
    measure: Measure
    field: str = ""
    device_ids: tuple[str, ...] = ()
    start_time: datetime | None = None
    end_time: datetime | None = None
    by_device: bool = False
    rank: int = 0
    with_where_and_when: bool = False
    conditions: tuple[Condition, ...] = ()
    assumptions: tuple[str, ...] = ()
    focus: Focus = Focus.VALUE
    place: int = 0

    def to_proto(self) -> plan_pb2.QueryPlan:
        """Returns the plan as the asker sees it."""
        plan = plan_pb2.QueryPlan(
            contract=self.contract,
            field=self.field,
            measure=self.measure.proto,
            device_ids=self.device_ids,
            grouping=plan_pb2.GROUPING_DEVICE if self.by_device else plan_pb2.GROUPING_UNSPECIFIED,
            rank=self.rank,
            with_where_and_when=self.with_where_and_when,
            conditions=[
                plan_pb2.Condition(field=item.field, comparison=item.comparison.proto, limit=item.limit)
                for item in self.conditions
            ],
            assumptions=self.assumptions,
        )
        if self.start_time is not None:
            plan.start_time.FromDatetime(self.start_time)
        if self.end_time is not None:
            plan.end_time.FromDatetime(self.end_time)
        return plan


class PlanError(Exception):
    """The plan does not fit the catalogue."""


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
    for condition in plan.conditions:
        if not _field(contract, condition.field).kind.numeric:
            raise PlanError(f"{condition.field!r} cannot be compared with a number")
        if condition.limit != condition.limit or condition.limit in {float("inf"), float("-inf")}:
            raise PlanError("a limit must be a finite number")
    _check_shape(plan, contract)
    return contract


_NUMERIC: Final = frozenset({Measure.AVG, Measure.MIN, Measure.MAX, Measure.SUM})


def _field(contract: Contract, name: str) -> Field:
    found = contract.field_named(name)
    if found is None:
        raise PlanError(f"contract {contract.name!r} has no field {name!r}")
    return found


def _check_shape(plan: Plan, contract: Contract) -> None:
    known = set(contract.devices)
    if unknown := [device for device in plan.device_ids if device not in known]:
        raise PlanError(f"there is no device {unknown[0]!r}")
    if len(plan.device_ids) > MAX_DEVICES or len(plan.conditions) > MAX_CONDITIONS:
        raise PlanError("too many devices or conditions")
    if abs(plan.rank) > MAX_RANK or (plan.rank and not plan.by_device):
        raise PlanError("only groups can be ranked")
    if plan.rank and plan.measure in {Measure.LATEST, Measure.COVERAGE}:
        raise PlanError(f"{plan.measure.name} cannot be ranked")
    if plan.by_device and plan.measure is Measure.COVERAGE:
        raise PlanError("COVERAGE has no groups")
    if plan.with_where_and_when and (plan.measure not in {Measure.MIN, Measure.MAX} or plan.rank):
        raise PlanError("where and when belong to MIN and MAX")
    for moment in (plan.start_time, plan.end_time):
        if moment is not None and moment.tzinfo is None:
            raise PlanError("times have a zone")
    if plan.start_time is not None and plan.end_time is not None and plan.start_time >= plan.end_time:
        raise PlanError("the time range is empty")
