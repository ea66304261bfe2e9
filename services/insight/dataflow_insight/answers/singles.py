"""Answers of one value: how many, how much, which part, since when."""

from dataflow_insight.answers.about import about, conditions_words, device_words, time_words
from dataflow_insight.answers.draft import Draft
from dataflow_insight.answers.shown import shown_name
from dataflow_insight.answers.terms import basic, counted, fold_limit, quantity
from dataflow_insight.answers.words import strength
from dataflow_insight.answers.writing import Text, Told
from dataflow_insight.plans.plan import Focus, Measure
from dataflow_insight.queries.query import Role


def single(told: Told, lead: str) -> list[Draft]:
    """Writes a value that is neither of a group nor of one reading.

    Args:
        told: One row.
        lead: "Yes: " or "No: ", or nothing.
    """
    plan = told.plan
    text = told.text().say(lead)
    if told.counts:
        return [_count(told, text)]
    if plan.fold is not None and plan.fold.measure is Measure.SHARE:
        text.value(0).say(" of the ").count(0, Role.SUPPORT, *counted(told)) if told.has(
            0, Role.SUPPORT
        ) else text.value(0)
        return [text.say(f"{about(told)} had{fold_limit(told).replace(' with', '', 1)}").draft(".")]
    if plan.fold is not None:
        return [text.value(0).say(f" is the {quantity(told)}{about(told)}").draft(".")]
    match plan.measure:
        case Measure.SHARE:
            text.value(0).say(" of the ").count(0, Role.SUPPORT, "reading", "readings")
            return [text.say(f"{about(told)} had {conditions_words(told, plan.holding)}").draft(".")]
        case Measure.MISSING_SHARE:
            text.value(0).say(" of the ").count(0, Role.SUPPORT, "reading", "readings")
            return [text.say(f"{about(told)} lacked {shown_name(plan.field)}").draft(".")]
        case Measure.CORRELATION:
            return [_correlation(told, text)]
        case Measure.MODE:
            return [_mode(told, text)]
        case Measure.CHANGE:
            return [_change(told, text)]
        case Measure.COVERAGE:
            return [_coverage(told, text)]
        case _:
            return [text.value(0).say(f" is the {basic(told)}{about(told)}").draft(".")]


def _count(told: Told, text: Text) -> Draft:
    plan = told.plan
    one, many = counted(told)
    if plan.fold is not None and plan.fold.measure is Measure.COUNT:
        text.count(0, Role.VALUE, one, many)
        if plan.measure is Measure.COUNT and plan.fold.having is None and not plan.field:
            return text.say(f" had readings{about(told)}").draft(".")
        return text.say(f"{about(told)} had{fold_limit(told).replace(' with', '', 1)}").draft(".")
    if plan.fold is not None:
        return text.value(0).say(f" is the {quantity(told)}{about(told)}").draft(".")
    if plan.measure is Measure.MISSING:
        verb = "reading lacked" if told.cell(0, Role.VALUE) == 1 else "readings lacked"
        return text.cell(0, Role.VALUE).say(f" {verb} {shown_name(plan.field)}{about(told)}").draft(".")
    if plan.measure is Measure.DISTINCT and not plan.field:
        text.count(0, Role.VALUE, "device sent", "devices sent")
        return text.say(f" readings{about(told)}").draft(".")
    if plan.holding:
        text.count(0, Role.VALUE, "change", "changes")
        limits = conditions_words(told, plan.holding).removeprefix(f"{shown_name(plan.field)} ")
        return text.say(f" of {shown_name(plan.field)} {limits}{about(told)}").draft(".")
    verb = "was" if told.cell(0, Role.VALUE) == 1 else "were"
    limits = about(told, where=False)
    where = device_words(plan.scope)
    times = time_words(plan.scope, told.zone)
    limits = limits.removesuffix(times).removesuffix(where)
    unit = _unit_of_readings(told)
    if unit and limits.startswith(" with "):
        text.count(0, Role.VALUE, unit, f"{unit}s")
        return text.say(f"{where}{times} had {limits.removeprefix(' with ')}").draft(".")
    text.count(0, Role.VALUE, one, many)
    return text.say(f"{limits} {verb} stored{where}{times}").draft(".")


def _unit_of_readings(told: Told) -> str:
    """Returns the "hour" that a reading of one device stands for, where hours were asked for; else nothing."""
    if len(told.plan.scope.device_ids) != 1:
        return ""
    units = [
        unit for unit in ("hour", "minute") if f"each reading stands for one {unit}" in " ".join(told.plan.assumptions)
    ]
    return units[0] if units and units[0] in told.question.lower() else ""


def _correlation(told: Told, text: Text) -> Draft:
    value = told.cell(0, Role.VALUE)
    text.cell(0, Role.VALUE).say(f" is the {basic(told)}{about(told)}: ")
    if isinstance(value, int | float):
        text.say(f"{correlation_words(float(value))}, from ")
    return text.count(0, Role.SUPPORT, "pair", "pairs").draft(".")


def correlation_words(value: float) -> str:
    """Returns "moderate and negative": how strong a correlation is, and its sign."""
    called = strength(value)
    if called == "no":
        return "practically no correlation"
    return f"{called} and {'positive' if value > 0 else 'negative'}"


def _mode(told: Told, text: Text) -> Draft:
    name = shown_name(told.plan.field)
    for row in range(len(told.rows)):
        text.say(" and " if row else "").value(row)
    verb = "is" if len(told.rows) == 1 else "are equally"
    text.say(f" {verb} {'the ' if len(told.rows) == 1 else ''}most common {name}{about(told)}: ")
    text.count(0, Role.SUPPORT, "reading", "readings")
    return text.draft("." if len(told.rows) == 1 else " each.")


def _change(told: Told, text: Text) -> Draft:
    value = told.cell(0, Role.VALUE)
    assert isinstance(value, int | float)
    text.value(0, absolute=True)
    text.say(f" {'higher' if value > 0 else 'lower'}: " if value else " of change: ")
    text.say(f"{shown_name(told.plan.field)}{about(told)} went from ").value(0, Role.PREVIOUS).say(" (")
    text.cell(0, Role.START).say(") to ").value(0, Role.NEXT).say(" (").cell(0, Role.END)
    return text.draft(").")


def _coverage(told: Told, text: Text) -> Draft:
    words = about(told)
    match told.plan.focus:
        case Focus.FIRST:
            text.cell(0, Role.START).say(f" is the time of the first reading{words}")
        case Focus.LAST:
            text.cell(0, Role.END).say(f" is the time of the last reading{words}")
        case Focus.DEVICES:
            text.count(0, Role.DEVICES, "device has", "devices have").say(f" readings{words}")
        case _:
            text.cell(0, Role.START).say(" to ").cell(0, Role.END).say(f" is the time of the readings{words}: ")
            text.count(0, Role.VALUE, "reading", "readings").say(" of ").count(0, Role.DEVICES, "device", "devices")
    return text.draft(".")
