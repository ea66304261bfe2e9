"""`QuarantineService.ExportQuarantinedToFile`."""

from __future__ import annotations

from dataflow.validator.v1 import quarantine_service_pb2, quarantine_service_pb2_grpc
from dataflow_mesh.access import current_caller
from dataflow_mesh.postgres import Pool
from google.protobuf import json_format

from dataflow_validator.jobs.messages import job_message
from dataflow_validator.jobs.records import create_job
from dataflow_validator.pages import Context
from dataflow_validator.quarantine.filters import wanted_of


class QuarantineFileServicer(quarantine_service_pb2_grpc.QuarantineServiceServicer):
    """Makes the job that writes quarantined items to files.

    Args:
        pool: Connections with short limits.
    """

    def __init__(self, pool: Pool) -> None:
        self._job_pool = pool

    async def ExportQuarantinedToFile(
        self, request: quarantine_service_pb2.ExportQuarantinedToFileRequest, context: Context
    ) -> quarantine_service_pb2.ExportQuarantinedToFileResponse:
        """Makes the job."""
        wanted_of(request.filter)  # a time out of range is refused now, not by a worker
        async with self._job_pool.acquire() as connection:
            record = await create_job(
                connection,
                "EXPORT_QUARANTINED",
                {"filter": json_format.MessageToDict(request.filter)},
                request_id=request.request_id,
                created_by=current_caller().name,
                rate=request.rate or None,
            )
        return quarantine_service_pb2.ExportQuarantinedToFileResponse(job=job_message(record))
