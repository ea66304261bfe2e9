"""Conditions on single readings, as a question states them."""

from dataclasses import dataclass

from dataflow_insight.english.names import Mention
from dataflow_insight.plans.plan import Condition


class ConditionError(Exception):
    """A condition cannot be computed; the text says why, without digits."""


@dataclass(frozen=True, slots=True)
class Found:
    """A condition and where its field was named.

    Attributes:
        condition: For the plan.
        mention: The field's mention; None where the words themselves imply the field ("warmer than", "occupied").
        start: Where the condition stands.
        end: Where it ends.
    """

    condition: Condition
    mention: Mention | None
    start: int
    end: int = 0
