"""Every request that is answered once has a deadline, and whoever serves it can see how much is left."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from google.protobuf.message import Message

from dataflow_mesh.errors import DeadlineExceededError
from dataflow_mesh.interceptors.call import Call, set_deadline


class DeadlineStep:
    """Ends requests at their deadline.

    Args:
        default_seconds: For callers that set none.
        default_stream_seconds: The same for streams of responses; None: they may be endless.
    """

    def __init__(self, default_seconds: float = 30.0, default_stream_seconds: float | None = None) -> None:
        self._default_seconds = default_seconds
        self._default_stream_seconds = default_stream_seconds

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Cancels the servicer when its time is up and answers DEADLINE_EXCEEDED."""
        seconds: float | None = call.context.time_remaining()  # None without a deadline, whatever its type says
        if seconds is None:
            seconds = self._default_stream_seconds if call.response_streaming else self._default_seconds
        set_deadline(None if seconds is None else time.monotonic() + seconds)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                yield
        except TimeoutError as error:
            if limit.expired():
                raise DeadlineExceededError from error
            raise

    def check(self, request: Message) -> None:
        """Deadlines do not depend on requests."""
