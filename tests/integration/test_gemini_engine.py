"""The gemini engine with the provider's real client against a local server: good answers, and what goes over the wire."""

from collections.abc import AsyncIterator

import pytest
from dataflow_insight.answers.verify import Draft
from dataflow_insight.plans.plan import Measure

from tests.gemini_desk import PLAN, FakeDesk, answered, engine, words
from tests.gemini_server import GeminiServer, calls, gemini_server, text, turn


@pytest.fixture
async def server() -> AsyncIterator[GeminiServer]:
    """Run a local Gemini."""
    async with gemini_server() as running:
        yield running


async def test_an_answer_is_planned_computed_and_phrased_with_cells(server: GeminiServer) -> None:
    """Two turns of the model give a plan and a sentence whose value is put in by code."""
    server.play(turn(calls(PLAN)), turn(text("The average was {{0:0:0}} "), text("µg/m³ at Gucheng.")))
    desk = FakeDesk()

    async with engine(server) as made:
        pieces = await answered(made, desk)

    assert words(pieces) == "The average was 104.57 µg/m³ at Gucheng.\n"
    assert desk.computed[0].plan.measure is Measure.AVG
    assert desk.computed[0].plan.time_zone == "Asia/Shanghai"
    claims = [claim for piece in pieces if isinstance(piece, Draft) for claim in piece.claims]
    assert [(claim.result, claim.row, claim.column) for claim in claims] == [(0, 0, 0)]
    assert (desk.usage.model_call_count, desk.usage.input_token_count, desk.usage.output_token_count) == (2, 1800, 200)
