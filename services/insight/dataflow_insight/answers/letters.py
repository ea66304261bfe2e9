"""One spelling for what looks alike: digits of all scripts, dashes, full-width letters; positions do not move."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

MASK: Final = "\uf8ff"
"""Stands for a character that was already understood. From the private use area: no letter, no digit, no space."""

_DASHES: Final = frozenset("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d")
_COMBINED: Final = re.compile("[\ufe00-\ufe0f\u20d0-\u20f0]|(?<=\\d)[\u0300-\u036f]")
"""Marks that change a figure: keycaps, circles, strokes."""

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})


def plain(text: str) -> str:
    """Returns the text with ASCII digits, dashes and letters where there are any for it; same length.

    Numerals without a place value ("½", "³", "Ⅳ", "三") stay as they are: `is_numeral` knows them.
    """
    return "".join(map(_plain, text))


@lru_cache(maxsize=4096)
def _plain(letter: str) -> str:
    if letter in _DASHES:
        return "-"
    if letter.isascii():
        return letter
    digit = unicodedata.decimal(letter, None)
    if digit is not None:
        return str(digit)
    if is_numeral(letter):
        return letter
    if letter.isspace():
        return " " if letter not in "\n\u2028\u2029" else "\n"
    folded = unicodedata.normalize("NFKC", letter)
    return folded if len(folded) == 1 else letter


def is_numeral(letter: str) -> bool:
    """Returns whether a character means a number: any digit, fraction, superscript, Roman or Chinese numeral."""
    return letter.isdecimal() or letter.isnumeric()


def has_invisible(text: str) -> bool:
    """Returns whether the text holds control, format or private characters, which could hide or reorder others."""
    return any(letter not in "\n\t" and unicodedata.category(letter) in _INVISIBLE for letter in text) or bool(
        _COMBINED.search(text)
    )


def masked(text: str, start: int, end: int) -> str:
    """Returns the text with a span covered."""
    return text[:start] + MASK * (end - start) + text[end:]
