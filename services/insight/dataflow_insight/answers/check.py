"""The gate before the asker: a sentence is shown only if all that it says is held by a result, the question or the plan.

It trusts nobody: it reads the text itself, whoever wrote it, and takes a writer's claims only as hints which of several
equal cells was meant.
"""

import re
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.answers.agreement import disagreement
from dataflow_insight.answers.draft import Bound, Draft, Verified
from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.facts import Facts
from dataflow_insight.answers.letters import MASK
from dataflow_insight.answers.mentions import Mentions, Vocabulary, find_mentions
from dataflow_insight.answers.reach import Reach
from dataflow_insight.answers.strangers import stranger
from dataflow_insight.answers.support import Support, Unsupported

_MOST_WORDS: Final = 3
"""Of a description that may stand for its field."""

_LEANS: Final = re.compile(
    r"\s*(?:it|its|this|that|these|those|they|their|both|there(?!\s+(?:is|are|was|were|has|have)\b))\b", re.IGNORECASE
)
"""A sentence that begins so speaks of what the one before it named."""


class SentenceCheck:
    """Checks the sentences of one text, in order.

    Args:
        evidence: What they are held against.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._known = -1
        self._vocabulary = Vocabulary((), (), (), ())
        self._facts: list[Facts] = []
        self._capitals: frozenset[str] = frozenset()
        self._head: Mentions | None = None
        self._before: Mentions | None = None
        self._gap = False
        self._lines = 0
        self.has_substance = False

    def names(self, text: str) -> list[tuple[int, int]]:
        """Returns where known names stand in a text: no sentence ends within one."""
        self._refresh()
        return [(start, end) for start, end, _ in self._vocabulary.names(text)]

    def verify(self, sentence: Draft) -> Verified:
        """Returns the sentence with its bindings, or nothing and why."""
        if not sentence.text.strip():
            return Verified(sentence.text)
        self._refresh()
        try:
            bindings = self._bindings(sentence)
        except Unsupported as problem:
            self._gap = True
            return Verified("", (), clean=False, removed=((sentence.text, str(problem)),))
        return Verified(sentence.text, bindings)

    def _bindings(self, sentence: Draft) -> tuple[Bound, ...]:
        if MASK in sentence.text:
            raise Unsupported("hidden characters")
        zone = self._facts[-1].zone if self._facts else ZoneInfo("UTC")
        found = find_mentions(sentence.text, self._vocabulary, self._evidence.now, zone)
        _refuse_what_is_left(found, self._capitals)
        listed = self._is_listed(sentence.text, found)
        before = self._context(sentence.text, listed=listed)
        reach = Reach(self._facts, found, before, self._evidence, sentence.claims)
        support = Support(reach, self._evidence)
        bindings = support.bindings()
        if (problem := disagreement(reach, self._evidence, denied=support.says_nothing_found)) is not None:
            raise Unsupported(problem)
        if sentence.text.rstrip().endswith(":"):
            self._head, self._lines = found, 0
        elif not listed:
            self._head = None
        self._before, self._gap = found, False
        self.has_substance = self.has_substance or bool(bindings) or support.says_nothing_found
        return bindings

    def _is_listed(self, text: str, found: Mentions) -> bool:
        """Returns whether the sentence is a line of a list below a head; its number must be the next one."""
        line = text.lstrip()[:1] in {"-", "*", "\u2022", "|"} or found.list_number is not None
        if line and found.list_number is not None:
            self._lines += 1
            if found.list_number != self._lines:
                raise Unsupported("a line has the wrong number")
        return line

    def _context(self, text: str, *, listed: bool) -> Mentions | None:
        """Returns the sentence that this one leans on: the head of its list, or the one before a pronoun."""
        if listed and self._head is not None:
            return self._head
        if _LEANS.match(text):
            if self._gap:
                raise Unsupported("the sentence before, which it leans on, was removed")
            return self._before
        return None

    def _refresh(self) -> None:
        """Takes in results that have been computed since."""
        results = self._evidence.results
        if len(results) == self._known:
            return
        self._known = len(results)
        catalogue = self._evidence.catalogue
        self._facts = [
            Facts(item, catalogue.contract_named(item.plan.join.contract) if item.plan.join is not None else None)
            for item in results
        ]
        contracts = self._evidence.catalogue.contracts
        names = {device for contract in contracts for device in contract.devices}
        for facts in self._facts:
            names |= {cell for row in facts.rows for cell in row if isinstance(cell, str)}
            for scope in (facts.plan.scope, facts.plan.compared_with):
                if scope is not None:
                    names |= {*scope.device_ids, *scope.excluded_device_ids}
                    for condition in (*scope.conditions, *facts.plan.holding):
                        names |= set(condition.limit if isinstance(condition.limit, tuple) else ())
        described = {field.description for contract in contracts for field in contract.fields}
        fields = {field.name for contract in contracts for field in contract.fields}
        fields |= {text for text in described if len(text.split()) <= _MOST_WORDS}
        units = {field.unit for contract in contracts for field in contract.fields} | {
            item.plan.unit for item in self._facts
        }
        columns = {column for facts in self._facts for column in facts.computed.table.query.columns}
        zones = {item.plan.time_zone for item in self._facts}
        columns |= {contract.name for contract in contracts} | fields | zones
        self._capitals = frozenset(
            word for text in (*columns, *fields, *zones) for word in re.findall(r"[^\W\d_]+", text.lower())
        )
        self._vocabulary = Vocabulary(names, fields, units, columns)


def _refuse_what_is_left(found: Mentions, known: frozenset[str]) -> None:
    if (problem := stranger(found, known)) is not None:
        raise Unsupported(problem)
