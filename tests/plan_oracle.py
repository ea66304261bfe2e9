"""Computes plans over lists in plain Python, in other words than the SQL's: what results are held against."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dataflow_insight.catalogue.units import conversion
from dataflow_insight.plans.plan import (
    Comparison,
    Condition,
    Difference,
    Grouping,
    GroupLimit,
    JoinOn,
    Measure,
    Plan,
    Scope,
)
from dataflow_insight.queries.query import Role

from tests.plan_data import Reading, Readings
from tests.plan_oracle_values import Cells, Result, Row, aggregate, gaps, modes, number, picked, streaks, with_ties

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIES = 100


class Oracle:
    """Computes plans.

    Args:
        readings: All that is stored.
        units: The unit of each field, by contract and name.
    """

    def __init__(self, readings: Readings, units: dict[tuple[str, str], str]) -> None:
        self._readings = readings
        self._units = units

    def rows(self, plan: Plan) -> list[tuple[tuple[Any, ...], Cells]]:
        """Returns the rows of a plan's result: the group, and the cells by role."""
        width = len(plan.group_by)
        first = self._results(plan, plan.scope)
        if plan.compared_with is not None:
            second = self._results(plan, plan.compared_with)
            keys = list(dict.fromkeys([key for key, _ in first] + [key for key, _ in second]))
            found = [(key, _compared(dict(first).get(key), dict(second).get(key))) for key in keys]
            judged = Role.DIFFERENCE
        else:
            found = [(key, {Role.VALUE: item.value, Role.SUPPORT: item.support, **item.cells}) for key, item in first]
            judged = Role.VALUE
        if plan.having is not None:
            found = [item for item in found if item[1][judged] is not None and meets(item[1][judged], plan.having)]
        if plan.rank and width:
            found = _ranked([item for item in found if item[1][judged] is not None], plan.rank, judged)
        return found

    def _results(self, plan: Plan, scope: Scope) -> list[tuple[tuple[Any, ...], Result]]:
        """Returns the results of one scope, by group."""
        width = len(plan.group_by)
        alone = plan.fold is None and plan.compared_with is None
        rows = self._scoped(plan, scope)
        empty = plan.rank < 0 or (plan.having is not None and meets(0.0, plan.having))
        keeps = plan.measure is Measure.COUNT and (empty or plan.fold is not None)
        if plan.measure is not Measure.STREAK and not keeps:
            rows = [row for row in rows if row.kept]
        groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        for row in rows:
            groups[row.key].append(row)
        if not width and plan.fold is None and not groups:
            groups[()] = []
        if plan.measure in {Measure.STREAK, Measure.GAP}:
            found = self._runs(plan, rows, groups, alone=alone)
        elif plan.measure in {Measure.LATEST, Measure.FIRST} or plan.with_where_and_when:
            found = [(key, item) for key, group in groups.items() for item in picked(plan, group)]
        elif plan.measure is Measure.MODE:
            found = [(key, item) for key, group in groups.items() for item in modes(group)]
        else:
            found = [(key, aggregate(plan, group)) for key, group in groups.items()]
            if plan.measure is Measure.CHANGE and width:
                found = [(key, item) for key, item in found if item.value is not None]
        if plan.fold is None:
            return found
        return _folded(plan, found, width, empty=empty)

    def _scoped(self, plan: Plan, scope: Scope) -> list[Row]:
        zone = ZoneInfo(plan.time_zone)
        stretches = _stretches(scope)
        read: list[tuple[Reading, int]] = []
        for reading in self._readings[plan.contract]:
            stretch = next((n for n, (a, b) in enumerate(stretches) if a <= reading.moment < b), None)
            named = not scope.device_ids or reading.device in scope.device_ids
            if stretch is not None and named and reading.device not in scope.excluded_device_ids:
                read.append((reading, stretch))
        read.sort(key=lambda item: (item[0].device, item[1], item[0].moment, item[0].message))
        beside = self._beside(plan) if plan.join is not None else {}
        found = []
        before: tuple[Reading, int] | None = None
        for reading, stretch in read:
            neighbour = before[0] if before and before[1] == stretch and before[0].device == reading.device else None
            before = (reading, stretch)
            row = self._row(plan, scope, reading, stretch, neighbour, beside, zone)
            if row is not None:
                found.append(row)
        return found

    def _row(
        self,
        plan: Plan,
        scope: Scope,
        reading: Reading,
        stretch: int,
        neighbour: Reading | None,
        beside: dict[Any, dict[str, Any]],
        zone: ZoneInfo,
    ) -> Row | None:
        other: dict[str, Any] | None = {}
        if plan.join is not None:
            bucket = _bucket(plan, reading.moment, zone)
            by_device = plan.join.on is JoinOn.DEVICE_AND_TIME
            other = beside.get((reading.device, bucket) if by_device else bucket)
            if other is None and plan.measure is not Measure.STREAK:
                return None
            other = other or {}

        def value_of(name: str, *, joined: bool) -> Any:
            return other.get(name) if joined else reading.values.get(name)  # type: ignore[union-attr]

        row = Row(reading.device, reading.moment, reading.message, stretch)
        raw = reading.values.get(plan.field) if plan.field else None
        if plan.difference is not Difference.NONE:
            near = neighbour is not None and (
                plan.neighbour_within is None or reading.moment - neighbour.moment <= plan.neighbour_within
            )
            earlier = neighbour.values[plan.field] if neighbour is not None and near else None
            step = None if raw is None or earlier is None else raw - earlier
            if step is not None and plan.difference is Difference.NEIGHBOUR_ABSOLUTE:
                step = abs(step)
            row.previous, row.next = self._converted(plan, earlier), self._converted(plan, raw)
            row.value = self._converted(plan, step, difference=True)
            raw = step
        else:
            row.value = self._converted(plan, raw)
        if plan.other_field:
            row.other = value_of(plan.other_field, joined=plan.other_joined)

        def compared(condition: Condition) -> Any:
            if plan.difference is not Difference.NONE and condition.field == plan.field and not condition.joined:
                return raw
            return value_of(condition.field, joined=condition.joined)

        row.holds = all(_holds(compared(item), item) for item in plan.holding)
        row.holding_known = all(compared(item) is not None for item in plan.holding)
        conditions = all(_holds(value_of(item.field, joined=item.joined), item) for item in scope.conditions)
        calendar = _in_calendar(scope, reading.moment.astimezone(zone))
        if not calendar and plan.measure is not Measure.STREAK:
            return None
        row.kept = conditions and calendar
        each = plan.fold.each if plan.fold is not None else ()
        keys = []
        for grouping in (*plan.group_by, *each):
            if grouping is Grouping.VALUE:
                keys.append(value_of(plan.group_field, joined=plan.group_joined))
                if keys[-1] is None:
                    return None
            else:
                keys.append(group_key(grouping, reading.device, reading.moment, zone))
        row.key = tuple(keys)
        return row

    def _converted(self, plan: Plan, value: Any, *, difference: bool = False) -> Any:
        unit = self._units.get((plan.contract, plan.field), "")
        if value is None or not plan.unit or plan.measure is Measure.GAP:
            return value
        change = conversion(unit, plan.unit)
        assert change is not None
        return change.of_difference(value) if difference else change.of(value)

    def _beside(self, plan: Plan) -> dict[Any, dict[str, Any]]:
        """Returns one row for each stretch of time of the joined contract."""
        assert plan.join is not None
        zone = ZoneInfo(plan.time_zone)
        groups: dict[Any, list[Reading]] = defaultdict(list)
        for reading in self._readings[plan.join.contract]:
            bucket = _bucket(plan, reading.moment, zone)
            by_device = plan.join.on is JoinOn.DEVICE_AND_TIME
            groups[(reading.device, bucket) if by_device else bucket].append(reading)
        return {
            key: {name: _whole([item.values[name] for item in group]) for name in group[0].values}
            for key, group in groups.items()
        }

    def _runs(
        self, plan: Plan, rows: Sequence[Row], groups: dict[tuple[Any, ...], list[Row]], *, alone: bool
    ) -> list[tuple[tuple[Any, ...], Result]]:
        runs = streaks(plan, rows) if plan.measure is Measure.STREAK else gaps(plan, rows)
        by_key: dict[tuple[Any, ...], list[Result]] = defaultdict(list)
        for key, run in runs:
            by_key[key].append(run)
        if not alone:
            if not plan.group_by and plan.fold is None:
                by_key.setdefault((), [])
            return [
                (key, Result(max((run.value for run in group), default=None), {}, len(group)))
                for key, group in by_key.items()
            ]
        found = []
        for key, group in by_key.items():
            group.sort(
                key=lambda run: (
                    -run.value,
                    run.cells[Role.START] or datetime.max.replace(tzinfo=UTC),
                    run.cells[Role.DEVICE],
                )
            )
            if plan.group_by:
                found.append((key, group[0]))
                continue
            told = [run for run in group if run.value > 0] if plan.rank else group
            found += [(key, run) for run in with_ties(told, plan.rank or 1, lambda run: run.value)][:TIES]
        return found


def group_key(grouping: Grouping, device: str, moment: datetime, zone: ZoneInfo) -> Any:
    """Returns the group of a reading."""
    local = moment.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    match grouping:
        case Grouping.DEVICE:
            return device
        case Grouping.HOUR:
            return moment - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        case Grouping.DAY:
            return midnight.astimezone(UTC)
        case Grouping.WEEK:
            return (midnight - timedelta(days=local.weekday())).astimezone(UTC)
        case Grouping.MONTH:
            return midnight.replace(day=1).astimezone(UTC)
        case Grouping.HOUR_OF_DAY:
            return local.hour
        case _:
            return local.isoweekday()


def meets(value: float, limit: GroupLimit) -> bool:
    """Returns whether a number stands so."""
    return _stands(value, limit.comparison, limit.limit)


def _stands(value: Any, comparison: Comparison, limit: Any) -> bool:
    match comparison:
        case Comparison.GREATER:
            return bool(value > limit)
        case Comparison.GREATER_OR_EQUAL:
            return bool(value >= limit)
        case Comparison.LESS:
            return bool(value < limit)
        case Comparison.LESS_OR_EQUAL:
            return bool(value <= limit)
        case Comparison.EQUAL:
            return bool(value == limit)
        case Comparison.NOT_EQUAL:
            return bool(value != limit)


def _holds(value: Any, condition: Condition) -> bool:
    if value is None:
        return False
    if isinstance(condition.limit, tuple):
        return (value in condition.limit) is (condition.comparison is Comparison.EQUAL)
    return _stands(value, condition.comparison, condition.limit)


def _stretches(scope: Scope) -> list[tuple[datetime, datetime]]:
    """Returns the stretches of time, those that touch as one."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    spans = sorted((item.start or first, item.end or last) for item in scope.times) or [(first, last)]
    found = [spans[0]]
    for start, end in spans[1:]:
        if start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _in_calendar(scope: Scope, local: datetime) -> bool:
    minute = local.hour * 60 + local.minute
    inside = not scope.day_times
    for part in scope.day_times:
        if part.start_minute < part.end_minute:
            inside = inside or part.start_minute <= minute < part.end_minute
        else:
            inside = inside or minute >= part.start_minute or minute < part.end_minute
    return inside and (not scope.weekdays or local.isoweekday() in scope.weekdays)


def _bucket(plan: Plan, moment: datetime, zone: ZoneInfo) -> Any:
    assert plan.join is not None
    if plan.join.bucket == timedelta(days=1):
        return moment.astimezone(zone).date()
    return (moment - EPOCH) // plan.join.bucket


def _whole(values: Iterable[Any]) -> Any:
    given = [value for value in values if value is not None]
    if not given:
        return None
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        return math.fsum(given) / len(given)
    counts = Counter(given)
    # The first in the order of the database, which is that of code points.
    return min(value for value, count in counts.items() if count == max(counts.values()))


def _folded(
    plan: Plan, finer: Sequence[tuple[tuple[Any, ...], Result]], width: int, *, empty: bool
) -> list[tuple[tuple[Any, ...], Result]]:
    assert plan.fold is not None
    fold = plan.fold
    groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    if not width:
        groups[()] = []
    for key, item in finer:
        if fold.measure is Measure.SHARE:
            groups[key[:width]].append(item.value)
            continue
        limit = fold.having
        if limit is None and fold.measure is plan.measure is Measure.COUNT:
            limit = GroupLimit(Comparison.GREATER, 0.0)
        stands = limit is None or (item.value is not None and meets(item.value, limit))
        if stands:
            groups[key[:width]].append(item.value)
        elif empty and fold.measure is Measure.COUNT:
            groups.setdefault(key[:width], [])
    found = []
    for key, values in groups.items():
        given = sorted(value for value in values if value is not None)
        if fold.measure is Measure.SHARE:
            assert fold.having is not None
            standing = sum(1 for value in given if meets(value, fold.having))
            found.append((key, Result(100 * standing / len(given) if given else None, {}, len(given))))
        elif fold.measure is Measure.COUNT:
            found.append((key, Result(len(given), {}, len(given))))
        else:
            value = number(fold.measure, 0.0, given) if given else None
            found.append((key, Result(value, {}, len(given))))
    return found


def _compared(first: Result | None, second: Result | None) -> Cells:
    a: Any = None if first is None else first.value
    b: Any = None if second is None else second.value
    known = a is not None and b is not None
    return {
        Role.VALUE: a,
        Role.OTHER_VALUE: b,
        Role.DIFFERENCE: a - b if known else None,
        Role.PERCENT: 100 * (a - b) / abs(b) if known and b else None,
        Role.RATIO: a / b if known and b else None,
        Role.SUPPORT: None if first is None else first.support,
        Role.OTHER_SUPPORT: None if second is None else second.support,
    }


def _ranked(rows: list[tuple[tuple[Any, ...], Cells]], rank: int, judged: Role) -> list[tuple[tuple[Any, ...], Cells]]:
    ordered = sorted(rows, key=lambda item: item[1][judged], reverse=rank > 0)
    return with_ties(ordered, abs(rank), lambda item: item[1][judged])
