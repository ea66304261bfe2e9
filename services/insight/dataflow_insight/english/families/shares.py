"""The family of shares: for how many per cent of the readings something holds, or a value is missing."""

import re
from dataclasses import dataclass, replace
from typing import Final

from dataflow_insight.english.conditions import Found
from dataflow_insight.english.families.asked_part import for_each, read_asked_part
from dataflow_insight.english.families.device_rank import read_device_rank
from dataflow_insight.english.families.falling import falling
from dataflow_insight.english.families.share_limits import read_share_limit
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, needs_field, two_things, unclear
from dataflow_insight.english.sheet import FIELD
from dataflow_insight.plans.plan import Focus, Grouping, Measure, Plan

_SHARE: Final = (
    r"(?:percentages?|percents?|per\s+cent|pct\.?|(?<![\d.])(?<!\d\s)%|shares?|fractions?|proportions?|quotas?|"
    r"(?:relative\s+)?frequenc(?:y|ies)|rates?|parts?(?=\s+of))"
)
_CLAIMS: Final = (
    r"\b(?:percentages?|proportions?|fractions?|shares?)\b",
    r"\b(?:how\s+many|what|which|in|by)\s+(?:per\s?cent|percents?|%|pct)",
    r"(?:^|\s)(?:in|as)\s+(?:an?\s+|terms\s+of\s+)?(?:per\s?cent|percentage|%)|^\W*%\s+of\b|\b(?:per\s?cent|%)\s+of\s+(?:the\s+|all\s+)*(?:time|readings?|hours?|values?|measurements?|records?|rows?|\w*\s*[\ue100-\ue1ff])",
    r"\bhow\s+(?:often|frequently)\b.*(?:(?<!\d)(?<!\d\s)(?:per\s?cent|%)|\bpercentage\b)",
    r"\b(?:missing|null)[\s-]+(?:rates?|ratios?|quotas?)\b|\b(?:rate|ratio|part|frequency)\s+of\s+(?:missing|null)\b",
    r"\b(?:what|which|how\s+(?:large|big|high)\s+an?)\s+part\s+of\s+(?:the\s+|all\s+)*(?:\w+\s+){0,2}?(?:time|readings?|hours?|values?|measurements?)\b",
)
_NOT_OURS: Final = r"\bpercentage\s+points?\b|\bhow\s+many\s+per\s?cent\s+(?:higher|lower|more|less)\b|\b(?:95|9\d|\d\d?)(?:th|rd|st|nd)\s+percentile\b"
_OF_DAYS: Final = r"\b(?:of|on)\s+(?:all\s+|the\s+)*(?:days|nights|weeks|months|mornings|evenings|dates|stations|sensors|devices|sites|rooms)\b"
_MISSING: Final = (
    rf"\b(?:missing|miss(?:es|ed)?|lost|lose|nulls?|absent|unavailable|empty|lack(?:s|ed|ing)?|without\s+(?:an?\s+|any\s+)?(?:value\s+(?:of|for)\s+)?(?={FIELD})|"
    rf"no\s+(?=(?:value\s+(?:of|for)\s+)?{FIELD})|no\s+values?|not\s+(?:reported|recorded|measured|available|present|there|sent|set|known)|"
    r"(?:did\s+not|didn't|does\s+not|doesn't|do\s+not|don't)\s+(?:report|record|have|contain|include|measure|send))\b"
    rf"|\bno\s+(?={FIELD})|\bwithout\s+(?:an?\s+|any\s+)?(?={FIELD})"
)
_TIMES: Final = r"(?:time|times|hours?|minutes?|seconds?|readings?|values?|measurements?|records?|rows?|samples?|observations?|cases|entries|moments)"
_COPULA: Final = r"\b(?:was|were|is|are|did|does|do|had|has|have|exceed(?:s|ed)?|lay|lie|lies|sat|sit|stood|show|shows|showed|saw|came|come|went|got|reported|recorded|fell|fall|falls|stayed|reach(?:ed|es)?)\b"
_CLAUSE: Final = r"\b(?:when(?:ever)?|while|if|during|among|amongst|given(?:\s+that)?|where|provided|with|having|of\s+(?:all\s+|the\s+)*(?:\S+\s+){0,2}(?:readings?|values|measurements|hours|records|rows))\b"
_LIES: Final = r"\b(?:happen(?:s|ed)?|occur(?:s|red)?|took\s+place|came|comes?|fell|falls?|lay|lies?|were|was|is|are|belong(?:s|ed)?)\s+(?:(?:recorded|measured|seen|reported|observed)\s+)?(?:at|on|in|during|from|by|before|after|between|to)\b(?!\s+(?:least|most))"
_LEADING: Final = r"^\W*(?:when(?:ever)?|while|if|during|among|amongst|given|of|in|for|with|considering|on|at)\b"


def plan(reading: Reading) -> Plan | None:
    """Returns the plan of a question for the share of readings for which something holds, or whose value is missing.

    Raises:
        Refusal: It does not say the share of what.
        TimeError: The times make no range.
        ConditionError: A limit cannot be applied.
    """
    sheet = reading.sheet
    if sheet.find(_NOT_OURS):
        return None
    limit = read_share_limit(sheet)
    if limit is None and not any(sheet.find(pattern) for pattern in _CLAIMS):
        return None
    if limit is None and sheet.find(_OF_DAYS):
        raise Refusal(unclear("Shares are of readings; shares of days or of devices are not computed."))
    rank = read_device_rank(sheet, max(1, len(reading.contract.devices)))
    share_at = min((match.start() for pattern in _CLAIMS if (match := sheet.find(pattern)) is not None), default=0)
    missing = sheet.find(_MISSING) is not None
    ranked = sheet.take(
        rf"\b(?:the\s+)?(?P<size>highest|largest|greatest|biggest|most|lowest|smallest|least)\s+(?=(?:{_SHARE}))"
    )
    sheet.take_all(r"\b(?:how\s+often|how\s+frequently)\b")
    sheet.take_all(
        rf"(?:\b(?:in|for|on|during|as|by|at)\s+)?(?:\b(?:what|which|how\s+(?:many|much|large|high|big)(?:\s+an?)?)\s+)?(?:\b(?:an?|the|terms\s+of(?:\s+an?)?)\s+)?(?:\b(?:total|overall|missing)\s+)?\(?(?:(?<=\W)|^|\b)(?:{_SHARE})\)?(?:\s+of(?:\s+(?:all|the))*\s+(?:{_TIMES})\b)?"
    )
    sheet.take_all(rf"\b(?:of|in|for|during)\s+(?:all\s+|the\s+|all\s+the\s+)*{_TIMES}\b")
    asked = read_asked_part(sheet)
    sheet.take_all(r"\b(?:at\s+the\s+same\s+time|simultaneously|both)\b")
    plan = _missing(reading) if missing else _holding(reading, share_at)
    if limit is not None:
        if rank or ranked is not None or asked.focus is not Focus.VALUE or asked.each_device:
            raise Refusal(two_things())
        return limit.of(plan)
    if rank:
        return replace(plan, group_by=(Grouping.DEVICE,), rank=rank, focus=Focus.DEVICE)
    if asked.focus is Focus.DEVICE:
        if ranked is None:
            raise Refusal(unclear("It is not clear by what the device is chosen."))
        top = ranked["size"] in {"highest", "largest", "greatest", "biggest", "most"}
        return replace(plan, group_by=(Grouping.DEVICE,), rank=1 if top else -1, focus=Focus.DEVICE)
    if ranked is not None or asked.focus is not Focus.VALUE:
        raise Refusal(two_things())
    return replace(plan, group_by=for_each(reading, asked))


def _missing(reading: Reading) -> Plan:
    reading.sheet.take_all(_MISSING)
    scope = reading.read_scope()
    fields = reading.free_fields()
    if not fields:
        raise Refusal(needs_field("Missing values are counted for one field"))
    if len(fields) > 1:
        raise Refusal(two_things())
    return Plan(
        contract=reading.contract.name,
        measure=Measure.MISSING_SHARE,
        field=fields[0].name,
        scope=scope,
        time_zone=reading.zone.key,
    )


def _holding(reading: Reading, share_at: int) -> Plan:
    rain = falling(reading)
    scope = reading.read_scope()
    if rain and not reading.conditions:
        return Plan(
            contract=reading.contract.name,
            measure=Measure.SHARE,
            holding=rain,
            scope=scope,
            time_zone=reading.zone.key,
        )
    if rain or not reading.conditions:
        raise Refusal(unclear("It is not clear what has to hold for a reading to be counted; please give a limit."))
    if _asks_which_part(reading, share_at):
        raise Refusal(
            unclear("Shares are of readings for which something holds; which part lies where or when is not.")
        )
    sides = _sides(reading.text, reading.conditions, share_at)
    named = {found.condition.field for found in reading.conditions}
    if [item for item in reading.free_fields() if item.name not in named]:
        raise Refusal(two_things())
    reading.sheet.take_all(rf"\b{_TIMES}\b")
    if sides.among:
        reading.assumptions.append("the share is of the readings for which the other limits hold")
    return Plan(
        contract=reading.contract.name,
        measure=Measure.SHARE,
        holding=tuple(dict.fromkeys(found.condition for found in sides.holding)),
        scope=replace(scope, conditions=tuple(dict.fromkeys(found.condition for found in sides.among))),
        time_zone=reading.zone.key,
    )


def _asks_which_part(reading: Reading, share_at: int) -> bool:
    """Whether a time or a device is what would have to hold: "what share of the rainy hours were at night"."""
    first, last = reading.conditions[0].start, reading.conditions[-1].start
    among = first >= share_at and re.search(r"\bof\b", reading.text[share_at:first]) is not None
    before = re.search(_COPULA, reading.text[share_at:first]) is not None
    return among and not before and re.search(_LIES, reading.text[last:]) is not None


@dataclass(frozen=True, slots=True)
class _Sides:
    """Which limits make the share, and which say among what it is counted."""

    holding: list[Found]
    among: list[Found]


def _sides(text: str, conditions: list[Found], share_at: int) -> _Sides:
    """Tells the share from what it is of: "of the readings with A, … B", "… A when B", "in what share of hours with A was B"."""
    if len(conditions) == 1:
        return _Sides(conditions, [])
    leading = [found for found in conditions if found.start < share_at]
    if leading and len(leading) < len(conditions):
        return _Sides([found for found in conditions if found.start >= share_at], leading)
    starts = [found.start for found in conditions]
    for split in range(1, len(conditions)):
        # The copula belongs to the second group: "… with A was B", "… A had B".
        between = text[starts[split - 1] : starts[split]]
        before = text[share_at : starts[split - 1]]
        main_verb_before = re.search(_COPULA, before) is not None
        # "... of the rainy hours had B": what the share is of stands before the verb, whatever is said in it.
        clause_before = re.search(_CLAUSE, before) is not None or (
            re.search(r"\bof\b", before) is not None
            and re.search(rf"\b{_TIMES}\b", text[share_at : starts[split]]) is not None
        )
        clause_between = re.search(r"\b(?:when(?:ever)?|while|if|during|given|among|where)\b", between)
        verb_between = re.search(_COPULA, between)
        if clause_before and not main_verb_before and verb_between is not None and clause_between is None:
            return _Sides(conditions[split:], conditions[:split])
        if clause_between is not None and not re.search(
            r"\band\b",
            text[clause_between.start() - 5 + starts[split - 1] : clause_between.start() + starts[split - 1]],
        ):
            return _Sides(conditions[:split], conditions[split:])
    return _Sides(conditions, [])
