"""How the intake is slowed: a ring is simulated second by second, first in, first out."""

import asyncio
from collections import deque

import pytest
from dataflow_bridge.pace import LOOK_SECONDS, Front, Pace, View

BATCH_BYTES = 10_000


class Ring:
    """Batches come at an offered rate, as far as the pace lets them, and leave at the rate of the validators."""

    def __init__(self, target_seconds: float = 5.0) -> None:
        self.now = 0.0
        self.pace = Pace(target_seconds, clock=lambda: self.now)
        self.waiting: deque[list[float]] = deque()
        self.taken = 0.0
        self.stored = 0.0

    def run(self, seconds: int, *, offered: float, stored: float) -> None:
        """Let time pass; rates in batches a second."""
        for _ in range(int(seconds / LOOK_SECONDS)):
            limit = self.pace.limit_bytes_per_second
            coming = offered if limit is None else min(offered, limit / BATCH_BYTES)
            for _ in range(round(coming)):
                self.pace.passes(BATCH_BYTES)
            self.taken += coming
            self.waiting.append([self.now, coming])
            left = stored
            while left > 0 and self.waiting:
                taken = min(left, self.waiting[0][1])
                self.waiting[0][1] -= taken
                left -= taken
                self.stored += taken
                if self.waiting[0][1] <= 0:
                    self.waiting.popleft()
            self.now += LOOK_SECONDS
            fronts = {"n": Front(str(self.stored).encode(), self.age)} if self.waiting else {}
            self.pace.look(View(fronts, int(self.backlog)))

    @property
    def backlog(self) -> float:
        return sum(count for _, count in self.waiting)

    @property
    def age(self) -> float:
        return self.now - self.waiting[0][0] if self.waiting else 0.0


@pytest.mark.parametrize("offered", [60, 150, 500])
def test_a_long_overload_leaves_no_long_backlog(offered: float) -> None:
    """After it rows are fresh again within a minute, and meanwhile the validators never wait for work."""
    ring = Ring()
    ring.run(600, offered=offered, stored=50)
    assert ring.backlog / 50 < 30
    assert ring.taken >= 600 * 50
    ring.run(60, offered=5, stored=50)
    assert ring.age < 2
    assert ring.pace.limit_bytes_per_second is None


def test_an_outage_of_postgres_may_fill_the_ring() -> None:
    """Nothing leaves: that is what the ring is for."""
    ring = Ring()
    ring.run(600, offered=20, stored=0)
    assert ring.taken == 600 * 20


def test_what_arrives_while_an_outage_is_worked_off_is_not_slowed() -> None:
    """The ring is old and full, but it shrinks."""
    ring = Ring()
    ring.run(600, offered=20, stored=0)
    ring.run(200, offered=20, stored=60)
    assert ring.taken == 800 * 20


async def test_a_target_of_zero_slows_nobody() -> None:
    """Nobody looks then; only a full ring slows."""
    pace = Pace(0)
    async with asyncio.timeout(10):
        await pace.watch(list)
    assert pace.limit_bytes_per_second is None


async def test_batches_wait_for_their_turn_in_order() -> None:
    """At 1 MB/s the second and third batch of 100 kB wait until those before them have taken their time."""
    pace = Pace(5)
    pace.limit_bytes_per_second = 1_000_000.0
    gone: list[int] = []

    async def go(number: int) -> None:
        await pace.turn(100_000)
        gone.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number in range(3):
            tasks.create_task(go(number))
        for _ in range(3):  # turns of the loop
            await asyncio.sleep(0)
        assert gone == [0]
    assert gone == [0, 1, 2]
