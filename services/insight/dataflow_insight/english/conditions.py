"""Reads comparisons with numbers ("above 300 µg/m³", "between 5 and 10") and says which field each is about."""

import re
from dataclasses import dataclass
from typing import Final

from dataflow_insight.catalogue.catalogue import Field
from dataflow_insight.english.concepts import UNITS, canonical_unit
from dataflow_insight.english.lexicon import NUMBER_WORDS
from dataflow_insight.english.names import Mention, NameReader, concept_of
from dataflow_insight.english.sheet import FIELD, Sheet
from dataflow_insight.plans.plan import Comparison, Condition

# The micro sign and the Greek letter look the same; NFKC makes the second of the first.
_UNIT: Final = "|".join(re.escape(unit).replace("µ", "[µμ]") for unit in sorted(UNITS, key=len, reverse=True))
_NOT_A_LIMIT: Final = (
    r"(?!\s*(?:days?|hours?|minutes?|weeks?|months?|years?|seconds?|stations?|sensors?|devices?|sites?|rooms?|readings?|"
    r"measurements?|times|records?|rows?|of\s+the\s+(?:stations?|sensors?|devices?))\b)(?![\w:])(?!\.\d)(?!-\d)"
)


def _number(name: str) -> str:
    words = "|".join(NUMBER_WORDS)
    return (
        rf"(?P<{name}>(?:minus\s+|-\s?|\+)?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+|,\d{{1,2}}(?!\d))?|(?:minus\s+)?(?:{words})\b)"
        rf"(?:\s*(?P<{name}_unit>{_UNIT})(?![\w/^]))?"
    )


_MORE: Final = r"(?:more|greater|higher|larger|bigger|warmer|hotter|stronger|brighter)"
_LESS: Final = r"(?:less|fewer|lower|smaller|colder|cooler|weaker|darker)"
_EXCEED: Final = r"(?:exceed(?:s|ed|ing)?|surpass(?:es|ed|ing)?)"
_NOT: Final = r"(?:not|didn't|doesn't|wasn't|isn't|weren't|don't|never)"
_FILL: Final = r"(?:\s+(?:a|an|the|value|values|level|levels|limit|threshold|mark|of|than))*\s*"

_PREFIXED: Final[tuple[tuple[str, Comparison], ...]] = (
    (rf"\b(?:{_NOT}\s+{_EXCEED}|(?:no|not)\s+{_MORE}\s+than|{_NOT}\s+(?:above|over)|at\s+most|at\s+the\s+most|up\s+to|maximally)", Comparison.LESS_OR_EQUAL),
    (rf"<=|=<|≤|\b{_LESS}\s+than\s+or\s+equal(?:\s+to)?|\bbelow\s+or\s+equal(?:\s+to)?", Comparison.LESS_OR_EQUAL),
    (rf"\b(?:(?:no|not)\s+{_LESS}\s+than|{_NOT}\s+(?:below|under)|at\s+least|(?:reach|hit)(?:es|ed|ing)?)", Comparison.GREATER_OR_EQUAL),
    (rf">=|=>|≥|\b{_MORE}\s+than\s+or\s+equal(?:\s+to)?|\babove\s+or\s+equal(?:\s+to)?", Comparison.GREATER_OR_EQUAL),
    (rf">|\b(?:(?:strictly\s+|well\s+)?(?:above|over|beyond)|{_MORE}\s+than|{_EXCEED}|in\s+excess\s+of|went\s+over|crossed|crosses)", Comparison.GREATER),
    (rf"<|\b(?:(?:strictly\s+|well\s+)?(?:below|under|beneath)|{_LESS}\s+than|underneath)", Comparison.LESS),
    (r"==?|(?<=[\ue100-\ue1ff\uf8ff]\s)of(?=\s+(?:exactly\s+)?(?:minus\s+|-)?\d)|\b(?:(?:was|were|is|be|being|are)\s+exactly|equal(?:s|ed)?(?:\s+to)?|exactly|(?:was|were|is|are|read|reads|showed|at)(?=\s+(?:minus\s+|-)?(?:\d|zero)))", Comparison.EQUAL),
)  # fmt: skip
_TEMPERATURE_WORD: Final = re.compile(r"warmer|hotter|colder|cooler|freezing")


class ConditionError(Exception):
    """A comparison cannot be computed; the text says why, without digits."""


@dataclass(frozen=True, slots=True)
class Found:
    """A condition and where its field was named.

    Attributes:
        condition: For the plan.
        mention: The field's mention; None where the comparison itself implies the field.
        start: Where the comparison stands.
    """

    condition: Condition
    mention: Mention | None
    start: int


def read_conditions(sheet: Sheet, mentions: list[Mention], names: NameReader, *, one_day: bool) -> list[Found]:
    """Covers all comparisons and returns them in the order of the question.

    Args:
        sheet: With fields, devices and times marked.
        mentions: The fields.
        names: To find the field that a word such as "warmer" implies.
        one_day: The question is about one day, so that small numbers may be hours.

    Raises:
        ConditionError: No field, no number behind it, or another unit.
    """
    found: list[Found] = []

    def add(match: re.Match[str], limits: list[tuple[str, str, Comparison]]) -> None:
        mention, item = _subject(sheet, match, mentions, names)
        for number, unit, comparison in limits:
            _check_unit(item, unit)
            found.append(Found(Condition(item.name, comparison, _value(number)), mention, match.start()))
        sheet.cover(match.start(), match.end())

    while match := sheet.find(rf"\bbetween\s+{_number('low')}\s+and\s+{_number('high')}{_NOT_A_LIMIT}"):
        copula = re.search(
            r"(?:\b(?:was|were|is|are|be|lay|lies|stayed|remained|ranged|fell|value|values|readings))\s+$",
            sheet.before(match.start()),
        )
        small = all(_value(match[name]) in range(25) for name in ("low", "high"))
        if one_day and small and not copula:
            raise ConditionError(
                "It is not clear whether the numbers are hours or values; please write times as hours and minutes."
            )
        unit = match["low_unit"] or match["high_unit"] or ""
        add(
            match,
            [
                (match["low"], unit, Comparison.GREATER_OR_EQUAL),
                (match["high"], match["high_unit"] or unit, Comparison.LESS_OR_EQUAL),
            ],
        )
    while match := sheet.find(
        rf"\b(?:of\s+)?{_number('limit')}\s+(?:or|and)\s+(?P<way>more|higher|above|greater|over|up|warmer|less|lower|below|fewer|under|colder)\b"
    ):
        up = match["way"] in {"more", "higher", "above", "greater", "over", "up", "warmer"}
        add(
            match,
            [
                (
                    match["limit"],
                    match["limit_unit"] or "",
                    Comparison.GREATER_OR_EQUAL if up else Comparison.LESS_OR_EQUAL,
                )
            ],
        )
    for word, comparison in ((r"\bbelow\s+freezing\b", Comparison.LESS), (r"\babove\s+freezing\b", Comparison.GREATER)):
        while match := sheet.find(word):
            add(match, [("0", "", comparison)])
    for word, comparison in ((r"\bnegative\b", Comparison.LESS), (r"\bpositive\b", Comparison.GREATER)):
        while match := sheet.find(word):
            add(match, [("0", "", comparison)])
    for pattern, comparison in _PREFIXED:
        while match := sheet.find(rf"(?:{pattern}){_FILL}{_number('limit')}{_NOT_A_LIMIT}"):
            add(match, [(match["limit"], match["limit_unit"] or "", comparison)])
    return sorted(found, key=lambda item: item.start)


def asked_unit(sheet: Sheet, item: Field) -> None:
    """Covers a unit that the answer is asked in.

    Raises:
        ConditionError: It is not the field's unit: nothing is converted.
    """
    while match := sheet.take(rf"\bin\s+(?P<unit>{_UNIT})(?![\w/^])|\(\s*(?:in\s+)?(?P<other>{_UNIT})\s*\)"):
        _check_unit(item, match["unit"] or match["other"])


def _subject(
    sheet: Sheet, match: re.Match[str], mentions: list[Mention], names: NameReader
) -> tuple[Mention | None, Field]:
    before = [mention for mention in mentions if mention.start < match.start()]
    after = [mention for mention in mentions if mention.start > match.start()]
    implied = names.concept_field("temperature") if _TEMPERATURE_WORD.search(match.group()) else None
    # "above 300 PM2.5", "more than 300 µg/m³ of PM2.5"
    direct = re.match(rf"\s*(?:of\s+|for\s+|in\s+)?{FIELD}", sheet.visible[match.end() :])
    if implied is not None and not any(mention.field == implied for mention in before):
        return None, implied
    if direct is not None and not before:
        chosen = next(mention for mention in mentions if mention.mark == direct.group(1))
    elif before:
        chosen = before[-1]
    elif after:
        chosen = after[0]
    else:
        raise ConditionError("It is not clear which field the comparison is about.")
    if chosen.field is None:
        raise ConditionError("The comparison is about something that is not measured.")
    if not chosen.field.kind.numeric:
        raise ConditionError("That field holds no numbers, so it cannot be compared with one.")
    return chosen, chosen.field


def _check_unit(item: Field, unit: str) -> None:
    if not unit:
        return
    given = canonical_unit(unit)
    concept = concept_of(item)
    wanted = (canonical_unit(item.unit),) if item.unit else (concept.units if concept else ())
    if given == "°" and wanted and wanted[0].startswith("°"):
        return
    if wanted and given not in wanted:
        raise ConditionError("The unit is not the one of the field, and values are not converted.")


def _value(text: str) -> float:
    text = text.strip()
    sign = -1.0 if text.startswith(("minus", "-")) else 1.0
    text = text.removeprefix("minus").lstrip("-+ ")
    if text in NUMBER_WORDS:
        return sign * NUMBER_WORDS[text]
    head, comma, tail = text.rpartition(",")
    if comma and "." not in text and len(tail) != 3:
        text = f"{head.replace(',', '')}.{tail}"
    return sign * float(text.replace(",", ""))
