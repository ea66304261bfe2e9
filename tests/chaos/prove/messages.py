"""What a campaign publishes: five contracts, and for each sender a mix of plain messages and every kind of trouble."""

from __future__ import annotations

import json
import random
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dataflow.validator.v1 import contract_pb2
from dataflow_client import AsyncClient

from tests.chaos.prove.journal import Fate, Journal

_DEVICES: Final = 5
"""For each sender."""
_REMEMBERED: Final = 400
"""Messages that a sender may send again or contradict: some were sent just now, some a while ago."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A contract, and how its senders make their messages recognisable."""

    contract: str
    kind: str
    """Of the message ids that its items must get: a, b, c or d."""
    identity: tuple[str, ...] = ()
    has_event_time: bool = True
    sends_ids: bool = False

    @property
    def spec(self) -> contract_pb2.ContractSpec:
        """The contract."""
        types = {
            "device_id": contract_pb2.FIELD_TYPE_STRING,
            "seq": contract_pb2.FIELD_TYPE_INTEGER,
            "n": contract_pb2.FIELD_TYPE_INTEGER,
            "ts": contract_pb2.FIELD_TYPE_STRING,
            "value": contract_pb2.FIELD_TYPE_NUMBER,
        }
        return contract_pb2.ContractSpec(
            fields=[contract_pb2.Field(name=name, type=type_) for name, type_ in types.items()],
            identity=self.identity,
            event_time_field="ts" if self.has_event_time else "",
        )


PREFIX: Final = "prove_"
LANES: Final = (
    Lane("prove_a", "a", identity=("device_id", "seq")),
    Lane("prove_b", "b", sends_ids=True),
    Lane("prove_b_timeless", "b", has_event_time=False, sends_ids=True),
    Lane("prove_c", "c"),
    Lane("prove_d", "d", has_event_time=False),
)


async def provision(client: AsyncClient) -> None:
    """Makes the contracts and their routes."""
    for lane in LANES:
        await client.contracts.create(lane.contract, lane.spec, activate=True)
        await client.routes.create(f"{lane.contract}/+/data", lane.contract, device_rule="topic:2")


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out."""

    topic: str
    payload: bytes
    message_id: str | None
    numbers: tuple[int, ...]
    """Of its items."""


@dataclass(frozen=True, slots=True)
class _Plain:
    device: str
    document: dict[str, object]
    message_id: str | None
    number: int


class Mix:
    """Makes the messages of one sender, the same ones for the same seed but for the numbers in them.

    Of 100 about 5 were sent before (not for kind d, where that is a second message), 3 contradict an earlier one (a and
    b), 6 are arrays of 2 to 12 items, 4 must be refused or do not parse, 2 have no route.
    """

    def __init__(self, lane: Lane, sender: str, seed: int, journal: Journal) -> None:
        self._lane = lane
        self._sender = sender
        self._journal = journal
        self._random = random.Random(f"{seed}/{sender}")
        self._sequence = 0
        self._start = datetime.now(UTC) - timedelta(hours=2)
        self._sent: deque[Message] = deque(maxlen=_REMEMBERED)
        self._plain: deque[_Plain] = deque(maxlen=_REMEMBERED)

    def next(self) -> Message:
        """Returns the next message."""
        lane, dice = self._lane, self._random.random()
        if dice < 0.05 and self._sent and lane.kind != "d":
            return self._random.choice(self._sent)
        if dice < 0.08 and self._plain and lane.kind in {"a", "b"}:
            message = self._contradiction()
        elif dice < 0.14:
            message = self._array()
        else:
            message = self._single()
        self._sent.append(message)
        return message

    def _single(self) -> Message:
        dice = self._random.random()
        device = self._device()
        fate = Fate.UNROUTED if dice < 0.02 else Fate.REFUSED if dice < 0.07 else Fate.ROW
        number = self._journal.add_item(self._lane.contract, self._lane.kind, fate)
        document = self._document(device, number)
        if fate is Fate.REFUSED:
            document["value"] = "broken"
        payload = json.dumps(document).encode()
        if 0.02 < dice < 0.03:
            payload = payload[:-1]  # does not parse; its number can still be read
        message_id = f"id-{number}" if self._lane.sends_ids else None
        if fate is Fate.ROW:
            self._plain.append(_Plain(device, document, message_id, number))
        topic = f"{self._lane.contract}/{device}/{'lost' if fate is Fate.UNROUTED else 'data'}"
        return Message(topic, payload, message_id, (number,))

    def _array(self) -> Message:
        device = self._device()
        documents, numbers = [], []
        for _ in range(self._random.randint(2, 12)):
            fate = Fate.REFUSED if self._random.random() < 0.1 else Fate.ROW
            number = self._journal.add_item(self._lane.contract, self._lane.kind, fate)
            document = self._document(device, number)
            if fate is Fate.REFUSED:
                document["value"] = None
            documents.append(document)
            numbers.append(number)
        message_id = f"id-{numbers[0]}" if self._lane.sends_ids else None
        topic = f"{self._lane.contract}/{device}/data"
        return Message(topic, json.dumps(documents).encode(), message_id, tuple(numbers))

    def _contradiction(self) -> Message:
        """Has the key of an earlier message, and other content."""
        first = self._random.choice(self._plain)
        lane = self._lane
        number = self._journal.add_item(lane.contract, lane.kind, Fate.CONTESTED, first.number)
        payload = json.dumps(first.document | {"n": number}).encode()
        return Message(f"{lane.contract}/{first.device}/data", payload, first.message_id, (number,))

    def _device(self) -> str:
        return f"{self._sender}-{self._random.randrange(_DEVICES)}"

    def _document(self, device: str, number: int) -> dict[str, object]:
        self._sequence += 1
        ts = self._start + timedelta(milliseconds=self._sequence)
        return {
            "n": number,
            "device_id": device,
            "seq": self._sequence,
            "ts": ts.isoformat(timespec="milliseconds"),
            "value": round(self._random.uniform(0, 100), 3),
        }
