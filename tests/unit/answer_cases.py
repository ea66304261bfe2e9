"""A small catalogue and results of many shapes, to hold sentences against."""

from collections.abc import Sequence
from datetime import UTC, datetime

from dataflow_insight.answers.draft import Draft, Verified
from dataflow_insight.answers.evidence import Evidence
from dataflow_insight.answers.gate import passed
from dataflow_insight.catalogue.catalogue import Catalogue, Contract, Field, Kind
from dataflow_insight.engines.engine import Computed
from dataflow_insight.plans.plan import Plan
from dataflow_insight.queries.query import Query, Role
from dataflow_insight.queries.table import Table, Value

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
AIR = Contract(
    "air",
    (
        Field("pm25", "pm25", Kind.NUMBER, "µg/m³"),
        Field("pm10", "pm10", Kind.NUMBER, "µg/m³"),
        Field("temp", "temp", Kind.NUMBER, "°C"),
        Field("wspm", "wspm", Kind.NUMBER, "m/s"),
        Field("wd", "wd", Kind.TEXT),
        Field("wet", "wet", Kind.BOOLEAN),
    ),
    ("Gucheng", "Tiantan", "Wanliu", "room-7"),
)
CATALOGUE = Catalogue((AIR,))


def at(text: str) -> datetime:
    """Returns a time of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def result(
    plan: Plan,
    columns: Sequence[Role],
    rows: Sequence[tuple[Value, ...]],
    *,
    index: int = 0,
    truncated: bool = False,
    contract: Contract = AIR,
) -> Computed:
    """Returns what a plan computed; columns are named after their roles."""
    query = Query("SELECT", (), tuple(role.value for role in columns), tuple(columns))
    return Computed(index, plan, contract, Table(query, tuple(rows), truncated=truncated))


def evidence(*results: Computed, question: str = "What was it?") -> Evidence:
    """Returns what a text is held against."""
    return Evidence(question, CATALOGUE, NOW, results)


def gated(text: str, *results: Computed, question: str = "What was it?") -> Verified:
    """Returns what is left of a model's text, which claims nothing."""
    return passed(Draft(text), evidence(*results, question=question))
