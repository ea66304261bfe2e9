"""Real sensor readings for tests: device, time (UTC), then the fields in the order of the constants; see data/README.md."""

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

Value: TypeAlias = float | int | str | None
Row: TypeAlias = tuple[str, datetime, *tuple[Value, ...]]

SENSORS = Path(__file__).parent / "data" / "sensors"

POLLUTION_FIELDS = ("pm25", "pm10", "so2", "no2", "co", "o3")
WEATHER_FIELDS = ("temp", "pres", "dewp", "rain", "wd", "wspm")
AIR_FIELDS = POLLUTION_FIELDS + WEATHER_FIELDS
ROOM_FIELDS = ("temperature", "humidity", "light", "co2", "occupancy")
MACHINE_FIELDS = ("temperature",)

TEXT_FIELDS = frozenset({"wd"})
INTEGER_FIELDS = frozenset({"occupancy"})


def air_rows() -> Iterator[Row]:
    """12 stations, an hour a row, January 2014: pollution and weather."""
    return _rows("beijing_2014-01.csv.gz", AIR_FIELDS)


def pollution_rows() -> Iterator[Row]:
    """The pollution columns of the same rows."""
    return _rows("beijing_2014-01.csv.gz", POLLUTION_FIELDS)


def weather_rows() -> Iterator[Row]:
    """The weather columns of the same rows."""
    return _rows("beijing_2014-01.csv.gz", WEATHER_FIELDS)


def room_rows() -> Iterator[Row]:
    """One office, about a row a minute, February 2015: first all rows of `room-a`, then all of `room-b`."""
    yield from _rows("room_a.csv.gz", ROOM_FIELDS)
    yield from _rows("room_b.csv.gz", ROOM_FIELDS)


def machine_rows() -> Iterator[Row]:
    """One machine, five minutes a row, with 12 repeated times and one step back, in the order of the source."""
    return _rows("machine_temperature.csv.gz", MACHINE_FIELDS)


def _rows(name: str, fields: tuple[str, ...]) -> Iterator[Row]:
    with gzip.open(SENSORS / name, "rt", encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            values = (_value(field, line[field]) for field in fields)
            yield (line["device_id"], datetime.fromisoformat(line["ts"]), *values)


def _value(field: str, text: str) -> Value:
    if not text:
        return None
    if field in TEXT_FIELDS:
        return text
    return int(text) if field in INTEGER_FIELDS else float(text)
