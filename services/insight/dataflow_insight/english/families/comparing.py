"""Reads whether a question compares two sides, which ones, and what it wants to know of them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dataflow_insight.english.families.change_words import CHANGE_NOUN, CHANGE_VERB, DOWN, UP
from dataflow_insight.english.families.pieces import COMPARATIVE, Kind, Piece, pieces_of
from dataflow_insight.english.families.sides import AND, EXCEEDS, MINUS, THAN, Sides, several, sides_around
from dataflow_insight.english.lexicon import DEVICE_NOUN
from dataflow_insight.english.limits import UNIT
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.sheet import MOMENT, RECURRING
from dataflow_insight.plans.plan import Focus

_UNIT: Final = rf"(?!%|per\s?cent)(?:{UNIT})"
_ADVERB: Final = r"(?:significantly|much|clearly|generally|considerably|substantially|noticeably|even|far|typically|usually|any|slightly|a\s+lot|a\s+little|bit)"
_OWN_FIELD: Final[tuple[tuple[str, str], ...]] = (
    (r"warmer|hotter|milder|colder|cooler|chillier", "temperature"),
    (r"windier|calmer|(?:more|less)\s+windy", "wind speed"),
    (r"brighter|darker", "light"),
    (r"louder|noisier|quieter", "noise"),
    (r"(?:more|less)\s+humid|damper", "humidity"),
)
_ADJECTIVE: Final = rf"(?:(?:more|less)\s+(?:humid|windy|polluted|contaminated|dusty)|windier|calmer|chillier|damper|wetter|drier|dryer|worse|better|{COMPARATIVE})"
_COMPARES: Final = re.compile(
    rf"(?<!\bor\s)(?<!\band\s)(?<!\bno\s)(?<!\bnot\s)\b(?:{_ADVERB}\s+)*(?P<word>{_ADJECTIVE})\b(?!\s+than\s+(?:or\s+equal|(?:minus\s+)?-?(?:\d|zero\b|freezing\b)))"
)
_THEN: Final = re.compile(rf"(?P<before>\b{COMPARATIVE}\b[^,.?]{{0,40}}?\s)then(?=\s)")
"""Pattern of a slip that keeps its length: "higher then"."""

_DOWN: Final = re.compile(
    r"lower|less|fewer|smaller|colder|cooler|chillier|weaker|darker|calmer|quieter|drier|dryer|cleaner|better"
)
_PERCENT: Final = (
    r"(?:\bby\s+)?(?:\b(?:how\s+many|how\s+much|what|which)\s+(?:in\s+)?(?:the\s+)?)(?:per\s?cent(?:age)?s?\b|%)(?:\s+(?=(?:of\s+)?(?:difference|change|increase|decrease)))?"
    r"|\b(?:the\s+|an?\s+)?(?:per\s?cent(?:age)?s?|relative)\s+(?=difference|change|increase|decrease|deviation)|\b(?:expressed\s+)?(?:in|as\s+an?)\s+(?:per\s?cent(?:age)?|%)(?:\s+terms)?|\bpercentage-?wise\b|\(\s*(?:in\s+)?(?:%|per\s?cent)\s*\)"
)
_SHARE_OF: Final = (
    r"\b(?:per\s?cent(?:ages?)?|%|shares?|fractions?|proportions?)\s+of\s+(?:all\s+|the\s+)*(?:\S+\s+){0,2}?"
    r"(?:readings?|values?|hours?|time|times|measurements?|records?|rows?|samples?|observations?|missing)\b"
)
_RATIO: Final = (
    r"\bhow\s+many\s+times(?=\s+(?:as\b|"
    + _ADJECTIVE
    + r"\b))|\bby\s+(?:what|which)\s+(?:factor|multiple)\b|\b(?:the\s+)?ratios?\s+(?:of|between)\b|\bratios?\b|\bdivided?\b(?=.*\bby\b)|\bas\s+(?:high|large|big|great|strong|much|many|warm|cold)\s+(?=as\b)"
)
_DIFFERENCE: Final = r"\b(?:the\s+|an?\s+)?(?:absolute\s+)?differences?\b(?:\s+(?:in|of|for)\b)?|\bdiffer(?:s|ed)?\b(?:\s+in\b)?|\bhow\s+far\s+apart\b|\bgap(?=\s+between)|\bminus\b"
_HOW_MUCH: Final = rf"(?:\b(?:and\s+)?by\s+)?\bhow\s+much\b|\b(?:and\s+)?by\s+how\s+many\s+(?:{_UNIT})(?!\w)|\bhow\s+many\s+(?:{_UNIT})(?=\s+(?:{_ADVERB}\s+)*(?:{_ADJECTIVE}\b|did|does|was))"
_COMPARE: Final = r"\bcompar(?:e|es|ed|ing)\b|\b(?:an?\s+|the\s+)?comparisons?\s+(?:of|between)\b|\bcontrast\b|\bside\s+by\s+side\b|\bhow\s+(?=(?:do|does|did)\b)"
_LAST: Final = rf"(?<=[\s,:;-])(?:and\s+)?which(?:\s+one)?(?:\s+of\s+(?:the\s+two|them|these|both))?(?=\s+(?:is|was|are|were|has|had|shows?|showed)\s+(?:the\s+)?(?:{_ADVERB}\s+)*(?:{_ADJECTIVE})\b)"
"""Pattern of "…, which one is higher"."""

_WHICH: Final = rf"^[\s,.:;!?-]*(?:(?:at|in|on|during)\s+)?which\s+(?:one\s+)?(?:of\s+)?(?:the\s+(?:two|both)\s+|these\s+(?:two\s+)?)?(?:{DEVICE_NOUN}|day|month|week|period|time|part\s+of\s+the\s+day|half|year)?\b|\bwhere\b(?=.*\bor\b)|(?<=[:,;-]\s)where\b(?:'s)?|\bof\s+the\s+two\b|^\W*who(?=\s+(?:has|had|shows?|showed|is|was))|{_LAST}"
_REMARKS: Final = r"[.,;?]?\s*\b(?:answer|reply|respond)\s+with\s+(?:the\s+|an?\s+)?(?:date|day|name|station|device|week|month)\b|[,:(]?\s*\(?\b(?:in\s+(?:this|that|the\s+given)\s+order|[a-z]+\s+first|in\s+the\s+order\s+given|respectively|in\s+each\s+case)\b\)?"
_TRUE: Final = r"\bin\s+terms\s+of\b|\b(?:is\s+it\s+true\s+that|true|whether)\b"
_YES_NO: Final = r"^[\s,.:;!?-]*(?:and\s+|so\s+|on\s+average,?\s+|(?:over|across|at|for|in|on|among|during|with|from)\s+[^,?]{1,60},\s*|(?:as\s+)?(?:compared|relative|in\s+comparison|in\s+contrast)\s+(?:to|with)[^,]{1,60},\s*|[^:?]{1,40}:\s*)?(?:did|was|were|is|are|has|have|does|do)\b|\bwhether\b"
_MEAN: Final = r"\b(?:averages?|means?|avg|median|maximum|minimum|highest|lowest|max|min|total)\b"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question compares.

    Attributes:
        sides: The two sides.
        deleted: Words that only say that something is compared.
        focus: What it wants to know.
        which: It asks which side wins.
        upward: The larger side is asked for.
        implied: Common name of the field that the comparing adjective is about; empty where a field is named.
        at: Where that adjective stands.
        unit: What the difference is asked in ("by how many degrees Fahrenheit"); empty where the question does not say.
        counts: "More" and "less" of what adds up are of its amount.
        worse: It compares by what is better or worse, and not by a number.
    """

    sides: Sides
    deleted: tuple[tuple[int, int], ...]
    focus: Focus
    which: bool
    upward: bool
    implied: str
    at: int
    unit: str
    counts: bool
    worse: bool


def asked_comparison(text: str, reading: Reading) -> Asked | None:
    """Returns what a question compares; None where it compares nothing.

    Args:
        text: Marked, see `marked_text`.
        reading: Opened.
    """
    text = _THEN.sub(lambda found: f"{found['before']}than", text)
    comparative = _comparative(text)
    says = {
        name: re.search(pattern, text) is not None
        for name, pattern in (
            ("percent", _PERCENT), ("ratio", _RATIO), ("difference", _DIFFERENCE), ("how_much", _HOW_MUCH),
            ("compare", _COMPARE), ("which", _WHICH), ("yes_no", _YES_NO),
        )
    }  # fmt: skip
    says["percent"] &= re.search(_SHARE_OF, text) is None
    says["change"] = (
        re.search(_MEAN, text) is not None and re.search(rf"\b(?:{CHANGE_NOUN}|{CHANGE_VERB})\b", text) is not None
    )
    says["change"] &= not says["difference"]
    says["how_many"] = re.search(r"\bhow\s+many\s+(?:more|fewer|less)\b", text) is not None
    sides = _sides(text, reading, says, compares=comparative is not None)
    if sides is None:
        return None
    exceeds = re.compile(EXCEEDS).match(text, sides.connector[0])
    which = comparative is not None and (
        says["which"] or (says["yes_no"] and re.search(r"\bor\b", text[slice(*sides.connector)]) is not None)
    )
    falls = comparative is None and says["change"] and re.search(rf"\b(?:{DOWN})\b", text) is not None
    rises = comparative is None and says["change"] and re.search(rf"\b(?:{UP})\b", text) is not None
    down = (
        falls
        or bool(comparative and _DOWN.search(comparative["word"]))
        or bool(not comparative and exceeds and re.search(r"below|under", exceeds.group()))
    )
    return Asked(
        sides=sides,
        deleted=_deleted(text, sides, says, comparative),
        focus=_focus(says, compares=comparative is not None or exceeds is not None or falls or rises, down=down),
        which=which,
        upward=not down,
        implied=_implied(comparative),
        at=comparative.start() if comparative is not None else 0,
        unit=_unit(text),
        counts=comparative is not None and comparative["word"] in {"more", "less"},
        worse=comparative is not None and comparative["word"] in {"worse", "better"},
    )


def _unit(text: str) -> str:
    found = re.search(rf"\bhow\s+many\s+(?P<unit>{_UNIT})(?!\w)", text)
    return found["unit"] if found is not None else ""


def _comparative(text: str) -> re.Match[str] | None:
    """Returns the first adjective that compares, outside of limits."""
    limits = pieces_of(text, Kind.LIMIT)
    for found in _COMPARES.finditer(text):
        if not any(piece.start <= found.start() < piece.end for piece in limits):
            return found
    return None


def _implied(comparative: re.Match[str] | None) -> str:
    if comparative is None:
        return ""
    return next((name for pattern, name in _OWN_FIELD if re.fullmatch(pattern, comparative["word"])), "")


def _focus(says: dict[str, bool], *, compares: bool, down: bool) -> Focus:
    if says["percent"]:
        return Focus.PERCENT
    if says["ratio"]:
        return Focus.RATIO
    if says["yes_no"] and compares:
        return Focus.NO_YES if down else Focus.YES_NO
    if says["difference"] or says["how_much"] or says["how_many"] or says["change"]:
        return Focus.DIFFERENCE
    return Focus.VALUE


def _sides(text: str, reading: Reading, says: dict[str, bool], *, compares: bool) -> Sides | None:
    def same_field(mark: str) -> bool:
        """A field named again is the one that is measured, or the second side would be another question."""
        named = [mention.field for mention in reading.names.fields if mention.mark == mark]
        return bool(reading.names.fields) and named == [reading.names.fields[0].field]

    asks = compares or any(says[name] for name in ("percent", "ratio", "difference", "how_much"))
    if (found := sides_around(text, THAN, same_field)) is not None:
        lists = any(several(text, piece) for piece in (*found.first, *found.second))
        plain = found.kind is Kind.DEVICE and not asks and not found.opposite and not lists
        return None if plain else found
    verb = EXCEEDS if says["how_much"] or says["yes_no"] or says["percent"] or says["ratio"] else MINUS
    if (found := sides_around(text, verb, same_field)) is not None:
        return found
    if (found := sides_around(text, MINUS, same_field)) is not None:
        return found
    if re.search(r"\bdivide\b", text) and (found := sides_around(text, r"\bby\b", same_field)) is not None:
        return found
    if compares and (found := sides_around(text, r"\bor\b", same_field)) is not None:
        led = re.match(r"(?:when|while|in|with|during|on)\b", reading.sheet.low[found.second[0].start :]) is not None
        if found.kind is not Kind.LIMIT or (led and says["yes_no"]):
            return found
    written = reading.sheet.low
    if says["change"] and (found := _from_to(text, written, "(?:from|between)")) is not None:
        return found
    splits = says["difference"] or says["ratio"] or says["percent"] or says["compare"]
    if splits and (found := _from_to(text, written, "between") or _two_in_one(text, written)) is not None:
        return found
    if says["difference"] or says["ratio"] or says["percent"] or says["compare"] or (compares and says["which"]):
        found = sides_around(text, AND, same_field)
        if found is not None and not (found.kind is Kind.DEVICE and says["compare"] and not asks):
            return found
    if compares and (says["yes_no"] or says["how_much"] or says["percent"]):
        return _alone(text)
    return _listed(text, written, same_field)


def _from_to(text: str, written: str, lead: str) -> Sides | None:
    """Splits a range that is marked as one: "from Monday to Tuesday" as the later side and the earlier one."""
    for run in re.finditer(MOMENT, text):
        found = re.fullmatch(
            rf"(?:the\s+)?{lead}\s+(?:the\s+)?(?P<first>\S.*?)\s+(?:to|and)\s+(?:the\s+)?(?P<second>.*\S)",
            written[slice(*run.span())],
        )
        if found is None:
            continue
        pieces = [
            Piece(
                Kind.TIME,
                run.start() + found.start(name),
                run.start() + found.start(name),
                run.start() + found.end(name),
            )
            for name in ("first", "second")
        ]
        later, earlier = pieces[::-1] if "from" in lead else pieces
        return Sides((later,), (earlier,), (run.start(), pieces[1].start))
    return None


def _two_in_one(text: str, written: str) -> Sides | None:
    """Splits times that are marked as one: "on Mondays and Sundays", "on 15 and 16 January"."""
    for run in re.finditer(rf"(?:{MOMENT})|(?:{RECURRING})", text):
        words = written[slice(*run.span())]
        found = re.fullmatch(
            r"(?P<prep>(?:(?:on|in|at|during|for|of)\s+)?(?:the\s+)?)(?P<first>.+?)(?P<and>\s+(?:and|with)\s+(?:(?:on|in|at|during)\s+)?(?:the\s+)?)(?P<second>.+)",
            words,
        )
        if (
            found is None
            or re.search(r"\b(?:from|between|to|until)\b|\d:\d\d|\b[ap]\.?m\b", words)
            or words.count(" and ") > 1
        ):
            continue
        kind = Kind.TIME if text[run.start()] < "\ue100" else Kind.RECURRING
        first, second = (
            Piece(kind, run.start() + found.start(lead), run.start() + found.start(name), run.start() + found.end(name))
            for lead, name in (("prep", "first"), ("second", "second"))
        )
        return Sides((first,), (second,), (first.end, second.start))
    return None


def _alone(text: str) -> Sides | None:
    """Sides of "Was it higher at weekends?": than on all other days."""
    if re.search(rf"{THAN}|\bor\b", text):
        return None
    for kind in (Kind.RECURRING, Kind.LIMIT):
        pieces = pieces_of(text, kind)
        if len(pieces) == 1:
            (piece,) = pieces
            rest = Piece(Kind.REST, piece.end, piece.end, piece.end)
            return Sides((piece,), (rest,), (piece.end, piece.end))
    return None


def _listed(text: str, written: str, same_field: Callable[[str], bool]) -> Sides | None:
    """Sides of "What was the average on Monday and on Tuesday": one answer for each."""
    if not re.search(_MEAN, text) or re.search(
        r"\b(?:together|combined|altogether|in\s+total|overall|either|from|between)\b", text
    ):
        return None
    found = sides_around(text, r"\band\b", same_field)
    if found is None or found.kind not in {Kind.TIME, Kind.RECURRING} or len(found.first) > 1:
        return None
    led = all(re.match(r"(?:on|in|at|during|for)\b", written[piece.start :]) for piece in (*found.first, *found.second))
    return found if led else None


def _deleted(
    text: str, sides: Sides, says: dict[str, bool], comparative: re.Match[str] | None
) -> tuple[tuple[int, int], ...]:
    patterns = [_REMARKS, _TRUE]
    patterns += [_PERCENT] if says["percent"] else []
    patterns += [_RATIO] if says["ratio"] else []
    patterns += [_DIFFERENCE] if says["difference"] else []
    patterns += [_COMPARE] if says["compare"] else []
    patterns += [_HOW_MUCH] if says["how_much"] else []
    patterns += [_WHICH] if says["which"] and comparative is not None else []
    if says["change"] and comparative is None:
        patterns.append(
            r"[,;]?\s*\(?\s*\b(?:using|as|by|of|in\s+terms\s+of|comparing)?\s*(?:the\s+)?\bdaily\s+(?:means|averages)\b\s*\)?|\bdaily\b(?=\s+(?:means?|averages?|maxim\w+|minim\w+)\b)"
        )
        patterns.append(rf"(?:\b(?:by\s+)?how\s+much\b)|\b(?:{CHANGE_NOUN}|{CHANGE_VERB})\b")
    kept = [*pieces_of(text, Kind.LIMIT), *sides.first]
    spans = [found.span() for pattern in patterns for found in re.finditer(pattern, text)]
    if comparative is not None:
        noun = re.compile(r"\s+(?:one|day|week|month|air)\b").match(text, comparative.end())
        spans.append((comparative.start(), noun.end() if noun is not None else comparative.end()))
    between = list(re.finditer(r"\bbetween\b", text[: sides.first[0].start + 1]))
    if between and (says["difference"] or says["ratio"] or says["compare"] or says["which"] or says["percent"]):
        spans.append(between[-1].span())
    return tuple(
        (start, end)
        for start, end in spans
        if end > start and not any(piece.core <= start < piece.end for piece in kept)
    )
