"""What one connection is sent beside its answers: commands and configuration, within the limits that the client set."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from dataflow_bridge.listener.connection import Connection
    from dataflow_bridge.listener.dialect import Dialect
    from dataflow_bridge.listener.seams import Clock

_MAX_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message for a device."""

    name: str
    """Tells it from the others: the id of a command, or the version of a configuration."""
    topic: str
    pattern: str
    """The filter that a connection must have to get it."""
    payload: bytes
    until: float | None = None
    """When it is no longer of use, on the monotonic clock."""
    retain: bool = False
    sent_as: tuple[str, int] | None = None
    """Client id and packet id under which it was sent before: then it is a duplicate."""


class Postmaster(Protocol):
    """Who hands out parcels and wants to know what became of them."""

    def enter(self, outgoing: Outgoing) -> None:
        """Begin to send to a connection; called again when its subscriptions change."""

    def leave(self, outgoing: Outgoing) -> None:
        """Stop: the connection is gone."""

    def sent(self, parcel: Parcel, client_id: str, packet_id: int) -> None:
        """Note that a parcel is on its way."""

    def delivered(self, outgoing: Outgoing, parcel: Parcel, detail: str) -> None:
        """Note that the client has it, or that it can not take it: `detail` says why."""

    def acknowledged(self, device_id: str, command_id: str, payload: bytes) -> None:
        """Note that the device answered a command."""


class Outgoing:
    """The parcels of one connection.

    Args:
        connection: Writes.
        dialect: Encodes.
        postmaster: Told what became of each parcel.
        clock: Time.
        device_id: Whose parcels.
        client_id: Of the connection.
        receive_maximum: Unacknowledged parcels that the client takes.
        max_packet_bytes: The longest packet that it takes.
    """

    __slots__ = (
        "_clock",
        "_connection",
        "_dialect",
        "_max_packet_bytes",
        "_next_id",
        "_postmaster",
        "_receive_maximum",
        "_seen",
        "_unacknowledged",
        "_waiting",
        "client_id",
        "config_wanted",
        "device_id",
        "granted",
    )

    def __init__(
        self,
        connection: Connection,
        dialect: Dialect,
        postmaster: Postmaster,
        clock: Clock,
        *,
        device_id: str,
        client_id: str,
        receive_maximum: int,
        max_packet_bytes: int,
    ) -> None:
        """Send nothing until something is granted."""
        self.device_id = device_id
        self.client_id = client_id
        self.granted: dict[str, int] = {}
        """Filters with their QoS."""
        self.config_wanted = False
        """The client has just subscribed: it gets the configuration, whatever it had before."""
        self._connection = connection
        self._dialect = dialect
        self._postmaster = postmaster
        self._clock = clock
        self._receive_maximum = receive_maximum
        self._max_packet_bytes = max_packet_bytes
        self._next_id = 1
        self._waiting: deque[Parcel] = deque()
        self._unacknowledged: dict[int, Parcel] = {}
        self._seen: dict[str, None] = {}

    def offer(self, parcel: Parcel) -> None:
        """Send a parcel, as soon as the client takes one more; one that it had on this connection is not sent again."""
        if parcel.name in self._seen or parcel.pattern not in self.granted:
            return
        self._seen[parcel.name] = None
        if len(self._seen) > _MAX_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._waiting.append(parcel)
        self._send()

    def again(self, name: str) -> None:
        """Let a parcel be offered again."""
        self._seen.pop(name, None)

    def acknowledged(self, packet_id: int, code: int) -> None:
        """Take a PUBACK; one for a parcel of an earlier connection means nothing."""
        parcel = self._unacknowledged.pop(packet_id, None)
        if parcel is not None:
            detail = "" if code < 0x80 else f"the client refused it with 0x{code:02X}"
            self._postmaster.delivered(self, parcel, detail)
            self._send()

    def _send(self) -> None:
        """Send what may be sent."""
        while self._waiting and len(self._unacknowledged) < self._receive_maximum and not self._connection.closed:
            parcel = self._waiting.popleft()
            left = None if parcel.until is None else parcel.until - self._clock.monotonic()
            qos = self.granted.get(parcel.pattern)
            if qos is None or (left is not None and left <= 0):
                continue
            packet_id = self._packet_id(parcel) if qos else 0
            packet = self._dialect.publish(
                parcel.topic,
                parcel.payload,
                qos=qos,
                packet_id=packet_id,
                duplicate=bool(qos) and parcel.sent_as is not None,
                retain=parcel.retain,
                expiry_seconds=None if left is None else max(1, int(left)),
            )
            if len(packet) > self._max_packet_bytes:
                text = f"its packet of {len(packet)} bytes is longer than the client takes ({self._max_packet_bytes})"
                self._postmaster.delivered(self, parcel, text)
                continue
            if qos:
                self._unacknowledged[packet_id] = parcel
            self._connection.write(packet)
            self._postmaster.sent(parcel, self.client_id, packet_id)
            if not qos:
                self._postmaster.delivered(self, parcel, "")

    def _packet_id(self, parcel: Parcel) -> int:
        """Return the one under which this client had the parcel before [MQTT-4.4.0-1], or a free one."""
        if parcel.sent_as is not None:
            client_id, packet_id = parcel.sent_as
            if client_id == self.client_id and packet_id and packet_id not in self._unacknowledged:
                return packet_id
        while self._next_id in self._unacknowledged:
            self._next_id = self._next_id % 0xFFFF + 1
        packet_id = self._next_id
        self._next_id = self._next_id % 0xFFFF + 1
        return packet_id
