"""One stream entry as a reader gets it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Origin(enum.Enum):
    """How an entry came to this reader."""

    NEW = "new"
    """Never handed out before."""
    SUSPECT = "suspect"
    """Its reader died or froze while it had it: it may have been the cause."""
    ORPHAN = "orphan"
    """A further copy whose first copy is gone or unreachable."""
    RETURNED = "returned"
    """Its node had left the ring with it, and came back: it is parked."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream entry as a reader gets it."""

    node: str
    stream: bytes
    entry_id: bytes
    batch_id: bytes
    data: bytes
    origin: Origin
