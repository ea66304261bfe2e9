"""What was asked of `dataflow up`."""

from dataclasses import dataclass
from pathlib import Path


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
    """

    data_dir: Path
    port_base: int | None = None
    fleet: bool = True
    nodes: int = 3
    bridges: int = 1
    validators: int = 2
    insights: int = 1
