"""Questions that lean on those before them, and the conversations that insight keeps for their caller."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing

import grpc
from dataflow.insight.v1 import ask_service_pb2, conversation_pb2
from dataflow.insight.v1.ask_service_pb2_grpc import AskServiceStub
from grpc import aio

from dataflow_client.answers import Answer
from dataflow_client.ask import Ask, AsyncAsk
from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.paging import async_items, items


class Conversation:
    """Asks one question after the other; insight keeps them, so that each may lean on those before.

    ::

        conversation = client.conversation()
        print(conversation.answer("What was the average temperature at Tiantan?").text)
        print(conversation.answer("And at Gucheng?").text)

    One question at a time. The conversation begins with the first answer that was kept.
    """

    def __init__(
        self, asking: Ask, conversation_id: str = "", *, contract: str = "", time_zone: str = "", engine: str = ""
    ) -> None:
        """Makes the helper; nothing is sent before the first question.

        Args:
            asking: Asks.
            conversation_id: Goes on with this one; empty: begins one.
            contract: Of all questions; see `Ask.ask`.
            time_zone: See `Ask.ask`.
            engine: See `Ask.ask`.
        """
        self.conversation_id = conversation_id
        """Names the conversation; empty until it has begun."""
        self._asking = asking
        self._contract = contract
        self._time_zone = time_zone
        self._engine = engine

    def ask(
        self, question: str, *, alone: bool = False, timeout_seconds: float | None = None
    ) -> Generator[ask_service_pb2.AskResponse, None, None]:
        """Yields the events of the answer; see `Ask.ask`.

        Args:
            question: In English, at most 2,000 characters.
            alone: Begin no conversation for this question.
            timeout_seconds: Deadline of the whole answer; None for the client's.
        """
        begun = ""
        events = self._asking.ask(
            question,
            contract=self._contract,
            time_zone=self._time_zone,
            engine=self._engine,
            conversation_id=self.conversation_id,
            new_conversation=not alone,
            timeout_seconds=timeout_seconds,
        )
        with closing(events):
            for event in events:
                begun = event.started.conversation_id or begun
                if event.finished.kept:
                    self.conversation_id = begun
                yield event

    def answer(self, question: str, *, timeout_seconds: float | None = None) -> Answer:
        """Returns the whole answer.

        Raises:
            DataflowError: As `Ask.ask` does.
        """
        answer = Answer(question)
        for event in self.ask(question, timeout_seconds=timeout_seconds):
            answer.take(event)
        return answer


class AsyncConversation:
    """Asks one question after the other; insight keeps them, so that each may lean on those before.

    One question at a time. The conversation begins with the first answer that was kept.
    """

    def __init__(
        self, asking: AsyncAsk, conversation_id: str = "", *, contract: str = "", time_zone: str = "", engine: str = ""
    ) -> None:
        """Makes the helper; nothing is sent before the first question.

        Args:
            asking: Asks.
            conversation_id: Goes on with this one; empty: begins one.
            contract: Of all questions; see `AsyncAsk.ask`.
            time_zone: See `AsyncAsk.ask`.
            engine: See `AsyncAsk.ask`.
        """
        self.conversation_id = conversation_id
        """Names the conversation; empty until it has begun."""
        self._asking = asking
        self._contract = contract
        self._time_zone = time_zone
        self._engine = engine

    async def ask(
        self, question: str, *, alone: bool = False, timeout_seconds: float | None = None
    ) -> AsyncGenerator[ask_service_pb2.AskResponse, None]:
        """Yields the events of the answer; see `AsyncAsk.ask`.

        Args:
            question: In English, at most 2,000 characters.
            alone: Begin no conversation for this question.
            timeout_seconds: Deadline of the whole answer; None for the client's.
        """
        begun = ""
        events = self._asking.ask(
            question,
            contract=self._contract,
            time_zone=self._time_zone,
            engine=self._engine,
            conversation_id=self.conversation_id,
            new_conversation=not alone,
            timeout_seconds=timeout_seconds,
        )
        async with aclosing(events):
            async for event in events:
                begun = event.started.conversation_id or begun
                if event.finished.kept:
                    self.conversation_id = begun
                yield event

    async def answer(self, question: str, *, timeout_seconds: float | None = None) -> Answer:
        """Returns the whole answer.

        Raises:
            DataflowError: As `AsyncAsk.ask` does.
        """
        answer = Answer(question)
        async with aclosing(self.ask(question, timeout_seconds=timeout_seconds)) as events:
            async for event in events:
                answer.take(event)
        return answer


class Conversations:
    """Shows and deletes the caller's conversations; nobody sees those of another caller."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = AskServiceStub(channel)
        self._caller = caller

    def list(self, *, page_size: int = 0) -> Iterator[conversation_pb2.Conversation]:
        """Yields conversations, the one with the latest answer first.

        Args:
            page_size: Of one response; 0: the server's choice.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListConversations, page),
            ask_service_pb2.ListConversationsRequest(page_size=page_size),
            lambda response: response.conversations,
        )

    def get(self, conversation_id: str) -> conversation_pb2.Conversation:
        """Returns a conversation without its turns.

        Raises:
            ConversationNotFoundError: The caller has none of that id.
            DataflowError: The call failed otherwise.
        """
        request = ask_service_pb2.GetConversationRequest(conversation_id=conversation_id, page_size=1)
        return self._caller.unary(self._stub.GetConversation, request).conversation

    def turns(self, conversation_id: str, *, page_size: int = 0) -> Iterator[ask_service_pb2.ConversationTurn]:
        """Yields its questions and answers, the oldest first.

        Args:
            conversation_id: Which one.
            page_size: Of one response; 0: the server's choice.

        Raises:
            ConversationNotFoundError: The caller has none of that id.
            DataflowError: The call failed otherwise.
        """
        return items(
            lambda page: self._caller.unary(self._stub.GetConversation, page),
            ask_service_pb2.GetConversationRequest(conversation_id=conversation_id, page_size=page_size),
            lambda response: response.turns,
        )

    def delete(self, conversation_id: str) -> None:
        """Deletes a conversation with all its turns.

        Raises:
            ConversationNotFoundError: The caller has none of that id.
            DataflowError: The call failed otherwise.
        """
        request = ask_service_pb2.DeleteConversationRequest(conversation_id=conversation_id)
        self._caller.unary(self._stub.DeleteConversation, request)


class AsyncConversations:
    """Shows and deletes the caller's conversations; nobody sees those of another caller."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = AskServiceStub(channel)
        self._caller = caller

    def list(self, *, page_size: int = 0) -> AsyncIterator[conversation_pb2.Conversation]:
        """Yields conversations, the one with the latest answer first.

        Args:
            page_size: Of one response; 0: the server's choice.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListConversations, page),
            ask_service_pb2.ListConversationsRequest(page_size=page_size),
            lambda response: response.conversations,
        )

    async def get(self, conversation_id: str) -> conversation_pb2.Conversation:
        """Returns a conversation without its turns.

        Raises:
            ConversationNotFoundError: The caller has none of that id.
            DataflowError: The call failed otherwise.
        """
        request = ask_service_pb2.GetConversationRequest(conversation_id=conversation_id, page_size=1)
        return (await self._caller.unary(self._stub.GetConversation, request)).conversation

    def turns(self, conversation_id: str, *, page_size: int = 0) -> AsyncIterator[ask_service_pb2.ConversationTurn]:
        """Yields its questions and answers, the oldest first.

        Args:
            conversation_id: Which one.
            page_size: Of one response; 0: the server's choice.

        Raises:
            ConversationNotFoundError: The caller has none of that id.
            DataflowError: The call failed otherwise.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.GetConversation, page),
            ask_service_pb2.GetConversationRequest(conversation_id=conversation_id, page_size=page_size),
            lambda response: response.turns,
        )

    async def delete(self, conversation_id: str) -> None:
        """Deletes a conversation with all its turns.

        Raises:
            ConversationNotFoundError: The caller has none of that id.
            DataflowError: The call failed otherwise.
        """
        request = ask_service_pb2.DeleteConversationRequest(conversation_id=conversation_id)
        await self._caller.unary(self._stub.DeleteConversation, request)
