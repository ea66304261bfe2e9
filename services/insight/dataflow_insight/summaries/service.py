"""SummaryService: makes summaries within a time and a number for each caller, keeps them, shows and removes them."""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from dataflow.access.v1 import role_pb2
from dataflow.insight.v1 import summary_pb2, summary_service_pb2, summary_service_pb2_grpc
from dataflow_mesh.access import allows, current_caller
from dataflow_mesh.errors import InvalidRequestError, QueryTooExpensiveError, RoleMissingError
from dataflow_mesh.logs import fields
from dataflow_mesh.paging import decode, encode, page_size
from grpc.aio import ServicerContext

from dataflow_insight.asking.admission import Admission
from dataflow_insight.catalogue.catalogue import Catalogues
from dataflow_insight.plans.errors import PlanError
from dataflow_insight.queries.reads import Queries
from dataflow_insight.summaries.compute import summarise
from dataflow_insight.summaries.errors import SummaryNotFoundError
from dataflow_insight.summaries.gating import gated
from dataflow_insight.summaries.messages import summary_message
from dataflow_insight.summaries.request import understand
from dataflow_insight.summaries.store import SummaryStore
from dataflow_insight.summaries.words import write

_log = logging.getLogger(__name__)

_LIST: Final = "/dataflow.insight.v1.SummaryService/ListSummaries"
_PAGE: Final = 20
_MAX_PAGE: Final = 100


class SummaryService(summary_service_pb2_grpc.SummaryServiceServicer):
    """Summarises through the reader, keeps in insight's own schema.

    Args:
        survey: Knows what exists.
        queries: Runs the SQL, bounded.
        store: Keeps summaries; `None` where nothing can be written: they are then made and not kept.
        seconds: How long one may take.
        per_caller: How many a caller may have in the making.
        now: The present, UTC; a parameter for tests.
    """

    def __init__(
        self,
        survey: Catalogues,
        queries: Queries,
        store: SummaryStore | None,
        *,
        seconds: float = 60.0,
        per_caller: int = 4,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._survey = survey
        self._queries = queries
        self._store = store
        self._seconds = seconds
        self._admission = Admission(per_caller)
        self._now = now

    async def Summarize(
        self, request: summary_service_pb2.SummarizeRequest, context: ServicerContext[object, object]
    ) -> summary_service_pb2.SummarizeResponse:
        """Makes a summary and keeps it."""
        if "\0" in request.request_id:
            raise InvalidRequestError("request_id: has a NUL, which cannot be stored")
        creator, digest = current_caller().name, _digest(request)
        if self._store is not None and request.request_id:
            earlier = await self._store.requested(creator, request.request_id, digest)
            if earlier is not None:
                return summary_service_pb2.SummarizeResponse(summary=earlier.summary)
        with self._admission.admitted(creator):
            limit = asyncio.timeout(self._seconds)
            try:
                async with limit:
                    summary = await self._made(request)
            except TimeoutError as error:
                # Not that of a Postgres that gives no answer, which is no fault of the request.
                if not limit.expired():
                    raise
                raise QueryTooExpensiveError(metadata={"limit": "time"}) from error
            except PlanError as error:
                raise InvalidRequestError(f"{error}; take other fields, or another time") from error
        _log.info(
            "summary made",
            extra=fields("summary_made", contract=summary.contract, readings=summary.reading_count),
        )
        if self._store is None:
            summary.creator = creator
            return summary_service_pb2.SummarizeResponse(summary=summary)
        kept = await self._store.add(summary, creator, request.request_id, digest)
        return summary_service_pb2.SummarizeResponse(summary=kept.summary)

    async def GetSummary(
        self, request: summary_service_pb2.GetSummaryRequest, context: ServicerContext[object, object]
    ) -> summary_service_pb2.GetSummaryResponse:
        """Shows one summary."""
        kept = await self._kept().get(UUID(request.summary_id))
        return summary_service_pb2.GetSummaryResponse(summary=kept.summary)

    async def ListSummaries(
        self, request: summary_service_pb2.ListSummariesRequest, context: ServicerContext[object, object]
    ) -> summary_service_pb2.ListSummariesResponse:
        """Shows summaries, newest first."""
        selected = summary_service_pb2.ListSummariesRequest(contract=request.contract)
        after = decode(request.page_token, _LIST, selected)
        # No contract has a NUL in its name, and Postgres takes none.
        if self._store is None or "\0" in request.contract:
            return summary_service_pb2.ListSummariesResponse()
        size = page_size(request.page_size, default=_PAGE, maximum=_MAX_PAGE)
        found = await self._store.newest(request.contract, int(str(after[0])) if after else None, size + 1)
        page = found[:size]
        return summary_service_pb2.ListSummariesResponse(
            summaries=[kept.summary for kept in page],
            next_page_token=encode([page[-1].number], _LIST, selected) if len(found) > size else "",
        )

    async def DeleteSummary(
        self, request: summary_service_pb2.DeleteSummaryRequest, context: ServicerContext[object, object]
    ) -> summary_service_pb2.DeleteSummaryResponse:
        """Removes a summary, for its maker and for operators."""
        store, summary_id, caller = self._kept(), UUID(request.summary_id), current_caller()
        kept = await store.get(summary_id)
        if kept.summary.creator != caller.name and not allows(caller.role, [role_pb2.ROLE_OPERATOR]):
            raise RoleMissingError(
                f"the summary was made by {kept.summary.creator!r}; operators may remove it, too",
                metadata={"role": caller.role_name, "required_roles": "OPERATOR"},
            )
        await store.delete(summary_id)
        return summary_service_pb2.DeleteSummaryResponse()

    def _kept(self) -> SummaryStore:
        if self._store is None:
            raise SummaryNotFoundError
        return self._store

    async def _made(self, request: summary_service_pb2.SummarizeRequest) -> summary_pb2.Summary:
        now = self._now()
        wanted = await understand(request, self._survey, self._queries, now)
        facts = await summarise(wanted.catalogue, wanted.scope, tuple(request.fields), self._queries, now)
        summary = summary_message(facts)
        text = gated(facts, write(facts, incomplete=wanted.incomplete), now)
        if text.removed:
            _log.warning("sentences of a summary were removed", extra=fields("summary_cut", removed=text.removed))
        summary.text = text.text
        summary.bindings.extend(text.bindings)
        for computed in facts.results:
            result = computed.table.to_proto()
            result.index = computed.index
            summary.results.append(result)
        return summary


def _digest(request: summary_service_pb2.SummarizeRequest) -> bytes:
    alone = summary_service_pb2.SummarizeRequest()
    alone.CopyFrom(request)
    alone.ClearField("request_id")
    return hashlib.sha256(alone.SerializeToString(deterministic=True)).digest()
