"""The engine without a model: deterministic, no network, always there."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

from dataflow_insight.answers.phrase import phrase
from dataflow_insight.answers.verify import Draft
from dataflow_insight.catalogue.catalogue import Catalogue, Contract
from dataflow_insight.english.planner import plan_question
from dataflow_insight.plans.plan import Declined, Plan
from dataflow_insight.queries.table import Table


class LocalEngine:
    """Plans by grammar and phrases by template."""

    @property
    def name(self) -> str:
        """What the asker is told."""
        return "local"

    async def plan(self, question: str, catalogue: Catalogue, now: datetime, contract: str) -> Plan | Declined:
        """Returns what to compute, or why not."""
        # In a thread: a strange question of full length takes some hundred milliseconds, which nobody else should wait for.
        return await asyncio.to_thread(plan_question, question, catalogue, now, contract)

    async def phrase(self, question: str, plan: Plan, table: Table, contract: Contract) -> AsyncIterator[Draft]:
        """Yields the answer in pieces."""
        del question
        for draft in phrase(plan, table, contract):
            yield draft
