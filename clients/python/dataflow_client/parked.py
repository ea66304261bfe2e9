"""Batches that were set aside whole: the parked part of `dataflow.validator.v1.QuarantineService`."""

from collections.abc import AsyncIterator, Iterator, Sequence

import grpc
from dataflow.validator.v1 import parked_pb2, quarantine_service_pb2
from dataflow.validator.v1.quarantine_service_pb2_grpc import QuarantineServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.paging import async_items, items
from dataflow_client.retry import NEVER

EXPORT_SECONDS = 3600.0
"""Deadline of an export."""


def export_request(
    batch_ids: Sequence[str], messages: bool, after_batch_id: str
) -> quarantine_service_pb2.ExportParkedRequest:
    """Builds the request that `export` sends."""
    form = quarantine_service_pb2.EXPORT_FORMAT_MESSAGES if messages else quarantine_service_pb2.EXPORT_FORMAT_BYTES
    return quarantine_service_pb2.ExportParkedRequest(batch_ids=batch_ids, format=form, after_batch_id=after_batch_id)


class ParkedBatches:
    """Shows, retries and exports parked batches."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = QuarantineServiceStub(channel)
        self._caller = caller

    def list(self, *, page_size: int = 0) -> Iterator[parked_pb2.ParkedBatch]:
        """Yields batches, those that were made first come first.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListParked, page),
            quarantine_service_pb2.ListParkedRequest(page_size=page_size),
            lambda response: response.batches,
        )

    def retry(self, batch_ids: Sequence[str]) -> Sequence[parked_pb2.RetriedBatch]:
        """Judges and stores up to 100 batches as if they came now; returns what became of each.

        Not repeated by itself: a batch that kills its reader would kill one validator after the other.

        Raises:
            PostgresUnavailableError: Of the batches before, what was stored is stored.
            DataflowError: The call failed otherwise.
        """
        request = quarantine_service_pb2.RetryParkedRequest(batch_ids=batch_ids)
        return self._caller.unary(self._stub.RetryParked, request, retry=NEVER).batches

    def export(
        self, batch_ids: Sequence[str] = (), *, messages: bool = False, after_batch_id: str = ""
    ) -> Iterator[quarantine_service_pb2.ExportParkedResponse]:
        """Yields the bytes of batches, in parts.

        Args:
            batch_ids: Which ones; none for all.
            messages: Their messages as JSON lines instead of the bytes as they were on the ring.
            after_batch_id: Only those behind this one.

        Raises:
            DataflowError: The call failed; go on behind the last whole batch.
        """
        request = export_request(batch_ids, messages, after_batch_id)
        return self._caller.stream(self._stub.ExportParked, request, timeout_seconds=EXPORT_SECONDS)


class AsyncParkedBatches:
    """Shows, retries and exports parked batches."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = QuarantineServiceStub(channel)
        self._caller = caller

    def list(self, *, page_size: int = 0) -> AsyncIterator[parked_pb2.ParkedBatch]:
        """Yields batches, those that were made first come first.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListParked, page),
            quarantine_service_pb2.ListParkedRequest(page_size=page_size),
            lambda response: response.batches,
        )

    async def retry(self, batch_ids: Sequence[str]) -> Sequence[parked_pb2.RetriedBatch]:
        """Judges and stores up to 100 batches as if they came now; returns what became of each.

        Not repeated by itself: a batch that kills its reader would kill one validator after the other.

        Raises:
            PostgresUnavailableError: Of the batches before, what was stored is stored.
            DataflowError: The call failed otherwise.
        """
        request = quarantine_service_pb2.RetryParkedRequest(batch_ids=batch_ids)
        return (await self._caller.unary(self._stub.RetryParked, request, retry=NEVER)).batches

    def export(
        self, batch_ids: Sequence[str] = (), *, messages: bool = False, after_batch_id: str = ""
    ) -> AsyncIterator[quarantine_service_pb2.ExportParkedResponse]:
        """Yields the bytes of batches, in parts.

        Args:
            batch_ids: Which ones; none for all.
            messages: Their messages as JSON lines instead of the bytes as they were on the ring.
            after_batch_id: Only those behind this one.

        Raises:
            DataflowError: The call failed; go on behind the last whole batch.
        """
        request = export_request(batch_ids, messages, after_batch_id)
        return self._caller.stream(self._stub.ExportParked, request, timeout_seconds=EXPORT_SECONDS)
