"""Takes the little markup off that a model writes by habit; what else a text must not hold, verification judges."""

import re
from typing import Final

_MARKUP: Final = re.compile(r"\*\*+|__+|(?m:^[ \t]*(?:#{1,6}|[*+\u2022-])[ \t]+)")


def plain(text: str) -> str:
    """Returns the text without emphasis, headings and list marks."""
    return _MARKUP.sub("", text)
