"""Finds the rows of a result that hold a name or a time; looked up once for all sentences, since results may be long."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.answers.times import When
from dataflow_insight.queries.query import Role
from dataflow_insight.queries.table import Value

TIMES: Final = frozenset({Role.TIME, Role.BUCKET, Role.START, Role.END})
"""Columns of moments."""

_GROUPS: Final = frozenset({Role.BUCKET, Role.HOUR_OF_DAY, Role.WEEKDAY})


class RowIndex:
    """The rows of a result by what they are of.

    Args:
        rows: Of the table.
        roles: Of its columns.
        zone: Whose days and hours are meant.
    """

    def __init__(self, rows: Sequence[tuple[Value, ...]], roles: Sequence[Role], zone: ZoneInfo) -> None:
        self._rows = rows
        self._roles = roles
        self._zone = zone
        self._timed: dict[When, frozenset[int]] = {}

    def named(self, name: str) -> frozenset[int]:
        """Returns the rows with a cell that is the name."""
        return self._names.get(name, frozenset())

    @cached_property
    def unnamed(self) -> frozenset[int]:
        """The rows whose group is no value."""
        columns = [column for column, role in enumerate(self._roles) if role is Role.GROUP]
        return frozenset(
            row for row, cells in enumerate(self._rows) if any(cells[column] is None for column in columns)
        )

    def timed(self, when: When) -> frozenset[int]:
        """Returns the rows with a cell that is the time."""
        key = replace(when, start=0, end=0)
        if key not in self._timed:
            self._timed[key] = self._find(key)
        return self._timed[key]

    def grouped(self, when: When) -> frozenset[int]:
        """Returns the rows whose group is the time."""
        columns = [column for column, role in enumerate(self._roles) if role in _GROUPS]
        return frozenset(row for row in self.timed(when) if any(self._fits(when, row, column) for column in columns))

    @cached_property
    def _names(self) -> dict[str, frozenset[int]]:
        found: defaultdict[str, set[int]] = defaultdict(set)
        for number, cells in enumerate(self._rows):
            for cell, role in zip(cells, self._roles, strict=True):
                name = name_of(cell, role)
                if name is not None:
                    found[name].add(number)
        return {name: frozenset(rows) for name, rows in found.items()}

    @cached_property
    def _days(self) -> dict[tuple[int, int, int], list[tuple[int, int]]]:
        """The places of moments by their day in the asker's zone."""
        found: defaultdict[tuple[int, int, int], list[tuple[int, int]]] = defaultdict(list)
        for number, cells in enumerate(self._rows):
            for column, cell in enumerate(cells):
                if isinstance(cell, datetime):
                    local = cell.astimezone(self._zone)
                    found[(local.year, local.month, local.day)].append((number, column))
        return dict(found)

    def _find(self, when: When) -> frozenset[int]:
        if when.weekdays and when.hour is not None and not when.has_date:
            # "Monday, 17:00": two columns of one row.
            day = replace(when, hour=None, minute=None, second=None, offset=None)
            return self.timed(day) & self.timed(replace(when, weekdays=()))
        own_zone = when.offset is None or when.offset.utcoffset(None) == self._offset_at(when)
        if when.year is not None and when.month is not None and when.day is not None and when.hour != 24 and own_zone:
            places = self._days.get((when.year, when.month, when.day), [])
            return frozenset(row for row, column in places if self._fits(when, row, column))
        return frozenset(
            row
            for row in range(len(self._rows))
            if any(self._fits(when, row, column) for column in range(len(self._roles)))
        )

    def _offset_at(self, when: When) -> object:
        try:
            local = datetime(
                when.year or 1, when.month or 1, when.day or 1, when.hour or 0, when.minute or 0, tzinfo=self._zone
            )
        except ValueError:
            return None
        return local.utcoffset()

    def _fits(self, when: When, row: int, column: int) -> bool:
        return fits_cell(when, self._rows[row][column], self._roles[column], self._zone)


def name_of(cell: Value, role: Role) -> str | None:
    """Returns how a sentence names a cell: a text, or as a group also yes or no and a whole number; None for no name."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell) if isinstance(cell, int) and role is Role.GROUP else None


def fits_cell(when: When, cell: Value, role: Role, zone: ZoneInfo) -> bool:
    """Returns whether a cell is the time that a sentence names."""
    match cell:
        case datetime():
            return role in TIMES and when.fits(cell, zone)
        case int() if role is Role.HOUR_OF_DAY:
            return when.is_clock and when.hour == cell and not when.minute and not when.second
        case int() if role is Role.WEEKDAY:
            return when.weekdays == (cell,) and not when.has_date and when.hour is None
        case _:
            return False
