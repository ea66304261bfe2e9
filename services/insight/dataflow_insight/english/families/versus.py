"""The family of comparisons: the same measure of two groups of readings, side by side.

The question is written as two, one for each side, and each is read as strictly as any other: what is not understood in one of
them is not understood.
"""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Final

from dataflow_insight.catalogue.catalogue import Field
from dataflow_insight.english.claims import plans_of
from dataflow_insight.english.families import changes, correlations, gaps, shares, standard, streaks
from dataflow_insight.english.families.comparing import Asked, asked_comparison
from dataflow_insight.english.families.opposite import earlier, opposite
from dataflow_insight.english.families.pieces import BEFORE, Kind, marked_text, pieces_of
from dataflow_insight.english.families.sides import several, two_texts
from dataflow_insight.english.names import adds_up, concept_of
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things, unclear, unknown_field
from dataflow_insight.english.sheet import FIELD
from dataflow_insight.plans.plan import Focus, Grouping, Measure, Plan, Scope, TimeRange

_MEASURED: Final = re.compile(
    r"\b(?:averages?|averaged|mean|avg|medians?|maxim\w+|max|minim\w+|min|highest|lowest|peaks?|peaked|total|sum|how\s+many|number|counts?|"
    r"percentiles?|quartiles?|deviations?|stddev|stdev|variances?|spread|ranges?|shares?|percentages?|fractions?|proportions?|latest|newest|last\s+(?:value|reading)|"
    r"first\s+(?:value|reading)|correlat\w+|longest|largest|biggest|smallest|most\s+(?:common|frequent)|how\s+(?:often|long)|coldest|warmest|hottest|missing|p\d\d)\b"
)
_MORE_READINGS: Final = r"\b(?:more|fewer|less)\s+(?:(?:rainy|freezing|frosty|dark|occupied|cold|hot|bad)\s+)?(?P<noun>hours|readings|minutes|values|measurements|records|rows|samples|times)\b"
_LED: Final = r"(?:(?:by|at|in|during|over)\s+)?(?:the\s+)?"
_DAYTIME: Final = re.compile(
    rf"\b{_LED}day(?:\s?time|\s?light)?(?:\s+hours)?\b(?!\s*(?:of|\(|before|after|and\s+(?:hour|time)))", re.IGNORECASE
)
_NIGHT: Final = re.compile(rf"\b{_LED}night(?:\s?time|s)?(?:\s+hours)?\b(?!\s*\()", re.IGNORECASE)
_DAY_AND_NIGHT: Final = re.compile(
    r"\b(?:by\s+|the\s+)?day(?:\s?time)?\b(?!\s*(?:of|\()).{0,40}(?:\bnight|[\ue300-\ue3ff])|(?:\bnight(?:\s?time)?\b|[\ue300-\ue3ff]).{0,40}\b(?:by\s+day|day|day\s?time)\b(?!\s*(?:of|\())"
)
_ORDINAL: Final = r"(?:first|second|third|fourth|last|1st|2nd|3rd|4th)"
_FIRST_AND_SECOND: Final = re.compile(
    rf"\b(?:the\s+)?(?P<first>{_ORDINAL})\s+(?P<word>and|to)\s+(?:the\s+)?(?P<second>{_ORDINAL})\s+(?P<rest>(?:week|half|third)\s+of\s+[a-z]+(?:\s+\d{{4}})?)",
    re.IGNORECASE,
)
"""Pattern of "the first and the second week of January"."""

_SHORT: Final = re.compile(
    rf"\b(?P<first>{_ORDINAL})\s+(?P<rest>(?:week|half)\s+of\s+[a-z]+(?:\s+\d{{4}})?)(?P<middle>.{{1,60}}?\b(?:than|versus|vs\.?|to|with|and)\s+"
    rf"(?:(?:in|on|during|of|that\s+of|that\s+in)\s+)?the\s+)(?P<second>{_ORDINAL})(?=\W*$|\s+(?:at|in|on)\b)",
    re.IGNORECASE,
)
"""Pattern of "the last week of January higher than in the first"."""

_ORDER: Final = re.compile(r",\s*(?P<taken>first|second) minus (?:first|second)\W*$", re.IGNORECASE)
"""Pattern of what says which side is taken from which, as `said_once` writes it."""

_DAY: Final = timedelta(days=1)
_FAMILIES: Final = (gaps.plan, changes.plan, streaks.plan, correlations.plan, shares.plan, standard.plan)


def plan(reading: Reading) -> Plan | None:
    """Returns the plan of a question that compares two groups of readings.

    Raises:
        Refusal: One side is not understood, or the sides differ in more than which readings are meant.
        TimeError: A time of one side makes no range.
        ConditionError: A limit of one side cannot be applied.
    """
    if (order := _ORDER.search(reading.sheet.case)) is not None:
        return _in_order(reading, reading.sheet.case[: order.start()], order["taken"].lower())
    text = marked_text(reading.sheet)
    if _DAY_AND_NIGHT.search(text) is not None:
        return _read_again(reading, _NIGHT.sub("at night", _DAYTIME.sub("during the day", reading.sheet.case)))
    if _SHORT.search(reading.sheet.low) is not None:
        return _read_again(reading, _SHORT.sub(r"\g<first> \g<rest>\g<middle>\g<second> \g<rest>", reading.sheet.case))
    if _FIRST_AND_SECOND.search(reading.sheet.low) is not None:
        return _read_again(
            reading,
            _FIRST_AND_SECOND.sub(r"the \g<first> \g<rest> \g<word> the \g<second> \g<rest>", reading.sheet.case),
        )
    asked = asked_comparison(text, reading)
    if asked is None:
        return None
    first_text, second_text = _texts(reading, text, asked)
    if any(several(text, piece) for piece in (*asked.sides.first, *asked.sides.second)):
        first_text, second_text = (f"{part.rstrip(' ?.!')} together" for part in (first_text, second_text))
    first = _plan_of(reading, first_text)
    if asked.sides.opposite:
        rest = asked.sides.second[0]
        before = re.fullmatch(BEFORE, text[rest.start : rest.end])
        scope = (
            opposite(first.scope, asked.sides.kind, text[rest.start : rest.end])
            if before is None
            else earlier(first.scope, before["unit"] or before["unit2"])
        )
        second = replace(first, scope=scope)
    else:
        second = _plan_of(reading, second_text)
    if first.rank or first.having is not None:
        raise Refusal(unclear("A comparison is of two values; groups are not ranked or limited in it."))
    if replace(first, scope=Scope(), assumptions=()) != replace(second, scope=Scope(), assumptions=()):
        raise Refusal(unclear("The two sides of the comparison do not ask for the same."))
    if _same(first.scope) == _same(second.scope):
        raise Refusal(unclear("Both sides of the comparison are the same."))
    if set(first.scope.day_times) & set(second.scope.day_times) and first.scope.day_times != second.scope.day_times:
        raise Refusal(unclear("It is not clear which parts of the day are compared; please name two."))
    if _counts_moments(first, asked):
        raise Refusal(unclear("How often one side is above the other cannot be computed; only values are compared."))
    if first.measure is Measure.CORRELATION and asked.focus in {Focus.YES_NO, Focus.NO_YES}:
        raise Refusal(
            unclear("It is not clear whether the coefficients or their sizes are compared; please ask for both.")
        )
    assumptions = tuple(dict.fromkeys([*first.assumptions, *second.assumptions]))
    reading.sheet.cover(0, len(text))
    if asked.which:
        return _chosen(replace(first, assumptions=assumptions), second.scope, asked)
    return replace(
        first,
        compared_with=second.scope,
        with_where_and_when=False,
        focus=asked.focus,
        assumptions=assumptions,
    )


def _same(scope: Scope) -> Scope:
    """Returns a scope without the order in which its parts are named."""
    times = sorted(scope.day_times, key=lambda part: (part.start_minute, part.end_minute))
    return replace(scope, device_ids=tuple(sorted(scope.device_ids)), day_times=tuple(times))


def _counts_moments(plan: Plan, asked: Asked) -> bool:
    """Returns whether days or readings would be counted that nothing was asked of but to be higher: "on how many days was …"."""
    if plan.fold is not None and plan.fold.measure is Measure.COUNT:
        return plan.fold.having is None
    return plan.measure is Measure.COUNT and not plan.field and not plan.scope.conditions and not asked.counts


def _in_order(reading: Reading, head: str, taken: str) -> Plan | None:
    """Plans a comparison that says at its end which side is taken from which.

    Args:
        reading: The whole question.
        head: The question without that.
        taken: Which side is less the other: "first" or "second".
    """
    question = head if re.search(r"\bdiffer|\bhow\s+much\b", head, re.IGNORECASE) else f"difference: {head}"
    again = Reading(question, reading.contract, reading.now, reading.zone)
    again.open()
    planned = plan(again)
    if planned is None or planned.compared_with is None:
        return None
    reading.sheet.cover(0, len(reading.sheet.low))
    reading.assumptions += again.assumptions
    if taken == "second":
        planned = replace(planned, scope=planned.compared_with, compared_with=planned.scope)
    return replace(planned, focus=Focus.DIFFERENCE)


def _read_again(reading: Reading, question: str) -> Plan | None:
    """Plans the question in other words, and takes them for read in the first ones."""
    again = Reading(question, reading.contract, reading.now, reading.zone)
    again.open()
    text = marked_text(again.sheet)
    if _DAY_AND_NIGHT.search(text) is not None or _FIRST_AND_SECOND.search(text) or _SHORT.search(text):
        return None
    planned = plan(again)
    if planned is not None:
        reading.sheet.cover(0, len(reading.sheet.low))
        reading.assumptions += again.assumptions
    return planned


def _texts(reading: Reading, text: str, asked: Asked) -> tuple[str, str]:
    """Returns both questions, with "average" before the field where the question names no measure."""
    limits = pieces_of(text, Kind.LIMIT)
    sides = (*asked.sides.first, *asked.sides.second)

    def outside(position: int) -> bool:
        return not any(piece.core <= position < piece.end for piece in (*limits, *sides))

    on_average = tuple(found.span() for found in re.finditer(r",?\s*\bon\s+average\b,?", text))
    deleted = (*asked.deleted, *on_average)
    measured = any(
        outside(found.start()) and not any(start <= found.start() < end for start, end in deleted)
        for found in _MEASURED.finditer(text)
    )
    if not measured and (more := re.search(_MORE_READINGS, text)) is not None:
        # "Were there more hours above 150": hours are counted, and no average is taken.
        return two_texts(reading.sheet.case, asked.sides, deleted, (more.start("noun"), "how many"))
    free = [found for found in re.finditer(FIELD, text) if outside(found.start())]
    words, at = "", -1
    item = reading.reader.concept_field(asked.implied) if asked.implied else None
    if asked.worse and not _is_better_away(reading, free):
        raise Refusal(unclear("It is not clear whether more of it is better or worse; please say higher or lower."))
    if asked.implied and item is None:
        raise Refusal(unknown_field(reading.contract))
    if item is not None and free and item not in _fields_at(reading, free):
        raise Refusal(unclear("The comparison is of another quantity than the field that is named."))
    if item is not None and not free:
        reading.assumptions.append(f"the comparison is about the field {item.name}")
        words, at = item.name, asked.at
    elif free:
        at = free[0].start()
        field = next((mention.field for mention in reading.names.fields if mention.mark == free[0].group(1)), None)
        if asked.counts and not measured and field is not None and adds_up(field):
            words, measured = "total", True
            reading.assumptions.append(f"more and less {field.name} mean the sum of all readings")
    if not measured and at >= 0:
        if not on_average:
            reading.assumptions.append("the averages are compared")
        words = f"average {words}".strip()
    texts = two_texts(reading.sheet.case, asked.sides, deleted, (at, words))
    if not asked.unit:
        return texts
    first, second = (f"{text.rstrip(' ?.!')} in {asked.unit}" for text in texts)
    return first, second


def _is_better_away(reading: Reading, free: list[re.Match[str]]) -> bool:
    """Returns whether less of the field that is compared is better, as it is of what is in the air."""
    items = [item for item in _fields_at(reading, free) if item is not None]
    concepts = [concept_of(item) for item in items]
    return bool(concepts) and all(
        concept is not None and concept.units[:1] in {("µg/m3",), ("ppm",), ("db",)} for concept in concepts
    )


def _fields_at(reading: Reading, found: list[re.Match[str]]) -> list[Field | None]:
    marks = {match.group(1) for match in found}
    return [mention.field for mention in reading.names.fields if mention.mark in marks]


def _plan_of(reading: Reading, question: str) -> Plan:
    """Reads one side as strictly as a whole question.

    Raises:
        Refusal: It is no question for one value.
    """
    part = Reading(question, reading.contract, reading.now, reading.zone)
    part.open()
    plans = plans_of(part, _FAMILIES)
    if len(plans) > 1:
        raise Refusal(two_things())
    return replace(plans[0], with_where_and_when=False)


def _adjoined(times: tuple[TimeRange, ...]) -> tuple[TimeRange, ...]:
    """Returns two days as one range where one follows the other: so they are told, too."""
    first, second = sorted(times, key=lambda span: str(span.start))
    return (TimeRange(first.start, second.end),) if first.end == second.start else times


def _chosen(plan: Plan, other: Scope, asked: Asked) -> Plan:
    """Returns the plan that says which side wins: a ranking where the sides are groups, else their comparison."""
    rank = 1 if asked.upward else -1
    devices = (*plan.scope.device_ids, *other.device_ids)
    if replace(plan.scope, device_ids=()) == replace(other, device_ids=()) and len(devices) == 2 and not plan.group_by:
        return replace(
            plan,
            scope=replace(plan.scope, device_ids=devices),
            group_by=(Grouping.DEVICE,),
            rank=rank,
            focus=Focus.DEVICE,
        )
    times = (*plan.scope.times, *other.times)
    days = all(span.start is not None and span.end is not None and span.end - span.start == _DAY for span in times)
    if replace(plan.scope, times=()) == replace(other, times=()) and len(times) == 2 and days and not plan.group_by:
        return replace(
            plan,
            scope=replace(plan.scope, times=_adjoined(times)),
            group_by=(Grouping.DAY,),
            rank=rank,
            focus=Focus.TIME,
        )
    return replace(plan, compared_with=other, focus=Focus.DIFFERENCE)
