"""The jobs EXPORT_READINGS and EXPORT_QUARANTINED, on a real Postgres and a real disk."""

import asyncio
import csv
import hashlib
import io
import json
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pyarrow.parquet as pq
import pytest
from dataflow.validator.v1 import (
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
    quarantine_pb2,
    quarantine_service_pb2,
    quarantine_service_pb2_grpc,
    reading_pb2,
    reading_service_pb2_grpc,
    reading_stream_pb2,
)
from dataflow_mesh.postgres import Pool
from dataflow_mesh.server import Service
from dataflow_mesh.testing import PostgresCluster, in_process_server, postgres_cluster
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.exports import files, quarantine_job, readings_job
from dataflow_validator.jobs.kinds import KINDS
from dataflow_validator.jobs.runner import Runner
from dataflow_validator.jobs.service import SERVICE as JOB_SERVICE
from dataflow_validator.jobs.service import JobServicer
from dataflow_validator.jobs.worker import WorkerSettings
from dataflow_validator.parked.retry import ParkedRetry
from dataflow_validator.quarantine.service import QuarantineServicer
from dataflow_validator.readings import export as export_module
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.readings.service import SERVICE, ReadingServicer
from dataflow_validator.testing import reason_of, validator_database

pytestmark = pytest.mark.postgres

_BASE = datetime(2024, 1, 30, tzinfo=UTC)
_SPEC = ContractSpec(
    "weather",
    fields=(FieldSpec("count", FieldType.INTEGER, required=False), FieldSpec("ts", FieldType.TIMESTAMP, required=False)),
    event_time="ts",
)  # fmt: skip


@dataclass
class Setup:
    pool: Pool
    directory: Path
    readings: "reading_service_pb2_grpc.ReadingServiceAsyncStub"
    quarantine: "quarantine_service_pb2_grpc.QuarantineServiceAsyncStub"
    jobs: "job_service_pb2_grpc.JobServiceAsyncStub"

    async def put(self, *numbers: int) -> None:
        """Store rows, six hours apart."""
        await self.pool.execute(
            "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, count) "
            "SELECT 'device-' || n % 3, $1::timestamptz + n * interval '6 hours', $1, lpad(to_hex(n), 32, '0')::uuid, 0, 1, n "
            "FROM unnest($2::int[]) AS n",
            _BASE,
            list(numbers),
        )

    async def refuse(self, count: int) -> None:
        """Put items into quarantine."""
        await self.pool.execute(
            "INSERT INTO validator.quarantine (contract, revision, kind, device_id, topic, payload, element, reasons, "
            "receive_time, message_id, id_kind, content_hash, batch_id, position, sender_id, source_device_id) "
            "SELECT 'weather', 1, 'REFUSED', 'device-' || n % 3, 'sensors/' || n, "
            "CASE WHEN n % 5 = 0 THEN decode('ff00', 'hex') ELSE convert_to('{\"n\": ' || n || '}', 'UTF8') END, 0, "
            '\'[{"path": "/count", "rule": "required", "message": "missing"}]\', $2::timestamptz, gen_random_uuid(), \'b\', n, '
            "gen_random_uuid(), 0, 'id-' || n, 'sender' FROM generate_series(1, $1::int) AS n ORDER BY n",
            count,
            _BASE,
        )

    def runner(self, directory: Path | None = None, holder: str = "worker") -> Runner:
        return Runner(self.pool, Registry(), Partitions(), KINDS, holder, directory or self.directory)

    async def ask(self, **parts: Any) -> job_pb2.Job:
        export = {"filter": reading_pb2.ReadingFilter(contract="weather")} | parts
        request_id = str(export.pop("request_id", ""))
        request = reading_stream_pb2.ExportReadingsToFileRequest(
            export=reading_stream_pb2.ReadingExport(**export), request_id=request_id
        )
        return (await self.readings.ExportReadingsToFile(request)).job

    async def ended(self, job: job_pb2.Job) -> job_pb2.Job:
        """Work until nothing is left, and return the job as it is then."""
        runner = self.runner()
        while await runner.run_once():
            pass
        return (await self.jobs.GetJob(job_service_pb2.GetJobRequest(job_id=job.job_id))).job

    def files(self, job: job_pb2.Job) -> list[bytes]:
        """Return the files of a job, each as its result says it is, and nothing else beside them."""
        result = getattr(job, job.WhichOneof("result") or "")
        directory = Path(result.directory)
        assert directory == self.directory / job.job_id
        assert sorted(path.name for path in directory.iterdir()) == [file.name for file in result.files]
        contents = [(directory / file.name).read_bytes() for file in result.files]
        for file, content in zip(result.files, contents, strict=True):
            assert (file.size_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert result.size_bytes == sum(map(len, contents))
        assert result.rows == sum(file.rows for file in result.files) == job.progress.done
        return contents


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgresCluster]:
    with postgres_cluster() as running:
        yield running


@pytest.fixture
async def setup(cluster: PostgresCluster, tmp_path: Path) -> AsyncIterator[Setup]:
    async with validator_database(cluster, max_size=12) as pool:
        async with pool.acquire() as connection:
            await create_contract(connection, _SPEC, activate=True)
        quarantine = "dataflow.validator.v1.QuarantineService"
        services: list[Service] = [
            (reading_service_pb2_grpc.add_ReadingServiceServicer_to_server, ReadingServicer(pool), SERVICE),
            (
                quarantine_service_pb2_grpc.add_QuarantineServiceServicer_to_server,
                QuarantineServicer(pool, ParkedRetry(pool, Registry(), Partitions())),
                quarantine,
            ),
            (
                job_service_pb2_grpc.add_JobServiceServicer_to_server,
                JobServicer(pool, KINDS, asyncio.Event()),
                JOB_SERVICE,
            ),
        ]
        async with in_process_server(services) as server:
            yield Setup(
                pool,
                tmp_path / "exports",
                reading_service_pb2_grpc.ReadingServiceStub(server.channel),
                quarantine_service_pb2_grpc.QuarantineServiceStub(server.channel),
                job_service_pb2_grpc.JobServiceStub(server.channel),
            )


def numbers_of(contents: list[bytes]) -> list[int]:
    return [int(row["count"]) for data in contents for row in csv.DictReader(io.StringIO(data.decode(), newline=""))]


async def test_the_files_together_are_the_rows_in_order(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts and files, in their order, hold each row once, sorted; the job says rows, bytes and hashes."""
    monkeypatch.setattr(readings_job, "FILE_ROWS", 2)
    monkeypatch.setattr(export_module, "PAGE_ROWS", 2)
    await setup.put(*range(30))
    job = await setup.ended(await setup.ask())
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    contents = setup.files(job)
    assert numbers_of(contents) == list(range(30))
    assert job.progress.parts == 8
    assert len(contents) > 8


async def test_years_become_few_parts(setup: Setup) -> None:
    """A hundred and fifty years are cut into at most 64 ranges that overlap nowhere."""
    await setup.put(*range(0, 4 * 365 * 150, 997))
    job = await setup.ended(await setup.ask(format=reading_stream_pb2.FILE_FORMAT_PARQUET))
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    tables = [pq.read_table(io.BytesIO(content)).to_pylist() for content in setup.files(job)]
    assert [row["count"] for rows in tables for row in rows] == list(range(0, 4 * 365 * 150, 997))
    assert job.progress.parts <= 64


async def test_hours_and_filters_are_exported_too(setup: Setup) -> None:
    """The request's filter narrows the first and last day; hourly rows come out as the streamed export has them."""
    await setup.put(*range(12))
    wanted = reading_pb2.ReadingFilter(contract="weather", device_ids=["device-0"])
    wanted.start_time.FromDatetime(_BASE + timedelta(hours=7))
    wanted.end_time.FromDatetime(_BASE + timedelta(hours=54))
    job = await setup.ended(
        await setup.ask(filter=wanted, rows=reading_stream_pb2.EXPORT_ROWS_HOURLY, fields=["count"])
    )
    rows = [row for data in setup.files(job) for row in csv.DictReader(io.StringIO(data.decode(), newline=""))]
    assert [(row["device_id"], row["readings"], row["count_max"]) for row in rows] == [
        ("device-0", "1", "3"),
        ("device-0", "1", "6"),
    ]


async def test_all_files_show_the_moment_of_the_plan(setup: Setup) -> None:
    """Rows that are stored after the plan are in no file, whichever worker writes it, and when."""
    await setup.put(*range(0, 40, 2))
    job = await setup.ask()
    assert await setup.runner().run_once()
    await setup.put(*range(1, 40, 2))
    done = await setup.ended(job)
    assert numbers_of(setup.files(done)) == list(range(0, 40, 2))


async def test_a_death_in_the_middle_repeats_and_loses_nothing(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that died before its file or its checkpoint was in place is done again; the files are the same as without."""
    monkeypatch.setattr(readings_job, "FILE_ROWS", 2)
    monkeypatch.setattr(export_module, "PAGE_ROWS", 2)
    await setup.put(*range(30))
    job = await setup.ask()
    dice = iter([False, True, False, True, True, False, True])
    place = files.JobFile.place

    def dying(self: files.JobFile) -> dict[str, Any]:
        if next(dice, False):
            raise ConnectionResetError
        placed = place(self)
        if next(dice, False):
            raise ConnectionResetError
        return placed

    monkeypatch.setattr(files.JobFile, "place", dying)
    done = await setup.ended(job)
    assert done.state == job_pb2.JOB_STATE_SUCCEEDED, done.error
    assert numbers_of(setup.files(done)) == list(range(30))


async def test_the_same_request_id_is_the_same_job(setup: Setup) -> None:
    """Asked twice, one job is made; the same id for something else is refused."""
    first = await setup.ask(request_id="r1")
    assert (await setup.ask(request_id="r1")).job_id == first.job_id
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.ask(request_id="r1", format=reading_stream_pb2.FILE_FORMAT_PARQUET)
    assert reason_of(caught.value)[0] == "REQUEST_ID_REUSED"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await setup.ask(fields=["nope"])
    assert reason_of(caught.value)[0] == "FIELD_INVALID"


async def test_without_a_place_for_files_the_job_fails_and_says_so(setup: Setup) -> None:
    """A validator without export_dir fails the job with the setting's name."""
    await setup.put(1)
    job = await setup.ask()
    runner = Runner(setup.pool, Registry(), Partitions(), KINDS, "worker", None)
    while await runner.run_once():
        pass
    found = (await setup.jobs.GetJob(job_service_pb2.GetJobRequest(job_id=job.job_id))).job
    assert (found.state, found.error.reason) == (job_pb2.JOB_STATE_FAILED, "EXPORT_UNAVAILABLE")
    assert "export_dir" in found.error.message


async def test_quarantined_items_become_lines_that_can_be_sent_again(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each chosen item is a line with its original bytes and reasons, oldest first."""
    monkeypatch.setattr(quarantine_job, "FILE_ROWS", 3)
    monkeypatch.setattr(quarantine_job, "_PAGE_ROWS", 2)
    await setup.refuse(20)
    chosen = quarantine_pb2.QuarantineFilter(contract="weather", device_ids=["device-0", "device-1"])
    request = quarantine_service_pb2.ExportQuarantinedToFileRequest(filter=chosen)
    job = await setup.ended((await setup.quarantine.ExportQuarantinedToFile(request)).job)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    contents = setup.files(job)
    lines = [json.loads(line) for content in contents for line in content.splitlines()]
    wanted = [n for n in range(1, 21) if n % 3 != 2]
    assert [line["topic"] for line in lines] == [f"sensors/{n}" for n in wanted]
    assert [line.get("payload_base64") or line["payload"] for line in lines] == [
        "/wA=" if n % 5 == 0 else f'{{"n": {n}}}' for n in wanted
    ]
    assert lines[0]["message_id"] == "id-1"
    assert lines[0]["quarantine"]["reasons"][0]["rule"] == "required"
    assert len(contents) > 1


async def test_an_empty_quarantine_makes_no_file(setup: Setup) -> None:
    """Where nothing is chosen the job ends with nothing written."""
    request = quarantine_service_pb2.ExportQuarantinedToFileRequest()
    job = await setup.ended((await setup.quarantine.ExportQuarantinedToFile(request)).job)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job.error
    assert not job.quarantine_export.files


async def test_workers_that_are_killed_leave_whole_files_and_others_go_on(
    setup: Setup, cluster: PostgresCluster
) -> None:
    """After kill -9 in the middle of a file another worker process goes on: each row is in one file, each file whole."""
    await setup.pool.execute(
        "INSERT INTO readings.weather (device_id, event_time, receive_time, message_id, content_hash, revision, count) "
        "SELECT 'device-' || n % 3, $1::timestamptz + n * interval '1 second', $1, lpad(to_hex(n), 32, '0')::uuid, 0, 1, n "
        "FROM generate_series(0, 299999) AS n",
        _BASE,
    )
    job = await setup.ask(format=reading_stream_pb2.FILE_FORMAT_PARQUET)
    directory = setup.directory / job.job_id
    database = await setup.pool.fetchval("SELECT current_database()")
    kills = 0
    async with asyncio.timeout(110):
        while True:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "dataflow_validator.jobs.worker", stdin=asyncio.subprocess.PIPE
            )
            assert process.stdin is not None
            settings = WorkerSettings(
                cluster.dsn_of(database), f"worker-{kills}", str(setup.directory), log_level="warning"
            )
            process.stdin.write(settings.to_line())
            await process.stdin.drain()
            found = await _state(setup, job)
            # In the middle of a file: its bytes are there under a name that nobody looks for.
            while found.state not in _FINAL and (kills == 2 or not list(directory.glob(".part-*"))):
                await asyncio.sleep(0.01)
                found = await _state(setup, job)
            process.kill()
            await process.wait()
            if found.state in _FINAL:
                break
            kills += 1
    assert kills == 2
    assert found.state == job_pb2.JOB_STATE_SUCCEEDED, found.error
    tables = [
        pq.read_table(io.BytesIO(content), columns=["count"]).to_pydict()["count"] for content in setup.files(found)
    ]
    assert [number for numbers in tables for number in numbers] == list(range(300_000))


_FINAL = {job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED}


async def _state(setup: Setup, job: job_pb2.Job) -> job_pb2.Job:
    return (await setup.jobs.GetJob(job_service_pb2.GetJobRequest(job_id=job.job_id))).job
