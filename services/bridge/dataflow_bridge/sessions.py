"""MQTT sessions in this bridge's memory: what outlives a connection, for how long, and how many of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from dataflow_bridge.listener.seams import Clock, TimerHandle

SessionKey = tuple[str, str]
"""Name of the identity, client id: clients of different identities never share, take over or end a session."""

NEVER_EXPIRES: Final = 0xFFFFFFFF


class Holder(Protocol):
    """The connection that has a session now."""

    def displaced(self) -> None:
        """End, since the same client id connected again; detaches the session before it returns."""

    def recorded(self, packet_id: int) -> None:
        """Note that a QoS 2 message became durable which an earlier connection of the session had sent."""


@dataclass(slots=True, eq=False)
class Session:
    """The state of one client id."""

    key: SessionKey
    expiry_seconds: int
    holder: Holder | None
    incoming: dict[int, bool] = field(default_factory=dict)
    """QoS 2 messages between PUBLISH and PUBREL, by packet id; true when durable, which is when PUBREC goes out."""
    subscriptions: set[str] = field(default_factory=set)
    """Granted filters."""
    _expiry_timer: TimerHandle | None = None
    _will_timer: TimerHandle | None = None
    _will: Callable[[], None] | None = None

    def durable(self, packet_id: int, sender: Holder) -> None:
        """Note that a QoS 2 message became durable, and tell the connection that has the session by now."""
        if packet_id in self.incoming:
            self.incoming[packet_id] = True
            if self.holder is not None and self.holder is not sender:
                self.holder.recorded(packet_id)


class Sessions:
    """All sessions of one bridge process.

    Sessions without a connection are bounded in number and in the packet ids that they keep; beyond that the one which
    was left first goes, and its client is truthfully told `Session Present 0`.
    """

    def __init__(self, clock: Clock, *, max_detached: int = 10_000, max_detached_packet_ids: int = 1_000_000) -> None:
        """Start without sessions, as after every start of the process."""
        self._clock = clock
        self._max_detached = max_detached
        self._max_detached_packet_ids = max_detached_packet_ids
        self._sessions: dict[SessionKey, Session] = {}
        self._detached: dict[SessionKey, int] = {}
        self._detached_packet_ids = 0

    def __len__(self) -> int:
        """Return how many sessions there are."""
        return len(self._sessions)

    def open(self, key: SessionKey, holder: Holder, *, clean_start: bool, expiry_seconds: int) -> tuple[Session, bool]:
        """Give `holder` the session of `key`, taking it from the connection that has it.

        Returns:
            The session, and whether it was there before (Session Present).
        """
        session = self._sessions.get(key)
        if session is not None and session.holder is not None:
            session.holder.displaced()
            session = self._sessions.get(key)
        if session is not None:
            self._reattach(session)
            if clean_start:
                self._end(session)
                session = None
        present = session is not None
        if session is None:
            session = Session(key, expiry_seconds, holder)
            self._sessions[key] = session
        else:
            # The client came back in time, so nobody hears of its absence [MQTT-3.1.3-9].
            session._will = None  # noqa: SLF001 - the two classes of this file are one
            session.holder = holder
            session.expiry_seconds = expiry_seconds
        return session, present

    def detach(self, session: Session, will: Callable[[], None] | None, will_delay_seconds: int) -> None:
        """Note that the connection of the session is gone.

        Args:
            session: Attached session.
            will: Publishes the Will; None when there is none or the client took it back.
            will_delay_seconds: After this time, or when the session ends if that is earlier, the Will is published.
        """
        session.holder = None
        session._will = will  # noqa: SLF001
        if not session.expiry_seconds:
            self._end(session)
            return
        if will is not None and not will_delay_seconds:
            _publish_will(session)
        elif will is not None:
            session._will_timer = self._clock.call_later(will_delay_seconds, lambda: _publish_will(session))  # noqa: SLF001
        if session.expiry_seconds != NEVER_EXPIRES:
            session._expiry_timer = self._clock.call_later(  # noqa: SLF001
                session.expiry_seconds, lambda: self._expire(session)
            )
        self._detached[session.key] = len(session.incoming)
        self._detached_packet_ids += len(session.incoming)
        while len(self._detached) > self._max_detached or self._detached_packet_ids > self._max_detached_packet_ids:
            self._expire(self._sessions[next(iter(self._detached))])

    def close(self) -> None:
        """End all sessions without a connection and publish their Wills that still wait: the process stops."""
        for key in list(self._detached):
            self._expire(self._sessions[key])

    def _expire(self, session: Session) -> None:
        """End a detached session."""
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
        if self._sessions.get(session.key) is session:
            del self._sessions[session.key]
        _publish_will(session)


def _publish_will(session: Session) -> None:
    """Publish the Will once."""
    will, session._will = session._will, None  # noqa: SLF001
    if will is not None:
        will()
