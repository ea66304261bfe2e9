"""Messages of the raw log, judged again by one contract. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from dataflow.ring.v1.batch_pb2 import Batch, Message
from dataflow_ring.batch import is_erased

from dataflow_validator.contracts.device import DeviceRule
from dataflow_validator.contracts.judge import CompiledContract
from dataflow_validator.contracts.outcome import Accepted, Arrival, Refused
from dataflow_validator.elements import SplitMessage
from dataflow_validator.rejudge.cases import Case, Entry

Resolve: TypeAlias = Callable[[str], tuple[CompiledContract, DeviceRule] | None]
"""What judges a topic; `None` where it is not the contract in question."""

Entries: TypeAlias = Mapping[tuple[UUID, int], Sequence[Entry]]
"""What stands in quarantine, by batch and position."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which messages of the log; what is `None` does not narrow.

    Attributes:
        start: Received from this time on.
        end: Received before this time.
        device_ids: Of these devices.
    """

    start: datetime | None = None
    end: datetime | None = None
    device_ids: Collection[str] | None = None

    def holds(self, receive_time: datetime) -> bool:
        """Whether a message of this time is meant."""
        return (self.start is None or receive_time >= self.start) and (self.end is None or receive_time < self.end)


def judge_logged(batch: Batch, resolve: Resolve, entries: Entries, choice: Choice) -> list[Case]:
    """Judge the messages of a batch that belong to the contract, in their order.

    Args:
        batch: From the log.
        resolve: What judges them.
        entries: What stands in quarantine of this batch.
        choice: Which messages.
    """
    cases: list[Case] = []
    batch_id = UUID(bytes=batch.batch_id)
    for position, message in enumerate(batch.messages):
        resolved = None if is_erased(message) else resolve(message.topic)
        if resolved is None:
            continue
        receive_time = _EPOCH + timedelta(microseconds=message.receive_time_us)
        if choice.holds(receive_time):
            arrival = _arrival(message, receive_time, batch.batch_id, position)
            of_message = _cases(*resolved, arrival, batch_id, entries.get((batch_id, position), ()), choice)
            if message.HasField("erasure"):
                erased = frozenset(message.erasure.elements)
                of_message = (case for case in of_message if case.outcome.element not in erased)
            cases += of_message
    return cases


def _arrival(message: Message, receive_time: datetime, batch_id: bytes, position: int) -> Arrival:
    return Arrival(
        message.topic,
        message.device_id or None,
        message.payload,
        receive_time,
        message.message_id or None,
        message.maybe_duplicate,
        batch_id,
        position,
        message.erasure.payload_sha1 if message.HasField("erasure") else None,
    )


def _cases(
    contract: CompiledContract,
    rule: DeviceRule,
    arrival: Arrival,
    batch_id: UUID,
    entries: Sequence[Entry],
    choice: Choice,
) -> Iterator[Case]:
    outcomes = contract.judge(arrival, rule)
    split = SplitMessage(arrival.payload, arrival.message_sha1) if len(outcomes) > 1 else None
    whole = outcomes[0] if split is None else None
    own: dict[int, Entry] = {}
    other: list[Entry] = []
    for entry in entries:
        # An entry of the first element may also be the whole message, from when it was one item.
        fits = not (entry.is_element or entry.element) if whole is not None else _is_part(entry, outcomes)
        if fits:
            own[entry.element] = entry
        else:
            other.append(entry)
    for outcome in outcomes:
        if other or choice.device_ids is None or _device(outcome) in choice.device_ids:
            yield Case(contract, arrival, outcome, batch_id, split, own.get(outcome.element), other)


def _is_part(entry: Entry, outcomes: Sequence[Accepted | Refused]) -> bool:
    if entry.is_element or entry.element:
        return entry.element < len(outcomes)
    first = outcomes[0]
    return entry.content_hash == (first.row[4] if isinstance(first, Accepted) else first.content_hash)


def _device(outcome: Accepted | Refused) -> object:
    return outcome.row[0] if isinstance(outcome, Accepted) else outcome.device_id
