"""`dataflow.validator.v1.ReadingService`."""

import asyncio

import asyncpg
from dataflow.validator.v1 import reading_pb2, reading_service_pb2
from dataflow_mesh import paging
from dataflow_mesh.errors import InvalidRequestError, PageTokenInvalidError, QueryTooExpensiveError
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog.contract_records import ContractRecord, get_contract
from dataflow_validator.contracts.names import Column
from dataflow_validator.errors import FieldInvalidError
from dataflow_validator.pages import Context, Page, Row, read_page, selection, storable
from dataflow_validator.readings.export_service import ExportServicer
from dataflow_validator.readings.messages import NUMERIC_TYPES, ReadingShape
from dataflow_validator.readings.queries import Grouping, Query, Selection, aggregate_query, latest_query, list_query
from dataflow_validator.readings.table import readings_table_name
from dataflow_validator.readings.watch_service import WatchServicer
from dataflow_validator.time_messages import from_duration, from_timestamp, microseconds, moment_of, to_timestamp

SERVICE = "dataflow.validator.v1.ReadingService"
"""Full name of the service."""

MAX_BUCKETS = 10_000
DEFAULT_BUCKETS = 1_000

_AGGREGATES = {
    reading_service_pb2.AGGREGATE_COUNT: "count",
    reading_service_pb2.AGGREGATE_MIN: "min",
    reading_service_pb2.AGGREGATE_MAX: "max",
    reading_service_pb2.AGGREGATE_AVG: "avg",
    reading_service_pb2.AGGREGATE_SUM: "sum",
}


class ReadingServicer(WatchServicer, ExportServicer):
    """Reads what was stored.

    Args:
        pool: Connections with short limits.
        stopping: Set when the process stops, so that endless streams end.
    """

    def __init__(self, pool: Pool, stopping: asyncio.Event | None = None) -> None:
        WatchServicer.__init__(self, pool, stopping)
        ExportServicer.__init__(self, pool)
        self._pool = pool

    async def ListReadings(
        self,
        request: reading_service_pb2.ListReadingsRequest,
        context: Context,
    ) -> reading_service_pb2.ListReadingsResponse:
        """Gives readings by event time, device and message id."""
        method, bound = f"{SERVICE}.ListReadings", selection(request)
        key = paging.decode(request.page_token, method, bound)
        after = None if key is None else (moment_of(_integer(key[0])), str(key[1]), str(key[2]))
        size = paging.page_size(request.page_size)
        contract, selected = await self._select(request.filter)
        shape = ReadingShape(contract.columns)
        newest_first = request.order == reading_service_pb2.READING_ORDER_NEWEST_FIRST
        query = list_query(selected, shape, after, size + 1, newest_first=newest_first)
        page = await read_page(self._pool, query.sql, query.arguments, size, shape.reading)
        token = ""
        if page.more and page.last is not None:
            key = (microseconds(page.last["event_time"]), page.last["device_id"], str(page.last["message_id"]))
            token = paging.encode(key, method, bound)
        return reading_service_pb2.ListReadingsResponse(readings=page.items, next_page_token=token)

    async def ListLatestReadings(
        self,
        request: reading_service_pb2.ListLatestReadingsRequest,
        context: Context,
    ) -> reading_service_pb2.ListLatestReadingsResponse:
        """Gives the newest reading of each device."""
        method, bound = f"{SERVICE}.ListLatestReadings", selection(request)
        key = paging.decode(request.page_token, method, bound)
        size = paging.page_size(request.page_size)
        contract, selected = await self._select(request.filter)
        shape = ReadingShape(contract.columns)
        query = latest_query(selected, shape, None if key is None else str(key[0]), size + 1)
        page = await read_page(self._pool, query.sql, query.arguments, size, shape.reading)
        token = paging.encode([page.items[-1].device_id], method, bound) if page.more else ""
        return reading_service_pb2.ListLatestReadingsResponse(readings=page.items, next_page_token=token)

    async def AggregateReadings(
        self,
        request: reading_service_pb2.AggregateReadingsRequest,
        context: Context,
    ) -> reading_service_pb2.AggregateReadingsResponse:
        """Gives aggregates of fields by window and device."""
        method, bound = f"{SERVICE}.AggregateReadings", selection(request)
        key = paging.decode(request.page_token, method, bound)
        after = None if key is None else (None if key[0] is None else moment_of(_integer(key[0])), str(key[1]))
        size = paging.page_size(request.page_size, default=DEFAULT_BUCKETS, maximum=MAX_BUCKETS)
        window = None
        if request.HasField("window") and (window := from_duration(request.window, "window")).total_seconds() <= 0:
            raise InvalidRequestError(violations=[("window", "longer than 0")])
        contract, selected = await self._select(request.filter)
        aggregates = [_AGGREGATES[aggregate] for aggregate in request.aggregates]
        columns = _columns(contract, list(request.fields), aggregates)

        def query_for(*, exact: bool) -> Query:
            grouping = Grouping(window, request.by_device, exact)
            return aggregate_query(selected, columns, aggregates, grouping, after, size + 1)

        def bucket(row: Row) -> reading_service_pb2.AggregateBucket:
            return _bucket(row, columns, aggregates)

        page: Page[reading_service_pb2.AggregateBucket]
        try:
            try:
                query = query_for(exact=False)
                page = await read_page(self._pool, query.sql, query.arguments, size, bucket)
            except asyncpg.NumericValueOutOfRangeError:
                # A sum passed a double's range on its way; what comes out may still be within it.
                query = query_for(exact=True)
                page = await read_page(self._pool, query.sql, query.arguments, size, bucket)
        except asyncpg.QueryCanceledError as error:
            raise QueryTooExpensiveError(metadata={"limit": "time"}) from error
        token = ""
        if page.more and page.last is not None:
            start = None if page.last[0] is None else microseconds(page.last[0])
            token = paging.encode((start, page.last[1]), method, bound)
        return reading_service_pb2.AggregateReadingsResponse(buckets=page.items, next_page_token=token)

    async def _select(self, message: reading_pb2.ReadingFilter) -> tuple[ContractRecord, Selection]:
        start = from_timestamp(message.start_time, "filter.start_time") if message.HasField("start_time") else None
        end = from_timestamp(message.end_time, "filter.end_time") if message.HasField("end_time") else None
        async with self._pool.acquire() as connection:
            contract = await get_contract(connection, message.contract)
        devices = sorted(set(storable(list(message.device_ids)))) if message.device_ids else None
        return contract, Selection(readings_table_name(contract.name), devices, start, end)


def _columns(contract: ContractRecord, names: list[str], aggregates: list[str]) -> list[Column]:
    by_field = {column.field: column for column in contract.columns}
    columns = []
    for name in names:
        metadata = {"contract": contract.name, "field": name}
        column = by_field.get(name)
        if column is None:
            known = ", ".join(repr(field) for field in list(by_field)[:20])
            raise FieldInvalidError(
                f"contract {contract.name!r} has no field {name!r}; it has {known}", metadata=metadata
            )
        if column.type not in NUMERIC_TYPES and set(aggregates) != {"count"}:
            raise FieldInvalidError(f"field {name!r} is {column.type}: it can only be counted", metadata=metadata)
        columns.append(column)
    return columns


def _bucket(row: Row, columns: list[Column], aggregates: list[str]) -> reading_service_pb2.AggregateBucket:
    bucket = reading_service_pb2.AggregateBucket(
        device_id=row[1], start_time=None if row[0] is None else to_timestamp(row[0]), reading_count=row[2]
    )
    position = 3
    for column in columns:
        cells = bucket.fields[column.field]
        for aggregate in aggregates:
            value = row[position]
            position += 1
            if value is not None:
                setattr(cells, aggregate, value if aggregate == "count" else float(value))
    return bucket


def _integer(part: paging.KeyPart) -> int:
    if not isinstance(part, int):
        raise PageTokenInvalidError
    return part
