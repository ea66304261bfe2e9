"""How answers show values: numbers, times, weekdays, hours, lengths of time, names."""

import math
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.answers.times import WEEKDAYS
from dataflow_insight.catalogue.units import conversion
from dataflow_insight.plans.plan import Grouping
from dataflow_insight.queries.table import Value, iso

_SIGNIFICANT: Final = 4
_MAX_DIGITS: Final = 15
_SMALL: Final = 1e-4
COMMON_WORDS: Final = frozenset(
    ("no", "on", "in", "at", "is", "it", "to", "of", "or", "and", "the", "not", "all", "any", "most", "be", "by", "as", "an", "a",
     "i", "was", "were", "had", "has", "have", "with", "from", "for", "than", "against", "yes", "average", "highest", "lowest",
     "readings", "reading", "values", "value", "device", "devices", "number", "share", "first", "last", "day", "days", "hour",
     "hours", "time", "times", "true", "false", "nothing", "stored", "higher", "lower", "above", "below", "between")
)  # fmt: skip
"""Words of every answer: a device that is called so stands in quotes, and a field that is called so is not looked for."""

_LENGTHS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def shown_value(value: Value, *, rounded: bool = False) -> str:
    """Returns a value as answers show it: four significant digits, or two behind the point, where rounded."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case float() if rounded and math.isfinite(value) and not value.is_integer():
            return _rounded(value)
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case float() if _SMALL <= abs(value) < 1e15:
            return repr(value)
        case float() if math.isfinite(value):
            return f"{value:e}" if float(f"{value:e}") == value else repr(value)
        case datetime():
            return iso(value)
        case str():
            return shown_name(value)
        case _:
            return str(value)


def _rounded(value: float) -> str:
    digits = min(_MAX_DIGITS, max(2, _SIGNIFICANT - math.floor(math.log10(abs(value))) - 1))
    if abs(value) >= _SMALL:
        shown = f"{value:.{digits}f}".rstrip("0").rstrip(".")
        # 0.99996 has a fifth digit where its size rounds up; and repr is shorter where nothing has to be rounded.
        return repr(value) if len(repr(value)) <= len(shown) and "e" not in repr(value) else shown
    return f"{value:.{_SIGNIFICANT - 1}e}"


def shown_name(name: str) -> str:
    """Returns a device or another text of the data with escapes for what cannot be printed; it is never more than a name."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode() for letter in name
    )


def is_odd(name: str) -> bool:
    """Returns whether a name needs quotes to be seen as one."""
    plain = all(letter.isalnum() or letter in "_-.:/+#" for letter in name)
    # A device may call itself "42": without quotes, that would read as a number.
    return not plain or name.casefold() in COMMON_WORDS or not any(letter.isalpha() for letter in name)


def shown_time(moment: datetime, zone: ZoneInfo) -> str:
    """Returns a time in the asker's zone: RFC 3339, with Z for UTC."""
    return iso(moment) if zone.key == "UTC" else moment.astimezone(zone).isoformat()


def shown_bucket(moment: datetime, grouping: Grouping, zone: ZoneInfo) -> str:
    """Returns the start of a calendar group: "2014-01-16", "January 2014", or the time of an hour."""
    local = moment.astimezone(zone)
    match grouping:
        case Grouping.HOUR:
            return shown_time(moment, zone)
        case Grouping.MONTH:
            return f"{_MONTHS[local.month - 1]} {local.year:04d}"
        case _:
            return f"{local:%Y-%m-%d}"


def shown_weekday(number: int) -> str:
    """Returns the name of a day of the week, 1 for Monday."""
    return WEEKDAYS[number - 1] if 1 <= number <= len(WEEKDAYS) else str(number)


def shown_clock(minute: int) -> str:
    """Returns minutes after midnight as a time of day."""
    return f"{minute // 60 % 24:02d}:{minute % 60:02d}"


def shown_length(value: float, unit: str = "s") -> str:
    """Returns a length of time: in its unit where that was asked for, else in days, hours, minutes and seconds.

    Args:
        value: In the unit.
        unit: As plans have it; seconds are told in larger units.
    """
    asked = unit not in {"", "s"}
    into = conversion(unit or "s", "s")
    if asked and into is not None:
        name = next((word for size, word in _LENGTHS if size == into.factor), "")
        shown = shown_value(value, rounded=True)
        if name:
            return f"{shown} {name}{'' if shown == '1' else 's'}"
    left = round(value)
    if abs(value - left) > 1e-6:
        shown = shown_value(value, rounded=True)
        return f"{shown} seconds"
    parts = []
    for size, word in _LENGTHS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {word}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 seconds"


def ordinal(number: int) -> str:
    """Returns "1st", "95th"."""
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
