"""Takes a limit in brackets for what the word before it means: "windy hours (above 3 m/s)" is "hours with wspm above 3 m/s"."""

import re
from typing import Final

from dataflow_insight.english.names import NameReader

_TIMES: Final = r"(?:hours?|times?|weather|conditions?|periods?|readings?|measurements?|moments?|phases?|spells?|days?)"
_BRACKETED: Final = (
    r"\s*\(\s*(?:i\.?e\.?,?\s+|that\s+is,?\s+|meaning\s+)?(?P<limit>[^()]*\d[^()]*|[^()]*\b(?:zero|freezing)\b[^()]*)\)"
)
_ADJECTIVES: Final[tuple[tuple[str, str], ...]] = (
    (r"windy|calm|stormy|breezy|gusty|windless|still", "wind speed"),
    (r"hot|warm|cold|cool|mild|frosty|freezing|chilly|frost|froze", "temperature"),
    (r"humid|damp|muggy|moist", "humidity"),
    (r"rainy|wet|dry|rained|raining|rain", "rain"),
    (r"bright|dark|sunny|gloomy|darkness", "light"),
    (r"noisy|loud|quiet", "noise"),
    (r"occupied|empty|unoccupied|vacant|nobody\s+was\s+there|somebody\s+was\s+there", "occupancy"),
)
_COMPARES: Final = re.compile(
    r"\s*(?:above|below|over|under|at\s+least|at\s+most|more|less|higher|lower|>|<|≥|≤|=|equal|minus\s+\d|-?\d|between|up\s+to|not)"
)


def without_brackets(question: str, reader: NameReader) -> str:
    """Returns the question with limits in brackets in the place of the words that they explain.

    Args:
        question: As asked.
        reader: Knows which field an adjective is about; one that the contract does not measure stays as it is.
    """
    for words, concept in _ADJECTIVES:
        item = reader.concept_field(concept)
        if item is None:
            continue
        for form in (
            rf"\b(?:{words})\s+(?P<times>{_TIMES})\b{_BRACKETED}",
            rf"\b(?:when(?P<times>)|while|if)\s+(?:it\s+)?(?:was\s+|is\s+|were\s+)?(?:{words})\b{_BRACKETED}",
        ):
            while (found := re.search(form, question, re.IGNORECASE)) is not None:
                limit = found["limit"].strip()
                lead = f"{found['times']} with" if found["times"] else "when"
                subject = f" {item.name}" if _COMPARES.match(limit.lower()) else ""
                question = f"{question[: found.start()]}{lead}{subject} {limit}{question[found.end() :]}"
    return question
