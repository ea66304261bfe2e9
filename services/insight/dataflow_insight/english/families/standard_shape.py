"""Puts what was read together to queries, and says no where the parts do not make any."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from dataflow_insight.english.families.standard_computed import computed
from dataflow_insight.english.families.standard_counts import Counter
from dataflow_insight.english.families.standard_question import Question
from dataflow_insight.english.families.standard_values import ends, extremes, is_single_extreme, plain
from dataflow_insight.english.lexicon import DEVICE_NOUN
from dataflow_insight.english.refusals import Refusal, needs_field, two_things, unclear, which_of
from dataflow_insight.plans.plan import Comparison, Focus, Fold, Grouping, Measure, Plan

_ALL_DEVICES: Final = (
    rf"(?<!at\s)(?<!over\s)(?<!across\s)(?<!for\s)(?<!from\s)(?<!of\s)\b(?:all|every|each|both)\s+(?:(?:of\s+)?the\s+)?(?:\w+\s+)?{DEVICE_NOUN}\s+(?:exceed\w*|have|had|has|were|was|are|is|be|been|report(?:ed)?|record(?:ed)?|measured?|saw|see|show\w*|stay\w*|remain\w*|go|went|above|below|over|under|drop\w*|fall|fell)\b"
    rf"|\bat\s+(?:both|all)\b.*\b(?:at\s+the\s+same\s+time|simultaneously)\b"
)
_DID_EVERY: Final = (
    rf"\b(?:did|do|does|was|were|is|are|had|have|has)\s+(?:every|each|both)\s+(?:single\s+)?(?:(?:of\s+)?the\s+)?(?:\w+\s+)?{DEVICE_NOUN}\b"
    r".*\b(?:above|below|over|under|exceed\w*|more\s+than|less\s+than|fewer\s+than|at\s+least|at\s+most|between)\b"
)
_COUNTED_TOO: Final = r"\b(?:number|count)\s+of\s+(?:readings|measurements|records|rows|samples|observations)\b|\bhow\s+many\s+(?:readings|measurements|records|rows|samples|observations)\b"
_Maker = Callable[[Question, Plan], tuple[Plan, ...]]


def plans(question: Question) -> tuple[Plan, ...]:
    """Returns the queries.

    Raises:
        Refusal: The parts do not make any.
    """
    plan = Plan(
        contract=question.reading.contract.name,
        measure=Measure.COUNT,
        scope=question.scope,
        time_zone=question.reading.zone.key,
    )
    every = Grouping.DEVICE not in question.groups.per and re.search(_ALL_DEVICES, question.reading.text)
    # "On how many days did every station …" asks for no count for each station.
    did_every = question.groups.counted is not None and re.search(_DID_EVERY, question.reading.text)
    if (every and question.reading.conditions) or did_every:
        raise Refusal(unclear("What holds for all devices at once cannot be computed."))
    found = _kind(question)(question, plan)
    limits = (limit for one in found for limit in (one.having, one.fold.having if one.fold is not None else None))
    if question.arranger.having is not None and not any(limits):
        raise Refusal(unclear("It is not clear what the limit is for."))
    return found


def _kind(question: Question) -> _Maker:
    intent, groups = question.intent, question.groups
    words = [word for word in intent.words if not word.amount]
    conditions = question.scope.conditions
    if intent.coverage and (intent.count or intent.how_often):
        raise Refusal(two_things())
    if intent.missing:
        return _counting(Counter.missing)
    if intent.distinct:
        return _distinct
    if (
        intent.yes_no
        and intent.readings
        and not question.fields
        and not conditions
        and not intent.asks
        and not intent.first
    ):
        return _whether
    if intent.devices and not words and not intent.latest and Grouping.DEVICE not in groups.per:
        return _counting(Counter.devices)
    if intent.device_count and groups.counted is None:
        if not words or question.arranger.limit is None:
            raise Refusal(unclear("Devices can be counted only by a limit."))
        groups.counted = Grouping.DEVICE
    if question.universal:
        return _always
    if groups.some and groups.counted is Grouping.DEVICE and not words:
        # Whether any device is so is whether any reading is.
        groups.counted = None
    if groups.counted is not None and not words:
        return _counting(Counter.days)
    if intent.count and len(words) == 1 and len(groups.per) == 1 and groups.per[0].is_calendar:
        return _folded_count
    if (intent.count or intent.how_often) and not [word for word in words if not word.extreme]:
        return _counting(Counter.count)
    if (intent.count or intent.how_often) and groups.counted is None:
        if intent.how_often and groups.each is not None and question.arranger.limit is not None:
            groups.counted = groups.each
        elif intent.count and not question.is_grouped and re.search(_COUNTED_TOO, question.reading.text):
            return _with_count
        else:
            raise Refusal(two_things())
    if words and not (len(words) == len(intent.extremes) and question.asks_amount):
        return _measures
    if question.asks_amount:
        return _amounts
    if _lists_devices(question):
        return _counting(Counter.devices)
    if intent.readings and groups.per and not intent.asks and not question.fields and not conditions:
        return _counting(Counter.count)
    if intent.coverage or (not question.fields and (intent.first or intent.latest) and not conditions):
        return _counting(Counter.coverage)
    if not question.fields and conditions:
        return _counting(Counter.some)
    if intent.words:
        raise Refusal(which_of("the highest value", "the highest average", "the highest sum"))
    if intent.first or intent.latest:
        return ends
    return plain


def _counting(make: Callable[[Counter, Plan], Plan]) -> _Maker:
    def maker(question: Question, plan: Plan) -> tuple[Plan, ...]:
        measured = question.measured
        counter = Counter(question.reading, question.intent, question.groups, measured, question.arranger)
        return (make(counter, replace(plan, field=measured.name if measured is not None else "")),)

    return maker


def _whether(question: Question, plan: Plan) -> tuple[Plan, ...]:
    """Whether there are any readings in scope."""
    del question
    return (replace(plan, focus=Focus.YES_NO),)


def _measures(question: Question, plan: Plan) -> tuple[Plan, ...]:
    if question.fields and not (question.intent.latest or question.intent.first) and is_single_extreme(question):
        return extremes(question, plan)
    return computed(question, plan)


def _lists_devices(question: Question) -> bool:
    """Whether only the devices themselves are asked for ("which stations are there?")."""
    return (
        question.groups.which is Grouping.DEVICE
        and question.groups.plural
        and not question.intent.asks
        and not question.intent.when
        and not question.fields
        and not question.scope.conditions
    )


def _always(question: Question, plan: Plan) -> tuple[Plan, ...]:
    """Groups whose readings all keep a limit: their highest, or lowest, one does."""
    having = question.arranger.having
    if having is None or question.intent.words or question.intent.hours or question.intent.missing:
        raise Refusal(two_things())
    upper = having.comparison in {Comparison.LESS, Comparison.LESS_OR_EQUAL}
    if not upper and having.comparison not in {Comparison.GREATER, Comparison.GREATER_OR_EQUAL}:
        raise Refusal(unclear())
    measure = Measure.MAX if upper else Measure.MIN
    note = f"all readings are so when the {'highest' if upper else 'lowest'} one is"
    item = question.fields[0].field
    return (
        question.arranger.arrange(
            replace(plan, measure=measure, field=item.name, assumptions=(*plan.assumptions, note))
        ),
    )


def _with_count(question: Question, plan: Plan) -> tuple[Plan, ...]:
    """Measures, and how many readings there are beside them, in the order of the question."""
    found = re.search(_COUNTED_TOO, question.reading.text)
    assert found is not None
    measured = _measures(question, plan)
    counted = question.arranger.arrange(plan)
    return (counted, *measured) if found.start() < question.intent.words[0].start else (*measured, counted)


def _folded_count(question: Question, plan: Plan) -> tuple[Plan, ...]:
    """Computes something of numbers of readings: "the average number of readings per day"."""
    (each,) = question.groups.per
    question.groups.per = []
    (word,) = [word for word in question.intent.words if not word.amount]
    measured = question.measured
    plan = replace(plan, field=measured.name if measured is not None else "", fold=Fold((each,), word.measure))
    return (question.arranger.arrange(plan),)


def _distinct(question: Question, plan: Plan) -> tuple[Plan, ...]:
    if question.measured is None:
        raise Refusal(needs_field("Different values are counted of one field"))
    plan = replace(plan, measure=Measure.DISTINCT, field=question.measured.name)
    counter = Counter(question.reading, question.intent, question.groups, question.measured, question.arranger)
    return (question.arranger.arrange(plan, counter.direction),)


def _amounts(question: Question, plan: Plan) -> tuple[Plan, ...]:
    item = question.fields[0].field
    note = f"how much {item.name} means the sum of all readings"
    plan = replace(plan, measure=Measure.SUM, field=item.name, assumptions=(*plan.assumptions, note))
    counter = Counter(question.reading, question.intent, question.groups, item, question.arranger)
    if question.intent.when or question.intent.first or question.intent.latest:
        raise Refusal(two_things())
    return (question.arranger.arrange(plan, counter.direction),)
