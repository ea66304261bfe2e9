"""How numbers, lengths of time and names stand in a summary's text. Pure."""

import math
import re
from typing import Final

from dataflow_insight.queries.query import Role
from dataflow_insight.summaries.cells import Cell, Line

_MOST_DIGITS: Final = 6
_TOLD_APART: Final = 1.5
"""Values that spread over 15 are told apart without a digit after the point, those over 14 are not."""
_UNIT: Final = re.compile(
    r"[^\W\d_][\w/^().\u00b7\u207b-]{0,23}(?: [^\W\d_]{1,12})?|[%\u2030\u00b0]|\u00b0[^\W\d_]{1,2}"
)
"""Letters, perhaps with a power or a quotient; per cent; degrees."""
_PLAIN_NAME: Final = re.compile(r"[\w.:/@+-]{1,64}")


def digits_for(level: float, spread: float) -> int:
    """Returns how many digits after the point tell values apart that spread so far around a level.

    Args:
        level: The mean.
        spread: From the 5th percentile to the 95th, or another measure of how far values are apart; 0 for constant ones.
    """
    size = spread if spread > 0 else abs(level) / 100
    if size <= 0 or not math.isfinite(size):
        return 0
    return max(0, min(_MOST_DIGITS, 1 - math.floor(math.log10(size / _TOLD_APART))))


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
    return name if _PLAIN_NAME.fullmatch(name) else f'"{name}"'


def length_cell(line: Line) -> tuple[Cell, str]:
    """Returns the cell that says the length of a gap best, and its unit."""
    for unit in ("days", "hours", "minutes"):
        cell = line.named(unit)
        if (cell.number or 0.0) >= 2:
            return cell, unit
    return line.of(Role.VALUE), "seconds"
