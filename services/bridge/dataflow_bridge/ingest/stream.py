"""One StreamMessages call: reads while there is room, answers in the order of the requests."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from dataflow.bridge.v1.ingest_service_pb2 import StreamMessagesRequest, StreamMessagesResponse
from dataflow_mesh.errors import ShuttingDownError

from dataflow_bridge.errors import RingUnavailableError
from dataflow_bridge.ingest.messages import sift
from dataflow_bridge.ingest.receipt import Receipt, cost_of, submit
from dataflow_bridge.listener.budget import Budget
from dataflow_bridge.listener.seams import Intake

MAX_UNANSWERED: Final = 256
"""Batches that are read ahead of their responses: bounds what a sender costs that never reads any."""
_ANSWER_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class _Owed:
    """A batch that was read and is not answered."""

    response: StreamMessagesResponse
    receipt: Receipt
    taken_count: int


class MessageStream:
    """The life of one stream.

    A task reads and submits, the servicer's own answers; both end with the call, however it ends. What was submitted
    stays on its way then: the batcher gives its bytes back to the budget.

    Args:
        intake: Where messages go.
        budget: Without room in it nothing is read: gRPC's flow control then slows the sender.
        answer_seconds: How long the oldest batch may wait for the ring before the stream ends.
    """

    def __init__(self, intake: Intake, budget: Budget, *, answer_seconds: float = _ANSWER_SECONDS) -> None:
        self._intake = intake
        self._budget = budget
        self._answer_seconds = answer_seconds
        self._owed: deque[_Owed] = deque()
        self._changed = asyncio.Event()

    async def serve(
        self,
        requests: AsyncIterator[StreamMessagesRequest],
        write: Callable[[StreamMessagesResponse], Awaitable[None]],
        stopping: asyncio.Event,
    ) -> None:
        """Answer every batch until the sender closes its half.

        Raises:
            ShuttingDownError: The bridge stops; everything that was read is answered.
            RingUnavailableError: The oldest batch found too few nodes in time.
            InvalidRequestError: A batch broke a rule; those before it are answered.
        """
        reader = asyncio.create_task(self._read(requests), name="ingest-stream-read")
        reader.add_done_callback(lambda _: self._changed.set())
        stop = asyncio.create_task(stopping.wait(), name="ingest-stream-stop")
        stop.add_done_callback(lambda _: reader.cancel())
        try:
            await self._answer(reader, write)
            if reader.cancelled():
                raise ShuttingDownError
            reader.result()
        finally:
            stop.cancel()  # and the reader with it
            await asyncio.wait([reader, stop])

    async def _read(self, requests: AsyncIterator[StreamMessagesRequest]) -> None:
        """Submit batch after batch; between reading one and submitting it nothing is awaited, so none is forgotten."""
        await self._room()
        async for request in requests:
            response = StreamMessagesResponse(sequence=request.sequence)
            taken = sift(request.messages, response.rejected)
            # Without asking: its bytes are here already, and counting them keeps everybody from reading more.
            self._budget.take(cost_of(taken))
            self._owed.append(_Owed(response, submit(taken, self._intake), len(taken)))
            self._changed.set()
            del request, taken  # while nothing comes, nothing is held
            await self._room()

    async def _room(self) -> None:
        """Wait until the budget has room and the sender has taken enough of its responses."""
        while self._budget.available_bytes <= 0:
            room = asyncio.get_running_loop().create_future()

            def wake(room: asyncio.Future[None] = room) -> None:
                if not room.done():
                    room.set_result(None)

            self._budget.wait(wake)
            try:
                await room
            finally:
                self._budget.forget(wake)
        while len(self._owed) >= MAX_UNANSWERED:
            self._changed.clear()
            await self._changed.wait()

    async def _answer(
        self, reader: asyncio.Task[None], write: Callable[[StreamMessagesResponse], Awaitable[None]]
    ) -> None:
        """Answer in order until nothing is owed and nothing more will be read."""
        while self._owed or not reader.done():
            if not self._owed:
                self._changed.clear()
                await self._changed.wait()
                continue
            owed = self._owed[0]
            await self._durable(owed.receipt)
            owed.response.accepted_count = owed.taken_count
            await write(owed.response)
            self._owed.popleft()
            self._changed.set()

    async def _durable(self, receipt: Receipt) -> None:
        try:
            async with asyncio.timeout(self._answer_seconds):
                durable = await receipt.done
        except TimeoutError as error:
            raise RingUnavailableError(retry_after_seconds=1.0) from error
        if not durable:
            raise ShuttingDownError("the bridge stops; send what was not answered again, with the same message ids")
