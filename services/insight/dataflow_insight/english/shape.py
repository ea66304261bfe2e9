"""Puts what was read together to one query, and says no where the parts do not make one."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract, Field
from dataflow_insight.english.conditions import Found
from dataflow_insight.english.intents import Intent
from dataflow_insight.english.lexicon import DEVICE_NOUN, READING_NOUN
from dataflow_insight.english.names import adds_up
from dataflow_insight.english.refusals import Refusal, needs_field, not_yet, two_things, unclear
from dataflow_insight.plans.plan import Focus, Grouping, Measure, Plan, Scope

_VALUE_WORDS: Final = rf"\b(?:{READING_NOUN}|reported?|measured?|recorded?|sent|stored|delivered|received|available)\b"


@dataclass(frozen=True, slots=True)
class Shape:
    """What was read.

    Attributes:
        intent: What is asked for.
        measured: Of which field; None for readings.
        conditions: Limits on values.
        contract: Whose readings.
        devices: Only these; empty for all.
        timed: A time was given.
        text: The question in lower case.
    """

    intent: Intent
    measured: Field | None
    conditions: list[Found]
    contract: Contract
    devices: list[str]
    timed: bool
    text: str

    def plan(self, scope: Scope) -> Plan:
        """Returns the query over a scope.

        Raises:
            Refusal: The parts do not make one query.
        """
        plan = Plan(
            contract=self.contract.name,
            measure=Measure.COUNT,
            field=self.measured.name if self.measured is not None else "",
            scope=scope,
        )
        plan = self._measure()(plan)
        self._check_limits(plan)
        return plan

    def _measure(self) -> Callable[[Plan], Plan]:
        intent = self.intent
        if intent.highest and intent.lowest:
            raise Refusal(two_things())
        if intent.average and (intent.total or intent.latest):
            raise Refusal(two_things())
        if (intent.place or intent.rank or intent.ranked) and not (
            intent.which_device or intent.per_device or intent.plural or re.search(rf"\b{DEVICE_NOUN}\b", self.text)
        ):
            raise Refusal(unclear("Only devices can be ranked, not single values."))
        if intent.device_count and (
            intent.average or intent.highest or intent.lowest or intent.total or intent.latest or intent.missing
        ):
            raise Refusal(unclear("Devices can be counted only by a limit on single readings."))
        if intent.coverage and (intent.count or intent.how_often):
            raise Refusal(two_things())
        if intent.missing:
            return self._missing
        if (
            intent.yes_no
            and intent.readings
            and self.measured is None
            and not self.conditions
            and not intent.asks
            and not intent.first
        ):
            return lambda plan: replace(plan, focus=Focus.YES_NO)
        if intent.devices and not (
            intent.average or intent.highest or intent.lowest or intent.total or intent.latest or intent.per_device
        ):
            return self._device_count
        if intent.average:
            return self._average
        if intent.count or intent.how_often:
            return self._count
        if intent.total or (intent.how_much and self._adds_up()) or (intent.most and self._adds_up()):
            return self._sum
        if self._lists_devices():
            return self._device_count
        if intent.coverage or (self.measured is None and (intent.first or intent.latest) and not self.conditions):
            return self._coverage
        if self.measured is None and self.conditions:
            return self._conditions_only
        if intent.first:
            return self._first
        if intent.latest and not (intent.highest or intent.lowest):
            return self._latest
        if intent.highest or intent.lowest:
            return self._extreme
        return self._plain

    def _adds_up(self) -> bool:
        return self.measured is not None and adds_up(self.measured)

    def _lists_devices(self) -> bool:
        """Whether only the devices themselves are asked for ("which stations are there?")."""
        intent = self.intent
        return (
            intent.which_device
            and intent.plural
            and not intent.asks
            and not intent.when
            and self.measured is None
            and not self.conditions
        )

    def _missing(self, plan: Plan) -> Plan:
        if self.measured is None:
            raise Refusal(needs_field("Missing values are counted for one field"))
        if self.intent.average or self.intent.total or self.intent.latest or self.intent.first or self.intent.when:
            raise Refusal(two_things())
        plan = self._in_hours(replace(plan, measure=Measure.MISSING))
        plan = self._grouped(plan, ranked=True)
        if self.intent.yes_no and not self.intent.count:
            plan = replace(plan, focus=Focus.YES_NO)
        return plan

    def _device_count(self, plan: Plan) -> Plan:
        if self.intent.missing or (self.intent.count and self.intent.device_count):
            raise Refusal(two_things())
        listed = self.intent.which_device or not re.search(r"\b(?:how\s+many|number\s+of|count|amount)\b", self.text)
        if self.measured is not None:
            raise Refusal(unclear("Devices cannot be counted by field yet."))
        if listed:
            return replace(plan, group_by=(Grouping.DEVICE,), focus=Focus.LIST)
        return replace(plan, measure=Measure.COVERAGE, focus=Focus.DEVICES)

    def _average(self, plan: Plan) -> Plan:
        if self.intent.count and not self.intent.highest and not self.intent.lowest:
            raise Refusal(two_things())
        if self.measured is None:
            raise Refusal(needs_field("An average is of one field"))
        if self.intent.when or self.intent.first:
            raise Refusal(unclear("An average has no point in time."))
        return self._grouped(replace(plan, measure=Measure.AVG), ranked=True)

    def _count(self, plan: Plan) -> Plan:
        if self.intent.total or self.intent.latest or self.intent.first or self.intent.when:
            raise Refusal(two_things())
        assumptions = plan.assumptions
        if self.intent.how_often and self.conditions:
            assumptions = (*assumptions, "each reading counts as one time")
        if self.measured is not None and self.conditions and self.intent.hours:
            raise Refusal(two_things())
        if self.measured is not None and not self.conditions and not re.search(_VALUE_WORDS, self.text):
            raise Refusal(unclear("It is not clear which values of the field are counted; please give a limit."))
        return self._grouped(self._in_hours(replace(plan, assumptions=assumptions)), ranked=True)

    def _in_hours(self, plan: Plan) -> Plan:
        """Counts readings where hours are asked for: right only when there is one reading an hour."""
        seconds = self.intent.hours
        if not seconds:
            return plan
        unit = {3600: "hour", 60: "minute", 1: "second"}[seconds]
        if not self.conditions and self.measured is None and len(self.devices) != 1:
            raise Refusal(unclear("The time of several devices cannot be added up; please name one device."))
        if self.contract.cadence != timedelta(seconds=seconds):
            raise Refusal(
                unclear(
                    f"Readings do not come once {'an' if unit == 'hour' else 'a'} {unit}, so the {unit}s cannot be counted by them."
                )
            )
        return replace(
            plan, assumptions=(*plan.assumptions, f"each reading stands for one {unit}, the time between readings")
        )

    def _sum(self, plan: Plan) -> Plan:
        if self.measured is None:
            raise Refusal(needs_field("A sum is of one field"))
        if self.intent.when or self.intent.first or self.intent.latest:
            raise Refusal(two_things())
        if not self.intent.total:
            plan = replace(
                plan, assumptions=(*plan.assumptions, f"how much {self.measured.name} means the sum of all readings")
            )
        return self._grouped(replace(plan, measure=Measure.SUM), ranked=True)

    def _coverage(self, plan: Plan) -> Plan:
        intent = self.intent
        if self.measured is not None or intent.highest or intent.lowest or intent.total or intent.rank:
            raise Refusal(two_things())
        if intent.per_device or (intent.which_device and not intent.coverage):
            raise Refusal(unclear("The covered time cannot be broken down by device yet."))
        if not intent.coverage and not intent.when and not re.search(r"\btime(?:stamp)?s?\b|\bdate\b", self.text):
            raise Refusal(needs_field("The first or latest value is of one field"))
        focus = Focus.VALUE
        if intent.first and not intent.latest:
            focus = Focus.FIRST
        elif intent.latest and not intent.first:
            focus = Focus.LAST
        return replace(plan, measure=Measure.COVERAGE, focus=focus)

    def _conditions_only(self, plan: Plan) -> Plan:
        intent = self.intent
        if intent.highest or intent.lowest or intent.total:
            raise Refusal(unclear())
        if intent.which_device or intent.per_device:
            return replace(plan, group_by=(Grouping.DEVICE,), focus=Focus.LIST)
        if intent.when or intent.latest or intent.first:
            if intent.per_device:
                raise Refusal(unclear())
            focus = Focus.FIRST if intent.first else Focus.LAST if intent.latest else Focus.VALUE
            return replace(plan, measure=Measure.COVERAGE, focus=focus)
        if intent.yes_no:
            return replace(plan, focus=Focus.YES_NO)
        raise Refusal(unclear("It is not clear what to compute about the readings in that range."))

    def _first(self, plan: Plan) -> Plan:
        del plan
        raise Refusal(not_yet("the first value of a field"))

    def _latest(self, plan: Plan) -> Plan:
        if self.measured is None:
            raise Refusal(needs_field("The latest value is of one field"))
        if self.intent.rank or self.intent.place:
            raise Refusal(unclear())
        several = len(self.devices) != 1 and len(self.contract.devices) > 1
        focus = Focus.TIME if self.intent.when else Focus.DEVICE if self.intent.which_device else Focus.VALUE
        grouped = self.intent.per_device or (several and not self.intent.which_device)
        assumptions = plan.assumptions
        if grouped and not self.intent.per_device:
            assumptions = (*assumptions, "the latest value of each device")
        if self.intent.now:
            assumptions = (*assumptions, "now means the latest reading stored")
        return replace(
            plan,
            measure=Measure.LATEST,
            group_by=(Grouping.DEVICE,) if grouped else (),
            focus=focus,
            assumptions=assumptions,
        )

    def _extreme(self, plan: Plan) -> Plan:
        intent = self.intent
        if self.measured is None:
            raise Refusal(needs_field("A highest or lowest value is of one field"))
        if intent.most:
            raise Refusal(unclear("It is not clear whether the highest value, the average or the sum is meant."))
        if intent.date and not re.search(r"\b(?:highest|lowest|maximum|minimum|max|min|peak(?:ed)?)\b", self.text):
            raise Refusal(not_yet("answers by hour, day or week"))
        plan = replace(plan, measure=Measure.MAX if intent.highest else Measure.MIN)
        comparative = "higher of" in intent.words or "lower of" in intent.words
        if intent.rank or intent.place or intent.ranked:
            if not re.search(
                r"\b(?:highest|lowest|maximum|minimum|max|min|warmest|coldest|hottest|coolest|windiest|peak|brightest|darkest)\b",
                self.text,
            ):
                raise Refusal(unclear("It is not clear by what to rank: the average, the highest or the lowest value."))
            return self._grouped(plan, ranked=True)
        if comparative and re.search(r"\b(?:maximum|minimum|max|min|peak|highest|lowest)\b", self.text):
            return replace(plan, group_by=(Grouping.DEVICE,), rank=1 if intent.highest else -1, focus=Focus.DEVICE)
        if comparative:
            raise Refusal(
                unclear("It is not clear whether the average, the highest or the latest values are to be compared.")
            )
        if intent.per_device or (len(self.devices) > 1 and not intent.which_device and not intent.combined):
            return replace(
                plan,
                group_by=(Grouping.DEVICE,),
                with_where_and_when=intent.when,
                focus=Focus.TIME if intent.when else Focus.VALUE,
            )
        if intent.which_device or intent.when:
            focus = Focus.VALUE
            asked_value = (
                bool(
                    re.search(
                        r"\bwhat\s+(?:was|is|were)\s+(?:the\s+)?(?!time|timestamp|station|sensor|device)", self.text
                    )
                )
                or intent.how_much
            )
            if not asked_value:
                focus = Focus.DEVICE if intent.which_device else Focus.TIME
            note = "where several are equal, the earliest comes first"
            return replace(plan, with_where_and_when=True, focus=focus, assumptions=(*plan.assumptions, note))
        return plan

    def _plain(self, plan: Plan) -> Plan:
        intent = self.intent
        if self.measured is None:
            raise Refusal(unclear())
        if (
            intent.yes_no
            or intent.which_device
            or (not self.devices and re.match(r"what(?:'s|\s+is|\s+does)\s+(?!the\b|a\b|our\b|my\b)", self.text))
        ):
            raise Refusal(unclear("It is not clear what to compute about this field."))
        if intent.rank or intent.place or intent.ranked or intent.how_much or intent.when or intent.how_often:
            raise Refusal(
                unclear("It is not clear whether the average, the highest, the lowest or the latest value is meant.")
            )
        span = plan.scope.hull
        length = span.end - span.start if span.start is not None and span.end is not None else None
        if length is not None and length <= timedelta(minutes=1):
            return self._latest(plan)
        if (
            not plan.scope.times
            and not self.timed
            and not self.conditions
            and not re.search(r"\b(?:was|were|did|had)\b", self.text)
        ):
            return self._latest(
                replace(plan, assumptions=(*plan.assumptions, "a value without a time means the latest one"))
            )
        raise Refusal(
            unclear("It is not clear whether the average, the highest, the lowest or the latest value is meant.")
        )

    def _grouped(self, plan: Plan, *, ranked: bool) -> Plan:
        """Adds grouping and rank."""
        intent = self.intent
        extreme = intent.highest or intent.lowest
        sign = -1 if intent.lowest else 1
        if plan.measure in {Measure.MIN, Measure.MAX}:
            extreme = True
        if ranked and (
            intent.ranked or intent.rank or intent.place or (extreme and plan.measure not in {Measure.MIN, Measure.MAX})
        ):
            if not (
                intent.which_device or intent.per_device or intent.plural or re.search(rf"\b{DEVICE_NOUN}\b", self.text)
            ):
                raise Refusal(unclear("It is not clear what the highest or lowest one is chosen from."))
            if not extreme and not intent.ranked:
                raise Refusal(unclear("It is not clear whether the highest or the lowest ones are meant."))
            count = (
                len(self.contract.devices) if intent.ranked and not intent.rank else intent.rank or intent.place or 1
            )
            count = max(1, min(count, 1000))
            if (
                intent.per_device
                and not intent.ranked
                and not intent.rank
                and not intent.place
                and not intent.which_device
            ):
                raise Refusal(two_things())
            return replace(plan, group_by=(Grouping.DEVICE,), rank=sign * count, place=intent.place, focus=Focus.DEVICE)
        if intent.when:
            raise Refusal(two_things())
        if intent.per_device or intent.which_device:
            if (
                intent.which_device
                and not intent.per_device
                and plan.measure is not Measure.MISSING
                and not (plan.measure is Measure.COUNT and intent.plural)
            ):
                raise Refusal(unclear("It is not clear what the device is chosen by."))
            return replace(plan, group_by=(Grouping.DEVICE,))
        if len(self.devices) > 1 and not intent.combined:
            return replace(
                plan, group_by=(Grouping.DEVICE,), assumptions=(*plan.assumptions, "one answer for each device named")
            )
        return plan

    def _check_limits(self, plan: Plan) -> None:
        """Declines a limit that is meant for the average (or other result) rather than for single readings."""
        if plan.measure not in {Measure.AVG, Measure.SUM, Measure.MIN, Measure.MAX}:
            return
        same = [found for found in self.conditions if found.condition.field == plan.field]
        if same and not re.search(r"\b(?:when|while|where|values|readings|hours)\b", self.text):
            raise Refusal(not_yet("limits on averages, sums and extremes"))
        if (
            plan.measure in {Measure.AVG, Measure.SUM}
            and same
            and re.search(
                r"\b(?:average|mean|avg|total|sum)\b(?:\W+\w+){0,6}\W+(?:exceed\w*|above|over|below|under|more|less|higher|lower|at\s+least|at\s+most)\b",
                self.text,
            )
            and not re.search(r"\b(?:when|while|where|values|readings|hours)\b", self.text)
        ):
            raise Refusal(not_yet("limits on averages, sums and extremes"))
