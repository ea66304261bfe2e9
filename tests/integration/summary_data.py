"""Readings of known shapes for summaries, and the same figures computed in plain Python."""

import math
import random
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

Row = tuple[Any, ...]
"""Device, event time, then the fields."""

START: Final = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""

STEP: Final = timedelta(minutes=5)
DAYS: Final = 4

SHAPES: Final = ("trend", "level", "spike", "daily", "evening", "counter", "flat", "sparse", "label", "flag")
"""Fields of `shape_rows`, in order."""

SHAPE_SPEC: Final[dict[str, Any]] = {
    "name": "shapes",
    "event_time": "ts",
    "fields": [
        {"name": "device_id", "type": "string"},
        {"name": "ts", "type": "timestamp"},
        *(
            {"name": name, "type": {"label": "string", "flag": "boolean"}.get(name, "number"), "unit": "°C"}
            for name in SHAPES
        ),
    ],
}

GAP_START: Final = START + timedelta(days=3, hours=9)
GAP_END: Final = START + timedelta(days=3, hours=13, minutes=20)
"""`two` sends nothing after the first and before the second of them."""


def shape_rows() -> list[Row]:
    """Returns four days of two devices, five minutes a row, and a third device that sent on the first day only."""
    chance = random.Random(7)
    rows: list[Row] = []
    for device in ("one", "two", "three"):
        counted = 100.0
        for number in range(DAYS * 288):
            moment = START + number * STEP
            if (device == "two" and GAP_START < moment < GAP_END) or (device == "three" and number >= 288):
                continue
            hour = moment.hour + moment.minute / 60
            counted = 0.5 if device == "one" and number == 3 * 288 + 100 else counted + chance.random()
            rows.append(
                (
                    device,
                    moment,
                    10 + number / 288 * 3 + chance.gauss(0, 0.5),
                    21 + chance.gauss(0, 0.2),
                    95.0 if device == "two" and number == 3 * 288 + 200 else 30 + chance.gauss(0, 0.3),
                    15 + 6 * math.cos((hour - 14) / 24 * 2 * math.pi) + chance.gauss(0, 0.5),
                    40 + (1.5 if hour >= 18 else 0.0) + chance.gauss(0, 2.0),
                    counted,
                    5.0,
                    None if number % 3 else 1 + chance.random(),
                    "on" if number % 4 else 'off "now"',
                    bool(number % 2),
                )
            )
    return rows


HALL_SPEC: Final[dict[str, Any]] = {
    "name": "hall",
    "event_time": "ts",
    "fields": [
        {"name": "device_id", "type": "string"},
        {"name": "ts", "type": "timestamp"},
        {"name": "temperature", "type": "number", "unit": "°C"},
        {"name": "humidity", "type": "number", "unit": "%"},
    ],
}

_HALL_TEMPERATURES: Final = (
    27.0, 27.0, 28.0, 28.2, 28.4, 28.5, 28.6, 28.7, 28.7, 28.8, 28.8, 28.8, 28.8, 28.9, 29.0, 29.1, 29.3, 29.4, 30.0, 30.0,
)  # fmt: skip
"""Their mean is 28.7."""


def hall_rows() -> list[Row]:
    """Returns four days of a hall: a stable temperature, and a humidity that is slightly higher after 18:00 each day."""
    chance = random.Random(5)
    rows: list[Row] = []
    left: list[float] = []
    for number in range(DAYS * 288):
        left = left or chance.sample(_HALL_TEMPERATURES, len(_HALL_TEMPERATURES))
        moment = START + number * STEP
        humidity = 45 + (1.5 if moment.hour >= 18 else 0.0) + chance.gauss(0, 2.0)
        rows.append(("hall-1", moment, left.pop(), round(humidity, 1)))
    return rows


@dataclass(frozen=True, slots=True)
class Expected:
    """What a field amounts to, without any database.

    Attributes:
        values: Value, device and time of each reading with a value, in the order of time.
        before: Values of the time before.
    """

    values: tuple[tuple[float, str, datetime], ...]
    before: tuple[float, ...]
    start: datetime

    @property
    def numbers(self) -> list[float]:
        """The values alone."""
        return [value for value, _, _ in self.values]

    @property
    def mean(self) -> float:
        """Arithmetic mean."""
        return statistics.fmean(self.numbers)

    def percentile(self, share: float) -> float:
        """The percentile between two values, interpolated."""
        ordered = sorted(self.numbers)
        place = share * (len(ordered) - 1)
        below = math.floor(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (place - below)

    def extreme(self, best: Callable[[Iterable[float]], float]) -> tuple[float, str, datetime]:
        """The first reading in time that has the highest or lowest value."""
        value = best(self.numbers)
        return min((item for item in self.values if item[0] == value), key=lambda item: (item[2], item[1]))

    def hourly(self) -> dict[int, float]:
        """Means by hour from the start."""
        return _means((int((moment - self.start).total_seconds() // 3600), value) for value, _, moment in self.values)

    def slope(self) -> float:
        """Slope of the least-squares line through the means of the hours."""
        hours = self.hourly()
        return statistics.linear_regression(list(hours), list(hours.values())).slope

    def by_hour_of_day(self, zone: ZoneInfo) -> dict[int, float]:
        """Means of the means of each hour on each day."""
        days = _means(
            ((local.date(), local.hour), mean)
            for number, mean in self.hourly().items()
            if (local := (self.start + number * timedelta(hours=1)).astimezone(zone))
        )
        return _means((hour, mean) for (_, hour), mean in days.items())


def expected(rows: Sequence[Row], column: int, start: datetime, end: datetime, devices: Sequence[str] = ()) -> Expected:
    """Computes what the readings of a column in a time amount to.

    Args:
        rows: All readings.
        column: Of the field, from 0 after device and time.
        start: From here on.
        end: Before here.
        devices: Only these; empty: all.
    """
    chosen = [
        (float(row[column + 2]), str(row[0]), row[1])
        for row in rows
        if row[column + 2] is not None and (not devices or row[0] in devices)
    ]
    chosen.sort(key=lambda item: (item[2], item[1]))
    inside = tuple(item for item in chosen if start <= item[2] < end)
    before = tuple(item[0] for item in chosen if start - (end - start) <= item[2] < start)
    return Expected(inside, before, start)


def longest_gap(rows: Sequence[Row], start: datetime, end: datetime) -> tuple[str, datetime, datetime]:
    """Returns the longest time without readings of a device that sent, its first and last stretch included."""
    times: dict[str, list[datetime]] = {}
    for row in rows:
        if start <= row[1] < end:
            times.setdefault(str(row[0]), []).append(row[1])
    gaps = [
        (device, before, after)
        for device, sent in times.items()
        for before, after in pairwise([start, *sorted(sent), end])
    ]
    return min(gaps, key=lambda gap: (gap[1] - gap[2], gap[1], gap[0]))


def _means(pairs: Iterable[tuple[Any, float]]) -> dict[Any, float]:
    found: dict[Any, list[float]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: statistics.fmean(values) for key, values in found.items()}
