"""Tells limits on groups ("days whose average exceeded 150") from limits on single readings ("readings above 150")."""

import re
from typing import Final

from dataflow_insight.english.conditions import Found
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.sheet import FIELD

_MEASURED: Final = (
    r"\b(?:averages?|averaged|averaging|avg|means?|medians?|maximums?|maxima|max|minimums?|minima|min|highest|lowest|peaks?|peaked|largest|smallest|"
    r"(?<!in\s)totals?|totalled|totaled|sums?|standard\s+deviations?|std\s?dev|stdev|stddev|range|percentile|quartile|quantile|p\d\d)\b"
)
_FILTER: Final = r"\b(?:when|while|whenever|if|with|having|for\s+which|in\s+which|during|hours?|but|or|where(?!\s+the\s+(?:average|mean|median|max|min|total|daily)))\b"
_ALWAYS: Final = (
    r"\b(?:all\s+day(?:\s+long)?|(?:for\s+|during\s+|throughout\s+)?the\s+(?:whole|entire|full)\s+(?:day|time)|throughout(?:\s+the\s+day)?|all\s+the\s+time|at\s+all\s+times|"
    r"always|constantly|permanently|without\s+exception|at\s+every\s+hour|round\s+the\s+clock|around\s+the\s+clock|never|every\s+single\s+hour)\b"
)
_STAYED: Final = r"\b(?:stay(?:s|ed|ing)?|remain(?:s|ed)?|kept|keeps?)\b"
_ON_AVERAGE: Final = r"\uf8ff*[\s,]*(?:(?:µg/m3|%|degrees?|°c)\s*)?(?:,\s*)?(?:on\s+average|in\s+the\s+mean|on\s+a\s+daily\s+average|averaged)\b"


def limit_on_groups(reading: Reading, *, grouped: bool) -> Found | None:
    """Returns the limit that holds for a computed value rather than for single readings; None for none.

    Args:
        reading: With its limits read, and no measure covered yet.
        grouped: Groups are chosen or counted, so that "average values above" is about the average.
    """
    sheet = reading.sheet
    for found in reading.conditions:
        own = found.mention.mark if found.mention is not None else ""
        begin = min(found.start, found.mention.start if found.mention is not None else found.start)
        window = sheet.visible[max(0, begin - 45) : found.start]
        measure = None
        for match in re.finditer(_MEASURED, window):
            measure = match
        if measure is not None and _about(window[measure.end() :], own, grouped=grouped):
            return found
        if re.match(_ON_AVERAGE, sheet.visible[found.start :]) or (
            len(reading.conditions) == 1 and re.match(r"(?:and\s+|so\s+)?on\s+average\b", sheet.low)
        ):
            return found
    return None


def limit_on_all(reading: Reading) -> Found | None:
    """Returns the limit that all readings of a group have to keep ("stayed below zero all day"); None for none.

    Its words are covered.
    """
    if len(reading.conditions) != 1:
        return None
    found = reading.conditions[0]
    if not re.search(rf"{_ALWAYS}|{_STAYED}|\b(?:not|never|no)\b|n't\b", reading.text):
        return None
    reading.sheet.take_all(_ALWAYS)
    return found


def _about(between: str, own: str, *, grouped: bool) -> bool:
    """Returns whether a measure and the comparison after it belong together, by what stands between them."""
    if any(mark != own for mark in re.findall(FIELD, between)):
        return False
    if not grouped and re.search(r"\b(?:values|readings|measurements|samples|observations)\b", between):
        return False
    return re.search(_FILTER, between) is None
