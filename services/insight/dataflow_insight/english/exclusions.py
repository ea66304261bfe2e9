"""Devices that a question leaves out: "all stations except Dingling", "with Huairou left out"."""

import re
from typing import Final

from dataflow_insight.english.lexicon import DEVICE_NOUN
from dataflow_insight.english.sheet import DEVICE, Sheet

_ONE: Final = rf"(?:at\s+|in\s+|from\s+|for\s+|of\s+)?(?:the\s+)?(?:{DEVICE_NOUN}\s+)?[\"']?{DEVICE}[\"']?(?:'s)?(?:\s+{DEVICE_NOUN})?"
_LIST: Final = rf"{_ONE}(?:(?:\s*,\s*(?:and\s+|or\s+|nor\s+)?|\s+(?:and|or|nor)\s+|\s*&\s*)(?:except\s+(?:for\s+)?|not\s+)?{_ONE})*"
_WORDS: Final = (
    r"\b(?:except(?:ing)?(?:\s+for)?|exclud(?:e|es|ed|ing)|but\s+(?:not|without)|apart\s+from|aside\s+from|other\s+than|besides|"
    r"leav(?:e|es|ing)\s+(?:out|aside)|(?:not|without)\s+(?:counting|including|considering)|ignor(?:e|ing)|omit(?:ting)?|"
    r"disregard(?:ing)?|save\s+for|with\s+the\s+exception\s+of|outside(?:\s+of)?)\s+(?:the\s+)?"
)
_SURE: Final = rf"(?:{_WORDS}(?:readings?\s+(?:of|from)\s+)?|\bwithout\s+|\bnot\s+(?=at|in|from|for))"
_OTHER: Final = rf"\bother\s+{DEVICE_NOUN}\s+than\s+"
_BUT: Final = r"(?<=\s)but\s+"
_ALL: Final = r"\b(?:all|every|each|any|everywhere|anywhere|everything|nowhere)\b"
_TRAILING: Final = (
    r"(?:,?\s*(?:being\s+)?\b(?:excluded|excepted|left\s+out|left\s+aside|not\s+(?:included|counted)|aside))\b"
)


def take_exclusions(sheet: Sheet) -> list[str]:
    """Covers what leaves devices out and returns their marks.

    Args:
        sheet: With devices marked.
    """
    marks: list[str] = []
    for pattern in (rf"(?:{_SURE}|{_OTHER}){_LIST}", rf"(?:\bwith\s+)?{_LIST}{_TRAILING}"):
        for found in sheet.take_all(pattern):
            marks += re.findall(DEVICE, found.group())
    but = sheet.find(rf"{_BUT}{_LIST}")
    if but is not None and re.search(_ALL, sheet.visible[: but.start()]):
        marks += re.findall(DEVICE, but.group())
        sheet.cover(but.start(), but.end())
    return marks


def unknown_exclusion(sheet: Sheet) -> tuple[int, int, str] | None:
    """Returns the place of words that leave something out, and what stands behind them; None where nothing does."""
    found = sheet.find(rf"(?P<lead>{_WORDS})(?P<name>[^\W\d_][\w-]*)")
    return None if found is None else (*found.span("lead"), found["name"])
