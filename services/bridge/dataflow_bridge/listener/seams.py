"""What the listener asks of the rest of the bridge, and what it offers: four Protocols and their values.

The batcher implements `Intake` and calls `Ack`; the access policy implements `Authenticator`; `Clock` is the only way
in which the listener learns the time.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE_OVERHEAD_BYTES: Final = 512
"""What one message costs in memory beside its topic and payload: objects, list slots, its share of the encoded batch."""


def message_cost(topic: str, payload: bytes) -> int:
    """Return the bytes of budget that one message takes from its submission until its batch is done.

    Whoever submits takes this much from the budget before; the batcher gives back the sum for each finished batch.
    """
    return len(topic) + len(payload) + MESSAGE_OVERHEAD_BYTES


class Ack(Protocol):
    """Whoever is told that messages are durable: a connection."""

    def acknowledged(self, tokens: list[int]) -> None:
        """Note that the messages with these tokens are durable.

        Called at most once per batch and connection, with the tokens in the order in which they were submitted, and
        for batches in the order in which they were opened. Never raises.
        """

    def failed(self, tokens: list[int]) -> None:
        """Note that these messages can not be made durable since the bridge stops.

        The connection closes without PUBACK, so that the client keeps its messages. Never raises.
        """


class Intake(Protocol):
    """Where messages go: the open batch."""

    def submit(
        self,
        topic: str,
        payload: bytes,
        device_id: str | None,
        content_type: str | None,
        message_id: str | None,
        maybe_duplicate: bool,
        receive_time_us: int,
        source: str,
        ack: Ack | None,
        ack_token: int,
    ) -> None:
        """Put one message into the open batch.

        The listener passes all arguments by position: it is called for every message. Never blocks, never raises,
        never calls `ack` before it has returned. `message_cost` has been taken from the budget before the call or is
        taken before the caller returns to the event loop.

        Args:
            topic: Valid topic name, without wildcards and NUL.
            payload: The bytes as sent.
            device_id: Authenticated identity, or None when a route has to find it.
            content_type: MQTT 5 content type.
            message_id: The sender's own id (MQTT 5 user property `message-id`).
            maybe_duplicate: The sender marked it as a resend (DUP).
            receive_time_us: Microseconds since the epoch, UTC.
            source: Name of the source, for example `mqtt` or `bridge`.
            ack: Told when the message is durable; None for QoS 0.
            ack_token: Given back to `ack` unchanged.
        """


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client shows when it connects."""

    client_id: str
    """As sent; empty when the bridge assigns one."""
    username: str | None
    password: bytes | None = field(repr=False)
    certificate_name: str | None
    """Common name of a verified client certificate."""
    peer: str
    """Address of the other end, `host:port`."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a connection belongs to."""

    name: str
    """Of the token or certificate; `anonymous` without credentials. Sessions of different names never meet."""
    role: str
    """Role of `dataflow.access.v1`, for example `DEVICE`."""
    device_id: str | None
    """Set on every message of the connection; None when routes find the device."""


class RefusalReason(enum.Enum):
    """Why an authenticator says no; both protocol versions have a code for each."""

    BAD_CREDENTIALS = "bad_credentials"
    """A password, token or certificate that is not known."""
    NOT_AUTHORIZED = "not_authorized"
    """Known, but its role may not publish; or no credentials where some are needed."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a client is not let in."""

    reason: RefusalReason
    detail: str
    """For the reason string of CONNACK and the log: never contains a secret."""


class Authenticator(Protocol):
    """Decides who a client is."""

    def authenticate(self, credentials: Credentials) -> Identity | Refusal:
        """Return the identity behind the credentials, or the refusal. Never blocks, never raises."""


class TimerHandle(Protocol):
    """A call that may still be cancelled."""

    def cancel(self) -> None:
        """Do not make the call. Harmless after it was made."""


class Clock(Protocol):
    """Time, so that tests can move it."""

    def wall_us(self) -> int:
        """Return microseconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    def call_later(self, delay_seconds: float, callback: Callable[[], None]) -> TimerHandle:
        """Call `callback` on the event loop after the delay."""
