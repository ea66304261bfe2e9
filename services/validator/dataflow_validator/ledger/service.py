"""`dataflow.validator.v1.LedgerService`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from dataflow.validator.v1 import ledger_pb2, ledger_service_pb2, ledger_service_pb2_grpc
from dataflow_mesh import paging
from dataflow_mesh.postgres import Pool

from dataflow_validator.ledger.check import State, check_ledger
from dataflow_validator.ledger.messages import boot_messages, entry_message, life_of
from dataflow_validator.ledger.queries import Wanted, batch_query, minute_query
from dataflow_validator.ledger.recount import recount
from dataflow_validator.ledger.ring import RingLooker
from dataflow_validator.pages import Context, Page, Row, read_page, selection, storable
from dataflow_validator.statements import statements
from dataflow_validator.time_messages import from_timestamp, microseconds, moment_of, to_timestamp

SERVICE: Final = "dataflow.validator.v1.LedgerService"
"""Full name of the service."""

_RECOUNTED: Final = timedelta(minutes=10)


class LedgerServicer(ledger_service_pb2_grpc.LedgerServiceServicer):
    """Shows what was accounted for, and finds what was not.

    Args:
        pool: Connections with short limits.
        ring: Looks at the nodes.
    """

    def __init__(self, pool: Pool, ring: RingLooker) -> None:
        self._pool = pool
        self._ring = ring

    async def ListLedgerEntries(
        self,
        request: ledger_service_pb2.ListLedgerEntriesRequest,
        context: Context,
    ) -> ledger_service_pb2.ListLedgerEntriesResponse:
        """Gives batches or minutes, newest first."""
        method, bound = f"{SERVICE}.ListLedgerEntries", selection(request)
        key = paging.decode(request.page_token, method, bound)
        size = paging.page_size(request.page_size)
        wanted = _wanted(request.filter)
        if wanted is None:
            return ledger_service_pb2.ListLedgerEntriesResponse()
        minutes = request.resolution == ledger_service_pb2.LEDGER_RESOLUTION_MINUTE
        if minutes:
            query = minute_query(wanted, None if key is None else _minute_key(key), size + 1)
        else:
            query = batch_query(wanted, None if key is None else (str(key[0]), str(key[1])), size + 1)
        page: Page[ledger_pb2.LedgerEntry] = await read_page(
            self._pool, query.sql, query.arguments, size, entry_message
        )
        token = ""
        if page.more and page.last is not None:
            token = paging.encode(_key(page.last, minutes=minutes), method, bound)
        return ledger_service_pb2.ListLedgerEntriesResponse(entries=page.items, next_page_token=token)

    async def CheckLedger(
        self,
        request: ledger_service_pb2.CheckLedgerRequest,
        context: Context,
    ) -> ledger_service_pb2.CheckLedgerResponse:
        """Looks now, and says where everything is."""
        method, bound = f"{SERVICE}.CheckLedger", selection(request)
        key = paging.decode(request.page_token, method, bound)
        size = paging.page_size(request.page_size)
        check = await check_ledger(
            self._pool,
            self._ring,
            bridge_id=request.bridge_id,
            boot_id=UUID(request.boot_id) if request.boot_id else None,
        )
        parked = await self._pool.fetch(statements("ledger")["parked_by_boot"])
        boots = sorted(check.survey.boots, key=life_of)
        if key is not None:
            boots = [boot for boot in boots if life_of(boot) > (str(key[0]), str(key[1]))]
        response = ledger_service_pb2.CheckLedgerResponse(
            in_ring=check.count(State.IN_RING),
            parked=check.count(State.PARKED),
            unreachable=check.count(State.UNREACHABLE),
            missing=check.count(State.MISSING),
            unexamined=check.survey.unseen,
            unreachable_nodes=check.unreachable,
            boots=boot_messages(check, boots[:size], {record["boot_id"]: record["batches"] for record in parked}),
        )
        if len(boots) > size:
            response.next_page_token = paging.encode(life_of(boots[size - 1]), method, bound)
        response.complete = not (response.unreachable or response.missing or response.unexamined)
        if request.recount:
            response.recount.CopyFrom(recounted := await self._recount(request))
            response.complete &= _agrees(recounted)
        return response

    async def _recount(self, request: ledger_service_pb2.CheckLedgerRequest) -> ledger_pb2.Recount:
        now = datetime.now(UTC)
        end = (
            from_timestamp(request.recount_end_time, "recount_end_time")
            if request.HasField("recount_end_time")
            else now
        )
        start = end - _RECOUNTED
        if request.HasField("recount_start_time"):
            start = from_timestamp(request.recount_start_time, "recount_start_time")
        counted = await recount(self._pool, start, end)
        return ledger_pb2.Recount(
            start_time=to_timestamp(start),
            end_time=to_timestamp(end),
            ledger_stored=counted.ledger_stored,
            found_stored=counted.found_stored,
            ledger_quarantined=counted.ledger_quarantined,
            found_quarantined=counted.found_quarantined,
            differing_contracts=counted.differing,
        )


def _agrees(recounted: ledger_pb2.Recount) -> bool:
    return (
        not recounted.differing_contracts
        and recounted.ledger_stored == recounted.found_stored
        and recounted.ledger_quarantined == recounted.found_quarantined
    )


def _wanted(message: ledger_pb2.LedgerFilter) -> Wanted | None:
    """Reads the filter; `None` where it names what cannot be in Postgres, so that nothing matches."""
    texts = [message.bridge_id, message.contract, message.device_id]
    if len(storable(texts)) < len(texts):
        return None
    return Wanted(
        bridge_id=message.bridge_id,
        boot_id=UUID(message.boot_id) if message.boot_id else None,
        contract=message.contract,
        device_id=message.device_id,
        start=from_timestamp(message.start_time, "filter.start_time") if message.HasField("start_time") else None,
        end=from_timestamp(message.end_time, "filter.end_time") if message.HasField("end_time") else None,
    )


def _key(row: Row, *, minutes: bool) -> list[paging.KeyPart]:
    if minutes:
        return [microseconds(row["time"]), row["bridge_id"], row["contract"], row["device_id"]]
    return [row["xid"], str(row["batch_id"])]


def _minute_key(key: tuple[paging.KeyPart, ...]) -> tuple[datetime, str, str, str]:
    minute, bridge_id, contract, device_id = key
    return moment_of(int(minute or 0)), str(bridge_id), str(contract), str(device_id)
