"""Joins clauses that passed the gate into sentences: only fixed words between them, and only subjects dropped. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dataflow_insight.answers.draft import Bound
from dataflow_insight.summaries.text import END

_SHORT: Final = 170
"""Most characters of a sentence about two fields."""

_PLAIN_WORD: Final = re.compile(r"[a-z]+(?=[ ,])")


@dataclass(frozen=True, slots=True)
class Passed:
    """A clause that the gate let through.

    Attributes:
        text: Its whole sentence.
        bindings: What of it stands on which cell.
        lead: Characters that are dropped behind another clause.
        link: What joins it to the clause before.
    """

    text: str
    bindings: tuple[Bound, ...]
    lead: int
    link: str


@dataclass(frozen=True, slots=True)
class Composed:
    """Sentences, and what of them stands on which cell."""

    text: str
    bindings: tuple[Bound, ...]


def compose(passages: Sequence[tuple[Sequence[Passed], bool]]) -> Composed:
    """Returns the text: one sentence for each passage, two where both are about fields and short.

    Args:
        passages: The clauses of each that passed, and whether it is about a field; without clauses it is skipped.
    """
    sentences: list[tuple[str, bool]] = []
    bindings: list[Bound] = []
    for clauses, about_field in passages:
        if not clauses:
            continue
        sentence, bound = _joined(clauses)
        bindings += bound
        before, open_ = sentences[-1] if sentences else ("", False)
        # Semicolons within either would hide where the one field ends.
        if open_ and about_field and ";" not in before + sentence and len(before) + len(sentence) <= _SHORT:
            sentences[-1] = (f"{before}; {sentence}", False)
        else:
            sentences.append((sentence, about_field))
    return Composed(" ".join(f"{_capital(sentence)}." for sentence, _ in sentences), tuple(bindings))


def _joined(clauses: Sequence[Passed]) -> tuple[str, list[Bound]]:
    """Returns the clauses as one sentence without its full stop: the first whole, the others without their subject."""
    text, bindings = "", []
    for number, clause in enumerate(clauses):
        piece = clause.text.removesuffix(END)
        piece = clause.link + piece[clause.lead :] if number else piece
        # What stood in a subject that was dropped is not in the text any more.
        bindings += [bound for bound in clause.bindings if bound.text in piece]
        text += piece
    return text, bindings


def _capital(sentence: str) -> str:
    """Returns the sentence with a capital at its start; a name that is no plain word stays as it is, behind "The"."""
    if _PLAIN_WORD.match(sentence):
        return sentence[0].upper() + sentence[1:]
    return f"The {sentence}" if sentence[:1].isalpha() and sentence[0].islower() else sentence
