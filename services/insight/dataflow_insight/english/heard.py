"""Says whether devices still send in terms of their readings: those that have fallen silent have none to be found by."""

import re
from typing import Final

from dataflow_insight.english.lexicon import DEVICE_NOUN

_SEND: Final = (
    r"(?:sen[dt]|send(?:s|ing)|report(?:s|ed|ing)?|deliver(?:s|ed|ing)?|transmit(?:s|ted|ting)?|respond(?:s|ed|ing)?)"
)
_THINGS: Final = r"(?:\s+(?:anything|any\s+(?:data|readings|values|messages)|something|(?:some\s+)?data|readings))"
_NOT: Final = r"(?:not|n't|never)"
_TIME: Final = r"(?:\s+(?:in|for|within|during|over|since|today|this|yesterday|recently|lately)\b[^?.,;]*)?"
_SILENT: Final = (
    rf"^\W*(?:which|what|list(?:\s+all)?(?:\s+the)?)\s+(?:of\s+the\s+)?{DEVICE_NOUN}\s+(?:that\s+)?"
    rf"(?:(?:have|has|did|do|are|is)\s*{_NOT}\s+(?:been\s+)?{_SEND}{_THINGS}?|sent\s+(?:nothing|no\s+(?:data|readings|values|messages))"
    rf"|(?:are|is|were|have\s+been|went|have\s+gone|have\s+fallen)\s+(?:offline|silent|down|not\s+sending))(?:\s+anymore|\s+any\s+more)?{_TIME}\W*$"
)
_STILL: Final = rf"^\W*(?:is|are)\s+(?P<who>[^?]+?)\s+(?:still\s+(?:{_SEND}(?:\s+data)?|online|alive|there)|(?:online|offline|silent|sending(?:\s+data)?)(?:\s+(?:right\s+)?now)?|up\s+to\s+date)\W*$"
_ANYTHING: Final = rf"^\W*(?:did|has|have|does)\s+(?P<who>[^?]+?)\s+{_SEND}{_THINGS}\b(?P<rest>[^?]*)"


def with_readings(question: str, assumptions: list[str]) -> str:
    """Returns a question for silent devices as one for when they were last heard, and one for anything sent as one for readings.

    Args:
        question: With the contract's own nouns put into "device".
        assumptions: Gets what is told in place of what was asked.
    """
    if re.search(_SILENT, question, re.IGNORECASE) is not None:
        assumptions.append("a device without readings has none to be found by: when each was last heard is listed")
        return "When was the last reading of each device?"
    if (found := re.search(_STILL, question, re.IGNORECASE)) is not None:
        who = re.sub(r"^the\s+data\s+(?:of|from)\s+|(?:'s)?\s+data$", "", found["who"], flags=re.IGNORECASE)
        assumptions.append("whether something still sends is told by the time of its last reading")
        return f"When was the last reading of {who}?"
    if (found := re.search(_ANYTHING, question, re.IGNORECASE)) is not None:
        return f"Were there any readings from {found['who']}{found['rest']}?"
    return question
