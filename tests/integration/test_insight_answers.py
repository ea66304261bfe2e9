"""Answers to random plans over a real Postgres: whatever was computed can be told, and what is told is supported."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.gate import Gate
from dataflow_insight.answers.phrase import phrase
from dataflow_insight.engines.engine import Computed
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Focus, Measure, Plan
from dataflow_insight.postgres import Reader
from dataflow_mesh.testing import PostgresCluster

from tests.integration.test_insight_queries import CATALOGUE, READINGS, computed, load
from tests.random_plans import random_plan

pytestmark = pytest.mark.postgres

PLANS = 20
"""Of each measure."""

MOST_REMOVED = 2
"""Of these: plans with several stretches of time and devices on both sides have answers that the gate cannot follow."""


@pytest.fixture(scope="module")
def database(cluster: PostgresCluster) -> str:
    """Gives a database with the readings."""
    dsn = cluster.create_database("readings")
    asyncio.run(load(dsn, READINGS))
    return dsn


@pytest.mark.parametrize("measure", list(Measure), ids=lambda measure: measure.name)
async def test_answers_to_random_plans_pass_the_gate(database: str, measure: Measure) -> None:
    """The local writer has words for every result, and the gate lets them through unchanged."""
    chance = random.Random(f"answers {measure.name}")
    removed: list[str] = []
    asked = 0
    async with Reader.open(database) as reader:
        while asked < PLANS:
            plan = random_plan(chance, measure)
            try:
                table = await computed(reader, plan, CATALOGUE)
            except PlanError:
                continue
            asked += 1
            told = Computed(0, _focused(plan, chance), check_plan(plan, CATALOGUE), table)
            if (problem := _removed(told, chance.choice(["", "Was it higher?", "Is it below 5?"]))) is not None:
                removed.append(problem)
    assert len(removed) <= MOST_REMOVED, removed


def _focused(plan: Plan, chance: random.Random) -> Plan:
    place = 2 if abs(plan.rank) > 1 and plan.group_by and plan.fold is None and chance.random() < 0.3 else 0
    return replace(plan, focus=chance.choice(list(Focus)), place=place)


def _removed(told: Computed, question: str) -> str | None:
    """Returns what the gate removes of an answer."""
    plan = told.plan
    joined = CATALOGUE.contract_named(plan.join.contract) if plan.join is not None else None
    drafts = phrase(told, question, joined)
    gate = Gate(Evidence(question, CATALOGUE, datetime(2026, 1, 1, tzinfo=UTC), [told]))
    shown = "".join(gate.feed(draft).text for draft in drafts) + gate.close().text
    if gate.removed:
        return f"{gate.removed[0]} {plan}"
    assert shown == "".join(draft.text for draft in drafts)
    return None
