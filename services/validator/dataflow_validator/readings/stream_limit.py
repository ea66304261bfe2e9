"""How many endless or long streams one process serves: what each holds is small, and all together is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dataflow_validator.errors import StreamsExhaustedError

_RETRY_SECONDS = 5.0


class StreamLimit:
    """Counts open streams.

    Args:
        limit: So many at most.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Counts a stream while the context is open.

        Raises:
            StreamsExhaustedError: There are as many as there may be.
        """
        if self._open >= self._limit:
            raise StreamsExhaustedError(metadata={"limit": str(self._limit)}, retry_after_seconds=_RETRY_SECONDS)
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
