"""What runs SQL, as those who need it see it; `postgres.py` does, and tests do."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Reads(Protocol):
    """Runs a SELECT in a read-only transaction."""

    async def fetch(self, sql: str, *parameters: object) -> Sequence[Sequence[Any]]:
        """Returns the rows."""
        ...


class Queries(Protocol):
    """Runs a SELECT in a read-only transaction, if it does not cost too much."""

    async def fetch_bounded(
        self, sql: str, *parameters: object, told: Callable[[float], None] | None = None
    ) -> Sequence[Sequence[Any]]:
        """Returns the rows; tells the expected cost before it runs anything.

        Raises:
            QueryTooExpensiveError: It would cost too much, or took too long.
            PlanError: Only the data could show that this cannot be computed.
        """
        ...
