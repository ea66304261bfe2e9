"""What a result says about whom and when: which cells a name, a time, a field or a limit in a sentence leaves possible."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from dataflow_insight.answers.times import When
from dataflow_insight.answers.words import Tag
from dataflow_insight.catalogue.catalogue import Contract, Field, key_of
from dataflow_insight.english.concepts import CONCEPTS
from dataflow_insight.plans.plan import Condition, Difference, Measure, Plan, Scope, TimeRange
from dataflow_insight.queries.query import Role
from dataflow_insight.queries.table import Value

if TYPE_CHECKING:
    from dataflow_insight.engines.engine import Computed

TIMES: Final = frozenset({Role.TIME, Role.BUCKET, Role.START, Role.END})
"""Columns of moments."""

NAMES: Final = frozenset({Role.DEVICE, Role.GROUP})
"""Columns of names."""

COMPARED: Final = frozenset({Role.OTHER_VALUE, Role.OTHER_SUPPORT})
"""Columns about the readings of `compared_with`."""

BOTH: Final = frozenset({Role.DIFFERENCE, Role.PERCENT, Role.RATIO})
"""Columns about both sides of a comparison."""

_MINUTE: Final = timedelta(minutes=1)
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

    def fits_name(self, name: str, row: int, role: Role) -> bool:
        """Returns whether a cell of a row can be meant where a device or other value of a text field is named."""
        cells = self.rows[row]
        if any(is_named(cells[column], own, name) for column, own in enumerate(self.roles)):
            return True
        scopes = self.scopes(role)
        if any(name in limit_names(condition) for condition in self.conditions(role)):
            return True
        return Role.DEVICE not in self.roles and any(name in scope.device_ids for scope in scopes)

    def fits_time(self, when: When, row: int, role: Role) -> bool:
        """Returns whether a cell of a row can be meant where a time is named."""
        cells = self.rows[row]
        for column, own in enumerate(self.roles):
            cell = cells[column]
            if fits_cell(when, cell, own, self.zone):
                return True
        if when.weekdays and when.hour is not None and not when.has_date:
            # "Monday, 17:00": two columns of one row.
            day, hour = replace(when, hour=None, minute=None, second=None), replace(when, weekdays=())
            return self.fits_time(day, row, role) and self.fits_time(hour, row, role)
        return any(scope_says(when, scope, self.zone) is not None for scope in self.scopes(role))


def is_named(cell: Value, role: Role, name: str) -> bool:
    """Returns whether a cell is what a sentence names: a text, or as a group also yes or no and a whole number."""
    if isinstance(cell, str):
        return cell == name
    if isinstance(cell, bool):
        return name == ("true" if cell else "false")
    return isinstance(cell, int) and role is Role.GROUP and name == str(cell)


def limit_names(condition: Condition) -> tuple[str, ...]:
    """Returns the texts, yes or no, that a condition compares with."""
    if isinstance(condition.limit, bool):
        return ("true", "false")
    return condition.limit if isinstance(condition.limit, tuple) else ()


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


def scope_says(when: When, scope: Scope, zone: ZoneInfo) -> str | None:
    """Returns how a time stands to a plan's times: "all", "start", "end", "around" (it holds them), or None."""
    if when.words:
        return "all" if scope.times else None
    if when.weekdays and not when.has_date:
        whole = set(when.weekdays) == set(scope.weekdays)
        return "all" if whole or (len(when.weekdays) == 1 and set(when.weekdays) <= set(scope.weekdays)) else None
    if when.is_clock and when.minute is not None:
        minute = 60 * (when.hour or 0) + when.minute
        for part in scope.day_times:
            if minute % 1440 in {part.start_minute % 1440, part.end_minute % 1440}:
                return "all"
    for item in scope.times:
        if (said := _range_says(when, item, zone)) is not None:
            return said
    return None


def _range_says(when: When, item: TimeRange, zone: ZoneInfo) -> str | None:
    if item.start is not None and item.end is not None and item.end - item.start <= _MINUTE and when.minute is not None:
        return "all" if when.fits(item.start, zone) else None
    own = _interval(when, item, zone)
    if own is not None:
        first, last = own
        if (first, last) == (item.start, item.end):
            return "all"
        if item.start is not None and item.end is not None and first <= item.start and item.end <= last:
            return "around"
        if item.start == first:
            return "start"
        return "end" if item.end is not None and item.end in {first, last} else None
    for moment, said in ((item.start, "start"), (item.end, "end")):
        if moment is not None and when.fits(moment, zone):
            return said
    return None


def _interval(when: When, item: TimeRange, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
    """Returns the day, month or year that a time names; None where it names an hour or no date."""
    if when.hour is not None or not when.has_date:
        return None
    near = item.start or item.end
    year = when.year if when.year is not None else near.astimezone(zone).year if near is not None else None
    if year is None or (when.month is None and when.day is not None):
        return None
    try:
        first = datetime(year, when.month or 1, when.day or 1, tzinfo=zone)
        if when.weekdays and when.weekdays != (first.isoweekday(),):
            return None
        if when.day is not None:
            last = first + timedelta(days=1)
        elif when.month is not None:
            last = datetime(year + when.month // 12, when.month % 12 + 1, 1, tzinfo=zone)
        else:
            last = datetime(year + 1, 1, 1, tzinfo=zone)
    except (ValueError, OverflowError):
        return None
    return first, last


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
