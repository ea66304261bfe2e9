"""Lets an answer through sentence by sentence, as it arrives: each one is shown when it is complete and supported."""

from dataclasses import replace
from typing import Final

from dataflow_insight.answers.check import SentenceCheck
from dataflow_insight.answers.draft import Bound, Claim, Draft, Verified
from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.sentences import first_sentence

MAX_SENTENCE: Final = 4000
"""Most characters of a sentence; a longer one is dropped up to its end, so that an endless one fills no memory."""


class Gate:
    """Takes pieces of a text in order and gives back the sentences that may be shown.

    Feed it what an engine yields and show what it returns; call `close` when the text has ended. A sentence is removed as a
    whole when one number, name, time, unit or direction in it is not supported. Results that were computed before a sentence
    is complete count.

    Args:
        evidence: What sentences are held against.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._check = SentenceCheck(evidence)
        self._text = ""
        self._claims: list[Claim] = []
        self._skipping = False
        self._removed: list[tuple[str, str]] = []
        self._bindings: list[Bound] = []
        self._shown = False

    @property
    def removed(self) -> tuple[tuple[str, str], ...]:
        """Sentences that were removed, each with the reason; for logs, never for the asker."""
        return tuple(self._removed)

    @property
    def bindings(self) -> tuple[Bound, ...]:
        """Everything shown so far that stands on a cell."""
        return tuple(self._bindings)

    @property
    def has_substance(self) -> bool:
        """Whether something was shown that stands on a cell, or that truly says that there is nothing.

        Where it is false at the end and something was removed, the answer is void: another one has to replace it.
        """
        return self._shown

    def feed(self, piece: Draft) -> Verified:
        """Returns what has become complete and may be shown; its text is empty while a sentence is unfinished.

        Args:
            piece: The next piece; its claims count from its own beginning.
        """
        self._claims += [
            replace(claim, start=claim.start + len(self._text), end=claim.end + len(self._text))
            for claim in piece.claims
        ]
        self._text += piece.text
        return self._pass(ended=False)

    def close(self) -> Verified:
        """Returns the rest, when the text has ended; the gate can then take another text."""
        rest = self._pass(ended=True)
        self._skipping = False
        return rest

    def _pass(self, *, ended: bool) -> Verified:
        texts: list[str] = []
        bindings: list[Bound] = []
        removed: list[tuple[str, str]] = []
        while self._text:
            length = first_sentence(self._text, self._check.names, ended=ended)
            if length is None:
                if len(self._text) > MAX_SENTENCE:
                    if not self._skipping:
                        removed.append((self._text[:200], "it does not end"))
                    self._skipping = True
                    self._drop(len(self._text))
                break
            sentence = self._cut(length)
            if self._skipping:
                self._skipping = False
                continue
            verified = self._check.verify(sentence)
            texts.append(verified.text)
            bindings += verified.bindings
            removed += verified.removed
        self._removed += removed
        self._bindings += bindings
        self._shown = self._shown or self._check.has_substance
        return Verified("".join(texts), tuple(bindings), not removed, tuple(removed))

    def _cut(self, length: int) -> Draft:
        """Takes the first sentence off."""
        claims = tuple(claim for claim in self._claims if claim.end <= length)
        sentence = Draft(self._text[:length], claims)
        self._drop(length)
        return sentence

    def _drop(self, length: int) -> None:
        self._text = self._text[length:]
        self._claims = [
            replace(claim, start=claim.start - length, end=claim.end - length)
            for claim in self._claims
            if claim.start >= length
        ]


def passed(draft: Draft, evidence: Evidence) -> Verified:
    """Returns a whole text with every sentence removed that is not supported."""
    gate = Gate(evidence)
    parts = (gate.feed(draft), gate.close())
    return Verified("".join(part.text for part in parts), gate.bindings, not gate.removed, gate.removed)
