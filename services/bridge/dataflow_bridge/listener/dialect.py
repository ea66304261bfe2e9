"""What differs between the protocol versions: a dialect reads control packets and writes answers, without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from mqtt5 import (
        AuthPacket,
        ConnectPacket,
        DisconnectPacket,
        PingReqPacket,
        PubAckPacket,
        PubCompPacket,
        PubRecPacket,
        PubRelPacket,
        SubscribePacket,
        UnsubscribePacket,
    )

    from dataflow_bridge.listener.reason import Reason

    ClientPacket = (
        ConnectPacket
        | PubAckPacket
        | PubRecPacket
        | PubRelPacket
        | PubCompPacket
        | SubscribePacket
        | UnsubscribePacket
        | PingReqPacket
        | DisconnectPacket
        | AuthPacket
    )

Version = Literal["3.1.1", "5"]


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a successful CONNACK says; MQTT 3.1.1 carries only the first."""

    session_present: bool
    session_expiry_seconds: int | None
    """None when the client's own value holds."""
    assigned_client_id: str | None
    server_keep_alive_seconds: int | None
    receive_maximum: int
    topic_alias_maximum: int
    max_packet_bytes: int


class Dialect(Protocol):
    """One protocol version, for one connection."""

    @property
    def version(self) -> Version:
        """Name of the version."""

    def read(self, packet: bytes) -> ClientPacket:
        """Read one whole control packet that is not a PUBLISH.

        Raises:
            Violation: Malformed, or nothing that a client may send.
        """

    def welcome(self, welcome: Welcome) -> bytes:
        """Write a CONNACK that accepts."""

    def refuse(self, code: Reason, text: str) -> bytes:
        """Write a CONNACK that refuses; empty where the version has no code for it."""

    def puback(self, packet_id: int, code: Reason, text: str) -> bytes:
        """Write a PUBACK with a failure code; empty where the version has none: then the connection has to end."""

    def pubrec(self, packet_id: int, code: Reason, text: str) -> bytes:
        """Write a PUBREC with a failure code, as `puback`."""

    def pubcomp(self, packet_id: int, code: Reason) -> bytes:
        """Write a PUBCOMP."""

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        packet_id: int,
        duplicate: bool,
        retain: bool,
        expiry_seconds: int | None,
    ) -> bytes:
        """Write a PUBLISH with a JSON payload; `expiry_seconds` is left out where the version has no such thing."""

    def suback(self, packet_id: int, codes: list[Reason]) -> bytes:
        """Write a SUBACK."""

    def unsuback(self, packet_id: int, codes: list[Reason]) -> bytes:
        """Write an UNSUBACK."""

    def disconnect(self, code: Reason, text: str) -> bytes:
        """Write a DISCONNECT; empty where a server can not send one."""
