"""Lets the text of a summary through the same gate as answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dataflow.insight.v1 import ask_service_pb2

from dataflow_insight.answers.draft import Verified
from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.gate import Gate
from dataflow_insight.catalogue.catalogue import Catalogue
from dataflow_insight.summaries.facts import Facts
from dataflow_insight.summaries.text import Written


@dataclass(frozen=True, slots=True)
class Gated:
    """What may be shown.

    Attributes:
        text: Whole sentences.
        bindings: What of it stands on which cell.
        removed: Sentences that were taken out, and why; a defect of the writer, for logs and tests.
    """

    text: str
    bindings: tuple[ask_service_pb2.Binding, ...]
    removed: tuple[tuple[str, str], ...]


def gated(facts: Facts, sentences: Sequence[Written], now: datetime) -> Gated:
    """Returns the text as it may be shown.

    Args:
        facts: What was computed.
        sentences: The text.
        now: The present, UTC.
    """
    scope = facts.scope
    # Devices and fields of other contracts are words like any other here.
    catalogue = Catalogue((scope.contract,))
    question = f"Summarise {scope.contract.name} {scope.period.words}."
    pieces: list[Verified] = []
    for written in sentences:
        # Only the results that a sentence stands on may support it: that is stricter than all results together.
        results = [item for item in facts.results if item.index in written.results]
        gate = Gate(Evidence(question, catalogue, now, results))
        pieces += [gate.feed(written.draft), gate.close()]
    bindings = tuple(
        ask_service_pb2.Binding(
            text=bound.text, row=bound.row, column=bound.column, rounded_to_digits=bound.digits, result=bound.result
        )
        for piece in pieces
        for bound in piece.bindings
    )
    removed = tuple(item for piece in pieces for item in piece.removed)
    return Gated("".join(piece.text for piece in pieces).strip(), bindings, removed)
