"""From a scope to conditions: what the table is read by (devices, times), and what its rows are then held against."""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Final

from dataflow_insight.plans.plan import Comparison, Condition, DayTime, Scope, TimeRange
from dataflow_insight.queries.frame import Frame
from dataflow_insight.queries.parameters import Parameters

_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_END: Final = datetime.max.replace(tzinfo=UTC)
_MIDNIGHT: Final = 24 * 60


def device_conditions(parameters: Parameters, scope: Scope, device: str) -> list[str]:
    """Returns the conditions on a device id.

    Args:
        parameters: Of the query.
        scope: Which devices.
        device: The SQL of the device id.
    """
    found = []
    if len(scope.device_ids) == 1:
        found.append(f"{device} = {parameters.add(scope.device_ids[0], 'text')}")
    elif scope.device_ids:
        found.append(f"{device} = ANY ({parameters.add(scope.device_ids, 'text[]')})")
    if scope.excluded_device_ids:
        found.append(f"{device} <> ALL ({parameters.add(scope.excluded_device_ids, 'text[]')})")
    return found


def time_conditions(parameters: Parameters, spans: Sequence[TimeRange], moment: str) -> list[str]:
    """Returns the conditions on an event time.

    Args:
        parameters: Of the query.
        spans: As `merged` gives them; none for all times.
        moment: The SQL of the event time.
    """
    if not spans:
        return []
    # The hull beside the stretches: it is what indexes and partitions are chosen by.
    hull = TimeRange(spans[0].start, spans[-1].end)
    found = _bounds(parameters, hull, moment)
    if len(spans) > 1:
        found.append(f"({' OR '.join(_within(parameters, span, moment) for span in spans)})")
    return found


def merged(spans: Sequence[TimeRange]) -> tuple[TimeRange, ...]:
    """Returns stretches of time in order, those that touch as one; none where they are all of time."""
    found: list[TimeRange] = []
    for span in sorted(spans, key=lambda item: item.start or _BEGINNING):
        if found and (found[-1].end is None or (span.start or _BEGINNING) <= found[-1].end):
            ends = (found[-1].end or _END, span.end or _END)
            found[-1] = TimeRange(found[-1].start, None if None in (found[-1].end, span.end) else max(ends))
        else:
            found.append(span)
    return () if found == [TimeRange()] else tuple(found)


def stretch_number(parameters: Parameters, spans: Sequence[TimeRange], moment: str) -> str:
    """Returns the SQL of the number of the stretch that holds an event time: neighbours are of one stretch."""
    if len(spans) < 2:
        return "0"
    cases = (f"WHEN {_within(parameters, span, moment)} THEN {number}" for number, span in enumerate(spans))
    return f"CASE {' '.join(cases)} END"


def calendar_conditions(frame: Frame, scope: Scope, moment: str) -> list[str]:
    """Returns the conditions on the time of day and the day of the week, in the plan's zone."""
    found = []
    local = f"({moment} AT TIME ZONE {frame.zone})" if scope.day_times or scope.weekdays else ""
    if scope.day_times:
        parts = [_day_time(frame.parameters, part, f"{local}::time") for part in scope.day_times]
        found.append(parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})")
    if scope.weekdays:
        days = frame.parameters.add(tuple(sorted(set(scope.weekdays))), "integer[]")
        found.append(f"EXTRACT(ISODOW FROM {local})::integer = ANY ({days})")
    return found


def value_conditions(frame: Frame, conditions: Sequence[Condition], *, of_differences: bool = False) -> list[str]:
    """Returns conditions on values; a missing value meets none of them.

    Args:
        frame: The query.
        conditions: All must hold.
        of_differences: Those on the plan's field are about its differences, as the source calls them.
    """
    return [_condition(frame, condition, of_differences=of_differences) for condition in conditions]


def value_of(frame: Frame, condition: Condition, *, of_differences: bool = False) -> str:
    """Returns the SQL of what a condition is about."""
    if of_differences and condition.field == frame.plan.field and not condition.joined:
        return "r.difference"
    return frame.column(condition.field, joined=condition.joined)


def _condition(frame: Frame, condition: Condition, *, of_differences: bool) -> str:
    value, operator = value_of(frame, condition, of_differences=of_differences), condition.comparison.operator
    match condition.limit:
        case bool():
            return f"{value} {operator} {frame.parameters.add(condition.limit, 'boolean')}"
        case tuple():
            texts = frame.parameters.add(condition.limit, "text[]")
            return f"{value} {'= ANY' if condition.comparison is Comparison.EQUAL else '<> ALL'} ({texts})"
        case _:
            return f"{value} {operator} {frame.parameters.add(float(condition.limit), 'double precision')}"


def _bounds(parameters: Parameters, span: TimeRange, moment: str) -> list[str]:
    found = []
    if span.start is not None:
        found.append(f"{moment} >= {parameters.add(span.start, 'timestamptz')}")
    if span.end is not None:
        found.append(f"{moment} < {parameters.add(span.end, 'timestamptz')}")
    return found


def _within(parameters: Parameters, span: TimeRange, moment: str) -> str:
    return f"({' AND '.join(_bounds(parameters, span, moment)) or 'true'})"


def _day_time(parameters: Parameters, part: DayTime, local: str) -> str:
    begins = f"{local} >= {parameters.add(_time(part.start_minute), 'time')}"
    if part.end_minute == _MIDNIGHT:
        return begins
    ends = f"{local} < {parameters.add(_time(part.end_minute), 'time')}"
    return f"({begins} {'AND' if part.start_minute < part.end_minute else 'OR'} {ends})"


def _time(minute: int) -> time:
    return time(minute // 60, minute % 60)
