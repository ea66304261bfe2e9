"""The text of a summary, clause by clause: what it is of, each field, then what did not come.

Each clause says one thing as a whole sentence, so that the gate can hold it against the results that it stands on;
`compose.py` joins those that pass.
"""

from collections.abc import Iterator
from typing import Final

from dataflow_insight.queries.query import Role
from dataflow_insight.summaries.closing import closing
from dataflow_insight.summaries.facts import Facts, NumberFacts, WordFacts
from dataflow_insight.summaries.movement import Movement
from dataflow_insight.summaries.numbers import digits_for, named, range_digits_for, shown_unit
from dataflow_insight.summaries.telling import extreme_of, misses_many, movement_of, swing_of
from dataflow_insight.summaries.text import Clause, Passage, Written

_MOST: Final = 6
"""Digits of single values: as they were stored, but for the rounding of doubles."""

_AGAIN: Final = "; "
"""Joins a clause that names its subject again."""


def write(facts: Facts, *, incomplete: bool = False) -> list[Passage]:
    """Returns the text, passage by passage.

    Args:
        facts: What is known.
        incomplete: No stretch of the calendar is whole yet, so that all there is was taken.
    """
    fields = [
        *(tuple(_number(item, facts)) for item in facts.numbers if item.field.name in facts.told),
        *((_word(item),) for item in facts.words if item.field.name in facts.told),
    ]
    return [
        Passage(tuple(_head(facts, incomplete=incomplete))),
        *(Passage(clauses, about_field=True) for clauses in fields),
        Passage(tuple(_others(facts))),
        Passage(tuple(closing(facts))),
    ]


def _head(facts: Facts, *, incomplete: bool) -> Iterator[Written]:
    name, when = named(facts.scope.contract.name), facts.scope.period.words
    when = when[0].upper() + when[1:]
    if not facts.count:
        yield Clause("", f"{when}, {name} had no readings").lean(facts.readings).written()
        return
    readings, devices = facts.readings.of(Role.VALUE), facts.devices.of(Role.VALUE)
    clause = Clause("", f"{when}, {name} had ").count(readings).say(" reading" if readings.whole == 1 else " readings")
    yield clause.say(" from ").count(devices).say(" device" if devices.whole == 1 else " devices").written()
    if incomplete:
        yield Clause("That is ", "all there is so far").written()


def _number(facts: NumberFacts, whole: Facts) -> Iterator[Written]:
    """Yields what is said of a number field, the most telling fact first."""
    name, unit = named(facts.field.name), shown_unit(facts.field.unit)
    low, high = facts.low.of(Role.VALUE), facts.high.of(Role.VALUE)
    level, spread = facts.level.of(Role.VALUE).number or 0.0, (high.number or 0.0) - (low.number or 0.0)
    digits, coarse = digits_for(level, spread), range_digits_for(level, spread)
    lowest, highest = facts.lowest.of(Role.VALUE), facts.highest.of(Role.VALUE)
    if facts.counter is not None:
        yield _counter(facts, name)
        return
    if lowest.value == highest.value:
        clause = Clause("", f"{name} was ").number(lowest, digits, unit)
        only = facts.filled.named("present").whole == 1
        yield clause.say(", its only value" if only else " throughout").written()
        return
    yield from _level(facts, name, digits)
    yield from _before(facts, whole, name, digits)
    if spread > 0:
        clause = Clause(f"{name} was ", "mostly between ").number(low, coarse).say(" and ")
        yield clause.number(high, coarse, unit).written()
    yield from _hours(facts, name)
    yield from _extreme(facts, name, whole)
    if misses_many(facts):
        missing = facts.filled.named("missing")
        clause = Clause("", link=_AGAIN).count(missing).say(f" reading{'' if missing.whole == 1 else 's'}")
        yield clause.say(f" had no value of {name}").written()


def _level(facts: NumberFacts, name: str, digits: int) -> Iterator[Written]:
    """Yields the mean with what is known of its movement; a step of the day comes before a mean that did not move."""
    movement, level, unit = movement_of(facts), facts.level.of(Role.VALUE), shown_unit(facts.field.unit)
    course, step = facts.course, facts.course.step
    if movement.moved and facts.trend is not None:
        # The direction is that of the trend, so that it comes before the mean, which is compared with the time before.
        clause = Clause("", f"{name} {movement.words}, averaging ").lean(facts.trend.line)
        yield clause.number(level, digits, unit).written()
    elif movement is Movement.STABLE and facts.trend is not None:
        clause = Clause("", f"average {name} remained stable at ").lean(facts.trend.line)
        yield clause.number(level, digits, unit).written()
    elif step is None:
        yield Clause("", f"average {name} was ").number(level, digits, unit).written()
    if step is None:
        return
    hour = step.named("hour")
    clause = Clause("", f"{name} {course.daily.movement.words} after ", link=_AGAIN)
    yield clause.claim(f"{hour.whole:02}:00", hour).written()
    if not movement.moved:
        clause = Clause(f"{name} ", "averaged ", link=" and ").number(level, digits, unit)
        yield clause.say(" overall").written()


def _hours(facts: NumberFacts, name: str) -> Iterator[Written]:
    swing = swing_of(facts)
    if swing is not None:
        high, low = (line.named("hour") for line in swing)
        clause = Clause(f"average {name} was ", "highest around ").claim(f"{high.whole:02}:00", high)
        yield clause.say(" and lowest around ").claim(f"{low.whole:02}:00", low).written()


def _before(facts: NumberFacts, whole: Facts, name: str, digits: int) -> Iterator[Written]:
    if facts.change is None or not facts.change.moved:
        return
    level, before = facts.level.of(Role.VALUE), facts.level.of(Role.OTHER_VALUE)
    words = "up from" if (level.number or 0.0) > (before.number or 0.0) else "down from"
    clause = Clause(f"average {name} was ", f"{words} ").number(before, digits, shown_unit(facts.field.unit))
    yield clause.say(f" {whole.scope.period.words_before}").written()


def _extreme(facts: NumberFacts, name: str, whole: Facts) -> Iterator[Written]:
    found = extreme_of(facts)
    moment = found[0].of(Role.TIME).moment if found is not None else None
    if found is None or moment is None:
        return
    line, word = found
    clause = Clause(f"{name} was ", f"at its {word} ").number(line.of(Role.VALUE), _MOST, shown_unit(facts.field.unit))
    if whole.devices.of(Role.VALUE).whole > 1:
        clause.say(" at ").claim(named(line.of(Role.DEVICE).text), line.of(Role.DEVICE))
    when = whole.scope.period.moment_words(moment)
    preposition, _, rest = when.partition(" ")
    yield clause.say(f" {preposition} ").claim(rest, line.of(Role.TIME)).written()


def _counter(facts: NumberFacts, name: str) -> Written:
    assert facts.counter is not None
    counted, restarts = facts.counter.named("counted"), facts.counter.named("restarts")
    digits = digits_for(0.0, counted.number or 0.0)
    clause = Clause("", f"{name} counted up by ").number(counted, digits, shown_unit(facts.field.unit))
    if restarts.whole:
        clause.say(", with ").count(restarts).say(" restart" if restarts.whole == 1 else " restarts")
    return clause.written()


def _word(facts: WordFacts) -> Written:
    name, value, share = named(facts.field.name), facts.line.named("value"), facts.line.named("percent")
    if facts.line.named("different").whole == 1:
        return Clause("", f'{name} was "').claim(value.text, value).say('" throughout').written()
    clause = Clause("", f'the most frequent {name} was "').claim(value.text, value).say('", ')
    return clause.number(share, 0).say(" % of the values").written()


def _others(facts: Facts) -> Iterator[Written]:
    if facts.others is not None and facts.told:
        number = facts.others.of(Role.VALUE)
        if number.whole == 1:
            yield Clause("", "the other field is left out here").lean(facts.others).written()
        else:
            yield Clause("", "the other ").count(number).say(" fields are left out here").written()
    elif facts.count and not facts.told:
        yield Clause("", "they hold nothing that can be summarised").lean(facts.readings).written()
