"""How long answers take, by class of question: rows are put into a Postgres of its own, rolled up, and asked about.

    .venv/bin/python -m tests.benchmarks.ask_latency --rows 1000000 [--devices 200] [--days 30] [--repetitions 20] [--only latest]

Asks the real service in its own process with the local engine, one question at a time, each repetition about another device
and day. Prints a markdown table: milliseconds to the first event, the first text and the end (median and 99th percentile), what
was read (rollups, an index, rows), and the cost that Postgres expected.
"""

import argparse
import asyncio
import math
import random
import statistics
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import grpc.aio
from dataflow.insight.v1 import ask_service_pb2, ask_service_pb2_grpc
from dataflow_insight.postgres import Reader
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import in_process_server, postgres_cluster
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.rollups.tables import begin_rollups
from dataflow_validator.rollups.worker import RollupWorker
from dataflow_validator.testing import validator_database

from tests.ask_serving import local_service

START: Final = datetime(2024, 3, 1, tzinfo=UTC)
_SPEC: Final = ContractSpec(
    "climate",
    fields=(
        FieldSpec("temperature", FieldType.NUMBER, unit="°C"),
        FieldSpec("humidity", FieldType.NUMBER, unit="%"),
        FieldSpec("power", FieldType.INTEGER, unit="W"),
        FieldSpec("state", FieldType.STRING),
        FieldSpec("ts", FieldType.TIMESTAMP),
    ),
    event_time="ts",
)

QUESTIONS: Final = {
    "latest, one device": "What is the latest temperature of {device}?",
    "latest, each device": "latest temperature per device",
    "coverage": "From when to when is there data?",
    "count, all": "How many readings are there?",
    "mean, all": "What was the average temperature?",
    "mean, one device and day": "What was the average temperature of {device} on {day}?",
    "mean, all devices, one day": "What was the average temperature on {day}?",
    "mean by device": "average temperature per device",
    "mean by day": "average temperature per day",
    "mean by hour of the day": "average temperature by hour of the day",
    "rank of devices": "Which 3 devices had the highest average temperature?",
    "extreme with place and time": "What was the highest temperature, and which device reported it when?",
    "extreme, one device": "What was the highest temperature of {device} and when?",
    "two devices compared": "How much higher is the average temperature of {device} than of {other}?",
    "weekend compared": "Was the average temperature of {device} higher at weekends than on weekdays?",
    "days above a limit, one device": "On how many days did the daily average temperature of {device} exceed 20?",
    "median, one device": "What is the median temperature of {device}?",
    "median, all": "What is the median temperature?",
    "readings above a limit, one device": "How many readings of {device} had a temperature above 22?",
    "readings above a limit, all": "How many readings had a temperature above 22?",
    "streak, one device": "What was the longest run of consecutive readings with temperature above 21 at {device}?",
    "jump, one device": "What was the largest increase of temperature between two consecutive readings of {device}?",
    "correlation, one device": "How are temperature and humidity correlated at {device}?",
    "correlation, all": "How are temperature and humidity correlated?",
    "most frequent state": "What was the most common state of {device}?",
    "declined": "What was the average radiation of {device}?",
}


@dataclass(slots=True)
class Measured:
    """The times of one class, in milliseconds."""

    first_event: list[float] = field(default_factory=list)
    first_text: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    outcome: str = ""
    read: str = ""
    cost: float = 0.0


async def fill(pool: Pool, rows: int, devices: int, days: int) -> None:
    """Puts rows, evenly over devices and time, a day at a time."""
    months = {(START + timedelta(days=day)).date().replace(day=1) for day in range(days + 1)}
    await Partitions().ensure(pool, "climate", months)
    each = rows // days
    async with pool.acquire() as connection:
        await connection.execute("SET statement_timeout = 0")
        for day in range(days):
            await connection.execute(
                "INSERT INTO readings.climate (device_id, event_time, receive_time, message_id, content_hash, revision,"
                " temperature, humidity, power, state, ts) SELECT 'sensor-' || lpad((n % $3)::text, 4, '0'), t, t,"
                " gen_random_uuid(), n, 1, CASE WHEN n % 97 <> 0 THEN round((18 + n % $3 / 100.0"
                " + 4 * sin(extract(epoch FROM t) / 13751) + random())::numeric, 2)::double precision END,"
                " round((60 - 8 * sin(extract(epoch FROM t) / 13751) + random())::numeric, 1)::double precision,"
                " (n * 7919) % 1500, (ARRAY['idle', 'on', 'off', 'error'])[1 + (n * n) % 4], t"
                " FROM (SELECT n, $1::timestamptz + n * $2::interval AS t FROM generate_series(0, $4::bigint - 1) n) g",
                START + timedelta(days=day),
                timedelta(days=1) / each,
                devices,
                each,
                timeout=3_600,
            )
        await connection.execute("VACUUM ANALYZE readings.climate", timeout=3_600)


async def roll_up(pool: Pool) -> None:
    """Makes all rollups; a statement that meets a time-out on a busy machine is tried again."""
    await begin_rollups(pool)
    worker = RollupWorker(pool)
    while await pool.fetchval("SELECT EXISTS (SELECT FROM validator.rollup_mark)"):
        await worker.settle()
    await pool.execute('VACUUM ANALYZE rollup."climate:hour", rollup."climate:day", validator.rollup_mark', timeout=600)


async def ask(stub: "ask_service_pb2_grpc.AskServiceAsyncStub", question: str, measured: Measured) -> None:
    """Asks once."""
    began = time.perf_counter()

    def passed() -> float:
        return 1000 * (time.perf_counter() - began)

    seen_text = False
    try:
        async for event in stub.Ask(ask_service_pb2.AskRequest(question=question)):
            kind = event.WhichOneof("event")
            if kind == "started":
                measured.first_event.append(passed())
            elif kind == "result":
                measured.read = what_was_read(event.result.sql)
            elif kind == "text" and not seen_text:
                seen_text = True
                measured.first_text.append(passed())
            elif kind == "finished":
                measured.finished.append(passed())
                measured.cost = event.finished.usage.query_cost
                decline = ask_service_pb2.Decline.Name(event.finished.decline).removeprefix("DECLINE_").lower()
                measured.outcome = "answered" if decline == "unspecified" else decline
    except grpc.aio.AioRpcError as error:
        measured.finished.append(passed())
        measured.outcome = error.code().name.lower()


def what_was_read(sql: str) -> str:
    """Returns in words where a query looks."""
    if "rollup." in sql:
        return "rollups"
    return "index" if "LATERAL" in sql else "rows"


async def measure(options: argparse.Namespace) -> dict[str, Measured]:
    """Fills, rolls up, asks."""
    found: dict[str, Measured] = {}
    chance = random.Random(1)
    end = START + timedelta(days=options.days)
    with postgres_cluster() as cluster:
        async with validator_database(cluster) as pool:
            async with pool.acquire() as connection:
                await create_contract(connection, _SPEC, activate=True)
            await fill(pool, options.rows, options.devices, options.days)
            await roll_up(pool)
            dsn = await pool.fetchval("SELECT current_database()")
        async with (
            Reader.open(cluster.dsn_of(dsn), statement_seconds=options.statement_seconds) as reader,
            in_process_server([local_service(reader, lambda: end)]) as server,
        ):
            stub = ask_service_pb2_grpc.AskServiceStub(server.channel)
            for name, question in QUESTIONS.items():
                if options.only in name:
                    found[name] = Measured()
                    for _ in range(options.repetitions):
                        await ask(stub, told(question, chance, options), found[name])
    return found


def told(question: str, chance: random.Random, options: argparse.Namespace) -> str:
    """Returns a question about some devices and some day."""
    device, other = (f"sensor-{number:04}" for number in chance.sample(range(options.devices), 2))
    day = (START + timedelta(days=chance.randrange(options.days))).date().isoformat()
    return question.format(device=device, other=other, day=day)


def table(found: dict[str, Measured]) -> str:
    """Returns the markdown table."""
    lines = [
        "| class | outcome | read | cost | first event p50 / p99 | first text p50 / p99 | finish p50 / p99 |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {item.outcome} | {item.read or '-'} | {item.cost:,.0f} | {_pair(item.first_event)} |"
        f" {_pair(item.first_text)} | {_pair(item.finished)} |"
        for name, item in found.items()
    ]
    return "\n".join(lines)


def _pair(times: list[float]) -> str:
    if not times:
        return "-"
    ordered = sorted(times)
    last = ordered[min(len(ordered) - 1, math.ceil(0.99 * len(ordered)) - 1)]
    return f"{statistics.median(ordered):.0f} / {last:.0f} ms"


def main() -> None:
    """Reads the options and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--statement-seconds", type=float, default=5.0, help="after how long Postgres ends a query")
    parser.add_argument("--only", default="", help="only classes whose name contains this")
    options = parser.parse_args()
    began = time.perf_counter()
    found = asyncio.run(measure(options))
    sys.stdout.write(f"{options.rows:,} rows, {options.devices} devices, {options.days} days,")
    sys.stdout.write(
        f" {options.repetitions} repetitions; {time.perf_counter() - began:.0f} s in all\n\n{table(found)}\n"
    )


if __name__ == "__main__":
    main()
