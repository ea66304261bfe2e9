"""Reads comparisons with numbers ("above 300 µg/m³", "between 5 and 10") and says which field each is about."""

import re
from typing import Final

from dataflow_insight.catalogue.catalogue import Field
from dataflow_insight.catalogue.concepts import UNITS, canonical_unit
from dataflow_insight.catalogue.units import conversion, unit_named
from dataflow_insight.english.found import ConditionError, Found
from dataflow_insight.english.lexicon import NUMBER_WORDS
from dataflow_insight.english.names import Mention, NameReader
from dataflow_insight.english.sheet import FIELD, Sheet
from dataflow_insight.plans.plan import Comparison, Condition

# The micro sign and the Greek letter look the same; NFKC makes the second of the first.
UNIT: Final = "|".join(re.escape(unit).replace("µ", "[µμ]") for unit in sorted(UNITS, key=len, reverse=True))
"""Pattern of any unit that is known."""

_NOT_A_LIMIT: Final = (
    r"(?!\s*(?:days?|hours?|minutes?|weeks?|months?|years?|seconds?|stations?|sensors?|devices?|sites?|rooms?|readings?|"
    r"measurements?|times|records?|rows?|missing|nulls?|empty|blank|of\s+the\s+(?:stations?|sensors?|devices?))\b)(?!\s*[\ue100-\ue1ff]\uf8ff*\s+(?:readings?|values|measurements|records?|samples)\b)(?![\w:])(?!\.\d)(?!-\d)"
)


def _number(name: str) -> str:
    words = "|".join(NUMBER_WORDS)
    return (
        rf"(?P<{name}>(?:minus\s+|-\s?|\+)?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+|,\d{{1,2}}(?!\d))?|(?:minus\s+)?(?:{words})\b)"
        rf"(?:\s*(?P<{name}_unit>{UNIT})(?![\w/^]))?"
    )


_MORE: Final = r"(?:more|greater|higher|larger|bigger|warmer|hotter|stronger|brighter|faster|windier|louder|(?:more\s+)?humid(?:er)?)"
_LESS: Final = r"(?:less|fewer|lower|smaller|colder|cooler|weaker|darker|slower|calmer|quieter|drier|dryer)"
_EXCEED: Final = r"(?:exceed(?:s|ed|ing)?|surpass(?:es|ed|ing)?)"
_NOT: Final = r"(?:not|didn't|doesn't|wasn't|isn't|weren't|don't|never)"
_FILL: Final = r"(?:\s+(?:a|an|the|value|values|level|levels|limit|threshold|mark|of|than|about))*\s*"
_SINGLE: Final = (
    r"was|were|is|are|be|lay|lies|stayed|remained|ranged|fell|value|values|readings|with|at|of|a|an|humidity|it"
)

_PREFIXED: Final[tuple[tuple[str, Comparison], ...]] = (
    (rf"\b(?:{_NOT}\s+{_EXCEED}|(?:no|not)\s+{_MORE}\s+than|{_NOT}\s+(?:above|over)|at\s+most|at\s+the\s+most|at\s+or\s+(?:below|under)|(?:below|under)\s+or\s+at|up\s+to|maximally|no\s+greater\s+than)", Comparison.LESS_OR_EQUAL),
    (rf"<=|=<|≤|\b{_LESS}\s+than\s+or\s+equal(?:\s+to)?|\bbelow\s+or\s+equal(?:\s+to)?", Comparison.LESS_OR_EQUAL),
    (rf"\b(?:(?:no|not)\s+{_LESS}\s+than|{_NOT}\s+(?:below|under)|at\s+least|at\s+or\s+above|above\s+or\s+at|(?:reach|hit)(?:es|ed|ing)?)", Comparison.GREATER_OR_EQUAL),
    (rf">=|=>|≥|\b{_MORE}\s+than\s+or\s+equal(?:\s+to)?|\babove\s+or\s+equal(?:\s+to)?", Comparison.GREATER_OR_EQUAL),
    (rf">|\b(?:(?:strictly\s+|well\s+)?(?:above|over|beyond)|{_MORE}\s+than|{_EXCEED}|in\s+excess\s+of|went\s+over|crossed|crosses|topped|tops|(?:(?<=average\s)|(?<=mean\s)|(?<=maximum\s)|(?<=median\s))top(?=\s+\d))", Comparison.GREATER),
    (rf"<|\b(?:(?:strictly\s+|well\s+)?(?:below|under|beneath)|{_LESS}\s+than|underneath)", Comparison.LESS),
    (rf"!=|<>|≠|\b(?:{_NOT}\s+(?:equal(?:\s+to)?|exactly)|(?:was|were|is|are)\s+not(?=\s+(?:minus\s+|-)?(?:\d|zero))|other\s+than(?=\s+(?:minus\s+|-)?(?:\d|zero))|different\s+from)", Comparison.NOT_EQUAL),
    (r"==?|(?<=[\ue100-\ue1ff\uf8ff]\s)of(?=\s+(?:exactly\s+)?(?:minus\s+|-)?\d)|\b(?:(?:was|were|is|be|being|are)\s+exactly|equal(?:s|ed)?(?:\s+to)?|exactly|(?:was|were|is|are|read|reads|showed|at)(?=\s+(?:minus\s+|-)?(?:\d|zero)))", Comparison.EQUAL),
)  # fmt: skip
_IMPLIED: Final[tuple[tuple[str, str], ...]] = (
    (r"warmer|hotter|colder|cooler|freezing", "temperature"),
    (r"brighter|darker", "light"),
    (r"windier|calmer", "wind speed"),
    (r"humid|drier|dryer", "humidity"),
    (r"louder|quieter", "noise"),
)


class LimitReader:
    """Reads the limits of one question.

    Args:
        sheet: With fields, devices and times marked.
        mentions: The fields.
        names: To find the field that a word such as "warmer" implies.
        assumptions: Gets what limits were converted to.
    """

    def __init__(self, sheet: Sheet, mentions: list[Mention], names: NameReader, assumptions: list[str]) -> None:
        self._sheet = sheet
        self._mentions = mentions
        self._names = names
        self._assumptions = assumptions
        self._found: list[Found] = []

    def read(self, *, one_day: bool) -> list[Found]:
        """Covers all comparisons and returns them.

        Args:
            one_day: The question is about one day, so that small numbers may be hours.

        Raises:
            ConditionError: No field, no number behind it, or a unit of something else.
        """
        self._ranges(one_day=one_day)
        self._after_the_number()
        for word, comparison in (
            (r"\bbelow\s+freezing\b(?:\s+point\b)?", Comparison.LESS),
            (r"\babove\s+freezing\b(?:\s+point\b)?", Comparison.GREATER),
        ):
            while match := self._sheet.find(
                word + r"(?:\s*\(\s*(?:of\s+|at\s+)?(?:0|zero)\s*(?:°\s?c?|degrees?(?:\s+(?:celsius|c))?)?\s*\))?"
            ):
                self._add(match, [("0", "°c", comparison)])
        for word, comparison in ((r"\bnegative\b", Comparison.LESS), (r"\bpositive\b", Comparison.GREATER)):
            while match := self._sheet.find(word):
                self._add(match, [("0", "", comparison)])
        for pattern, comparison in _PREFIXED:
            while match := self._sheet.find(rf"(?:{pattern}){_FILL}{_number('limit')}{_NOT_A_LIMIT}"):
                self._add(match, [(match["limit"], match["limit_unit"] or "", comparison)])
        while match := self._sheet.find(
            rf"(?:(?<=\()|(?<=with\s)|(?<=when\s)|(?<=where\s)|(?<=while\s))(?P<field>{FIELD})\s+(?P<value>{_number('limit')}){_NOT_A_LIMIT}"
        ):
            self._add(
                match, [(match["limit"], match["limit_unit"] or "", Comparison.EQUAL)], start=match.start("value")
            )
        return self._found

    def _ranges(self, *, one_day: bool) -> None:
        for pattern in (
            rf"\bbetween\s+{_number('low')}\s+and\s+{_number('high')}{_NOT_A_LIMIT}",
            rf"(?:\bfrom\s+)?{_number('low')}\s*(?:-|to|through)\s*(?:(?P<high>\d+(?:\.\d+)?)\s*(?P<high_unit>{UNIT})(?![\w/^])){_NOT_A_LIMIT}",
        ):
            while match := self._sheet.find(pattern):
                unit = match["low_unit"] or match["high_unit"] or ""
                copula = re.search(rf"(?:\b(?:{_SINGLE}))\s+$", self._sheet.before(match.start()))
                small = all(_value(match[name]) in range(25) for name in ("low", "high"))
                if one_day and small and not copula and not unit:
                    raise ConditionError(
                        "It is not clear whether the numbers are hours or values; please write times as hours and minutes."
                    )
                low = (match["low"], unit, Comparison.GREATER_OR_EQUAL)
                self._add(match, [low, (match["high"], match["high_unit"] or unit, Comparison.LESS_OR_EQUAL)])

    def _after_the_number(self) -> None:
        """Reads "5 degrees or more"."""
        up = r"more|higher|above|greater|over|up|warmer|stronger"
        down = r"less|lower|below|fewer|under|colder|weaker"
        while match := self._sheet.find(
            rf"(?:\bof\s+)?{_number('limit')}\s+(?:or|and)\s+(?P<way>{up}|{down})\b(?!\s+(?:than\s+)?(?:minus\s+|-)?\d)"
        ):
            way = Comparison.GREATER_OR_EQUAL if re.fullmatch(up, match["way"]) else Comparison.LESS_OR_EQUAL
            self._add(match, [(match["limit"], match["limit_unit"] or "", way)])

    def _add(self, match: re.Match[str], limits: list[tuple[str, str, Comparison]], start: int | None = None) -> None:
        begin = match.start() if start is None else start
        units = [unit for _, unit, _ in limits if unit]
        mention, item = self._subject(match, begin, units[0] if units else "")
        for number, unit, comparison in limits:
            limit = limit_in(item, _value(number), unit, self._assumptions)
            self._found.append(Found(Condition(item.name, comparison, limit), mention, match.start(), match.end()))
        self._sheet.cover(begin, match.end())

    def _subject(self, match: re.Match[str], begin: int, unit: str) -> tuple[Mention | None, Field]:
        before = [mention for mention in self._mentions if mention.start < begin]
        after = [mention for mention in self._mentions if mention.start > begin]
        # "above 300 PM2.5", "more than 300 µg/m³ of PM2.5"
        lead = r"(?:of\s+)?" if before else r"(?:of\s+|for\s+|in\s+)?"
        direct = re.match(rf"\s*{lead}(?:the\s+)?{FIELD}", self._sheet.visible[match.end() :])
        name = next((name for words, name in _IMPLIED if re.search(rf"\b(?:{words})\b", match.group())), None)
        implied = self._names.concept_field(name) if name is not None else None
        if implied is not None and not any(mention.field == implied for mention in before):
            return None, implied
        if direct is not None and (not before or not self._told_of(begin)):
            chosen = next(mention for mention in self._mentions if mention.mark == direct.group(1))
        elif before:
            chosen = before[-1]
            if implied is not None:
                chosen = next(mention for mention in reversed(before) if mention.field == implied)
        elif after:
            chosen = after[0]
        elif (only := self._only_with(unit)) is not None:
            self._assumptions.append(f"the limit is about the field {only.name}, the only one that it fits")
            return None, only
        else:
            raise ConditionError("It is not clear which field the comparison is about.")
        if chosen.field is None:
            raise ConditionError("The comparison is about something that is not measured.")
        if not chosen.field.kind.numeric:
            raise ConditionError("That field holds no numbers, so it cannot be compared with one.")
        if not _fits(unit, chosen.field) and (only := self._only_with(unit)) is not None:
            # "PM2.5 in hours below 0 °C" is a limit on what has degrees.
            self._assumptions.append(f"the limit is about the field {only.name}, the only one that it fits")
            return None, only
        return chosen, chosen.field

    def _told_of(self, begin: int) -> bool:
        """Whether a field stands right before a limit, with nothing but a verb between: "the temperature was below …"."""
        return (
            re.search(
                rf"{FIELD}(?:\s+(?:{_SINGLE}|which|that|had|has|been|not|level|levels|stays|remains))*\W*$",
                self._sheet.visible[:begin],
            )
            is not None
        )

    def _only_with(self, unit: str) -> Field | None:
        """Returns the one field that holds numbers, or the one whose numbers can be in a unit."""
        numeric = [item for item in self._names.contract.fields if item.kind.numeric]
        fitting = [item for item in numeric if unit and item.source_unit and _fits(unit, item)]
        if len(fitting) > 1 and canonical_unit(unit).startswith("°"):
            fitting = [item for item in fitting if item == self._names.concept_field("temperature")]
        return numeric[0] if len(numeric) == 1 else fitting[0] if len(fitting) == 1 else None


def limit_in(item: Field, value: float, unit: str, assumptions: list[str]) -> float:
    """Returns a limit in the unit of its field.

    Raises:
        ConditionError: The field is in a unit of something else.
    """
    wanted = item.source_unit
    if not unit or not wanted or (canonical_unit(unit) == "°" and canonical_unit(wanted).startswith("°")):
        return value
    if canonical_unit(unit) == canonical_unit(wanted):
        return value
    factor = _factor(unit, wanted)
    if factor is None:
        raise ConditionError("The unit is not one of what the field measures.")
    # Fourteen digits: 14 °F are -10 °C, and not a little less.
    converted = float(f"{factor[0] * value + factor[1]:.14g}")
    if converted != value:
        note = f"{value:.15g} {_symbol(unit)} is {converted:.10g} {_symbol(wanted)}, the unit of {item.name}"
        assumptions.append(note if item.unit else f"{note} as usual: its contract says none")
    return converted


def asked_unit(sheet: Sheet, item: Field, assumptions: list[str]) -> str:
    """Covers the unit that the answer is asked in and returns its symbol; empty where it is the field's own.

    Raises:
        ConditionError: The field measures something else, or its unit is not known.
    """
    said = rf"(?:,\s*)?(?:\bgiven\s+|\bknowing\s+)?(?:that\s+|which\s+)?(?:it\s+)?(?:is|are|was|were)\s+(?:recorded|measured|stored|given|logged|reported)\s+in\s+(?P<unit>{UNIT})(?![\w/^])"
    while match := sheet.take(said):
        if not _own(item, match["unit"]):
            raise ConditionError("The field is in another unit than the question says.")
    asked = ""
    patterns = (
        rf"\b(?:in|as|to|into)\s+(?P<unit>{UNIT})(?![\w/^])|\(\s*(?:in\s+)?(?P<other>{UNIT})\s*\)",
        rf"\bhow\s+many\s+(?P<unit>{UNIT})(?P<other>)(?![\w/^])(?!\s+of\b)",
        *([r"\bin\s+(?P<unit>[fck])(?P<other>)\b(?!\w)"] if item.source_unit[:1] in {"°", "K"} else []),
        r"(?:(?<=\?)|,|^)\s*(?P<unit>°\s?[cf]|fahrenheit|celsius|kelvin|km/h|mph|knots)(?P<other>)\s*[?.!]?\s*$",
    )
    for pattern in patterns:
        while match := sheet.take(pattern):
            given = match["unit"] or match["other"]
            given = {"f": "°f", "c": "°c", "k": "k"}.get(given, given)
            if _own(item, given):
                continue
            if not item.source_unit or _factor(given, item.source_unit) is None:
                raise ConditionError("The answer cannot be given in that unit.")
            asked = _symbol(given)
            note = f"values of {item.name} are converted from {_symbol(item.source_unit)} to {asked}"
            assumptions.append(note if item.unit else f"{note}; its contract says no unit")
    return asked


def _fits(unit: str, item: Field) -> bool:
    """Returns whether values of a field can be in a unit, as far as is known."""
    wanted, given = canonical_unit(item.source_unit), canonical_unit(unit)
    if not unit or not wanted or given == wanted or (given == "°" and wanted.startswith("°")):
        return True
    return _factor(unit, item.source_unit) is not None


def _own(item: Field, unit: str) -> bool:
    wanted, given = canonical_unit(item.source_unit), canonical_unit(unit)
    return (not item.source_unit and not unit) or given == wanted or (given == "°" and wanted.startswith("°"))


def _factor(source: str, target: str) -> tuple[float, float] | None:
    found = conversion(canonical_unit(source), canonical_unit(target)) or conversion(source, target)
    return None if found is None else (found.factor, found.offset)


def _symbol(unit: str) -> str:
    found = unit_named(unit) or unit_named(canonical_unit(unit))
    return found.symbol if found is not None else unit


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
