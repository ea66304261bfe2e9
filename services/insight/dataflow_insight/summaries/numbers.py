"""How numbers, lengths of time and names stand in a summary's text. Pure."""

import math
import re
from typing import Final

from dataflow_insight.queries.query import Role
from dataflow_insight.summaries.cells import Cell, Line

_MOST_DIGITS: Final = 6
_TOLD_APART: Final = 15.0
"""A mean is rounded to no more than so much of the spread: over 15 without a digit after the point, over 14 with one."""
_ENDS: Final = 5.0
"""The ends of a range likewise."""
_UNIT: Final = re.compile(
    r"[^\W\d_][\w/^().\u00b7\u207b-]{0,23}(?: [^\W\d_]{1,12})?|[%\u2030\u00b0]|\u00b0[^\W\d_]{1,2}"
)
"""Letters, perhaps with a power or a quotient; per cent; degrees."""
_PLAIN_NAME: Final = re.compile(r"[\w.:/@+-]{1,64}")


def digits_for(level: float, spread: float) -> int:
    """Returns how many digits after the point of a mean the spread of the values justifies.

    Four digits in all, or as many as the range has that stands beside it; fewer where values are farther apart.

    Args:
        level: The mean.
        spread: From the 5th percentile to the 95th, or another measure of how far values are apart; 0 for constant ones.
    """
    most = 3 - math.floor(math.log10(abs(level))) if level and math.isfinite(level) else _MOST_DIGITS
    return min(_digits(level, spread, _TOLD_APART), max(range_digits_for(level, spread), most))


def range_digits_for(level: float, spread: float) -> int:
    """Returns how many digits after the point tell the ends of a range: what they are rounded by is small beside it."""
    return _digits(level, spread, _ENDS)


def _digits(level: float, spread: float, parts: float) -> int:
    size = spread if spread > 0 else abs(level) / 100
    if size <= 0 or not math.isfinite(size):
        return 0
    return max(0, min(_MOST_DIGITS, -math.floor(math.log10(size / parts))))


def shown(value: float, digits: int) -> str:
    """Returns a number with about so many digits after the point, without zeros at its end.

    More where rounding would change it by more than a twentieth: 0.4 is not 0.
    """
    while digits < _MOST_DIGITS and abs(round(value, digits) - value) > abs(value) / 20:
        digits += 1
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def shown_unit(unit: str) -> str:
    """Returns a unit as a text shows it: nothing where it could be taken for something else."""
    return unit if _UNIT.fullmatch(unit) else ""


def named(name: str) -> str:
    """Returns a name as a text shows it: in quotation marks where it could be taken for words of the text."""
    plain = _PLAIN_NAME.fullmatch(name) is not None and any(letter.isalpha() for letter in name)
    return name if plain else f'"{name}"'


def length_cell(line: Line) -> tuple[Cell, str]:
    """Returns the cell that says the length of a gap best, and its unit."""
    for unit in ("days", "hours", "minutes"):
        cell = line.named(unit)
        if (cell.number or 0.0) >= 2:
            return cell, unit
    return line.of(Role.VALUE), "seconds"
