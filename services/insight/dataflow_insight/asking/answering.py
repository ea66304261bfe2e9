"""The making of one answer: the first engine, the local one where that fails, and the last event."""

import asyncio
import logging
import time
from dataclasses import dataclass
from uuid import UUID

from dataflow.insight.v1 import ask_service_pb2
from dataflow_mesh.errors import DataflowError, QueryTooExpensiveError
from dataflow_mesh.logs import fields
from dataflow_mesh.postgres import translate

from dataflow_insight.asking import events
from dataflow_insight.asking.attempt import Attempt
from dataflow_insight.asking.desk import AskDesk
from dataflow_insight.asking.engines import Engines
from dataflow_insight.asking.limits import AskLimits
from dataflow_insight.asking.stream import Tell
from dataflow_insight.catalogue.catalogue import Catalogues
from dataflow_insight.conversations.conversation import KeptTurn
from dataflow_insight.engines.engine import Asked, Engine, EngineError, Fallback
from dataflow_insight.engines.usage import Usage
from dataflow_insight.plans.messages import plan_to_proto
from dataflow_insight.plans.plan import Plan
from dataflow_insight.queries.reads import Queries

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Answer:
    """What came of a question.

    Attributes:
        attempt: The engine that answered, and what it showed.
        plans: All plans of that engine, in order.
        began: Monotonic time of the question.
        fallback: Why another engine than the first answered; None where the first one did.
        fallback_detail: The same for people.
        usage: What it took, over all engines.
    """

    attempt: Attempt
    usage: Usage
    began: float
    fallback: Fallback | None = None
    fallback_detail: str = ""

    @property
    def engine(self) -> str:
        """Who answered."""
        return self.attempt.engine.name

    @property
    def plans(self) -> tuple[Plan, ...]:
        """What the engine that answered computed."""
        return tuple(item.plan for item in self.attempt.desk.computed)

    def turn(self, ask_id: UUID, question: str) -> KeptTurn:
        """Returns what a conversation keeps of it."""
        decline = self.attempt.decline
        plans = tuple(plan_to_proto(plan) for plan in self.plans)
        return KeptTurn(0, ask_id, question, self.attempt.text, plans, self.engine, int(decline or 0))

    def finished(self) -> ask_service_pb2.Finished:
        """Returns the last event."""
        attempt = self.attempt
        message = ask_service_pb2.Finished(
            engine=self.engine,
            verified_count=len(attempt.bindings),
            verified=attempt.removed == 0,
            removed_count=attempt.removed,
            bindings=[events.binding(bound) for bound in attempt.bindings],
            fallback_detail=self.fallback_detail,
            usage=self.usage.to_proto(),
        )
        if attempt.decline is not None:
            message.decline = attempt.decline.proto
        if self.fallback is not None:
            message.fallback = self.fallback.proto
        message.duration.FromNanoseconds(int((time.monotonic() - self.began) * 1e9))
        return message


class Answering:
    """Makes answers.

    Args:
        engines: Who answers.
        survey: Knows what can be asked about.
        queries: Runs the SQL.
        limits: Of one answer.
    """

    def __init__(self, engines: Engines, survey: Catalogues, queries: Queries, limits: AskLimits) -> None:
        self._engines = engines
        self._survey = survey
        self._queries = queries
        self._limits = limits

    async def answer(self, first: Engine, asked: Asked, tell: Tell, *, seconds: float, began: float) -> Answer:
        """Tells the asker plans, results and texts, and returns what came of it.

        Args:
            first: The engine that is to answer.
            asked: The question.
            tell: Gives the asker an event.
            seconds: How long it may take in all; the caller sees to it, and the first engine leaves some to the local one.
            began: Monotonic time of the question.

        Raises:
            QueryTooExpensiveError: The query would cost too much.
        """
        usage = Usage()
        if first is self._engines.local:
            return Answer(await self._local(asked, tell, usage, 0), usage, began)
        left = max(0.0, began + seconds - time.monotonic())
        return await self._with_model(first, asked, tell, usage, began, left)

    async def _with_model(
        self, first: Engine, asked: Asked, tell: Tell, usage: Usage, began: float, seconds: float
    ) -> Answer:
        desk = AskDesk(asked, self._queries, tell, limits=self._limits, usage=usage)
        attempt = Attempt(first, desk, self._survey, tell, limits=self._limits)
        # Half of a short deadline: else no time would be left for the engine that can keep it.
        mine = max(seconds - self._limits.reserved_seconds, seconds / 2)
        failure = await _failure(attempt, mine)
        if failure is None and not attempt.has_substance:
            failure = EngineError(Fallback.UNSUPPORTED, "nothing of its text stands on a result")
        if failure is None:
            return Answer(attempt, usage, began)
        _log.warning(
            "another engine answers",
            extra=fields("ask_fallback", engine=first.name, reason=failure.reason.name, detail=str(failure)),
        )
        if attempt.text or desk.next_index:
            await tell(events.replaced(f"{first.name} failed: {failure}"))
        # The desk's catalogue may be newer than the question's.
        local = await self._local(desk.asked, tell, usage, desk.next_index)
        return Answer(local, usage, began, failure.reason, str(failure))

    async def _local(self, asked: Asked, tell: Tell, usage: Usage, first_index: int) -> Attempt:
        desk = AskDesk(asked, self._queries, tell, limits=self._limits, usage=usage, first_index=first_index)
        attempt = Attempt(self._engines.local, desk, self._survey, tell, limits=None)
        try:
            await attempt.run()
        except EngineError as error:
            raise QueryTooExpensiveError(metadata={"limit": "queries"}) from error
        return attempt


async def _failure(attempt: Attempt, seconds: float) -> EngineError | None:
    """Runs an engine that may fail in any way; returns how it failed.

    Raises:
        Exception: What would fail another engine, too: Postgres does not answer.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await attempt.run()
    except EngineError as error:
        return error
    except QueryTooExpensiveError as error:
        return EngineError(Fallback.LIMIT, error.message)
    except DataflowError:
        raise
    except TimeoutError as error:
        if limit.expired():
            return EngineError(Fallback.DEADLINE, f"took longer than {seconds:.0f} s")
        return _defect(attempt, error)
    except Exception as error:  # noqa: BLE001 - the outermost place of an engine: whatever a provider sends, the local one answers
        return _defect(attempt, error)
    return None


def _defect(attempt: Attempt, error: Exception) -> EngineError:
    if translate(error) is not None:
        raise error
    _log.error("an engine failed", extra=fields("engine_failed", engine=attempt.engine.name), exc_info=error)
    return EngineError(Fallback.INVALID, "failed in an unexpected way; the log of insight has the details")
