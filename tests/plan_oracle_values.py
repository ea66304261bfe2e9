"""What the readings of one group amount to, in plain Python."""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from dataflow_insight.catalogue.units import conversion
from dataflow_insight.plans.plan import Measure, Plan
from dataflow_insight.queries.query import Role

Cells = dict[Role, Any]
"""A row of a result, without the columns of its groups."""


@dataclass(slots=True)
class Row:
    """A reading in scope, with what the plan looks at."""

    device: str
    moment: datetime
    message: Any
    stretch: int
    value: Any = None
    previous: Any = None
    next: Any = None
    other: Any = None
    kept: bool = True
    holds: bool = False
    holding_known: bool = False
    key: tuple[Any, ...] = ()


@dataclass(slots=True)
class Result:
    """The value of a group and what stands beside it."""

    value: Any
    cells: Cells = field(default_factory=dict)
    support: int = 0


def aggregate(plan: Plan, group: Sequence[Row]) -> Result:
    """Returns what all rows of a group amount to."""
    values = [row.value for row in group if row.value is not None]
    numbers = sorted(values) if values and not isinstance(values[0], str) else []
    support = len(values)
    match plan.measure:
        case Measure.COUNT:
            kept = [row for row in group if row.kept and (not plan.holding or row.holds)]
            counted = sum(1 for row in kept if not plan.field or row.value is not None)
            return Result(counted, {}, counted)
        case Measure.MISSING:
            return Result(len(group) - support, {}, len(group))
        case Measure.MISSING_SHARE:
            return Result(100 * (len(group) - support) / len(group) if group else None, {}, len(group))
        case Measure.SHARE:
            known = [row for row in group if row.holding_known]
            held = sum(1 for row in known if row.holds)
            return Result(100 * held / len(known) if known else None, {}, len(known))
        case Measure.DISTINCT if not plan.field:
            devices = len({row.device for row in group})
            return Result(devices, {}, devices)
        case Measure.DISTINCT:
            return Result(len(set(values)), {}, support)
        case Measure.COVERAGE:
            moments = [row.moment for row in group]
            cells = {Role.START: min(moments, default=None), Role.END: max(moments, default=None)}
            return Result(len(group), {**cells, Role.DEVICES: len({row.device for row in group})})
        case Measure.CORRELATION:
            pairs = [(row.value, row.other) for row in group if row.value is not None and row.other is not None]
            return Result(_correlation(pairs), {}, len(pairs))
        case Measure.CHANGE:
            return _change([row for row in group if row.value is not None])
        case _:
            return Result(number(plan.measure, plan.percentile, numbers) if numbers else None, {}, support)


def number(measure: Measure, percentile: float, numbers: Sequence[Any]) -> Any:
    """Returns a measure of sorted numbers, at least one."""
    match measure:
        case Measure.AVG:
            return math.fsum(numbers) / len(numbers)
        case Measure.MIN:
            return numbers[0]
        case Measure.MAX:
            return numbers[-1]
        case Measure.SUM:
            return math.fsum(numbers)
        case Measure.MEDIAN:
            return statistics.median(numbers)
        case Measure.STDDEV:
            return statistics.stdev(numbers) if len(numbers) > 1 else None
        case Measure.RANGE:
            return numbers[-1] - numbers[0]
        case _:
            place = percentile / 100 * (len(numbers) - 1)
            low = math.floor(place)
            high = min(low + 1, len(numbers) - 1)
            return numbers[low] + (numbers[high] - numbers[low]) * (place - low)


def _correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    if len(pairs) < 2 or len({pair[0] for pair in pairs}) < 2 or len({pair[1] for pair in pairs}) < 2:
        return None
    return statistics.correlation([pair[0] for pair in pairs], [pair[1] for pair in pairs])


def _change(rows: Sequence[Row]) -> Result:
    if not rows:
        return Result(None, {Role.START: None, Role.END: None, Role.PREVIOUS: None, Role.NEXT: None})
    ordered = sorted(rows, key=lambda row: (row.moment, row.message))
    first, last = ordered[0], ordered[-1]
    cells = {Role.START: first.moment, Role.END: last.moment, Role.PREVIOUS: first.value, Role.NEXT: last.value}
    return Result(last.value - first.value, cells, min(len(rows), 2))


def modes(group: Sequence[Row]) -> list[Result]:
    """Returns the most frequent values."""
    counts = Counter(row.value for row in group if row.value is not None)
    most = max(counts.values(), default=0)
    return [Result(value, {}, count) for value, count in counts.items() if count == most]


def picked(plan: Plan, group: Sequence[Row]) -> list[Result]:
    """Returns the readings that a plan picks of a group."""
    rows = [row for row in group if row.value is not None]
    if not rows:
        return []
    if plan.measure is Measure.LATEST:
        newest = max(row.moment for row in rows)
        device = min(row.device for row in rows if row.moment == newest)
        rows = [max((row for row in rows if (row.moment, row.device) == (newest, device)), key=lambda row: row.message)]
    elif plan.measure is Measure.FIRST:
        rows = [min(rows, key=lambda row: (row.moment, row.device, row.message))]
    else:
        sign = -1 if plan.measure is Measure.MAX else 1
        rows.sort(key=lambda row: (sign * row.value, row.moment, row.device, row.message))
        rows = rows[:1] if plan.group_by else with_ties(rows, plan.rank or 1, lambda row: row.value)
    return [
        Result(
            row.value,
            {
                Role.DEVICE: row.device,
                Role.TIME: row.moment,
                Role.OTHER_VALUE: row.other,
                Role.PREVIOUS: row.previous,
                Role.NEXT: row.next,
            },
            1,
        )
        for row in rows
    ]


def with_ties(items: list[Any], count: int, value: Callable[[Any], Any]) -> list[Any]:
    """Returns the first items, and those that are level with the last of them."""
    if len(items) <= count:
        return items
    last = value(items[count - 1])
    return [item for place, item in enumerate(items) if place < count or value(item) == last]


def streaks(plan: Plan, rows: Sequence[Row]) -> list[tuple[tuple[Any, ...], Result]]:
    """Returns all runs by group; a device that begins with readings that fail has one of length 0 more."""
    lines: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        lines[(row.device, row.stretch, row.key)].append(row)
    found = []
    for (device, _, key), line in lines.items():
        line.sort(key=lambda row: (row.moment, row.message))
        runs: list[list[Row]] = []
        before: Row | None = None
        for row in line:
            held = row.holds and row.kept
            near = before is not None and (
                plan.neighbour_within is None or row.moment - before.moment <= plan.neighbour_within
            )
            if held and runs and before is not None and near and before.holds and before.kept:
                runs[-1].append(row)
            elif held:
                runs.append([row])
            before = row
        if not (line[0].holds and line[0].kept):
            runs.append([])
        found += [(key, _streak(plan, device, run)) for run in runs]
    return found


def _streak(plan: Plan, device: str, run: Sequence[Row]) -> Result:
    cells: Cells = {Role.DEVICE: device, Role.START: None, Role.END: None, Role.SECONDS: None}
    if run:
        step = plan.neighbour_within.total_seconds() / 1.5 if plan.neighbour_within is not None else 0.0
        length = (run[-1].moment - run[0].moment).total_seconds() + step
        cells |= {Role.START: run[0].moment, Role.END: run[-1].moment, Role.SECONDS: length}
    return Result(len(run), cells)


def gaps(plan: Plan, rows: Sequence[Row]) -> list[tuple[tuple[Any, ...], Result]]:
    """Returns the times between neighbours by the group that they begin in."""
    seconds = conversion("s", plan.unit) if plan.unit else None
    lines: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        if not plan.field or row.value is not None:
            lines[(row.device, row.stretch)].append(row)
    found = []
    for (device, _), line in lines.items():
        line.sort(key=lambda row: (row.moment, row.message))
        for first, second in pairwise(line):
            length = (second.moment - first.moment).total_seconds()
            cells = {Role.START: first.moment, Role.END: second.moment, Role.DEVICE: device}
            found.append((first.key, Result(seconds.of(length) if seconds else length, cells)))
    return found
