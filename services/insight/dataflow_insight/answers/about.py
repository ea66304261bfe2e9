"""What a result is about, in words: devices, times, parts of the day, limits."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.answers.shown import is_odd, shown_clock, shown_name, shown_time, shown_value, shown_weekday
from dataflow_insight.answers.writing import Told
from dataflow_insight.plans.plan import Comparison, Condition, GroupLimit, Scope, TimeRange

_MOST_NAMES: Final = 5
_WEEKEND: Final = (6, 7)
_WORKDAYS: Final = (1, 2, 3, 4, 5)
_MOST_RANGES: Final = 2
_MOST_WORDS: Final = 60
_DAY: Final = timedelta(days=1)
_DAY_MINUTES: Final = 24 * 60
_MOST_HOURS: Final = 48


def about(told: Told, *, where: bool = True, limits: bool = True) -> str:
    """Returns what all values of a result are about, with a space before it, or nothing.

    Args:
        told: The result; of a comparison, what both sides have in common.
        where: Name the devices.
        limits: Name the limits of single readings.
    """
    scope, other = told.plan.scope, told.plan.compared_with
    if other is not None:
        scope = common(scope, other)
    parts = [limit_words(told, scope.conditions) if limits else ""]
    parts += [device_words(scope if where else replace(scope, device_ids=()))]
    parts += [time_words(scope, told.zone)]
    return "".join(parts)


def common(scope: Scope, other: Scope) -> Scope:
    """Returns the parts that two scopes share."""
    return Scope(
        scope.device_ids if scope.device_ids == other.device_ids else (),
        scope.excluded_device_ids if scope.excluded_device_ids == other.excluded_device_ids else (),
        scope.times if scope.times == other.times else (),
        scope.day_times if scope.day_times == other.day_times else (),
        scope.weekdays if scope.weekdays == other.weekdays else (),
        tuple(item for item in scope.conditions if item in other.conditions),
    )


def sides(told: Told) -> tuple[str, str]:
    """Returns what sets the two groups of a comparison apart, without a space before it; "former" where it takes long."""
    scope, other = told.plan.scope, told.plan.compared_with
    assert other is not None
    first, second = _side(told, scope, other), _side(told, other, scope)
    if len(first) + len(second) > 2 * _MOST_WORDS or first == second:
        return "for the former readings", "for the latter readings"
    return first, second


def _side(told: Told, scope: Scope, other: Scope) -> str:
    own = Scope(
        scope.device_ids if scope.device_ids != other.device_ids else (),
        scope.excluded_device_ids if scope.excluded_device_ids != other.excluded_device_ids else (),
        scope.times if scope.times != other.times else (),
        scope.day_times if scope.day_times != other.day_times else (),
        scope.weekdays if scope.weekdays != other.weekdays else (),
        tuple(item for item in scope.conditions if item not in other.conditions),
    )
    words = f"{limit_words(told, own.conditions)}{device_words(own)}{time_words(own, told.zone)}".strip()
    return words or "over everything"


def device_words(scope: Scope) -> str:
    """Returns " at Tiantan and Gucheng", " at the devices named", " except Dingling", or nothing."""
    words = f" at {_listed(scope.device_ids)}" if scope.device_ids else ""
    if scope.excluded_device_ids:
        words += f" except {_listed(scope.excluded_device_ids)}"
    return words


def time_words(scope: Scope, zone: ZoneInfo) -> str:
    """Returns the times of a scope with a space before them, or nothing."""
    parts = [_range_words(item, zone) for item in scope.times]
    words = f" {' and '.join(parts)}" if parts else ""
    if len(parts) > _MOST_RANGES:
        words = " in the times asked for"
    if len(scope.day_times) > 1:
        words += " at those times of the day"
    for item in scope.day_times if len(scope.day_times) == 1 else ():
        words += f" from {shown_clock(item.start_minute)} to before {shown_clock(item.end_minute)}"
    if scope.weekdays == _WEEKEND:
        words += " at weekends"
    elif scope.weekdays == _WORKDAYS:
        words += " on weekdays"
    elif scope.weekdays:
        words += f" on {' and '.join(f'{shown_weekday(number)}s' for number in sorted(scope.weekdays))}"
    return words


def limit_words(told: Told, conditions: Sequence[Condition]) -> str:
    """Returns " with pm25 above 300 µg/m³" or nothing."""
    return f" with {conditions_words(told, conditions)}" if conditions else ""


def conditions_words(told: Told, conditions: Sequence[Condition]) -> str:
    """Returns "pm25 above 300 µg/m³ and temp below 0 °C"."""
    return " and ".join(_condition_words(told, item) for item in conditions)


def group_limit_words(told: Told, limit: GroupLimit) -> str:
    """Returns "above 150 µg/m³"."""
    unit = told.value_unit
    if told.plan.fold is not None and limit is told.plan.fold.having:
        unit = told.base_unit
    return f"{limit.comparison.word} {shown_value(float(limit.limit))}{f' {unit}' if unit else ''}"


def _condition_words(told: Told, condition: Condition) -> str:
    name = shown_name(condition.field)
    match condition.limit:
        case bool():
            value = condition.limit is (condition.comparison is Comparison.EQUAL)
            return f"{name} {'true' if value else 'false'}"
        case tuple():
            texts = [_named(text) for text in condition.limit]
            if condition.comparison is Comparison.NOT_EQUAL:
                return f"{name} other than {' or '.join(texts)}"
            return f"{name} {' or '.join(texts)}"
        case _:
            item = told.field(condition.field, joined=condition.joined)
            unit = f" {item.unit}" if item is not None and item.unit else ""
            return f"{name} {condition.comparison.word} {shown_value(float(condition.limit))}{unit}"


def _range_words(item: TimeRange, zone: ZoneInfo) -> str:
    start, end = item.start, item.end
    if start is None and end is None:
        return "at any time"
    if start is None:
        assert end is not None
        return f"before {_short(end, zone)}"
    if end is None:
        return f"from {_short(start, zone)} on"
    first, last = start.astimezone(zone), end.astimezone(zone)
    if _is_midnight(first) and _is_midnight(last):
        until = last - _DAY
        if until.date() <= first.date():
            return f"on {first:%Y-%m-%d}"
        return f"from {first:%Y-%m-%d} to {until:%Y-%m-%d}"
    if end - start <= timedelta(minutes=1):
        return f"at {shown_time(start, zone)}"
    length = _length_back(start, end)
    if length:
        return f"in the {length} before {shown_time(end, zone)}"
    return f"from {shown_time(start, zone)} to before {shown_time(end, zone)}"


def _length_back(start: datetime, end: datetime) -> str:
    """Returns "5 minutes" for a time that was counted back from a moment; nothing for one that begins on the minute."""
    minutes, rest = divmod(int((end - start).total_seconds()), 60)
    if rest or not start.second:
        return ""
    if minutes % _DAY_MINUTES == 0 and minutes > _MOST_HOURS * 60:
        return f"{minutes // _DAY_MINUTES} days"
    count, name = (minutes, "minute") if minutes % 60 else (minutes // 60, "hour")
    return f"{count} {name}{'' if count == 1 else 's'}"


def _short(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{local:%Y-%m-%d}" if _is_midnight(local) else shown_time(moment, zone)


def _is_midnight(moment: datetime) -> bool:
    return moment == moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _listed(names: Sequence[str]) -> str:
    if len(names) > _MOST_NAMES:
        return "the devices named"
    shown = [_named(name) for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _named(name: str) -> str:
    return f'"{shown_name(name)}"' if is_odd(name) else shown_name(name)
