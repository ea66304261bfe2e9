"""`dataflow.validator.v1.DeviceDataService`."""

from __future__ import annotations

import json
from typing import Final

from dataflow.validator.v1 import device_data_service_pb2, device_data_service_pb2_grpc, job_pb2
from dataflow_mesh import paging
from dataflow_mesh.access import current_caller
from dataflow_mesh.postgres import Pool

from dataflow_validator import audit
from dataflow_validator.devices import delete, export
from dataflow_validator.jobs.messages import job_message
from dataflow_validator.jobs.records import create_job
from dataflow_validator.json_messages import to_struct
from dataflow_validator.pages import Context, Row, read_page, selection
from dataflow_validator.time_messages import to_timestamp

SERVICE: Final = "dataflow.validator.v1.DeviceDataService"
"""Full name of the service."""

_EVENTS: Final = """SELECT event_id, event_time, actor, action, target, detail::text AS detail FROM validator.audit_event
WHERE ($1 = '' OR target = $1) AND ($2::bigint IS NULL OR event_id < $2) ORDER BY event_id DESC LIMIT $3"""


class DeviceDataServicer(device_data_service_pb2_grpc.DeviceDataServiceServicer):
    """Makes the jobs that delete or export a device's data, and shows what was done.

    Args:
        pool: Connections with short limits.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def DeleteDeviceData(
        self, request: device_data_service_pb2.DeleteDeviceDataRequest, context: Context
    ) -> device_data_service_pb2.DeleteDeviceDataResponse:
        """Makes the job that deletes."""
        job = await self._create(delete.NAME, "DeleteDeviceData", request)
        return device_data_service_pb2.DeleteDeviceDataResponse(job=job)

    async def ExportDeviceData(
        self, request: device_data_service_pb2.ExportDeviceDataRequest, context: Context
    ) -> device_data_service_pb2.ExportDeviceDataResponse:
        """Makes the job that exports."""
        job = await self._create(export.NAME, "ExportDeviceData", request)
        return device_data_service_pb2.ExportDeviceDataResponse(job=job)

    async def ListAuditEvents(
        self, request: device_data_service_pb2.ListAuditEventsRequest, context: Context
    ) -> device_data_service_pb2.ListAuditEventsResponse:
        """Shows events, the newest first."""
        method, bound = f"{SERVICE}.ListAuditEvents", selection(request)
        key = paging.decode(request.page_token, method, bound)
        size = paging.page_size(request.page_size)
        if "\0" in request.target:
            return device_data_service_pb2.ListAuditEventsResponse()
        before = None if key is None else int(key[0] or 0)
        page = await read_page(self._pool, _EVENTS, [request.target, before, size + 1], size, _event)
        token = paging.encode([int(page.items[-1].event_id)], method, bound) if page.more else ""
        return device_data_service_pb2.ListAuditEventsResponse(events=page.items, next_page_token=token)

    async def _create(
        self,
        kind: str,
        action: str,
        request: device_data_service_pb2.DeleteDeviceDataRequest | device_data_service_pb2.ExportDeviceDataRequest,
    ) -> job_pb2.Job:
        actor = current_caller().name
        async with self._pool.acquire() as connection, connection.transaction():
            record = await create_job(
                connection,
                kind,
                {"deviceId": request.device_id},
                request_id=request.request_id,
                created_by=actor,
                dry_run=request.dry_run,
            )
            if not request.dry_run:
                await audit.record(
                    connection,
                    actor=actor,
                    action=action,
                    target=f"device:{request.device_id}",
                    detail={"job_id": str(record.job_id)},
                )
        return job_message(record)


def _event(row: Row) -> device_data_service_pb2.AuditEvent:
    return device_data_service_pb2.AuditEvent(
        event_id=str(row["event_id"]),
        event_time=to_timestamp(row["event_time"]),
        actor=row["actor"],
        action=row["action"],
        target=row["target"],
        detail=to_struct(json.loads(row["detail"])),
    )
