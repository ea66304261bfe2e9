"""The gate of the local engine's own sentences: each value that they put in is held against its cell."""

from dataflow_insight.answers.draft import Bound, Draft, Verified
from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.phrase import span_words
from dataflow_insight.answers.verify import verify
from dataflow_insight.plans.plan import Plan
from dataflow_insight.queries.table import iso


class LocalGate:
    """Shows pieces as they come, with what no cell supports hidden.

    Args:
        evidence: What they are held against.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._bindings: list[Bound] = []
        self._removed: list[tuple[str, str]] = []

    @property
    def removed(self) -> tuple[tuple[str, str], ...]:
        """Pieces in which something was hidden."""
        return tuple(self._removed)

    @property
    def bindings(self) -> tuple[Bound, ...]:
        """Everything shown that stands on a cell."""
        return tuple(self._bindings)

    @property
    def has_substance(self) -> bool:
        """Whether something was shown that stands on a cell."""
        return bool(self._bindings)

    def feed(self, piece: Draft) -> Verified:
        """Returns a piece as it may be shown."""
        if not self._evidence.results:
            self._removed.append((piece.text, "nothing was computed"))
            return Verified("", clean=False)
        computed = self._evidence.results[-1]
        allowed = [self._evidence.question, *_plan_texts(computed.plan)]
        verified = verify(piece, computed.table, allowed, computed.contract.devices)
        self._bindings += verified.bindings
        if not verified.clean:
            self._removed.append((piece.text, "no cell holds it"))
        return verified

    def close(self) -> Verified:
        """Returns nothing: no piece is held back."""
        return Verified("")


def _plan_texts(plan: Plan) -> list[str]:
    """Returns the plan's own words, which a text may repeat."""
    limits = [f"{item.limit:g}" for item in plan.scope.conditions if isinstance(item.limit, int | float)]
    span = plan.scope.hull
    times = [iso(moment) for moment in (span.start, span.end) if moment is not None]
    return [*plan.scope.device_ids, *limits, *times, span_words(plan), plan.field, plan.contract]
