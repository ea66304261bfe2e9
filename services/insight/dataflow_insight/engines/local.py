"""The engine without a model: deterministic, no network, always there."""

import asyncio
from collections.abc import AsyncGenerator

from dataflow_insight.answers.draft import Draft
from dataflow_insight.answers.phrase import phrase
from dataflow_insight.engines.engine import Asked, Desk
from dataflow_insight.english.follow_up import plan_in_conversation
from dataflow_insight.english.refusals import unclear
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Declined


class LocalEngine:
    """Plans by grammar and phrases by template."""

    @property
    def name(self) -> str:
        """What the asker is told."""
        return "local"

    async def answer(self, asked: Asked, desk: Desk) -> AsyncGenerator[Draft | Declined, None]:
        """Yields the answer in pieces, or why there is none."""
        # In a thread: a strange question of full length takes some hundred milliseconds, which nobody else should wait for.
        planned = await asyncio.to_thread(
            plan_in_conversation,
            asked.question,
            [turn.question for turn in asked.turns],
            asked.catalogue,
            asked.now,
            asked.contract,
            asked.zone,
        )
        if isinstance(planned, Declined):
            yield planned
            return
        for index, plan in enumerate(planned):
            try:
                computed = await desk.compute(plan)
            except PlanError:
                yield unclear()
                return
            if index:
                yield Draft(" ")
            joined = asked.catalogue.contract_named(plan.join.contract) if plan.join is not None else None
            for draft in phrase(computed, asked.question, joined):
                yield draft
