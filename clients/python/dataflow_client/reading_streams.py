"""Readings as streams: following them as they are stored, and exporting them to a file."""

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, closing
from datetime import datetime, timedelta
from typing import BinaryIO, Literal

import grpc
from dataflow.validator.v1 import job_pb2, reading_pb2, reading_stream_pb2
from dataflow.validator.v1.reading_service_pb2_grpc import ReadingServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.codes import DataflowError, UnavailableError
from dataflow_client.retry import is_unexplained
from dataflow_client.ring import Silence

_FORMATS = {
    "csv": reading_stream_pb2.FILE_FORMAT_CSV,
    "parquet": reading_stream_pb2.FILE_FORMAT_PARQUET,
}

Format = Literal["csv", "parquet"]
"""The format of an exported file."""


def watch_request(
    reading_filter: reading_pb2.ReadingFilter,
    *,
    cursor: str = "",
    from_beginning: bool = False,
    stored_since: datetime | None = None,
    fields: Sequence[str] = (),
    columns: bool = False,
    max_readings: int = 0,
    heartbeat: timedelta | None = None,
) -> reading_stream_pb2.WatchReadingsRequest:
    """Builds the request that `watch` sends first.

    Raises:
        ValueError: More than one start was given.
    """
    if bool(cursor) + from_beginning + (stored_since is not None) > 1:
        raise ValueError("a watch begins at a cursor, at the beginning, or at a time: give one of them")
    request = reading_stream_pb2.WatchReadingsRequest(filter=reading_filter, fields=fields, max_readings=max_readings)
    if cursor:
        request.cursor = cursor
    elif stored_since is not None:
        request.stored_since.FromDatetime(stored_since)
    elif from_beginning:
        request.start = reading_stream_pb2.WATCH_START_BEGINNING
    if columns:
        request.form = reading_stream_pb2.READING_FORM_COLUMNS
    if heartbeat is not None:
        request.heartbeat.FromTimedelta(heartbeat)
    return request


def reading_export(
    reading_filter: reading_pb2.ReadingFilter,
    file_format: Format = "csv",
    *,
    hourly: bool = False,
    fields: Sequence[str] = (),
    escape_formulas: bool = False,
) -> reading_stream_pb2.ReadingExport:
    """Builds what `export` asks for."""
    return reading_stream_pb2.ReadingExport(
        filter=reading_filter,
        fields=fields,
        rows=reading_stream_pb2.EXPORT_ROWS_HOURLY if hourly else reading_stream_pb2.EXPORT_ROWS_READINGS,
        format=_FORMATS[file_format],
        escape_formulas=escape_formulas,
    )


class ReadingStreams:
    """Follows and exports what is stored."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = ReadingServiceStub(channel)
        self._caller = caller

    def watch(
        self,
        reading_filter: reading_pb2.ReadingFilter,
        *,
        cursor: str = "",
        from_beginning: bool = False,
        stored_since: datetime | None = None,
        fields: Sequence[str] = (),
        columns: bool = False,
        max_readings: int = 0,
        heartbeat: timedelta | None = None,
    ) -> Generator[reading_stream_pb2.WatchReadingsResponse, None, None]:
        """Yields readings as they are stored, each once, for ever; goes on at its cursor when a connection ends.

        Each response has the cursor behind its readings, and may have none of them (a sign of life). Keep the cursor
        with what you made of the readings, and a later watch goes on exactly there.

        Args:
            reading_filter: Which ones; the contract must be named. `reading_filter()` makes one.
            cursor: Go on behind this one; without it, with what is stored from now on.
            from_beginning: With the oldest row that is there.
            stored_since: With what was stored since; some that was stored shortly before may come too.
            fields: Only these; none for all.
            columns: `response.columns` instead of `response.readings`: much cheaper for many readings a second.
            max_readings: Of one response; 0 for the server's choice.
            heartbeat: How long a silence may be; None for the server's choice.

        Raises:
            ContractNotFoundError: There is no such contract.
            FieldInvalidError: It has no such field.
            CursorInvalidError: It is not a cursor of this contract.
            CursorForeignError: The database was restored, failed over or replaced.
            DataflowError: The call failed, other than by a validator or link that went away after a first response.
        """
        request = watch_request(
            reading_filter,
            cursor=cursor,
            from_beginning=from_beginning,
            stored_since=stored_since,
            fields=fields,
            columns=columns,
            max_readings=max_readings,
            heartbeat=heartbeat,
        )
        silence = Silence(self._caller.options.retry)
        while True:
            stream = self._caller.stream(
                self._stub.WatchReadings, request, timeout_seconds=self._caller.options.watch_seconds
            )
            try:
                with closing(stream):
                    for response in stream:
                        silence.heard()
                        yield response
                        request.cursor = response.cursor
                ended: DataflowError = UnavailableError("the validator ended the stream")
            except DataflowError as error:
                ended = _resumable(error)
            time.sleep(silence.pause(ended))

    def export(
        self,
        reading_filter: reading_pb2.ReadingFilter,
        file: BinaryIO,
        file_format: Format = "csv",
        *,
        hourly: bool = False,
        fields: Sequence[str] = (),
        escape_formulas: bool = False,
    ) -> reading_stream_pb2.ExportTrailer:
        """Writes readings, or hourly aggregates, to an open binary file; returns rows, bytes and their SHA-256.

        What was stored before the call is in it once; what is stored while it runs is not.

        Args:
            reading_filter: Which ones; the contract must be named.
            file: Open for writing bytes; not closed.
            file_format: "csv" or "parquet".
            hourly: A row for each hour and device instead of each reading.
            fields: Only these; none for all.
            escape_formulas: CSV for spreadsheets: an apostrophe in front of texts that look like formulas.

        Raises:
            ContractNotFoundError: There is no such contract.
            FieldInvalidError: It has no such field.
            DataflowError: The call failed otherwise; what was written is not whole.
        """
        wanted = reading_export(
            reading_filter, file_format, hourly=hourly, fields=fields, escape_formulas=escape_formulas
        )
        request = reading_stream_pb2.ExportReadingsRequest(export=wanted)
        whole = _Whole(file)
        stream = self._caller.stream(
            self._stub.ExportReadings,
            request,
            timeout_seconds=self._caller.options.watch_seconds,
            retry=self._caller.options.retry,
        )
        with closing(stream):
            for response in stream:
                whole.take(response)
        return whole.trailer()

    def export_to_file(
        self,
        reading_filter: reading_pb2.ReadingFilter,
        file_format: Format = "csv",
        *,
        hourly: bool = False,
        fields: Sequence[str] = (),
        escape_formulas: bool = False,
        rate: float = 0.0,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Has the validators write files to their `export_dir`, as a job that goes on after deaths; returns the job.

        Args:
            reading_filter: Which ones; the contract must be named.
            file_format: "csv" or "parquet".
            hourly: A row for each hour and device instead of each reading.
            fields: Only these; none for all.
            escape_formulas: CSV for spreadsheets.
            rate: Rows per second at most; 0: as fast as live data allows.
            request_id: The same one is the same job; empty: one of this call's own.

        Raises:
            ContractNotFoundError: There is no such contract.
            FieldInvalidError: It has no such field.
            RequestIdReusedError: The request_id made another job.
            DataflowError: The call failed otherwise.
        """
        wanted = reading_export(
            reading_filter, file_format, hourly=hourly, fields=fields, escape_formulas=escape_formulas
        )
        request = reading_stream_pb2.ExportReadingsToFileRequest(
            export=wanted, rate=rate, request_id=request_id or str(uuid.uuid4())
        )
        return self._caller.unary(self._stub.ExportReadingsToFile, request).job


class AsyncReadingStreams:
    """Follows and exports what is stored."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = ReadingServiceStub(channel)
        self._caller = caller

    async def watch(
        self,
        reading_filter: reading_pb2.ReadingFilter,
        *,
        cursor: str = "",
        from_beginning: bool = False,
        stored_since: datetime | None = None,
        fields: Sequence[str] = (),
        columns: bool = False,
        max_readings: int = 0,
        heartbeat: timedelta | None = None,
    ) -> AsyncGenerator[reading_stream_pb2.WatchReadingsResponse, None]:
        """Yields readings as they are stored, each once, for ever; goes on at its cursor when a connection ends.

        See `ReadingStreams.watch`.
        """
        request = watch_request(
            reading_filter,
            cursor=cursor,
            from_beginning=from_beginning,
            stored_since=stored_since,
            fields=fields,
            columns=columns,
            max_readings=max_readings,
            heartbeat=heartbeat,
        )
        silence = Silence(self._caller.options.retry)
        while True:
            stream = self._caller.stream(
                self._stub.WatchReadings, request, timeout_seconds=self._caller.options.watch_seconds
            )
            try:
                async with aclosing(stream):
                    async for response in stream:
                        silence.heard()
                        yield response
                        request.cursor = response.cursor
                ended: DataflowError = UnavailableError("the validator ended the stream")
            except DataflowError as error:
                ended = _resumable(error)
            await asyncio.sleep(silence.pause(ended))

    async def export(
        self,
        reading_filter: reading_pb2.ReadingFilter,
        file: BinaryIO,
        file_format: Format = "csv",
        *,
        hourly: bool = False,
        fields: Sequence[str] = (),
        escape_formulas: bool = False,
    ) -> reading_stream_pb2.ExportTrailer:
        """Writes readings, or hourly aggregates, to an open binary file; returns rows, bytes and their SHA-256.

        See `ReadingStreams.export`. The file is written to in the event loop, a mebibyte at a time.
        """
        wanted = reading_export(
            reading_filter, file_format, hourly=hourly, fields=fields, escape_formulas=escape_formulas
        )
        request = reading_stream_pb2.ExportReadingsRequest(export=wanted)
        whole = _Whole(file)
        stream = self._caller.stream(
            self._stub.ExportReadings,
            request,
            timeout_seconds=self._caller.options.watch_seconds,
            retry=self._caller.options.retry,
        )
        async with aclosing(stream):
            async for response in stream:
                whole.take(response)
        return whole.trailer()

    async def export_to_file(
        self,
        reading_filter: reading_pb2.ReadingFilter,
        file_format: Format = "csv",
        *,
        hourly: bool = False,
        fields: Sequence[str] = (),
        escape_formulas: bool = False,
        rate: float = 0.0,
        request_id: str = "",
    ) -> job_pb2.Job:
        """Has the validators write files to their `export_dir`, as a job that goes on after deaths; returns the job.

        See `ReadingStreams.export_to_file`.
        """
        wanted = reading_export(
            reading_filter, file_format, hourly=hourly, fields=fields, escape_formulas=escape_formulas
        )
        request = reading_stream_pb2.ExportReadingsToFileRequest(
            export=wanted, rate=rate, request_id=request_id or str(uuid.uuid4())
        )
        return (await self._caller.unary(self._stub.ExportReadingsToFile, request)).job


class _Whole:
    """Writes the bytes of an export, and knows whether they are all of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._trailer: reading_stream_pb2.ExportTrailer | None = None

    def take(self, response: reading_stream_pb2.ExportReadingsResponse) -> None:
        """Writes what a response brings."""
        match response.WhichOneof("part"):
            case "data":
                self._file.write(response.data)
                self._digest.update(response.data)
            case "trailer":
                self._trailer = response.trailer

    def trailer(self) -> reading_stream_pb2.ExportTrailer:
        """Returns what came last.

        Raises:
            UnavailableError: The end is missing, or the bytes are not those that were sent.
        """
        if self._trailer is None or self._trailer.sha256 != self._digest.hexdigest():
            raise UnavailableError("the export ended before its end: the file is not whole")
        return self._trailer


def _resumable(error: DataflowError) -> DataflowError:
    """Returns what a watch waits for: with a cursor an end that nobody explains does no harm."""
    return UnavailableError(error.message) if is_unexplained(error) else error
