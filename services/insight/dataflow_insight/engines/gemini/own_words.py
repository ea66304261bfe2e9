"""What the model may type itself: no number but those of the question and of its plans, no odd name but the question's.

Verification asks whether a result holds what a sentence says. It cannot tell a device that calls itself "42" from the number;
so the model refers to cells, which are quoted, and types neither.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dataflow_insight.answers.letters import plain
from dataflow_insight.answers.shown import is_odd
from dataflow_insight.catalogue.catalogue import Catalogue
from dataflow_insight.catalogue.concepts import CONCEPTS
from dataflow_insight.engines.engine import Asked, Computed
from dataflow_insight.plans.plan import Plan, Scope

_RUN: Final = re.compile(r"\d+")
_LETTER: Final = re.compile(r"[^\W\d_]")


class OwnWords:
    """Judges the words between cell references.

    Args:
        asked: The question, and the catalogue whose names and units may hold digits.
        results: What was computed, by number; may grow.
    """

    def __init__(self, asked: Asked, results: Mapping[int, Computed]) -> None:
        self._question = asked.question
        self._results = results
        self._names = _named(asked.catalogue)
        self._known = -1
        self._runs: frozenset[str] = frozenset()
        self._odd: tuple[str, ...] = ()

    def allow(self, pieces: Sequence[str]) -> bool:
        """Returns whether all of a sentence's own words may be shown, as far as numbers and odd names go."""
        self._refresh()
        return all(
            _runs(self._names.sub(" ", plain(piece))) <= self._runs and not any(name in piece for name in self._odd)
            for piece in pieces
            if piece
        )

    def _refresh(self) -> None:
        if len(self._results) == self._known:
            return
        self._known = len(self._results)
        plans = [computed.plan for computed in self._results.values()]
        self._runs = frozenset(_runs(self._question).union(*(_runs(text) for plan in plans for text in _texts(plan))))
        texts = {
            cell
            for computed in self._results.values()
            for row in computed.table.rows
            for cell in row
            if isinstance(cell, str) and len(cell.strip()) > 1
        }
        self._odd = tuple(text for text in texts if is_odd(text) and text not in self._question)


def _named(catalogue: Catalogue) -> re.Pattern[str]:
    """Returns what finds "PM2.5" and other names of quantities and units that hold digits."""
    names = {phrase for concept in CONCEPTS for phrase in concept.phrases}
    for contract in catalogue.contracts:
        names |= {text for field in contract.fields for text in (field.name, field.unit) if not is_odd(text)}
    digits = sorted((name for name in names if _RUN.search(name) and _LETTER.search(name)), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, digits)) or '(?!)'})(?!\w)", re.IGNORECASE)


def _runs(text: str) -> set[str]:
    """Returns the groups of digits in a text, of any script, without zeros in front."""
    return {run.lstrip("0") or "0" for run in _RUN.findall(plain(text))}


def _texts(plan: Plan) -> Iterator[str]:
    """Yields what a sentence may say of a plan: its devices, limits and times."""
    zone = ZoneInfo(plan.time_zone or "UTC")
    yield from (plan.field, plan.other_field, plan.group_field, f"{plan.percentile:g}", str(abs(plan.rank)))
    limits = [plan.having, plan.fold.having if plan.fold is not None else None]
    yield from (f"{limit.limit:.15g}" for limit in limits if limit is not None)
    scopes = [plan.scope] if plan.compared_with is None else [plan.scope, plan.compared_with]
    for condition in (*plan.holding, *(condition for scope in scopes for condition in scope.conditions)):
        match condition.limit:
            case tuple():
                yield from condition.limit
            case bool():
                pass
            case _:
                yield f"{condition.limit:.15g}"
    for scope in scopes:
        yield from _scope_texts(scope, zone)


def _scope_texts(scope: Scope, zone: ZoneInfo) -> Iterator[str]:
    yield from (*scope.device_ids, *scope.excluded_device_ids)
    for part in scope.day_times:
        for minute in (part.start_minute, part.end_minute):
            yield f"{minute // 60 % 24}:{minute % 60}"
    for span in scope.times:
        if span.start is not None:
            yield from _moment_texts(span.start, zone)
        if span.end is not None:
            # Ends are exclusive: "until the 31st" is said of a plan that ends with the first.
            yield from _moment_texts(span.end, zone)
            yield from _moment_texts(span.end - timedelta(days=1), zone)


def _moment_texts(moment: datetime, zone: ZoneInfo) -> Iterator[str]:
    yield moment.astimezone(UTC).isoformat()
    yield moment.astimezone(zone).isoformat()
