"""Finds the numbers of a sentence, in digits and in words; whatever cannot be read as one number is none and stays visible."""

import math
import re
from dataclasses import dataclass
from typing import Final

_SMALL: Final = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS: Final = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_SCALES: Final = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_ORDINALS: Final = {
    word: value
    for value, word in enumerate(
        [
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
            "thirteenth",
            "fourteenth",
            "fifteenth",
            "sixteenth",
            "seventeenth",
            "eighteenth",
            "nineteenth",
            "twentieth",
        ],
        start=2,
    )
}
_WORD: Final = "|".join([*_SMALL, *_TENS, *_SCALES])
_SPELLED: Final = re.compile(
    rf"(?<![\w-])(?P<minus>minus\s+)?(?P<words>(?:{_WORD})(?:(?:-|\s+and\s+|\s+)(?:{_WORD}))*)(?!\w)(?P<point>\s+point\b)?",
    re.IGNORECASE,
)
_PRONOUN: Final = re.compile(r"(?:no|the|this|that|which|any|every|each|last|other|only|another)[\s-]+$", re.IGNORECASE)
_PRONOUN_TAIL: Final = re.compile(
    r"\s+(?:(?:of|that|which|with|another)\b|\w+\s+to\s+(?:the\s+next|another)\b)", re.IGNORECASE
)
_ORDINAL_WORD: Final = re.compile(rf"(?<![\w-])(?:{'|'.join(_ORDINALS)})(?!\w)", re.IGNORECASE)
_TIME_UNIT: Final = re.compile(r"(?:\b(?:per|a|each|every|one|the\s+last)|\d)\s+$", re.IGNORECASE)
_ORDINAL: Final = re.compile(r"(?<![\w.,/:-])(?P<digits>\d{1,3})(?:st|nd|rd|th)(?!\w)", re.IGNORECASE)
_DIGITS: Final = re.compile(
    r"(?<![\w.,/:^$\u20ac\u00a3#\u00b1\u00a7])(?<![A-Za-z\uf8ff]-)(?<!\d\s)"
    r"(?P<sign>(?:(?<!\d)(?<!\d\s)-|\+|(?<!\w)minus\s+)?)"
    r"(?P<digits>\d{1,3}(?:,\d{3})+|\d+)(?P<fraction>\.\d+)?(?P<exponent>[eE][-+]?\d+)?"
    r"(?![\d^]|(?:st|nd|rd|th)\b|[.,:/]\d|\s\d{3}(?!\d|[-:])|\s*(?:\*\*|\^|[*\u00d7\u00b7x]\s?\d|/\s*\d)|[eE]\d)",
    re.IGNORECASE,
)
_SCALE: Final = re.compile(
    r"\s*(?:k|m|g|b|bn|mn|mio|tsd|hundreds?|thousands?|millions?|billions?|trillions?|dozens?|lakhs?|crores?|squared|cubed|fold|times|point)(?![\w/])",
    re.IGNORECASE,
)
_QUANTITIES: Final = re.compile(
    r"(?<![\w-])(?:half|halves|thirds|quarters?|fourths|fifths|tenths|hundredths|thousandths|dozens?|couple|hundreds|thousands|"
    r"millions|billions|trillions?|twice|thrice|doubled?|tripled?|quadrupled?|halved|halving|doubling|\w+fold)(?!\w)",
    re.IGNORECASE,
)
_ROMAN: Final = re.compile(
    r"(?<![\w-])(?=[IVXLCDM]{2})M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})(?![\w-])"
)
_MAX_DIGITS: Final = 15


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a sentence.

    Attributes:
        start: Where it begins.
        end: Where it ends, exclusive.
        value: What it says.
        step: What its last digit counts: 0.1 for "98.9", 1 for "99".
        digits: How many digits follow the point; `None` where rounding cannot be said so.
        ordinal: "second", "95th".
        spelled: In words.
        suffixed: A letter or word follows that multiplies it, unless that is its unit ("3 k").
    """

    start: int
    end: int
    value: float
    step: float
    digits: int | None
    ordinal: bool = False
    spelled: bool = False
    suffixed: bool = False


def find_numbers(text: str) -> list[Number]:
    """Returns the numbers of a text in `plain` spelling, in order."""
    found = [_in_digits(match, text) for match in _DIGITS.finditer(text)]
    found += [
        Number(*match.span(), float(match["digits"]), 1.0, None, ordinal=True) for match in _ORDINAL.finditer(text)
    ]
    for match in _SPELLED.finditer(text):
        if match["words"].lower() == "one" and (
            _PRONOUN.search(text[: match.start()]) or _PRONOUN_TAIL.match(text, match.end())
        ):
            continue
        value = None if match["point"] else _value_of(match["words"].lower())
        value = math.nan if value is None else -value if match["minus"] else value
        found.append(Number(match.start(), match.end("words"), value, 1.0, None, spelled=True))
    for match in _ORDINAL_WORD.finditer(text):
        if match.group().lower() == "second" and _TIME_UNIT.search(text[: match.start()]):
            continue
        found.append(
            Number(*match.span(), float(_ORDINALS[match.group().lower()]), 1.0, None, ordinal=True, spelled=True)
        )
    return sorted(found, key=lambda number: number.start)


def vague_quantity(text: str) -> str | None:
    """Returns the first word that is a number without saying it exactly ("half", "dozens", "XIV"), if any."""
    match = _QUANTITIES.search(text) or _ROMAN.search(text)
    return match.group() if match is not None else None


def _in_digits(match: re.Match[str], text: str) -> Number:
    fraction, exponent = match["fraction"] or "", int((match["exponent"] or "e0")[1:])
    sign = "-" if match["sign"].strip().lower() in {"-", "minus"} else ""
    digits = len(fraction[1:] if fraction else "") - exponent
    known = len(match["digits"]) <= _MAX_DIGITS and abs(exponent) < 300
    value = float(f"{sign}{match['digits'].replace(',', '')}{fraction}e{exponent}") if known else math.nan
    start = match.start("sign") if match["sign"] else match.start("digits")
    return Number(
        start,
        match.end(),
        value,
        10.0**-digits if known else 1.0,
        digits if digits >= 0 else None,
        suffixed=_SCALE.match(text, match.end()) is not None,
    )


def _value_of(words: str) -> float | None:
    """Returns the number that a sequence of number words makes, such as "three hundred and five"; None for "two seven", "hundred hundred"."""
    total, part, last = 0, 0, math.inf
    for word in re.split(r"[\s-]+", words):
        if word == "and":
            continue
        if word in _SCALES:
            scale = _SCALES[word]
            if scale == 100:
                if part >= 100:
                    return None
                part, last = max(part, 1) * 100, 100
            else:
                total, part, last = total + max(part, 1) * scale, 0, scale
            continue
        value = _SMALL.get(word, _TENS.get(word, 0))
        size = 10 if word in _TENS else 1
        if last <= size or (last == 10 and not 0 < value < 10):
            return None
        part, last = part + value, 10 if word in _TENS else 1
    return float(total + part)
