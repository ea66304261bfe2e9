"""Jobs on what was not stored: judge it again, judge the raw log again, delete it for good."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from dataflow.validator.v1 import job_pb2, quarantine_pb2, quarantine_service_pb2

from dataflow_client.calls import AsyncCaller, Caller

if TYPE_CHECKING:
    # The asynchronous stub exists for the type checker only.
    from dataflow.validator.v1.quarantine_service_pb2_grpc import QuarantineServiceAsyncStub, QuarantineServiceStub


def _replay(
    quarantine_filter: quarantine_pb2.QuarantineFilter | None, dry_run: bool, rate: float, request_id: str
) -> quarantine_service_pb2.ReplayQuarantinedRequest:
    return quarantine_service_pb2.ReplayQuarantinedRequest(
        filter=quarantine_filter, dry_run=dry_run, rate=rate, request_id=request_id or str(uuid4())
    )


def _backfill(
    contract: str,
    revision: int,
    start_time: datetime | None,
    end_time: datetime | None,
    device_ids: Sequence[str],
    dry_run: bool,
    rate: float,
    request_id: str,
) -> quarantine_service_pb2.BackfillRequest:
    request = quarantine_service_pb2.BackfillRequest(
        contract=contract,
        revision=revision,
        device_ids=device_ids,
        dry_run=dry_run,
        rate=rate,
        request_id=request_id or str(uuid4()),
    )
    if start_time is not None:
        request.start_time.FromDatetime(start_time)
    if end_time is not None:
        request.end_time.FromDatetime(end_time)
    return request


def _purge(
    quarantine_filter: quarantine_pb2.QuarantineFilter | None,
    everything: bool,
    dry_run: bool,
    rate: float,
    request_id: str,
) -> quarantine_service_pb2.PurgeQuarantinedRequest:
    return quarantine_service_pb2.PurgeQuarantinedRequest(
        filter=quarantine_filter, all=everything, dry_run=dry_run, rate=rate, request_id=request_id or str(uuid4())
    )


class QuarantineJobs:
    """Begins jobs on what was not stored; each call returns at once, and the job goes on without its caller."""

    _stub: "QuarantineServiceStub"
    _caller: Caller

    def replay(
        self,
        quarantine_filter: quarantine_pb2.QuarantineFilter | None = None,
        *,
        dry_run: bool = False,
        rate: float = 0.0,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Judges items again by what their topics lead to now; what is good becomes a row.

        Args:
            quarantine_filter: Which ones; None for all.
            dry_run: Change nothing, count what would be done.
            rate: Items per second at most; 0 for as fast as live data allows.
            request_id: The same one is the same job; made up where empty.

        Raises:
            RequestIdReusedError: The request_id made another job.
            DataflowError: The call failed otherwise.
        """
        request = _replay(quarantine_filter, dry_run, rate, request_id)
        return self._caller.unary(self._stub.ReplayQuarantined, request).job

    def backfill(
        self,
        contract: str,
        *,
        revision: int = 0,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        device_ids: Sequence[str] = (),
        dry_run: bool = False,
        rate: float = 0.0,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Judges the raw log again: rows and quarantine become as if the revision had been there from the start.

        Args:
            contract: Whose rows.
            revision: Judges; 0 for what the routes say now.
            start_time: Only messages received from this time on.
            end_time: Only messages received before this time.
            device_ids: Only items of these devices; empty for all.
            dry_run: Change nothing, count what would be done.
            rate: Messages per second at most; 0 for as fast as live data allows.
            request_id: The same one is the same job; made up where empty.

        Raises:
            ContractNotFoundError: There is no such contract or revision.
            RequestIdReusedError: The request_id made another job.
            DataflowError: The call failed otherwise.
        """
        request = _backfill(contract, revision, start_time, end_time, device_ids, dry_run, rate, request_id)
        return self._caller.unary(self._stub.Backfill, request).job

    def purge(
        self,
        quarantine_filter: quarantine_pb2.QuarantineFilter | None = None,
        *,
        everything: bool = False,
        dry_run: bool = False,
        rate: float = 0.0,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Deletes items for good; noted in the audit.

        Args:
            quarantine_filter: Which ones.
            everything: Must be true where the filter is empty.
            dry_run: Change nothing, count what would be done.
            rate: Items per second at most; 0 for as fast as live data allows.
            request_id: The same one is the same job; made up where empty.

        Raises:
            RequestIdReusedError: The request_id made another job.
            DataflowError: The call failed otherwise.
        """
        request = _purge(quarantine_filter, everything, dry_run, rate, request_id)
        return self._caller.unary(self._stub.PurgeQuarantined, request).job


class AsyncQuarantineJobs:
    """Begins jobs on what was not stored; each call returns at once, and the job goes on without its caller."""

    _stub: "QuarantineServiceAsyncStub"
    _caller: AsyncCaller

    async def replay(
        self,
        quarantine_filter: quarantine_pb2.QuarantineFilter | None = None,
        *,
        dry_run: bool = False,
        rate: float = 0.0,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Judges items again; see `QuarantineJobs.replay`."""
        request = _replay(quarantine_filter, dry_run, rate, request_id)
        return (await self._caller.unary(self._stub.ReplayQuarantined, request)).job

    async def backfill(
        self,
        contract: str,
        *,
        revision: int = 0,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        device_ids: Sequence[str] = (),
        dry_run: bool = False,
        rate: float = 0.0,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Judges the raw log again; see `QuarantineJobs.backfill`."""
        request = _backfill(contract, revision, start_time, end_time, device_ids, dry_run, rate, request_id)
        return (await self._caller.unary(self._stub.Backfill, request)).job

    async def purge(
        self,
        quarantine_filter: quarantine_pb2.QuarantineFilter | None = None,
        *,
        everything: bool = False,
        dry_run: bool = False,
        rate: float = 0.0,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Deletes items for good; see `QuarantineJobs.purge`."""
        request = _purge(quarantine_filter, everything, dry_run, rate, request_id)
        return (await self._caller.unary(self._stub.PurgeQuarantined, request)).job
