"""The family of changes: the largest step between neighbouring readings, and how a value changed over a period."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Final

from dataflow_insight.english.families.asked_part import read_asked_part
from dataflow_insight.english.families.change_words import CHANGE_NOUN, CHANGE_VERB, Way, way_of
from dataflow_insight.english.families.changed_field import IN_UNIT, changed_field, cover_unit
from dataflow_insight.english.families.neighbours import BETWEEN_READINGS, between_times
from dataflow_insight.english.families.steps import BY_AMOUNT, HOURLY, HOW_OFTEN, LARGE, UNITS, counted, step
from dataflow_insight.english.moments import Precision
from dataflow_insight.english.names import adds_up
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things, unclear
from dataflow_insight.plans.plan import Focus, Grouping, Measure, Plan, Scope, TimeRange

_LIMIT: Final = r"\s+(?:(?:up|down|back)\s+)?(?:above|below|over|under|beyond|to|through|past)\s+(?:minus\s+)?-?(?:\d|zero|freezing)"
_LAST_LESS_FIRST: Final = r"\blast\s+(?:[^\s,.?]+\s+){0,3}?(?:minus|less)\s+(?:the\s+)?first\b|\bend(?:ing)?\s+minus\s+(?:the\s+)?(?:start|beginning)\b"
_FIRST_TO_LAST: Final = r"\b(?:from|between)\s+(?:the\s+|its\s+)?(?:first|beginning|start|earliest|oldest)(?:\s+(?:reading|value|measurement|one))?\s+(?:to|and)\s+(?:the\s+|its\s+)?(?:last|end|latest|newest|final)\b(?:\s+(?:reading|value|measurement|one))?(?:\s+(?:of|in)\s+the\s+(?:data|period|month|data\s?set|records?))?|\bfrom\s+(?:start|beginning)\s+to\s+(?:end|finish)\b"
_NOT_OURS: Final = (
    rf"\b(?:{CHANGE_VERB})\b{_LIMIT}|\btrends?\b|\bcorrelat\w*|\bpearson\b|"
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
    often = sheet.find(HOW_OFTEN) is not None
    change = sheet.find(_LAST_LESS_FIRST) or sheet.find(rf"\b(?:{CHANGE_NOUN}|{CHANGE_VERB})\b")
    if change is None or sheet.find(_NOT_OURS):
        return None
    readings_apart = sheet.find(BETWEEN_READINGS) is not None
    unit = next((unit for unit in UNITS if sheet.find(between_times(unit))), "")
    adjective = sheet.find(rf"\b(?P<word>{'|'.join(HOURLY)})\s+(?:[^\s.,?!]+\s+){{0,2}}?(?:{CHANGE_NOUN})\b")
    if adjective is not None and not unit:
        unit = HOURLY[adjective["word"]]
    large = sheet.find(rf"\b{LARGE}\s+(?:[^\s.,?!]+[\s-]+){{0,4}}?(?:{CHANGE_NOUN})\b")
    when = re.search(r"\bwhen\b|\b(?:which|what)\s+(?:hour|time|moment)\b", sheet.low)
    most = sheet.find(
        rf"\b(?:{CHANGE_VERB})\b.*\b(?:most(?:\s+(?:sharply|steeply|strongly|rapidly|dramatically|suddenly|quickly))?|fastest|quickest|strongest|hardest)\b|\bat\s+(?:the\s+)?most\b"
    )
    if often:
        return counted(reading, unit) if sheet.find(BY_AMOUNT) else None
    whole = sheet.find(_FIRST_TO_LAST) is not None and not (readings_apart or unit)
    if not whole and (readings_apart or unit or large or (most and when)):
        return step(reading, unit, guessed=not (readings_apart or unit))
    return _period(reading)


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
    how = (bool(timed) or sheet.find(_FIRST_TO_LAST) is not None) and re.match(
        r"(?:and\s+|so\s+)?how\s+(?:did|has|have)\b", text
    ) is not None
    asks = (
        yes_no
        or how
        or sheet.take(_LAST_LESS_FIRST)
        or sheet.find(
            rf"{IN_UNIT}|\bhow\s+(?:much|far|strongly)\b|\b(?:net|total|overall)\s+(?:{CHANGE_NOUN})\b|^\W*(?:what\s+(?:was|is)\s+)?(?:the\s+)?(?:{CHANGE_NOUN})\b|\b(?:which|where)\b"
        )
    )
    if re.search(r"\bhow\s+(?:much|many)\b", text) and any(
        mention.field is not None and adds_up(mention.field) for mention in reading.names.fields
    ):
        return None  # "how much rain fell" is a sum
    if not asks or sheet.find(
        r"\b(?:median|percentile|standard|highest|lowest|maximum|minimum|percent(?:age)?|per\s+cent)\b"
    ):
        return None
    way = way_of(sheet)
    cover_unit(reading)
    sheet.take_all(rf"\b(?:{CHANGE_NOUN}|{CHANGE_VERB})\s+or\s+(?:{CHANGE_NOUN}|{CHANGE_VERB}|down|up)\b")
    most = sheet.take_all(r"\b(?:the\s+)?most\b|\bby\s+the\s+most\b")
    if sheet.find(_FIRST_TO_LAST):
        most += sheet.take_all(rf"\b(?:the\s+)?{LARGE}\b")
    least = sheet.find(r"\bleast\b")
    if least:
        return None
    sheet.take_all(_FIRST_TO_LAST)
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
    field = changed_field(reading)
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
