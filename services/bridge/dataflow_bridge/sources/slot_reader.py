"""Reads one session at a broker: connects, hands messages to the batcher, acknowledges what is on the ring, drains."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import uuid4

from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.seams import Intake
from dataflow_bridge.sources.slot_delivery import Delivery, SlotCounters
from dataflow_bridge.sources.slots import HeldSlot, SlotReport
from dataflow_bridge.sources.subscriber import BrokerError, BrokerSession, connected

logger = logging.getLogger(__name__)

FIRST_DELAY_SECONDS: Final = 0.2
MAX_DELAY_SECONDS: Final = 10.0
UNLEASED_SECONDS: Final = 15.0
"""Without a certain lease a lost connection is made again only after so long: another bridge may have the slot."""
_FINISH_SECONDS: Final = 3.0
_QUIET_SECONDS: Final = 3.0
_DROPPED: Final = "$SYS/broker/publish/messages/dropped"


class Leases(Protocol):
    """What a reader needs to know of its lease."""

    @property
    def valid(self) -> bool:
        """Whether it certainly stands."""


@dataclass(slots=True)
class _Reported:
    """What the last report that was written contained."""

    received: int = 0
    acknowledged: int = 0
    redelivered: int = 0


class SlotReader:
    """Reads one slot until it is stopped, or until its session is drained.

    Args:
        held: The slot.
        intake: The batcher.
        budget: The bridge's memory.
        leases: Whether the slot is certainly ours.
    """

    def __init__(self, held: HeldSlot, intake: Intake, budget: Budget, leases: Leases) -> None:
        self.held = held
        self.counters = SlotCounters()
        self.connected = False
        self.drained = False
        self._intake = intake
        self._budget = budget
        self._leases = leases
        self._last_error = ""
        self._warnings: dict[str, str] = {}
        self._subscribed: tuple[str, ...] | None = None
        self._stopping = False
        self._news = asyncio.Event()
        self._reported = _Reported()
        self._dropped: int | None = None
        self._marker_tried = False

    def change(self, held: HeldSlot) -> None:
        """Follow a change of the source, or begin to drain; also says that the lease stands."""
        if held.source.version != self.held.source.version or held.draining != self.held.draining:
            self.held = held
        self._news.set()

    def stop(self) -> None:
        """Receive nothing more; `run` returns when what was received is acknowledged, or after 3 s."""
        self._stopping = True
        self._news.set()

    def report(self) -> tuple[SlotReport, Callable[[], None]]:
        """Return what to write, and what to call when it was written."""
        now = _Reported(self.counters.received, self.counters.acknowledged, self.counters.redelivered)
        before = self._reported

        def written() -> None:
            self._reported = now

        warnings = list(self._warnings.values())
        if self.counters.refused:
            warnings.append(
                f"{self.counters.refused} messages were too large (payload above 1 MiB, or topic above 1,024 bytes) and"
                " were not taken"
            )
        report = SlotReport(
            source=self.held.source.name,
            slot=self.held.slot,
            connected=self.connected,
            received=now.received - before.received,
            acknowledged=now.acknowledged - before.acknowledged,
            redelivered=now.redelivered - before.redelivered,
            last_error=self._last_error[:500],
            warnings=tuple(warnings),
            subscribed=self._subscribed,
        )
        return report, written

    async def run(self) -> None:
        """Read until stopped or drained."""
        delay = FIRST_DELAY_SECONDS
        while not self._stopping:
            await self._until_room()
            held = self.held
            began = time.monotonic()
            try:
                taken_over = await self._connect(held)
            except BrokerError as error:
                self._failed(str(error))
                taken_over = False
            except Exception as error:  # one broker must not end the bridge
                logger.exception("source failed", extra={"action": "source.defect", "source": held.source.name})
                self._failed(f"defect: {type(error).__name__}")
                taken_over = False
            self.connected = False
            if self.drained or self._stopping:
                return
            if self.held is not held:
                continue
            delay = FIRST_DELAY_SECONDS if time.monotonic() - began > delay * 2 else min(delay * 2, MAX_DELAY_SECONDS)
            await self._pause(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            await self._until_leased(taken_over=taken_over)

    async def _connect(self, held: HeldSlot) -> bool:
        """Read until the connection ends; return whether another one took it over.

        Raises:
            BrokerError: It was not made, or broke.
        """
        source = held.source
        delivery = Delivery(source.name, self._intake, self._budget, self.counters, self._on_own_topic)
        async with connected(source, held.client_id, delivery.receive) as session:
            delivery.bind(session)
            try:
                if held.draining:
                    await self._drain(session, delivery)
                else:
                    await self._subscribe(session, held)
                    self.connected = True
                    self._news.clear()
                    await self._read(session, delivery, held)
            finally:
                delivery.close()
            taken_over = session.taken_over
        if self.drained:
            async with connected(source, held.client_id, delivery.receive, clean=True):
                pass  # which removes the session
        return taken_over

    async def _subscribe(self, session: BrokerSession, held: HeldSlot) -> None:
        before = held.subscribed if self._subscribed is None else self._subscribed
        self._note_granted(session, expected=bool(before))
        wanted = held.source.subscriptions
        await session.unsubscribe(filter_ for filter_ in before if filter_ not in wanted)
        refused = await session.subscribe(wanted, held.source.subscribed_qos)
        self._warnings = {key: value for key, value in self._warnings.items() if not key.startswith("subscribe ")}
        for filter_, problem in refused.items():
            self._warnings[f"subscribe {filter_}"] = f"{filter_}: {problem}"
        self._subscribed = wanted
        # Mosquitto counts there what it dropped; other brokers refuse, or stay silent.
        await session.subscribe([_DROPPED], 0)

    async def _read(self, session: BrokerSession, delivery: Delivery, held: HeldSlot) -> None:
        """Wait for the end: of the connection, of the slot, of its settings, or of the room in memory."""
        lost = asyncio.create_task(session.lost(), name=f"lost-{held.client_id}")
        crowded = asyncio.create_task(delivery.crowded.wait(), name=f"crowded-{held.client_id}")
        try:
            while not self._stopping and self.held is held:
                news = asyncio.create_task(self._news.wait(), name=f"news-{held.client_id}")
                await asyncio.wait((lost, news, crowded), return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                self._news.clear()
                if lost.done():
                    raise BrokerError(f"connection lost: {lost.result()}")
                if crowded.done():
                    raise BrokerError("disconnected: no room in memory, the broker keeps the messages")
            session.pause()
            await delivery.settled(_FINISH_SECONDS)
        finally:
            lost.cancel()
            crowded.cancel()

    async def _drain(self, session: BrokerSession, delivery: Delivery) -> None:
        """Read the session until nothing is left in it.

        It takes nothing new once it is unsubscribed. A message of our own to its own topic arrives behind all that the
        session holds; where the broker does not allow that, silence has to do.
        """
        held = self.held
        if session.granted.session_present:
            before = held.subscribed if self._subscribed is None else self._subscribed
            await session.unsubscribe({*before, *held.source.subscriptions, _DROPPED})
            self._subscribed = ()
            self.connected = True
            if not self._marker_tried:
                self._marker_tried = True  # some brokers close the connection over a topic that they do not allow
                delivery.marker = uuid4().hex.encode()
                topic = f"$dataflow/drain/{held.client_id}"
                if not await session.subscribe([topic], 1):
                    await session.publish(topic, delivery.marker)
            while session.alive and not delivery.marked.is_set():
                seen = self.counters.received
                try:
                    async with asyncio.timeout(_QUIET_SECONDS):
                        await delivery.marked.wait()
                except TimeoutError:
                    if self.counters.received == seen and not delivery.outstanding:
                        break
            await delivery.settled(None if session.alive else 0)
            if not session.alive or delivery.outstanding:
                raise BrokerError("connection lost while draining")
        self.drained = True

    def _on_own_topic(self, topic: str, payload: bytes) -> None:
        """Take a message that is for the bridge."""
        if topic != _DROPPED:
            return
        try:
            dropped = int(payload)
        except ValueError:
            return
        if self._dropped is not None and dropped > self._dropped:
            self._warnings["dropped"] = (
                f"the broker dropped {dropped - self._dropped} messages for some of its clients while this bridge was"
                " connected: raise max_queued_messages"
            )
        elif self._dropped is None:
            self._dropped = dropped

    def _note_granted(self, session: BrokerSession, *, expected: bool) -> None:
        granted = session.granted
        if expected and not granted.session_present:
            self._warnings["session"] = (
                "the broker had lost this session: what was published meanwhile is lost; it needs persistence, and"
                " persistent_client_expiration longer than any outage"
            )
            logger.warning(
                "the broker had lost a session",
                extra={"action": "source.session_lost", "source": self.held.source.name, "slot": self.held.slot},
            )

    def _failed(self, why: str) -> None:
        if self._last_error != why:
            logger.warning(
                "source is not read",
                extra={
                    "action": "source.disconnected",
                    "source": self.held.source.name,
                    "slot": self.held.slot,
                    "detail": why[:200],
                },
            )
        self._last_error = why
        self.counters.failures += 1

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until the slot or its source changes."""
        held = self.held
        ends = time.monotonic() + seconds
        while not self._stopping and self.held is held and (left := ends - time.monotonic()) > 0:
            self._news.clear()
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                return

    async def _until_room(self) -> None:
        """Wait until the memory budget has room: what a new connection brings has to go somewhere."""
        while self._budget.available_bytes <= 0 and not self._stopping:
            self._news.clear()
            self._budget.wait(self._news.set)
            await self._news.wait()
        self._budget.forget(self._news.set)

    async def _until_leased(self, *, taken_over: bool) -> None:
        """Wait until the slot is certainly ours; without Postgres not for ever, since then nobody else can take it.

        If somebody has it all the same, the broker gives the session back and forth no faster than this waits.
        """
        ends = time.monotonic() + UNLEASED_SECONDS * random.uniform(1.0, 2.0)  # noqa: S311 - jitter
        while not self._leases.valid and not self._stopping:
            left = ends - time.monotonic()
            if left <= 0 and not taken_over:
                return
            self._news.clear()
            try:
                async with asyncio.timeout(max(left, UNLEASED_SECONDS) if taken_over else left):
                    await self._news.wait()
            except TimeoutError:
                continue
