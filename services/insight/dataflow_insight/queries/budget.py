"""What one caller may ask of the database: so many queries at a time, and so much cost over time.

Cost is what Postgres expects of a query, in the units of its planner: known before the query runs. Pure; takes a clock.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import grpc
from dataflow.error.v1 import error_reason_pb2
from dataflow_mesh.errors import DataflowError

from dataflow_insight.queries.reads import Queries

_RETRY_SECONDS: Final = 1.0
"""After how long to try again where a query of the same caller must end first."""

_MOST_CALLERS: Final = 1_000
"""More callers than these are looked through for those that have their whole budget again."""


class CallerBudgetExhaustedError(DataflowError):
    """The caller's questions have cost as much as they may for now; wait, or narrow the question."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = error_reason_pb2.ERROR_REASON_CALLER_BUDGET_EXHAUSTED


@dataclass(slots=True)
class _Account:
    """What a caller has left, as of a moment of the clock."""

    left: float
    at: float
    running: int = 0


class CallerBudget:
    """Keeps an account for each caller: a bucket of cost that fills steadily, and a number of queries in the making.

    A query that costs more than a full bucket runs when the bucket is full, and leaves a debt.

    Args:
        burst: Cost that a caller may spend at once.
        per_second: Cost that comes back in a second.
        queries: Most queries of one caller at a time.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        *,
        burst: float = 100_000_000.0,
        per_second: float = 2_000_000.0,
        queries: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = burst
        self._per_second = per_second
        self._queries = queries
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    @contextmanager
    def query(self, caller: str) -> Iterator[None]:
        """Counts a query of a caller for the length of the context.

        Raises:
            CallerBudgetExhaustedError: The caller has as many as it may.
        """
        account = self._account(caller)
        if account.running >= self._queries:
            limit = {"limit": "queries", "queries": str(self._queries)}
            text = "you have as many queries in the making as one caller may; wait for one of them"
            raise CallerBudgetExhaustedError(text, metadata=limit, retry_after_seconds=_RETRY_SECONDS)
        account.running += 1
        try:
            yield
        finally:
            account.running -= 1

    def spend(self, caller: str, cost: float) -> None:
        """Takes the cost of a query that is about to run.

        Raises:
            CallerBudgetExhaustedError: There is not enough left; the error says when there will be. Nothing was taken.
        """
        account = self._account(caller)
        needed = min(cost, self._burst)
        if account.left < needed:
            seconds = (needed - account.left) / self._per_second
            raise CallerBudgetExhaustedError(metadata={"limit": "cost"}, retry_after_seconds=max(seconds, 0.1))
        account.left -= cost

    def _account(self, caller: str) -> _Account:
        now = self._clock()
        account = self._accounts.get(caller)
        if account is None:
            if len(self._accounts) >= _MOST_CALLERS:
                self._forget(now)
            account = self._accounts[caller] = _Account(self._burst, now)
        account.left = self._left(account, now)
        account.at = now
        return account

    def _left(self, account: _Account, now: float) -> float:
        return min(self._burst, account.left + (now - account.at) * self._per_second)

    def _forget(self, now: float) -> None:
        """Closes the accounts that are as good as new."""
        idle = [
            caller
            for caller, account in self._accounts.items()
            if not account.running and self._left(account, now) >= self._burst
        ]
        for caller in idle:
            del self._accounts[caller]


class CallerQueries:
    """Runs queries within the budget of whoever calls.

    Args:
        queries: Runs them.
        budget: Of all callers.
        caller: Returns who calls.
    """

    def __init__(self, queries: Queries, budget: CallerBudget, caller: Callable[[], str]) -> None:
        self._queries = queries
        self._budget = budget
        self._caller = caller

    async def fetch_bounded(
        self, sql: str, *parameters: object, told: Callable[[float], None] | None = None
    ) -> Sequence[Sequence[Any]]:
        """Returns the rows of a SELECT.

        Args:
            sql: The SELECT.
            parameters: Its values.
            told: Gets the expected cost before the query runs.

        Raises:
            CallerBudgetExhaustedError: The caller has nothing left for it, or too many queries at once.
            QueryTooExpensiveError: It would cost more than one query may, or took longer.
        """
        caller = self._caller()

        def admit(cost: float) -> None:
            self._budget.spend(caller, cost)
            if told is not None:
                told(cost)

        with self._budget.query(caller):
            return await self._queries.fetch_bounded(sql, *parameters, told=admit)
