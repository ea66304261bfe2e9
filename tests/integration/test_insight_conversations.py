"""Conversations in Postgres: kept for their caller alone, within their bounds, and never in the way of an answer."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import grpc.aio
import pytest
from dataflow.insight.v1 import ask_service_pb2 as pb
from dataflow.insight.v1 import ask_service_pb2_grpc, plan_pb2
from dataflow_insight.__main__ import ask_service
from dataflow_insight.answers.draft import Draft
from dataflow_insight.asking.service import AskService
from dataflow_insight.conversations.conversation import ConversationLimits
from dataflow_insight.conversations.store import ConversationStore
from dataflow_insight.conversations.taking_part import Conversations
from dataflow_insight.conversations.upkeep import keep_clean
from dataflow_insight.engines.engine import Asked, Desk
from dataflow_insight.plans.plan import Declined
from dataflow_insight.postgres import open_own
from dataflow_mesh.channel import open_channel
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import InProcess, in_process_server

from tests.ask_client import Asked as Answer
from tests.ask_engines import COUNT, NOW, Known, Rows, Scripted, counted

pytestmark = pytest.mark.postgres


@dataclass(frozen=True)
class Caller:
    """One caller's end."""

    stub: Any

    async def ask(self, question: str, conversation_id: str = "", *, new: bool = False) -> Answer:
        request = pb.AskRequest(question=question)
        if conversation_id:
            request.conversation_id = conversation_id
        if new:
            request.new_conversation = True
        return Answer([event async for event in self.stub.Ask(request)])

    async def begin(self, question: str = "How many?") -> str:
        answer = await self.ask(question, new=True)
        assert answer.finished.kept
        return answer.events[0].started.conversation_id

    async def get(self, conversation_id: str, **options: Any) -> Any:
        return await self.stub.GetConversation(pb.GetConversationRequest(conversation_id=conversation_id, **options))

    async def list(self, **options: Any) -> Any:
        return await self.stub.ListConversations(pb.ListConversationsRequest(**options))

    async def delete(self, conversation_id: str) -> Any:
        return await self.stub.DeleteConversation(pb.DeleteConversationRequest(conversation_id=conversation_id))


@asynccontextmanager
async def caller_of(server: InProcess, token: str) -> AsyncIterator[Caller]:
    async with open_channel(server.target, token=token) as channel:
        yield Caller(ask_service_pb2_grpc.AskServiceStub(channel))


@asynccontextmanager
async def serving(
    pool: "Pool | None", *, limits: ConversationLimits | None = None, local: Scripted | None = None
) -> AsyncIterator[InProcess]:
    store = None if pool is None else ConversationStore(pool, limits or ConversationLimits())
    service = AskService(
        local or Scripted("local", counted), Known(), Rows(), conversations=Conversations(store), now=lambda: NOW
    )
    async with in_process_server([ask_service(service)]) as server:
        yield server


@pytest.fixture
async def pool(postgres: str) -> AsyncIterator[Pool]:
    async with open_own(postgres) as opened:
        assert opened is not None
        yield opened


@pytest.fixture
async def viewer(pool: Pool) -> AsyncIterator[Caller]:
    async with serving(pool) as server, caller_of(server, "viewer-token") as caller:
        yield caller


def code_of(caught: "pytest.ExceptionInfo[grpc.aio.AioRpcError]") -> str:
    return str(caught.value.code().name)


async def test_a_follow_up_gets_the_turns_before_it(pool: Pool) -> None:
    """The engine sees earlier questions, answers and plans, oldest first."""
    local = Scripted("local", counted)
    async with serving(pool, local=local) as server, caller_of(server, "viewer-token") as viewer:
        conversation_id = await viewer.begin("How many readings?")
        await viewer.ask("And then?", conversation_id)
        await viewer.ask("And now?", conversation_id)
    turns = local.asked[-1].turns
    assert [turn.question for turn in turns] == ["How many readings?", "And then?"]
    assert turns[0].answer == "24 readings were stored."
    assert turns[0].plans == (COUNT,)
    assert not local.asked[0].turns


async def test_a_conversation_keeps_questions_answers_and_plans(viewer: Caller) -> None:
    """What was asked is found again, under the first question's words."""
    conversation_id = await viewer.begin("How many\nreadings?")
    await viewer.ask("And then?", conversation_id)
    found = await viewer.get(conversation_id)
    assert (found.conversation.title, found.conversation.turn_count) == ("How many readings?", 2)
    assert found.conversation.expire_time.seconds - found.conversation.update_time.seconds == 30 * 86_400
    assert [(turn.number, turn.question, turn.answer, turn.engine) for turn in found.turns] == [
        (1, "How many\nreadings?", "24 readings were stored.", "local"),
        (2, "And then?", "24 readings were stored.", "local"),
    ]
    assert found.turns[0].plans[0].measure == plan_pb2.MEASURE_COUNT
    assert [item.conversation_id for item in (await viewer.list()).conversations] == [conversation_id]


async def test_a_question_without_a_conversation_leaves_nothing(viewer: Caller, pool: Pool) -> None:
    """Who asks alone is not written down."""
    answer = await viewer.ask("How many?")
    assert not answer.events[0].started.conversation_id
    assert not answer.finished.kept
    assert not answer.finished.not_kept_detail
    assert await pool.fetchval("SELECT count(*) FROM insight.conversation") == 0


async def test_nobody_reaches_the_conversation_of_another_caller(pool: Pool) -> None:
    """To others, admins included, it does not exist: asked in, shown, listed or deleted."""
    async with (
        serving(pool) as server,
        caller_of(server, "viewer-token") as viewer,
        caller_of(server, "admin-token") as admin,
    ):
        conversation_id = await viewer.begin()
        for attempt in (admin.get, admin.delete, lambda name: admin.ask("And then?", name)):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await attempt(conversation_id)
            assert code_of(refused) == "NOT_FOUND"
        assert not (await admin.list()).conversations
        assert (await viewer.get(conversation_id)).conversation.turn_count == 1


async def test_page_tokens_belong_to_their_caller(pool: Pool) -> None:
    """Lists are paged by key, and a token of one caller is refused for another."""
    async with (
        serving(pool) as server,
        caller_of(server, "viewer-token") as viewer,
        caller_of(server, "admin-token") as admin,
    ):
        made = [await viewer.begin(f"Question {number}?") for number in range(5)]
        listed: list[str] = []
        token = ""
        while True:
            page = await viewer.list(page_size=2, page_token=token)
            listed += [item.conversation_id for item in page.conversations]
            token = page.next_page_token
            if not token:
                break
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await admin.list(page_size=2, page_token=token)
            assert code_of(refused) == "INVALID_ARGUMENT"
        assert listed == made[::-1]


async def test_turns_are_paged(viewer: Caller) -> None:
    """A long conversation comes in pages, oldest first."""
    conversation_id = await viewer.begin()
    for _ in range(4):
        await viewer.ask("And then?", conversation_id)
    first = await viewer.get(conversation_id, page_size=3)
    second = await viewer.get(conversation_id, page_size=3, page_token=first.next_page_token)
    assert [turn.number for turn in (*first.turns, *second.turns)] == [1, 2, 3, 4, 5]
    assert not second.next_page_token


async def test_a_deleted_conversation_is_gone_with_its_turns(viewer: Caller, pool: Pool) -> None:
    """Deleting leaves nothing, and a second time there is nothing to delete."""
    conversation_id = await viewer.begin()
    await viewer.delete(conversation_id)
    assert await pool.fetchval("SELECT count(*) FROM insight.turn") == 0
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await viewer.delete(conversation_id)
    assert code_of(refused) == "NOT_FOUND"


def waiting(begun: asyncio.Event, release: asyncio.Event) -> Scripted:
    async def wait(asked: Asked, desk: Desk) -> AsyncGenerator[Draft | Declined, None]:
        if asked.question == "Wait?":
            begun.set()
            await release.wait()
        async for piece in counted(asked, desk):
            yield piece

    return Scripted("local", wait)


async def test_of_two_questions_at_once_one_is_refused(pool: Pool) -> None:
    """Answers of one conversation do not cross; the second asker is told to wait."""
    begun, release = asyncio.Event(), asyncio.Event()
    async with (
        serving(pool, local=waiting(begun, release)) as server,
        caller_of(server, "viewer-token") as viewer,
    ):
        conversation_id = await viewer.begin()
        first = asyncio.create_task(viewer.ask("Wait?", conversation_id))
        await begun.wait()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await viewer.ask("And then?", conversation_id)
        assert code_of(refused) == "FAILED_PRECONDITION"
        release.set()
        assert (await first).finished.kept
        assert (await viewer.ask("And then?", conversation_id)).finished.kept


async def test_of_two_processes_only_one_answers_in_a_conversation(pool: Pool) -> None:
    """Which process a question reaches makes no difference."""
    begun, release = asyncio.Event(), asyncio.Event()
    async with (
        serving(pool, local=waiting(begun, release)) as first,
        serving(pool) as second,
        caller_of(first, "viewer-token") as here,
        caller_of(second, "viewer-token") as there,
    ):
        conversation_id = await here.begin()
        asked = asyncio.create_task(here.ask("Wait?", conversation_id))
        await begun.wait()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await there.ask("And then?", conversation_id)
        assert code_of(refused) == "FAILED_PRECONDITION"
        release.set()
        await asked
        assert (await there.ask("And then?", conversation_id)).finished.kept
        assert (await here.get(conversation_id)).conversation.turn_count == 3


async def test_a_dead_process_holds_a_conversation_for_a_while_only(viewer: Caller, pool: Pool) -> None:
    """What nobody let go of is free when its answer could not come any more."""
    conversation_id = await viewer.begin()
    held = "UPDATE insight.conversation SET asking_id = gen_random_uuid(), asking_until = now() + $1::interval"
    await pool.execute(held, timedelta(minutes=1))
    with pytest.raises(grpc.aio.AioRpcError):
        await viewer.ask("And then?", conversation_id)
    await pool.execute(held, timedelta(seconds=-1))
    assert (await viewer.ask("And then?", conversation_id)).finished.kept


@pytest.mark.parametrize("new", [True, False])
async def test_a_question_cancelled_while_it_takes_its_conversation_holds_nothing(
    viewer: Caller, pool: Pool, postgres: str, new: bool
) -> None:
    """Whoever is cancelled while the claim is written may have written it, and lets go of it all the same."""
    conversation_id = await viewer.begin()
    blocker = await asyncpg.connect(postgres)
    try:
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE insight.conversation IN SHARE MODE")
            request = pb.AskRequest(question="And then?")
            if new:
                request.new_conversation = True
            else:
                request.conversation_id = conversation_id
            call = viewer.stub.Ask(request)
            waits = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            await until(pool, waits)
            call.cancel()
        assert (await ask_when_free(viewer, pool, conversation_id)).finished.kept
        await until(pool, "SELECT count(*) = 0 FROM insight.conversation WHERE asking_id IS NOT NULL")
        assert len((await viewer.list()).conversations) == 1
    finally:
        await blocker.close()


async def ask_when_free(viewer: Caller, pool: Pool, conversation_id: str) -> Answer:
    """Asks until the conversation is free: the claim of a cancelled question may be written, and let go, a moment later."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await viewer.ask("And then?", conversation_id)
            except grpc.aio.AioRpcError as error:
                if "being answered" not in (error.details() or ""):
                    raise
            await pool.execute("SELECT pg_sleep(0.02)")


async def test_a_cancelled_question_lets_go_of_its_conversation(pool: Pool) -> None:
    """Who cancels may ask again at once; a conversation without any answer goes away."""
    begun, release = asyncio.Event(), asyncio.Event()
    local = waiting(begun, release)
    async with serving(pool, local=local) as server, caller_of(server, "viewer-token") as viewer:
        conversation_id = await viewer.begin()
        for request in (
            pb.AskRequest(question="Wait?", conversation_id=conversation_id),
            pb.AskRequest(question="Wait?", new_conversation=True),
        ):
            begun.clear()
            call = viewer.stub.Ask(request)
            await begun.wait()
            call.cancel()
            await until(pool, "SELECT count(*) = 0 FROM insight.conversation WHERE asking_id IS NOT NULL")
        assert await pool.fetchval("SELECT count(*) FROM insight.conversation") == 1
        assert (await viewer.ask("And then?", conversation_id)).finished.kept


async def until(pool: Pool, sql: str) -> None:
    """Waits until a query gives true."""
    async with asyncio.timeout(20):
        while not await pool.fetchval(sql):
            await pool.execute("SELECT pg_sleep(0.02)")


async def test_an_answer_whose_conversation_was_deleted_still_comes(pool: Pool) -> None:
    """It says that it was not kept, and makes no conversation anew."""
    begun, release = asyncio.Event(), asyncio.Event()
    async with (
        serving(pool, local=waiting(begun, release)) as server,
        caller_of(server, "viewer-token") as viewer,
    ):
        conversation_id = await viewer.begin()
        asked = asyncio.create_task(viewer.ask("Wait?", conversation_id))
        await begun.wait()
        await viewer.delete(conversation_id)
        release.set()
        answer = await asked
    assert answer.text == "24 readings were stored."
    assert not answer.finished.kept
    assert "deleted" in answer.finished.not_kept_detail


async def test_a_full_conversation_takes_no_more(pool: Pool) -> None:
    """Turns and characters are bounded, each with a word that says so."""
    for limits, word in (
        (ConversationLimits(turns=2), "turns"),
        (ConversationLimits(characters=60), "characters"),
    ):
        async with serving(pool, limits=limits) as server, caller_of(server, "viewer-token") as viewer:
            conversation_id = await viewer.begin()
            await viewer.ask("And then?", conversation_id)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await viewer.ask("And now?", conversation_id)
            assert code_of(refused) == "FAILED_PRECONDITION"
            assert word in str(refused.value.trailing_metadata())


async def test_an_engine_gets_the_latest_turns_only(pool: Pool) -> None:
    """What a question may lean on is bounded by turns and by characters; the last turn always counts."""
    local = Scripted("local", counted)
    for limits, wanted in (
        (ConversationLimits(context_turns=2), ["b", "c"]),
        (ConversationLimits(context_characters=1), ["c"]),
    ):
        async with serving(pool, limits=limits, local=local) as server, caller_of(server, "viewer-token") as viewer:
            conversation_id = await viewer.begin("a")
            for question in ("b", "c", "d"):
                await viewer.ask(question, conversation_id)
        assert [turn.question for turn in local.asked[-1].turns] == wanted


async def test_the_conversation_that_rested_longest_makes_room(pool: Pool) -> None:
    """A caller has a bounded number of them, whatever others have."""
    limits = ConversationLimits(per_caller=2)
    async with (
        serving(pool, limits=limits) as server,
        caller_of(server, "viewer-token") as viewer,
        caller_of(server, "admin-token") as admin,
    ):
        others = await admin.begin()
        first, second = await viewer.begin(), await viewer.begin()
        await viewer.ask("And then?", first)
        third = await viewer.begin()
        assert [item.conversation_id for item in (await viewer.list()).conversations] == [third, first]
        with pytest.raises(grpc.aio.AioRpcError):
            await viewer.get(second)
        assert (await admin.get(others)).conversation.turn_count == 1


async def test_conversations_go_away_after_their_days(viewer: Caller, pool: Pool) -> None:
    """What nobody has gone on with is deleted; what somebody asks in just now is not."""
    old, busy, young = [await viewer.begin() for _ in range(3)]
    await pool.execute(
        "UPDATE insight.conversation SET update_time = now() - interval '31 days' WHERE conversation_id = ANY($1)",
        [uuid.UUID(old), uuid.UUID(busy)],
    )
    await pool.execute(
        "UPDATE insight.conversation SET asking_id = gen_random_uuid(), asking_until = now() + interval '1 minute'"
        " WHERE conversation_id = $1",
        uuid.UUID(busy),
    )
    store = ConversationStore(pool, ConversationLimits())
    stopping = asyncio.Event()
    cleaners = [asyncio.create_task(keep_clean(store, stopping)) for _ in range(2)]
    await until(pool, "SELECT count(*) = 2 FROM insight.conversation")
    stopping.set()
    await asyncio.gather(*cleaners)
    left = {row[0] for row in await pool.fetch("SELECT conversation_id::text FROM insight.conversation")}
    assert left == {busy, young}


async def test_the_answer_comes_where_nothing_can_be_written(viewer: Caller, pool: Pool) -> None:
    """A database that only reads keeps nothing, and the asker is told; earlier turns still count."""
    conversation_id = await viewer.begin()
    name = await pool.fetchval("SELECT current_database()")
    await pool.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await pool.expire_connections()
    for continued in (conversation_id, ""):
        answer = await viewer.ask("And then?", continued, new=not continued)
        assert answer.text == "24 readings were stored."
        assert not answer.finished.kept
        assert answer.finished.not_kept_detail


async def test_a_server_without_own_tables_answers_and_says_that_it_keeps_nothing() -> None:
    """A new conversation is only not kept; an old one cannot be gone on with."""
    async with serving(None) as server, caller_of(server, "viewer-token") as viewer:
        answer = await viewer.ask("How many?", new=True)
        assert answer.text == "24 readings were stored."
        assert answer.finished.not_kept_detail
        for call in (viewer.list(), viewer.ask("And?", str(uuid.uuid4()))):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert code_of(refused) == "FAILED_PRECONDITION"


async def test_hostile_text_is_kept_as_it_is(viewer: Caller, pool: Pool) -> None:
    """SQL, NUL and odd letters in a question are text; nothing else changes."""
    question = "Robert'); DROP TABLE insight.turn; --\x00 \u202e🙂 $1 %s {}"
    conversation_id = await viewer.begin(question)
    found = await viewer.get(conversation_id)
    assert found.turns[0].question == question.replace("\x00", "\ufffd")
    assert await pool.fetchval("SELECT count(*) FROM insight.turn") == 1


async def test_the_role_that_reads_for_questions_sees_no_conversation(postgres: str, viewer: Caller) -> None:
    """Whatever becomes of a query, it runs as a role without a right to insight's tables."""
    await viewer.begin()
    connection = await asyncpg.connect(postgres)
    try:
        await connection.execute(
            "DO $$ BEGIN CREATE ROLE dataflow_reader NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        await connection.execute("SET ROLE dataflow_reader")
        for table in ("conversation", "turn"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM insight.{table}")
    finally:
        await connection.close()


async def test_a_login_that_may_not_write_keeps_nothing(postgres: str) -> None:
    """Insight starts without own tables where its login cannot make them."""
    connection = await asyncpg.connect(postgres)
    try:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    finally:
        await connection.close()
    async with open_own(postgres) as opened:
        assert opened is None
