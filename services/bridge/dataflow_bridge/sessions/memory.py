"""MQTT sessions of one bridge: what outlives a connection, for how long, and who has it.

The store decides which bridge has a client id, by an epoch that each claim raises. This memory keeps what only the bridge
of the connection needs: packet ids, timers, the connection itself. While the store is away it is all there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from dataflow_bridge.sessions.claims import NoClaim, SessionClaims
from dataflow_bridge.sessions.store import Claim, Claimed, Late, Release, SessionKey, Standing, StoredWill

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflow_bridge.listener.seams import Clock, TimerHandle

NEVER_EXPIRES: Final = 0xFFFFFFFF
LEFT_WILL_SECONDS: Final = 1.0
"""How long another bridge may take to say that the client whose connection was taken over had said goodbye."""
_RECHECK_AT_ONCE: Final = 1_000
_DOUBT_SECONDS: Final = 1.0
_MAX_LOST_EARLY: Final = 10_000


class Holder(Protocol):
    """The connection that has a session now."""

    def displaced(self) -> None:
        """End, since the same client id connected again; detaches the session before it returns."""

    def recorded(self, packet_id: int) -> None:
        """Note that a QoS 2 message became durable which an earlier connection of the session had sent."""


class WillPublisher(Protocol):
    """Puts Wills on their way."""

    def __call__(self, will: StoredWill, message_id: str | None, durable: Callable[[], None] | None) -> None:
        """Submit a Will as an ordinary message; call `durable` when it is."""


@dataclass(slots=True, eq=False)
class Session:
    """The state of one client id."""

    key: SessionKey
    expiry_seconds: int
    holder: Holder | None
    epoch: int | None = None
    """Under which the store has given it to this bridge; None for one that only this bridge knows."""
    claim: Claim | None = None
    """What its connection asked for."""
    opened_at: float = 0.0
    """When it connected, on the monotonic clock."""
    incoming: dict[int, bool] = field(default_factory=dict)
    """QoS 2 messages between PUBLISH and PUBREL, by packet id; true when durable, which is when PUBREC goes out."""
    subscriptions: dict[str, int] = field(default_factory=dict)
    """Granted filters with their QoS."""
    _expiry_timer: TimerHandle | None = None
    _will_timer: TimerHandle | None = None
    _will: StoredWill | None = None

    def durable(self, packet_id: int, sender: Holder) -> None:
        """Note that a QoS 2 message became durable, and tell the connection that has the session by now."""
        if packet_id in self.incoming:
            self.incoming[packet_id] = True
            if self.holder is not None and self.holder is not sender:
                self.holder.recorded(packet_id)


class Sessions:
    """All sessions that this bridge process knows.

    Sessions without a connection are bounded in number and in the packet ids that they keep; beyond that the one which
    was left first goes, and its client is truthfully told `Session Present 0`, unless the store still has it.

    Args:
        clock: Time and timers.
        claims: Asks the store; None for a listener that shares its clients with nobody.
        max_detached: Sessions without a connection.
        max_detached_packet_ids: Packet ids that they keep together.
    """

    def __init__(
        self,
        clock: Clock,
        claims: SessionClaims | None = None,
        *,
        max_detached: int = 10_000,
        max_detached_packet_ids: int = 1_000_000,
    ) -> None:
        self.publish: WillPublisher = _publish_nothing
        """Set by the listener."""
        self.wills_ignored = 0
        """Wills of connections whose session somebody else has by now."""
        self._clock = clock
        self._claims = claims
        self._max_detached = max_detached
        self._max_detached_packet_ids = max_detached_packet_ids
        self._sessions: dict[SessionKey, Session] = {}
        self._by_epoch: dict[int, Session] = {}
        self._detached: dict[SessionKey, int] = {}
        self._detached_packet_ids = 0
        self._doubtful = False
        self._lost_early: dict[int, None] = {}
        if claims is not None:
            claims.came_back = self.reclaim

    def __len__(self) -> int:
        """Return how many sessions there are."""
        return len(self._sessions)

    @property
    def unclaimed(self) -> int:
        """How many connections have a session that only this bridge knows."""
        return sum(session.epoch is None and session.holder is not None for session in list(self._sessions.values()))

    # Opening.

    def begin(self, claim: Claim, holder: Holder, opened: Callable[[Session, bool], None]) -> None:
        """Give `holder` the session of a client, taking it from the connection that has it, on whichever bridge.

        Calls `opened` once, at once or later, with the session and whether it was there before (Session Present).
        """
        if self._claims is None:
            opened(*self._open(claim, holder))
            return
        asked_at = self._clock.monotonic()

        def answered(answer: Claimed | NoClaim) -> None:
            if isinstance(answer, Claimed):
                opened(*self._open_claimed(claim, answer, holder, asked_at))
            else:
                opened(*self._open(claim, holder, asked_at))

        self._claims.claim(claim, answered)

    def _open(self, claim: Claim, holder: Holder, asked_at: float = 0.0) -> tuple[Session, bool]:
        """Open a session by what this bridge knows."""
        session = self._sessions.get(claim.key)
        if session is not None and session.holder is not None:
            session.holder.displaced()
            session = self._sessions.get(claim.key)
        if session is not None:
            self._reattach(session)
            if claim.clean_start:
                self._end(session)
                session = None
        present = session is not None
        if session is None:
            session = self._sessions[claim.key] = Session(claim.key, claim.expiry_seconds, holder)
        else:
            # The client came back in time, so nobody hears of its absence [MQTT-3.1.3-9].
            session._will = None  # noqa: SLF001 - the two classes of this file are one
            session.holder = holder
            session.expiry_seconds = claim.expiry_seconds
            self._note_epoch(session, None)
        session.claim = claim
        session.opened_at = asked_at
        return session, present

    def _open_claimed(self, claim: Claim, claimed: Claimed, holder: Holder, asked_at: float) -> tuple[Session, bool]:
        """Open a session that the store has given to this bridge."""
        session = self._sessions.get(claim.key)
        if session is not None and session.epoch is None:
            # From when the store was away: it knows less than this bridge.
            session, present = self._open(claim, holder, asked_at)
            if not present and claimed.present:
                present = True
                session.subscriptions = dict(claimed.subscriptions)
            self._leave_will(claim.key, claimed)
        else:
            known = session is not None and session.epoch == claimed.previous_epoch
            waits = session is None or session.holder is not None or session._will is not None  # noqa: SLF001
            before = session.holder if session is not None else None
            present = claimed.present
            if session is not None and known and present:
                self._reattach(session)
                session._will = None  # noqa: SLF001
                session.expiry_seconds = claim.expiry_seconds
                session.holder = holder
            else:
                if session is not None:
                    self._forget(session)
                session = self._sessions[claim.key] = Session(claim.key, claim.expiry_seconds, holder)
                session.subscriptions = dict(claimed.subscriptions) if present else {}
            if before is not None:
                before.displaced()
            if not known or waits:
                self._leave_will(claim.key, claimed, at_once=known)
        self._note_epoch(session, claimed.epoch)
        session.claim = claim
        session.opened_at = asked_at
        return session, present

    def _leave_will(self, key: SessionKey, claimed: Claimed, *, at_once: bool = False) -> None:
        """Publish the Will that a claim made due; after a moment where another bridge may know of a goodbye."""
        will, epoch, claims = claimed.left_will, claimed.previous_epoch, self._claims
        if will is None or epoch is None or claims is None:
            return
        if at_once:
            self._publish(key, epoch, will)
            return
        self._clock.call_later(
            LEFT_WILL_SECONDS,
            lambda: claims.left(key, epoch, lambda due: self._publish(due.key, due.epoch, due.will)),
        )

    # Leaving.

    def detach(self, session: Session, holder: Holder, will: StoredWill | None, will_delay_seconds: int) -> None:
        """Note that a connection is gone; nothing happens to a session that another one has by now.

        Args:
            session: As given to the connection.
            holder: The connection.
            will: Its Will; None when there is none or the client took it back.
            will_delay_seconds: After this time, or when the session ends if that is earlier, the Will is published.
        """
        if session.holder is not holder:
            return  # its Will was published by the claim that took the session, if it was due
        session.holder = None
        session._will = will  # noqa: SLF001
        delay = min(will_delay_seconds, session.expiry_seconds)
        epoch = session.epoch
        if self._claims is not None and epoch is not None:
            release = Release(session.key, epoch, session.expiry_seconds, will is not None)
            self._claims.release(release, lambda held: self._released(session, epoch, held, at_once=not delay))
        elif not delay:
            self._publish_own(session)
        if not session.expiry_seconds:
            self._remove(session)
            return
        if session._will is not None and delay:  # noqa: SLF001
            session._will_timer = self._clock.call_later(delay, lambda: self._will_due(session))  # noqa: SLF001
        if session.expiry_seconds != NEVER_EXPIRES:
            session._expiry_timer = self._clock.call_later(  # noqa: SLF001
                session.expiry_seconds, lambda: self._expire(session)
            )
        self._detached[session.key] = len(session.incoming)
        self._detached_packet_ids += len(session.incoming)
        while len(self._detached) > self._max_detached or self._detached_packet_ids > self._max_detached_packet_ids:
            self._expire(self._sessions[next(iter(self._detached))])

    def _released(self, session: Session, epoch: int, held: bool | None, *, at_once: bool) -> None:
        """Publish the Will of a connection that had its session to the end."""
        if session.epoch != epoch:
            return
        if held is False:
            self._ignore_will(session)
            self._forget(session)
        elif at_once and held:
            self._publish_own(session)
        elif at_once:
            self._will_due(session)

    def _will_due(self, session: Session) -> None:
        """Publish the Will, if the session is still this bridge's."""
        claims, epoch = self._claims, session.epoch
        if session._will is None or session.holder is not None:  # noqa: SLF001
            return
        if claims is None or epoch is None:
            self._publish_own(session)
            return

        def answered(holds: bool | None) -> None:
            if session.epoch != epoch or session.holder is not None:
                return
            if holds is False:
                self._ignore_will(session)
            elif holds or not self._doubtful:
                self._publish_own(session)
            else:
                # This process was frozen and cannot ask what happened meanwhile.
                self._clock.call_later(_DOUBT_SECONDS, lambda: self._will_due(session))

        claims.due(session.key, epoch, answered)

    # What happens elsewhere.

    def subscribed(self, session: Session) -> None:
        """Keep what a session is subscribed to."""
        if self._claims is not None and session.epoch is not None:
            self._claims.subscribe(session.key, session.epoch, dict(session.subscriptions))

    def lost(self, epoch: int) -> None:
        """End the connection whose epoch this was: its client has connected to another bridge."""
        session = self._by_epoch.get(epoch)
        if session is None:
            # Word of the take-over may overtake the answer to the claim that it took over from.
            self._lost_early[epoch] = None
            if len(self._lost_early) > _MAX_LOST_EARLY:
                del self._lost_early[next(iter(self._lost_early))]
        else:
            before = session.holder
            if before is not None and session.claim is not None:
                self.wills_ignored += session.claim.will is not None
            self._ignore_will(session)
            self._forget(session)
            if before is not None:
                before.displaced()

    def reclaim(self) -> None:
        """Claim all connections that were let in while the store was away."""
        for session in list(self._sessions.values()):
            if session.holder is not None and session.epoch is None:
                self._claim_late(session)

    def doubt(self) -> None:
        """Publish no Will unasked until `recheck` has looked: this process did not run for a while."""
        self._doubtful = True

    async def recheck(self) -> None:
        """Look which sessions are still this bridge's: word of a take-over may have been missed.

        Raises:
            SessionStoreAwayError: The store does not answer.
        """
        if self._claims is None:
            return
        held = list(self._by_epoch.items())
        for start in range(0, len(held), _RECHECK_AT_ONCE):
            part = held[start : start + _RECHECK_AT_ONCE]
            standings = await self._claims.store.standing({session.key: epoch for epoch, session in part})
            for (epoch, session), standing in zip(part, standings, strict=True):
                if session.epoch != epoch:
                    continue
                if standing is Standing.LOST:
                    self.lost(epoch)
                elif standing is Standing.DROPPED and session.holder is not None:
                    self._claim_late(session)
        self._doubtful = False

    def _claim_late(self, session: Session) -> None:
        """Claim the session of a connection that is there already."""
        claim, claims, holder, before = session.claim, self._claims, session.holder, session.epoch
        if claim is None or claims is None:
            return
        late = Late(self._clock.monotonic() - session.opened_at, before or 0, dict(session.subscriptions))

        def answered(answer: Claimed | NoClaim) -> None:
            if session.holder is not holder or session.epoch != before:
                return
            if isinstance(answer, Claimed):
                self._note_epoch(session, answer.epoch)
                self._leave_will(session.key, answer)
            elif answer is NoClaim.BEATEN:
                self._forget(session)
                if holder is not None:
                    holder.displaced()

        claims.claim(
            Claim(
                claim.key, claim.device_id, False, session.expiry_seconds, claim.will, claim.will_delay_seconds, late
            ),
            answered,
        )

    def close(self) -> None:
        """End the sessions without a connection that only this bridge knows, and publish their Wills that still wait.

        The others belong to the bridge that their client connects to next; until then the leader minds their Wills.
        """
        for key in list(self._detached):
            if self._sessions[key].epoch is None:
                self._expire(self._sessions[key])

    # The table.

    def _note_epoch(self, session: Session, epoch: int | None) -> None:
        if session.epoch is not None:
            self._by_epoch.pop(session.epoch, None)
        session.epoch = epoch
        if epoch is not None:
            self._by_epoch[epoch] = session
            if epoch in self._lost_early:
                del self._lost_early[epoch]
                self._clock.call_later(0.0, lambda: self.lost(epoch))

    def _expire(self, session: Session) -> None:
        """End a detached session; in the store the leader does it, with the Will."""
        self._reattach(session)
        self._end(session)

    def _reattach(self, session: Session) -> None:
        """Take a session out of the detached ones."""
        self._detached_packet_ids -= self._detached.pop(session.key, 0)
        for timer in (session._expiry_timer, session._will_timer):  # noqa: SLF001
            if timer is not None:
                timer.cancel()
        session._expiry_timer = session._will_timer = None  # noqa: SLF001

    def _end(self, session: Session) -> None:
        """Forget a session; a Will that still waits is published now [MQTT-3.1.2-8]."""
        self._will_due(session)
        self._remove(session)

    def _forget(self, session: Session) -> None:
        """Let go of a session that somebody else has, or that this bridge begins anew."""
        self._reattach(session)
        session.holder = None
        session._will = None  # noqa: SLF001
        self._remove(session)
        self._note_epoch(session, None)

    def _remove(self, session: Session) -> None:
        if self._sessions.get(session.key) is session:
            del self._sessions[session.key]
        if session.epoch is not None:
            self._by_epoch.pop(session.epoch, None)

    # Wills.

    def _ignore_will(self, session: Session) -> None:
        will, session._will = session._will, None  # noqa: SLF001
        self.wills_ignored += will is not None

    def _publish_own(self, session: Session) -> None:
        """Publish the Will once."""
        will, session._will = session._will, None  # noqa: SLF001
        if will is not None and session.epoch is not None:
            self._publish(session.key, session.epoch, will)
        elif will is not None:
            self.publish(will, will.message_id, None)

    def _publish(self, key: SessionKey, epoch: int, will: StoredWill) -> None:
        """Publish the Will of an epoch; whoever publishes it a second time gives it the same message id."""
        claims = self._claims

        def durable() -> None:
            if claims is not None:
                claims.published(key, epoch)

        self.publish(will, will.message_id or f"will-{epoch}", durable)


def _publish_nothing(will: StoredWill, message_id: str | None, durable: Callable[[], None] | None) -> None:
    del will, message_id, durable
