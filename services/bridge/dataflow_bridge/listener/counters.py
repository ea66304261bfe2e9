"""What the listener counts: plain numbers, which telemetry reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Totals since the start of the process; `connections` is the number open now."""

    connections: int = 0
    """Open now, whether or not their CONNECT has come."""
    connections_total: int = 0
    """Accepted by the operating system."""
    connects_accepted: int = 0
    """CONNECT packets answered with success."""
    refusals: Counter[str] = field(default_factory=Counter)
    """CONNECTs refused and messages refused for good, by reason code name in lower case."""
    disconnects: Counter[str] = field(default_factory=Counter)
    """Ends of accepted connections, by reason."""
    take_overs: int = 0
    """Connections closed since their client id connected again."""
    messages_qos0: int = 0
    messages_qos1: int = 0
    messages_qos2: int = 0
    """Messages handed to the intake, by their QoS."""
    qos0_lost: int = 0
    """QoS 0 messages that were received and dropped when an overloaded connection was closed."""
    bytes_received: int = 0
    bytes_sent: int = 0
    """MQTT bytes, without TLS and WebSocket framing."""
    pauses: int = 0
    """Times that a connection was not read for lack of room, for its rate, or since it does not read answers."""
    pauses_expired: int = 0
    """Pauses that ended the connection."""
