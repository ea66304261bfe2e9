"""What people call the things that sensors measure, and the units they give them in."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Concept:
    """A quantity under all its names.

    Attributes:
        names: Spelling-insensitive keys under which contracts have it as a field.
        phrases: How questions call it, in lower case.
        units: Its usual units, canonical; the first is the one meant where a contract says none.
        adds_up: Whether a sum over time means something ("how much rain").
    """

    names: tuple[str, ...]
    phrases: tuple[str, ...]
    units: tuple[str, ...] = ()
    adds_up: bool = False


_DUST: Final = ("µg/m3",)

CONCEPTS: Final[tuple[Concept, ...]] = (
    Concept(
        ("temp", "temperature", "airtemperature", "airtemp", "tempc", "temperaturec", "tmp"),
        ("temperature", "temp", "air temperature", "ambient temperature", "temps", "air temp"),
        ("°c",),
    ),
    Concept(
        ("dewp", "dewpoint", "dew", "dewpointtemperature"), ("dew point", "dew point temperature", "dewpoint"), ("°c",)
    ),
    Concept(
        ("humidity", "rh", "relativehumidity", "hum", "airhumidity"),
        ("humidity", "relative humidity", "air humidity"),
        ("%",),
    ),
    Concept(
        ("pres", "pressure", "airpressure", "barometer", "atmosphericpressure", "press"),
        ("pressure", "air pressure", "atmospheric pressure", "barometric pressure", "barometer"),
        ("hpa",),
    ),
    Concept(
        ("pm25", "pm2p5"),
        (
            "pm2.5",
            "pm 2.5",
            "fine particles",
            "fine particulate matter",
            "fine particulates",
            "fine dust",
            "particulate matter 2.5",
            "pm2.5 particles",
            "fine particle",
            "pm2.5 particulate matter",
        ),
        _DUST,
    ),
    Concept(
        ("pm10",),
        ("pm10", "pm 10", "coarse particles", "coarse dust", "coarse particulate matter", "particulate matter 10"),
        _DUST,
    ),
    Concept(("pm1",), ("pm1",), _DUST),
    Concept(("so2",), ("so2", "sulphur dioxide", "sulfur dioxide"), _DUST),
    Concept(("no2",), ("no2", "nitrogen dioxide"), _DUST),
    Concept(("co",), ("co", "carbon monoxide"), _DUST),
    Concept(("o3", "ozone"), ("o3", "ozone", "ozon"), _DUST),
    Concept(
        ("rain", "rainfall", "precipitation", "precip"),
        ("rain", "rainfall", "precipitation", "rain fall", "rain amount", "amount of rain"),
        ("mm",),
        adds_up=True,
    ),
    Concept(
        ("wspm", "windspeed", "wind", "wspd", "ws"),
        (
            "wind speed",
            "windspeed",
            "wind",
            "wind velocity",
            "wind strength",
            "speed of the wind",
            "strength of the wind",
        ),
        ("m/s",),
    ),
    Concept(
        ("wd", "winddirection", "winddir", "wdir"),
        ("wind direction", "direction of the wind", "wind directions", "direction of wind"),
    ),
    Concept(("co2", "carbondioxide", "eco2"), ("co2", "carbon dioxide"), ("ppm",)),
    Concept(
        ("light", "illuminance", "lux", "brightness", "lightlevel"),
        ("light", "illuminance", "brightness", "light intensity", "luminosity", "light level", "lighting"),
        ("lux",),
    ),
    Concept(("occupancy", "occupied"), ("occupancy",)),
    Concept(("battery", "batterylevel"), ("battery", "battery charge"), ("%",)),
    Concept(("voltage", "batteryvoltage"), ("voltage",), ("v",)),
    Concept(("power", "activepower"), ("power", "active power", "power consumption"), ("w",)),
    Concept(("energy",), ("energy", "energy consumption"), ("kwh",)),
    Concept(
        ("noise", "sound", "noiselevel", "laeq"), ("noise", "sound", "loudness", "noise level", "decibels"), ("db",)
    ),
    Concept(("uv", "uvindex"), ("uv", "uv index", "ultraviolet")),
    Concept(("radiation", "solarradiation", "irradiance"), ("radiation", "solar radiation", "irradiance", "sunshine")),
    Concept(("visibility",), ("visibility",)),
    Concept(("vibration",), ("vibration",)),
    Concept(("soilmoisture", "moisture"), ("soil moisture", "moisture")),
    Concept(("turbidity",), ("turbidity",)),
    Concept(("salinity",), ("salinity",)),
    Concept(("ph",), ("ph", "acidity")),
    Concept(("methane", "ch4"), ("methane", "ch4")),
    Concept(("voc", "tvoc"), ("voc", "tvoc", "volatile organic compounds")),
    Concept(("nh3", "ammonia"), ("nh3", "ammonia")),
    Concept(("no",), ("nitric oxide", "nitrogen monoxide")),
    Concept(("nox",), ("nox", "nitrogen oxides")),
    Concept(("benzene",), ("benzene",)),
    Concept(("radon",), ("radon",)),
    Concept(("snow", "snowfall", "snowdepth"), ("snow", "snowfall", "snow depth"), adds_up=True),
    Concept(("cloudcover", "clouds"), ("cloud cover", "cloudiness", "clouds")),
    Concept(("pollen",), ("pollen",)),
    Concept(("aqi", "airquality"), ("aqi", "air quality index")),
    Concept(("flow", "flowrate"), ("flow", "flow rate")),
    Concept(("rpm",), ("rpm", "rotational speed")),
    Concept(("gust", "windgust"), ("gust", "gusts", "wind gust", "wind gusts")),
    Concept(("heartrate",), ("heart rate", "pulse")),
    Concept(("current",), ("electric current",), ("a",)),
)

UNITS: Final[dict[str, str]] = {
    "µg/m3": "µg/m3",
    "ug/m3": "µg/m3",
    "µg/m^3": "µg/m3",
    "ug/m^3": "µg/m3",
    "µgm-3": "µg/m3",
    "micrograms per cubic meter": "µg/m3",
    "micrograms per cubic metre": "µg/m3",
    "micrograms": "µg/m3",
    "mg/m3": "mg/m3",
    "milligrams": "mg/m3",
    "°c": "°c",
    "degc": "°c",
    "deg c": "°c",
    "° c": "°c",
    "degrees c": "°c",
    "degrees celsius": "°c",
    "degree celsius": "°c",
    "celsius": "°c",
    "centigrade": "°c",
    "degrees centigrade": "°c",
    "°": "°",
    "degrees": "°",
    "degree": "°",
    "°f": "°f",
    "degrees f": "°f",
    "degrees fahrenheit": "°f",
    "fahrenheit": "°f",
    "kelvin": "k",
    "m/s": "m/s",
    "mps": "m/s",
    "meters per second": "m/s",
    "metres per second": "m/s",
    "meter per second": "m/s",
    "km/h": "km/h",
    "kph": "km/h",
    "kmh": "km/h",
    "kilometers per hour": "km/h",
    "kilometres per hour": "km/h",
    "mph": "mph",
    "miles per hour": "mph",
    "knots": "kn",
    "hpa": "hpa",
    "hectopascal": "hpa",
    "hectopascals": "hpa",
    "mbar": "hpa",
    "millibar": "hpa",
    "millibars": "hpa",
    "kpa": "kpa",
    "pa": "pa",
    "bar": "bar",
    "mmhg": "mmhg",
    "mm": "mm",
    "millimeters": "mm",
    "millimetres": "mm",
    "cm": "cm",
    "inches": "in",
    "inch": "in",
    "ppm": "ppm",
    "ppb": "ppb",
    "parts per million": "ppm",
    "%": "%",
    "percent": "%",
    "per cent": "%",
    "%rh": "%",
    "lux": "lux",
    "lx": "lux",
    "db": "db",
    "dba": "db",
    "decibel": "db",
    "v": "v",
    "w": "w",
    "hz": "hz",
    "kg": "kg",
    "km": "km",
    "m": "m",
    "l": "l",
    "volt": "v",
    "volts": "v",
    "watt": "w",
    "watts": "w",
    "kw": "kw",
    "kwh": "kwh",
    "mw": "mw",
    "wh": "wh",
    "mwh": "mwh",
    "mm/s": "mm/s",
    "cm/s": "cm/s",
    "rpm": "rpm",
    "l/min": "l/min",
    "l/h": "l/h",
    "m3/h": "m3/h",
    "mbps": "mbps",
    "ma": "ma",
    "mv": "mv",
    "kv": "kv",
    "khz": "khz",
    "nm": "nm",
    "ml": "ml",
    "litres": "l",
    "liters": "l",
    "kilometers": "km",
    "kilometres": "km",
    "kilowatts": "kw",
    "kilowatt hours": "kwh",
}
"""Spelling of a unit, in lower case, to its canonical form. What is not here is not taken for a unit."""


def canonical_unit(text: str) -> str:
    """Returns the canonical form of a unit; an unknown one is its own."""
    low = " ".join(text.lower().replace("μ", "µ").replace("³", "3").replace("²", "2").split())
    return UNITS.get(low, low)


def concept_of_name(name: str) -> Concept | None:
    """Returns the quantity that a field measures, as far as its name says; of a pointer, its last member."""
    keys = {_key(name), _key(name.rsplit("/", 1)[-1])}
    return next((concept for concept in CONCEPTS if not keys.isdisjoint(concept.names)), None)


def _key(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
