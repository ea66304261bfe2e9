"""Jobs on a real Postgres: parts, leases, fences, cancellation, failures, and going on where a worker died."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.errors import JobStateError, RequestIdReusedError
from dataflow_validator.jobs import runner as runner_module
from dataflow_validator.jobs.context import JobContext, PartLostError
from dataflow_validator.jobs.endings import cancel_job, resume_job
from dataflow_validator.jobs.kind import DONE, JobFailedError, Json, Part, Plan
from dataflow_validator.jobs.records import JobRecord, create_job, get_job, list_jobs
from dataflow_validator.jobs.runner import MAX_DEATHS, Runner
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.testing import validator_database

pytestmark = pytest.mark.postgres


@dataclass
class Counting:
    """Writes the numbers of each part, ten a step, into a table that would show any of them twice."""

    name: str = "EXPORT_READINGS"
    before: Callable[[Part], None] = lambda part: None
    steps: int = 0
    at_once: set[int] = field(default_factory=set)
    gate: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    both: asyncio.Event = field(default_factory=asyncio.Event)

    async def plan(self, context: JobContext) -> Plan:
        parts, size = context.request["parts"], context.request["size"]
        return Plan([{"next": 0, "offset": number * size} for number in range(parts)], parts * size)

    async def step(self, context: JobContext, part: Part) -> None:
        self.steps += 1
        self.at_once.add(part.number)
        self.entered.set()
        if len(self.at_once) == 2:
            self.both.set()
        if self.gate is not None:
            await self.gate.wait()
        self.before(part)
        start = part.checkpoint["next"]
        end = min(start + context.items_of_step(10), context.request["size"])
        async with context.transaction(part) as connection:
            await connection.executemany(
                "INSERT INTO work VALUES ($1)", [(part.checkpoint["offset"] + number,) for number in range(start, end)]
            )
            await context.save(
                connection,
                part,
                checkpoint=DONE if end == context.request["size"] else {**part.checkpoint, "next": end},
                done=end - start,
                result={"written": part.result.get("written", 0) + end - start},
            )

    def combine(self, request: Json, results: Sequence[Json]) -> Json:
        return {"written": sum(result.get("written", 0) for result in results)}


@dataclass
class Bench:
    pool: Pool

    def runner(self, kind: Counting, name: str = "one") -> Runner:
        return Runner(self.pool, Registry(), Partitions(), {kind.name: kind}, name)

    async def create(self, *, parts: int = 1, size: int = 30, request_id: str = "", rate: float | None = None) -> UUID:
        async with self.pool.acquire() as connection:
            request = {"parts": parts, "size": size}
            made = await create_job(
                connection, "EXPORT_READINGS", request, request_id=request_id, created_by="ann", rate=rate
            )
        return made.job_id

    async def get(self, job_id: UUID) -> JobRecord:
        async with self.pool.acquire() as connection:
            return await get_job(connection, job_id)

    async def written(self) -> list[int]:
        return [row["number"] for row in await self.pool.fetch("SELECT number FROM work ORDER BY number")]

    async def expire(self) -> None:
        """Let all leases run out, as if their holders had been dead for long."""
        await self.pool.execute("UPDATE validator.job_part SET expires_at = now() WHERE state = 'RUNNING'")


@pytest.fixture
async def bench(postgres_server: PostgresCluster) -> AsyncIterator[Bench]:
    async with validator_database(postgres_server) as pool:
        await pool.execute("CREATE TABLE work (number integer PRIMARY KEY)")
        yield Bench(pool)


async def run_all(runner: Runner) -> None:
    while await runner.run_once():
        pass


async def test_job_runs_all_its_parts_and_combines_their_results(bench: Bench) -> None:
    """Plan, steps and result; progress adds up."""
    job_id = await bench.create(parts=3, size=25)
    await run_all(bench.runner(Counting()))
    job = await bench.get(job_id)
    assert (job.state, job.done, job.total, job.parts) == ("SUCCEEDED", 75, 75, 3)
    assert job.result == {"written": 75}
    assert await bench.written() == list(range(75))
    assert job.start_time is not None
    assert job.end_time is not None
    assert job.created_by == "ann"


async def test_parts_of_a_job_run_on_two_workers_at_once(bench: Bench) -> None:
    """While one worker stands in a step of one part, another one takes the next part."""
    gate = asyncio.Event()
    kind = Counting(gate=gate)
    job_id = await bench.create(parts=2, size=10)
    assert await bench.runner(kind, "planner").run_once()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_all(bench.runner(kind, "one")))
        tasks.create_task(run_all(bench.runner(kind, "two")))
        await kind.both.wait()
        gate.set()
    assert (await bench.get(job_id)).result == {"written": 20}
    assert kind.steps == 2


async def test_worker_that_died_costs_one_step_and_repeats_nothing(bench: Bench) -> None:
    """After a death in the middle another worker goes on at the checkpoint."""

    class Killed(BaseException):
        pass

    def die(part: Part) -> None:
        if part.done == 20:
            raise Killed

    job_id = await bench.create(size=50)
    dying = bench.runner(Counting(before=die), "dying")
    dying._release = lambda *_: asyncio.sleep(0)  # type: ignore[method-assign]  # a dead process gives nothing back
    with pytest.raises(Killed):
        await run_all(dying)
    assert not await bench.runner(Counting(), "early").run_once()
    await bench.expire()
    kind = Counting()
    await run_all(bench.runner(kind, "next"))
    assert (await bench.get(job_id)).result == {"written": 50}
    assert await bench.written() == list(range(50))
    assert kind.steps == 3


async def test_frozen_worker_writes_nothing_when_it_wakes_up(bench: Bench) -> None:
    """Its part has changed hands: its transaction is refused, and the job is done once."""
    gate = asyncio.Event()
    job_id = await bench.create(size=10)
    await bench.runner(Counting(), "planner").run_once()
    frozen_kind = Counting(gate=gate)
    frozen = bench.runner(frozen_kind, "frozen")
    task = asyncio.create_task(frozen.run_once())
    await frozen_kind.entered.wait()
    await bench.expire()
    await run_all(bench.runner(Counting(), "other"))
    gate.set()
    await task
    assert (await bench.get(job_id)).state == "SUCCEEDED"
    assert await bench.written() == list(range(10))


async def test_transaction_of_a_part_that_changed_hands_is_refused(bench: Bench) -> None:
    """Holder and epoch are checked in the transaction itself."""
    await bench.create(size=10)
    refused: list[bool] = []

    class Stolen(Counting):
        async def step(self, context: JobContext, part: Part) -> None:
            await context.pool.execute("UPDATE validator.job_part SET epoch = epoch + 1 WHERE part = 0")
            try:
                await super().step(context, part)
            except PartLostError:
                refused.append(True)
                raise

    kind = Stolen()
    runner = bench.runner(kind)
    await runner.run_once()
    await runner.run_once()
    assert refused == [True]
    assert await bench.written() == []


async def test_cancelled_job_keeps_what_was_done_and_says_how_much(bench: Bench) -> None:
    """Cancelled between two steps; resumed, it goes on there."""
    job_id = await bench.create(size=50)
    kind = Counting()
    runner = bench.runner(kind)

    class Cancelling(Counting):
        async def step(self, context: JobContext, part: Part) -> None:
            await super().step(context, part)
            if part.done == 20:
                async with bench.pool.acquire() as connection:
                    await cancel_job(connection, {self.name: self}, job_id)

    await run_all(bench.runner(Cancelling()))
    job = await bench.get(job_id)
    assert (job.state, job.done, job.result) == ("CANCELLED", 20, {"written": 20})
    async with bench.pool.acquire() as connection:
        assert (await resume_job(connection, job_id)).state == "QUEUED"
    await run_all(runner)
    job = await bench.get(job_id)
    assert (job.state, job.result) == ("SUCCEEDED", {"written": 50})
    assert await bench.written() == list(range(50))


async def test_job_that_nobody_works_on_is_cancelled_at_once(bench: Bench) -> None:
    """No worker is needed to end what has not begun; what succeeded cannot be resumed."""
    job_id = await bench.create()
    kinds = {"EXPORT_READINGS": Counting()}
    async with bench.pool.acquire() as connection:
        assert (await cancel_job(connection, kinds, job_id)).state == "CANCELLED"
        await resume_job(connection, job_id)
        await run_all(bench.runner(Counting()))
        with pytest.raises(JobStateError):
            await resume_job(connection, job_id)


async def test_job_fails_with_its_reason_and_is_resumed_at_its_checkpoint(bench: Bench) -> None:
    """A kind's own error is shown as it is; a defect as INTERNAL; both can be taken up again."""
    troubles: list[Exception] = [JobFailedError("CONTRACT_NOT_FOUND", "gone", {"contract": "c"}), ValueError("boom")]

    def trouble(part: Part) -> None:
        if part.done == 10 and troubles:
            raise troubles.pop(0)

    job_id = await bench.create(size=30)
    runner = bench.runner(Counting(before=trouble))
    await run_all(runner)
    job = await bench.get(job_id)
    assert job.state == "FAILED"
    assert job.error == {"reason": "CONTRACT_NOT_FOUND", "message": "gone", "metadata": {"contract": "c"}}
    assert job.result == {"written": 10}
    for expected in ("FAILED", "SUCCEEDED"):
        async with bench.pool.acquire() as connection:
            await resume_job(connection, job_id)
        await run_all(runner)
        job = await bench.get(job_id)
        assert job.state == expected
        if expected == "FAILED":
            assert job.error is not None
            assert job.error["reason"] == "INTERNAL"
    assert await bench.written() == list(range(30))


async def test_job_that_kills_its_workers_fails_after_some_deaths(bench: Bench) -> None:
    """It does not go round for ever."""
    job_id = await bench.create()
    runner = bench.runner(Counting())
    await runner.run_once()
    for _ in range(MAX_DEATHS):
        await bench.pool.execute(
            "UPDATE validator.job_part SET state = 'RUNNING', holder = 'x', expires_at = now(), deaths = deaths + 1"
            " WHERE part = 0"
        )
    await runner.run_once()
    job = await bench.get(job_id)
    assert job.state == "FAILED"
    assert job.error is not None
    assert job.error["reason"] == "JOB_WORKER_DIED"


async def test_request_id_makes_one_job(bench: Bench) -> None:
    """The same contents answer the same job; others are refused."""
    first = await bench.create(request_id="r")
    assert await bench.create(request_id="r") == first
    with pytest.raises(RequestIdReusedError):
        await bench.create(request_id="r", size=31)
    assert await bench.create() != await bench.create()


async def test_jobs_are_listed_newest_first_in_pages(bench: Bench) -> None:
    """By state and kind; each job on one page."""
    made = [await bench.create() for _ in range(5)]
    async with bench.pool.acquire() as connection:
        await cancel_job(connection, {}, made[2])
        page = await list_jobs(connection, states=["QUEUED"], limit=3)
        rest = await list_jobs(connection, states=["QUEUED"], limit=3, before=(page[-1].create_time, page[-1].job_id))
        assert await list_jobs(connection, kinds=["BACKFILL"], limit=3) == []
    assert [job.job_id for job in page + rest] == [made[4], made[3], made[1], made[0]]


async def test_rate_slows_a_job(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each step the runner rests for as long as the rate says."""
    rests: list[float] = []

    def note(items: int, rate: float, took: float) -> float:
        rests.append(items / rate)
        return 0.0

    monkeypatch.setattr(runner_module, "rest_for_rate", note)
    await bench.create(size=6, rate=2.0)
    await run_all(bench.runner(Counting()))
    assert rests[1:] == [1.0, 1.0, 1.0]


async def test_short_jobs_get_their_turn_beside_a_long_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is given back after a while when others wait."""
    monkeypatch.setattr(runner_module, "_SLICE_SECONDS", 0.0)
    long, short = await bench.create(size=1_000), await bench.create(size=10)
    runner = bench.runner(Counting())
    # `work` has one primary key for both jobs: the short one writes its own numbers.
    await bench.pool.execute("ALTER TABLE work DROP CONSTRAINT work_pkey")
    while (await bench.get(short)).state != "SUCCEEDED":
        assert await runner.run_once()
    assert (await bench.get(long)).state == "RUNNING"


async def test_lost_connections_in_the_middle_cost_nothing(bench: Bench) -> None:
    """The step is tried again where the job really stands; nothing is done twice."""
    ended: list[int] = []
    job_id = await bench.create(size=50)

    class Cut(Counting):
        async def step(self, context: JobContext, part: Part) -> None:
            if part.done == 20 and not ended:
                ended.append(1)
                await bench.pool.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await super().step(context, part)

    await run_all(bench.runner(Cut()))
    assert (await bench.get(job_id)).state == "SUCCEEDED"
    assert await bench.written() == list(range(50))
    assert ended
