"""One item that is judged again: what is known of it, what its contract says of it now. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, TypeAlias
from uuid import UUID

from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.identity import IdKind
from dataflow_validator.contracts.judge import CompiledContract
from dataflow_validator.contracts.outcome import Accepted, Arrival, RefusalKind, Refused
from dataflow_validator.contracts.reasons import Reason, reason
from dataflow_validator.contracts.spec import ConflictRule
from dataflow_validator.elements import SplitMessage
from dataflow_validator.judged import QuarantineRow, refused_row
from dataflow_validator.readings.rows import own_id

RowKey: TypeAlias = tuple[str, str, datetime, UUID]
"""Contract, device, event time, message id."""

QuarantineKey: TypeAlias = tuple[str, UUID, int, int]
"""Contract, message id, element, content hash."""


class Entry(NamedTuple):
    """An item as it stands in quarantine.

    Attributes:
        stored_xid: The transaction that counted it in the ledger, in decimal digits.
    """

    quarantine_id: int
    contract: str
    revision: int
    kind: str
    device_id: str
    element: int
    message_id: UUID
    id_kind: bytes
    content_hash: int
    batch_id: UUID
    position: int
    is_element: bool
    stored_xid: str

    @property
    def key(self) -> QuarantineKey:
        """By which it is there once."""
        return self.contract, self.message_id, self.element, self.content_hash


ENTRY_COLUMNS: Final = ", ".join(
    f"q.{name}" if name != "stored_xid" else "q.stored_xid::text AS stored_xid" for name in Entry._fields
)


class KnownElement(SplitMessage):
    """One element of an array message of which nothing else is at hand.

    Args:
        payload: The element's bytes.
        message_sha1: Of the whole message; `None` where nobody wrote it down.
    """

    __slots__ = ("_message_sha1",)

    def __init__(self, payload: bytes, message_sha1: bytes | None) -> None:
        super().__init__(payload)
        self._message_sha1 = message_sha1

    @property
    def digest(self) -> bytes | None:  # type: ignore[override]
        """As it was written down."""
        return self._message_sha1

    def element(self, index: int) -> bytes | None:  # noqa: ARG002 - there is only this one
        """Return the element's bytes, whatever its index."""
        return self.payload


@dataclass(slots=True)
class Case:
    """One item.

    Attributes:
        contract: That judged it now.
        arrival: Its message.
        outcome: What its contract says of it now.
        batch_id: Its batch.
        split: Its message, where that is several items.
        entry: What stands of it in quarantine.
        replaced: What stands there for the message in another shape (an array that is several items by now, or was
            before): goes, whatever becomes of the item.
        problem: Why Postgres did not take the accepted item, where it was tried.
    """

    contract: CompiledContract
    arrival: Arrival
    outcome: Accepted | Refused
    batch_id: UUID
    split: SplitMessage | None = None
    entry: Entry | None = None
    replaced: Sequence[Entry] = ()
    problem: str = ""

    @property
    def message_id(self) -> UUID:
        """The item's id."""
        message_id = self.outcome.row[3] if isinstance(self.outcome, Accepted) else self.outcome.message_id
        assert isinstance(message_id, UUID)
        return message_id

    @property
    def content_hash(self) -> int:
        """The item's content."""
        content_hash = self.outcome.row[4] if isinstance(self.outcome, Accepted) else self.outcome.content_hash
        assert isinstance(content_hash, int)
        return content_hash

    @property
    def row_key(self) -> RowKey | None:
        """The key of the row that the item is, or would be; `None` where it cannot be one."""
        outcome, name = self.outcome, self.contract.spec.name
        if isinstance(outcome, Accepted):
            device_id, event_time, _, message_id = outcome.row[:4]
            assert isinstance(device_id, str)
            assert isinstance(event_time, datetime)
            assert isinstance(message_id, UUID)
            return name, device_id, event_time, message_id
        moment = outcome.event_time
        if self.contract.spec.event_time is None:
            moment = self.arrival.receive_time
        if moment is None or not outcome.device_id:
            return None
        return name, outcome.device_id, moment, outcome.message_id

    @property
    def row_keys(self) -> list[RowKey]:
        """The keys under which it may be a row: also one made of its content, where both sides of a conflict are rows."""
        key = self.row_key
        if key is None:
            return []
        if self.contract.spec.conflict is not ConflictRule.BOTH:
            return [key]
        return [key, (*key[:3], own_id(key[3], self.content_hash))]

    @property
    def is_remembered(self) -> bool:
        """Whether `validator.seen` tells a resend of it from a new item."""
        by_id = self.outcome.id_kind in (IdKind.IDENTITY, IdKind.SENDER)
        return by_id and self.contract.spec.event_time is None

    def refused(self) -> QuarantineRow:
        """Give the quarantine row of an item that is refused."""
        assert isinstance(self.outcome, Refused)
        return refused_row(self.contract, self.arrival, self.outcome, self.batch_id, self.split)

    def conflict(self) -> QuarantineRow:
        """Give the quarantine row of an accepted item whose key is taken by other content."""
        why = reason(
            (),
            "conflict",
            "the content of the row with this key",
            self.content_hash,
            "another reading has this device, time and message id",
        )
        return self._instead("CONFLICT", (why,))

    def unstorable(self) -> QuarantineRow:
        """Give the quarantine row of an accepted item that SQL did not take."""
        return self._instead("UNSTORABLE", (reason((), "storable", "values that its columns hold", "", self.problem),))

    def _instead(self, kind: str, reasons: tuple[Reason, ...]) -> QuarantineRow:
        assert isinstance(self.outcome, Accepted)
        device_id, event_time, _, message_id, content_hash = self.outcome.row[:5]
        refused = Refused(
            RefusalKind.UNSTORABLE,
            device_id,  # type: ignore[arg-type]
            message_id,  # type: ignore[arg-type]
            self.outcome.id_kind,
            self.outcome.element,
            content_hash,  # type: ignore[arg-type]
            event_time,  # type: ignore[arg-type]
            reasons,
        )
        return refused_row(self.contract, self.arrival, refused, self.batch_id, self.split)._replace(kind=kind)


def judge_again(
    contract: CompiledContract, rule: DeviceRule, arrival: Arrival, entry: Entry, batch_id: UUID
) -> list[Case]:
    """Judge a quarantined item: as its message was, or as the one element that is left of it.

    Args:
        contract: What its topic leads to now.
        rule: How to find the device.
        arrival: Its message; `payload` is the entry's.
        entry: What stands in quarantine.
        batch_id: Its batch.

    Returns:
        One case; several where the entry is a whole message that is an array of items now.
    """
    # Entries from before `is_element` was written down are elements, too, where their index says so.
    if entry.is_element or entry.element > 0:
        split = KnownElement(arrival.payload, arrival.message_sha1)
        outcome = _kept_id(contract.judge_element(arrival, rule, entry.element), arrival, entry)
        return [Case(contract, arrival, outcome, batch_id, split, entry)]
    outcomes = contract.judge(arrival, rule)
    if len(outcomes) == 1:
        return [Case(contract, arrival, _kept_id(outcomes[0], arrival, entry), batch_id, None, entry)]
    whole = SplitMessage(arrival.payload)
    return [Case(contract, arrival, outcome, batch_id, whole, None, (entry,)) for outcome in outcomes]


def _kept_id(outcome: Accepted | Refused, arrival: Arrival, entry: Entry) -> Accepted | Refused:
    """Keep the id of an entry where what it was made of was not written down: the sender's id, or the whole message."""
    was = IdKind(entry.id_kind.decode())
    lost_sender = was is IdKind.SENDER and arrival.message_id is None
    lost_message = was is IdKind.CONTENT and entry.element > 0 and arrival.message_sha1 is None
    if outcome.id_kind is IdKind.IDENTITY or not (lost_sender or lost_message):
        return outcome
    if isinstance(outcome, Refused):
        return outcome._replace(message_id=entry.message_id, id_kind=was)
    row = (*outcome.row[:3], entry.message_id, *outcome.row[4:])
    return outcome._replace(row=row, id_kind=was)
