"""Reads "without rain" and "with rain" as limits: of what falls and adds up, none at all or some."""

from typing import Final

from dataflow_insight.english.names import adds_up
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.sheet import BLANK, FIELD
from dataflow_insight.plans.plan import Comparison, Condition

_RUN: Final = r"(?:runs?|streaks?|stretch(?:es)?|spells?|periods?|phases?|episodes?|time|spans?)"

_SPELLS: Final = (
    (rf"\b(?:dry|rainless|rain-?free)\s+(?={_RUN}\b)", Comparison.EQUAL),
    (rf"\b(?:wet|rainy|rain)\s+(?={_RUN}\b)", Comparison.GREATER),
)


def falling(reading: Reading) -> tuple[Condition, ...]:
    """Covers such words and returns the limit that they mean; nothing where there are none, or another field is meant."""
    sheet = reading.sheet
    rain = reading.reader.concept_field("rain")
    for pattern, comparison in _SPELLS if rain is not None and rain.kind.numeric else ():
        if rain is not None and sheet.take(pattern) is not None:
            reading.assumptions.append(f"that is {rain.name} {comparison.word} zero")
            return (Condition(rain.name, comparison, 0.0),)
    for pattern, comparison in (
        (rf"\b(?:without|with\s+no|no|free\s+of)\s+(?:any\s+)?{FIELD}", Comparison.EQUAL),
        (
            rf"(?:\bof|\bwith|\bit|{_RUN})\s+(?:\w+\s+)?{FIELD}(?!{BLANK})(?!\s*(?:above|below|over|under|of|at\s+(?:least|most)|more|less|exceed|was|is|\(|values?|readings?|>|<|=))",
            Comparison.GREATER,
        ),
    ):
        found = sheet.find(pattern)
        if found is None:
            continue
        mention = next(item for item in reading.names.fields if item.mark == found.group(1))
        if mention.field is not None and adds_up(mention.field):
            sheet.cover(found.start(), found.end())
            word = "no" if comparison is Comparison.EQUAL else "some"
            reading.assumptions.append(f"{word} {mention.field.name} is {mention.field.name} {comparison.word} zero")
            return (Condition(mention.field.name, comparison, 0.0),)
    return ()
