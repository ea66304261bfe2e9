"""AskService: the events of one answer, in order, with a gate before each."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import grpc.aio
from dataflow.insight.v1 import ask_service_pb2, ask_service_pb2_grpc
from dataflow_mesh.errors import InvalidRequestError
from dataflow_mesh.logs import fields
from dataflow_mesh.names import INSIGHT_ASKS, INSIGHT_DECLINED, INSIGHT_DURATION, Attribute
from dataflow_mesh.telemetry import counter, histogram

from dataflow_insight.answers.phrase import is_empty, span_words
from dataflow_insight.answers.verify import Bound, Draft, Verified, verify
from dataflow_insight.catalogue.catalogue import Catalogue
from dataflow_insight.engines.engine import Asked, Computed, Engine
from dataflow_insight.engines.usage import Usage
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.messages import plan_to_proto
from dataflow_insight.plans.plan import Decline, Declined, Plan
from dataflow_insight.queries.sql import render
from dataflow_insight.queries.table import iso, table_of

_log = logging.getLogger(__name__)


class Catalogues(Protocol):
    """Knows what can be asked about."""

    async def catalogue(self, question: str, *, fresh: bool = False) -> Catalogue:
        """Returns it, with what the question may name."""
        ...


class Queries(Protocol):
    """Runs the query of a plan."""

    async def fetch_bounded(self, sql: str, *parameters: object) -> Sequence[Sequence[Any]]:
        """Returns the rows, or raises when they would cost too much."""
        ...


class AskService(ask_service_pb2_grpc.AskServiceServicer):
    """Answers questions through one engine.

    Args:
        engine: Plans and phrases.
        survey: Knows what can be asked about.
        queries: Runs the SQL.
        now: The present, UTC; a parameter for tests.
    """

    def __init__(
        self,
        engine: Engine,
        survey: Catalogues,
        queries: Queries,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._survey = survey
        self._queries = queries
        self._now = now

    async def Ask(
        self,
        request: ask_service_pb2.AskRequest,
        context: grpc.aio.ServicerContext[ask_service_pb2.AskRequest, ask_service_pb2.AskResponse],
    ) -> AsyncIterator[ask_service_pb2.AskResponse]:
        """Yields started, plan, result, text and finished; or started, text and finished where there is no answer."""
        del context
        began = time.monotonic()
        zone = zone_named(request.time_zone)
        ask_id = str(uuid.uuid4())
        started = ask_service_pb2.Started(ask_id=ask_id, engine=self._engine.name)
        yield ask_service_pb2.AskResponse(started=started)
        answer = _Answer()
        async with _produced(lambda tell: self._produce(request, zone, answer, tell)) as events:
            async for event in events:
                yield event
        seconds = time.monotonic() - began
        self._record(ask_id, answer, seconds)
        yield ask_service_pb2.AskResponse(finished=answer.finished(self._engine.name, seconds))

    async def _produce(
        self, request: ask_service_pb2.AskRequest, zone: ZoneInfo, answer: "_Answer", tell: "_Tell"
    ) -> None:
        """Tells plans, results and texts."""
        catalogue = await self._survey.catalogue(request.question)
        asked = Asked(request.question, catalogue, self._now(), zone, request.contract)
        desk = _Desk(asked, self._queries, tell)
        async for piece in self._pieces(asked, desk):
            if isinstance(piece, Declined):
                answer.decline = piece.reason
                await tell(_text(Verified(piece.text, (), clean=True)))
                continue
            verified = desk.verify(piece)
            answer.bindings += verified.bindings
            answer.clean = answer.clean and verified.clean
            await tell(_text(verified))
        if desk.computed and all(is_empty(item.plan, item.table) for item in desk.computed):
            answer.decline = Decline.NO_DATA

    async def _pieces(self, asked: Asked, desk: "_Desk") -> AsyncIterator[Draft | Declined]:
        async for piece in self._engine.answer(asked, desk):
            if isinstance(piece, Declined) and not desk.computed:
                # A contract or device that is new must not be said to be unknown.
                newer = await self._survey.catalogue(asked.question, fresh=True)
                if newer is not asked.catalogue:
                    desk.asked = replace(asked, catalogue=newer)
                    async for again in self._engine.answer(desk.asked, desk):
                        yield again
                    return
            yield piece

    def _record(self, ask_id: str, answer: "_Answer", seconds: float) -> None:
        engine = self._engine.name
        outcome = "answered" if answer.decline is None else "declined"
        counter(INSIGHT_ASKS).add(1, {Attribute.ENGINE: engine, Attribute.OUTCOME: outcome})
        if answer.decline is not None:
            counter(INSIGHT_DECLINED).add(1, {Attribute.REASON: answer.decline.name})
        histogram(INSIGHT_DURATION).record(seconds, {Attribute.ENGINE: engine})
        _log.info(
            "question answered", extra=fields("ask_finished", ask_id=ask_id, outcome=outcome, seconds=round(seconds, 4))
        )


_Tell = Callable[[ask_service_pb2.AskResponse], Awaitable[None]]
"""Gives the asker an event; waits while the asker is slow."""


@asynccontextmanager
async def _produced(
    produce: Callable[[_Tell], Awaitable[None]],
) -> AsyncIterator[AsyncIterator[ask_service_pb2.AskResponse]]:
    """Runs a producer beside its reader, and ends it with the reader.

    Raises:
        Exception: What the producer raised, after its last event was read.
    """
    queue: asyncio.Queue[ask_service_pb2.AskResponse | None] = asyncio.Queue(maxsize=1)

    async def run() -> None:
        try:
            await produce(queue.put)
        except Exception:
            await queue.put(None)
            raise
        await queue.put(None)

    async def read() -> AsyncIterator[ask_service_pb2.AskResponse]:
        while (event := await queue.get()) is not None:
            yield event
        await task

    task = asyncio.create_task(run(), name="answer")
    try:
        yield read()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


class _Desk:
    """Computes the plans of one answer and keeps what was computed."""

    def __init__(self, asked: Asked, queries: Queries, tell: "_Tell") -> None:
        self.asked = asked
        self.computed: list[Computed] = []
        self.usage = Usage()
        self._queries = queries
        self._tell = tell

    async def compute(self, plan: Plan) -> Computed:
        """Returns the result of a plan."""
        contract = check_plan(plan, self.asked.catalogue)
        index = len(self.computed)
        planned = ask_service_pb2.Planned(plan=plan_to_proto(plan), index=index)
        await self._tell(ask_service_pb2.AskResponse(plan=planned))
        query = render(plan, contract)
        self.usage.query_count += 1
        table = table_of(query, await self._queries.fetch_bounded(query.sql, *query.parameters))
        result = table.to_proto()
        result.index = index
        await self._tell(ask_service_pb2.AskResponse(result=result))
        self.computed.append(Computed(index, plan, contract, table))
        return self.computed[-1]

    def verify(self, draft: Draft) -> Verified:
        """Returns a draft as it may be shown."""
        computed = self.computed[-1]
        allowed = [self.asked.question, *_plan_texts(computed.plan)]
        return verify(draft, computed.table, allowed, computed.contract.devices)


class _Answer:
    """What `finished` will say."""

    def __init__(self) -> None:
        self.decline: Decline | None = None
        self.bindings: tuple[Bound, ...] = ()
        self.clean = True

    def finished(self, engine: str, seconds: float) -> ask_service_pb2.Finished:
        """Returns the last event."""
        finished = ask_service_pb2.Finished(
            engine=engine,
            verified_count=len(self.bindings),
            verified=self.clean,
            bindings=[_binding(bound) for bound in self.bindings],
        )
        if self.decline is not None:
            finished.decline = self.decline.proto
        finished.duration.FromNanoseconds(int(seconds * 1e9))
        return finished


def zone_named(name: str) -> ZoneInfo:
    """Returns a time zone.

    Raises:
        InvalidRequestError: There is none of this name.
    """
    try:
        return ZoneInfo(name or "UTC")
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise InvalidRequestError(
            f"time_zone: there is no time zone {name!r}; use an IANA name such as Europe/Berlin"
        ) from error


def _text(verified: Verified) -> ask_service_pb2.AskResponse:
    bindings = [_binding(bound) for bound in verified.bindings]
    return ask_service_pb2.AskResponse(text=ask_service_pb2.TextDelta(text=verified.text, bindings=bindings))


def _binding(bound: Bound) -> ask_service_pb2.Binding:
    return ask_service_pb2.Binding(
        text=bound.text, row=bound.row, column=bound.column, rounded_to_digits=bound.digits, result=bound.result
    )


def _plan_texts(plan: Plan) -> list[str]:
    """Returns the plan's own words, which a text may repeat."""
    limits = [f"{item.limit:g}" for item in plan.scope.conditions if isinstance(item.limit, int | float)]
    span = plan.scope.hull
    times = [iso(moment) for moment in (span.start, span.end) if moment is not None]
    return [*plan.scope.device_ids, *limits, *times, span_words(plan), plan.field, plan.contract]
