"""Whether the words of a sentence agree with its cells: direction, extreme, sign, strength, negation, yes and no."""

import re
from collections.abc import Sequence
from typing import Final

from dataflow_insight.answers.correlations import correlation_problem
from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.facts import Facts
from dataflow_insight.answers.mentions import Mentions, Name, Time
from dataflow_insight.answers.quantities import PERCENT_WORDS, tells_change
from dataflow_insight.answers.reach import EVERYTHING, Reach
from dataflow_insight.answers.verdict import verdict
from dataflow_insight.answers.words import (
    DIRECTION,
    EXCLUDING,
    NEGATION,
    OVERALL,
    YES_NO,
    Tag,
)
from dataflow_insight.plans.plan import Measure
from dataflow_insight.queries.query import Role
from dataflow_insight.queries.table import Value

_THAN: Final = re.compile(r"(?<!\w)(?:than|compared\s+(?:to|with)|against|over|versus|vs)(?!\w)", re.IGNORECASE)
_TIED: Final = re.compile(r"(?<!\w)(?:same|equal|identical|level\s+with)(?!\w)", re.IGNORECASE)
_DATA: Final = re.compile(r"(?<!\w)(?:readings?|values?|data|measurements?|records?|rows?)(?!\w)", re.IGNORECASE)
_TELLING: Final = {
    Measure.AVG: Tag.MEAN,
    Measure.MEDIAN: Tag.MEDIAN,
    Measure.PERCENTILE: Tag.PERCENTILE,
    Measure.STDDEV: Tag.DEVIATION,
    Measure.CORRELATION: Tag.CORRELATION,
}
_STEADY_PERCENT: Final = 5.0
"""A change of up to so many per cent may be called stable."""


def disagreement(reach: Reach, evidence: Evidence, *, denied: bool) -> str | None:
    """Returns which word is not borne out by the results; None where all are.

    Args:
        reach: The sentence and the results.
        evidence: For the question.
        denied: The sentence says that there is nothing, and so it is.
    """
    facts, found = reach.facts, reach.found
    return (
        _yes_or_no(facts, found, evidence)
        or _negation(facts, found, denied=denied)
        or _extremes(reach)
        or _directions(reach)
        or correlation_problem(reach)
        or _overall(facts, found)
        or _ratio(facts, found)
    )


def _yes_or_no(facts: Sequence[Facts], found: Mentions, evidence: Evidence) -> str | None:
    said = YES_NO.match(found.rest)
    if said is None:
        return None
    verdicts = {verdict(item, evidence.question) for item in facts}
    if verdicts == {said.group("yes") is not None}:
        return None
    return f"{said.group().strip()!r} does not follow from the result"


def _negation(facts: Sequence[Facts], found: Mentions, *, denied: bool) -> str | None:
    rest = found.rest
    if (start := YES_NO.match(rest)) is not None:
        rest = " " * start.end() + rest[start.end() :]
    negated = NEGATION.search(rest)
    everything = bool(facts) and all(item.nothing for item in facts)
    if negated is None:
        head = found.text.rstrip().endswith(":")
        said = denied or head or found.bare or any(figure.number.value == 0 for figure in found.figures)
        if everything and not said and YES_NO.match(found.rest) is None:
            return "it speaks of something where nothing was found"
        return None
    if found.bare and not found.fields and not _DATA.search(rest):
        return None
    if EXCLUDING.search(rest) and _excludes(facts):
        return None
    if any(item.plan.measure in {Measure.MISSING, Measure.MISSING_SHARE} for item in facts):
        return None
    if re.search(r"(?<!\w)practically\s+no(?!\w)", rest, re.IGNORECASE):
        return None
    nothing = any(item.nothing or _has_null(item) for item in facts)
    return None if nothing else f"{negated.group()!r} where something was found"


def _excludes(facts: Sequence[Facts]) -> bool:
    for item in facts:
        for scope in (item.plan.scope, item.plan.compared_with):
            if scope is not None and scope.excluded_device_ids:
                return True
        if any(operator == "<>" for operator, _ in item.limits(Role.DIFFERENCE)):
            return True
        if any(condition.comparison.operator == "<>" for condition in item.conditions(Role.DIFFERENCE)):
            return True
    return False


def _has_null(facts: Facts) -> bool:
    columns = facts.columns(Role.VALUE, Role.OTHER_VALUE, Role.DIFFERENCE, Role.PERCENT, Role.RATIO)
    return any(row[column] is None or row[column] == 0 for row in facts.rows for column in columns)


def _extremes(reach: Reach) -> str | None:
    facts, found = reach.facts, reach.found
    for tag in found.tags:
        if tag.tag in {Tag.FIRST, Tag.LATEST} and facts and not any(tag.tag in item.tags for item in facts):
            return f"{found.text[tag.start : tag.end]!r} is not borne out"
        if tag.tag not in {Tag.HIGH, Tag.LOW, Tag.EXTREME, Tag.LONG}:
            continue
        if not any(_extreme(item, tag.tag, tag.start, reach) for item in facts):
            return f"{found.text[tag.start : tag.end]!r} is not borne out"
    return None


def _extreme(facts: Facts, tag: Tag, position: int, reach: Reach) -> bool:
    """Returns whether a superlative is what the plan asked for, or true of the row that is spoken of."""
    columns = facts.columns(Role.VALUE)
    if tag in {Tag.HIGH, Tag.LOW} and not _measure_is_said(facts, reach):
        return False
    if tag in facts.tags and (not facts.plan.rank or reach.found.text.rstrip().endswith(":")):
        return True
    if tag in {Tag.HIGH, Tag.LOW} and not facts.plan.group_by and tag not in facts.tags:
        return False
    keys = reach.keys_at(position)
    named = bool(keys.names or keys.times)
    rows = reach.rows(facts, keys, Role.VALUE) if named else list(range(len(facts.rows)))
    if not columns or not rows:
        return facts.nothing and tag in facts.tags
    column = columns[0]
    cells = [cell for row in facts.rows if isinstance(cell := row[column], int | float)]
    if tag in facts.tags and (not cells or facts.plan.place or len(rows) > 1):
        return True
    if tag in facts.tags and abs(facts.plan.rank) > 1 and not named:
        return True
    if not cells or (facts.computed.table.truncated and not facts.plan.rank):
        return False
    top, bottom = max(cells), min(cells)
    wanted = {Tag.HIGH: {top}, Tag.LONG: {top}, Tag.LOW: {bottom}}.get(tag, {top, bottom})
    if facts.plan.rank:
        if tag in {Tag.HIGH, Tag.LOW} and tag not in facts.tags:
            return False
        # Only the end that was ranked is complete.
        best = top if facts.plan.rank > 0 else bottom
        wanted &= {best}
        if tag in facts.tags and not wanted:
            wanted = {best}
    elif len(facts.rows) < 2:
        return False
    return any(facts.rows[row][column] in wanted for row in rows)


def _measure_is_said(facts: Facts, reach: Reach) -> bool:
    """Returns whether "highest" is said of the average, where it is one: the highest value would be another one."""
    wanted = {_TELLING[measure] for measure in (facts.plan.measure,) if measure in _TELLING}
    said = {tag.tag for mentions in (reach.found, reach.before) if mentions is not None for tag in mentions.tags}
    return not facts.plan.rank or wanted <= said


def _directions(reach: Reach) -> str | None:
    facts, found = reach.facts, reach.found
    for match in DIRECTION.finditer(found.rest):
        said = 1 if match["up"] else -1 if match["down"] else 0
        true = _sign(reach, match)
        if said == 0 and true is None and _TIED.search(match.group()) and _is_tie(facts):
            continue
        if true is None or said != true:
            return f"{match.group()!r} is not borne out"
    return None


def _is_tie(facts: Sequence[Facts]) -> bool:
    for item in facts:
        for column in item.columns(Role.VALUE):
            cells = [row[column] for row in item.rows]
            if len(cells) > len(set(cells)):
                return True
    return False


def _sign(reach: Reach, match: re.Match[str]) -> int | None:
    """Returns 1 where the subject of a direction word is above its object, -1 below, 0 level; None where nothing says so."""
    facts, found = reach.facts, reach.found
    subject, other = _parties(found, match)
    if subject is not None and other is not None and _says(found, subject) == _says(found, other):
        return None
    for item in facts:
        if item.compares and Role.DIFFERENCE in item.roles:
            keys = reach.keys_at(match.start())
            rows = reach.rows(item, keys, Role.DIFFERENCE)
            signs = {_sign_of(item, row, match) for row in rows}
            side = _side(item, subject)
            if side is None:
                against = _side(item, other)
                side = -against if against is not None else 1
            if len(signs) == 1 and (only := signs.pop()) is not None:
                # The percentage is that of the other side: turned round, it would be another number.
                turned = side < 0 and any(figure.unit.lower() in PERCENT_WORDS for figure in found.figures)
                return None if turned else only * side
        if tells_change(item):
            rows = reach.rows(item, reach.keys_at(match.start()), Role.VALUE)
            changes = {_signum(item.cell(row, Role.VALUE)) for row in rows or range(len(item.rows))}
            if len(changes) == 1:
                return changes.pop()
    if subject is None or other is None:
        return None
    first, second = _value(facts, subject), _value(facts, other)
    if first is None or second is None:
        return None
    return 0 if first == second else 1 if first > second else -1


def _signum(cell: Value) -> int | None:
    if not isinstance(cell, int | float):
        return None
    return 0 if cell == 0 else 1 if cell > 0 else -1


def _says(found: Mentions, key: Name | Time) -> str:
    return key.text if isinstance(key, Name) else found.text[key.start : key.end]


def _sign_of(facts: Facts, row: int, match: re.Match[str]) -> int | None:
    difference = facts.cell(row, Role.DIFFERENCE)
    if not isinstance(difference, int | float):
        return None
    percent = facts.cell(row, Role.PERCENT)
    if match["flat"] and not _TIED.search(match.group()) and isinstance(percent, int | float):
        return 0 if abs(percent) <= _STEADY_PERCENT else 1
    return _signum(difference)


def _parties(found: Mentions, match: re.Match[str]) -> tuple[Name | Time | None, Name | Time | None]:
    """Returns whose value a direction word tells, and against whose."""
    keys: list[Name | Time] = sorted([*found.names, *found.times], key=lambda item: item.start)
    than = _THAN.search(found.rest, match.end())
    limit = than.start() if than is not None else len(found.rest)
    before = [key for key in keys if key.start < match.start()]
    between = [key for key in keys if match.end() <= key.start < limit]
    after = [key for key in keys if key.start >= limit]
    subject = before[-1] if before else between[0] if between else None
    # "Lower than at A, B had 5": what was said before the word may be the frame of both; the object is behind "than".
    return subject, after[0] if than is not None and after else None


def _side(facts: Facts, key: Name | Time | None) -> int | None:
    """Returns 1 for the first side of a comparison, -1 for the other; None for a key of both or neither."""
    if key is None or not facts.rows:
        return None
    if isinstance(key, Time) and facts.tells_time(key.when):
        return None
    if isinstance(key, Name):
        first, other = (facts.fits_name(key.text, 0, role) for role in (Role.VALUE, Role.OTHER_VALUE))
    else:
        first, other = (facts.fits_time(key.when, 0, role) for role in (Role.VALUE, Role.OTHER_VALUE))
    return None if first == other else 1 if first else -1


def _value(facts: Sequence[Facts], key: Name | Time) -> float | None:
    """Returns the one value that a key has."""
    found = set()
    for item in facts:
        for row in range(len(item.rows)):
            fits = (
                item.fits_name(key.text, row, Role.VALUE)
                if isinstance(key, Name)
                else item.fits_time(key.when, row, Role.VALUE)
            )
            cell = item.cell(row, Role.VALUE)
            if fits and isinstance(cell, int | float):
                found.add(float(cell))
    return found.pop() if len(found) == 1 else None


def _overall(facts: Sequence[Facts], found: Mentions) -> str | None:
    """Values of single groups are not said of all."""
    match = OVERALL.search(found.rest)
    if match is None or not found.figures or match.group().lower() == "in total":
        return None
    if facts and all(item.plan.group_by and len(item.rows) > 1 and not item.plan.rank for item in facts):
        return f"{match.group()!r} of the values of groups"
    return None


def _ratio(facts: Sequence[Facts], found: Mentions) -> str | None:
    """A ratio is that of the first side to the other one, in this order."""
    if EVERYTHING in found.text or not any(figure.unit.lower() == "times" for figure in found.figures):
        return None
    keys: list[Name | Time] = sorted([*found.names, *found.times], key=lambda item: item.start)
    for item in facts:
        sides = [side for key in keys if item.compares and (side := _side(item, key)) is not None]
        if sides and sides[:2] not in ([1], [1, -1]):
            return "the ratio is the other way round"
    return None
