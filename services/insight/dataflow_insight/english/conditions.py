"""Reads the conditions on single readings: limits, values of text fields, states."""

import re
from typing import Final

from dataflow_insight.english.flags import FlagReader
from dataflow_insight.english.found import ConditionError, Found
from dataflow_insight.english.limits import LimitReader, asked_unit
from dataflow_insight.english.names import Mention, NameReader
from dataflow_insight.english.sheet import BLANK, FIELD, Sheet
from dataflow_insight.english.texts import TextReader

__all__ = ["ConditionError", "Found", "asked_unit", "read_conditions"]

_WHEN: Final = (
    r"\b(?:in|during|for|at|over|on|among|amongst)\s+(?:the\s+|those\s+|all\s+)*(?:hours|times|periods|moments|phases|conditions|weather)\s+"
    rf"(?=(?:(?:with|when|where|while|that\s+had|in\s+which|during\s+which)\s+)?(?:{FIELD}|{BLANK}))"
    rf"|\b(?:only|just|considering|taking|using|counting)\s+(?:only\s+)?(?:the\s+|those\s+)?(?:hours|times)\s+(?=(?:with\s+|when\s+)?(?:{FIELD}|{BLANK}))"
)
"""What leads to a condition and says nothing itself: "in hours with …"."""

_BEHIND: Final = rf"(?<={BLANK})\s*\b(?:hours|times|periods|moments|phases|conditions|weather)\b"
"""What stands behind a condition and says nothing itself: "in rainy hours"."""

_JOIN: Final = (
    r"\bboth\b|\bbut(?!\s+(?:not|no|for)\b)|\b(?:yet|although|though)\b|\bat\s+the\s+same\s+time\b|\bsimultaneously\b"
)
"""What joins conditions that all have to hold."""

_ANY: Final = r"\b(?:was|were|is|are)\s+there\b|\bever\b"
"""What asks for one reading for which all hold."""

_HOUR: Final = (
    rf"(?<={BLANK})\s*\b(?:hour|time|moment)\b(?=\s+(?:with|when|where|at|in|and|that|while|on|{BLANK})|\W*$)"
    rf"|(?<=\bthere\s)(?:(?:ever|any|an?|some)\s+)*(?:hours?|times?|moments?)\b(?=\s+(?:with|when|where|{BLANK}))"
)
"""What such a reading is called."""


def read_conditions(
    sheet: Sheet,
    mentions: list[Mention],
    names: NameReader,
    assumptions: list[str],
    *,
    texts: TextReader,
    one_day: bool,
) -> list[Found]:
    """Covers all conditions and returns them in the order of the question.

    Args:
        sheet: With fields, devices and times marked.
        mentions: The fields.
        names: To find the field that a word such as "warmer" implies.
        assumptions: Gets what words and units were taken for.
        texts: Has marked the values of text fields.
        one_day: The question is about one day, so that small numbers may be hours.

    Raises:
        ConditionError: A condition is about no field, or cannot be computed.
    """
    flags = FlagReader(sheet, mentions, names, assumptions)
    found = flags.read_named()
    found += texts.read()
    found += LimitReader(sheet, mentions, names, assumptions).read(one_day=one_day)
    found += flags.read()
    if found:
        sheet.take_all(_WHEN)
        sheet.take_all(_BEHIND)
    if found and re.search(_ANY, sheet.low):
        sheet.take_all(_HOUR)
    if len(found) > 1:
        sheet.take_all(_JOIN)
    return sorted(_once(_explained(sheet.low, found)), key=lambda item: item.start)


def _explained(text: str, found: list[Found]) -> list[Found]:
    """Leaves out a state that a limit in brackets behind it defines: "with the light on (more than 300 lux)"."""
    return [
        item
        for item in found
        if not any(
            other is not item
            and other.condition.field == item.condition.field
            and not isinstance(item.condition.limit, tuple)
            and 0 < item.end <= other.start
            and re.fullmatch(r"\s*\(\s*(?:i\.?e\.?,?\s+)?[^()]*", text[item.end : other.start])
            for other in found
        )
    ]


def _once(found: list[Found]) -> list[Found]:
    """Leaves out a condition without a field that another one with its field repeats: "nobody was there (occupancy 0)"."""
    named = {item.condition for item in found if item.mention is not None}
    return [item for item in found if item.mention is not None or item.condition not in named]
