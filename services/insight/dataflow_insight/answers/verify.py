"""The gate before the asker: a number, time or device name is shown only if a result cell, the question or the plan holds it.

It trusts nobody: it reads the text itself, whoever wrote it, and takes a writer's claims only as hints which of several
equal cells was meant.
"""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from dataflow_insight.answers.draft import Bound, Claim, Draft, Verified
from dataflow_insight.english.sheet import normalised
from dataflow_insight.queries.table import Table, Value

__all__ = ["HIDDEN", "Bound", "Claim", "Draft", "Verified", "verify"]

HIDDEN: Final = "(not shown)"
"""Stands where something was said that nothing supports."""

_TIME: Final = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?(?!\w|:\d)|(?<![\w.:])\d{1,2}:\d\d(?::\d\d)?(?!\w|:\d)"
_NUMBER: Final = r"(?<![\w.,])[-\u2212+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\w)(?!\.\d)"
_SPELLED: Final = r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|thousand|million|billion|dozen)\b"
_MAX_DIGITS: Final = 12


def verify(draft: Draft, table: Table, allowed: Collection[str], names: Collection[str]) -> Verified:
    """Returns the draft with every number, time and device name checked.

    Args:
        draft: From any writer.
        table: The result.
        allowed: Texts (the question, the plan) whose numbers, times and names may be repeated.
        names: All device ids; each one that appears must be supported.
    """
    gate = _Gate(table, [*allowed, *(normalised(text) for text in allowed)])
    pieces: list[str] = []
    bindings: list[Bound] = []
    clean = True
    position = 0
    for start, end in _checkable(draft.text, names, table):
        if start < position:
            continue
        text = draft.text[start:end]
        claim = next((claim for claim in draft.claims if claim.start <= start and end <= claim.end), None)
        # Without a claim, what the question says is repeated; it was not read from a cell that happens to be equal.
        repeated = claim is None and gate.repeats(text)
        bound = None if repeated else gate.bind(text, claim)
        pieces.append(draft.text[position:start])
        if bound is not None:
            bindings.append(bound)
            pieces.append(text)
        elif repeated or gate.repeats(text):
            pieces.append(text)
        else:
            clean = False
            pieces.append(HIDDEN)
        position = end
    pieces.append(draft.text[position:])
    return Verified("".join(pieces), tuple(bindings), clean)


class _Gate:
    def __init__(self, table: Table, allowed: Sequence[str]) -> None:
        self._table = table
        self._allowed = allowed

    def repeats(self, text: str) -> bool:
        """Returns whether the text stands, as a whole word, in the question or the plan."""
        pattern = rf"(?<![\w.]){re.escape(text)}(?!\w|\.\d)"
        return any(re.search(pattern, source) for source in self._allowed)

    def bind(self, text: str, claim: Claim | None) -> Bound | None:
        """Returns the cell that supports the text: the claimed one if it does, else the first."""
        cells = [(claim.row, claim.column)] if claim is not None else []
        cells += [
            (row, column) for row in range(len(self._table.rows)) for column in range(len(self._table.query.columns))
        ]
        for row, column in cells:
            if row < len(self._table.rows) and column < len(self._table.rows[row]):
                supported, digits = _supports(self._table.rows[row][column], text)
                if supported:
                    return Bound(text, row, column, digits)
        return None


def _supports(cell: Value, text: str) -> tuple[bool, int | None]:
    match cell:
        case None:
            return False, None
        case bool():
            return text.lower() in ({"yes", "true"} if cell else {"no", "false"}), None
        case datetime():
            return _same_time(cell, text), None
        case int() | float():
            return _same_number(cell, text)
        case str():
            return cell == text, None


def _same_number(cell: float, text: str) -> tuple[bool, int | None]:
    try:
        shown = float(text.replace(",", "").replace("\u2212", "-"))
    except ValueError:
        return False, None
    if shown == float(cell):
        return True, None
    mantissa = text.lower().partition("e")[0]
    digits = len(mantissa.partition(".")[2])
    if "e" in text.lower() or digits > _MAX_DIGITS or isinstance(cell, int):
        return False, None
    return abs(shown - cell) <= 0.5 * 10.0**-digits * (1 + 1e-9), digits


def _same_time(cell: datetime, text: str) -> bool:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return cell.date().isoformat() == text
    try:
        shown = datetime.fromisoformat(text)
    except ValueError:
        return False
    return (shown if shown.tzinfo is not None else shown.replace(tzinfo=UTC)) == cell


def _checkable(text: str, names: Collection[str], table: Table) -> list[tuple[int, int]]:
    """Returns the spans of everything that needs support: names first, since they may hold digits."""
    cells = {cell for row in table.rows for cell in row if isinstance(cell, str) and cell}
    spans: list[tuple[int, int]] = []
    known = sorted((name for name in {*names, *cells} if name and name in text), key=len, reverse=True)
    if known:
        pattern = r"(?<!\w)(?:" + "|".join(re.escape(name) for name in known) + r")(?!\w)"
        spans += [found.span() for found in re.finditer(pattern, text)]
    for pattern in (_TIME, _NUMBER, _SPELLED):
        for found in re.finditer(pattern, text, re.IGNORECASE):
            if all(found.end() <= start or end <= found.start() for start, end in spans):
                spans.append(found.span())
    return sorted(spans)
