"""Asks a real server over real readings: right answers, honest refusals, no way in and nothing left running."""

import asyncio
import csv
import json
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import asyncpg
import grpc.aio
import pytest
from dataflow.insight.v1 import ask_service_pb2, ask_service_pb2_grpc
from dataflow_insight.__main__ import ask_service
from dataflow_insight.ask.survey import Survey
from dataflow_insight.ask_service import AskService
from dataflow_insight.engines.local import LocalEngine
from dataflow_insight.postgres import Reader
from dataflow_mesh.testing import in_process_server, postgres_cluster

ROOT = Path(__file__).parents[2]
CASES = Path(os.environ.get("DATAFLOW_CASES", ROOT.parent / "shared" / "cases"))
NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(not (CASES / "sensors").is_dir(), reason="needs the case data (DATAFLOW_CASES)"),
]

AIR_FIELDS = "pm25 pm10 so2 no2 co o3 temp pres dewp rain wd wspm".split()
ROOM_FIELDS = "temperature humidity light co2 occupancy".split()
AIR = {
    "name": "air",
    "event_time": "ts",
    "fields": [
        {"name": "device_id", "type": "string"},
        {"name": "ts", "type": "timestamp"},
        *({"name": name, "type": "string" if name == "wd" else "number", "required": False} for name in AIR_FIELDS),
    ],
}
ROOM = {
    "name": "room",
    "event_time": "ts",
    "fields": [
        {"name": "temperature", "type": "number", "unit": "°C"},
        {"name": "humidity", "type": "number", "unit": "%"},
        {"name": "light", "type": "number", "unit": "lux"},
        {"name": "co2", "type": "number", "unit": "ppm"},
        {"name": "occupancy", "type": "integer"},
    ],
}


def air_rows() -> list[tuple[Any, ...]]:
    """Reads twelve stations and 744 hours; an empty cell is null."""
    path = CASES / "sensors" / "beijing-multisite" / "readings_2014-01.csv"
    with path.open(newline="") as file:
        return [
            (
                row["device_id"],
                datetime.fromisoformat(row["ts"]),
                *(None if row[name] == "" else row[name] if name == "wd" else float(row[name]) for name in AIR_FIELDS),
            )
            for row in csv.DictReader(file)
        ]


def room_rows() -> list[tuple[Any, ...]]:
    """Reads one office, a row a minute, as device room-b."""
    path = CASES / "sensors" / "uci-occupancy" / "datatest.txt"
    with path.open(newline="") as file:
        reader = csv.reader(file)
        next(reader)
        return [
            (
                "room-b",
                datetime.fromisoformat(row[1]).replace(tzinfo=UTC),
                *(float(value) for value in row[2:6]),
                int(row[7]),
            )
            for row in reader
        ]


async def load(dsn: str) -> None:
    """Makes the validator's schema, two contracts and their readings, in the shape that the store has."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("CREATE SCHEMA validator")
        folder = resources.files("dataflow_validator") / "migrations"
        for migration in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if migration.name.endswith(".sql"):
                await connection.execute(migration.read_text())
        for spec, rows, fields in ((AIR, air_rows(), AIR_FIELDS), (ROOM, room_rows(), ROOM_FIELDS)):
            await add_contract(connection, spec, rows, fields)
    finally:
        await connection.close()


async def add_contract(
    connection: "asyncpg.Connection[Any]", spec: dict[str, Any], rows: list[tuple[Any, ...]], fields: list[str]
) -> None:
    """Adds one active contract and its readings."""
    name = spec["name"]
    await connection.execute("INSERT INTO validator.contract (name, active_revision, latest_revision) VALUES ($1, 1, 1)", name)
    await connection.execute("INSERT INTO validator.revision VALUES ($1, 1, $2)", name, json.dumps(spec))
    types = {"string": "text", "number": "double precision", "integer": "bigint"}
    kinds = {entry["name"]: types.get(entry["type"], "text") for entry in spec["fields"]}
    columns = ", ".join(f'"{field}" {kinds[field]}' for field in fields)
    await connection.execute(
        f"""CREATE TABLE readings."{name}" (
            device_id text COLLATE "C" NOT NULL, event_time timestamptz NOT NULL, receive_time timestamptz NOT NULL,
            message_id uuid NOT NULL, content_hash bigint NOT NULL, revision integer NOT NULL,
            stored_xid xid8 NOT NULL DEFAULT pg_current_xact_id(), maybe_duplicate boolean NOT NULL DEFAULT false,
            {columns}, extra jsonb, PRIMARY KEY (device_id, event_time, message_id))"""
    )
    await connection.copy_records_to_table(
        name,
        schema_name="readings",
        columns=["device_id", "event_time", "receive_time", "message_id", "content_hash", "revision", *fields],
        records=[(row[0], row[1], row[1], uuid.uuid4(), 0, 1, *row[2:]) for row in rows],
    )
    await connection.execute(f'ANALYZE readings."{name}"')


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Runs a Postgres with the readings."""
    with postgres_cluster(fsync=False) as cluster:
        dsn = cluster.create_database("readings")
        asyncio.run(load(dsn))
        yield dsn


@dataclass(frozen=True)
class Asked:
    """One answer, taken apart."""

    events: list[ask_service_pb2.AskResponse]

    @property
    def kinds(self) -> list[str]:
        return [str(event.WhichOneof("event")) for event in self.events]

    @property
    def text(self) -> str:
        return "".join(event.text.text for event in self.events if event.WhichOneof("event") == "text")

    @property
    def bindings(self) -> list[ask_service_pb2.Binding]:
        return [binding for event in self.events for binding in event.text.bindings]

    @property
    def plan(self) -> Any:
        return next(event.plan.plan for event in self.events if event.WhichOneof("event") == "plan")

    @property
    def result(self) -> ask_service_pb2.Result:
        return next(event.result for event in self.events if event.WhichOneof("event") == "result")

    @property
    def finished(self) -> ask_service_pb2.Finished:
        return self.events[-1].finished

    @property
    def decline(self) -> str:
        return ask_service_pb2.Decline.Name(self.finished.decline).removeprefix("DECLINE_")

    @property
    def cells(self) -> list[list[Any]]:
        return [[value_of(cell) for cell in row.cells] for row in self.result.rows]


def value_of(cell: ask_service_pb2.Cell) -> Any:
    """Returns what a cell holds."""
    kind = cell.WhichOneof("value")
    if kind is None:
        return None
    if kind == "time":
        return cell.time.ToDatetime(UTC).isoformat().replace("+00:00", "Z")
    return getattr(cell, kind)


class Asker:
    """Asks over a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub = ask_service_pb2_grpc.AskServiceStub(channel)

    async def __call__(self, question: str, contract: str = "") -> Asked:
        """Returns the whole answer."""
        request = ask_service_pb2.AskRequest(question=question, contract=contract)
        return Asked([event async for event in self.stub.Ask(request)])


@pytest.fixture
async def reader(database: str) -> AsyncIterator[Reader]:
    """Reads the readings as insight does."""
    async with Reader.open(database) as opened:
        yield opened


@pytest.fixture
async def ask(reader: Reader) -> AsyncIterator[Asker]:
    """Serves AskService with the whole mesh around it."""
    service = AskService(LocalEngine(), Survey(reader), reader, now=lambda: NOW)
    async with in_process_server([ask_service(service)]) as server:
        yield Asker(server.channel)


def published() -> list[dict[str, Any]]:
    """Reads the published questions."""
    path = CASES / "ask" / "questions.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


LATER = {"d08", "d09", "d11", "d12", "d13"}
"""Questions of later issues: they need a median, a spread, days or differences, and are declined until then."""


@pytest.mark.parametrize("case", published(), ids=lambda case: case["id"])
async def test_published_question_is_answered_or_declined(ask: Asker, case: dict[str, Any]) -> None:
    """Each published question is right within its tolerance, or declined without a number."""
    asked = await ask(case["question"])
    if case["answer_type"] == "none" or case["id"] in LATER:
        assert asked.kinds == ["started", "text", "finished"]
        assert asked.finished.decline
        assert not any(letter.isdigit() for letter in asked.text)
        return
    assert asked.kinds[:3] == ["started", "plan", "result"]
    assert set(asked.kinds[3:-1]) == {"text"}
    assert asked.kinds[-1] == "finished"
    assert asked.finished.verified
    check_answer(asked, case["answer"], case["tolerance"] or 0)


def check_answer(asked: Asked, answer: Any, tolerance: float) -> None:
    """Checks that the first row, or each row of a table, holds the answer, and that the text says it."""
    match answer:
        case dict():
            rows = {row[0]: row[1] for row in asked.cells}
            assert rows.keys() == answer.keys()
            for name, value in answer.items():
                assert abs(rows[name] - value) <= tolerance
                assert name in asked.text
        case list():
            for part in answer:
                check_answer(asked, part, tolerance)
        case int() | float():
            numbers = [cell for cell in asked.cells[0] if isinstance(cell, int | float)]
            assert any(abs(cell - answer) <= tolerance for cell in numbers), asked.cells
            shown = [float(binding.text) for binding in asked.bindings if is_number(binding.text)]
            assert any(abs(number - answer) <= max(tolerance, 1e-9) for number in shown), asked.text
        case str():
            assert answer in asked.cells[0]
            assert answer in asked.text
        case _:
            pytest.fail(f"no check for {answer!r}")


def is_number(text: str) -> bool:
    """Returns whether a binding is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
