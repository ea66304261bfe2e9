"""Finds the fields and devices of one contract in a question, whatever their spelling, and marks them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract, Field, Kind, key_of
from dataflow_insight.catalogue.concepts import CONCEPTS
from dataflow_insight.english.exclusions import take_exclusions, unknown_exclusion
from dataflow_insight.english.lexicon import CORE_WORDS, DEVICE_NOUN, common, protected
from dataflow_insight.english.moments import MONTHS, WEEKDAYS
from dataflow_insight.english.own_nouns import is_kind
from dataflow_insight.english.sheet import DEVICE, DEVICE_BASE, FIELD_BASE, Sheet, Word, index_of, mark_of
from dataflow_insight.english.spelling import ORDINARY, SLIPS, closest, closest_name
from dataflow_insight.english.vocabulary import adds_up, aliases_of, concept_of, groups_of, is_concept

__all__ = ["Mention", "NameReader", "Names", "adds_up", "concept_of"]

_LONGEST_NAME: Final = 7
_JOINT: Final = re.compile(r"[ \-_./:#@]?")
_MAX_FUZZY_DEVICES: Final = 500
"""With more devices than this, a misspelt one is unknown: comparing takes too long, and near names are many."""

_MAX_CORRECTIONS: Final = 8
"""Most words that are looked up as misspellings; a question with more is not understood anyway."""

_NEVER_A_FIELD: Final = frozenset(
    {"no", "not", "or", "and", "all", "any", "than", "is", "a", "in", "at", "on", "of", "to"}
)
_GROUPED: Final = r"\b(?:by|per|(?:for\s+)?(?:each|every)|(?:most|least)\s+(?:common|frequent)|different|distinct)\s+$"
_MIN_PREFIX: Final = 5
_OPPOSITES: Final = frozenset({"on", "off", "yes", "no", "not", "true", "false", "open", "closed", "un", "non"})
"""Words that no misspelling is looked for in: "engine off" is no spelling of "engine on"."""

_SAYS: Final = re.compile(
    r"\s*(?:(?:was|were|is|are|being|be|equals?|equal\s+to|reads?|showed|shows|not|either)\s+|[=:]+\s*)*(?P<quote>[\"'])?"
)
_LIMIT: Final = re.compile(
    r"(?:above|below|over|under|at\s+(?:least|most)|between|(?:more|less|greater|higher|lower)\s+than|[<>]|-?\d)"
)


@dataclass(frozen=True, slots=True)
class Mention:
    """A field in the question.

    Attributes:
        field: The field of the contract; None for something that it does not measure.
        text: As the question calls it.
        start: Where.
        mark: What covers it in the sheet.
    """

    field: Field | None
    text: str
    start: int
    mark: str


@dataclass(slots=True)
class Names:
    """What was found.

    Attributes:
        fields: In the order of the question.
        devices: Device ids in the order of the question, without repetition.
        excluded: Those that the question leaves out.
        ambiguous: Names that fit several fields or devices.
    """

    fields: list[Mention] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)


class NameReader:
    """Reads names with the vocabulary of one contract."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._aliases = aliases_of(contract)
        self._groups = groups_of(contract)
        self._foreign = {
            key_of(phrase) for concept in CONCEPTS for phrase in concept.phrases if key_of(phrase) not in self._aliases
        }
        self._value_words = {
            word
            for item in contract.fields
            for value in item.values
            for word in re.findall(r"[^\W_]+", value.casefold())
        }
        self._alias_words = {word for concept in CONCEPTS for phrase in concept.phrases for word in phrase.split()}
        self._hints = _stems(contract.devices) | {
            word
            for word in re.findall(
                r"[^\W\d_]{4,}", f"{contract.name} {contract.description}".casefold().replace("_", " ")
            )
            if not is_kind(word, contract)
        }

    @property
    def contract(self) -> Contract:
        """Whose names are read."""
        return self._contract

    def concept_field(self, name: str) -> Field | None:
        """Returns the contract's field for a common name such as "temperature"."""
        found = self._aliases.get(key_of(name), ())
        return found[0] if len(found) == 1 else None

    def is_hint(self, word: str) -> bool:
        """Returns whether a word only says which contract is meant."""
        return (word in self._hints and not protected(word)) or word == self._contract.name

    def spelled(self, question: str, assumptions: list[str]) -> str:
        """Returns the question with misspelt words put right, each said in the assumptions."""
        sheet = Sheet(question)
        for start, end, _ in [*self._spans(sheet, self._device_key), *self._spans(sheet, self._field_key)]:
            sheet.cover(start, end)
        words = sheet.words()
        pieces: list[str] = []
        position = tries = 0
        for index, word in enumerate(words):
            if word.start < position:
                continue
            if word.text in SLIPS and word.text not in self._aliases and word.text not in self._contract.device_keys:
                pieces += [sheet.case[position : word.start], SLIPS[word.text]]
                position = word.end
                continue
            if self._known(word.text) or tries >= _MAX_CORRECTIONS:
                continue
            tries += 1
            right, end = self._correction(sheet, words, index)
            if right is None:
                continue
            assumptions.append(f'"{sheet.case[word.start : end]}" was read as "{right}"')
            pieces += [sheet.case[position : word.start], right]
            position = end
        return "".join([*pieces, sheet.case[position:]])

    def read(self, sheet: Sheet, assumptions: list[str]) -> Names:
        """Marks all devices, then all fields, and returns them."""
        names = Names()
        named: list[str] = []
        for start, end, key in self._spans(sheet, self._device_key):
            text = sheet.case[start:end]
            fitting = self._contract.device_keys[key]
            exact = [device for device in fitting if device == text]
            chosen = exact or list(fitting)
            if len(chosen) > 1:
                names.ambiguous.append(text)
                sheet.cover(start, end)
                continue
            if not exact:
                assumptions.append(f'"{text}" is the device {chosen[0]}')
            if chosen[0] not in named:
                named.append(chosen[0])
            sheet.cover(start, end, mark_of(DEVICE_BASE, named.index(chosen[0])))
        marks = take_exclusions(sheet)
        names.excluded = list(dict.fromkeys(named[index_of(DEVICE_BASE, mark)] for mark in marks))
        left = {named[index_of(DEVICE_BASE, mark)] for mark in re.findall(DEVICE, sheet.visible)}
        names.devices = [device for device in named if device in left]
        self._read_fields(sheet, names, assumptions, self._field_key)
        if not names.fields:
            self._read_fields(sheet, names, assumptions, self._common_field_key)
        names.fields.sort(key=lambda mention: mention.start)
        unknown = unknown_exclusion(sheet)
        if unknown is not None and not self._known(unknown[2]):
            # The name is left for whoever refuses unknown ones.
            sheet.cover(unknown[0], unknown[1])
        return names

    def _read_fields(self, sheet: Sheet, names: Names, assumptions: list[str], key_in: "_KeyOf") -> None:
        several: list[tuple[int, tuple[Field, ...]]] = []
        for start, end, key in self._spans(sheet, key_in):
            text = sheet.low[start:end]
            mark = mark_of(FIELD_BASE, len(names.fields))
            found = self._aliases.get(key) or self._groups.get(key, ())
            if len(found) > 1:
                several.append((len(names.fields), found))
            chosen = found[0] if found else None
            if len(found) <= 1:
                _say(assumptions, text, chosen)
            names.fields.append(Mention(chosen, text, start, mark))
            sheet.cover(start, end, mark)
        sure = {item.field for place, item in enumerate(names.fields) if place not in {index for index, _ in several}}
        for index, found in several:
            # "How dusty was it (PM10)?" names the one that is meant.
            meant = [item for item in found if item in sure]
            if len(meant) == 1:
                names.fields[index] = replace(names.fields[index], field=meant[0])
                _say(assumptions, names.fields[index].text, meant[0])
            else:
                names.ambiguous.append(names.fields[index].text)

    def _spans(self, sheet: Sheet, key_in: "_KeyOf") -> list[tuple[int, int, str]]:
        """Returns start, end and key of the longest names from left to right."""
        words = sheet.words()
        spans: list[tuple[int, int, str]] = []
        first = 0
        while first < len(words):
            for last in range(min(first + _LONGEST_NAME, len(words)) - 1, first - 1, -1):
                if not _joined(sheet, words[first : last + 1]):
                    continue
                start, end = words[first].start, words[last].end
                key = key_in(sheet, start, end)
                if key is not None:
                    spans.append((start, end, key))
                    first = last
                    break
            first += 1
        return spans

    def _device_key(self, sheet: Sheet, start: int, end: int) -> str | None:
        key = key_of(sheet.case[start:end])
        if key not in self._contract.device_keys:
            return None
        # "Tiantan-2" is not Tiantan.
        if re.search(r"\w[-_]$", sheet.low[:start]) or re.match(r"[-_]\w", sheet.low[end:]):
            return None
        if (
            (len(key) < 3 and not re.fullmatch(r"[a-z]\d", key))
            or key.isdigit()
            or common(key)
            or key in MONTHS
            or key in WEEKDAYS
            or self._is_field(key)
        ):
            named = re.search(
                rf"\b{DEVICE_NOUN}\s+(?:named\s+|called\s+|id\s+|number\s+|#\s*)?[\"']?$", sheet.low[:start]
            )
            quoted = sheet.low[start - 1 : start] in {'"', "'"} and sheet.low[end : end + 1] in {'"', "'"} and start > 0
            if not named and not quoted:
                return None
        return key

    def _field_key(self, sheet: Sheet, start: int, end: int) -> str | None:
        key = self._alias(sheet.low[start:end])
        if key is None or (common(key) and key in self._aliases and not is_concept(key)):
            return key if key is not None and self._says_something(key, sheet.low[:start], sheet.low[end:]) else None
        # "press-2" is some device and not the field "press".
        return None if re.match(r"[-_#]\d", sheet.low[end:]) else key

    def _says_something(self, key: str, before: str, rest: str) -> bool:
        """Whether an ordinary word ("state") is the field of that name, since a value or a limit follows."""
        found = _SAYS.match(rest)
        last = re.search(r"([^\W_]+)\W*$", before)
        # "PM2.5 level above 100": there it is only a word.
        if found is None or (last is not None and self._alias(last[1]) is not None):
            return False
        if _LIMIT.match(rest[found.end() :]) or re.search(_GROUPED, before):
            return True
        texts = [item for item in self._aliases.get(key, ()) if item.kind is Kind.TEXT]
        known = {key_of(value) for item in texts for value in item.values}
        words = re.findall(r"[^\W_]+", rest[found.end() : found.end() + 80])[:4]
        named = any(key_of("".join(words[:count])) in known for count in range(1, len(words) + 1))
        return bool(texts) and (named or bool(found["quote"]))

    def _common_field_key(self, sheet: Sheet, start: int, end: int) -> str | None:
        """Also fields that are called like an ordinary word ("level"): only where no other field is named."""
        key = self._alias(sheet.low[start:end])
        return None if key in _NEVER_A_FIELD else key

    def _alias(self, text: str) -> str | None:
        key = key_of(text)
        for candidate in (key, key.removesuffix("s"), key.removesuffix("es")):
            if candidate in self._aliases or candidate in self._groups or candidate in self._foreign:
                return candidate
        return None

    def _is_field(self, key: str) -> bool:
        return key in self._aliases

    def _known(self, word: str) -> bool:
        return (
            len(word) < 4
            or any(letter.isdigit() for letter in word)
            or protected(word)
            or word in ORDINARY
            or word.removesuffix("s") in MONTHS
            or word.removesuffix("s") in WEEKDAYS
            or word in self._alias_words
            or word in self._value_words
            or self.is_hint(word)
        )

    def _correction(self, sheet: Sheet, words: list[Word], index: int) -> tuple[str | None, int]:
        """Returns what a word, alone or with its neighbours, was meant to be, and where that ends."""
        word = words[index]
        devices = self._contract.devices if len(self._contract.devices) <= _MAX_FUZZY_DEVICES else ()
        for last in range(min(index + 4, len(words)) - 1, index - 1, -1):
            if not _joined(sheet, words[index : last + 1]):
                continue
            end = words[last].end
            text = sheet.low[word.start : end]
            if re.match(r"[-_]\w", sheet.low[end:]) or re.search(r"\w[-_]$", sheet.low[: word.start]):
                continue
            if last > index and any(protected(other.text) for other in words[index : last + 1]):
                continue
            if any(other.text in _OPPOSITES for other in words[index : last + 1]):
                continue
            if (device := closest_name(text, devices)) is not None:
                return device, end
            if last > index:
                keys = {key_of(device): device for device in devices}
                if (key := closest(key_of(text), keys)) is not None:
                    return keys[key], end
                if (key := closest(key_of(text), [key for key in self._aliases if len(key) > 7])) is not None:
                    return self._aliases[key][0].name, end
        known = (
            CORE_WORDS
            | {other for other in self._alias_words if len(other) > 4}
            | {key for key in self._aliases if len(key) > 4}
        )
        if (right := closest(word.text, known)) is not None:
            return right, word.end
        if len(word.text) >= _MIN_PREFIX:
            fitting = [device for device in devices if key_of(device).startswith(word.text)]
            if len(fitting) == 1 and key_of(fitting[0]).isalpha():
                return fitting[0], word.end
        return None, word.end


def _stems(devices: tuple[str, ...]) -> set[str]:
    """Returns what all devices are called but for their number ("press" of "press-1"): a word for any of them."""
    stems = {re.sub(r"[-_ #.]*(?:\d+|(?<=[-_ ])[a-z])$", "", device.casefold()) for device in devices}
    if len(stems) != 1:
        return set()
    (stem,) = stems
    return {stem, f"{stem}s"} if stem.isalpha() and stem not in {device.casefold() for device in devices} else set()


_KeyOf = Callable[[Sheet, int, int], str | None]


def _say(assumptions: list[str], text: str, item: Field | None) -> None:
    """Notes which field another name was taken for."""
    if item is not None and text != item.name.casefold():
        note = f'"{text}" is the field {item.name}'
        if note not in assumptions:
            assumptions.append(note)


def _joined(sheet: Sheet, words: list[Word]) -> bool:
    for left, right in pairwise(words):
        between = sheet.visible[left.end : right.start]
        if between == "," and left.text[-1].isdigit() and right.text[0].isdigit():
            continue
        if not _JOINT.fullmatch(between):
            return False
    return True
