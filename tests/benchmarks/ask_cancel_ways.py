"""Ways to leave an answer before its end, each at a moment of its own."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import grpc.aio
from dataflow.insight.v1 import ask_service_pb2, ask_service_pb2_grpc
from dataflow_mesh.channel import open_channel

from tests.ask_process import Insight

QUESTIONS: Final = (
    "What was the average temperature in room-a?",
    "What was the median co2 in room-b?",
    "How many readings are there per room?",
    "What was the highest pm25 at Tiantan on 2014-01-16?",
    "Which station had the highest average pm10?",
    "On how many days did the daily average PM2.5 at Gucheng exceed 150?",
    "What is the meaning of life?",
)


@dataclass
class Leaver:
    """Asks and leaves.

    Attributes:
        insight: Who is asked.
        random: Chooses questions, moments and ways.
        engines: What requests may ask for.
        left: How often an answer was left, by what had come last.
    """

    insight: Insight
    random: random.Random
    engines: tuple[str, ...] = ("local",)
    left: Counter[str] = field(default_factory=Counter)

    async def leave_one(self, stub: Any) -> None:
        """Begins an answer and leaves it somewhere."""
        way = self.random.choice(_WAYS)
        await way(self, stub)

    def request(self) -> ask_service_pb2.AskRequest:
        """Returns a question; one of four is asked in a new conversation."""
        question, engine = self.random.choice(QUESTIONS), self.random.choice(self.engines)
        request = ask_service_pb2.AskRequest(question=question, engine=engine)
        if self.random.random() < 0.25:
            request.new_conversation = True
        return request

    async def at_once(self, stub: Any) -> None:
        """Leaves before anything came."""
        call = stub.Ask(self.request())
        await asyncio.sleep(self.random.uniform(0.0, 0.002))
        await self._cancel(call, "nothing")

    async def after_an_event(self, stub: Any) -> None:
        """Leaves when something of a kind has come: the beginning, a plan, a result, a text."""
        wanted = self.random.choice(("started", "plan", "result", "text"))
        call = stub.Ask(self.request())
        last = "nothing"
        try:
            # A model that stalls never comes to it.
            async with asyncio.timeout(0.5):
                while (event := await call.read()) is not grpc.aio.EOF:
                    last = str(event.WhichOneof("event"))
                    if last in {wanted, "finished"}:
                        break
        except TimeoutError:
            pass
        except grpc.aio.AioRpcError as error:
            last = error.code().name
        await self._cancel(call, last)

    async def after_a_while(self, stub: Any) -> None:
        """Leaves at some moment after the plan: most often while the query runs."""
        call = stub.Ask(self.request())
        last = "nothing"
        try:
            async with asyncio.timeout(self.random.expovariate(20.0)):
                while (event := await call.read()) is not grpc.aio.EOF:
                    last = str(event.WhichOneof("event"))
        except TimeoutError:
            pass
        except grpc.aio.AioRpcError as error:
            last = error.code().name
        await self._cancel(call, last)

    async def by_deadline(self, stub: Any) -> None:
        """Waits no longer than some milliseconds."""
        call = stub.Ask(self.request(), timeout=self.random.uniform(0.001, 0.05))
        try:
            async for _ in call:
                pass
        except grpc.aio.AioRpcError as error:
            self.left[error.code().name] += 1
        else:
            self.left["finished"] += 1

    async def by_closing(self, _: Any) -> None:
        """Closes the whole channel in the middle of an answer, as a program does that is killed."""
        async with open_channel(self.insight.target, token=self.insight.tokens["other"]) as channel:
            call = ask_service_pb2_grpc.AskServiceStub(channel).Ask(self.request())
            last = "nothing"
            try:
                async with asyncio.timeout(self.random.uniform(0.0, 0.03)):
                    async for event in call:
                        last = str(event.WhichOneof("event"))
            except TimeoutError:
                pass
            except grpc.aio.AioRpcError as error:
                last = error.code().name
            await channel.close(None)
        self.left[f"channel closed after {last}"] += 1

    async def without_reading(self, stub: Any) -> None:
        """Reads nothing for a while, and leaves."""
        call = stub.Ask(self.request())
        await asyncio.sleep(self.random.uniform(0.0, 0.05))
        await self._cancel(call, "unread")

    async def _cancel(self, call: Any, last: str) -> None:
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call.code()
        self.left[last] += 1


Way = Callable[[Leaver, Any], Awaitable[None]]

_WAYS: Final[tuple[Way, ...]] = (
    Leaver.at_once,
    Leaver.after_an_event,
    Leaver.after_an_event,
    Leaver.after_a_while,
    Leaver.after_a_while,
    Leaver.by_deadline,
    Leaver.by_closing,
    Leaver.without_reading,
)


async def leave_many(leaver: Leaver, count: int, concurrency: int) -> None:
    """Leaves so many answers, some at a time, over a few channels."""
    left = iter(range(count))

    async def work(stub: Any) -> None:
        for _ in left:
            await leaver.leave_one(stub)

    async def over(caller: str) -> None:
        async with open_channel(leaver.insight.target, token=leaver.insight.tokens[caller]) as channel:
            stub = ask_service_pb2_grpc.AskServiceStub(channel)
            async with asyncio.TaskGroup() as group:
                for number in range(max(1, concurrency // 2)):
                    group.create_task(work(stub), name=f"leaver {number}")

    async with asyncio.TaskGroup() as group:
        for caller in ("viewer", "other"):
            group.create_task(over(caller), name=f"leavers of {caller}")
