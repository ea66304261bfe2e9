"""Plain sentences about a result, the answer first; every value is put in as a claim on its cell."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from dataflow_insight.answers.verify import Claim, Draft
from dataflow_insight.catalogue.catalogue import Contract
from dataflow_insight.english.refusals import nothing_stored
from dataflow_insight.plans.plan import Focus, Measure, Plan
from dataflow_insight.queries.table import Table, Value, iso

_ROWS_PER_PIECE: Final = 50
_SIGNIFICANT: Final = 4
_PLACES: Final = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}
_MEASURED: Final = {
    Measure.AVG: "average",
    Measure.MIN: "lowest",
    Measure.MAX: "highest",
    Measure.SUM: "total",
    Measure.LATEST: "latest",
}


class _Text:
    """A text that grows, with its claims."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._text = ""
        self._claims: list[Claim] = []

    def say(self, text: str) -> "_Text":
        """Appends words."""
        self._text += text
        return self

    def cell(self, row: int, column: int, unit: str = "", *, rounded: bool = False) -> "_Text":
        """Appends the value of a cell, and its unit."""
        shown = shown_value(self._table.rows[row][column], rounded=rounded)
        self._claims.append(Claim(len(self._text), len(self._text) + len(shown), row, column))
        self._text += shown + (f" {unit}" if unit else "")
        return self

    def draft(self) -> Draft:
        """Returns what has been written."""
        return Draft(self._text, tuple(self._claims))


def shown_value(value: Value, *, rounded: bool = False) -> str:
    """Returns a value as answers show it: four significant digits and at least two after the point where rounded."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case float() if rounded and math.isfinite(value):
            whole = 2 if value == 0 else math.floor(math.log10(abs(value))) + 1
            digits = min(6, max(2, _SIGNIFICANT - whole))
            return f"{value:.{digits}f}"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case float():
            return repr(value) if abs(value) >= 1e-4 else f"{value:.12f}".rstrip("0")
        case datetime():
            return iso(value)
        case _:
            return str(value)


def phrase(plan: Plan, table: Table, contract: Contract) -> list[Draft]:
    """Returns the answer, one draft for each piece of text.

    Args:
        plan: What was computed.
        table: What came out.
        contract: For units.
    """
    if is_empty(plan, table):
        return [Draft(nothing_stored().text)]
    drafts = _WRITERS[plan.measure](plan, table, contract)
    if table.truncated:
        drafts.append(Draft(" The table was cut at its row limit; narrow the question to see all of it."))
    return drafts


def is_empty(plan: Plan, table: Table) -> bool:
    """Returns whether the query found nothing to tell: no row, or no value in it."""
    if not table.rows:
        return not (plan.by_device and plan.measure in {Measure.COUNT, Measure.MISSING})
    if plan.measure in {Measure.COUNT, Measure.MISSING}:
        return False
    return all(row[table.query.value_column] is None for row in table.rows)


def _unit(plan: Plan, contract: Contract) -> str:
    item = contract.field_named(plan.field) if plan.field else None
    return item.unit if item is not None else ""


def _where(plan: Plan) -> str:
    """Returns " at Tiantan and Gucheng" or nothing."""
    names = plan.scope.device_ids
    if not names:
        return ""
    if len(names) > 5:
        return " at the devices named"
    return " at " + (names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}")


def span_words(plan: Plan) -> str:
    """Returns the plan's time as words, " on 2014-01-16", or nothing."""
    start, end = plan.scope.hull.start, plan.scope.hull.end
    if start is None and end is None:
        return ""
    if start is None:
        assert end is not None
        return f" before {_short(end)}"
    if end is None:
        return f" from {_short(start)} on"
    if end - start == timedelta(days=1) and _is_midnight(start):
        return f" on {start:%Y-%m-%d}"
    if _is_midnight(start) and _is_midnight(end):
        return f" from {start:%Y-%m-%d} to {end - timedelta(days=1):%Y-%m-%d}"
    if end - start <= timedelta(minutes=1):
        return f" at {iso(start)}"
    return f" from {iso(start)} to before {iso(end)}"


def _short(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}" if _is_midnight(moment) else iso(moment)


def _is_midnight(moment: datetime) -> bool:
    return moment == moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _limits(plan: Plan, contract: Contract) -> str:
    """Returns " with pm25 above 300" or nothing."""
    if not plan.scope.conditions:
        return ""
    parts = []
    for condition in plan.scope.conditions:
        item = contract.field_named(condition.field)
        unit = f" {item.unit}" if item is not None and item.unit else ""
        parts.append(f"{condition.field} {condition.comparison.word} {_limit(condition.limit)}{unit}")
    return " with " + " and ".join(parts)


def _limit(limit: float | tuple[str, ...] | bool) -> str:
    return " or ".join(limit) if isinstance(limit, tuple) else shown_value(limit)


def _about(plan: Plan, contract: Contract, *, where: bool = True) -> str:
    return f"{_limits(plan, contract)}{_where(plan) if where else ''}{span_words(plan)}"


def _count(plan: Plan, table: Table, contract: Contract) -> list[Draft]:
    what = f"values of {plan.field}" if plan.field else "readings"
    one = f"value of {plan.field}" if plan.field else "reading"
    if plan.measure is Measure.MISSING:
        what = one = f"missing {plan.field}"
    about = _about(plan, contract, where=not plan.by_device)
    if plan.by_device:
        if not table.rows:
            return [Draft(f"No device has readings{about}.")]
        if plan.focus is Focus.LIST:
            return _listed(table, f"Devices with readings{about}" if about else "Devices", names_only=True)
        if plan.rank:
            return _ranked(plan, table, f"{'most' if plan.rank > 0 else 'fewest'} {what}{about}", "", rounded=False)
        head = f"{what[0].upper()}{what[1:]} by device{about}"
        return _listed(table, head)
    text = _Text(table)
    if plan.focus is Focus.YES_NO:
        found = table.rows[0][0] != 0
        text.say("Yes: " if found else "No: ")
    noun = one if table.rows[0][0] == 1 else what
    if plan.measure is Measure.MISSING:
        return [text.cell(0, 0).say(f" readings have no value of {plan.field}{about}.").draft()]
    return [
        text.cell(0, 0)
        .say(
            f" {noun}{_limits(plan, contract)} {'was' if table.rows[0][0] == 1 else 'were'} stored{_where(plan)}{span_words(plan)}."
        )
        .draft()
    ]


def _value(plan: Plan, table: Table, contract: Contract) -> list[Draft]:
    """Average, sum, minimum and maximum."""
    unit, word = _unit(plan, contract), _MEASURED[plan.measure]
    about = _about(plan, contract, where=not plan.by_device)
    rounded = plan.measure in {Measure.AVG, Measure.SUM}
    if plan.with_where_and_when:
        return _extreme(plan, table, contract)
    if plan.rank:
        way = "highest" if plan.rank > 0 else "lowest"
        what = f"{way} {'' if plan.measure in {Measure.MIN, Measure.MAX} and word == way else word + ' '}{plan.field}"
        return _ranked(plan, table, what + about, unit, rounded=rounded)
    if plan.by_device:
        return _listed(table, f"{word.capitalize()} {plan.field} by device{about}", unit, rounded=rounded)
    return [_Text(table).cell(0, 0, unit, rounded=rounded).say(f" is the {word} {plan.field}{about}.").draft()]


def _extreme(plan: Plan, table: Table, contract: Contract) -> list[Draft]:
    unit, word = _unit(plan, contract), _MEASURED[plan.measure]
    limits, span = _limits(plan, contract), span_words(plan)
    if plan.by_device:
        return _listed(
            table, f"{word.capitalize()} {plan.field} by device, and when{limits}{span}", unit, with_time=True
        )
    value, device, time = table.query.value_column, 1, 2
    text = _Text(table)
    match plan.focus:
        case Focus.TIME:
            text.cell(0, time).say(": then ").cell(0, device).say(f" had its {word} {plan.field}, ").cell(
                0, value, unit
            )
        case Focus.DEVICE:
            text.cell(0, device).say(f" had the {word} {plan.field}, ").cell(0, value, unit).say(", at ").cell(0, time)
        case _:
            text.cell(0, value, unit).say(f" is the {word} {plan.field}, at ").cell(0, device).say(", ").cell(0, time)
    drafts = [text.say(f"{_aside(limits + span)}.").draft()]
    if len(table.rows) > 1:
        others = list(dict.fromkeys(row[device] for row in table.rows if row[device] != table.rows[0][device]))
        again = _Text(table).say(" The same value stands more than once; this is the earliest")
        if others and len(others) <= _ROWS_PER_PIECE:
            again.say(". It was also at ")
            for number, other in enumerate(others):
                row = next(index for index, entry in enumerate(table.rows) if entry[device] == other)
                again.say(", " if number else "").cell(row, device)
        drafts.append(again.say(".").draft())
    return drafts


def _latest(plan: Plan, table: Table, contract: Contract) -> list[Draft]:
    unit = _unit(plan, contract)
    limits, span = _limits(plan, contract), span_words(plan)
    if plan.by_device:
        return _listed(table, f"Latest {plan.field} by device{limits}{span}", unit, with_time=True)
    text = _Text(table)
    match plan.focus:
        case Focus.TIME:
            text.cell(0, 2).say(f": the latest {plan.field} of ").cell(0, 1).say(", ").cell(0, 0, unit)
        case Focus.DEVICE:
            text.cell(0, 1).say(f" sent the latest {plan.field}, ").cell(0, 0, unit).say(", at ").cell(0, 2)
        case _:
            text.cell(0, 0, unit).say(f" is the latest {plan.field} of ").cell(0, 1).say(", at ").cell(0, 2)
    return [text.say(f"{_aside(limits + span)}.").draft()]


def _aside(words: str) -> str:
    """Returns words set off from the value before them, or nothing."""
    return f" ({words.strip()})" if words else ""


def _coverage(plan: Plan, table: Table, contract: Contract) -> list[Draft]:
    about = _about(plan, contract)
    text = _Text(table)
    match plan.focus:
        case Focus.FIRST:
            text.cell(0, 0).say(f" is the time of the first reading{about}.")
        case Focus.LAST:
            text.cell(0, 1).say(f" is the time of the last reading{about}.")
        case Focus.DEVICES:
            text.cell(0, 3).say(f" devices have readings{about}.")
        case _:
            text.cell(0, 0).say(" to ").cell(0, 1).say(f" is the time of the readings{about}.")
    return [text.draft()]


def _ranked(plan: Plan, table: Table, what: str, unit: str, *, rounded: bool) -> list[Draft]:
    """Names the device or devices that lead; says when several are equal."""
    value, device = 1, 0
    if plan.place:
        if len(table.rows) < plan.place:
            return [Draft("There are not so many devices with a value.")]
        row = plan.place - 1
        text = (
            _Text(table)
            .cell(row, device)
            .say(f" has the {_PLACES.get(plan.place, 'next')} {what}: ")
            .cell(row, value, unit, rounded=rounded)
        )
        tied = sum(1 for entry in table.rows if entry[value] == table.rows[row][value]) > 1
        return [text.say(", level with another device." if tied else ".").draft()]
    if abs(plan.rank) > 1:
        return _listed(table, f"Devices by {what}", unit, rounded=rounded)
    text = _Text(table)
    for row in range(min(len(table.rows), _ROWS_PER_PIECE)):
        text.say(", " if row else "").cell(row, device)
    have = " all have" if len(table.rows) > 1 else " has"
    return [text.say(f"{have} the {what}: ").cell(0, value, unit, rounded=rounded).say(".").draft()]


def _listed(
    table: Table, head: str, unit: str = "", *, rounded: bool = False, with_time: bool = False, names_only: bool = False
) -> list[Draft]:
    """Lists rows, some in each piece."""
    value, device = table.query.value_column, table.query.device_column or 0
    if with_time and table.query.device_column is not None:
        device = table.query.device_column
    drafts = []
    for first in range(0, len(table.rows), _ROWS_PER_PIECE):
        text = _Text(table).say(f"{head}: " if first == 0 else "; ")
        for row in range(first, min(first + _ROWS_PER_PIECE, len(table.rows))):
            text.say("; " if row > first else "").cell(row, device)
            if not names_only:
                text.say(" ").cell(row, value, unit, rounded=rounded)
            if with_time:
                text.say(" at ").cell(row, 2)
        drafts.append(text.say("." if first + _ROWS_PER_PIECE >= len(table.rows) else "").draft())
    return drafts


_WRITERS: Final[dict[Measure, Callable[[Plan, Table, Contract], list[Draft]]]] = {
    Measure.COUNT: _count,
    Measure.MISSING: _count,
    Measure.AVG: _value,
    Measure.SUM: _value,
    Measure.MIN: _value,
    Measure.MAX: _value,
    Measure.LATEST: _latest,
    Measure.COVERAGE: _coverage,
}
