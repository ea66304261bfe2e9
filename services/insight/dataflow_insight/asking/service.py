"""AskService on the wire: checks requests, admits callers, streams the events of an answer, shows conversations."""

import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import grpc.aio
from dataflow.insight.v1 import ask_service_pb2, ask_service_pb2_grpc
from dataflow_mesh.access import current_caller
from dataflow_mesh.interceptors.call import remaining_deadline

from dataflow_insight.asking import events
from dataflow_insight.asking.admission import Admission
from dataflow_insight.asking.answering import Answering
from dataflow_insight.asking.deadline import within
from dataflow_insight.asking.engines import Engines
from dataflow_insight.asking.limits import AskLimits
from dataflow_insight.asking.records import recorded
from dataflow_insight.asking.stream import Tell, produced
from dataflow_insight.catalogue.catalogue import Catalogues
from dataflow_insight.conversations.pages import get_conversation, list_conversations
from dataflow_insight.conversations.taking_part import Conversations, Part
from dataflow_insight.engines.engine import Asked, Engine
from dataflow_insight.queries.reads import Queries
from dataflow_insight.time_zone import zone_named

Context = grpc.aio.ServicerContext[Any, Any]


class AskService(ask_service_pb2_grpc.AskServiceServicer):
    """Answers questions, and shows callers their conversations.

    Args:
        engine: The local engine, which needs nothing and is always there.
        survey: Knows what can be asked about.
        queries: Runs the SQL.
        model: The engine that is asked first; None: the local one.
        limits: Of an answer and of a caller.
        conversations: Where questions take part in them; None: nowhere.
        now: The present, UTC; a parameter for tests.
    """

    def __init__(
        self,
        engine: Engine,
        survey: Catalogues,
        queries: Queries,
        *,
        model: Engine | None = None,
        limits: AskLimits | None = None,
        conversations: Conversations | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._limits = limits or AskLimits()
        self._engines = Engines(engine, model)
        self._survey = survey
        self._answering = Answering(self._engines, survey, queries, self._limits)
        self._admission = Admission(self._limits.asks_per_caller)
        self._conversations = conversations or Conversations()
        self._now = now

    async def Ask(
        self, request: ask_service_pb2.AskRequest, context: Context
    ) -> AsyncIterator[ask_service_pb2.AskResponse]:
        """Yields started, plans, results, texts and finished; declined, plan and result are missing."""
        zone = zone_named(request.time_zone)
        first = self._engines.first(request.engine)
        with self._admission.admitted(current_caller().name):
            async with produced(lambda tell: self._produce(request, zone, first, tell)) as answer:
                async for event in answer:
                    yield event

    async def ListConversations(
        self, request: ask_service_pb2.ListConversationsRequest, context: Context
    ) -> ask_service_pb2.ListConversationsResponse:
        """Shows the caller's conversations."""
        return await list_conversations(self._conversations.store, current_caller().name, request)

    async def GetConversation(
        self, request: ask_service_pb2.GetConversationRequest, context: Context
    ) -> ask_service_pb2.GetConversationResponse:
        """Shows a conversation of the caller's, with its turns."""
        return await get_conversation(self._conversations.store, current_caller().name, request)

    async def DeleteConversation(
        self, request: ask_service_pb2.DeleteConversationRequest, context: Context
    ) -> ask_service_pb2.DeleteConversationResponse:
        """Deletes a conversation of the caller's."""
        await self._conversations.store.delete(uuid.UUID(request.conversation_id), current_caller().name)
        return ask_service_pb2.DeleteConversationResponse()

    async def _produce(self, request: ask_service_pb2.AskRequest, zone: ZoneInfo, first: Engine, tell: Tell) -> None:
        began, seconds, ask_id = time.monotonic(), self._seconds(), uuid.uuid4()
        with recorded(str(ask_id)) as record:
            async with self._part(request, ask_id, seconds) as part:
                await tell(events.started(str(ask_id), first.name, part.conversation_id))
                async with within(seconds):
                    catalogue = await self._survey.catalogue(request.question)
                    asked = Asked(request.question, catalogue, self._now(), zone, request.contract, part.turns)
                    answer = await self._answering.answer(first, asked, tell, seconds=seconds, began=began)
                record.take(answer)
                await part.keep(answer.turn(ask_id, request.question))
                await tell(events.finished(answer.finished(), kept=part.kept, problem=part.problem))

    def _part(
        self, request: ask_service_pb2.AskRequest, ask_id: uuid.UUID, seconds: float
    ) -> AbstractAsyncContextManager[Part]:
        caller = current_caller().name
        match request.WhichOneof("conversation"):
            case "conversation_id":
                conversation_id = uuid.UUID(request.conversation_id)
                return self._conversations.continued(conversation_id, caller, ask_id, seconds)
            case "new_conversation":
                return self._conversations.begun(caller, request.question, ask_id, seconds)
            case _:
                return contextlib.nullcontext(Part())

    def _seconds(self) -> float:
        """Returns how long the answer may take: not longer than the asker waits."""
        left = remaining_deadline()
        return self._limits.answer_seconds if left is None else min(left, self._limits.answer_seconds)
