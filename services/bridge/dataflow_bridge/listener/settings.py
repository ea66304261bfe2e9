"""What can be set about the listener: one frozen value, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MEBIBYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """Limits for each device (or, without an authenticated device, each connection); None means no limit."""

    messages_per_second: float | None = None
    """Sustained rate, with a burst of one second; above it the connection is read more slowly."""
    payload_bytes: int | None = None
    """A larger payload is refused for good (PUBACK 0x97; MQTT 3.1.1 and QoS 0: the connection ends)."""
    connections: int | None = None
    """Connections at one time; one more is refused at CONNECT."""


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """Settings of one listener.

    Raises:
        ValueError: A value is out of its range; the message names all of them.
    """

    listen: str = "127.0.0.1:1883"
    """`host:port` for MQTT over TCP; port 0 takes a free one; empty for none."""
    websocket_listen: str = ""
    """`host:port` for MQTT over WebSocket; empty for none."""
    websocket_origins: tuple[str, ...] = ()
    """Origins whose web pages may connect; clients that are no browser send none and always may."""
    insecure_listen: bool = False
    """Allow listening beyond loopback without TLS."""
    max_packet_bytes: int = MEBIBYTE + 64 * 1024
    """Announced to MQTT 5 clients and enforced: 1 MiB of payload, and room for topic and properties."""
    max_connect_bytes: int = 64 * 1024
    """The longest CONNECT packet: the only one that is read from somebody unknown; it bounds the Will, too."""
    max_topic_bytes: int = 1024
    """The longest topic name."""
    max_client_id_bytes: int = 1024
    """The longest client identifier."""
    receive_maximum: int = 4096
    """Unacknowledged QoS 1 and 2 messages that an MQTT 5 client may have on the way."""
    topic_alias_maximum: int = 16
    """Topic aliases of one MQTT 5 connection."""
    max_keep_alive_seconds: int = 1800
    """The longest keep-alive of an MQTT 5 client (and what one without any gets); 0 for what the client asks."""
    max_session_expiry_seconds: int = 86_400
    """How long a session outlives its connection at most."""
    connect_timeout_seconds: float = 10.0
    """From accepting a connection (with TLS and WebSocket handshake) to its CONNECT."""
    packet_timeout_seconds: float = 120.0
    """From the first to the last byte of one packet."""
    max_pause_seconds: float = 5.0
    """How long a connection waits for room, at most; half its keep-alive if that is shorter."""
    max_connections: int = 20_000
    """Open connections of this process; one more is closed at once."""
    connects_per_second: float = 2_000.0
    """CONNECT packets that are judged, with a burst of one second; the others are told to come back."""
    write_buffer_bytes: int = 64 * 1024
    """Unread answers of one client before its connection is not read any more."""
    receive_buffer_bytes: int = 64 * 1024
    """Kernel receive buffer of one connection: bounds what is read at once, and so what is held when there is no room."""
    device_limits: DeviceLimits = DeviceLimits()
    """Limits for each device, off by default."""

    def __post_init__(self) -> None:
        """Check all ranges at once."""
        problems = [
            f"{name} must be {what}, got {value!r}"
            for name, value, low, high, what in (
                ("max_packet_bytes", self.max_packet_bytes, 1024, 268_435_460, "1024 to 268435460"),
                ("max_connect_bytes", self.max_connect_bytes, 1024, self.max_packet_bytes, "1024 to max_packet_bytes"),
                ("max_topic_bytes", self.max_topic_bytes, 1, 65_535, "1 to 65535"),
                ("max_client_id_bytes", self.max_client_id_bytes, 23, 65_535, "23 to 65535"),
                ("receive_maximum", self.receive_maximum, 1, 65_535, "1 to 65535"),
                ("topic_alias_maximum", self.topic_alias_maximum, 0, 65_535, "0 to 65535"),
                ("max_keep_alive_seconds", self.max_keep_alive_seconds, 0, 65_535, "0 to 65535"),
                ("max_session_expiry_seconds", self.max_session_expiry_seconds, 0, 0xFFFFFFFE, "0 to 4294967294"),
                ("max_connections", self.max_connections, 1, 1 << 30, "positive"),
            )
            if not low <= value <= high
        ]
        problems += [
            f"{name} must be positive, got {value!r}"
            for name, value in (
                ("connect_timeout_seconds", self.connect_timeout_seconds),
                ("packet_timeout_seconds", self.packet_timeout_seconds),
                ("max_pause_seconds", self.max_pause_seconds),
                ("connects_per_second", self.connects_per_second),
                ("write_buffer_bytes", self.write_buffer_bytes),
                ("receive_buffer_bytes", self.receive_buffer_bytes),
            )
            if value <= 0
        ]
        if problems:
            raise ValueError("; ".join(problems))
