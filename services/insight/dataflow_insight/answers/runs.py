"""Answers about the longest run of readings and the longest gap between them."""

from dataflow_insight.answers.about import about
from dataflow_insight.answers.draft import Draft
from dataflow_insight.answers.terms import basic
from dataflow_insight.answers.writing import Text, Told
from dataflow_insight.plans.plan import Focus, Measure
from dataflow_insight.queries.query import Role

_MOST_TIES = 3


def run(told: Told, lead: str) -> list[Draft]:
    """Writes the longest run or gap, with its start, end and device.

    Args:
        told: One row, or several that are equally long or were asked for.
        lead: "Yes: " or "No: ", or nothing.
    """
    if told.plan.rank > 1:
        head = f"{basic(told).replace('longest run', 'longest runs').replace('longest gap', 'longest gaps')}"
        drafts = [Draft(f"{lead}The {head}{about(told)}:\n")]
        return drafts + [_line(told, row) for row in range(len(told.rows))]
    drafts = [_first(told, lead)]
    if len(told.rows) > 1 and told.has(0, Role.START):
        drafts.append(Draft("\nEqually long, and later or elsewhere:\n"))
        drafts += [_line(told, row) for row in range(1, min(len(told.rows), _MOST_TIES + 1))]
        if len(told.rows) > _MOST_TIES + 1:
            drafts.append(Draft("The others are in the table.\n"))
    return drafts


def _first(told: Told, lead: str) -> Draft:
    text = told.text().say(lead)
    name, words = basic(told), about(told, where=not told.has(0, Role.DEVICE))
    if not told.has(0, Role.START):
        _length(told, text, 0)
        return text.say(
            f" is the {name}{words}: it was never met" if _is_streak(told) else f" is the {name}{words}"
        ).draft(".")
    match told.plan.focus:
        case Focus.FIRST | Focus.TIME:
            text.cell(0, Role.START).say(f" is when the {name} began: ")
            _length(told, text, 0)
            _until(told, _at(told, text, 0), 0)
        case Focus.LAST if told.has(0, Role.END):
            text.cell(0, Role.END).say(f" is when the {name} ended: ")
            _length(told, text, 0)
            _at(told, text, 0).say(", from ").cell(0, Role.START)
        case Focus.DEVICE if told.has(0, Role.DEVICE):
            text.cell(0, Role.DEVICE).say(f" had the {name}: ")
            _length(told, text, 0)
            _until(told, text.say(", from ").cell(0, Role.START), 0)
        case _:
            _length(told, text, 0)
            text.say(f" is the {name}")
            _until(told, _at(told, text, 0).say(", from ").cell(0, Role.START), 0)
    _duration(told, text, 0)
    return text.say(f" ({words.strip()})" if words else "").draft(".")


def _line(told: Told, row: int) -> Draft:
    text = told.text().say("- ")
    _length(told, text, row)
    _at(told, text, row)
    if told.has(row, Role.START):
        _until(told, text.say(", from ").cell(row, Role.START), row)
    return text.draft("\n")


def _is_streak(told: Told) -> bool:
    return told.plan.measure is Measure.STREAK


def _length(told: Told, text: Text, row: int) -> None:
    if _is_streak(told):
        text.count(row, Role.VALUE, "reading", "readings in a row")
    else:
        text.value(row)


def _at(told: Told, text: Text, row: int) -> Text:
    return text.say(", at ").cell(row, Role.DEVICE) if told.has(row, Role.DEVICE) else text


def _until(told: Told, text: Text, row: int) -> Text:
    return text.say(", to ").cell(row, Role.END) if told.has(row, Role.END) else text


def _duration(told: Told, text: Text, row: int) -> None:
    if _is_streak(told) and told.has(row, Role.SECONDS):
        text.say(" (").length(row).say(")")
