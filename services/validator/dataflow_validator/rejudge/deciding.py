"""What becomes of items that are judged again, by the rules of live data: pure, given what the tables hold.

The items come in the order in which they arrived. Each sees what those before it did, so that "first" means what it means
in live data, whether they travel in one step of a job or in several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from dataflow_validator.contracts.identity import IdKind
from dataflow_validator.contracts.judge import CompiledContract
from dataflow_validator.contracts.outcome import Accepted
from dataflow_validator.contracts.spec import ConflictRule
from dataflow_validator.judged import LaneKey, QuarantineRow
from dataflow_validator.readings.rows import with_own_id
from dataflow_validator.rejudge.cases import Case, Entry, QuarantineKey, RowKey

SeenKey: TypeAlias = tuple[str, str, UUID]
"""Contract, device, message id."""

SentKey: TypeAlias = tuple[str, UUID, int]
"""Contract, message id, content hash: the same item, however often and as whatever element it was sent."""


class Became(StrEnum):
    """What became of an item; the keys of the counts."""

    STORED = "stored"
    """A new row."""
    UPDATED = "updated"
    """A row, with the values of the revision that judged it now."""
    DUPLICATE = "duplicate"
    """A row already, as good as it could be; what was in quarantine is gone."""
    CONFLICT = "conflict"
    """Accepted, but its key is taken by other content: in quarantine."""
    REFUSED = "refused"
    """In quarantine as before, with the reasons of the revision that judged it now."""
    WITHDRAWN = "withdrawn"
    """Was a row, is refused now: in quarantine."""
    ABSENT = "absent"
    """Neither a row nor in quarantine, and refused: a resend, or removed by somebody."""


class RowState(NamedTuple):
    """A row as it stands.

    Attributes:
        stored_xid: The transaction that counted it, in decimal digits; "" for one that this step makes.
    """

    content_hash: int
    revision: int
    stored_xid: str


@dataclass(slots=True)
class Lane:
    """Rows of one revision of a contract that are inserted, or updated."""

    contract: CompiledContract
    rows: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass(slots=True)
class Found:
    """What the tables hold of the keys in question.

    Attributes:
        rows: By key; those that are not there are left out.
        seen: Content hash of the first item with an id, where the contract has no event time.
        taken: Keys of items in quarantine.
        sent: The same items, as whatever element.
    """

    rows: dict[RowKey, RowState] = field(default_factory=dict)
    seen: dict[SeenKey, int] = field(default_factory=dict)
    taken: set[QuarantineKey] = field(default_factory=set)
    sent: set[SentKey] = field(default_factory=set)

    def take(self, key: QuarantineKey) -> None:
        """Note an item in quarantine."""
        self.taken.add(key)
        self.sent.add((key[0], key[1], key[3]))


@dataclass(slots=True)
class Changes:
    """What a step writes.

    Attributes:
        inserts: New rows.
        updates: Rows that get the values of another revision, beside the transactions that counted them.
        deletes: Rows that are refused now.
        counted: Contract and transaction of each row that is updated or deleted.
        seen: Ids to remember, with their content.
        unseen: Ids to forget.
        gone: Items that leave the quarantine.
        changed: Items that stay, and how they stand there from now on.
        new: Items that come into quarantine.
        counts: What became of the items, by contract.
    """

    inserts: dict[LaneKey, Lane] = field(default_factory=dict)
    updates: dict[LaneKey, Lane] = field(default_factory=dict)
    deletes: list[RowKey] = field(default_factory=list)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen: dict[SeenKey, int] = field(default_factory=dict)
    unseen: dict[SeenKey, int] = field(default_factory=dict)
    gone: dict[int, Entry] = field(default_factory=dict)
    changed: dict[int, tuple[Entry, QuarantineRow]] = field(default_factory=dict)
    new: list[QuarantineRow] = field(default_factory=list)
    counts: dict[str, Counter[Became]] = field(default_factory=dict)

    def count(self, contract: str, became: Became, items: int = 1) -> None:
        """Count items."""
        self.counts.setdefault(contract, Counter())[became] += items


Outdated: TypeAlias = Callable[[CompiledContract, int], bool]
"""Whether a row of this revision gets the values of that contract's revision, or goes where that refuses it."""


def never(_contract: CompiledContract, _revision: int) -> bool:
    """Leave every row as it is: a replay only adds rows."""
    return False


class Decider:
    """Decides case by case.

    Args:
        found: What the tables hold; kept up to date with what is decided.
        outdated: Which rows may be changed.
    """

    def __init__(self, found: Found, outdated: Outdated = never) -> None:
        self._found = found
        self._outdated = outdated
        self._keeps: Final[bool] = outdated is never
        self.changes = Changes()

    def decide(self, cases: Iterable[Case]) -> Changes:
        """Decide on all, in their order."""
        for case in cases:
            for entry in case.replaced:
                self._leaves(entry)
            outcome = case.outcome
            became = self._accepted(case, outcome) if isinstance(outcome, Accepted) else self._refused(case)
            self.changes.count(case.contract.spec.name, became)
        return self.changes

    # --- accepted

    def _accepted(self, case: Case, outcome: Accepted) -> Became:
        if case.problem:
            return self._stays(case, case.unstorable(), Became.REFUSED)
        became = self._as_row(case, outcome.row)
        if became is None and case.contract.spec.conflict is ConflictRule.BOTH:
            # Both are rows: the later one under an id made of its own content, so that its resend is recognised too.
            became = self._as_row(case, with_own_id(outcome.row))
        if became is None:
            return self._stays(case, case.conflict(), Became.CONFLICT)
        if case.entry is not None:
            self._leaves(case.entry)
        return became

    def _as_row(self, case: Case, row: tuple[Any, ...]) -> Became | None:
        """Make it a row, or find that it is one; `None` where other content has its key."""
        name, content_hash = case.contract.spec.name, row[4]
        key: RowKey = (name, row[0], row[1], row[3])
        state = self._found.rows.get(key)
        if state is None and case.is_remembered:
            first = self._found.seen.get((name, row[0], row[3]))
            if first is not None:
                return Became.DUPLICATE if first == content_hash else None
        if state is None:
            self._lane(self.changes.inserts, case.contract).rows.append(row)
            self._found.rows[key] = RowState(content_hash, case.contract.revision, "")
            if case.is_remembered:
                self._found.seen[name, row[0], row[3]] = self.changes.seen[name, row[0], row[3]] = content_hash
            return Became.STORED
        if state.content_hash != content_hash:
            return None
        if state.stored_xid and self._outdated(case.contract, state.revision):
            self._lane(self.changes.updates, case.contract).rows.append(row)
            self.changes.counted[name, state.stored_xid] += 1
            self._found.rows[key] = RowState(content_hash, case.contract.revision, "")
            return Became.UPDATED
        return Became.DUPLICATE

    @staticmethod
    def _lane(lanes: dict[LaneKey, Lane], contract: CompiledContract) -> Lane:
        key = (contract.spec.name, contract.revision)
        lane = lanes.get(key)
        if lane is None:
            lane = lanes[key] = Lane(contract)
        return lane

    # --- refused

    def _refused(self, case: Case) -> Became:
        row = case.refused()
        for key in case.row_keys:
            state = self._found.rows.get(key)
            if state is not None and state.content_hash == case.content_hash:
                became = self._refused_row(case, row, key, state)
                if became is not None:
                    return became
        return self._stays(case, row, Became.REFUSED)

    def _refused_row(self, case: Case, row: QuarantineRow, key: RowKey, state: RowState) -> Became | None:
        """Settle an item that is a row and is refused; `None` where the row has nothing to say."""
        if not self._keeps:
            if not state.stored_xid or not self._outdated(case.contract, state.revision):
                return Became.DUPLICATE
            self._withdraw(case, key, state)
            if case.entry is None:
                self._comes(row)
            else:
                self._stays(case, row, Became.WITHDRAWN)
            return Became.WITHDRAWN
        # As live data: a resend of an item that an earlier revision accepted.
        recognisable = row.event_time is not None and row.id_kind is not IdKind.BRIDGE
        if row.kind != "REFUSED" or not recognisable:
            return None
        if case.entry is not None:
            self._leaves(case.entry)
        return Became.DUPLICATE

    def _withdraw(self, case: Case, key: RowKey, state: RowState) -> None:
        self.changes.deletes.append(key)
        self.changes.counted[key[0], state.stored_xid] += 1
        del self._found.rows[key]
        if case.is_remembered:
            seen: SeenKey = (key[0], key[1], key[3])
            self.changes.unseen[seen] = case.content_hash
            self._found.seen.pop(seen, None)

    # --- quarantine

    def _leaves(self, entry: Entry) -> None:
        self.changes.changed.pop(entry.quarantine_id, None)
        self.changes.gone[entry.quarantine_id] = entry

    def _stays(self, case: Case, row: QuarantineRow, became: Became) -> Became:
        """Write down how an item stands in quarantine from now on; one of its key may be there already."""
        entry = case.entry
        if entry is None:
            # Refused, and in quarantine as another element: it was a resend of a row that has just gone there.
            again = not self._keeps and became is Became.REFUSED
            again &= (row.contract, row.message_id, row.content_hash) in self._found.sent
            if case.replaced or again:
                return became if self._comes(row) else Became.DUPLICATE if case.replaced else Became.ABSENT
            return became if became is Became.CONFLICT else Became.ABSENT
        key = (row.contract, row.message_id, row.element, row.content_hash)
        if key != entry.key:
            if key in self._found.taken:
                self._leaves(entry)
                return Became.DUPLICATE
            self._found.take(key)
        elif (row.contract, row.revision, row.kind, row.device_id) == entry[1:5]:
            return became
        self.changes.changed[entry.quarantine_id] = entry, row
        return became

    def _comes(self, row: QuarantineRow) -> bool:
        key = (row.contract, row.message_id, row.element, row.content_hash)
        if key in self._found.taken:
            return False
        self._found.take(key)
        self.changes.new.append(row)
        return True
