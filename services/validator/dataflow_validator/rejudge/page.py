"""How much a step takes up: as much as it does in the time that a step should take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from dataflow_validator.jobs.context import JobContext

STEP_SECONDS: Final = 0.4
"""Live data that wants a row or an item that a step works on waits for so long."""

_KEY: Final = "page"


@dataclass(slots=True)
class Page:
    """The size of the next page.

    Attributes:
        items: What to read at most.
        most: What to read at most, however quick it is.
    """

    items: int
    most: int

    @classmethod
    def of(cls, context: JobContext, *, first: int = 500, most: int = 8_000) -> Self:
        """Give the page of the job's part, as its last step left it."""
        page = context.memory.get(_KEY)
        if not isinstance(page, cls):
            page = context.memory[_KEY] = cls(first, most)
        return page

    def adapt(self, limit: int, items: int, seconds: float) -> None:
        """Make the next one take about as long as a step should.

        Args:
            limit: What was asked for.
            items: What was there.
            seconds: How long it took.
        """
        if items < limit and seconds < STEP_SECONDS:
            return  # it was cut short, and says nothing
        fitting = round(items * STEP_SECONDS / max(seconds, 0.001))
        self.items = max(1, min(self.most, fitting, 2 * max(items, 1)))
