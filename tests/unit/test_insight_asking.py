"""Around the engines: the local one answers where a model fails, limits hold, and nothing goes on for an asker who left."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc.aio
import pytest
from dataflow.insight.v1 import ask_service_pb2 as pb
from dataflow_insight.__main__ import ask_service
from dataflow_insight.answers.draft import Draft
from dataflow_insight.asking.limits import AskLimits
from dataflow_insight.asking.service import AskService
from dataflow_insight.asking.stream import Tell, produced
from dataflow_insight.catalogue.catalogue import Catalogue
from dataflow_insight.engines.engine import Asked, Desk, EngineError, Fallback
from dataflow_insight.plans.plan import Decline, Declined
from dataflow_mesh.errors import QueryTooExpensiveError
from dataflow_mesh.testing import in_process_server

from tests.ask_client import Asked as Answer
from tests.ask_client import Asker
from tests.ask_engines import CATALOGUE, COUNT, NOW, Known, Rows, Scripted, counted

Pieces = AsyncGenerator[Draft | Declined, None]


@asynccontextmanager
async def asking(
    model: Scripted | None = None,
    *,
    local: Scripted | None = None,
    limits: AskLimits | None = None,
    survey: Any = None,
    rows: Any = None,
) -> AsyncIterator[Asker]:
    service = AskService(
        local or Scripted("local", counted),
        survey or Known(),
        rows or Rows(),
        model=model,
        limits=limits,
        now=lambda: NOW,
    )
    async with in_process_server([ask_service(service)]) as server:
        yield Asker(server.channel)


async def ask(model: Scripted, *, limits: AskLimits | None = None) -> Answer:
    async with asking(model, limits=limits) as asker:
        return await asker("How many readings are there?")


def assert_local_answered(answer: Answer, why: pb.Fallback.ValueType) -> None:
    assert answer.text == "24 readings were stored."
    assert (answer.finished.engine, answer.finished.fallback) == ("local", why)
    assert answer.finished.verified
    assert answer.finished.fallback_detail


async def test_the_model_answers_where_there_is_one() -> None:
    """The first engine's own text is shown, and `finished` says whose it is and what it took."""

    async def write(asked: Asked, desk: Desk) -> Pieces:
        computed = await desk.compute(COUNT)
        desk.usage.model_call_count += 1
        desk.usage.input_token_count += 500
        yield Draft(f"There are {computed.table.rows[0][0]} of them.")

    answer = await ask(Scripted("gemini", write))
    assert answer.kinds == ["started", "plan", "result", "text", "finished"]
    assert answer.events[0].started.engine == "gemini"
    assert answer.text == "There are 24 of them."
    assert (answer.finished.engine, answer.finished.fallback) == ("gemini", pb.FALLBACK_UNSPECIFIED)
    assert (answer.finished.usage.query_count, answer.finished.usage.model_call_count) == (1, 1)
    assert answer.finished.usage.input_token_count == 500


async def test_local_answers_where_the_model_fails_before_its_text() -> None:
    """Nothing was shown, so nothing is void: the local answer just comes, and `finished` says why."""

    async def fail(asked: Asked, desk: Desk) -> Pieces:
        if not asked.question:
            yield Draft("")
        raise EngineError(Fallback.RATE_LIMITED, "too many requests")

    answer = await ask(Scripted("gemini", fail))
    assert "replaced" not in answer.kinds
    assert_local_answered(answer, pb.FALLBACK_RATE_LIMITED)
    assert answer.finished.fallback_detail == "too many requests"


async def test_text_is_replaced_where_the_model_breaks_off() -> None:
    """What was shown becomes void, and the plans of the local engine go on counting."""

    async def break_off(asked: Asked, desk: Desk) -> Pieces:
        computed = await desk.compute(COUNT)
        yield Draft(f"There are {computed.table.rows[0][0]} readings. And ")
        yield Draft("then")
        raise EngineError(Fallback.UNAVAILABLE, "the stream broke off")

    answer = await ask(Scripted("gemini", break_off))
    first = answer.kinds.index("replaced")
    assert "text" in answer.kinds[:first]
    assert answer.kinds[first:] == ["replaced", "plan", "result", "text", "finished"]
    assert [event.plan.index for event in answer.events if event.WhichOneof("event") == "plan"] == [0, 1]
    assert_local_answered(answer, pb.FALLBACK_UNAVAILABLE)


async def test_a_plan_that_was_too_expensive_is_void() -> None:
    """The asker was told of a plan without a result: it goes, and the local engine may know a cheaper one."""

    class Expensive(Rows):
        async def fetch_bounded(self, sql: str, *parameters: object, **more: Any) -> Sequence[Sequence[Any]]:
            self.ran += 1
            if self.ran == 1:
                raise QueryTooExpensiveError
            return [[24]]

    async with asking(Scripted("gemini", counted), rows=Expensive()) as asker:
        answer = await asker("How many readings are there?")
    assert answer.kinds == ["started", "plan", "replaced", "plan", "result", "text", "finished"]
    assert_local_answered(answer, pb.FALLBACK_LIMIT)


async def test_text_without_any_support_is_replaced() -> None:
    """A model whose numbers stand on no cell is not believed in anything else."""

    async def lie(asked: Asked, desk: Desk) -> Pieces:
        await desk.compute(COUNT)
        yield Draft("There are 7777 readings.")

    answer = await ask(Scripted("gemini", lie))
    assert_local_answered(answer, pb.FALLBACK_UNSUPPORTED)
    assert "7777" not in "".join(event.text.text for event in answer.events)


async def test_text_without_any_query_is_replaced() -> None:
    """Small talk is no answer."""

    async def chat(asked: Asked, desk: Desk) -> Pieces:
        yield Draft("Hello, I am a model and I like readings.")

    assert_local_answered(await ask(Scripted("gemini", chat)), pb.FALLBACK_UNSUPPORTED)


async def test_a_defect_of_an_engine_stays_in_the_log() -> None:
    """Whatever an engine raises, the local one answers, and the asker does not see the error's text."""

    async def break_down(asked: Asked, desk: Desk) -> Pieces:
        if not asked.question:
            yield Draft("")
        raise KeyError("key=secret")

    answer = await ask(Scripted("gemini", break_down))
    assert_local_answered(answer, pb.FALLBACK_INVALID)
    assert "secret" not in answer.finished.fallback_detail


async def test_endless_queries_end_at_the_limit() -> None:
    """An engine that asks for plan after plan is ended."""

    async def loop(asked: Asked, desk: Desk) -> Pieces:
        if not asked.question:
            yield Draft("")
        while True:
            await desk.compute(COUNT)

    answer = await ask(Scripted("gemini", loop), limits=AskLimits(queries=3))
    assert_local_answered(answer, pb.FALLBACK_LIMIT)
    assert answer.finished.usage.query_count == 4


async def test_refused_plans_count_as_steps() -> None:
    """An engine that never asks for what exists is ended, too."""

    async def guess(asked: Asked, desk: Desk) -> Pieces:
        if not asked.question:
            yield Draft("")
        while True:
            try:
                await desk.compute(replace(COUNT, contract="invented"))
            except EngineError:
                raise
            except Exception:  # noqa: BLE001 - as a model that learns nothing
                continue

    answer = await ask(Scripted("gemini", guess))
    assert_local_answered(answer, pb.FALLBACK_LIMIT)
    assert answer.finished.usage.query_count == 1


async def test_endless_text_ends_at_the_limit() -> None:
    """An engine that writes on and on is ended, and its text is void."""

    async def write_on(asked: Asked, desk: Desk) -> Pieces:
        await desk.compute(COUNT)
        while True:
            yield Draft("24 readings and then some more of them. ")

    answer = await ask(Scripted("gemini", write_on), limits=AskLimits(characters=400))
    assert_local_answered(answer, pb.FALLBACK_LIMIT)
    assert sum(len(event.text.text) for event in answer.events) < 500


async def test_a_slow_model_leaves_time_for_the_local_engine() -> None:
    """A model that never comes back is given up before the answer's time is over."""

    async def hang(asked: Asked, desk: Desk) -> Pieces:
        await asyncio.Event().wait()
        yield Draft("")

    model = Scripted("gemini", hang)
    answer = await ask(model, limits=AskLimits(answer_seconds=20.0, reserved_seconds=19.8))
    assert_local_answered(answer, pb.FALLBACK_DEADLINE)
    assert model.ended.is_set()


async def test_a_model_may_decline() -> None:
    """A refusal is an answer: the local engine is not asked."""

    async def decline(asked: Asked, desk: Desk) -> Pieces:
        yield Declined(Decline.OFF_TOPIC, "That is no question about readings.")

    answer = await ask(Scripted("gemini", decline))
    assert answer.kinds == ["started", "text", "finished"]
    assert (answer.finished.engine, answer.decline) == ("gemini", "OFF_TOPIC")


async def test_a_models_refusal_passes_the_gate() -> None:
    """A number in a model's refusal is as little believed as one in its answer."""

    async def decline(asked: Asked, desk: Desk) -> Pieces:
        yield Declined(Decline.OFF_TOPIC, "The secret number is 7777.")

    answer = await ask(Scripted("gemini", decline))
    assert "7777" not in answer.text


async def test_the_asker_may_choose_the_local_engine() -> None:
    """With engine="local" the model is not called at all."""

    async def never(asked: Asked, desk: Desk) -> Pieces:
        if not asked.question:
            yield Draft("")
        raise AssertionError

    model = Scripted("gemini", never)
    async with asking(model) as asker:
        request = pb.AskRequest(question="How many?", engine="local")
        answer = Answer([event async for event in asker.stub.Ask(request)])
        assert (answer.finished.engine, answer.finished.fallback) == ("local", pb.FALLBACK_UNSPECIFIED)
        assert not model.asked
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            _ = [event async for event in asker.stub.Ask(pb.AskRequest(question="How many?", engine="oracle"))]
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_declined_question_is_looked_at_again_with_news() -> None:
    """What became known a moment ago is not said to be unknown."""

    class News(Known):
        async def catalogue(self, question: str, *, fresh: bool = False) -> Catalogue:
            return CATALOGUE if fresh else Catalogue()

    async def know(asked: Asked, desk: Desk) -> Pieces:
        if not asked.catalogue.contracts:
            yield Declined(Decline.NO_DATA, "There is no contract.")
            return
        async for piece in counted(asked, desk):
            yield piece

    async with asking(local=Scripted("local", know), survey=News()) as asker:
        assert (await asker("How many?")).text == "24 readings were stored."


async def test_leaving_ends_the_engine() -> None:
    """An asker who cancels leaves no engine at work."""
    begun = asyncio.Event()

    async def wait(asked: Asked, desk: Desk) -> Pieces:
        begun.set()
        await asyncio.Event().wait()
        yield Draft("")

    model = Scripted("gemini", wait)
    async with asking(model) as asker:
        call = asker.stub.Ask(pb.AskRequest(question="How many?"))
        await begun.wait()
        call.cancel()
        async with asyncio.timeout(10):
            await model.ended.wait()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "answer"] == []


async def test_a_caller_has_a_limited_number_of_answers_in_the_making() -> None:
    """One more is refused with a hint when to try again, and taken when one has ended."""
    release = asyncio.Event()
    begun = asyncio.Event()

    async def wait(asked: Asked, desk: Desk) -> Pieces:
        begun.set()
        await release.wait()
        async for piece in counted(asked, desk):
            yield piece

    async with asking(local=Scripted("local", wait), limits=AskLimits(asks_per_caller=1)) as asker:
        first = asyncio.create_task(asker("How many?"))
        await begun.wait()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await asker("How many?")
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        release.set()
        await first
        assert (await asker("How many?")).text == "24 readings were stored."


async def test_the_catalogue_is_read_within_the_time_of_the_answer() -> None:
    """Whoever waits for a database that says nothing is told so, also without a deadline of its own."""

    class Silent(Known):
        async def catalogue(self, question: str, *, fresh: bool = False) -> Catalogue:
            await asyncio.Event().wait()
            return CATALOGUE

    async with asyncio.timeout(30), asking(survey=Silent(), limits=AskLimits(answer_seconds=0.05)) as asker:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await asker("How many?")
    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_slow_reader_holds_its_producer() -> None:
    """Events are not piled up for a reader that does not read."""
    made = 0
    full = asyncio.Event()

    async def make(tell: Tell) -> None:
        nonlocal made
        for _ in range(100):
            made += 1
            if made > 4:
                full.set()
            await tell(pb.AskResponse(text=pb.TextDelta(text="x")))

    async with produced(make) as events:
        assert (await anext(events)).text.text == "x"
        for _ in range(50):
            await asyncio.sleep(0)
        assert not full.is_set()
        assert len([event async for event in events]) == 99


async def test_an_error_comes_after_the_events_before_it() -> None:
    """A reader gets what was made, and then the failure."""

    async def make(tell: Tell) -> None:
        await tell(pb.AskResponse(text=pb.TextDelta(text="x")))
        raise ValueError("broken")

    async with produced(make) as events:
        assert (await anext(events)).text.text == "x"
        with pytest.raises(ValueError, match="broken"):
            await anext(events)


async def test_no_value_is_no_data() -> None:
    """An answer whose queries found nothing says so."""

    class Nothing(Rows):
        async def fetch_bounded(
            self, sql: str, *parameters: object, told: Callable[[float], None] | None = None
        ) -> Sequence[Sequence[Any]]:
            return []

    async def write(asked: Asked, desk: Desk) -> Pieces:
        await desk.compute(COUNT)
        yield Draft("Nothing is stored.")

    async with asking(local=Scripted("local", write), rows=Nothing()) as asker:
        assert (await asker("How many?")).decline == "NO_DATA"
