"""The seam between questions and what understands them: engines only plan and phrase; code computes, checks and gates."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from dataflow_insight.answers.verify import Draft
from dataflow_insight.catalogue.catalogue import Catalogue, Contract
from dataflow_insight.plans.plan import Declined, Plan
from dataflow_insight.queries.table import Table


class Engine(Protocol):
    """Turns a question into a plan and a result into text. Neither is trusted: plans are checked, texts are verified."""

    @property
    def name(self) -> str:
        """What the asker is told, such as "local"."""
        ...

    async def plan(self, question: str, catalogue: Catalogue, now: datetime, contract: str) -> Plan | Declined:
        """Returns what to compute, or why not.

        Args:
            question: As asked.
            catalogue: What exists.
            now: The present, UTC.
            contract: Only this contract; empty: the one that fits.
        """
        ...

    def phrase(self, question: str, plan: Plan, table: Table, contract: Contract) -> AsyncIterator[Draft]:
        """Yields the answer in pieces, with claims on the cells that support it."""
        ...
