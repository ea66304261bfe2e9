"""The proof that what was acknowledged was accounted for: `dataflow.validator.v1.LedgerService`."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime

import grpc
from dataflow.validator.v1 import ledger_pb2, ledger_service_pb2
from dataflow.validator.v1.ledger_service_pb2_grpc import LedgerServiceStub
from grpc import aio

from dataflow_client.calls import AsyncCaller, Caller
from dataflow_client.paging import async_items, items


def check_request(
    bridge_id: str, boot_id: str, recount: bool, recount_start_time: datetime | None, recount_end_time: datetime | None
) -> ledger_service_pb2.CheckLedgerRequest:
    """Builds the request that `check` sends."""
    request = ledger_service_pb2.CheckLedgerRequest(
        bridge_id=bridge_id, boot_id=boot_id, recount=recount, page_size=1_000
    )
    if recount_start_time is not None:
        request.recount_start_time.FromDatetime(recount_start_time)
    if recount_end_time is not None:
        request.recount_end_time.FromDatetime(recount_end_time)
    return request


def list_request(
    ledger_filter: ledger_pb2.LedgerFilter | None, by_minute: bool, page_size: int
) -> ledger_service_pb2.ListLedgerEntriesRequest:
    """Builds the request that `list` sends."""
    return ledger_service_pb2.ListLedgerEntriesRequest(
        filter=ledger_filter,
        resolution=ledger_service_pb2.LEDGER_RESOLUTION_MINUTE
        if by_minute
        else ledger_service_pb2.LEDGER_RESOLUTION_BATCH,
        page_size=page_size,
    )


class Ledger:
    """Shows and checks the ledger."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        self._stub = LedgerServiceStub(channel)
        self._caller = caller

    def check(
        self,
        *,
        bridge_id: str = "",
        boot_id: str = "",
        recount: bool = False,
        recount_start_time: datetime | None = None,
        recount_end_time: datetime | None = None,
    ) -> ledger_service_pb2.CheckLedgerResponse:
        """Looks for every acknowledged batch that is not in the ledger, now; the first 1,000 lives of bridges come along.

        Args:
            bridge_id: Only this bridge; empty for all.
            boot_id: Only this life of one.
            recount: Also count rows and compare with what the ledger says.
            recount_start_time: From this time on; None: the last ten minutes.
            recount_end_time: Before this time; None: until now.

        Raises:
            PostgresUnavailableError: Nothing can be said.
            DataflowError: The call failed otherwise.
        """
        request = check_request(bridge_id, boot_id, recount, recount_start_time, recount_end_time)
        return self._caller.unary(self._stub.CheckLedger, request)

    def list(
        self, ledger_filter: ledger_pb2.LedgerFilter | None = None, *, by_minute: bool = False, page_size: int = 0
    ) -> Iterator[ledger_pb2.LedgerEntry]:
        """Yields entries, newest first.

        Args:
            ledger_filter: Which ones; None for all.
            by_minute: One for each minute, bridge, contract and device instead of one for each batch.
            page_size: Entries of one page; 0 for the server's choice.

        Raises:
            DataflowError: The call failed.
        """
        return items(
            lambda page: self._caller.unary(self._stub.ListLedgerEntries, page),
            list_request(ledger_filter, by_minute, page_size),
            lambda response: response.entries,
        )


class AsyncLedger:
    """Shows and checks the ledger."""

    def __init__(self, channel: aio.Channel, caller: AsyncCaller) -> None:
        self._stub = LedgerServiceStub(channel)
        self._caller = caller

    async def check(
        self,
        *,
        bridge_id: str = "",
        boot_id: str = "",
        recount: bool = False,
        recount_start_time: datetime | None = None,
        recount_end_time: datetime | None = None,
    ) -> ledger_service_pb2.CheckLedgerResponse:
        """Looks for every acknowledged batch that is not in the ledger, now; the first 1,000 lives of bridges come along.

        Args:
            bridge_id: Only this bridge; empty for all.
            boot_id: Only this life of one.
            recount: Also count rows and compare with what the ledger says.
            recount_start_time: From this time on; None: the last ten minutes.
            recount_end_time: Before this time; None: until now.

        Raises:
            PostgresUnavailableError: Nothing can be said.
            DataflowError: The call failed otherwise.
        """
        request = check_request(bridge_id, boot_id, recount, recount_start_time, recount_end_time)
        return await self._caller.unary(self._stub.CheckLedger, request)

    def list(
        self, ledger_filter: ledger_pb2.LedgerFilter | None = None, *, by_minute: bool = False, page_size: int = 0
    ) -> AsyncIterator[ledger_pb2.LedgerEntry]:
        """Yields entries, newest first.

        Args:
            ledger_filter: Which ones; None for all.
            by_minute: One for each minute, bridge, contract and device instead of one for each batch.
            page_size: Entries of one page; 0 for the server's choice.

        Raises:
            DataflowError: The call failed.
        """
        return async_items(
            lambda page: self._caller.unary(self._stub.ListLedgerEntries, page),
            list_request(ledger_filter, by_minute, page_size),
            lambda response: response.entries,
        )
