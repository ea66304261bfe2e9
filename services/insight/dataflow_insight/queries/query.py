"""What will run: one SELECT, its parameters, and what each column of the result means."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_ROWS: Final = 1000
"""Most rows of a result; one more is read to know that it was cut."""

MAX_TIES: Final = 100
"""Most rows that share a highest or lowest value."""


class Role(StrEnum):
    """What a column of a result holds."""

    DEVICE = "device"
    """A device id: of a group, or of the reading or run that the value is of."""
    TIME = "time"
    """The event time of the reading that the value is of."""
    BUCKET = "bucket"
    """The start of an hour, day, week or month of the calendar."""
    HOUR_OF_DAY = "hour_of_day"
    """0 to 23."""
    WEEKDAY = "weekday"
    """1 (Monday) to 7."""
    GROUP = "group"
    """A value of the plan's group field."""
    VALUE = "value"
    """What was asked for."""
    SUPPORT = "support"
    """How many values (of a fold: groups) are behind the value."""
    OTHER_VALUE = "other_value"
    """The value of `compared_with`; or that of the plan's other field in the same reading."""
    OTHER_SUPPORT = "other_support"
    """How many values are behind the value of `compared_with`."""
    DIFFERENCE = "difference"
    """The value less the other one."""
    PERCENT = "percent"
    """The difference in per cent of the size of the other value; null where that is 0."""
    RATIO = "ratio"
    """The value divided by the other one; null where that is 0."""
    START = "start"
    """The first event time: of a run, a gap, a change, or of everything."""
    END = "end"
    """The last event time, likewise."""
    SECONDS = "seconds"
    """How long a run was."""
    PREVIOUS = "previous"
    """The value before: of the neighbour, or the first one of a change."""
    NEXT = "next"
    """The value after: of the reading itself, or the last one of a change."""
    DEVICES = "devices"
    """How many devices have readings."""


@dataclass(frozen=True, slots=True)
class Query:
    """What will run.

    Attributes:
        sql: One SELECT, with $n for parameters.
        parameters: Their values.
        columns: Names of the result's columns.
        roles: What each column holds, in the same order.
    """

    sql: str
    parameters: tuple[object, ...]
    columns: tuple[str, ...]
    roles: tuple[Role, ...] = ()

    def column(self, role: Role) -> int | None:
        """Returns the first column of a role; `None` where there is none."""
        return self.roles.index(role) if role in self.roles else None


def quoted(name: str) -> str:
    """Returns an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
