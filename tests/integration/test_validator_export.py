"""ExportReadings over gRPC, on a real Postgres: files that pandas, DuckDB and spreadsheets read, equal to SQL."""

import asyncio
import csv
import hashlib
import io
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pyarrow.parquet as pq
import pytest
from dataflow.validator.v1 import reading_pb2, reading_service_pb2_grpc, reading_stream_pb2
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server, postgres_cluster
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType, UnknownFields
from dataflow_validator.readings import export as export_module
from dataflow_validator.readings.service import SERVICE, ReadingServicer
from dataflow_validator.rollups.tables import begin_rollups
from dataflow_validator.rollups.worker import RollupWorker
from dataflow_validator.testing import reason_of, validator_database

pytestmark = pytest.mark.postgres

_BASE = datetime(2024, 1, 30, 22, 59, 30, 123456, tzinfo=UTC)
_SPEC = ContractSpec(
    "weather",
    fields=(
        FieldSpec("temp", FieldType.NUMBER, required=False, unit="Cel"),
        FieldSpec("count", FieldType.INTEGER, required=False),
        FieldSpec("big", FieldType.INTEGER, required=False, min=0, max=10**30),
        FieldSpec("endless", FieldType.INTEGER, required=False, max=10**60),
        FieldSpec("on", FieldType.BOOLEAN, required=False),
        FieldSpec("label", FieldType.STRING, required=False),
        FieldSpec("seen", FieldType.TIMESTAMP, required=False),
        FieldSpec("shape", FieldType.OBJECT, required=False),
        FieldSpec("raw", FieldType.BINARY, required=False),
        FieldSpec("ts", FieldType.TIMESTAMP, required=False),
    ),
    event_time="ts",
    unknown=UnknownFields.KEEP,
)
_LABELS = ["plain", "", None, 'a "quoted", text', "two\r\nlines", " space ", "=1+1", "-7", "ünïcode 🌡", "NULL"]
_TEMPS = [1.5, -0.0, 1e-300, 0.1 + 0.2, None]
_INSERT = (
    'INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, count, temp, "on", '
    "label, seen, big, endless, shape, raw, maybe_duplicate, extra) "
    "SELECT 'device-' || n % 3, $1::timestamptz + n * interval '7 seconds', $1, lpad(to_hex(n), 32, '0')::uuid, 0, 1, n, "
    "($3::float8[])[n % 5 + 1], n % 2 = 0, ($4::text[])[n % 10 + 1], $1, trunc(10::numeric ^ (n % 30)), trunc(10::numeric ^ (n % 60)), "
    "jsonb_build_object('n', n, 'list', '[1, null]'::jsonb), decode(lpad(to_hex(n), 4, '0'), 'hex'), n = 1, "
    'CASE WHEN n % 4 = 0 THEN \'{"more": "é"}\'::jsonb END '
    "FROM unnest($2::int[]) AS n"
)
_COLUMNS = (
    "device_id, event_time, receive_time, message_id::text, revision, maybe_duplicate, extra::text, temp, count, big, "
    'endless, "on", label, seen, shape::text, raw, ts'
)


@dataclass
class File:
    header: reading_stream_pb2.ExportHeader
    data: bytes
    trailer: reading_stream_pb2.ExportTrailer

    def parquet(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(self.data)).to_pylist()
        return rows

    def csv(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.data.decode(), newline="")))


@dataclass
class Setup:
    pool: Pool
    stub: "reading_service_pb2_grpc.ReadingServiceAsyncStub"

    async def put(self, numbers: Sequence[int]) -> None:
        await self.pool.execute(_INSERT, _BASE, list(numbers), _TEMPS, _LABELS)

    async def export(self, **parts: Any) -> File:
        export = {"filter": reading_pb2.ReadingFilter(contract="weather")} | parts
        call = self.stub.ExportReadings(
            reading_stream_pb2.ExportReadingsRequest(export=reading_stream_pb2.ReadingExport(**export))
        )
        responses = [response async for response in call]
        assert [response.WhichOneof("part") for response in responses[1:-1]] == ["data"] * (len(responses) - 2)
        file = File(responses[0].header, b"".join(response.data for response in responses[1:-1]), responses[-1].trailer)
        assert file.trailer.bytes == len(file.data)
        assert file.trailer.sha256 == hashlib.sha256(file.data).hexdigest()
        return file

    async def rows(self) -> list[dict[str, Any]]:
        rows = await self.pool.fetch(
            f"SELECT {_COLUMNS} FROM readings.weather ORDER BY event_time, device_id, message_id"
        )
        return [dict(row) for row in rows]


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def setup(cluster: PostgresCluster) -> AsyncIterator[Setup]:
    async with validator_database(cluster, max_size=12) as pool:
        async with pool.acquire() as connection:
            await create_contract(connection, _SPEC, activate=True)
        service = (reading_service_pb2_grpc.add_ReadingServiceServicer_to_server, ReadingServicer(pool), SERVICE)
        async with in_process_server([service]) as server:
            yield Setup(pool, reading_service_pb2_grpc.ReadingServiceStub(server.channel))


async def test_parquet_has_the_values_of_sql(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pyarrow reads typed columns that equal the rows; numbers without a bound are text."""
    monkeypatch.setattr(export_module, "PAGE_ROWS", 17)
    await setup.put(range(100))
    file = await setup.export(format=reading_stream_pb2.FILE_FORMAT_PARQUET)
    wanted = await setup.rows()
    for row in wanted:
        row["endless"] = format(row["endless"], "f")
    assert file.parquet() == wanted
    assert file.trailer.rows == 100
    schema = pq.read_schema(io.BytesIO(file.data))
    assert [str(schema.field(name).type) for name in ("event_time", "temp", "count", "big", "on", "raw", "shape")] == [
        "timestamp[us, tz=UTC]",
        "double",
        "int64",
        "decimal128(38, 0)",
        "bool",
        "binary",
        "string",
    ]
    assert schema.field("temp").metadata[b"unit"] == b"Cel"


async def test_csv_has_the_values_of_sql(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """The csv module reads cells that say each value exactly."""
    monkeypatch.setattr(export_module, "PAGE_ROWS", 17)
    await setup.put(range(100))
    file = await setup.export()
    assert file.header.file_name == "weather.csv"
    cells = file.csv()
    assert [column.name for column in file.header.columns] == list(cells[0])
    assert [_parsed(row) for row in cells] == [
        {
            **row,
            "label": row["label"] or "",
            "extra": row["extra"] and json.loads(row["extra"]),
            "shape": json.loads(row["shape"]),
        }
        for row in await setup.rows()
    ]


async def test_postgres_reads_the_csv_back(setup: Setup) -> None:
    """COPY tells null from an empty text, and finds every value again."""
    await setup.put(range(100))
    file = await setup.export(fields=["temp", "count", "label", "seen"])
    columns = ", ".join(f"{column.name} {column.sql_type}" for column in file.header.columns)
    names = ", ".join(column.name for column in file.header.columns)
    async with setup.pool.acquire() as connection:
        await connection.execute(f"CREATE TEMP TABLE back ({columns})")
        await connection.copy_to_table("back", source=io.BytesIO(file.data), format="csv", header=True)
        different = await connection.fetchval(
            f"SELECT count(*) FROM (SELECT {names} FROM back EXCEPT SELECT {names} FROM readings.weather) d"
        )
        assert different == 0
        assert await connection.fetchval("SELECT count(*) FROM back") == 100
        assert await connection.fetchval("SELECT count(*) FROM back WHERE label = ''") == 10


async def test_formulas_are_escaped_where_asked_for(setup: Setup) -> None:
    """With escape_formulas no text begins as a formula does; numbers stay numbers."""
    await setup.put(range(10))
    file = await setup.export(escape_formulas=True)
    assert {row["label"] for row in file.csv()} >= {"'=1+1", "'-7", "plain"}
    assert {row["temp"] for row in file.csv()} >= {"-0.0"}


async def test_a_filter_narrows_the_file(setup: Setup) -> None:
    """Only rows of the devices and times asked for, and only the fields named, are in it."""
    await setup.put(range(30))
    wanted = reading_pb2.ReadingFilter(contract="weather", device_ids=["device-1", "device-2"])
    wanted.start_time.FromDatetime(_BASE + timedelta(seconds=70))
    wanted.end_time.FromDatetime(_BASE + timedelta(seconds=140))
    file = await setup.export(filter=wanted, fields=["count"])
    assert [int(row["count"]) for row in file.csv()] == [n for n in range(10, 20) if n % 3]
    assert "temp" not in file.csv()[0]


async def test_an_empty_table_makes_a_whole_file(setup: Setup) -> None:
    """Without a row there is a header, and a Parquet file that can be read."""
    assert (await setup.export()).csv() == []
    assert (await setup.export(format=reading_stream_pb2.FILE_FORMAT_PARQUET)).parquet() == []
    assert (await setup.export(rows=reading_stream_pb2.EXPORT_ROWS_HOURLY)).csv() == []


@pytest.mark.parametrize("form", [reading_stream_pb2.FILE_FORMAT_CSV, reading_stream_pb2.FILE_FORMAT_PARQUET])
async def test_hours_have_the_aggregates_of_sql(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, form: "reading_stream_pb2.FileFormat.ValueType"
) -> None:
    """Each hour and device has a row with what SQL computes of it."""
    monkeypatch.setattr(export_module, "PAGE_ROWS", 2)
    await setup.put([*range(100), *range(100_000, 100_050)])
    file = await setup.export(rows=reading_stream_pb2.EXPORT_ROWS_HOURLY, format=form, fields=["count", "label"])
    rows = await setup.pool.fetch(
        "SELECT device_id, date_trunc('hour', event_time) AS hour, count(*) AS readings, count(count) AS count_count, "
        "min(count) AS count_min, max(count) AS count_max, sum(count)::float8 AS count_sum, avg(count)::float8 AS count_avg, "
        "count(label) AS label_count FROM readings.weather GROUP BY 1, 2 ORDER BY 2, 1"
    )
    found = file.parquet() if form == reading_stream_pb2.FILE_FORMAT_PARQUET else file.csv()
    if form == reading_stream_pb2.FILE_FORMAT_CSV:
        kinds: dict[str, Any] = {
            "device_id": str,
            "hour": datetime.fromisoformat,
            "count_sum": float,
            "count_avg": float,
        }
        found = [{name: kinds.get(name, int)(cell) for name, cell in row.items()} for row in found]
    assert found == [dict(row) for row in rows]
    assert len(found) > 3


async def test_what_was_stored_before_is_in_it_once_and_nothing_else(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are stored while an export runs, also by a transaction that was open when it began, are not in it."""
    monkeypatch.setattr(export_module, "PAGE_ROWS", 10)
    await setup.put(range(0, 400, 2))
    async with setup.pool.acquire() as late:
        transaction = late.transaction()
        await transaction.start()
        await late.execute(_INSERT, _BASE, list(range(1, 200, 2)), _TEMPS, _LABELS)
        call = setup.stub.ExportReadings(
            reading_stream_pb2.ExportReadingsRequest(
                export=reading_stream_pb2.ReadingExport(filter=reading_pb2.ReadingFilter(contract="weather"))
            )
        )
        responses = aiter(call)
        data = (await anext(responses)).data
        await transaction.commit()
    await setup.put(range(201, 400, 2))
    data += b"".join([response.data async for response in responses])
    numbers = [int(row["count"]) for row in csv.DictReader(io.StringIO(data.decode(), newline=""))]
    assert numbers == list(range(0, 400, 2))


@pytest.mark.parametrize("kind", ["BACKFILL", "REPLAY_QUARANTINED"])
async def test_rows_that_a_job_rewrites_meanwhile_are_in_it(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A row that was there before is not left out because a job stored it anew."""
    monkeypatch.setattr(export_module, "PAGE_ROWS", 10)
    await setup.put(range(1_000))
    call = setup.stub.ExportReadings(
        reading_stream_pb2.ExportReadingsRequest(
            export=reading_stream_pb2.ReadingExport(filter=reading_pb2.ReadingFilter(contract="weather"))
        )
    )
    responses = aiter(call)
    await anext(responses)
    await setup.pool.execute(
        "INSERT INTO validator.job (kind, state, request, request_digest, created_by, start_time) "
        "VALUES ($1, 'RUNNING', '{}', '', 'test', clock_timestamp())",
        kind,
    )
    await setup.pool.execute("UPDATE readings.weather SET revision = 2, stored_xid = pg_current_xact_id()")
    await setup.pool.execute("UPDATE validator.job SET state = 'SUCCEEDED', end_time = clock_timestamp()")
    data = b"".join([response.data async for response in responses])
    numbers = [int(row["count"]) for row in csv.DictReader(io.StringIO(data.decode(), newline=""))]
    assert numbers == list(range(1_000))


async def test_a_slow_reader_gets_everything_and_holds_nothing(setup: Setup) -> None:
    """While the reader does not read, the export has no transaction open; then it goes on."""
    await setup.put(range(2_000))
    await setup.pool.execute("UPDATE readings.weather SET label = repeat('x', 5000)")
    call = setup.stub.ExportReadings(
        reading_stream_pb2.ExportReadingsRequest(
            export=reading_stream_pb2.ReadingExport(filter=reading_pb2.ReadingFilter(contract="weather"))
        )
    )
    responses = aiter(call)
    await anext(responses)
    async with asyncio.timeout(20):
        while await setup.pool.fetchval(  # noqa: ASYNC110 - another process
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND state <> 'idle'"
        ):
            await asyncio.sleep(0.01)
    trailers = [response.trailer async for response in responses if response.HasField("trailer")]
    assert [trailer.rows for trailer in trailers] == [2_000]


async def test_what_cannot_be_exported_is_refused(setup: Setup) -> None:
    """An unknown contract or field fails before the first byte."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.export(filter=reading_pb2.ReadingFilter(contract="nope"))
    assert reason_of(caught.value)[0] == "CONTRACT_NOT_FOUND"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.export(fields=["nope"])
    assert reason_of(caught.value)[0] == "FIELD_INVALID"


def _parsed(row: dict[str, str]) -> dict[str, Any]:
    kinds: dict[str, Any] = {
        "event_time": datetime.fromisoformat,
        "receive_time": datetime.fromisoformat,
        "seen": datetime.fromisoformat,
        "revision": int,
        "maybe_duplicate": {"true": True, "false": False}.__getitem__,
        "on": {"true": True, "false": False}.__getitem__,
        "temp": float,
        "count": int,
        "big": int,
        "endless": int,
        "raw": b64decode,
        "shape": json.loads,
        "extra": json.loads,
    }
    return {
        name: cell if name == "label" else None if cell == "" else kinds.get(name, str)(cell)
        for name, cell in row.items()
    }


async def test_hours_whose_rows_were_removed_come_from_rollups(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same hours come out before and after retention removed a month of rows, also where a page is small."""
    monkeypatch.setattr(export_module, "PAGE_ROWS", 2)
    await setup.put([*range(100), *range(20_000, 20_020), *range(100_000, 100_020)])
    asked = {"rows": reading_stream_pb2.EXPORT_ROWS_HOURLY, "fields": ["count", "temp", "label", "endless"]}
    before = (await setup.export(**asked)).csv()
    await begin_rollups(setup.pool)
    await RollupWorker(setup.pool).settle()
    await setup.pool.execute("DELETE FROM readings.weather WHERE event_time < '2024-02-01'")
    await setup.pool.execute("UPDATE validator.rollup SET rows_from = '2024-02-01' WHERE contract = 'weather'")
    after = (await setup.export(**asked)).csv()
    assert [(row["hour"], row["device_id"]) for row in after] == [(row["hour"], row["device_id"]) for row in before]
    for old, new in zip(before, after, strict=True):
        assert {name: _close(cell) for name, cell in new.items()} == {name: _close(cell) for name, cell in old.items()}
    wanted = reading_pb2.ReadingFilter(contract="weather", device_ids=["device-1"])
    wanted.end_time.FromDatetime(datetime(2024, 1, 30, 23, 30, tzinfo=UTC))
    only = (await setup.export(**asked, filter=wanted)).csv()
    assert [(row["hour"], row["device_id"]) for row in only] == [("2024-01-30T22:00:00.000000Z", "device-1")]


def _close(cell: str) -> object:
    """Read a cell; doubles may differ in the last digit, since they were added in another order."""
    try:
        return pytest.approx(float(cell), rel=1e-12)
    except ValueError:
        return cell
