"""Kinds of questions, the most special first: each claims those that it knows by their words and makes their plans.

Each module has `plan(reading)`, which returns None for a question that is not its own, without having covered anything,
and otherwise covers the words that it understands and returns one plan or several. The last family claims all that is left.
"""

from typing import Final

from dataflow_insight.english.families import (
    beside,
    changes,
    correlations,
    gaps,
    present,
    ranges,
    shares,
    standard,
    streaks,
    versus,
)
from dataflow_insight.english.family import Family

FAMILIES: Final[tuple[Family, ...]] = (
    ranges.plan,
    versus.plan,
    beside.plan,
    gaps.plan,
    changes.plan,
    streaks.plan,
    correlations.plan,
    shares.plan,
    present.plan,
    standard.plan,
)
"""In the order in which they are asked."""
