"""What a clause of a sentence speaks of, and which rows that leaves: names and times stand before, in or behind it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from dataflow_insight.answers.draft import Claim
from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.facts import Facts
from dataflow_insight.answers.mentions import FieldName, Figure, Mentions, Name, Span, Tagged, Time
from dataflow_insight.answers.scopes import scope_says
from dataflow_insight.answers.words import EXCLUDING, Tag
from dataflow_insight.queries.query import Role

_EXTREMES: Final = frozenset({Tag.HIGH, Tag.LOW, Tag.EXTREME, Tag.LONG})
EMPTY: Final = "(empty)"
"""How a group without a value is written."""

EVERYTHING: Final = "over everything"
"""How the side of a comparison that has no scope of its own is written."""

_Kind = TypeVar("_Kind", bound=Span)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a row must fit to be what a piece of a sentence is about.

    Attributes:
        names: Devices and other texts.
        times: Dates, hours, weekdays.
        fields: Quantities.
        tags: Words such as "average".
        everything: It speaks of the side of a comparison that has no scope of its own.
    """

    names: tuple[Name, ...] = ()
    times: tuple[Time, ...] = ()
    fields: tuple[FieldName, ...] = ()
    tags: tuple[Tagged, ...] = ()
    everything: bool = False


class Reach:
    """One sentence before the results.

    Args:
        facts: The results.
        found: What the sentence says.
        before: What the sentence says that it leans on, if it does.
        evidence: For the devices.
        claims: Hints of the writer.
    """

    def __init__(
        self,
        facts: Sequence[Facts],
        found: Mentions,
        before: Mentions | None,
        evidence: Evidence,
        claims: Sequence[Claim],
    ) -> None:
        self.facts = facts
        self.found = found
        self.before = before
        self._devices = evidence.devices
        self._claims = claims
        self._take_groups()
        self.named = {name.text for said in (found, before) if said is not None for name in said.names}
        texts = [found.rest, before.rest if before is not None else ""]
        self._excludes = any(EXCLUDING.search(text) for text in texts)

    def claim(self, span: Span) -> Claim | None:
        """Returns the writer's hint about a piece."""
        return next((claim for claim in self._claims if claim.start <= span.start < claim.end), None)

    def near(self, spans: Sequence[_Kind], clause: int, *, reach: bool = False) -> tuple[_Kind, ...]:
        """Returns what stands in a clause; or, reaching out, in the nearest one before it, or else behind it."""
        own = tuple(span for span in spans if span.clause == clause)
        if own or not reach:
            return own
        before = [span for span in spans if span.clause < clause]
        if before:
            return tuple(span for span in before if span.clause == before[-1].clause)
        after = [span for span in spans if span.clause > clause]
        return tuple(span for span in after if span.clause == after[0].clause)

    def keys(self, figure: Figure) -> Keys:
        """Returns what a number is said of."""
        found, clause = self.found, figure.clause
        own = bool(self.near(found.names, clause) or self.near(found.times, clause))
        tags = self.near(found.tags, clause, reach=True)
        if own:
            near = self.near(found.tags, clause)
            tags = tuple(tag for tag in tags if tag.tag not in _EXTREMES or tag in near)
        fields = self.near(found.fields, clause, reach=True)
        if self.before is not None:
            tags = tags or tuple(tag for tag in self.before.tags if tag.tag not in _EXTREMES)
            fields = fields or tuple(self.before.fields[:1])
        if EVERYTHING in found.clause_text(clause):
            return Keys(fields=fields, tags=tags, everything=True)
        # Of each kind the nearest: a line may have a device, a day and an hour, with commas between.
        names = tuple(
            name
            for kind in (True, False)
            for name in self.near(
                [item for item in found.names if (item.text in self._devices) is kind], clause, reach=True
            )
        )
        times = tuple(
            time
            for kind in ("date", "clock", "weekday", "weekdays")
            for time in self.near([item for item in found.times if item.when.kind == kind], clause, reach=True)
        )
        compares = any(facts.compares for facts in self.facts)
        if self.before is not None and not compares and len({name.text for name in self.before.names}) == 1:
            # Of several, each line would be about another one.
            names = names or tuple(self.before.names[-1:])
        return Keys(names, times, fields, tags)

    def keys_at(self, position: int) -> Keys:
        """Returns what the clause at a position speaks of."""
        return self.keys(Figure(position, position, self.found.clause_of(position)))

    def rows(self, facts: Facts, keys: Keys, role: Role) -> Collection[int]:
        """Returns the rows of a result that can be what is spoken of, in a column of a role."""
        rows: frozenset[int] | None = None
        for name in keys.names:
            held = facts.index_of_rows.named(name.text)
            if held:
                rows = held if rows is None else rows & held
            elif not self._is_left_out(name, facts, role) and not facts.plans_name(name.text, role):
                return ()
            if not self._all_are_named(name, facts, role):
                return ()
        for time in keys.times:
            held = facts.index_of_rows.timed(time.when)
            if held:
                rows = held if rows is None else rows & held
            elif all(scope_says(time.when, scope, facts.zone) is None for scope in facts.scopes(role)):
                return ()
        if keys.everything and all(
            scope.device_ids or scope.times or scope.weekdays or scope.day_times for scope in facts.scopes(role)
        ):
            return ()
        if rows is None and EMPTY in self.found.text:
            rows = facts.index_of_rows.unnamed
        if rows is None:
            return range(len(facts.rows))
        for time in keys.times if len(rows) > 1 else ():
            # A time that is the row's group says more than one that is within it.
            rows = rows & facts.index_of_rows.grouped(time.when) or rows
        return sorted(rows)

    def _is_left_out(self, name: Name, facts: Facts, role: Role) -> bool:
        """Returns whether a device is named as one that the plan leaves out ("except Dingling")."""
        return self._excludes and any(name.text in scope.excluded_device_ids for scope in facts.scopes(role))

    def _all_are_named(self, name: Name, facts: Facts, role: Role) -> bool:
        """Returns whether, where several devices were taken together, all are named: no single one has the value."""
        if Role.DEVICE in facts.roles:
            return True
        scopes = [scope for scope in facts.scopes(role) if name.text in scope.device_ids]
        return not scopes or any(set(scope.device_ids) <= self.named for scope in scopes)

    def _take_groups(self) -> None:
        """Takes numbers that name a group ("occupancy 1") for names."""
        keys = {key for facts in self.facts for key in facts.group_keys}
        for figure in list(self.found.figures) if keys else []:
            before = [item for item in self.found.fields if item.end < figure.start and item.key in keys]
            if before and not figure.unit and self.found.text[before[-1].end : figure.start].isspace():
                self.found.figures.remove(figure)
                text = self.found.text[figure.start : figure.end]
                self.found.names.append(Name(figure.start, figure.end, figure.clause, text))
