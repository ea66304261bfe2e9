"""Whether the numbers of a sentence stand: on a cell of a row that fits, on a limit or another number of the plan."""

import math
import re
from collections.abc import Callable, Collection
from typing import Final

from dataflow_insight.answers.draft import Bound, Claim
from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.facts import NAMES, Facts
from dataflow_insight.answers.mentions import Figure
from dataflow_insight.answers.numbers import find_numbers
from dataflow_insight.answers.quantities import matches, unit_fits
from dataflow_insight.answers.reach import EMPTY, Keys, Reach
from dataflow_insight.answers.rows import fits_cell, name_of
from dataflow_insight.answers.words import DIRECTION, UNSIGNED, Tag
from dataflow_insight.plans.plan import Measure
from dataflow_insight.queries.query import Role

_NUMBERS: Final = frozenset(
    {
        Role.VALUE, Role.OTHER_VALUE, Role.SUPPORT, Role.OTHER_SUPPORT, Role.DIFFERENCE, Role.PERCENT, Role.RATIO,
        Role.SECONDS, Role.PREVIOUS, Role.NEXT, Role.DEVICES, Role.GROUP,
    }
)  # fmt: skip
_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    "=": lambda value, limit: value == limit,
    "<>": lambda value, limit: value != limit,
}
_IN_THE: Final = re.compile(r"\bin\s+the\s+$")
_BEFORE: Final = re.compile(r"\s+before\s")
_OPPOSITES: Final = {"<=": ">", ">=": "<"}


class Figures:
    """The numbers of one sentence.

    Args:
        reach: The sentence and the results.
        evidence: For the question.

    Attributes:
        bound: Numbers that stand on a cell.
        says_nothing_found: One says that a limit was never passed, and so it is.
        lengths: Results, and which of their scopes, whose time is told by its length and its end.
    """

    def __init__(self, reach: Reach, evidence: Evidence) -> None:
        self._reach = reach
        self._evidence = evidence
        self.bound: list[tuple[Figure, Bound]] = []
        self.says_nothing_found = False
        self.lengths: set[tuple[int, int]] = set()

    def stands(self, figure: Figure) -> bool:
        """Returns whether a number stands on anything, and notes the cell if it is one."""
        number = figure.number
        if math.isnan(number.value) or (number.suffixed and not figure.unit):
            return False
        if number.ordinal:
            return self._is_ordinal(figure)
        if figure.operator and self._is_limit(figure):
            return True
        if figure.seconds is not None and self._is_length(figure):
            return True
        strict = figure.operator in {">", "<", "<>"}
        bound = None if strict else self._cell(figure)
        if bound is not None:
            self.bound.append((figure, bound))
            return True
        if figure.operator in {">", "<", ">=", "<="} and self._is_true_of_values(figure):
            return True
        return not strict and self._is_of_plan(figure)

    def _cell(self, figure: Figure) -> Bound | None:
        keys = self._reach.keys(figure)
        claim = self._reach.claim(figure)
        ordered = sorted(self._reach.facts, key=lambda facts: claim is None or facts.index != claim.result)
        for facts in ordered:
            columns = [column for column, role in enumerate(facts.roles) if role in _NUMBERS]
            if claim is not None and facts.index == claim.result:
                columns.sort(key=lambda column: column != claim.column)
            for column in columns:
                found = self._in_column(figure, facts, column, keys, claim)
                if found is not None:
                    return found
        return None

    def _in_column(self, figure: Figure, facts: Facts, column: int, keys: Keys, claim: Claim | None) -> Bound | None:
        role = facts.roles[column]
        if not unit_fits(figure, facts, role, self._reach.found.text, self._evidence.question) or not self._words_fit(
            keys, facts, role
        ):
            return None
        if not self._limits_fit(figure, facts, role):
            return None
        rows = self._claimed(facts, keys, role, claim)
        if rows is None:
            rows = self._reach.rows(facts, keys, role)
        matched: list[tuple[int, int | None]] = []
        for row in rows:
            ok, digits = matches(figure, facts, row, column, unsigned=self._unsigned)
            if ok:
                matched.append((row, digits))
        if not matched or (len(matched) < len(rows) and not self._is_extreme(keys, facts, column, rows, matched[0][0])):
            return None
        row, digits = next((item for item in matched if claim is not None and item[0] == claim.row), matched[0])
        length = figure.seconds is not None and (role is Role.SECONDS or facts.plan.measure is Measure.GAP)
        shown = self._reach.found.text[figure.start : figure.end if length else figure.number.end]
        return Bound(shown.strip(), row, column, digits, facts.index)

    def _claimed(self, facts: Facts, keys: Keys, role: Role, claim: Claim | None) -> Collection[int] | None:
        """Returns the claimed row where the sentence names every group that the row stands for; spares a look at all rows."""
        if claim is None or claim.result != facts.index or not 0 <= claim.row < len(facts.rows):
            return None
        if claim.row not in self._reach.rows(facts, keys, role):
            return None
        cells = facts.rows[claim.row]
        for column, own in enumerate(facts.roles):
            named = any(name_of(cells[column], own) == name.text for name in keys.names)
            named = named or (cells[column] is None and EMPTY in self._reach.found.text)
            timed = any(fits_cell(time.when, cells[column], own, facts.zone) for time in keys.times)
            if own in {*NAMES, Role.BUCKET, Role.HOUR_OF_DAY, Role.WEEKDAY} and not (named or timed):
                return None
        return [claim.row]

    @property
    def _unsigned(self) -> bool:
        return bool(DIRECTION.search(self._reach.found.rest) or UNSIGNED.search(self._reach.found.rest))

    def _is_extreme(self, keys: Keys, facts: Facts, column: int, rows: Collection[int], row: int) -> bool:
        """Returns whether a word such as "highest" chooses the row among those that fit."""
        if facts.computed.table.truncated and not facts.plan.rank:
            return False
        cells = [cell for cell in (facts.rows[item][column] for item in rows) if isinstance(cell, int | float)]
        value = facts.rows[row][column]
        tags = {tag.tag for tag in keys.tags}
        wanted = [max(cells)] if tags & {Tag.HIGH, Tag.LONG} else [min(cells)] if Tag.LOW in tags else []
        return value in wanted

    def _words_fit(self, keys: Keys, facts: Facts, role: Role) -> bool:
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

    def _limits_fit(self, figure: Figure, facts: Facts, role: Role) -> bool:
        """Returns whether a column's values are under every limit that the number's clause names."""
        limits = set(facts.limits(role))
        return all(
            (item.operator, item.number.value) in limits
            for item in self._reach.near(self._reach.found.figures, figure.clause)
            if item is not figure and item.operator in {">", "<", ">=", "<="} and self._is_limit(item)
        )

    def _is_limit(self, figure: Figure) -> bool:
        """Returns whether the plan has this very limit."""
        wanted = (figure.operator, figure.number.value)
        for facts in self._reach.facts:
            opposite = (_OPPOSITES.get(figure.operator, ""), figure.number.value)
            if facts.nothing and facts.counts and opposite in set(facts.limits(Role.DIFFERENCE)):
                self.says_nothing_found = True  # "It never exceeded 500."
                return True
            for role in (Role.VALUE, Role.OTHER_VALUE):
                if wanted in set(facts.limits(role)) and unit_fits(
                    figure, facts, Role.PREVIOUS, self._reach.found.text, self._evidence.question, limit=True
                ):
                    return True
        return False

    def _is_length(self, figure: Figure) -> bool:
        """Returns whether a number is how long a plan's time is ("in the 5 minutes before 18:40"), and notes whose."""
        text = self._reach.found.text
        if not (_IN_THE.search(text[: figure.start]) and _BEFORE.match(text[figure.end :])):
            return False
        seconds = figure.seconds[0] if figure.seconds is not None else None
        found = {
            (facts.index, number)
            for facts in self._reach.facts
            for number, scope in enumerate(facts.scopes(Role.DIFFERENCE))
            if len(scope.times) == 1
            and (span := scope.times[0]).start is not None
            and span.end is not None
            and (span.end - span.start).total_seconds() == seconds
        }
        self.lengths |= found
        return bool(found)

    def _is_true_of_values(self, figure: Figure) -> bool:
        """Returns whether the question gave this limit and all values that the sentence is about are on this side of it."""
        if figure.number.value not in {item.value for item in find_numbers(self._evidence.question)}:
            return False
        keys, checked = self._reach.keys(figure), False
        for facts in self._reach.facts:
            for column in facts.columns(Role.VALUE):
                if facts.counts or not self._words_fit(keys, facts, Role.VALUE):
                    continue
                for row in self._reach.rows(facts, keys, Role.VALUE):
                    cell = facts.rows[row][column]
                    if not isinstance(cell, int | float):
                        continue
                    if not _OPERATORS[figure.operator](cell, figure.number.value):
                        return False
                    checked = True
        return checked

    def _is_of_plan(self, figure: Figure) -> bool:
        """Returns whether a number is a part of a plan that text may repeat: a percentile, a rank."""
        value, rest = figure.number.value, self._reach.found.text
        around = rest[max(0, figure.start - 24) : figure.end + 24].lower()
        for facts in self._reach.facts:
            plan = facts.plan
            if plan.measure is Measure.PERCENTILE and value == plan.percentile and "percentile" in around:
                return True
            if plan.rank and value == abs(plan.rank) and not figure.unit.strip("%") and re.search(
                rf"(?:top|bottom|first|last)\s+{re.escape(rest[figure.start : figure.number.end])}\b|\b{re.escape(rest[figure.start : figure.number.end])}\s+(?:\w+\s+)?(?:highest|lowest|most|fewest|largest|smallest|longest|days|hours|weeks|months|stations|devices|rooms|sensors)\b",
                rest,
                re.IGNORECASE,
            ):  # fmt: skip
                return True
        return False

    def _is_ordinal(self, figure: Figure) -> bool:
        value, after = figure.number.value, self._reach.found.text[figure.end : figure.end + 20].lower()
        keys = self._reach.keys(figure)
        for facts in self._reach.facts:
            plan = facts.plan
            if plan.measure is Measure.PERCENTILE and value == plan.percentile and "percentile" in after:
                return True
            if not plan.rank:
                continue
            column = facts.columns(Role.VALUE)[0]
            values = list(dict.fromkeys(row[column] for row in facts.rows))
            for row in self._reach.rows(facts, keys, Role.VALUE):
                if row + 1 >= value >= values.index(facts.rows[row][column]) + 1:
                    return True
            if value == plan.place and not facts.rows:
                return True
        return False
