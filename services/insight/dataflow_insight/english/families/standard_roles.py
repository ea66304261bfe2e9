"""Says what each measure word does: computes, folds what was computed, or chooses among groups."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from dataflow_insight.english.families.standard_measures import Word
from dataflow_insight.english.refusals import Refusal, two_things, unclear

_LIST: Final = r"(?:[\s,;:/&+()\ue000-\uf8ff]|\b(?:and|or|plus|as\s+well\s+as|also|along\s+with|together\s+with|then|the|of|its|their|at|in|for|value|values|a|an|both)\b)*"
_CONNECTED: Final = r"[,;/&+]|\b(?:and|plus|as\s+well\s+as|also|with)\b|-"


@dataclass(frozen=True, slots=True)
class Roles:
    """What the measure words of a question do.

    Attributes:
        values: What is computed of readings; several are several answers.
        folds: What is computed of the finer groups' values; several are several answers; empty for nothing.
        directions: 1 where the highest group is wanted, -1 for the lowest; empty where the words choose none.
    """

    values: tuple[Word, ...]
    folds: tuple[Word, ...] = ()
    directions: tuple[int, ...] = ()


def roles(words: list[Word], text: str, *, each_at: int, choosing: bool, limited: bool) -> Roles:
    """Returns the roles of the measure words.

    Args:
        words: In the order of the question.
        text: The question, for what stands between them.
        each_at: Where "daily" stands; -1 for nowhere.
        choosing: One or some of several groups are wanted.
        limited: The groups are chosen by a limit.

    Raises:
        Refusal: They do not make one question.
    """
    if each_at >= 0:
        return _with_each(words, text, each_at, choosing=choosing and not limited)
    if choosing and not limited:
        return _choosing(words)
    words = _once(words)
    check_list(words, text)
    return Roles(tuple(words))


def _with_each(words: list[Word], text: str, each_at: int, *, choosing: bool) -> Roles:
    after = [word for word in words if word.start > each_at]
    before = [word for word in words if word.start < each_at]
    inner: list[Word] = []
    if after:
        inner = after[:1]
        for word in after[1:]:
            if word.adjective or not _joined(inner[-1], word, text):
                break
            inner.append(word)
        outer = before + after[len(inner) :]
    else:
        inner, outer = before[-1:], before[:-1]
    if not choosing:
        return Roles(tuple(_once(inner)), tuple(_once(outer)))
    extremes = [word for word in outer if word.extreme]
    others = [word for word in outer if not word.extreme]
    if len(extremes) > 1:
        # "which station had the highest maximum daily average"
        others = [*others, *extremes[1:]]
    if len(others) > 1:
        raise Refusal(two_things())
    return Roles(tuple(_once(inner)), tuple(others), tuple(_way(word) for word in extremes[:1]))


def _choosing(words: list[Word]) -> Roles:
    extremes = [word for word in words if word.extreme]
    others = _once([word for word in words if not word.extreme])
    if others:
        return Roles(tuple(others), (), tuple(dict.fromkeys(_way(word) for word in extremes)))
    adjectives = [word for word in extremes if word.adjective]
    nouns = _once([word for word in extremes if not word.adjective])
    if adjectives and nouns:
        return Roles(tuple(nouns), (), tuple(dict.fromkeys(_way(word) for word in adjectives)))
    unique = _once(extremes)
    if len(unique) > 1:
        raise Refusal(two_things())
    return Roles(tuple(unique), (), tuple(_way(word) for word in unique))


def check_list(words: list[Word], text: str) -> None:
    """Refuses measures that stand as if one were of the other ("the mean maximum").

    Args:
        words: In the order of the question, none twice.
        text: The question.

    Raises:
        Refusal: They are no list.
    """
    if len(words) > 2 and all(_joined(left, right, text, loose=True) for left, right in pairwise(words)):
        return
    for left, right in pairwise(words):
        between = text[left.end : right.start]
        led = between if not text[left.start : left.end].endswith(" of") else f" of{between}"
        nested = re.fullmatch(r"\s*of\s+(?:the\s+|all\s+)*", led) is not None
        bare = not between.strip() and not (left.extreme and right.extreme)
        if nested or bare:
            raise Refusal(unclear("It is not clear of which values the first measure is; daily ones, perhaps?"))


def _joined(left: Word, right: Word, text: str, *, loose: bool = False) -> bool:
    between = text[left.end : right.start]
    return re.fullmatch(_LIST, between) is not None and (loose or re.search(_CONNECTED, between) is not None)


def _once(words: list[Word]) -> list[Word]:
    found: dict[tuple[int, float], Word] = {}
    for word in words:
        found.setdefault((word.measure, word.percentile), word)
    return list(found.values())


def _way(word: Word) -> int:
    return -1 if word.measure.name == "MIN" else 1
