"""Events between the task that makes an answer and the call that sends them: one is made while one is sent, no more."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from dataflow.insight.v1 import ask_service_pb2

Tell = Callable[[ask_service_pb2.AskResponse], Awaitable[None]]
"""Gives the asker an event; waits while the asker is slow."""

_WAITING: Final = 2
"""Events that may wait for a slow reader before the producer does."""


class EventStream:
    """A short line of events with one producer, a task, and one reader."""

    def __init__(self) -> None:
        self._events: deque[ask_service_pb2.AskResponse] = deque()
        self._ready = asyncio.Event()
        self._room = asyncio.Event()

    async def tell(self, event: ask_service_pb2.AskResponse) -> None:
        """Adds an event; waits for room."""
        while len(self._events) >= _WAITING:
            self._room.clear()
            await self._room.wait()
        self._events.append(event)
        self._ready.set()

    async def read(self, producer: "asyncio.Task[None]") -> AsyncIterator[ask_service_pb2.AskResponse]:
        """Yields the events until the producer has ended and all are read.

        Raises:
            Exception: What the producer raised, after its last event.
        """
        # A producer that ends needs no room for a last word: its end itself wakes the reader.
        producer.add_done_callback(lambda _: self._ready.set())
        while True:
            while self._events:
                event = self._events.popleft()
                self._room.set()
                yield event
            if producer.done():
                await producer
                return
            self._ready.clear()
            await self._ready.wait()


@asynccontextmanager
async def produced(
    produce: Callable[[Tell], Awaitable[None]],
) -> AsyncIterator[AsyncIterator[ask_service_pb2.AskResponse]]:
    """Runs a producer in a task of its own beside its reader; leaving the context cancels it and waits for its end."""
    stream = EventStream()

    async def run() -> None:
        await produce(stream.tell)

    task = asyncio.create_task(run(), name="answer")
    try:
        yield stream.read(task)
    finally:
        task.cancel()
        # wait() and not the task itself: what it raised has been read or is of no interest, and a second cancellation
        # of the reader is still one.
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
