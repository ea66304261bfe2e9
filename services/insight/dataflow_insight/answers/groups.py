"""Answers with groups: who leads, and lists with a line for each group."""

from dataflow_insight.answers.about import about, group_limit_words
from dataflow_insight.answers.draft import Draft
from dataflow_insight.answers.shown import shown_name
from dataflow_insight.answers.singles import correlation_words
from dataflow_insight.answers.terms import GROUPED, basic, capitalised, counted, grouping_words, quantity
from dataflow_insight.answers.writing import Text, Told
from dataflow_insight.plans.plan import Difference, Focus, Grouping, Measure
from dataflow_insight.queries.query import Role

_KEYS = (Role.DEVICE, Role.BUCKET, Role.HOUR_OF_DAY, Role.WEEKDAY, Role.GROUP)
_PLACES = {
    2: "second",
    3: "third",
    4: "fourth",
    5: "fifth",
    6: "sixth",
    7: "seventh",
    8: "eighth",
    9: "ninth",
    10: "tenth",
}
MOST_LINES = 100
"""Of a list; nobody reads more, and the table has them all."""

_MOST_LEADERS = 5


def grouped(told: Told, lead: str) -> list[Draft]:
    """Writes an answer with a row for each group.

    Args:
        told: The result.
        lead: "Yes: " or "No: ", or nothing.
    """
    plan = told.plan
    if len(told.rows) == 1 and plan.focus is Focus.YES_NO and plan.measure is Measure.LATEST and plan.by_device:
        text = told.text().say(lead).value(0).say(f" is the {_name(told)}, at ")
        return [keys(told, text, 0).say(", ").cell(0, Role.TIME).draft(".")]
    if not told.rows:
        return [Draft(f"{lead}No {_noun(told)}{_named_limit(told)}{about(told)}.")]
    if plan.place and len(told.rows) >= plan.place:
        return [_placed(told, lead)]
    if abs(plan.rank) == 1 and len(told.rows) <= _MOST_LEADERS:
        return [_leading(told, lead)]
    return listed(told, lead)


def listed(told: Told, lead: str = "") -> list[Draft]:
    """Writes a head, and a line for each row."""
    plan = told.plan
    name = _name(told)
    where = Grouping.DEVICE not in plan.group_by
    names_only = plan.focus is Focus.LIST and plan.measure is Measure.COUNT
    if names_only:
        head = f"{capitalised(_nouns(told))} with readings{about(told, where=where)}"
    elif plan.rank:
        head = f"{capitalised(_nouns(told))} with the {f'{_way(told)} {name}'.strip()}{about(told, where=where)}"
    else:
        head = f"{capitalised(name)}{_named_limit(told)} by {grouping_words(told)}{about(told, where=where)}"
    drafts = [Draft(f"{lead}{head}:\n")]
    for row in range(min(len(told.rows), MOST_LINES)):
        text = keys(told, told.text().say("- "), row)
        if not names_only:
            row_value(told, text.say(": "), row)
        drafts.append(text.draft("\n"))
    return drafts + rest(told)


def rest(told: Told) -> list[Draft]:
    """Says that a list has more rows than are written, where it has."""
    return [Draft("The other rows are in the table.")] if len(told.rows) > MOST_LINES else []


def row_value(told: Told, text: Text, row: int) -> None:
    """Appends the value of a row, and what belongs to it."""
    if not told.has(row, Role.VALUE):
        text.say("nothing stored")
        return
    if told.plan.measure is Measure.COVERAGE:
        text.cell(row, Role.START).say(" to ").cell(row, Role.END).say(", ")
        text.count(row, Role.VALUE, "reading", "readings")
        return
    if told.counts:
        one, many = ("reading", "readings") if told.plan.measure is Measure.MISSING else counted(told)
        if told.plan.fold is None or told.plan.fold.measure is Measure.COUNT:
            text.count(row, Role.VALUE, one, many)
        else:
            text.cell(row, Role.VALUE)
    else:
        text.value(row)
    value = told.cell(row, Role.VALUE)
    if told.plan.measure is Measure.CORRELATION and isinstance(value, int | float) and told.plan.fold is None:
        text.say(f" ({correlation_words(float(value))}, ").count(row, Role.SUPPORT, "pair", "pairs").say(")")
    if told.plan.measure is Measure.MODE:
        text.say(" (").count(row, Role.SUPPORT, "reading", "readings").say(")")
    if told.plan.measure in {Measure.STREAK, Measure.GAP} and told.has(row, Role.START):
        text.say(", from ").cell(row, Role.START)
        text = text.say(" to ").cell(row, Role.END) if told.has(row, Role.END) else text
    elif told.has(row, Role.TIME):
        text.say(", ").cell(row, Role.TIME)


def keys(told: Told, text: Text, row: int, *, sentence: bool = False, first: bool = True) -> Text:
    """Appends what a row is the group of.

    Args:
        told: The result.
        text: What to append to.
        row: The row.
        sentence: As the subject of a sentence: "the hour from 17:00".
        first: At the beginning of it.
    """
    begun = False
    for column, role in enumerate(told.roles):
        if role not in _KEYS or (role is Role.DEVICE and Grouping.DEVICE not in told.plan.group_by):
            continue
        text.say(", " if begun else "")
        if sentence and role is Role.HOUR_OF_DAY:
            text.say("The hour from " if first and not begun else "the hour from ")
        elif role is Role.HOUR_OF_DAY and begun:
            text.say("from ")
        elif role is Role.BUCKET and begun:
            text.say(f"{GROUPED[told.bucket(column)].split(' ')[-1]} of ")
        elif sentence and role is Role.BUCKET and told.bucket(column) in {Grouping.HOUR, Grouping.WEEK}:
            text.say(
                f"{'The' if first and not begun else 'the'} {'hour' if told.bucket(column) is Grouping.HOUR else 'week'} from "
            )
        begun = True
        value = told.rows[row][column]
        if value is not None:
            if role is Role.GROUP and not isinstance(value, str):
                text.say(f"{shown_name(told.plan.group_field)} ")
            text.cell(row, role, column=column)
        else:
            text.say("(empty)")
    return text


def _leading(told: Told, lead: str) -> Draft:
    text = told.text().say(lead)
    for row in range(len(told.rows)):
        keys(told, text.say(" and " if row else ""), row, sentence=True, first=not row)
    have = "have" if len(told.rows) > 1 else "has"
    text.say(f" {have} the {f'{_way(told)} {_name(told)}'.strip()}{_named_limit(told)}{_where(told)}: ")
    row_value(told, text, 0)
    return text.draft("." if len(told.rows) == 1 else " each.")


def _placed(told: Told, lead: str) -> Draft:
    place = told.plan.place
    row = place - 1
    value = told.cell(row, Role.VALUE)
    first = next(index for index, cells in enumerate(told.rows) if cells[told.roles.index(Role.VALUE)] == value)
    text = keys(told, told.text().say(lead), row, sentence=True)
    word = _PLACES.get(place, "")
    text.say(f" has the {word} {_way(told)} {_name(told)}{_named_limit(told)}{_where(told)}: ".replace("  ", " "))
    row_value(told, text, row)
    tied = [index for index in range(len(told.rows)) if index != row and told.cell(index, Role.VALUE) == value]
    if tied and first != row:
        keys(told, text.say(", level with "), tied[0])
    return text.draft(".")


def _where(told: Told) -> str:
    return about(told, where=Grouping.DEVICE not in told.plan.group_by)


def _way(told: Told) -> str:
    """Returns the superlative of a rank; a value that is one itself ("highest") needs none twice."""
    high = told.plan.rank > 0
    if told.counts or told.is_length or told.plan.measure is Measure.STREAK:
        return "highest" if high else "lowest"
    own = {Measure.MAX: "highest", Measure.MIN: "lowest"}.get(told.plan.measure)
    way = "highest" if high else "lowest"
    return "" if own == way and told.plan.fold is None and told.plan.difference is Difference.NONE else way


def _name(told: Told) -> str:
    return quantity(told) if told.plan.fold is not None else basic(told)


def _named_limit(told: Told) -> str:
    limit = told.plan.having
    return f" {group_limit_words(told, limit)}" if limit is not None else ""


def _noun(told: Told) -> str:
    first = told.plan.group_by[0]
    return f"value of {shown_name(told.plan.group_field)}" if first is Grouping.VALUE else GROUPED[first].split(" (")[0]


def _nouns(told: Told) -> str:
    first = told.plan.group_by[0]
    if first is Grouping.VALUE:
        return f"values of {shown_name(told.plan.group_field)}"
    return {
        Grouping.HOUR_OF_DAY: "hours of the day",
        Grouping.WEEKDAY: "days of the week",
    }.get(first, f"{GROUPED[first]}s")
