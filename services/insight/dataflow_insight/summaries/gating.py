"""Lets the clauses of a summary through the same gate as answers, one by one, and joins those that pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dataflow.insight.v1 import ask_service_pb2

from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.gate import passed
from dataflow_insight.catalogue.catalogue import Catalogue
from dataflow_insight.summaries.compose import Passed, compose
from dataflow_insight.summaries.facts import Facts
from dataflow_insight.summaries.text import Passage, Written


@dataclass(frozen=True, slots=True)
class Gated:
    """What may be shown.

    Attributes:
        text: Whole sentences.
        bindings: What of it stands on which cell.
        removed: Clauses that were taken out, and why; a defect of the writer, for logs and tests.
    """

    text: str
    bindings: tuple[ask_service_pb2.Binding, ...]
    removed: tuple[tuple[str, str], ...]


def gated(facts: Facts, passages: Sequence[Passage], now: datetime) -> Gated:
    """Returns the text as it may be shown.

    Args:
        facts: What was computed.
        passages: The text, clause by clause.
        now: The present, UTC.
    """
    scope = facts.scope
    # Devices and fields of other contracts are words like any other here.
    catalogue = Catalogue((scope.contract,))
    question = f"Summarise {scope.contract.name} {scope.period.words}."
    removed: list[tuple[str, str]] = []

    def through(written: Written) -> Passed | None:
        # Only the results that a clause stands on may support it: that is stricter than all results together.
        results = [item for item in facts.results if item.index in written.results]
        verified = passed(written.draft, Evidence(question, catalogue, now, results))
        if verified.text == written.draft.text:
            return Passed(verified.text, verified.bindings, written.lead, written.link)
        # Half a clause is none, even where the gate took it for two sentences and let one of them through.
        removed.extend(verified.removed or ((written.draft.text, "a part of it is missing"),))
        return None

    composed = compose(
        [
            ([found for written in passage.clauses if (found := through(written)) is not None], passage.about_field)
            for passage in passages
        ]
    )
    bindings = tuple(
        ask_service_pb2.Binding(
            text=bound.text, row=bound.row, column=bound.column, rounded_to_digits=bound.digits, result=bound.result
        )
        for bound in composed.bindings
    )
    return Gated(composed.text, bindings, tuple(removed))
