"""Reads values of text fields ("when the wind came from the north-west", "while the state was idle")."""

import re
from dataclasses import dataclass
from typing import Final

from dataflow_insight.catalogue.catalogue import Field, Kind, key_of
from dataflow_insight.catalogue.concepts import concept_of_name
from dataflow_insight.english.flags import FLAG_WORD, is_state
from dataflow_insight.english.found import ConditionError, Found
from dataflow_insight.english.lexicon import DEVICE_NOUN, protected
from dataflow_insight.english.names import Mention, NameReader
from dataflow_insight.english.sheet import BLANK, DEVICE, FIELD, TEXT, TEXT_BASE, Sheet, index_of, mark_of
from dataflow_insight.plans.plan import Comparison, Condition

COMPASS: Final = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")
"""Directions as instruments write them."""

_POINT: Final = r"north|south|east|west"
_DIRECTION: Final = rf"\b(?P<a>{_POINT})(?:[\s-]*(?P<b>{_POINT}))?(?:[\s-]*(?P<c>east|west))?(?:erly|ern|erlies)?\b"
_ABOUT_WIND: Final = r"\bwinds?\b|\bbl[oe]w|\bbreeze|\bgusts?\b|\bdirections?\b"
_WIND_WORDS: Final = frozenset({"wind", "winds", "wind direction", "wind directions", "winddirection"})
_VERBS: Final = (
    r"was|were|is|are|being|be|equals?|equal|equalled|to|=|of|in|at|on|reads?|showed|shows?|said|says|set|that|which|"
    r"i\.?e\.?|namely|came|come|comes|coming|bl[oe]w|blows|blowing|blown|out|from|the|a|an|mostly|exactly|direction|directly|"
    r"either|one|value|state|status|did|does|do|has|had|with"
)
_JOINED: Final = r"(?:\s*(?:,|/|\bor\b|\band\b|\beither\b))+\s*(?:(?:from|the|=)\s+)*"
_GROUP: Final = rf"{TEXT}(?:{_JOINED}{TEXT})*".replace("([\ue400", "(?:[\ue400")
_NOT: Final = re.compile(
    r"(?:\bnot|n't|\bnever|!=|<>|≠|\bother\s+than|\banything\s+but|\bexcept)\s*(?:(?:from|in|to|the|equal|at)\s+)*$"
)
_TOLD: Final = rf"(?:\b(?:was|were|is|are|been|being|while|when|{DEVICE_NOUN})\s+|{DEVICE.replace('(', '(?:')}\uf8ff*\s+)(?:all\s+|still\s+|currently\s+|not\s+|in\s+)?$"
_LONGEST: Final = 5
_SHORT: Final = 3


@dataclass(frozen=True, slots=True)
class _Value:
    """A value under its mark.

    Attributes:
        item: The field that holds it.
        text: As the field has it.
        spoken: It was said in words ("northerly") rather than as the field has it.
        sure: It needs no field beside it.
    """

    item: Field
    text: str
    spoken: bool
    sure: bool


class TextReader:
    """Reads values of the text fields of one question.

    Args:
        sheet: With fields, devices and times marked.
        mentions: The fields.
        names: Gives the contract.
        assumptions: Gets what words were taken for.
    """

    def __init__(self, sheet: Sheet, mentions: list[Mention], names: NameReader, assumptions: list[str]) -> None:
        self._sheet = sheet
        self._mentions = mentions
        self._fields = [item for item in names.contract.fields if item.kind is Kind.TEXT]
        self._assumptions = assumptions
        self._states = any(is_state(item) for item in names.contract.fields)
        self._values: list[_Value] = []

    def mark(self) -> None:
        """Marks values that the fields are known to have, so that nothing else is read from their words."""
        if self._fields:
            self._mark_values(sure=True)

    def read(self) -> list[Found]:
        """Covers all values with what says that they are conditions, and returns these.

        Raises:
            ConditionError: Values of several fields stand in one list.
        """
        if not self._fields:
            return []
        self._mark_directions()
        self._mark_values(sure=False)
        self._mark_quoted()
        found: list[Found] = []
        while (group := self._sheet.find(_GROUP)) is not None:
            condition = self._condition(group)
            if condition is not None:
                found.append(condition)
        return _agreeing(found)

    def _mark(self, start: int, end: int, value: _Value) -> None:
        self._sheet.cover(start, end, mark_of(TEXT_BASE, len(self._values)))
        self._values.append(value)

    def _mark_directions(self) -> None:
        """Marks "north-west" as the value NW of a field that holds directions."""
        item = next((item for item in self._fields if _holds_directions(item)), None)
        if item is None or not re.search(_ABOUT_WIND, self._sheet.low):
            return
        known = {key_of(value): value for value in item.values}
        position = 0
        while (found := re.compile(_DIRECTION).search(self._sheet.visible, position)) is not None:
            position = found.start() + 1
            letters = "".join(part[0].upper() for part in (found["a"], found["b"], found["c"]) if part)
            if letters in COMPASS:
                value = known.get(letters.lower()) or known.get(key_of(found.group())) or letters
                self._assumptions.append(f'"{found.group()}" is {value} of the field {item.name}')
                self._mark(found.start(), found.end(), _Value(item, value, spoken=True, sure=True))

    def _mark_values(self, *, sure: bool) -> None:
        """Marks values as the fields have them, the longest first; short ones only in their own case."""
        words = self._sheet.words()
        index = 0
        while index < len(words):
            for last in range(min(index + _LONGEST, len(words)) - 1, index - 1, -1):
                start, end = words[index].start, words[last].end
                value = self._value(start, end)
                if value is not None and (value.sure or not sure):
                    self._mark(start, end, value)
                    index = last
                    break
            index += 1

    def _value(self, start: int, end: int) -> _Value | None:
        if BLANK in self._sheet.visible[start:end]:
            return None
        text = self._sheet.case[start:end]
        key = key_of(text)
        holders = []
        for item in self._fields:
            values = item.values or (COMPASS if _holds_directions(item) else ())
            fitting = [
                value
                for value in values
                if key_of(value) in {key, key.removesuffix("s") if len(key) > _SHORT + 1 else key}
                and (len(value) > _SHORT or value == text)
            ]
            if fitting:
                holders.append((item, text if text in fitting else fitting[0]))
        if not holders:
            return None
        beside = [(item, value) for item, value in holders if self._beside(item, start, end)]
        item, value = (beside or holders)[0]
        low = text.lower()
        telling = len(text) >= _SHORT and any(letter.isalpha() for letter in text)
        ordinary = not telling or protected(low) or FLAG_WORD.fullmatch(low) is not None
        if ordinary and len(low) > _SHORT and not self._states:
            # "RUNNING" as the data have it, and "was running" where no field says yes or no.
            told = re.search(_TOLD, self._sheet.visible[:start]) is not None
            ordinary = not (told or (text == value and not text.islower()))
        if not beside and len(holders) > 1:
            return None
        return _Value(item, value, spoken=False, sure=bool(beside) or not (ordinary or _holds_directions(item)))

    def _beside(self, item: Field, start: int, end: int) -> bool:
        """Whether the question names the field just before or behind a place."""
        before = re.search(rf"{FIELD}(?:\s*(?:(?:{_VERBS}|not)\b|[:='\"]))*\s*$", self._sheet.visible[:start])
        after = re.match(rf"[\s'\"-]*{FIELD}", self._sheet.visible[end:])
        return any(
            mention.field == item
            for match in (before, after)
            if match is not None
            for mention in self._mentions
            if mention.mark == match.group(1)
        )

    def _mark_quoted(self) -> None:
        """Marks a text in quotes behind a field whose values are not all known."""
        pattern = rf"{FIELD}\s*(?:(?:{_VERBS}|not)\b\s*|[:=]\s*)*(?P<quoted>[\"'](?P<text>[^\"']{{1,60}})[\"'])"
        while (found := self._sheet.find(pattern)) is not None:
            mention = next(item for item in self._mentions if item.mark == found.group(1))
            if mention.field is None or mention.field.kind is not Kind.TEXT or mention.field.values_complete:
                return
            text = self._sheet.case[found.start("text") : found.end("text")]
            self._mark(*found.span("quoted"), _Value(mention.field, text, spoken=False, sure=True))

    def _condition(self, group: re.Match[str]) -> Found | None:
        """Covers a list of values and what belongs to it; None, and only the marks go, where it is no condition."""
        visible = self._sheet.visible
        values = [self._values[index_of(TEXT_BASE, mark)] for mark in re.findall(TEXT, group.group())]
        if any(value.item != values[0].item for value in values):
            raise ConditionError("These are values of several fields; please name the field of each.")
        item = values[0].item
        start, end = group.span()
        quoted = re.search(r"[\"']$", visible[:start]) and re.match(r"[\"']", visible[end:])
        bracket = re.search(r"\(\s*(?:i\.?e\.?,?\s*)?$", visible[:start])
        closing = re.match(r"\s*\)", visible[end:])
        if quoted:
            start, end = start - 1, end + 1
        elif bracket is not None and closing is not None:
            start, end = bracket.start(), end + closing.end()
        before = re.search(rf"(?:(?:{_VERBS}|it|there)\b\s*|[:=,]\s*)+$", visible[:start])
        lead = before.start() if before is not None else start
        negated = _NOT.search(visible[:start]) or _NOT.search(visible[:lead])
        if negated is not None:
            lead = min(lead, negated.start())
            copula = re.search(rf"(?:(?:{_VERBS}|it)\s*)+$", visible[:lead])
            lead = copula.start() if copula is not None else lead
        mention = self._named(re.search(rf"{FIELD}\s*$", visible[:lead]), item)
        if mention is None:
            tail = re.match(rf"(?:[\s-]*(?:wind\s+)?{FIELD})", visible[end:])
            mention = self._named(tail, item)
        directions = _holds_directions(item) and re.search(_ABOUT_WIND, self._sheet.low)
        sure = mention is not None or bracket is not None or quoted or directions or all(value.sure for value in values)
        if not sure:
            # An ordinary word after all: shown again, for whoever reads on.
            self._sheet.show(*group.span())
            return None
        words = re.search(rf"(?:\b(?:{_VERBS})\s+|[=]\s*)+$", visible[:start])
        self._sheet.cover(
            min(words.start() if words is not None else start, negated.start() if negated else start), end
        )
        comparison = Comparison.NOT_EQUAL if negated is not None else Comparison.EQUAL
        texts = tuple(dict.fromkeys(value.text for value in values))
        return Found(Condition(item.name, comparison, texts), mention, group.start(), end)

    def _named(self, match: re.Match[str] | None, item: Field) -> Mention | None:
        """Returns the mention that only says which field a value is of; "wind speed" says something else."""
        if match is None:
            return None
        mention = next(mention for mention in self._mentions if mention.mark == match.group(1))
        about_wind = _holds_directions(item) and " ".join(mention.text.replace("-", " ").split()) in _WIND_WORDS
        return mention if mention.field == item or about_wind else None


def _holds_directions(item: Field) -> bool:
    if item.values:
        return sum(1 for value in item.values if value.upper() in COMPASS) * 2 > len(item.values)
    concept = concept_of_name(item.name)
    return concept is not None and "winddirection" in concept.names


def _agreeing(found: list[Found]) -> list[Found]:
    """Lets a list that is written out define what was said in a word before: "a southerly wind, wd equal to S, SSW or SSE"."""
    agreed: list[Found] = []
    for item in found:
        wider = [
            other
            for other in found
            if other.condition.field == item.condition.field
            and other.condition.comparison is item.condition.comparison
            and isinstance(other.condition.limit, tuple)
            and isinstance(item.condition.limit, tuple)
            and set(item.condition.limit) < set(other.condition.limit)
        ]
        agreed.append(Found(wider[0].condition, item.mention, item.start, item.end) if wider else item)
    return agreed
