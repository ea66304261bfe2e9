"""The family of longest runs: how long, when and where something held without a break."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Final

from dataflow_insight.english.families.asked_part import for_each, read_asked_part
from dataflow_insight.english.families.device_rank import read_device_rank
from dataflow_insight.english.families.falling import falling
from dataflow_insight.english.families.neighbours import neighbour_limit
from dataflow_insight.english.lexicon import NUMBER_WORDS
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things, unclear
from dataflow_insight.plans.plan import Comparison, Focus, Grouping, GroupLimit, Measure, Plan

_LONG: Final = r"(?:longest|lengthiest|maximum|maximal|max|greatest|largest|biggest|record|most)"
_UNBROKEN: Final = (
    r"(?:consecutive(?:ly)?|successive(?:ly)?|uninterrupted(?:ly)?|unbroken|contiguous|continuous(?:ly)?|continual(?:ly)?|"
    r"non-?stop|straight|(?:(?<=hours\s)|(?<=days\s)|(?<=minutes\s)|(?<=weeks\s)|(?<=readings\s)|(?<=values\s))running)"
)
_IN_A_ROW: Final = (
    r"(?:in\s+a\s+row|on\s+end|in\s+(?:direct\s+)?succession|at\s+a\s+(?:stretch|time)|in\s+one\s+(?:go|piece|stretch)|one\s+after\s+(?:the\s+other|another)|"
    r"without\s+(?:an?\s+|any\s+)?(?:interruptions?|breaks?|pauses?|gaps?|stopping)|without\s+being\s+interrupted)"
)
_RUN: Final = (
    r"(?:runs?|streaks?|stretch(?:es)?|spells?|periods?|phases?|episodes?|sequences?|series|spans?|intervals?|bouts?|"
    r"time\s*spans?|time|durations?|windows?|chains?|blocks?)"
)
_TIMES: Final = (
    r"(?:hours?|minutes?|seconds?|days?|readings?|values?|measurements?|records?|rows?|samples?|observations?)"
)
_ADJECTIVES: Final = r"(?:cold|cool|hot|heat|warm|calm|windy|smog|smoggy|polluted|pollution|bright|humid|high|low|elevated|clean|dirty|bad|time|such|single)"
_STATES: Final = r"(?:rainy|dry|wet|frost|frosty|freezing|dark|darkness|total\s+darkness|occupied|empty|rain)"
_CLAIMS: Final = (
    rf"\b{_LONG}\s+(?:\w+[\s-]+){{0,4}}?{_RUN}\b",
    rf"\b{_UNBROKEN}\b",
    r"\bhow\s+long\b.*\b(?:at\s+(?:the\s+)?(?:most|longest)|maximally)\b",
    rf"\b{_IN_A_ROW}\b",
    r"\blongest\b|\blengthiest\b|\b(?:streak|dry\s+spell|cold\s+spell|heat\s*wave)\b",
)
_COUNTED: Final = r"\b(?:how\s+many|number\s+of)\s+(?:\w+\s+)?(?:streaks|runs|spells|episodes|stretches|phases)\b|\bshortest\b|\baverage\s+(?:length|duration)\b|\bmean\s+(?:length|duration)\b"
_EXPLICIT: Final = (
    r"\b(?:longest|lengthiest|most|maximum|maximal|max|largest|greatest|record)\b|\bat\s+(?:the\s+)?most\b"
)

_LENGTH: Final = (
    rf"\b(?:for\s+|of\s+|lasting\s+)?(?:(?P<way>more\s+than|at\s+least|over|longer\s+than|no\s+less\s+than|a\s+minimum\s+of)\s+)?"
    rf"(?P<n>\d{{1,5}}|{'|'.join(NUMBER_WORDS)})\s+(?:{_UNBROKEN}\s+(?P<unit>hours?|minutes?|days?|readings?|measurements?|values?)|"
    rf"(?P<unit2>hours?|minutes?|days?|readings?|measurements?|values?))(?P<or>\s+or\s+(?:more|longer))?(?:\s+{_IN_A_ROW})?"
)
_UNITS: Final = {"hour": timedelta(hours=1), "minute": timedelta(minutes=1), "day": timedelta(days=1)}
_YES_NO: Final = r"(?:and\s+|so\s+)?(?:did|was|were|is|are|has|have|does|do)\b"
_BEFORE_PART: Final = (
    rf"\b(?:{_LONG}\s+)?(?:number|amount|count)\s+of\s+(?:the\s+)?(?:{_UNBROKEN}|{_TIMES})\b",
    rf"\b(?:for\s+|during\s+|over\s+)?(?:the\s+|an?\s+)?{_LONG}\s+(?:{_UNBROKEN}\s+)?(?:{_ADJECTIVES}[\s-]+)*{_RUN}\b",
    rf"\b(?:the\s+|an?\s+)?{_LONG}\s+(?=(?:{_UNBROKEN}\s+)?(?:{_STATES}\s+)+{_RUN}\b)",
    r"\bat\s+(?:the\s+)?(?:most|maximum|longest)\b|\bmaximally\b|\b(?:for\s+)?(?:the\s+)?longest\b|\blengthiest\b",
    rf"\b{_LONG}\s+(?={_TIMES}\b|{_UNBROKEN}\b)",
    rf"\b(?:for\s+)?how\s+many\s+(?:{_UNBROKEN}\s+)?{_TIMES}\b",
    rf"\b{_UNBROKEN}\b|\b{_IN_A_ROW}\b",
)
"""Words about runs that could be taken for what is asked of them."""

_BEFORE_SCOPE: Final = (
    rf"\b(?:(?:{_ADJECTIVES})[\s-]+)*(?:{_RUN})\b(?=\s+(?:of|with|in|during|where|when|that|for|at|on|did|was|had|last|lasted|above|below|over|under|\()|\W*$)",
    rf"\bin\s+(?:hours|minutes|days|seconds|readings)\b|\b{_TIMES}\s+(?=(?:with|of|where|when|above|below|over|under|in\s+which|during\s+which)\b)",
    r"\b(?:at\s+the\s+same\s+time|simultaneously|both|last(?:s|ed)?|such)\b",
)
"""Words about runs that could be taken for times or limits."""


def plan(reading: Reading) -> Plan | None:
    """Returns the plan of a question for the longest run of readings for which something holds.

    Raises:
        Refusal: It does not say what has to hold, or asks for other runs than the longest.
        TimeError: The times make no range.
        ConditionError: A limit cannot be applied.
    """
    sheet = reading.sheet
    if not any(sheet.find(pattern) for pattern in _CLAIMS):
        return None
    if sheet.find(_COUNTED):
        raise Refusal(unclear("Only the longest run is computed, not how many runs there are or how short they get."))
    length = _read_length(reading)
    if length is None and not sheet.find(_EXPLICIT):
        reading.assumptions.append("the longest run is meant")
    rank = read_device_rank(sheet, max(1, len(reading.contract.devices)))
    rain = falling(reading)
    for pattern in _BEFORE_PART:
        sheet.take_all(pattern)
    asked = read_asked_part(sheet)
    for pattern in _BEFORE_SCOPE:
        sheet.take_all(pattern)
    scope = reading.read_scope()
    holding = tuple(dict.fromkeys([*(found.condition for found in reading.conditions), *rain]))
    if not holding:
        raise Refusal(unclear("It is not clear what has to hold all the time; please give a limit."))
    if [item for item in reading.free_fields() if item.name not in {condition.field for condition in holding}]:
        raise Refusal(two_things())
    sheet.take_all(rf"\b(?:{_ADJECTIVES}|{_RUN}|{_TIMES})\b")
    plan = Plan(
        contract=reading.contract.name,
        measure=Measure.STREAK,
        holding=holding,
        scope=replace(scope, conditions=()),
        neighbour_within=neighbour_limit(reading.contract),
        time_zone=reading.zone.key,
    )
    if length is not None:
        yes_no = re.match(_YES_NO, reading.text) is not None
        if rank or asked.focus not in {Focus.VALUE, Focus.DEVICE} or not (yes_no or asked.focus is Focus.DEVICE):
            raise Refusal(unclear("It is not clear what is asked about runs of that length."))
        return replace(plan, group_by=(Grouping.DEVICE,), having=length, focus=Focus.YES_NO if yes_no else Focus.VALUE)
    return replace(
        plan,
        group_by=(Grouping.DEVICE,) if rank else for_each(reading, asked),
        rank=rank,
        focus=Focus.DEVICE if rank else asked.focus,
    )


def _read_length(reading: Reading) -> GroupLimit | None:
    """Covers "for more than ten hours in a row" and returns how many readings a run must have; None where it says nothing.

    Raises:
        Refusal: Readings do not come in such steps.
    """
    found = reading.sheet.take(_LENGTH)
    if found is None:
        return None
    number = float(found["n"]) if found["n"].isdigit() else float(NUMBER_WORDS[found["n"]])
    unit = (found["unit"] or found["unit2"]).rstrip("s")
    if unit in _UNITS:
        cadence = reading.contract.cadence
        if cadence is None or _UNITS[unit] * number % cadence:
            raise Refusal(unclear("Readings do not come in such steps, so a run of that length cannot be found."))
        number = _UNITS[unit] * number / cadence
        reading.assumptions.append("the length of a run is its number of readings times the time between them")
    more = found["way"] is not None and re.match(r"more|over|longer", found["way"]) is not None and found["or"] is None
    return GroupLimit(Comparison.GREATER if more else Comparison.GREATER_OR_EQUAL, number)
