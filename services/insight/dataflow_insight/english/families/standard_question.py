"""One plain question, read: what its families' builders lean on."""

from dataclasses import dataclass

from dataflow_insight.catalogue.catalogue import Field
from dataflow_insight.english.adjectives import Implied
from dataflow_insight.english.families.standard_arrange import Arranger
from dataflow_insight.english.families.standard_groups import Groups
from dataflow_insight.english.families.standard_intent import Intent
from dataflow_insight.english.families.standard_pairs import Named
from dataflow_insight.english.names import adds_up
from dataflow_insight.english.reading import Reading
from dataflow_insight.english.refusals import Refusal, two_things
from dataflow_insight.plans.plan import Scope


@dataclass(frozen=True, slots=True)
class Question:
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

    @property
    def measured(self) -> Field | None:
        """The one field that is measured; None for readings.

        Raises:
            Refusal: There are several.
        """
        fields = list(dict.fromkeys(named.field for named in self.fields))
        if len(fields) > 1:
            raise Refusal(two_things())
        return fields[0] if fields else None

    @property
    def is_grouped(self) -> bool:
        """Whether the answer is broken down, chosen among groups, or limited by their values."""
        groups = self.groups
        return bool(groups.per or groups.which or groups.each or groups.rank or groups.place or self.arranger.having)

    @property
    def is_per_day(self) -> bool:
        """Whether something is asked "per day" and chosen from nothing: amounts are then added up by day."""
        per = self.groups.per
        return (
            len(per) == 1
            and per[0].is_calendar
            and self.groups.each is None
            and not self.arranger.choosing
            and self.groups.counted is None
        )

    @property
    def asks_amount(self) -> bool:
        """Whether amounts of something that adds up are asked for ("how much rain", "most rain")."""
        measured = [named.field for named in self.fields]
        return len(set(measured)) == 1 and adds_up(measured[0]) and (self.intent.how_much or self.intent.most)
