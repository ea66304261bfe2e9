"""How far two spellings are apart, and which known word a misspelt one means."""

import re
from collections.abc import Iterable
from typing import Final

SLIPS: Final = {
    "teh": "the", "hte": "the", "wich": "which", "whcih": "which", "wat": "what", "waht": "what", "r": "are", "hw": "how",
    "hwo": "how", "wehn": "when", "form": "from", "fo": "of", "si": "is", "adn": "and", "statoin": "station",
    "wen": "when", "mnay": "many", "amny": "many", "avreage": "average", "maen": "mean", "tha": "the", "thier": "their", "whta": "what", "wihch": "which", "hwen": "when", "wil": "will", "dyas": "days", "dasy": "days", "dya": "day", "lsat": "last", "mena": "mean", "tiem": "time",
    "valeu": "value", "hgih": "high", "oevr": "over", "tomorow": "tomorrow", "tommorow": "tomorrow", "tommorrow": "tomorrow", "tmrw": "tomorrow",
}  # fmt: skip
"""Slips of the fingers in words too short to be compared letter by letter."""

_ORDINARY: Final = (
    "spend spends mouth mouths mourning rotation senior charger loser court counter chance distance extended activity activities media shape master repeated violation "
    "death computed compound correction corrected situation situations particular shared fifty valuable detection numbered integrity directive directors commonly relatively "
    "function stream forth electronic master dedication composed actively participate qualify qualified matters sponsors weakly sensory stationary statin rational relational "
    "party parties price prices person personal visitor visitors traffic factory people's death deaths birth births"
)
ORDINARY: Final = frozenset(_ORDINARY.split())
"""Words that are near a word with a meaning here, and are nevertheless meant as they stand."""

_MIN_LENGTH = 5
_LENGTH_FOR_TWO = 8


def distance(left: str, right: str, limit: int) -> int:
    """Returns the number of single-letter edits, neighbouring swaps counting one; `limit + 1` when there are more."""
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before_last: list[int] = []
    last = list(range(len(right) + 1))
    for row, letter in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            cost = min(last[column] + 1, current[column - 1] + 1, last[column - 1] + (letter != other))
            if row > 1 and column > 1 and letter == right[column - 2] and left[row - 2] == other:
                cost = min(cost, before_last[column - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return limit + 1
        before_last, last = last, current
    return last[-1]


def tolerance(word: str) -> int:
    """Returns how many edits a word of this length may be away: short words and numbers none."""
    if len(word) < _MIN_LENGTH or any(letter.isdigit() for letter in word):
        return 0
    return 2 if len(word) >= _LENGTH_FOR_TWO else 1


def closest(word: str, known: Iterable[str]) -> str | None:
    """Returns the one known word that a misspelt one means; None when there is none, or two are equally near."""
    allowed = tolerance(word)
    if not allowed:
        return None
    best, best_distance, tied = None, allowed + 1, False
    for candidate in known:
        if len(candidate) < _MIN_LENGTH or any(letter.isdigit() for letter in candidate):
            continue
        if candidate[0] != word[0] and candidate[:2] != word[1::-1]:
            continue  # "slowest" is not "lowest", but "ihghest" is "highest"
        apart = distance(word, candidate, min(allowed, best_distance))
        if apart < best_distance:
            best, best_distance, tied = candidate, apart, False
        elif apart == best_distance and candidate != best:
            tied = True
    return None if tied or best_distance > allowed else best


def closest_name(text: str, names: Iterable[str]) -> str | None:
    """Returns the one name that a misspelt text means, comparing part by part.

    Parts that are short or hold digits must be equal: "room-a" is not a spelling of "room-b".
    """
    parts = _parts(text)
    allowed = max((tolerance(part) for part in parts), default=0)
    if not allowed:
        return None
    best, best_distance, tied = None, allowed + 1, False
    for name in names:
        others = _parts(name)
        if len(others) != len(parts):
            continue
        total = 0
        for part, other in zip(parts, others, strict=True):
            if part != other:
                limit = min(tolerance(part), tolerance(other))
                apart = distance(part, other, limit)
                total += apart if apart <= limit else allowed + 1
        if total < best_distance:
            best, best_distance, tied = name, total, False
        elif total == best_distance:
            tied = True
    return None if tied or best_distance > allowed else best


def _parts(text: str) -> list[str]:
    return re.findall(r"\d+|[^\W\d_]+", text.casefold())
