"""Whether a process's heart still beats: it writes a file four times a second."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LATE_SECONDS: Final = 1.0


@dataclass(slots=True)
class Heartbeat:
    """Watches one heartbeat file.

    A file that has never been written does not count: the process is still starting. Time in which nobody looked
    (the supervisor itself was frozen, or the machine slept) does not count either.

    Attributes:
        file: Written by the process.
        limit_seconds: Silence of this length means that it is stuck.
    """

    file: Path
    limit_seconds: float = 2.0
    _last: int = 0
    _changed_at: float = 0.0
    _looked_at: float = 0.0

    def stopped(self, now: float) -> bool:
        """Looks at the file, and returns whether it has been silent for too long.

        Args:
            now: A monotonic clock, in seconds; call it several times within `limit_seconds`.
        """
        missed = now - self._looked_at
        self._looked_at = now
        try:
            last = self.file.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        if last != self._last:
            self._last, self._changed_at = last, now
        elif missed > _LATE_SECONDS:
            self._changed_at = now
        return now - self._changed_at >= self.limit_seconds
