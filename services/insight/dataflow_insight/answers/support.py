"""Binds the names, times and numbers of a sentence to cells; whatever stands on nothing takes the sentence away."""

import re
from collections.abc import Iterator
from typing import Final

from dataflow_insight.answers.draft import Bound
from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.facts import Facts
from dataflow_insight.answers.figures import Figures
from dataflow_insight.answers.mentions import Figure, Name, Time
from dataflow_insight.answers.reach import Keys, Reach
from dataflow_insight.answers.rows import fits_cell, name_of
from dataflow_insight.answers.scopes import limit_names, scope_says
from dataflow_insight.answers.times import When
from dataflow_insight.answers.words import EXCLUDING, NEGATION
from dataflow_insight.queries.query import Role

_MOMENTS: Final = frozenset({Role.TIME, Role.START, Role.END})
_START: Final = re.compile(r"(?<!\w)(?:from|since|start\w*|beg[aiu]n\w*|first|earliest)(?!\w)", re.IGNORECASE)
_END: Final = re.compile(r"(?<!\w)(?:until|till|end(?:s|ed|ing)?|stopped|last\w*|latest)(?!\w)", re.IGNORECASE)
_TO: Final = re.compile(r"(?<!\w)(?:to|and|-)(?!\w)", re.IGNORECASE)
_UNTIL: Final = re.compile(r"(?:before|until|till|up\s+to|earlier\s+than)\s+(?:the\s+)?$", re.IGNORECASE)
_SINCE: Final = re.compile(r"(?:since|from|after|starting(?:\s+\w+)?|later\s+than)\s+(?:the\s+)?$", re.IGNORECASE)
_BEFORE: Final = re.compile(r"(?:before|until|till|up\s+to|through|earlier\s+than|to)\s+(?:the\s+)?$", re.IGNORECASE)
_ENDS: Final = re.compile(
    r"(?:until|till|to|through|end(?:s|ed|ing)?(?:\s+(?:at|on))?|last\w*|stopped(?:\s+at)?)\W*$", re.IGNORECASE
)
_STARTS: Final = re.compile(
    r"(?:from|since|start(?:s|ed|ing)?(?:\s+(?:at|on))?|beg[aiu]n\w*(?:\s+(?:at|on))?|first)\W*$", re.IGNORECASE
)


class Unsupported(Exception):  # noqa: N818 - an outcome of reading a sentence, not an error
    """Something in a sentence stands on nothing; the text says what, for logs."""


class Support:
    """The support of one sentence.

    Args:
        reach: The sentence and the results.
        evidence: For the question.

    Attributes:
        says_nothing_found: The sentence says that there is nothing, and so it is.
    """

    def __init__(self, reach: Reach, evidence: Evidence) -> None:
        self._reach = reach
        self._evidence = evidence
        self._ended: dict[tuple[int, int], set[str]] = {}
        self._also: dict[tuple[int, int], set[str]] = {}
        nothing = bool(reach.facts) and all(item.nothing for item in reach.facts)
        self.says_nothing_found = nothing and bool(NEGATION.search(reach.found.rest))

    def bindings(self) -> tuple[Bound, ...]:
        """Returns what stands on a cell, in the order of the sentence.

        Raises:
            Unsupported: Something stands on nothing.
        """
        found: list[tuple[int, Bound]] = []
        for name in self._reach.found.names:
            found += [(name.start, bound) for bound in self._name(name)]
        for time in self._reach.found.times:
            found += [(time.start, bound) for bound in self._time(time)]
        figures = Figures(self._reach, self._evidence)
        for figure in self._reach.found.figures:
            if not figures.stands(figure) and not self._is_year(figure):
                raise Unsupported(f"the number {self._reach.found.text[figure.start : figure.end]!r}")
        self.says_nothing_found = self.says_nothing_found or figures.says_nothing_found
        found += [(figure.start, bound) for figure, bound in figures.bound]
        for key in figures.lengths & self._ended.keys():
            self._ended[key].add("start")
        self._check_open_ranges()
        self._check_fields()
        return tuple(bound for _, bound in sorted(found, key=lambda item: item[0]))

    def _name(self, name: Name) -> Iterator[Bound]:
        keys = Keys((name,), self._reach.near(self._reach.found.times, name.clause))
        claim, known = self._reach.claim(name), False
        for facts in self._reach.facts:
            rows = self._reach.rows(facts, keys, Role.DIFFERENCE)
            known = known or bool(rows)
            if not rows or not facts.index_of_rows.named(name.text):
                continue
            row = (
                claim.row
                if claim is not None and claim.result == facts.index and claim.row in rows
                else next(iter(rows))
            )
            names = [name_of(cell, role) for cell, role in zip(facts.rows[row], facts.roles, strict=True)]
            shown = self._reach.found.text[name.start : name.end]
            yield Bound(shown, row, names.index(name.text), None, facts.index)
            return
        if not known and not any(self._in_scope(name.text, facts) for facts in self._reach.facts):
            raise Unsupported(f"the name {name.text!r}")

    def _in_scope(self, text: str, facts: Facts) -> bool:
        """Returns whether the plan itself is about a device, as one of its own or as one that it leaves out."""
        for scope in (facts.plan.scope, facts.plan.compared_with):
            if scope is None:
                continue
            if text in scope.excluded_device_ids and EXCLUDING.search(self._reach.found.rest):
                return True
            if not facts.rows and text in scope.device_ids:
                return True
            if any(text in limit_names(condition) for condition in scope.conditions):
                return True
            # A device of the plan, of which no row is: together with all the others that the plan names.
            if text in scope.device_ids and set(scope.device_ids) <= self._reach.named:
                return True
        return any(text in limit_names(item) for item in facts.plan.holding) or (
            facts.nothing and any(text in scope.device_ids for scope in facts.scopes(Role.DIFFERENCE))
        )

    def _time(self, time: Time) -> Iterator[Bound]:
        if time.when.words and time.when.words not in self._evidence.question.lower():
            raise Unsupported(f"the time {time.when.words!r}")
        keys = Keys(self._reach.near(self._reach.found.names, time.clause, reach=True), (time,))
        text = self._reach.found.text[time.start : time.end]
        before = self._reach.found.text[: time.start]
        claim = self._reach.claim(time)
        for facts in self._reach.facts:
            if not facts.index_of_rows.timed(time.when):
                continue
            rows = self._reach.rows(facts, keys, Role.DIFFERENCE)
            claimed = claim is not None and claim.result == facts.index and claim.row in rows
            for row in [claim.row] if claimed and claim is not None else rows:
                column = self._column(time, facts, row, before, claim.column if claimed and claim is not None else None)
                if column is not None:
                    self._remember(time, before, self._also)
                    yield Bound(text.strip(), row, column, None, facts.index)
                    return
        if not self._remember(time, before, self._ended):
            raise Unsupported(f"the time {text!r}")

    def _column(self, time: Time, facts: Facts, row: int, before: str, claimed: int | None) -> int | None:
        """Returns the column of a row that is the time; the claimed one if it is."""
        columns = sorted(range(len(facts.roles)), key=lambda column: column != claimed)
        for column in columns:
            role = facts.roles[column]
            if not fits_cell(time.when, facts.rows[row][column], role, facts.zone):
                continue
            if role in _MOMENTS and time.when.hour is None and self._is_planned(time):
                continue  # "On 2014-01-16" repeats the plan's day, of which the reading's time is a part.
            if (role is Role.START and _ENDS.search(before)) or (role is Role.END and _STARTS.search(before)):
                continue
            clause = self._reach.found.clause_text(time.clause)
            starts, ends = _START.search(clause), _END.search(clause)
            if (role is Role.START and ends and not starts) or (
                role is Role.END and starts and not ends and not _TO.search(clause)
            ):
                continue
            return column
        return None

    def _is_planned(self, time: Time) -> bool:
        """Returns whether a plan names the time itself."""
        return any(
            scope_says(time.when, scope, facts.zone) is not None
            for facts in self._reach.facts
            for scope in facts.scopes(Role.DIFFERENCE)
        )

    def _remember(self, time: Time, before: str, noted: dict[tuple[int, int], set[str]]) -> bool:
        """Notes which end of a plan's time is named; the other one must be named, too, unless it is open.

        Returns whether a plan is about the time at all.
        """
        known = False
        for facts in self._reach.facts:
            for number, scope in enumerate(facts.scopes(Role.DIFFERENCE)):
                said = scope_says(time.when, scope, facts.zone)
                if said is None or (said == "limit" and not _UNTIL.search(before)):
                    continue
                known, said = True, "end" if said == "limit" else said
                ended = noted.setdefault((facts.index, number), set())
                ended.add(said)
                hull = scope.hull
                if said == "start" and hull.end is None and _SINCE.search(before):
                    ended.add("end")
                if said == "end" and hull.start is None and _BEFORE.search(before):
                    ended.add("start")
        return known

    def _check_open_ranges(self) -> None:
        told = [ended | self._also.get(key, set()) for key, ended in self._ended.items()]
        if told and not any("all" in ended or {"start", "end"} <= ended for ended in told):
            raise Unsupported("a part of the time that was computed is named for the whole")

    def _check_fields(self) -> None:
        """Other quantities than those that were computed are not spoken of."""
        known = {key for facts in self._reach.facts for key in facts.field_keys}
        for name in self._reach.found.fields:
            if name.key not in known:
                raise Unsupported(f"the field {name.key!r}")

    def _is_year(self, figure: Figure) -> bool:
        """Returns whether a number is a year that was computed."""
        number = figure.number
        if figure.unit or number.spelled or number.ordinal or not 1900 <= number.value <= 2100 or number.step != 1:
            return False
        year = Time(figure.start, figure.end, figure.clause, When(figure.start, figure.end, int(number.value)))
        try:
            list(self._time(year))
        except Unsupported:
            return False
        return True
