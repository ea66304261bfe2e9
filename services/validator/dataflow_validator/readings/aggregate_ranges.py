"""Which times an aggregation reads from days, from hours, and from rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from dataflow_validator.readings.aggregate import DAY, EPOCH, HOUR

Range: TypeAlias = tuple[datetime, datetime]
"""From the first moment on, before the second one."""

BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
END: Final = datetime.max.replace(tzinfo=UTC)
"""asyncpg writes these two moments as -infinity and infinity."""

Dirty: TypeAlias = Mapping[datetime, Sequence[str] | None]
"""The devices that are marked in an hour; `None` for all."""

_MAX_PAIRS: Final = 2_000
"""So many devices of so many hours are looked up one by one; with more of them the hours are read as a whole."""


@dataclass(slots=True)
class Sources:
    """What to read from where; each moment is in one range only.

    Attributes:
        days: From rollups of days.
        hours: From rollups of hours.
        rows: From rows.
        day_devices: Start and device of days that are read from the rows of that device instead.
        hour_devices: Likewise of hours.
    """

    days: list[Range] = field(default_factory=list)
    hours: list[Range] = field(default_factory=list)
    rows: list[Range] = field(default_factory=list)
    day_devices: list[tuple[datetime, str]] = field(default_factory=list)
    hour_devices: list[tuple[datetime, str]] = field(default_factory=list)

    @property
    def from_rollups(self) -> bool:
        """Whether anything comes from rollups."""
        return bool(self.days or self.hours)

    @property
    def from_rows(self) -> bool:
        """Whether anything comes from rows."""
        return bool(self.rows or self.day_devices or self.hour_devices)


def sources(
    start: datetime | None,
    end: datetime | None,
    *,
    longest: timedelta,
    rollups_from: datetime | None,
    rows_from: datetime | None,
    dirty: Dirty,
) -> Sources:
    """Cuts a range of time into what is read from rollups and what from rows.

    Args:
        start: From this event time on.
        end: Before this event time.
        longest: The longest rollup that may be used, an hour or a day.
        rollups_from: There are no rollups before.
        rows_from: There are no rows before; the rollups of that time are final, whatever is marked.
        dirty: The marked hours.
    """
    first = BEGINNING if start is None else start
    last = END if end is None else end
    found = Sources()
    clean_from = max(_up(first, HOUR), BEGINNING if rollups_from is None else rollups_from)
    clean_until = _down(last, HOUR)
    if clean_from >= clean_until:
        return Sources(rows=[(first, last)])
    marked = {
        hour: devices
        for hour, devices in dirty.items()
        if clean_from <= hour < clean_until and (rows_from is None or hour >= rows_from)
    }
    whole = _whole_hours(marked)
    at = first
    for hour in [*sorted(whole), clean_until]:
        begin = max(at, clean_from)
        if at < begin:
            _append(found.rows, (at, begin))
        if begin < hour:
            _add_clean(found, (begin, hour), longest)
        if hour < clean_until:
            _append(found.rows, (hour, hour + HOUR))
            at = hour + HOUR
    if clean_until < last:
        _append(found.rows, (clean_until, last))
    pairs = ((hour, device) for hour, devices in marked.items() if hour not in whole for device in devices or ())
    _add_devices(found, pairs)
    return found


def _whole_hours(marked: Dirty) -> set[datetime]:
    """Returns the hours that are read from rows whatever the device: the most marked ones, until few pairs are left."""
    whole = {hour for hour, devices in marked.items() if devices is None}
    left = sum(len(devices) for devices in marked.values() if devices is not None)
    for hour, devices in sorted(marked.items(), key=lambda item: -len(item[1] or ())):
        if left <= _MAX_PAIRS:
            break
        if devices is not None:
            whole.add(hour)
            left -= len(devices)
    return whole


def _add_clean(found: Sources, clean: Range, longest: timedelta) -> None:
    begin, end = clean
    first_day, last_day = _up(begin, DAY), _down(end, DAY)
    if longest < DAY or first_day >= last_day:
        _append(found.hours, clean)
        return
    if begin < first_day:
        _append(found.hours, (begin, first_day))
    _append(found.days, (first_day, last_day))
    if last_day < end:
        _append(found.hours, (last_day, end))


def _add_devices(found: Sources, pairs: Iterable[tuple[datetime, str]]) -> None:
    days = set()
    for hour, device in pairs:
        day = _down(hour, DAY)
        if any(begin <= hour < end for begin, end in found.days):
            days.add((day, device))
        else:
            found.hour_devices.append((hour, device))
    found.day_devices = sorted(days)


def _append(ranges: list[Range], one: Range) -> None:
    if ranges and ranges[-1][1] == one[0]:
        ranges[-1] = (ranges[-1][0], one[1])
    else:
        ranges.append(one)


def _down(moment: datetime, length: timedelta) -> datetime:
    return moment if moment in (BEGINNING, END) else moment - (moment - EPOCH) % length


def _up(moment: datetime, length: timedelta) -> datetime:
    down = _down(moment, length)
    if down == moment:
        return down
    return END if END - down < length else down + length
