"""`dataflow.validator.v1.JobService`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from dataflow.access.v1 import role_pb2
from dataflow.validator.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc
from dataflow_mesh import paging
from dataflow_mesh.access import allows, current_caller
from dataflow_mesh.errors import RoleMissingError, ShuttingDownError
from dataflow_mesh.postgres import Pool

from dataflow_validator.jobs.endings import cancel_job, resume_job
from dataflow_validator.jobs.kind import JobKind
from dataflow_validator.jobs.messages import KIND_NAMES, STATE_NAMES, job_id_of, job_message
from dataflow_validator.jobs.records import JobRecord, get_job, list_jobs
from dataflow_validator.pages import MAX_PAGE_BYTES, Context, selection

SERVICE: Final = "dataflow.validator.v1.JobService"
"""Full name of the service."""

DESTROYING: Final = frozenset({"PURGE_QUARANTINED", "DELETE_DEVICE_DATA"})
"""Kinds whose jobs only an ADMIN may take up again, as only an ADMIN may make them."""

_WATCH_SECONDS: Final = 0.5


class JobServicer(job_service_pb2_grpc.JobServiceServicer):
    """Shows jobs, follows them, ends them and takes them up again.

    Args:
        pool: Connections with short limits.
        kinds: What is known, for the results of jobs that end here.
        stopping: Set when the process stops; watches end then.
    """

    def __init__(self, pool: Pool, kinds: Mapping[str, JobKind], stopping: asyncio.Event) -> None:
        self._pool = pool
        self._kinds = kinds
        self._stopping = stopping

    async def GetJob(self, request: job_service_pb2.GetJobRequest, context: Context) -> job_service_pb2.GetJobResponse:
        """Shows one job."""
        return job_service_pb2.GetJobResponse(job=job_message(await self._get(request.job_id), whole=True))

    async def ListJobs(
        self, request: job_service_pb2.ListJobsRequest, context: Context
    ) -> job_service_pb2.ListJobsResponse:
        """Shows jobs, the newest first."""
        method, bound = f"{SERVICE}.ListJobs", selection(request)
        key = paging.decode(request.page_token, method, bound)
        size = paging.page_size(request.page_size)
        async with self._pool.acquire() as connection:
            records = await list_jobs(
                connection,
                kinds=[KIND_NAMES[kind] for kind in request.kinds],
                states=[STATE_NAMES[state] for state in request.states],
                before=None if key is None else (datetime.fromisoformat(str(key[0])), UUID(str(key[1]))),
                limit=size + 1,
            )
        jobs: list[job_pb2.Job] = []
        page_bytes = 0
        for record in records[:size]:
            message = job_message(record, brief=True)
            page_bytes += message.ByteSize()
            if jobs and page_bytes > MAX_PAGE_BYTES:
                break
            jobs.append(message)
        token = ""
        if len(jobs) < len(records):
            last = records[len(jobs) - 1]
            token = paging.encode([last.create_time.isoformat(), str(last.job_id)], method, bound)
        return job_service_pb2.ListJobsResponse(jobs=jobs, next_page_token=token)

    async def WatchJob(
        self, request: job_service_pb2.WatchJobRequest, context: Context
    ) -> AsyncIterator[job_service_pb2.WatchJobResponse]:
        """Follows a job to its end."""
        shown: JobRecord | None = None
        while True:
            record = await self._get(request.job_id)
            if record != shown:
                shown = record
                yield job_service_pb2.WatchJobResponse(job=job_message(record))
            if record.ended:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_SECONDS):
                    await self._stopping.wait()
                raise ShuttingDownError

    async def CancelJob(
        self, request: job_service_pb2.CancelJobRequest, context: Context
    ) -> job_service_pb2.CancelJobResponse:
        """Asks a job to end."""
        async with self._pool.acquire() as connection:
            record = await cancel_job(connection, self._kinds, job_id_of(request.job_id))
        return job_service_pb2.CancelJobResponse(job=job_message(record))

    async def ResumeJob(
        self, request: job_service_pb2.ResumeJobRequest, context: Context
    ) -> job_service_pb2.ResumeJobResponse:
        """Goes on with a job where it stood."""
        job_id = job_id_of(request.job_id)
        async with self._pool.acquire() as connection:
            kind = (await get_job(connection, job_id)).kind
            caller = current_caller()
            if kind in DESTROYING and not allows(caller.role, [role_pb2.ROLE_ADMIN]):
                raise RoleMissingError(
                    f"only an ADMIN may go on with a job of kind {kind}",
                    metadata={"method": "ResumeJob", "role": caller.role_name, "required_roles": "ADMIN"},
                )
            record = await resume_job(connection, job_id)
        return job_service_pb2.ResumeJobResponse(job=job_message(record))

    async def _get(self, job_id: str) -> JobRecord:
        async with self._pool.acquire() as connection:
            return await get_job(connection, job_id_of(job_id))
