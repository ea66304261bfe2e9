"""Answers that are single readings: the latest, the first, the highest and lowest with place and time."""

from dataflow_insight.answers.about import about
from dataflow_insight.answers.draft import Draft
from dataflow_insight.answers.shown import shown_name
from dataflow_insight.answers.terms import basic, capitalised
from dataflow_insight.answers.writing import Text, Told
from dataflow_insight.plans.plan import Difference, Focus, Measure
from dataflow_insight.queries.query import Role

_MOST_TIES = 10


def reading(told: Told, lead: str) -> list[Draft]:
    """Writes the latest or first value, or the extreme one.

    Args:
        told: A row for each reading.
        lead: "Yes: " or "No: ", or nothing.
    """
    if told.plan.rank > 1:
        return _several(told, lead)
    text = told.text().say(lead)
    drafts = [_beside(told, text)] if told.plan.other_field else [_one(told, text)]
    if len(told.rows) > 1:
        drafts += _ties(told)
    return drafts


def picked_words(told: Told) -> str:
    """Returns "highest pm25", "latest no2 value", "largest drop of pm25 between neighbouring readings"."""
    plan, name = told.plan, shown_name(told.plan.field)
    low = plan.measure is Measure.MIN
    match plan.difference if plan.measure in {Measure.MIN, Measure.MAX} else Difference.NONE:
        case Difference.NEIGHBOUR:
            return f"largest {'drop' if low else 'rise'} of {name} between neighbouring readings"
        case Difference.NEIGHBOUR_ABSOLUTE:
            return f"{'smallest' if low else 'largest'} change of {name} between neighbouring readings"
        case _:
            return basic(told)


def is_drop(told: Told, row: int) -> bool:
    """Returns whether a row is a fall between neighbours, which is told without its sign."""
    value = told.cell(row, Role.VALUE)
    extreme = told.plan.measure in {Measure.MIN, Measure.MAX} and told.plan.fold is None
    return extreme and told.plan.difference is Difference.NEIGHBOUR and isinstance(value, int | float) and value < 0


def rise_words(told: Told, row: int) -> str:
    """Returns what a difference between neighbours is: an extreme one that goes the other way is said to."""
    value = told.cell(row, Role.VALUE)
    extreme = told.plan.measure in {Measure.MIN, Measure.MAX}
    if told.plan.difference is not Difference.NEIGHBOUR or not extreme or not isinstance(value, int | float):
        return picked_words(told)
    name = f"of {shown_name(told.plan.field)} between neighbouring readings"
    if value == 0:
        return f"{'largest' if told.plan.measure is Measure.MAX else 'lowest'} change {name}"
    if (value < 0) is (told.plan.measure is Measure.MIN):
        return picked_words(told)
    return f"smallest {'drop' if value < 0 else 'rise'} {name}"


def _one(told: Told, text: Text) -> Draft:
    what, words = rise_words(told, 0), about(told, where=not told.has(0, Role.DEVICE))
    drop = is_drop(told, 0)
    device, time = told.has(0, Role.DEVICE), told.has(0, Role.TIME)
    match told.plan.focus:
        case Focus.TIME if time:
            text.cell(0, Role.TIME).say(f": the {what}")
            text = text.say(" at ").cell(0, Role.DEVICE) if device else text
            text.say(", ").value(0, absolute=drop)
        case Focus.DEVICE if device:
            text.cell(0, Role.DEVICE).say(f" had the {what}, ").value(0, absolute=drop)
            text = text.say(", at ").cell(0, Role.TIME) if time else text
        case _:
            text.value(0, absolute=drop).say(f" is the {what}")
            text = text.say(", at ").cell(0, Role.DEVICE) if device else text
            text = text.say(", ").cell(0, Role.TIME) if time else text
    if told.has(0, Role.PREVIOUS) and told.has(0, Role.NEXT):
        text.say(", from ").value(0, Role.PREVIOUS).say(" to ").value(0, Role.NEXT)
    return text.say(aside(words)).draft(".")


def _beside(told: Told, text: Text) -> Draft:
    """Tells the other field of the reading first: it was asked for."""
    plan = told.plan
    other = told.field(plan.other_field, joined=plan.other_joined)
    if told.has(0, Role.OTHER_VALUE):
        text.cell(0, Role.OTHER_VALUE)
        text.say(f" {other.unit}" if other is not None and other.unit else "")
        text.say(f" is the {shown_name(plan.other_field)} beside the {rise_words(told, 0)}, ")
    else:
        text.say(f"There is no {shown_name(plan.other_field)} beside the {rise_words(told, 0)}, ")
    text.value(0, absolute=is_drop(told, 0))
    text = text.say(", at ").cell(0, Role.DEVICE) if told.has(0, Role.DEVICE) else text
    text = text.say(", ").cell(0, Role.TIME) if told.has(0, Role.TIME) else text
    return text.say(aside(about(told, where=not told.has(0, Role.DEVICE)))).draft(".")


def _ties(told: Told) -> list[Draft]:
    head = told.text().say("\nThis value was also measured here:\n")
    drafts = [head.draft()]
    rows = range(1, min(len(told.rows), _MOST_TIES + 1))
    for row in rows:
        text = told.text().say("- ")
        if told.has(row, Role.DEVICE):
            text.cell(row, Role.DEVICE).say(", " if told.has(row, Role.TIME) else "")
        text = text.cell(row, Role.TIME) if told.has(row, Role.TIME) else text
        drafts.append(text.draft("\n"))
    if len(told.rows) > _MOST_TIES + 1:
        drafts.append(Draft("The others are in the table.\n"))
    return drafts


def _several(told: Told, lead: str) -> list[Draft]:
    low = told.plan.measure is Measure.MIN
    name = picked_words(told)
    if told.plan.difference is Difference.NONE:
        name = f"{'lowest' if low else 'highest'} values of {shown_name(told.plan.field)}"
    head = capitalised(f"{name}{about(told, where=not told.has(0, Role.DEVICE))}")
    drafts = [Draft(f"{lead}{head}:\n")]
    for row in range(len(told.rows)):
        text = told.text().say("- ").value(row, absolute=is_drop(told, row))
        text = text.say(", at ").cell(row, Role.DEVICE) if told.has(row, Role.DEVICE) else text
        text = text.say(", ").cell(row, Role.TIME) if told.has(row, Role.TIME) else text
        drafts.append(text.draft("\n"))
    return drafts


def aside(words: str) -> str:
    """Returns words set off from the value before them, or nothing."""
    return f" ({words.strip()})" if words else ""
