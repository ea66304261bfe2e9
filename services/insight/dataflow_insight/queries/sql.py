"""From a checked plan to SQL: every identifier comes from the catalogue and is quoted, every value is a parameter."""

# ruff: noqa: S608 - what is put into the texts below is quoted names of the catalogue and numbers of this module
from typing import Final

from dataflow_insight.catalogue.catalogue import Contract, Field, Kind
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.plans.plan import Grouping, Measure, Plan
from dataflow_insight.queries.query import MAX_ROWS, MAX_TIES, Query, Role, quoted

_NUMBER_CAST: Final = "::double precision"


def render(plan: Plan, contract: Contract) -> Query:
    """Returns the SQL of a plan that `check_plan` has accepted for this contract."""
    if plan.compared_with or plan.fold or plan.having or plan.join or plan.group_by not in {(), (Grouping.DEVICE,)}:
        raise PlanError("this cannot be computed")
    where = _Where(plan, contract)
    table = f"readings.{quoted(contract.name)}"
    item = contract.field_named(plan.field) if plan.field else None
    if plan.measure is Measure.COVERAGE:
        return _coverage(table, where)
    if plan.measure is Measure.LATEST or plan.with_where_and_when:
        assert item is not None
        return _single_rows(plan, item, table, where)
    value, name = _aggregate(plan, item)
    if not plan.by_device:
        return Query(
            f"SELECT {value} AS {quoted(name)} FROM {table}{where.text()}", where.parameters, (name,), (Role.VALUE,)
        )
    grouped = f"SELECT device_id, {value} AS {quoted(name)} FROM {table}{where.text()} GROUP BY device_id"
    if plan.rank:
        way = "DESC" if plan.rank > 0 else "ASC"
        # With ties: of two equally high ones neither may be left out.
        ranked = f"{grouped} ORDER BY {quoted(name)} {way} FETCH FIRST {abs(plan.rank)} ROWS WITH TIES"
        if plan.field and plan.measure not in {Measure.COUNT, Measure.MISSING}:
            ranked = (
                f"SELECT * FROM ({grouped}) AS grouped WHERE {quoted(name)} IS NOT NULL"
                f" ORDER BY {quoted(name)} {way} FETCH FIRST {abs(plan.rank)} ROWS WITH TIES"
            )
        sql = f"SELECT * FROM ({ranked}) AS ranked ORDER BY {quoted(name)} {way}, device_id LIMIT {MAX_ROWS + 1}"
    else:
        sql = f"{grouped} ORDER BY device_id LIMIT {MAX_ROWS + 1}"
    return Query(sql, where.parameters, ("device_id", name), (Role.DEVICE, Role.VALUE))


class _Where:
    """Collects conditions and their parameters."""

    def __init__(self, plan: Plan, contract: Contract) -> None:
        self._clauses: list[str] = []
        self._parameters: list[object] = []
        scope = plan.scope
        if len(scope.device_ids) == 1:
            self._add("device_id = {}", scope.device_ids[0])
        elif scope.device_ids:
            self._add("device_id = ANY({}::text[])", list(scope.device_ids))
        for span in scope.times:
            if span.start is not None:
                self._add("event_time >= {}", span.start)
            if span.end is not None:
                self._add("event_time < {}", span.end)
        for condition in scope.conditions:
            item = contract.field_named(condition.field)
            assert item is not None, "checked"
            self._add(f"{quoted(item.column)} {condition.comparison.operator} {{}}{_NUMBER_CAST}", condition.limit)

    @property
    def parameters(self) -> tuple[object, ...]:
        """The values, in the order of their numbers."""
        return tuple(self._parameters)

    def text(self, *more: str) -> str:
        """Returns the WHERE clause with a space before it, or nothing."""
        clauses = [*self._clauses, *more]
        return f" WHERE {' AND '.join(clauses)}" if clauses else ""

    def _add(self, clause: str, value: object) -> None:
        self._parameters.append(value)
        # Not str.format: a column's name may hold braces.
        head, _, tail = clause.rpartition("{}")
        self._clauses.append(f"{head}${len(self._parameters)}{tail}")


def _aggregate(plan: Plan, item: Field | None) -> tuple[str, str]:
    """Returns an aggregate and the name of its column."""
    if item is None:
        return "count(*)", "readings"
    column, name = quoted(item.column), item.name
    match plan.measure:
        case Measure.COUNT:
            return f"count({column})", f"count_{name}"[:63]
        case Measure.MISSING:
            return f"count(*) - count({column})", f"missing_{name}"[:63]
        case Measure.AVG:
            return f"avg({column}){_NUMBER_CAST}", f"avg_{name}"[:63]
        case Measure.MIN:
            return f"min({column})", f"min_{name}"[:63]
        case Measure.MAX:
            return f"max({column})", f"max_{name}"[:63]
        case _:
            return f"sum({column})", f"sum_{name}"[:63]


def _coverage(table: str, where: _Where) -> Query:
    columns = ("first_time", "last_time", "readings", "devices")
    sql = (
        "SELECT min(event_time) AS first_time, max(event_time) AS last_time, count(*) AS readings,"
        f" count(DISTINCT device_id) AS devices FROM {table}{where.text()}"
    )
    return Query(sql, where.parameters, columns, (Role.START, Role.END, Role.VALUE, Role.DEVICES))


def _single_rows(plan: Plan, item: Field, table: str, where: _Where) -> Query:
    """Returns rows as they were stored: the latest, or those with the extreme value."""
    column = quoted(item.column)
    value = f"{column}::text" if item.kind is Kind.TEXT else column
    selected = f"{value} AS {quoted(item.name[:63])}, device_id, event_time"
    present = where.text(f"{column} IS NOT NULL")
    if plan.measure is Measure.LATEST:
        order = "event_time DESC, device_id, message_id"
    else:
        order = f"{column} {'DESC' if plan.measure is Measure.MAX else 'ASC'}, event_time, device_id"
    if plan.by_device:
        distinct = f"SELECT DISTINCT ON (device_id) {selected} FROM {table}{present} ORDER BY device_id, {order}"
        sql = f"{distinct} LIMIT {MAX_ROWS + 1}"
    elif plan.measure is Measure.LATEST:
        sql = f"SELECT {selected} FROM {table}{present} ORDER BY {order} LIMIT 1"
    else:
        way = "DESC" if plan.measure is Measure.MAX else "ASC"
        ties = f"SELECT {selected} FROM {table}{present} ORDER BY {column} {way} FETCH FIRST 1 ROWS WITH TIES"
        sql = f"SELECT * FROM ({ties}) AS extreme ORDER BY event_time, device_id LIMIT {MAX_TIES}"
    return Query(sql, where.parameters, (item.name, "device_id", "event_time"), (Role.VALUE, Role.DEVICE, Role.TIME))
