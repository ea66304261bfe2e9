"""What `QuarantineService` says of many items at once: counts by cause, and all of them as lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from dataflow.validator.v1 import quarantine_overview_pb2, quarantine_service_pb2, quarantine_service_pb2_grpc
from dataflow_mesh.postgres import Pool

from dataflow_validator.pages import Context, Row
from dataflow_validator.quarantine.filters import KIND_VALUES, MAX_ID, Wanted, id_range, wanted_of
from dataflow_validator.quarantine.lines import LINE_COLUMNS, item_line
from dataflow_validator.quarantine.queries import quarantine_query
from dataflow_validator.statements import statements
from dataflow_validator.time_messages import to_timestamp

MAX_SUMMARIZED: Final = 1_000_000
"""Items that a summary looks at, the newest: more would take longer than anybody waits."""

CHUNK_BYTES: Final = 1024 * 1024
"""Bytes of one message of an export, from which on it is sent."""

_PAGE: Final = 200
_MAX_GROUPS: Final = 1_000
_MAX_REMOVED: Final = 100
_SUMMARY_MS: Final = 30_000
_CAUSES: Final = {
    cause: quarantine_overview_pb2.RemovalCause.Value(f"REMOVAL_CAUSE_{cause}") for cause in ("AGE", "SIZE", "DEVICE")
}


class OverviewServicer(quarantine_service_pb2_grpc.QuarantineServiceServicer):
    """Counts items by their root cause, and streams them.

    Args:
        pool: Connections with short limits.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def SummarizeQuarantined(
        self,
        request: quarantine_service_pb2.SummarizeQuarantinedRequest,
        context: Context,
    ) -> quarantine_service_pb2.SummarizeQuarantinedResponse:
        """Counts the newest items of a filter by contract, revision, kind, clause and field."""
        sql = statements("quarantine_overview")
        wanted = wanted_of(request.filter)
        response = quarantine_service_pb2.SummarizeQuarantinedResponse()
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(f"SET LOCAL statement_timeout = {_SUMMARY_MS}")
            if wanted is not None:
                low, high = await id_range(connection, wanted)
                inner = quarantine_query(wanted, MAX_SUMMARIZED, low=low, high=high, columns="q.*")
                text = sql["groups"].replace("{items}", inner.sql).replace("{groups}", str(_MAX_GROUPS))
                rows = await connection.fetch(text, *inner.arguments)
                response.groups.extend(_group(row) for row in rows)
                response.summarized = rows[0]["summarized"] if rows else 0
                response.complete = response.summarized < MAX_SUMMARIZED and len(rows) < _MAX_GROUPS
            totals = await connection.fetchrow(statements("limits")["total"])
            assert totals is not None, "sums without GROUP BY give a row"
            response.total_items, response.total_bytes = max(0, totals["items"]), max(0, totals["bytes"])
            response.removed.extend(_removed(row) for row in await connection.fetch(sql["removed"], _MAX_REMOVED))
        return response

    async def ExportQuarantined(
        self,
        request: quarantine_service_pb2.ExportQuarantinedRequest,
        context: Context,
    ) -> AsyncIterator[quarantine_service_pb2.ExportQuarantinedResponse]:
        """Streams items as lines, the oldest first; between two pages no connection is held."""
        wanted = wanted_of(request.filter)
        if wanted is None:
            return
        after = int(request.after_quarantine_id or 0)
        async with self._pool.acquire() as connection:
            low, high = await id_range(connection, wanted)
            # What comes meanwhile is not waited for: an export ends.
            newest = await connection.fetchval("SELECT max(quarantine_id) FROM validator.quarantine")
        low, high = max(low, min(after, MAX_ID - 1) + 1), min(high, newest or 0)
        lines: list[bytes] = []
        size = 0
        while low <= high:
            rows = await self._page(wanted, low, high)
            for row in rows:
                line = item_line(row)
                if lines and size + len(line) > CHUNK_BYTES:
                    yield _chunk(lines, low - 1)
                    lines, size = [], 0
                lines.append(line)
                size += len(line)
                low = row["quarantine_id"] + 1
            if len(rows) < _PAGE:
                break
        if lines:
            yield _chunk(lines, low - 1)

    async def _page(self, wanted: Wanted, low: int, high: int) -> list[Row]:
        query = quarantine_query(wanted, _PAGE, low=low, high=high, oldest_first=True, columns=LINE_COLUMNS)
        return list(await self._pool.fetch(query.sql, *query.arguments))


def _chunk(lines: list[bytes], last: int) -> quarantine_service_pb2.ExportQuarantinedResponse:
    return quarantine_service_pb2.ExportQuarantinedResponse(
        data=b"".join(lines), items=len(lines), last_quarantine_id=str(last)
    )


def _group(row: Row) -> quarantine_overview_pb2.QuarantineGroup:
    return quarantine_overview_pb2.QuarantineGroup(
        contract=row["contract"],
        revision=row["revision"],
        kind=KIND_VALUES[row["kind"]],
        rule=row["rule"],
        path=row["path"],
        items=row["items"],
        devices=row["devices"],
        first_receive_time=to_timestamp(row["first_time"]),
        last_receive_time=to_timestamp(row["last_time"]),
        newest_quarantine_id=str(row["newest"]),
    )


def _removed(row: Row) -> quarantine_overview_pb2.RemovedItems:
    return quarantine_overview_pb2.RemovedItems(
        device_id=row["device_id"],
        cause=_CAUSES[row["cause"]],
        items=row["items"],
        size_bytes=row["bytes"],
        first_time=to_timestamp(row["first_time"]),
        last_time=to_timestamp(row["last_time"]),
    )
