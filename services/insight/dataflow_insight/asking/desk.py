"""The desk of an engine: computes its plans within the limits and tells the asker."""

from dataflow_insight.answers.phrase import is_empty
from dataflow_insight.asking import events
from dataflow_insight.asking.limits import AskLimits
from dataflow_insight.asking.stream import Tell
from dataflow_insight.engines.engine import Asked, Computed, EngineError, Fallback
from dataflow_insight.engines.usage import Usage
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.plan import Plan
from dataflow_insight.queries.reads import Queries
from dataflow_insight.queries.sql import render
from dataflow_insight.queries.table import table_of


class AskDesk:
    """Computes the plans of one engine for one answer and keeps what was computed.

    Args:
        asked: The question.
        queries: Runs the SQL.
        tell: Gives the asker an event.
        limits: Of one answer.
        usage: Of the whole answer.
        first_index: Number of the first plan; an engine that answers after another one goes on counting.
    """

    def __init__(
        self,
        asked: Asked,
        queries: Queries,
        tell: Tell,
        *,
        limits: AskLimits,
        usage: Usage | None = None,
        first_index: int = 0,
    ) -> None:
        self.asked = asked
        self.computed: list[Computed] = []
        self.next_index = first_index
        self._queries = queries
        self._tell = tell
        self._limits = limits
        self._usage = usage if usage is not None else Usage()
        self._steps = 0
        self._ran = 0

    @property
    def usage(self) -> Usage:
        """What the answer took so far."""
        return self._usage

    @property
    def found_nothing(self) -> bool:
        """Whether queries ran and none of them found a value."""
        return bool(self.computed) and all(is_empty(item.plan, item.table) for item in self.computed)

    async def compute(self, plan: Plan) -> Computed:
        """Returns the result of a plan.

        Raises:
            PlanError: The plan does not fit the catalogue.
            QueryTooExpensiveError: It would cost more than a query, an answer or the caller may.
            EngineError: The engine has asked for as many plans or queries as it may.
        """
        self._steps += 1
        if self._steps > self._limits.steps:
            raise EngineError(Fallback.LIMIT, f"asked for more than {self._limits.steps} plans")
        contract = check_plan(plan, self.asked.catalogue)
        self._ran += 1
        if self._ran > self._limits.queries:
            raise EngineError(Fallback.LIMIT, f"asked for more than {self._limits.queries} queries")
        index, self.next_index = self.next_index, self.next_index + 1
        await self._tell(events.planned(index, plan))
        joined = self.asked.catalogue.contract_named(plan.join.contract) if plan.join is not None else None
        query = render(plan, contract, joined)
        self._usage.query_count += 1
        table = table_of(query, await self._queries.fetch_bounded(query.sql, *query.parameters, told=self._spend))
        await self._tell(events.resulted(index, table))
        computed = Computed(index, plan, contract, table)
        self.computed.append(computed)
        return computed

    def _spend(self, cost: float) -> None:
        self._usage.query_cost += cost
