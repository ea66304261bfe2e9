"""Plans answered from rollups: the same as plain Python over the readings, whatever is marked, cut or removed."""

import asyncio
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from dataflow_insight.catalogue.catalogue import Catalogue, Rollup
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Grouping, Measure, Plan, Scope, TimeRange
from dataflow_insight.postgres import Reader
from dataflow_mesh.postgres import Limits, connect_pool
from dataflow_mesh.testing import PostgresCluster
from dataflow_validator.rollups.marks import mark, mark_hours
from dataflow_validator.rollups.worker import RollupWorker

from tests.integration.test_insight_queries import assert_same, computed, load
from tests.plan_data import MIX, STARTS, Reading, Readings, catalogue_of, random_readings, record_columns, records
from tests.plan_oracle import Oracle
from tests.random_plans import random_plan

pytestmark = pytest.mark.postgres

PLANS = 60
"""Of each measure that rollups answer."""

OF_ROLLUPS = (
    Measure.COUNT,
    Measure.AVG,
    Measure.MIN,
    Measure.MAX,
    Measure.SUM,
    Measure.RANGE,
    Measure.MISSING,
    Measure.MISSING_SHARE,
    Measure.COVERAGE,
)
READINGS = random_readings(random.Random(11), 90)
LATE = {name: rows[:25] for name, rows in READINGS.items()}
"""Come after the rollups were made."""

UNMARKED = datetime(2020, 5, 1, 10, 20, tzinfo=UTC)
"""A reading whose rollup is missing though no mark says so: only a query that reads rows sees it."""


async def load_rolled_up(dsn: str) -> None:
    """Makes rollups of most readings, and adds the rest with marks: of some devices, or of all."""
    await load(dsn, {name: rows[25:] for name, rows in READINGS.items()})
    connection = await asyncpg.connect(dsn)
    try:
        for name in READINGS:
            await connection.execute(
                "INSERT INTO validator.contract (name, active_revision, latest_revision) VALUES ($1, 1, 1)", name
            )
        async with await connect_pool(dsn, application_name="test", min_size=1, max_size=4, limits=Limits()) as pool:
            await RollupWorker(pool).settle()
        for name, rows in LATE.items():
            await add(connection, name, rows)
            hours: list[tuple[datetime, str]] = [(row.moment, row.device) for row in rows]
            await mark(connection, name, hours[:15])
            await mark_hours(connection, {name: {moment: None for moment, _ in hours[15:]}})
        assert await connection.fetchval("SELECT count(*) FROM validator.rollup_mark") > 20
    finally:
        await connection.close()


async def add(connection: "asyncpg.Connection[Any]", name: str, rows: list[Reading] | Any) -> None:
    """Stores more readings."""
    await connection.copy_records_to_table(
        name, schema_name="readings", columns=record_columns(name), records=records(name, rows)
    )


@pytest.fixture(scope="module")
def database(cluster: PostgresCluster) -> str:
    """Gives a database with readings and rollups."""
    dsn = cluster.create_database("rollups")
    asyncio.run(load_rolled_up(dsn))
    return dsn


def oracle_of(readings: Readings, catalogue: Catalogue) -> Oracle:
    """Returns what knows all readings."""
    units = {(contract.name, item.name): item.unit for contract in catalogue.contracts for item in contract.fields}
    return Oracle(readings, units)


@pytest.mark.parametrize("measure", OF_ROLLUPS, ids=lambda measure: measure.name)
async def test_rollups_and_rows_together_give_what_plain_python_gives(database: str, measure: Measure) -> None:
    """Marked hours and cut ones come from rows, all others from rollups, and nobody can tell."""
    chance = random.Random(f"rollups of {measure.name}")
    catalogue = catalogue_of(READINGS, Rollup())
    oracle = oracle_of(READINGS, catalogue)
    asked = rolled_up = 0
    async with Reader.open(database) as reader:
        while asked < PLANS or rolled_up < PLANS // 3:
            plan = simpler(chance, random_plan(chance, measure))
            try:
                table = await computed(reader, plan, catalogue)
            except PlanError:
                continue
            asked += 1
            rolled_up += "rollup." in table.query.sql
            try:
                assert_same(plan, table, oracle)
            except AssertionError as error:
                raise AssertionError(f"{plan}\n{table.query.sql}\n{table.query.parameters}\n{error}") from error


def simpler(chance: random.Random, plan: Plan) -> Plan:
    """Returns most plans without what rollups cannot answer."""
    if chance.random() < 0.1:
        return plan
    scope = replace(plan.scope, conditions=(), day_times=plan.scope.day_times if chance.random() < 0.3 else ())
    other = replace(plan.compared_with, conditions=(), day_times=()) if plan.compared_with is not None else None
    bare = Plan(MIX, plan.measure, plan.field)
    groups = plan.group_by if plan.measure is not Measure.COVERAGE else plan.group_by[:1]
    return replace(
        bare,
        scope=scope,
        compared_with=other,
        group_by=groups,
        group_field=plan.group_field,
        fold=plan.fold,
        having=plan.having,
        rank=plan.rank,
        with_where_and_when=plan.with_where_and_when,
        other_field="" if plan.other_joined else plan.other_field,
        time_zone=plan.time_zone,
        unit=plan.unit,
    )


async def test_unmarked_hours_are_not_read_from_rows(database: str) -> None:
    """Whole hours and days come from rollups alone: a row that they do not know of, and no mark tells of, is not seen."""
    connection = await asyncpg.connect(database)
    stray = replace(READINGS[MIX][0], device="stray", moment=UNMARKED, values=dict(READINGS[MIX][0].values))
    plan = Plan(
        MIX,
        Measure.COUNT,
        scope=Scope(times=(TimeRange(UNMARKED - timedelta(hours=3), UNMARKED + timedelta(hours=3)),)),
    )
    whole = replace(
        plan, scope=Scope(times=(TimeRange(datetime(2020, 5, 1, tzinfo=UTC), datetime(2020, 5, 2, tzinfo=UTC)),))
    )
    hourly = replace(whole, group_by=(Grouping.HOUR,), time_zone="Europe/Berlin")
    torn = replace(whole, group_by=(Grouping.HOUR,), time_zone="Asia/Kathmandu")
    cut = replace(plan, scope=Scope(times=(TimeRange(UNMARKED - timedelta(minutes=5), UNMARKED + timedelta(hours=3)),)))
    try:
        await add(connection, MIX, [stray])
        async with Reader.open(database) as reader:
            rolled_up = catalogue_of(READINGS, Rollup())

            async def count(asked: Plan, catalogue: Catalogue) -> int:
                rows = (await computed(reader, asked, catalogue)).rows
                return sum(int(str(row[-1])) for row in rows)

            assert await count(whole, rolled_up) == 0
            assert await count(hourly, rolled_up) == 0
            assert await count(torn, rolled_up) == 1
            assert await count(cut, rolled_up) == 1
            assert await count(whole, catalogue_of(READINGS)) == 1
            await mark(connection, MIX, [(UNMARKED, "stray")])
            assert await count(whole, rolled_up) == 1
            assert await count(hourly, rolled_up) == 1
    finally:
        await connection.execute("DELETE FROM readings.mix WHERE event_time = $1", UNMARKED)
        await connection.execute("DELETE FROM validator.rollup_mark WHERE hour < $1", STARTS[0] - timedelta(days=100))
        await connection.close()


async def test_rollups_of_removed_readings_still_count(database: str) -> None:
    """Where retention has removed rows, rollups are what is left, whatever is marked; where it has removed rollups, rows are."""
    removed = datetime(2024, 10, 1, tzinfo=UTC)
    plan = Plan(MIX, Measure.COUNT, scope=Scope(times=(TimeRange(None, removed),)))
    late = sum(1 for row in LATE[MIX] if row.moment < removed)
    early = sum(1 for row in READINGS[MIX] if row.moment < removed)
    async with Reader.open(database) as reader:
        kept = await computed(reader, plan, catalogue_of(READINGS, Rollup(rows_from=removed)))
        assert kept.rows[0][0] == early - late
        rows = await computed(reader, plan, catalogue_of(READINGS, Rollup(rollups_from=removed)))
        assert rows.rows[0][0] == early
        assert "rollup." not in rows.query.sql
