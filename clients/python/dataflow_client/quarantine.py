"""What was not stored, and why: `dataflow.validator.v1.QuarantineService`."""

import uuid
from collections.abc import AsyncIterator, Iterator

import grpc
from dataflow.validator.v1 import job_pb2, quarantine_pb2, quarantine_service_pb2
from dataflow.validator.v1.quarantine_service_pb2_grpc import QuarantineServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.paging import async_items, items
from dataflow_client.parked import EXPORT_SECONDS
from dataflow_client.quarantine_jobs import AsyncQuarantineJobs, QuarantineJobs


class Quarantine(QuarantineJobs):
    """Shows what was not stored, and why."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = QuarantineServiceStub(channel)
        self._caller = caller

    def list(
        self, quarantine_filter: quarantine_pb2.QuarantineFilter | None = None, *, page_size: int = 0
    ) -> Iterator[quarantine_pb2.QuarantinedItem]:
        """Yields items, newest first.

        Args:
            quarantine_filter: Which ones; None for all.
            page_size: Items of one page; 0 for the server's choice.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListQuarantined, page),
            quarantine_service_pb2.ListQuarantinedRequest(filter=quarantine_filter, page_size=page_size),
            lambda response: response.items,
        )

    def summarize(
        self, quarantine_filter: quarantine_pb2.QuarantineFilter | None = None
    ) -> quarantine_service_pb2.SummarizeQuarantinedResponse:
        """Returns how many items there are of each root cause, how large the quarantine is, what its limits removed.

        Args:
            quarantine_filter: Which items; None for all.

        Raises:
            DataflowError: The call failed.
        """
        request = quarantine_service_pb2.SummarizeQuarantinedRequest(filter=quarantine_filter)
        return self._caller.unary(self._stub.SummarizeQuarantined, request)

    def export(
        self, quarantine_filter: quarantine_pb2.QuarantineFilter | None = None, *, after_quarantine_id: str = ""
    ) -> Iterator[quarantine_service_pb2.ExportQuarantinedResponse]:
        """Yields items as lines of JSON with their original bytes, the oldest first.

        Args:
            quarantine_filter: Which ones; None for all.
            after_quarantine_id: Only those behind this one: where an export that broke goes on.

        Raises:
            DataflowError: The call failed; go on behind the last `last_quarantine_id`.
        """
        request = quarantine_service_pb2.ExportQuarantinedRequest(
            filter=quarantine_filter, after_quarantine_id=after_quarantine_id
        )
        return self._caller.stream(self._stub.ExportQuarantined, request, timeout_seconds=EXPORT_SECONDS)

    def get(self, quarantine_id: str) -> quarantine_pb2.QuarantinedItem:
        """Returns one item with its bytes.

        Raises:
            QuarantinedNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        request = quarantine_service_pb2.GetQuarantinedRequest(quarantine_id=quarantine_id)
        return self._caller.unary(self._stub.GetQuarantined, request).item

    def export_to_file(
        self,
        quarantine_filter: quarantine_pb2.QuarantineFilter | None = None,
        *,
        rate: float = 0.0,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Has the validators write items as JSON lines to their `export_dir`, as a job; returns the job.

        `dataflow replay` sends such a file again.

        Args:
            quarantine_filter: Which ones; None for all.
            rate: Items per second at most; 0: as fast as live data allows.
            request_id: The same one is the same job; empty: one of this call's own.

        Raises:
            RequestIdReusedError: The request_id made another job.
            DataflowError: The call failed otherwise.
        """
        request = quarantine_service_pb2.ExportQuarantinedToFileRequest(
            filter=quarantine_filter, rate=rate, request_id=request_id or str(uuid.uuid4())
        )
        return self._caller.unary(self._stub.ExportQuarantinedToFile, request).job


class AsyncQuarantine(AsyncQuarantineJobs):
    """Shows what was not stored, and why."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = QuarantineServiceStub(channel)
        self._caller = caller

    def list(
        self, quarantine_filter: quarantine_pb2.QuarantineFilter | None = None, *, page_size: int = 0
    ) -> AsyncIterator[quarantine_pb2.QuarantinedItem]:
        """Yields items, newest first.

        Args:
            quarantine_filter: Which ones; None for all.
            page_size: Items of one page; 0 for the server's choice.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListQuarantined, page),
            quarantine_service_pb2.ListQuarantinedRequest(filter=quarantine_filter, page_size=page_size),
            lambda response: response.items,
        )

    async def summarize(
        self, quarantine_filter: quarantine_pb2.QuarantineFilter | None = None
    ) -> quarantine_service_pb2.SummarizeQuarantinedResponse:
        """Returns how many items there are of each root cause, how large the quarantine is, what its limits removed.

        Args:
            quarantine_filter: Which items; None for all.

        Raises:
            DataflowError: The call failed.
        """
        request = quarantine_service_pb2.SummarizeQuarantinedRequest(filter=quarantine_filter)
        return await self._caller.unary(self._stub.SummarizeQuarantined, request)

    def export(
        self, quarantine_filter: quarantine_pb2.QuarantineFilter | None = None, *, after_quarantine_id: str = ""
    ) -> AsyncIterator[quarantine_service_pb2.ExportQuarantinedResponse]:
        """Yields items as lines of JSON with their original bytes, the oldest first.

        Args:
            quarantine_filter: Which ones; None for all.
            after_quarantine_id: Only those behind this one: where an export that broke goes on.

        Raises:
            DataflowError: The call failed; go on behind the last `last_quarantine_id`.
        """
        request = quarantine_service_pb2.ExportQuarantinedRequest(
            filter=quarantine_filter, after_quarantine_id=after_quarantine_id
        )
        return self._caller.stream(self._stub.ExportQuarantined, request, timeout_seconds=EXPORT_SECONDS)

    async def get(self, quarantine_id: str) -> quarantine_pb2.QuarantinedItem:
        """Returns one item with its bytes.

        Raises:
            QuarantinedNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        request = quarantine_service_pb2.GetQuarantinedRequest(quarantine_id=quarantine_id)
        return (await self._caller.unary(self._stub.GetQuarantined, request)).item

    async def export_to_file(
        self,
        quarantine_filter: quarantine_pb2.QuarantineFilter | None = None,
        *,
        rate: float = 0.0,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Has the validators write items as JSON lines to their `export_dir`, as a job; returns the job.

        `dataflow replay` sends such a file again.

        Args:
            quarantine_filter: Which ones; None for all.
            rate: Items per second at most; 0: as fast as live data allows.
            request_id: The same one is the same job; empty: one of this call's own.

        Raises:
            RequestIdReusedError: The request_id made another job.
            DataflowError: The call failed otherwise.
        """
        request = quarantine_service_pb2.ExportQuarantinedToFileRequest(
            filter=quarantine_filter, rate=rate, request_id=request_id or str(uuid.uuid4())
        )
        return (await self._caller.unary(self._stub.ExportQuarantinedToFile, request)).job
