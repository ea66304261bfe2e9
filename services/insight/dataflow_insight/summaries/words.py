"""The text of a summary: short sentences about fields, the most filled first, then about gaps and refusals."""

from collections.abc import Iterator
from typing import Final

from dataflow_insight.answers.draft import Draft
from dataflow_insight.queries.query import Role
from dataflow_insight.summaries.cells import Line
from dataflow_insight.summaries.daily import Daily
from dataflow_insight.summaries.facts import Facts, NumberFacts, WordFacts
from dataflow_insight.summaries.movement import Movement
from dataflow_insight.summaries.numbers import digits_for, length_cell, named
from dataflow_insight.summaries.period import clock_time
from dataflow_insight.summaries.text import Sentence

STABLE_WITHIN: Final = 0.1
"""Nine of ten values of a field that is called stable are within this part of its mean."""

_NAMED_DEVICES: Final = 5
_WITH_EXTREMES: Final = 3
"""Fields whose highest and lowest value the text tells; those of all are in the summary's fields."""

_MOST: Final = 6
"""Digits of single values: as they were stored, but for the rounding of doubles."""


def write(facts: Facts, *, incomplete: bool = False) -> list[Draft]:
    """Returns the text, a draft for each sentence.

    Args:
        facts: What is known.
        incomplete: No stretch of the calendar is whole yet, so that all there is was taken.
    """
    return [
        Draft(draft.text + " ", draft.claims)
        for draft in (
            _head(facts, incomplete=incomplete),
            *(draft for place, number in enumerate(facts.numbers) for draft in _number(number, facts, place)),
            *(_word(word) for word in facts.words),
            *_left_out(facts),
            *_silence(facts),
            *_refusals(facts),
        )
    ]


def _head(facts: Facts, *, incomplete: bool) -> Draft:
    when = facts.scope.period.words
    if not facts.readings:
        return Draft(f"{facts.scope.contract.name} has no readings {when}.")
    readings, devices = facts.coverage.named("readings"), facts.coverage.named("devices")
    sentence = Sentence(f"{facts.scope.contract.name} {when}: ").count(readings)
    sentence.say(" reading from " if readings.whole == 1 else " readings from ").count(devices)
    sentence.say(" device." if devices.whole == 1 else " devices.")
    if incomplete:
        sentence.say(" That is everything there is.")
    return sentence.draft()


def _number(facts: NumberFacts, whole: Facts, place: int) -> Iterator[Draft]:
    """Yields what is said of a number field; of the fullest ones more than of the others."""
    name, unit = named(facts.field.name), facts.field.unit
    low, high = facts.low.of(Role.VALUE), facts.high.of(Role.VALUE)
    digits = digits_for(facts.level.of(Role.VALUE).number or 0.0, (high.number or 0.0) - (low.number or 0.0))
    lowest, highest = facts.lowest.of(Role.VALUE), facts.highest.of(Role.VALUE)
    count = facts.filled.named("present")
    if facts.counter is not None:
        yield _counter(facts, name)
        return
    if lowest.value == highest.value:
        sentence = Sentence(f"{name} was ").number(lowest, digits, unit)
        yield sentence.say(" in its only value." if count.whole == 1 else " throughout.").draft()
        return
    sentence = Sentence(f"Average {name} {_went(facts)} ").number(facts.level.of(Role.VALUE), digits, unit)
    sentence.say(", mostly between ").number(low, digits).say(" and ").number(high, digits, unit)
    _course(sentence, facts.course.daily, facts.course.hours)
    yield sentence.say(".").draft()
    yield from _before(facts, name, digits)
    yield from _extremes(facts, name, whole) if place < _WITH_EXTREMES else ()
    if (missing := facts.filled.named("missing")).whole:
        sentence = Sentence().count(missing)
        yield sentence.say(f" reading{'' if missing.whole == 1 else 's'} had no value of {name}.").draft()


def _extremes(facts: NumberFacts, name: str, whole: Facts) -> Iterator[Draft]:
    zone, unit = whole.scope.period.zone, facts.field.unit
    for line, word in ((facts.lowest, "lowest"), (facts.highest, "highest")):
        moment = line.of(Role.TIME).moment
        if moment is None:
            continue
        sentence = Sentence(f"The {word} {name} was ").number(line.of(Role.VALUE), _MOST, unit).say(" at ")
        sentence.claim(named(line.of(Role.DEVICE).text), line.of(Role.DEVICE)).say(", ")
        yield sentence.claim(clock_time(moment, zone), line.of(Role.TIME)).say(".").draft()


def _went(facts: NumberFacts) -> str:
    """Returns the verb of a field: stable is only what has no trend, no step, and stays near its mean."""
    movement = facts.trend.movement if facts.trend is not None else Movement.UNKNOWN
    if movement.moved:
        return f"{movement.words} and was"
    level = facts.level.of(Role.VALUE).number or 0.0
    near = all(
        abs((line.of(Role.VALUE).number or 0.0) - level) <= STABLE_WITHIN * abs(level)
        for line in (facts.low, facts.high)
    )
    calm = near and movement is Movement.STABLE and facts.course.daily.step is None
    return "remained stable at" if calm else "was"


def _course(sentence: Sentence, daily: Daily, hours: tuple[Line, ...]) -> None:
    if daily.step is not None:
        label = hours[daily.step].named("label")
        sentence.say(f"; it {daily.movement.words} after ").claim(label.text, label)
        return
    if daily.high is not None and daily.low is not None:
        high, low = hours[daily.high].named("label"), hours[daily.low].named("label")
        sentence.say("; high around ").claim(high.text, high).say(" and low around ").claim(low.text, low)


def _before(facts: NumberFacts, name: str, digits: int) -> Iterator[Draft]:
    if facts.change is None:
        return
    level, before = facts.level.of(Role.VALUE), facts.level.of(Role.OTHER_VALUE)
    if facts.change.moved:
        words = "up from" if (level.number or 0.0) > (before.number or 0.0) else "down from"
        sentence = Sentence(f"The average {name} was {words} ").number(before, digits, facts.field.unit)
        yield sentence.say(" in the time before.").draft()


def _counter(facts: NumberFacts, name: str) -> Draft:
    assert facts.counter is not None
    counted, restarts = facts.counter.named("counted"), facts.counter.named("restarts")
    digits = digits_for(0.0, counted.number or 0.0)
    sentence = Sentence(f"{name} only rose, as a counter does, by ").number(counted, digits, facts.field.unit)
    sentence.say(" in all")
    if restarts.whole:
        sentence.say(", with ").count(restarts).say(" restart" if restarts.whole == 1 else " restarts")
    return sentence.say(".").draft()


def _word(facts: WordFacts) -> Draft:
    name, value, share = named(facts.field.name), facts.line.named("value"), facts.line.named("percent")
    different = facts.line.named("different")
    if different.whole == 1:
        return Sentence(f"{name} was ").claim(value.text, value).say(" throughout.").draft()
    sentence = Sentence(f"The most frequent {name} was ").say('"').claim(value.text, value).say('", ')
    sentence.number(share, 1).say(" % of the values, of ").count(different)
    return sentence.say(" different ones.").draft()


def _left_out(facts: Facts) -> Iterator[Draft]:
    if facts.numbers or facts.words:
        if facts.left_out:
            yield Draft("Fields with fewer values are left out.")
    elif facts.readings:
        yield Draft("None of its fields has a value that can be summarised.")


def _silence(facts: Facts) -> Iterator[Draft]:
    if facts.gaps:
        line = facts.gaps[0]
        cell, unit = length_cell(line)
        start, end, zone = line.of(Role.START).moment, line.of(Role.END).moment, facts.scope.period.zone
        assert start is not None
        assert end is not None
        sentence = Sentence("The longest time without readings was ").number(cell, 1 if unit != "seconds" else 3, unit)
        sentence.say(" at ").claim(named(line.of(Role.DEVICE).text), line.of(Role.DEVICE))
        sentence.say(", from ").claim(clock_time(start, zone), line.of(Role.START))
        yield sentence.say(" to ").claim(clock_time(end, zone), line.of(Role.END)).say(".").draft()
    if facts.silent:
        devices = facts.silent[0].named("devices")
        sentence = Sentence().count(devices).say(" device" if devices.whole == 1 else " devices").say(" sent nothing")
        if devices.whole <= _NAMED_DEVICES:
            for number, line in enumerate(facts.silent):
                cell = line.of(Role.DEVICE)
                sentence.say(", " if number else ": ").claim(named(cell.text), cell)
        yield sentence.say(".").draft()


def _refusals(facts: Facts) -> Iterator[Draft]:
    refusals = facts.refusals
    if refusals is None:
        return
    if refusals.percent is None or refusals.items is None:
        yield Sentence().count(refusals.count).say(" items of all times are in quarantine.").draft()
    elif refusals.count.whole:
        sentence = Sentence().count(refusals.count).say(" of ").count(refusals.items).say(" items were refused (")
        yield sentence.number(refusals.percent, 2).say(" %).").draft()
    elif facts.readings:
        yield Draft("Nothing was refused.")
