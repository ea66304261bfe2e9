"""How much more the ring can take while nothing is stored, and when that is an alarm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dataflow_stack.node_probe import NodeFill

WARNING_SHARE: Final = 0.5
"""From here on somebody should look why so much waits."""
FULL_SHARE: Final = 0.8
"""From here on bridges append nothing more, and devices are slowed."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """The ring as a buffer.

    Attributes:
        shares: How much of its memory each node uses, 0 to 1, by name.
        left_seconds: How long the ring could take what arrives now if nothing were stored; None: nothing arrives, or
            nobody knows.
    """

    shares: Mapping[str, float]
    left_seconds: float | None

    @property
    def share(self) -> float:
        """How much of the fullest node's memory is used."""
        return max(self.shares.values(), default=0.0)

    def alarms(self) -> list[str]:
        """Returns what somebody should know now."""
        left = (
            "" if self.left_seconds is None else f"; {duration(self.left_seconds)} of buffer left at the present rate"
        )
        return [
            f"{name} is full: it uses {share:.0%} of its memory, bridges append nothing more to it{left}"
            if share >= FULL_SHARE
            else f"{name} uses {share:.0%} of its memory: more arrives than is stored{left}"
            for name, share in sorted(self.shares.items())
            if share >= WARNING_SHARE
        ]

    def document(self) -> dict[str, Any]:
        """Returns it for the status."""
        return {
            "share": round(self.share, 3),
            "shares": {name: round(share, 3) for name, share in self.shares.items()},
            "buffer_left_seconds": None if self.left_seconds is None else round(self.left_seconds, 1),
            "alarms": self.alarms(),
        }


def buffer_of(fills: Mapping[str, NodeFill | None], left: Sequence[float]) -> Buffer:
    """Puts together what nodes and bridges say.

    Args:
        fills: By node; None for one that does not answer.
        left: What each bridge reckons, in seconds: they know of each other's rates, so the least one is the safe one.
    """
    shares = {name: fill.share for name, fill in fills.items() if fill is not None}
    return Buffer(shares, min(left, default=None))


def duration(seconds: float) -> str:
    """Returns a length of time for people."""
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 2 * 60 else f"{seconds:.0f} s"


def line(ring: Mapping[str, Any]) -> str:
    """Returns the ring of a status as one line."""
    left = ring["buffer_left_seconds"]
    return f"ring {ring['share']:.0%} full" + ("" if left is None else f", {duration(left)} of buffer left")
