"""What a family is."""

from collections.abc import Callable

from dataflow_insight.english.reading import Reading
from dataflow_insight.plans.plan import Plan

Family = Callable[[Reading], Plan | tuple[Plan, ...] | None]
"""Makes the plans of one kind of question; None: not of this kind."""
