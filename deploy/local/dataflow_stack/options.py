"""What was asked of `dataflow up`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

NODE_MEMORY: Final = 128
"""Megabytes: three nodes and all the rest then stay well below 1.5 GB at any load; see docs/operations.md, capacity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The flags of `dataflow up`.

    Attributes:
        data_dir: The data directory, absolute.
        port_base: First port; 0: any free ones; None: those of the data directory, or the default.
        fleet: Whether simulated devices send.
        nodes: Redis nodes.
        bridges: Bridge processes; they share their ports.
        validators: Validator processes; they share their port.
        insights: Insight processes; they share their port.
        node_memory: Megabytes of each Redis node: what waits there while Postgres is away is bounded by them.
    """

    data_dir: Path
    port_base: int | None = None
    fleet: bool = True
    nodes: int = 3
    bridges: int = 1
    validators: int = 2
    insights: int = 1
    node_memory: int = NODE_MEMORY
