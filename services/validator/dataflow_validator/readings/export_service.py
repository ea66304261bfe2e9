"""`ReadingService.ExportReadings`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from dataflow.validator.v1 import reading_service_pb2_grpc, reading_stream_pb2
from dataflow_mesh.access import current_caller
from dataflow_mesh.postgres import Pool
from google.protobuf import json_format

from dataflow_validator.exports.formats import FileFormat, FileShape
from dataflow_validator.jobs.messages import job_message
from dataflow_validator.jobs.records import create_job
from dataflow_validator.pages import Context
from dataflow_validator.readings.export import ExportSource, ReadingRows
from dataflow_validator.readings.export_cut import Cut
from dataflow_validator.readings.export_hours import HourlyRows
from dataflow_validator.readings.selecting import chosen_columns, select_readings
from dataflow_validator.readings.stream_limit import StreamLimit

MAX_EXPORTS: Final = 8
"""Exports that one process streams at a time."""

CHUNK_BYTES: Final = 1024 * 1024
_AT_ONCE: Final = 500
"""Rows written before others get their turn: live data is stored by the same event loop."""

_FORMATS: Final = {
    reading_stream_pb2.FILE_FORMAT_UNSPECIFIED: FileFormat.CSV,
    reading_stream_pb2.FILE_FORMAT_CSV: FileFormat.CSV,
    reading_stream_pb2.FILE_FORMAT_PARQUET: FileFormat.PARQUET,
}
_NAMES: Final = {
    FileFormat.CSV: reading_stream_pb2.FILE_FORMAT_CSV,
    FileFormat.PARQUET: reading_stream_pb2.FILE_FORMAT_PARQUET,
}

_Response = reading_stream_pb2.ExportReadingsResponse


class ExportServicer(reading_service_pb2_grpc.ReadingServiceServicer):
    """Streams files of readings.

    Args:
        pool: Connections with short limits.
    """

    def __init__(self, pool: Pool) -> None:
        self._export_pool = pool
        self._exports = StreamLimit(MAX_EXPORTS)

    async def ExportReadings(
        self, request: reading_stream_pb2.ExportReadingsRequest, context: Context
    ) -> AsyncIterator[_Response]:
        """Gives a file in chunks, each made when the one before was taken."""
        with self._exports.one():
            source = await export_source(self._export_pool, request.export)
            shape = file_shape(request.export, source)
            yield _Response(header=_header(request.export, shape))
            digest, rows, size = hashlib.sha256(), 0, 0
            async with aclosing(_file(source, shape)) as parts:
                async for count, data in parts:
                    rows, size = rows + count, size + len(data)
                    digest.update(data)
                    for start in range(0, len(data), CHUNK_BYTES):
                        yield _Response(data=data[start : start + CHUNK_BYTES])
            yield _Response(trailer=reading_stream_pb2.ExportTrailer(rows=rows, bytes=size, sha256=digest.hexdigest()))

    async def ExportReadingsToFile(
        self, request: reading_stream_pb2.ExportReadingsToFileRequest, context: Context
    ) -> reading_stream_pb2.ExportReadingsToFileResponse:
        """Makes the job that writes files."""
        contract, _ = await select_readings(self._export_pool, request.export.filter, "export.filter")
        chosen_columns(contract, request.export.fields)
        async with self._export_pool.acquire() as connection:
            record = await create_job(
                connection,
                "EXPORT_READINGS",
                json_format.MessageToDict(request.export),
                request_id=request.request_id,
                created_by=current_caller().name,
                rate=request.rate or None,
            )
        return reading_stream_pb2.ExportReadingsToFileResponse(job=job_message(record))


async def export_source(pool: Pool, export: reading_stream_pb2.ReadingExport, cut: Cut | None = None) -> ExportSource:
    """Finds out what an export reads.

    Args:
        pool: Where it reads.
        export: What was asked for.
        cut: As of which moment; `None` for now.

    Raises:
        ContractNotFoundError: There is no such contract.
        FieldInvalidError: It has no such field.
        InvalidRequestError: A time is outside of the years 1 to 9999.
    """
    contract, selection = await select_readings(pool, export.filter, "export.filter")
    columns = chosen_columns(contract, export.fields)
    cut = cut or await Cut.now(pool)
    if export.rows == reading_stream_pb2.EXPORT_ROWS_HOURLY:
        return HourlyRows(pool, contract.name, selection, columns, cut)
    return ReadingRows(pool, contract, selection, columns, cut)


def file_shape(export: reading_stream_pb2.ReadingExport, source: ExportSource) -> FileShape:
    """Says how an export is written."""
    return FileShape(_FORMATS[export.format], source.columns, export.escape_formulas)


async def _file(source: ExportSource, shape: FileShape) -> AsyncGenerator[tuple[int, bytes], None]:
    """Yields the parts of a file, each with the number of rows that went in since."""
    # pyarrow is loaded, and compresses, beside the event loop.
    writer = await asyncio.to_thread(shape.writer)
    waiting, count = writer.begin(), 0
    async with aclosing(source.pages()) as pages:
        async for page in pages:
            for start in range(0, len(page.rows), _AT_ONCE):
                part = page.rows[start : start + _AT_ONCE]
                if shape.format is FileFormat.PARQUET:
                    waiting += await asyncio.to_thread(writer.write, part)
                else:
                    waiting += writer.write(part)
                    await asyncio.sleep(0)
                count += len(part)
            if len(waiting) >= CHUNK_BYTES // 4:
                yield count, waiting
                waiting, count = b"", 0
    yield count, waiting + await asyncio.to_thread(writer.finish)


def _header(export: reading_stream_pb2.ReadingExport, shape: FileShape) -> reading_stream_pb2.ExportHeader:
    hourly = "-hourly" if export.rows == reading_stream_pb2.EXPORT_ROWS_HOURLY else ""
    return reading_stream_pb2.ExportHeader(
        format=_NAMES[shape.format],
        file_name=f"{export.filter.contract}{hourly}.{shape.format.value}",
        content_type=shape.format.content_type,
        columns=[
            reading_stream_pb2.ExportColumn(
                name=column.name, field=column.field, sql_type=column.sql_type, unit=column.unit
            )
            for column in shape.columns
        ],
    )
