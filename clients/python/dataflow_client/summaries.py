"""What the readings of some time amount to: `dataflow.insight.v1.SummaryService`."""

import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import TypedDict, Unpack

import grpc
from dataflow.insight.v1 import summary_pb2, summary_service_pb2
from dataflow.insight.v1.summary_service_pb2_grpc import SummaryServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.paging import async_items, items


class SummaryOptions(TypedDict, total=False):
    """What is summarised, beside the contract."""

    device_ids: Sequence[str]
    """Only these devices; empty: all."""
    period: summary_pb2.SummaryPeriod.ValueType
    """Which stretch of the calendar, where neither start nor end is given; the last whole day."""
    start_time: datetime | None
    """From here on; None where there is an end: from the first reading."""
    end_time: datetime | None
    """Before here; None where there is a start: to the last reading."""
    time_zone: str
    """IANA name of the zone of days and hours; empty: UTC."""
    fields: Sequence[str]
    """Only these fields; empty: those with most values."""


class Summaries:
    """Makes, shows and removes summaries."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = SummaryServiceStub(channel)
        self._caller = caller

    def summarize(self, contract: str, **options: Unpack[SummaryOptions]) -> summary_pb2.Summary:
        """Summarises the readings of a contract and keeps the summary.

        The request carries an id of its own, so that repeating it after a lost answer is the same request.

        Args:
            contract: Its name.
            **options: Devices, time, time zone, fields; see `SummaryOptions`.

        Returns:
            The summary, with what it was computed from. Its id is empty where insight keeps nothing.

        Raises:
            ContractNotFoundError: There is no such contract.
            InvalidRequestError: No such device, field or time zone, or an empty time.
            QueryTooExpensiveError: Too many readings; choose less time or fewer devices.
            DataflowError: The call failed otherwise.
        """
        request = _request(contract, options)
        return self._caller.unary(
            self._stub.Summarize, request, timeout_seconds=self._caller.options.ask_timeout_seconds
        ).summary

    def get(self, summary_id: str) -> summary_pb2.Summary:
        """Returns one summary, with what it was computed from.

        Raises:
            SummaryNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        request = summary_service_pb2.GetSummaryRequest(summary_id=summary_id)
        return self._caller.unary(self._stub.GetSummary, request).summary

    def list(self, contract: str = "", *, page_size: int = 0) -> Iterator[summary_pb2.Summary]:
        """Yields summaries, newest first, without what they were computed from.

        Args:
            contract: Only of this; empty: of all.
            page_size: How many are fetched at a time; 0 for the server's choice.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListSummaries, page),
            summary_service_pb2.ListSummariesRequest(contract=contract, page_size=page_size),
            lambda response: response.summaries,
        )

    def delete(self, summary_id: str) -> None:
        """Removes a summary: its maker may, and operators.

        Raises:
            SummaryNotFoundError: There is none of that id.
            RoleMissingError: Somebody else made it.
            DataflowError: The call failed otherwise.
        """
        self._caller.unary(self._stub.DeleteSummary, summary_service_pb2.DeleteSummaryRequest(summary_id=summary_id))


class AsyncSummaries:
    """Makes, shows and removes summaries."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = SummaryServiceStub(channel)
        self._caller = caller

    async def summarize(self, contract: str, **options: Unpack[SummaryOptions]) -> summary_pb2.Summary:
        """Summarises the readings of a contract and keeps the summary.

        The request carries an id of its own, so that repeating it after a lost answer is the same request.

        Args:
            contract: Its name.
            **options: Devices, time, time zone, fields; see `SummaryOptions`.

        Returns:
            The summary, with what it was computed from. Its id is empty where insight keeps nothing.

        Raises:
            ContractNotFoundError: There is no such contract.
            InvalidRequestError: No such device, field or time zone, or an empty time.
            QueryTooExpensiveError: Too many readings; choose less time or fewer devices.
            DataflowError: The call failed otherwise.
        """
        request = _request(contract, options)
        response = await self._caller.unary(
            self._stub.Summarize, request, timeout_seconds=self._caller.options.ask_timeout_seconds
        )
        return response.summary

    async def get(self, summary_id: str) -> summary_pb2.Summary:
        """Returns one summary, with what it was computed from.

        Raises:
            SummaryNotFoundError: There is none of that id.
            DataflowError: The call failed otherwise.
        """
        request = summary_service_pb2.GetSummaryRequest(summary_id=summary_id)
        return (await self._caller.unary(self._stub.GetSummary, request)).summary

    def list(self, contract: str = "", *, page_size: int = 0) -> AsyncIterator[summary_pb2.Summary]:
        """Yields summaries, newest first, without what they were computed from.

        Args:
            contract: Only of this; empty: of all.
            page_size: How many are fetched at a time; 0 for the server's choice.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListSummaries, page),
            summary_service_pb2.ListSummariesRequest(contract=contract, page_size=page_size),
            lambda response: response.summaries,
        )

    async def delete(self, summary_id: str) -> None:
        """Removes a summary: its maker may, and operators.

        Raises:
            SummaryNotFoundError: There is none of that id.
            RoleMissingError: Somebody else made it.
            DataflowError: The call failed otherwise.
        """
        request = summary_service_pb2.DeleteSummaryRequest(summary_id=summary_id)
        await self._caller.unary(self._stub.DeleteSummary, request)


def _request(contract: str, options: SummaryOptions) -> summary_service_pb2.SummarizeRequest:
    request = summary_service_pb2.SummarizeRequest(
        contract=contract,
        device_ids=options.get("device_ids", ()),
        period=options.get("period", summary_pb2.SUMMARY_PERIOD_UNSPECIFIED),
        time_zone=options.get("time_zone", ""),
        fields=options.get("fields", ()),
        request_id=str(uuid.uuid4()),
    )
    if (start := options.get("start_time")) is not None:
        request.start_time.FromDatetime(start)
    if (end := options.get("end_time")) is not None:
        request.end_time.FromDatetime(end)
    return request
