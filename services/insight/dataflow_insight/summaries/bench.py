"""Computes the results of one summary: plans where a plan can say it, own SQL where not; all within the same limits."""

from collections.abc import Mapping
from dataclasses import replace

from dataflow_insight.catalogue.catalogue import Catalogue, Contract
from dataflow_insight.engines.engine import Computed
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.plan import Plan
from dataflow_insight.queries.query import Query
from dataflow_insight.queries.reads import Queries
from dataflow_insight.queries.sql import render
from dataflow_insight.queries.table import Table, table_of
from dataflow_insight.summaries.cells import Line, lines


class Bench:
    """Runs queries one after the other and keeps what they gave.

    Args:
        catalogue: What exists.
        contract: What is summarised.
        queries: Runs the SQL.
    """

    def __init__(self, catalogue: Catalogue, contract: Contract, queries: Queries) -> None:
        self.results: list[Computed] = []
        self._catalogue = catalogue
        self._contract = contract
        self._queries = queries

    async def compute(self, plan: Plan) -> Computed:
        """Returns the result of a plan.

        Raises:
            PlanError: The plan does not fit the catalogue.
            QueryTooExpensiveError: It would cost too much.
        """
        check_plan(plan, self._catalogue)
        return self.keep(plan, await self.look(render(plan, self._contract)))

    async def run(self, query: Query, plan: Plan) -> Computed:
        """Returns the result of own SQL, beside the plan that is nearest to what it means.

        Raises:
            QueryTooExpensiveError: It would cost too much.
        """
        return self.keep(plan, await self.look(query))

    async def split(self, query: Query, plans: Mapping[str, Plan]) -> dict[str, list[Line]]:
        """Returns the results of own SQL over several fields, one for each: its rows, without the column `field`.

        Args:
            query: Names the field in its first column.
            plans: For each field what is nearest to its result.

        Raises:
            QueryTooExpensiveError: It would cost too much.
        """
        whole = await self.look(query)
        own = replace(query, columns=query.columns[1:], roles=query.roles[1:])
        found = {}
        for name, plan in plans.items():
            rows = tuple(row[1:] for row in whole.rows if row[0] == name)
            if rows:
                found[name] = lines(self.keep(plan, Table(own, rows)))
        return found

    def keep(self, plan: Plan, table: Table) -> Computed:
        """Keeps a result, or a part of one that means something else."""
        computed = Computed(len(self.results), plan, self._contract, table)
        self.results.append(computed)
        return computed

    async def look(self, query: Query) -> Table:
        """Returns a result that nothing is said of.

        Raises:
            QueryTooExpensiveError: It would cost too much.
        """
        return table_of(query, await self._queries.fetch_bounded(query.sql, *query.parameters))
