"""What names suggest: which member is the time, which the device, which unit a measurement has. Guesses, and told as such."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from dataflow_validator.contracts.event_time import read_moment

TIME_NAMES: Final = (
    "event_time", "timestamp", "time", "ts", "datetime", "date_time", "observed_at", "date_observed", "measured_at",
    "recorded_at", "created_at", "time_utc", "t", "date", "when", "at",
)  # fmt: skip
DEVICE_NAMES: Final = (
    "device_id", "deviceid", "device", "dev_eui", "deveui", "sensor_id", "sensorid", "device_name", "station_id",
    "node_id", "client_id", "thing_id", "imei", "mac", "serial", "serial_number", "sensor", "station", "node", "id",
)  # fmt: skip
DEVICE_LEVELS: Final = frozenset({"device", "devices", "dev", "sensor", "sensors", "node", "nodes", "thing", "things"})
_UNITS: Final = (
    (r"temp(erature)?|dew_?point", "°C"),
    (r"hum(idity)?|rh", "%"),
    (r"press(ure)?|baro(meter)?", "hPa"),
    (r"volt(age|s)?|vcc|vbat", "V"),
    (r"curr(ent)?|amps?", "A"),
    (r"power|watts?", "W"),
    (r"energy|kwh", "kWh"),
    (r"lux|illuminance", "lx"),
    (r"co2|ppm", "ppm"),
    (r"pm_?(25|2_5|10|1)", "µg/m³"),
    (r"rssi", "dBm"),
    (r"snr", "dB"),
    (r"speed", "m/s"),
    (r"(lat(itude)?|lon(gitude)?|lng|bearing|heading)", "°"),
    (r"level|distance|depth|altitude", "m"),
)
_IDENTIFYING: Final = re.compile(r"(^|_)(id|uuid|name|mac|serial|version|fw|token|key|url|ip)$", re.IGNORECASE)


def snake(name: str) -> str:
    """Gives a name in small letters with underscores: "devEUI" and "Dev-EUI" are alike."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")


def rank(name: str, names: Sequence[str]) -> int:
    """Gives the place of a name in a list of names; the list's length where it is in none."""
    written = snake(name)
    for place, known in enumerate(names):
        if written in (known, known.replace("_", "")):
            return place
    return len(names)


def is_identifying(name: str) -> bool:
    """Says whether the values of a member so called are many, however few a sample has."""
    return _IDENTIFYING.search(snake(name)) is not None


def is_time_name(name: str) -> bool:
    """Says whether a member so called may hold a moment."""
    written = snake(name)
    return rank(name, TIME_NAMES) < len(TIME_NAMES) or written.endswith(("_time", "_ts", "_at", "timestamp"))


def is_epoch(value: object) -> bool:
    """Says whether a number can be a moment of this century."""
    found = read_moment(value)
    return found is not None and 2000 <= found.time.year <= 2100


def unit_of(name: str) -> str:
    """Gives the unit that a member so called often has; empty for none."""
    words = snake(name)
    return next((unit for pattern, unit in _UNITS if re.search(rf"(^|_)({pattern})(_|\d|$)", words)), "")
