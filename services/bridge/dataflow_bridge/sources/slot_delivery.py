"""What is between a broker's connection and the batcher: budget, acknowledgement, pause. One for each connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.seams import Intake, message_cost
from dataflow_bridge.sources.subscriber import KEEP_ALIVE_SECONDS, BrokerSession

MAX_PAUSE_SECONDS: Final = KEEP_ALIVE_SECONDS / 2
"""Longer without reading, and both sides would take the other one for dead."""
_MAX_PAYLOAD_BYTES: Final = 1024 * 1024
_MAX_TOPIC_BYTES: Final = 1024
_MAX_LABEL_BYTES: Final = 255


@dataclass(slots=True)
class SlotCounters:
    """What was counted for a slot since this bridge took it."""

    received: int = 0
    acknowledged: int = 0
    redelivered: int = 0
    refused: int = 0
    """Too large for the ring, and acknowledged all the same: the broker would send them for ever."""
    failures: int = 0
    """Connections that broke or were not made."""


class Delivery:
    """The messages of one connection, on their way to the ring (it is their `Ack`).

    An acknowledgement that comes after the connection is gone is not sent on the next one: there the packet id may
    belong to another message. The broker sends those messages again.

    Args:
        source: Stands in every message.
        intake: The batcher.
        budget: The bridge's memory.
        counters: Counted into.
        on_own_topic: Called with topic and payload of messages for the bridge itself: topics that begin with `$`.
    """

    def __init__(
        self,
        source: str,
        intake: Intake,
        budget: Budget,
        counters: SlotCounters,
        on_own_topic: Callable[[str, bytes], None],
    ) -> None:
        self.outstanding = 0
        """Messages whose acknowledgement is due."""
        self.crowded = asyncio.Event()
        """Set when reading was paused for so long that the connection must end."""
        self.marker = b""
        self.marked = asyncio.Event()
        """Set when the marker has come back."""
        self._source = source
        self._intake = intake
        self._budget = budget
        self._counters = counters
        self._on_own_topic = on_own_topic
        self._session: BrokerSession | None = None
        self._early: list[int] = []
        self._closed = False
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._settled = asyncio.Event()

    def bind(self, session: BrokerSession) -> None:
        """Use the session; messages may have come before."""
        self._session = session
        if self._early:
            session.acknowledge(self._early)
            self._early = []
        if self._paused:
            session.pause()

    def close(self) -> None:
        """Acknowledge nothing more: the connection is gone."""
        self._closed = True
        self._budget.forget(self._room)
        if self._timer is not None:
            self._timer.cancel()

    async def settled(self, seconds: float | None) -> None:
        """Wait until everything that was received is acknowledged, but not longer than this."""
        try:
            async with asyncio.timeout(seconds):
                while self.outstanding and (self._session is None or self._session.alive):
                    self._settled.clear()
                    try:
                        async with asyncio.timeout(1.0):  # to see a connection that is gone
                            await self._settled.wait()
                    except TimeoutError:
                        continue
        except TimeoutError:
            return

    def receive(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        packet_id: int,
        again: bool,
        message_id: str | None,
        content_type: str | None,
    ) -> None:
        """Submit a message; called by the connection for each."""
        counters = self._counters
        if topic.startswith("$"):
            if payload == self.marker:
                self.marked.set()
            else:
                self._on_own_topic(topic, payload)
            if qos:
                self._send([packet_id])
            return
        counters.received += 1
        if again:
            counters.redelivered += 1
        if len(payload) > _MAX_PAYLOAD_BYTES or len(topic) > _MAX_TOPIC_BYTES:
            counters.refused += 1
            if qos:
                self._send([packet_id])
            return
        if message_id is not None and len(message_id) > _MAX_LABEL_BYTES:
            message_id = None
        if content_type is not None and len(content_type) > _MAX_LABEL_BYTES:
            content_type = None
        budget = self._budget
        budget.take(message_cost(topic, payload))
        if qos:
            self.outstanding += 1
        self._intake.submit(
            topic,
            payload,
            None,
            content_type,
            message_id,
            again,
            time.time_ns() // 1000,
            self._source,
            self if qos else None,
            packet_id,
        )
        if budget.available_bytes <= 0 and not self._paused:
            self._pause()

    def acknowledged(self, tokens: list[int]) -> None:
        """Send the PUBACKs of messages that are on the ring."""
        self.outstanding -= len(tokens)
        if not self._closed:
            self._counters.acknowledged += len(tokens)
            self._send(tokens)
        if not self.outstanding:
            self._settled.set()

    def failed(self, tokens: list[int]) -> None:
        """Acknowledge nothing: the bridge stops, and the broker gives the messages to whoever reads the slot next."""
        self.outstanding -= len(tokens)

    def _send(self, tokens: list[int]) -> None:
        if self._session is None:
            self._early += tokens
        elif not self._closed:
            self._session.acknowledge(tokens)

    def _pause(self) -> None:
        self._paused = True
        if self._session is not None:
            self._session.pause()
        self._timer = asyncio.get_running_loop().call_later(MAX_PAUSE_SECONDS, self.crowded.set)
        self._budget.wait(self._room)

    def _room(self) -> None:
        if self._closed:
            return
        if self._budget.available_bytes <= 0:
            self._budget.wait(self._room)
            return
        self._paused = False
        if self._timer is not None:
            self._timer.cancel()
        if self._session is not None:
            self._session.resume()
