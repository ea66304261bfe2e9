"""Reads what is computed: averages, extremes, percentiles and the rest, each with its place in the question."""

import re
from dataclasses import dataclass
from typing import Final

from dataflow_insight.english.lexicon import READING_NOUN
from dataflow_insight.english.sheet import FIELD, Sheet
from dataflow_insight.plans.plan import Measure

_NTH: Final = {
    "first": 25.0, "lower": 25.0, "bottom": 25.0, "1st": 25.0, "second": 50.0, "middle": 50.0, "2nd": 50.0,
    "third": 75.0, "upper": 75.0, "top": 75.0, "3rd": 75.0,
}  # fmt: skip
_MIDDLE: Final = 50.0
_TENS: Final = {"fifth": 5.0, "tenth": 10.0, "twentieth": 20.0, "ninetieth": 90.0, "ninety-fifth": 95.0, "ninety-ninth": 99.0}  # fmt: skip
_FIELD_WORDS: Final = rf"(?:\s+(?:{FIELD}|{READING_NOUN}|recorded|measured|observed|seen|ever))*"
_TOP: Final = (
    r"(?:highest|maximum|max\.?|maximal|largest|biggest|greatest|peak|hottest|warmest|strongest|brightest|top)"
)
_BOTTOM: Final = r"(?:lowest|minimum|min\.?|minimal|smallest|coldest|coolest|weakest|darkest|bottom)"
_LINK: Final = r"(?:\s+(?:the|its|their|a|an|of|single|overall))*\s+"
_FILL: Final = r"(?:(?:the|its|their|a|an|all|each|every|of|in|at|for|on)\s+)*"

DIFFERENCE: Final = (
    rf"\b(?:the\s+)?(?:difference|spread|gap|span|distance|range|swing|interval)\b[^?.]{{0,40}}?\b(?:between|from)\s+{_FILL}{_TOP}{_FIELD_WORDS}\s+(?:and|to|minus)\s+{_FILL}{_BOTTOM}\b",
    rf"\b(?:the\s+)?(?:difference|spread|gap|span|distance|range|swing|interval)\b[^?.]{{0,40}}?\b(?:between|from)\s+{_FILL}{_BOTTOM}{_FIELD_WORDS}\s+(?:and|to)\s+{_FILL}{_TOP}\b",
    rf"\(?\b{_TOP}{_FIELD_WORDS}\s*(?:minus|less|-)\s*{_FILL}{_BOTTOM}\b\)?",
    rf"\bhow\s+(?:far|wide|much)\s+apart\s+(?:are|were|is|was|lie|lay)\s+{_FILL}(?:{_TOP}{_FIELD_WORDS}\s+and\s+{_FILL}{_BOTTOM}|{_BOTTOM}{_FIELD_WORDS}\s+and\s+{_FILL}{_TOP})\b",
    rf"\bdiffer(?:s|ed)?\s+between\s+{_FILL}(?:{_TOP}{_FIELD_WORDS}\s+and\s+{_FILL}{_BOTTOM}|{_BOTTOM}{_FIELD_WORDS}\s+and\s+{_FILL}{_TOP})\b",
    rf"\b(?:by\s+)?how\s+much\s+(?:did|does)\s+{_FILL}{_TOP}\b[^?.]{{0,60}}?\b(?:exceed|surpass|lie\s+above)\s+{_FILL}{_BOTTOM}(?:\s+(?:one|value))?\b",
    rf"\b(?:by\s+)?how\s+much\s+(?:did|do|does)\s+{_FILL}(?:{_TOP}\b[^?.]{{0,60}}?\s+(?:and|from)\s+{_FILL}{_BOTTOM}|{_BOTTOM}\b[^?.]{{0,60}}?\s+(?:and|from)\s+{_FILL}{_TOP})\b[^?.]{{0,60}}?\bdiffer\b",
)
"""Ways to ask for the highest less the lowest value that name both."""

_RANGE: Final = (
    *DIFFERENCE,
    r"(?<!time\s)(?<!date\s)(?<!quartile\s)\b(?:(?:total|overall|full)\s+)?range(?:\s+of(?:\s+(?:the\s+)?values)?)?\b(?!\s*(?:of\s+)?(?:time|dates)\b)(?!\s*(?:between|from|to)\s+(?:minus\s+)?-?\d)",
    r"\bpeak[- ]to[- ](?:peak|trough)\b|\bamplitude\b|\bmax[- ]min(?:\s+(?:difference|spread|range))?\b",
)


@dataclass(frozen=True, slots=True)
class Word:
    """One measure word.

    Attributes:
        start: Where it begins.
        end: Where it ends, exclusive.
        measure: What it asks for.
        percentile: For PERCENTILE.
        adjective: It is an adjective such as "highest", which also chooses among groups.
        amount: It is "most", "least" or "fewest".
    """

    start: int
    end: int
    measure: Measure
    percentile: float = 0.0
    adjective: bool = False
    amount: bool = False

    @property
    def extreme(self) -> bool:
        """Whether it is the highest or lowest."""
        return self.measure in {Measure.MAX, Measure.MIN}


_PERCENTILES: Final = (
    r"(?<![\d.])\b(?:the\s+)?(?P<q>0?\.\d+)[\s-]*quantile\b(?:\s+of)?",
    r"\bquantile\s+(?P<q>0?\.\d+)\b(?:\s+of)?",
    r"(?<![\d.])\b(?:the\s+)?(?P<p>\d{1,2}(?:\.\d+)?)(?:st|nd|rd|th)?[\s-]*(?:%[\s-]*)?(?:percentiles?|perc\.?|pctl?|%?-?quantiles?|centiles?)\b(?:\s+(?:value\s+)?of)?",
    r"\b(?:percentile|quantile|centile)\s+(?P<p>\d{1,2}(?:\.\d+)?)(?![\d.])(?:\s*%)?",
    r"\bp[\s-]?(?P<p>\d{1,2}(?:\.\d+)?)(?![\d.])\b(?:\s+of)?",
    rf"\b(?:the\s+)?(?P<tens>{'|'.join(_TENS)})\s+percentile\b",
    rf"\b(?:the\s+)?(?P<nth>{'|'.join(_NTH)})\s+quartile\b",
    r"\b(?:the\s+)?(?P<decile>1st|9th|first|ninth|lowest|top|upper|lower)\s+decile\b",
    r"\b(?:which|what)\s+(?:value|level|concentration|number|limit|threshold)\s+(?:is|was|do|did|are|were)\s+(?:not\s+)?(?P<not>exceeded)\s+(?:by|in|for)\s+(?P<p>\d{1,2})\s*(?:%|percent|per\s+cent)(?:\s+of\s+(?:the\s+|all\s+)?(?:readings|values|measurements|time|hours|data|samples))?",
    rf"\b(?P<p>\d{{1,2}}|half)\s*(?:%|percent|per\s+cent)?\s*(?:of\s+)?(?:the\s+|all\s+)?(?:time|readings|values|measurements|data|hours|samples)[^?]{{0,60}}?\b(?P<way>below|under|above|over|less\s+than|more\s+than)\s+(?:which|what)(?:\s+{READING_NOUN}|\s+level|\s+concentration)?",
    rf"\b(?:below|under|above|over)\s+(?:which|what)\s+(?:{READING_NOUN}|level|concentration)\b[^?]{{0,40}}?\b(?P<p>\d{{1,2}}|half)\s*(?:%|percent|per\s+cent)?\s*(?:of\s+)?(?:the\s+|all\s+)?(?:time|readings|values|measurements|data|hours|samples)",
)
_PLAIN: Final[tuple[tuple[str, Measure], ...]] = (
    (r"\b(?:the\s+)?medians?(?:\s+value)?\b|\b(?:the\s+)?(?:middle|central)\s+value\b", Measure.MEDIAN),
    (
        r"\b(?:the\s+)?(?:sample\s+)?(?:standard|std\.?|stand\.?)[\s-]*(?:deviations?|devs?\.?)|\bst\.?\s?devs?\b|\bstddevs?\b|\bstdevs?\b|\bstds?\b|\bsd\b|\bsigma\b",
        Measure.STDDEV,
    ),
    *((pattern, Measure.RANGE) for pattern in _RANGE),
    (
        r"\b(?:the\s+)?(?:most|commonest)\s+(?:common(?:ly)?|frequent(?:ly)?|often|prevalent|usual)\b(?:\s+(?:occurring|seen|observed|reported|recorded|measured))?|\bmost\s+(?:often|frequently)\b|(?<=\boccurs\s)most\b|(?<=\boccurred\s)most\b|(?<=\bobserved\s)most\b|(?<=\bseen\s)most\b|\b(?:the\s+)?(?:prevailing|predominant|dominant|dominating|main|predominating|modal|commonest)\b|\b(?:the\s+)?mode\b(?!\s*:)|\b(?:dominates?|dominated|prevails?|prevailed|usually|mostly|mainly|predominantly|typically)\b",
        Measure.MODE,
    ),
    (r"\b(?:on\s+(?:an?\s+|the\s+)?)?(?:averages?|averaged|averaging|avg\.?|means?)\b(?:\s+value)?|\barithmetic\s+mean\b|\bin\s+the\s+mean\b", Measure.AVG),
)  # fmt: skip
_EXTREMES: Final[tuple[tuple[str, Measure, bool], ...]] = (
    (
        r"\b(?:tops|topped|leads|led)\s+(?:the\s+)?(?:list|ranking|table|field)\b|\b(?:comes|came|ranks|ranked)\s+(?:out\s+)?(?:first|(?:at\s+the\s+)?top)\b",
        Measure.MAX,
        True,
    ),
    (r"\b(?:comes|came|ranks|ranked)\s+(?:out\s+)?last\b", Measure.MIN, True),
    (r"\b(?:cleanest|purest|least\s+polluted)(?:\s+air)?\b", Measure.MIN, True),
    (r"\b(?:dirtiest|most\s+polluted|foulest|worst\s+air)(?:\s+air)?\b", Measure.MAX, True),
    (
        r"\b(?:all[- ]time\s+|record\s+)?(?:highest|maximal|largest|biggest|greatest|strongest|heaviest|top|worst)\b",
        Measure.MAX,
        True,
    ),
    (r"\b(?:all[- ]time\s+|record\s+)?(?:lowest|minimal|smallest|weakest|lightest|bottom)\b", Measure.MIN, True),
    (
        r"\b(?:all[- ]time\s+|absolute\s+)?(?:maximums?|maxima|max\b\.?|peaks?|peaked|peaking|record\s+high|all[- ]time\s+high|highs)(?:\s+value)?\b",
        Measure.MAX,
        False,
    ),
    (
        r"\b(?:all[- ]time\s+|absolute\s+)?(?:minimums?|minima|min\b\.?|record\s+low|all[- ]time\s+low|lows|trough|bottomed)(?:\s+value)?\b",
        Measure.MIN,
        False,
    ),
)
_SPREAD: Final = r"\b(?:spread|variable|vary|varies|varied|variability|scatter(?:ed)?|fluctuat\w+)\b"
_AS_A_RULE: Final = r"(?:usually|mostly|mainly|predominantly|typically)"
_TYPICAL: Final = r"\b(?:typical|usual)\b"


def read_measures(sheet: Sheet) -> list[Word]:
    """Covers the measure words that need no other word, and returns them in the order of the question."""
    words: list[Word] = []
    for pattern in _PERCENTILES:
        while (found := sheet.find(pattern)) is not None:
            share = _percentile(found)
            middle = share == _MIDDLE
            measure = Measure.MEDIAN if middle else Measure.PERCENTILE
            words.append(Word(found.start(), found.end(), measure, 0.0 if middle else share))
            _cover(sheet, found)
    for pattern, measure in _PLAIN:
        while (found := sheet.find(pattern)) is not None:
            words.append(Word(found.start(), found.end(), measure))
            _cover(sheet, found)
    if any(word.measure is not Measure.MODE for word in words):
        # "How windy is it typically, on average?" asks for the average only.
        words = [word for word in words if not re.fullmatch(_AS_A_RULE, sheet.low[word.start : word.end])]
    computed = {word.measure for word in words}
    if computed & {Measure.STDDEV, Measure.RANGE, Measure.PERCENTILE}:
        sheet.take_all(rf"\bhow\s+much\b(?=.*{_SPREAD})|\bhow\s+{_SPREAD}|{_SPREAD}")
    if Measure.RANGE in computed:
        sheet.take_all(
            r"\bby\s+how\s+(?:much|many\s+\S+)|\bhow\s+much\b|\bdiffer(?:s|ed)?\b|\b(?:the\s+)?(?:swing|swings|swung|variation|difference|span|spread)\b(?:\s+(?:in|of)(?=\s))?"
        )
    if computed:
        sheet.take_all(_TYPICAL)
    return sorted(words, key=lambda word: word.start)


def read_extremes(sheet: Sheet) -> list[Word]:
    """Covers "highest", "maximum" and their like, and returns them in the order of the question."""
    words: list[Word] = []
    for pattern, measure, adjective in _EXTREMES:
        while (found := sheet.find(pattern)) is not None:
            words.append(Word(found.start(), found.end(), measure, adjective=adjective))
            sheet.cover(found.start(), found.end())
    return sorted(words, key=lambda word: word.start)


def asks_spread(sheet: Sheet) -> bool:
    """Returns whether how much something varies is asked, and no word says how that is measured."""
    return sheet.find(_SPREAD) is not None


def asks_typical(sheet: Sheet) -> bool:
    """Returns whether a typical value is asked for, and no word says which that is."""
    return sheet.find(_TYPICAL) is not None


def take_typical(sheet: Sheet) -> bool:
    """Covers "typical", and returns whether it was there."""
    return bool(sheet.take_all(_TYPICAL))


def _percentile(found: re.Match[str]) -> float:
    groups = found.groupdict()
    if groups.get("q"):
        return float(groups["q"]) * 100
    if groups.get("tens"):
        return _TENS[groups["tens"]]
    if groups.get("nth"):
        return _NTH[groups["nth"]]
    if groups.get("decile"):
        return 10.0 if groups["decile"] in {"1st", "first", "lowest", "lower"} else 90.0
    value = 50.0 if groups["p"] == "half" else float(groups["p"])
    text = found.group()
    above = re.search(r"\b(?:above|over|more\s+than)\b", text) or (groups.get("not") and "not" not in text.split())
    return 100.0 - value if above else value


def _cover(sheet: Sheet, found: re.Match[str]) -> None:
    """Covers a match but for the marks inside, which stand for fields that are still to be read."""
    start = found.start()
    for mark in re.finditer("[\ue000-\uf8ff]+", sheet.visible[found.start() : found.end()]):
        sheet.cover(start, found.start() + mark.start())
        start = found.start() + mark.end()
    sheet.cover(start, found.end())
