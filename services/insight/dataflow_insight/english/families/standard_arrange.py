"""Breaks a query down: by the groups that were asked for, by a choice among them, by a count of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from dataflow_insight.english.conditions import Found
from dataflow_insight.english.families.standard_groups import Groups
from dataflow_insight.english.families.standard_intent import Intent
from dataflow_insight.english.lexicon import DEVICE_NOUN
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things, unclear, which_of
from dataflow_insight.plans.plan import Comparison, Focus, Fold, Grouping, GroupLimit, Measure, Plan

_SOME_DEVICE: Final = rf"\b(?:any|some|at\s+least\s+one|a|one)\s+(?:single\s+)?(?:of\s+the\s+)?{DEVICE_NOUN}\b"
_GREATER: Final = Comparison.GREATER
MAX_RANK: Final = 1000
"""Most groups of a ranking."""


@dataclass(frozen=True, slots=True)
class Arranger:
    """Adds groups, folds, limits on groups and ranks to a plan of one measure.

    Attributes:
        reading: The question.
        intent: What is asked.
        groups: How it is broken down.
        limit: A limit on groups; None for none.
        counted: A limit on how many readings of each group there are; None for none.
    """

    reading: Reading
    intent: Intent
    groups: Groups
    limit: Found | None
    counted: GroupLimit | None = None

    @property
    def choosing(self) -> bool:
        """Whether one or some of several groups are wanted."""
        groups = self.groups
        return bool(groups.which is not None or groups.rank or groups.place or self.intent.ranked)

    @property
    def having(self) -> GroupLimit | None:
        """The limit on groups."""
        if self.limit is None:
            return self.counted
        if isinstance(self.limit.condition.limit, tuple | bool):
            return None
        return GroupLimit(self.limit.condition.comparison, self.limit.condition.limit)

    def arrange(self, plan: Plan, direction: int = 0, fold: Measure | None = None) -> Plan:
        """Returns the plan with its groups.

        Args:
            plan: With measure, field and scope.
            direction: 1 where the highest group is wanted, -1 for the lowest, 0 where the words choose none.
            fold: What is computed of the values of the finer groups; None for nothing.

        Raises:
            Refusal: The groups do not fit together.
        """
        groups = self.groups
        if self.limit is None and self.counted is not None and plan.measure not in {Measure.COUNT, Measure.MISSING}:
            raise Refusal(unclear("It is not clear what has to be so often."))
        if groups.value_field:
            plan = replace(plan, group_field=groups.value_field)
        plan = replace(plan, assumptions=(*plan.assumptions, *groups.assumptions))
        if groups.counted is not None:
            return self._counted(plan, direction)
        each = groups.each
        if each is not None and each in {*groups.per, groups.which}:
            each = None
        if each is not None and (fold is not None or (self.choosing and groups.which is not None)):
            if fold is None:
                if self.having is not None or not direction:
                    return self._some(plan, each, direction)
                fold = Measure.MAX if direction > 0 else Measure.MIN
            plan = replace(plan, fold=Fold((each,), fold))
        elif each is not None:
            if each is Grouping.HOUR and groups.each_open:
                raise Refusal(which_of("each single hour", "each hour of the day over all days"))
            groups = replace(groups, per=[*groups.per, each])
        if self.choosing:
            return self._chosen(plan, direction)
        return self._listed(plan, groups.per, direction)

    def _counted(self, plan: Plan, direction: int) -> Plan:
        """Counts groups: "on how many days", "which station had the most days"."""
        groups = self.groups
        assert groups.counted is not None
        if groups.each not in {None, groups.counted}:
            raise Refusal(unclear("Groups of groups cannot be counted."))
        having = self.having
        if (
            self.limit is not None
            and groups.counted is not Grouping.DEVICE
            and re.search(_SOME_DEVICE, self.reading.text)
        ):
            raise Refusal(unclear("Days on which some device keeps a limit on its own value cannot be counted."))
        if plan.measure is Measure.MISSING and having is None:
            having = GroupLimit(_GREATER, 0)
        plan = replace(plan, fold=Fold((groups.counted,), Measure.COUNT, having))
        if groups.which is not None and groups.which is not groups.counted:
            if not direction:
                raise Refusal(unclear("It is not clear whether the most or the fewest are meant."))
            return self._ranked(plan, (groups.which,), direction)
        if direction and not groups.per:
            raise Refusal(unclear("It is not clear what the highest or lowest one is chosen from."))
        group_by = tuple(item for item in groups.per if item is not groups.counted)
        if (
            not group_by
            and len(self.reading.devices) > 1
            and not self.intent.combined
            and groups.counted is not Grouping.DEVICE
        ):
            group_by = (Grouping.DEVICE,)
        if direction:
            return self._ranked(plan, group_by, direction)
        focus = Focus.YES_NO if self.intent.yes_no or groups.some else Focus.VALUE
        return replace(plan, group_by=group_by, focus=focus)

    def _some(self, plan: Plan, each: Grouping, direction: int) -> Plan:
        """Which groups have some finer group that keeps the limit: "stations with a daily average above 150"."""
        groups = self.groups
        having = self.having
        if having is None or groups.which is None or direction:
            raise Refusal(unclear("It is not clear what is computed of the values of each group."))
        plan = replace(plan, fold=Fold((each,), Measure.COUNT, having))
        return replace(plan, group_by=(groups.which,), having=GroupLimit(_GREATER, 0), focus=Focus.LIST)

    def _chosen(self, plan: Plan, direction: int) -> Plan:
        groups = self.groups
        group = groups.which or (groups.per[0] if groups.per else None)
        if group is None and (self.intent.plural or groups.rank):
            group = Grouping.DEVICE if self.intent.plural else None
        if group is None:
            raise Refusal(unclear("It is not clear what the highest or lowest one is chosen from."))
        others = [item for item in groups.per if item is not group]
        if self.having is not None:
            plan = replace(plan, group_by=(group, *others)[:2], having=self.having, focus=Focus.LIST)
            return replace(plan, rank=self._rank(direction)) if direction and groups.rank else plan
        if others and groups.which is not None:
            raise Refusal(unclear("The best of each group cannot be computed; please ask for one group."))
        if groups.also is not None and groups.also is not group:
            return self._ranked(plan, (group, groups.also), direction)
        return self._ranked(plan, (group,), direction)

    def _ranked(self, plan: Plan, group_by: tuple[Grouping, ...], direction: int) -> Plan:
        if not direction:
            if not self.intent.ranked:
                raise Refusal(which_of("the highest", "the lowest"))
            direction = 1 if self.intent.upward else -1
        focus = Focus.DEVICE if group_by[0] in {Grouping.DEVICE, Grouping.VALUE} else Focus.TIME
        if self._asks_value():
            focus = Focus.VALUE
        return replace(plan, group_by=group_by, rank=self._rank(direction), place=self.groups.place, focus=focus)

    def _rank(self, direction: int) -> int:
        groups = self.groups
        count = groups.rank or groups.place or (MAX_RANK if self.intent.ranked else 1)
        if self.intent.ranked and not groups.rank and (groups.which or Grouping.DEVICE) is Grouping.DEVICE:
            count = len(self.reading.contract.devices)
        return (1 if direction > 0 else -1) * max(1, min(count, MAX_RANK))

    def _asks_value(self) -> bool:
        """Whether the value was asked for before the group."""
        return False

    def _listed(self, plan: Plan, per: Sequence[Grouping], direction: int) -> Plan:
        if direction:
            raise Refusal(unclear("It is not clear what the highest or lowest one is chosen from."))
        if self.intent.when:
            raise Refusal(two_things())
        if len(per) > 2:
            raise Refusal(two_things())
        if self.having is not None:
            return self._limited(plan, tuple(per))
        if per:
            return replace(plan, group_by=tuple(per))
        if len(self.reading.devices) > 1 and not self.intent.combined:
            note = "one answer for each device named"
            return replace(plan, group_by=(Grouping.DEVICE,), assumptions=(*plan.assumptions, note))
        return plan

    def _limited(self, plan: Plan, per: tuple[Grouping, ...]) -> Plan:
        """Keeps groups by a limit without a choice: "was the average above 100?", "days: average above 100"."""
        having = self.having
        assert having is not None
        if plan.fold is not None:
            # "Was the average daily maximum above 30?"
            raise Refusal(unclear("A limit on a value of several groups cannot be applied."))
        if self.intent.yes_no and per and Grouping.DEVICE not in per:
            return replace(plan, fold=Fold(per, Measure.COUNT, having), focus=Focus.YES_NO)
        if per:
            return replace(plan, group_by=per, having=having, focus=Focus.LIST)
        if self.intent.yes_no and len(self.reading.devices) == 1:
            return replace(plan, group_by=(Grouping.DEVICE,), having=having, focus=Focus.YES_NO)
        raise Refusal(unclear("It is not clear which groups the limit is for."))
