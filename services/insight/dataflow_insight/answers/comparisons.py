"""Answers that set two groups of readings against each other: both values, the difference, the percentage."""

from dataflow_insight.answers.about import about, sides
from dataflow_insight.answers.draft import Draft
from dataflow_insight.answers.groups import MOST_LINES, keys, rest
from dataflow_insight.answers.terms import capitalised, counted, grouping_words, quantity
from dataflow_insight.answers.writing import Text, Told
from dataflow_insight.plans.plan import Focus, Grouping
from dataflow_insight.queries.query import Role


def compared(told: Told, lead: str) -> list[Draft]:
    """Writes a comparison.

    Args:
        told: One row, or one for each group.
        lead: "Yes: " or "No: ", or nothing.
    """
    plan = told.plan
    first, other = sides(told)
    if not plan.group_by:
        return [_sentence(told, lead, first, other)]
    words = about(told, where=Grouping.DEVICE not in plan.group_by)
    head = f"{capitalised(quantity(told))} {first} against {other}, by {grouping_words(told)}{words}"
    drafts = [Draft(f"{lead}{head}:\n")]
    for row in range(min(len(told.rows), MOST_LINES)):
        text = keys(told, told.text().say("- "), row).say(": ")
        if told.has(row, Role.DIFFERENCE):
            _gap(told, text, row)
            text.say(", ").value(row).say(" against ").value(row, Role.OTHER_VALUE)
        else:
            for role in (Role.VALUE, Role.OTHER_VALUE):
                text.say(" against " if role is Role.OTHER_VALUE else "")
                text = text.value(row, role) if told.has(row, role) else text.say("nothing stored")
        drafts.append(text.draft("\n"))
    return drafts + rest(told)


def _sentence(told: Told, lead: str, first: str, other: str) -> Draft:
    name = f"{quantity(told)}{about(told)}"
    text = told.text().say(lead)
    if not told.has(0, Role.DIFFERENCE):
        text.say(f"There is nothing to compare the {name} with: ")
        _half(told, text, 0, first, other)
        return text.draft(".")
    match told.plan.focus:
        case Focus.VALUE:
            _side(told, text, Role.VALUE).say(f" {first} and ")
            _side(told, text, Role.OTHER_VALUE).say(f" {other}: the {name} {first} is ")
            _gap(told, text, 0)
            return text.draft(".")
        case Focus.RATIO if told.has(0, Role.RATIO):
            text.cell(0, Role.RATIO).say(f" times as much {first} as {other}: the {name} is ")
        case Focus.PERCENT if told.has(0, Role.PERCENT) and told.cell(0, Role.DIFFERENCE) != 0:
            text.cell(0, Role.PERCENT, absolute=True).say(f" % {_way(told, 0)} {first} than {other}: the {name} is ")
        case _:
            _gap(told, text, 0)
            text.say(f" {first} {'than' if told.cell(0, Role.DIFFERENCE) != 0 else 'and'} {other}: the {name} is ")
    _side(told, text, Role.VALUE).say(f" {first} against ")
    _side(told, text, Role.OTHER_VALUE).say(f" {other}")
    return text.draft(".")


def _side(told: Told, text: Text, role: Role) -> Text:
    if told.counts and (told.plan.fold is None or told.plan.fold.measure.name == "COUNT"):
        return text.count(0, role, *counted(told))
    return text.value(0, role)


def _way(told: Told, row: int) -> str:
    difference = told.cell(row, Role.DIFFERENCE)
    assert isinstance(difference, int | float)
    if told.is_length:
        return "longer" if difference > 0 else "shorter"
    return "higher" if difference > 0 else "lower"


def _gap(told: Told, text: Text, row: int) -> None:
    """Appends "6.37 µg/m³ (6.06 %) lower", or that both are the same."""
    if told.cell(row, Role.DIFFERENCE) == 0:
        text.say("the same")
        return
    text.value(row, Role.DIFFERENCE, absolute=True)
    if told.has(row, Role.PERCENT):
        text.say(" (").cell(row, Role.PERCENT, absolute=True).say(" %)")
    text.say(f" {_way(told, row)}")


def _half(told: Told, text: Text, row: int, first: str, other: str) -> None:
    """Appends the one side that has a value, and that the other has none."""
    for role, words, against in ((Role.VALUE, first, other), (Role.OTHER_VALUE, other, first)):
        if told.has(row, role):
            text.value(row, role).say(f" {words}, nothing stored {against}")
            return
    text.say(f"nothing stored {first} or {other}")
