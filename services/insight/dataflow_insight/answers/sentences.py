"""Where sentences end: at a line's end, or at a full stop that is neither an abbreviation's, a number's nor a name's."""

import re
from collections.abc import Callable, Collection
from typing import Final

_END: Final = re.compile(r"\n+|[.!?\u2026][\"'\u201d\u2019)*\]]*(?=\s)|[\u3002\uff01\uff1f\uff0e]")
_ABBREVIATION: Final = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|a\.m|p\.m|vs|ca|cf|approx|appr|nr|dept|st|dr|mr|mrs|resp|incl|excl|[a-z])\.$",
    re.IGNORECASE,
)
_LIST_NUMBER: Final = re.compile(r"\s*\d{1,3}\.$")


def first_sentence(text: str, names: Callable[[str], Collection[tuple[int, int]]], *, ended: bool) -> int | None:
    """Returns the length of the first sentence with the space behind it; None while it may go on.

    Args:
        text: What has arrived and was not yet cut off.
        names: Finds spans of known names, in which no sentence ends.
        ended: Nothing more will arrive.
    """
    spans: Collection[tuple[int, int]] | None = None
    for found in _END.finditer(text):
        end = found.end()
        if text[found.start()] == "\n":
            return end
        rest = text[end:]
        follows = rest.lstrip(" \t")
        if not follows and not ended:
            return None
        spaces = len(rest) - len(follows)
        if follows[:1].islower() or (_ABBREVIATION.search(text[: found.start() + 1]) and follows[:1] != "\n"):
            continue
        if _LIST_NUMBER.fullmatch(text[: found.start() + 1]):
            continue
        if spans is None:
            spans = names(text)
        if any(start < end < stop for start, stop in spans):
            continue
        if follows[:1] == "\n":
            return end + spaces + len(follows) - len(follows.lstrip("\n"))
        return end + spaces
    return len(text) if ended else None
