"""A text that grows, each value in it with the claim on its cell."""

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dataflow_insight.answers.draft import Claim, Draft
from dataflow_insight.answers.shown import (
    is_odd,
    shown_bucket,
    shown_length,
    shown_name,
    shown_time,
    shown_value,
    shown_weekday,
)
from dataflow_insight.catalogue.catalogue import Contract, Field
from dataflow_insight.plans.plan import Grouping, Measure, Plan
from dataflow_insight.queries.query import Role
from dataflow_insight.queries.table import Value

if TYPE_CHECKING:
    from dataflow_insight.engines.engine import Computed

_EXACT = frozenset({Measure.MIN, Measure.MAX, Measure.LATEST, Measure.FIRST, Measure.MODE})
_UNITLESS = frozenset({Measure.CORRELATION, Measure.COUNT, Measure.MISSING, Measure.DISTINCT, Measure.STREAK})


class Told:
    """A result that is being told.

    Args:
        computed: The plan and its result.
        question: As asked: which way "is it higher?" goes.
        joined: The contract of the plan's join, for units.
    """

    def __init__(self, computed: "Computed", question: str = "", joined: Contract | None = None) -> None:
        self.computed = computed
        self.plan: Plan = computed.plan
        self.question = question
        self.table = computed.table
        self.rows = computed.table.rows
        self.roles = computed.table.query.roles
        self.zone = ZoneInfo(self.plan.time_zone or "UTC")
        self._joined = joined

    def column(self, role: Role) -> int | None:
        """Returns the first column of a role."""
        return self.roles.index(role) if role in self.roles else None

    def cell(self, row: int, role: Role) -> Value:
        """Returns a cell; None where there is no such column."""
        column = self.column(role)
        return None if column is None else self.rows[row][column]

    def has(self, row: int, role: Role) -> bool:
        """Returns whether a row has a value in a column of this role."""
        return self.cell(row, role) is not None

    def field(self, name: str, *, joined: bool = False) -> Field | None:
        """Returns a field of the contract, or of the joined one."""
        contract = self._joined if joined else self.computed.contract
        return contract.field_named(name) if contract is not None and name else None

    def unit(self) -> str:
        """Returns the unit of the plan's values; empty for none."""
        item = self.field(self.plan.field)
        return self.plan.unit or (item.unit if item is not None else "")

    @property
    def counts(self) -> bool:
        """Whether the value is a number of things."""
        fold = self.plan.fold
        if fold is not None and fold.measure is Measure.COUNT:
            return True
        counted = self.plan.measure in {Measure.COUNT, Measure.MISSING, Measure.DISTINCT, Measure.STREAK}
        return counted and (fold is None or fold.measure in {Measure.MIN, Measure.MAX, Measure.SUM, Measure.RANGE})

    @property
    def is_share(self) -> bool:
        """Whether the value is in per cent of readings."""
        fold = self.plan.fold
        if fold is not None and fold.measure is Measure.SHARE:
            return True
        return self.plan.measure in {Measure.SHARE, Measure.MISSING_SHARE} and not self.counts

    @property
    def is_length(self) -> bool:
        """Whether the value is a length of time."""
        return self.plan.measure is Measure.GAP and not self.counts and not self.is_share

    @property
    def value_unit(self) -> str:
        """The unit that stands behind a value; empty for none."""
        if self.is_share:
            return "%"
        return "" if self.counts or self.plan.measure in _UNITLESS else self.unit()

    @property
    def base_unit(self) -> str:
        """The unit of values before they are folded."""
        if self.plan.measure in {Measure.SHARE, Measure.MISSING_SHARE}:
            return "%"
        return "" if self.plan.measure in _UNITLESS else self.unit()

    @property
    def rounds(self) -> bool:
        """Whether values are computed and may be rounded, not read."""
        return (
            self.plan.measure not in _EXACT
            or self.plan.fold is not None
            or bool(self.plan.unit)
            or self.plan.difference != 0
        )

    def bucket(self, column: int | None) -> Grouping:
        """Returns what kind of calendar group a column has; None is the first such column."""
        calendar = [item for item in self.plan.group_by if item.is_calendar] or [Grouping.DAY]
        columns = [index for index, role in enumerate(self.roles) if role is Role.BUCKET]
        place = columns.index(column) if column in columns else 0
        return calendar[min(place, len(calendar) - 1)]

    def text(self) -> "Text":
        """Returns an empty text about this result."""
        return Text(self)


class Text:
    """Words and cells, in order."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._text = ""
        self._claims: list[Claim] = []

    def say(self, text: str) -> "Text":
        """Appends words."""
        self._text += text
        return self

    def cell(
        self, row: int, role: Role, *, absolute: bool = False, rounded: bool | None = None, column: int | None = None
    ) -> "Text":
        """Appends a cell as answers show it, without its unit; of several columns of a role the given one."""
        column = self._told.column(role) if column is None else column
        assert column is not None, role
        value = self._told.rows[row][column]
        if absolute and isinstance(value, int | float):
            value = abs(value)
        shown = self._shown(value, role, column, rounded=rounded)
        if isinstance(value, str) and is_odd(value):
            self.say('"')
            self._claimed(shown, row, column)
            return self.say('"')
        return self._claimed(shown, row, column)

    def value(self, row: int, role: Role = Role.VALUE, *, absolute: bool = False) -> "Text":
        """Appends a cell and its unit."""
        told = self._told
        cell = told.cell(row, role)
        if told.is_length and role in {Role.VALUE, Role.OTHER_VALUE, Role.DIFFERENCE} and isinstance(cell, int | float):
            column = told.column(role)
            assert column is not None
            return self._claimed(shown_length(abs(cell) if absolute else cell, told.plan.unit), row, column)
        unit = told.value_unit
        if role is Role.DIFFERENCE and unit == "%":
            unit = "percentage points" if told.is_share else unit
        self.cell(row, role, absolute=absolute)
        return self.say(f" {unit}" if unit and cell is not None and not isinstance(cell, str | bool) else "")

    def length(self, row: int) -> "Text":
        """Appends how long a run was."""
        column = self._told.column(Role.SECONDS)
        seconds = self._told.cell(row, Role.SECONDS)
        assert column is not None
        assert isinstance(seconds, int | float)
        return self._claimed(shown_length(seconds), row, column)

    def count(self, row: int, role: Role, one: str, many: str) -> "Text":
        """Appends a count and its noun in the right number."""
        return self.cell(row, role).say(f" {one if self._told.cell(row, role) == 1 else many}")

    def draft(self, end: str = "") -> Draft:
        """Returns what has been written."""
        return Draft(self._text + end, tuple(self._claims))

    def _claimed(self, shown: str, row: int, column: int) -> "Text":
        self._claims.append(
            Claim(len(self._text), len(self._text) + len(shown), row, column, self._told.computed.index)
        )
        self._text += shown
        return self

    def _shown(self, value: Value, role: Role, column: int, *, rounded: bool | None) -> str:
        told = self._told
        match value:
            case datetime() if role is Role.BUCKET:
                return shown_bucket(value, told.bucket(column), told.zone)
            case datetime():
                return shown_time(value, told.zone)
            case int() if role is Role.HOUR_OF_DAY:
                return f"{value:02d}:00"
            case int() if role is Role.WEEKDAY:
                return shown_weekday(value)
            case str():
                return shown_name(value)
            case _:
                computed = told.rounds if role in {Role.VALUE, Role.OTHER_VALUE, Role.PREVIOUS, Role.NEXT} else True
                if role is Role.OTHER_VALUE and told.plan.compared_with is None:
                    computed = told.plan.other_joined
                return shown_value(value, rounded=computed if rounded is None else rounded)
