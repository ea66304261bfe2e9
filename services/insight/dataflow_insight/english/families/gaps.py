"""The family of gaps: the longest time in which a device, or a field of it, was silent."""

from typing import Final

from dataflow_insight.english.families.asked_part import for_each, read_asked_part
from dataflow_insight.english.lexicon import READING_NOUN
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things, unclear
from dataflow_insight.english.sheet import DEVICE, FIELD
from dataflow_insight.plans.plan import Measure, Plan

_LONG: Final = r"(?:longest|lengthiest|largest|biggest|greatest|maximum|maximal|max|widest)"
_GAP: Final = (
    r"(?:gaps?|outages?|silences?|silent\s+(?:periods?|times?|phases?|spells?)|pauses?|breaks?|down\s?times?|blackouts?|"
    r"interruptions?|holes?|drop-?outs?|radio\s+silence|quiet\s+periods?|transmission\s+gaps?)"
)
_TIME: Final = r"(?:time|times|period|interval|stretch|span|duration|phase|while|spell|distance)"
_ANY: Final = r"(?:any\s+|an?\s+|a\s+single\s+|the\s+|new\s+)*"
_WITHOUT: Final = (
    rf"(?:without|with\s+no|lacking|free\s+of|between)\s+{_ANY}(?:(?:two|2)\s+)?(?:(?:consecutive|successive|neighbou?ring|adjacent)\s+)?"
    rf"(?:(?P<field>{FIELD})\s*)?(?:{READING_NOUN}|signals?|news|transmissions?)?"
)
_SILENT: Final = (
    rf"(?:(?:in|during|for)\s+which\s+|that\s+|when\s+|where\s+)?(?:there\s+(?:was|were|is|are)\s+(?:no|not\s+any)|(?:{DEVICE}|it|a\s+\w+|any\s+\w+|the\s+\w+)\s+"
    rf"(?:sent|reported|recorded|delivered|measured|had|gave|produced|transmitted)\s+(?:no|nothing)|nothing\s+(?:was\s+)?(?:came|arrived|sent|reported|recorded|received)|"
    rf"(?:{DEVICE}|it)\s+(?:did\s+not|didn't)\s+(?:send|report|record|deliver|measure|transmit)|no)"
)
_MOST: Final = r"longest|at\s+(?:the\s+)?(?:most|longest)"
_QUIET: Final = rf"silent|offline|quiet|(?:no|without)\s+{_ANY}(?:new\s+)?(?:{FIELD}\s*)?(?:readings?|data|measurements?|signals?|messages?|values?|reporting|sending|measuring)"
_PASSED: Final = r"\b(?:passed|elapsed|went\s+by|lay|goes\s+by|passes)\b(?=.*\bbetween\s+(?:any\s+)?(?:two|2|consecutive|successive|neighbou?ring))"
_CLAIMS: Final = (
    rf"\b{_LONG}\s+(?:(?!without\b|with\b|no\b)[^\s,.?]+\s+){{0,2}}?{_GAP}\b(?!\s+between\s+(?:the\s+)?(?:average|mean|{DEVICE}))",
    rf"\b{_LONG}\s+(?:\w+\s+)?{_TIME}\s+(?:\w+\s+){{0,2}}?(?:without|with\s+no|between)\b(?=\s+{_ANY}(?:(?:two|2)\s+)?(?:(?:consecutive|successive|neighbou?ring|adjacent|new|valid)\s+)*(?:{FIELD}\s*)?(?:{READING_NOUN}|signals?|news|transmissions?|reporting|sending)\b)",
    rf"\b{_LONG}\s+(?:\w+\s+)?{_TIME}\s+(?:{_SILENT})\b",
    rf"(?:\b(?:{_MOST})\b.*)?{_PASSED}",
    rf"\b(?:{_MOST})\b.*\b(?:{_QUIET})\b|\b(?:{_QUIET})\b.*\b(?:{_MOST})\b",
)


def plan(reading: Reading) -> Plan | None:
    """Returns the plan of a question for the longest time without a reading.

    Raises:
        Refusal: It asks for more than the longest one.
        TimeError: The times make no range.
    """
    sheet = reading.sheet
    if not any(sheet.find(pattern) for pattern in _CLAIMS):
        return None
    sheet.take_all(_PASSED)
    sheet.take_all(
        rf"\bbetween\s+{_ANY}(?:two|2)\s+(?:(?:consecutive|successive|neighbou?ring|adjacent)\s+)?(?=(?:{FIELD}\s*)?{READING_NOUN}\b)"
    )
    sheet.take_all(
        rf"\b(?:without|with\s+no|no|lacking|between|nothing|not\s+any)\b(?=\s+{_ANY}(?:(?:consecutive|successive|neighbou?ring|adjacent|new|valid)\s+)*(?:{FIELD}|{READING_NOUN}\b|signals?\b|news\b|transmissions?\b|reporting\b|sending\b))|\bnothing\b"
    )
    sheet.take_all(
        r"\b(?:did\s+not|didn't|not)\s+(?=(?:send|report|record|deliver|measure|transmit)\b)|\b(?:signals?|news|transmissions?|valid)\b"
    )
    sheet.take_all(
        rf"\b(?:the\s+)?{_LONG}\s+(?:(?:data|time|transmission|recording|reporting|measurement)\s+)?(?:{_GAP}|{_TIME})\b|\b(?:data|time|transmission)?\s*{_GAP}\b"
    )
    sheet.take_all(
        rf"\b(?:consecutive|successive|neighbou?ring|adjacent|silent|offline|quiet|{_LONG})\b|\bat\s+(?:the\s+)?(?:most|longest)\b|\b(?:in|during)\s+which\b"
    )
    sheet.take_all(r"\blast(?:s|ed)?\b(?=\W*$|\s+(?:at|for|in)\b)")
    asked = read_asked_part(sheet)
    sheet.take_all(
        rf"\b{_TIME}\b|\bin\s+(?:hours|minutes|seconds|days)\b|\b(?:many\s+)?(?:hours|minutes|seconds|days)\b(?!\s+(?:ago|of))"
    )
    scope = reading.read_scope()
    fields = reading.free_fields()
    if len(fields) > 1:
        raise Refusal(two_things())
    if scope.conditions:
        raise Refusal(unclear("A gap is a time without any reading, so it cannot have a limit on values."))
    if fields:
        # A sensor that was mounted late, or broke, has been silent for longer than any gap.
        reading.assumptions.append(
            f"a gap lies between two values of {fields[0].name}: the time before the first and after the last is none"
        )
    return Plan(
        contract=reading.contract.name,
        measure=Measure.GAP,
        field=fields[0].name if fields else "",
        scope=scope,
        group_by=for_each(reading, asked),
        time_zone=reading.zone.key,
        focus=asked.focus,
    )
