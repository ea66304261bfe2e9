"""Takes a limit in brackets for what the word before it means: "in windy hours (above 3 m/s)" is "when wspm above 3 m/s"."""

import re
from typing import Final

from dataflow_insight.english.names import NameReader

_TIMES: Final = r"(?:(?P<hours>hours?|ones?|times?|weather|conditions?|readings?|measurements?|moments?|days?)|(?P<runs>periods?|phases?|spells?|stretch(?:es)?|runs?|streaks?))"
_IN: Final = r"(?:(?:in|on|during|at|for)\s+(?:the\s+)?)?"
_BRACKETED: Final = (
    r"\s*\(\s*(?:i\.?e\.?,?\s+|that\s+is,?\s+|meaning\s+)?(?P<limit>[^()]*\d[^()]*|[^()]*\b(?:zero|freezing)\b[^()]*)\)"
)
_ADJECTIVES: Final[tuple[tuple[str, str], ...]] = (
    (r"windy|calm|stormy|breezy|gusty|windless|still|no\s+wind(?:\s+at\s+all)?", "wind speed"),
    (r"hot|warm|cold|cool|mild|frosty|freezing|chilly|frost|froze", "temperature"),
    (r"humid|damp|muggy|moist", "humidity"),
    (r"rainy|wet|dry|rained|raining|rain", "rain"),
    (r"bright|dark|sunny|gloomy|darkness", "light"),
    (r"noisy|loud|quiet", "noise"),
    (r"occupied|empty|unoccupied|vacant|nobody\s+was\s+there|somebody\s+was\s+there", "occupancy"),
)
_ANY: Final = "|".join(words for words, _ in _ADJECTIVES)
_SHARED_NOUN: Final = re.compile(
    rf"\b(?P<a>{_ANY})\s*(?P<la>\([^()]*\))\s*(?P<word>and|or|vs\.?|versus|to|with|than|minus)\s+(?:(?:in|on|during)\s+)?(?:the\s+)?(?P<b>{_ANY})\s*(?P<lb>\([^()]*\))\s+(?P<noun>hours?|times|readings|conditions|weather|days)\b",
    re.IGNORECASE,
)
"""Pattern of "calm (under 1 m/s) and windy (over 4 m/s) hours"."""

_COMPARES: Final = re.compile(
    r"\s*(?:above|below|over|under|at\s+least|at\s+most|more|less|higher|lower|>|<|≥|≤|=|equal|minus\s+\d|-?\d|between|up\s+to|not)"
)
_SAYS_HOW: Final = re.compile(
    r"\b(?:above|below|over|under|least|most|than|to|is|was|equals?|of|between|up|not|exactly|minus|past|exceeds?)\b"
)


def without_brackets(question: str, reader: NameReader) -> str:
    """Returns the question with limits in brackets in the place of the words that they explain.

    Args:
        question: As asked.
        reader: Knows which field an adjective is about; one that the contract does not measure stays as it is.
    """
    question = _SHARED_NOUN.sub(r"\g<a> \g<noun> \g<la> \g<word> \g<b> \g<noun> \g<lb>", question)
    for words, concept in _ADJECTIVES:
        item = reader.concept_field(concept)
        if item is None:
            continue
        for form in (
            rf"\b{_IN}(?:{words})\s+{_TIMES}\b{_BRACKETED}",
            rf"\b(?:when|while|if)\s+(?:(?:it|the\s+(?:wind|air|weather|room|sky|machine|temperature))\s+)?(?:was\s+|is\s+|were\s+)?(?:{words})\b{_BRACKETED}",
            rf"(?<=\b)(?P<be>(?:was|is|were|are|been)\s+(?:(?:it|there|they|the\s+(?:wind|air|weather|room|sky|machine))\s+)?)(?:completely\s+|totally\s+|really\s+|very\s+)?(?:{words})\b{_BRACKETED}",
            rf"(?:(?<=\bof\s)|(?<=\bwith\s))(?:total\s+|complete\s+)?(?:{words})\b{_BRACKETED}",
            rf"(?<=\s)(?<!below\s)(?<!above\s)(?:{words})\b{_BRACKETED}",
        ):
            while (found := re.search(form, question, re.IGNORECASE)) is not None:
                question = question[: found.start()] + _plain(found, item.name) + question[found.end() :]
    return question


def _plain(found: re.Match[str], field: str) -> str:
    limit = found["limit"].strip()
    if re.fullmatch(r"[^\W\d][\w\s]*?\s-?\d+(?:\.\d+)?", limit) and not _SAYS_HOW.search(limit):
        limit = re.sub(r"\s(?=-?\d)", " equal to ", limit)
    elif re.fullmatch(r"-?\d+(?:\.\d+)?", limit):
        limit = f"equal to {limit}"
    subject = f"{field} " if _COMPARES.match(limit.lower()) else ""
    if found.groupdict().get("be"):
        return f"was {subject}{limit}"
    runs = found.groupdict().get("runs")
    if found.re.pattern.startswith("(?:(?<="):
        return f"{subject}{limit}"
    return f"{runs} with {subject}{limit}" if runs else f"when {subject}{limit}"
