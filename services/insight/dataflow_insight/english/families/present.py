"""The family of questions about what holds by the newest readings: "Is room b occupied?", "Which rooms are above 25 °C now?"."""

import re
from dataclasses import replace
from typing import Final

from dataflow_insight.english.adjectives import implied_field
from dataflow_insight.english.lexicon import DEVICE_NOUN
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things, unclear
from dataflow_insight.english.sheet import TEXT
from dataflow_insight.plans.plan import Focus, Fold, Grouping, GroupLimit, Measure, Plan

_ASKS: Final = (
    r"^\W*(?:and\s+|so\s+|hey\W+|please\s+)?(?:is|are|was|were|does|do|has|have)\b(?!\s+(?:there|any\s+\w+\s+missing))"
)
_CHOOSES: Final = rf"^\W*(?:at\s+|in\s+)?(?:which|what|list|show(?:\s+me)?|name)\s+(?:all\s+)?(?:of\s+)?(?:the\s+)?{DEVICE_NOUN}\b|^\W*where\s+(?:is|are)\b"
_COUNTS: Final = rf"^\W*(?:in\s+|at\s+)?how\s+many\s+(?:of\s+the\s+)?{DEVICE_NOUN}\b"
_NOW: Final = (
    r"(?:\b(?:according\s+to|in|at|as\s+of|by|judging\s+by|going\s+by|per)\s+)?(?:\b(?:the|its|their|this|our)\s+)?"
    r"\b(?:latest|last|newest|current|most\s+recent)\s+(?:readings?|values?|measurements?|records?|reports?|messages?|data|observations?)\b"
    r"|\b(?:right\s+)?now\b|\bcurrently\b|\bat\s+(?:the|this)\s+moment\b|\bat\s+present\b|\bpresently\b|\bstill\b"
)
_PRESENT: Final = r"\W*(?:is|are)\b"
_ARE: Final = rf"(?:{_CHOOSES}|{_COUNTS})(?:\s+(?:{DEVICE_NOUN}))?\s+(?:is|are)\s+(?!there\b)"
_STATE: Final = (
    r"\b(?:occupied|unoccupied|vacant|empty|in\s+use|open|closed|shut|on|off|running|active|inactive|raining|"
    r"(?:some|any|no)body|(?:some|any|no)\s?one|dark)\b"
)
_EXTREME: Final = r"\b(?:the\s+)?(?:(?P<low>lowest|least|smallest|minimum|min)|highest|most|largest|greatest|maximum|max)\b(?=\s+[\ue100-\ue1ff])"
_OTHER: Final = (
    r"\b(?:averages?|mean|median|highest|lowest|maximum|minimum|max|min|most|least|ever|always|missing|nulls?|how|which|when|"
    r"than\s+(?:at|in|on|the|it|before|usual|average)|percent\w*|share|longest)\b"
)


def _leading(reading: Reading, extreme: re.Match[str]) -> Plan | None:
    """Returns the plan of the device whose newest value is the highest or the lowest of all."""
    sheet = reading.sheet
    fields = reading.free_fields()
    if len(fields) != 1 or not fields[0].kind.numeric:
        return None
    sheet.cover(*extreme.span())
    return _led_by(reading, fields[0].name, -1 if extreme["low"] else 1)


def _leading_by_adjective(reading: Reading) -> Plan | None:
    """Returns the same of "warmest", which names the field itself."""
    implied = implied_field(reading, superlatives=True)
    if implied is None or implied.measure not in {Measure.MAX, Measure.MIN}:
        return None
    return _led_by(reading, implied.field.name, 1 if implied.measure is Measure.MAX else -1)


def _led_by(reading: Reading, field: str, rank: int) -> Plan:
    reading.sheet.take_all(rf"{_NOW}|{_CHOOSES}")
    return Plan(
        reading.contract.name,
        Measure.LATEST,
        field,
        scope=reading.read_scope(),
        group_by=(Grouping.DEVICE,),
        rank=rank,
        focus=Focus.DEVICE,
    )


def plan(reading: Reading) -> Plan | None:
    """Returns the plan of a question whether, or at which devices, a limit or a state holds by the newest reading.

    Raises:
        Refusal: It is not about one limit on one field.
        TimeError: The times make no range.
        ConditionError: The limit cannot be applied.
    """
    sheet, text = reading.sheet, reading.text
    chooses, counts = re.search(_CHOOSES, text) is not None, re.search(_COUNTS, text) is not None
    if not (chooses or counts or re.search(_ASKS, text)) or reading.times.given:
        return None
    rest = re.sub(rf"{_CHOOSES}|{_COUNTS}", "", sheet.visible)
    if chooses and (extreme := sheet.find(_EXTREME)) is not None and sheet.find(_NOW):
        return _leading(reading, extreme)
    if chooses and sheet.find(_NOW) and re.search(r"\b\w+est\b", rest) and not reading.names.fields:
        return _leading_by_adjective(reading)
    if re.search(_OTHER, rest):
        return None
    state = re.search(_STATE, text) is not None or re.search(TEXT, sheet.visible) is not None
    if not sheet.find(_NOW) and not (state and re.match(rf"{_PRESENT}|{_ARE}", text)):
        return None
    # Whether a number keeps a limit now is among the plain questions.
    if not state and not ((chooses or counts) and re.search(r"\d|\bzero\b|\bfreezing\b", rest)):
        return None
    said = bool(sheet.take_all(_NOW))
    scope = reading.read_scope()
    fields = {condition.field for condition in scope.conditions}
    if len(fields) != 1:
        raise Refusal(two_things() if fields else unclear("It is not clear what has to hold; please give a limit."))
    if any(item.name not in fields for item in reading.free_fields()):
        raise Refusal(two_things())
    if not said:
        reading.assumptions.append("whether it is so is told by the latest reading")
    latest = Plan(reading.contract.name, Measure.LATEST, fields.pop(), scope=replace(scope, conditions=()))
    if not chooses and not counts:
        several = len(scope.device_ids) != 1 and len(reading.contract.devices) > 1
        if several:
            return replace(latest, group_by=(Grouping.DEVICE,))
        return replace(latest, focus=Focus.YES_NO)
    condition = scope.conditions[0]
    if len(scope.conditions) > 1:
        raise Refusal(unclear("Devices can be chosen by one limit on their latest values."))
    sheet.take_all(rf"{_CHOOSES}|{_COUNTS}")
    if isinstance(condition.limit, bool | tuple):
        # A limit on groups is a number: all are listed, and those that are meant can be seen.
        reading.assumptions.append("the latest state of each device is listed, whichever it is")
        return replace(latest, group_by=(Grouping.DEVICE,), focus=Focus.LIST)
    having = GroupLimit(condition.comparison, condition.limit)
    if counts:
        return replace(latest, fold=Fold((Grouping.DEVICE,), Measure.COUNT, having))
    return replace(latest, group_by=(Grouping.DEVICE,), having=having, focus=Focus.LIST)
