"""Aggregates of rows: `AggregateReadings` of `dataflow.validator.v1.ReadingService`."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import TypedDict, Unpack

import grpc
from dataflow.validator.v1 import reading_pb2, reading_service_pb2
from dataflow.validator.v1.reading_service_pb2_grpc import ReadingServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.paging import async_pages, pages


class AggregateOptions(TypedDict, total=False):
    """How readings are gathered, and what else is computed; all may be left out."""

    window: timedelta | None
    """Length of a window, aligned to 1970-01-01 00:00; None: one over everything."""
    step: timedelta | None
    """From one window's start to the next, for windows that overlap; None: windows side by side."""
    offset: timedelta | None
    """Moves all windows."""
    time_zone: str
    """IANA zone whose midnight windows of whole days begin at; empty for UTC."""
    by_device: bool
    """A result for each device instead of one over all."""
    group_by: str
    """A result for each value of this field."""
    percentiles: Sequence[float]
    """Also these percentiles of each field, each between 0 and 1."""
    from_rows: bool
    """Read only the readings, never the rollups: to compare."""
    page_size: int
    """Buckets of one page; 0 for the server's choice."""


def aggregate_request(
    which: reading_pb2.ReadingFilter,
    fields: Sequence[str],
    aggregates: Sequence[reading_service_pb2.Aggregate.ValueType],
    options: AggregateOptions,
) -> reading_service_pb2.AggregateReadingsRequest:
    """Builds the request that `aggregate` sends."""
    request = reading_service_pb2.AggregateReadingsRequest(
        filter=which,
        fields=fields,
        aggregates=aggregates,
        by_device=options.get("by_device", False),
        time_zone=options.get("time_zone", ""),
        group_by=options.get("group_by", ""),
        percentiles=options.get("percentiles", ()),
        page_size=options.get("page_size", 0),
    )
    if options.get("from_rows"):
        request.source = reading_service_pb2.AGGREGATE_SOURCE_ROWS
    for message, length in (
        (request.window, options.get("window")),
        (request.step, options.get("step")),
        (request.offset, options.get("offset")),
    ):
        if length is not None:
            message.FromTimedelta(length)
    return request


class ReadingAggregates:
    """Aggregates what was stored."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._aggregates = ReadingServiceStub(channel)
        self._aggregate_caller = caller

    def aggregate(
        self,
        reading_filter: reading_pb2.ReadingFilter,
        fields: Sequence[str],
        aggregates: Sequence[reading_service_pb2.Aggregate.ValueType],
        **options: Unpack[AggregateOptions],
    ) -> Iterator[reading_service_pb2.AggregateBucket]:
        """Yields aggregates of fields by window, device and group.

        Args:
            reading_filter: Which readings; the contract must be named.
            fields: Their names.
            aggregates: What to compute of each.
            **options: As `AggregateOptions` has them.

        Raises:
            ContractNotFoundError: There is no such contract.
            FieldInvalidError: No such field, or its type has no such aggregate.
            QueryTooExpensiveError: It would take too long; the message says what costs less.
            DataflowError: The call failed otherwise.
        """
        for page in self.aggregate_pages(reading_filter, fields, aggregates, **options):
            yield from page.buckets

    def aggregate_pages(
        self,
        reading_filter: reading_pb2.ReadingFilter,
        fields: Sequence[str],
        aggregates: Sequence[reading_service_pb2.Aggregate.ValueType],
        **options: Unpack[AggregateOptions],
    ) -> Iterator[reading_service_pb2.AggregateReadingsResponse]:
        """Yields the pages of `aggregate`, each with what it was made of (`origin`)."""
        request = aggregate_request(reading_filter, fields, aggregates, options)
        return pages(
            lambda page: self._aggregate_caller.unary(self._aggregates.AggregateReadings, page),
            request,
        )


class AsyncReadingAggregates:
    """Aggregates what was stored."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._aggregates = ReadingServiceStub(channel)
        self._aggregate_caller = caller

    async def aggregate(
        self,
        reading_filter: reading_pb2.ReadingFilter,
        fields: Sequence[str],
        aggregates: Sequence[reading_service_pb2.Aggregate.ValueType],
        **options: Unpack[AggregateOptions],
    ) -> AsyncIterator[reading_service_pb2.AggregateBucket]:
        """Yields aggregates of fields by window, device and group.

        Args:
            reading_filter: Which readings; the contract must be named.
            fields: Their names.
            aggregates: What to compute of each.
            **options: As `AggregateOptions` has them.

        Raises:
            ContractNotFoundError: There is no such contract.
            FieldInvalidError: No such field, or its type has no such aggregate.
            QueryTooExpensiveError: It would take too long; the message says what costs less.
            DataflowError: The call failed otherwise.
        """
        async for page in self.aggregate_pages(reading_filter, fields, aggregates, **options):
            for bucket in page.buckets:
                yield bucket

    def aggregate_pages(
        self,
        reading_filter: reading_pb2.ReadingFilter,
        fields: Sequence[str],
        aggregates: Sequence[reading_service_pb2.Aggregate.ValueType],
        **options: Unpack[AggregateOptions],
    ) -> AsyncIterator[reading_service_pb2.AggregateReadingsResponse]:
        """Yields the pages of `aggregate`, each with what it was made of (`origin`)."""
        request = aggregate_request(reading_filter, fields, aggregates, options)
        return async_pages(
            lambda page: self._aggregate_caller.unary(self._aggregates.AggregateReadings, page),
            request,
        )
