"""Reads how many devices are wanted, and from which end: "top 3 stations by", "rank the stations by"."""

from typing import Final

from dataflow_insight.english.lexicon import DEVICE_NOUN, NUMBER_WORDS
from dataflow_insight.english.sheet import Sheet

_N: Final = r"(?P<n>\d{1,3}|" + "|".join(word for word in NUMBER_WORDS if word != "zero") + r")"
_HIGH: Final = r"(?:highest|largest|biggest|greatest|most|strongest|worst|top|longest)"
_LOW: Final = r"(?:lowest|smallest|least|fewest|weakest|bottom)"
_BY: Final = r"(?:\s+(?:by|according\s+to|in\s+terms\s+of|with|having|that\s+have|have|has|had|show|showed|of|for))?"
_FORMS: Final = (
    rf"\b(?:the\s+)?(?P<way>top|bottom)\s+{_N}\s+{DEVICE_NOUN}\b{_BY}(?:\s+the\s+(?:{_HIGH}|{_LOW}))?",
    rf"\b(?:(?:which|what)\s+(?:are\s+)?|the\s+)?{_N}\s+{DEVICE_NOUN}\b{_BY}\s+the\s+(?P<way>{_HIGH}|{_LOW})\b",
    rf"\b(?:the\s+)?{_N}\s+(?P<way>{_HIGH}|{_LOW})\s+{DEVICE_NOUN}\b{_BY}",
)
_ALL: Final = rf"\b(?:an?\s+)?(?:rank(?:ing|ed)?|sort(?:ed)?|order(?:ed)?)\s+(?:of\s+)?(?:all\s+)?(?:the\s+|our\s+)?{DEVICE_NOUN}\b{_BY}"
_UPWARDS: Final = r",?\s*\b(?:in\s+ascending\s+order|ascending|(?:lowest|smallest|shortest|least)\s+first|from\s+(?:the\s+)?lowest\s+to\s+(?:the\s+)?highest)\b"
_DOWNWARDS: Final = r",?\s*\b(?:in\s+descending\s+order|descending|(?:highest|largest|longest|most)\s+first|from\s+(?:the\s+)?highest\s+to\s+(?:the\s+)?lowest)\b"


def read_device_rank(sheet: Sheet, devices: int) -> int:
    """Covers the words of a ranking and returns how many devices are wanted, negative for the lowest; 0 for no ranking.

    Args:
        sheet: The question.
        devices: How many there are.
    """
    for form in _FORMS:
        found = sheet.take(form)
        if found is not None:
            number = found["n"]
            count = int(number) if number.isdigit() else NUMBER_WORDS[number]
            low = found["way"] in {"bottom", "lowest", "smallest", "least", "fewest", "weakest"}
            return -count if low else count
    everything = sheet.take(_ALL) is not None
    if sheet.take(_UPWARDS) is not None:
        return -devices
    return devices if sheet.take(_DOWNWARDS) is not None or everything else 0
