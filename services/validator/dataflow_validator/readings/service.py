"""`dataflow.validator.v1.ReadingService`."""

import asyncio

from dataflow.validator.v1 import reading_pb2, reading_service_pb2
from dataflow_mesh import paging
from dataflow_mesh.errors import PageTokenInvalidError
from dataflow_mesh.postgres import Pool

from dataflow_validator.catalog.contract_records import ContractRecord, get_contract
from dataflow_validator.pages import Context, read_page, selection, storable
from dataflow_validator.readings.aggregate_service import AggregateServicer
from dataflow_validator.readings.export_service import ExportServicer
from dataflow_validator.readings.messages import ReadingShape
from dataflow_validator.readings.queries import Selection, latest_query, list_query
from dataflow_validator.readings.table import readings_table_name
from dataflow_validator.readings.watch_service import WatchServicer
from dataflow_validator.time_messages import from_timestamp, microseconds, moment_of

SERVICE = "dataflow.validator.v1.ReadingService"
"""Full name of the service."""


class ReadingServicer(AggregateServicer, WatchServicer, ExportServicer):
    """Reads what was stored.

    Args:
        pool: Connections with short limits.
        stopping: Set when the process stops, so that endless streams end.
    """

    def __init__(self, pool: Pool, stopping: asyncio.Event | None = None) -> None:
        AggregateServicer.__init__(self, pool)
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

    async def _select(self, message: reading_pb2.ReadingFilter) -> tuple[ContractRecord, Selection]:
        start = from_timestamp(message.start_time, "filter.start_time") if message.HasField("start_time") else None
        end = from_timestamp(message.end_time, "filter.end_time") if message.HasField("end_time") else None
        async with self._pool.acquire() as connection:
            contract = await get_contract(connection, message.contract)
        devices = sorted(set(storable(list(message.device_ids)))) if message.device_ids else None
        return contract, Selection(readings_table_name(contract.name), devices, start, end)


def _integer(part: paging.KeyPart) -> int:
    if not isinstance(part, int):
        raise PageTokenInvalidError
    return part
