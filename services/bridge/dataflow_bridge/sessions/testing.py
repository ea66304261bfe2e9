"""For tests: a session store in memory that several bridges share, with the rules of the one in Postgres."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from dataflow_bridge.sessions.store import (
    Claim,
    Claimed,
    DueWill,
    Release,
    SessionKey,
    SessionStoreAwayError,
    Standing,
    StoredWill,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(slots=True)
class _Row:
    epoch: int
    boot_id: UUID
    connected: bool
    claim_time: float
    expiry_seconds: int
    subscriptions: dict[str, int]
    will: StoredWill | None
    will_delay_seconds: int
    end_time: float | None = None
    will_time: float | None = None
    left: dict[int, StoredWill] = field(default_factory=dict)

    def goes_on(self, now: float) -> bool:
        return self.expiry_seconds > 0 if self.connected else self.end_time is not None and self.end_time > now

    def leaves_will(self, claim: Claim, boot_id: UUID, now: float) -> bool:
        if self.will is None or (
            claim.late is not None and (self.boot_id == boot_id or self.epoch == claim.late.epoch)
        ):
            return False
        if claim.clean_start or not self.goes_on(now):
            return True
        if self.connected:
            return self.will_delay_seconds == 0
        return self.will_time is not None and self.will_time <= now


class SharedSessions:
    """The rows, and which bridges listen.

    Args:
        now: The clock of the store, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.rows: dict[SessionKey, _Row] = {}
        self.listeners: dict[UUID, Callable[[int], None]] = {}
        self.away = False
        """True: nothing answers."""
        self.epoch = 0


class MemorySessionStore:
    """A `SessionStore` of one bridge.

    Args:
        shared: The rows.
        boot_id: Which life of which bridge.
    """

    def __init__(self, shared: SharedSessions, boot_id: UUID | None = None) -> None:
        self.boot_id = boot_id or uuid4()
        self._shared = shared

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed | None]:
        """Give this bridge the sessions, each key once; None for a late claim that a newer connection has beaten."""
        self._reach()
        return [self._claim(claim) for claim in claims]

    def _claim(self, claim: Claim) -> Claimed | None:
        shared, now, late = self._shared, self._shared.now(), claim.late
        row = shared.rows.get(claim.key)
        claim_time = now - (late.age_seconds if late else 0.0)
        if row is not None and late is not None:
            mine = row.boot_id == self.boot_id or row.epoch == late.epoch
            if not mine and row.claim_time > claim_time:
                return None
        shared.epoch += 1
        present = row is not None and not claim.clean_start and row.goes_on(now)
        granted = dict(late.subscriptions) if late else dict(row.subscriptions) if row and present else {}
        fresh = shared.rows[claim.key] = _Row(
            shared.epoch,
            self.boot_id,
            True,
            claim_time,
            claim.expiry_seconds,
            granted,
            claim.will,
            claim.will_delay_seconds,
        )
        if row is None:
            return Claimed(fresh.epoch, False, dict(granted))
        fresh.left = row.left
        left = row.will if row.leaves_will(claim, self.boot_id, now) else None
        if left is not None:
            fresh.left = {row.epoch: left}
        taken_from = row.boot_id
        if taken_from != self.boot_id and taken_from in shared.listeners:
            shared.listeners[taken_from](row.epoch)
        return Claimed(fresh.epoch, present, dict(granted), row.epoch, taken_from, left)

    async def release(self, releases: Sequence[Release]) -> list[bool]:
        """Note that connections ended; tell for each whether it still had the session."""
        self._reach()
        return [self._release(release) for release in releases]

    def _release(self, release: Release) -> bool:
        row = self._shared.rows.get(release.key)
        if row is None or row.epoch != release.epoch:
            if row is not None and not release.keep_will:
                row.left.pop(release.epoch, None)
            return False
        now = self._shared.now()
        will_is_out = release.keep_will and row.will is None
        row.will = row.will if release.keep_will else None
        if not release.expiry_seconds and row.will is None:
            del self._shared.rows[release.key]
            return not will_is_out
        row.connected = False
        row.expiry_seconds = release.expiry_seconds
        row.end_time = now + release.expiry_seconds
        row.will_time = None if row.will is None else now + min(row.will_delay_seconds, release.expiry_seconds)
        return not will_is_out

    def bury(self) -> None:
        """Do what the leader does for a bridge that it takes for dead: its Wills are out."""
        for row in self._shared.rows.values():
            if row.boot_id == self.boot_id and row.connected:
                row.connected = False
                row.end_time = self._shared.now() + row.expiry_seconds
                row.will = None

    async def subscribe(self, subscriptions: Mapping[SessionKey, tuple[int, Mapping[str, int]]]) -> None:
        """Keep what the sessions, by their epochs, are subscribed to."""
        self._reach()
        for key, (epoch, granted) in subscriptions.items():
            row = self._shared.rows.get(key)
            if row is not None and row.epoch == epoch:
                row.subscriptions = dict(granted)

    async def standing(self, epochs: Mapping[SessionKey, int]) -> list[Standing]:
        """Tell for each session, in order, whether its epoch still holds."""
        self._reach()
        found: list[Standing] = []
        for key, epoch in epochs.items():
            row = self._shared.rows.get(key)
            if row is not None and row.epoch > epoch:
                found.append(Standing.LOST)
            else:
                held = row is not None and row.epoch == epoch and row.connected
                found.append(Standing.HELD if held else Standing.DROPPED)
        return found

    async def due(self, epochs: Mapping[SessionKey, int]) -> set[SessionKey]:
        """Return those sessions without a connection whose epoch still holds: their Wills may be published."""
        self._reach()
        rows = self._shared.rows
        return {
            key
            for key, epoch in epochs.items()
            if key in rows and rows[key].epoch == epoch and not rows[key].connected and rows[key].will is not None
        }

    async def take_left(self, epochs: Mapping[SessionKey, int]) -> list[DueWill]:
        """Return the Wills of connections with these epochs that were taken over and did not say goodbye."""
        self._reach()
        rows = self._shared.rows
        return [
            DueWill(key, epoch, rows[key].left[epoch])
            for key, epoch in epochs.items()
            if key in rows and epoch in rows[key].left
        ]

    async def published(self, epochs: Mapping[SessionKey, int]) -> None:
        """Note that the Wills of these epochs are durable on the ring: nobody publishes them again."""
        self._reach()
        for key, epoch in epochs.items():
            row = self._shared.rows.get(key)
            if row is None:
                continue
            row.left.pop(epoch, None)
            if row.epoch == epoch and not row.connected:
                row.will = row.will_time = None
                if row.end_time is not None and row.end_time <= self._shared.now():
                    del self._shared.rows[key]

    def _reach(self) -> None:
        if self._shared.away:
            raise SessionStoreAwayError("away")
