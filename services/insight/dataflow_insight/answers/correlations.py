"""Whether a correlation is called as strong, and of the sign, that its coefficient has."""

from dataflow_insight.answers.reach import Reach
from dataflow_insight.answers.words import SIGN, STRENGTH, strength
from dataflow_insight.plans.plan import Measure
from dataflow_insight.queries.query import Role


def correlation_problem(reach: Reach) -> str | None:
    """Returns the word that no coefficient bears out; None where all are."""
    facts, found = reach.facts, reach.found
    for pattern in (STRENGTH, SIGN):
        for match in pattern.finditer(found.rest):
            word = match["word"].lower()
            cells = [
                cell
                for item in facts
                if item.plan.measure is Measure.CORRELATION
                for row in reach.rows(item, reach.keys_at(match.start()), Role.VALUE)
                if isinstance(cell := item.cell(row, Role.VALUE), int | float)
            ]
            if not cells:
                # "Strong wind": not about a coefficient.
                if any(item.plan.measure is Measure.CORRELATION for item in facts):
                    return f"{word!r} of no coefficient"
                continue
            if pattern is SIGN:
                fits = all((cell > 0) is (word == "positive") for cell in cells)
            else:
                called = "no" if word == "negligible" or word.startswith("practically") else word
                fits = all(strength(cell) == called for cell in cells)
            if not fits:
                return f"{word!r} is not borne out"
    return None
