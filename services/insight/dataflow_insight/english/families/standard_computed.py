"""Plans of what is computed: averages, percentiles, extremes of groups, of one field or several."""

import re
from dataclasses import replace
from typing import Final

from dataflow_insight.english.families.standard_measures import Word
from dataflow_insight.english.families.standard_pairs import pairs
from dataflow_insight.english.families.standard_question import Question
from dataflow_insight.english.families.standard_roles import Roles, roles
from dataflow_insight.english.names import adds_up
from dataflow_insight.english.refusals import Refusal, needs_field, two_things, which_of
from dataflow_insight.english.sheet import DEVICE
from dataflow_insight.plans.plan import Fold, Grouping, Measure, Plan

_OF_SUMS: Final = frozenset({Measure.AVG, Measure.MEDIAN, Measure.MAX, Measure.MIN})


def computed(question: Question, plan: Plan) -> tuple[Plan, ...]:
    """Averages, extremes and their like, of one field or several."""
    intent, groups = question.intent, question.groups
    if not question.fields:
        raise Refusal(needs_field("An average, a highest value and their like are of one field"))
    if intent.latest or intent.first:
        raise Refusal(two_things())
    counted = groups.counted is not None
    words = [word for word in intent.words if not (counted and word.amount)]
    found = roles(
        words,
        question.reading.sheet.low,
        each_at=groups.each_at,
        choosing=question.arranger.choosing and not counted,
        limited=question.arranger.limit is not None,
    )
    directions = found.directions or (_direction(question, counted=counted),)
    if not found.values:
        raise Refusal(which_of("the daily average", "the daily maximum", "the daily minimum"))
    if intent.most and not counted and any(word.amount for word in found.values):
        raise Refusal(which_of("the highest value", "the highest average", "the sum"))
    if _adjective_alone(question, found):
        raise Refusal(which_of("by the average", "by the single highest or lowest value"))
    if intent.when and not question.arranger.choosing:
        return _when_computed(question, plan, found)
    return of_each(question, plan, found, directions)


def of_each(question: Question, plan: Plan, found: Roles, directions: tuple[int, ...]) -> tuple[Plan, ...]:
    """Returns a plan for each measure of each field.

    Args:
        question: The question.
        plan: With its scope.
        found: What the measure words do.
        directions: 1 for the highest groups, -1 for the lowest, 0 for no choice.

    Raises:
        Refusal: The groups do not fit together.
    """
    if sum(1 for word, _ in pairs(list(found.values), question.fields) if word.measure is Measure.SUM) > 1:
        raise Refusal(which_of("the sum of each field", "the fields added to each other"))
    plans: list[Plan] = []
    devices = own_devices(question, list(found.values))
    folds: list[Measure | None] = [folded.measure for folded in found.folds] or [None]
    for index, (word, item) in enumerate(pairs(list(found.values), question.fields)):
        if devices:
            plan = replace(plan, scope=replace(plan.scope, device_ids=(devices[index],)))
        measure = word.measure
        each_before = question.groups.each is not None and word.start < question.groups.each_at
        if (
            each_before
            and word.extreme
            and word.adjective
            and not found.folds
            and not adds_up(item)
            and not directions[0]
        ):
            raise Refusal(which_of("the highest or lowest of the averages", "the highest or lowest single value"))
        if (
            ((each_before and measure is Measure.SUM) or ((each_before or question.is_per_day) and measure in _OF_SUMS))
            and not found.folds
            and adds_up(item)
        ):
            note = (
                f"daily {item.name} is the sum of a day"
                if question.groups.each is Grouping.DAY
                else f"{item.name} is added up"
            )
            added = replace(plan, measure=Measure.SUM, field=item.name, assumptions=(*plan.assumptions, note))
            if question.is_per_day:
                added = replace(added, fold=Fold(tuple(question.groups.per), measure))
                question.groups.per = []
                plans.append(question.arranger.arrange(added))
            else:
                plans += [question.arranger.arrange(added, direction, measure) for direction in directions]
            continue
        one = replace(plan, measure=measure, percentile=word.percentile, field=item.name)
        plans += [question.arranger.arrange(one, direction, fold) for direction in directions for fold in folds]
    return tuple(plans)


def own_devices(question: Question, words: list[Word]) -> tuple[str, ...]:
    """Returns the device of each measure where every measure has its own ("max at A and min at B"); else none."""
    devices = question.reading.devices
    paired = pairs(words, question.fields)
    if (
        len(devices) < 2
        or len(paired) != len(devices)
        or question.is_grouped
        or question.groups.counted is not None
        or question.intent.when
    ):
        return ()
    starts = {named.field.name: named.start for named in question.fields}
    spots = [found.start() for found in re.finditer(DEVICE, question.reading.sheet.visible)]
    begins = [word.start if len(words) == len(devices) else starts[item.name] for word, item in paired]
    if len(spots) != len(devices):
        return ()
    ordered = [place for pair in zip(begins, spots, strict=True) for place in pair]
    return tuple(devices) if ordered == sorted(ordered) else ()


def _direction(question: Question, *, counted: bool) -> int:
    if counted:
        amounts = [word for word in question.intent.words if word.amount]
        if amounts:
            return 1 if amounts[0].measure is Measure.MAX else -1
    if question.implied is not None and question.implied.comparative and question.groups.which is not None:
        return question.implied.comparative
    if question.groups.upward is not None and question.arranger.choosing:
        return 1 if question.groups.upward else -1
    return question.intent.comparative if question.arranger.choosing else 0


def _adjective_alone(question: Question, found: Roles) -> bool:
    """Whether groups are chosen by "warmest" alone, which may be their average or their extreme."""
    group = question.groups.which
    vague = question.implied is not None and question.implied.measure in {Measure.MAX, Measure.MIN}
    if not question.arranger.choosing or not found.values or not all(word.extreme for word in found.values):
        return False
    if vague and group not in {None, Grouping.DEVICE} and question.implied is not None:
        return all(word.start == question.implied.start for word in found.values)
    if group is not None and group.is_calendar and re.search(r"\b(?:best|worst)\b", question.reading.text):
        return all(word.adjective for word in found.values)
    return group in {Grouping.HOUR_OF_DAY, Grouping.WEEKDAY} and all(word.adjective for word in found.values)


def _when_computed(question: Question, plan: Plan, found: Roles) -> tuple[Plan, ...]:
    """Takes "when was the daily average highest?" for a question for the day."""
    groups = question.groups
    extremes = [word for word in found.folds if word.extreme]
    if groups.each is None or len(extremes) != 1 or len(found.folds) != 1:
        raise Refusal(which_of("the day", "the hour of the day"))
    groups.which = groups.each
    return of_each(question, plan, Roles(found.values), (1 if extremes[0].measure is Measure.MAX else -1,))
