"""The groups of an answer: one column for each, computed of every row."""

from dataclasses import dataclass
from typing import Final

from dataflow_insight.plans.plan import Grouping
from dataflow_insight.queries.frame import Frame
from dataflow_insight.queries.query import Role

_CALENDAR: Final = {
    Grouping.HOUR: "hour",
    Grouping.DAY: "day",
    Grouping.WEEK: "week",
    Grouping.MONTH: "month",
}


@dataclass(frozen=True, slots=True)
class Key:
    """A column that tells groups apart.

    Attributes:
        alias: Its name within the query.
        name: Its name in the result.
        role: What it holds.
        grouping: What it stands for.
    """

    alias: str
    name: str
    role: Role
    grouping: Grouping


def keys_of(frame: Frame) -> tuple[Key, ...]:
    """Returns the columns of the plan's groups, then those of its fold's finer groups."""
    plan = frame.plan
    each = plan.fold.each if plan.fold is not None else ()
    return tuple(_key(frame, f"k{number}", item) for number, item in enumerate((*plan.group_by, *each), start=1))


def key_sql(frame: Frame, key: Key, device: str, moment: str) -> str:
    """Returns the SQL of a key.

    Args:
        frame: The query.
        key: Which group.
        device: The SQL of the device id.
        moment: The SQL of the event time.
    """
    match key.grouping:
        case Grouping.DEVICE:
            return device
        case Grouping.HOUR_OF_DAY:
            return f"EXTRACT(HOUR FROM {moment} AT TIME ZONE {frame.zone})::integer"
        case Grouping.WEEKDAY:
            return f"EXTRACT(ISODOW FROM {moment} AT TIME ZONE {frame.zone})::integer"
        case Grouping.VALUE:
            return frame.column(frame.plan.group_field, joined=frame.plan.group_joined)
        case _:
            # In the zone: of an hour that a clock shows twice, both are hours of their own.
            return f"date_trunc('{_CALENDAR[key.grouping]}', {moment}, {frame.zone})"


def _key(frame: Frame, alias: str, grouping: Grouping) -> Key:
    match grouping:
        case Grouping.DEVICE:
            return Key(alias, "device_id", Role.DEVICE, grouping)
        case Grouping.HOUR_OF_DAY:
            return Key(alias, "hour_of_day", Role.HOUR_OF_DAY, grouping)
        case Grouping.WEEKDAY:
            return Key(alias, "weekday", Role.WEEKDAY, grouping)
        case Grouping.VALUE:
            return Key(alias, frame.plan.group_field, Role.GROUP, grouping)
        case _:
            return Key(alias, _CALENDAR[grouping], Role.BUCKET, grouping)
