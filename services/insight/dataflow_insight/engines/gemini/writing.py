"""From the model's streamed words to drafts: complete lines made plain, cell references turned into values and claims."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from dataflow_insight.answers.draft import Claim, Draft
from dataflow_insight.answers.shown import shown_value
from dataflow_insight.engines.engine import Computed
from dataflow_insight.engines.gemini.plain import plain
from dataflow_insight.engines.gemini.redaction import Redactor
from dataflow_insight.plans.plan import Measure
from dataflow_insight.queries.query import Role

_REFERENCE: Final = re.compile(r"\{\{\s*(\d{1,4})\s*:\s*(\d{1,6})\s*:\s*(\d{1,4})\s*\}\}")
_BRACES: Final = re.compile(r"\{\{|\}\}")
_END: Final = re.compile(r"[.!?]['\")\]]*(?=\s)|\n")
_EXACT: Final = frozenset({Measure.MIN, Measure.MAX, Measure.LATEST, Measure.FIRST, Measure.MODE})
_ROUNDED: Final = frozenset({Role.DIFFERENCE, Role.PERCENT, Role.RATIO})
_VALUES: Final = frozenset({Role.VALUE, Role.OTHER_VALUE})


class Writer:
    """Takes the model's words in pieces and gives drafts of whole sentences.

    Args:
        results: What was computed, by number; may grow while words come.
        redactor: Knows which device an alias means.

    Attributes:
        references: Cells that were put in.
        dropped: Sentences that refer to a cell that is not there.
    """

    def __init__(self, results: Mapping[int, Computed], redactor: Redactor) -> None:
        self.references = 0
        self.dropped = 0
        self._results = results
        self._redactor = redactor
        self._text = ""

    def feed(self, text: str) -> list[Draft]:
        """Returns the sentences that have become complete."""
        self._text += text
        ends = [found.end() for found in _END.finditer(self._text)]
        if not ends:
            return []
        whole, self._text = self._text[: ends[-1]], self._text[ends[-1] :]
        return self._drafts(whole[start:end] for start, end in zip([0, *ends], ends, strict=False))

    def close(self) -> list[Draft]:
        """Returns the rest."""
        rest, self._text = self._text.rstrip(), ""
        return self._drafts([f"{rest}\n"]) if rest else []

    def _drafts(self, sentences: Iterable[str]) -> list[Draft]:
        return [draft for sentence in sentences if (draft := self._draft(sentence)) is not None]

    def _draft(self, sentence: str) -> Draft | None:
        text = self._redactor.inward(plain(sentence))
        pieces: list[str] = []
        claims: list[Claim] = []
        length = position = 0
        for found in _REFERENCE.finditer(text):
            result, row, column = (int(part) for part in found.groups())
            shown = self._cell(result, row, column)
            if shown is None:
                self.dropped += 1
                return None
            before = text[position : found.start()]
            start = length + len(before)
            claims.append(Claim(start, start + len(shown), row, column, result))
            pieces += [before, shown]
            length = start + len(shown)
            position = found.end()
        pieces.append(text[position:])
        if _BRACES.search(_REFERENCE.sub("", text)):
            self.dropped += 1
            return None
        self.references += len(claims)
        return Draft("".join(pieces), tuple(claims))

    def _cell(self, result: int, row: int, column: int) -> str | None:
        computed = self._results.get(result)
        if computed is None or row >= len(computed.table.rows) or column >= len(computed.table.query.roles):
            return None
        role = computed.table.query.roles[column]
        rounded = role in _ROUNDED or (role in _VALUES and computed.plan.measure not in _EXACT)
        return shown_value(computed.table.rows[row][column], rounded=rounded)
