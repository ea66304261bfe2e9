"""From the model's streamed words to drafts: whole sentences, cell references turned into values and claims."""

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Final

from dataflow_mesh.logs import fields

from dataflow_insight.answers.draft import Claim, Draft
from dataflow_insight.answers.writing import Told
from dataflow_insight.engines.engine import Asked, Computed
from dataflow_insight.engines.gemini.own_words import OwnWords
from dataflow_insight.engines.gemini.plain import plain
from dataflow_insight.engines.gemini.redaction import Redactor
from dataflow_insight.queries.query import Role

_log = logging.getLogger(__name__)

_REFERENCE: Final = re.compile(r"\{\{\s*(\d{1,4})\s*:\s*(\d{1,6})\s*:\s*(\d{1,4})\s*\}\}")
_BRACES: Final = re.compile(r"\{\{|\}\}")
_END: Final = re.compile(r"[.!?]['\")\]]*(?=\s)|\n")
_LENGTHS: Final = frozenset({Role.VALUE, Role.OTHER_VALUE, Role.DIFFERENCE})


class Writer:
    """Takes the model's words in pieces and gives drafts of whole sentences.

    Args:
        asked: The question, whose numbers and names the model may repeat.
        results: What was computed, by number; may grow while words come.
        redactor: Knows which device an alias means.

    Attributes:
        references: Cells that were put in.
    """

    def __init__(self, asked: Asked, results: Mapping[int, Computed], redactor: Redactor) -> None:
        self.references = 0
        self._asked = asked
        self._results = results
        self._redactor = redactor
        self._own_words = OwnWords(asked, results)
        self._text = ""
        self._begun = False

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
        drafts = []
        for sentence in sentences:
            words = self._redactor.inward(plain(sentence))
            draft = self._draft(words if self._begun else words.lstrip())
            if draft is None:
                # It refers to a cell that is not there, or holds a number or name of the model's own.
                _log.info("a sentence of the model was dropped", extra=fields("sentence_dropped"))
            else:
                self.references += len(draft.claims)
                self._begun = self._begun or bool(draft.text)
                drafts.append(draft)
        return drafts

    def _draft(self, text: str) -> Draft | None:
        if _BRACES.search(_REFERENCE.sub("", text)) or not self._own_words.allow(_REFERENCE.split(text)[::4]):
            return None
        pieces: list[str] = []
        claims: list[Claim] = []
        length = position = 0
        for found in _REFERENCE.finditer(text):
            result, row, column = (int(part) for part in found.groups())
            cell = self._cell(result, row, column, quoted=text[: found.start()].endswith('"'))
            if cell is None:
                return None
            pieces += [text[position : found.start()], cell.text]
            start = length + len(pieces[-2])
            claims += [Claim(start + claim.start, start + claim.end, row, column, result) for claim in cell.claims]
            length = start + len(cell.text)
            position = found.end()
        return Draft("".join([*pieces, text[position:]]), tuple(claims))

    def _cell(self, result: int, row: int, column: int, *, quoted: bool) -> Draft | None:
        """Returns a cell as every answer shows it, odd names in quotes; `None` where there is none or it is empty."""
        computed = self._results.get(result)
        if computed is None or row >= len(computed.table.rows) or column >= len(computed.table.query.roles):
            return None
        role = computed.table.query.roles[column]
        value = computed.table.rows[row][column]
        # A column is shown by its role; a second one of the same role has no words of its own.
        if value is None or computed.table.query.column(role) != column:
            return None
        join = computed.plan.join
        joined = self._asked.catalogue.contract_named(join.contract) if join is not None else None
        told = Told(computed, self._asked.question, joined)
        text = told.text()
        if role is Role.SECONDS:
            text.length(row)
        elif told.is_length and role in _LENGTHS:
            text.value(row, role)
        else:
            text.cell(row, role)
        draft = text.draft()
        if quoted and draft.text.startswith('"') and draft.claims:
            (claim,) = draft.claims
            return Draft(draft.text[claim.start : claim.end], (Claim(0, claim.end - claim.start, row, column, result),))
        return draft
