"""What may stand behind a number: units as people write them, and nouns of what is counted."""

from typing import Final

UNITS: Final = (
    "%", "percent", "per cent", "percentage points", "\u00b0C", "\u00b0F", "\u00b0", "degrees Celsius", "degrees Fahrenheit", "degrees C", "degrees F", "degrees",
    "degree", "Celsius", "Fahrenheit", "Kelvin", "K", "\u00b5g/m3", "\u00b5g/m\u00b3", "\u03bcg/m\u00b3", "ug/m3", "\u00b5g/m^3", "mg/m\u00b3", "mg/m3", "micrograms per cubic metre",
    "micrograms per cubic meter", "micrograms", "m/s", "metres per second", "meters per second", "km/h", "kph", "mph", "miles per hour", "knots", "kn", "hPa", "Pa", "kPa",
    "mbar", "bar", "hectopascals", "hectopascal", "psi", "mm", "cm", "m", "km", "inches", "ft", "feet", "ppm", "ppb", "lux", "lx", "dB", "decibels", "V", "mV", "kV", "volts", "mA",
    "amps", "W", "kW", "MW", "watts", "Wh", "kWh", "J", "kJ", "MJ", "Hz", "kHz", "rpm", "kg", "g", "l", "ml", "litres", "liters", "m\u00b2", "m2", "m\u00b3", "m3", "ms", "percentage", "pct",
    "\u2030", "readings", "reading", "values", "value", "measurements", "measurement", "records", "record", "rows", "row", "pairs", "stations", "station", "devices", "device",
    "sensors", "sensor", "rooms", "room", "sites", "site", "machines", "machine", "months", "month", "years", "year", "times",
)  # fmt: skip
"""Those of contracts come on top."""
