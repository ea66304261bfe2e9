"""Plans of single values: the highest and the lowest, the newest and the oldest, the value at one time."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Final

from dataflow_insight.catalogue.catalogue import Field, Kind
from dataflow_insight.english.families.standard_computed import of_each, own_devices
from dataflow_insight.english.families.standard_measures import Word
from dataflow_insight.english.families.standard_pairs import pairs
from dataflow_insight.english.families.standard_question import Question
from dataflow_insight.english.families.standard_roles import Roles, check_list
from dataflow_insight.english.refusals import Refusal, two_things, unclear, which_of
from dataflow_insight.plans.plan import Focus, Grouping, Measure, Plan

_VALUE_ASKED: Final = r"\bwhat(?:'s|\s+(?:was|is|were))\s+(?!(?:the\s+)?(?:exact\s+)?(?:time|timestamp|station|sensor|device|date|day|hour|moment)\b)|^(?:the\s+)?(?:highest|lowest|largest|smallest|hottest|coldest|warmest|strongest|max\w*|min\w*|peak)\b"


def is_single_extreme(question: Question) -> bool:
    """Whether the highest or lowest single value is asked for, and perhaps where and when it was."""
    intent, groups = question.intent, question.groups
    words = intent.words
    if not words or not all(word.extreme and not word.amount for word in words) or groups.each is not None:
        return False
    if groups.counted is not None or question.arranger.limit is not None or intent.ranked:
        return False
    if groups.rank and (groups.which is not None or groups.per):
        return False
    if len({word.measure for word in words}) > 1 and groups.which not in {None, Grouping.DEVICE}:
        return False
    if groups.which is None:
        return True
    if any(word.adjective for word in words) and any(not word.adjective for word in words):
        return False
    vague = question.implied is not None and any(word.start == question.implied.start for word in words)
    if groups.which is Grouping.DEVICE:
        return not groups.place and not intent.comparative
    return (groups.which.is_calendar or groups.bare_hour) and not vague and not groups.place and not groups.per


def extremes(question: Question, plan: Plan) -> tuple[Plan, ...]:
    """Returns the plans of the highest and lowest single values.

    Raises:
        Refusal: They do not fit together with the groups.
    """
    unique = list({word.measure: word for word in question.intent.words}.values())
    check_list(unique, question.reading.text)
    devices = own_devices(question, unique)
    plans = [replace(plan, measure=word.measure, field=item.name) for word, item in pairs(unique, question.fields)]
    if devices:
        return tuple(
            replace(one, scope=replace(one.scope, device_ids=(device,)))
            for one, device in zip(plans, devices, strict=True)
        )
    return tuple(_extreme(question, one) for one in plans)


def ends(question: Question, plan: Plan) -> tuple[Plan, ...]:
    """The newest or the oldest value."""
    intent = question.intent
    measures = [Measure.FIRST] * intent.first + [Measure.LATEST] * intent.latest
    return tuple(_end(question, plan, measure, named.field) for named in question.fields for measure in measures)


def plain(question: Question, plan: Plan) -> tuple[Plan, ...]:
    """A field without a measure: its value at one time, or its latest."""
    intent, groups = question.intent, question.groups
    text = question.reading.text
    open_question = which_of("the average", "the highest value", "the lowest value", "the latest value")
    if not question.fields:
        raise Refusal(unclear())
    if groups.profile:
        note = "a profile is of averages"
        word = Word(0, 0, Measure.AVG)
        plan = replace(plan, assumptions=(*plan.assumptions, note))
        return of_each(question, plan, Roles((word,)), (0,))
    if (
        intent.yes_no
        or groups.which is not None
        or (not question.reading.devices and re.match(r"what(?:'s|\s+is|\s+does)\s+(?!the\b|a\b|our\b|my\b)", text))
    ):
        raise Refusal(unclear("It is not clear what to compute about this field."))
    if (
        groups.rank
        or groups.place
        or intent.ranked
        or intent.how_much
        or intent.when
        or intent.how_often
        or groups.counted
        or groups.each
    ):
        raise Refusal(open_question)
    span = plan.scope.hull
    length = span.end - span.start if span.start is not None and span.end is not None else None
    fields = [named.field for named in question.fields]
    if length is not None and length <= timedelta(minutes=1):
        return tuple(_end(question, plan, Measure.LATEST, item) for item in fields)
    if (
        not plan.scope.times
        and not question.reading.moments
        and not plan.scope.conditions
        and (not groups.per or groups.per == [Grouping.DEVICE])
        and not re.search(r"\b(?:was|were|did|had)\b", text)
    ):
        noted = replace(plan, assumptions=(*plan.assumptions, "a value without a time means the latest one"))
        return tuple(_end(question, noted, Measure.LATEST, item) for item in fields)
    raise Refusal(open_question)


def _extreme(question: Question, plan: Plan) -> Plan:
    intent, groups = question.intent, question.groups
    text = question.reading.text
    if groups.place or groups.rank:
        return replace(
            plan,
            with_where_and_when=True,
            rank=groups.place or groups.rank,
            place=groups.place,
            focus=Focus.TIME if intent.when else Focus.DEVICE if groups.which is not None else Focus.VALUE,
        )
    several = len(question.reading.devices) > 1 and groups.which is None and not intent.combined
    if groups.per or several:
        if groups.which is not None:
            raise Refusal(two_things())
        per = tuple(groups.per) or (Grouping.DEVICE,)
        per_device = per == (Grouping.DEVICE,)
        if intent.when and not per_device:
            raise Refusal(unclear("The time of an extreme can be given for each device only."))
        plan = replace(plan, assumptions=(*plan.assumptions, *groups.assumptions), group_field=groups.value_field)
        return replace(
            plan,
            group_by=per,
            with_where_and_when=intent.when,
            focus=Focus.TIME if intent.when else Focus.VALUE,
        )
    if groups.which is not None or intent.when:
        value_asked = re.search(rf"{_VALUE_ASKED}|^how\s", text) is not None or intent.how_much
        last = re.search(r"(?<!and\s)(?<!and\sat\s)\b(?:when|what\s+time)\W*$", text) is not None
        only = intent.when and "when" in text and re.search(r"\b(?:what|how)\b|\band\s+when\b", text) is None
        if last or only:
            value_asked = False
        focus = Focus.VALUE
        if not value_asked or groups.hour_asked:
            focus = Focus.DEVICE if groups.which is Grouping.DEVICE else Focus.TIME
        note = "where several are equal, the earliest comes first"
        return replace(plan, with_where_and_when=True, focus=focus, assumptions=(*plan.assumptions, note))
    return plan


def _end(question: Question, plan: Plan, measure: Measure, item: Field) -> Plan:
    intent, groups = question.intent, question.groups
    if groups.rank or groups.place or intent.ranked or intent.extremes:
        raise Refusal(unclear())
    per_device = groups.per == [Grouping.DEVICE]
    if groups.per and not per_device:
        raise Refusal(unclear("The first or latest value can be given for each device only."))
    if groups.which not in {None, Grouping.DEVICE}:
        if not groups.which.is_calendar:
            raise Refusal(unclear())
        intent.when = True
    which_device = groups.which is Grouping.DEVICE
    devices, contract = question.reading.devices, question.reading.contract
    several = len(devices) != 1 and len(contract.devices) > 1
    focus = Focus.TIME if intent.when else Focus.DEVICE if which_device else Focus.VALUE
    grouped = per_device or (several and not which_device)
    assumptions = plan.assumptions
    name = "latest" if measure is Measure.LATEST else "first"
    if grouped and not per_device:
        assumptions = (*assumptions, f"the {name} value of each device")
    if intent.when and item.kind is Kind.BOOLEAN and not plan.scope.conditions:
        # "When did the pump last run?" is not when it was last heard of.
        raise Refusal(
            unclear("It is not clear which state is meant; please say whether it is on or off, true or false.")
        )
    if intent.now and any(condition.field == item.name for condition in plan.scope.conditions):
        raise Refusal(unclear("It is not clear what is asked of the latest values."))
    if intent.now:
        assumptions = (*assumptions, "now means the latest reading stored")
    having = question.arranger.having
    if having is not None and (len(devices) != 1 or groups.counted is not None or intent.when or which_device):
        raise Refusal(unclear("A limit on the latest value can be held against one device only."))
    return replace(
        plan,
        measure=measure,
        field=item.name,
        group_by=(Grouping.DEVICE,) if grouped or having is not None else (),
        having=having,
        focus=focus if having is None else Focus.YES_NO,
        assumptions=assumptions,
    )
