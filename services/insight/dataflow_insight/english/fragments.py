"""What a question that leans on an earlier one brings itself: devices, times, limits, a field, a measure, a grouping."""

import re
from dataclasses import dataclass
from typing import Final

from dataflow_insight.english.families.pieces import Kind, Piece, marked_text, pieces_of
from dataflow_insight.english.fillers import FILLERS
from dataflow_insight.english.lexicon import DEVICE_NOUN, ORDINALS, READING_NOUN
from dataflow_insight.english.limits import UNIT
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.sheet import DEVICE, FIELD

_LEAD: Final = (
    r"^[\s,.:;!?-]*(?:(?:ok(?:ay)?|so|well|then|now|thanks|thank\s+you|great|hm+|please)[\s,.:;!?-]+)*"
    r"(?:(?:and|or|but|also|again|then|now|instead|only|just)\b[\s,.:;!?-]*)*"
    r"(?:(?:what|how)\s+(?:about|of|was\s+it|is\s+it|did\s+it|does\s+it|were\s+they)\b(?:\s+(?:be|look(?:\s+like)?|compare))?|what\s+if\s+(?:you|we|i)\s+(?:take|use|look\s+at)|"
    r"(?:do\s+|show\s+me\s+|give\s+me\s+|tell\s+me\s+)?(?:the\s+)?same(?:\s+(?:thing|question|again|query))?(?:\s+but)?|make\s+(?:it|that)|i\s+mean(?:t)?|rather|"
    r"(?:can\s+you\s+|could\s+you\s+)?(?:show|give|tell)\s+(?:me\s+)?(?:it|that)|let's\s+see)?[\s,.:;!?-]*"
)
_OPENS: Final = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|so|well|then|now|thanks|great)\W+)*(?:and|or|but|also|again|only|just|instead|what\s+about|how\s+about|what\s+of|(?:the\s+)?same|rather|make\s+(?:it|that))\b"
    r"|\b(?:instead|too|as\s+well)\W*$|\b(?:there|then|that\s+day|that\s+time)\W*$",
    re.IGNORECASE,
)
_PRONOUN: Final = re.compile(
    r"^[\s,]*(?:when|where|which\s+\w+|how\s+(?:many|much|long)(?:\s+\w+)?|what)\s+(?:was|is|are|were|did|does)\s+(?:it|that|this|those|these|they)\b",
    re.IGNORECASE,
)
"""Pattern of a question about "it": "when was that?", "when did it start?"."""

_MEASURE: Final = (
    rf"(?:(?:(?:{'|'.join(ORDINALS)})[\s-]+)?(?:highest|lowest|largest|smallest)|averages?|mean|avg|median|maximum|max|highest|largest|peak|minimum|min|lowest|smallest|total|sum|standard\s+deviation|stdev|std\s?dev|range|"
    r"count|number\s+of\s+readings|how\s+many\s+readings|first|latest|newest|last\s+(?:value|reading))"
)
_SHIFT: Final = r"\b(?:the\s+)?(?:(?P<unit>day|week|month)\s+(?P<way>before|after|prior|earlier|later)|(?P<way2>previous|preceding|next|following|prior)\s+(?P<unit2>day|week|month))\b(?!\s+(?:yesterday|tomorrow))"
_NEXT: Final = re.compile(r"\b(?:the\s+)?next\s+(?P<unit>day|week|month)\b", re.IGNORECASE)
"""Counted from the time of the question before, it is not about the future."""

_GROUP: Final = (
    rf"\b(?:(?:broken\s+down\s+|grouped\s+|split\s+)?(?:per|by|for\s+each|for\s+every|at\s+each|at\s+every|each|every)\s+(?:single\s+)?"
    rf"(?:{DEVICE_NOUN}|hour\s+of\s+(?:the\s+)?day|day\s+of\s+(?:the\s+)?week|hour|day|week|month|weekday)|hourly|daily|weekly|monthly)\b"
)
_EVERYWHERE: Final = rf"\b(?:(?:for|over|at|across|of|in|from)\s+)?(?:all|every)\s+(?:of\s+)?(?:the\s+)?{DEVICE_NOUN}(?:\s+(?:together|combined))?\b|\boverall\b|\beverywhere\b|\bin\s+total\b"
_NUMBER: Final = r"(?:above|below|over|under|at\s+least|at\s+most|more\s+than|less\s+than|higher\s+than|lower\s+than|exceeding|>=?|<=?)\s*(?:minus\s+|-)?\d+(?:[.,]\d+)?(?:\s*(?:%|°\s?[cf]|[a-zµμ]+/[a-z0-9³²]+|ppm|ppb|hpa|lux|mm|degrees?))?"
_WHEN: Final = r"\b(?:(?:exactly\s+)?when|at\s+what\s+time|on\s+(?:which|what)\s+day)\b(?:\s+(?:was|did|is)\s+(?:that|it|this)(?:\s+(?:happen|occur|measured|be))?)?"
_WHERE: Final = rf"\b(?:(?:at\s+)?(?:which|what)\s+{DEVICE_NOUN}|where)\b(?:\s+(?:was|did|is)\s+(?:that|it|this)(?:\s+(?:happen|occur|measured))?)?"
_BORDER: Final = (
    r"\b(?:and\s+)?when\s+(?:did|does)\s+(?:it|that|this)\s+(?:(?P<start>start|begin)|(?P<end>end|stop|finish))\b"
)
_IN_UNIT: Final = rf"\b(?:in|as)\s+(?:an?\s+)?(?:(?P<percent>per\s?cent(?:age)?|%)|(?P<unit>{UNIT}))(?![\w/^])"
_EXCEPT: Final = rf"\b(?:without|except(?:\s+for)?|excluding|leaving\s+out|not\s+counting)\s+(?:the\s+)?(?:{DEVICE_NOUN}\s+)?{DEVICE}(?:\s*(?:,|and|or)\s*{DEVICE})*"
_FILLING: Final = frozenset(
    {
        "there",
        "then",
        "too",
        "instead",
        "well",
        "same",
        "thing",
        "case",
        "be",
        "look",
        "compare",
        "compared",
        "than",
        "versus",
        "vs",
        "against",
        "other",
        "about",
        "if",
    }
)


@dataclass(frozen=True, slots=True)
class Fragment:
    """The parts that a fragment brings, as it writes them.

    Attributes:
        pieces: Devices, times and limits.
        field: The field that it names outside of limits, as written; empty for the same as before.
        measure: Of what kind the value is ("maximum"); empty for the same as before.
        group: How the answer is broken down; empty for the same as before.
        limit: A limit without its field ("above 300").
        everywhere: All devices.
        without: Devices that are left out.
        asks: "when", "where", "start" or "end" of the value or run before.
        unit: What the answer is to be given in ("in percent").
        against: It is the second side of a comparison, or the second field ("than at B", "with temperature").
        time: A time that was counted from that of the question before.
        shift: "day", "week" or "month": a time to be counted; with `direction` -1 or 1.
        direction: See `shift`.
    """

    pieces: tuple[Piece, ...]
    field: str = ""
    measure: str = ""
    group: str = ""
    limit: str = ""
    everywhere: bool = False
    without: str = ""
    asks: str = ""
    unit: str = ""
    against: bool = False
    time: str = ""
    shift: str = ""
    direction: int = 0


def opens_like_one(question: str) -> bool:
    """Returns whether a question begins or ends as one that goes on from another, even if it could stand alone."""
    return _OPENS.search(question) is not None or is_about_it(question)


def is_about_it(question: str) -> bool:
    """Returns whether a question asks about "it" or "that"."""
    return _PRONOUN.match(question) is not None


def without_lead(question: str) -> str:
    """Returns a question without the words that only say that it goes on from another, and with times that can be counted."""
    lead = re.match(_LEAD, question, re.IGNORECASE)
    return _NEXT.sub(r"the \g<unit> after", question[lead.end() :] if lead is not None else question)


def read_fragment(reading: Reading) -> Fragment | None:
    """Returns the parts of a fragment; None where there is none, or a word of it is not understood.

    Args:
        reading: Of the fragment without its lead, opened.
    """
    text = marked_text(reading.sheet)
    taken: list[tuple[int, int]] = []

    def take(pattern: str) -> re.Match[str] | None:
        for found in re.finditer(pattern, text):
            if not any(a < found.end() and found.start() < b for a, b in taken):
                taken.append(found.span())
                return found
        return None

    shift = take(_SHIFT)
    without = take(_EXCEPT)
    everywhere = take(_EVERYWHERE)
    group = take(_GROUP)
    border = take(_BORDER)
    when = None if border else take(_WHEN)
    where = None if when or border else take(_WHERE)
    unit_asked = take(_IN_UNIT)
    pieces: list[Piece] = []
    for kind in (Kind.LIMIT, Kind.RECURRING, Kind.TIME, Kind.DEVICE):
        for piece in pieces_of(text, kind):
            if not any(a < piece.end and piece.start < b for a, b in taken):
                pieces.append(piece)
                taken.append((piece.start, piece.end))
    limit = take(_NUMBER)
    measure = take(rf"\b{_MEASURE}\b")
    field = take(FIELD)
    more = take(FIELD) if field is not None else None
    left = "".join(" " if any(a <= index < b for a, b in taken) else letter for index, letter in enumerate(text))
    words = [
        word
        for word in re.findall(r"[^\W_]+", left)
        if word not in FILLERS and word not in _FILLING and not re.fullmatch(READING_NOUN, word)
    ]
    found_any = pieces or any(
        (shift, without, everywhere, group, border, when, where, unit_asked, limit, measure, field)
    )
    if words or not found_any or more is not None:
        return None
    written = reading.sheet.case
    unit, way = _shift(shift)
    return Fragment(
        pieces=tuple(sorted(pieces, key=lambda piece: piece.start)),
        field=written[field.start() : field.end()] if field is not None else "",
        measure=written[slice(*measure.span())] if measure is not None else "",
        group=written[slice(*group.span())] if group is not None else "",
        limit=written[slice(*limit.span())] if limit is not None else "",
        everywhere=everywhere is not None,
        without=written[slice(*without.span())] if without is not None else "",
        asks=_asks(border) or ("when" if when is not None else "where" if where is not None else ""),
        unit=_unit(unit_asked),
        against=re.match(r"[\s,]*(?:than|with|to|versus|vs\.?|against|compared\s+(?:to|with))\b", text) is not None,
        shift=unit,
        direction=way,
    )


def _asks(border: re.Match[str] | None) -> str:
    if border is None:
        return ""
    return "start" if border["start"] else "end"


def _unit(found: re.Match[str] | None) -> str:
    if found is None:
        return ""
    return "in percent" if found["percent"] else f"in {found['unit']}"


def _shift(found: re.Match[str] | None) -> tuple[str, int]:
    if found is None:
        return "", 0
    unit = found["unit"] or found["unit2"]
    way = found["way"] or found["way2"]
    return unit, -1 if way in {"before", "prior", "earlier", "previous", "preceding"} else 1
