"""Reads states that no limit spells out: "the door was open", "room a was occupied", "the light was on", "in the dark"."""

import re
from typing import Final

from dataflow_insight.catalogue.catalogue import Field, Kind
from dataflow_insight.catalogue.concepts import concept_of_name
from dataflow_insight.english.found import Found
from dataflow_insight.english.lexicon import READING_NOUN
from dataflow_insight.english.limits import limit_in
from dataflow_insight.english.names import Mention, NameReader, adds_up
from dataflow_insight.english.sheet import BLANK, DEVICE, FIELD, Sheet
from dataflow_insight.plans.plan import Comparison, Condition

_BE: Final = r"(?:was|were|is|are|being|be|been|shows?|showed|shown|reads?|=|:|equals?)"
_AT: Final = DEVICE.replace("(", "(?:")
_YES: Final = r"true|yes|on|opened|open|active|enabled|running|present|detected|triggered|occupied|wet|high|set"
_NO: Final = r"false|no|off|closed|shut|inactive|disabled|stopped|absent|clear|unoccupied|vacant|empty|dry|low|unset"
FLAG_WORD: Final = re.compile(rf"{_YES}|{_NO}")
"""A word that says yes or no of whatever stands before it."""

_SOMEBODY: Final = r"(?:somebody|someone|anybody|anyone|people|persons?|occupants)"
_NOBODY: Final = r"(?:nobody|no[\s-]one|no\s+(?:people|person|occupants?))"
_THERE: Final = r"(?:\s+(?:there|present|inside|around|in(?:\s+(?:it|there|the\s+(?:room|office|building)))?))?"
_PRESENCE: Final[tuple[tuple[str, bool], ...]] = (
    (rf"\b(?:{_BE}\s+)?(?:(?:not|never)\s+(?:being\s+)?|un|n't\s+)-?(?:occupied|in\s+use|used(?!\s+(?:to|for|by|as)\b))\b", False),
    (rf"\b{_NOBODY}\b(?:\s+{_BE})?{_THERE}|\bwithout\s+(?:any\s+|anybody\s*|anyone\s*)(?:people|persons|occupants)?{_THERE}", False),
    (rf"(?:\b{_BE}\s+|{_AT}\s+|\bwhile\s+|when\s+|than\s+|or\s+|and\s+)(?:it\s+(?:was|is)\s+)?(?P<keep>(?:empty|vacant))\b(?!\s+(?:values?|readings?|rows?|fields?|cells?))", False),
    (r"\boccupied\b|\bin\s+use\b|\bused\b(?!\s+(?:to|for|by|as)\b)", True),
    (rf"\b{_SOMEBODY}\b(?:\s+{_BE})?{_THERE}", True),
)  # fmt: skip
_MOVES: Final = r"(?:leaves?|left|goes?\s+home|go\s+home|went\s+home|enters?|entered|arrives?|arrived|comes?\s+in|came\s+in|walks?\s+in|walked\s+in|turns?\s+up|shows?\s+up)"
_COMES_OR_GOES: Final = "|".join(
    rf"(?<={lead}\s)(?:to\s+)?{_MOVES}\b"
    for lead in (
        *(rf"\b{place}\s{who}" for place in ("first", "last") for who in ("person", "people", "occupant")),
        *(rf"\b{who}\s{place}" for place in ("first", "last") for who in ("somebody", "someone", "anybody", "anyone")),
    )
)
"""Verbs that say no more than that somebody was there, where the first or the last time is asked for."""

_WEATHER: Final[tuple[tuple[str, str, Comparison], ...]] = (
    (r"\b(?:it\s+)?(?:(?:was|is|did|does)(?:n't|\s+not)\s+(?:rain(?:ing)?))\b|\b(?:without|no)\s+rain(?:fall)?\b|\b(?:it\s+)?(?:was|is|were)\s+dry\b|\bdry\s+(?=hours?|days?|weather|readings?)", "rain", Comparison.EQUAL),
    (r"\b(?:it\s+)?(?:was|is)\s+raining\b|\bit\s+rain(?:s|ed)\b|\brainy\b|\braining\b|\brained\b|\bduring\s+rain\b|\bin\s+the\s+rain\b", "rain", Comparison.GREATER),
    (r"\bit\s+(?:froze|freezes|was\s+freezing|is\s+freezing)\b|\bfrost(?:y)?\b|\bfroze\b|\bfreezing\b", "temperature", Comparison.LESS),
    (r"\b(?:in\s+)?(?:the\s+|total(?:ly)?\s+|complete(?:ly)?\s+|entirely\s+|fully\s+|pitch[\s-])*dark(?:ness)?\b(?!\s*(?:er|est))", "light", Comparison.EQUAL),
)  # fmt: skip


class FlagReader:
    """Reads the states of one question.

    Args:
        sheet: With fields, devices and times marked; limits have been read.
        mentions: The fields.
        names: Gives the contract.
        assumptions: Gets what words were taken for.
    """

    def __init__(self, sheet: Sheet, mentions: list[Mention], names: NameReader, assumptions: list[str]) -> None:
        self._sheet = sheet
        self._mentions = mentions
        self._names = names
        self._assumptions = assumptions
        self._found: list[Found] = []

    def read_named(self) -> list[Found]:
        """Covers states of fields that the question names, and returns them as conditions."""
        self._named_states()
        self._telling_names()
        found, self._found = self._found, []
        return found

    def read(self) -> list[Found]:
        """Covers all other states and returns them as conditions."""
        self._presence()
        self._lights()
        self._falling()
        self._weather()
        return self._found

    def _named_states(self) -> None:
        """Reads "the door was not open": a field, a verb and a word for yes or no."""
        pattern = rf"{FIELD}\s*(?:(?:status|state|flag|sensor)\s*)?(?:(?:in|at|of)\s+(?:the\s+)?{_AT}\s*)?(?:{_BE}\s*)*(?P<not>(?:not|n't)\s+)?(?:(?P<yes>{_YES}|1)|(?P<no>{_NO}|0))\b"
        position = 0
        while (match := re.compile(pattern).search(self._sheet.visible, position)) is not None:
            position = match.start() + 1
            mention = next(item for item in self._mentions if item.mark == match.group(1))
            digit = (match["yes"] or match["no"]).isdigit()
            if mention.field is None or not is_state(mention.field) or (digit and mention.field.kind.numeric):
                continue
            yes = (match["yes"] is not None) is not (match["not"] is not None)
            self._add(mention.field, match, mention, yes=yes)
            self._sheet.cover(match.start() + 1, match.end())

    def _telling_names(self) -> None:
        """Reads "had motion", "no motion" and names that say the state themselves ("motion detected")."""
        taken = {found.mention.mark for found in self._found if found.mention is not None}
        for mention in self._mentions:
            if mention.field is None or mention.field.kind is not Kind.BOOLEAN or mention.mark in taken:
                continue
            if re.match(rf"\s*(?:{READING_NOUN})\b", self._sheet.visible[mention.start + len(mention.text) :]):
                continue
            before = self._sheet.visible[: mention.start]
            had = re.search(
                r"\b(?P<had>had|has|have|having|with|showed|shows?|detected|registered)\s+(?:a\s+|any\s+|some\s+|the\s+)?$",
                before,
            )
            no = re.search(r"\b(?P<no>no|not|without|without\s+any)\s+$", before)
            lead = no or had
            if lead is None and not re.search(rf"\b(?:{_YES})$", mention.text):
                continue
            condition = _state(mention.field, yes=no is None)
            self._assumptions.append(f'"{mention.text}" is {mention.field.name} equal to {_shown(no is None)}')
            self._found.append(Found(condition, mention, mention.start))
            if lead is not None:
                self._sheet.cover(lead.start(), lead.end())

    def _presence(self) -> None:
        """Reads "occupied", "nobody was there" and their like, where a field says who is there."""
        item = self._names.concept_field("occupancy")
        if item is None or not is_state(item):
            return
        self._sheet.take_all(_COMES_OR_GOES)
        for mention in self._mentions:
            # A field that is called "occupied" is its own state behind a verb.
            if mention.field == item and re.fullmatch(r"occupied", mention.text):
                lead = re.search(
                    rf"\b(?:{_BE}|while|when|if)\s+(?P<not>not\s+)?$", self._sheet.visible[: mention.start]
                )
                if lead is not None:
                    self._found.append(Found(_state(item, yes=lead["not"] is None), mention, mention.start))
        for pattern, yes in _PRESENCE:
            while (match := self._sheet.find(pattern)) is not None:
                kept = "keep" in match.groupdict() and match["keep"] is not None
                start, end = match.span("keep") if kept else match.span()
                self._add(item, match, None, yes=yes)
                self._sheet.cover(start, end)

    def _lights(self) -> None:
        """Reads "the light was on": of a brightness, any light at all."""
        item = self._names.concept_field("light")
        if item is None or not item.kind.numeric:
            return
        pattern = rf"{FIELD}s?\s*(?:(?:in|at|of)\s+(?:the\s+)?{_AT}\s*)?(?:{_BE}\s+)?(?P<once>(?:last|first|ever|still)\s+)?(?:(?:switched|turned)\s+)?(?P<state>on|off)\b"
        position = 0
        while (match := re.compile(pattern).search(self._sheet.visible, position)) is not None:
            position = match.start() + 1
            mention = next(other for other in self._mentions if other.mark == match.group(1))
            if mention.field == item and not re.match(
                r"\s*(?:the\s+)?[\ue000-\ue0ff\d]", self._sheet.visible[match.end() :]
            ):
                comparison = Comparison.GREATER if match["state"] == "on" else Comparison.EQUAL
                self._say(match.group("state"), item, comparison, 0.0)
                self._found.append(Found(Condition(item.name, comparison, 0.0), mention, match.start(), match.end()))
                once = match.span("once") if match["once"] else (match.end(), match.end())
                self._sheet.cover(match.start() + 1, once[0])
                self._sheet.cover(once[1], match.end())

    def _falling(self) -> None:
        """Reads "hours with rain": of what falls and adds up, any at all."""
        pattern = (
            rf"\b(?:hours?|readings?|times|periods|moments|weather)\s+(?P<keep>(?:with|of)\s+(?:any\s+|some\s+)?{FIELD})(?!{BLANK})"
            r"(?!\s*(?:above|over|below|under|of|at\s+(?:least|most)|more|less|exceed\w*|was|is|equal|between|\(|>|<|=))"
        )
        position = 0
        while (match := re.compile(pattern).search(self._sheet.visible, position)) is not None:
            position = match.start() + 1
            mention = next(other for other in self._mentions if other.mark in match["keep"])
            if mention.field is None or not adds_up(mention.field):
                continue
            self._say(mention.text, mention.field, Comparison.GREATER, 0.0)
            condition = Condition(mention.field.name, Comparison.GREATER, 0.0)
            self._found.append(Found(condition, mention, match.start("keep"), match.end("keep")))
            self._sheet.cover(*match.span("keep"))

    def _weather(self) -> None:
        """Reads "when it rained", "when it froze", "in the dark"."""
        for pattern, name, comparison in _WEATHER:
            item = self._names.concept_field(name)
            if item is None or not item.kind.numeric:
                continue
            while (match := self._sheet.take(pattern)) is not None:
                limit = limit_in(item, 0.0, "°c", self._assumptions) if name == "temperature" else 0.0
                self._say(match.group(), item, comparison, limit)
                self._found.append(Found(Condition(item.name, comparison, limit), None, match.start(), match.end()))

    def _add(self, item: Field, match: re.Match[str], mention: Mention | None, *, yes: bool) -> None:
        condition = _state(item, yes=yes)
        text = re.sub("[\ue000-\uf8ff]+", "", self._sheet.case[match.start() : match.end()]).strip()
        assert not isinstance(condition.limit, tuple)
        self._assumptions.append(f'"{text}" is {item.name} {condition.comparison.word} {_shown(condition.limit)}')
        self._found.append(Found(condition, mention, match.start(), match.end()))

    def _say(self, text: str, item: Field, comparison: Comparison, limit: float) -> None:
        self._assumptions.append(f'"{text.strip()}" is {item.name} {comparison.word} {limit:.10g}')


def is_state(item: Field) -> bool:
    """Returns whether a field says yes or no: a truth, or a whole number that is 0 or 1."""
    if item.kind is Kind.BOOLEAN:
        return True
    concept = concept_of_name(item.name)
    return item.kind is Kind.INTEGER and (
        (bool(item.values) and set(item.values) <= {"0", "1"}) or (concept is not None and "occupancy" in concept.names)
    )


def _state(item: Field, *, yes: bool) -> Condition:
    if item.kind is Kind.BOOLEAN:
        return Condition(item.name, Comparison.EQUAL, limit=yes)
    if yes and not (item.values and set(item.values) <= {"0", "1"}):
        # A number of people, perhaps.
        return Condition(item.name, Comparison.GREATER, 0.0)
    return Condition(item.name, Comparison.EQUAL, 1.0 if yes else 0.0)


def _shown(limit: float | bool) -> str:
    return ("true" if limit else "false") if isinstance(limit, bool) else f"{limit:.10g}"
