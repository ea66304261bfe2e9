"""The typed plan: the only thing that becomes SQL. Its words are those of `plan.proto`, where each is explained."""

import typing
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, IntEnum, StrEnum

from dataflow.insight.v1 import ask_service_pb2, plan_pb2


class Measure(IntEnum):
    """What is computed; values are those of the proto."""

    COUNT = plan_pb2.MEASURE_COUNT
    AVG = plan_pb2.MEASURE_AVG
    MIN = plan_pb2.MEASURE_MIN
    MAX = plan_pb2.MEASURE_MAX
    SUM = plan_pb2.MEASURE_SUM
    LATEST = plan_pb2.MEASURE_LATEST
    MISSING = plan_pb2.MEASURE_MISSING
    COVERAGE = plan_pb2.MEASURE_COVERAGE
    FIRST = plan_pb2.MEASURE_FIRST
    MEDIAN = plan_pb2.MEASURE_MEDIAN
    PERCENTILE = plan_pb2.MEASURE_PERCENTILE
    STDDEV = plan_pb2.MEASURE_STDDEV
    MODE = plan_pb2.MEASURE_MODE
    DISTINCT = plan_pb2.MEASURE_DISTINCT
    SHARE = plan_pb2.MEASURE_SHARE
    RANGE = plan_pb2.MEASURE_RANGE
    STREAK = plan_pb2.MEASURE_STREAK
    GAP = plan_pb2.MEASURE_GAP
    CORRELATION = plan_pb2.MEASURE_CORRELATION
    CHANGE = plan_pb2.MEASURE_CHANGE
    MISSING_SHARE = plan_pb2.MEASURE_MISSING_SHARE

    @property
    def proto(self) -> plan_pb2.Measure.ValueType:
        """The proto's value."""
        return typing.cast("plan_pb2.Measure.ValueType", int(self))


class Grouping(IntEnum):
    """How an answer is broken down; values are those of the proto."""

    DEVICE = plan_pb2.GROUPING_DEVICE
    HOUR = plan_pb2.GROUPING_HOUR
    DAY = plan_pb2.GROUPING_DAY
    WEEK = plan_pb2.GROUPING_WEEK
    MONTH = plan_pb2.GROUPING_MONTH
    HOUR_OF_DAY = plan_pb2.GROUPING_HOUR_OF_DAY
    WEEKDAY = plan_pb2.GROUPING_WEEKDAY
    VALUE = plan_pb2.GROUPING_VALUE

    @property
    def proto(self) -> plan_pb2.Grouping.ValueType:
        """The proto's value."""
        return typing.cast("plan_pb2.Grouping.ValueType", int(self))

    @property
    def is_calendar(self) -> bool:
        """Whether it cuts time into stretches one after the other."""
        return self in {Grouping.HOUR, Grouping.DAY, Grouping.WEEK, Grouping.MONTH}


class Comparison(Enum):
    """A relation between a value and a limit: proto value, SQL operator, word."""

    GREATER = (plan_pb2.COMPARISON_GREATER, ">", "above")
    GREATER_OR_EQUAL = (plan_pb2.COMPARISON_GREATER_OR_EQUAL, ">=", "at least")
    LESS = (plan_pb2.COMPARISON_LESS, "<", "below")
    LESS_OR_EQUAL = (plan_pb2.COMPARISON_LESS_OR_EQUAL, "<=", "at most")
    EQUAL = (plan_pb2.COMPARISON_EQUAL, "=", "equal to")
    NOT_EQUAL = (plan_pb2.COMPARISON_NOT_EQUAL, "<>", "not equal to")

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


class Difference(IntEnum):
    """What takes the place of each value before it is measured; values are those of the proto."""

    NONE = plan_pb2.DIFFERENCE_UNSPECIFIED
    NEIGHBOUR = plan_pb2.DIFFERENCE_NEIGHBOUR
    NEIGHBOUR_ABSOLUTE = plan_pb2.DIFFERENCE_NEIGHBOUR_ABSOLUTE

    @property
    def proto(self) -> plan_pb2.Difference.ValueType:
        """The proto's value."""
        return typing.cast("plan_pb2.Difference.ValueType", int(self))


class JoinOn(IntEnum):
    """How readings of two contracts belong together; values are those of the proto."""

    DEVICE_AND_TIME = plan_pb2.JOIN_ON_DEVICE_AND_TIME
    TIME = plan_pb2.JOIN_ON_TIME

    @property
    def proto(self) -> plan_pb2.JoinOn.ValueType:
        """The proto's value."""
        return typing.cast("plan_pb2.JoinOn.ValueType", int(self))


class Focus(StrEnum):
    """Which part of the result the asker wants to hear first. It does not change what is computed.

    For runs and gaps FIRST is the start and LAST the end. YES_NO asks whether the value of a comparison or a change is above
    zero (the first is the larger, it rose), NO_YES whether it is below; PERCENT and RATIO are those of a comparison.
    """

    VALUE = "value"
    DEVICE = "device"
    TIME = "time"
    FIRST = "first"
    LAST = "last"
    DEVICES = "devices"
    LIST = "list"
    YES_NO = "yes_no"
    DIFFERENCE = "difference"
    RATIO = "ratio"
    PERCENT = "percent"
    NO_YES = "no_yes"


class Decline(IntEnum):
    """Why there is no answer from the data; values are those of the proto."""

    UNKNOWN_DEVICE = ask_service_pb2.DECLINE_UNKNOWN_DEVICE
    UNKNOWN_FIELD = ask_service_pb2.DECLINE_UNKNOWN_FIELD
    FUTURE = ask_service_pb2.DECLINE_FUTURE
    OFF_TOPIC = ask_service_pb2.DECLINE_OFF_TOPIC
    NOT_UNDERSTOOD = ask_service_pb2.DECLINE_NOT_UNDERSTOOD
    NO_DATA = ask_service_pb2.DECLINE_NO_DATA
    AMBIGUOUS = ask_service_pb2.DECLINE_AMBIGUOUS

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
    """Keeps readings whose value stands in this relation to a number (in the field's unit), to texts or to yes or no."""

    field: str
    comparison: Comparison
    limit: float | tuple[str, ...] | bool
    joined: bool = False


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A stretch of event time, end exclusive; `None` is open."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class DayTime:
    """A part of each day in minutes after midnight, end exclusive; an end below the start reaches over midnight."""

    start_minute: int
    end_minute: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Which readings count; see the proto."""

    device_ids: tuple[str, ...] = ()
    excluded_device_ids: tuple[str, ...] = ()
    times: tuple[TimeRange, ...] = ()
    day_times: tuple[DayTime, ...] = ()
    weekdays: tuple[int, ...] = ()
    conditions: tuple[Condition, ...] = ()

    @property
    def hull(self) -> TimeRange:
        """From the earliest start to the latest end of its stretches of time."""
        starts = [item.start for item in self.times if item.start is not None]
        ends = [item.end for item in self.times if item.end is not None]
        return TimeRange(
            min(starts) if self.times and len(starts) == len(self.times) else None,
            max(ends) if self.times and len(ends) == len(self.times) else None,
        )


@dataclass(frozen=True, slots=True)
class GroupLimit:
    """A limit on the value of a group."""

    comparison: Comparison
    limit: float


@dataclass(frozen=True, slots=True)
class Fold:
    """Folds finer groups into one value; see the proto."""

    each: tuple[Grouping, ...]
    measure: Measure
    having: GroupLimit | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """A second contract beside the first; see the proto."""

    contract: str
    on: JoinOn = JoinOn.DEVICE_AND_TIME
    bucket: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """A typed query; the attributes are those of `QueryPlan`, but for the last two, which only choose words.

    Attributes:
        focus: What to say first.
        place: Which of the ranked groups was asked for, from 1; 0 for all of them.
    """

    contract: str
    measure: Measure
    field: str = ""
    percentile: float = 0.0
    other_field: str = ""
    other_joined: bool = False
    holding: tuple[Condition, ...] = ()
    scope: Scope = Scope()
    compared_with: Scope | None = None
    difference: Difference = Difference.NONE
    neighbour_within: timedelta | None = None
    group_by: tuple[Grouping, ...] = ()
    group_field: str = ""
    group_joined: bool = False
    fold: Fold | None = None
    having: GroupLimit | None = None
    rank: int = 0
    with_where_and_when: bool = False
    time_zone: str = "UTC"
    join: Join | None = None
    unit: str = ""
    assumptions: tuple[str, ...] = ()
    focus: Focus = Focus.VALUE
    place: int = 0

    @property
    def by_device(self) -> bool:
        """Whether devices, and nothing else, break the answer down."""
        return self.group_by == (Grouping.DEVICE,)
