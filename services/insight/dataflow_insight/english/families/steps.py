"""Changes between neighbouring readings: the largest, the average one, and how many there are of a size."""

import re
from dataclasses import replace
from typing import Final

from dataflow_insight.english.families.asked_part import read_asked_part
from dataflow_insight.english.families.change_words import CHANGE_NOUN, CHANGE_VERB, Way, way_of
from dataflow_insight.english.families.changed_field import changed_field, cover_unit
from dataflow_insight.english.families.neighbours import (
    BETWEEN_READINGS,
    between_times,
    neighbour_limit,
    spoken_unit,
)
from dataflow_insight.english.lexicon import NUMBER_WORDS
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things, unclear
from dataflow_insight.plans.plan import Comparison, Difference, Focus, Measure, Plan

LARGE: Final = (
    r"(?:largest|biggest|greatest|highest|steepest|sharpest|strongest|maximum|maximal|max|most\s+(?:sudden|extreme|dramatic|rapid)|"
    r"quickest|fastest|heaviest|worst|most)"
)
"""Pattern of an adjective for the largest change."""

UNITS: Final = ("hour", "minute", "day", "week", "month")
"""Times that neighbours may be apart, as they are called."""

HOURLY: Final = {"hourly": "hour", "daily": "day", "minutely": "minute", "weekly": "week", "monthly": "month"}
"""Adjectives that say how far apart neighbours are."""

HOW_OFTEN: Final = r"\b(?:how\s+often|how\s+many\s+times|number\s+of\s+times|on\s+how\s+many\s+occasions|how\s+many(?=\s+(?:hourly\s+|sudden\s+)?(?:jumps|drops|rises|falls|increases|decreases|changes|spikes|swings)\b))\b"
"""Pattern of a question for a number of changes."""

_AVERAGE: Final = r"\b(?:on\s+)?(?:average|mean|typical(?:ly)?|usual(?:ly)?|avg)\b"
_AMOUNT: Final = r"(?:more\s+than|at\s+least|over|above|greater\s+than|larger\s+than|exceeding)\s+\d"

BY_AMOUNT: Final = rf"\b(?:by|of)\s+{_AMOUNT}"
"""Pattern of the size that a change must have."""


def step(reading: Reading, unit: str, *, guessed: bool) -> Plan:
    """Returns the plan of the largest change between neighbours, or of the average one.

    Args:
        reading: Opened.
        unit: How far apart the question says that neighbours are; empty where it does not.
        guessed: It does not speak of neighbours at all.

    Raises:
        Refusal: Readings do not come in such steps, or no plan says what is asked.
    """
    sheet, contract = reading.sheet, reading.contract
    if guessed or unit:
        _check_unit(reading, unit)
    way = way_of(sheet)
    if sheet.find(r"\bsmallest\b|\bleast\b|\blowest\b|\bhow\s+often\b"):
        raise Refusal(unclear("Only the largest change is computed, and the average one."))
    cover_unit(reading)
    several = sheet.take(
        rf"\b(?:the\s+)?(?:top\s+)?(?P<n>\d{{1,3}}|{'|'.join(NUMBER_WORDS)})\s+(?={LARGE}\b)|\btop\s+(?P<m>\d{{1,3}})\b"
    )
    sheet.take_all(BETWEEN_READINGS)
    for name in UNITS:
        sheet.take_all(between_times(name))
    average = bool(sheet.take_all(_AVERAGE))
    sheet.take_all(
        r"\b(?:the\s+)?most\s+(?:sharply|steeply|strongly|rapidly|dramatically|suddenly|quickly|heavily|abruptly)\b|\bthe\s+most\b"
    )
    sheet.take_all(
        rf"\b(?:{'|'.join(HOURLY)})\b|\b{LARGE}\b|\bat\s+(?:the\s+)?most\b|\b(?:by|up|down)\s+(?=at\s+most|how)\b"
    )
    sheet.take_all(
        r"\b(?:by\s+)?how\s+(?:much|strongly|far)\b|\bby\s+how\s+(?:much|many)\b|\b(?:strongest|hardest|suddenly|single|one-?time|one-?step)\b"
    )
    sheet.take_all(
        rf"\b(?:{CHANGE_NOUN}|{CHANGE_VERB})\b(?:\s+(?:up|down)(?:wards?)?\b)?|\b(?:up|down)wards?\b|\b(?:up|down)\b|\babsolute\b|\b(?:in\s+)?either\s+(?:direction|way)\b|\bregardless\s+of\s+(?:sign|direction)\b"
    )
    asked = read_asked_part(sheet)
    scope = reading.read_scope()
    field = changed_field(reading)
    plan = Plan(
        contract=contract.name,
        measure=Measure.MIN if way is Way.DOWN else Measure.MAX,
        field=field,
        scope=scope,
        difference=Difference.NEIGHBOUR_ABSOLUTE if way is Way.EITHER else Difference.NEIGHBOUR,
        neighbour_within=neighbour_limit(contract),
        group_by=asked.group_by,
        rank=_count(several) if not asked.each_device else 0,
        with_where_and_when=not asked.each_device,
        time_zone=reading.zone.key,
        focus=asked.focus if asked.focus in {Focus.DEVICE, Focus.TIME} else Focus.VALUE,
    )
    if not average:
        return plan
    if way is not Way.EITHER or asked.focus is not Focus.VALUE:
        raise Refusal(unclear("The average change is computed without its direction only."))
    reading.assumptions.append("the average is of the changes without their signs")
    return replace(plan, measure=Measure.AVG, with_where_and_when=False)


def counted(reading: Reading, unit: str) -> Plan:
    """Returns the plan of how often neighbours are further apart than a limit.

    Raises:
        Refusal: Readings do not come in such steps, or the limit is not one on the change.
    """
    sheet, contract = reading.sheet, reading.contract
    way = way_of(sheet)
    _check_unit(reading, unit)
    sheet.take_all(HOW_OFTEN)
    sheet.take_all(BETWEEN_READINGS)
    for name in UNITS:
        sheet.take_all(between_times(name))
    sheet.take_all(
        rf"\b(?:{CHANGE_NOUN}|{CHANGE_VERB})\b(?:\s+(?:up|down)(?:wards?)?\b)?|\b(?:up|down)(?:wards?)?\b|\bby\s+(?={_AMOUNT})|\bof\s+(?={_AMOUNT})|\babsolute(?:ly)?\b"
    )
    asked = read_asked_part(sheet)
    scope = reading.read_scope()
    fields = {condition.field for condition in scope.conditions}
    if len(scope.conditions) != 1 or [item for item in reading.free_fields() if item.name not in fields]:
        raise Refusal(two_things())
    (limit,) = scope.conditions
    if (
        isinstance(limit.limit, (bool, tuple))
        or limit.comparison not in {Comparison.GREATER, Comparison.GREATER_OR_EQUAL}
        or asked.focus is not Focus.VALUE
    ):
        raise Refusal(unclear("It is not clear which changes are counted; please give the least that they have."))
    if not re.search(rf"(?<![\d.]){limit.limit:g}(?![\d])", sheet.low):
        raise Refusal(unclear("The size of a change is read in the field's own unit only."))
    if way is Way.DOWN:
        turned = Comparison.LESS if limit.comparison is Comparison.GREATER else Comparison.LESS_OR_EQUAL
        limit = replace(limit, comparison=turned, limit=-limit.limit)
    return Plan(
        contract=contract.name,
        measure=Measure.COUNT,
        field=limit.field,
        holding=(limit,),
        scope=replace(scope, conditions=()),
        difference=Difference.NEIGHBOUR_ABSOLUTE if way is Way.EITHER else Difference.NEIGHBOUR,
        neighbour_within=neighbour_limit(contract),
        group_by=asked.group_by,
        time_zone=reading.zone.key,
    )


def _check_unit(reading: Reading, unit: str) -> None:
    """Refuses a time between neighbours that is not the cadence."""
    cadence = reading.contract.cadence
    if not unit:
        reading.assumptions.append("a change is the one between neighbouring readings of a device")
        return
    article = "an" if unit == "hour" else "a"
    if cadence is None or spoken_unit(cadence) != unit:
        raise Refusal(
            unclear(
                f"Readings do not come once {article} {unit}; please ask for the change between neighbouring readings."
            )
        )
    reading.assumptions.append(f"readings come once {article} {unit}, so neighbours are one {unit} apart")


def _count(found: re.Match[str] | None) -> int:
    """Returns how many of the largest changes are wanted; 0 where the question does not say."""
    if found is None:
        return 0
    number = found["n"] or found["m"]
    return int(number) if number.isdigit() else int(NUMBER_WORDS[number])
