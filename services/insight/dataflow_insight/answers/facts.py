"""What a result says about whom and when: which cells a name, a time, a field or a limit in a sentence leaves possible."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from dataflow_insight.answers.rows import TIMES, RowIndex
from dataflow_insight.answers.scopes import limit_names, scope_says
from dataflow_insight.answers.times import When
from dataflow_insight.answers.words import Tag
from dataflow_insight.catalogue.catalogue import Contract, Field, key_of
from dataflow_insight.catalogue.concepts import CONCEPTS
from dataflow_insight.plans.plan import Condition, Difference, Measure, Plan, Scope
from dataflow_insight.queries.query import Role
from dataflow_insight.queries.table import Value

if TYPE_CHECKING:
    from dataflow_insight.engines.engine import Computed

NAMES: Final = frozenset({Role.DEVICE, Role.GROUP})
"""Columns of names."""

COMPARED: Final = frozenset({Role.OTHER_VALUE, Role.OTHER_SUPPORT})
"""Columns about the readings of `compared_with`."""

BOTH: Final = frozenset({Role.DIFFERENCE, Role.PERCENT, Role.RATIO})
"""Columns about both sides of a comparison."""

_TAGS: Final = {
    Measure.COUNT: {Tag.SUM},
    Measure.AVG: {Tag.MEAN},
    Measure.MIN: {Tag.LOW, Tag.EXTREME},
    Measure.MAX: {Tag.HIGH, Tag.EXTREME},
    Measure.SUM: {Tag.SUM},
    Measure.LATEST: {Tag.LATEST},
    Measure.FIRST: {Tag.FIRST},
    Measure.MEDIAN: {Tag.MEDIAN, Tag.PERCENTILE},
    Measure.PERCENTILE: {Tag.PERCENTILE},
    Measure.STDDEV: {Tag.DEVIATION},
    Measure.MODE: {Tag.MODE, Tag.HIGH},
    Measure.DISTINCT: {Tag.SUM},
    Measure.SHARE: set(),
    Measure.RANGE: {Tag.RANGE, Tag.HIGH, Tag.LOW, Tag.EXTREME},
    Measure.STREAK: {Tag.LONG},
    Measure.GAP: {Tag.LONG},
    Measure.CORRELATION: {Tag.CORRELATION},
    Measure.CHANGE: set(),
    Measure.MISSING: {Tag.MISSING, Tag.SUM},
    Measure.MISSING_SHARE: {Tag.MISSING},
    Measure.COVERAGE: {Tag.SUM},
}
_COUNTS: Final = frozenset({Measure.COUNT, Measure.MISSING, Measure.DISTINCT, Measure.STREAK, Measure.COVERAGE})


class Facts:
    """A result seen as support for sentences.

    Attributes:
        computed: The plan, its contract and its table.
        plan: The plan.
        zone: Whose days and hours are meant.
    """

    def __init__(self, computed: "Computed", joined: Contract | None = None) -> None:
        self.computed = computed
        self._joined = joined
        self.plan: Plan = computed.plan
        self.rows = computed.table.rows
        self.roles = computed.table.query.roles
        self.zone = ZoneInfo(self.plan.time_zone or "UTC")

    @property
    def index(self) -> int:
        """Number of the result."""
        return self.computed.index

    def columns(self, *roles: Role) -> list[int]:
        """Returns the columns of these roles."""
        return [column for column, role in enumerate(self.roles) if role in roles]

    def cell(self, row: int, role: Role) -> Value:
        """Returns the first cell of a role in a row; None where there is none."""
        return self.rows[row][self.roles.index(role)] if role in self.roles else None

    @property
    def compares(self) -> bool:
        """Whether each row sets two groups of readings against each other."""
        return self.plan.compared_with is not None

    def scopes(self, role: Role) -> tuple[Scope, ...]:
        """Returns which readings a column is about."""
        other = self.plan.compared_with
        if other is None:
            return (self.plan.scope,)
        if role in COMPARED:
            return (other,)
        return (self.plan.scope, other) if role in BOTH or role in NAMES or role in TIMES else (self.plan.scope,)

    @cached_property
    def nothing(self) -> bool:
        """Whether the query found nothing: no row, no value, or only counts of zero."""
        if not self.rows:
            return True
        column = self.columns(Role.VALUE)
        cells = [row[column[0]] for row in self.rows] if column else [cell for row in self.rows for cell in row]
        if self.plan.measure is Measure.COVERAGE:
            cells = [cell for row in self.rows for cell in row if cell != 0]
        return all(cell is None or (cell == 0 and self.counts) for cell in cells)

    @property
    def counts(self) -> bool:
        """Whether the value says how many."""
        fold = self.plan.fold
        return (fold is not None and fold.measure is Measure.COUNT) or (
            self.plan.measure in _COUNTS and (fold is None or fold.measure is not Measure.AVG)
        )

    @cached_property
    def tags(self) -> frozenset[Tag]:
        """What words such as "average" and "highest" may be said of its values."""
        plan = self.plan
        found = {Tag.DISTINCT, Tag.FIRST, Tag.LATEST} | _TAGS[plan.measure]
        if plan.fold is not None:
            found |= _TAGS[plan.fold.measure]
        if plan.rank:
            found |= {Tag.HIGH if plan.rank > 0 else Tag.LOW, Tag.EXTREME}
        if plan.difference is not Difference.NONE:
            found |= {Tag.HIGH, Tag.EXTREME}
        if plan.measure is Measure.PERCENTILE and plan.percentile == 50:
            found.add(Tag.MEDIAN)
        if plan.measure is Measure.LATEST:
            found.discard(Tag.FIRST)
        if plan.measure is Measure.FIRST:
            found.discard(Tag.LATEST)
        return frozenset(found)

    def limits(self, role: Role) -> Iterator[tuple[str, float]]:
        """Yields the operator and number of every limit that a column's values are under."""
        for condition in self.conditions(role):
            if isinstance(condition.limit, int | float) and not isinstance(condition.limit, bool):
                yield condition.comparison.operator, float(condition.limit)
        groups = [self.plan.having, self.plan.fold.having if self.plan.fold is not None else None]
        for limit in groups:
            if limit is not None:
                yield limit.comparison.operator, float(limit.limit)

    def conditions(self, role: Role) -> Iterator[Condition]:
        """Yields the conditions that a column's readings meet."""
        for scope in self.scopes(role):
            yield from scope.conditions
        yield from self.plan.holding

    @cached_property
    def field_keys(self) -> frozenset[str]:
        """Every spelling of the fields that the result is about, without case, spaces and punctuation."""
        plan = self.plan
        names = {plan.field, plan.other_field, plan.group_field} - {""}
        names |= {condition.field for role in (Role.VALUE, Role.OTHER_VALUE) for condition in self.conditions(role)}
        return frozenset(spelling for name in names for spelling in spellings(name, self._description(name)))

    @cached_property
    def group_keys(self) -> frozenset[str]:
        """Every spelling of the field whose values are groups."""
        name = self.plan.group_field
        return spellings(name, self._description(name)) if name else frozenset()

    def field_named(self, name: str) -> Field | None:
        """Returns a field of the contract or of the joined one."""
        own = self.computed.contract.field_named(name)
        return self._joined.field_named(name) if own is None and self._joined is not None else own

    def _description(self, name: str) -> str:
        item = self.field_named(name)
        return item.description if item is not None else ""

    def measured_keys(self, role: Role) -> frozenset[str]:
        """Every spelling of the fields that a column may be said to be a value of."""
        plan = self.plan
        name = plan.other_field if role is Role.OTHER_VALUE and plan.compared_with is None else plan.field
        if plan.measure in {Measure.CORRELATION, Measure.SHARE, Measure.STREAK} or not name or role is Role.SUPPORT:
            return self.field_keys
        own = {name, *(condition.field for condition in self.conditions(role)), plan.group_field} - {""}
        return frozenset(spelling for item in own for spelling in spellings(item, self._description(item)))

    def plans_name(self, name: str, role: Role) -> bool:
        """Returns whether the plan itself, where no row does, names a device or another text for a column."""
        if any(name in limit_names(condition) for condition in self.conditions(role)):
            return True
        return Role.DEVICE not in self.roles and any(name in scope.device_ids for scope in self.scopes(role))

    def fits_name(self, name: str, row: int, role: Role) -> bool:
        """Returns whether a cell of a row can be meant where a device or other value of a text field is named."""
        return row in self.index_of_rows.named(name) or self.plans_name(name, role)

    def fits_time(self, when: When, row: int, role: Role) -> bool:
        """Returns whether a cell of a row, or the plan's own time, can be meant where a time is named."""
        return self.has_time(when, row) or any(
            scope_says(when, scope, self.zone) is not None for scope in self.scopes(role)
        )

    def has_time(self, when: When, row: int) -> bool:
        """Returns whether a cell of a row is the time that is named."""
        return row in self.index_of_rows.timed(when)

    def tells_time(self, when: When) -> bool:
        """Returns whether a cell of any row is the time that is named."""
        return bool(self.index_of_rows.timed(when))

    @cached_property
    def index_of_rows(self) -> RowIndex:
        """Its rows by name and time."""
        return RowIndex(self.rows, self.roles, self.zone)


def spellings(name: str, description: str = "") -> frozenset[str]:
    """Returns the keys under which a field may be mentioned: its name, what its quantity is called, a short description."""
    key = key_of(name)
    found = {key, key_of(name.rpartition("/")[2])}
    if 0 < len(description.split()) <= 3:
        found.add(key_of(description))
    for concept in CONCEPTS:
        if key in concept.names or key_of(name.rpartition("/")[2]) in concept.names:
            found |= set(concept.names) | {key_of(phrase) for phrase in concept.phrases}
    return frozenset(found - {""})
