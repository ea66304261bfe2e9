"""Plans as SQL on a real Postgres, held against plain Python over the same readings."""

import asyncio
import math
import random
from datetime import datetime
from typing import Any

import asyncpg
import pytest
from dataflow_insight.catalogue.catalogue import Catalogue
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Measure, Plan
from dataflow_insight.postgres import Reader
from dataflow_insight.queries.query import MAX_ROWS, Role
from dataflow_insight.queries.sql import render
from dataflow_insight.queries.table import Table, table_of
from dataflow_mesh.testing import PostgresCluster

from tests.ask_database import make_schema
from tests.plan_data import Readings, catalogue_of, create_statements, random_readings, record_columns, records
from tests.plan_oracle import TIES, Oracle
from tests.plan_oracle_values import Cells
from tests.random_plans import random_plan

pytestmark = pytest.mark.postgres

PLANS = 40
"""Of each measure."""

READINGS = random_readings(random.Random(5))
CATALOGUE = catalogue_of(READINGS)


async def load(dsn: str, readings: Readings) -> None:
    """Makes the schema and the tables."""
    connection = await asyncpg.connect(dsn)
    try:
        await make_schema(connection)
        for name, rows in readings.items():
            for statement in create_statements(name):
                await connection.execute(statement)
            await connection.copy_records_to_table(
                name, schema_name="readings", columns=record_columns(name), records=records(name, rows)
            )
            await connection.execute(f'ANALYZE readings."{name}"')
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def database(cluster: PostgresCluster) -> str:
    """Gives a database with the readings."""
    dsn = cluster.create_database("readings")
    asyncio.run(load(dsn, READINGS))
    return dsn


@pytest.mark.parametrize("measure", list(Measure), ids=lambda measure: measure.name)
async def test_sql_gives_what_plain_python_gives(database: str, measure: Measure) -> None:
    """Whatever passes the check runs, and its result is that of a list of readings."""
    chance = random.Random(f"plans of {measure.name}")
    units = {(contract.name, item.name): item.unit for contract in CATALOGUE.contracts for item in contract.fields}
    oracle = Oracle(READINGS, units)
    asked = 0
    async with Reader.open(database) as reader:
        while asked < PLANS:
            plan = random_plan(chance, measure)
            try:
                table = await computed(reader, plan, CATALOGUE)
            except PlanError:
                continue
            asked += 1
            try:
                assert_same(plan, table, oracle)
            except AssertionError as error:
                raise AssertionError(f"{plan}\n{table.query.sql}\n{table.query.parameters}\n{error}") from error


async def computed(reader: Reader, plan: Plan, catalogue: Catalogue) -> Table:
    """Returns the result of a plan."""
    contract = check_plan(plan, catalogue)
    query = render(plan, contract, catalogue.contract_named(plan.join.contract) if plan.join is not None else None)
    try:
        return table_of(query, await reader.fetch_bounded(query.sql, *query.parameters))
    except asyncpg.PostgresError as error:
        raise AssertionError(f"{plan}\n{query.sql}\n{query.parameters}\n{error!r}") from error


def assert_same(plan: Plan, table: Table, oracle: Oracle) -> None:
    """Compares a result with the oracle's, and its order with what was asked for."""
    width, roles = len(plan.group_by), table.query.roles
    assert len(roles) == len(table.query.columns)
    assert Role.VALUE in roles
    wanted = oracle.rows(plan)
    got = [(row[:width], dict(zip(roles[width:], row[width:], strict=True))) for row in table.rows]
    if plan.measure is Measure.COVERAGE:
        assert roles[width : width + 3] == (Role.START, Role.END, Role.VALUE)
    else:
        assert roles[width] is Role.VALUE
    if len(got) == TIES and not width:
        # Of those that are level any may have been cut.
        values = [row[1][Role.VALUE] for row in wanted[:TIES]]
        assert all(same(row[1][Role.VALUE], value) for row, value in zip(got, values, strict=True))
        return
    if len(wanted) > MAX_ROWS:
        assert table.truncated
        return
    assert len(got) == len(wanted), f"{got[:3]} for {wanted[:3]}"
    for ours, theirs in zip(sorted(got, key=_order(plan)), sorted(wanted, key=_order(plan)), strict=True):
        assert ours[0] == theirs[0]
        for role, cell in ours[1].items():
            assert same(cell, theirs[1][role]), f"{role}: {cell!r} for {theirs[1][role]!r} in {ours} for {theirs}"
    if plan.rank and width:
        judged: list[Any] = [row[1][Role.DIFFERENCE if plan.compared_with else Role.VALUE] for row in got]
        assert judged == sorted(judged, reverse=plan.rank > 0)
    elif width:
        keys: list[Any] = [row[0] for row in got]
        assert keys == sorted(keys)


def _order(plan: Plan) -> Any:
    def place(row: tuple[tuple[Any, ...], Cells]) -> Any:
        cells = row[1]
        moments = [cells.get(role) for role in (Role.TIME, Role.START)]
        value = cells[Role.VALUE]
        texts = [cells.get(Role.DEVICE) or "", *(moment.isoformat() if moment else "" for moment in moments)]
        numbers = [
            f"{cells[role]:.9f}" for role in (Role.PREVIOUS, Role.OTHER_VALUE) if isinstance(cells.get(role), float)
        ]
        return row[0], texts, value if plan.measure is Measure.MODE or not plan.group_by else 0, numbers

    return place


def same(first: Any, second: Any) -> bool:
    """Returns whether two cells are equal, numbers within a billionth."""
    if isinstance(first, bool) or isinstance(second, bool) or first is None or second is None:
        return first is second
    if isinstance(first, int | float) and isinstance(second, int | float):
        return math.isclose(first, second, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(first, datetime):
        return isinstance(second, datetime) and first == second
    return bool(first == second)


@pytest.mark.parametrize(
    ("sql", "parameters", "text"),
    [
        ("SELECT sum(v) FROM unnest($1::double precision[]) AS t (v)", [[1e308, 1e308]], "too large"),
        ("SELECT date_trunc('day', now(), $1::text)", ["Europe/Atlantis"], "time zone"),
        ('SELECT count(*) FROM readings."gone"', [], "just changed"),
        ('SELECT "gone" FROM readings."mix"', [], "just changed"),
    ],
)
async def test_what_only_the_data_show_is_the_plans_error(
    database: str, sql: str, parameters: list[Any], text: str
) -> None:
    """Sums beyond a double, zones that Postgres does not know and tables that are gone are told to whoever planned."""
    async with Reader.open(database) as reader:
        with pytest.raises(PlanError, match=text):
            await reader.fetch_bounded(sql, *parameters)


async def test_the_cost_is_told_before_the_query_runs(database: str) -> None:
    """What is raised by whoever is told keeps the query from running; nothing changes and the connection stays usable."""

    def refuse(cost: float) -> None:
        assert cost > 0
        raise PlanError("no")

    async with Reader.open(database, connections=1) as reader:
        with pytest.raises(PlanError, match="no"):
            await reader.fetch_bounded('SELECT 1 / count(*) FROM readings."mix" WHERE device_id IS NULL', told=refuse)
        costs: list[float] = []
        assert (await reader.fetch_bounded('SELECT count(*) FROM readings."mix"', told=costs.append))[0][0] > 0
        assert len(costs) == 1
