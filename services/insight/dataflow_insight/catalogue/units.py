"""Which units mean the same, and how a number changes from one to another: linear, of one quantity."""

import unicodedata
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Conversion:
    """From one unit to another: value * factor + offset.

    Attributes:
        factor: Above 0.
        offset: Not 0 between scales of temperature only.
    """

    factor: float
    offset: float = 0.0

    def of(self, value: float) -> float:
        """Returns a value in the other unit."""
        return value * self.factor + self.offset

    def of_difference(self, value: float) -> float:
        """Returns a difference of two values in the other unit."""
        return value * self.factor


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that can be converted.

    Attributes:
        symbol: As answers show it.
        quantity: What it measures; only units of one quantity are converted.
        numerator: Of the factor to the quantity's first unit; two whole parts keep 5/9 exact to the last bit.
        denominator: Of the factor.
        zero: Added before the factor: (value + zero) * numerator / denominator is in the quantity's first unit.
        names: Other spellings, for questions and contracts.
    """

    symbol: str
    quantity: str
    numerator: float = 1.0
    denominator: float = 1.0
    zero: float = 0.0
    names: tuple[str, ...] = ()


UNITS: Final = (
    Unit("°C", "temperature", names=("C", "degC", "celsius", "centigrade", "degree celsius", "degrees celsius")),
    Unit("°F", "temperature", 5, 9, -32, names=("F", "degF", "fahrenheit", "degree fahrenheit", "degrees fahrenheit")),
    Unit("K", "temperature", zero=-273.15, names=("kelvin", "kelvins", "degrees kelvin")),
    Unit("m/s", "speed", names=("mps", "m s-1", "m·s-1", "metres per second", "meters per second", "metre per second")),
    Unit("km/h", "speed", 10, 36, names=("kmh", "kph", "km h-1", "kilometres per hour", "kilometers per hour")),
    Unit("mph", "speed", 0.44704, names=("mi/h", "miles per hour", "mile per hour")),
    Unit("kn", "speed", 1852, 3600, names=("kt", "kts", "knot", "knots")),
    Unit("hPa", "pressure", names=("hectopascal", "hectopascals", "mbar", "millibar", "millibars")),
    Unit("Pa", "pressure", 1, 100, names=("pascal", "pascals")),
    Unit("kPa", "pressure", 10, names=("kilopascal", "kilopascals")),
    Unit("bar", "pressure", 1000, names=("bars",)),
    Unit("atm", "pressure", 1013.25, names=("atmosphere", "atmospheres")),
    Unit("mmHg", "pressure", 1013.25, 760, names=("mm Hg", "torr", "millimetres of mercury", "millimeters of mercury")),
    Unit("inHg", "pressure", 33.8638866667, names=("in Hg", "inches of mercury")),
    Unit("psi", "pressure", 68.9475729318, names=("pounds per square inch",)),
    Unit("mm", "length", names=("millimetre", "millimetres", "millimeter", "millimeters")),
    Unit("cm", "length", 10, names=("centimetre", "centimetres", "centimeter", "centimeters")),
    Unit("m", "length", 1000, names=("metre", "metres", "meter", "meters")),
    Unit("km", "length", 1_000_000, names=("kilometre", "kilometres", "kilometer", "kilometers")),
    Unit("in", "length", 25.4, names=("inch", "inches")),
    Unit("ft", "length", 304.8, names=("foot", "feet")),
    Unit("mi", "length", 1_609_344, names=("mile", "miles")),
    Unit(
        "µg/m³", "concentration", names=("ug/m3", "µg m-3", "micrograms per cubic metre", "micrograms per cubic meter")
    ),
    Unit("mg/m³", "concentration", 1000, names=("mg m-3", "milligrams per cubic metre", "milligrams per cubic meter")),
    Unit("g/m³", "concentration", 1_000_000, names=("g m-3", "grams per cubic metre", "grams per cubic meter")),
    Unit("W", "power", names=("watt", "watts")),
    Unit("mW", "power", 1, 1000, names=("milliwatt", "milliwatts")),
    Unit("kW", "power", 1000, names=("kilowatt", "kilowatts")),
    Unit("MW", "power", 1_000_000, names=("megawatt", "megawatts")),
    Unit("Wh", "energy", names=("watt hour", "watt hours")),
    Unit("kWh", "energy", 1000, names=("kilowatt hour", "kilowatt hours")),
    Unit("J", "energy", 1, 3600, names=("joule", "joules")),
    Unit("kJ", "energy", 10, 36, names=("kilojoule", "kilojoules")),
    Unit("MJ", "energy", 10_000, 36, names=("megajoule", "megajoules")),
    Unit("V", "voltage", names=("volt", "volts")),
    Unit("mV", "voltage", 1, 1000, names=("millivolt", "millivolts")),
    Unit("kV", "voltage", 1000, names=("kilovolt", "kilovolts")),
    Unit("A", "current", names=("amp", "amps", "ampere", "amperes")),
    Unit("mA", "current", 1, 1000, names=("milliamp", "milliamps", "milliampere", "milliamperes")),
    Unit("%", "part", names=("percent", "per cent", "pct")),
    Unit("ppm", "part", 1, 10_000, names=("parts per million",)),
    Unit("ppb", "part", 1, 10_000_000, names=("parts per billion",)),
    Unit("g", "mass", names=("gram", "grams")),
    Unit("kg", "mass", 1000, names=("kilogram", "kilograms", "kilo", "kilos")),
    Unit("lb", "mass", 453.59237, names=("lbs", "pound", "pounds")),
    Unit("l", "volume", names=("litre", "litres", "liter", "liters")),
    Unit("ml", "volume", 1, 1000, names=("millilitre", "millilitres", "milliliter", "milliliters")),
    Unit("m³", "volume", 1000, names=("cubic metre", "cubic metres", "cubic meter", "cubic meters")),
    Unit("gal", "volume", 3.785411784, names=("gallon", "gallons", "US gallons")),
    Unit("s", "time", names=("sec", "secs", "second", "seconds")),
    Unit("ms", "time", 1, 1000, names=("millisecond", "milliseconds")),
    Unit("min", "time", 60, names=("mins", "minute", "minutes")),
    Unit("h", "time", 3600, names=("hr", "hrs", "hour", "hours")),
    Unit("d", "time", 86_400, names=("day", "days")),
)
"""All units that can be converted; the first one of each quantity is the one that the others are counted in."""

SECONDS: Final = "s"
"""The unit of gaps."""


def unit_named(text: str) -> Unit | None:
    """Returns the unit of a symbol or name; `None` for one that is not known.

    Symbols count with their case first ("mW" is not "MW"), then without it.
    """
    spelled = _spelled(text)
    return _BY_SPELLING.get(spelled) or _BY_FOLDED.get(spelled.casefold())


def conversion(source: str, target: str) -> Conversion | None:
    """Returns how to come from one unit to another; `None` where there is no way."""
    first, second = unit_named(source), unit_named(target)
    if first is None or second is None:
        return Conversion(1.0) if source and _spelled(source) == _spelled(target) else None
    if first.quantity != second.quantity:
        return None
    factor = (first.numerator * second.denominator) / (first.denominator * second.numerator)
    return Conversion(factor, first.zero * factor - second.zero)


def convertible(source: str) -> tuple[str, ...]:
    """Returns the symbols that a unit can be converted to, its own among them; empty for one that is not known."""
    unit = unit_named(source)
    return tuple(item.symbol for item in UNITS if unit is not None and item.quantity == unit.quantity)


def _spelled(text: str) -> str:
    """Returns a unit without what does not matter: kinds of mu and of raised figures, spaces, dots, carets."""
    folded = unicodedata.normalize("NFKC", text).replace("\N{GREEK SMALL LETTER MU}", "u")
    return "".join(letter for letter in folded if not letter.isspace() and letter not in "·.^*")


_BY_SPELLING: Final = {_spelled(name): unit for unit in UNITS for name in (unit.symbol, *unit.names)}
_BY_FOLDED: Final = {name.casefold(): unit for name, unit in reversed(_BY_SPELLING.items())}
