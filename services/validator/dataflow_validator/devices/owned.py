"""Which messages of a logged batch, or elements of them, are one device's; and the batch without them. Pure.

Whose an item is, is asked of the code that judges: the device of the row, or of the refusal. Where no route takes a
message, or its route finds no device, it is the sender's, as that was authenticated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from typing import Final

from dataflow.ring.v1.batch_pb2 import Batch, Message
from dataflow_ring.batch import is_erased

from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.device import device_id_of
from dataflow_validator.contracts.outcome import Accepted, Arrival, Refused
from dataflow_validator.contracts.parse import (
    DEFAULT_MAX_DEPTH,
    DEFAULT_MAX_PAYLOAD_BYTES,
    UnparsableError,
    parse,
)
from dataflow_validator.elements import SplitMessage
from dataflow_validator.failure import ContractBrokenError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Owned:
    """What is the device's in one message.

    Attributes:
        position: Of the message in its batch.
        elements: Indices of the elements that are the device's; empty for the whole message.
        items: Items that are the device's.
    """

    position: int
    elements: tuple[int, ...]
    items: int


def owned_by(device_id: str, batch: Batch, rules: Rules, *, named: bool = False) -> list[Owned]:
    """Finds what is a device's in a batch, by the routes of now.

    Args:
        device_id: The device.
        batch: As the raw log has it.
        rules: The catalogue.
        named: Also take what only names the device: as a level of the topic, as the sender, or as any value in the
            payload. For batches that are known to hold more of the device than today's routes tell.
    """
    found = []
    for position, message in enumerate(batch.messages):
        if is_erased(message):
            continue
        owned = _owned(device_id, message, batch.batch_id, position, rules)
        if owned is None and named:
            owned = _named(device_id, message, position)
        if owned is not None:
            found.append(owned)
    return found


def erase(batch: Batch, owned: Sequence[Owned]) -> None:
    """Deletes from a batch what was found in it. Positions stay; of an array the other elements stay as they were sent."""
    for one in owned:
        message = batch.messages[one.position]
        if not (one.elements and _erase_elements(message, one.elements)):
            _erase_whole(message)


def _owned(device_id: str, message: Message, batch_id: bytes, position: int, rules: Rules) -> Owned | None:
    resolved = None
    with contextlib.suppress(ContractBrokenError):
        resolved = rules.resolve(message.topic)
    is_sender = device_id_of(message.device_id) == device_id
    if resolved is None:
        return Owned(position, (), 1) if is_sender else None
    contract, device_rule = resolved
    arrival = Arrival(
        message.topic,
        message.device_id or None,
        message.payload,
        _EPOCH + timedelta(microseconds=message.receive_time_us),
        message.message_id or None,
        message.maybe_duplicate,
        batch_id,
        position,
    )
    outcomes = contract.judge(arrival, device_rule)
    erased = frozenset(message.erasure.elements)
    left = [outcome for outcome in outcomes if len(outcomes) == 1 or outcome.element not in erased]
    mine = [outcome for outcome in left if _device_of(outcome) == device_id or (is_sender and not _device_of(outcome))]
    if not mine:
        return None
    if len(mine) == len(left):
        return Owned(position, (), len(mine))
    return Owned(position, tuple(outcome.element for outcome in mine), len(mine))


def _device_of(outcome: Accepted | Refused) -> str:
    return str(outcome.row[0]) if type(outcome) is Accepted else outcome.device_id  # type: ignore[union-attr]


def _named(device_id: str, message: Message, position: int) -> Owned | None:
    if device_id in message.topic.split("/") or message.device_id == device_id:
        return Owned(position, (), 1)
    try:
        document, _ = parse(message.payload, DEFAULT_MAX_PAYLOAD_BYTES, DEFAULT_MAX_DEPTH)
    except UnparsableError:
        return None
    if not isinstance(document, list):
        return Owned(position, (), 1) if _names(device_id, document) else None
    elements = tuple(index for index, element in enumerate(document) if _names(device_id, element))
    if not elements:
        return None
    return Owned(position, elements if len(elements) < len(document) else (), len(elements))


def _names(device_id: str, value: object) -> bool:
    return any(device_id_of(scalar) == device_id for scalar in _scalars(value))


def _scalars(value: object) -> Iterator[object]:
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)
        else:
            yield one


def _erase_whole(message: Message) -> None:
    receive_time_us = message.receive_time_us
    message.Clear()
    message.receive_time_us = receive_time_us
    message.erasure.whole = True


def _erase_elements(message: Message, elements: Sequence[int]) -> bool:
    """Puts null in the place of elements; says whether that could be done."""
    erased = {*message.erasure.elements, *elements}
    split = SplitMessage(message.payload)
    pieces: list[bytes] = []
    while (piece := split.element(len(pieces))) is not None:
        pieces.append(b"null" if len(pieces) in erased else piece)
    if not pieces or max(erased) >= len(pieces):
        return False
    digest = message.erasure.payload_sha1 or sha1(message.payload, usedforsecurity=False).digest()
    message.payload = b"[" + b",".join(pieces) + b"]"
    message.erasure.payload_sha1 = digest
    del message.erasure.elements[:]
    message.erasure.elements.extend(sorted(erased))
    # The sender's own id may name the device, and the ids of what is left are made of it: only with it are they the same.
    return True
