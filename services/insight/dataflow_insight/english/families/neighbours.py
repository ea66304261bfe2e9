"""Which readings of a device count as neighbours, and what people call them."""

from datetime import timedelta
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract
from dataflow_insight.english.sheet import FIELD

_SLACK: Final = 1.5
"""How many times the cadence neighbours may be apart: one missing reading is a break, a late one is not."""

_NEXT: Final = r"(?:consecutive|successive|neighbou?ring|adjacent|subsequent|following|neighbou?r)"
_READING: Final = (
    r"(?:readings?|values?|measurements?|records?|rows?|samples?|observations?|data\s?points?|points?|reports?|entries)"
)

BETWEEN_READINGS: Final = (
    rf"\b(?:between|from|across|over|in|within|of|among)\s+(?:any\s+|the\s+)?(?:two|2|one|pairs?\s+of)?\s*(?:directly\s+|immediately\s+)?{_NEXT}\s+(?:{FIELD}\s*)?{_READING}\b"
    rf"|\bfrom\s+(?:one|a|each|any)\s+{_READING}\s+to\s+(?:the\s+)?(?:next|following|another|other)(?:\s+(?:one|{_READING}))?\b"
    rf"|\b{_READING}[\s-]+(?:to|by|over|on|after|for)[\s-]+{_READING}\b"
    rf"|\bbetween\s+(?:any\s+)?(?:two|2|one)\s+{_READING}(?:\s+and\s+the\s+next)?\b"
    r"|\b(?:from\s+)?one\s+after\s+(?:the\s+other|another)\b|\bfrom\s+step\s+to\s+step\b|\bbetween\s+neighbou?rs\b"
)
"""Pattern of "between two consecutive readings", whatever time lies between."""

_LENGTHS: Final = {"hour": timedelta(hours=1), "minute": timedelta(minutes=1), "day": timedelta(days=1)}


def between_times(unit: str) -> str:
    """Returns the pattern of "from one hour to the next", for any unit of time."""
    return (
        rf"\b{unit}[\s-]+(?:to|by|over|on|after|for)[\s-]+{unit}\b|\bfrom\s+{unit}\s+to\s+{unit}\b"
        rf"|\bfrom\s+(?:one|a|each|any)\s+{unit}\s+to\s+(?:the\s+)?(?:next|following|another|other)(?:\s+(?:one|{unit}))?\b"
        rf"|\b(?:between|across|over|in|within|of)\s+(?:any\s+|the\s+)?(?:two|2)?\s*{_NEXT}\s+{unit}s\b|\bbetween\s+(?:any\s+)?(?:two|2)\s+{unit}s\b"
        rf"|\b(?:within|in|during|over|inside|per|for)\s+(?:just\s+|only\s+)?(?:one|an|a|1|a\s+single|any|the\s+space\s+of\s+(?:an|a|one))\s+{unit}\b"
        rf"|\b(?:one|single|1|per)[\s-]{unit}\b"
    )


def spoken_unit(length: timedelta) -> str:
    """Returns what a time between neighbours is called; empty where it has no name."""
    return next((name for name, value in _LENGTHS.items() if value == length), "")


def neighbour_limit(contract: Contract) -> timedelta | None:
    """Returns how far apart neighbouring readings of one device may be; None for any distance."""
    return contract.cadence * _SLACK if contract.cadence is not None else None
