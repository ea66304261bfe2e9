"""Spells out states of the weather or of a room as limits: "when it rained" becomes "when rain above 0".

Only where the contract measures what the state is about, and the asker is told. A state without a limit of its own ("windy")
is spelled out only where the question gives one in brackets.
"""

import re
from typing import Final

from dataflow_insight.catalogue.catalogue import Field, Kind
from dataflow_insight.english.names import NameReader

_TIMES: Final = r"(?:hours?|times?|weather|conditions?|periods?|readings?|measurements?|moments?|phases?|spells?)"
_IT: Final = r"(?:(?:it|there|the\s+(?:weather|air|ground)|that|this)\s+)?(?:(?:was|is|were|are|has|had|been|being|did|does|do)\s+)*"
_NOBODY: Final = r"(?:nobody|no\s+one|no-one|no\s+(?:people|person)|not\s+anybody)"
_SOMEBODY: Final = r"(?:somebody|someone|anybody|anyone|people|a\s+person)"
_THERE: Final = r"(?:\s+(?:was|were|is|are))?(?:\s+(?:there|present|inside|in(?=\s*(?:[,.?!)]|$|than\b))|in\s+(?:it|the\s+room)|at\s+home))?"
_ROOM: Final = r"(?:(?:it|the\s+(?:room|office)|this\s+room)\s+)?(?:(?:was|is|were|are|being)\s+)?"

_STATES: Final[tuple[tuple[str, str, str], ...]] = (
    ("rain", rf"{_IT}(?:not|n't)\s+rain(?:ing|y|ed)?|(?:it|there)\s+(?:didn't|did\s+not|wasn't|doesn't|isn't)\s+rain(?:ing)?|(?:it|there)\s+(?:was|is)\s+no\s+rain|no\s+rain(?:\s+fell)?|without\s+(?:any\s+)?rain|rain-?(?:less|free)|(?:it\s+(?:was|is)\s+|was\s+|is\s+)?dry", "at most 0"),
    ("rain", r"it\s+(?:(?:was|is)\s+)?rain(?:ed|ing|s|y)|it\s+(?:was|is)\s+wet|raining|rained|rainy|(?:there\s+(?:was|is)\s+|(?:any|some)\s+)rain(?:fall)?(?!\s*(?:above|below|over|under|of|at|more|less|>|<))|rain\s+fell", "above 0"),
    ("temperature", r"(?:it\s+)?(?:was\s+|is\s+)?(?:frosty|freezing(?!\s+(?:point|temperature))|frost)|(?:it\s+)?froze|it\s+freezes", "below {freezing}"),
    ("occupancy", rf"{_NOBODY}{_THERE}|{_ROOM}(?:empty|unoccupied|vacant|not\s+occupied|not\s+in\s+use|deserted)", "equal to 0"),
    ("occupancy", rf"{_SOMEBODY}{_THERE}|{_ROOM}(?:occupied|in\s+use)", "above 0"),
)  # fmt: skip
"""Field that a state is about, how it is said, and the limit that it means."""

_LED: Final = r"(?P<lead>\b(?:when(?:ever)?|while|if|with|during|than|versus|vs\.?|where|that)\s+(?:the\s+)?)"
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
_FAHRENHEIT: Final = frozenset({"°f", "f", "degf", "fahrenheit"})


def spelled_out(question: str, reader: NameReader, assumptions: list[str]) -> str:
    """Returns the question with states written as limits, each said in the assumptions."""
    question = _bracketed(question, reader)
    for concept, pattern, limit in _STATES:
        item = reader.concept_field(concept)
        if item is None or item.kind not in {Kind.NUMBER, Kind.INTEGER}:
            continue
        written = f"{item.name} {limit.format(freezing=_freezing(item))}"
        for form, template in (
            (rf"{_LED}(?:{pattern})(?=\W|$)(?!\s*(?:hours?|[a-z]+)\s*\()", r"\g<lead>{limit}"),
            (
                rf"\b(?P<state>{pattern})\s+(?P<times>{_TIMES})\b(?!\s*(?:of|with|above|below|over|under|\())",
                r"\g<times> with {limit}",
            ),
        ):
            found = re.compile(form, re.IGNORECASE).search(question)
            while found is not None:
                assumptions.append(f'"{found.group().strip()}" means {written}')
                question = (
                    question[: found.start()] + found.expand(template.format(limit=written)) + question[found.end() :]
                )
                found = re.compile(form, re.IGNORECASE).search(question, found.start() + len(written))
    return re.sub(r"\b(?:weather|conditions)(?=\s+with\b)", "readings", question, flags=re.IGNORECASE)


def _bracketed(question: str, reader: NameReader) -> str:
    """Writes "windy hours (above 3 m/s)" as "hours with wind speed above 3 m/s"."""
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


def _freezing(item: Field) -> int:
    return 32 if item.unit.lower().replace(" ", "") in _FAHRENHEIT else 0
