"""Yes or no: what a result says to a question that asks for one of them."""

import re
from collections.abc import Callable
from typing import Final

from dataflow_insight.answers.facts import Facts
from dataflow_insight.answers.letters import plain
from dataflow_insight.answers.numbers import find_numbers
from dataflow_insight.answers.words import DOWN_QUESTION, LIMITS, NEGATION, UP_QUESTION
from dataflow_insight.plans.plan import Focus, Measure
from dataflow_insight.queries.query import Role

_OFF: Final = frozenset(["empty", "off", "closed", "vacant", "unoccupied", "inactive", "free"])
_FRAME: Final = re.compile(r"\b(?:than|when|while|with|if|where)\b")
"""What follows says of which readings: "higher when it rained than when it did not" is not negated."""

_UNBROKEN: Final = re.compile(r"\bwithout\s+(?:an?\s+|any\s+)?(?:breaks?|interruptions?|pauses?|gaps?|stopping)\b")
"""Says that a run goes on, and negates nothing."""

_SHORT: Final = 3
_DARK: Final = re.compile(r"\bdark(?:ness)?\b")
_CORRELATED: Final = 0.1
_STRONG: Final = 0.6
_INVERSE: Final = re.compile(r"\b(?:negative(?:ly)?|inverse(?:ly)?|anti-?correlat\w+|opposite(?:ly)?)\b")
_DIRECT: Final = re.compile(r"\bpositive(?:ly)?\b")
_STRONGLY: Final = re.compile(r"\b(?:strong(?:ly)?|close(?:ly)?|tight(?:ly)?|high(?:ly)?)\b")
_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    "=": lambda value, limit: value == limit,
}


def verdict(facts: Facts, question: str) -> bool | None:
    """Returns what a result says to a question; None where it cannot be told without guessing.

    Args:
        facts: The result.
        question: As asked: whether it asks for "higher" or "lower", or gives a limit.
    """
    asked = _UNBROKEN.sub(" ", plain(question).lower())
    if NEGATION.search(_FRAME.split(asked, maxsplit=1)[0]):
        return None
    if facts.compares:
        return _compared(facts, asked)
    if facts.plan.group_by and facts.plan.having is not None and not facts.counts:
        return bool(facts.rows)
    if len(facts.rows) > 1 and not facts.plan.with_where_and_when:
        return None
    value = facts.cell(0, Role.VALUE) if facts.rows else None
    if isinstance(value, bool):
        return value is not bool(_OFF & set(asked.replace("?", " ").split()))
    if isinstance(value, str):
        # "Is press-1 running?" by the latest state; short values are said in words ("from the north").
        return (
            re.search(rf"(?<!\w){re.escape(value.casefold())}(?!\w)", asked) is not None
            if len(value) > _SHORT
            else None
        )
    if facts.counts:
        limited = _against_limit(facts, asked, value)
        return limited if limited is not None else isinstance(value, int | float) and value > 0
    if not isinstance(value, int | float):
        return None
    if facts.plan.measure is Measure.LATEST and _DARK.search(asked):
        return value == 0
    if facts.plan.measure is Measure.CHANGE:
        return _as_planned(facts, asked, value)
    if facts.plan.measure is Measure.CORRELATION:
        return _correlated(asked, value)
    limited = _against_limit(facts, asked, value)
    if limited is not None:
        return limited
    if facts.plan.measure in {Measure.LATEST, Measure.FIRST} and value in {0, 1}:
        return (value == 1) is not bool(_OFF & set(asked.replace("?", " ").split()))
    if facts.plan.measure in {Measure.SUM, Measure.MAX, Measure.SHARE, Measure.MISSING_SHARE}:
        return value > 0
    return None


def _correlated(asked: str, value: float) -> bool:
    """Returns whether a coefficient is of the sign and strength that are asked for; without either, whether there is any."""
    if _INVERSE.search(asked):
        return value <= -_CORRELATED
    if _DIRECT.search(asked):
        return value >= _CORRELATED
    return abs(value) >= (_STRONG if _STRONGLY.search(asked) else _CORRELATED)


def _compared(facts: Facts, asked: str) -> bool | None:
    if len(facts.rows) != 1:
        return None
    difference = facts.cell(0, Role.DIFFERENCE)
    return _as_planned(facts, asked, difference) if isinstance(difference, int | float) else None


def _as_planned(facts: Facts, asked: str, value: float) -> bool | None:
    """Returns whether a difference goes the way that the plan asks for, or else the question: "cleaner" is less of some fields."""
    match facts.plan.focus:
        case Focus.YES_NO:
            return value > 0
        case Focus.NO_YES:
            return value < 0
        case _:
            return _by_direction(asked, value)


def _by_direction(asked: str, value: float) -> bool | None:
    up, down = UP_QUESTION.search(asked), DOWN_QUESTION.search(asked)
    if (up is None) == (down is None):
        return None
    return value > 0 if up is not None else value < 0


def _against_limit(facts: Facts, asked: str, value: object) -> bool | None:
    """Returns whether the value keeps the question's one limit, unless the plan has applied it already."""
    applied = {limit for role in (Role.VALUE, Role.OTHER_VALUE) for _, limit in facts.limits(role)}
    for number in find_numbers(asked):
        if number.ordinal or number.value in applied or not isinstance(value, int | float):
            continue
        for operator, pattern in LIMITS:
            if pattern.search(asked[: number.start]):
                if operator in {"<>", "="} or (facts.plan.unit and facts.plan.unit.lower() not in asked):
                    return None
                return _OPERATORS[operator](value, number.value)
    return None
