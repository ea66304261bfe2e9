"""Which words that nothing covered may be left out: only those that cannot change what is asked, each said to the asker.

A set phrase of politeness or purpose may go, and so may a sentence in which somebody speaks of themselves before or after the
question ("My daughter has asthma."). A word that could be a device, a place, a time, a limit, a number, a comparison or
something to compute may not, wherever it stands: it then still declines the question.
"""

import re
from typing import Final

from dataflow_insight.english.chatter import LEFT_OUT
from dataflow_insight.english.fillers import FILLERS
from dataflow_insight.english.lexicon import DEVICE_NOUN, READING_NOUN, protected
from dataflow_insight.english.names import NameReader, Names
from dataflow_insight.english.sheet import DEVICE, DEVICE_BASE, FIELD, Sheet, index_of

_ASKING: Final = (
    r"(?:what|which|who|whose|how|when|where|why|did|does|do|was|were|is|are|has|have|had|can|could|would|will|tell|give|show|list|name|count|compute|calculate|find|"
    r"report|print|display|return|compare|rank|sort|please|average|mean|median|max\w*|min\w*|highest|lowest|total|number|top)\b"
)
_END: Final = re.compile(rf"[.!?;:]+(?:\s+|$)|\.\.\.|\s-\s|,\s*(?:(?:so|and|but|now|then)\s+)?(?={_ASKING})")
"""Where a clause ends: behind a stop, or at a comma before a question."""

_PERSONAL: Final = re.compile(
    r"\W*(?:(?:so|well|look|listen|ok|okay|hi|hello|hey|hmm|oh|wow|right|you\s+see|and|but)\W+)*"
    r"(?:as\s+an?\s+\w+|i|i'm|i've|i'd|we|we're|we've|my|our|he|she|they|they're|he's|she's|everyone|everybody|people|somebody|someone|it's\s+been|it\s+has\s+been|you\s+know|thanks|thank)\b"
)
"""Pattern of the beginning of a sentence in which somebody speaks of themselves or of others."""

_TELLING: Final = re.compile(
    r"\b(?:mean|meant|means|only|just\s+the|assum\w*|suppos\w*|imagin\w*|consider\w*|treat\w*|defin\w*|exclud\w*|includ\w*|ignor\w*|convert\w*|pretend\w*|call\w*|refer\w*|"
    r"care|cares|interested|focus\w*|restrict\w*|limit\w*|filter\w*|prefer\w*|want|wants|wanted|need|needs|use|using|uses|count|counts|counting|compar\w*|speak\w*|talk\w*|look\w*|instead|"
    r"spring|summer|autumn|fall|winter|season\w*|indoors?|outdoors?|inside|outside|upstairs|downstairs|kitchen|bedroom|bathroom|office|garden|basement|attic|garage|cellar|roof\w*|building|"
    r"district|city|town|village|country|region|area|zone|rural|urban|upwind|downwind|river|park|street|north\w*|south\w*|east\w*|west\w*|rush|peak|holiday\w*|festival|new\s+year|"
    r"same|other|another|different|such|those|these|following|again|also|too|very|quite|almost|nearly|about\s+(?:the|a|an)?\s*\d|approximately|correct\w*|calibrat\w*|wrong\w*|broken|defect\w*|fault\w*|weight\w*)\b"
)
"""Words by which a sentence says which readings are meant, or how to compute: it is then no chat."""

_PLACED: Final = re.compile(
    r"\b(?:in|at|from|near|by|around|of|to|into|with|behind|beside|next\s+to|close\s+to|on|through|across|via|towards?)\s+(?!(?:a|an|my|our|your|his|her|their|this|it|that|asthma|bed|home|work|school|mind|trouble|vain|town)\b)(?:the\s+)?[^\W\d_]"
)
"""A word behind a preposition: it may be the name of a place."""

_NEGATED: Final = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|without|except|unless|if|whether|while|when|whenever|because|until|although|though|but|or|than)\b|n't\b"
)


_ALL_DEVICES: Final = re.compile(
    rf"\b(?:which|what|all|every|each|any|top|many)\s+(?:\w+\s+)?{DEVICE_NOUN}\b|\b(?:stations|sensors|devices|sites|locations|places|rooms|machines|where|who)\b"
)
"""A question for one of all devices: where the asker is changes nothing in it."""


def without_chat(question: str, reader: NameReader, assumptions: list[str]) -> str:
    """Returns the question without what surrounds it and cannot change it; a device or a field named only there stays.

    Args:
        question: As asked.
        reader: The names of the contract.
        assumptions: Gets what was left out.
    """
    sheet = Sheet(question)
    names = reader.read(sheet, [])
    left: list[tuple[int, int]] = []
    for pattern in LEFT_OUT:
        left += [found.span() for found in sheet.take_all(pattern)]
    if not re.search(r"[^\W_]", _without(sheet.visible, left)):
        return question
    clauses = _clauses(sheet.low)
    chats = [span for span in clauses if _is_chat(sheet, *span, reader)] if len(clauses) > 1 else []
    if len(chats) == len(clauses):
        chats = []
    kept = "".join(_kept(sheet, span, names, chats) for span in chats)
    left += chats
    for start, end in left:
        text = sheet.case[start:end].strip(" ,.;:!?-")
        if any(letter.isalpha() for letter in text):
            assumptions.append(f'left out: "{text}"')
    if not left:
        return question
    rest = _without(sheet.case, left).strip(" ,;:-")
    tail = re.search(r"\W*$", rest)
    stop = tail.start() if tail is not None else len(rest)
    return f"{rest[:stop]}{kept}{rest[stop:]}"


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    letters = list(text)
    for start, end in spans:
        letters[start:end] = " " * (end - start)
    return " ".join("".join(letters).split())


def _kept(sheet: Sheet, span: tuple[int, int], names: Names, chats: list[tuple[int, int]]) -> str:
    """Returns what of a clause still has to be said: its device or field, where the question names none itself."""
    start, end = span
    others = _without(sheet.visible, chats)
    kept = ""
    here = sheet.visible[start:end]
    devices = list(dict.fromkeys(re.findall(DEVICE, here)))
    if devices and re.search(DEVICE, others) is None and _ALL_DEVICES.search(others) is None:
        kept += " at " + " and ".join(names.devices[index_of(DEVICE_BASE, mark)] for mark in devices)
    if re.search(FIELD, others) is None:
        fields = [mention for mention in names.fields if start <= mention.start < end]
        kept += "".join(f", {mention.text}" for mention in fields)
    return kept


def _clauses(text: str) -> list[tuple[int, int]]:
    ends = [found.end() for found in _END.finditer(text)]
    starts = [0, *ends]
    return [(start, end) for start, end in zip(starts, [*ends, len(text)], strict=True) if text[start:end].strip()]


def _is_chat(sheet: Sheet, start: int, end: int, reader: NameReader) -> bool:
    """Whether somebody only speaks of themselves: nothing is asked, limited, numbered, compared or named that is unknown."""
    low, visible = sheet.low[start:end], sheet.visible[start:end]
    person = _PERSONAL.match(low)
    if "?" in low or person is None:
        return False
    words = [word for word in sheet.words() if start <= word.start and word.end <= end]
    if all(word.text in FILLERS or reader.is_hint(word.text) for word in words):
        return False
    if re.search(r"[\d<>=%]", visible) or any(pattern.search(visible) for pattern in (_TELLING, _NEGATED, _PLACED)):
        return False
    if re.search(rf"\b(?:{DEVICE_NOUN}|{READING_NOUN})\b", visible):
        return False
    first = words[0].start
    return not any(
        (word.start >= start + person.end() and protected(word.text) and word.text not in FILLERS)
        or (word.start != first and sheet.case[word.start].isupper() and word.text != "i")
        for word in words
    )
