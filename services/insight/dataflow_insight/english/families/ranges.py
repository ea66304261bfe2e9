"""The family of questions for the highest less the lowest value that name both of them.

They come before comparisons, which would take "the difference between" for one of two groups.
"""

from dataflow_insight.english.families import standard
from dataflow_insight.english.families.standard_measures import DIFFERENCE
from dataflow_insight.english.reading import Reading
from dataflow_insight.plans.plan import Plan


def plan(reading: Reading) -> Plan | tuple[Plan, ...] | None:
    """Returns the plans of a question for a range; None for another.

    Raises:
        Refusal: The parts do not make one query.
    """
    if not any(reading.sheet.find(pattern) for pattern in DIFFERENCE):
        return None
    return standard.plan(reading)
