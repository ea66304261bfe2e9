"""Settings of a bridge."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from dataflow_mesh.settings import MeshSettings, is_address


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSettings(MeshSettings):
    """What can be set about a bridge."""

    table: ClassVar[str] = "bridge"

    bridge_id: str = field(
        default_factory=socket.gethostname, metadata={"help": "Name of this bridge, the same after a restart."}
    )
    state_dir: Path = field(
        default=Path("state"), metadata={"help": "Where the bridge remembers the ring's members, with their passwords."}
    )
    mqtt_listen: str = field(default="127.0.0.1:1883", metadata={"help": "host:port of MQTT over TCP; empty: none."})
    mqtt_websocket_listen: str = field(default="", metadata={"help": "host:port of MQTT over WebSocket; empty: none."})
    mqtt_allow_anonymous: bool = field(
        default=False, metadata={"help": "Let clients in without a token also beyond loopback."}
    )
    ring_nodes: tuple[str, ...] = field(
        default=(), metadata={"help": "name=redis://host:port, admitted at the first start.", "secret": True}
    )
    copies: int = field(default=2, metadata={"help": "On how many ring nodes a batch must be."})
    min_copies: int = field(
        default=0,
        metadata={
            "help": "Acknowledge with fewer copies when nodes are away; 0: as many as copies. Less suspends promise 5."
        },
    )
    batch_horizon_hours: float = field(
        default=24.0,
        metadata={"help": "A ring node that was away for longer leaves the ring; what it brings back is parked."},
    )
    node_disk_bytes: int = field(
        default=0,
        metadata={"help": "What the append-only file of one ring node may take; at 80 % it is FULL. 0: not limited."},
    )
    memory_budget_bytes: int = field(
        default=64 * 1024 * 1024, metadata={"help": "Bytes of messages that may wait in this process."}
    )

    slow_down_seconds: float = field(
        default=5.0,
        metadata={
            "help": "Age of the ring's oldest batch from which sources are slowed, if the validators fall back further. "
            "0: only when the ring is full."
        },
    )

    def problems(self) -> list[str]:
        """Return what is wrong with the values together."""
        found = MeshSettings.problems(self)
        found += [
            f"{name}: {value!r} is not host:port"
            for name, value in (
                ("mqtt_listen", self.mqtt_listen),
                ("mqtt_websocket_listen", self.mqtt_websocket_listen),
            )
            if value and not is_address(value)
        ]
        if not self.postgres_dsn:
            found.append("postgres_dsn: needed")
        if self.token_file is None:
            found.append("token_file: needed")
        if not 1 <= self.copies <= 5:
            found.append(f"copies: {self.copies} is not in 1 to 5")
        if not 0 <= self.min_copies <= self.copies:
            found.append(f"min_copies: {self.min_copies} is not in 0 to copies ({self.copies})")
        if self.batch_horizon_hours <= 0:
            found.append(f"batch_horizon_hours: {self.batch_horizon_hours} is not above 0")
        if self.node_disk_bytes < 0:
            found.append(f"node_disk_bytes: {self.node_disk_bytes} is negative")
        if self.slow_down_seconds < 0:
            found.append(f"slow_down_seconds: {self.slow_down_seconds} is negative")
        if self.memory_budget_bytes < 4 * 1024 * 1024:
            found.append(f"memory_budget_bytes: {self.memory_budget_bytes} is below 4 MiB")
        found += [
            f"ring_nodes: {entry.partition('=')[0]!r} is not name=redis://host:port"
            for entry in self.ring_nodes
            if "=redis://" not in entry and "=rediss://" not in entry
        ]
        return found

    @property
    def seeds(self) -> dict[str, str]:
        """Names and URLs of the nodes to admit at the first start."""
        return dict(entry.split("=", 1) for entry in self.ring_nodes)
