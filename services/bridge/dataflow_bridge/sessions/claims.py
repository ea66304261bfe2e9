"""Between the sessions of a bridge and their store: gathers what many connections ask, and knows when the store is away.

While one statement runs, the next one's sessions gather: alone a client waits for one round trip, in a storm hundreds
share it.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from dataflow_bridge.sessions.store import Claim, Claimed, Release, SessionKey, SessionStoreAwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dataflow_bridge.listener.seams import Clock, TimerHandle
    from dataflow_bridge.sessions.store import DueWill, SessionStore

logger = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 0.3
"""How long one statement may take before those who wait for a claim are served from memory."""
_LATE_TIMER_SECONDS: Final = 0.05
"""A timer of a busy loop may come before an answer that has long arrived: so it looks twice."""
PROBE_SECONDS: Final = 0.5
_MAX_BATCH: Final = 200
_MAX_RELEASES: Final = 200_000
"""Ends of connections that wait for the store; those beyond it the leader finds."""


class NoClaim(enum.Enum):
    """Why a connection has no claim."""

    AWAY = "away"
    """The store did not answer in time."""
    BEATEN = "beaten"
    """A newer connection of the client has the session; only late claims learn so."""


class _Keyed(Protocol):
    @property
    def key(self) -> SessionKey: ...


@dataclass(slots=True, eq=False)
class _AskedClaim:
    claim: Claim
    answer: Callable[[Claimed | NoClaim], None] | None

    @property
    def key(self) -> SessionKey:
        return self.claim.key


@dataclass(slots=True, eq=False)
class _AskedRelease:
    release: Release
    answer: Callable[[bool | None], None] | None

    @property
    def key(self) -> SessionKey:
        return self.release.key


_K = TypeVar("_K", bound=_Keyed)


class SessionClaims:
    """Asks the store for many connections at once.

    Nothing here raises to its callers: without the store they are told so, at once while it is known to be away.

    Args:
        store: Where sessions are kept.
        clock: Time and timers.
    """

    def __init__(self, store: SessionStore, clock: Clock) -> None:
        self.store = store
        self.away = False
        """The store did not answer lately: clients are served from memory."""
        self.came_back: Callable[[], None] = lambda: None
        """Called when the store answers again."""
        self.claimed = 0
        """Claims that the store took."""
        self.served_unclaimed = 0
        """Clients that were let in without a claim."""
        self._clock = clock
        self._wake = asyncio.Event()
        self._claims: deque[_AskedClaim] = deque()
        self._running: list[_AskedClaim] = []
        self._releases: deque[_AskedRelease] = deque()
        self._subscriptions: dict[SessionKey, tuple[int, Mapping[str, int]]] = {}
        self._due: dict[SessionKey, tuple[int, Callable[[bool | None], None]]] = {}
        self._left: dict[SessionKey, tuple[int, Callable[[DueWill], None]]] = {}
        self._published: dict[SessionKey, int] = {}
        self._patience: TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def claim(self, claim: Claim, answer: Callable[[Claimed | NoClaim], None]) -> None:
        """Ask for a session; `answer` is called once: with the claim, or soon after the store fails to answer."""
        if self.away and claim.late is None:
            self.served_unclaimed += 1
            answer(NoClaim.AWAY)
            return
        self._claims.append(_AskedClaim(claim, answer))
        self._work()

    def release(self, release: Release, answer: Callable[[bool | None], None]) -> None:
        """Note the end of a connection; `answer` learns whether it still had its session, None when nobody knows."""
        if len(self._releases) >= _MAX_RELEASES:
            self._releases.popleft()
        if self.away:
            answer(None)
            self._releases.append(_AskedRelease(release, None))
            return
        self._releases.append(_AskedRelease(release, answer))
        self._work()

    def subscribe(self, key: SessionKey, epoch: int, granted: Mapping[str, int]) -> None:
        """Keep what a session is subscribed to."""
        self._subscriptions[key] = (epoch, granted)
        self._work()

    def due(self, key: SessionKey, epoch: int, answer: Callable[[bool | None], None]) -> None:
        """Ask whether the Will of a session without a connection may be published; None when nobody knows."""
        if self.away:
            answer(None)
            return
        self._due[key] = (epoch, answer)
        self._work()

    def left(self, key: SessionKey, epoch: int, answer: Callable[[DueWill], None]) -> None:
        """Ask for the Will of a connection that was taken over, if its client has not said goodbye."""
        self._left[key] = (epoch, answer)
        self._work()

    def published(self, key: SessionKey, epoch: int) -> None:
        """Note that a Will is durable."""
        self._published[key] = epoch
        self._work()

    async def run(self) -> None:
        """Work for ever."""
        while True:
            if self.away:
                await asyncio.sleep(PROBE_SECONDS)
            else:
                await self._wake.wait()
            self._wake.clear()
            self._be_patient(PATIENCE_SECONDS)
            try:
                await self._round()
            except SessionStoreAwayError as error:
                self._went_away(str(error))
            else:
                self._came_back()
            finally:
                if self._patience is not None:
                    self._patience.cancel()
                    self._patience = None
                if not self._waiting():
                    self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Wait until the store knows of all ends, but not for a store that is away: the leader finds them, too."""
        if not self.away:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._idle.wait()

    def _work(self) -> None:
        self._idle.clear()
        self._wake.set()

    def _waiting(self) -> bool:
        return bool(self._claims or self._releases or self._subscriptions or self._due or self._left or self._published)

    async def _round(self) -> None:
        """Do what waits, once: ends before claims, so that a client that left and came back finds what it left."""
        if not self._waiting():
            await self.store.standing({})
            return
        await self._release()
        if self._subscriptions:
            asked, self._subscriptions = self._subscriptions, {}
            try:
                await self.store.subscribe(asked)
            except SessionStoreAwayError:
                self._subscriptions = asked | self._subscriptions
                raise
        await self._claim()
        await self._ask_wills()
        if self._waiting():
            self._wake.set()

    async def _release(self) -> None:
        batch = _take(self._releases)
        if not batch:
            return
        try:
            current = await self.store.release([asked.release for asked in batch])
        except SessionStoreAwayError:
            for asked in batch:
                answer, asked.answer = asked.answer, None
                if answer is not None:
                    answer(None)
            self._releases.extendleft(reversed(batch))
            raise
        for asked, held in zip(batch, current, strict=True):
            if asked.answer is not None:
                asked.answer(held)

    async def _claim(self) -> None:
        self._running = _take(self._claims)
        if not self._running:
            return
        self._be_patient(PATIENCE_SECONDS)
        found = await self.store.claim([asked.claim for asked in self._running])
        batch, self._running = self._running, []
        for asked, claimed in zip(batch, found, strict=True):
            # One that was let in meanwhile has no use for the answer: it is claimed again, late.
            if asked.answer is not None:
                self.claimed += claimed is not None
                _tell(asked, NoClaim.BEATEN if claimed is None else claimed)

    async def _ask_wills(self) -> None:
        if self._published:
            done, self._published = self._published, {}
            try:
                await self.store.published(done)
            except SessionStoreAwayError:
                self._published = done | self._published
                raise
        if self._due:
            asked, self._due = self._due, {}
            try:
                current = await self.store.due({key: epoch for key, (epoch, _) in asked.items()})
            except SessionStoreAwayError:
                self._due = asked | self._due
                raise
            for key, (_, answer) in asked.items():
                answer(key in current)
        if self._left:
            waiting, self._left = self._left, {}
            try:
                wills = await self.store.take_left({key: epoch for key, (epoch, _) in waiting.items()})
            except SessionStoreAwayError:
                self._left = waiting | self._left
                raise
            for will in wills:
                waiting[will.key][1](will)

    def _be_patient(self, seconds: float, *, again: bool = False) -> None:
        """Look after a while whether the statement that runs now is still the same one."""
        if self._patience is not None:
            self._patience.cancel()
        self._patience = self._clock.call_later(seconds, lambda: self._overdue(again=again))

    def _overdue(self, *, again: bool) -> None:
        """Let in who waits, and from now on everybody at once."""
        self._patience = None
        if not again:
            self._be_patient(_LATE_TIMER_SECONDS, again=True)
        else:
            self._went_away("no answer in time")

    def _went_away(self, detail: str) -> None:
        if not self.away:
            logger.warning(
                "sessions cannot be claimed: clients are served from memory",
                extra={"action": "sessions.stale", "detail": detail},
            )
        self.away = True
        waiting = [*self._running, *self._claims]
        self._claims.clear()
        for asked in waiting:
            if asked.answer is not None:
                self.served_unclaimed += asked.claim.late is None
                _tell(asked, NoClaim.AWAY)
        unanswered, self._due = self._due, {}
        for _, answer in unanswered.values():
            answer(None)

    def _came_back(self) -> None:
        if self.away:
            self.away = False
            logger.info("sessions are claimed again", extra={"action": "sessions.claimed"})
            self.came_back()


def _tell(asked: _AskedClaim, answer: Claimed | NoClaim) -> None:
    tell, asked.answer = asked.answer, None
    if tell is not None:
        tell(answer)


def _take(waiting: deque[_K]) -> list[_K]:
    """Take the first ones, each key once: a statement can not change a row twice. The others keep their order."""
    batch: dict[SessionKey, _K] = {}
    later: list[_K] = []
    while waiting and len(batch) < _MAX_BATCH and len(later) < _MAX_BATCH:
        asked = waiting.popleft()
        if asked.key in batch:
            later.append(asked)
        else:
            batch[asked.key] = asked
    waiting.extendleft(reversed(later))
    return list(batch.values())
