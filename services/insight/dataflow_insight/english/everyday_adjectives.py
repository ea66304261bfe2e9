"""Says adjectives of good and bad air, of much and little, by the field that is named beside them."""

import re
from typing import Final

from dataflow_insight.english.lexicon import READING_NOUN
from dataflow_insight.english.rewriting import rewritten, rules

UP: Final = r"(?:most|highest|greatest|largest|worst|biggest)"
"""Superlatives of much."""

DOWN: Final = r"(?:least|lowest|smallest|fewest)"
"""Superlatives of little."""

_TENDS: Final = r"(?:tends?\s+to\s+(?:have|see|get|show|record)|(?:usually|generally|normally|typically|commonly)\s+(?:has|had|sees|gets|shows|records))"
_IS_USUALLY: Final = r"(?:(?:is|was)\s+(?:usually|generally|normally|typically|commonly)|tends?\s+to\s+be|(?:usually|generally|normally|typically)\s+(?:is|was))"
_MEAN: Final = re.compile(r"\b(?:average|mean|avg|median|averaged|typical)\b", re.IGNORECASE)
_POLLUTANT: Final = r"\b(?:pm\s?2\.?5|pm\s?10|so2|no2|co2?|o3|ozone|(?:carbon|nitrogen|sul(?:ph|f)ur)\s+(?:mono|di)oxide|dust|particles|pollution|smog)\b"
_POLLUTES: Final = re.compile(_POLLUTANT, re.IGNORECASE)
_READINGS: Final = rf"(?!\s+(?:\S+\s+){{0,2}}(?:{READING_NOUN}|missing|rain\w*)\b)"
_BY: Final = (
    r"(?:going\s+by|judging\s+by|judged\s+by|by|in\s+terms\s+of|measured\s+by|according\s+to)\s+(?:its\s+|the\s+)?"
)

_OF_POLLUTANTS: Final = rules(
    (rf"\b(?:the\s+)?most\s+(?={_POLLUTANT}[^?]*\bever\b)", "the highest "),
    (rf"\b(?:the\s+)?least\s+(?={_POLLUTANT}[^?]*\bever\b)", "the lowest "),
    (r"\bfrom\s+(?:the\s+)?best\s+to\s+(?:the\s+)?worst\b|\bbest\s+first\b", ", lowest first"),
    (r"\bfrom\s+(?:the\s+)?worst\s+to\s+(?:the\s+)?best\b", ", highest first"),
)
_OF_ANY: Final = rules(
    (r"\b(?:stuffiest|smoggiest|haziest|nastiest|grimiest|filthiest|sootiest)\b", "worst"),
    (r"\b(?:freshest|clearest|healthiest)\b", "cleanest"),
    (r"\b(?:quietest|stillest|calmest|gentlest|mildest)\s+(?=winds?\b)", "lowest "),
    (r"\b(?:stormiest|gustiest|breeziest|fiercest|harshest|roughest)\s+(?=winds?\b)", "highest "),
    (rf"\b(?:is|was|has)\s+(?:the\s+)?(?:stuffier|smoggier|dirtier|dustier|fouler)\s*(?:,|\s)\s*(?:one\s*,?\s*)?{_BY}", "has the higher "),
    (rf"\b(?:is|was|has)\s+(?:the\s+)?(?:cleaner|fresher|purer|clearer)\s*(?:,|\s)\s*(?:one\s*,?\s*)?{_BY}", "has the lower "),
)  # fmt: skip
_USUALLY: Final = rules(
    (rf"\b{_TENDS}\s+(?:the\s+)?{UP}{_READINGS}", "has the highest {average}"),
    (rf"\b{_TENDS}\s+(?:the\s+)?{DOWN}{_READINGS}", "has the lowest {average}"),
    (rf"\b{_IS_USUALLY}\s+(?:the\s+)?(?:worst|highest|dirtiest|most\s+polluted)\s+(?:for|in|in\s+terms\s+of)\b", "has the highest {average}"),
    (rf"\b{_IS_USUALLY}\s+(?:the\s+)?(?:best|lowest|cleanest|least\s+polluted)\s+(?:for|in|in\s+terms\s+of)\b", "has the lowest {average}"),
)  # fmt: skip
_AT_ITS: Final = re.compile(
    r"\b(?:typically|usually|generally|normally)\s+(?:at\s+(?:its|their)\s+)?(?P<way>highest|lowest|worst|best)\b",
    re.IGNORECASE,
)


def by_its_field(question: str) -> str:
    """Returns the question with such adjectives said by the field: "stuffier, going by CO2" has the higher CO2.

    What usually is the highest is the highest on average; only of what pollutes is the lowest the best.

    Args:
        question: One that names a field.
    """
    measured = _MEAN.search(question) is not None
    question = _AT_ITS.sub(r"\g<way>" if measured else r"\g<way> on average", question)
    if _POLLUTES.search(question) is not None:
        question = rewritten(question, _OF_POLLUTANTS)
    question = rewritten(question, _OF_ANY)
    for rule, plain in _USUALLY:
        question = rule.sub(plain.format(average="" if measured else "average "), question)
    return question
