"""Reads which part of a longest run, a largest jump or a gap is asked for: how much, where, when, or one for each device."""

import re
from dataclasses import dataclass
from typing import Final

from dataflow_insight.english.lexicon import DEVICE_NOUN
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.sheet import DEVICE, Sheet
from dataflow_insight.plans.plan import Focus, Grouping

_EACH_DEVICE: Final = (
    rf"\b(?:(?:per|by|for\s+each(?:\s+of\s+the)?|for\s+every|of\s+each(?:\s+of\s+the)?|of\s+every|at\s+each(?:\s+of\s+the)?|"
    rf"at\s+every|in\s+each(?:\s+of\s+the)?|in\s+every|from\s+each|from\s+every|each|every|for\s+all(?:\s+of)?\s+the)\s+"
    rf"(?:single\s+|individual\s+)?{DEVICE_NOUN}|{DEVICE_NOUN}\s+by\s+{DEVICE_NOUN}|individually|separately)\b"
)
_WHICH_DEVICE: Final = (
    rf"\b(?:(?:at|in|from|on|for)\s+)?(?:which|what)(?:\s+(?:one\s+)?of\s+(?:the|these|all|our)(?:\s+\w+)?)?\s+{DEVICE_NOUN}\b|"
    rf"\b(?:and\s+)?where(?:abouts)?\b|\bwhich\s+of\s+(?={DEVICE})"
)
_SIDE_BY_SIDE: Final = rf"^\s*compare\b|\bcomparison\s+of\b|\bside\s+by\s+side\b|\b(?:versus|vs\.?)(?=\s+(?:at\s+|in\s+|that\s+(?:at|in|of)\s+)?{DEVICE})"
_START: Final = r"\b(?:start(?:s|ed|ing)?|begin(?:s|ning)?|began|begun|set(?:s)?\s+in)\b"
_END: Final = r"\b(?:end(?:s|ed|ing)?|stop(?:s|ped)?|finish(?:es|ed)?)\b"
_WHEN: Final = (
    r"\b(?:(?:exactly\s+)?when(?=\s+(?:exactly\s+)?(?:was|did|is|were|do|does|has|had)\b)|and\s+when|when(?=\W*$)|(?:at|on|in|since|during)?\s*(?:which|what)\s+(?:exact\s+)?"
    r"(?:date\s+and\s+time|time|timestamp|moment|point\s+in\s+time|day|date|hour)|(?:date|time|timestamp|day|moment)\s+of)\b"
)
_SPAN: Final = r"\b(?:the\s+)?(?:start|beginning|begin)\s+and\s+(?:the\s+)?end(?:ing)?(?:\s+(?:times?|dates?))?(?:\s+of\b)?|\bfrom\s+when\s+(?:to|until|till)\s+when\b"
_LENGTH: Final = r"\bhow\s+(?:long|many|much|large|big|high|great|strong|far)\b|\blength\s+of\b|\bduration\s+of\b"


@dataclass(frozen=True, slots=True)
class AskedPart:
    """What is to be said first, and whether for each device.

    Attributes:
        focus: VALUE, DEVICE, TIME, FIRST (its start) or LAST (its end).
        each_device: One answer for each device.
    """

    focus: Focus
    each_device: bool

    @property
    def group_by(self) -> tuple[Grouping, ...]:
        """The grouping that follows."""
        return (Grouping.DEVICE,) if self.each_device else ()


def read_asked_part(sheet: Sheet) -> AskedPart:
    """Covers the words that say which part is asked for, and those that ask for its length."""
    sheet.take_all(r"\b(?:saw|shows?|showed|experienced|faced|suffered)\b")
    sheet.take_all(_SIDE_BY_SIDE)
    each = bool(sheet.take_all(_EACH_DEVICE))
    span = sheet.take(_SPAN) is not None
    opening = _opening(sheet)
    length = bool(sheet.take_all(_LENGTH))
    where = bool(sheet.take_all(_WHICH_DEVICE))
    when = bool(sheet.take_all(_WHEN))
    if when:
        start, end = bool(sheet.take_all(_START)), bool(sheet.take_all(_END))
    else:
        start = end = False
    if span:
        return AskedPart(Focus.TIME, each)
    if length and opening == "length":
        return AskedPart(Focus.VALUE, each)
    if where and (opening != "when"):
        return AskedPart(Focus.DEVICE, each)
    if when and start != end:
        return AskedPart(Focus.FIRST if start else Focus.LAST, each)
    if when:
        value_first = opening == "value"
        return AskedPart(Focus.VALUE if value_first else Focus.TIME, each)
    return AskedPart(Focus.VALUE, each)


def _opening(sheet: Sheet) -> str:
    """Returns what the question asks first: "length", "when", "where" or "value"."""
    found = [
        (match.start(), name)
        for name, pattern in (("length", _LENGTH), ("when", _WHEN), ("where", _WHICH_DEVICE))
        if (match := sheet.find(pattern)) is not None
    ]
    value = re.search(r"\bwhat\s+(?:was|is|were)\s+the\s+(?!time|date|day|moment|timestamp)|^\W*(?:the\s+)?(?:longest|largest|biggest|maximum|max|greatest|steepest|sharpest)\b", sheet.low)  # fmt: skip
    if value is not None:
        found.append((value.start(), "value"))
    return min(found)[1] if found else "value"


def for_each(reading: Reading, asked: AskedPart) -> tuple[Grouping, ...]:
    """Returns the grouping of an answer: each device where several are named, unless they are meant together."""
    if asked.each_device or asked.focus is not Focus.VALUE or len(reading.devices) < 2:
        return asked.group_by
    if re.search(r"\b(?:together|combined|overall|altogether|in\s+total|either|any\s+of)\b", reading.text):
        return ()
    reading.assumptions.append("one answer for each device named")
    return (Grouping.DEVICE,)
