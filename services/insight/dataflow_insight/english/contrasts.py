"""Says states that a question contrasts ("in rainy and in dry hours", "when occupied than when it's empty") as what has to hold."""

import re
from typing import Final

from dataflow_insight.english.names import NameReader

_NOUN: Final = (
    r"(?:hours?|times?|minutes?|readings?|weather|conditions?|periods?|phases?|ones?|moments?|rooms?|spaces?)"
)
_IN: Final = r"(?:(?:in|on|during|at|for|under)\s+)?(?:the\s+|an?\s+)?"
_WHEN: Final = r"(?:when(?:ever)?|while|if)\s+"
_IT: Final = (
    r"(?:(?:it|they|the\s+(?:room|office|place|space|weather)|there)(?:\s+(?:is|was|are|were|has\s+been)|'s)\s+)?"
)
_SOMEBODY: Final = r"(?:people|somebody|someone|anybody|anyone|occupants|a\s+person)"
_THERE: Final = (
    r"(?:\s+(?:is|was|are|were)\b)?(?:\s+(?:there|present|inside|around|in(?:\s+(?:it|there|the\s+room))?)\b)?"
)
_NOT_IT: Final = (
    r"(?:(?:it|they|the\s+room)\s+)?(?:(?:is|was|are|were|does|did)\s+not|(?:is|was|are|were|does|did)n't|'s\s+not|not)"
)
_STATES: Final[tuple[tuple[str, tuple[str, str], str, str], ...]] = (
    (
        "occupancy",
        ("when it was occupied", "when it was not occupied"),
        rf"{_WHEN}{_IT}(?:occupied|in\s+use|used)\b|{_WHEN}{_SOMEBODY}\b{_THERE}|\bwith\s+{_SOMEBODY}\b{_THERE}|{_IN}\boccupied\s+{_NOUN}\b|\boccupied\b(?=\s+(?:and|versus|vs|minus|or|to)\b)|{_IN}\boccupied\b(?=\W*$)",
        rf"{_WHEN}{_IT}(?:empty|unoccupied|vacant|unused|free)\b|{_WHEN}{_NOT_IT}(?:\s+(?:occupied|in\s+use|used))?(?=\W*$)|{_WHEN}{_NOT_IT}\s+(?:occupied|in\s+use|used)\b|{_WHEN}(?:nobody|no\s?-?one)\b{_THERE}|\bwithout\s+(?:any\s+)?{_SOMEBODY}\b{_THERE}|{_IN}\b(?:unoccupied|empty|vacant)\s+{_NOUN}\b|\b(?:unoccupied|empty|vacant)\b(?=\s+(?:and|versus|vs|minus|or|to)\b)|\b(?:unoccupied|empty|vacant)\b(?=\W*$)",
    ),
    (
        "rain",
        ("when {field} above 0", "when {field} equal to 0"),
        rf"{_WHEN}{{field}}\s+above\s+0|{_WHEN}it\s+(?:rains|rained|is\s+raining|was\s+raining|is\s+wet|was\s+wet)\b|\bin\s+the\s+rain\b|{_WHEN}raining\b|{_IN}\b(?:rainy|wet)\s+{_NOUN}\b|\b(?:rainy|wet)\b(?=\s+(?:and|versus|vs|minus|or|to)\b)|\bwith\s+rain\b",
        rf"{_WHEN}it\s+(?:(?:does|did|is|was)(?:n't|\s+not)\s+rain(?:ing)?|is\s+dry|was\s+dry)\b|{_WHEN}(?:it\s+)?(?:(?:does|did|is|was)(?:n't|\s+not)|'s\s+not|not)(?=\W*$)|{_WHEN}dry\b|{_IN}\b(?:dry|rainless)\s+{_NOUN}\b|\bdry\b(?=\s+(?:and|versus|vs|minus|or|to)\b)|\bwithout\s+rain\b|\bwhen\s+(?:it's\s+)?dry\b|\bdry\b(?=\W*$)",
    ),
)  # fmt: skip
_TWO: Final = re.compile(r"\b(?:than|versus|vs|minus|differ\w*|compar\w+|between|ratio|divided|or)\b", re.IGNORECASE)


def with_contrasts(question: str, reader: NameReader) -> str:
    """Returns the question with both of two opposite states said as conditions, where it contrasts them.

    Args:
        question: As asked.
        reader: Knows which field a state is about; one that the contract does not measure stays as it is.
    """
    rain = reader.concept_field("rain")
    if rain is not None:
        question = re.sub(
            rf"\b{_WHEN}it\s+(?:rains|is\s+raining)\b", f"when {rain.name} above 0", question, flags=re.IGNORECASE
        )
    if _TWO.search(question) is None:
        return question
    for concept, written, yes, no in _STATES:
        item = reader.concept_field(concept)
        if item is None:
            continue
        negative = re.search(no, question, re.IGNORECASE)
        if negative is None:
            continue
        rest = question[: negative.start()] + " " * len(negative.group()) + question[negative.end() :]
        positive = re.search(yes.replace("{field}", re.escape(item.name)), rest, re.IGNORECASE)
        if positive is None:
            continue
        for found, words in sorted(
            ((positive, written[0]), (negative, written[1])), key=lambda pair: pair[0].start(), reverse=True
        ):
            plain = words.format(field=item.name)
            question = f"{question[: found.start()]} {plain} {question[found.end() :]}"
        return " ".join(question.split())
    return question
