"""`dataflow.validator.v1.QuarantineService`."""

import json
from typing import Final

from dataflow.validator.v1 import quarantine_pb2, quarantine_service_pb2
from dataflow_mesh import paging
from dataflow_mesh.postgres import Pool

from dataflow_validator.contracts.identity import IdKind
from dataflow_validator.errors import QuarantinedNotFoundError
from dataflow_validator.pages import Context, Row, read_page, selection
from dataflow_validator.parked.retry import ParkedRetry
from dataflow_validator.parked.service import ParkedServicer
from dataflow_validator.quarantine.export_service import QuarantineFileServicer
from dataflow_validator.quarantine.filters import KIND_VALUES, MAX_ID, id_range, wanted_of
from dataflow_validator.quarantine.overview_service import OverviewServicer
from dataflow_validator.quarantine.queries import COLUMNS, quarantine_query
from dataflow_validator.rejudge.service import RejudgeServicer
from dataflow_validator.time_messages import to_timestamp

SERVICE: Final = "dataflow.validator.v1.QuarantineService"
"""Full name of the service."""


class QuarantineServicer(ParkedServicer, OverviewServicer, QuarantineFileServicer, RejudgeServicer):
    """Shows what was not stored, and why; with what it inherits, what is parked.

    Args:
        pool: Connections with short limits.
        parked_retry: Judges and stores parked batches again.
    """

    def __init__(self, pool: Pool, parked_retry: ParkedRetry) -> None:
        ParkedServicer.__init__(self, pool, parked_retry)
        OverviewServicer.__init__(self, pool)
        QuarantineFileServicer.__init__(self, pool)
        RejudgeServicer.__init__(self, pool)

    async def ListQuarantined(
        self,
        request: quarantine_service_pb2.ListQuarantinedRequest,
        context: Context,
    ) -> quarantine_service_pb2.ListQuarantinedResponse:
        """Gives items, newest first."""
        method, bound = f"{SERVICE}.ListQuarantined", selection(request)
        key = paging.decode(request.page_token, method, bound)
        size = paging.page_size(request.page_size)
        wanted = wanted_of(request.filter)
        if wanted is None:
            return quarantine_service_pb2.ListQuarantinedResponse()
        if key is None:
            async with self._pool.acquire() as connection:
                low, high = await id_range(connection, wanted)
        else:
            low, high = int(key[1] or 0), int(key[0] or 0) - 1
        query = quarantine_query(wanted, size + 1, low=low, high=high)
        page = await read_page(self._pool, query.sql, query.arguments, size, _message)
        token = ""
        if page.more and page.last is not None:
            token = paging.encode([page.last["quarantine_id"], low], method, bound)
        return quarantine_service_pb2.ListQuarantinedResponse(items=page.items, next_page_token=token)

    async def GetQuarantined(
        self,
        request: quarantine_service_pb2.GetQuarantinedRequest,
        context: Context,
    ) -> quarantine_service_pb2.GetQuarantinedResponse:
        """Gives one item with its bytes."""
        text = request.quarantine_id
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(
                f"SELECT {COLUMNS} FROM validator.quarantine q WHERE q.quarantine_id = $1",  # noqa: S608 - a constant
                min(number, MAX_ID),
            )
        if row is None:
            raise QuarantinedNotFoundError(f"there is no quarantined item of id {text!r}", metadata={"id": text})
        return quarantine_service_pb2.GetQuarantinedResponse(item=_message(row))


def _message(row: Row) -> quarantine_pb2.QuarantinedItem:
    # The "char" type comes as bytes. An id that a bridge made up identifies nothing outside.
    identified = row["id_kind"] != IdKind.BRIDGE.value.encode()
    return quarantine_pb2.QuarantinedItem(
        quarantine_id=str(row["quarantine_id"]),
        kind=KIND_VALUES[row["kind"]],
        contract=row["contract"],
        revision=row["revision"],
        device_id=row["device_id"],
        topic=row["topic"],
        payload=row["payload"],
        element=row["element"],
        reasons=[_reason(reason) for reason in json.loads(row["reasons"])],
        receive_time=to_timestamp(row["receive_time"]),
        event_time=None if row["event_time"] is None else to_timestamp(row["event_time"]),
        message_id=str(row["message_id"]) if identified else "",
        quarantine_time=to_timestamp(row["quarantine_time"]),
    )


def _reason(reason: dict[str, str]) -> quarantine_pb2.Reason:
    return quarantine_pb2.Reason(
        path=reason.get("path", ""),
        rule=reason.get("rule", ""),
        expected=reason.get("expected", ""),
        actual=reason.get("actual", ""),
        message=reason.get("message", ""),
    )
