"""Ends endless streams when the server stops, so that they do not eat the time of those that have work to finish."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from google.protobuf.message import Message

from dataflow_mesh.errors import ShuttingDownError
from dataflow_mesh.interceptors.call import Call


class DrainStep:
    """Knows the open streams of responses."""

    def __init__(self) -> None:
        self._streams: set[asyncio.Timeout] = set()
        self._draining = False

    def end_streams(self, after_seconds: float) -> None:
        """Gives open streams this long to end themselves, then answers UNAVAILABLE (SHUTTING_DOWN) for them."""
        self._draining = True
        ends_at = asyncio.get_running_loop().time() + after_seconds
        for limit in self._streams:
            limit.reschedule(ends_at)

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Lets `end_streams` reach a stream; leaves RPCs with one response alone."""
        if not call.response_streaming:
            yield
            return
        if self._draining:
            raise ShuttingDownError
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._streams.add(limit)
                try:
                    yield
                finally:
                    self._streams.discard(limit)
        except TimeoutError as error:
            if limit.expired():
                raise ShuttingDownError from error
            raise

    def check(self, request: Message) -> None:
        """Draining does not depend on requests."""
