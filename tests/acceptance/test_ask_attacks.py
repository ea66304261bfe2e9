"""Hostile questions to the local engine over real readings: nothing changes, no unsupported number is shown, all limits hold."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime

import grpc.aio
import pytest
from dataflow_insight.postgres import Reader
from dataflow_mesh.testing import PostgresCluster, in_process_server

from tests import attack_questions
from tests.ask_client import Asker
from tests.ask_database import load_main
from tests.ask_serving import local_service
from tests.attack_checker import busy_queries, fingerprint, objection
from tests.attack_questions import CANARY, Attack

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
FAMILIES: dict[str, Callable[[], Iterator[Attack]]] = {
    "orders": attack_questions.orders,
    "sql": attack_questions.sql,
    "heavy": attack_questions.heavy,
    "naughty": attack_questions.naughty,
}
ALLOWED = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
"""What a question may be refused with: it is empty, or would cost too much."""

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def database(cluster: PostgresCluster) -> str:
    """Load real readings."""
    dsn = cluster.create_database()
    asyncio.run(load_main(dsn))
    return dsn


@pytest.fixture
async def ask(database: str) -> AsyncIterator[Asker]:
    """Serve the local engine over them."""
    async with Reader.open(database) as reader, in_process_server([local_service(reader, lambda: NOW)]) as server:
        yield Asker(server.channel)


def test_there_are_enough_attacks() -> None:
    """More than the issue asks for, none twice."""
    questions = [attack.question for family in FAMILIES.values() for attack in family()]

    assert len(set(questions)) >= 700


@pytest.mark.parametrize("family", FAMILIES)
async def test_hostile_questions_are_answered_honestly_or_declined(ask: Asker, database: str, family: str) -> None:
    """After each one, what was shown is held against the results by a checker of its own; after all, every table is the same."""
    before = await fingerprint(database)
    wrong = []
    for attack in FAMILIES[family]():
        try:
            asked = await ask(attack.question)
        except grpc.aio.AioRpcError as error:
            if error.code() not in ALLOWED:
                wrong.append(f"{attack.name}: {error.code()} {error.details()}")
            continue
        problem = objection(asked)
        if problem is None and CANARY in asked.text and not asked.results:
            problem = f"it says what it was told to: {asked.text!r}"
        if problem is not None:
            wrong.append(f"{attack.name}: {attack.question[:200]!r}: {problem}")

    assert not wrong, "\n".join(wrong)
    assert await fingerprint(database) == before
    assert await busy_queries(database) == 0
