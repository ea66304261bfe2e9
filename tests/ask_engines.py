"""Engines, a catalogue and a database that do as a test says, for tests of what stands around them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from dataflow_insight.answers.draft import Draft
from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind
from dataflow_insight.engines.engine import Asked, Desk
from dataflow_insight.plans.plan import Declined, Measure, Plan

NOW: Final = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
CATALOGUE: Final = Catalogue((Contract("air", (Field("temp", "temp", Kind.NUMBER),), ("Tiantan",)),))
COUNT: Final = Plan("air", Measure.COUNT)

Answer = Callable[[Asked, Desk], AsyncGenerator[Draft | Declined, None]]


class Scripted:
    """An engine that answers by a function, and notes what was asked and that it was closed."""

    def __init__(self, name: str, answer: Answer) -> None:
        self.name = name
        self.asked: list[Asked] = []
        self.ended = asyncio.Event()
        self._answer = answer

    async def answer(self, asked: Asked, desk: Desk) -> AsyncGenerator[Draft | Declined, None]:
        """Yields what the function yields."""
        self.asked.append(asked)
        try:
            async for piece in self._answer(asked, desk):
                yield piece
        finally:
            self.ended.set()


async def counted(asked: Asked, desk: Desk) -> AsyncGenerator[Draft | Declined, None]:
    """Answers with the number of readings."""
    computed = await desk.compute(COUNT)
    yield Draft(f"{computed.table.rows[0][0]} readings were stored.")


class Known:
    """A catalogue that stays the same."""

    async def catalogue(self, question: str, *, fresh: bool = False) -> Catalogue:
        """Returns it."""
        return CATALOGUE


class Rows:
    """A database whose answer to everything is one number."""

    def __init__(self, number: int = 24) -> None:
        self.number = number
        self.ran = 0

    async def fetch_bounded(
        self, sql: str, *parameters: object, told: Callable[[float], None] | None = None
    ) -> Sequence[Sequence[Any]]:
        """Returns the number."""
        self.ran += 1
        return [[self.number]]
