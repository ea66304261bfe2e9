"""What the kill campaign publishes, and its own log of it: which items were sent, acknowledged and sent again."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from dataflow.validator.v1 import contract_pb2
from dataflow_client import AsyncClient
from dataflow_simulator.mqtt_wire import Protocol
from dataflow_simulator.publisher import ClientSettings, Publisher

_GIVE_UP_SECONDS: Final = 120.0
_DEVICES_PER_CLIENT: Final = 5
_REMEMBERED: Final = 400
"""Messages that a client may send again or contradict: some were sent just now, some a while ago."""


class Fate(StrEnum):
    """What must become of an item."""

    ROW = "row"
    REFUSED = "refused"
    UNROUTED = "unrouted"
    CONTESTED = "contested"
    """One item of its group becomes the row, the others are kept as CONFLICT; which one is not said."""


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


LANES: Final = (
    Lane("kill_a", "a", identity=("device_id", "seq")),
    Lane("kill_b", "b", sends_ids=True),
    Lane("kill_b_timeless", "b", has_event_time=False, sends_ids=True),
    Lane("kill_c", "c"),
    Lane("kill_d", "d", has_event_time=False),
)


async def provision(client: AsyncClient) -> None:
    """Makes the contracts and their routes."""
    for lane in LANES:
        await client.contracts.create(lane.contract, lane.spec, activate=True)
        await client.routes.create(f"{lane.contract}/+/data", lane.contract, device_rule="topic:2")


@dataclass(slots=True)
class Item:
    """Something that has a number of its own in its payload."""

    number: int
    lane: Lane
    fate: Fate
    group: int
    """The number of the item whose key it has; its own unless it contradicts another."""


@dataclass(slots=True)
class Journal:
    """The senders' side of the account. Sendings are numbered; one carries one item, or several in an array."""

    items: dict[int, Item] = field(default_factory=dict)
    sendings: list[tuple[int, ...]] = field(default_factory=list)
    acknowledged: set[int] = field(default_factory=set)
    resent: Counter[int] = field(default_factory=Counter)
    """Packets with DUP, by sending."""

    def add_item(self, lane: Lane, fate: Fate, group: int | None = None) -> Item:
        """Numbers an item."""
        number = len(self.items) + 1
        item = self.items[number] = Item(number, lane, fate, number if group is None else group)
        return item

    def add_sending(self, numbers: Sequence[int]) -> int:
        """Numbers a sending."""
        self.sendings.append(tuple(numbers))
        return len(self.sendings) - 1


@dataclass(frozen=True, slots=True)
class _Message:
    topic: str
    payload: bytes
    message_id: str | None
    numbers: tuple[int, ...]


class _Mix:
    """Makes the messages of one client, the same ones for the same seed."""

    def __init__(self, lane: Lane, client: int, seed: int, journal: Journal) -> None:
        self._lane = lane
        self._client = client
        self._journal = journal
        self._random = random.Random(f"{seed}/{lane.contract}/{client}")
        self._sequence = 0
        self._start = datetime.now(UTC) - timedelta(hours=2)
        self._sent: list[_Message] = []
        self._plain: list[tuple[str, dict[str, object], str | None, int]] = []

    def next(self) -> _Message:
        """Returns the next message: mostly a plain one, sometimes one of every kind of trouble."""
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
        del self._sent[:-_REMEMBERED]
        return message

    def _single(self) -> _Message:
        dice = self._random.random()
        device = self._device()
        fate = Fate.UNROUTED if dice < 0.02 else Fate.REFUSED if dice < 0.07 else Fate.ROW
        item = self._journal.add_item(self._lane, fate)
        document = self._document(device, item.number)
        if fate is Fate.REFUSED:
            document["value"] = "broken"
        payload = json.dumps(document).encode()
        if dice > 0.02 and dice < 0.03:
            payload = payload[:-1]  # does not parse; its number can still be read
        message_id = f"id-{item.number}" if self._lane.sends_ids else None
        if fate is Fate.ROW:
            self._plain.append((device, document, message_id, item.number))
            del self._plain[:-_REMEMBERED]
        topic = f"{self._lane.contract}/{device}/{'lost' if fate is Fate.UNROUTED else 'data'}"
        return _Message(topic, payload, message_id, (item.number,))

    def _array(self) -> _Message:
        device = self._device()
        documents, numbers = [], []
        for _ in range(self._random.randint(2, 12)):
            fate = Fate.REFUSED if self._random.random() < 0.1 else Fate.ROW
            item = self._journal.add_item(self._lane, fate)
            document = self._document(device, item.number)
            if fate is Fate.REFUSED:
                document["value"] = None
            documents.append(document)
            numbers.append(item.number)
        message_id = f"id-{numbers[0]}" if self._lane.sends_ids else None
        return _Message(
            f"{self._lane.contract}/{device}/data", json.dumps(documents).encode(), message_id, tuple(numbers)
        )

    def _contradiction(self) -> _Message:
        """Has the key of an earlier message, and other content."""
        device, document, message_id, first = self._random.choice(self._plain)
        self._journal.items[first].fate = Fate.CONTESTED
        item = self._journal.add_item(self._lane, Fate.CONTESTED, first)
        payload = json.dumps(document | {"n": item.number}).encode()
        return _Message(f"{self._lane.contract}/{device}/data", payload, message_id, (item.number,))

    def _device(self) -> str:
        return f"{self._lane.contract}-{self._client}-{self._random.randrange(_DEVICES_PER_CLIENT)}"

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


class _Sender(Publisher):
    """Notes in the journal what it sends again."""

    def __init__(self, settings: ClientSettings, journal: Journal) -> None:
        super().__init__(settings, journal.acknowledged.add)
        self._journal = journal

    def _resend(self) -> None:
        for flight in self._flights.values():
            if not flight.released:
                self._journal.resent[flight.number] += 1
        super()._resend()


class Load:
    """Clients of all lanes that publish at a steady rate until they are stopped.

    Args:
        host: Of the MQTT listener.
        port: Of the same.
        clients: For each lane.
        rate: Messages a second, over all clients.
        seed: Makes the same messages again (not the same timing).
    """

    def __init__(self, host: str, port: int, *, clients: int, rate: float, seed: int) -> None:
        self.journal = Journal()
        self._host, self._port = host, port
        self._clients = clients
        self._pause = clients * len(LANES) / rate
        self._seed = seed
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ends publishing; `run` then waits for the last acknowledgements."""
        self._stop.set()

    async def run(self) -> None:
        """Publishes until `stop`, and returns when everything is acknowledged.

        Raises:
            AssertionError: Something was not acknowledged within two minutes, or was refused for good.
        """
        async with asyncio.TaskGroup() as tasks:
            for lane in LANES:
                for client in range(self._clients):
                    tasks.create_task(self._publish(lane, client), name=f"publish-{lane.contract}-{client}")

    async def _publish(self, lane: Lane, client: int) -> None:
        mix = _Mix(lane, client, self._seed, self.journal)
        chance = random.Random(f"{self._seed}/qos/{lane.contract}/{client}")
        settings = ClientSettings(
            host=self._host,
            port=self._port,
            client_id=f"campaign-{lane.contract}-{client}",
            protocol=Protocol.V5 if lane.sends_ids or client % 2 else Protocol.V3_1_1,
            window=128,
            keep_alive_seconds=10,
            give_up_seconds=_GIVE_UP_SECONDS,
        )
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            sender = await stack.enter_async_context(_Sender(settings, self.journal))
            due = loop.time()
            while not self._stop.is_set():
                message = mix.next()
                number = self.journal.add_sending(message.numbers)
                qos = 2 if chance.random() < 0.15 else 1
                await sender.publish(number, message.topic, message.payload, qos=qos, message_id=message.message_id)
                due = max(due + self._pause, loop.time() - 1.0)  # what was held up is made good, for a second
                await asyncio.sleep(max(0.0, due - loop.time()))
            assert await sender.drain(_GIVE_UP_SECONDS), f"{settings.client_id}: not everything was acknowledged"
            assert not sender.counts.refused, f"{settings.client_id}: {sender.counts.refused} messages were refused"
