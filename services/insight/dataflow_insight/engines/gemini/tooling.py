"""Runs the model's tool calls: plans to the desk, their results or errors back, within the limits."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from dataflow_mesh.errors import QueryTooExpensiveError

from dataflow_insight.answers.phrase import is_empty
from dataflow_insight.engines.engine import Asked, Computed, Desk, EngineError, Fallback
from dataflow_insight.engines.gemini.calls import read_decline, read_plan
from dataflow_insight.engines.gemini.limits import Limits
from dataflow_insight.engines.gemini.messages import Called, Returned
from dataflow_insight.engines.gemini.redaction import Redactor
from dataflow_insight.engines.gemini.results import error_json, result_json
from dataflow_insight.engines.gemini.schema import COMPUTE, DECLINE
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Declined, Plan


class Tooling:
    """The tools of one answer.

    Args:
        asked: The question.
        desk: Computes plans.
        redactor: What the model may see.
        limits: For plans, calls and mistakes.

    Attributes:
        results: What was computed, by number.
    """

    def __init__(self, asked: Asked, desk: Desk, redactor: Redactor, limits: Limits) -> None:
        self.results: dict[int, Computed] = {}
        self._asked = asked
        self._desk = desk
        self._redactor = redactor
        self._limits = limits
        self._mistakes = 0
        self._seen: dict[Plan, int] = {}

    @property
    def may_compute(self) -> bool:
        """Whether another plan may be computed."""
        return len(self.results) < self._limits.plans

    @property
    def found_nothing(self) -> bool:
        """Whether plans were computed and none of them found a value."""
        return bool(self.results) and all(is_empty(item.plan, item.table) for item in self.results.values())

    def mistake(self, what: str) -> None:
        """Counts one.

        Raises:
            EngineError: It was one too many.
        """
        self._mistakes += 1
        if self._mistakes > self._limits.mistakes:
            raise EngineError(Fallback.INVALID, f"the model made too many mistakes; the last one: it {what}")

    async def run(self, calls: Sequence[Called], ends_at: float) -> tuple[Returned, Declined | None]:
        """Returns what the calls gave, in their order, and the refusal where that is the only call.

        Args:
            calls: Of one turn.
            ends_at: Until when, in the loop's time.

        Raises:
            EngineError: The model reached a limit.
        """
        results: list[tuple[Called, Mapping[str, Any]]] = []
        for number, call in enumerate(calls):
            if number >= self._limits.calls_per_turn:
                results.append((call, self._wrong(f"at most {self._limits.calls_per_turn} calls in a turn")))
            elif call.name == COMPUTE:
                results.append((call, await self._compute(call, ends_at)))
            elif call.name == DECLINE and len(calls) == 1:
                try:
                    return Returned(()), read_decline(call.arguments, computed=bool(self.results))
                except PlanError as error:
                    results.append((call, self._wrong(str(error))))
            elif call.name == DECLINE:
                results.append((call, self._wrong("decline alone, or not at all")))
            else:
                results.append((call, self._wrong(f"there are only the tools {COMPUTE} and {DECLINE}")))
        return Returned(tuple(results)), None

    async def _compute(self, call: Called, ends_at: float) -> Mapping[str, Any]:
        try:
            plan = read_plan(call.arguments, self._asked, self._redactor)
            if plan in self._seen:
                return self._wrong(f"this is result {self._seen[plan]} already; write the answer with it")
            if not self.may_compute:
                return self._wrong("no more plans; write the answer with the results that you have")
            # Before the desk, which knows everything and would list what the model must not know of.
            check_plan(plan, self._redactor.catalogue)
            async with asyncio.timeout_at(ends_at):
                computed = await self._desk.compute(plan)
        except PlanError as error:
            return self._wrong(str(error))
        except QueryTooExpensiveError as error:
            return self._wrong(f"that would cost too much ({error.message}); ask for less")
        except TimeoutError:
            raise EngineError(Fallback.DEADLINE, f"took longer than {self._limits.seconds:.0f} s") from None
        self._seen[plan] = computed.index
        self.results[computed.index] = computed
        return result_json(computed, self._redactor, self._limits.result_characters)

    def _wrong(self, text: str) -> Mapping[str, Any]:
        # The text names what the model wrote; what the asker is told of it must not.
        self.mistake("asked for what cannot be computed")
        return error_json(text, self._redactor)
