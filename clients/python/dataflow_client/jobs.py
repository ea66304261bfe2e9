"""Long work: `dataflow.validator.v1.JobService`."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, closing
from typing import Final, Literal, TypeAlias

import grpc
from dataflow.validator.v1 import job_pb2, job_service_pb2
from dataflow.validator.v1.job_service_pb2_grpc import JobServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.codes import DataflowError, UnavailableError
from dataflow_client.paging import async_items, items
from dataflow_client.ring import Silence

JobKind: TypeAlias = Literal[
    "test_contract",
    "replay_quarantined",
    "backfill",
    "purge_quarantined",
    "export_readings",
    "export_quarantined",
    "delete_device_data",
    "export_device_data",
]
"""What a job does."""

JobState: TypeAlias = Literal["queued", "running", "succeeded", "failed", "cancelled"]
"""How far a job is."""

_FINAL: Final = frozenset({job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED})


def has_ended(job: job_pb2.Job) -> bool:
    """Returns whether nobody works on a job any more: it succeeded, failed, or was cancelled."""
    return job.state in _FINAL


def _list_request(
    kinds: Sequence[JobKind], states: Sequence[JobState], page_size: int
) -> job_service_pb2.ListJobsRequest:
    return job_service_pb2.ListJobsRequest(
        kinds=[job_pb2.JobKind.Value(f"JOB_KIND_{kind.upper()}") for kind in kinds],
        states=[job_pb2.JobState.Value(f"JOB_STATE_{state.upper()}") for state in states],
        page_size=page_size,
    )


class Jobs:
    """Shows jobs, follows them, ends them and takes them up again."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = JobServiceStub(channel)
        self._caller = caller

    def get(self, job_id: str) -> job_pb2.Job:
        """Returns one job, with what was asked for.

        Raises:
            JobNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        return self._caller.unary(self._stub.GetJob, job_service_pb2.GetJobRequest(job_id=job_id)).job

    def list(
        self, *, kinds: Sequence[JobKind] = (), states: Sequence[JobState] = (), page_size: int = 0
    ) -> Iterator[job_pb2.Job]:
        """Yields jobs, the newest first.

        Args:
            kinds: Any of these; empty for all.
            states: Any of these; empty for all.
            page_size: Jobs in one response; 0: the server's choice.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListJobs, page),
            _list_request(kinds, states, page_size),
            lambda response: response.jobs,
        )

    def watch(self, job_id: str) -> Iterator[job_pb2.Job]:
        """Yields a job now and whenever something of it changed; ends after the state in which it ended.

        Reconnects while validators come and go; who is slow gets the newest and misses those before.

        Raises:
            JobNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise, other than by a validator or link that went away for a while.
        """
        silence = Silence(self._caller.options.retry)
        request = job_service_pb2.WatchJobRequest(job_id=job_id)
        shown: job_pb2.Job | None = None
        while True:
            stream = self._caller.stream(
                self._stub.WatchJob, request, timeout_seconds=self._caller.options.watch_seconds
            )
            try:
                with closing(stream):
                    for response in stream:
                        silence.heard()
                        if response.job != shown:
                            shown = response.job
                            yield shown
                        if has_ended(response.job):
                            return
                ended: DataflowError = UnavailableError("the validator ended the stream")
            except DataflowError as error:
                ended = error
            time.sleep(silence.pause(ended))

    def wait(self, job_id: str) -> job_pb2.Job:
        """Returns a job when it has ended, however it did: look at its `state`.

        Raises:
            JobNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        *_, last = self.watch(job_id)
        return last

    def cancel(self, job_id: str) -> job_pb2.Job:
        """Asks a job to end at its next step; what it has done stays done. One that has ended stays as it is.

        Raises:
            JobNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        request = job_service_pb2.CancelJobRequest(job_id=job_id)
        return self._caller.unary(self._stub.CancelJob, request, repeatable=True).job

    def resume(self, job_id: str) -> job_pb2.Job:
        """Goes on with a job that failed or was cancelled, where it stood.

        Raises:
            JobNotFoundError: There is none of that id.
            JobStateError: It has succeeded, or is about to end.
            DataflowError: The call failed otherwise.
        """
        request = job_service_pb2.ResumeJobRequest(job_id=job_id)
        return self._caller.unary(self._stub.ResumeJob, request, repeatable=True).job


class AsyncJobs:
    """Shows jobs, follows them, ends them and takes them up again."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = JobServiceStub(channel)
        self._caller = caller

    async def get(self, job_id: str) -> job_pb2.Job:
        """Returns one job, with what was asked for.

        Raises:
            JobNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        return (await self._caller.unary(self._stub.GetJob, job_service_pb2.GetJobRequest(job_id=job_id))).job

    def list(
        self, *, kinds: Sequence[JobKind] = (), states: Sequence[JobState] = (), page_size: int = 0
    ) -> AsyncIterator[job_pb2.Job]:
        """Yields jobs, the newest first.

        Args:
            kinds: Any of these; empty for all.
            states: Any of these; empty for all.
            page_size: Jobs in one response; 0: the server's choice.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListJobs, page),
            _list_request(kinds, states, page_size),
            lambda response: response.jobs,
        )

    async def watch(self, job_id: str) -> AsyncIterator[job_pb2.Job]:
        """Yields a job now and whenever something of it changed; ends after the state in which it ended.

        Reconnects while validators come and go; who is slow gets the newest and misses those before.

        Raises:
            JobNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise, other than by a validator or link that went away for a while.
        """
        silence = Silence(self._caller.options.retry)
        request = job_service_pb2.WatchJobRequest(job_id=job_id)
        shown: job_pb2.Job | None = None
        while True:
            stream = self._caller.stream(
                self._stub.WatchJob, request, timeout_seconds=self._caller.options.watch_seconds
            )
            try:
                async with aclosing(stream):
                    async for response in stream:
                        silence.heard()
                        if response.job != shown:
                            shown = response.job
                            yield shown
                        if has_ended(response.job):
                            return
                ended: DataflowError = UnavailableError("the validator ended the stream")
            except DataflowError as error:
                ended = error
            await asyncio.sleep(silence.pause(ended))

    async def wait(self, job_id: str) -> job_pb2.Job:
        """Returns a job when it has ended, however it did: look at its `state`.

        Raises:
            JobNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        last = job_pb2.Job()
        async for job in self.watch(job_id):
            last = job
        return last

    async def cancel(self, job_id: str) -> job_pb2.Job:
        """Asks a job to end at its next step; what it has done stays done. One that has ended stays as it is.

        Raises:
            JobNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        request = job_service_pb2.CancelJobRequest(job_id=job_id)
        return (await self._caller.unary(self._stub.CancelJob, request, repeatable=True)).job

    async def resume(self, job_id: str) -> job_pb2.Job:
        """Goes on with a job that failed or was cancelled, where it stood.

        Raises:
            JobNotFoundError: There is none of that id.
            JobStateError: It has succeeded, or is about to end.
            DataflowError: The call failed otherwise.
        """
        request = job_service_pb2.ResumeJobRequest(job_id=job_id)
        return (await self._caller.unary(self._stub.ResumeJob, request, repeatable=True)).job
