"""The family of changes: the largest step between neighbouring readings, and how a value changed over a period."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Final

from dataflow_insight.english.families.asked_part import read_asked_part
from dataflow_insight.english.families.change_words import CHANGE_NOUN, CHANGE_VERB, Way, way_of
from dataflow_insight.english.families.neighbours import (
    BETWEEN_READINGS,
    between_times,
    neighbour_limit,
    spoken_unit,
)
from dataflow_insight.english.lexicon import NUMBER_WORDS
from dataflow_insight.english.limits import UNIT
from dataflow_insight.english.moments import Precision
from dataflow_insight.english.names import adds_up
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, needs_field, two_things, unclear
from dataflow_insight.plans.plan import Comparison, Difference, Focus, Grouping, Measure, Plan, Scope, TimeRange

_LARGE: Final = (
    r"(?:largest|biggest|greatest|highest|steepest|sharpest|strongest|maximum|maximal|max|most\s+(?:sudden|extreme|dramatic|rapid)|"
    r"quickest|fastest|heaviest|worst|most)"
)
_UNITS: Final = ("hour", "minute", "day", "week", "month")
_HOURLY: Final = {"hourly": "hour", "daily": "day", "minutely": "minute", "weekly": "week", "monthly": "month"}
_AVERAGE: Final = r"\b(?:on\s+)?(?:average|mean|typical(?:ly)?|usual(?:ly)?|avg)\b"
_LIMIT: Final = r"\s+(?:(?:up|down|back)\s+)?(?:above|below|over|under|beyond|to|through|past)\s+(?:minus\s+)?-?(?:\d|zero|freezing)"
_HOW_OFTEN: Final = r"\b(?:how\s+often|how\s+many\s+times|number\s+of\s+times|on\s+how\s+many\s+occasions|how\s+many(?=\s+(?:hourly\s+|sudden\s+)?(?:jumps|drops|rises|falls|increases|decreases|changes|spikes|swings)\b))\b"
_AMOUNT: Final = r"(?:more\s+than|at\s+least|over|above|greater\s+than|larger\s+than|exceeding)\s+\d"
_BY_AMOUNT: Final = rf"\b(?:by|of)\s+{_AMOUNT}"
_LAST_LESS_FIRST: Final = r"\blast\s+(?:[^\s,.?]+\s+){0,3}?(?:minus|less)\s+(?:the\s+)?first\b|\bend(?:ing)?\s+minus\s+(?:the\s+)?(?:start|beginning)\b"
_NOT_OURS: Final = (
    rf"\b(?:{CHANGE_VERB})\b{_LIMIT}|\btrends?\b|"
    r"\b(?:over|throughout|during|through|in)\s+the\s+(?:course\s+of\s+the\s+)?day\b"
)


def plan(reading: Reading) -> Plan | None:
    """Returns the plan of a question about steps between neighbours, or about the change over a period.

    Raises:
        Refusal: It asks for steps that readings do not make, or names no field or several.
        TimeError: The times make no range.
        ConditionError: A limit cannot be applied.
    """
    sheet = reading.sheet
    often = sheet.find(_HOW_OFTEN) is not None
    change = sheet.find(_LAST_LESS_FIRST) or sheet.find(rf"\b(?:{CHANGE_NOUN}|{CHANGE_VERB})\b")
    if change is None or sheet.find(_NOT_OURS):
        return None
    readings_apart = sheet.find(BETWEEN_READINGS) is not None
    unit = next((unit for unit in _UNITS if sheet.find(between_times(unit))), "")
    adjective = sheet.find(rf"\b(?P<word>{'|'.join(_HOURLY)})\s+(?:[^\s.,?!]+\s+){{0,2}}?(?:{CHANGE_NOUN})\b")
    if adjective is not None and not unit:
        unit = _HOURLY[adjective["word"]]
    large = sheet.find(rf"\b{_LARGE}\s+(?:[^\s.,?!]+[\s-]+){{0,4}}?(?:{CHANGE_NOUN})\b")
    when = re.search(r"\bwhen\b|\b(?:which|what)\s+(?:hour|time|moment)\b", sheet.low)
    most = sheet.find(
        rf"\b(?:{CHANGE_VERB})\b.*\b(?:most|fastest|quickest|strongest|hardest)\b|\bat\s+(?:the\s+)?most\b"
    )
    if often:
        return _counted(reading, unit) if sheet.find(_BY_AMOUNT) else None
    if readings_apart or unit or large or (most and when):
        return _step(reading, unit, guessed=not (readings_apart or unit))
    return _period(reading)


def _count(found: re.Match[str] | None) -> int:
    """Returns how many of the largest changes are wanted; 0 where the question does not say."""
    if found is None:
        return 0
    number = found["n"] or found["m"]
    return int(number) if number.isdigit() else int(NUMBER_WORDS[number])


def _counted(reading: Reading, unit: str) -> Plan:
    """How often neighbours are further apart than a limit."""
    sheet, contract = reading.sheet, reading.contract
    way = way_of(sheet)
    _check_unit(reading, unit)
    sheet.take_all(_HOW_OFTEN)
    sheet.take_all(BETWEEN_READINGS)
    for name in _UNITS:
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


def _step(reading: Reading, unit: str, *, guessed: bool) -> Plan:
    sheet, contract = reading.sheet, reading.contract
    if guessed or unit:
        _check_unit(reading, unit)
    way = way_of(sheet)
    if sheet.find(r"\bsmallest\b|\bleast\b|\blowest\b|\bhow\s+often\b"):
        raise Refusal(unclear("Only the largest change is computed, and the average one."))
    sheet.take_all(rf"\b(?:by\s+)?how\s+many\s+(?:{UNIT})(?![\w/^])")
    several = sheet.take(
        rf"\b(?:the\s+)?(?:top\s+)?(?P<n>\d{{1,3}}|{'|'.join(NUMBER_WORDS)})\s+(?={_LARGE}\b)|\btop\s+(?P<m>\d{{1,3}})\b"
    )
    sheet.take_all(BETWEEN_READINGS)
    for name in _UNITS:
        sheet.take_all(between_times(name))
    average = bool(sheet.take_all(_AVERAGE))
    sheet.take_all(
        rf"\b(?:{'|'.join(_HOURLY)})\b|\b{_LARGE}\b|\bat\s+(?:the\s+)?most\b|\b(?:by|up|down)\s+(?=at\s+most|how)\b"
    )
    sheet.take_all(
        r"\b(?:by\s+)?how\s+(?:much|strongly|far)\b|\bby\s+how\s+(?:much|many)\b|\b(?:strongest|hardest|suddenly|single|one-?time|one-?step)\b"
    )
    sheet.take_all(
        rf"\b(?:{CHANGE_NOUN}|{CHANGE_VERB})\b(?:\s+(?:up|down)(?:wards?)?\b)?|\b(?:up|down)wards?\b|\b(?:up|down)\b|\babsolute\b|\b(?:in\s+)?either\s+(?:direction|way)\b|\bregardless\s+of\s+(?:sign|direction)\b"
    )
    asked = read_asked_part(sheet)
    scope = reading.read_scope()
    field = _field(reading)
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


def _period(reading: Reading) -> Plan | None:
    """The newest value less the oldest, of each device."""
    sheet, contract = reading.sheet, reading.contract
    text = sheet.low
    yes_no = (
        re.match(r"(?:and\s+|so\s+)?(?:did|has|have|does|do|was|is|were|are)\b", text) is not None
        or " whether " in text
    )
    timed = bool(reading.moments) or re.search(
        r"\b(?:over|during|in|throughout)\s+the\s+(?:whole\s+|entire\s+)?(?:month|period|week|year)\b", text
    )
    how = bool(timed) and re.match(r"(?:and\s+|so\s+)?how\s+(?:did|has|have)\b", text) is not None
    asks = (
        yes_no
        or how
        or sheet.take(_LAST_LESS_FIRST)
        or sheet.find(
            rf"\bhow\s+(?:much|far|strongly)\b|\b(?:net|total|overall)\s+(?:{CHANGE_NOUN})\b|^\W*(?:what\s+(?:was|is)\s+)?(?:the\s+)?(?:{CHANGE_NOUN})\b|\b(?:which|where)\b"
        )
    )
    if re.search(r"\bhow\s+much\b", text) and any(
        mention.field is not None and adds_up(mention.field) for mention in reading.names.fields
    ):
        return None  # "how much rain fell" is a sum
    if not asks or sheet.find(
        r"\b(?:median|percentile|standard|highest|lowest|maximum|minimum|percent(?:age)?|per\s+cent)\b"
    ):
        return None
    way = way_of(sheet)
    sheet.take_all(rf"\b(?:{CHANGE_NOUN}|{CHANGE_VERB})\s+or\s+(?:{CHANGE_NOUN}|{CHANGE_VERB}|down|up)\b")
    most = sheet.take_all(r"\b(?:the\s+)?most\b|\bby\s+the\s+most\b")
    least = sheet.find(r"\bleast\b")
    if least:
        return None
    sheet.take_all(
        r"\b(?:from|between)\s+(?:the\s+)?(?:first|beginning|start|earliest|oldest)(?:\s+(?:reading|value|measurement|one))?\s+(?:to|and)\s+(?:the\s+)?(?:last|end|latest|newest|final)\b(?:\s+(?:reading|value|measurement|one))?(?:\s+of\s+the\s+(?:data|period|month))?|\bfrom\s+(?:start|beginning)\s+to\s+(?:end|finish)\b"
    )
    sheet.take_all(
        rf"\b(?:by\s+)?how\s+(?:much|far|strongly)\b|\bhow\s+(?=did|has)|\b(?:net|total|overall)\s+(?={CHANGE_NOUN})|\bwhether\b"
    )
    sheet.take_all(
        rf"\b(?:{CHANGE_NOUN}|{CHANGE_VERB})\b(?:\s+(?:up|down)(?:wards?)?\b)?|\b(?:up|down)\b|\b(?:over|in|during|for|throughout)\s+the\s+(?:whole|entire|full|complete)\s+(?:period|time|month|data\s?set)\b|\b(?:become|became|get|got|gotten|gone|going)\b"
    )
    asked = read_asked_part(sheet)
    scope = _with_last_moment(reading, reading.read_scope())
    if scope.conditions:
        raise Refusal(unclear("A change is from the first to the last reading, so it cannot have a limit on values."))
    field = _field(reading)
    plan = Plan(
        contract=contract.name,
        measure=Measure.CHANGE,
        field=field,
        scope=scope,
        time_zone=reading.zone.key,
    )
    reading.assumptions.append("the change is the last value less the first")
    which = asked.focus is Focus.DEVICE
    if which:
        if not most:
            raise Refusal(unclear("It is not clear by what the device is chosen."))
        if way is Way.EITHER:
            raise Refusal(unclear("It is not clear whether the largest rise or the largest fall is meant."))
        return replace(plan, group_by=(Grouping.DEVICE,), rank=1 if way is Way.UP else -1, focus=Focus.DEVICE)
    if most or asked.focus is not Focus.VALUE:
        raise Refusal(two_things())
    if asked.each_device or (len(scope.device_ids) != 1 and len(contract.devices) > 1):
        return replace(plan, group_by=(Grouping.DEVICE,))
    if yes_no and way is not Way.EITHER:
        return replace(plan, focus=Focus.YES_NO if way is Way.UP else Focus.NO_YES)
    return plan


def _field(reading: Reading) -> str:
    fields = reading.free_fields()
    if not fields and (item := _warming(reading)) is not None:
        return item
    if not fields:
        raise Refusal(needs_field("A change is of one field"))
    if len(fields) > 1:
        raise Refusal(two_things())
    reading.cover_unit(fields[0])
    return fields[0].name


def _warming(reading: Reading) -> str | None:
    """Returns the field that "warmed up" and "cooled down" are about."""
    item = reading.reader.concept_field("temperature")
    if item is None or not re.search(r"\b(?:warm(?:ed)?|cool(?:ed)?|warming|cooling)\b", reading.text):
        return None
    reading.assumptions.append(f"the change is about the field {item.name}")
    return item.name


def _with_last_moment(reading: Reading, scope: Scope) -> Scope:
    """Lets a range that ends at a time of day reach that reading: "from 06:00 to 12:00" ends with the value of 12:00."""
    if all(moment.precision is Precision.SPAN for moment in reading.moments):
        return scope
    times = tuple(
        TimeRange(span.start, span.end + timedelta(minutes=1))
        if span.start is not None and span.end is not None
        else span
        for span in scope.times
    )
    if times != scope.times:
        reading.assumptions[:] = [note for note in reading.assumptions if "itself is not part" not in note]
        reading.assumptions.append("the value at the end of the range is the last one")
    return replace(scope, times=times)
