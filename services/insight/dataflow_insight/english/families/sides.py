"""Finds the two sides of a comparison in the text of a question, and writes one question for each."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from dataflow_insight.english.families.pieces import BEFORE, Kind, Piece, piece_at, pieces_of
from dataflow_insight.english.moments import MONTHS
from dataflow_insight.english.sheet import DEVICE, FIELD

THAN: Final = (
    r"\b(?:than(?!\s+(?:minus\s+)?(?:-?\d|zero\b|freezing\b|usual|normal|(?:the\s+|its\s+|their\s+)?(?:overall\s+)?(?:average|mean|limit|threshold)\W*$))"
    r"|as\s+opposed\s+to|(?:when\s+|as\s+|if\s+)?compared?\s+(?:to|with|against)|in\s+(?:comparison|contrast|relation)\s+(?:to|with)|relative\s+to|(?:differ(?:s|ed)?|different|apart)\s+from|versus|vs\.?|against)(?=\W)"
)
"""Words that stand between two sides whatever the question."""

EXCEEDS: Final = r"\b(?:exceed(?:s|ed|ing)?|(?:above|below|over|under)(?=\s+(?:[\ue000-\ue0ff\ue200-\ue3ff]|that|those|the\s+(?:one|average|mean|value|level|maximum|minimum|median|highest|lowest|peak|total|sum|corresponding)))|(?:top|surpass|beat)(?:s|ped|ed)?)\b"
"""Verbs that compare."""

MINUS: Final = r"\b(?:minus|divided\s+by)\b"
"""Words of arithmetic."""

AND: Final = r"\b(?:and|with|to|or)\b|[-/&](?=\s)"
"""Words that stand between two sides where the question says that it compares."""

_MEASURES: Final = {
    "average": "average", "averages": "average", "mean": "average", "avg": "average", "median": "median", "maximum": "maximum", "max": "maximum", "highest": "maximum",
    "peak": "maximum", "minimum": "minimum", "min": "minimum", "lowest": "minimum", "total": "total", "sum": "total",
}  # fmt: skip
_LEADER: Final = (
    r"\s+(?:that|those|the|an?|one|ones|it|was|is|were|are|did|does|had|has|values?|levels?|readings?|figures?|numbers?|concentrations?|"
    r"for|of|recorded|measured|seen|reported|observed|corresponding|same|respective|"
    + "|".join(_MEASURES)
    + rf")(?=\W)|\s+{FIELD}|\s*,"
)
_UNIT: Final = re.compile(_LEADER)
_MONTH: Final = "|".join(sorted(MONTHS, key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class Sides:
    """Two sides of a comparison.

    Attributes:
        first: The pieces of the side named first, in order.
        second: As many pieces of the side it is compared with; one of kind REST means all that the first is not.
        connector: From where the words between them begin, to where the second side begins.
    """

    first: tuple[Piece, ...]
    second: tuple[Piece, ...]
    connector: tuple[int, int]

    @property
    def opposite(self) -> bool:
        """Whether the second side is what the first is not."""
        return self.second[0].kind is Kind.REST

    @property
    def kind(self) -> Kind:
        """What is compared."""
        return self.first[0].kind


def sides_around(text: str, connectors: str, same_field: Callable[[str], bool]) -> Sides | None:
    """Returns the sides around the first connector that has two of a kind; None where there is none.

    Args:
        text: Marked.
        connectors: Pattern of the words between the sides.
        same_field: Says whether a field's mark, repeated on the second side, is the field of the first.
    """
    for connector in re.finditer(connectors, text):
        for second in _seconds(text, connector.start(), connector.end(), same_field):
            found = _pair(text, connector.start(), second)
            if found is not None:
                return found
    return None


def _seconds(text: str, start: int, position: int, same_field: Callable[[str], bool]) -> Iterator[Piece]:
    """Yields what may be the second side, behind as few repeated words as possible."""
    while True:
        space = re.compile(r"\s*").match(text, position)
        assert space is not None
        if (piece := piece_at(text, space.end())) is not None:
            yield piece
        unit = _UNIT.match(text, position)
        if unit is None:
            return
        word = unit.group().strip()
        if word in _MEASURES and _MEASURES[word] not in {
            _MEASURES.get(other) for other in re.findall(r"[a-z]+", text[:start])
        }:
            return  # another measure than that of the first side
        if (mark := unit.group(1)) is not None and not same_field(mark):
            return
        position = unit.end()


def _pair(text: str, connector: int, second: Piece) -> Sides | None:
    first = _first(text, connector, second)
    if first is None:
        return None
    firsts, seconds = [first], [second]
    # "… at A on Monday than at B on Tuesday": both differ in the same kinds.
    position = second.end
    while second.kind is not Kind.REST:
        gap = re.compile(r"[\s,]*").match(text, position)
        assert gap is not None
        more = piece_at(text, gap.end(), (Kind.RECURRING, Kind.TIME, Kind.DEVICE))
        if more is None or more.kind in {piece.kind for piece in seconds}:
            break
        others = [piece for piece in pieces_of(text, more.kind, before=connector) if piece not in firsts]
        if not others:
            break
        firsts.append(others[-1])
        seconds.append(more)
        position = more.end
    return Sides(tuple(firsts), tuple(seconds), (connector, second.start))


def _first(text: str, connector: int, second: Piece) -> Piece | None:
    """Returns the nearest piece of the same kind before the connector, else the first one behind the second side."""
    kinds = _kinds_of_rest(text, second) if second.kind is Kind.REST else (second.kind,)
    for kind in kinds:
        before = pieces_of(text, kind, before=connector)
        if before:
            return before[-1]
    # "Compared with A, how much higher was it at B?"
    for kind in kinds if re.fullmatch(r"[\s\w,]{0,12}", text[:connector]) else ():
        after = pieces_of(text, kind, after=second.end)
        if after:
            return after[0]
    return None


def _kinds_of_rest(text: str, rest: Piece) -> tuple[Kind, ...]:
    words = text[rest.start : rest.end]
    if re.fullmatch(BEFORE, words):
        return (Kind.TIME,)
    if re.search(r"elsewhere|station|sensor|device|site|location|place|room|node|monitor|machine|network", words):
        return (Kind.DEVICE,)
    if re.search(r"\b(?:not|otherwise)\b|n't", words):
        return (Kind.LIMIT, Kind.RECURRING)
    return (Kind.RECURRING, Kind.LIMIT, Kind.TIME, Kind.DEVICE)


def two_texts(
    written: str, sides: Sides, deleted: Iterable[tuple[int, int]], inserted: tuple[int, str]
) -> tuple[str, str]:
    """Returns the question about the first side and that about the second.

    Args:
        written: The question; positions are those of the marked text.
        sides: What differs.
        deleted: What both questions are to be without, beside the second side and the connector.
        inserted: A position and what to write there into both.
    """
    cuts = [*deleted, sides.connector, *((piece.start, piece.end) for piece in sides.second)]
    own, replaced = {}, {}
    for one, other in zip(sides.first, sides.second, strict=True):
        bare = other.core == other.start
        mine, its = _completed(_led(written, one, one), "" if sides.opposite else _led(written, one, other))
        own[(one.core, one.end)] = mine
        replaced[(one.core if bare else one.start, one.end)] = its
    first = _edited(written, cuts, own, inserted)
    return first, first if sides.opposite else _edited(written, cuts, replaced, inserted)


def _completed(first: str, second: str) -> tuple[str, str]:
    """Says what one side leaves to the other: the month of "the last week", the day of "15", what "it" and "ones" stand for."""
    month = re.search(rf"\s(?:of|in)\s+(?:the\s+month\s+of\s+)?(?:{_MONTH})\b.*$", first, re.IGNORECASE)
    if month is not None and re.fullmatch(r"(?:\w+\s+)?(?:the\s+)?(?:first|second|third|fourth|last|next|following|1st|2nd|3rd|4th)\s+(?:week|half|day|ten\s+days)", second, re.IGNORECASE):  # fmt: skip
        return first, second.replace("next", "second").replace("following", "second") + month.group()
    rest = re.search(
        r"\b(?:first|second|third|fourth|last)(?P<rest>\s+(?:week|half|day|ten\s+days)\b.*)$", second, re.IGNORECASE
    )
    if rest is not None and re.fullmatch(
        r"(?:(?:on|in|during|of)\s+)?(?:the\s+)?(?:first|second|third|fourth)", first, re.IGNORECASE
    ):
        return first + rest["rest"], second
    noun = re.search(r"\b(?P<noun>hours|days|times|readings|periods|ones)\b", first)
    if noun is not None and re.search(r"\bones\W*$", second):
        return first, re.sub(r"\bones(?=\W*$)", noun["noun"], second)
    subject = re.match(
        r"(?:(?:when(?:ever)?|while|if)\s+)?(?P<who>(?!it\b|they\b)(?:the\s+)?\S+(?:\s+\S+){0,2}?)\s+(?:was|is|were|are|came|comes|blew|blows|stood|read)\b",
        first,
        re.IGNORECASE,
    )
    if subject is not None and (
        it := re.match(r"(?P<lead>(?:(?:when(?:ever)?|while|if)\s+)?)(?:it|they)\s+(?=\S)", second, re.IGNORECASE)
    ):
        return first, f"{it['lead']}{subject['who']} {second[it.end() :]}"
    return _dated(first, second), _dated(second, first)


def _dated(text: str, other: str) -> str:
    """Returns a lone day of the month with the month of the other side: "15" beside "16 January 2014"."""
    day = re.search(r"(?:^|\s)(?P<day>\d{1,2}(?:st|nd|rd|th)?)$", text)
    if day is None:
        return text
    after = re.search(rf"\d{{1,2}}(?:st|nd|rd|th)?(?P<month>\s+(?:of\s+)?(?:{_MONTH})\b.*)$", other, re.IGNORECASE)
    if after is not None:
        return text + after["month"]
    before = re.search(
        rf"(?P<month>\b(?:{_MONTH})\s+)(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)?(?P<year>,?\s+\d{{4}})?$",
        other,
        re.IGNORECASE,
    )
    if before is None or re.fullmatch(r"(?:the\s+)?\d{1,2}(?:st|nd|rd|th)?", text) is None:
        return text
    return before["month"] + text + (before["year"] or "")


def _led(written: str, place: Piece, piece: Piece) -> str:
    """Returns a piece as it is written in a place, with a preposition where neither has one: "weekend" is "on the weekend"."""
    if piece is place and piece.core > piece.start:
        return written[piece.core : piece.end]
    text = re.sub(
        r"^(?:(?:the|that|this(?!\s+(?:morning|afternoon|evening|week|month|quarter|year))|all|our|both)\s+)+(?=\S)",
        "",
        written[piece.start : piece.end],
        flags=re.IGNORECASE,
    )
    bare = piece.core == piece.start and place.core == place.start
    if not bare or re.match(r"(?:on|in|at|during|the|every|each)\b", text.lower()):
        return text
    if piece.kind is Kind.RECURRING and not re.match(r"\d|between|from", text.lower()):
        return f"{'on' if re.search('week|day', text.lower()) else 'in'} the {text}"
    return f"at {text}" if piece.kind is Kind.DEVICE else text


def several(text: str, piece: Piece) -> bool:
    """Returns whether a piece is a list of devices."""
    return piece.kind is Kind.DEVICE and len(re.findall(DEVICE, text[piece.start : piece.end])) > 1


def _edited(
    written: str, cuts: list[tuple[int, int]], replaced: dict[tuple[int, int], str], inserted: tuple[int, str]
) -> str:
    pieces: list[str] = []
    for position, letter in enumerate(written):
        if position == inserted[0]:
            pieces.append(f" {inserted[1]} ")
        pieces += [f" {text} " for (start, _), text in replaced.items() if start == position]
        if any(start <= position < end for start, end in replaced):
            continue
        pieces.append(" " if any(start <= position < end for start, end in cuts) else letter)
    return " ".join("".join(pieces).split())
