"""Puts what was read together to queries, and says no where the parts do not make any."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from dataflow_insight.catalogue.catalogue import Field
from dataflow_insight.english.adjectives import Implied
from dataflow_insight.english.families.standard_arrange import Arranger
from dataflow_insight.english.families.standard_counts import Counter
from dataflow_insight.english.families.standard_groups import Groups
from dataflow_insight.english.families.standard_intent import Intent
from dataflow_insight.english.families.standard_measures import Word
from dataflow_insight.english.families.standard_pairs import Named, pairs
from dataflow_insight.english.families.standard_roles import Roles, check_list, roles
from dataflow_insight.english.lexicon import DEVICE_NOUN
from dataflow_insight.english.names import adds_up
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, needs_field, two_things, unclear, which_of
from dataflow_insight.english.sheet import DEVICE
from dataflow_insight.plans.plan import Comparison, Focus, Fold, Grouping, Measure, Plan, Scope

_VALUE_ASKED = r"\bwhat\s+(?:was|is|were)\s+(?:the\s+)?(?!time|timestamp|station|sensor|device|date|day|hour|moment)|^(?:the\s+)?(?:highest|lowest|largest|smallest|hottest|coldest|warmest|strongest|max\w*|min\w*|peak)\b"


_ALL_DEVICES = (
    rf"(?<!at\s)(?<!over\s)(?<!across\s)(?<!for\s)(?<!from\s)(?<!of\s)\b(?:all|every|each|both)\s+(?:(?:of\s+)?the\s+)?(?:\w+\s+)?{DEVICE_NOUN}\s+(?:exceed\w*|have|had|has|were|was|are|is|be|been|report(?:ed)?|record(?:ed)?|measured?|saw|see|show\w*|stay\w*|remain\w*|go|went|above|below|over|under|drop\w*|fall|fell)\b"
    rf"|\bat\s+(?:both|all)\b.*\b(?:at\s+the\s+same\s+time|simultaneously)\b"
)
_COUNTED_TOO = r"\b(?:number|count)\s+of\s+(?:readings|measurements|records|rows|samples|observations)\b|\bhow\s+many\s+(?:readings|measurements|records|rows|samples|observations)\b"
_OF_SUMS = frozenset({Measure.AVG, Measure.MEDIAN, Measure.MAX, Measure.MIN})


@dataclass(frozen=True, slots=True)
class Shape:
    """What was read.

    Attributes:
        reading: The question.
        scope: Which readings count, without limits on groups.
        intent: What is asked.
        groups: How it is broken down.
        fields: What is measured; empty for readings.
        implied: The adjective that names a field.
        arranger: Adds the groups.
        universal: The limit on groups is one that all their readings keep.
    """

    reading: Reading
    scope: Scope
    intent: Intent
    groups: Groups
    fields: list[Named]
    implied: Implied | None
    arranger: Arranger
    universal: bool = False

    def plans(self) -> tuple[Plan, ...]:
        """Returns the queries.

        Raises:
            Refusal: The parts do not make any.
        """
        plan = Plan(
            contract=self.reading.contract.name,
            measure=Measure.COUNT,
            scope=self.scope,
            time_zone=self.reading.zone.key,
        )
        every = Grouping.DEVICE not in self.groups.per and re.search(_ALL_DEVICES, self.reading.text)
        if every and self.reading.conditions:
            raise Refusal(unclear("What holds for all devices at once cannot be computed."))
        plans = self._kind()(plan)
        limits = (
            limit for plan in plans for limit in (plan.having, plan.fold.having if plan.fold is not None else None)
        )
        if self.arranger.having is not None and not any(limits):
            raise Refusal(unclear("It is not clear what the limit is for."))
        return plans

    @property
    def _measured(self) -> Field | None:
        fields = list(dict.fromkeys(named.field for named in self.fields))
        if len(fields) > 1:
            raise Refusal(two_things())
        return fields[0] if fields else None

    def _counting(self, make: Callable[[Counter, Plan], Plan]) -> Callable[[Plan], tuple[Plan, ...]]:
        measured = self._measured
        counter = Counter(self.reading, self.intent, self.groups, measured, self.arranger)
        return lambda plan: (make(counter, replace(plan, field=measured.name if measured is not None else "")),)

    def _kind(self) -> Callable[[Plan], tuple[Plan, ...]]:
        intent, groups = self.intent, self.groups
        computed = [word for word in intent.words if not word.amount]
        conditions = self.scope.conditions
        if intent.coverage and (intent.count or intent.how_often):
            raise Refusal(two_things())
        if intent.missing:
            return self._counting(Counter.missing)
        if intent.distinct:
            return self._distinct
        if (
            intent.yes_no
            and intent.readings
            and not self.fields
            and not conditions
            and not intent.asks
            and not intent.first
        ):
            return lambda plan: (replace(plan, focus=Focus.YES_NO),)
        if intent.devices and not computed and not intent.latest and Grouping.DEVICE not in groups.per:
            return self._counting(Counter.devices)
        if intent.device_count and groups.counted is None:
            if not computed or self.arranger.limit is None:
                raise Refusal(unclear("Devices can be counted only by a limit."))
            groups.counted = Grouping.DEVICE
        if self.universal:
            return self._always
        if groups.some and groups.counted is Grouping.DEVICE and not computed:
            # Whether any device is so is whether any reading is.
            groups.counted = None
        if groups.counted is not None and not computed:
            return self._counting(Counter.days)
        if intent.count and len(computed) == 1 and len(groups.per) == 1 and groups.per[0].is_calendar:
            return self._folded_count
        if (intent.count or intent.how_often) and not [word for word in computed if not word.extreme]:
            return self._counting(Counter.count)
        if (intent.count or intent.how_often) and groups.counted is None:
            if intent.how_often and groups.each is not None and self.arranger.limit is not None:
                groups.counted = groups.each
            elif intent.count and not self._is_grouped and re.search(_COUNTED_TOO, self.reading.text):
                return self._with_count
            else:
                raise Refusal(two_things())
        if computed and not (len(computed) == len(intent.extremes) and self._amount()):
            return self._computed
        if self._amount():
            return self._amounts
        if self._lists_devices():
            return self._counting(Counter.devices)
        if intent.readings and groups.per and not intent.asks and not self.fields and not conditions:
            return self._counting(Counter.count)
        if intent.coverage or (not self.fields and (intent.first or intent.latest) and not conditions):
            return self._counting(Counter.coverage)
        if not self.fields and conditions:
            return self._counting(Counter.some)
        if intent.words:
            raise Refusal(which_of("the highest value", "the highest average", "the highest sum"))
        if intent.first or intent.latest:
            return self._ends
        return self._plain

    def _amount(self) -> bool:
        """Whether amounts of something that adds up are asked for ("how much rain", "most rain")."""
        measured = [named.field for named in self.fields]
        return len(set(measured)) == 1 and adds_up(measured[0]) and (self.intent.how_much or self.intent.most)

    def _lists_devices(self) -> bool:
        """Whether only the devices themselves are asked for ("which stations are there?")."""
        return (
            self.groups.which is Grouping.DEVICE
            and self.groups.plural
            and not self.intent.asks
            and not self.intent.when
            and not self.fields
            and not self.scope.conditions
        )

    def _always(self, plan: Plan) -> tuple[Plan, ...]:
        """Groups whose readings all keep a limit: their highest, or lowest, one does."""
        having = self.arranger.having
        if having is None or self.intent.words or self.intent.hours or self.intent.missing:
            raise Refusal(two_things())
        upper = having.comparison in {Comparison.LESS, Comparison.LESS_OR_EQUAL}
        if not upper and having.comparison not in {Comparison.GREATER, Comparison.GREATER_OR_EQUAL}:
            raise Refusal(unclear())
        measure = Measure.MAX if upper else Measure.MIN
        note = f"all readings are so when the {'highest' if upper else 'lowest'} one is"
        item = self.fields[0].field
        return (
            self.arranger.arrange(
                replace(plan, measure=measure, field=item.name, assumptions=(*plan.assumptions, note))
            ),
        )

    @property
    def _is_grouped(self) -> bool:
        groups = self.groups
        return bool(groups.per or groups.which or groups.each or groups.rank or groups.place or self.arranger.having)

    def _with_count(self, plan: Plan) -> tuple[Plan, ...]:
        """Measures, and how many readings there are beside them, in the order of the question."""
        found = re.search(_COUNTED_TOO, self.reading.text)
        assert found is not None
        computed = self._computed(plan)
        counted = self.arranger.arrange(plan)
        return (counted, *computed) if found.start() < self.intent.words[0].start else (*computed, counted)

    def _folded_count(self, plan: Plan) -> tuple[Plan, ...]:
        """Computes something of numbers of readings: "the average number of readings per day"."""
        (each,) = self.groups.per
        self.groups.per = []
        (word,) = [word for word in self.intent.words if not word.amount]
        measured = self._measured
        plan = replace(plan, field=measured.name if measured is not None else "", fold=Fold((each,), word.measure))
        return (self.arranger.arrange(plan),)

    def _distinct(self, plan: Plan) -> tuple[Plan, ...]:
        if self._measured is None:
            raise Refusal(needs_field("Different values are counted of one field"))
        plan = replace(plan, measure=Measure.DISTINCT, field=self._measured.name)
        counter = Counter(self.reading, self.intent, self.groups, self._measured, self.arranger)
        return (self.arranger.arrange(plan, counter.direction),)

    def _amounts(self, plan: Plan) -> tuple[Plan, ...]:
        item = self.fields[0].field
        note = f"how much {item.name} means the sum of all readings"
        plan = replace(plan, measure=Measure.SUM, field=item.name, assumptions=(*plan.assumptions, note))
        counter = Counter(self.reading, self.intent, self.groups, item, self.arranger)
        if self.intent.when or self.intent.first or self.intent.latest:
            raise Refusal(two_things())
        return (self.arranger.arrange(plan, counter.direction),)

    def _computed(self, plan: Plan) -> tuple[Plan, ...]:
        """Averages, extremes and their like, of one field or several."""
        intent, groups = self.intent, self.groups
        if not self.fields:
            raise Refusal(needs_field("An average, a highest value and their like are of one field"))
        if intent.latest or intent.first:
            raise Refusal(two_things())
        if any(word.measure is Measure.SUM for word in intent.words) and len(self.fields) > 1:
            raise Refusal(which_of("the sum of each field", "the fields added to each other"))
        if self._is_single_extreme():
            return self._extremes(plan)
        counted = groups.counted is not None
        words = [word for word in intent.words if not (counted and word.amount)]
        found = roles(
            words,
            self.reading.sheet.low,
            each_at=groups.each_at,
            choosing=self.arranger.choosing and not counted,
            limited=self.arranger.limit is not None,
        )
        directions = found.directions or (self._direction(counted=counted),)
        if not found.values:
            raise Refusal(which_of("the daily average", "the daily maximum", "the daily minimum"))
        if intent.most and not counted and any(word.amount for word in found.values):
            raise Refusal(which_of("the highest value", "the highest average", "the sum"))
        if self._adjective_alone(found):
            raise Refusal(which_of("by the average", "by the single highest or lowest value"))
        if intent.when and not self.arranger.choosing:
            return self._when_computed(plan, found)
        return self._of_each(plan, found, directions)

    def _of_each(self, plan: Plan, found: Roles, directions: tuple[int, ...]) -> tuple[Plan, ...]:
        plans: list[Plan] = []
        devices = self._own_devices(list(found.values))
        folds: list[Measure | None] = [folded.measure for folded in found.folds] or [None]
        for index, (word, item) in enumerate(pairs(list(found.values), self.fields)):
            if devices:
                plan = replace(plan, scope=replace(plan.scope, device_ids=(devices[index],)))
            measure = word.measure
            each_before = self.groups.each is not None and word.start < self.groups.each_at
            if (
                each_before
                and word.extreme
                and word.adjective
                and not found.folds
                and not adds_up(item)
                and not directions[0]
            ):
                raise Refusal(which_of("the highest or lowest of the averages", "the highest or lowest single value"))
            if (each_before or self._is_per_day) and measure in _OF_SUMS and not found.folds and adds_up(item):
                note = (
                    f"daily {item.name} is the sum of a day"
                    if self.groups.each is Grouping.DAY
                    else f"{item.name} is added up"
                )
                added = replace(plan, measure=Measure.SUM, field=item.name, assumptions=(*plan.assumptions, note))
                if self._is_per_day:
                    added = replace(added, fold=Fold(tuple(self.groups.per), measure))
                    self.groups.per = []
                    plans.append(self.arranger.arrange(added))
                else:
                    plans += [self.arranger.arrange(added, direction, measure) for direction in directions]
                continue
            one = replace(plan, measure=measure, percentile=word.percentile, field=item.name)
            plans += [self.arranger.arrange(one, direction, fold) for direction in directions for fold in folds]
        return tuple(plans)

    @property
    def _is_per_day(self) -> bool:
        """Whether something is asked "per day" and chosen from nothing: amounts are then added up by day."""
        per = self.groups.per
        return (
            len(per) == 1
            and per[0].is_calendar
            and self.groups.each is None
            and not self.arranger.choosing
            and self.groups.counted is None
        )

    def _direction(self, *, counted: bool) -> int:
        if counted:
            amounts = [word for word in self.intent.words if word.amount]
            if amounts:
                return 1 if amounts[0].measure is Measure.MAX else -1
        if self.implied is not None and self.implied.comparative and self.groups.which is not None:
            return self.implied.comparative
        if self.groups.upward is not None and self.arranger.choosing:
            return 1 if self.groups.upward else -1
        return self.intent.comparative if self.arranger.choosing else 0

    def _own_devices(self, words: list[Word]) -> tuple[str, ...]:
        """Returns the device of each measure where every measure has its own ("max at A and min at B"); else none."""
        devices = self.reading.devices
        paired = pairs(words, self.fields)
        if (
            len(devices) < 2
            or len(paired) != len(devices)
            or self._is_grouped
            or self.groups.counted is not None
            or self.intent.when
        ):
            return ()
        starts = {named.field.name: named.start for named in self.fields}
        spots = [found.start() for found in re.finditer(DEVICE, self.reading.sheet.visible)]
        begins = [word.start if len(words) == len(devices) else starts[item.name] for word, item in paired]
        if len(spots) != len(devices):
            return ()
        ordered = [place for pair in zip(begins, spots, strict=True) for place in pair]
        return tuple(devices) if ordered == sorted(ordered) else ()

    def _adjective_alone(self, found: Roles) -> bool:
        """Whether groups are chosen by "warmest" alone, which may be their average or their extreme."""
        group = self.groups.which
        vague = self.implied is not None and self.implied.measure in {Measure.MAX, Measure.MIN}
        if not self.arranger.choosing or not found.values or not all(word.extreme for word in found.values):
            return False
        if vague and group not in {None, Grouping.DEVICE} and self.implied is not None:
            return all(word.start == self.implied.start for word in found.values)
        return group in {Grouping.HOUR_OF_DAY, Grouping.WEEKDAY} and all(word.adjective for word in found.values)

    def _when_computed(self, plan: Plan, found: Roles) -> tuple[Plan, ...]:
        """Takes "when was the daily average highest?" for a question for the day."""
        groups = self.groups
        extremes = [word for word in found.folds if word.extreme]
        if groups.each is None or len(extremes) != 1 or len(found.folds) != 1:
            raise Refusal(which_of("the day", "the hour of the day"))
        groups.which = groups.each
        return self._of_each(plan, Roles(found.values), (1 if extremes[0].measure is Measure.MAX else -1,))

    def _is_single_extreme(self) -> bool:
        """Whether the highest or lowest single value is asked for, and perhaps where and when it was."""
        intent, groups = self.intent, self.groups
        words = intent.words
        if not words or not all(word.extreme and not word.amount for word in words) or groups.each is not None:
            return False
        if groups.counted is not None or self.arranger.limit is not None or intent.ranked:
            return False
        if groups.rank and (groups.which is not None or groups.per):
            return False
        if len({word.measure for word in words}) > 1 and groups.which not in {None, Grouping.DEVICE}:
            return False
        if groups.which is None:
            return True
        if any(word.adjective for word in words) and any(not word.adjective for word in words):
            return False
        vague = self.implied is not None and any(word.start == self.implied.start for word in words)
        if groups.which is Grouping.DEVICE:
            return not groups.place and not intent.comparative
        return (groups.which.is_calendar or groups.bare_hour) and not vague and not groups.place and not groups.per

    def _extremes(self, plan: Plan) -> tuple[Plan, ...]:
        unique = list({word.measure: word for word in self.intent.words}.values())
        check_list(unique, self.reading.text)
        devices = self._own_devices(unique)
        plans = [replace(plan, measure=word.measure, field=item.name) for word, item in pairs(unique, self.fields)]
        if devices:
            return tuple(
                replace(one, scope=replace(one.scope, device_ids=(device,)))
                for one, device in zip(plans, devices, strict=True)
            )
        return tuple(self._extreme(one) for one in plans)

    def _extreme(self, plan: Plan) -> Plan:
        intent, groups = self.intent, self.groups
        text = self.reading.text
        if groups.place or groups.rank:
            return replace(
                plan,
                with_where_and_when=True,
                rank=groups.place or groups.rank,
                place=groups.place,
                focus=Focus.TIME if intent.when else Focus.DEVICE if groups.which is not None else Focus.VALUE,
            )
        several = len(self.reading.devices) > 1 and groups.which is None and not intent.combined
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
            value_asked = bool(re.search(_VALUE_ASKED, text)) or intent.how_much or re.match(r"how\s", text)
            focus = Focus.VALUE
            if not value_asked:
                focus = Focus.DEVICE if groups.which is Grouping.DEVICE else Focus.TIME
            note = "where several are equal, the earliest comes first"
            return replace(plan, with_where_and_when=True, focus=focus, assumptions=(*plan.assumptions, note))
        return plan

    def _ends(self, plan: Plan) -> tuple[Plan, ...]:
        """The newest or the oldest value."""
        intent = self.intent
        measures = [Measure.FIRST] * intent.first + [Measure.LATEST] * intent.latest
        return tuple(self._end(plan, measure, named.field) for named in self.fields for measure in measures)

    def _end(self, plan: Plan, measure: Measure, item: Field) -> Plan:
        intent, groups = self.intent, self.groups
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
        devices, contract = self.reading.devices, self.reading.contract
        several = len(devices) != 1 and len(contract.devices) > 1
        focus = Focus.TIME if intent.when else Focus.DEVICE if which_device else Focus.VALUE
        grouped = per_device or (several and not which_device)
        assumptions = plan.assumptions
        name = "latest" if measure is Measure.LATEST else "first"
        if grouped and not per_device:
            assumptions = (*assumptions, f"the {name} value of each device")
        if intent.now:
            assumptions = (*assumptions, "now means the latest reading stored")
        having = self.arranger.having
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

    def _plain(self, plan: Plan) -> tuple[Plan, ...]:
        """A field without a measure: its value at one time, or its latest."""
        intent, groups = self.intent, self.groups
        text = self.reading.text
        open_question = which_of("the average", "the highest value", "the lowest value", "the latest value")
        if not self.fields:
            raise Refusal(unclear())
        if groups.profile:
            note = "a profile is of averages"
            word = Word(0, 0, Measure.AVG)
            plan = replace(plan, assumptions=(*plan.assumptions, note))
            return self._of_each(plan, Roles((word,)), (0,))
        if (
            intent.yes_no
            or groups.which is not None
            or (not self.reading.devices and re.match(r"what(?:'s|\s+is|\s+does)\s+(?!the\b|a\b|our\b|my\b)", text))
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
        fields = [named.field for named in self.fields]
        if length is not None and length <= timedelta(minutes=1):
            return tuple(self._end(plan, Measure.LATEST, item) for item in fields)
        if (
            not plan.scope.times
            and not self.reading.moments
            and not plan.scope.conditions
            and (not groups.per or groups.per == [Grouping.DEVICE])
            and not re.search(r"\b(?:was|were|did|had)\b", text)
        ):
            noted = replace(plan, assumptions=(*plan.assumptions, "a value without a time means the latest one"))
            return tuple(self._end(noted, Measure.LATEST, item) for item in fields)
        raise Refusal(open_question)
