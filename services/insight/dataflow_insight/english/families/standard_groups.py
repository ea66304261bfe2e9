"""How an answer is broken down: for each what, chosen from what, how many of what."""

from dataclasses import dataclass, field
from typing import Final

from dataflow_insight.plans.plan import Grouping

YES_NO: Final = r"(?:and\s+|so\s+)?(?:did|was|were|is|are|has|have|does|do)\b"
"""Pattern of the beginning of a question for yes or no."""


@dataclass(slots=True)
class Groups:
    """How an answer is broken down.

    Attributes:
        per: One row for each of these, in the order of the question.
        which: What is chosen from, where the question asks "which …".
        also: What is chosen from besides ("which day and which station").
        counted: What is counted, where the question asks "how many …".
        each: Finer groups of which something is computed again ("daily").
        each_open: "Hourly" over a long time, which may be each single hour or each hour of the day.
        each_at: Where that word stands; -1 for nowhere.
        value_field: The field whose values are groups; empty for none.
        some: Whether there is any such group is asked.
        rank: How many of them are wanted ("top three"), 0 where the question does not say.
        place: Which of them is wanted ("second highest"), 0 where the question does not say.
        upward: Whether the highest come first; None where the question has not said so beside the number.
        bare_hour: The question says "which hour" and not of what.
        hour_asked: The hour of the highest or lowest reading is asked for ("the worst hour").
        plural: Several are asked for ("which days").
        profile: Asked for as a profile or a course, so that an average goes without saying.
        assumptions: What was decided about words.
    """

    per: list[Grouping] = field(default_factory=list)
    which: Grouping | None = None
    also: Grouping | None = None
    counted: Grouping | None = None
    each: Grouping | None = None
    each_open: bool = False
    each_at: int = -1
    value_field: str = ""
    some: bool = False
    rank: int = 0
    place: int = 0
    upward: bool | None = None
    bare_hour: bool = False
    hour_asked: bool = False
    plural: bool = False
    profile: bool = False
    assumptions: list[str] = field(default_factory=list)
