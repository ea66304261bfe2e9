"""The RPCs of `dataflow.validator.v1.QuarantineService` that make jobs: replay, backfill, purge."""

from __future__ import annotations

from dataflow.validator.v1 import job_pb2, quarantine_pb2, quarantine_service_pb2, quarantine_service_pb2_grpc
from dataflow_mesh.access import current_caller
from dataflow_mesh.errors import InvalidRequestError
from dataflow_mesh.postgres import Connection, Pool
from google.protobuf import json_format

from dataflow_validator.errors import ContractNotFoundError
from dataflow_validator.jobs.kind import Json
from dataflow_validator.jobs.messages import job_message
from dataflow_validator.jobs.records import create_job
from dataflow_validator.pages import Context, storable
from dataflow_validator.quarantine.filters import wanted_of
from dataflow_validator.statements import statements
from dataflow_validator.time_messages import from_timestamp


class RejudgeServicer(quarantine_service_pb2_grpc.QuarantineServiceServicer):
    """Makes the jobs that judge history again, and those that delete what was refused.

    Args:
        pool: Connections with short limits.
    """

    def __init__(self, pool: Pool) -> None:
        self._jobs_pool = pool

    async def ReplayQuarantined(
        self, request: quarantine_service_pb2.ReplayQuarantinedRequest, context: Context
    ) -> quarantine_service_pb2.ReplayQuarantinedResponse:
        """Makes the job that replays."""
        async with self._jobs_pool.acquire() as connection:
            job = await _job(connection, "REPLAY_QUARANTINED", {"filter": _filter(request.filter)}, request)
        return quarantine_service_pb2.ReplayQuarantinedResponse(job=job)

    async def Backfill(
        self, request: quarantine_service_pb2.BackfillRequest, context: Context
    ) -> quarantine_service_pb2.BackfillResponse:
        """Makes the job that judges the raw log again."""
        wanted: Json = {"contract": request.contract, "revision": request.revision}
        for name in ("start_time", "end_time"):
            if request.HasField(name):
                wanted[name.removesuffix("_time")] = from_timestamp(getattr(request, name), name).isoformat()
        if request.device_ids:
            wanted["device_ids"] = sorted(set(storable(list(request.device_ids))))
        async with self._jobs_pool.acquire() as connection:
            await _known(connection, request.contract, request.revision)
            job = await _job(connection, "BACKFILL", wanted, request)
        return quarantine_service_pb2.BackfillResponse(job=job)

    async def PurgeQuarantined(
        self, request: quarantine_service_pb2.PurgeQuarantinedRequest, context: Context
    ) -> quarantine_service_pb2.PurgeQuarantinedResponse:
        """Makes the job that deletes."""
        if not request.all and request.filter == quarantine_pb2.QuarantineFilter():
            raise InvalidRequestError(
                violations=[("filter", "it is empty: narrow it, or set `all` to delete the whole quarantine")]
            )
        async with self._jobs_pool.acquire() as connection:
            job = await _job(connection, "PURGE_QUARANTINED", {"filter": _filter(request.filter)}, request)
        return quarantine_service_pb2.PurgeQuarantinedResponse(job=job)


def _filter(message: quarantine_pb2.QuarantineFilter) -> Json:
    wanted_of(message)  # what is wrong with it is said now, not by the job
    return json_format.MessageToDict(message)


async def _job(
    connection: Connection,
    kind: str,
    wanted: Json,
    request: quarantine_service_pb2.ReplayQuarantinedRequest
    | quarantine_service_pb2.BackfillRequest
    | quarantine_service_pb2.PurgeQuarantinedRequest,
) -> job_pb2.Job:
    record = await create_job(
        connection,
        kind,
        wanted,
        request_id=request.request_id,
        created_by=current_caller().name,
        dry_run=request.dry_run,
        rate=request.rate or None,
    )
    return job_message(record)


async def _known(connection: Connection, contract: str, revision: int) -> None:
    if revision:
        known = await connection.fetchval(statements("registry")["revision_exists"], contract, revision)
        what = f"contract {contract!r} has no revision {revision}"
    else:
        known = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM validator.contract WHERE name = $1 AND active_revision > 0)", contract
        )
        what = f"there is no contract {contract!r} with an active revision"
    if not known:
        raise ContractNotFoundError(what, metadata={"contract": contract})
