"""A desk and questions for tests of the gemini engine: real checks of plans, made-up tables, and the gate before the asker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from dataflow_insight.answers.draft import Draft
from dataflow_insight.catalogue.catalogue import Catalogue
from dataflow_insight.engines.engine import Asked, Computed
from dataflow_insight.engines.gemini.client import GeminiClient
from dataflow_insight.engines.gemini.engine import GeminiEngine
from dataflow_insight.engines.gemini.limits import Limits
from dataflow_insight.engines.usage import Usage
from dataflow_insight.plans.check import check_plan
from dataflow_insight.plans.plan import Declined, Plan
from dataflow_insight.queries.query import Query, Role
from dataflow_insight.queries.table import table_of

from tests.ask_catalogue import AIR, NOW, ROOM
from tests.gemini_server import KEY, GeminiServer

QUESTION = "What was the average PM2.5 at Gucheng in January 2014?"
PLAN: dict[str, Any] = {
    "contract": "air",
    "measure": "MEASURE_AVG",
    "field": "pm25",
    "scope": {
        "device_ids": ["Gucheng"],
        "times": [{"start_time": "2014-01-01T00:00:00Z", "end_time": "2014-02-01T00:00:00Z"}],
    },
}
"""What a good model makes of the question."""

RANKING: dict[str, Any] = {"contract": "air", "measure": "MEASURE_MAX", "field": "pm25", "group_by": ["GROUPING_DEVICE"], "rank": 2}  # fmt: skip
ROWS: dict[int, Sequence[Sequence[object]]] = {1: [(104.5678,)], 2: [("Gucheng", 671.0), ("Tiantan", 660.5)]}
"""What the made-up database returns, by the number of columns."""


def asked(question: str = QUESTION, **more: Any) -> Asked:
    """Returns a question about air and a room."""
    return replace(Asked(question, Catalogue((AIR, ROOM)), NOW, ZoneInfo("Asia/Shanghai")), **more)


@dataclass
class FakeDesk:
    """Checks plans for real; the tables are made up: a value, or a value for each device."""

    question: Asked = field(default_factory=asked)
    computed: list[Computed] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    rows: dict[int, Sequence[Sequence[object]]] = field(default_factory=lambda: dict(ROWS))
    fails: list[Exception] = field(default_factory=list)
    waits: asyncio.Event | None = None

    async def compute(self, plan: Plan) -> Computed:
        """Returns a made-up table."""
        if self.fails:
            raise self.fails.pop(0)
        contract = check_plan(plan, self.question.catalogue)
        if self.waits is not None:
            await self.waits.wait()
        query = Query("SELECT", (), ("avg",), (Role.VALUE,))
        if plan.group_by:
            query = Query("SELECT", (), ("device_id", "max"), (Role.DEVICE, Role.VALUE))
        self.usage.query_count += 1
        table = table_of(query, self.rows.get(len(query.columns), [tuple(0 for _ in query.columns)]))
        self.computed.append(Computed(len(self.computed), plan, contract, table))
        return self.computed[-1]


@asynccontextmanager
async def engine(server: GeminiServer, limits: Limits | None = None, **more: Any) -> AsyncIterator[GeminiEngine]:
    """Opens the real client on the local server, with an engine on it."""
    bounds = limits or Limits()
    async with GeminiClient.open(key=KEY, model="gemini-test", base_url=server.url, limits=bounds) as client:
        yield GeminiEngine(client, limits=bounds, **more)


async def answered(made: GeminiEngine, desk: FakeDesk, question: Asked | None = None) -> list[Draft | Declined]:
    """Returns all pieces of an answer."""
    return [piece async for piece in made.answer(question or desk.question, desk)]


def words(pieces: Sequence[Draft | Declined]) -> str:
    """Returns the text of an answer."""
    return "".join(piece.text for piece in pieces)
