"""JobService and TestContract over gRPC, on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from uuid import uuid4

import grpc
import pytest
from dataflow.validator.v1 import (
    contract_pb2,
    contract_service_pb2,
    contract_service_pb2_grpc,
    job_pb2,
    job_service_pb2,
    job_service_pb2_grpc,
)
from dataflow_mesh.postgres import Pool
from dataflow_mesh.server import Service
from dataflow_mesh.testing import PostgresCluster, in_process_server
from dataflow_validator.catalog.contract_records import create_contract
from dataflow_validator.catalog.contract_service import ContractServicer
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.contracts.spec import ContractSpec, FieldSpec, FieldType
from dataflow_validator.jobs.kinds import KINDS
from dataflow_validator.jobs.runner import Runner
from dataflow_validator.jobs.service import SERVICE, JobServicer
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.testing import reason_of, validator_database

pytestmark = pytest.mark.postgres

ROOM = ContractSpec(
    "room", (FieldSpec("device_id", FieldType.STRING), FieldSpec("n", FieldType.INTEGER, max=10)), identity=("n",)
)


@dataclass
class Bench:
    pool: Pool
    jobs: "job_service_pb2_grpc.JobServiceAsyncStub"
    contracts: "contract_service_pb2_grpc.ContractServiceAsyncStub"
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def test(self, **more: object) -> job_pb2.Job:
        """Ask for a test of revision 1."""
        request = contract_service_pb2.TestContractRequest(
            contract=contract_pb2.ContractRef(name="room"),
            revision=1,
            **more,  # type: ignore[arg-type]
        )
        return (await self.contracts.TestContract(request)).job

    async def work(self) -> None:
        """Work until nothing is left."""
        runner = Runner(self.pool, Registry(), Partitions(), KINDS, "one")
        while await runner.run_once():
            pass


@pytest.fixture
async def bench(postgres_server: PostgresCluster) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(validator_database(postgres_server))
        registry = Registry()
        async with pool.acquire() as connection:
            await create_contract(connection, ROOM, activate=True)
            await registry.refresh(connection)
        stopping = asyncio.Event()
        services: list[Service] = [
            (job_service_pb2_grpc.add_JobServiceServicer_to_server, JobServicer(pool, KINDS, stopping), SERVICE),
            (
                contract_service_pb2_grpc.add_ContractServiceServicer_to_server,
                ContractServicer(pool, registry, stopping),
                "dataflow.validator.v1.ContractService",
            ),
        ]
        server = await stack.enter_async_context(in_process_server(services))
        yield Bench(
            pool,
            job_service_pb2_grpc.JobServiceStub(server.channel),
            contract_service_pb2_grpc.ContractServiceStub(server.channel),
            stopping,
        )


async def test_job_is_shown_with_what_was_asked_for_and_what_came_of_it(bench: Bench) -> None:
    """From the request to the result."""
    made = await bench.test()
    assert (made.kind, made.state) == (job_pb2.JOB_KIND_TEST_CONTRACT, job_pb2.JOB_STATE_QUEUED)
    await bench.work()
    job = (await bench.jobs.GetJob(job_service_pb2.GetJobRequest(job_id=made.job_id))).job
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert job.WhichOneof("result") == "contract_test"
    assert (job.contract_test.contract, job.contract_test.items) == ("room", 0)
    assert job.request["contract"] == "room"
    assert job.dry_run


async def test_same_request_id_is_the_same_job(bench: Bench) -> None:
    """And another request under it is refused."""
    first = await bench.test(request_id="r")
    assert (await bench.test(request_id="r")).job_id == first.job_id
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await bench.test(request_id="r", max_samples=3)
    assert reason_of(refused.value)[0] == "REQUEST_ID_REUSED"


async def test_jobs_are_listed_in_pages_by_kind_and_state(bench: Bench) -> None:
    """Newest first, each once."""
    made = [(await bench.test()).job_id for _ in range(5)]
    request = job_service_pb2.ListJobsRequest(states=[job_pb2.JOB_STATE_QUEUED], page_size=2)
    found: list[str] = []
    while True:
        response = await bench.jobs.ListJobs(request)
        found += [job.job_id for job in response.jobs]
        if not response.next_page_token:
            break
        request.page_token = response.next_page_token
    assert found == made[::-1]
    others = job_service_pb2.ListJobsRequest(kinds=[job_pb2.JOB_KIND_BACKFILL])
    assert not (await bench.jobs.ListJobs(others)).jobs
    request.kinds.append(job_pb2.JOB_KIND_BACKFILL)
    request.page_token = response.next_page_token or "x"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await bench.jobs.ListJobs(request)
    assert reason_of(refused.value)[0] == "PAGE_TOKEN_INVALID"


async def test_watch_shows_a_job_to_its_end(bench: Bench) -> None:
    """First as it is, last as it ended; then the stream ends."""
    made = await bench.test()
    states: list[int] = []
    async for response in bench.jobs.WatchJob(job_service_pb2.WatchJobRequest(job_id=made.job_id)):
        if not states:
            asyncio.get_running_loop().create_task(bench.work())
        states.append(response.job.state)
    assert states[0] == job_pb2.JOB_STATE_QUEUED
    assert states[-1] == job_pb2.JOB_STATE_SUCCEEDED
    assert states.count(job_pb2.JOB_STATE_SUCCEEDED) == 1


async def test_watch_ends_when_the_validator_stops(bench: Bench) -> None:
    """With a code that says: call again."""
    made = await bench.test()
    watch = bench.jobs.WatchJob(job_service_pb2.WatchJobRequest(job_id=made.job_id))
    states = aiter(watch)
    assert (await anext(states)).job.job_id == made.job_id
    bench.stopping.set()
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await anext(states)
    assert reason_of(ended.value)[0] == "SHUTTING_DOWN"


async def test_job_is_cancelled_and_resumed(bench: Bench) -> None:
    """What has succeeded cannot be resumed; cancelling it changes nothing."""
    made = await bench.test()
    cancel = job_service_pb2.CancelJobRequest(job_id=made.job_id)
    resume = job_service_pb2.ResumeJobRequest(job_id=made.job_id)
    assert (await bench.jobs.CancelJob(cancel)).job.state == job_pb2.JOB_STATE_CANCELLED
    assert (await bench.jobs.ResumeJob(resume)).job.state == job_pb2.JOB_STATE_QUEUED
    await bench.work()
    assert (await bench.jobs.CancelJob(cancel)).job.state == job_pb2.JOB_STATE_SUCCEEDED
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await bench.jobs.ResumeJob(resume)
    assert reason_of(refused.value) == ("JOB_STATE", {"jobId": made.job_id, "state": "SUCCEEDED"})


async def test_unknown_job_is_not_found(bench: Bench) -> None:
    """By every RPC."""
    job_id = str(uuid4())
    for call in (
        bench.jobs.GetJob(job_service_pb2.GetJobRequest(job_id=job_id)),
        bench.jobs.CancelJob(job_service_pb2.CancelJobRequest(job_id=job_id)),
        bench.jobs.ResumeJob(job_service_pb2.ResumeJobRequest(job_id=job_id)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as missing:
            await call
        assert reason_of(missing.value)[0] == "JOB_NOT_FOUND"


async def test_candidate_that_could_not_be_a_revision_is_refused(bench: Bench) -> None:
    """What is fixed for the contract's life; what does not compile; a revision that is not there."""
    name = contract_pb2.ContractRef(name="room")
    fields = [
        contract_pb2.Field(name="device_id", type=contract_pb2.FIELD_TYPE_STRING),
        contract_pb2.Field(name="n", type=contract_pb2.FIELD_TYPE_INTEGER),
    ]
    requests = {
        "REVISION_INCOMPATIBLE": contract_service_pb2.TestContractRequest(
            contract=name, spec=contract_pb2.ContractSpec(fields=fields, identity=["n", "device_id"])
        ),
        "CONTRACT_INVALID": contract_service_pb2.TestContractRequest(
            contract=name, spec=contract_pb2.ContractSpec(fields=fields, identity=["x"])
        ),
        "CONTRACT_NOT_FOUND": contract_service_pb2.TestContractRequest(contract=name, revision=9),
        "ROUTE_INVALID": contract_service_pb2.TestContractRequest(
            contract=name, revision=1, route=contract_service_pb2.CandidateRoute(filter="a/#/b")
        ),
    }
    for reason, request in requests.items():
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await bench.contracts.TestContract(request)
        assert reason_of(refused.value)[0] == reason
