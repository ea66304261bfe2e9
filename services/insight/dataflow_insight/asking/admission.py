"""How many answers a caller may have in the making, so that one caller cannot take all queries of a process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from dataflow_mesh.names import INSIGHT_RUNNING
from dataflow_mesh.telemetry import up_down_counter

from dataflow_insight.asking.errors import AsksExhaustedError


class Admission:
    """Counts the answers in the making by caller.

    Args:
        limit: Most for one caller.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: Counter[str] = Counter()

    @property
    def running(self) -> int:
        """Answers in the making, of all callers."""
        return self._running.total()

    @contextmanager
    def admitted(self, caller: str) -> Iterator[None]:
        """Counts an answer for the length of the context.

        Raises:
            AsksExhaustedError: The caller has as many as it may.
        """
        if self._running[caller] >= self._limit:
            raise AsksExhaustedError(metadata={"limit": str(self._limit)}, retry_after_seconds=1.0)
        self._running[caller] += 1
        up_down_counter(INSIGHT_RUNNING).add(1)
        try:
            yield
        finally:
            up_down_counter(INSIGHT_RUNNING).add(-1)
            self._running[caller] -= 1
            if not self._running[caller]:
                del self._running[caller]
