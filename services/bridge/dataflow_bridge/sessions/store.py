"""What the bridges agree on about MQTT sessions: the values of a session store, and its Protocol.

Every method takes many sessions at once: in a reconnect storm one statement serves hundreds of clients.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

SessionKey = tuple[str, str]
"""Name of the identity, client id: clients of different identities never share, take over or end a session."""


@dataclass(frozen=True, slots=True)
class StoredWill:
    """A Last Will as far as the bridge publishes it."""

    topic: str
    payload: bytes
    device_id: str | None
    content_type: str | None
    message_id: str | None
    """The sender's own id."""

    def document(self) -> dict[str, str | None]:
        """Return it as JSON can hold it."""
        return {
            "topic": self.topic,
            "payload": self.payload.hex(),
            "device_id": self.device_id,
            "content_type": self.content_type,
            "message_id": self.message_id,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return the Will of a document."""
        return cls(
            document["topic"],
            bytes.fromhex(document["payload"]),
            document["device_id"],
            document["content_type"],
            document["message_id"],
        )


@dataclass(frozen=True, slots=True)
class Late:
    """Says that a connection is claimed some time after it was made: Postgres was away, or the bridge frozen."""

    age_seconds: float
    """Time since the connection was made."""
    epoch: int
    """The epoch that it had; 0 for none."""
    subscriptions: Mapping[str, int]
    """What it has subscribed to meanwhile."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A connection that wants its session."""

    key: SessionKey
    device_id: str | None
    clean_start: bool
    expiry_seconds: int
    will: StoredWill | None = None
    will_delay_seconds: int = 0
    late: Late | None = None
    """Set when the client was let in before it could be claimed; then a newer connection elsewhere keeps the session."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The session is this bridge's."""

    epoch: int
    present: bool
    """State of an earlier connection was there."""
    subscriptions: Mapping[str, int] = field(default_factory=dict)
    """Granted filters with their QoS, when it was."""
    previous_epoch: int | None = None
    """Epoch of the connection before; None when there was no row."""
    taken_from: UUID | None = None
    """Boot id of the bridge that had the session, which may be this one; None when there was no row."""
    left_will: StoredWill | None = None
    """The Will of the connection before: due, by the rules of MQTT, since the session ended or was taken over."""


@dataclass(frozen=True, slots=True)
class Release:
    """A connection that ended."""

    key: SessionKey
    epoch: int
    expiry_seconds: int
    """0 ends the session."""
    keep_will: bool
    """False when the client took its Will back by saying goodbye."""


class Standing(enum.Enum):
    """How a bridge stands to a session."""

    HELD = "held"
    """The session has the epoch and is connected."""
    DROPPED = "dropped"
    """Nobody else has claimed it, but it was ended, or given up for dead: it has to be claimed again."""
    LOST = "lost"
    """It has a higher epoch: somebody else has it."""


@dataclass(frozen=True, slots=True)
class DueWill:
    """A Will that has to be published."""

    key: SessionKey
    epoch: int
    will: StoredWill


class SessionStore(Protocol):
    """Where sessions are kept. Every method raises `SessionStoreAwayError` when it cannot be reached."""

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed | None]:
        """Give this bridge the sessions, each key once; None for a late claim that a newer connection has beaten.

        The bridges that had the sessions are told the epochs which they lost.
        """

    async def release(self, releases: Sequence[Release]) -> list[bool]:
        """Note that connections ended; tell for each whether it still had the session, with its Will if that is kept.

        Only then the Will may be published: the leader has done so when it took this bridge for dead. For one that was taken over and has said goodbye, the Will that the claim
        made due is taken back.
        """

    async def subscribe(self, subscriptions: Mapping[SessionKey, tuple[int, Mapping[str, int]]]) -> None:
        """Keep what the sessions, by their epochs, are subscribed to."""

    async def standing(self, epochs: Mapping[SessionKey, int]) -> list[Standing]:
        """Tell for each session, in order, whether its epoch still holds."""

    async def due(self, epochs: Mapping[SessionKey, int]) -> set[SessionKey]:
        """Return those sessions without a connection whose epoch still holds: their Wills may be published."""

    async def take_left(self, epochs: Mapping[SessionKey, int]) -> list[DueWill]:
        """Return the Wills of connections with these epochs that were taken over and did not say goodbye."""

    async def published(self, epochs: Mapping[SessionKey, int]) -> None:
        """Note that the Wills of these epochs are durable on the ring: nobody publishes them again."""


class SessionStoreAwayError(Exception):
    """The store does not answer."""
