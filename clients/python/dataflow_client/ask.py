"""Questions in plain language: `dataflow.insight.v1.AskService`."""

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing

import grpc
from dataflow.insight.v1 import ask_service_pb2
from dataflow.insight.v1.ask_service_pb2_grpc import AskServiceStub
from grpc import aio

from dataflow_client.answers import Answer
from dataflow_client.calls import AsyncCaller, Caller


def _request(
    question: str, contract: str, time_zone: str, engine: str, conversation_id: str, new_conversation: bool
) -> ask_service_pb2.AskRequest:
    request = ask_service_pb2.AskRequest(question=question, contract=contract, time_zone=time_zone, engine=engine)
    if conversation_id:
        request.conversation_id = conversation_id
    elif new_conversation:
        request.new_conversation = True
    return request


class Ask:
    """Asks; every number of an answer comes from a result cell."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = AskServiceStub(channel)
        self._caller = caller

    def ask(
        self,
        question: str,
        *,
        contract: str = "",
        time_zone: str = "",
        engine: str = "",
        conversation_id: str = "",
        new_conversation: bool = False,
        timeout_seconds: float | None = None,
    ) -> Generator[ask_service_pb2.AskResponse, None, None]:
        """Yields the events of the answer: started, plans and results, text (one or more), finished.

        Where the data cannot answer, plan and result are missing and `finished.decline` says why. After `replaced` all
        before it is void; `Answer` folds the events and knows that. Closing the iterator cancels the query and the call
        to a model. A failed question is repeated only while no event came.

        Args:
            question: In English, at most 2,000 characters.
            contract: Only this contract; empty: the one that fits.
            time_zone: IANA name of the zone of "yesterday" and "18:00"; empty: UTC.
            engine: "local" to ask no model; empty: the server's choice.
            conversation_id: Goes on with this conversation of the caller's.
            new_conversation: Begins one; `started.conversation_id` names it.
            timeout_seconds: Deadline of the whole answer; None for the client's.

        Raises:
            QueryTooExpensiveError: The query would cost too much.
            AsksExhaustedError: The caller has too many answers in the making.
            ConversationNotFoundError: The caller has no conversation of that id.
            ConversationBusyError: Another question of it is being answered.
            ConversationFullError: It takes no more.
            DataflowError: The call failed otherwise.
        """
        options = self._caller.options
        return self._caller.stream(
            self._stub.Ask,
            _request(question, contract, time_zone, engine, conversation_id, new_conversation),
            timeout_seconds=timeout_seconds or options.ask_timeout_seconds,
            retry=options.retry,
        )

    def answer(
        self,
        question: str,
        *,
        contract: str = "",
        time_zone: str = "",
        engine: str = "",
        conversation_id: str = "",
        new_conversation: bool = False,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Returns the whole answer with its evidence.

        Args:
            question: As for `ask`, like all others.
            contract: See `ask`.
            time_zone: See `ask`.
            engine: See `ask`.
            conversation_id: See `ask`.
            new_conversation: See `ask`.
            timeout_seconds: See `ask`.

        Raises:
            DataflowError: As `ask` does.
        """
        answer = Answer(question)
        events = self.ask(
            question,
            contract=contract,
            time_zone=time_zone,
            engine=engine,
            conversation_id=conversation_id,
            new_conversation=new_conversation,
            timeout_seconds=timeout_seconds,
        )
        with closing(events):
            for event in events:
                answer.take(event)
        return answer

    def ask_text(self, question: str, *, contract: str = "", timeout_seconds: float | None = None) -> str:
        """Returns the text of the answer.

        Raises:
            DataflowError: As `ask` does.
        """
        return self.answer(question, contract=contract, timeout_seconds=timeout_seconds).text


class AsyncAsk:
    """Asks; every number of an answer comes from a result cell."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = AskServiceStub(channel)
        self._caller = caller

    def ask(
        self,
        question: str,
        *,
        contract: str = "",
        time_zone: str = "",
        engine: str = "",
        conversation_id: str = "",
        new_conversation: bool = False,
        timeout_seconds: float | None = None,
    ) -> AsyncGenerator[ask_service_pb2.AskResponse, None]:
        """Yields the events of the answer: started, plans and results, text (one or more), finished.

        Where the data cannot answer, plan and result are missing and `finished.decline` says why. After `replaced` all
        before it is void; `Answer` folds the events and knows that. Closing the iterator cancels the query and the call
        to a model. A failed question is repeated only while no event came.

        Args:
            question: In English, at most 2,000 characters.
            contract: Only this contract; empty: the one that fits.
            time_zone: IANA name of the zone of "yesterday" and "18:00"; empty: UTC.
            engine: "local" to ask no model; empty: the server's choice.
            conversation_id: Goes on with this conversation of the caller's.
            new_conversation: Begins one; `started.conversation_id` names it.
            timeout_seconds: Deadline of the whole answer; None for the client's.

        Raises:
            QueryTooExpensiveError: The query would cost too much.
            AsksExhaustedError: The caller has too many answers in the making.
            ConversationNotFoundError: The caller has no conversation of that id.
            ConversationBusyError: Another question of it is being answered.
            ConversationFullError: It takes no more.
            DataflowError: The call failed otherwise.
        """
        options = self._caller.options
        return self._caller.stream(
            self._stub.Ask,
            _request(question, contract, time_zone, engine, conversation_id, new_conversation),
            timeout_seconds=timeout_seconds or options.ask_timeout_seconds,
            retry=options.retry,
        )

    async def answer(
        self,
        question: str,
        *,
        contract: str = "",
        time_zone: str = "",
        engine: str = "",
        conversation_id: str = "",
        new_conversation: bool = False,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Returns the whole answer with its evidence.

        Args:
            question: As for `ask`, like all others.
            contract: See `ask`.
            time_zone: See `ask`.
            engine: See `ask`.
            conversation_id: See `ask`.
            new_conversation: See `ask`.
            timeout_seconds: See `ask`.

        Raises:
            DataflowError: As `ask` does.
        """
        answer = Answer(question)
        events = self.ask(
            question,
            contract=contract,
            time_zone=time_zone,
            engine=engine,
            conversation_id=conversation_id,
            new_conversation=new_conversation,
            timeout_seconds=timeout_seconds,
        )
        async with aclosing(events):
            async for event in events:
                answer.take(event)
        return answer

    async def ask_text(self, question: str, *, contract: str = "", timeout_seconds: float | None = None) -> str:
        """Returns the text of the answer.

        Raises:
            DataflowError: As `ask` does.
        """
        return (await self.answer(question, contract=contract, timeout_seconds=timeout_seconds)).text
