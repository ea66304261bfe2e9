"""AskService on the wire: checks requests, admits callers, and streams the events of an answer."""

import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import grpc.aio
from dataflow.insight.v1 import ask_service_pb2, ask_service_pb2_grpc
from dataflow_mesh.access import current_caller
from dataflow_mesh.errors import InvalidRequestError
from dataflow_mesh.interceptors.call import remaining_deadline

from dataflow_insight.asking import events
from dataflow_insight.asking.admission import Admission
from dataflow_insight.asking.answering import Answering
from dataflow_insight.asking.desk import Queries
from dataflow_insight.asking.engines import Engines
from dataflow_insight.asking.knowledge import Catalogues
from dataflow_insight.asking.limits import AskLimits
from dataflow_insight.asking.records import recorded
from dataflow_insight.asking.stream import Tell, produced
from dataflow_insight.engines.engine import Asked, Engine

_log = logging.getLogger(__name__)


class AskService(ask_service_pb2_grpc.AskServiceServicer):
    """Answers questions.

    Args:
        engine: The local engine, which needs nothing and is always there.
        survey: Knows what can be asked about.
        queries: Runs the SQL.
        model: The engine that is asked first; None: the local one.
        limits: Of an answer and of a caller.
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
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._limits = limits or AskLimits()
        self._engines = Engines(engine, model)
        self._survey = survey
        self._answering = Answering(self._engines, survey, queries, self._limits)
        self._admission = Admission(self._limits.asks_per_caller)
        self._now = now

    async def Ask(
        self,
        request: ask_service_pb2.AskRequest,
        context: grpc.aio.ServicerContext[ask_service_pb2.AskRequest, ask_service_pb2.AskResponse],
    ) -> AsyncIterator[ask_service_pb2.AskResponse]:
        """Yields started, plans, results, texts and finished; declined, plan and result are missing."""
        del context
        zone = zone_named(request.time_zone)
        first = self._engines.first(request.engine)
        with self._admission.admitted(current_caller().name):
            async with produced(lambda tell: self._produce(request, zone, first, tell)) as answer:
                async for event in answer:
                    yield event

    async def _produce(self, request: ask_service_pb2.AskRequest, zone: ZoneInfo, first: Engine, tell: Tell) -> None:
        began = time.monotonic()
        with recorded(str(uuid.uuid4())) as record:
            await tell(events.started(record.ask_id, first.name))
            catalogue = await self._survey.catalogue(request.question)
            asked = Asked(request.question, catalogue, self._now(), zone, request.contract)
            answer = await self._answering.answer(first, asked, tell, seconds=self._seconds(), began=began)
            record.take(answer)
            await tell(events.Event(finished=answer.finished()))

    def _seconds(self) -> float:
        """Returns how long the answer may take: not longer than the asker waits."""
        left = remaining_deadline()
        return self._limits.answer_seconds if left is None else min(left, self._limits.answer_seconds)


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
