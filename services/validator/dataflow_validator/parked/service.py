"""What `QuarantineService` does with parked batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import chain
from typing import Final
from uuid import UUID

from dataflow.validator.v1 import parked_pb2, quarantine_service_pb2, quarantine_service_pb2_grpc
from dataflow_mesh import paging
from dataflow_mesh.postgres import Pool
from dataflow_ring.batch import BatchUnreadableError

from dataflow_validator.pages import Context, Row, read_page, selection
from dataflow_validator.parked.export import message_lines
from dataflow_validator.parked.records import Parked, parked_of
from dataflow_validator.parked.retry import ParkedRetry, StillParkedError
from dataflow_validator.statements import statements
from dataflow_validator.time_messages import to_timestamp

CHUNK_BYTES: Final = 1024 * 1024
"""Bytes of one message of an export."""

_METHOD: Final = "dataflow.validator.v1.QuarantineService.ListParked"
_FIRST: Final = UUID(int=0)


class ParkedServicer(quarantine_service_pb2_grpc.QuarantineServiceServicer):
    """Shows, retries and exports parked batches.

    Args:
        pool: Connections with short limits.
        parked_retry: Judges and stores again.
    """

    def __init__(self, pool: Pool, parked_retry: ParkedRetry) -> None:
        self._pool = pool
        self._retry = parked_retry

    async def ListParked(
        self,
        request: quarantine_service_pb2.ListParkedRequest,
        context: Context,
    ) -> quarantine_service_pb2.ListParkedResponse:
        """Gives batches by id."""
        bound = selection(request)
        key = paging.decode(request.page_token, _METHOD, bound)
        size = paging.page_size(request.page_size)
        after = None if key is None else UUID(str(key[0]))
        page = await read_page(self._pool, statements("parked")["list"], [after, size + 1], size, _row_message)
        token = ""
        if page.more and page.last is not None:
            token = paging.encode([str(page.last["batch_id"])], _METHOD, bound)
        return quarantine_service_pb2.ListParkedResponse(batches=page.items, next_page_token=token)

    async def RetryParked(
        self,
        request: quarantine_service_pb2.RetryParkedRequest,
        context: Context,
    ) -> quarantine_service_pb2.RetryParkedResponse:
        """Judges and stores batches as if they came now."""
        return quarantine_service_pb2.RetryParkedResponse(
            batches=[await self._retried(batch_id) for batch_id in request.batch_ids]
        )

    async def ExportParked(
        self,
        request: quarantine_service_pb2.ExportParkedRequest,
        context: Context,
    ) -> AsyncIterator[quarantine_service_pb2.ExportParkedResponse]:
        """Streams bytes or messages; between two batches no connection is held."""
        wanted = [UUID(batch_id) for batch_id in request.batch_ids] or None
        after = UUID(request.after_batch_id) if request.after_batch_id else _FIRST
        while (record := await self._pool.fetchrow(statements("parked")["next"], after, wanted)) is not None:
            parked = parked_of(record)
            for response in _exported(parked, request.format):
                yield response
            after = parked.batch_id

    async def _retried(self, batch_id: str) -> parked_pb2.RetriedBatch:
        try:
            stored = await self._retry.retry(UUID(batch_id))
        except StillParkedError as error:
            return parked_pb2.RetriedBatch(
                batch_id=batch_id, outcome=parked_pb2.RETRY_OUTCOME_STILL_PARKED, reason=str(error)
            )
        if stored is None:
            return parked_pb2.RetriedBatch(batch_id=batch_id, outcome=parked_pb2.RETRY_OUTCOME_NOT_PARKED)
        if not stored.batches:
            return parked_pb2.RetriedBatch(batch_id=batch_id, outcome=parked_pb2.RETRY_OUTCOME_STORED_BEFORE)
        return parked_pb2.RetriedBatch(
            batch_id=batch_id,
            outcome=parked_pb2.RETRY_OUTCOME_STORED,
            stored=stored.stored,
            duplicate=stored.duplicate,
            conflict=stored.conflict,
            quarantined=stored.quarantined,
        )


def _exported(
    parked: Parked, form: quarantine_service_pb2.ExportFormat.ValueType
) -> Iterator[quarantine_service_pb2.ExportParkedResponse]:
    data, problem = parked.data, ""
    if form == quarantine_service_pb2.EXPORT_FORMAT_MESSAGES:
        try:
            data = b"".join(message_lines(parked.data))
        except BatchUnreadableError as error:
            data, problem = b"", str(error)
    starts = range(0, len(data), CHUNK_BYTES)
    for start in chain(starts, () if data else (0,)):
        yield quarantine_service_pb2.ExportParkedResponse(
            batch=None if start else _message(parked),
            data=data[start : start + CHUNK_BYTES],
            last=start + CHUNK_BYTES >= len(data),
            problem=problem,
        )


def _row_message(row: Row) -> parked_pb2.ParkedBatch:
    return _message(parked_of(row))


def _message(parked: Parked) -> parked_pb2.ParkedBatch:
    return parked_pb2.ParkedBatch(
        batch_id=str(parked.batch_id),
        node=parked.node,
        reason=parked.reason,
        park_time=to_timestamp(parked.park_time),
        bridge_id=parked.bridge_id,
        boot_id="" if parked.boot_id is None else str(parked.boot_id),
        sequence=parked.sequence,
        message_count=parked.message_count,
        size_bytes=parked.size,
        retries=parked.retries,
        retry_time=None if parked.retry_time is None else to_timestamp(parked.retry_time),
    )
