"""AggregateReadings: from rollups where they are exact, from rows where not, in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg
from dataflow.validator.v1 import reading_service_pb2, reading_service_pb2_grpc
from dataflow_mesh import paging
from dataflow_mesh.errors import InvalidRequestError, PageTokenInvalidError, QueryTooExpensiveError
from dataflow_mesh.postgres import Connection, Pool

from dataflow_validator.catalog.contract_records import ContractRecord, get_contract
from dataflow_validator.contracts.names import Column
from dataflow_validator.errors import FieldInvalidError
from dataflow_validator.pages import Context, Page, fetch_page, selection, storable
from dataflow_validator.readings.aggregate import DAY, OF_ANY_TYPE, Aggregation, Function, Windows, is_number
from dataflow_validator.readings.aggregate_messages import BeyondDoubleError, bucket_reader
from dataflow_validator.readings.aggregate_mixed import mixed_query
from dataflow_validator.readings.aggregate_ranges import BEGINNING, END, Dirty, Sources, sources
from dataflow_validator.readings.aggregate_rows import rows_query
from dataflow_validator.readings.queries import Selection
from dataflow_validator.readings.table import readings_table_name
from dataflow_validator.rollups.tables import Horizon, read_horizon
from dataflow_validator.statements import statements
from dataflow_validator.time_messages import from_duration, from_timestamp, microseconds, moment_of, to_timestamp

_METHOD: Final = "dataflow.validator.v1.ReadingService.AggregateReadings"

MAX_BUCKETS: Final = 10_000
DEFAULT_BUCKETS: Final = 1_000
MAX_OVERLAP: Final = 100
"""Windows that one reading is in, at most: each of them adds it up again."""

_GROUP_TYPES: Final = frozenset({"text", "bigint", "numeric", "boolean"})

_WAY_OUT: Final = (
    "the answer takes too long: ask for a shorter range or fewer devices, or for windows of whole hours or days and "
    "count, min, max, avg, sum, first and last only, which rollups answer"
)

_FUNCTIONS: Final = {
    value: Function(name.removeprefix("AGGREGATE_").lower())
    for name, value in reading_service_pb2.Aggregate.items()
    if value != reading_service_pb2.AGGREGATE_UNSPECIFIED
}


@dataclass(frozen=True, slots=True)
class _Answer:
    page: Page[reading_service_pb2.AggregateBucket]
    origin: reading_service_pb2.AggregateOrigin


class AggregateServicer(reading_service_pb2_grpc.ReadingServiceServicer):
    """Aggregates what was stored.

    Args:
        pool: Connections with short limits.
    """

    def __init__(self, pool: Pool) -> None:
        self._aggregate_pool = pool

    async def AggregateReadings(
        self,
        request: reading_service_pb2.AggregateReadingsRequest,
        context: Context,
    ) -> reading_service_pb2.AggregateReadingsResponse:
        """Gives aggregates of fields by window, device and group."""
        bound = selection(request)
        key = paging.decode(request.page_token, _METHOD, bound)
        size = paging.page_size(request.page_size, default=DEFAULT_BUCKETS, maximum=MAX_BUCKETS)
        windows = _windows(request)
        async with self._aggregate_pool.acquire() as connection:
            contract = await get_contract(connection, request.filter.contract)
        aggregation = _aggregation(request, contract, windows, key, size + 1)
        rows_only = request.source == reading_service_pb2.AGGREGATE_SOURCE_ROWS
        try:
            try:
                answer = await self._answer(aggregation, size, rows_only=rows_only, exact=False)
            except (asyncpg.NumericValueOutOfRangeError, BeyondDoubleError):
                # A sum passed a double's range on its way; what comes out may still be within it.
                answer = await self._answer(aggregation, size, rows_only=True, exact=True)
        except asyncpg.QueryCanceledError as error:
            raise QueryTooExpensiveError(_WAY_OUT, metadata={"limit": "time"}) from error
        page, token = answer.page, ""
        if page.more and page.last is not None:
            start, device, group = page.last[:3]
            token = paging.encode((None if start is None else microseconds(start), device, group), _METHOD, bound)
        return reading_service_pb2.AggregateReadingsResponse(
            buckets=page.items, next_page_token=token, origin=answer.origin
        )

    async def _answer(self, aggregation: Aggregation, size: int, *, rows_only: bool, exact: bool) -> _Answer:
        longest = None if rows_only else aggregation.rollup_length()
        async with (
            self._aggregate_pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            horizon = await read_horizon(connection, aggregation.contract)
            found = Sources()
            if longest is not None and horizon is not None:
                found = await _sources(connection, aggregation, longest, horizon)
            mixed = found.from_rollups
            query = mixed_query(aggregation, found) if mixed else rows_query(aggregation, exact=exact)
            read = bucket_reader(aggregation, exact=exact or not mixed)
            page = await fetch_page(connection, query.sql, query.arguments, size, read)
        return _Answer(page, _origin(aggregation, found, horizon))


async def _sources(connection: Connection, aggregation: Aggregation, longest: timedelta, horizon: Horizon) -> Sources:
    start, end = aggregation.start, aggregation.selection.end
    return sources(
        start,
        end,
        longest=longest,
        rollups_from=horizon.rollups_from,
        rows_from=horizon.rows_from,
        dirty=await _dirty(connection, aggregation, start, end),
    )


async def _dirty(
    connection: Connection, aggregation: Aggregation, start: datetime | None, end: datetime | None
) -> Dirty:
    """Reads the marked hours, and the devices of those that have few marks; of devices only those that are asked about."""
    sql, devices = statements("rollups"), aggregation.selection.device_ids
    first, last = BEGINNING if start is None else start, END if end is None else end
    rows = await connection.fetch(sql["dirty_hours"], aggregation.contract, first, last)
    some = [row["hour"] for row in rows if not row["everybody"]]
    found: dict[datetime, list[str] | None] = {row["hour"]: None for row in rows if row["everybody"]}
    given = None if devices is None else list(devices)
    for row in await connection.fetch(sql["dirty_devices"], aggregation.contract, some, given):
        found[row["hour"]] = list(row["devices"])
    return found


def _origin(aggregation: Aggregation, found: Sources, horizon: Horizon | None) -> reading_service_pb2.AggregateOrigin:
    if not found.from_rollups:
        source = reading_service_pb2.AGGREGATE_SOURCE_ROWS
    elif found.from_rows:
        source = reading_service_pb2.AGGREGATE_SOURCE_MIXED
    else:
        source = reading_service_pb2.AGGREGATE_SOURCE_ROLLUPS
    origin = reading_service_pb2.AggregateOrigin(source=source)
    if horizon is not None and horizon.rows_from is not None:
        start = aggregation.selection.start
        if start is None or start < horizon.rows_from:
            origin.rows_from_time.CopyFrom(to_timestamp(horizon.rows_from))
    return origin


def _aggregation(
    request: reading_service_pb2.AggregateReadingsRequest,
    contract: ContractRecord,
    windows: Windows | None,
    key: Sequence[paging.KeyPart] | None,
    limit: int,
) -> Aggregation:
    which = request.filter
    start = from_timestamp(which.start_time, "filter.start_time") if which.HasField("start_time") else None
    end = from_timestamp(which.end_time, "filter.end_time") if which.HasField("end_time") else None
    devices = sorted(set(storable(list(which.device_ids)))) if which.device_ids else None
    functions = [_FUNCTIONS[value] for value in request.aggregates]
    if not functions and not request.percentiles:
        raise InvalidRequestError(violations=[("aggregates", "an aggregate or a percentile")])
    by_field = {column.field: column for column in contract.columns}
    columns = [_column(contract.name, by_field, name) for name in request.fields]
    for column in columns:
        _check_functions(contract.name, column, functions, percentiles=bool(request.percentiles))
    group = None
    if request.group_by:
        group = _column(contract.name, by_field, request.group_by)
        if group.sql_type not in _GROUP_TYPES:
            raise FieldInvalidError(
                f"field {group.field!r} is {group.type}: readings are grouped by text, whole numbers and booleans",
                metadata={"contract": contract.name, "field": group.field},
            )
    return Aggregation(
        contract.name,
        Selection(readings_table_name(contract.name), devices, start, end),
        columns,
        functions,
        list(request.percentiles),
        windows,
        request.by_device,
        group,
        None if key is None else _after(key),
        limit,
    )


def _windows(request: reading_service_pb2.AggregateReadingsRequest) -> Windows | None:
    if not request.HasField("window"):
        given = [name for name in ("step", "offset") if request.HasField(name)] + ["time_zone"] * bool(
            request.time_zone
        )
        if given:
            raise InvalidRequestError(violations=[(name, "only with a window") for name in given])
        return None
    length = _length(request, "window")
    step = _length(request, "step") if request.HasField("step") else length
    if length % step or length // step > MAX_OVERLAP:
        raise InvalidRequestError(violations=[("step", f"the window is 1 to {MAX_OVERLAP} steps long")])
    offset = from_duration(request.offset, "offset") if request.HasField("offset") else timedelta()
    zone = None
    if request.time_zone:
        try:
            zone = ZoneInfo(request.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise InvalidRequestError(violations=[("time_zone", "a zone of the IANA database")]) from error
        if step % DAY:
            raise InvalidRequestError(violations=[("time_zone", "only with windows and steps of whole days")])
    return Windows(length, step, offset, zone)


def _length(request: reading_service_pb2.AggregateReadingsRequest, name: str) -> timedelta:
    length = from_duration(getattr(request, name), name)
    if length <= timedelta():
        raise InvalidRequestError(violations=[(name, "longer than 0")])
    return length


def _column(contract: str, by_field: dict[str, Column], name: str) -> Column:
    column = by_field.get(name)
    if column is None:
        known = ", ".join(repr(field) for field in list(by_field)[:20])
        raise FieldInvalidError(
            f"contract {contract!r} has no field {name!r}; it has {known}",
            metadata={"contract": contract, "field": name},
        )
    return column


def _check_functions(contract: str, column: Column, functions: Sequence[Function], *, percentiles: bool) -> None:
    if not is_number(column) and (percentiles or not set(functions) <= OF_ANY_TYPE):
        raise FieldInvalidError(
            f"field {column.field!r} is {column.type}: of it there are {', '.join(sorted(OF_ANY_TYPE))} only",
            metadata={"contract": contract, "field": column.field},
        )


def _after(key: Sequence[paging.KeyPart]) -> tuple[datetime | None, str, str]:
    start = key[0]
    if start is not None and not isinstance(start, int):
        raise PageTokenInvalidError
    return (None if start is None else moment_of(start)), str(key[1]), str(key[2]) if len(key) > 2 else ""
