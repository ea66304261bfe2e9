"""Reads limits on shares: "which stations have more than 5 % of their readings missing"."""

import re
from dataclasses import dataclass, replace
from typing import Final

from dataflow_insight.english.lexicon import DEVICE_NOUN
from dataflow_insight.english.sheet import Sheet
from dataflow_insight.plans.plan import Comparison, Focus, Fold, Grouping, GroupLimit, Measure, Plan

_WAYS: Final[tuple[tuple[str, Comparison], ...]] = (
    (r"at\s+least|no\s+less\s+than", Comparison.GREATER_OR_EQUAL),
    (r"at\s+most|no\s+more\s+than|up\s+to", Comparison.LESS_OR_EQUAL),
    (r"more\s+than|over|above|greater\s+than|higher\s+than|exceed(?:s|ed|ing)?|larger\s+than", Comparison.GREATER),
    (r"less\s+than|fewer\s+than|under|below|lower\s+than|smaller\s+than", Comparison.LESS),
)
_PARTS: Final = {"half": 50.0, "a quarter": 25.0, "a fifth": 20.0, "a tenth": 10.0, "a fourth": 25.0}
_WAY: Final = "|".join(pattern for pattern, _ in _WAYS)
_SHARE_WORD: Final = r"(?:shares?|percentages?|fractions?|proportions?|rates?|quotas?)"
_AMOUNT: Final = (
    rf"(?P<way>{_WAY})\s+(?:(?P<n>\d{{1,3}}(?:\.\d+)?)\s*(?:%|percent|per\s?cent)|(?P<part>{'|'.join(_PARTS)}))"
)
_FORMS: Final = (
    rf"\b{_AMOUNT}\s*\bof\s+(?=(?:all|the|their|its|our)\b|(?:its\s+|their\s+)?(?:readings?|values?|hours?|measurements?|data|time|records?)|[\ue100-\ue1ff])",
    rf"\b{_AMOUNT}(?=\s+(?:missing|nulls?|empty|absent)\b)",
    rf"\b{_SHARE_WORD}\b[^?]{{0,60}}?(?P<limit>\b(?:(?:is|was|are|were|lies|lay)\s+)?{_AMOUNT})(?=\W*$)",
)
_GROUPS: Final[tuple[tuple[str, Grouping], ...]] = (
    (DEVICE_NOUN, Grouping.DEVICE),
    (r"(?:days?|dates?)", Grouping.DAY),
)


@dataclass(frozen=True, slots=True)
class ShareLimit:
    """A limit on the share of each group.

    Attributes:
        each: What has the share.
        limit: In per cent.
        counts: The groups that keep it are counted rather than named.
    """

    each: Grouping
    limit: GroupLimit
    counts: bool

    def of(self, share: Plan) -> Plan:
        """Returns the plan of the groups whose share keeps the limit.

        Args:
            share: Of all readings together.
        """
        if self.counts:
            return replace(share, fold=Fold((self.each,), Measure.COUNT, self.limit))
        return replace(share, group_by=(self.each,), having=self.limit, focus=Focus.LIST)


def read_share_limit(sheet: Sheet) -> ShareLimit | None:
    """Covers such a limit and the groups that are chosen or counted by it; None, and nothing covered, where there is none."""
    for noun, each in _GROUPS:
        group = sheet.find(
            rf"(?:^|(?<=[\s,;:]))(?:(?:at|in|on|for|from)\s+)?(?:(?:which|what)|list|name|(?P<many>how\s+many))\s+(?:of\s+)?(?:all\s+)?(?:the\s+)?{noun}\b(?:\s+(?:are|is|were|was)\s+there)?"
        )
        if group is None:
            continue
        for form in _FORMS:
            found = sheet.find(form)
            if found is None or found.start() < group.end():
                continue
            span = found.span("limit") if "limit" in found.groupdict() else found.span()
            sheet.cover(*span)
            sheet.cover(*group.span())
            comparison = next(way for pattern, way in _WAYS if re.fullmatch(pattern, found["way"]))
            size = float(found["n"]) if found["n"] else _PARTS[found["part"]]
            return ShareLimit(each, GroupLimit(comparison, size), group["many"] is not None)
    return None
