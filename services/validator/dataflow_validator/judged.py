"""A batch and what its contracts said of it: pure, no I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from uuid import UUID

from dataflow.ring.v1.batch_pb2 import Batch, Message
from dataflow_ring.batch import is_erased

from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.canonical import bytes_hash
from dataflow_validator.contracts.device import device_id_of
from dataflow_validator.contracts.identity import IdKind, MessageIds
from dataflow_validator.contracts.judge import CompiledContract
from dataflow_validator.contracts.outcome import Accepted, Arrival, Refused
from dataflow_validator.contracts.parse import is_storable
from dataflow_validator.contracts.reasons import Reason, reason
from dataflow_validator.elements import SplitMessage

if TYPE_CHECKING:
    from dataflow_ring.consume import Entry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNROUTED = MessageIds("")


class QuarantineRow(NamedTuple):
    """An item that becomes no row, with all that is needed to judge it again.

    Attributes:
        payload: Its original bytes: of the message, or of its element.
        source_device_id: What its sender was authenticated as.
        sender_id: The sender's own id of the message; `None` also where Postgres cannot store it.
        maybe_duplicate: The bridge said that the message may be a resend.
        is_element: `payload` is one element of an array message, not the message.
        message_sha1: Of the whole message, where `is_element`: its id may be made from it.
    """

    contract: str
    revision: int
    kind: str
    device_id: str
    topic: str
    payload: bytes
    element: int
    reasons: tuple[Reason, ...]
    receive_time: datetime
    event_time: datetime | None
    message_id: UUID
    id_kind: IdKind
    content_hash: int
    batch_id: UUID
    position: int
    source_device_id: str | None = None
    sender_id: str | None = None
    maybe_duplicate: bool = False
    is_element: bool = False
    message_sha1: bytes | None = None


@dataclass(slots=True)
class Lane:
    """The accepted items of one revision of a contract in one batch."""

    contract: CompiledContract
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    origins: list[tuple[int, int, IdKind]] = field(default_factory=list)
    """Position, element, kind of message id; beside `rows`."""


LaneKey: TypeAlias = tuple[str, int]
"""Contract and revision: routes may pin different revisions of one contract."""


@dataclass(slots=True)
class JudgedBatch:
    """A batch, judged."""

    entry: Entry
    batch: Batch
    batch_id: UUID
    catalog_version: int
    lanes: dict[LaneKey, Lane]
    refused: list[QuarantineRow]
    items: int
    split: dict[int, SplitMessage]
    """The messages that are several items, by position."""

    def touches(self, contracts: Collection[str]) -> bool:
        """Return whether storing it needs the table of one of the contracts."""
        return any(name in contracts for name, _ in self.lanes) or any(
            row.contract in contracts for row in self.refused
        )


def judge_batch(entry: Entry, batch: Batch, rules: Rules) -> JudgedBatch:
    """Judge every message of a batch by the contract that its topic leads to.

    Raises:
        ContractBrokenError: A message belongs to a contract that this process cannot judge by.
    """
    lanes: dict[LaneKey, Lane] = {}
    lane: Lane | None = None
    refused: list[QuarantineRow] = []
    split: dict[int, SplitMessage] = {}
    items = 0
    batch_id = batch.batch_id
    uuid = UUID(bytes=batch_id)
    last_us, receive_time = 0, _EPOCH
    resolve = rules.resolve
    for position, message in enumerate(batch.messages):
        topic = message.topic
        if message.receive_time_us != last_us:
            last_us = message.receive_time_us
            receive_time = _EPOCH + timedelta(microseconds=last_us)
        arrival = Arrival(
            topic,
            message.device_id or None,
            message.payload,
            receive_time,
            message.message_id or None,
            message.maybe_duplicate,
            batch_id,
            position,
        )
        if message.HasField("erasure"):
            if is_erased(message):
                continue
            arrival = arrival._replace(message_sha1=message.erasure.payload_sha1)
        resolved = resolve(topic)
        if resolved is None:
            items += 1
            refused.append(unrouted_row(arrival, uuid))
            continue
        contract, device_rule = resolved
        outcomes = contract.judge(arrival, device_rule)
        if len(outcomes) > 1:
            split[position] = SplitMessage(message.payload, arrival.message_sha1)
            if arrival.message_sha1 is not None:
                outcomes = left_of(message, outcomes)
        items += len(outcomes)
        for outcome in outcomes:
            if type(outcome) is Accepted:
                if lane is None or lane.contract is not contract:
                    key = (contract.spec.name, contract.revision)
                    lane = lanes.get(key)
                    if lane is None:
                        lane = lanes[key] = Lane(contract)
                lane.rows.append(outcome.row)
                lane.origins.append((position, outcome.element, outcome.id_kind))
            elif type(outcome) is Refused:
                refused.append(refused_row(contract, arrival, outcome, uuid, split.get(position)))
    return JudgedBatch(entry, batch, uuid, rules.version, lanes, refused, items, split)


def left_of(message: Message, outcomes: list[Accepted | Refused]) -> list[Accepted | Refused]:
    """Return the outcomes of the elements of a message that were not deleted (`Message.erasure`)."""
    erased = frozenset(message.erasure.elements)
    return [outcome for outcome in outcomes if outcome.element not in erased]


def refused_row(
    contract: CompiledContract, arrival: Arrival, outcome: Refused, batch_id: UUID, split: SplitMessage | None
) -> QuarantineRow:
    """Return the quarantine row of an item that its contract refused.

    Args:
        contract: That judged.
        arrival: Its message.
        outcome: What was said of it.
        batch_id: Its batch.
        split: Its message, where that is several items.
    """
    return QuarantineRow(
        contract.spec.name,
        contract.revision,
        outcome.kind.value,
        outcome.device_id,
        arrival.topic,
        *_bytes_of(arrival.payload, split, outcome.element),
        outcome.reasons,
        arrival.receive_time,
        outcome.event_time,
        outcome.message_id,
        outcome.id_kind,
        outcome.content_hash,
        batch_id,
        arrival.position,
        *_sent_by(arrival.device_id, arrival.message_id),
        arrival.maybe_duplicate,
        *_split_of(split, outcome.element),
    )


def unrouted_row(arrival: Arrival, batch_id: UUID) -> QuarantineRow:
    """Return the quarantine row of a message whose topic no route takes.

    The topic is part of its content: one id on two topics may be two messages for two contracts.
    """
    device_id = device_id_of(arrival.device_id) or ""
    if arrival.message_id:
        message_id, id_kind = _UNROUTED.from_sender(device_id, arrival.message_id, None), IdKind.SENDER
    else:
        message_id, id_kind = _UNROUTED.from_bridge(arrival.batch_id, arrival.position, None), IdKind.BRIDGE
    why = reason(
        (), "route", "a route", arrival.topic, f"no route takes the topic {arrival.topic!r}: `dataflow route create`"
    )
    return QuarantineRow(
        "",
        0,
        "UNROUTED",
        device_id,
        arrival.topic,
        arrival.payload,
        0,
        (why,),
        arrival.receive_time,
        None,
        message_id,
        id_kind,
        bytes_hash(arrival.topic.encode("utf-8", "surrogatepass") + b"\0" + arrival.payload),
        batch_id,
        arrival.position,
        *_sent_by(arrival.device_id, arrival.message_id),
        arrival.maybe_duplicate,
    )


def conflict_row(
    lane_contract: CompiledContract, judged: JudgedBatch, row: tuple[object, ...], origin: tuple[int, int, IdKind]
) -> QuarantineRow:
    """Return the quarantine row of an accepted item whose key is taken by other content."""
    why = reason(
        (),
        "conflict",
        "the content of the row with this key",
        row[4],
        "another reading has this device, time and message id",
    )
    return _from_row(lane_contract, judged, row, origin, "CONFLICT", why)


def unstorable_row(
    lane_contract: CompiledContract,
    judged: JudgedBatch,
    row: tuple[object, ...],
    origin: tuple[int, int, IdKind],
    problem: str,
) -> QuarantineRow:
    """Return the quarantine row of an accepted item that SQL did not take."""
    why = reason((), "storable", "values that its columns hold", "", problem)
    return _from_row(lane_contract, judged, row, origin, "UNSTORABLE", why)


def _from_row(
    contract: CompiledContract,
    judged: JudgedBatch,
    row: tuple[object, ...],
    origin: tuple[int, int, IdKind],
    kind: str,
    why: Reason,
) -> QuarantineRow:
    position, element, id_kind = origin
    message: Message = judged.batch.messages[position]
    device_id, event_time, receive_time, message_id, content_hash = row[:5]
    assert isinstance(device_id, str)
    assert isinstance(event_time, datetime)
    assert isinstance(receive_time, datetime)
    assert isinstance(message_id, UUID)
    assert isinstance(content_hash, int)
    split = judged.split.get(position)
    return QuarantineRow(
        contract.spec.name,
        contract.revision,
        kind,
        device_id,
        message.topic,
        *_bytes_of(message.payload, split, element),
        (why,),
        receive_time,
        event_time,
        message_id,
        id_kind,
        content_hash,
        judged.batch_id,
        position,
        *_sent_by(message.device_id or None, message.message_id or None),
        message.maybe_duplicate,
        *_split_of(split, element),
    )


def _bytes_of(payload: bytes, split: SplitMessage | None, element: int) -> tuple[bytes, int]:
    """Return an item's own bytes, and its element: whole arrays would make many bad ones grow with their number squared."""
    piece = None if split is None else split.element(element)
    return payload if piece is None else piece, element


def _split_of(split: SplitMessage | None, element: int) -> tuple[bool, bytes | None]:
    if split is None or split.element(element) is None:
        return False, None
    return True, split.digest


def _sent_by(device_id: str | None, sender_id: str | None) -> tuple[str | None, str | None]:
    return (
        device_id if device_id and is_storable(device_id) else None,
        sender_id if sender_id and is_storable(sender_id) else None,
    )
