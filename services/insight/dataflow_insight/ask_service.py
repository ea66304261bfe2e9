"""AskService: the events of one answer, in order, with a gate before each."""

import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import grpc.aio
from dataflow.insight.v1 import ask_service_pb2, ask_service_pb2_grpc
from dataflow_mesh.logs import fields
from dataflow_mesh.names import INSIGHT_ASKS, INSIGHT_DECLINED, INSIGHT_DURATION, Attribute
from dataflow_mesh.telemetry import counter, histogram

from dataflow_insight.answers.phrase import is_empty, span_words
from dataflow_insight.answers.verify import Verified, verify
from dataflow_insight.catalogue.catalogue import Catalogue, Contract
from dataflow_insight.engines.engine import Engine
from dataflow_insight.english.refusals import unclear
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.messages import plan_to_proto
from dataflow_insight.plans.plan import Decline, Declined, Plan
from dataflow_insight.queries.sql import render
from dataflow_insight.queries.table import Table, iso, table_of

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
        ask_id = str(uuid.uuid4())
        started = ask_service_pb2.Started(ask_id=ask_id, engine=self._engine.name)
        yield ask_service_pb2.AskResponse(started=started)
        catalogue = await self._survey.catalogue(request.question)
        planned = await self._engine.plan(request.question, catalogue, self._now(), request.contract)
        if isinstance(planned, Declined):
            # A contract or device that is new must not be said to be unknown.
            newer = await self._survey.catalogue(request.question, fresh=True)
            if newer is not catalogue:
                catalogue = newer
                planned = await self._engine.plan(request.question, catalogue, self._now(), request.contract)
        plan: Plan | None = None
        contract: Contract | None = None
        if isinstance(planned, Plan):
            try:
                contract = check_plan(planned, catalogue)
                plan = planned
            except PlanError as error:
                _log.warning("plan refused", extra=fields("plan_refused", ask_id=ask_id, error=str(error)))
                planned = unclear()
        answer = _Answer()
        if plan is None or contract is None:
            assert isinstance(planned, Declined)
            answer.decline = planned.reason
            yield _text(Verified(planned.text, (), clean=True))
        else:
            yield ask_service_pb2.AskResponse(plan=ask_service_pb2.Planned(plan=plan_to_proto(plan)))
            query = render(plan, contract)
            table = table_of(query, await self._queries.fetch_bounded(query.sql, *query.parameters))
            yield ask_service_pb2.AskResponse(result=table.to_proto())
            async for verified in self._texts(request.question, plan, table, contract):
                answer.count += len(verified.bindings)
                answer.clean = answer.clean and verified.clean
                yield _text(verified)
            if is_empty(plan, table):
                answer.decline = Decline.NO_DATA
        seconds = time.monotonic() - began
        self._record(ask_id, answer, seconds)
        yield ask_service_pb2.AskResponse(finished=answer.finished(self._engine.name, seconds))

    async def _texts(self, question: str, plan: Plan, table: Table, contract: Contract) -> AsyncIterator[Verified]:
        allowed = [question, *_plan_texts(plan)]
        async for draft in self._engine.phrase(question, plan, table, contract):
            yield verify(draft, table, allowed, contract.devices)

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


class _Answer:
    """What `finished` will say."""

    def __init__(self) -> None:
        self.decline: Decline | None = None
        self.count = 0
        self.clean = True

    def finished(self, engine: str, seconds: float) -> ask_service_pb2.Finished:
        """Returns the last event."""
        finished = ask_service_pb2.Finished(engine=engine, verified_count=self.count, verified=self.clean)
        if self.decline is not None:
            finished.decline = self.decline.proto
        finished.duration.FromNanoseconds(int(seconds * 1e9))
        return finished


def _text(verified: Verified) -> ask_service_pb2.AskResponse:
    bindings = [
        ask_service_pb2.Binding(text=bound.text, row=bound.row, column=bound.column, rounded_to_digits=bound.digits)
        for bound in verified.bindings
    ]
    return ask_service_pb2.AskResponse(text=ask_service_pb2.TextDelta(text=verified.text, bindings=bindings))


def _plan_texts(plan: Plan) -> list[str]:
    """Returns the plan's own words, which a text may repeat."""
    limits = [f"{item.limit:g}" for item in plan.scope.conditions if isinstance(item.limit, int | float)]
    span = plan.scope.hull
    times = [iso(moment) for moment in (span.start, span.end) if moment is not None]
    return [*plan.scope.device_ids, *limits, *times, span_words(plan), plan.field, plan.contract]
