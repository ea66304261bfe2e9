"""Rows: `dataflow.validator.v1.ReadingService`."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime

import grpc
from dataflow.validator.v1 import reading_pb2, reading_service_pb2
from dataflow.validator.v1.reading_service_pb2_grpc import ReadingServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.paging import async_items, items
from dataflow_client.reading_aggregates import AsyncReadingAggregates, ReadingAggregates
from dataflow_client.reading_streams import AsyncReadingStreams, ReadingStreams


def reading_filter(
    contract: str,
    *,
    device_ids: Sequence[str] = (),
    start_time: datetime | None = None,
    end_time: datetime | None = None,
) -> reading_pb2.ReadingFilter:
    """Builds a filter.

    Args:
        contract: The contract's name.
        device_ids: Any of these devices; none for all.
        start_time: From this event time on; a time without a zone is UTC.
        end_time: Before this event time.
    """
    built = reading_pb2.ReadingFilter(contract=contract, device_ids=device_ids)
    if start_time is not None:
        built.start_time.FromDatetime(start_time)
    if end_time is not None:
        built.end_time.FromDatetime(end_time)
    return built


class Readings(ReadingAggregates, ReadingStreams):
    """Reads what was stored."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        ReadingAggregates.__init__(self, channel, caller)
        ReadingStreams.__init__(self, channel, caller)
        self._stub = ReadingServiceStub(channel)
        self._caller = caller

    def list(
        self, reading_filter: reading_pb2.ReadingFilter, *, newest_first: bool = False, page_size: int = 0
    ) -> Iterator[reading_pb2.Reading]:
        """Yields readings by event time, device and message id.

        Args:
            reading_filter: Which ones; the contract must be named. `reading_filter()` makes one.
            newest_first: The other way round.
            page_size: Readings of one page; 0 for the server's choice.

        Raises:
            ContractNotFoundError: There is no such contract.
            DataflowError: The call failed otherwise.
        """
        order = (
            reading_service_pb2.READING_ORDER_NEWEST_FIRST
            if newest_first
            else reading_service_pb2.READING_ORDER_OLDEST_FIRST
        )
        return items(
            lambda page: self._caller.unary(self._stub.ListReadings, page),
            reading_service_pb2.ListReadingsRequest(filter=reading_filter, order=order, page_size=page_size),
            lambda response: response.readings,
        )

    def latest(self, reading_filter: reading_pb2.ReadingFilter, *, page_size: int = 0) -> Iterator[reading_pb2.Reading]:
        """Yields the newest reading of each device, by device.

        Raises:
            ContractNotFoundError: There is no such contract.
            DataflowError: The call failed otherwise.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListLatestReadings, page),
            reading_service_pb2.ListLatestReadingsRequest(filter=reading_filter, page_size=page_size),
            lambda response: response.readings,
        )


class AsyncReadings(AsyncReadingAggregates, AsyncReadingStreams):
    """Reads what was stored."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        AsyncReadingAggregates.__init__(self, channel, caller)
        AsyncReadingStreams.__init__(self, channel, caller)
        self._stub = ReadingServiceStub(channel)
        self._caller = caller

    def list(
        self, reading_filter: reading_pb2.ReadingFilter, *, newest_first: bool = False, page_size: int = 0
    ) -> AsyncIterator[reading_pb2.Reading]:
        """Yields readings by event time, device and message id.

        Args:
            reading_filter: Which ones; the contract must be named. `reading_filter()` makes one.
            newest_first: The other way round.
            page_size: Readings of one page; 0 for the server's choice.

        Raises:
            ContractNotFoundError: There is no such contract.
            DataflowError: The call failed otherwise.
        """
        order = (
            reading_service_pb2.READING_ORDER_NEWEST_FIRST
            if newest_first
            else reading_service_pb2.READING_ORDER_OLDEST_FIRST
        )
        return async_items(
            lambda page: self._caller.unary(self._stub.ListReadings, page),
            reading_service_pb2.ListReadingsRequest(filter=reading_filter, order=order, page_size=page_size),
            lambda response: response.readings,
        )

    def latest(
        self, reading_filter: reading_pb2.ReadingFilter, *, page_size: int = 0
    ) -> AsyncIterator[reading_pb2.Reading]:
        """Yields the newest reading of each device, by device.

        Raises:
            ContractNotFoundError: There is no such contract.
            DataflowError: The call failed otherwise.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListLatestReadings, page),
            reading_service_pb2.ListLatestReadingsRequest(filter=reading_filter, page_size=page_size),
            lambda response: response.readings,
        )
