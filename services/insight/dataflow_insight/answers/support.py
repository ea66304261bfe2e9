"""Binds what a sentence says to cells: a number counts only from a row that fits the names, times and words beside it."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from dataflow_insight.answers.draft import Bound, Claim
from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.facts import NAMES, Facts
from dataflow_insight.answers.mentions import FieldName, Figure, Mentions, Name, Span, Tagged, Time
from dataflow_insight.answers.numbers import find_numbers
from dataflow_insight.answers.quantities import matches, unit_fits
from dataflow_insight.answers.rows import fits_cell, name_of
from dataflow_insight.answers.scopes import limit_names, scope_says
from dataflow_insight.answers.times import When
from dataflow_insight.answers.words import DIRECTION, EXCLUDING, NEGATION, UNSIGNED, Tag
from dataflow_insight.plans.plan import Measure
from dataflow_insight.queries.query import Role

NUMBERS: Final = frozenset(
    {
        Role.VALUE, Role.OTHER_VALUE, Role.SUPPORT, Role.OTHER_SUPPORT, Role.DIFFERENCE, Role.PERCENT, Role.RATIO,
        Role.SECONDS, Role.PREVIOUS, Role.NEXT, Role.DEVICES, Role.GROUP,
    }
)  # fmt: skip
_EMPTY: Final = "(empty)"
"""How a group without a value is written."""

_MOMENTS: Final = frozenset({Role.TIME, Role.START, Role.END})
_EXTREMES: Final = frozenset({Tag.HIGH, Tag.LOW, Tag.EXTREME, Tag.LONG})
_SINCE: Final = re.compile(r"(?:since|from|after|starting(?:\s+\w+)?|later\s+than)\s+(?:the\s+)?$", re.IGNORECASE)
_BEFORE: Final = re.compile(r"(?:before|until|till|up\s+to|through|earlier\s+than|to)\s+(?:the\s+)?$", re.IGNORECASE)
_ENDS: Final = re.compile(
    r"(?:until|till|to|through|end(?:s|ed|ing)?(?:\s+(?:at|on))?|last\w*|stopped(?:\s+at)?)\W*$", re.IGNORECASE
)
_STARTS: Final = re.compile(
    r"(?:from|since|start(?:s|ed|ing)?(?:\s+(?:at|on))?|beg[aiu]n\w*(?:\s+(?:at|on))?|first)\W*$", re.IGNORECASE
)
_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    "=": lambda value, limit: value == limit,
    "<>": lambda value, limit: value != limit,
}
_OPPOSITES: Final = {"<=": ">", ">=": "<"}
_Kind = TypeVar("_Kind", bound=Span)


class Unsupported(Exception):  # noqa: N818 - an outcome of reading a sentence, not an error
    """Something in a sentence stands on nothing; the text says what, for logs."""


@dataclass(frozen=True, slots=True)
class _Keys:
    """What a row must fit to be what a piece of a sentence is about."""

    names: tuple[Name, ...]
    times: tuple[Time, ...]
    fields: tuple[FieldName, ...] = ()
    tags: tuple[Tagged, ...] = ()


class Support:
    """The support of one sentence.

    Args:
        facts: The results.
        found: What the sentence says.
        before: What the sentence says that it leans on, if it does.
        evidence: For the question.
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
        self._facts = facts
        self._found = found
        self._before = before
        self._evidence = evidence
        self._claims = claims
        self._devices = evidence.devices
        self._take_groups()
        self._named = {name.text for mentions in (found, before) if mentions is not None for name in mentions.names}
        self._ended: dict[tuple[int, int], set[str]] = {}
        self._also: dict[tuple[int, int], set[str]] = {}
        self.says_nothing_found = (
            bool(facts) and all(item.nothing for item in facts) and bool(NEGATION.search(found.rest))
        )

    def _take_groups(self) -> None:
        """Takes numbers that name a group ("occupancy 1") for names."""
        keys = {key for facts in self._facts for key in facts.group_keys}
        for figure in list(self._found.figures) if keys else []:
            before = [item for item in self._found.fields if item.end < figure.start and item.key in keys]
            if before and not figure.unit and self._found.text[before[-1].end : figure.start].isspace():
                self._found.figures.remove(figure)
                text = self._found.text[figure.start : figure.end]
                self._found.names.append(Name(figure.start, figure.end, figure.clause, text))

    def bindings(self) -> tuple[Bound, ...]:
        """Returns what stands on a cell, in the order of the sentence.

        Raises:
            Unsupported: Something stands on nothing.
        """
        found: list[tuple[int, Bound]] = []
        for name in self._found.names:
            found += [(name.start, bound) for bound in self._name(name)]
        for time in self._found.times:
            found += [(time.start, bound) for bound in self._time(time)]
        for figure in self._found.figures:
            found += [(figure.start, bound) for bound in self._figure(figure)]
        self._check_open_ranges()
        return tuple(bound for _, bound in sorted(found, key=lambda item: item[0]))

    # Names

    def _name(self, name: Name) -> Iterator[Bound]:
        keys = _Keys((name,), self._near(self._found.times, name.clause))
        known = False
        for facts, row in self._rows(keys, Role.DIFFERENCE, name):
            known = True
            for column, cell in enumerate(facts.rows[row]):
                if name_of(cell, facts.roles[column]) == name.text:
                    shown = self._found.text[name.start : name.end]
                    yield Bound(shown, row, column, None, facts.index)
                    return
        if known:
            return
        if any(self._in_scope(name.text, facts) for facts in self._facts):
            return
        raise Unsupported(f"the name {name.text!r}")

    def _in_scope(self, text: str, facts: Facts) -> bool:
        """Returns whether the plan itself is about a device, as one of its own or as one that it leaves out."""
        for scope in (facts.plan.scope, facts.plan.compared_with):
            if scope is None:
                continue
            if text in scope.excluded_device_ids and EXCLUDING.search(self._found.rest):
                return True
            if not facts.rows and text in scope.device_ids:
                return True
            if any(text in limit_names(condition) for condition in scope.conditions):
                return True
            # A device of the plan, of which no row is: together with all the others that the plan names.
            if text in scope.device_ids and set(scope.device_ids) <= self._named:
                return True
        return any(text in limit_names(item) for item in facts.plan.holding) or (
            facts.nothing and any(text in scope.device_ids for scope in facts.scopes(Role.DIFFERENCE))
        )

    # Times

    def _time(self, time: Time) -> Iterator[Bound]:
        if time.when.words and time.when.words not in self._evidence.question.lower():
            raise Unsupported(f"the time {time.when.words!r}")
        keys = _Keys(self._near(self._found.names, time.clause, reach=True), (time,))
        text = self._found.text[time.start : time.end]
        before = self._found.text[: time.start]
        for facts, row in self._rows(keys, Role.DIFFERENCE, time):
            for column, role in enumerate(facts.roles):
                if not fits_cell(time.when, facts.rows[row][column], role, facts.zone):
                    continue
                if role in _MOMENTS and time.when.hour is None and self._is_planned(time):
                    continue  # "On 2014-01-16" repeats the plan's day, of which the reading's time is a part.
                if (role is Role.START and _ENDS.search(before)) or (role is Role.END and _STARTS.search(before)):
                    continue
                self._remember(time, before, self._also)
                yield Bound(text.strip(), row, column, None, facts.index)
                return
        if self._remember(time, before, self._ended):
            return
        raise Unsupported(f"the time {text!r}")

    def _is_planned(self, time: Time) -> bool:
        """Returns whether a plan names the time itself."""
        return any(
            scope_says(time.when, scope, facts.zone) is not None
            for facts in self._facts
            for scope in facts.scopes(Role.DIFFERENCE)
        )

    def _remember(self, time: Time, before: str, noted: dict[tuple[int, int], set[str]]) -> bool:
        """Notes which end of a plan's time is named; the other one must be named, too, unless it is open.

        Returns whether a plan is about the time at all.
        """
        known = False
        for facts in self._facts:
            for number, scope in enumerate(facts.scopes(Role.DIFFERENCE)):
                said = scope_says(time.when, scope, facts.zone)
                if said is None:
                    continue
                known = True
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

    # Numbers

    def _figure(self, figure: Figure) -> Iterator[Bound]:
        number, text = figure.number, self._found.text[figure.start : figure.end]
        if math.isnan(number.value) or (number.suffixed and not figure.unit):
            raise Unsupported(f"the number {text!r}")
        if number.ordinal:
            if not self._is_ordinal(figure):
                raise Unsupported(f"the number {text!r}")
            return
        if figure.operator and self._is_limit(figure):
            return
        strict = figure.operator in {">", "<", "<>"}
        bound = None if strict else self._cell(figure)
        if bound is not None:
            yield bound
            return
        if figure.operator in {">", "<", ">=", "<="} and self._is_true_of_values(figure):
            return
        if not strict and self._is_of_plan(figure):
            return
        raise Unsupported(f"the number {text!r}")

    def _cell(self, figure: Figure) -> Bound | None:
        keys = self._keys(figure)
        claim = self._claim(figure)
        ordered = sorted(self._facts, key=lambda facts: claim is None or facts.index != claim.result)
        for facts in ordered:
            columns = [column for column, role in enumerate(facts.roles) if role in NUMBERS]
            if claim is not None and facts.index == claim.result:
                columns.sort(key=lambda column: column != claim.column)
            for column in columns:
                found = self._in_column(figure, facts, column, keys, claim)
                if found is not None:
                    return found
        return None

    def _in_column(self, figure: Figure, facts: Facts, column: int, keys: _Keys, claim: Claim | None) -> Bound | None:
        role = facts.roles[column]
        if not unit_fits(figure, facts, role, self._found.text, self._evidence.question) or not self._words_fit(
            keys, facts, role
        ):
            return None
        rows = self._claimed(facts, keys, role, claim)
        if rows is None:
            rows = [row for row in range(len(facts.rows)) if self._fits(keys, facts, row, role)]
        matched: list[tuple[int, int | None]] = []
        for row in rows:
            ok, digits = matches(figure, facts, row, column, unsigned=self._unsigned)
            if ok:
                matched.append((row, digits))
        if not matched or (len(matched) < len(rows) and not self._is_extreme(keys, facts, column, rows, matched[0][0])):
            return None
        row, digits = next((item for item in matched if claim is not None and item[0] == claim.row), matched[0])
        length = figure.seconds is not None and (role is Role.SECONDS or facts.plan.measure is Measure.GAP)
        shown = self._found.text[figure.start : figure.end if length else figure.number.end]
        return Bound(shown.strip(), row, column, digits, facts.index)

    def _claimed(self, facts: Facts, keys: _Keys, role: Role, claim: Claim | None) -> list[int] | None:
        """Returns the claimed row where the sentence names every group that the row stands for; spares a look at all rows."""
        if claim is None or claim.result != facts.index or not 0 <= claim.row < len(facts.rows):
            return None
        if not self._fits(keys, facts, claim.row, role):
            return None
        cells = facts.rows[claim.row]
        for column, own in enumerate(facts.roles):
            named = any(name_of(cells[column], own) == name.text for name in keys.names)
            named = named or (cells[column] is None and _EMPTY in self._found.text)
            timed = any(fits_cell(time.when, cells[column], own, facts.zone) for time in keys.times)
            if own in {*NAMES, Role.BUCKET, Role.HOUR_OF_DAY, Role.WEEKDAY} and not (named or timed):
                return None
        return [claim.row]

    @property
    def _unsigned(self) -> bool:
        return bool(DIRECTION.search(self._found.rest) or UNSIGNED.search(self._found.rest))

    def _is_extreme(self, keys: _Keys, facts: Facts, column: int, rows: Sequence[int], row: int) -> bool:
        """Returns whether a word such as "highest" chooses the row among those that fit."""
        if facts.computed.table.truncated and not facts.plan.rank:
            return False
        cells = [cell for cell in (facts.rows[item][column] for item in rows) if isinstance(cell, int | float)]
        value = facts.rows[row][column]
        tags = {tag.tag for tag in keys.tags}
        wanted = [max(cells)] if tags & {Tag.HIGH, Tag.LONG} else [min(cells)] if Tag.LOW in tags else []
        return value in wanted

    def _words_fit(self, keys: _Keys, facts: Facts, role: Role) -> bool:
        """Returns whether what the sentence calls the number ("average", "pm10") can be said of a column."""
        if role in {Role.SUPPORT, Role.OTHER_SUPPORT, Role.DEVICES}:
            return True
        # A superlative that the plan did not ask for may be true of one row of several.
        several = {Tag.HIGH, Tag.LOW, Tag.EXTREME} if len(facts.rows) > 1 else set()
        if any(tag.tag not in facts.tags | several for tag in keys.tags):
            return False
        measured = facts.measured_keys(role)
        if facts.plan.other_field and keys.fields:
            # A reading is told with two of its fields in one sentence.
            return any(name.key in measured for name in keys.fields) and all(
                name.key in facts.field_keys for name in keys.fields
            )
        return all(name.key in measured for name in keys.fields)

    def _is_limit(self, figure: Figure) -> bool:
        """Returns whether the plan has this very limit."""
        wanted = (figure.operator, figure.number.value)
        for facts in self._facts:
            opposite = (_OPPOSITES.get(figure.operator, ""), figure.number.value)
            if facts.nothing and facts.counts and opposite in set(facts.limits(Role.DIFFERENCE)):
                self.says_nothing_found = True  # "It never exceeded 500."
                return True
            for role in (Role.VALUE, Role.OTHER_VALUE):
                if wanted in set(facts.limits(role)) and unit_fits(
                    figure, facts, Role.PREVIOUS, self._found.text, self._evidence.question, limit=True
                ):
                    return True
        return False

    def _is_true_of_values(self, figure: Figure) -> bool:
        """Returns whether the question gave this limit and all values that the sentence is about are on this side of it."""
        if figure.number.value not in {item.value for item in find_numbers(self._evidence.question)}:
            return False
        keys, checked = self._keys(figure), False
        for facts in self._facts:
            for column in facts.columns(Role.VALUE):
                if facts.counts or not self._words_fit(keys, facts, Role.VALUE):
                    continue
                for row in range(len(facts.rows)):
                    cell = facts.rows[row][column]
                    if not isinstance(cell, int | float) or not self._fits(keys, facts, row, Role.VALUE):
                        continue
                    if not _OPERATORS[figure.operator](cell, figure.number.value):
                        return False
                    checked = True
        return checked

    def _is_of_plan(self, figure: Figure) -> bool:
        """Returns whether a number is a part of a plan that text may repeat: a percentile, a rank, a year."""
        value, rest = figure.number.value, self._found.text
        around = rest[max(0, figure.start - 24) : figure.end + 24].lower()
        for facts in self._facts:
            plan = facts.plan
            if plan.measure is Measure.PERCENTILE and value == plan.percentile and "percentile" in around:
                return True
            if plan.rank and value == abs(plan.rank) and not figure.unit.strip("%") and re.search(
                rf"(?:top|bottom|first|last)\s+{re.escape(rest[figure.start : figure.number.end])}\b|\b{re.escape(rest[figure.start : figure.number.end])}\s+(?:\w+\s+)?(?:highest|lowest|most|fewest|largest|smallest|longest|days|hours|weeks|months|stations|devices|rooms|sensors)\b",
                rest,
                re.IGNORECASE,
            ):  # fmt: skip
                return True
        if figure.unit or figure.number.spelled or not 1900 <= value <= 2100 or figure.number.step != 1:
            return False
        year = Time(figure.start, figure.end, figure.clause, When(figure.start, figure.end, int(value)))
        try:
            list(self._time(year))
        except Unsupported:
            return False
        return True

    def _is_ordinal(self, figure: Figure) -> bool:
        value, after = figure.number.value, self._found.text[figure.end : figure.end + 20].lower()
        keys = self._keys(figure)
        for facts in self._facts:
            plan = facts.plan
            if plan.measure is Measure.PERCENTILE and value == plan.percentile and "percentile" in after:
                return True
            if not plan.rank:
                continue
            column = facts.columns(Role.VALUE)[0]
            values = list(dict.fromkeys(row[column] for row in facts.rows))
            for row in range(len(facts.rows)):
                if (
                    self._fits(keys, facts, row, Role.VALUE)
                    and row + 1 >= value >= values.index(facts.rows[row][column]) + 1
                ):
                    return True
            if value == plan.place and not facts.rows:
                return True
        return False

    # Rows

    def _rows(self, keys: _Keys, role: Role, span: Span) -> Iterator[tuple[Facts, int]]:
        """Yields the rows that fit, the claimed one first."""
        claim = self._claim(span)
        for facts in sorted(self._facts, key=lambda item: claim is None or item.index != claim.result):
            claimed = claim is not None and claim.result == facts.index and 0 <= claim.row < len(facts.rows)
            if claimed and claim is not None and self._fits(keys, facts, claim.row, role):
                yield facts, claim.row
            for row in range(len(facts.rows)):
                if self._fits(keys, facts, row, role):
                    yield facts, row

    def _fits(self, keys: _Keys, facts: Facts, row: int, role: Role) -> bool:
        """Returns whether a row can be what the names and times speak of."""
        for name in keys.names:
            if self._is_left_out(name, facts, row, role):
                continue
            if not facts.fits_name(name.text, row, role):
                return False
            # Of several devices that were taken together, no single one has the value.
            if Role.DEVICE not in facts.roles:
                scopes = [scope for scope in facts.scopes(role) if name.text in scope.device_ids]
                if scopes and not any(set(scope.device_ids) <= self._named for scope in scopes):
                    return False
        return all(self._fits_time(time.when, facts, row, role) for time in keys.times)

    def _fits_time(self, when: When, facts: Facts, row: int, role: Role) -> bool:
        """Returns whether a row can be of a time: where rows have it, one that has it; else any that the plan is about."""
        if facts.has_time(when, row):
            return True
        return not facts.tells_time(when) and facts.fits_time(when, row, role)

    def _is_left_out(self, name: Name, facts: Facts, row: int, role: Role) -> bool:
        """Returns whether a device is named as one that the plan leaves out ("except Dingling")."""
        texts = [self._found.rest, self._before.rest if self._before is not None else ""]
        if not any(EXCLUDING.search(text) for text in texts):
            return False
        left_out = any(name.text in scope.excluded_device_ids for scope in facts.scopes(role))
        return left_out and facts.cell(row, Role.DEVICE) != name.text

    def _keys(self, figure: Figure) -> _Keys:
        own = bool(self._near(self._found.names, figure.clause) or self._near(self._found.times, figure.clause))
        tags = self._near(self._found.tags, figure.clause, reach=True)
        if own:
            near = self._near(self._found.tags, figure.clause)
            tags = tuple(tag for tag in tags if tag.tag not in _EXTREMES or tag in near)
        # Of each kind the nearest: a line may have a device, a day and an hour, with commas between.
        names = tuple(
            name
            for kind in (True, False)
            for name in self._near(
                [item for item in self._found.names if (item.text in self._devices) is kind], figure.clause, reach=True
            )
        )
        times = tuple(
            time
            for kind in ("date", "clock", "weekday")
            for time in self._near(
                [item for item in self._found.times if item.when.kind == kind], figure.clause, reach=True
            )
        )
        if self._before is not None:
            names = names or tuple(self._before.names[-1:])
            tags = tags or tuple(tag for tag in self._before.tags if tag.tag not in _EXTREMES)
        fields = self._near(self._found.fields, figure.clause, reach=True)
        if not fields and self._before is not None:
            fields = tuple(self._before.fields[:1])
        return _Keys(names, times, fields, tags)

    def keys_at(self, position: int) -> _Keys:
        """Returns what the clause at a position speaks of."""
        clause = self._found.clause_of(position)
        return self._keys(Figure(position, position, clause))

    def rows_at(self, facts: Facts, keys: _Keys, role: Role) -> list[int]:
        """Returns the rows of a result that fit."""
        return [row for row in range(len(facts.rows)) if self._fits(keys, facts, row, role)]

    @staticmethod
    def _near(spans: Sequence[_Kind], clause: int, *, reach: bool = False) -> tuple[_Kind, ...]:
        """Returns what stands in a clause; or, reaching out, in the nearest one before it, or else behind it."""
        own = tuple(span for span in spans if span.clause == clause)
        if own or not reach:
            return own
        before = [span for span in spans if span.clause < clause]
        if before:
            return tuple(span for span in before if span.clause == before[-1].clause)
        after = [span for span in spans if span.clause > clause]
        return tuple(span for span in after if span.clause == after[0].clause)

    def _claim(self, span: Span) -> Claim | None:
        return next((claim for claim in self._claims if claim.start <= span.start < claim.end), None)
