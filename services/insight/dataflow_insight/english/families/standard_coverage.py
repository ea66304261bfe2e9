"""Reads questions about the time that the data cover."""

from typing import Protocol

from dataflow_insight.english.sheet import Sheet


class Covering(Protocol):
    """What is found out.

    Attributes:
        coverage: The time that the data cover is asked for.
        first: Its beginning.
        latest: Its end.
    """

    coverage: bool
    first: bool
    latest: bool


_PERIOD = (
    r"\b(?:what|which)\s+(?:is\s+the\s+|was\s+the\s+)?(?:whole\s+|total\s+|full\s+)?(?:time\s*)?(?:period|span|range|frame|window|interval|timespan|timeframe|date\s+range)(?:\s+of\s+time)?\b",
    r"\b(?:what|which)\s+(?:is\s+the\s+|was\s+the\s+)?(?:dates|days)\b(?=\s+(?:(?:does|do|did|are|is)\s+)?(?:the\s+|this\s+|these\s+|we\s+|there\s+|it\s+)?(?:data|readings|records|recordings|have|cover|covered|available|span))",
    r"\b(?:time|date)\s*(?:range|span|period|frame)s?\b|\btimespan\b|\btimeframe\b|\bdate\s+range\b",
    r"\bcover(?:s|ed|age|ing)?\b|\bspan(?:s|ned)?\b|\bhow\s+far\s+back\b|\bbetween\s+(?:which|what)\s+(?:dates|days|times)\b|\b(?:from|since)\s+when\s+(?:to|until|till)\s+when\b",
)


def read_coverage(sheet: Sheet, intent: Covering) -> None:
    """Covers words about the time that the data cover, and says in the intent what they ask."""
    for pattern in _PERIOD:
        if sheet.take_all(pattern):
            intent.coverage = True
    if sheet.take(
        r"\bfirst\s+(?:and|to|&)\s+(?:the\s+)?last\b(?!\s*[\ue100-\ue1ff])|\bearliest\s+and\s+(?:the\s+)?(?:latest|last)\b|\boldest\s+and\s+(?:the\s+)?(?:newest|latest)\b|\bstart\s+and\s+(?:the\s+)?end\b|\bbegin(?:ning)?\s+and\s+(?:the\s+)?end\b|\bstart(?:s|ed)?\s+and\s+end(?:s|ed)?\b|\bbegin\s+and\s+end\b"
    ):
        intent.coverage = True
        sheet.take_all(r"\b(?:dates?|days?)\b")
    if sheet.take(r"\b(?:start(?:s|ed|ing)?|begin(?:s|ning)?|began)\b"):
        intent.coverage = intent.first = True
    if sheet.take(r"\b(?:ends?|ended|ending|stop(?:s|ped)?|finish(?:es|ed)?)\b"):
        intent.coverage = intent.latest = True
    if sheet.take(r"\b(?:until|till|up\s+to)\s+when\b"):
        intent.coverage = intent.latest = True
    if sheet.take(r"\bsince\s+when\b"):
        intent.coverage = intent.first = True
    sheet.take_all(r"\bup\s+to\b(?=\s*$)")
