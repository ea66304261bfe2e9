"""The RPCs that begin replay, backfill and purge, over gRPC on a real Postgres."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import grpc
import pytest
from dataflow.validator.v1 import job_pb2, quarantine_pb2, quarantine_service_pb2, quarantine_service_pb2_grpc
from dataflow_mesh.postgres import Pool
from dataflow_mesh.testing import PostgresCluster, in_process_server
from dataflow_validator.catalog.registry import Registry
from dataflow_validator.jobs.messages import job_message
from dataflow_validator.jobs.records import get_job
from dataflow_validator.parked.retry import ParkedRetry
from dataflow_validator.quarantine.service import SERVICE, QuarantineServicer
from dataflow_validator.readings.partitions import Partitions
from dataflow_validator.testing import reason_of, validator_database
from grpc.aio import AioRpcError

from .rejudge_histories import House, batch, spec


@dataclass(frozen=True, slots=True)
class Served:
    """A house, and its service."""

    house: House
    stub: "quarantine_service_pb2_grpc.QuarantineServiceAsyncStub"

    @property
    def pool(self) -> Pool:
        return self.house.pool

    async def ended(self, job: job_pb2.Job) -> job_pb2.Job:
        """Work on a job to its end."""
        await self.house.work(UUID(job.job_id))
        async with self.pool.acquire() as connection:
            return job_message(await get_job(connection, UUID(job.job_id)))


@pytest.fixture
async def served(postgres_server: PostgresCluster) -> AsyncIterator[Served]:
    """Give a house with one refused item, and its service."""
    async with validator_database(postgres_server) as pool:
        house = await House.open(pool, [spec("a", maximum=40)])
        await house.tell(
            batch({"topic": "a/x", "payload": {"device_id": "d", "ts": "2026-09-20T10:00:00Z", "key": "k", "n": 50}})
        )
        service = (
            quarantine_service_pb2_grpc.add_QuarantineServiceServicer_to_server,
            QuarantineServicer(pool, ParkedRetry(pool, Registry(), Partitions())),
            SERVICE,
        )
        async with in_process_server([service]) as server:
            yield Served(house, quarantine_service_pb2_grpc.QuarantineServiceStub(server.channel))


async def test_a_request_id_is_one_job(served: Served) -> None:
    """The same one again is the same job; with other contents it is refused."""
    request = quarantine_service_pb2.ReplayQuarantinedRequest(request_id="r1")
    first, second = [(await served.stub.ReplayQuarantined(request)).job for _ in range(2)]
    assert first.job_id == second.job_id
    with pytest.raises(AioRpcError) as caught:
        await served.stub.ReplayQuarantined(
            quarantine_service_pb2.ReplayQuarantinedRequest(request_id="r1", dry_run=True)
        )
    assert reason_of(caught.value)[0] == "REQUEST_ID_REUSED"


async def test_what_a_job_did_is_its_result(served: Served) -> None:
    """Replay, backfill and purge tell in messages of their own what became of the items."""
    await served.house.revise(spec("a", maximum=100))
    made = (await served.stub.ReplayQuarantined(quarantine_service_pb2.ReplayQuarantinedRequest())).job
    replayed = await served.ended(made)
    assert (replayed.replay.items, replayed.replay.contracts[0].stored) == (1, 1)
    await served.house.revise(spec("a", maximum=40))
    made = (await served.stub.Backfill(quarantine_service_pb2.BackfillRequest(contract="a"))).job
    assert (await served.ended(made)).backfill.contracts[0].withdrawn == 1
    wanted = quarantine_pb2.QuarantineFilter(contract="a")
    made = (await served.stub.PurgeQuarantined(quarantine_service_pb2.PurgeQuarantinedRequest(filter=wanted))).job
    assert (await served.ended(made)).purge.purged == 1


async def test_what_cannot_be_begun_is_said_at_once(served: Served) -> None:
    """A purge of everything by an empty filter, a backfill by a revision that is not there."""
    with pytest.raises(AioRpcError) as caught:
        await served.stub.PurgeQuarantined(quarantine_service_pb2.PurgeQuarantinedRequest())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    for request in (
        quarantine_service_pb2.BackfillRequest(contract="a", revision=7),
        quarantine_service_pb2.BackfillRequest(contract="nothing"),
    ):
        with pytest.raises(AioRpcError) as caught:
            await served.stub.Backfill(request)
        assert reason_of(caught.value)[0] == "CONTRACT_NOT_FOUND"
