"""What people call a change, and which way it goes."""

import re
from enum import Enum
from typing import Final

from dataflow_insight.english.sheet import Sheet

_UP_NOUN: Final = r"increases?|rises?|gains?|climbs?|surges?|upswings?|upturns?|growth|spikes?|leaps?|jumps?|upticks?|ascents?|warming"
_DOWN_NOUN: Final = r"drops?|falls?|decreases?|declines?|dips?|plunges?|slumps?|reductions?|collapses?|downswings?|downturns?|descents?|loss|cooling"
_EITHER_NOUN: Final = (
    r"changes?|swings?|fluctuations?|variations?|steps?|movements?|moves?|deltas?|differences?|shifts?"
)
_UP_VERB: Final = r"increas(?:e|es|ed|ing)|ris(?:e|es|en|ing)|rose|climb(?:s|ed|ing)?|gr(?:ow|ows|ew|own|owing)|jump(?:s|ed|ing)?|surg(?:e|ed|es|ing)|gain(?:s|ed)?|go(?:ne|ing)?\s+up|went\s+up|leap(?:s|t|ed)?|soar(?:s|ed)?|(?:warm|heat)(?:s|ed)?\s+up"
_DOWN_VERB: Final = r"decreas(?:e|es|ed|ing)|drop(?:s|ped|ping)?|fall(?:s|en|ing)?|fell|declin(?:e|es|ed|ing)|sink(?:s|ing)?|sank|sunk|plunge[sd]?|go(?:ne|ing)?\s+down|went\s+down|los[et]s?|cool(?:ed)?\s+(?:down|off)|dip(?:s|ped)?|plummet(?:s|ed)?|shrank|shrink"
_EITHER_VERB: Final = r"chang(?:e|es|ed|ing)|mov(?:e|es|ed)|shift(?:s|ed)?|swung|swings?|develop(?:s|ed)?"

CHANGE_NOUN: Final = f"(?:{_UP_NOUN}|{_DOWN_NOUN}|{_EITHER_NOUN})"
"""Pattern of a noun for a change."""

CHANGE_VERB: Final = f"(?:{_UP_VERB}|{_DOWN_VERB}|{_EITHER_VERB})"
"""Pattern of a verb for a change."""

UP: Final = f"(?:{_UP_NOUN}|{_UP_VERB})"
"""Pattern of a word for a rise."""

DOWN: Final = f"(?:{_DOWN_NOUN}|{_DOWN_VERB})"
"""Pattern of a word for a fall."""


class Way(Enum):
    """Which way a value goes."""

    UP = "up"
    DOWN = "down"
    EITHER = "either"


def way_of(sheet: Sheet) -> Way:
    """Returns which way the visible words say. "Up" and "down" beside a word decide over it."""
    text = sheet.visible
    if re.search(r"\babsolute\b|\beither\s+(?:direction|way)\b|\bup\s+or\s+down\b|\bregardless\s+of\b", text):
        return Way.EITHER
    if re.search(r"\bdown(?:wards?)?\b", text):
        return Way.DOWN
    if re.search(r"\bup(?:wards?)?\b", text):
        return Way.UP
    up = re.search(rf"\b{UP}\b", text)
    down = re.search(rf"\b{DOWN}\b", text)
    if (up is None) == (down is None):
        return Way.EITHER
    return Way.UP if up is not None else Way.DOWN
