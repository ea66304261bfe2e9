"""What a plan's value is called: "average pm25", "days with an average temp below 0 °C", "highest daily maximum"."""

from typing import Final

from dataflow_insight.answers.about import conditions_words, group_limit_words
from dataflow_insight.answers.shown import ordinal, shown_name
from dataflow_insight.answers.writing import Told
from dataflow_insight.plans.plan import Difference, Grouping, Measure, Plan

_MEASURED: Final = {
    Measure.AVG: "average",
    Measure.MIN: "lowest",
    Measure.MAX: "highest",
    Measure.SUM: "total",
    Measure.LATEST: "latest",
    Measure.FIRST: "first",
    Measure.MEDIAN: "median",
    Measure.STDDEV: "standard deviation of",
    Measure.RANGE: "value spread of",
    Measure.MODE: "most common",
    Measure.COUNT: "number of",
}
_EACH: Final = {
    Grouping.DEVICE: "per-device",
    Grouping.HOUR: "hourly",
    Grouping.DAY: "daily",
    Grouping.WEEK: "weekly",
    Grouping.MONTH: "monthly",
    Grouping.HOUR_OF_DAY: "hour-of-day",
    Grouping.WEEKDAY: "day-of-week",
    Grouping.VALUE: "group",
}
_COUNTED: Final = {
    Grouping.DEVICE: ("device", "devices"),
    Grouping.HOUR: ("hour", "hours"),
    Grouping.DAY: ("day", "days"),
    Grouping.WEEK: ("week", "weeks"),
    Grouping.MONTH: ("month", "months"),
    Grouping.HOUR_OF_DAY: ("hour of the day", "hours of the day"),
    Grouping.WEEKDAY: ("day of the week", "days of the week"),
    Grouping.VALUE: ("group", "groups"),
}
GROUPED: Final = {
    Grouping.DEVICE: "device",
    Grouping.HOUR: "hour",
    Grouping.DAY: "day",
    Grouping.WEEK: "calendar week",
    Grouping.MONTH: "month",
    Grouping.HOUR_OF_DAY: "hour of the day",
    Grouping.WEEKDAY: "day of the week",
    Grouping.VALUE: "value",
}
"""What answers are broken down by."""


def quantity(told: Told) -> str:
    """Returns the name of what a value is, such as "average pm25" or "average of the daily highest temp"."""
    plan = told.plan
    if plan.fold is None:
        return basic(told)
    each = " ".join(_EACH[item] for item in plan.fold.each)
    if plan.fold.measure in {Measure.COUNT, Measure.SHARE}:
        what = "number" if plan.fold.measure is Measure.COUNT else "share"
        return f"{what} of {counted(told)[1]}{fold_limit(told)}"
    limit = f" where {group_limit_words(told, plan.fold.having)}" if plan.fold.having is not None else ""
    return f"{_folding(plan)} {each} {basic(told)}{limit}"


def _folding(plan: Plan) -> str:
    assert plan.fold is not None
    match plan.fold.measure:
        case Measure.STDDEV:
            return "standard deviation of the"
        case Measure.RANGE:
            return "value spread of the"
        case measure:
            return f"{_MEASURED[measure]} of the"


def basic(told: Told) -> str:
    """Returns the name of a value before any fold."""
    plan, field = told.plan, shown_name(told.plan.field)
    match plan.measure:
        case Measure.COUNT:
            what = f"values of {field}" if field else "readings"
            if plan.holding:
                what = f"changes of {field} with {conditions_words(told, plan.holding)}"
            return f"number of {what}"
        case Measure.MISSING:
            return f"number of readings without a value of {field}"
        case Measure.MISSING_SHARE:
            return f"share of readings without a value of {field}"
        case Measure.SHARE:
            return f"share of readings with {conditions_words(told, plan.holding)}"
        case Measure.DISTINCT:
            return f"number of different values of {field}" if field else "number of devices"
        case Measure.PERCENTILE:
            return f"{percentile_words(plan)} of {_differing(plan, field)}"
        case Measure.CORRELATION:
            return f"correlation of {field} and {shown_name(plan.other_field)}"
        case Measure.STREAK:
            return f"longest run with {conditions_words(told, plan.holding)}"
        case Measure.GAP:
            return f"longest gap between values of {field}" if field else "longest gap between readings"
        case Measure.CHANGE:
            return f"change of {field}"
        case Measure.COVERAGE:
            return "time of the readings"
        case _:
            return f"{_MEASURED[plan.measure]} {_differing(plan, field)}"


def percentile_words(plan: Plan) -> str:
    """Returns "95th percentile"."""
    whole = plan.percentile == int(plan.percentile)
    return f"{ordinal(int(plan.percentile))} percentile" if whole else f"{plan.percentile:g} percentile"


def _differing(plan: Plan, field: str) -> str:
    match plan.difference:
        case Difference.NEIGHBOUR:
            return f"change of {field} between neighbouring readings"
        case Difference.NEIGHBOUR_ABSOLUTE:
            return f"change in size of {field} between neighbouring readings"
        case _:
            return field


def fold_limit(told: Told) -> str:
    """Returns " with an average temp below 0 °C" for a fold that counts, or nothing."""
    fold = told.plan.fold
    if fold is None:
        return ""
    name = basic(told)
    if fold.having is None:
        return f" with a value ({name})"
    article = "an" if name[:1] in "aeiou" else "a"
    return f" with {article} {name} {group_limit_words(told, fold.having)}"


def counted(told: Told) -> tuple[str, str]:
    """Returns the noun for what a value counts, for one and for many."""
    plan = told.plan
    if plan.fold is not None and plan.fold.measure in {Measure.COUNT, Measure.SHARE}:
        one, many = _COUNTED[plan.fold.each[-1]]
        if len(plan.fold.each) > 1:
            first = " and ".join(_COUNTED[item][0] for item in plan.fold.each[:-1])
            return f"{one} of a {first}", f"{many} of each {first}"
        return one, many
    if plan.measure is Measure.DISTINCT:
        name = shown_name(plan.field)
        return (f"different value of {name}", f"different values of {name}") if name else ("device", "devices")
    if plan.measure is Measure.COUNT and plan.field and plan.difference is Difference.NONE:
        return f"value of {shown_name(plan.field)}", f"values of {shown_name(plan.field)}"
    return "reading", "readings"


def grouping_words(told: Told) -> str:
    """Returns "device and hour of the day"."""
    names = [
        shown_name(told.plan.group_field) if item is Grouping.VALUE else GROUPED[item] for item in told.plan.group_by
    ]
    return " and ".join(names)


def capitalised(text: str) -> str:
    """Returns a text with a capital at its beginning, unless it begins with a name."""
    return text[:1].upper() + text[1:] if text.split(" ", 1)[0].isalpha() else text
