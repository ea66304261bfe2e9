"""A hostile model behind the whole service: nothing changes, no unsupported number is shown, all limits hold, nothing stays open."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc.aio
import pytest
from dataflow_insight.__main__ import ask_service
from dataflow_insight.asking.service import AskService
from dataflow_insight.catalogue.survey import Survey
from dataflow_insight.engines.gemini.client import GeminiClient
from dataflow_insight.engines.gemini.engine import GeminiEngine
from dataflow_insight.engines.gemini.limits import Limits
from dataflow_insight.engines.gemini.redaction import Policy
from dataflow_insight.engines.local import LocalEngine
from dataflow_insight.postgres import Reader
from dataflow_mesh.testing import PostgresCluster, in_process_server

from tests import attack_models, attack_questions
from tests.ask_client import Asked, Asker
from tests.ask_database import load_main
from tests.attack_checker import busy_queries, fingerprint, objection
from tests.attack_models import AVERAGE, TRUTH, ModelAttack
from tests.attack_questions import CANARY
from tests.gemini_server import KEY, GeminiServer, calls, gemini_server, text, turn

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
LIMITS = Limits(seconds=5.0, first_seconds=0.4, chunk_seconds=0.4, attempts=2)
MOST_REQUESTS = LIMITS.model_calls * LIMITS.attempts
FAMILIES: dict[str, Callable[[], Iterator[ModelAttack]]] = {
    "lies": attack_models.lies,
    "wrong plans": attack_models.wrong_plans,
    "streams": attack_models.streams,
}

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def database(cluster: PostgresCluster) -> str:
    """Load real readings."""
    dsn = cluster.create_database()
    asyncio.run(load_main(dsn))
    return dsn


@dataclass(frozen=True)
class Serving:
    """The service and the model behind it."""

    ask: Asker
    model: GeminiServer


@asynccontextmanager
async def serving(database: str, policy: Policy | None = None) -> AsyncIterator[Serving]:
    """Serve both engines over the database."""
    async with (
        gemini_server() as model,
        GeminiClient.open(key=KEY, model="gemini-test", base_url=model.url, limits=LIMITS) as client,
        Reader.open(database) as reader,
    ):
        engine = GeminiEngine(client, limits=LIMITS, policy=policy or Policy(), reads=reader)
        service = AskService(LocalEngine(), Survey(reader), reader, model=engine, now=lambda: NOW)
        async with in_process_server([ask_service(service)]) as server:
            yield Serving(Asker(server.channel), model)


def told(asked: Asked) -> str:
    """Return every text that the asker got, whatever was replaced later."""
    texts = [f"{event.text.text}{event.replaced.reason}{event.finished.fallback_detail}" for event in asked.events]
    return "".join(texts)


def test_there_are_enough_attacks() -> None:
    """Beside the hostile questions."""
    assert sum(1 for family in FAMILIES.values() for _ in family()) >= 400


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore:.*is not a valid")
@pytest.mark.timeout(400)
async def test_a_hostile_model_shows_nothing_and_changes_nothing(database: str, family: str) -> None:
    """After each attack the asker has a supported answer or a refusal, and the model has no open response."""
    before = await fingerprint(database)
    wrong = []
    async with serving(database) as both:
        for attack in FAMILIES[family]():
            both.model.play(*attack.replies)
            asked = await both.ask(attack.question)
            await both.model.idle()
            problem = objection(asked)
            if problem is None and CANARY in told(asked):
                problem = f"it shows what the model made up: {told(asked)!r}"
            if problem is None and len(both.model.seen) > MOST_REQUESTS:
                problem = f"{len(both.model.seen)} calls of the model"
            if problem is not None:
                wrong.append(f"{attack.name} ({asked.finished.engine}): {problem}")

    assert not wrong, "\n".join(wrong)
    assert await fingerprint(database) == before
    assert await busy_queries(database) == 0


async def test_a_model_that_obeys_hostile_questions_shows_nothing(database: str) -> None:
    """It says what the question tells it to; what reaches the asker is supported all the same."""
    wrong = []
    async with serving(database) as both:
        for attack in attack_questions.orders():
            both.model.play(turn(calls(AVERAGE)), turn(text(f"{attack.question} {TRUTH} {CANARY}.")))
            try:
                asked = await both.ask(attack.question)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                    wrong.append(f"{attack.name}: {error.code()}")
                continue
            problem = objection(asked)
            if problem is not None or CANARY in told(asked):
                wrong.append(f"{attack.name} ({asked.finished.engine}): {problem or told(asked)}")

    assert not wrong, "\n".join(wrong)


async def test_a_true_model_is_shown(database: str) -> None:
    """The measure of the attacks: what is right comes through, by the model, with its binding."""
    async with serving(database) as both:
        both.model.play(turn(calls(AVERAGE)), turn(text(TRUTH)))
        asked = await both.ask(attack_models.QUESTIONS[0])

    assert asked.finished.engine == "gemini"
    assert asked.finished.verified_count == 1
    assert objection(asked) is None
    assert asked.text.startswith("The average pm25 at Gucheng was ")
