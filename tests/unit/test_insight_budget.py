"""What one caller may ask of the database."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from dataflow_insight.queries.budget import CallerBudget, CallerBudgetExhaustedError, CallerQueries


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_cost_comes_back_with_time() -> None:
    """What is spent is refused, with the time until there is enough, and is there again after that time."""
    clock = Clock()
    budget = CallerBudget(burst=100, per_second=10, clock=clock)
    budget.spend("ann", 90)
    with pytest.raises(CallerBudgetExhaustedError) as refused:
        budget.spend("ann", 30)
    assert refused.value.retry_after_seconds == pytest.approx(2.0)
    assert refused.value.reason_name == "CALLER_BUDGET_EXHAUSTED"
    clock.seconds += 2.0
    budget.spend("ann", 30)


def test_callers_do_not_spend_each_others_budget() -> None:
    """One who asks too much is no harm to another."""
    budget = CallerBudget(burst=100, per_second=1, clock=Clock())
    budget.spend("ann", 100)
    with pytest.raises(CallerBudgetExhaustedError):
        budget.spend("ann", 1)
    budget.spend("ben", 100)


def test_a_query_above_the_burst_runs_from_a_full_bucket_and_leaves_a_debt() -> None:
    """It is one query's limit that refuses it for good, not the budget; but what it cost is paid off first."""
    clock = Clock()
    budget = CallerBudget(burst=100, per_second=10, clock=clock)
    budget.spend("ann", 250)
    clock.seconds += 15.0
    with pytest.raises(CallerBudgetExhaustedError):
        budget.spend("ann", 1)
    clock.seconds += 1.0
    budget.spend("ann", 1)


def test_only_so_many_queries_run_at_once() -> None:
    """One more is refused until one ends, however it ends."""
    budget = CallerBudget(queries=2, clock=Clock())

    def fail() -> None:
        with budget.query("ann"):
            raise ZeroDivisionError

    with budget.query("ann"):
        with pytest.raises(ZeroDivisionError):
            fail()
        with budget.query("ann"):
            with pytest.raises(CallerBudgetExhaustedError), budget.query("ann"):
                pass
            with budget.query("ben"):
                pass


def test_callers_who_have_it_all_again_are_forgotten() -> None:
    """A million names cost no memory; a debt is not forgotten by them."""
    clock = Clock()
    budget = CallerBudget(burst=100, per_second=1, clock=clock)
    budget.spend("debtor", 5_000)
    for number in range(5_000):
        budget.spend(f"caller-{number}", 1)
        clock.seconds += 0.5
    assert len(budget._accounts) < 1_500
    with pytest.raises(CallerBudgetExhaustedError):
        budget.spend("debtor", 100)


class Fake:
    """Says what a query costs, and counts what ran."""

    def __init__(self) -> None:
        self.ran = 0

    async def fetch_bounded(
        self, sql: str, *parameters: object, told: Callable[[float], None] | None = None
    ) -> Sequence[Sequence[Any]]:
        assert told is not None
        told(float(str(parameters[0])))
        self.ran += 1
        return [(sql,)]


async def test_a_query_beyond_the_budget_does_not_run() -> None:
    """The cost is taken before the query runs, and told to whoever wants to know."""
    fake, costs = Fake(), list[float]()
    queries = CallerQueries(fake, CallerBudget(burst=100, per_second=1, clock=Clock()), lambda: "ann")
    assert await queries.fetch_bounded("SELECT 1", 80, told=costs.append) == [("SELECT 1",)]
    with pytest.raises(CallerBudgetExhaustedError):
        await queries.fetch_bounded("SELECT 2", 80, told=costs.append)
    assert costs == [80.0]
    assert fake.ran == 1
