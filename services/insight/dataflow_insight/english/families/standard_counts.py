"""Plans of what is counted: readings, gaps in them, different values, devices, and the time that the data cover."""

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from dataflow_insight.catalogue.catalogue import Field
from dataflow_insight.english.families.standard_arrange import Arranger
from dataflow_insight.english.families.standard_groups import Groups
from dataflow_insight.english.families.standard_intent import Intent
from dataflow_insight.english.lexicon import READING_NOUN
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, needs_field, two_things, unclear
from dataflow_insight.plans.plan import Comparison, Condition, Focus, Grouping, GroupLimit, Measure, Plan

_VALUE_WORDS: Final = rf"\b(?:{READING_NOUN}|reported?|measured?|recorded?|sent|stored|delivered|received|available)\b"


@dataclass(frozen=True, slots=True)
class Counter:
    """Makes the plans of one question about numbers of readings.

    Attributes:
        reading: The question.
        intent: What is asked.
        groups: How it is broken down.
        measured: Of which field; None for readings.
        arranger: Adds the groups.
    """

    reading: Reading
    intent: Intent
    groups: Groups
    measured: Field | None
    arranger: Arranger

    @property
    def direction(self) -> int:
        """1 where the most are wanted, -1 for the fewest, 0 for neither."""
        extremes = self.intent.extremes
        if len({word.measure for word in extremes}) > 1:
            raise Refusal(two_things())
        if extremes:
            return 1 if extremes[0].measure is Measure.MAX else -1
        return self.intent.comparative

    @property
    def limits(self) -> tuple[Condition, ...]:
        """Limits on single readings."""
        limit = self.arranger.limit
        return tuple(
            found.condition for found in self.reading.conditions if limit is None or found.start != limit.start
        )

    def missing(self, plan: Plan) -> Plan:
        """Counts readings without a value."""
        intent = self.intent
        if self.measured is None:
            raise Refusal(needs_field("Missing values are counted for one field"))
        if [word for word in intent.words if not word.extreme] or intent.latest or intent.first or intent.when:
            raise Refusal(two_things())
        plan = self._in_hours(replace(plan, measure=Measure.MISSING))
        if intent.device_count and self.groups.counted is None:
            self.groups.counted = Grouping.DEVICE
        if self.groups.which is not None and not self.direction and self.arranger.having is None:
            # "Which stations have missing values?"
            plan = self.arranger.arrange(self._listing(plan))
            return replace(plan, having=GroupLimit(Comparison.GREATER, 0.0), focus=Focus.LIST)
        plan = self.arranger.arrange(plan, self.direction)
        if intent.yes_no and not intent.count:
            plan = replace(plan, focus=Focus.YES_NO)
        return plan

    def devices(self, plan: Plan) -> Plan:
        """Lists devices or says how many there are."""
        intent = self.intent
        if intent.missing or (intent.count and intent.device_count):
            raise Refusal(two_things())
        listed = self.groups.which is not None or not re.search(
            r"\b(?:how\s+many|number\s+of|count|amount)\b", self.reading.text
        )
        if self.measured is not None and not self.limits:
            raise Refusal(unclear("Devices can be counted by field only with a limit."))
        if listed:
            return replace(plan, group_by=(Grouping.DEVICE,), focus=Focus.LIST)
        if self.limits:
            note = "a device counts when at least one of its readings is so"
            plan = replace(plan, field="", assumptions=(*plan.assumptions, note))
        return replace(plan, measure=Measure.COVERAGE, focus=Focus.DEVICES)

    def days(self, plan: Plan) -> Plan:
        """Counts days and other groups in which some reading is so, or in which there are readings at all."""
        if self.intent.latest or self.intent.first or self.intent.when:
            raise Refusal(two_things())
        if self.measured is not None and not self.limits and not re.search(_VALUE_WORDS, self.reading.text):
            raise Refusal(unclear("It is not clear which values of the field are counted; please give a limit."))
        if self.limits and not self.intent.ever:
            noun = {Grouping.DEVICE: "device", Grouping.WEEK: "week", Grouping.MONTH: "month"}.get(
                self.groups.counted or Grouping.DAY, "day"
            )
            plan = replace(
                plan, assumptions=(*plan.assumptions, f"a {noun} counts when at least one of its readings is so")
            )
        return self.arranger.arrange(plan, self.direction)

    @property
    def _only_states(self) -> bool:
        """Whether every limit is a value of a text field, or a yes or no."""
        return bool(self.limits) and all(isinstance(item.limit, tuple | bool) for item in self.limits)

    def _refuse_until_now(self) -> None:
        """Refuses "since when has it been so": what began the run that still goes on is in no plan."""
        if self.limits and re.search(
            r"\b(?:since\s+when|for\s+how\s+long|how\s+long)\s+(?:has|have)\b", self.reading.text
        ):
            raise Refusal(
                unclear(
                    "Since when something has been so cannot be computed; please ask for the longest run, or for a count."
                )
            )

    def count(self, plan: Plan) -> Plan:
        """Counts readings, or values of a field."""
        intent = self.intent
        self._refuse_until_now()
        if intent.total or intent.latest or intent.first or intent.when:
            raise Refusal(two_things())
        assumptions = plan.assumptions
        if intent.how_often and self.limits:
            assumptions = (*assumptions, "each reading counts as one time")
        if self.measured is not None and self.limits and intent.hours:
            raise Refusal(two_things())
        by_value = Grouping.VALUE in (*self.groups.per, self.groups.which)
        if (
            self.measured is not None
            and not self.limits
            and not by_value
            and not re.search(_VALUE_WORDS, self.reading.text)
        ):
            raise Refusal(unclear("It is not clear which values of the field are counted; please give a limit."))
        plan = self._in_hours(replace(plan, assumptions=assumptions))
        if self.groups.which is not None and not self.direction and not intent.ranked and self.arranger.having is None:
            if not self.groups.plural:
                raise Refusal(unclear("It is not clear what is to be chosen by."))
            return self.arranger.arrange(self._listing(plan))
        return self.arranger.arrange(plan, self.direction)

    def some(self, plan: Plan) -> Plan:
        """Says which groups, when, or whether there are readings within limits."""
        intent, groups = self.intent, self.groups
        self._refuse_until_now()
        if intent.extremes or intent.total:
            raise Refusal(unclear())
        if self.arranger.having is not None and groups.which is not None:
            return self.arranger.arrange(plan)
        if groups.which is None and groups.per and self._only_states:
            # "Fault hours per machine"
            return self.arranger.arrange(plan)
        if groups.which is not None or groups.per:
            return self.arranger.arrange(self._listing(plan))
        if intent.when or intent.latest or intent.first:
            focus = Focus.FIRST if intent.first else Focus.LAST if intent.latest else Focus.VALUE
            return replace(plan, measure=Measure.COVERAGE, focus=focus)
        if intent.yes_no:
            return replace(plan, focus=Focus.YES_NO)
        raise Refusal(unclear("It is not clear what to compute about the readings in that range."))

    def coverage(self, plan: Plan) -> Plan:
        """Says which time the data cover."""
        intent, groups = self.intent, self.groups
        self._refuse_until_now()
        if self.measured is not None or intent.extremes or intent.total or groups.rank:
            raise Refusal(two_things())
        if groups.per == [Grouping.DEVICE] and groups.which is None:
            return replace(plan, measure=Measure.COVERAGE, group_by=(Grouping.DEVICE,), focus=Focus.LIST)
        if groups.per or (groups.which is not None and not intent.coverage):
            raise Refusal(unclear("The covered time can be broken down by device only."))
        if (
            not intent.coverage
            and not intent.when
            and not re.search(r"\btime(?:stamp)?s?\b|\bdate\b", self.reading.text)
        ):
            raise Refusal(needs_field("The first or latest value is of one field"))
        focus = Focus.VALUE
        if intent.first and not intent.latest:
            focus = Focus.FIRST
        elif intent.latest and not intent.first:
            focus = Focus.LAST
        return replace(plan, measure=Measure.COVERAGE, focus=focus)

    def _listing(self, plan: Plan) -> Plan:
        """Makes a choice without an order a plain list of groups."""
        groups = self.groups
        if groups.rank or groups.place:
            raise Refusal(unclear("It is not clear what is to be chosen by."))
        if groups.which is not None:
            if groups.which not in groups.per:
                groups.per.insert(0, groups.which)
            groups.which = None
        return replace(plan, focus=Focus.LIST if not self.intent.count else Focus.VALUE)

    def _in_hours(self, plan: Plan) -> Plan:
        """Counts readings where hours are asked for: right only when there is one reading an hour."""
        seconds = self.intent.hours
        if not seconds:
            return plan
        unit = {3600: "hour", 60: "minute", 1: "second"}[seconds]
        if not self.limits and self.measured is None and len(self.reading.devices) != 1:
            raise Refusal(unclear("The time of several devices cannot be added up; please name one device."))
        if self.reading.contract.cadence != timedelta(seconds=seconds):
            raise Refusal(
                unclear(
                    f"Readings do not come once {'an' if unit == 'hour' else 'a'} {unit}, so the {unit}s cannot be counted by them."
                )
            )
        return replace(
            plan, assumptions=(*plan.assumptions, f"each reading stands for one {unit}, the time between readings")
        )
