"""The question as it is being read: what has been understood is covered, what is still visible has not been.

Covered text keeps its length, so that positions stay those of the question. Fields, devices and moments leave a mark
that later patterns can refer to; everything else leaves a blank that no pattern matches.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

BLANK: Final = "\uf8ff"
"""Covers a character that was understood. From the private use area: neither a letter, a digit nor a space."""

MOMENT_BASE: Final = 0xE000
FIELD_BASE: Final = 0xE100
DEVICE_BASE: Final = 0xE200
RECURRING_BASE: Final = 0xE300
TEXT_BASE: Final = 0xE400
_MARKS_PER_KIND: Final = 0x100

MOMENT: Final = "([\ue000-\ue0ff])\uf8ff*"
"""Pattern of a covered time expression; the group is its mark."""

FIELD: Final = "([\ue100-\ue1ff])\uf8ff*"
"""Pattern of a covered field."""

DEVICE: Final = "([\ue200-\ue2ff])\uf8ff*"
"""Pattern of a covered device."""

RECURRING: Final = "([\ue300-\ue3ff])\uf8ff*"
"""Pattern of a covered part of every day ("in the mornings") or days of every week ("on Mondays")."""

TEXT: Final = "([\ue400-\ue4ff])\uf8ff*"
"""Pattern of a covered value of a text field."""

_QUOTES: Final = "\u2018\u2019\u201b\u02bc\u0060\u00b4"
_DOUBLE_QUOTES: Final = "\u201c\u201d\u201e\u00ab\u00bb"
_DASHES: Final = "\u2014\u2013\u2012\u2212\u2010\u2011"
_SPELLINGS: Final = str.maketrans(
    dict.fromkeys(_QUOTES, "'") | dict.fromkeys(_DOUBLE_QUOTES, '"') | dict.fromkeys(_DASHES, "-")
)
_PRIVATE: Final = re.compile("[\ue000-\uf8ff\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def normalised(question: str) -> str:
    """Returns the question with one spelling of quotes, dashes, spaces and compatibility letters ("PM₂.₅")."""
    # Before NFKC, which would spell an accent as a space and a combining mark.
    plain = unicodedata.normalize("NFKC", question.translate(_SPELLINGS)).translate(_SPELLINGS)
    return " ".join(_PRIVATE.sub(" ", plain).replace(" @ ", " at ").split())


@dataclass(frozen=True, slots=True)
class Word:
    """A run of letters and digits that is still visible.

    Attributes:
        text: In lower case.
        start: Where it begins.
        end: Where it ends, exclusive.
    """

    text: str
    start: int
    end: int


class Sheet:
    """A question, partly covered.

    Attributes:
        case: The question as written, normalised.
        low: The same in lower case, same length.
    """

    def __init__(self, question: str) -> None:
        self.case = normalised(question)
        # One by one: some letters grow when lowered ("İ"), and positions must not move.
        self.low = "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in self.case)
        self._visible = self.low

    @property
    def visible(self) -> str:
        """The question with what was understood covered."""
        return self._visible

    def find(self, pattern: str) -> re.Match[str] | None:
        """Returns the first visible match."""
        return _compiled(pattern).search(self._visible)

    def take(self, pattern: str, group: int | str = 0) -> re.Match[str] | None:
        """Covers the first visible match (or one group of it) and returns it."""
        found = self.find(pattern)
        if found is not None:
            self.cover(found.start(group), found.end(group))
        return found

    def take_all(self, pattern: str) -> list[re.Match[str]]:
        """Covers all visible matches and returns them."""
        found = []
        while (match := self.take(pattern)) is not None:
            found.append(match)
        return found

    def cover(self, start: int, end: int, mark: str = BLANK) -> None:
        """Covers a span; a mark other than the blank stands in its first place. Marks inside stay only if blanked."""
        if end > start:
            self._visible = self._visible[:start] + mark + BLANK * (end - start - 1) + self._visible[end:]

    def show(self, start: int, end: int) -> None:
        """Uncovers a span: what stands there was not understood after all."""
        self._visible = self._visible[:start] + self.low[start:end] + self._visible[end:]

    def words(self) -> list[Word]:
        """Returns the visible words in order."""
        return [Word(found.group(), found.start(), found.end()) for found in re.finditer(r"[^\W_]+", self._visible)]

    def before(self, position: int, length: int = 40) -> str:
        """Returns the text, covered or not, that stands before a position."""
        return self.low[max(0, position - length) : position]

    def after(self, position: int, length: int = 40) -> str:
        """Returns the text, covered or not, that stands after a position."""
        return self.low[position : position + length]


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Keeps more patterns than `re` does (512): a question is held against more of them, and compiling is most of the time."""
    return re.compile(pattern)


def mark_of(base: int, index: int) -> str:
    """Returns the mark of the n-th thing of a kind; more than 256 of one kind share the last."""
    return chr(base + min(index, _MARKS_PER_KIND - 1))


def index_of(base: int, mark: str) -> int:
    """Returns what `mark_of` was given."""
    return ord(mark) - base
