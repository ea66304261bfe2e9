"""The family of longest runs: how long, when and where something held without a break."""

from dataclasses import replace
from typing import Final

from dataflow_insight.english.families.asked_part import for_each, read_asked_part
from dataflow_insight.english.families.device_rank import read_device_rank
from dataflow_insight.english.families.falling import falling
from dataflow_insight.english.families.neighbours import neighbour_limit
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things, unclear
from dataflow_insight.plans.plan import Focus, Grouping, Measure, Plan

_LONG: Final = r"(?:longest|lengthiest|maximum|maximal|max|greatest|largest|biggest|record|most)"
_UNBROKEN: Final = (
    r"(?:consecutive(?:ly)?|successive(?:ly)?|uninterrupted(?:ly)?|unbroken|contiguous|continuous(?:ly)?|continual(?:ly)?|"
    r"non-?stop|straight|running)"
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
    if not sheet.find(_EXPLICIT):
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
    return Plan(
        contract=reading.contract.name,
        measure=Measure.STREAK,
        holding=holding,
        scope=replace(scope, conditions=()),
        neighbour_within=neighbour_limit(reading.contract),
        group_by=(Grouping.DEVICE,) if rank else for_each(reading, asked),
        rank=rank,
        time_zone=reading.zone.key,
        focus=Focus.DEVICE if rank else asked.focus,
    )
