"""Worker processes that die, freeze and lose their parents, in the middle of a job whose counts are exact all the same."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest
from dataflow.ring.v1.batch_pb2 import Batch
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, postgres_cluster
from dataflow_ring import keys
from dataflow_ring.batch import new_batch_id, pack
from dataflow_ring.consume import Entry, Origin
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.catalog.route_records import create_route
from dataflow_validator.catalog.rules import Rules
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.jobs.contract_test.kind import NAME
from dataflow_validator.jobs.contract_test.request import TestRequest
from dataflow_validator.jobs.endings import cancel_job, resume_job
from dataflow_validator.jobs.kinds import KINDS
from dataflow_validator.jobs.pressure import Pressure
from dataflow_validator.jobs.records import JobRecord, create_job, get_job
from dataflow_validator.jobs.worker import WorkerSettings
from dataflow_validator.jobs.workers import Workers
from dataflow_validator.judged import judge_batch
from dataflow_validator.store import store
from dataflow_validator.testing import validator_database

pytestmark = pytest.mark.postgres

MESSAGES = 3_000
ROOM = ContractSpec(
    "room", (FieldSpec("device_id", FieldType.STRING), FieldSpec("n", FieldType.INTEGER, max=1_999)), identity=("n",)
)
STRICTER = ContractSpec(
    "room", (FieldSpec("device_id", FieldType.STRING), FieldSpec("n", FieldType.INTEGER, max=999)), identity=("n",)
)
EXPECTED = {
    "items": 3_000,
    "accepted": 1_000,
    "rows_unchanged": 1_000,
    "rows_refused": 1_000,
    "quarantined_refused": 1_000,
}


@dataclass
class Bench:
    pool: Pool
    dsn: str

    async def fill(self) -> None:
        registry = Registry()
        async with self.pool.acquire() as connection:
            await create_contract(connection, ROOM, activate=True)
            await create_route(connection, "rooms/+", "room", "payload:/device_id")
            await registry.refresh(connection)
            rules = Rules(registry.current)
            for start in range(0, MESSAGES, 20):
                batch = Batch(batch_id=new_batch_id(), bridge_id="b", boot_id=uuid4().bytes, sequence=1)
                for number in range(start, start + 20):
                    payload = orjson.dumps({"device_id": "d", "n": number})
                    batch.messages.add(topic="rooms/a", payload=payload, receive_time_us=1_790_000_000_000_000 + number)
                entry = Entry("n", keys.BATCHES, b"1-1", batch.batch_id, pack(batch), Origin.NEW)
                await store(connection, [judge_batch(entry, batch, rules)])

    async def begin(self, rate: float = 2_000.0) -> UUID:
        """Make a job that takes some seconds."""
        async with self.pool.acquire() as connection:
            request = TestRequest("room", spec=STRICTER).to_json()
            job = await create_job(connection, NAME, request, request_id="", created_by="ann", dry_run=True, rate=rate)
        return job.job_id

    async def get(self, job_id: UUID) -> JobRecord:
        async with self.pool.acquire() as connection:
            return await get_job(connection, job_id)

    async def reach(self, job_id: UUID, done: int) -> JobRecord:
        """Wait until so much is done."""
        async with asyncio.timeout(60):
            while (job := await self.get(job_id)).done < done:  # noqa: ASYNC110 - told of by nobody here
                await asyncio.sleep(0.02)
        return job

    async def end(self, job_id: UUID) -> JobRecord:
        """Wait for the job's end."""
        async with asyncio.timeout(90):
            while not (job := await self.get(job_id)).ended:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        return job

    @asynccontextmanager
    async def workers(self, name: str) -> AsyncIterator[Workers]:
        """Keep a worker as a validator does."""
        stopping = asyncio.Event()
        workers = Workers(self.pool, WorkerSettings(self.dsn, name), Pressure)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(workers.run(stopping))
            try:
                yield workers
            finally:
                stopping.set()


def counts(job: JobRecord) -> dict[str, int]:
    """Give what the job counted, of what is expected."""
    assert job.state == "SUCCEEDED", job.error
    assert job.result is not None
    return {key: job.result[key] for key in EXPECTED}


@asynccontextmanager
async def filled(cluster: PostgresCluster) -> AsyncIterator[Bench]:
    """Make a database with a raw log of its own."""
    async with validator_database(cluster) as pool:
        made = Bench(pool, cluster.dsn_of(await pool.fetchval("SELECT current_database()")))
        await made.fill()
        yield made


@pytest.fixture
async def bench(postgres_server: PostgresCluster) -> AsyncIterator[Bench]:
    async with filled(postgres_server) as made:
        yield made


async def test_killed_worker_is_started_again_and_the_counts_are_exact(bench: Bench) -> None:
    """Killed hard in the middle, twice."""
    async with bench.workers("one") as workers:
        job_id = await bench.begin()
        for done in (500, 1_500):
            await bench.reach(job_id, done)
            assert workers.counts.pid is not None
            os.kill(workers.counts.pid, signal.SIGKILL)
        job = await bench.end(job_id)
        assert workers.counts.deaths == 2
    assert counts(job) == EXPECTED
    assert job.done == job.total


async def test_part_of_a_frozen_worker_goes_on_in_another_one(bench: Bench) -> None:
    """SIGSTOP in the middle; woken up again, the frozen one writes nothing."""
    async with bench.workers("one") as one:
        job_id = await bench.begin()
        await bench.reach(job_id, 500)
        frozen = one.counts.pid
        assert frozen is not None
        os.kill(frozen, signal.SIGSTOP)
        try:
            async with bench.workers("two"):
                job = await bench.end(job_id)
        finally:
            os.kill(frozen, signal.SIGCONT)
    assert counts(job) == EXPECTED


async def test_cancelled_job_is_resumed_by_a_worker_process(bench: Bench) -> None:
    """It ends within moments, says how much was done, and goes on there."""
    async with bench.workers("one"):
        job_id = await bench.begin()
        await bench.reach(job_id, 500)
        async with bench.pool.acquire() as connection:
            await cancel_job(connection, KINDS, job_id)
        job = await bench.end(job_id)
        assert job.state == "CANCELLED"
        assert job.total is not None
        assert 500 <= job.done < job.total
        async with bench.pool.acquire() as connection:
            await resume_job(connection, job_id)
        job = await bench.end(job_id)
    assert counts(job) == EXPECTED


async def test_two_workers_share_the_parts(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both hold parts of one job."""
    holders: set[str] = set()
    async with bench.workers("one"), bench.workers("two"):
        job_id = await bench.begin(rate=200.0)
        async with asyncio.timeout(60):
            while len(holders) < 2:
                rows = await bench.pool.fetch(
                    "SELECT holder FROM validator.job_part WHERE job_id = $1 AND state = 'RUNNING'", job_id
                )
                holders |= {row["holder"].partition("-")[0] for row in rows}
                await asyncio.sleep(0.01)
        await bench.pool.execute("UPDATE validator.job SET rate = NULL")
        job = await bench.end(job_id)
    assert holders == {"one", "two"}
    assert counts(job) == EXPECTED


async def test_job_goes_on_when_postgres_is_back() -> None:
    """Killed in the middle and started again; the worker lives on and counts nothing twice."""
    with postgres_cluster() as cluster:
        async with filled(cluster) as own, own.workers("one") as workers:
            job_id = await own.begin()
            await own.reach(job_id, 500)
            worker = workers.counts.pid
            await asyncio.to_thread(cluster.kill)
            await asyncio.to_thread(cluster.start)
            job = await own.end(job_id)
            assert workers.counts.pid == worker
    assert counts(job) == EXPECTED


_PARENT = """
import asyncio, sys
from dataflow_mesh.postgres import connect_pool
from dataflow_validator.jobs.pressure import Pressure
from dataflow_validator.jobs.worker import WorkerSettings
from dataflow_validator.jobs.workers import Workers

async def main():
    async with await connect_pool(sys.argv[1], max_size=3) as pool:
        workers = Workers(pool, WorkerSettings(sys.argv[1], "parent"), Pressure)
        running = asyncio.create_task(workers.run(asyncio.Event()))
        while workers.counts.pid is None:
            await asyncio.sleep(0.01)
        print(workers.counts.pid, flush=True)
        await running

asyncio.run(main())
"""


async def test_worker_dies_with_its_validator_and_another_one_goes_on(bench: Bench) -> None:
    """A hard kill of the parent in the middle leaves no process behind."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, bench.dsn, stdout=asyncio.subprocess.PIPE
    )
    job_id = await bench.begin()
    assert parent.stdout is not None
    worker = int(await parent.stdout.readline())
    await bench.reach(job_id, 500)
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(10):
        while _lives(worker):  # noqa: ASYNC110 - nobody tells of the end of another's child
            await asyncio.sleep(0.02)
    async with bench.workers("other"):
        job = await bench.end(job_id)
    assert counts(job) == EXPECTED


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
