"""The text of a summary: short sentences about fields, the most filled first, then about gaps and refusals.

Each sentence says one thing, so that the gate can hold it against the results that it stands on.
"""

from collections.abc import Iterator
from typing import Final

from dataflow_insight.queries.query import Role
from dataflow_insight.summaries.facts import Course, Facts, NumberFacts, WordFacts
from dataflow_insight.summaries.movement import Movement
from dataflow_insight.summaries.numbers import digits_for, length_cell, named, shown_unit
from dataflow_insight.summaries.period import clock_time
from dataflow_insight.summaries.text import Sentence, Written

STABLE_WITHIN: Final = 0.1
"""Nine of ten values of a field that is called stable are within this part of its mean."""

STABLE_PERCENT: Final = 5.0
"""The line through its hours changes by at most so many per cent."""

_NAMED_DEVICES: Final = 5
_WITH_EXTREMES: Final = 3
"""Fields whose highest and lowest value the text tells; those of all are in the summary's fields."""

_MOST: Final = 6
"""Digits of single values: as they were stored, but for the rounding of doubles."""


def write(facts: Facts, *, incomplete: bool = False) -> list[Written]:
    """Returns the text, sentence by sentence.

    Args:
        facts: What is known.
        incomplete: No stretch of the calendar is whole yet, so that all there is was taken.
    """
    return [
        *_head(facts, incomplete=incomplete),
        *(said for place, number in enumerate(facts.numbers) for said in _number(number, facts, place)),
        *(_word(word) for word in facts.words),
        *_left_out(facts),
        *_silence(facts),
        *_refusals(facts),
    ]


def _head(facts: Facts, *, incomplete: bool) -> Iterator[Written]:
    name, when = named(facts.scope.contract.name), facts.scope.period.words
    if not facts.count:
        yield Sentence(f"{name} has no readings {when}.").lean(facts.readings).written()
        return
    readings, devices = facts.readings.of(Role.VALUE), facts.devices.of(Role.VALUE)
    sentence = Sentence(f"{name} has ").count(readings).say(" reading" if readings.whole == 1 else " readings")
    sentence.say(" from ").count(devices).say(" device" if devices.whole == 1 else " devices")
    yield sentence.say(f" {when}.").written()
    if incomplete:
        yield Sentence("That is all there is so far.").written()


def _number(facts: NumberFacts, whole: Facts, place: int) -> Iterator[Written]:
    """Yields what is said of a number field; of the fullest ones more than of the others."""
    name, unit = named(facts.field.name), shown_unit(facts.field.unit)
    low, high = facts.low.of(Role.VALUE), facts.high.of(Role.VALUE)
    digits = digits_for(facts.level.of(Role.VALUE).number or 0.0, (high.number or 0.0) - (low.number or 0.0))
    lowest, highest = facts.lowest.of(Role.VALUE), facts.highest.of(Role.VALUE)
    if facts.counter is not None:
        yield _counter(facts, name)
        return
    if lowest.value == highest.value:
        sentence = Sentence(f"{name} was ").number(lowest, digits, unit)
        only = facts.filled.named("present").whole == 1
        yield sentence.say(", its only value." if only else " throughout.").written()
        return
    sentence = Sentence(f"Average {name} {_went(facts)} ")
    if facts.trend is not None:
        # The direction is that of the trend, so that it comes before the mean, which is compared with the time before.
        sentence.lean(facts.trend.line)
    yield sentence.number(facts.level.of(Role.VALUE), digits, unit).say(".").written()
    sentence = Sentence(f"{name} was mostly between ").number(low, digits, unit).say(" and ")
    yield sentence.number(high, digits, unit).say(".").written()
    yield from _day(facts.course, name)
    yield from _before(facts, name, digits)
    if place < _WITH_EXTREMES:
        yield from _extremes(facts, name, whole)
    if (missing := facts.filled.named("missing")).whole:
        sentence = Sentence().count(missing)
        yield sentence.say(f" reading{'' if missing.whole == 1 else 's'} had no value of {name}.").written()


def _extremes(facts: NumberFacts, name: str, whole: Facts) -> Iterator[Written]:
    zone, unit = whole.scope.period.zone, shown_unit(facts.field.unit)
    for line, word in ((facts.lowest, "lowest"), (facts.highest, "highest")):
        moment = line.of(Role.TIME).moment
        if moment is None:
            continue
        sentence = Sentence(f"The {word} {name} was ").number(line.of(Role.VALUE), _MOST, unit).say(" at ")
        sentence.claim(named(line.of(Role.DEVICE).text), line.of(Role.DEVICE)).say(", ")
        yield sentence.claim(clock_time(moment, zone), line.of(Role.TIME)).say(".").written()


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
    percent = facts.trend.line.of(Role.PERCENT).number if facts.trend is not None else None
    steady = percent is not None and abs(percent) <= STABLE_PERCENT
    calm = near and steady and movement is Movement.STABLE and facts.course.daily.step is None
    return "remained stable at" if calm else "was"


def _day(course: Course, name: str) -> Iterator[Written]:
    daily, hours = course.daily, course.hours
    if course.step is not None:
        hour = course.step.named("hour")
        sentence = Sentence(f"{name} {daily.movement.words} after ")
        yield sentence.claim(f"{hour.whole:02}:00", hour).say(".").written()
    elif daily.high is not None and daily.low is not None:
        high, low = hours[daily.high].named("hour"), hours[daily.low].named("hour")
        sentence = Sentence(f"Average {name} was highest around ").claim(f"{high.whole:02}:00", high)
        yield sentence.say(" and lowest around ").claim(f"{low.whole:02}:00", low).say(".").written()


def _before(facts: NumberFacts, name: str, digits: int) -> Iterator[Written]:
    if facts.change is None or not facts.change.moved:
        return
    level, before = facts.level.of(Role.VALUE), facts.level.of(Role.OTHER_VALUE)
    words = "up from" if (level.number or 0.0) > (before.number or 0.0) else "down from"
    sentence = Sentence(f"The average {name} was {words} ").number(before, digits, shown_unit(facts.field.unit))
    yield sentence.say(" in the time before.").written()


def _counter(facts: NumberFacts, name: str) -> Written:
    assert facts.counter is not None
    counted, restarts = facts.counter.named("counted"), facts.counter.named("restarts")
    digits = digits_for(0.0, counted.number or 0.0)
    sentence = Sentence(f"{name} counted up by ").number(counted, digits, shown_unit(facts.field.unit))
    if restarts.whole:
        sentence.say(", with ").count(restarts).say(" restart" if restarts.whole == 1 else " restarts")
    return sentence.say(".").written()


def _word(facts: WordFacts) -> Written:
    name, value, share = named(facts.field.name), facts.line.named("value"), facts.line.named("percent")
    different = facts.line.named("different")
    if different.whole == 1:
        return Sentence(f'{name} was "').claim(value.text, value).say('" throughout.').written()
    sentence = Sentence(f'The most frequent {name} was "').claim(value.text, value).say('", ')
    sentence.number(share, 1).say(" % of the values, of ").count(different)
    return sentence.say(" different ones.").written()


def _left_out(facts: Facts) -> Iterator[Written]:
    if facts.numbers or facts.words:
        if facts.left_out:
            yield Sentence("Other fields are left out.").written()
    elif facts.count:
        yield Sentence("They hold nothing that can be summarised.").lean(facts.readings).written()


def _silence(facts: Facts) -> Iterator[Written]:
    if facts.gaps:
        line = facts.gaps[0]
        cell, unit = length_cell(line)
        start, end, zone = line.of(Role.START).moment, line.of(Role.END).moment, facts.scope.period.zone
        assert start is not None
        assert end is not None
        sentence = Sentence("The longest gap was ").number(cell, 1 if unit != "seconds" else 3, unit)
        sentence.say(" at ").claim(named(line.of(Role.DEVICE).text), line.of(Role.DEVICE))
        sentence.say(", from ").claim(clock_time(start, zone), line.of(Role.START))
        yield sentence.say(" to ").claim(clock_time(end, zone), line.of(Role.END)).say(".").written()
    if facts.silent:
        devices = facts.silent[0].named("devices")
        sentence = Sentence().count(devices)
        sentence.say(" device was silent" if devices.whole == 1 else " devices were silent")
        if devices.whole <= _NAMED_DEVICES:
            for number, line in enumerate(facts.silent):
                cell = line.of(Role.DEVICE)
                sentence.say(", " if number else ": ").claim(named(cell.text), cell)
        yield sentence.say(".").written()


def _refusals(facts: Facts) -> Iterator[Written]:
    refusals = facts.refusals
    if refusals is None:
        return
    if refusals.percent is None or refusals.items is None:
        yield Sentence().count(refusals.count).say(" items of all times are in quarantine.").written()
    elif refusals.count.whole:
        sentence = Sentence().count(refusals.count).say(" of ").count(refusals.items).say(" items were refused, ")
        yield sentence.number(refusals.percent, 2).say(" %.").written()
    elif facts.count:
        yield Sentence("Nothing was refused.").lean(refusals.line).written()
