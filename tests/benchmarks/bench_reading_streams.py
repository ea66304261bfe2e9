"""Readings per second of WatchReadings in both forms, and rows per second of ExportReadings in both formats.

One process serves and reads, over real gRPC, from a throw-away Postgres. The reader only counts, so that the figures are
those of the server and the wire; CPU is that of this process, the client's share included.

Run: ``python -m tests.benchmarks.bench_reading_streams [--rows N]``.
"""

import argparse
import asyncio
import json
import resource
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import asyncpg
from dataflow.validator.v1 import reading_pb2, reading_service_pb2_grpc, reading_stream_pb2
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import in_process_server, postgres_cluster
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.readings.service import SERVICE, ReadingServicer
from dataflow_validator.testing import validator_database

_ROWS_OF_TRANSACTION = 1_000
_SPEC = ContractSpec(
    "weather",
    fields=(
        *(FieldSpec(f"n{place}", FieldType.NUMBER, required=False) for place in range(5)),
        FieldSpec("label", FieldType.STRING, required=False),
        FieldSpec("ts", FieldType.TIMESTAMP, required=False),
    ),
    event_time="ts",
)
_INSERT = """
INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, n0, n1, n2, n3, n4, label)
SELECT 'device-' || n % 100, $2::timestamptz + n * interval '1 second', $2, gen_random_uuid(), n, 1, random(), random(),
       random(), random(), random(), 'room-' || n % 7
FROM generate_series($1::bigint, $1::bigint + $3 - 1) AS n
"""


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _timed(count: Callable[[], Awaitable[int]]) -> dict[str, float]:
    began, cpu = time.monotonic(), _cpu()
    rows = await count()
    seconds = time.monotonic() - began
    return {
        "rows_per_second": round(rows / seconds),
        "cpu_seconds_per_100k": round((_cpu() - cpu) / rows * 100_000, 3),
        "seconds": round(seconds, 2),
    }


async def _fill(pool: Pool, rows: int) -> None:
    async with pool.acquire() as connection:
        for start in range(0, rows, _ROWS_OF_TRANSACTION):
            await connection.execute(_INSERT, start, datetime(2024, 1, 1, tzinfo=UTC), _ROWS_OF_TRANSACTION)


async def measure(rows: int) -> dict[str, object]:
    """Fills a table and reads it in every way."""
    report: dict[str, object] = {"rows": rows}
    with postgres_cluster() as cluster:
        async with validator_database(cluster) as pool:
            async with pool.acquire() as connection:
                await create_contract(connection, _SPEC, activate=True)
            await _fill(pool, rows)
            service = (reading_service_pb2_grpc.add_ReadingServiceServicer_to_server, ReadingServicer(pool), SERVICE)
            async with in_process_server([service]) as server:
                stub = reading_service_pb2_grpc.ReadingServiceStub(server.channel)
                wanted = reading_pb2.ReadingFilter(contract="weather")

                async def watch(form: reading_stream_pb2.ReadingForm.ValueType) -> int:
                    request = reading_stream_pb2.WatchReadingsRequest(
                        filter=wanted, start=reading_stream_pb2.WATCH_START_BEGINNING, form=form, max_readings=5_000
                    )
                    call, seen = stub.WatchReadings(request), 0
                    async for response in call:
                        seen += len(response.readings) + response.columns.count
                        if seen >= rows:
                            break
                    call.cancel()
                    return seen

                async def export(form: reading_stream_pb2.FileFormat.ValueType) -> int:
                    asked = reading_stream_pb2.ReadingExport(filter=wanted, format=form)
                    call = stub.ExportReadings(reading_stream_pb2.ExportReadingsRequest(export=asked))
                    return sum([response.trailer.rows async for response in call])

                report["watch_readings"] = await _timed(lambda: watch(reading_stream_pb2.READING_FORM_READINGS))
                report["watch_columns"] = await _timed(lambda: watch(reading_stream_pb2.READING_FORM_COLUMNS))
                report["export_csv"] = await _timed(lambda: export(reading_stream_pb2.FILE_FORMAT_CSV))
                report["export_parquet"] = await _timed(lambda: export(reading_stream_pb2.FILE_FORMAT_PARQUET))
                report["idle_look_ms"] = await _idle_look(pool, rows)
    report["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return report


async def _idle_look(pool: Pool, rows: int) -> float:
    """Measures one read of a watch that is up to date, while a few rows come in: what each poll costs the database."""
    from dataflow_validator.readings.messages import ReadingShape  # noqa: PLC0415
    from dataflow_validator.readings.queries import Selection  # noqa: PLC0415
    from dataflow_validator.readings.watch_cursor import Position  # noqa: PLC0415
    from dataflow_validator.readings.watch_queries import watch_query  # noqa: PLC0415

    async with pool.acquire() as connection:
        times = []
        for turn in range(20):
            before = await connection.fetchval("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
            await connection.execute(_INSERT, rows + turn * 10, datetime(2024, 1, 1, tzinfo=UTC), 10)
            query = watch_query(
                Selection("readings.weather"), ReadingShape(()), Position(before), before + 1_000, 1_000
            )
            began = time.monotonic()
            found: list[asyncpg.Record] = await connection.fetch(query.sql, *query.arguments)
            times.append(time.monotonic() - began)
            assert len(found) == 10
    return round(sorted(times)[len(times) // 2] * 1_000, 2)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    print(json.dumps(asyncio.run(measure(parser.parse_args().rows)), indent=2))


if __name__ == "__main__":
    main()
