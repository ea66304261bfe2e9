"""Tells limits on groups ("days whose average exceeded 150") from limits on single readings ("readings above 150")."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Final

from dataflow_insight.english.found import Found
from dataflow_insight.english.lexicon import NUMBER_WORDS, READING_NOUN
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, unclear
from dataflow_insight.english.sheet import FIELD
from dataflow_insight.plans.plan import Comparison, GroupLimit

_MEASURED: Final = (
    r"\b(?:averages?|averaged|averaging|avg|means?|medians?|maximums?|maxima|max|minimums?|minima|min|highest|lowest|peaks?|peaked|largest|smallest|"
    r"(?<!in\s)totals?(?!\s+(?:number|count|amount))|totalled|totaled|sums?|standard\s+deviations?|std\s?dev|stdev|stddev|range|percentile|quartile|quantile|p\d\d)\b"
)
_FILTER: Final = r"\b(?:when|while|whenever|if|with|having|for\s+which|in\s+which|during|hours?|but|or|where(?!\s+the\s+(?:average|mean|median|max|min|total|daily)))\b"
_COUNTED: Final[tuple[tuple[str, Comparison], ...]] = (
    (r"(?:no|not)\s+more\s+than|at\s+most|up\s+to|a\s+maximum\s+of", Comparison.LESS_OR_EQUAL),
    (r"(?:no|not)\s+(?:less|fewer)\s+than|at\s+least|a\s+minimum\s+of", Comparison.GREATER_OR_EQUAL),
    (r"more\s+than|over|above|upwards\s+of|in\s+excess\s+of", Comparison.GREATER),
    (r"(?:fewer|less)\s+than|under|below", Comparison.LESS),
    (r"exactly", Comparison.EQUAL),
)
_OR: Final = {
    Comparison.GREATER_OR_EQUAL: r"or\s+more",
    Comparison.LESS_OR_EQUAL: r"or\s+(?:fewer|less)",
}
_ALWAYS: Final = (
    r"\b(?:all\s+day(?:\s+long)?|(?:for\s+|during\s+|throughout\s+)?the\s+(?:whole|entire|full)\s+(?:day|time)|throughout(?:\s+the\s+day)?|all\s+the\s+time|at\s+all\s+times|"
    r"always|constantly|completely|entirely|permanently|without\s+exception|at\s+every\s+hour|round\s+the\s+clock|around\s+the\s+clock|never|every\s+single\s+hour)\b"
)
_STAYED: Final = r"\b(?:stay(?:s|ed|ing)?|remain(?:s|ed)?|kept|keeps?)\b"
_NEGATED: Final = r"(?:not|never|no|\w+n't)\b"
_OPPOSITES: Final = {
    Comparison.GREATER: Comparison.LESS_OR_EQUAL,
    Comparison.GREATER_OR_EQUAL: Comparison.LESS,
    Comparison.LESS: Comparison.GREATER_OR_EQUAL,
    Comparison.LESS_OR_EQUAL: Comparison.GREATER,
}
_ON_AVERAGE: Final = r"\uf8ff*[\s,]*(?:(?:µg/m3|%|degrees?|°c)\s*)?(?:,\s*)?(?:on\s+average|in\s+the\s+mean|on\s+a\s+daily\s+average|averaged)\b"


def limit_on_groups(reading: Reading, *, grouped: bool) -> Found | None:
    """Returns the limit that holds for a computed value rather than for single readings; None for none.

    Args:
        reading: With its limits read, and no measure covered yet.
        grouped: Groups are chosen or counted, so that "average values above" is about the average.
    """
    limits = [found for found in reading.conditions if _is_on_groups(reading, found, grouped=grouped)]
    if not limits:
        return None
    same = [found for found in reading.conditions if found.start == limits[0].start]
    if len(limits) > 1 or len(same) > 1:
        raise Refusal(unclear("Only one limit on a computed value can be applied."))
    return limits[0]


def limit_on_counts(reading: Reading) -> GroupLimit | None:
    """Covers and returns a limit on how many readings of a group are so ("for more than five hours"); None for none."""
    sheet = reading.sheet
    units = {timedelta(hours=1): "hours?", timedelta(minutes=1): "minutes?"}
    unit = units.get(reading.contract.cadence or timedelta(), "readings?")
    for pattern, comparison in _COUNTED:
        found = sheet.find(
            rf"\b(?:(?:for|in|on|at|during)\s+)?(?:{pattern})\s+(?P<n>\d{{1,6}}|{'|'.join(NUMBER_WORDS)})\s+(?P<field>{FIELD}\s+(?={READING_NOUN}\b))?(?:(?:{unit}|{READING_NOUN}|times)\b|(?=(?:missing|nulls?|empty|blank)\b))"
        ) or sheet.find(
            rf"\b(?:(?:for|in|on|at|during)\s+)?(?P<n>\d{{1,6}}|{'|'.join(NUMBER_WORDS)})\s+{_OR[comparison]}\s+(?:{unit}|{READING_NOUN}|times)\b"
            if comparison in _OR
            else r"(?!)"
        )
        if found is not None:
            start, end = found.span("field") if found.groupdict().get("field") else (found.end(), found.end())
            sheet.cover(found.start(), start)
            sheet.cover(end, found.end())
            return GroupLimit(comparison, float(NUMBER_WORDS.get(found["n"], found["n"])))
    if sheet.take(r"\b(?:no|zero|without(?:\s+any)?)\s+(?=(?:missing|gaps?|nulls?)\b)") is not None:
        return GroupLimit(Comparison.EQUAL, 0.0)
    return None


def _is_on_groups(reading: Reading, found: Found, *, grouped: bool) -> bool:
    sheet = reading.sheet
    own = found.mention.mark if found.mention is not None else ""
    begin = min(found.start, found.mention.start if found.mention is not None else found.start)
    window = sheet.visible[max(0, begin - 45) : found.start]
    free = [mention for mention in reading.names.fields if mention.mark != own and mention.start < begin]
    if free and own and re.search(r"\b(?:for|at|in|under|with)\s+(?:the\s+)?$", sheet.low[:begin]):
        # "PM2.5 average for temperatures under zero"
        return False
    measure = None
    for match in re.finditer(_MEASURED, window):
        measure = match
    if measure is not None and _about(window[measure.end() :], own, grouped=grouped):
        return True
    other = [match.end() for match in re.finditer(FIELD, sheet.visible[:begin]) if match.group(1) != own]
    if other and re.search(_FILTER, sheet.low[other[-1] : begin]):
        # "PM2.5 when it was below zero, on average": the average is of the other field.
        return False
    if re.match(_ON_AVERAGE, sheet.visible[found.start :]):
        return True
    return len(reading.conditions) == 1 and re.match(r"(?:and\s+|so\s+)?on\s+average\b", sheet.low) is not None


def limit_on_all(reading: Reading) -> Found | None:
    """Returns the limit that all readings of a group have to keep ("stayed below zero all day"); None for none.

    Its words are covered.
    """
    if len(reading.conditions) != 1:
        return None
    found = reading.conditions[0]
    sheet = reading.sheet
    negated = re.match(_NEGATED, reading.text[found.start :]) is not None
    if not (negated or sheet.find(_ALWAYS) or re.search(_STAYED, reading.text)):
        return None
    if sheet.find(r"\bnever\b") is not None:
        # "Never dropped below": the word stands apart from the comparison, which says the opposite.
        opposite = _OPPOSITES.get(found.condition.comparison)
        if opposite is None:
            return None
        found = replace(found, condition=replace(found.condition, comparison=opposite))
    sheet.take_all(_ALWAYS)
    return found


def _about(between: str, own: str, *, grouped: bool) -> bool:
    """Returns whether a measure and the comparison after it belong together, by what stands between them."""
    if any(mark != own for mark in re.findall(FIELD, between)):
        return False
    if not grouped and re.search(r"\b(?:values|readings|measurements|samples|observations)\b", between):
        return False
    return re.search(_FILTER, between) is None
