"""The SQL of plans: no value of a plan is in its text, and no name of the catalogue gets out of its quotes."""

import random
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind, Rollup
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Condition, Grouping, Measure, Plan, Scope
from dataflow_insight.queries.query import MAX_ROWS, Query, Role
from dataflow_insight.queries.sql import render
from dataflow_insight.queries.table import table_of

from tests.plan_data import MIX, catalogue_of, random_readings
from tests.random_plans import random_plan

CATALOGUE = catalogue_of(random_readings(random.Random(1), 3), Rollup())
MARKER: Final = "zq"
PLANS: Final = 40


def query_of(plan: Plan, catalogue: Catalogue) -> Query:
    """Returns the query of a plan."""
    contract = check_plan(plan, catalogue)
    return render(plan, contract, catalogue.contract_named(plan.join.contract) if plan.join is not None else None)


@pytest.mark.parametrize("measure", list(Measure), ids=lambda measure: measure.name)
def test_no_value_of_a_plan_is_in_the_text(measure: Measure) -> None:
    """Devices, texts, limits, times and zones are parameters, each used and each given."""
    chance, rendered = random.Random(f"rendering {measure.name}"), 0
    while rendered < PLANS:
        plan = marked(random_plan(chance, measure))
        try:
            query = query_of(plan, hostile_devices(CATALOGUE))
        except PlanError:
            continue
        rendered += 1
        assert query.sql.startswith("SELECT ")
        assert MARKER not in without_names(query.sql)
        assert plan.time_zone == "UTC" or plan.time_zone not in query.sql
        assert ";" not in without_names(query.sql)
        assert "--" not in without_names(query.sql)
        numbers = {int(number) for number in re.findall(r"\$(\d+)", query.sql)}
        assert numbers == set(range(1, len(query.parameters) + 1))
        assert len(query.columns) == len(query.roles)
        assert query.roles.count(Role.VALUE) == 1


def marked(plan: Plan) -> Plan:
    """Returns a plan with devices and texts that would show."""

    def scope(given: Scope) -> Scope:
        devices = tuple(f"'{MARKER}\"; DROP--{device}" for device in given.device_ids)
        excluded = tuple(f"'{MARKER}\"; DROP--{device}" for device in given.excluded_device_ids)
        conditions = tuple(condition(item) for item in given.conditions)
        return replace(given, device_ids=devices, excluded_device_ids=excluded, conditions=conditions)

    def condition(given: Condition) -> Condition:
        texts = isinstance(given.limit, tuple)
        return replace(given, limit=(f"'{MARKER}'); DELETE--",)) if texts else given

    return replace(
        plan,
        scope=scope(plan.scope),
        compared_with=scope(plan.compared_with) if plan.compared_with is not None else None,
        holding=tuple(condition(item) for item in plan.holding),
    )


def hostile_devices(catalogue: Catalogue) -> Catalogue:
    """Returns the catalogue with the devices that `marked` names."""
    return Catalogue(
        tuple(
            replace(
                contract,
                devices=tuple(f"'{MARKER}\"; DROP--{device}" for device in contract.devices),
                device_keys={},
            )
            for contract in catalogue.contracts
        )
    )


def without_names(sql: str) -> str:
    """Returns SQL without its quoted names."""
    return re.sub(r'"(?:[^"]|"")*"', '""', sql)


def test_names_stay_in_their_quotes() -> None:
    """Whatever a contract's author calls contract, fields and columns, it is a name."""
    evil = f'x"; DROP TABLE {MARKER}; --'
    fields = (Field(evil, evil, Kind.NUMBER, "°C"), Field(f"{evil}2", f"{evil}2", Kind.TEXT))
    catalogue = Catalogue((Contract(evil, fields, ("d",), rollup=Rollup()),))
    for plan in (
        Plan(evil, Measure.AVG, evil),
        Plan(evil, Measure.MEDIAN, evil, group_by=(Grouping.VALUE,), group_field=f"{evil}2"),
        Plan(evil, Measure.LATEST, f"{evil}2", group_by=(Grouping.DEVICE,)),
        Plan(evil, Measure.MAX, evil, with_where_and_when=True),
    ):
        query = query_of(plan, catalogue)
        assert MARKER not in without_names(query.sql)
        assert ";" not in without_names(query.sql)


def test_long_names_are_cut_where_postgres_would_cut_them() -> None:
    """A column is called what its field is, and in the SQL as much of that as an identifier holds."""
    name = "ü" * 80
    catalogue = Catalogue((Contract("c", (Field(name, "f", Kind.NUMBER),), ("d",)),))
    query = query_of(Plan("c", Measure.AVG, name), catalogue)
    assert query.columns[0] == f"avg_{name}"
    assert max(len(alias.encode()) for alias in re.findall(r'AS "([^"]*)"', query.sql)) <= 63


def test_the_faster_way_shows_in_the_sql() -> None:
    """Rollups, and steps down the index, are seen by whoever reads the SQL."""
    rolled, newest = Plan(MIX, Measure.AVG, "temp"), Plan(MIX, Measure.LATEST, "temp", group_by=(Grouping.DEVICE,))
    assert f'rollup."{MIX}:day"' in query_of(rolled, CATALOGUE).sql
    assert "LATERAL" in query_of(newest, CATALOGUE).sql
    rows = Catalogue(tuple(replace(contract, rollup=None) for contract in CATALOGUE.contracts))
    assert "rollup." not in query_of(rolled, rows).sql
    many = Catalogue(tuple(replace(contract, devices_complete=False) for contract in CATALOGUE.contracts))
    assert "LATERAL" not in query_of(newest, many).sql


def test_a_table_shows_what_can_be_shown() -> None:
    """Times are UTC, numbers that are none are empty, a cut result says so, long parameters are shortened."""
    query = Query("SELECT", (["a"] * 300, NOW), ("v",), (Role.VALUE,))
    cells: list[tuple[Any, ...]] = [(float("nan"),), (float("inf"),), (1.5,)]
    table = table_of(query, cells)
    assert table.rows == ((None,), (None,), (1.5,))
    assert not table.truncated
    assert table_of(query, [(1,)] * (MAX_ROWS + 1)).truncated
    shown = table.to_proto().parameters
    assert shown[0].endswith("and more: 300 in all")
    assert len(shown[0]) < 350
    assert shown[1] == "2024-04-01T12:00:00Z"


NOW = datetime(2024, 4, 1, 12, tzinfo=UTC)
