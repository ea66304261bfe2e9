"""One result of every shape that a plan can have, as an answer tells it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from dataflow_insight.engines.engine import Computed
from dataflow_insight.plans.plan import (
    Comparison,
    Condition,
    DayTime,
    Difference,
    Focus,
    Fold,
    Grouping,
    GroupLimit,
    Measure,
    Plan,
    Scope,
    TimeRange,
)
from dataflow_insight.queries.query import Role
from dataflow_insight.queries.table import Value

from tests.unit.answer_cases import at, result

R = Role
DAY: Final = TimeRange(at("2014-01-16"), at("2014-01-17"))
WEEK: Final = TimeRange(at("2014-01-10"), at("2014-01-15"))
TIANTAN: Final = Scope(("Tiantan",))
HIGH: Final = Condition("pm25", Comparison.GREATER, 200.0)
COLD: Final = Condition("temp", Comparison.LESS, 0.0)
WARM: Final = Condition("temp", Comparison.GREATER_OR_EQUAL, 0.0)
VERSUS: Final = (R.VALUE, R.OTHER_VALUE, R.DIFFERENCE, R.PERCENT, R.RATIO, R.SUPPORT, R.OTHER_SUPPORT)
LOWER: Final = (98.8765, 105.25, -6.3735, -6.0556, 0.93944, 24, 20)
MORE: Final = (56, 44, 12, 27.2727, 1.2727, 56, 44)
ONE: Final = (R.VALUE, R.SUPPORT)
READ: Final = (R.VALUE, R.DEVICE, R.TIME)
RUN: Final = (R.VALUE, R.START, R.END, R.SECONDS, R.DEVICE)
GAP: Final = (R.VALUE, R.START, R.END, R.DEVICE)
CHANGED: Final = (R.VALUE, R.START, R.END, R.PREVIOUS, R.NEXT, R.SUPPORT)
COVERED: Final = (R.START, R.END, R.VALUE, R.DEVICES)
T1: Final = at("2014-01-16T22:00:00")
T2: Final = at("2014-01-18T00:00:00")
EARLY: Final = at("2014-01-11T03:00:00")
LATE: Final = at("2014-01-12T05:00:00")


def plan(measure: Measure, field: str = "", scope: Scope = TIANTAN, **more: object) -> Plan:
    """Returns a plan of `air`."""
    return replace(Plan("air", measure, field, scope=scope), **more)  # type: ignore[arg-type]


def shapes() -> Iterator[tuple[str, Computed, str]]:
    """Yields a name, a result and its question for every shape."""
    for name, made, columns, rows, question in [*_singles(), *_readings(), *_groups(), *_comparisons(), *_runs()]:
        yield name, result(made, columns, rows), question


_Shape = tuple[str, Plan, Sequence[Role], Sequence[tuple[Value, ...]], str]


def _singles() -> Iterator[_Shape]:
    of_day = Scope(("Tiantan",), times=(DAY,), conditions=(HIGH,))
    yield "count", plan(Measure.COUNT, scope=of_day), (R.VALUE,), [(24,)], ""
    yield "count of one", plan(Measure.COUNT, "pm25", Scope(times=(WEEK,))), (R.VALUE,), [(1,)], ""
    yield "count of none", plan(Measure.COUNT, scope=of_day), (R.VALUE,), [(0,)], ""
    never = plan(Measure.COUNT, scope=of_day, focus=Focus.YES_NO)
    yield "never", never, (R.VALUE,), [(0,)], "Did pm25 at Tiantan ever exceed 200 on 2014-01-16?"
    yield "ever", never, (R.VALUE,), [(3,)], "Did pm25 at Tiantan ever exceed 200 on 2014-01-16?"
    parts = Scope(times=(WEEK,), day_times=(DayTime(1080, 360),), weekdays=(6, 7))
    yield "nights of weekends", plan(Measure.AVG, "pm25", parts), ONE, [(51.5, 12)], ""
    yield "mondays", plan(Measure.AVG, "pm25", Scope(weekdays=(1,))), ONE, [(51.5, 12)], ""
    yield "missing", plan(Measure.MISSING, "pm25"), ONE, [(7, 100)], ""
    yield "missing share", plan(Measure.MISSING_SHARE, "pm25"), ONE, [(3.0913978, 744)], ""
    both = Scope(("Gucheng", "Tiantan"))
    yield "share", plan(Measure.SHARE, scope=both, holding=(HIGH,)), ONE, [(38.280166, 731)], ""
    yield "distinct", plan(Measure.DISTINCT, "wd"), ONE, [(16, 731)], ""
    yield "devices", plan(Measure.DISTINCT, scope=Scope()), ONE, [(12, 731)], ""
    for measure in (Measure.AVG, Measure.MEDIAN, Measure.STDDEV, Measure.RANGE, Measure.SUM, Measure.MIN, Measure.MAX):
        made = plan(measure, "pm25", Scope(("Tiantan",), times=(WEEK,)))
        yield measure.name.lower(), made, ONE, [(98.8765, 24)], ""
    yield "percentile", plan(Measure.PERCENTILE, "pm25", percentile=95.0), ONE, [(259.3, 24)], ""
    yield "unit", plan(Measure.MAX, "temp", unit="°F"), ONE, [(52.52, 24)], ""
    yield "excluded", plan(Measure.AVG, "pm25", Scope(excluded_device_ids=("Tiantan",))), ONE, [(98.8765, 24)], ""
    text = Scope(conditions=(Condition("wd", Comparison.EQUAL, ("NW", "N")),))
    yield "texts", plan(Measure.AVG, "pm25", text), ONE, [(98.8765, 24)], ""
    yield (
        "flag",
        plan(Measure.AVG, "pm25", Scope(conditions=(Condition("wet", Comparison.EQUAL, True),))),
        ONE,
        [(98.8765, 24)],
        "",
    )
    daily = (Grouping.DAY,)
    yield "fold", plan(Measure.MAX, "temp", fold=Fold(daily, Measure.AVG)), ONE, [(5.525806, 31)], ""
    cold = Fold(daily, Measure.COUNT, GroupLimit(Comparison.LESS, 0.0))
    yield "days", plan(Measure.AVG, "temp", fold=cold), (R.VALUE,), [(16,)], ""
    dirty = Fold((Grouping.DEVICE,), Measure.COUNT, GroupLimit(Comparison.GREATER, 500.0))
    yield "stations", plan(Measure.MAX, "pm25", Scope(), fold=dirty), (R.VALUE,), [(8,)], ""
    yield "correlation", plan(Measure.CORRELATION, "pm25", other_field="wspm"), ONE, [(-0.323132, 720)], ""
    yield "no correlation", plan(Measure.CORRELATION, "pm25", other_field="temp"), ONE, [(0.0102, 720)], ""
    yield "mode", plan(Measure.MODE, "wd"), ONE, [("ENE", 56)], ""
    yield "modes", plan(Measure.MODE, "wd"), ONE, [("ENE", 56), ("S", 56)], ""
    yield "fall", plan(Measure.CHANGE, "pm25"), CHANGED, [(-7.9, T1, T2, 100.0, 92.1, 5)], ""
    yield "rise", plan(Measure.CHANGE, "pm25"), CHANGED, [(7.9, T1, T2, 92.1, 100.0, 5)], ""
    for focus in (Focus.VALUE, Focus.FIRST, Focus.LAST, Focus.DEVICES):
        made = plan(Measure.COVERAGE, scope=Scope(), focus=focus)
        yield f"coverage {focus}", made, COVERED, [(T1, T2, 8928, 12)], ""
    yield "nothing", plan(Measure.AVG, "pm25"), ONE, [(None, 0)], ""


def _readings() -> Iterator[_Shape]:
    yield "latest", plan(Measure.LATEST, "pm25"), READ, [(61.0, "Tiantan", T1)], ""
    yield "first text", plan(Measure.FIRST, "wd"), READ, [("WNW", "Tiantan", T1)], ""
    peak = plan(Measure.MAX, "pm25", Scope(times=(WEEK,)), with_where_and_when=True)
    yield "peak", peak, READ, [(589.0, "Wanliu", LATE)], ""
    yield "peaks", peak, READ, [(589.0, "Tiantan", EARLY), (589.0, "Wanliu", LATE)], ""
    yield (
        "when",
        replace(peak, focus=Focus.TIME, time_zone="Asia/Shanghai", scope=Scope()),
        READ,
        [(589.0, "Wanliu", LATE)],
        "",
    )
    yield "where", replace(peak, focus=Focus.DEVICE), READ, [(589.0, "Wanliu", LATE)], ""
    neighbours = (*READ, R.PREVIOUS, R.NEXT)
    rise = replace(peak, scope=Scope(), difference=Difference.NEIGHBOUR)
    yield "largest rise", rise, neighbours, [(180.0, "Wanliu", T1, 51.0, 231.0)], ""
    drop = replace(rise, measure=Measure.MIN, focus=Focus.DEVICE)
    yield "largest drop", drop, neighbours, [(-180.0, "Wanliu", T1, 231.0, 51.0)], ""
    beside = replace(peak, other_field="temp", scope=Scope())
    yield "beside", beside, (*READ, R.OTHER_VALUE), [(589.0, "Wanliu", T1, -4.0)], ""
    yield "top", replace(peak, rank=2, scope=Scope()), READ, [(589.0, "Wanliu", T1), (568.0, "Tiantan", T2)], ""


def _groups() -> Iterator[_Shape]:
    by_device = (R.DEVICE, R.VALUE, R.SUPPORT)
    devices = [("Gucheng", 105.25, 20), ("Tiantan", 98.8765, 24), ("Wanliu", 110.2, 23)]
    average = plan(Measure.AVG, "pm25", Scope(), group_by=(Grouping.DEVICE,))
    yield "by device", average, by_device, devices, ""
    limit = GroupLimit(Comparison.GREATER, 50.0)
    yield "above", replace(average, having=limit), by_device, devices, ""
    yield "leader", replace(average, rank=1, focus=Focus.DEVICE), by_device, devices[2:], ""
    yield "leaders", replace(average, rank=1), by_device, [("Gucheng", 7.5, 20), ("Tiantan", 7.5, 24)], ""
    yield "lowest", replace(average, rank=-1), by_device, devices[1:2], ""
    yield "second", replace(average, rank=2, place=2), by_device, [devices[2], devices[0]], ""
    yield "best two", replace(average, rank=2), by_device, [devices[2], devices[0]], ""
    counts = plan(Measure.COUNT, scope=Scope(conditions=(HIGH,)), group_by=(Grouping.DEVICE,))
    yield "most readings", replace(counts, rank=1), (R.DEVICE, R.VALUE), [("Tiantan", 24)], ""
    yield (
        "list",
        replace(counts, scope=Scope(), focus=Focus.LIST),
        (R.DEVICE, R.VALUE),
        [("Tiantan", 24), ("Wanliu", 2)],
        "",
    )
    for grouping in (Grouping.HOUR, Grouping.DAY, Grouping.WEEK, Grouping.MONTH):
        buckets = [(at("2014-01-06"), 10.25, 20), (at("2014-02-03"), 11.75, 20)]
        made = plan(Measure.AVG, "pm25", group_by=(grouping,))
        yield f"by {grouping.name}", made, (R.BUCKET, R.VALUE, R.SUPPORT), buckets, ""
        yield f"lowest {grouping.name}", replace(made, rank=-1), (R.BUCKET, R.VALUE, R.SUPPORT), buckets[:1], ""
    hours = plan(Measure.MAX, "pm25", group_by=(Grouping.HOUR_OF_DAY,))
    yield "by hour of day", hours, (R.HOUR_OF_DAY, R.VALUE, R.SUPPORT), [(h, 10.5 + h, 20) for h in range(3)], ""
    yield "hour", replace(hours, rank=1), (R.HOUR_OF_DAY, R.VALUE, R.SUPPORT), [(17, 10.5, 20)], ""
    days = plan(Measure.AVG, "pm25", group_by=(Grouping.WEEKDAY,))
    yield "by weekday", days, (R.WEEKDAY, R.VALUE, R.SUPPORT), [(d, 10.25 + d, 20) for d in range(1, 4)], ""
    yield "weekday", replace(days, rank=1), (R.WEEKDAY, R.VALUE, R.SUPPORT), [(4, 10.5, 20)], ""
    winds = plan(Measure.AVG, "pm25", group_by=(Grouping.VALUE,), group_field="wd")
    yield "by wind", winds, (R.GROUP, R.VALUE, R.SUPPORT), [("N", 10.25, 20), ("NNW", 11.75, 20), (None, 3.0, 1)], ""
    yield "wind", replace(winds, rank=-1), (R.GROUP, R.VALUE, R.SUPPORT), [("NNW", 11.75, 20)], ""
    wet = replace(winds, group_field="wet")
    yield "by flag", wet, (R.GROUP, R.VALUE, R.SUPPORT), [(False, 10.25, 20), (True, 11.75, 20)], ""
    two = plan(Measure.AVG, "temp", Scope(), group_by=(Grouping.DEVICE, Grouping.HOUR_OF_DAY))
    rows = [("Tiantan", 0, 2.5, 24), ("Tiantan", 1, 2.75, 24), ("Wanliu", 0, 3.5, 2)]
    yield "by device and hour", two, (R.DEVICE, R.HOUR_OF_DAY, R.VALUE, R.SUPPORT), rows, ""
    pairs = plan(Measure.CORRELATION, "pm25", Scope(), other_field="temp", group_by=(Grouping.DEVICE,))
    yield "correlations", pairs, by_device, [("Tiantan", 0.0102, 720), ("Wanliu", 0.7, 22)], ""


def _comparisons() -> Iterator[_Shape]:
    versus = plan(Measure.AVG, "pm25", compared_with=Scope(("Gucheng",)))
    for focus in (Focus.DIFFERENCE, Focus.VALUE, Focus.RATIO, Focus.PERCENT):
        yield f"versus {focus}", replace(versus, focus=focus), VERSUS, [LOWER], ""
    asked = "Is pm25 higher at Tiantan than at Gucheng?"
    yield "is it higher", replace(versus, focus=Focus.YES_NO), VERSUS, [LOWER], asked
    yield "is it lower", replace(versus, focus=Focus.YES_NO), VERSUS, [LOWER], asked.replace("higher", "lower")
    yield "same", versus, VERSUS, [(56.5, 56.5, 0.0, 0.0, 1.0, 56, 5)], ""
    yield "one side", versus, VERSUS, [(56.5, None, None, None, None, 56, 0)], ""
    ends = replace(versus, scope=Scope(weekdays=(6, 7)), compared_with=Scope(weekdays=(1, 2, 3, 4, 5)))
    yield "weekends", ends, VERSUS, [LOWER], ""
    cold = replace(versus, scope=Scope(conditions=(COLD,)), compared_with=Scope(conditions=(WARM,)))
    yield "cold", cold, VERSUS, [LOWER], ""
    light = Scope(("Tiantan",), day_times=(DayTime(480, 1200),)), Scope(("Tiantan",), day_times=(DayTime(1200, 480),))
    yield "day and night", replace(versus, scope=light[0], compared_with=light[1]), VERSUS, [LOWER], ""
    spans = replace(versus, scope=Scope(times=(DAY,)), compared_with=Scope(times=(WEEK,)))
    yield "periods", spans, VERSUS, [LOWER], ""
    counts = plan(Measure.COUNT, scope=Scope(("Tiantan",), conditions=(HIGH,)))
    counts = replace(counts, compared_with=Scope(("Gucheng",), conditions=(HIGH,)))
    yield "more readings", counts, VERSUS, [MORE], ""
    by_device = replace(ends, group_by=(Grouping.DEVICE,))
    rows = [("Gucheng", *LOWER), ("Tiantan", 105.25, 98.25, 7.0, 7.12468, 1.07, 3, 4)]
    yield "weekends by device", by_device, (R.DEVICE, *VERSUS), rows, ""


def _runs() -> Iterator[_Shape]:
    streak = plan(Measure.STREAK, scope=Scope(times=(WEEK,)), holding=(HIGH,))
    longest = (26, EARLY, LATE, 97200.0, "Wanliu")
    for focus in (Focus.VALUE, Focus.FIRST, Focus.LAST, Focus.DEVICE):
        yield f"run {focus}", replace(streak, focus=focus), RUN, [longest], ""
    yield "runs", replace(streak, scope=Scope()), RUN, [longest, (26, T1, T2, 97200.0, "Tiantan")], ""
    yield "no run", replace(streak, scope=Scope()), RUN, [(0, None, None, None, None)], ""
    yield "gap", plan(Measure.GAP, scope=Scope()), GAP, [(3660.0, T1, T2, "Tiantan")], ""
    yield "gap in hours", plan(Measure.GAP, scope=Scope(), unit="h"), GAP, [(1.0, T1, T2, "Tiantan")], ""
