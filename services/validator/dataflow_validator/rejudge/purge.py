"""The kind PURGE_QUARANTINED: items of a filter deleted for good, in chunks, and written into the audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dataflow.validator.v1 import quarantine_pb2
from dataflow_mesh.postgres import Connection
from google.protobuf import json_format

from dataflow_validator import audit
from dataflow_validator.jobs.context import JobContext
from dataflow_validator.jobs.kind import DONE, Json, Part, Plan
from dataflow_validator.quarantine.filters import id_range, wanted_of
from dataflow_validator.quarantine.queries import count_query, quarantine_query
from dataflow_validator.statements import statements

_SQL: Final = statements("rejudge")
_CHUNK: Final = 5_000
"""Items deleted in one transaction, so that no lock lasts."""


class PurgeQuarantined:
    """Deletes what somebody chose."""

    name = "PURGE_QUARANTINED"

    async def plan(self, context: JobContext) -> Plan:
        """Takes what is there now: what comes while it runs stays."""
        wanted = wanted_of(json_format.ParseDict(context.request.get("filter", {}), quarantine_pb2.QuarantineFilter()))
        if wanted is None:
            return Plan([], 0)
        async with context.pool.acquire() as connection:
            low, _ = await id_range(connection, wanted)
            high = await connection.fetchval(_SQL["newest_entry"])
            query = count_query(wanted)
            total = await connection.fetchval(query.sql, *query.arguments)
        return Plan([{"next": low, "high": high}], total)

    async def step(self, context: JobContext, part: Part) -> None:
        """Deletes one chunk."""
        wanted = wanted_of(json_format.ParseDict(context.request.get("filter", {}), quarantine_pb2.QuarantineFilter()))
        assert wanted is not None, "else there were no parts"
        query = quarantine_query(
            wanted,
            context.items_of_step(_CHUNK),
            low=part.checkpoint["next"],
            high=part.checkpoint["high"],
            oldest_first=True,
            columns="q.quarantine_id",
        )
        ids = [record["quarantine_id"] for record in await context.pool.fetch(query.sql, *query.arguments)]
        purged = part.result.get("purged", 0)
        async with context.transaction(part) as connection:
            if not ids:
                await self._tell(context, connection, "PurgeQuarantined finished", purged)
                await context.save(connection, part, checkpoint=DONE, done=0, result={"purged": purged})
                return
            if not part.result:
                await self._tell(context, connection, "PurgeQuarantined", 0)
            gone = len(ids) if context.dry_run else await connection.fetchval(_SQL["purge"], ids)
            await context.save(
                connection,
                part,
                checkpoint={**part.checkpoint, "next": ids[-1] + 1},
                done=len(ids),
                result={"purged": purged + gone},
            )

    async def _tell(self, context: JobContext, connection: Connection, action: str, purged: int) -> None:
        if not context.dry_run:
            detail = {"filter": context.request.get("filter", {}), "purged": purged}
            await audit.record(
                connection, actor=context.created_by, action=action, target=f"job:{context.job_id}", detail=detail
            )

    def combine(self, request: Json, results: Sequence[Json]) -> Json:  # noqa: ARG002 - as the protocol has it
        """Gives the count of the one part."""
        return dict(results[0]) if results else {"purged": 0}
