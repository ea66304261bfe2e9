"""What was done when, and what of it surrounds a moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

_BEFORE_SECONDS: Final = 10.0
_AFTER_SECONDS: Final = 5.0


@dataclass(slots=True)
class Event:
    """Something that was done to the system."""

    at_seconds: float
    """Since the campaign began."""
    fault: str
    target: str
    detail: str
    acknowledged: int
    """Messages acknowledged by then."""
    over_seconds: float | None = None
    """How long until the target served again; None: it did not, or nobody looked."""

    def __str__(self) -> str:
        """Returns one line for people."""
        over = "" if self.over_seconds is None else f", over after {self.over_seconds:.1f} s"
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.at_seconds:.1f} s: {self.fault} {self.target}{detail}{over}"


@dataclass(slots=True)
class History:
    """All events of a campaign.

    Attributes:
        now: Gives the seconds since it began.
        acknowledged: Gives how many messages were acknowledged so far.
    """

    now: Callable[[], float]
    acknowledged: Callable[[], int]
    events: list[Event] = field(default_factory=list)
    under_way: list[str] = field(default_factory=list)
    """Faults that are not over, or wait for their turn."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Faults that could not be made here, and why."""

    def begin(self, fault: str, target: str, detail: str = "") -> Event:
        """Notes that something is done now."""
        event = Event(round(self.now(), 2), fault, target, detail, self.acknowledged())
        self.events.append(event)
        return event

    def end(self, event: Event) -> None:
        """Notes that the target serves again."""
        event.over_seconds = round(self.now() - event.at_seconds, 2)

    def skip(self, fault: str, why: str) -> None:
        """Notes that a fault was left out."""
        self.skipped[f"{fault}: {why}"] += 1

    def counts(self) -> dict[str, int]:
        """Returns how often each fault was made."""
        return dict(sorted(Counter(event.fault for event in self.events).items()))

    def around(self, first_seconds: float, last_seconds: float) -> list[str]:
        """Returns what was done shortly before, during and shortly after a stretch of time."""
        begin, end = first_seconds - _BEFORE_SECONDS, last_seconds + _AFTER_SECONDS
        return [
            str(event)
            for event in self.events
            if event.at_seconds <= end and event.at_seconds + (event.over_seconds or 0.0) >= begin
        ]

    def document(self) -> list[dict[str, Any]]:
        """Returns all of it for JSON."""
        return [asdict(event) for event in self.events]
