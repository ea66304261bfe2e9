"""`ReadingService.WatchReadings`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Final

from dataflow.validator.v1 import reading_service_pb2_grpc, reading_stream_pb2
from dataflow_mesh.postgres import Pool
from google.protobuf import duration_pb2

from dataflow_validator.catalog.contract_records import ContractRecord
from dataflow_validator.contracts.names import Column
from dataflow_validator.pages import MAX_PAGE_BYTES, Context
from dataflow_validator.readings.columns import reading_columns
from dataflow_validator.readings.horizon import Horizon, Look
from dataflow_validator.readings.messages import ReadingShape, row_key, row_revision
from dataflow_validator.readings.selecting import chosen_columns, select_readings
from dataflow_validator.readings.stream_limit import StreamLimit
from dataflow_validator.readings.watch import Found, Watch
from dataflow_validator.readings.watch_cursor import Position, decode_cursor, encode_cursor
from dataflow_validator.readings.watch_queries import STORED_SINCE, XID_NAME
from dataflow_validator.time_messages import from_duration, from_timestamp, to_duration

MAX_WATCHES: Final = 64
"""Watches of one process."""

_DEFAULT_READINGS: Final = 1_000
_MAX_READINGS: Final = 10_000
_HEARTBEAT_SECONDS: Final = 5.0
_AT_ONCE: Final = 200
"""Readings made into messages before others get their turn: live data is stored by the same event loop."""

_Request = reading_stream_pb2.WatchReadingsRequest
_Response = reading_stream_pb2.WatchReadingsResponse


class WatchServicer(reading_service_pb2_grpc.ReadingServiceServicer):
    """Streams readings as they are stored.

    Args:
        pool: Connections with short limits.
        stopping: Set when the process stops: watches then end, and their readers go on elsewhere.
    """

    def __init__(self, pool: Pool, stopping: asyncio.Event | None = None) -> None:
        self._watch_pool = pool
        self._stopping = stopping or asyncio.Event()
        self._horizon = Horizon(pool)
        self._watches = StreamLimit(MAX_WATCHES)

    async def WatchReadings(self, request: _Request, context: Context) -> AsyncIterator[_Response]:
        """Gives readings by transaction, and a sign of life in silence."""
        with self._watches.one():
            contract, selection = await select_readings(self._watch_pool, request.filter)
            look = await self._horizon.look()
            columns = chosen_columns(contract, request.fields)
            watch = Watch(
                self._watch_pool,
                self._horizon,
                selection,
                ReadingShape(columns),
                await self._begin(request, contract, look),
                min(request.max_readings or _DEFAULT_READINGS, _MAX_READINGS),
            )
            # The first answer says that the watch stands, and from where.
            yield self._response(contract, Found((), watch.position, more=False, look=look))
            heartbeat = _HEARTBEAT_SECONDS
            if request.HasField("heartbeat"):
                heartbeat = from_duration(request.heartbeat, "heartbeat").total_seconds()
            begin, newest = watch.position, contract.latest_revision
            async with aclosing(watch.follow(look, heartbeat)) as founds:
                async for found in founds:
                    revision = max(map(row_revision, found.rows), default=0)
                    if revision > newest:
                        # A revision that came meanwhile may have more columns: read the same again with them.
                        newest = revision
                        contract, _ = await select_readings(self._watch_pool, request.filter)
                        columns = chosen_columns(contract, request.fields)
                        watch.again(begin, ReadingShape(columns))
                        continue
                    async for response in self._responses(request, contract, columns, watch.shape, found):
                        yield response
                    begin = found.position
                    if self._stopping.is_set():
                        return

    async def _begin(self, request: _Request, contract: ContractRecord, look: Look) -> Position:
        match request.WhichOneof("from"):
            case "cursor":
                return decode_cursor(request.cursor, look.database, contract.name, look.next_xid)
            case "stored_since":
                moment = from_timestamp(request.stored_since, "stored_since")
                return Position(await self._watch_pool.fetchval(STORED_SINCE, moment))
            case "start" if request.start == reading_stream_pb2.WATCH_START_BEGINNING:
                return Position(0)
            case _:
                return Position(look.oldest_open)

    async def _responses(
        self,
        request: _Request,
        contract: ContractRecord,
        columns: tuple[Column, ...],
        shape: ReadingShape,
        found: Found,
    ) -> AsyncIterator[_Response]:
        if not found.rows:
            yield self._response(contract, found)
            return
        if request.form == reading_stream_pb2.READING_FORM_COLUMNS:
            response = self._response(contract, found)
            response.columns.CopyFrom(reading_columns(columns, found.rows))
            yield response
            return
        response, size = _Response(), 0
        for place, row in enumerate(found.rows):
            reading = shape.reading(row)
            size += reading.ByteSize()
            if response.readings and size > MAX_PAGE_BYTES:
                # Longer as messages than as rows: what is left follows, each part with the point behind it.
                last = found.rows[place - 1]
                part = Found((), Position(last[XID_NAME], row_key(last)), more=True, look=found.look)
                response.MergeFrom(self._response(contract, part))
                yield response
                response, size = _Response(), reading.ByteSize()
            response.readings.append(reading)
            if place % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
        response.MergeFrom(self._response(contract, found))
        yield response

    def _response(self, contract: ContractRecord, found: Found) -> _Response:
        database, position = found.look.database, found.position
        return _Response(
            cursor=encode_cursor(database, contract.name, position),
            lag=_length(self._horizon.behind_seconds(position.xid)),
            held_back=_length(self._horizon.behind_seconds(found.look.oldest_open)),
            more=found.more,
        )


def _length(seconds: float) -> duration_pb2.Duration:
    return to_duration(timedelta(seconds=seconds))
