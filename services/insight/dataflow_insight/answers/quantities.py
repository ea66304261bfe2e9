"""Whether a number of a sentence is the one of a cell: rounding, sign, unit, length of time."""

import re
from typing import Final

from dataflow_insight.answers.facts import Facts
from dataflow_insight.answers.mentions import Figure
from dataflow_insight.answers.words import NOUNS, PLACES
from dataflow_insight.catalogue.units import conversion, unit_named
from dataflow_insight.plans.plan import Difference, Grouping, Measure
from dataflow_insight.queries.query import Role

_MAX_DIGITS: Final = 40
_COARSE: Final = 0.05
"""A rounded number may differ by so much of the value: "0" is not 0.4, and "1" not 0.6."""

_EPSILON: Final = 1e-9
_NOUN: Final = re.compile(r"\s+(?P<noun>[a-z]{3,})(?!\w)")
_NO_NOUNS: Final = frozenset(
    ("was", "were", "are", "has", "had", "have", "and", "but", "for", "with", "from", "the", "than", "per", "which", "while",
     "against", "over", "under", "below", "above", "higher", "lower", "more", "less", "fewer", "then", "when", "that")
)  # fmt: skip
_SIGNED: Final = frozenset({Role.DIFFERENCE, Role.PERCENT})
_SUPPORTS: Final = frozenset({Role.SUPPORT, Role.OTHER_SUPPORT})
PERCENT_WORDS: Final = frozenset({"%", "percent", "per cent", "percentage points", "pct"})
"""How per cent is written."""

_CALENDAR: Final = {"d": Grouping.DAY, "h": Grouping.HOUR, "w": Grouping.WEEK, "month": Grouping.MONTH}


def matches(figure: Figure, facts: Facts, row: int, column: int, *, unsigned: bool) -> tuple[bool, int | None]:
    """Returns whether a figure says a cell, and to how many digits it was rounded; None for not at all.

    Args:
        figure: The number.
        facts: The result.
        row: The cell's row.
        column: The cell's column.
        unsigned: The sentence says in words which way a difference goes.
    """
    cell, role = facts.rows[row][column], facts.roles[column]
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        return False, None
    if figure.seconds is not None and is_length(facts, role):
        unit = "s" if role is Role.SECONDS else facts.plan.unit or "s"
        into = conversion(unit, "s")
        if into is None:
            return False, None
        return abs(into.of(cell) - figure.seconds[0]) <= 0.5 * figure.seconds[1] * (1 + _EPSILON), None
    value = figure.number.value
    wanted = [float(cell)]
    if unsigned and cell < 0 and (role in _SIGNED or (role is Role.VALUE and tells_change(facts))):
        wanted.append(-float(cell))
    for exact in wanted:
        if value == exact:
            return True, None
        if isinstance(cell, int) or figure.number.digits is None or figure.number.digits > _MAX_DIGITS:
            continue
        near = abs(value - exact) <= 0.5 * figure.number.step * (1 + _EPSILON)
        if near and abs(value - exact) <= _COARSE * abs(exact):
            return True, figure.number.digits
    return False, None


def tells_change(facts: Facts) -> bool:
    """Returns whether the value itself is a difference that has a sign."""
    return facts.plan.measure is Measure.CHANGE or facts.plan.difference is Difference.NEIGHBOUR


def is_length(facts: Facts, role: Role) -> bool:
    """Returns whether a column holds a length of time."""
    fold = facts.plan.fold
    if fold is not None and fold.measure in {Measure.COUNT, Measure.SHARE}:
        return False
    return role is Role.SECONDS or (
        facts.plan.measure is Measure.GAP and role in {Role.VALUE, Role.OTHER_VALUE, Role.DIFFERENCE}
    )


def unit_fits(figure: Figure, facts: Facts, role: Role, text: str, question: str, *, limit: bool = False) -> bool:
    """Returns whether the unit or noun behind a figure can be said of a column.

    Args:
        figure: The number.
        facts: The result.
        role: Of the column.
        text: The sentence.
        question: As asked: "how many hours" lets readings be called hours.
        limit: The figure is a limit; any unit of the plan's fields will do.
    """
    unit = figure.unit.lower()
    if limit:
        return not unit or figure.seconds is not None or any(_same(figure.unit, own) for own in _plan_units(facts))
    if is_length(facts, role):
        return figure.seconds is not None
    if role is Role.PERCENT or (role is not Role.GROUP and _is_share(facts, role)):
        return unit in PERCENT_WORDS
    if role is Role.RATIO:
        return unit in {"", "times"}
    if role in {*_SUPPORTS, Role.DEVICES} or (facts.counts and role in {Role.VALUE, Role.OTHER_VALUE, Role.DIFFERENCE}):
        return _counts(figure, facts, role, text, question)
    if not unit:
        return True
    if facts.plan.measure is Measure.CORRELATION or role is Role.GROUP:
        return False
    return _same(figure.unit, unit_of(facts, role))


def unit_of(facts: Facts, role: Role) -> str:
    """Returns the unit of a column of values; empty where none is known."""
    plan = facts.plan
    if role is Role.OTHER_VALUE and plan.compared_with is None:
        item = facts.field_named(plan.other_field)
        return item.unit if item is not None else ""
    item = facts.field_named(plan.field)
    return plan.unit or (item.unit if item is not None else "")


def _plan_units(facts: Facts) -> set[str]:
    names = {
        facts.plan.field,
        *(item.field for role in (Role.VALUE, Role.OTHER_VALUE) for item in facts.conditions(role)),
    }
    units = {item.unit for name in names if (item := facts.field_named(name)) is not None}
    return units | {facts.plan.unit, "%" if facts.plan.measure in {Measure.SHARE, Measure.MISSING_SHARE} else ""}


def _is_share(facts: Facts, role: Role) -> bool:
    fold = facts.plan.fold
    if fold is not None and fold.measure is Measure.SHARE:
        return role in {Role.VALUE, Role.OTHER_VALUE, Role.DIFFERENCE}
    share = facts.plan.measure in {Measure.SHARE, Measure.MISSING_SHARE} and not facts.counts
    return share and role in {Role.VALUE, Role.OTHER_VALUE, Role.DIFFERENCE}


def _counts(figure: Figure, facts: Facts, role: Role, text: str, question: str) -> bool:
    """Returns whether a count may be said to be of what is named behind it."""
    plan, fold = facts.plan, facts.plan.fold
    each = set(fold.each) if fold is not None and fold.measure is Measure.COUNT else set()
    noun = figure.unit.lower()
    if figure.seconds is not None:
        if role in _SUPPORTS and plan.fold is not None:
            return _CALENDAR.get(text[figure.number.end : figure.end].strip().lower()[:1]) in plan.fold.each
        word = text[figure.number.end : figure.end].strip().lower()
        group = _CALENDAR.get(word[:1])
        if text[figure.end :].startswith((" of the week", " of the day")):
            group = Grouping.WEEKDAY if word[:1] == "d" else Grouping.HOUR_OF_DAY
        return (group in each or f"{word.rstrip('s')}" in question.lower()) and role not in _SUPPORTS | {Role.DEVICES}
    of_devices = (
        role is Role.DEVICES or Grouping.DEVICE in each or (plan.measure is Measure.DISTINCT and not plan.field)
    )
    if role in _SUPPORTS:
        folded = plan.fold is not None and Grouping.DEVICE in plan.fold.each
        if noun.rstrip("s") == "month":
            return plan.fold is not None and Grouping.MONTH in plan.fold.each
        if not noun:
            # "24" alone would be taken for the value; "24 restarts" is not.
            behind = _NOUN.match(text, figure.end)
            return behind is not None and behind["noun"] not in _NO_NOUNS
        return noun in {"pair", "pairs", *NOUNS} or (folded and noun in PLACES)
    if noun in PLACES:
        return of_devices
    if noun in NOUNS:
        return not of_devices and not each
    if noun.rstrip("s") == "month":
        return Grouping.MONTH in each
    return noun in {"", "times", "pairs"}


def _same(said: str, own: str) -> bool:
    if not own:
        return False
    if said.strip().lower() in {"\u00b0", "degree", "degrees"} and own.strip() not in {"\u00b0", "deg", "degrees"}:
        return own.strip()[-1:].upper() in {"C", "F", "K"}
    if said == own:
        return True
    first, second = unit_named(said), unit_named(own)
    return first is not None and first is second
