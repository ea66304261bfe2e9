"""Adjectives that name a field, and perhaps an extreme, at once: "warmest", "how windy"."""

from dataclasses import dataclass
from typing import Final

from dataflow_insight.catalogue.catalogue import Field
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, unknown_field
from dataflow_insight.plans.plan import Measure

_SUPERLATIVES: Final[tuple[tuple[str, str, Measure], ...]] = (
    (r"\b(?:warmest|hottest)\b", "temperature", Measure.MAX),
    (r"\b(?:coldest|coolest|chilliest)\b", "temperature", Measure.MIN),
    (r"\bwindiest\b", "wind speed", Measure.MAX),
    (r"\bcalmest\b", "wind speed", Measure.MIN),
    (r"\bbrightest\b", "light", Measure.MAX),
    (r"\bdarkest\b", "light", Measure.MIN),
    (r"\b(?:most\s+humid|dampest)\b", "humidity", Measure.MAX),
    (r"\bleast\s+humid\b", "humidity", Measure.MIN),
    (r"\bnoisiest\b|\bloudest\b", "noise", Measure.MAX),
    (r"\bquietest\b", "noise", Measure.MIN),
    (r"\b(?:wettest|rainiest)\b", "rain", Measure.SUM),
    (r"\bfastest\b(?!\s+(?:rise|fall|drop|increase|decrease|growth|growing))", "speed", Measure.MAX),
    (r"\bslowest\b(?!\s+(?:rise|fall|drop|increase|decrease|growth|growing))", "speed", Measure.MIN),
    (r"\bdriest\b", "moisture", Measure.MIN),
    (
        r"\bhow\s+(?:hot|warm)(?=\s+(?:did|has|does|had)\b.*\b(?:get|got|gotten|become|gets)\b)",
        "temperature",
        Measure.MAX,
    ),
    (
        r"\bhow\s+(?:cold|cool)(?=\s+(?:did|has|does|had)\b.*\b(?:get|got|gotten|become|gets)\b)",
        "temperature",
        Measure.MIN,
    ),
    (r"\bhow\s+windy(?=\s+(?:did|has|does|had)\b.*\b(?:get|got|gotten|become|gets)\b)", "wind speed", Measure.MAX),
    (r"\bhow\s+humid(?=\s+(?:did|has|does|had)\b.*\b(?:get|got|gotten|become|gets)\b)", "humidity", Measure.MAX),
    (r"\bhow\s+bright(?=\s+(?:did|has|does|had)\b.*\b(?:get|got|gotten|become|gets)\b)", "light", Measure.MAX),
)
_PLAIN: Final[tuple[tuple[str, str], ...]] = (
    (
        r"\bhow\s+(?:hot|warm|cold|cool)\b(?=[^?]*\b(?:was|is|were|been)\b)|\b(?:hot|warm|cold|cool)\b(?=\s+(?:was|is|were)\b)",
        "temperature",
    ),
    (r"\bhow\s+(?:windy|breezy)\b", "wind speed"),
    (r"\bhow\s+(?:humid|damp)\b", "humidity"),
    (r"\bhow\s+(?:bright|dark|light)\b(?=\s+(?:was|is|were|has)\b)", "light"),
    (r"\bhow\s+(?:loud|noisy|quiet)\b", "noise"),
    (r"\bhow\s+fast\b(?=\s+(?:was|is|were|did|does|has)\b)", "speed"),
    (r"\bhow\s+(?:dry|wet|moist)\b(?=\s+(?:was|is|were|has)\b)", "moisture"),
    (r"\b(?:warmer|hotter|colder|cooler)\b(?!\s+than\b)", "temperature"),
    (r"\b(?:windier|calmer)\b(?!\s+than\b)", "wind speed"),
    (r"\b(?:brighter|darker)\b(?!\s+than\b)", "light"),
)
_OF_SOME: Final = frozenset({"speed", "moisture"})
"""Quantities whose adjectives also say something else where they are not measured."""

_UPWARD: Final = ("warmer", "hotter", "windier", "brighter")
_DOWNWARD: Final = ("colder", "cooler", "calmer", "darker")


@dataclass(frozen=True, slots=True)
class Implied:
    """What an adjective says.

    Attributes:
        field: The field that it is about.
        measure: MAX or MIN where it is a superlative, SUM for one of amounts; None for none.
        start: Where it stands.
        end: Where it ends, exclusive.
        comparative: 1 for "warmer", -1 for "colder", 0 for neither.
    """

    field: Field
    measure: Measure | None
    start: int
    end: int
    comparative: int = 0


def implied_field(reading: Reading, *, superlatives: bool = False) -> Implied | None:
    """Covers the adjective of a question and returns the field that it is about; None without one.

    Args:
        reading: The question.
        superlatives: Only "warmest" and its like.

    Raises:
        Refusal: The contract does not measure that.
    """
    entries: list[tuple[str, str, Measure | None]] = [
        *_SUPERLATIVES,
        *((pattern, name, None) for pattern, name in _PLAIN if not superlatives),
    ]
    for pattern, name, measure in entries:
        item = reading.reader.concept_field(name)
        if item is None and name in _OF_SOME:
            continue
        found = reading.sheet.take(pattern)
        if found is None:
            continue
        if item is None:
            raise Refusal(unknown_field(reading.contract, name))
        reading.assumptions.append(f'"{found.group()}" is about the field {item.name}')
        word = found.group()
        if measure is not None:
            reading.sheet.take(r"\bhow\s+(?:hot|warm|cold|cool|windy|humid|bright|dark|loud)\b(?=\s+(?:was|is|were)\b)")
        comparative = 1 if word in _UPWARD else -1 if word in _DOWNWARD else 0
        return Implied(item, measure, found.start(), found.end(), comparative)
    return None
