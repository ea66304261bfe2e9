"""The last sentence of a summary's text: gaps, silent devices, refusals; or that there are none."""

from collections.abc import Iterator
from typing import Final

from dataflow_insight.queries.query import Role
from dataflow_insight.summaries.facts import Facts
from dataflow_insight.summaries.numbers import length_cell, named
from dataflow_insight.summaries.text import Clause, Written

_NAMED_DEVICES: Final = 5
_AND: Final = "; "


def closing(facts: Facts) -> Iterator[Written]:
    """Yields what did not come as it should; where nothing failed, that."""
    trouble = [*_gap(facts), *_silent(facts), *_refused(facts)]
    if trouble or not facts.count:
        yield from trouble
        return
    if facts.usual_step is not None:
        # Of one reading nobody knows what a gap would be.
        clause = Clause("", "no gaps")
        yield (clause.lean(facts.refusals.line) if facts.refusals is not None else clause).written()
    if facts.refusals is not None and facts.refusals.percent is not None:
        yield Clause("", "nothing refused").lean(facts.refusals.line).written()


def _gap(facts: Facts) -> Iterator[Written]:
    if not facts.gaps:
        return
    line, period = facts.gaps[0], facts.scope.period
    cell, unit = length_cell(line)
    start, end = line.of(Role.START).moment, line.of(Role.END).moment
    assert start is not None
    assert end is not None
    clause = Clause("", "the longest gap was ").number(cell, 1 if unit != "seconds" else 3, unit)
    first, last = period.stretch_words(start, end)
    clause.say(" at ").claim(named(line.of(Role.DEVICE).text), line.of(Role.DEVICE))
    yield clause.say(" from ").claim(first, line.of(Role.START)).say(" to ").claim(last, line.of(Role.END)).written()


def _silent(facts: Facts) -> Iterator[Written]:
    if not facts.silent:
        return
    devices = facts.silent[0].named("devices")
    one = devices.whole == 1
    clause = Clause("", "there was " if one else "there were ", link=_AND).count(devices)
    clause.say(" silent device" if one else " silent devices")
    if devices.whole <= _NAMED_DEVICES:
        for number, line in enumerate(facts.silent):
            cell = line.of(Role.DEVICE)
            clause.say(", " if number else ": ").claim(named(cell.text), cell)
    yield clause.written()


def _refused(facts: Facts) -> Iterator[Written]:
    refusals = facts.refusals
    if refusals is None:
        return
    if refusals.percent is None or refusals.items is None:
        clause = Clause("", "the quarantine holds ", link=_AND).count(refusals.count)
        yield clause.say(" items of all times").written()
    elif refusals.count.whole:
        clause = Clause("", "of ", link=_AND).count(refusals.items).say(" items, ").count(refusals.count)
        clause.say(" was refused (" if refusals.count.whole == 1 else " were refused (")
        yield clause.number(refusals.percent, 1).say(" %)").written()
