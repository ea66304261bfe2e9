"""Finds everything in a sentence that needs support: names, fields, times, numbers with their units, limits, tags."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.answers.letters import masked, plain
from dataflow_insight.answers.numbers import Number, find_numbers
from dataflow_insight.answers.shown import COMMON_WORDS, shown_name
from dataflow_insight.answers.times import When, find_times
from dataflow_insight.answers.unit_words import UNITS
from dataflow_insight.answers.words import LIMITS, TAG, Tag
from dataflow_insight.catalogue.catalogue import key_of
from dataflow_insight.catalogue.concepts import CONCEPTS

_SEPARATOR: Final = re.compile(
    r"[;,\n)|:?]|\s-\s|(?<!\w)(?:and|but|while|whereas|versus|vs\.?|against|compared\s+(?:to|with)|than|or|followed\s+by)(?!\w)",
    re.IGNORECASE,
)
_LIST_MARK: Final = re.compile(r"^\s*(?:[-*\u2022|>]\s*|(?P<number>\d{1,4})[.)]\s+)")
_FLAG: Final = re.compile(r"(?<=[\w)\"'/}]\s)(?:true|false)(?![\w-])")
"""Yes or no as answers write it, behind the name of a field: "wet true"."""

_BETWEEN: Final = re.compile(r"(?<!\w)between\s+$", re.IGNORECASE)
_AND: Final = re.compile(r"(?<!\w)and\s+$", re.IGNORECASE)
_NEAR: Final = 200
"""How far before its number a limit may begin."""

_DURATION: Final = re.compile(
    r"\s?-?(?P<unit>seconds?|secs?|s|minutes?|mins?|hours?|hrs?|h|days?|weeks?)(?![\w/])", re.IGNORECASE
)
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a sentence.

    Attributes:
        start: Where it begins.
        end: Where it ends, exclusive.
        clause: Number of the clause that it stands in.
    """

    start: int
    end: int
    clause: int = 0


@dataclass(frozen=True, slots=True)
class Name(Span):
    """A device, or another text that stands in a result or a plan."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class FieldName(Span):
    """A quantity: its key, as `key_of` makes it."""

    key: str = ""


@dataclass(frozen=True, slots=True)
class Time(Span):
    """A time."""

    when: When = field(default_factory=lambda: When(0, 0))


@dataclass(frozen=True, slots=True)
class Tagged(Span):
    """A word that says what kind of number something is."""

    tag: Tag = Tag.MEAN


@dataclass(frozen=True, slots=True)
class Figure(Span):
    """A number.

    Attributes:
        number: What it says.
        unit: The unit or noun behind it; empty for none.
        seconds: The length of time that it says with its unit, and that of its last digit; None where it says none.
        operator: The comparison before it ("above"); empty for none.
    """

    number: Number = field(default_factory=lambda: Number(0, 0, 0.0, 1.0, None))
    unit: str = ""
    seconds: tuple[float, float] | None = None
    operator: str = ""


@dataclass(slots=True)
class Mentions:
    """What a sentence says, in order.

    Attributes:
        text: The sentence, in `plain` spelling.
        rest: The same with everything that was found masked.
        boundaries: Where its clauses begin.
    """

    text: str
    rest: str
    names: list[Name] = field(default_factory=list)
    fields: list[FieldName] = field(default_factory=list)
    times: list[Time] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tags: list[Tagged] = field(default_factory=list)
    boundaries: list[int] = field(default_factory=list)
    list_number: int | None = None

    def clause_of(self, position: int) -> int:
        """Returns the number of the clause at a position."""
        return sum(1 for boundary in self.boundaries if boundary <= position)

    def clause_text(self, clause: int) -> str:
        """Returns the text of a clause."""
        edges = [0, *self.boundaries, len(self.text)]
        return self.text[edges[clause] : edges[clause + 1]] if clause + 1 < len(edges) else ""

    @property
    def bare(self) -> bool:
        """Whether the sentence names nothing that could be checked."""
        return not (self.names or self.times or self.figures)


class Vocabulary:
    """Which names, fields and units are known.

    Args:
        names: Device ids and other texts.
        fields: Names and short descriptions of fields.
        units: As contracts write them.
        columns: Names of result columns, which may be repeated.
    """

    def __init__(
        self, names: Iterable[str], fields: Iterable[str], units: Iterable[str], columns: Iterable[str]
    ) -> None:
        # As answers write them: what cannot be printed is escaped.
        self._exact = {shown_name(name): name for name in names if name.strip()}
        known = set(self._exact)
        self._folded = {
            name.casefold(): name
            for name in sorted(known, reverse=True)
            if len(name) > 2 and name.casefold() not in COMMON_WORDS
        }
        phrases = {phrase for concept in CONCEPTS for phrase in concept.phrases} | {name for name in fields if name}
        self._fields = _alternatives(sorted(phrases, key=len, reverse=True), ends="s?")
        self._columns = _alternatives(sorted({name for name in columns if "_" in name}, key=len, reverse=True))
        spelled = sorted({unit for unit in units if unit.strip()} | set(UNITS), key=len, reverse=True)
        short = "|".join(re.escape(plain(unit)) for unit in spelled if len(unit) <= 3)
        long = "|".join(re.escape(plain(unit)) for unit in spelled if len(unit) > 3)
        # "M" is not "m", and "A" not "a".
        self._unit = re.compile(rf"\s?(?P<unit>(?i:{long})|{short})(?![\w/\u00b2\u00b3])")
        powered = [unit for unit in spelled if any(letter.isnumeric() for letter in unit)]
        joined = "|".join(re.escape(plain(unit)) for unit in powered)
        self._powered = re.compile(rf"(?<!\w)(?:{joined})(?!\w)", re.IGNORECASE) if powered else None

    def names(self, text: str) -> list[tuple[int, int, str]]:
        """Returns the known names in a text: exactly spelled, or longer ones with other capitals."""
        folded = text.casefold()
        # Most names do not occur: a pattern of all of them would be slow.
        near = {name for name in self._exact if name in text} | {
            name for key, name in self._folded.items() if key in folded
        }
        found = [(*match.span(), match.group().lower()) for match in _FLAG.finditer(text)]
        if not near:
            return found
        for match in _alternatives(sorted(near, key=len, reverse=True)).finditer(text):
            name = match.group()
            quoted = text[match.start() - 1 : match.start()] == '"' == text[match.end() : match.end() + 1]
            if not quoted and (name.casefold() in COMMON_WORDS or not any(letter.isalpha() for letter in name)):
                continue  # A device may call itself "42" or "the"; without quotes, that is a number or a word.
            if name in self._exact:
                found.append((*match.span(), self._exact[name]))
            elif (known := self._folded.get(name.casefold())) is not None:
                found.append((*match.span(), self._exact[known]))
        return found

    def fields(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yields the fields and quantities in a text, with their keys."""
        for match in self._fields.finditer(text):
            key = key_of(match.group())
            # Chemical names are words, too: "no" and "co" count in capitals only.
            if key in COMMON_WORDS and not match.group().isupper():
                continue
            yield *match.span(), key

    def columns(self, text: str) -> Iterator[tuple[int, int]]:
        """Yields the names of columns in a text."""
        for match in self._columns.finditer(text):
            yield match.span()

    def unit(self, text: str, position: int) -> re.Match[str] | None:
        """Returns the unit at a position."""
        return self._unit.match(text, position)

    def powered(self, text: str) -> Iterator[tuple[int, int]]:
        """Yields units that hold a figure, wherever they stand."""
        if self._powered is not None:
            for match in self._powered.finditer(text):
                yield match.span()


def find_mentions(sentence: str, vocabulary: Vocabulary, now: datetime, zone: ZoneInfo) -> Mentions:
    """Returns what a sentence says.

    Args:
        sentence: As written.
        vocabulary: What is known.
        now: The present.
        zone: Whose days.
    """
    text = plain(sentence)
    found = Mentions(text, text)
    mark = _LIST_MARK.match(text)
    if mark is not None and mark["number"] is not None:
        found.list_number = int(mark["number"])
        found.rest = masked(found.rest, *mark.span("number"))
    names = []
    for start, end, name in vocabulary.names(sentence):
        names.append((start, end, name))
        found.rest = masked(found.rest, start, end)
    for start, end in vocabulary.columns(found.rest):
        found.rest = masked(found.rest, start, end)
    fields = list(vocabulary.fields(found.rest))
    for start, end, _ in fields:
        found.rest = masked(found.rest, start, end)
    times = find_times(found.rest, now, zone)
    for when in times:
        found.rest = masked(found.rest, when.start, when.end)
    bare = found.rest
    for start, end in vocabulary.powered(found.rest):
        bare = masked(bare, start, end)
    figures = list(_figures(find_numbers(bare), text, found, vocabulary))
    for start, end in vocabulary.powered(found.rest):
        found.rest = masked(found.rest, start, end)
    found.boundaries = _boundaries(found.rest)
    found.tags = [
        Tagged(*match.span(), found.clause_of(match.start()), Tag(match.lastgroup or ""))
        for match in TAG.finditer(found.rest)
    ]
    found.names = [Name(start, end, found.clause_of(start), name) for start, end, name in names]
    found.fields = [FieldName(start, end, found.clause_of(start), key) for start, end, key in fields]
    found.times = [Time(when.start, when.end, found.clause_of(when.start), when) for when in times]
    found.figures = [
        Figure(item.start, item.end, found.clause_of(item.start), item.number, item.unit, item.seconds, item.operator)
        for item in figures
    ]
    return found


def _figures(numbers: list[Number], text: str, found: Mentions, vocabulary: Vocabulary) -> Iterator[Figure]:
    between = False
    position = -1
    for number in numbers:
        if number.start < position:
            continue
        end, unit, seconds = number.end, "", None
        length = _duration(number, numbers, text)
        if length is not None:
            end, seconds = length
            unit = "s"
        elif (match := vocabulary.unit(text, number.end)) is not None:
            end, unit = match.end(), match["unit"]
        operator = ""
        # Not all that stands before: a sentence may be long, and hold many numbers.
        near = max(0, number.start - _NEAR)
        for name, pattern in LIMITS:
            match = pattern.search(found.rest, near, number.start)
            if match is not None:
                operator = name
                if name not in {"=", "<>"} or "equal" in match.group().lower():
                    found.rest = masked(found.rest, match.start(), number.start)
                break
        if _BETWEEN.search(found.rest, near, number.start):
            operator, between = ">=", True
        elif between and _AND.search(found.rest, near, number.start):
            operator, between = "<=", False
        found.rest = masked(found.rest, number.start, end)
        position = end
        yield Figure(number.start, end, 0, number, unit, seconds, operator)


def _duration(number: Number, numbers: list[Number], text: str) -> tuple[int, tuple[float, float]] | None:
    """Returns the end and length of "1 day 2 hours", and what its last digit counts; None where there is no unit of time."""
    total, step, end = 0.0, 1.0, number.end
    for item in numbers:
        if item.start < number.start:
            continue
        if item is not number and (item.ordinal or not re.fullmatch(r"(?:,|\s|\band\b)*", text[end : item.start])):
            break
        match = _DURATION.match(text, item.end)
        if match is None:
            break
        size = _SECONDS[match["unit"][0].lower()]
        total, step, end = total + item.value * size, item.step * size, match.end()
    return (end, (total, step)) if end > number.end else None


def _boundaries(text: str) -> list[int]:
    return [match.end() for match in _SEPARATOR.finditer(text)]


def _alternatives(names: Iterable[str], ends: str = "") -> re.Pattern[str]:
    joined = "|".join(re.escape(name) for name in names)
    return re.compile(rf"(?<![\w])(?:{joined or '(?!)'}){ends}(?!\w)(?!-\w)", re.IGNORECASE)
