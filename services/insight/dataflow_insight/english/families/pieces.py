"""Finds the pieces of a question that say which readings are meant: devices, times, limits, and "otherwise".

Pieces are found in the text of a reading whose names and times are marked; whatever else was covered is read again.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from dataflow_insight.english.lexicon import DEVICE_NOUN
from dataflow_insight.english.limits import UNIT
from dataflow_insight.english.sheet import BLANK, DEVICE, FIELD, MOMENT, RECURRING, Sheet


class Kind(Enum):
    """What a piece is about."""

    DEVICE = "device"
    TIME = "time"
    RECURRING = "recurring"
    LIMIT = "limit"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class Piece:
    """Words that say which readings are meant.

    Attributes:
        kind: What it is about.
        start: Where its preposition starts.
        core: Where it starts without the preposition; the same as `start` where it has none.
        end: Where it ends, exclusive.
    """

    kind: Kind
    start: int
    core: int
    end: int


_MARKED: Final = re.compile(f"(?:{DEVICE})|(?:{FIELD})|(?:{MOMENT})|(?:{RECURRING})")
_THE: Final = r"(?:(?:the|this|that|all|our|both)\s+)*"
_TO: Final = r"\s*(?:to|until|till|through|thru|up\s+to|-|\.\.+)\s*(?:the\s+)?"
_JOINED: Final = r"\s*(?:,\s*and|,|and|&|plus)\s*(?:(?:at|in|of|from)\s+)?(?:the\s+)?"
COMPARATIVE: Final = (
    r"(?:higher|greater|larger|bigger|more|warmer|hotter|stronger|brighter|windier|louder|noisier|milder|"
    r"lower|less|fewer|smaller|colder|cooler|weaker|darker|calmer|quieter|cleaner|dirtier|dustier)"
)
"""Pattern of an adjective that compares."""

_BOUNDARY: Final = (
    r"(?:\s*(?:[,;:?!]|\.(?:\s|$)|$)"
    r"|\s+(?:than(?!\s+(?:minus\s+)?(?:-?\d|zero\b|freezing\b|or\s+equal))|versus|vs\.?|compared|in\s+comparison|relative|against|as\s+opposed|on\s+average|respectively|on\s+the\s+one|on\s+the\s+other|together)\b"
    r"|\s+(?:and|or|to|with|from|minus)\s+(?:that|those|the\s+one|when|while|with|without|in|if|on|at|during|for|under|otherwise|elsewhere|not|hours|readings|days|times|periods)\b"
    rf"|\s+(?:significantly\s+|much\s+|any\s+)?{COMPARATIVE}\s+(?:than(?!\s+(?:minus\s+)?(?:-?\d|zero\b|freezing\b|or\s+equal))|compared|when|in|on|at|or|if)\b"
    rf"|(?<!\sor)(?<!\sand)\s+{COMPARATIVE}\s*$"
    rf"|\s+(?:at|in|from|of)\s+(?:the\s+)?(?:{DEVICE_NOUN}\s+)?{DEVICE}"
    rf"|\s+(?:on|in|during|at|since|for)\s+(?:the\s+)?(?:{MOMENT}|{RECURRING}))"
)
_TO_BOUNDARY: Final = rf"(?:(?!{_BOUNDARY}).)+"
_TIMES: Final = r"(?:hours?|readings?|days?|times?|weather|conditions?|periods?|phases?|measurements?|values?|ones?|moments?|nights?|records?|air|winds?)"
_ADJECTIVE_HOURS: Final = rf"(?!(?:the\s+)?(?:same|last|first|past|next|which|what|many|consecutive|all|these|those|average)\b)(?:[a-z][a-z-]*\s+){{1,2}}?{_TIMES}\b(?:\s*\((?:[^()]*)\))?(?:\s+(?:with|where|when|of|above|below|over|under)\s{_TO_BOUNDARY})?"
_FIELD_LIMIT: Final = rf"(?:an?\s+|the\s+)?{FIELD}(?:(?!{_BOUNDARY})[^\d])*?(?:-|minus\s+)?(?:\d|zero|freezing|positive|negative)(?:(?!{_BOUNDARY}).)*"
_NUMBER_LIMIT: Final = (
    r"(?:values?\s+)?(?:above|below|over|under|at\s+least|at\s+most|more\s+than|less\s+than|higher\s+than|lower\s+than|>=?|<=?|≥|≤)\s*(?:minus\s+|-)?\d"
    rf"(?:(?!{_BOUNDARY}).)*"
)
_UNIT_LIMIT: Final = rf"(?:above|below|over|under|at\s+least|at\s+most)\s+(?:minus\s+|-)?\d+(?:\.\d+)?\s*(?:{UNIT})(?![\w/^])|(?:above|below|over|under)\s+freezing\b"
_POINT: Final = r"(?:north|south|east|west)(?:erly|ern)?"
_WIND: Final = rf"(?:an?\s+|the\s+)?(?:{_POINT}(?:[\s-]*{_POINT})?|[nsew]{{1,3}})[\s-]+(?:{FIELD}|winds?)(?:\s*\(\s*[nsew]{{1,3}}\s*\))?"
_RECURRING: Final = rf"(?:{RECURRING}|(?:weekends?|weekdays|work\s?days|week\s?days|mornings|afternoons|evenings)\b)"
_NOT_SO: Final = (
    r"(?:when(?:ever)?|while|if|where|in\s+hours\s+when)\s+(?:(?:it|they|there|this|that|this)\s+)?(?:(?:was|were|is|are|did|does|do|had|has)\s+not|(?:was|were|is|are|did|does|do|had|has)n't|not)"
    rf"(?:\s+(?!{FIELD})[a-z]+)?(?=\W|$)"
)
_OTHERS: Final = (
    r"(?:(?:at|in|during|on|for|of|from)\s+)?(?:all\s+|any\s+)?(?:of\s+)?(?:the\s+)?(?:other|remaining|rest\s+of\s+the)\s+(?P<what>"
    rf"{DEVICE_NOUN}|network|hours?|days?|times?|readings?|ones?|weekdays?|period|month|week|year|time|data|cases|conditions)(?:\s+(?:together|combined))?"
)
BEFORE: Final = r"(?:(?:on|in|during|of)\s+)?(?:the\s+)?(?:(?P<unit>day|week|month)\s+before(?!\s+yesterday)|(?:previous|preceding|prior)\s+(?P<unit2>day|week|month))\b"
"""Pattern of the same length of time just before the one that is meant."""

_PATTERNS: Final[tuple[tuple[Kind, str], ...]] = (
    (Kind.REST, rf"(?P<prep>)(?:{BEFORE}|otherwise|elsewhere|{_OTHERS}|(?:at\s+|in\s+|during\s+)?(?:all\s+)?the\s+(?:rest|others)\b|{_NOT_SO})"),
    (Kind.RECURRING, rf"(?P<prep>(?:on|at|in|during|by|over|for|of)\s+)?{_THE}{_RECURRING}(?:\s*\((?=[^()]*[\d\ue000-\ue3ff])[^()]*\))?(?:{_TO}{RECURRING})?"),
    (Kind.TIME, rf"(?P<prep>(?:on|in|at|during|for|of|from|over|since|before|after|until|till|throughout|within)\s+)?{_THE}(?:(?:day|month|week|year|period|date)s?\s+(?:of\s+)?)?{MOMENT}(?:\s*\((?=[^()]*[\d\ue000-\ue3ff])[^()]*\))?(?:{_TO}{MOMENT})?(?:'s)?"),
    (Kind.DEVICE, rf"(?P<prep>(?:at|in|for|of|from|on|by|near)\s+)?{_THE}(?:{DEVICE_NOUN}\s+)?{DEVICE}(?:'s)?(?:\s+{DEVICE_NOUN}\b)?"),
    (Kind.LIMIT, rf"(?P<prep>(?:(?:(?:in|during|for|on|over|of)\s+)?(?:the\s+|those\s+|all\s+)?(?:hours|readings|days|times|periods|values|measurements)\s+)?(?:when(?:ever)?|while|if|where|given(?:\s+that)?|with(?!\s+(?:the\s+)?{FIELD}\s*(?:$|[?.,]|than\b|at\b|in\b|on\b|compared\b))|without|under|as\s+long\s+as)\s+){_TO_BOUNDARY}"),
    (Kind.LIMIT, rf"(?P<prep>(?:in|on|during|for|at|over|under|of)\s+(?:the\s+)?){_ADJECTIVE_HOURS}"),
    (Kind.LIMIT, rf"(?P<prep>(?:for|at|in|under|of)\s+){_FIELD_LIMIT}"),
    (Kind.LIMIT, rf"(?P<prep>){_UNIT_LIMIT}"),
    (Kind.LIMIT, rf"(?P<prep>(?:with|in|under|during|for|on)\s+)?{_WIND}"),
)  # fmt: skip
_BARE: Final[tuple[tuple[Kind, str], ...]] = (
    *_PATTERNS,
    (Kind.LIMIT, rf"(?P<prep>){_FIELD_LIMIT}"),
    (Kind.LIMIT, rf"(?P<prep>){_ADJECTIVE_HOURS}"),
    (Kind.LIMIT, rf"(?P<prep>){_NUMBER_LIMIT}"),
)
_BETWEEN_DEVICES: Final = re.compile(_JOINED)


def marked_text(sheet: Sheet) -> str:
    """Returns the question in lower case with marks where devices, fields and times stand, and nothing else covered."""
    text = list(sheet.low)
    for found in _MARKED.finditer(sheet.visible):
        text[found.start() : found.end()] = list(found.group())
    return "".join(text)


def pieces_of(text: str, kind: Kind, before: int | None = None, after: int = 0) -> list[Piece]:
    """Returns the pieces of a kind between two positions, in order; neighbouring devices are one piece."""
    found: list[Piece] = []
    end = len(text) if before is None else before
    for item, pattern in _PATTERNS:
        if item is not kind:
            continue
        for match in re.compile(rf"(?<![\w{BLANK}]){pattern}").finditer(text, after, end):
            if not any(match.start() < piece.end and piece.start < match.end() for piece in found):
                found.append(_piece(kind, match))
    found.sort(key=lambda piece: piece.start)
    return _listed(text, found) if kind is Kind.DEVICE else found


def piece_at(text: str, position: int, kinds: tuple[Kind, ...] = tuple(Kind)) -> Piece | None:
    """Returns the piece that begins at a position, if there is one; a list of devices is one piece."""
    for kind, pattern in _BARE:
        if kind not in kinds:
            continue
        match = re.compile(pattern).match(text, position)
        if match is None:
            continue
        piece = _piece(kind, match)
        if kind is Kind.DEVICE:
            return _listed(text, [piece, *pieces_of(text, kind, after=piece.end)])[0]
        return piece
    return None


def _piece(kind: Kind, match: re.Match[str]) -> Piece:
    core = match.end("prep") if match["prep"] else match.start()
    return Piece(kind, match.start(), core, match.end())


def _listed(text: str, pieces: list[Piece]) -> list[Piece]:
    """Makes devices that stand in one list ("Dongsi, Tiantan and Wanliu") one piece."""
    found: list[Piece] = []
    for piece in pieces:
        if found and _BETWEEN_DEVICES.fullmatch(text[found[-1].end : piece.core]):
            found[-1] = Piece(piece.kind, found[-1].start, found[-1].core, piece.end)
        else:
            found.append(piece)
    return found
