"""What rollups cost to make and what they save: rows are put into a Postgres of its own, rolled up, and asked about.

    .venv/bin/python tests/benchmarks/bench_rollups.py --rows 1000000 [--devices 200] [--days 30]

Prints one JSON document: seconds to roll everything up, sizes, and the median time of each question from rollups and from
rows.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from dataflow.validator.v1 import reading_pb2, reading_service_pb2, reading_service_pb2_grpc
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import in_process_server, postgres_cluster
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.readings.service import SERVICE, ReadingServicer
from dataflow_validator.rollups.tables import begin_rollups
from dataflow_validator.rollups.worker import RollupWorker
from dataflow_validator.testing import validator_database

_START = datetime(2024, 3, 1, tzinfo=UTC)
_SPEC = ContractSpec(
    "bench",
    fields=(
        FieldSpec("temp", FieldType.NUMBER),
        FieldSpec("humidity", FieldType.NUMBER),
        FieldSpec("count", FieldType.INTEGER),
        FieldSpec("label", FieldType.STRING),
        FieldSpec("ts", FieldType.TIMESTAMP),
    ),
    event_time="ts",
)
_REPEATS = 5


async def fill(pool: Pool, rows: int, devices: int, days: int) -> None:
    """Puts rows, evenly over devices and time, a day at a time."""
    await Partitions().ensure(pool, "bench", {_START.date().replace(day=1), datetime(2024, 4, 1, tzinfo=UTC).date()})
    each = rows // days
    step = timedelta(days=1) / each
    async with pool.acquire() as connection:
        await connection.execute("SET statement_timeout = 0")
        for day in range(days):
            await connection.execute(
                'INSERT INTO readings.bench (device_id, event_time, receive_time, message_id, content_hash, revision, temp, humidity, "count", label, ts) '
                "SELECT 'device-' || lpad((n % $3)::text, 6, '0'), t, t, gen_random_uuid(), n, 1, "
                "20 + 5 * sin(n), 50 + random(), n, 'state-' || n % 7, t "
                "FROM (SELECT n, $1::timestamptz + n * $2::interval AS t FROM generate_series(0, $4::bigint - 1) n) g",
                _START + timedelta(days=day),
                step,
                devices,
                each,
                timeout=3_600,
            )
        await connection.execute("VACUUM ANALYZE readings.bench", timeout=3_600)


async def median_ms(question: Callable[[], Awaitable[object]]) -> float:
    """Asks several times."""
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        await question()
        times.append(1000 * (time.perf_counter() - start))
    return round(statistics.median(times), 1)


async def answered_ms(
    stub: "reading_service_pb2_grpc.ReadingServiceAsyncStub", source: str, parts: dict[str, Any]
) -> object:
    """Returns the median time of a question, or how it was refused."""
    try:
        return await median_ms(lambda: stub.AggregateReadings(request(source, **parts)))
    except grpc.aio.AioRpcError as error:
        return error.code().name


def questions(days: int) -> dict[str, dict[str, Any]]:
    """What dashboards ask."""
    hour, day = timedelta(hours=1), timedelta(days=1)
    end = _START + days * day
    return {
        "all devices, everything, one number": {},
        "all devices, by day": {"window": day},
        "all devices, by hour": {"window": hour},
        "all devices, by hour and device, one day": {"window": hour, "by_device": True, "start": end - day, "end": end},
        "one device, by hour": {"window": hour, "devices": ["device-000007"]},
        "by device, last week and a bit": {
            "by_device": True,
            "start": end - 7 * day - timedelta(minutes=17),
            "end": end,
        },
    }


def request(
    source: str,
    *,
    window: timedelta | None = None,
    by_device: bool = False,
    start: datetime | None = None,
    end: datetime | None = None,
    devices: list[str] | None = None,
) -> reading_service_pb2.AggregateReadingsRequest:
    """Builds a question about minimum, maximum and mean of a field."""
    built = reading_service_pb2.AggregateReadingsRequest(
        filter=reading_pb2.ReadingFilter(contract="bench", device_ids=devices or []),
        fields=["temp"],
        aggregates=[
            reading_service_pb2.AGGREGATE_MIN,
            reading_service_pb2.AGGREGATE_MAX,
            reading_service_pb2.AGGREGATE_AVG,
        ],
        by_device=by_device,
        source=reading_service_pb2.AggregateSource.Value(source),
    )
    if window is not None:
        built.window.FromTimedelta(window)
    if start is not None:
        built.filter.start_time.FromDatetime(start)
    if end is not None:
        built.filter.end_time.FromDatetime(end)
    return built


async def sizes(pool: Pool) -> dict[str, int]:
    """Returns bytes of tables with their indexes."""
    found = {}
    for name in ('readings."bench"', 'rollup."bench:hour"', 'rollup."bench:day"'):
        found[name] = await pool.fetchval(
            "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree($1::regclass)", name
        )
    return {name: int(size) for name, size in found.items()}


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Fills, rolls up, asks."""
    with postgres_cluster() as cluster:
        async with validator_database(cluster) as pool:
            async with pool.acquire() as connection:
                await create_contract(connection, _SPEC, activate=True)
            began = time.perf_counter()
            await fill(pool, options.rows, options.devices, options.days)
            filled = time.perf_counter() - began
            began = time.perf_counter()
            await begin_rollups(pool)
            marked = time.perf_counter() - began
            worker, device_hours = RollupWorker(pool), 0
            # On a busy machine a statement may meet a time-out: what it would have done is still marked.
            while await pool.fetchval("SELECT EXISTS (SELECT FROM validator.rollup_mark)"):
                device_hours += await worker.settle()
            rolled = time.perf_counter() - began
            await pool.execute('VACUUM ANALYZE rollup."bench:hour", rollup."bench:day", validator.rollup_mark')
            add = reading_service_pb2_grpc.add_ReadingServiceServicer_to_server
            answers: dict[str, dict[str, object]] = {}
            async with in_process_server([(add, ReadingServicer(pool), SERVICE)]) as server:
                stub = reading_service_pb2_grpc.ReadingServiceStub(server.channel)
                for name, parts in questions(options.days).items():
                    answers[name] = {
                        source: await answered_ms(stub, source, parts)
                        for source in ("AGGREGATE_SOURCE_UNSPECIFIED", "AGGREGATE_SOURCE_ROWS")
                        if not (source.endswith("ROWS") and options.no_rows)
                    }
            return {
                "rows": options.rows,
                "fill_seconds": round(filled, 1),
                "mark_seconds": round(marked, 2),
                "rollup_seconds": round(rolled, 1),
                "device_hours": device_hours,
                "bytes": await sizes(pool),
                "median_ms": answers,
            }


def main() -> None:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--no-rows", action="store_true", help="do not ask the rows, which may take long")
    print(json.dumps(asyncio.run(measure(parser.parse_args())), indent=2))


if __name__ == "__main__":
    main()
