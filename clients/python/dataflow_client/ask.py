"""Questions in plain language: `dataflow.insight.v1.AskService`."""

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing

import grpc
from dataflow.insight.v1 import ask_service_pb2
from dataflow.insight.v1.ask_service_pb2_grpc import AskServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller


class Ask:
    """Asks; every number of an answer comes from a result cell."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = AskServiceStub(channel)
        self._caller = caller

    def ask(
        self, question: str, *, contract: str = "", timeout_seconds: float | None = None
    ) -> Generator[ask_service_pb2.AskResponse, None, None]:
        """Yields the events of the answer: started, plan, result, text (one or more), finished.

        Where the data cannot answer, plan and result are missing and `finished.decline` says why. Closing the iterator
        cancels the query. A failed question is repeated only while no event came.

        Args:
            question: In English, at most 2,000 characters.
            contract: Only this contract; empty: the one that fits.
            timeout_seconds: Deadline of the whole answer; None for the client's.

        Raises:
            QueryTooExpensiveError: The query would cost too much.
            DataflowError: The call failed otherwise.
        """
        options = self._caller.options
        return self._caller.stream(
            self._stub.Ask,
            ask_service_pb2.AskRequest(question=question, contract=contract),
            timeout_seconds=timeout_seconds or options.ask_timeout_seconds,
            retry=options.retry,
        )

    def ask_text(self, question: str, *, contract: str = "", timeout_seconds: float | None = None) -> str:
        """Returns the text of the answer.

        Raises:
            DataflowError: As `ask` does.
        """
        with closing(self.ask(question, contract=contract, timeout_seconds=timeout_seconds)) as events:
            return "".join(event.text.text for event in events)


class AsyncAsk:
    """Asks; every number of an answer comes from a result cell."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = AskServiceStub(channel)
        self._caller = caller

    def ask(
        self, question: str, *, contract: str = "", timeout_seconds: float | None = None
    ) -> AsyncGenerator[ask_service_pb2.AskResponse, None]:
        """Yields the events of the answer: started, plan, result, text (one or more), finished.

        Where the data cannot answer, plan and result are missing and `finished.decline` says why. Closing the iterator
        cancels the query. A failed question is repeated only while no event came.

        Args:
            question: In English, at most 2,000 characters.
            contract: Only this contract; empty: the one that fits.
            timeout_seconds: Deadline of the whole answer; None for the client's.

        Raises:
            QueryTooExpensiveError: The query would cost too much.
            DataflowError: The call failed otherwise.
        """
        options = self._caller.options
        return self._caller.stream(
            self._stub.Ask,
            ask_service_pb2.AskRequest(question=question, contract=contract),
            timeout_seconds=timeout_seconds or options.ask_timeout_seconds,
            retry=options.retry,
        )

    async def ask_text(self, question: str, *, contract: str = "", timeout_seconds: float | None = None) -> str:
        """Returns the text of the answer.

        Raises:
            DataflowError: As `ask` does.
        """
        async with aclosing(self.ask(question, contract=contract, timeout_seconds=timeout_seconds)) as events:
            return "".join([event.text.text async for event in events])
