"""Which times a measure reads from rollups of days, of hours, and from rows. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.catalogue.catalogue import Rollup
from dataflow_insight.plans.plan import TimeRange

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_END: Final = datetime.max.replace(tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SAMPLES: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Stretches:
    """What to read from where; each moment is in one of them only.

    Attributes:
        days: From rollups of days, where no hour of the day is marked.
        hours: From rollups of hours, where the hour is not marked.
        rows: From rows.
    """

    days: tuple[TimeRange, ...] = ()
    hours: tuple[TimeRange, ...] = ()
    rows: tuple[TimeRange, ...] = ()

    @property
    def rolled_up(self) -> tuple[TimeRange, ...]:
        """What is read from rollups, in order."""
        return tuple(sorted((*self.days, *self.hours), key=lambda span: span.start or _BEGINNING))


def stretches(spans: Sequence[TimeRange], rollup: Rollup, longest: timedelta) -> Stretches:
    """Cuts times into what is read from rollups and what from rows.

    Args:
        spans: In order, none touching another; none for all times.
        rollup: How far rollups reach.
        longest: The longest rollup that may be used, an hour or a day.
    """
    days: list[TimeRange] = []
    hours: list[TimeRange] = []
    rows: list[TimeRange] = []
    for span in spans or (TimeRange(),):
        first, last = _utc(span.start) or _BEGINNING, _utc(span.end) or _END
        clean_from = max(up(first, HOUR), _utc(rollup.rollups_from) or _BEGINNING)
        clean_until = down(last, HOUR)
        if clean_from >= clean_until:
            rows.append(span)
            continue
        _add(rows, first, clean_from)
        first_day, last_day = up(clean_from, DAY), down(clean_until, DAY)
        if longest < DAY or first_day >= last_day:
            _add(hours, clean_from, clean_until)
        else:
            _add(hours, clean_from, first_day)
            _add(days, first_day, last_day)
            _add(hours, last_day, clean_until)
        _add(rows, clean_until, last)
    return Stretches(tuple(days), tuple(hours), tuple(rows))


@lru_cache(maxsize=1000)
def whole_offsets(zone: ZoneInfo, length: timedelta, start: datetime | None, end: datetime | None) -> bool:
    """Returns whether a zone's hours (or days) begin when those of UTC do, from `start` to `end`.

    Args:
        zone: Of the hours and days that are asked for.
        length: An hour or a day.
        start: `None` for 1970.
        end: `None` for 2100.
    """
    moment, last = start or _EPOCH, end or datetime(2100, 1, 1, tzinfo=UTC)
    while moment < last:
        if (moment.astimezone(zone).utcoffset() or timedelta()) % length:
            return False
        if _END - moment < _SAMPLES:
            break
        moment += _SAMPLES
    return not (min(last, _END - DAY).astimezone(zone).utcoffset() or timedelta()) % length


def down(moment: datetime, length: timedelta) -> datetime:
    """Returns the start of the hour or day of UTC that holds a moment."""
    return moment if moment in (_BEGINNING, _END) else moment - (moment - _EPOCH) % length


def up(moment: datetime, length: timedelta) -> datetime:
    """Returns the first start of an hour or day of UTC from a moment on."""
    before = down(moment, length)
    if before == moment:
        return moment
    return _END if _END - before < length else before + length


def _add(found: list[TimeRange], start: datetime, end: datetime) -> None:
    if start < end:
        found.append(TimeRange(None if start == _BEGINNING else start, None if end == _END else end))


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
