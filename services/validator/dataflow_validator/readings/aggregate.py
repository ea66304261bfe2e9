"""What an aggregation asks for: readings, buckets, and what to compute in each. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_validator.contracts.names import Column
from dataflow_validator.readings.queries import Query, Selection

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

_FIRST_MOMENT: Final = datetime(1, 1, 2, tzinfo=UTC)
_ZONE_SAMPLES: Final = timedelta(days=7)


class Function(StrEnum):
    """What can be computed of a field; the words are those of the API."""

    COUNT = "count"
    MIN = "min"
    MAX = "max"
    AVG = "avg"
    SUM = "sum"
    FIRST = "first"
    LAST = "last"
    STDDEV = "stddev"
    MEDIAN = "median"
    DISTINCT = "distinct"
    MODE = "mode"


OF_ANY_TYPE: Final = frozenset({Function.COUNT, Function.FIRST, Function.LAST, Function.DISTINCT, Function.MODE})
"""What can be computed of fields that are no numbers."""

EDGES: Final = frozenset({Function.FIRST, Function.LAST})

_OF_ROLLUPS: Final = frozenset({Function.COUNT, Function.MIN, Function.MAX, Function.AVG, Function.SUM}) | EDGES
"""What can be put together from parts; of fields that are no numbers only the count."""


@dataclass(frozen=True)
class Windows:
    """Windows of one length, one beginning at each step; they overlap where the step is shorter.

    Attributes:
        length: Of each window, a multiple of `step`.
        step: From one window's start to the next.
        offset: Moves all starts away from 1970-01-01 00:00.
        zone: Starts are counted in the local time of this zone, in whole days; `None` for UTC.
    """

    length: timedelta
    step: timedelta
    offset: timedelta = timedelta()
    zone: ZoneInfo | None = None

    @property
    def overlap(self) -> int:
        """In how many windows each reading is."""
        return self.length // self.step

    @cached_property
    def origin(self) -> datetime:
        """A start before all readings: `date_bin` of Postgres 15 is off by one step at starts before its origin."""
        first = EPOCH + self.offset % self.step
        return first - (first - _FIRST_MOMENT) // self.step * self.step

    def start(self, query: Query, moment: str) -> str:
        """Returns the SQL of the last start of a window up to a moment."""
        step = query.argument(self.step, "interval")
        if self.zone is None:
            return f"date_bin({step}, {moment}, {query.argument(self.origin, 'timestamptz')})"
        zone = query.argument(self.zone.key, "text")
        origin = query.argument(self.origin.replace(tzinfo=None), "timestamp")
        return f"(date_bin({step}, {moment} AT TIME ZONE {zone}, {origin}) AT TIME ZONE {zone})"

    def earlier(self, query: Query, start: str, steps: str) -> str:
        """Returns the SQL of the start of a window some steps before another one."""
        back = f"{steps} * {query.argument(self.step, 'interval')}"
        if self.zone is None:
            return f"({start} - {back})"
        zone = query.argument(self.zone.key, "text")
        return f"(({start} AT TIME ZONE {zone} - {back}) AT TIME ZONE {zone})"

    def of_whole(self, length: timedelta, start: datetime | None, end: datetime | None) -> bool:
        """Returns whether every start from `start` to `end` is the start of an hour (or day) of UTC.

        Args:
            length: An hour or a day.
            start: `None` for 1970.
            end: `None` for the end of the next year.
        """
        if self.step % length or self.offset % length:
            return False
        if self.zone is None:
            return True
        moment, last = start or EPOCH, end or datetime.now(UTC) + 2 * 366 * DAY
        while moment < last:
            if (moment.astimezone(self.zone).utcoffset() or timedelta()) % length:
                return False
            moment += _ZONE_SAMPLES
        return True


@dataclass(frozen=True, slots=True)
class Aggregation:
    """An aggregation.

    Attributes:
        contract: Of whose readings.
        selection: Which readings.
        columns: Of which fields.
        functions: What to compute of each.
        percentiles: Each between 0 and 1.
        windows: `None` for one bucket over everything.
        by_device: A bucket for each device.
        group: A bucket for each value of this field.
        after: Start, device and group of the last bucket of the page before.
        limit: Most buckets.
    """

    contract: str
    selection: Selection
    columns: Sequence[Column]
    functions: Sequence[Function]
    percentiles: Sequence[float] = ()
    windows: Windows | None = None
    by_device: bool = False
    group: Column | None = None
    after: tuple[datetime | None, str, str] | None = None
    limit: int = 1_000

    @property
    def start(self) -> datetime | None:
        """Readings before it are not needed for this page: no window after the last one begins before that one."""
        starts = [moment for moment in (self.selection.start, self.after[0] if self.after else None) if moment]
        return max(starts, default=None)

    @property
    def edges(self) -> bool:
        """Whether first or last values are asked for."""
        return not EDGES.isdisjoint(self.functions)

    def rollup_length(self) -> timedelta | None:
        """Returns the longest rollup that buckets are made of: a day, an hour, or `None` for none."""
        if self.group is not None or self.percentiles or not set(self.functions) <= _OF_ROLLUPS:
            return None
        if set(self.functions) != {Function.COUNT} and any(not is_number(column) for column in self.columns):
            return None
        windows = self.windows
        lengths = [
            length
            for length in (DAY, HOUR)
            if windows is None or windows.of_whole(length, self.start, self.selection.end)
        ]
        return lengths[0] if lengths else None


def is_integer(column: Column) -> bool:
    """Returns whether a column's sums are exact."""
    return column.sql_type in ("bigint", "numeric")


def is_number(column: Column) -> bool:
    """Returns whether a column can be added up."""
    return is_integer(column) or column.sql_type == "double precision"


def keys(aggregation: Aggregation, start: str, device: str, group: str) -> tuple[list[str], list[str]]:
    """Returns the three SELECT items that name a bucket, and those of them that differ between buckets, in order."""
    items = [
        (aggregation.windows is not None, start, "NULL::timestamptz"),
        (aggregation.by_device, device, "''"),
        (aggregation.group is not None, group, "''"),
    ]
    return [sql if used else constant for used, sql, constant in items], [sql for used, sql, _ in items if used]


def after_condition(query: Query, aggregation: Aggregation, differing: Sequence[str]) -> str:
    """Returns the condition on buckets of the pages that follow; empty on the first page."""
    if aggregation.after is None:
        return ""
    if not differing:
        return "false"
    start, device, group = aggregation.after
    last = [
        query.argument(value, sql_type)
        for used, value, sql_type in (
            (aggregation.windows is not None, start, "timestamptz"),
            (aggregation.by_device, device, "text"),
            (aggregation.group is not None, group, "text"),
        )
        if used
    ]
    return f"({', '.join(differing)}) > ({', '.join(last)})"
