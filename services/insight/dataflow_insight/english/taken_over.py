"""Writes an earlier question anew with the parts that a later one brings."""

import re
from collections.abc import Iterator
from typing import Final

from dataflow_insight.english.families.pieces import Kind, Piece, marked_text, pieces_of
from dataflow_insight.english.fragments import Fragment
from dataflow_insight.english.lexicon import ORDINALS
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.sheet import FIELD

_MEASURES: Final = re.compile(
    r"\b(?:averages?|mean|avg|medians?|maximum|max|highest|largest|peak|minimum|min|lowest|smallest|total|sum|standard\s+deviation|stdev|std\s?dev|range|latest|newest|first)\b"
)
_EXTREMES: Final = re.compile(
    rf"\b(?:(?:{'|'.join(ORDINALS)})[\s-]+)?(?:maximum|max|highest|largest|peak|minimum|min|lowest|smallest|latest|newest|first)\b"
)
_MEANS: Final = re.compile(r"\b(?:averages?|mean|avg|medians?|total|sum|standard\s+deviation|stdev|std\s?dev|range)\b")
_ADJECTIVE: Final = re.compile(r"\bhow\s+(?:warm|hot|cold|cool|windy|humid|bright)\s+(?:was|is)\s+it\b")
_NUMBER: Final = re.compile(
    r"(?:above|below|over|under|at\s+least|at\s+most|more\s+than|less\s+than|higher\s+than|lower\s+than|exceed(?:s|ed|ing)?|>=?|<=?)\s*(?:minus\s+|-)?\d+(?:[.,]\d+)?(?:\s*(?:%|°\s?[cf]|[a-zµμ]+/[a-z0-9³²]+|ppm|ppb|hpa|lux|mm|degrees?))?"
)
_HEAD: Final = re.compile(
    r"^\W*(?:(?:and|so)\s+)?(?:(?:what|when|how\s+(?:high|low|large|strong|big|long))\s+(?:was|is|were|are)|(?:please\s+)?(?:show|give|tell)\s+me|find)\s+"
)
_COMPARED: Final = re.compile(r"\b(?:than|versus|vs|compared|difference|exceed\w*|minus|ratio)\b")
_ALL_PIECES: Final = (Kind.LIMIT, Kind.RECURRING, Kind.TIME, Kind.DEVICE)
_ALL_WORDS: Final = re.compile(
    r"\b(?:over|at|of|for|across|from|in)\s+all\s+(?:the\s+)?(?:stations|sensors|devices|sites|rooms|locations)\b|\boverall\b"
)


def put_together(base: Reading, part: Reading, fragment: Fragment) -> Iterator[str]:
    """Yields the earlier question with the fragment's parts in it, most likely reading first.

    Args:
        base: The earlier question, opened.
        part: The fragment, opened.
        fragment: Its parts.
    """
    if fragment.shift:
        return  # the question before had no time to count from
    text = marked_text(base.sheet)
    edits: list[tuple[int, int, str]] = []
    tail: list[str] = []
    kinds = {piece.kind for piece in fragment.pieces} | ({Kind.TIME} if fragment.time else set())
    own = {kind: _pieces(text, kind) for kind in _ALL_PIECES}
    for piece in fragment.pieces:
        places = own.get(piece.kind, [])
        if fragment.against and len(places) > 1:
            places = places[-1:]
        elif len(places) > 1 and piece.kind is Kind.DEVICE and _COMPARED.search(text):
            return  # which of the two sides is meant?
        _place(places, part.sheet.case[piece.start : piece.end], piece, edits, tail)
    if fragment.time:
        _replace(own[Kind.TIME], fragment.time, edits, tail)
    if fragment.everywhere and Kind.DEVICE not in kinds:
        _replace(own[Kind.DEVICE], "over all stations", edits, tail)
    if fragment.without:
        tail.append(fragment.without)
    if fragment.group:
        tail.append(fragment.group)
        if re.search(r"station|sensor|device|site|location|room|node|machine", fragment.group):
            edits += [(piece.start, piece.end, "") for piece in own[Kind.DEVICE]]
    if fragment.limit and not _swap(_NUMBER, text, fragment.limit, edits):
        return
    if fragment.unit:
        tail.append(fragment.unit)
    if fragment.asks:
        head = _HEAD.match(text)
        start, end = head.span() if head is not None else (0, 0)
        if fragment.asks in {"start", "end"}:
            edits.append((start, end, "when did "))
            tail.append(fragment.asks)
        elif head is None:
            return
        else:
            edits.append((start, end, "when was " if fragment.asks == "when" else "which station had "))
    if (
        (fragment.measure and fragment.field)
        or "how many" in fragment.measure.lower()
        or fragment.measure.lower().startswith(("number", "count"))
    ):
        kept = [
            base.sheet.case[piece.start : piece.end] for kind in _ALL_PIECES if kind not in kinds for piece in own[kind]
        ]
        new = [part.sheet.case[piece.start : piece.end] for piece in fragment.pieces]
        lead = (
            fragment.measure if fragment.field or "reading" in fragment.measure else f"{fragment.measure} of readings"
        )
        yield " ".join(
            [lead, fragment.field, *kept, *new, *([fragment.time] if fragment.time else []), fragment.group]
        ).strip()
        return
    if fragment.measure and not _swap_measure(text, fragment.measure, edits):
        return
    if fragment.field:
        fields = [
            found
            for found in re.finditer(FIELD, text)
            if not any(piece.start <= found.start() < piece.end for piece in own[Kind.LIMIT])
        ]
        adjective = _ADJECTIVE.search(text)
        if not fields and adjective is not None:
            edits.append((*adjective.span(), f"what was the {fragment.field}"))
        elif len(fields) == 1 or (fields and fragment.against):
            edits.append((*fields[-1].span(), fragment.field))
        else:
            return
    yield _written(base.sheet.case, edits, tail)


def _pieces(text: str, kind: Kind) -> list[Piece]:
    """Returns the pieces of a kind, without limits that only hold a time or a device."""
    return pieces_of(text, kind)


def _place(own: list[Piece], written: str, piece: Piece, edits: list[tuple[int, int, str]], tail: list[str]) -> None:
    if own and piece.core == piece.start and own[0].core > own[0].start:
        edits.append((own[0].core, own[-1].end, written))
        return
    lead = "at " if piece.kind is Kind.DEVICE and piece.core == piece.start else ""
    _replace(own, lead + written, edits, tail)


def _replace(own: list[Piece], written: str, edits: list[tuple[int, int, str]], tail: list[str]) -> None:
    if not own:
        tail.append(written)
        return
    edits.append((own[0].start, own[0].end, written))
    edits += [(piece.start, piece.end, "") for piece in own[1:]]


def _swap_measure(text: str, written: str, edits: list[tuple[int, int, str]]) -> bool:
    """Puts a measure in the place of its like: of "highest average" an extreme takes the first, a mean the second."""
    if _swap(_MEASURES, text, written, edits):
        return True
    like = _EXTREMES if _EXTREMES.fullmatch(written.lower()) else _MEANS
    return _swap(like, text, written, edits)


def _swap(pattern: re.Pattern[str], text: str, written: str, edits: list[tuple[int, int, str]]) -> bool:
    """Puts the new words in the place of the only ones of their kind."""
    found = list(pattern.finditer(text))
    if len(found) != 1:
        return False
    edits.append((*found[0].span(), written))
    return True


def _written(question: str, edits: list[tuple[int, int, str]], tail: list[str]) -> str:
    body = question.rstrip(" ?.!")
    for start, end, text in sorted(edits, reverse=True):
        body = f"{body[:start]} {text} {body[end:]}"
    body = _ALL_WORDS.sub(" ", body) if any(word.startswith("at ") for word in tail) else body
    return " ".join(" ".join([body, *tail]).split()) + "?"
