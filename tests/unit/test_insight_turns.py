"""Queries of one caller take turns."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from dataflow_insight.asking.turns import CallerTurns


class Waiting:
    """A database whose queries end when the test says so."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.begun = asyncio.Condition()
        self.release = asyncio.Event()

    async def fetch_bounded(
        self, sql: str, *parameters: object, told: Callable[[float], None] | None = None
    ) -> Sequence[Sequence[Any]]:
        """Waits."""
        async with self.begun:
            self.running.append(sql)
            self.begun.notify_all()
        await self.release.wait()
        return []

    async def until(self, count: int) -> None:
        """Waits until so many queries have begun."""
        async with asyncio.timeout(10), self.begun:
            await self.begun.wait_for(lambda: len(self.running) >= count)


async def test_one_caller_leaves_room_for_others() -> None:
    """Of five queries of one caller two run; another caller's runs at once; all are answered in the end."""
    database, caller = Waiting(), ["busy"]
    turns = CallerTurns(database, 2, lambda: caller[0])
    busy = [asyncio.create_task(turns.fetch_bounded(f"busy {number}")) for number in range(5)]
    await database.until(2)
    caller[0] = "other"
    other = asyncio.create_task(turns.fetch_bounded("other"))
    await database.until(3)
    assert database.running == ["busy 0", "busy 1", "other"]
    database.release.set()
    await asyncio.gather(other, *busy)
    assert len(database.running) == 6
    assert not turns._turns


async def test_a_query_that_is_left_while_it_waits_gives_its_place_away() -> None:
    """Nothing is held for whoever has gone."""
    database = Waiting()
    turns = CallerTurns(database, 1, lambda: "busy")
    first, second, third = (asyncio.create_task(turns.fetch_bounded(name)) for name in ("first", "second", "third"))
    await database.until(1)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    database.release.set()
    await asyncio.gather(first, third)
    assert database.running == ["first", "third"]
    assert not turns._turns
